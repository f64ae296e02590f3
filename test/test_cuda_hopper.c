// test_cuda_hopper.c: products with Hopper's instructions against the f64 product of the rounded inputs, every version.
//
// Bound: 4e-3 for results in bf16. Sums in f32: 2e-6 and K / 16 times 2^-24, since tensor cores cut the sum where others round it, and
// so lose half a last place, always toward zero, with each step of 16. Places between the rows of C keep what they held; results are
// NaN before. Emulated with small shapes, on a Hopper GPU also with those around every tile's edge and those of real models.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cuda/backend.h"
#include "cuda/kernels.h"
#include "cuda/memory.h"
#include "cuda_check.h"
#include "io/random.h"
#include "model/device.h"

typedef struct {
    int version;
    long M, N, K, gap; // columns between the rows of C
    Act act;
    bool bias, residual, bf16;
} Case;

static float *widened_from(const uint16_t *h, size_t n) {
    float *f = malloc((n ? n : 1) * sizeof *f);
    need(f, "a test: no memory");
    convert_bf16_f32(f, h, n);
    return f;
}

static uint16_t *narrow_from(const float *f, size_t n) {
    uint16_t *h = malloc((n ? n : 1) * sizeof *h);
    need(h, "a test: no memory");
    convert_f32_bf16(h, f, n);
    return h;
}

// What C has to be at (m, n), but for the order of the sum.
static float expected(const Case *c, const float *a, const float *w, const float *bias, const float *old, long m, long n, long lda, long ldc) {
    double s = 0;
    for (long k = 0; k < c->K; k++) s += (double)a[m * lda + k] * (double)w[n * c->K + k];
    float f = (float)(c->bias ? s + (double)bias[n] : s);
    activate(&f, &f, 1, c->act);
    return c->residual ? f + old[m * ldc + n] : f;
}

static void one(Case c) {
    long lda = c.K + 8, ldc = c.N + c.gap;
    size_t a_n = (size_t)(lda * c.M), w_n = (size_t)(c.K * c.N), c_n = (size_t)(ldc * c.M), seen = 0, kept = 0;
    float *af = random_floats(a_n, 5), *wf = random_floats(w_n, 6), *bias = random_floats((size_t)c.N, 7), *oldf = random_floats(c_n, 8);
    uint16_t *a16 = narrow_from(af, a_n), *w16 = narrow_from(wf, w_n), *old16 = narrow_from(oldf, c_n), *got16 = malloc(c_n * 2);
    float *a = widened_from(a16, a_n), *w = widened_from(w16, w_n), *old = c.bf16 ? widened_from(old16, c_n) : oldf, *got = malloc(c_n * 4);
    float *want = malloc((size_t)(c.M * c.N) * 4), *dense = malloc((size_t)(c.M * c.N) * 4);
    need(got16 && got && want && dense, "a test: no memory");
    GemmBf16 g = {.M = c.M, .N = c.N, .K = c.K, .lda = lda, .ldw = c.K, .ldc = ldc, .A = to_device(a16, a_n * 2), .W = to_device(w16, w_n * 2), .C_bf16 = c.bf16, .act = c.act,
                  .bias = c.bias ? to_device(bias, (size_t)c.N * 4) : NULL, .residual_bf16 = c.bf16};
    g.room = device_room((size_t)cuda_gemm_hopper_parts(&g) * (size_t)(c.M * c.N) * sizeof(float));
    if (c.residual) g.residual = c.bf16 ? to_device(old16, c_n * 2) : to_device(oldf, c_n * 4);
    memset(got, 0xff, c_n * 4); // NaN
    g.C = to_device(got, c_n * (c.bf16 ? 2 : 4));
    emu_forget();
    cuda_gemm_hopper_ladder(&g, c.version, NULL);
    from_device(c.bf16 ? (void *)got16 : got, g.C, c_n * (c.bf16 ? 2 : 4));
    if (c.bf16) convert_bf16_f32(got, got16, c_n);
    long step = c.M * c.N * c.K < 50000000 ? 1 : 1 + c.M * c.N / 5000; // of large ones, some thousand outputs
    if (c.N % step == 0) step++;
    for (long at = 0; at < c.M * c.N; at += step) {
        want[seen] = expected(&c, a, w, bias, old, at / c.N, at % c.N, lda, ldc);
        dense[seen++] = got[at / c.N * ldc + at % c.N];
    }
    for (long m = 0; m < c.M; m++)
        for (long n = 0; n < c.N; n++) kept += isnan(got[m * ldc + n]) != 0; // an output nobody wrote
    for (long m = 0; m < c.M; m++)
        for (long n = c.N; n < ldc; n++) kept += isnan(got[m * ldc + n]) == 0; // a place between rows that somebody did
    char name[160];
    snprintf(name, sizeof name, "hopper %d, %ld x %ld x %ld, act %d%s%s%s", c.version, c.M, c.N, c.K, (int)c.act, c.bias ? ", bias" : "", c.residual ? ", residual" : "",
             c.bf16 ? ", bf16 out" : "");
    check_near(name, dense, want, seen, c.bf16 ? 4e-3 : 2e-6 + (double)c.K / 16 * 0x1p-24);
    check(kept == 0 && emu_reports() == 0, "%s: all of C and nothing else is written %s", name, emu_first_report());
    device_empty();
    if (old != oldf) free(old);
    free(af), free(wf), free(bias), free(oldf), free(a16), free(w16), free(old16), free(got16), free(a), free(w), free(got), free(want), free(dense);
}

