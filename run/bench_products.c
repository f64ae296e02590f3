// bench_products.c: see bench_products.h.
//
// Ours and the peers alternate, round by round, on the same random data; before timing, each one's result is compared with double
// precision. Rules: performance.md 2. PyTorch adds the bias as ours does, OpenBLAS adds none. PyTorch's weight
// lies as ours does, or oneDNN has packed it ahead, as --packed does ours: its faster way counts.
#include "bench_products.h"

#include <math.h>
#include <stdio.h>

#include "io/random.h"
#include "io/thread.h"
#include "model/cpu.h"
#include "model/device.h"
#include "model/kernels.h"

// The gates: over the faster peer, over OpenBLAS's Haswell kernels, of split bf16 over the faster peer in f32.
#define F32_MOST 1.10
#define AVX2_MOST 1.15
#define SPLIT_MOST 0.60

// The nine shapes of performance.md 3, then a large square, many rows of little, and decoding.
static const long shapes[][3] = {{577, 1024, 1024}, {577, 3072, 1024}, {577, 4096, 1024}, {577, 1024, 4096}, {577, 4096, 4096}, {2308, 1024, 1024}, {2308, 4096, 1024},
                                 {64, 4096, 4096}, {16, 4096, 4096}, {4096, 4096, 4096}, {8192, 384, 96}, {1, 4096, 4096}};

// Row `row` of A, or of B, as the product takes its numbers.
static void row_widened(double *to, const Gemm *g, bool of_weight, long row) {
    bool rounds = g->compute == COMPUTE_BF16;
    for (long k = 0; k < g->K; k++) {
        float x;
        if (of_weight && g->B_type == DTYPE_BF16) convert_bf16_f32(&x, (const uint16_t *)g->B + row * g->ldb + k, 1);
        else x = of_weight ? ((const float *)g->B)[row * g->ldb + k] : g->A[row * g->lda + k];
        to[k] = (double)(rounds ? bf16_round(x) : x);
    }
}

// Whole rows of C, or whole columns (turned): some rows of one factor by all of the other.
static void lines_compared(double *apart, double *norm, const Gemm *g, const float *C, bool turned) {
    Arena *a = arena_new("a check");
    size_t K = (size_t)g->K, at[PLACES];
    double *few = take(a, double, PLACES * K), *one = take(a, double, K);
    places_drawn(at, turned ? "columns" : "rows", (size_t)(turned ? g->N : g->M));
    for (int p = 0; p < PLACES; p++) row_widened(few + (size_t)p * K, g, turned, (long)at[p]);
    for (long i = 0; i < (turned ? g->M : g->N); i++) {
        row_widened(one, g, !turned, i);
        for (int p = 0; p < PLACES; p++) {
            long m = turned ? i : (long)at[p], n = turned ? (long)at[p] : i;
            double want = g->bias ? (double)g->bias[n] : 0;
            for (size_t k = 0; k < K; k++) want += few[(size_t)p * K + k] * one[k];
            double d = (double)C[m * g->ldc + n] - want;
            *apart += d * d, *norm += want * want;
        }
    }
    arena_free(a);
}

// Every element: the rows of C, added with signs of chance, are what those of A, so added, give. The errors' squares add up in this on the average
// as they do one by one; over `mean`, the mean square of C.
static double signs_error(const Gemm *g, const float *C, double mean) {
    Arena *a = arena_new("a check");
    size_t K = (size_t)g->K, N = (size_t)g->N;
    double *from = take_zero(a, double, K), *sum = take_zero(a, double, N), *one = take(a, double, K), apart = 0, signs = 0;
    for (long m = 0; m < g->M; m++) {
        double sign = rng_below(rng_of(bench_seed(), "signs"), (uint64_t)m, 2) ? 1 : -1;
        row_widened(one, g, false, m);
        for (size_t k = 0; k < K; k++) from[k] += sign * one[k];
        for (size_t n = 0; n < N; n++) sum[n] += sign * (double)C[(size_t)m * (size_t)g->ldc + n];
        signs += sign;
    }
    for (size_t n = 0; n < N; n++) {
        double want = g->bias ? signs * (double)g->bias[n] : 0;
        row_widened(one, g, true, (long)n);
        for (size_t k = 0; k < K; k++) want += from[k] * one[k];
        apart += (sum[n] - want) * (sum[n] - want);
    }
    arena_free(a);
    return sqrt(apart / ((double)g->M * (double)N * mean));
}

double product_error(const void *gemm, const float *C) {
    const Gemm *g = gemm;
    double apart = 0, norm = 0;
    lines_compared(&apart, &norm, g, C, false);
    lines_compared(&apart, &norm, g, C, true);
    return worse(sqrt(apart / norm), signs_error(g, C, norm / (PLACES * (double)(g->M + g->N))));
}

static bool splits(void) { return device_computing(device_cpu(), COMPUTE_BF16X3) != device_cpu(); }

static void product_work(void *arg) { gemm(arg); }

