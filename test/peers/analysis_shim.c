// analysis_shim.c: plain C entry points to analysis/ for test/peers/analysis.py, which compiles and loads it.
#include <string.h>

#include "analysis/captions.h"
#include "analysis/overlap.h"
#include "analysis/spectrum.h"
#include "analysis/statistics.h"
#include "analysis/svd.h"
#include "io/thread.h"

static Arena *arena;

void shim_threads(int n) { threads_set(n); }

int shim_knn(uint32_t *id, const float *x, long N, int C, int cosine, int K) {
    if (!arena) arena = arena_new("shim");
    Mark mark = arena_mark(arena);
    Neighbours n = knn_self(arena, x, (size_t)N, C, cosine ? KNN_COSINE : KNN_L2, K, NULL, "shim");
    if (id) memcpy(id, n.id, sizeof *id * (size_t)N * (size_t)n.K);
    arena_release(arena, mark);
    return n.K;
}

void shim_values(double *s, const float *x, int B, int R, int C, int centre, int method) {
    if (!arena) arena = arena_new("shim");
    svd_values_batch(s, x, B, R, C, centre, (SvdMethod)method, arena);
}

void shim_thin(double *s, double *u, double *v, const float *x, int R, int C, int centre, int method) {
    if (!arena) arena = arena_new("shim");
    Mark mark = arena_mark(arena);
    Svd d = svd_thin(arena, x, R, C, centre, (SvdMethod)method, "shim");
    size_t r = (size_t)d.r;
    memcpy(s, d.s, sizeof *s * r);
    memcpy(u, d.u, sizeof *u * r * (size_t)R);
    memcpy(v, d.v, sizeof *v * r * (size_t)C);
    arena_release(arena, mark);
}

void shim_low_rank(float *out, const float *x, int R, int C, int rank) {
    if (!arena) arena = arena_new("shim");
    svd_low_rank(out, x, R, C, rank, arena, "shim");
}

void shim_tokens(double *spectrum, double *cosine, const float *x, int N, int T, int C) {
    if (!arena) arena = arena_new("shim");
    Mark mark = arena_mark(arena);
    TokenMeasures *m = tokens_measure(arena, x, N, T, C, "shim");
    for (int i = 0; i < N; i++) {
        memcpy(spectrum + i * SPECTRUM_COUNT, m[i].spectrum, sizeof m[i].spectrum);
        memcpy(cosine + i * COSINE_COUNT, m[i].cosine, sizeof m[i].cosine);
    }
    arena_release(arena, mark);
}

double shim_distance_correlation(const float *x, int C, const float *y, int D, long N, int cosine) {
    if (!arena) arena = arena_new("shim");
    return distance_correlation(x, C, y, D, (size_t)N, cosine ? KNN_COSINE : KNN_L2, 0, arena);
}

void shim_correlations(double out[6], const double *x, const double *y, long n) {
    if (!arena) arena = arena_new("shim");
    Correlation p = pearson(x, y, (size_t)n), s = spearman(x, y, (size_t)n, arena);
    Line l = line_fit(x, y, (size_t)n);
    double all[6] = {p.r, p.p, s.r, s.p, l.intercept, l.slope};
    memcpy(out, all, sizeof all);
}

void shim_describe(double out[8], const double *x, long n) {
    if (!arena) arena = arena_new("shim");
    Description d = describe(x, (size_t)n, arena);
    double all[8] = {(double)d.n, d.mean, d.median, d.std, d.q25, d.q75, d.min, d.max};
    memcpy(out, all, sizeof all);
}

void shim_bootstrap(double out[3], const double *x, long n, int accelerated, unsigned seed) {
    if (!arena) arena = arena_new("shim");
    Interval i = bootstrap_mean((Resampling){.n = (size_t)n, .replicates = 9999, .accelerated = accelerated, .rng = rng_of(seed, "shim")}, x, arena);
    out[0] = i.value, out[1] = i.low, out[2] = i.high;
}

double shim_f1(const char *x, const char *y) {
    if (!arena) arena = arena_new("shim");
    return caption_f1(x, y, arena);
}