// Several products of one A in one launch: the bits that each gives alone.
static void together(long M, const long *N, int count, long K, bool bias) {
    float *a = random_floats((size_t)(M * K), 5);
    uint16_t *a16 = narrow_from(a, (size_t)(M * K));
    GemmBf16 g[3];
    float *alone[3], *got;
    bool same = true;
    const uint16_t *A = to_device(a16, (size_t)(M * K) * 2);
    emu_forget();
    for (int k = 0; k < count; k++) {
        const size_t w_n = (size_t)(N[k] * K), c_n = (size_t)(M * N[k]);
        float *w = random_floats(w_n, (unsigned long long)(6 + k)), *b = random_floats((size_t)N[k], (unsigned long long)(17 + k));
        uint16_t *w16 = narrow_from(w, w_n);
        g[k] = (GemmBf16){.M = M, .N = N[k], .K = K, .lda = K, .ldw = K, .ldc = N[k], .A = A, .W = to_device(w16, w_n * 2), .C = device_room(c_n * 4), .bias = bias ? to_device(b, (size_t)N[k] * 4) : NULL};
        cuda_gemm_hopper_ladder(&g[k], 914, NULL);
        alone[k] = malloc(c_n * 4);
        need(alone[k], "a test: no memory");
        from_device(alone[k], g[k].C, c_n * 4);
        g[k].C = device_room(c_n * 4);
        free(w), free(b), free(w16);
    }
    const bool takes = cuda_gemm_hopper_together_takes(g, count);
    if (takes) cuda_gemm_hopper_together(g, count, NULL);
    for (int k = 0; k < count && takes; k++) {
        const size_t c_n = (size_t)(M * N[k]);
        got = malloc(c_n * 4);
        need(got, "a test: no memory");
        from_device(got, g[k].C, c_n * 4);
        same = same && memcmp(got, alone[k], c_n * 4) == 0;
        free(got);
    }
    check(takes && same && emu_reports() == 0, "hopper 916, %ld x %ld x %ld, %ld, %ld%s: the bits of each alone %s", M, K, N[0], N[1], count > 2 ? N[2] : 0, bias ? ", biases" : "", emu_first_report());
    for (int k = 0; k < count; k++) free(alone[k]);
    free(a), free(a16);
    device_empty();
}

