// test_cuda_gemm.c: products through the emulator against the CPU: f32 bit for bit, bf16 against f64.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "cuda/kernels.h"
#include "cuda/light.h"
#include "cuda_check.h"
#include "io/random.h"

static void one(GemmKind kind, Dtype type, int version, long M, long N, long K, bool with_bias, bool accumulate) {
    static const char *const kinds[] = {"NT", "NN", "TN"};
    long lda = (kind == GEMM_TN ? M : K) + 3, ldb = (kind == GEMM_NT ? K : N) + 2, ldc = N + 1;
    if (version == 4 || version == 5 || version > 300) lda = (lda + 3) / 4 * 4, ldb = type == DTYPE_F32 ? (ldb + 3) / 4 * 4 : (ldb + 7) / 8 * 8; // rows on sixteen bytes
    size_t a_n = (size_t)(lda * (kind == GEMM_TN ? K : M)), b_n = (size_t)(ldb * (kind == GEMM_NT ? N : K)), c_n = (size_t)(ldc * M);
    float *a = random_floats(a_n, 1), *b = random_floats(b_n, 2), *bias = random_floats((size_t)N, 3), *c = random_floats(c_n, 4), *got = malloc(c_n * sizeof *got);
    void *stored = malloc(b_n * 4);
    if (type == DTYPE_BF16) convert_f32_bf16(stored, b, b_n);
    else if (type == DTYPE_F16) convert_f32_f16(stored, b, b_n);
    else memcpy(stored, b, b_n * 4);
    Gemm g = {.kind = kind, .M = M, .N = N, .K = K, .A = a, .lda = lda, .B = stored, .B_type = type, .ldb = ldb, .C = c, .ldc = ldc, .bias = with_bias ? bias : NULL,
              .accumulate = accumulate, .act = version == 5 ? ACT_NONE : (Act)((M + N) % 8)};
    Gemm d = g;
    d.A = to_device(a, a_n * 4), d.B = to_device(stored, b_n * dtype_size(type)), d.C = to_device(c, c_n * 4);
    d.bias = with_bias ? to_device(bias, (size_t)N * 4) : NULL;
    gemm(&g);
    emu_forget();
    if (version < 0) cuda_gemm(&d, NULL);
    else cuda_gemm_version(&d, version, NULL);
    from_device(got, d.C, c_n * 4);
    bool same = memcmp(got, c, c_n * 4) == 0 && emu_reports() == 0;
    check(same, "gemm %s %s, version %d, %ld x %ld x %ld%s%s: the CPU's bits %s", kinds[kind], dtype_name(type), version, M, N, K, with_bias ? ", bias" : "",
          accumulate ? ", on top" : "", emu_first_report());
    device_empty();
    free(a), free(b), free(bias), free(c), free(got), free(stored);
}

// Products that round to -0: a zero added after the last of them would make the sum +0.
static void below_zero(int version) {
    float a[33], b[33], c = 1, got;
    for (int k = 0; k < 33; k++) a[k] = -1e-30f, b[k] = 1e-30f;
    Gemm d = {.kind = GEMM_NT, .M = 1, .N = 1, .K = 33, .A = to_device(a, sizeof a), .lda = 36, .B = to_device(b, sizeof b), .ldb = 36, .C = to_device(&c, sizeof c), .ldc = 1};
    cuda_gemm_version(&d, version, NULL);
    from_device(&got, d.C, sizeof got);
    check(got == 0 && signbit(got), "version %d: a sum of vanishing negative products is -0", version);
    device_empty();
}

static float rounded(uint16_t h) {
    float f;
    convert_bf16_f32(&f, &h, 1);
    return f;
}

