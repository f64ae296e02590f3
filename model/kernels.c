// kernels.c: rows handed to threads, and the small functions that need no vectors. Products are in gemm.c,
// attention in attention.c.
#include "kernels.h"

#include <math.h>
#include <string.h>

#include "cpu.h"
#include "io/exact.h"
#include "io/thread.h"

#define GRAIN 16384 // elements that are worth a thread's waking

const KernelTable *kernels(void) {
#if defined(__x86_64__)
    switch (cpu_level()) {
    case CPU_AVX512: return &kernels_avx512;
    case CPU_AVX2: return &kernels_avx2;
    case CPU_SCALAR: break;
    }
#endif
    return &kernels_scalar;
}

typedef struct {
    float *out;
    const float *x, *w, *b;
    const void *in;
    long C;
    float eps;
    bool plus_one, past;
    Act act;
    Dtype type;
} Job;

static size_t rows_grain(long C) { return C >= GRAIN ? 1 : (size_t)(GRAIN / (C > 0 ? C : 1)); }

#define ROWS(name, call)                                                                           \
    static void name(void *arg, size_t begin, size_t end) {                                        \
        const Job *j = arg;                                                                        \
        const KernelTable *k = kernels();                                                          \
        for (size_t r = begin; r < end; r++) {                                                     \
            size_t at = r * (size_t)j->C;                                                          \
            call;                                                                                  \
        }                                                                                          \
    }

// More than a thread's share of any last cache is no longer there when it is wanted: written past the caches, its lines are not
// read before they are written.
static bool beyond_caches(long floats) { return floats > (64l << 20) / (long)sizeof(float); }

static void layernorm_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    kernels()->layernorm(j->out + begin * (size_t)j->C, j->x + begin * (size_t)j->C, j->w, j->b, (long)(end - begin), j->C, j->eps, j->past);
}

static void rmsnorm_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    kernels()->rmsnorm(j->out + begin * (size_t)j->C, j->x + begin * (size_t)j->C, j->w, (long)(end - begin), j->C, j->eps, j->plus_one, j->past);
}

ROWS(l2norm_job, k->l2norm(j->out + at, j->x + at, j->C, j->eps))
ROWS(softmax_job, k->softmax(j->out + at, j->x + at, j->C))

void layernorm_rows(float *out, const float *x, const float *w, const float *b, long R, long C, float eps) {
    parallel_for((size_t)R, rows_grain(C), layernorm_job, &(Job){.out = out, .x = x, .w = w, .b = b, .C = C, .eps = eps, .past = beyond_caches(R * C)});
}

void rmsnorm_rows(float *out, const float *x, const float *w, long R, long C, float eps, bool plus_one) {
    parallel_for((size_t)R, rows_grain(C), rmsnorm_job, &(Job){.out = out, .x = x, .w = w, .C = C, .eps = eps, .plus_one = plus_one, .past = beyond_caches(R * C)});
}

void l2norm_rows(float *out, const float *x, long R, long C, float floor) {
    parallel_for((size_t)R, rows_grain(C), l2norm_job, &(Job){.out = out, .x = x, .C = C, .eps = floor});
}

void softmax_rows(float *out, const float *x, long R, long C) {
    parallel_for((size_t)R, rows_grain(C), softmax_job, &(Job){.out = out, .x = x, .C = C});
}

static void activate_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    kernels()->activate(j->out + begin, j->x + begin, (long)(end - begin), j->act, j->past);
}

static void exp_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    kernels()->exp(j->out + begin, j->x + begin, (long)(end - begin));
}

static void softcap_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    kernels()->softcap(j->out + begin, j->x + begin, (long)(end - begin), j->eps);
}

void activate(float *out, const float *x, size_t n, Act act) { parallel_for(n, GRAIN, activate_job, &(Job){.out = out, .x = x, .act = act, .past = beyond_caches((long)n)}); }

void exp_each(float *out, const float *x, size_t n) { parallel_for(n, GRAIN, exp_job, &(Job){.out = out, .x = x}); }

void softcap_each(float *out, const float *x, size_t n, float cap) { parallel_for(n, GRAIN, softcap_job, &(Job){.out = out, .x = x, .eps = cap}); }

float row_sum(const float *x, long C) { return kernels()->sum(x, C); }

float row_dot(const float *a, const float *b, long C) { return kernels()->dot(a, b, C); }

double log_of(double x) { return exact_log_of(x); }

void sincos_of(double x, double *sine, double *cosine) { exact_sincos(x, sine, cosine); }

// ---- types

static void widen_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    kernels()->widen(j->out + begin, (const char *)j->in + begin * dtype_size(j->type), j->type, (long)(end - begin));
}

void widen(float *out, const void *in, Dtype type, size_t n) {
    if (type == DTYPE_F64) {
        convert_f64_f32(out, in, n);
        return;
    }
    parallel_for(n, GRAIN, widen_job, &(Job){.out = out, .in = in, .type = type});
}

void convert_bf16_f32(float *out, const void *in, size_t n) { widen(out, in, DTYPE_BF16, n); }

void convert_f16_f32(float *out, const void *in, size_t n) { widen(out, in, DTYPE_F16, n); }

void convert_f64_f32(float *out, const void *in, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double d;
        memcpy(&d, (const char *)in + i * 8, 8);
        out[i] = (float)d;
    }
}

void convert_f32_bf16(void *out, const float *in, size_t n) {
    uint16_t *o = out;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &in[i], 4);
        if ((u & 0x7fffffff) > 0x7f800000) o[i] = (uint16_t)(u >> 16 | 0x40); // NaN, made quiet
        else o[i] = (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
    }
}

float bf16_round(float x) {
    uint16_t half;
    convert_f32_bf16(&half, &x, 1);
    convert_bf16_f32(&x, &half, 1);
    return x;
}

void convert_f32_f16(void *out, const float *in, size_t n) {
    uint16_t *o = out;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &in[i], 4);
        uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
        u &= 0x7fffffff;
        if (u > 0x7f800000) o[i] = sign | 0x7e00;
        else if (u >= 0x477ff000) o[i] = sign | 0x7c00; // 65520 and more round to infinity
        else if (u >= 0x38800000) o[i] = (uint16_t)(sign | ((u - 0x38000000 + 0xfff + (u >> 13 & 1)) >> 13));
        else { // denormal: adding 0.5 lets the hardware round at 2^-24
            float f;
            memcpy(&f, &u, 4);
            f += 0.5f;
            memcpy(&u, &f, 4);
            o[i] = (uint16_t)(sign | (u - 0x3f000000));
        }
    }
}