// A gate times what it lets through, against both products in f64.
static void gated(long M, long N, long K, long gap) {
    const size_t a_n = (size_t)(M * K), w_n = (size_t)(N * K), c_n = (size_t)(M * (N + gap));
    float *f[3] = {random_floats(a_n, 5), random_floats(w_n, 6), random_floats(w_n, 7)}, *want = malloc((size_t)(M * N) * 4), *got = malloc((size_t)(M * N) * 4), *all = malloc(c_n * 4);
    uint16_t *h[3] = {narrow_from(f[0], a_n), narrow_from(f[1], w_n), narrow_from(f[2], w_n)}, *back = malloc(c_n * 2);
    need(want && got && all && back, "a test: no memory");
    for (int i = 0; i < 3; i++) convert_bf16_f32(f[i], h[i], i ? w_n : a_n);
    GemmBf16 g[2] = {{.M = M, .N = N, .K = K, .lda = K, .ldw = K, .ldc = N + gap, .A = to_device(h[0], a_n * 2), .W = to_device(h[1], w_n * 2), .C_bf16 = true, .act = ACT_SILU}};
    g[0].C = device_room(c_n * 2);
    g[1] = g[0], g[1].W = to_device(h[2], w_n * 2);
    emu_forget();
    const bool takes = cuda_gemm_hopper_gated_takes(g);
    if (takes) cuda_gemm_hopper_gated(g, NULL);
    from_device(back, g[0].C, c_n * 2);
    convert_bf16_f32(all, back, c_n);
    for (long m = 0; m < M; m++)
        for (long n = 0; n < N; n++) {
            double s[2] = {0, 0};
            for (long k = 0; k < K; k++) s[0] += (double)f[0][m * K + k] * (double)f[1][n * K + k], s[1] += (double)f[0][m * K + k] * (double)f[2][n * K + k];
            want[m * N + n] = (float)(s[0] / (1 + exp(-s[0])) * s[1]), got[m * N + n] = all[m * (N + gap) + n];
        }
    char name[100];
    snprintf(name, sizeof name, "hopper 917, %ld x 2 times %ld x %ld", M, N, K);
    check_near(name, got, want, (size_t)(M * N), 4e-3);
    check(takes && emu_reports() == 0, "%s: %s", name, emu_first_report());
    for (int i = 0; i < 3; i++) free(f[i]), free(h[i]);
    free(want), free(got), free(all), free(back);
    device_empty();
}

// A norm behind a product whose K is cut: the bits of version 915 and of the norm of what it gives.
static void then_norm(long M, long N, long K, bool bias, Dtype type, bool plus_one) {
    const size_t a_n = (size_t)(M * K), w_n = (size_t)(N * K), c_n = (size_t)(M * N);
    float *f[4] = {random_floats(a_n, 5), random_floats(w_n, 6), random_floats(c_n, 7), random_floats((size_t)N, 8)};
    uint16_t *h[3] = {narrow_from(f[0], a_n), narrow_from(f[1], w_n), narrow_from(f[3], (size_t)N)};
    GemmBf16 g = {.M = M, .N = N, .K = K, .lda = K, .ldw = K, .ldc = N, .A = to_device(h[0], a_n * 2), .W = to_device(h[1], w_n * 2), .bias = bias ? to_device(f[3], (size_t)N * 4) : NULL, .room = device_room(4 * c_n * 4)};
    const NormFirst norm = {{type == DTYPE_F32 ? to_device(f[3], (size_t)N * 4) : to_device(h[2], (size_t)N * 2), (int)type}, 1e-5f, plus_one};
    void *to = device_room(c_n * 2), *got[2][2];
    emu_forget();
    for (int behind = 0; behind < 2; behind++) {
        g.C = to_device(f[2], c_n * 4), g.residual = g.C;
        if (behind) check(cuda_gemm_bf16_then_norm_takes(&g, &norm), "a norm behind %ld x %ld x %ld: taken", M, N, K), cuda_gemm_bf16_then_norm(&g, &norm, to, NULL);
        else cuda_gemm_hopper_ladder(&g, 915, NULL), cuda_rmsnorm_and_bf16(NULL, to, g.C, norm.w, M, N, norm.eps, plus_one, NULL);
        from_device(got[behind][0] = malloc(c_n * 4), g.C, c_n * 4), from_device(got[behind][1] = malloc(c_n * 2), to, c_n * 2);
    }
    check(memcmp(got[0][0], got[1][0], c_n * 4) == 0 && memcmp(got[0][1], got[1][1], c_n * 2) == 0 && emu_reports() == 0, "%ld x %ld x %ld and a norm behind it, weights %s%s%s: the bits of one after the other %s", M, N, K, dtype_name(type),
          plus_one ? " and one" : "", bias ? ", bias" : "", emu_first_report());
    for (int i = 0; i < 4; i++) free(f[i]), free(got[i / 2][i % 2]);
    for (int i = 0; i < 3; i++) free(h[i]);
    device_empty();
}