static Measured one(Arena *a, const Table *t, const long *s, bool split, const char *name) {
    Mark mark = arena_mark(a);
    size_t M = (size_t)s[0], N = (size_t)s[1], K = (size_t)s[2];
    Gemm g = {.kind = GEMM_NT, .M = s[0], .N = s[1], .K = s[2], .A = random_floats(a, M * K, "A"), .lda = s[2], .B = random_floats(a, N * K, "B"), .B_type = DTYPE_F32,
              .ldb = s[2], .C = poisoned(a, M * N), .ldc = s[1], .bias = random_floats(a, N, "bias"), .compute = split ? COMPUTE_BF16X3 : COMPUTE_F32};
    Arena *kept = arena_new("packed weights");
    weight_kept(t->packed, kept, g.B, N * K * sizeof(float));
    gemm(&g);
    bool counts = M >= 16, by_avx2 = !split && cpu_level() == CPU_AVX2;
    const char *ask = arena_print(a, "affine %ld %ld %ld %d", s[0], s[1], s[2], threads_count());
    const char *ask_blas = arena_print(a, "%ld %ld %ld %d", s[0], s[1], s[2], threads_count());
    Measured m = table_row(t, &(Row){.name = name, .ask = ask, .ask_blas = ask_blas, .work = product_work, .arg = &g, .operations = 2.0 * (double)M * (double)N * (double)K,
                                     .peak = split ? NO_PEAK : PEAK_F32, .most = !counts || by_avx2 ? 0 : split ? SPLIT_MOST : F32_MOST, .most_blas = counts && by_avx2 ? AVX2_MOST : 0,
                                     .check = {product_error, &g, g.C, M * N, split ? 1e-5 : 2e-6, 2e-6},
                                     .given = {{"x", g.A, M * K * sizeof *g.A}, {"weight", g.B, N * K * sizeof(float)}, {"bias", g.bias, N * sizeof *g.bias}}});
    arena_free(kept);
    arena_release(a, mark);
    return m;
}

// Of 16 rows and more; fewer only read the weight.
static void gates(const Table *t, const Ratios *all, const Ratios *blas, const Ratios *split) {
    const char *wanting = peer_without(t->arena, t->peer, "PyTorch");
    bool avx2 = cpu_level() == CPU_AVX2, avx512 = cpu_level() == CPU_AVX512;
    gate_note(t->gates, (Gate){.what = "the largest of f32 products by AVX-512 over the faster of PyTorch and OpenBLAS", .detail = avx512 ? ratios_said(t->arena, all) : NULL,
                               .value = avx512 ? ratios_largest(all) : NAN, .bound = F32_MOST, .goal = 1.00, .elsewhere = avx512 ? ratios_elsewhere(all, t->only, wanting) : "it computes another way"});
    gate_note(t->gates, (Gate){.what = "the largest of f32 products by AVX2 over OpenBLAS's Haswell kernels", .detail = avx2 ? ratios_said(t->arena, blas) : NULL,
                               .value = avx2 ? ratios_largest(blas) : NAN, .bound = AVX2_MOST, .goal = 1.05, .elsewhere = avx2 ? ratios_elsewhere(blas, t->only, wanting) : "RETINA_ISA=avx2 asks for it"});
    gate_note(t->gates, (Gate){.what = "the largest of products of split bf16 over the faster of PyTorch and OpenBLAS in f32", .detail = split->count ? ratios_said(t->arena, split) : NULL,
                               .value = ratios_largest(split), .bound = SPLIT_MOST, .goal = 0.40, .elsewhere = splits() ? ratios_elsewhere(split, t->only, wanting) : "no AMX: three products of bf16 take longer than one of f32"});
}

void bench_products(const BenchAsk *ask) {
    Table t = table_open(ask, "test/bench/peer_speed.py", NULL);
    table_with_blas(&t, ask);
    bench_say(t.w, "f32 products, `retina bench products%s%s`, %s, %s.\nFloor: operations over the ceiling, multiply-adds out of registers. Times in ms, median (smallest – largest) of %d alternating rounds; "
                   "ratio: ours over the peer, lower is better. " TABLE_SAID "%s%s%s", ask->packed ? " --packed" : "", ask->venv ? " --peers VENV" : "", cpu_describe(), threads_said(t.arena), t.rounds,
              peer_head(t.arena, t.peer), t.blas ? " Beside PyTorch: " : "", t.blas ? t.blas_name : "");
    PeerWays ways = {0};
    Ratios all = {0}, blas = {0}, split = {0};
    for (int kind = 0; kind < (splits() ? 2 : 1); kind++) {
        table_head(&t, kind ? "M x N x K, by three products of split bf16" : "M x N x K");
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const char *name = arena_print(t.arena, "%ld x %ld x %ld%s", shapes[i][0], shapes[i][1], shapes[i][2], kind ? ", split" : "");
            if (!table_wants(&t, name)) continue;
            Measured m = one(t.arena, &t, shapes[i], kind, name);
            if (t.peer) peer_ways_add(&ways, t.arena, t.peer, name);
            if (shapes[i][0] < 16) continue;
            ratios_add(kind ? &split : &all, m.ratio, name);
            if (!kind) ratios_add(&blas, m.ratio_blas, name);
        }
    }
    if (ways.count) bench_say(t.w, "\nPyTorch's faster way (packed ahead or not): %s.", peer_ways_said(&ways, t.arena));
    gates(&t, &all, &blas, &split);
    table_close(&t);
}
