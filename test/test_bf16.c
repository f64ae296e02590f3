// test_bf16.c: products of bf16 on the path that this machine takes, against double precision on the rounded inputs; and once
// more in AMX's tiles, in software where there are none (Makefile: TILED).
//
// Whole models with bf16: every tap of the golden models against the reference's f32, no further away than 1.5 times the
// reference's own bf16 is from its float64 (test/golden/bf16.json, by test/reference/bf16.py).
//
// Bounds: sums are f32 over K terms in any order, so 2^-24 * sqrt(K) * 4 by norm, as for f32; the inputs' rounding is exact
// here. Caught when broken on purpose: the halves of a word exchanged, a tile's rows taken from the tile above, the last
// words of k left out,
// A not rounded where there are few rows.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "golden.h"
#include "io/file.h"
#include "io/json.h"
#include "io/memory.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/cpu.h"
#include "model/device.h"
#include "model/kernels.h"
#include "model/model.h"

static float *random_floats(Arena *a, size_t n, const char *what) {
    float *x = take(a, float, n);
    for (size_t i = 0; i < n; i++) x[i] = (float)rng_normal(rng_of(12, what), i);
    return x;
}

static float after(double x, Act act) { // ACT_NONE or ACT_QUICK_GELU
    return (float)(act == ACT_NONE ? x : x / (1 + exp(-1.702 * x)));
}

static float *rounded(Arena *a, const float *x, long n) {
    float *r = take(a, float, (size_t)n);
    for (long i = 0; i < n; i++) r[i] = bf16_round(x[i]);
    return r;
}

static float *wanted(Arena *a, const Gemm *g, const float *B) { // B as floats
    float *want = take(a, float, (size_t)(g->M * g->N)), *x = rounded(a, g->A, g->M * g->lda), *w = rounded(a, B, g->N * g->ldb);
    for (long m = 0; m < g->M; m++)
        for (long n = 0; n < g->N; n++) {
            double s = g->accumulate ? (double)g->C[m * g->ldc + n] : 0;
            for (long k = 0; k < g->K; k++) s += (double)x[m * g->lda + k] * (double)w[n * g->ldb + k];
            want[m * g->N + n] = after(s + (g->bias ? (double)g->bias[n] : 0), g->act);
        }
    return want;
}

// B as a weight of that type; B itself becomes what that holds.
static const void *weight_of(Arena *a, Dtype type, float *B, size_t n) {
    if (type == DTYPE_F32) return B;
    uint16_t *half = take(a, uint16_t, n);
    if (type == DTYPE_BF16) convert_f32_bf16(half, B, n), convert_bf16_f32(B, half, n);
    else convert_f32_f16(half, B, n), convert_f16_f32(B, half, n);
    return half;
}

static double allow(long K) { return 0x1p-24 * sqrt((double)K) * 4 + 0x1p-24 * 4; }

static void test_products(Arena *a, const char *path) {
    static const long shapes[][3] = {{1, 64, 96}, {8, 33, 40}, {9, 70, 33}, {15, 31, 64}, {16, 32, 32}, {17, 33, 100}, {31, 65, 588}, {32, 96, 1088}, {33, 200, 1300}, {20, 33, 4200}, {70, 96, 65}, {100, 70, 320}, {85, 64, 256}, {49, 70, 600}, {64, 33, 588}, {577, 36, 31}, {1200, 70, 100}, {600, 70, 400}, {1200, 1100, 32}, {100, 70, 6200}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int type = 0; type < 3; type++) {
            Mark mark = arena_mark(a);
            long M = shapes[s][0], N = shapes[s][1], K = shapes[s][2];
            float *B = random_floats(a, (size_t)(N * K), "B");
            Gemm g = {.kind = GEMM_NT, .M = M, .N = N, .K = K, .lda = K, .ldb = K, .ldc = N, .A = random_floats(a, (size_t)(M * K), "A"), .B = B,
                      .B_type = (Dtype[]){DTYPE_F32, DTYPE_BF16, DTYPE_F16}[type], .C = random_floats(a, (size_t)(M * N), "C"), .compute = COMPUTE_BF16,
                      .bias = type != 1 ? random_floats(a, (size_t)N, "bias") : NULL, .accumulate = type == 1 && s % 2 == 0, .act = type == 0 ? ACT_QUICK_GELU : ACT_NONE};
            g.B = weight_of(a, g.B_type, B, (size_t)(N * K));
            float *want = wanted(a, &g, B), *other = take(a, float, (size_t)(M * N));
            memcpy(other, g.C, (size_t)(M * N) * sizeof *other);
            gemm(&g);
            char name[96];
            snprintf(name, sizeof name, "%s, %s weight, %ld x %ld x %ld", path, dtype_name(g.B_type), M, N, K);
            check_near(name, g.C, want, (size_t)(M * N), allow(K));
            float *first = g.C;
            g.C = other;
            threads_set(5);
            gemm(&g);
            threads_set(1);
            check_same("the same bits on five threads", g.C, first, (size_t)(M * N) * sizeof *other);
            arena_release(a, mark);
        }
}