#ifdef RETINA_EMULATE
// As a model asks for it: with the norm left behind, and without.
static void asked(const Device *gpu, long M, long N, long K) {
    Arena *arena = arena_new("test");
    Tensor of[4] = {tensor_take(arena, DTYPE_F32, DIMS(M, K)), tensor_take(arena, DTYPE_F32, DIMS(N, K)), tensor_take(arena, DTYPE_F32, DIMS(M, N)), tensor_take(arena, DTYPE_F32, DIMS(N))};
    for (int i = 0; i < 4; i++) {
        float *x = random_floats(tensor_count(of[i]), (unsigned long long)(5 + i));
        memcpy(of[i].data, x, tensor_bytes(of[i]));
        free(x);
    }
    convert_f32_bf16(of[1].data, f32(of[1]), tensor_count(of[1])), of[1].dtype = DTYPE_BF16;
    float *got[2];
    for (int behind = 0; behind < 2; behind++) {
        Run *run = run_on(arena, gpu->bf16());
        gpu_without(behind ? 0 : WAY_BEHIND);
        Tensor x = scale(run, of[2], 1), h;
        NormNext next = next_room(run, x);
        next.norm = (Rms){of[3], 1e-5f, RMS_PLAIN};
        x = linear_into(run, x, scale(run, of[0], 1), of[1], NO_TENSOR, &next, "o", "a");
        check(next.done == (behind && M > 8), "a norm of %ld rows behind a product: %s", M, next.done ? "done" : "left");
        h = next.done ? next.to : rmsnorm_rounded(run, x, of[3], 1e-5f, RMS_PLAIN);
        got[behind] = run_read(run, linear(run, h, tensor_view(of[1], DIMS(K, N)), NO_TENSOR)).data;
    }
    gpu_without(0);
    check(memcmp(got[0], got[1], (size_t)(M * K) * 4) == 0 && emu_reports() == 0, "a norm behind a product, %ld rows: the same numbers for what reads it %s", M, emu_first_report());
    arena_free(arena);
}
#endif

static const int versions[] = {901, 902, 903, 904, 905, 906, 907, 908, 909, 910, 913, 914, 915};
#define VERSIONS (int)(sizeof versions / sizeof *versions)

static void edges(void) {
    static const long sides[] = {1, 15, 17, 31, 33, 64, 128, 200, 577}, depths[] = {8, 64, 72, 136, 1024};
    for (int m = 0; m < 9; m++)
        for (int n = 0; n < 9; n++) {
            int x = m * 9 + n;
            one((Case){versions[x % VERSIONS], sides[m], sides[n], depths[x % 5], (x + n) % 3 * 2, (Act)(x % 4), x % 2 == 0, x % 3 == 0, x / 2 % 2 == 0});
        }
    for (int v = 0; v < VERSIONS; v++) {
        one((Case){versions[v], 577, 577, 4096, 3, ACT_NONE, true, true, false});
        one((Case){versions[v], 2900, 1024, 1024, 0, ACT_NONE, true, true, false});
        one((Case){versions[v], 1154, 4096, 1024, 0, ACT_GELU, true, false, true});
        one((Case){versions[v], 2900, 3004, 1024, 4, ACT_QUICK_GELU, true, true, true}); // several rounds of every processor
        one((Case){versions[v], 70000, 72, 24, 0, ACT_SILU, true, false, false});
    }
}

