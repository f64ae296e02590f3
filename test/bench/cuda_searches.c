// cuda_searches.c: nearest neighbours, singular values of many matrices, resizing of pictures.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda.h"
#include "io/memory.h"
#include "io/progress.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/resize.h"

// ---- neighbours among n points of length one, each point's own left out

typedef struct {
    CudaKnn a;
    float *points;
    int version;
} Search;

static void search_work(void *arg, int turn) {
    Search *s = arg;
    cuda_knn_version(&s->a, s->version, NULL);
    (void)turn;
}

typedef struct {
    const float *x, *query;
    int C;
    double *score;
} Scores;

static void score_job(void *arg, size_t begin, size_t end) {
    Scores *s = arg;
    for (size_t j = begin; j < end; j++) {
        double sum = 0;
        for (int c = 0; c < s->C; c++) sum += (double)s->query[c] * (double)s->x[j * (size_t)s->C + (size_t)c];
        s->score[j] = sum;
    }
}

// How many of the neighbours of some queries are not the best by double precision: a score below the K-th best by more than rounding.
static double search_error(const Search *s) {
    const CudaKnn *a = &s->a;
    float *x = malloc((size_t)a->N * (size_t)a->C * 4);
    double *score = malloc((size_t)a->N * sizeof *score), worst = 0;
    int32_t id[256];
    need(x && score, "bench: no memory");
    CUDA_CHECK(cudaMemcpy(x, s->points, (size_t)a->N * (size_t)a->C * 4, cudaMemcpyDeviceToHost));
    for (uint64_t n = 0; n < 5; n++) {
        long q = n == 0 ? a->Q - 1 : (long)rng_below(rng_of(8, "q"), n, (uint64_t)a->Q), better = 0;
        double least = INFINITY;
        CUDA_CHECK(cudaMemcpy(id, a->id + q * a->K, (size_t)a->K * 4, cudaMemcpyDeviceToHost));
        parallel_for((size_t)a->N, 256, score_job, &(Scores){x, x + q * a->C, a->C, score});
        for (int k = 0; k < a->K; k++) least = id[k] >= 0 && id[k] < a->N && id[k] != q ? fmin(least, score[id[k]]) : -INFINITY;
        for (long j = 0; j < a->N; j++) better += j != q && score[j] > least + 1e-5;
        worst = fmax(worst, better >= a->K ? 1 + (double)(better - a->K) : 0);
    }
    free(x), free(score);
    return worst;
}

// Step 2 of the search alone, all parts of it, on what the search left in the room; and the same by cuBLAS.
static void product_of(Search *s, void (*multiply)(const GemmBf16 *g)) {
    GemmBf16 g;
    for (long q0 = 0; q0 < s->a.Q; q0 += g.M) g = cuda_knn_scores(&s->a, 3, q0), multiply(&g);
}

static void product_ours(const GemmBf16 *g) { cuda_gemm_bf16(g, NULL); }
static void product_work(void *arg, int turn) { product_of(arg, product_ours), (void)turn; }
static void product_blas(void *arg, int turn) { product_of(arg, blas_bf16), (void)turn; }

// Of some scores of the last query, which the search has left.
static double product_error(const Search *s) {
    const CudaKnn *a = &s->a;
    const size_t bytes = (size_t)a->C * 4;
    long q0 = 0;
    GemmBf16 g = cuda_knn_scores(a, 3, 0);
    for (; q0 + g.M < a->Q; g = cuda_knn_scores(a, 3, q0)) q0 += g.M;
    float *query = malloc(bytes), *point = malloc(bytes), score;
    need(query && point, "bench: no memory");
    double worst = 0;
    CUDA_CHECK(cudaMemcpy(query, s->points + (a->Q - 1) * a->C, bytes, cudaMemcpyDeviceToHost));
    for (uint64_t n = 0; n < 64; n++) {
        long j = n == 0 ? a->N - 1 : (long)rng_below(rng_of(9, "j"), n, (uint64_t)a->N);
        double sum = 0;
        CUDA_CHECK(cudaMemcpy(point, s->points + j * a->C, bytes, cudaMemcpyDeviceToHost));
        CUDA_CHECK(cudaMemcpy(&score, (float *)g.C + (g.M - 1) * g.ldc + j, 4, cudaMemcpyDeviceToHost));
        for (int c = 0; c < a->C; c++) sum += (double)query[c] * (double)point[c];
        worst = fmax(worst, fabs(sum - (double)score));
    }
    free(query), free(point);
    return worst;
}