// Rows of A, B and C that end before the next ones begin: what lies between them is NaN, and is neither read nor written.
static void test_margins(Arena *a) {
    static const long shapes[][3] = {{3, 33, 40}, {17, 35, 70}, {50, 33, 588}, {600, 40, 50}, {600, 70, 410}};
    enum { MARGIN = 37 };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int type = 0; type < 3; type++) {
            Mark mark = arena_mark(a);
            const long M = shapes[s][0], N = shapes[s][1], K = shapes[s][2], ldk = K + MARGIN, ldc = N + MARGIN;
            float *A = random_floats(a, (size_t)(M * ldk), "A"), *B = random_floats(a, (size_t)(N * ldk), "B"), *C = take(a, float, (size_t)(M * ldc));
            for (long i = 0; i < M * ldc; i++) C[i] = NAN;
            for (long m = 0; m < M; m++)
                for (long k = K; k < ldk; k++) A[m * ldk + k] = NAN;
            for (long n = 0; n < N; n++)
                for (long k = K; k < ldk; k++) B[n * ldk + k] = NAN;
            Gemm g = {.kind = GEMM_NT, .M = M, .N = N, .K = K, .A = A, .lda = ldk, .B = B, .B_type = (Dtype[]){DTYPE_F32, DTYPE_BF16, DTYPE_F16}[type], .ldb = ldk, .C = C, .ldc = ldc, .compute = COMPUTE_BF16};
            g.B = weight_of(a, g.B_type, B, (size_t)(N * ldk));
            float *want = wanted(a, &g, B), *got = take(a, float, (size_t)(M * N));
            gemm(&g);
            bool kept = true;
            for (long m = 0; m < M; m++) {
                memcpy(got + m * N, C + m * ldc, (size_t)N * sizeof *got);
                for (long n = N; n < ldc; n++) kept = kept && isnan(C[m * ldc + n]);
            }
            char name[96];
            snprintf(name, sizeof name, "between rows NaN, %s weight, %ld x %ld x %ld", dtype_name(g.B_type), M, N, K);
            check_near(name, got, want, (size_t)(M * N), allow(K));
            check(kept, "%s: nothing is written between C's rows", name);
            arena_release(a, mark);
        }
}

// A row by a weight of bf16: the same bits alone and among others, however many; in AMX tiles as long as all are few.
static void test_rows(Arena *a) {
    static const long counts[] = {40, 3, 12, 13, 17, 160, 161, 400};
    const long most = 400, N = 45, K = 2203;
    float *A = random_floats(a, (size_t)(most * K), "A"), *B = random_floats(a, (size_t)(N * K), "B"), *all = take(a, float, (size_t)(most * N)), *one = take(a, float, (size_t)N);
    uint16_t *half = take(a, uint16_t, (size_t)(N * K));
    convert_f32_bf16(half, B, (size_t)(N * K));
    size_t ways = strcmp(gemm_bf16_path(), "amx") == 0 ? 1 : sizeof counts / sizeof *counts;
    for (size_t c = 0; c < ways; c++) {
        Gemm g = {.kind = GEMM_NT, .M = counts[c], .N = N, .K = K, .A = A, .lda = K, .B = half, .B_type = DTYPE_BF16, .ldb = K, .C = all, .ldc = N, .compute = COMPUTE_BF16};
        gemm(&g);
        for (long m = 0; m < g.M; m += 13) {
            Gemm single = g;
            single.M = 1, single.A = A + m * K, single.C = one;
            gemm(&single);
            char what[64];
            snprintf(what, sizeof what, "row %ld alone and among %ld", m, g.M);
            check_same(what, one, all + m * N, (size_t)N * sizeof *one);
        }
    }
}