int main(void) {
    for (int v = 0; v < VERSIONS; v++) {
        one((Case){versions[v], 1, 1, 8, 0, ACT_NONE, false, false, false});
        one((Case){versions[v], 67, 36, 200, 4, ACT_GELU, true, true, true});
        one((Case){versions[v], 33, 131, 72, 1, ACT_SILU, true, true, false});
        one((Case){versions[v], 67, 36, 136, 4, ACT_NONE, v % 2 == 0, v % 3 > 0, false});
    }
    one((Case){915, 33, 60, 2056, 1, ACT_SILU, true, true, false}); // K in four parts, the last of them shorter
    one((Case){915, 9, 68, 2056, 0, ACT_NONE, true, true, true});
    together(33, (const long[]){132, 16, 8}, 3, 200, true);
    together(9, (const long[]){128, 256, 4}, 3, 72, false);
    together(64, (const long[]){36, 260}, 2, 1032, true);
    one((Case){915, 65, 60, 2056, 1, ACT_SILU, true, true, false}); // from 65 rows on by tiles of 128 x 128
    one((Case){915, 128, 132, 1096, 0, ACT_NONE, true, true, true});
    together(65, (const long[]){132, 16, 8}, 3, 200, true);
    together(128, (const long[]){260, 36}, 2, 1032, false);
#ifdef RETINA_EMULATE
    gated(33, 388, 200, 0); // of four processors; the last tile of 4 columns
    gated(64, 512, 392, 4);
    gated(9, 300, 72, 0);
    gated(65, 388, 200, 4);
    gated(128, 512, 392, 0);
#endif
    emu_backwards(true);
    together(20, (const long[]){380, 140, 132}, 3, 136, true); // more tiles than processors
    one((Case){915, 64, 128, 1032, 4, ACT_GELU, true, false, true});
    for (int v = 0; v < VERSIONS; v++) one((Case){versions[v], 150, 280, 72, 0, ACT_NONE, true, false, v % 2 == 0});
    one((Case){907, 650, 130, 456, 0, ACT_NONE, true, false, true}); // more tiles than processors, more steps than stages
    emu_backwards(false);
    one((Case){910, 650, 130, 456, 0, ACT_QUICK_GELU, true, false, true});
    one((Case){910, 650, 270, 136, 0, ACT_SILU, true, false, true});
    one((Case){908, 650, 130, 456, 0, ACT_NONE, true, false, true});
    then_norm(33, 64, 1024, true, DTYPE_BF16, false);
    then_norm(9, 64, 2056, false, DTYPE_F32, true);
    then_norm(64, 60, 1032, true, DTYPE_BF16, true);
    then_norm(65, 124, 2056, true, DTYPE_F32, false);
    then_norm(128, 60, 1032, false, DTYPE_BF16, true);
#ifdef RETINA_EMULATE
    const char *why;
    const Device *gpu = device_cuda(&why);
    if (gpu) asked(gpu, 9, 64, 1024), asked(gpu, 33, 64, 1024), asked(gpu, 8, 64, 1024), asked(gpu, 100, 64, 1024);
#endif
    for (long M = 32; M <= 128 && real_shapes(); M *= 4) {
        then_norm(M, 4096, 4096, false, DTYPE_BF16, false), gated(M, 11008, 512, 0);
        together(M, (const long[]){4096, 4096, 4096}, 3, 4096, false), together(M, (const long[]){4096, 1024, 1024}, 3, 4096, true);
    }
    if (real_shapes()) edges();
    return check_end();
}
