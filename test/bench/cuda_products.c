// cuda_products.c: matrix products: f32 and bf16, square ones, those of ViT-L/14-336 and of a 7B language model.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda.h"
#include "io/random.h"
#include "model/kernels.h"

typedef struct {
    long M, N, K;
    int version; // -1: the one that is in use
    Act act;
    bool bias;
    bool into; // f32, added to what is there
    bool stored; // W in bf16, for a product in f32
} Product;

static Gemm f32_of(const Product *p, int turn) {
    Gemm g = {.kind = GEMM_NT, .M = p->M, .N = p->N, .K = p->K, .lda = p->K, .ldb = p->K, .ldc = p->N, .B_type = DTYPE_F32};
    g.A = floats_at((size_t)(p->M * p->K), turn, 0), g.B = floats_at((size_t)(p->N * p->K), turn, 1), g.C = result_at((size_t)(p->M * p->N) * 4, turn);
    if (p->stored) g.B = halves_at((size_t)(p->N * p->K), turn, 1), g.B_type = DTYPE_BF16;
    return g;
}

static GemmBf16 bf16_of_product(const Product *p, int turn) {
    GemmBf16 g = {.M = p->M, .N = p->N, .K = p->K, .lda = p->K, .ldw = p->K, .ldc = p->N, .C_bf16 = true, .act = p->act};
    g.A = halves_at((size_t)(p->M * p->K), turn, 0), g.W = halves_at((size_t)(p->N * p->K), turn, 1), g.C = result_at((size_t)(p->M * p->N) * 2, turn);
    if (p->bias) g.bias = floats_at((size_t)p->N, turn, 2);
    if (p->into) g.C = result_at((size_t)(p->M * p->N) * 4, turn), g.C_bf16 = false, g.residual = g.C;
    const size_t own = (size_t)(p->M * p->N) * 4; // and behind it the sums of parts of K
    if (p->version == 915 || cuda_gemm_bf16_room(&g)) g.C = result_at(5 * own, turn), g.room = (float *)((char *)g.C + own);
    return g;
}

// A step's products of one input: of `columns` each, in one launch or one after the other; gated: of two, and their product; of a norm: before them,
// or within.
typedef struct {
    long M, K, columns;
    int count;
    bool gated, at_once;
    enum { PLAIN, NORM_BEFORE, NORM_WITHIN } norm;
} Together;

static Stored stored_halves(const void *x) { return (Stored){x, DTYPE_BF16}; }

static void together_work(void *arg, int turn) {
    const Together *t = arg;
    GemmBf16 g[RING_MOST];
    const NormFirst norm = {{floats_at((size_t)t->K, turn, 2), DTYPE_F32}, 1e-5f, false};
    for (int k = 0; k < t->count; k++) {
        g[k] = (GemmBf16){.M = t->M, .N = t->columns, .K = t->K, .lda = t->K, .ldw = t->K, .ldc = t->columns, .act = t->gated && k == 0 ? ACT_SILU : ACT_NONE};
        if (t->M > 8) g[k].A = halves_at((size_t)(t->M * t->K), turn, 0); // Hopper's
        else g[k].A_f32 = floats_at((size_t)(t->M * t->K), turn, 0);
        g[k].W = halves_at((size_t)(t->count * t->columns * t->K), turn, 1) + k * t->columns * t->K;
        const size_t own = (size_t)(t->M * t->columns);
        float *to = (float *)result_at(own * 4 * (size_t)(t->count + 4) + (size_t)(t->M * t->K) * 4, turn), *normed = to + own * (size_t)(t->count + 4);
        if (t->norm == NORM_BEFORE && k == 0) cuda_rmsnorm(normed, g[0].A_f32, norm.w, t->M, t->K, norm.eps, 0, NULL);
        if (t->norm == NORM_BEFORE) g[k].A_f32 = normed;
        g[k].C = to + (size_t)k * own, g[k].C_bf16 = t->M > 8 && t->gated;
        if (t->M > 8 && cuda_gemm_bf16_room(&g[k])) g[k].room = to + (size_t)t->count * own; // sums of parts of K
        if (!t->at_once) cuda_gemm_bf16(&g[k], NULL);
    }
    if (t->at_once && t->M > 8 && t->gated) cuda_gemm_hopper_gated(g, NULL);
    else if (t->at_once && t->M > 8) cuda_gemm_hopper_together(g, t->count, NULL);
    else if (t->at_once && t->norm == NORM_WITHIN) cuda_gemm_bf16_normed(g, t->count, t->gated, &norm, NULL);
    else if (t->at_once) cuda_gemm_bf16_together(g, t->count, t->gated, NULL);
    else if (t->gated && t->M > 8) cuda_mul_rounded((uint16_t *)g[0].C, stored_halves(g[0].C), stored_halves(g[1].C), (size_t)(t->M * t->columns), NULL);
    else if (t->gated) cuda_mul((float *)g[0].C, (const float *)g[0].C, (const float *)g[1].C, (size_t)(t->M * t->columns), NULL);
}

