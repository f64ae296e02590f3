// bench_registers.c: multiply-adds out of registers alone: no load, no store, as many chains as an addition's latency asks for on two ports. What products
// are measured by, of f32 and of bf16 by dot products.
#include <math.h>

#include "bench_table.h"
#include "io/progress.h"
#include "io/thread.h"
#include "model/cpu.h"

#define STEPS 20000 // of each chain

typedef struct {
    int operations; // of a step of all chains
    void (*chains)(float *out);
} Chains;

#if defined(__x86_64__)
#include <immintrin.h>

// A function of COUNT chains, x = STEP(x), whose values run towards numbers around 1: none is zero, denormal or infinite.
#define CHAINS(NAME, TARGET, COUNT, TYPE, SET, STEP, ADD, STORE)                                   \
    __attribute__((target(TARGET))) static void NAME(float *out) {                                 \
        TYPE x[COUNT];                                                                             \
        for (int c = 0; c < COUNT; c++) x[c] = SET(1 + 0.1f * (float)c);                           \
        for (int i = 0; i < STEPS; i++)                                                            \
            _Pragma("GCC unroll 16") for (int c = 0; c < COUNT; c++) x[c] = STEP(x[c]);            \
        for (int c = 1; c < COUNT; c++) x[0] = ADD(x[0], x[c]);                                    \
        STORE(out, x[0]);                                                                          \
    }
#define STEP_AVX2(x) _mm256_fmadd_ps(x, _mm256_set1_ps(0.7f), _mm256_set1_ps(0.3f))
#define STEP_AVX512(x) _mm512_fmadd_ps(x, _mm512_set1_ps(0.7f), _mm512_set1_ps(0.3f))
#define STEP_DOT(x) _mm512_dpbf16_ps(x, (__m512bh)_mm512_set1_epi32(0x3f333f40), (__m512bh)_mm512_set1_epi32(0x3e993f00)) // pairs of about 0.7, and of 0.3 and 0.5
CHAINS(chains_avx2, "avx2,fma", 12, __m256, _mm256_set1_ps, STEP_AVX2, _mm256_add_ps, _mm256_storeu_ps)
CHAINS(chains_avx512, "avx512f", 16, __m512, _mm512_set1_ps, STEP_AVX512, _mm512_add_ps, _mm512_storeu_ps)
CHAINS(chains_dot, "avx512f,avx512bf16", 16, __m512, _mm512_set1_ps, STEP_DOT, _mm512_add_ps, _mm512_storeu_ps)

static Chains chains_f32(void) {
    static const Chains list[] = {[CPU_SCALAR] = {0}, [CPU_AVX2] = {12 * 8 * 2, chains_avx2}, [CPU_AVX512] = {16 * 16 * 2, chains_avx512}};
    return list[cpu_level()];
}

static Chains chains_bf16(void) { return cpu_bf16() == BF16_WIDE ? (Chains){0} : (Chains){16 * 32 * 2, chains_dot}; }

#elif defined(__aarch64__)
#include <arm_neon.h>

static void chains_neon(float *out) {
    float32x4_t x[16], by = vdupq_n_f32(0.7f), more = vdupq_n_f32(0.3f);
    for (int c = 0; c < 16; c++) x[c] = vdupq_n_f32(1 + 0.1f * (float)c);
    for (int i = 0; i < STEPS; i++)
        for (int c = 0; c < 16; c++) x[c] = vfmaq_f32(more, x[c], by);
    for (int c = 1; c < 16; c++) x[0] = vaddq_f32(x[0], x[c]);
    vst1q_f32(out, x[0]);
}

static Chains chains_f32(void) { return (Chains){16 * 4 * 2, chains_neon}; }
static Chains chains_bf16(void) { return (Chains){0}; }
#else
static Chains chains_f32(void) { return (Chains){0}; }
static Chains chains_bf16(void) { return (Chains){0}; }
#endif

static void chains_job(void *arg, size_t begin, size_t end) {
    const Chains *c = arg;
    float out[16];
    volatile float kept;
    for (size_t i = begin; i < end; i++) c->chains(out), kept = out[0];
    (void)kept;
}

static double chains_rate(Chains c) {
    enum { PARTS = 64 };
    if (!c.chains) return 0;
    double best = 0;
    for (int round = 0; round < 5; round++) {
        double start = bench_clock();
        parallel_for(PARTS, 1, chains_job, &c);
        best = fmax(best, (double)c.operations * STEPS * PARTS / (bench_clock() - start));
    }
    return best;
}

double registers_f32(void) { return chains_rate(chains_f32()); }
double registers_dot(void) { return chains_rate(chains_bf16()); }