// The whole search of `total` seconds beside its product: of as many multiply-adds as ours really does, three times those of the scores.
// The gate is of many queries: of few, choosing and evaluating take longer than so short a product.
static void over_product(Bench *b, Search *s, const char *shape, double total) {
    const bool gated = s->a.Q >= 100000;
    char row[160], rate[16] = "-", mark[8] = "";
    const GemmBf16 g = cuda_knn_scores(&s->a, 3, 0);
    snprintf(row, sizeof row, "%ld x %ld x %ld in parts of %ld rows", s->a.Q, g.N, g.K, g.M);
    Contest c = {.area = "neighbours, their bf16 product alone", .shape = row, .ours = product_work, .library = blas_open() ? product_blas : NULL, .arg = s, .peak = b->bf16, .allow = 1e-4};
    c.flops = 2.0 * (double)s->a.Q * (double)g.N * (double)g.K, c.error = product_error(s);
    Took t = contest(b, &c);
    if (t.library > 0 && total > 0) {
        const double fraction = t.library / total;
        const bool gate = fraction >= 1 / 1.5, goal = fraction >= 1 / 1.2;
        snprintf(rate, sizeof rate, "%.2f", fraction);
        if (gated) snprintf(mark, sizeof mark, "%s", goal ? "goal" : gate ? "gate" : "BELOW"), b->below += !gate;
    }
    if (t.ours > 0 && total > 0)
        bench_say(b->page, "| neighbours over cuBLAS's bf16 product of 3 C columns | %s: %.2f of its time, %.2f of our product's | %.4f | - | %s | - | - | %s | %s | |", shape,
                  t.library > 0 ? total / t.library : 0, total / t.ours, total * 1e3, rate, gated ? "0.67 | 0.83" : "- | -", mark);
}

static void search(Bench *b, long n, int C, int K, int version) { // version 3 is the one in use, the others are steps of its ladder
    Search s = {.a = {.Q = n, .N = n, .C = C, .K = K, .without_self = true}, .version = version};
    const bool used = version == 3;
    const double lasts = n > 50000 ? 20 : 0; // seconds, the peer's and the product's with it
    char area[40], shape[80], ask[80];
    snprintf(area, sizeof area, used ? "neighbours" : "neighbours, version %d", version);
    snprintf(shape, sizeof shape, "%ld x %d, k = %d", n, C, K);
    snprintf(ask, sizeof ask, "knn %ld %d %d", n, C, K);
    b->ends -= lasts;
    const bool begins = bench_begins(b, area, shape);
    b->ends += lasts;
    if (!begins) return;
    CUDA_CHECK(cudaMalloc((void **)&s.points, (size_t)n * (size_t)C * 4));
    CUDA_CHECK(cudaMalloc((void **)&s.a.id, (size_t)n * (size_t)K * 4));
    CUDA_CHECK(cudaMalloc((void **)&s.a.score, (size_t)n * (size_t)K * 4));
    CUDA_CHECK(cudaMalloc(&s.a.room, cuda_knn_room(&s.a)));
    cuda_l2norm(s.points, floats_at((size_t)n * (size_t)C, 0, 0), n, C, 1e-12f, NULL);
    s.a.query = s.a.point = s.points;
    Contest c = {.area = area, .shape = shape, .ours = search_work, .ask = ask, .arg = &s, .flops = 2.0 * (double)n * (double)n * C, .peak = b->f32, .allow = 0};
    if (used) c.gate = 1.2, c.goal = 2;
    search_work(&s, 0);
    c.error = search_error(&s);
    Took t = contest(b, &c);
    if (used) over_product(b, &s, shape, t.ours);
    CUDA_CHECK(cudaFree(s.points)), CUDA_CHECK(cudaFree(s.a.id)), CUDA_CHECK(cudaFree(s.a.score)), CUDA_CHECK(cudaFree(s.a.room));
}

// ---- singular values

typedef struct {
    CudaJacobi a;
    double *from, *room;
    int version;
} Values;

static void values_work(void *arg, int turn) {
    Values *v = arg;
    size_t bytes = (size_t)v->a.batch * (size_t)v->a.n * (size_t)v->a.m * 8;
    CUDA_CHECK(cudaMemcpyAsync(v->a.b, v->from, bytes, cudaMemcpyDeviceToDevice, NULL)); // it works in place
    if (v->version) cuda_jacobi_version(&v->a, v->version, NULL);
    else cuda_singular_values(&v->a, v->room, NULL);
    (void)turn;
}