// x + linear(h) in one step and in two.
static void test_into(Arena *a) {
    static const long shapes[][3] = {{1, 64, 96}, {33, 70, 1056}, {70, 33, 588}, {20, 40, 4200}};
    const Device *d = device_cpu_bf16();
    for (size_t s = 0; d->linear_into && s < sizeof shapes / sizeof *shapes; s++)
        for (int biased = 0; biased < 2; biased++) {
            long M = shapes[s][0], N = shapes[s][1], K = shapes[s][2];
            float *x = random_floats(a, (size_t)(M * N), "x"), *two = take(a, float, (size_t)(M * N)), *B = random_floats(a, (size_t)(N * K), "B");
            uint16_t *w = take(a, uint16_t, (size_t)(N * K));
            convert_f32_bf16(w, B, (size_t)(N * K));
            Tensor h = tensor_of(random_floats(a, (size_t)(M * K), "h"), DTYPE_F32, DIMS(M, K)), y = tensor_of(two, DTYPE_F32, DIMS(M, N));
            Tensor b = biased ? tensor_of(random_floats(a, (size_t)N, "bias"), DTYPE_F32, DIMS(N)) : NO_TENSOR, into = tensor_of(x, DTYPE_F32, DIMS(M, N));
            d->linear(y, h, tensor_of(w, DTYPE_BF16, DIMS(N, K)), b);
            d->add(y, into, y);
            d->linear_into(into, h, tensor_of(w, DTYPE_BF16, DIMS(N, K)), b, NULL);
            check(memcmp(x, two, (size_t)(M * N) * sizeof *x) == 0, "%ld x %ld x %ld%s added in one step: the bits of two", M, N, K, biased ? ", bias" : "");
        }
}

// Few rows by a weight of many bytes: the ways of reading it that are tried at first, and the one that is kept, give the same bits.
static void test_reading(Arena *a) {
    const long M = 3, N = 2048, K = 2048;
    uint16_t *w = take(a, uint16_t, (size_t)(N * K));
    convert_f32_bf16(w, random_floats(a, (size_t)(N * K), "W"), (size_t)(N * K));
    float *first = take(a, float, (size_t)(M * N)), *again = take(a, float, (size_t)(M * N));
    Gemm g = {.kind = GEMM_NT, .M = M, .N = N, .K = K, .A = random_floats(a, (size_t)(M * K), "A"), .lda = K, .B = w, .B_type = DTYPE_BF16, .ldb = K, .C = first, .ldc = N, .compute = COMPUTE_BF16};
    gemm(&g);
    g.C = again;
    bool same = true;
    for (int i = 0; i < 20; i++) {
        memset(again, 0xff, (size_t)(M * N) * sizeof *again);
        gemm(&g);
        same = same && memcmp(again, first, (size_t)(M * N) * sizeof *again) == 0;
    }
    check(same, "few rows of a weight of 8 MiB, twenty times: the same bits");
}