// Against the f64 product of the rounded inputs.
// Version 2 is the thin one with A in f32, 5 that with a ring.
static void tensor(int version, long M, long N, long K, Act act, bool with_bias, bool residual, bool bf16_out) {
    long lda = K + 8, ldw = K, ldc = N + 2;
    size_t a_n = (size_t)(lda * M), w_n = (size_t)(ldw * N), c_n = (size_t)(ldc * M);
    float *af = random_floats(a_n, 5), *wf = random_floats(w_n, 6), *bias = random_floats((size_t)N, 7), *old = random_floats(c_n, 8);
    uint16_t *a = malloc(a_n * 2), *w = malloc(w_n * 2), *c16 = malloc(c_n * 2);
    float *got = malloc(c_n * 4), *want = malloc((size_t)(M * N) * 4), *dense = malloc((size_t)(M * N) * 4);
    convert_f32_bf16(a, af, a_n), convert_f32_bf16(w, wf, w_n), convert_f32_bf16(c16, old, c_n);
    GemmBf16 g = {.M = M, .N = N, .K = K, .lda = lda, .ldw = ldw, .ldc = ldc, .A = to_device(a, a_n * 2), .W = to_device(w, w_n * 2), .C_bf16 = bf16_out,
                  .bias = with_bias ? to_device(bias, (size_t)N * 4) : NULL, .act = act, .residual_bf16 = bf16_out};
    if (version == 2 || version == 5) {
        convert_bf16_f32(af, a, a_n); // what it has to round to
        for (size_t i = 0; i < a_n; i++) af[i] *= 1 + 0x1p-11f;
        g.A_f32 = to_device(af, a_n * 4), g.A = NULL;
    }
    g.C = bf16_out ? to_device(c16, c_n * 2) : to_device(old, c_n * 4);
    if (residual) g.residual = g.C;
    emu_forget();
    if (version < 0 || version == 2) cuda_gemm_bf16(&g, NULL);
    else cuda_gemm_bf16_version(&g, version == 5 ? 3 : version, NULL);
    if (bf16_out) {
        uint16_t *back = malloc(c_n * 2);
        from_device(back, g.C, c_n * 2);
        convert_bf16_f32(got, back, c_n);
        free(back);
    } else from_device(got, g.C, c_n * 4);
    size_t seen = 0;
    for (long at = 0, step = M * N * K < 50000000 ? 1 : 1 + (M * N) / 5000 * 7 / 6; at < M * N; at += step) { // of large ones, some thousand outputs
        long m = at / N, n = at % N;
        double s = 0;
        for (long k = 0; k < K; k++) s += (double)rounded(a[m * lda + k]) * (double)rounded(w[n * ldw + k]);
        float f = (float)(with_bias ? s + (double)bias[n] : s);
        activate(&f, &f, 1, act);
        if (residual) f += bf16_out ? rounded(c16[m * ldc + n]) : old[m * ldc + n];
        want[seen] = f, dense[seen++] = got[m * ldc + n];
    }
    char name[120];
    snprintf(name, sizeof name, "bf16 product, version %d, %ld x %ld x %ld, act %d%s%s%s", version, M, N, K, (int)act, with_bias ? ", bias" : "", residual ? ", residual" : "",
             bf16_out ? ", bf16 out" : "");
    // A bf16 result is rounded to 2^-9. Tensor cores cut off what an addition cannot hold instead of rounding it (Fasi et al. 2021, "Numerical
    // behavior of NVIDIA tensor cores"), so errors of one chain do not cancel: measured 1.05e-9 K on an H200, 4.3e-6 at 4096 and 1.2e-5 at 11008.
    check_near(name, dense, want, seen, bf16_out ? 4e-3 : fmax(2e-6, 1.5e-9 * (double)K));
    check(emu_reports() == 0, "%s: nothing to say %s", name, emu_first_report());
    device_empty();
    free(af), free(wf), free(bias), free(old), free(a), free(w), free(c16), free(got), free(want), free(dense);
}