static void values(Bench *b, long batch, int n, int m, int version) { // 0: the way in use; 1, 2: rotations
    Values v = {.a = {.batch = batch, .n = n, .m = m}, .version = version};
    size_t count = (size_t)batch * (size_t)n * (size_t)m;
    char shape[80], ask[80], area[40];
    snprintf(area, sizeof area, version == 0 ? "singular values" : "singular values, version %d", version);
    snprintf(shape, sizeof shape, "%ld of %d x %d", batch, n, m);
    snprintf(ask, sizeof ask, "svdvals %ld %d %d", batch, n, m);
    if (!bench_begins(b, area, shape)) return;
    double *x = malloc(count * 8), *length = malloc((size_t)(batch * n) * 8), squares = 0, found = 0;
    need(x && length, "bench: no memory");
    for (size_t i = 0; i < count; i++) x[i] = rng_normal(rng_of(6, "matrices"), i), squares += x[i] * x[i];
    CUDA_CHECK(cudaMalloc((void **)&v.from, count * 8));
    CUDA_CHECK(cudaMalloc((void **)&v.a.b, count * 8));
    CUDA_CHECK(cudaMalloc((void **)&v.room, cuda_singular_values_room(&v.a)));
    CUDA_CHECK(cudaMalloc((void **)&v.a.length, (size_t)(batch * n) * 8));
    CUDA_CHECK(cudaMemcpy(v.from, x, count * 8, cudaMemcpyHostToDevice));
    Contest c = {.area = area, .shape = shape, .ours = values_work, .ask = ask, .arg = &v, .bytes = (double)count * 8, .gate = version ? 0 : n > 130 ? 3 : 1, .goal = version ? 0 : n > 130 ? 10 : 3, .allow = 1e-12};
    values_work(&v, 0);
    CUDA_CHECK(cudaMemcpy(length, v.a.length, (size_t)(batch * n) * 8, cudaMemcpyDeviceToHost));
    for (long i = 0; i < batch * n; i++) found += length[i] * length[i];
    c.error = fabs(found - squares) / squares; // the values themselves are test_cuda_jacobi's matter
    contest(b, &c);
    CUDA_CHECK(cudaFree(v.from)), CUDA_CHECK(cudaFree(v.a.b)), CUDA_CHECK(cudaFree(v.a.length)), CUDA_CHECK(cudaFree(v.room));
    free(x), free(length);
}

// ---- pictures

typedef struct {
    CudaResize across, down;
} Pictures;

static CudaResize pass(Arena *a, long count, int width, int height, int to, bool across) {
    ResizeTaps t = resize_taps8(a, across ? width : height, to, RESIZE_BICUBIC);
    CudaResize r = {.count = count, .width = width, .height = height, .to = to, .across = across, .most = t.most};
    const void *host[3] = {t.first, t.count, t.fixed};
    size_t bytes[3] = {(size_t)to * sizeof(int), (size_t)to * sizeof(int), (size_t)to * (size_t)t.most * sizeof(int32_t)};
    void *there[3];
    for (int i = 0; i < 3; i++) {
        CUDA_CHECK(cudaMalloc(&there[i], bytes[i]));
        CUDA_CHECK(cudaMemcpy(there[i], host[i], bytes[i], cudaMemcpyHostToDevice));
    }
    r.first = there[0], r.taps = there[1], r.fixed = there[2];
    return r;
}

static void pictures_work(void *arg, int turn) {
    Pictures *p = arg;
    size_t old = (size_t)p->across.count * (size_t)p->across.width * (size_t)p->across.height * 3, between = (size_t)p->down.count * (size_t)p->down.width * (size_t)p->down.height * 3;
    p->across.in = (const uint8_t *)halves_at(old / 2 + 1, turn, 0), p->across.out = result_at(2 * between, turn);
    p->down.in = p->across.out, p->down.out = p->across.out + between;
    cuda_resize8(&p->across, NULL);
    cuda_resize8(&p->down, NULL);
}

static void pictures(Bench *b, long count, int width, int height, int to_width, int to_height) {
    Arena *a = arena_new("pictures");
    Pictures p = {pass(a, count, width, height, to_width, true), pass(a, count, to_width, height, to_height, false)};
    char shape[80];
    snprintf(shape, sizeof shape, "%ld of %d x %d to %d x %d", count, width, height, to_width, to_height);
    contest(b, &(Contest){.area = "resize", .shape = shape, .ours = pictures_work, .arg = &p, .bytes = 3.0 * (double)count * (width * height + 2.0 * to_width * height + to_width * to_height)});
    arena_free(a);
}

void bench_searches(Bench *b) {
    search(b, 10000, 1024, 100, 3);
    values(b, 256, 64, 64, 0);
    values(b, 1024, 32, 32, 0);
    pictures(b, 64, 640, 480, 448, 336);
    search(b, 100000, 4096, 100, 3);
    values(b, 132, 128, 128, 0);
    values(b, 64, 576, 576, 0);
    for (int version = 2; version >= 1; version--) search(b, 10000, 1024, 100, version);
    values(b, 1024, 32, 32, 1);
}