#if defined(__x86_64__)
// One panel of 32 columns through a path's own functions.
static void test_tiles(Arena *a, const char *name, const TileKernel *t) {
    static const long depths[] = {1, 31, 32, 33, 64, 100, 512};
    for (int mr = 1; mr <= t->MR; mr++)
        for (size_t d = 0; d < sizeof depths / sizeof *depths; d++) {
            Mark mark = arena_mark(a);
            long K = depths[d], N = mr % 3 == 0 ? 32 : 29, words = (K + 31) / 32 * 16;
            float *B = random_floats(a, (size_t)(N * K), "B"), *Ap = take(a, float, (size_t)(words * 32 + 64)), *Bp = take(a, float, (size_t)(words * 32));
            Gemm g = {.kind = GEMM_NT, .M = mr, .N = N, .K = K, .lda = K, .ldb = K, .ldc = N, .A = random_floats(a, (size_t)(mr * K), "A"), .B = B, .B_type = DTYPE_F32,
                      .C = random_floats(a, (size_t)(mr * N), "C"), .accumulate = d % 2};
            float *want = wanted(a, &g, B), C[32 * 40], got[32 * 32];
            for (int i = 0; i < 32 * 40; i++) C[i] = NAN; // what lies beside the tile stays
            for (int m = 0; m < mr; m++)
                for (int n = 0; n < 32; n++) C[m * 40 + n] = g.accumulate ? (n < N ? g.C[m * N + n] : 0) : NAN;
            if (t->begin) t->begin();
            t->pack_a(Ap, &g, 0, mr, 0, K);
            t->pack_b(Bp, &g, 0, K, 0);
            t->tile(mr, words, Ap, mr, Bp, t->NR, C, 40, g.accumulate);
            if (t->end) t->end();
            bool kept = true;
            for (int i = 0; i < 32 * 40; i++)
                if (i % 40 >= 32 || i / 40 >= mr) kept = kept && isnan(C[i]);
            for (int m = 0; m < mr; m++) memcpy(got + m * N, C + m * 40, (size_t)N * sizeof *got);
            char what[96];
            snprintf(what, sizeof what, "%s, a tile of %d rows, K %ld%s", name, mr, K, kept ? "" : ", writes outside");
            if (!kept) check(false, "%s", what);
            check_near(what, got, want, (size_t)(mr * N), allow(K));
            arena_release(a, mark);
        }
}
#endif

typedef struct {
    const Golden *g;
    const Json *own; // the reference's errors by tap
    double worst;    // ratio of errors
    const char *at;
    int count;
} Fidelity;

static void fidelity_sink(void *arg, const char *name, Tensor x) {
    Fidelity *f = arg;
    const GoldenTensor *want = golden_tap(f->g, name);
    double own = json_real_or(f->own, name, 0);
    if (!want || own == 0) return;
    double ratio = golden_distance(f->g, want, x) / own;
    f->count++;
    if (!(ratio <= f->worst)) f->worst = ratio, f->at = name;
}

static void test_models(Arena *a) {
    const Json *table = json_read(a, "test/golden/bf16.json");
    for (size_t i = 0; i < table->count; i++) {
        const char *name = table->keys[i], *directory = arena_print(a, "test/golden/%s", name);
        Arena *scratch = arena_new("test scratch");
        Golden *g = golden_open(a, arena_print(a, "%s/golden.safetensors", directory));
        Model *m = model_open(a, directory, false);
        Inputs in = golden_inputs(g);
        for (m->compute = COMPUTE_BF16; m->compute <= COMPUTE_BF16X3; m->compute++) {
            Fidelity f = {.g = g, .own = &table->items[i], .at = ""};
            Taps *taps = taps_asking(a, model_taps(a, m, &in), NULL, 0);
            const TapInfo *list;
            size_t n = taps_listed(taps, &list);
            for (size_t k = 0; k < n; k++)
                if (!strchr(list[k].name, '#')) taps_read(taps, list[k].name, fidelity_sink, &f);
            Run *run = run_new(scratch);
            run->taps = taps;
            model_forward(run, m, &in);
            const char *how = compute_name(m->compute);
            double most = m->compute == COMPUTE_BF16 ? 1.5 : 0.005; // split, what is lost is 2^-7 of that
            check(f.count > 0 && f.worst <= most, "%s in %s: %d taps, error over the reference's own of bf16 at most %.4f (%s)", name, how, f.count, f.worst, f.at);
        }
        arena_free(scratch);
    }
}

int main(void) {
    Arena *a = arena_new("test");
    threads_set(1);
    test_products(a, gemm_bf16_path());
    test_margins(a);
    test_rows(a);
    test_reading(a);
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw")) test_tiles(a, "avx512_bf16", &tiles_avx512bf16);
    else printf("SKIP avx512_bf16: this machine lacks it\n");
    if (cpu_bf16() == BF16_AMX) test_tiles(a, "amx, attention", attention_amx.tiles);
#endif
    test_into(a);
    test_models(a);
    arena_free(a);
    return check_end();
}