// Several products of one A in one launch: the bits of each alone; gated: of the two and a product of them.
static void together(long M, const long *N, int count, long K, bool gated, Act act, bool bias) {
    float *a = random_floats((size_t)(M * K), 5);
    float *A = to_device(a, (size_t)(M * K) * 4), *alone[RING_MOST], *got[RING_MOST];
    GemmBf16 g[RING_MOST];
    bool same = true;
    emu_forget();
    for (int k = 0; k < count; k++) {
        size_t w_n = (size_t)(N[k] * K), c_n = (size_t)(M * N[k]);
        float *wf = random_floats(w_n, (unsigned long long)(6 + k)), *b = random_floats((size_t)N[k], (unsigned long long)(17 + k));
        uint16_t *w = malloc(w_n * 2);
        convert_f32_bf16(w, wf, w_n);
        g[k] = (GemmBf16){.M = M, .N = N[k], .K = K, .lda = K, .ldw = K, .ldc = N[k], .A_f32 = A, .W = to_device(w, w_n * 2), .C = device_room(c_n * 4), .bias = bias ? to_device(b, (size_t)N[k] * 4) : NULL, .act = k == 0 ? act : ACT_NONE};
        cuda_gemm_bf16_ring(&g[k], NULL);
        alone[k] = malloc(c_n * 4), got[k] = malloc(c_n * 4);
        from_device(alone[k], g[k].C, c_n * 4);
        g[k].C = device_room(c_n * 4);
        free(wf), free(b), free(w);
    }
    cuda_gemm_bf16_together(g, count, gated, NULL);
    for (int k = 0; k < (gated ? 1 : count); k++) {
        size_t c_n = (size_t)(M * N[k]);
        from_device(got[k], g[k].C, c_n * 4);
        for (size_t i = 0; i < c_n; i++) {
            float want = gated ? alone[0][i] * alone[1][i] : alone[k][i];
            same = same && memcmp(&want, &got[k][i], 4) == 0;
        }
    }
    check(same && emu_reports() == 0, "%d products of %ld x %ld x %ld, %ld, %ld together%s%s: the bits of each alone %s", count, M, K, N[0], count > 1 ? N[1] : 0, count > 2 ? N[2] : 0,
          gated ? ", gated" : "", bias ? ", biases" : "", emu_first_report());
    for (int k = 0; k < count; k++) free(alone[k]), free(got[k]);
    free(a);
    device_empty();
}

// Products of a norm in one launch: the bits of the norm, and of the products of what it gives.
static void normed(long M, const long *N, int count, long K, bool gated, Dtype type, bool plus_one) {
    const size_t a_n = (size_t)(M * K);
    float *a = random_floats(a_n, 5), *weights = random_floats((size_t)K, 9);
    void *stored = malloc((size_t)K * 4);
    if (type == DTYPE_BF16) convert_f32_bf16(stored, weights, (size_t)K);
    else if (type == DTYPE_F16) convert_f32_f16(stored, weights, (size_t)K);
    else memcpy(stored, weights, (size_t)K * 4);
    float *A = to_device(a, a_n * 4), *h = device_room(a_n * 4);
    const NormFirst norm = {{to_device(stored, (size_t)K * dtype_size(type)), (int)type}, 1e-5f, plus_one};
    GemmBf16 g[RING_MOST];
    void *apart[RING_MOST];
    bool same = true;
    emu_forget();
    cuda_rmsnorm(h, A, norm.w, M, K, norm.eps, plus_one, NULL);
    for (int k = 0; k < count; k++) {
        size_t w_n = (size_t)(N[k] * K), c_n = (size_t)(M * N[k]);
        float *wf = random_floats(w_n, (unsigned long long)(6 + k)), *b = random_floats((size_t)N[k], (unsigned long long)(17 + k));
        uint16_t *w = malloc(w_n * 2);
        convert_f32_bf16(w, wf, w_n);
        g[k] = (GemmBf16){.M = M, .N = N[k], .K = K, .lda = K, .ldw = K, .ldc = N[k], .A_f32 = h, .W = to_device(w, w_n * 2), .C = device_room(c_n * 4), .bias = M % 2 ? to_device(b, (size_t)N[k] * 4) : NULL, .act = gated && k == 0 ? ACT_SILU : ACT_NONE};
        apart[k] = g[k].C;
        free(wf), free(b), free(w);
    }
    cuda_gemm_bf16_together(g, count, gated, NULL);
    for (int k = 0; k < count; k++) g[k].A_f32 = A, g[k].C = device_room((size_t)(M * N[k]) * 4);
    check(cuda_gemm_bf16_normed_takes(g, &norm), "a norm of %ld x %ld and its products: taken", M, K);
    cuda_gemm_bf16_normed(g, count, gated, &norm, NULL);
    for (int k = 0; k < (gated ? 1 : count); k++) {
        const size_t bytes = (size_t)(M * N[k]) * 4;
        void *want = malloc(bytes), *got = malloc(bytes);
        from_device(want, apart[k], bytes), from_device(got, g[k].C, bytes);
        same = same && memcmp(want, got, bytes) == 0;
        free(want), free(got);
    }
    check(same && emu_reports() == 0, "%d products of a norm, %ld x %ld x %ld, %ld, %ld%s, weights %s%s: the bits of one after the other %s", count, M, K, N[0], count > 1 ? N[1] : 0, count > 2 ? N[2] : 0,
          gated ? ", gated" : "", dtype_name(type), plus_one ? " and one" : "", emu_first_report());
    free(a), free(weights), free(stored);
    device_empty();
}