static void together_row(Bench *b, Together t) {
    char shape[80];
    snprintf(shape, sizeof shape, "%ld x %d times %ld x %ld%s%s%s", t.M, t.count, t.columns, t.K, t.gated ? ", gated" : "", t.at_once ? "" : ", one after the other",
             (const char *[]){"", ", of a norm before them", ", of a norm within"}[t.norm]);
    contest(b, &(Contest){.area = "bf16 products of one input", .shape = shape, .ours = together_work, .arg = &t, .flops = 2.0 * (double)(t.M * t.K * t.columns * t.count), .peak = b->bf16,
                          .bytes = 2.0 * (double)(t.count * t.columns * t.K)}); // bits: test_cuda_gemm.c
}

static void f32_work(void *arg, int turn) {
    const Product *p = arg;
    Gemm g = f32_of(p, turn);
    if (p->version < 0) cuda_gemm(&g, NULL);
    else cuda_gemm_version(&g, p->version, NULL);
}

static void f32_library(void *arg, int turn) {
    Gemm g = f32_of(arg, turn);
    blas_f32(&g);
}

static void bf16_work(void *arg, int turn) {
    const Product *p = arg;
    GemmBf16 g = bf16_of_product(p, turn);
    if (p->version < 0) cuda_gemm_bf16(&g, NULL);
    else cuda_gemm_hopper_ladder(&g, p->version, NULL);
}

static void bf16_library(void *arg, int turn) {
    GemmBf16 g = bf16_of_product(arg, turn);
    blas_bf16(&g);
}

static float *fetched(const void *device, size_t count, bool halves) { // as floats, for free()
    float *x = malloc(count * 4);
    uint16_t *h = malloc(count * 2);
    need(x && h, "bench: no memory");
    CUDA_CHECK(cudaMemcpy(halves ? (void *)h : (void *)x, device, count * (halves ? 2 : 4), cudaMemcpyDeviceToHost));
    if (halves) convert_bf16_f32(x, h, count);
    free(h);
    return x;
}

// ||got - want|| / ||want|| over 200 outputs, the corners among them.
static double error_of(const Product *p, const void *A, const void *W, const void *C, const float *bias, bool halves) {
    double wrong = 0, all = 0;
    size_t size = halves ? 2 : 4;
    for (uint64_t i = 0; i < 200; i++) {
        long m = i == 0 ? 0 : i == 1 ? p->M - 1 : (long)rng_below(rng_of(8, "m"), i, (uint64_t)p->M), n = i == 0 ? 0 : i == 1 ? p->N - 1 : (long)rng_below(rng_of(8, "n"), i, (uint64_t)p->N);
        float *a = fetched((const char *)A + (size_t)(m * p->K) * size, (size_t)p->K, halves), *w = fetched((const char *)W + (size_t)(n * p->K) * size, (size_t)p->K, halves);
        float *c = fetched((const char *)C + (size_t)(m * p->N + n) * size, 1, halves), *b = bias ? fetched(bias + n, 1, false) : NULL;
        double s = b ? (double)*b : 0;
        for (long k = 0; k < p->K; k++) s += (double)a[k] * (double)w[k];
        float f = (float)s;
        activate(&f, &f, 1, p->act);
        wrong += pow((double)*c - (double)f, 2), all += (double)f * (double)f;
        free(a), free(w), free(c), free(b);
    }
    return sqrt(wrong / all);
}