static void all_normed(void) {
    static const long sizes[][3] = {{33, 16, 7}, {32, 8, 8}, {1, 1, 1}, {4300, 64, 64}, {4301, 4301, 31}};
    for (int i = 0; i < 5; i++) {
        normed(1 + i, sizes[i], 3, 72 + 136 * i, false, (Dtype[]){DTYPE_F32, DTYPE_BF16, DTYPE_F16}[i % 3], i % 2);
        if (i > 1) normed(i == 2 ? 8 : 1, i == 3 ? sizes[0] : sizes[i], i == 3 ? 1 : 2, 8 + 264 * i, i != 3, i % 2 ? DTYPE_BF16 : DTYPE_F32, i % 2 == 0);
    }
    normed(2, sizes[0], 3, 4096, false, DTYPE_BF16, false), normed(1, sizes[0], 3, 5128, false, DTYPE_F32, false);
    const GemmBf16 many = {.M = 8, .N = 16, .K = 4096, .A_f32 = (const float *)16};
    check(!cuda_gemm_bf16_normed_takes(&many, &(NormFirst){{NULL, DTYPE_F32}, 0, false}), "a norm of 8 x 4096 is more than fits beside the rings");
    if (real_shapes()) {
        static const long attention[] = {4096, 1024, 1024}, gate[] = {11008, 11008};
        normed(1, attention, 3, 4096, false, DTYPE_BF16, false), normed(1, gate, 2, 4096, true, DTYPE_BF16, false);
        normed(2, gate, 2, 4096, true, DTYPE_BF16, true);
    }
}

static void all_together(void) {
    static const long sizes[][3] = {{33, 16, 7}, {32, 8, 8}, {1, 1, 1}, {64, 64, 64}, {31, 31, 31}};
    for (int i = 0; i < 5; i++) {
        together(1 + i, sizes[i], 3, 72 + 136 * i, false, ACT_NONE, i % 2);
        if (i > 1) together(i == 3 ? 8 : 1, sizes[i], 2, 8 + 264 * i, true, ACT_SILU, i % 2 == 0);
    }
    if (real_shapes()) {
        static const long attention[] = {4096, 1024, 1024}, gate[] = {11008, 11008};
        together(1, attention, 3, 4096, false, ACT_NONE, true), together(8, attention, 3, 4096, false, ACT_NONE, false);
        together(1, gate, 2, 4096, true, ACT_SILU, false), together(7, gate, 2, 4096, true, ACT_GELU_TANH, true);
    }
}

// ViT-L/14-336 and a 7B language model, prompts and single ids.
static void real(void) {
    static const long shapes[][3] = {{577, 3072, 1024}, {1154, 1024, 4096}, {577, 4096, 1024}, {1, 4096, 4096}, {7, 11008, 4096}, {64, 4096, 11008}, {600, 4096, 4096}, {3, 32000, 4096}, {70000, 64, 24}};
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++) {
        const long *s = shapes[i];
        one(GEMM_NT, (Dtype[]){DTYPE_F32, DTYPE_BF16, DTYPE_F16}[i % 3], -1, s[0], s[1], s[2], true, false);
        for (int version = 64; version <= 128; version += 64) tensor(version, s[0], s[1], s[2], (Act)(i % 4), i % 2 == 0, i % 3 == 0, i % 2 == 1);
        tensor(-1, s[0], s[1], s[2], ACT_NONE, true, false, false);
        if (s[0] <= 8 && s[2] > 1000) tensor(3, s[0], s[1], s[2], ACT_NONE, true, true, false), tensor(5, s[0], s[1], s[2], ACT_NONE, false, true, true);
        if (s[0] <= 64) tensor(2, s[0], s[1], s[2], ACT_NONE, false, false, false);
    }
    for (long m = 1; m <= 32; m += 10) one(GEMM_NT, m % 4 == 1 ? DTYPE_BF16 : DTYPE_F16, 4, m, 4096, 1024, true, false);
    for (long m = 2; m <= 65; m += 9) tensor(-1, m, 4096, 4096, ACT_NONE, false, false, true);
    one(GEMM_NN, DTYPE_F32, -1, 1024, 1024, 577, false, true);
    one(GEMM_TN, DTYPE_F32, -1, 1024, 1023, 577, false, true);
    one(GEMM_TN, DTYPE_F32, -1, 352, 128, 8441, false, true);
}