static void f32_row(Bench *b, Product p) {
    char shape[80], name[40];
    snprintf(shape, sizeof shape, "%ld x %ld x %ld%s", p.M, p.N, p.K, p.stored ? ", weights in bf16" : "");
    snprintf(name, sizeof name, p.version < 0 ? "f32 product" : "f32 product, version %d", p.version);
    if (!bench_begins(b, name, shape)) return;
    Contest c = {.area = name, .shape = shape, .ours = f32_work, .library = blas_open() && !p.stored ? f32_library : NULL, .arg = &p, .flops = 2.0 * (double)p.M * (double)p.N * (double)p.K,
                 .peak = b->f32, .bytes = 4.0 * (double)(p.M * p.K + p.N * p.K + p.M * p.N), .allow = 4e-6};
    f32_work(&p, 0);
    Gemm g = f32_of(&p, 0);
    if (!p.stored) c.error = error_of(&p, g.A, g.B, g.C, NULL, false); // else the bits of the CPU: test_cuda_gemm.c
    contest(b, &c);
}

static void bf16_row(Bench *b, Product p, double gate, double goal) {
    char shape[80], name[60], ask[80];
    snprintf(shape, sizeof shape, "%ld x %ld x %ld%s", p.M, p.N, p.K, p.into ? ", bias, residual" : p.bias ? ", bias, GELU" : "");
    snprintf(name, sizeof name, p.version < 0 ? "bf16 product" : "bf16 product, version %d", p.version);
    snprintf(ask, sizeof ask, p.into ? "linear_into %ld %ld %ld" : "linear_gelu %ld %ld %ld", p.M, p.N, p.K);
    if (!bench_begins(b, name, shape)) return;
    Contest c = {.area = name, .shape = shape, .ours = bf16_work, .library = blas_open() && !p.bias ? bf16_library : NULL, .ask = p.bias ? ask : NULL, .arg = &p,
                 .flops = 2.0 * (double)p.M * (double)p.N * (double)p.K, .peak = b->bf16, .bytes = 2.0 * (double)(p.M * p.K + p.N * p.K + p.M * p.N), .gate = gate, .goal = goal, .allow = 4e-3};
    if (p.into) c.bytes = 2.0 * (double)(p.M * p.K + p.N * p.K) + 8.0 * (double)(p.M * p.N);
    bf16_work(&p, 0);
    GemmBf16 g = bf16_of_product(&p, 0);
    if (!p.into) c.error = error_of(&p, g.A, g.W, g.C, g.bias, true); // sums that grow: test_cuda_hopper.c looks at them
    contest(b, &c);
}

// The steps of gemm_hopper.cu, one by one; last, since a step that traps ends the program.
void bench_hopper(Bench *b) {
    for (int version = 901; version <= 910; version++) bf16_row(b, (Product){4096, 4096, 4096, version, ACT_NONE, false, false}, 0, 0);
    static const long thin[][2] = {{1, 4096}, {1, 11008}, {1, 22016}, {4, 4096}, {8, 11008}};
    for (int i = 0; i < 5; i++)
        for (int version = 1; version <= 3; version += 2) bf16_row(b, (Product){thin[i][0], thin[i][1], 4096, version, ACT_NONE, false}, 0, 0);
    static const long few[][2] = {{16, 4096}, {32, 4096}, {64, 4096}, {32, 22016}, {64, 22016}};
    for (int i = 0; i < 5; i++)
        for (int v = 0; v < 4; v++) bf16_row(b, (Product){few[i][0], few[i][1], 4096, (int[]){1, 913, 914, 908}[v], ACT_NONE, false}, 0, 0);
    static const long deep[][2] = {{32, 4096}, {64, 4096}, {32, 11008}, {128, 4096}, {128, 11008}};
    for (int i = 0; i < 5; i++)
        for (int version = 913; version <= 915; version += 2) bf16_row(b, (Product){deep[i][0], 4096, deep[i][1], version, ACT_NONE, false}, 0, 0);
    const bool hopper = cuda_gemm_hopper_takes(&(GemmBf16){.M = 32, .N = 4096, .K = 4096});
    for (long m = 32; hopper && m <= 128; m *= 2)
        for (int i = 0; i < 4; i++) together_row(b, (Together){m, 4096, i < 2 ? 4096 : 11008, i < 2 ? 3 : 2, i > 1, i % 2, PLAIN});
    for (int i = 0; hopper && i < 2; i++) together_row(b, (Together){65, 4096, i ? 11008 : 4096, i ? 2 : 3, i, true, PLAIN}); // 64 rows by the tiles of 128
    for (int i = 0; i < 4; i++) together_row(b, (Together){1, 4096, i < 2 ? 4096 : 11008, i < 2 ? 3 : 2, i > 1, i % 2, PLAIN});
    for (int i = 0; i < 4; i++) together_row(b, (Together){1, 4096, i < 2 ? 4096 : 11008, i < 2 ? 3 : 2, i > 1, true, i % 2 ? NORM_WITHIN : NORM_BEFORE});
    for (int version = 905; version <= 910; version++) {
        bf16_row(b, (Product){64 * 577, 1024, 1024, version, ACT_NONE, false, false}, 0, 0);
        bf16_row(b, (Product){64 * 577, 4096, 1024, version, ACT_GELU, true, false}, 0, 0);
        bf16_row(b, (Product){8 * 577, 4096, 1024, version, ACT_NONE, false, false}, 0, 0);
        if (version == 905 || version == 910)
            for (int i = 0; i < 2; i++) bf16_row(b, (Product){64 * 577, 1024, i ? 4096 : 1024, version, ACT_NONE, true, true}, 0, 0);
        if (version == 905 || version >= 909) bf16_row(b, (Product){8192, 8192, 8192, version, ACT_NONE, false, false}, 0, 0);
    }
}