int main(void) {
    static const long shapes[][3] = {{1, 1, 1}, {1, 33, 31}, {2, 17, 64}, {16, 16, 128}, {31, 1, 33}, {33, 31, 7}, {17, 67, 129}, {64, 64, 16}, {65, 127, 37}, {130, 129, 9}};
    static const int versions[] = {0, 16, 64, 128, -1};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int v = 0; v < 5; v++) {
            int x = (int)i + v;
            one((GemmKind)(x % 3), (Dtype[]){DTYPE_F32, DTYPE_BF16, DTYPE_F16}[x / 3 % 3], versions[v], shapes[i][0], shapes[i][1], shapes[i][2], x % 2 == 0, x % 5 == 0);
        }
    emu_backwards(true);
    one(GEMM_NT, DTYPE_F32, 64, 65, 66, 33, true, false);
    emu_backwards(false);
    static const long fours[][3] = {{1, 1, 1}, {3, 33, 31}, {16, 40, 70}, {32, 31, 257}, {31, 65, 17}, {65, 64, 48}, {67, 130, 37}, {129, 127, 100}};
    for (size_t i = 0; i < sizeof fours / sizeof *fours; i++)
        for (int kind = GEMM_NT; kind <= GEMM_TN; kind++)
            for (int v = 0; v < 3; v++)
                if (v || (kind == GEMM_NT && fours[i][0] <= 32)) one((GemmKind)kind, DTYPE_F32, (int[]){4, 364, 3128}[v], fours[i][0], fours[i][1], fours[i][2], i % 2 == 0, (i + (size_t)v) % 3 == 0);
    for (size_t i = 0; i < 5; i++)
        for (int v = 0; v < 2; v++) one(GEMM_NT, v ? DTYPE_F16 : DTYPE_BF16, 4, fours[i][0], fours[i][1], fours[i][2], v == 0, i % 2 == 0);
    for (size_t i = 0; i < sizeof fours / sizeof *fours; i++) one(GEMM_TN, DTYPE_F32, 5, fours[i][0], fours[i][1], fours[i][2], false, i % 2 == 0);
    one(GEMM_TN, DTYPE_F32, -1, 24, 20, 700, false, false);
    for (int v = 0; v < 4; v++) below_zero(versions[v]);
    all_together();
    all_normed();
    below_zero(4), below_zero(364), below_zero(3128);
    tensor(64, 1, 1, 8, ACT_NONE, false, false, false);
    tensor(64, 33, 31, 136, ACT_GELU, true, false, false);
    tensor(64, 64, 67, 64, ACT_NONE, true, true, true);
    tensor(128, 131, 1, 40, ACT_SILU, true, true, false);
    tensor(128, 31, 129, 264, ACT_QUICK_GELU, false, false, true);
    tensor(-1, 17, 37, 592, ACT_NONE, true, false, false);
    tensor(1, 1, 31, 40, ACT_NONE, true, false, false);
    tensor(2, 3, 33, 1160, ACT_SILU, true, true, true);
    tensor(2, 9, 7, 8, ACT_NONE, false, false, false);
    tensor(1, 13, 16, 264, ACT_NONE, true, true, false);
    tensor(3, 1, 31, 40, ACT_NONE, true, false, false);
    tensor(3, 8, 33, 1160, ACT_SILU, true, true, true);
    tensor(5, 1, 17, 4104, ACT_NONE, false, true, false);
    tensor(5, 3, 16, 3592, ACT_GELU, true, false, true);
    tensor(5, 7, 9, 520, ACT_NONE, true, true, false);
    tensor(1, 33, 17, 272, ACT_GELU, false, false, true);
    tensor(1, 31, 19, 136, ACT_NONE, true, true, false);
    tensor(-1, 64, 40, 520, ACT_NONE, true, false, false);
    emu_backwards(true);
    tensor(128, 129, 127, 96, ACT_NONE, true, false, false);
    emu_backwards(false);
    if (real_shapes()) real();
    check_dies("a row of 12 values", "multiples of 8") { cuda_gemm_bf16(&(GemmBf16){.M = 1, .N = 1, .K = 12, .lda = 12, .ldw = 12}, NULL); }
    return check_end();
}