void bench_products(Bench *b) {
    static const long vit[][2] = {{3072, 1024}, {1024, 1024}, {4096, 1024}, {1024, 4096}}, llama[][2] = {{12288, 4096}, {4096, 4096}, {22016, 4096}, {4096, 11008}};
    for (long n = 4096; n <= 8192; n *= 2) bf16_row(b, (Product){n, n, n, -1, ACT_NONE, false, false}, 0.80, 0.95);
    for (int i = 0; i < 4; i++) bf16_row(b, (Product){64 * 577, vit[i][0], vit[i][1], -1, ACT_NONE, false, false}, 0.75, 0.95);
    bf16_row(b, (Product){64 * 577, 4096, 1024, -1, ACT_GELU, true, false}, 0.75, 0.95);
    for (int i = 0; i < 2; i++) bf16_row(b, (Product){64 * 577, 1024, i ? 4096 : 1024, -1, ACT_NONE, true, true}, 0.75, 0.95);
    bf16_row(b, (Product){8 * 577, 4096, 1024, -1, ACT_NONE, false, false}, 0, 0);
    for (int i = 0; i < 4; i++) bf16_row(b, (Product){2048, llama[i][0], llama[i][1], -1, ACT_NONE, false, false}, 0.75, 0.95);
    for (long m = 1; m <= 128; m *= m < 64 ? 4 : 2) // decoding
        for (int i = 1; i < 3; i++) bf16_row(b, (Product){m, llama[i][0], llama[i][1], -1, ACT_NONE, false, false}, 0, 0);
    for (int version = 64; version <= 128; version *= 2) bf16_row(b, (Product){4096, 4096, 4096, version, ACT_NONE, false, false}, 0, 0);
    f32_row(b, (Product){4096, 4096, 4096, -1, ACT_NONE, false, false});
    f32_row(b, (Product){8 * 577, 4096, 1024, -1, ACT_NONE, false, false});
    f32_row(b, (Product){8 * 577, 1024, 4096, -1, ACT_NONE, false, false});
    f32_row(b, (Product){1, 4096, 4096, -1, ACT_NONE, false, false});
    f32_row(b, (Product){16, 4096, 4096, -1, ACT_NONE, false, false});
    for (long m = 1; m <= 16; m *= 16) f32_row(b, (Product){m, 4096, 4096, -1, ACT_NONE, false, false, true});
    static const int steps[] = {3128, 364, 128, 64}; // of the ladder
    for (int i = 0; i < 4; i++) f32_row(b, (Product){4096, 4096, 4096, steps[i], ACT_NONE, false, false});
    for (int i = 0; i < 2; i++) f32_row(b, (Product){8 * 577, 1024, 4096, steps[i], ACT_NONE, false, false});
    f32_row(b, (Product){1, 4096, 4096, 16, ACT_NONE, false, false});
}
