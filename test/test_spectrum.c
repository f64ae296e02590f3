// test_spectrum.c: eigenvalues, singular values and vectors, low rank, spectral statistics.
//
// Seen to catch: the mean row not subtracted; s instead of s²; log2 for ln; the upper for the lower median; a rotation with
// the sign of its sine turned; reflections applied in forward order on the way back; a completion left out.
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/fit.h"
#include "analysis/pool.h"
#include "analysis/dense.h"
#include "analysis/eigen.h"
#include "analysis/spectrum.h"
#include "analysis/svd.h"
#include "analysis_golden.h"
#include "check.h"
#include "io/random.h"
#include "io/thread.h"
#include "levels.h"

static double *normals(Arena *a, const char *what, size_t n) {
    double *x = take(a, double, n);
    Rng r = rng_of(3, what);
    for (size_t i = 0; i < n; i++) x[i] = rng_normal(r, i);
    return x;
}

static void test_product(Arena *a) {
    const int shapes[][3] = {{1, 1, 1}, {7, 5, 3}, {8, 24, 128}, {9, 25, 129}, {193, 191, 300}, {400, 33, 5}};
    for (size_t t = 0; t < sizeof shapes / sizeof *shapes; t++) {
        int M = shapes[t][0], N = shapes[t][1], K = shapes[t][2];
        Mark mark = arena_mark(a);
        double *x = normals(a, "a", (size_t)M * K), *y = normals(a, "b", (size_t)N * K), worst = 0;
        double *c = take(a, double, (size_t)M * (N + 3));
        for (size_t i = 0; i < (size_t)M * (N + 3); i++) c[i] = i % (N + 3) < (size_t)N ? NAN : 7;
        // b is read as the transpose of a (K, N) matrix
        double *yt = take(a, double, (size_t)N * K);
        for (int j = 0; j < N; j++)
            for (int k = 0; k < K; k++) yt[(size_t)k * N + j] = y[(size_t)j * K + k];
        Dense left = {.d = x, .row = K, .col = 1}, right = {.d = yt, .row = 1, .col = N};
        dense_product(c, N + 3, DENSE_SET, left, right, M, N, K, false);
        dense_product(c, N + 3, DENSE_ADD, left, right, M, N, K, false);
        dense_product(c, N + 3, DENSE_SUBTRACT, left, right, M, N, K, true);
        bool outside = true;
        for (int i = 0; i < M; i++) {
            for (int j = 0; j < N; j++) {
                double want = 0, size = 0;
                for (int k = 0; k < K; k++) {
                    want += x[(size_t)i * K + k] * y[(size_t)j * K + k];
                    size += fabs(x[(size_t)i * K + k] * y[(size_t)j * K + k]);
                }
                if (j > i) want *= 2;
                double error = fabs(c[(size_t)i * (N + 3) + j] - want) / size;
                if (!(error <= worst)) worst = error;
            }
            for (int j = N; j < N + 3; j++) outside = outside && c[(size_t)i * (N + 3) + j] == 7;
        }
        char name[80];
        snprintf(name, sizeof name, "product %d x %d x %d", M, N, K);
        check_value(name, worst, 0, (K + 3) * 2 * DBL_EPSILON); // a sum of K rounded products, twice
        check(outside, "%s writes nothing beside the matrix", name);
        arena_release(a, mark);
    }
}

// |A v - value v| and |V Vᵀ - 1| for random symmetric matrices and for shapes that are hard: values in clumps, of many sizes,
// equal ones, and a form that falls apart.
static void test_eigen(Arena *a) {
    const char *kinds[] = {"random", "rank 3", "graded", "equal values", "tridiagonal", "upside down", "Wilkinson's", "in pieces"};
    const int sizes[] = {1, 2, 3, 5, 31, 32, 33, 34, 65, 150, 211};
    for (int kind = 0; kind < 8; kind++)
        for (size_t t = 0; t < sizeof sizes / sizeof *sizes; t++) {
            int n = sizes[t];
            Mark mark = arena_mark(a);
            size_t nn = (size_t)n * n;
            double *g = take(a, double, nn), *g2 = take(a, double, nn), *x = normals(a, "e", nn), worst = 0, bent = 0, trace = 0;
            for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++) {
                    double s = 0;
                    if (kind == 0) s = x[(size_t)i * n + j] + x[(size_t)j * n + i];
                    if (kind == 1) for (int k = 0; k < 3; k++) s += x[(size_t)i * n + k % n] * x[(size_t)j * n + k % n];
                    if (kind == 2) s = (x[(size_t)i * n + j] + x[(size_t)j * n + i]) * pow(0.3, i + j);
                    if (kind == 3) s = (i == j) * 2.0 + 1e-13 * (x[(size_t)i * n + j] + x[(size_t)j * n + i]);
                    if (kind == 4) s = i == j ? 2 : abs(i - j) == 1 ? -1 : 0;
                    if (kind == 6) s = i == j ? 1 + fabs(i - 0.5 * (n - 1)) : abs(i - j) == 1 ? 1 : 0; // pairs that agree to 15 digits
                    if (kind == 7) s = i == j ? 1 + i % 3 : abs(i - j) == 1 && (i + j) % 5 ? 0.25 : 0;
                    if (kind == 5) s = (x[(size_t)i * n + j] + x[(size_t)j * n + i]) * pow(0.3, 2 * n - i - j) * 1e-80;
                    g[(size_t)i * n + j] = s;
                }
            memcpy(g2, g, sizeof(double) * nn);
            double *values = take(a, double, (size_t)n), *only = take(a, double, (size_t)n), *v = take(a, double, nn);
            eigen_symmetric(values, v, n, g2, n, a);
            memcpy(g2, g, sizeof(double) * nn);
            eigen_symmetric(only, NULL, 0, g2, n, a);
            double most = fmax(fabs(values[0]), fabs(values[n - 1])), sum = 0;
            bool ordered = true;
            for (int i = 0; i < n; i++) {
                trace += g[(size_t)i * n + i];
                sum += values[i];
                ordered = ordered && (i == 0 || values[i - 1] >= values[i]);
                if (!(fabs(values[i] - only[i]) <= 1e-13 * most)) worst = NAN;
                for (int j = 0; j < n; j++) {
                    double av = dense_dot(g + (size_t)j * n, v + (size_t)i * n, (size_t)n) - values[i] * v[(size_t)i * n + j];
                    double vv = dense_dot(v + (size_t)i * n, v + (size_t)j * n, (size_t)n) - (i == j);
                    if (!(fabs(av) / most <= worst)) worst = fabs(av) / most;
                    if (!(fabs(vv) <= bent)) bent = fabs(vv);
                }
            }
            bool ok = worst <= 8e-16 * (n + 8) && bent <= 4e-16 * (n + 8) && ordered && fabs(trace - sum) <= 1e-14 * most * n;
            if (!ok || n == 211)
                check(ok, "eigen %s n=%d: residual %.1e, orthogonality %.1e of the largest value", kinds[kind], n, worst, bent);
            arena_release(a, mark);
        }
    double g[4] = {NAN, 0, 0, 1}, values[2];
    eigen_symmetric(values, NULL, 0, g, 2, a);
    check(isnan(values[0]) && isnan(values[1]), "eigen: a NaN gives NaN");
}

static double orthogonality(const double *v, int r, int width) {
    double worst = 0;
    for (int i = 0; i < r; i++)
        for (int j = 0; j <= i; j++) {
            double d = fabs(dense_dot(v + (size_t)i * width, v + (size_t)j * width, (size_t)width) - (i == j));
            if (!(d <= worst)) worst = d;
        }
    return worst;
}

// x = sum of s u v, vectors orthonormal; values agree between the two routes.
static void check_svd(Arena *a, const char *name, const float *x, int R, int C, bool centre, double condition) {
    int r = R < C ? R : C;
    for (int method = SVD_GRAM; method <= SVD_JACOBI; method++) {
        Mark mark = arena_mark(a);
        Svd d = svd_thin(a, x, R, C, centre, method, name);
        double *only = take(a, double, (size_t)r), worst = 0, apart = 0;
        svd_values(only, x, R, C, centre, method, a);
        for (int i = 0; i < R; i++)
            for (int j = 0; j < C; j++) {
                double sum = d.mean[j] - x[(size_t)i * C + j];
                for (int k = 0; k < r; k++) sum += d.s[k] * d.u[(size_t)k * R + i] * d.v[(size_t)k * C + j];
                if (!(fabs(sum) <= worst)) worst = fabs(sum);
            }
        bool ordered = true;
        for (int k = 0; k < r; k++) {
            ordered = ordered && d.s[k] >= 0 && (k == 0 || d.s[k - 1] >= d.s[k]);
            if (!(fabs(d.s[k] - only[k]) <= apart)) apart = fabs(d.s[k] - only[k]);
        }
        double u = orthogonality(d.u, r, R), v = orthogonality(d.v, r, C), most = fmax(d.s[0], 1e-30);
        // centring rounds to float: 6e-8 of an element. Values from the Gram matrix alone: sqrt(n * 2^-53) of the first.
        double allow = method == SVD_GRAM ? 1e-7 : 1e-13;
        check(worst <= 1.2e-7 * fmax(most, condition) && u <= 1e-9 && v <= 1e-9 && apart <= allow * most && ordered,
              "svd %s %s %dx%d: rest %.1e, u %.1e, v %.1e, values %.1e", method == SVD_GRAM ? "gram" : "jacobi", name, R, C,
              worst, u, v, apart / most);
        arena_release(a, mark);
    }
}

static void test_svd(Arena *a) {
    const int shapes[][2] = {{1, 1}, {1, 9}, {9, 1}, {2, 7}, {17, 40}, {40, 17}, {64, 64}, {70, 200}};
    for (size_t t = 0; t < sizeof shapes / sizeof *shapes; t++)
        for (int kind = 0; kind < 4; kind++) {
            int R = shapes[t][0], C = shapes[t][1];
            Mark mark = arena_mark(a);
            float *x = take(a, float, (size_t)R * C);
            double *n = normals(a, "svd", (size_t)R * C + (size_t)(R + C) * 4);
            for (int i = 0; i < R; i++)
                for (int j = 0; j < C; j++) {
                    double v = n[(size_t)i * C + j];
                    if (kind == 1) v *= pow(10, -12.0 * i / R);                             // twelve decades
                    if (kind == 2) v = n[i] * n[R + j] + 1e-3 * n[2 * R + i] * n[3 * R + C + j]; // rank 2
                    if (kind == 3) v = 3;                                                   // constant: nothing when centred
                    x[(size_t)i * C + j] = (float)v;
                }
            const char *names[] = {"random", "graded", "rank 2", "constant"};
            check_svd(a, names[kind], x, R, C, kind != 0, 3);
            arena_release(a, mark);
        }
    // known values: a product of reflections around a diagonal, which plain float cannot blur by more than 6e-8
    int n = 24, m = 50;
    double *u = normals(a, "u", (size_t)n), *v = normals(a, "v", (size_t)m), uu = dense_dot(u, u, (size_t)n), vv = dense_dot(v, v, (size_t)m);
    float *x = take(a, float, (size_t)n * m);
    double want[24], got[24];
    for (int k = 0; k < n; k++) want[k] = pow(2, -k);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++) {
            double sum = 0;
            for (int k = 0; k < n; k++)
                sum += ((i == k) - 2 * u[i] * u[k] / uu) * want[k] * ((j == k) - 2 * v[j] * v[k] / vv);
            x[(size_t)i * m + j] = (float)sum;
        }
    svd_values(got, x, n, m, false, SVD_GRAM, a);
    double worst = 0;
    for (int k = 0; k < n; k++) worst = fmax(worst, fabs(got[k] - want[k]));
    check_value("known values, gram", worst, 0, 1e-7); // float rounding of x: 6e-8 in the spectral norm at most
    svd_values(got, x, n, m, false, SVD_JACOBI, a);
    worst = 0;
    for (int k = 0; k < n; k++) worst = fmax(worst, fabs(got[k] - want[k]));
    check_value("known values, jacobi", worst, 0, 1e-7);
    // Jacobi keeps the digits of small values: rows of very different lengths
    float scaled[3 * 4] = {1, 2, 3, 4, 1e-10f, -2e-10f, 3e-10f, 1e-10f, 2e-20f, 2e-20f, -1e-20f, 0};
    double s[3];
    svd_values(s, scaled, 3, 4, false, SVD_JACOBI, a);
    check(s[2] > 5e-21 && s[2] < 3e-20, "jacobi resolves a value 1e-21 of the first (%.3e)", s[2]);
    float bad[4] = {1, INFINITY, 2, 3};
    svd_values(s, bad, 2, 2, true, SVD_AUTO, a);
    check(isnan(s[0]), "an infinity gives NaN");
    check_dies("vectors of a NaN", "NaN") { svd_thin(a, bad, 2, 2, false, SVD_AUTO, "x"); }
}

static void test_goldens(Arena *a) {
    const Json *all = json_get(golden(a), "tokens");
    for (size_t t = 0; t < all->count; t++) {
        const Json *j = &all->items[t];
        int T = (int)json_int(j, "T"), C = (int)json_int(j, "C"), r = T < C ? T : C;
        float *x = golden_floats(a, j, "x", NULL), *low = golden_floats(a, j, "low_rank_3", NULL);
        double *s = golden_list(a, j, "s", NULL), *spectrum = golden_list(a, j, "spectrum", NULL), *cosine = golden_list(a, j, "cosine", NULL);
        double got[64];
        // float rounding of the centred matrix: 6e-8 of its norm
        svd_values(got, x, T, C, true, SVD_GRAM, a);
        check_near_double("singular values, gram", got, s, (size_t)r, 1e-7);
        svd_values(got, x, T, C, true, SVD_JACOBI, a);
        check_near_double("singular values, jacobi", got, s, (size_t)r, 1e-7);
        TokenMeasures *m = tokens_measure(a, x, 1, T, C, "golden");
        check_near_double("spectral statistics", m->spectrum, spectrum, SPECTRUM_COUNT, 1e-7);
        check_near_double("cosine concentration", m->cosine, cosine, COSINE_COUNT, 1e-7);
        check_near_double("singular values of the tokens", m->s, s, (size_t)r, 1e-7);
        float *out = take(a, float, (size_t)T * C);
        svd_low_rank(out, x, T, C, 3, a, "golden");
        check_near("rank 3", out, low, (size_t)T * C, 2e-7);
        svd_low_rank(out, x, T, C, r, a, "golden");
        check_same("full rank is the matrix itself", out, x, sizeof(float) * (size_t)T * C);
    }
}

static void test_statistics_of_spectra(Arena *a) {
    float four[8] = {1, 0, -1, 0, 0, 2.5f, 0, -2.5f};
    TokenMeasures *m = tokens_measure(a, four, 1, 4, 2, "four tokens");
    check_value("s1", m->s[0], sqrt(12.5), 1e-12);
    check_value("s2", m->s[1], sqrt(2), 1e-12);
    check_value("p1", m->energy[0], .862069, 1e-6);
    check_value("effective rank", m->spectrum[SPECTRUM_EFFECTIVE_RANK], 1.493601, 1e-6);
    check_value("normalised", m->spectrum[SPECTRUM_EFFECTIVE_RANK_NORMALIZED], .746800, 1e-6);
    check_value("top1", m->spectrum[SPECTRUM_TOP1_ENERGY_RATIO], .862069, 1e-6);
    check_value("k80", m->spectrum[SPECTRUM_K80_ENERGY], 1, 0);
    check_value("k90", m->spectrum[SPECTRUM_K90_ENERGY], 2, 0);
    float constant[3 * 5];
    for (int i = 0; i < 15; i++) constant[i] = (float)(i % 5) + 0.1f;
    m = tokens_measure(a, constant, 1, 3, 5, "constant");
    check_value("constant: effective rank", m->spectrum[SPECTRUM_EFFECTIVE_RANK], 1, 0);
    check_value("constant: top10", m->spectrum[SPECTRUM_TOP10_ENERGY_RATIO], 0, 0);
    check_value("constant: k80", m->spectrum[SPECTRUM_K80_ENERGY], 3, 0);
    check_value("constant: k90", m->spectrum[SPECTRUM_K90_ENERGY], 3, 0);
    check_value("constant: cosine", m->cosine[COSINE_MEAN], 1, 1e-12);
    double nothing[SPECTRUM_COUNT];
    spectrum_of(nothing, NULL, NULL, 0);
    check_value("no singular values: zeros", nothing[SPECTRUM_EFFECTIVE_RANK] + nothing[SPECTRUM_K90_ENERGY], 0, 0);
    m = tokens_measure(a, four, 4, 1, 2, "single tokens");
    check_value("one token: cosine 0", m->cosine[COSINE_MEAN], 0, 0);
    // masked tokens: zeros beside a mean that is not; their cosines are 0, the others' those of equal tokens
    float masked[5 * 3] = {3.1f, 1.7f, 2.3f, 0, 0, 0, 3.1f, 1.7f, 2.3f, 0, 0, 0, 3.1f, 1.7f, 2.3f};
    m = tokens_measure(a, masked, 1, 5, 3, "masked");
    check_value("masked tokens: mean cosine", m->cosine[COSINE_MEAN], 0.3, 1e-7);
    check_value("masked tokens: median", m->cosine[COSINE_MEDIAN], 0, 0);
    // one direction of length 1e5 beside 575 of length 1 (12.2): the small ones must survive
    int T = 60, C = 90;
    float *x = take(a, float, (size_t)T * C);
    double *n = normals(a, "outlier", (size_t)T * C + (size_t)T), *without = take(a, double, (size_t)T), *with = take(a, double, (size_t)T);
    for (int i = 0; i < T * C; i++) x[i] = i % C == 0 ? 0 : (float)n[i];
    svd_values(without, x, T, C, true, SVD_JACOBI, a);
    for (int i = 0; i < T; i++) x[(size_t)i * C] = (float)(4000 * n[T * C + i]) + 1e4f;
    svd_values(with, x, T, C, true, SVD_GRAM, a);
    check(with[0] > 2e4 && fabs(with[30] / without[30] - 1) < 0.05 && with[T - 1] < 1e-2 * without[0],
          "beside an outlier channel: %.4g, then %.4g (alone %.4g)", with[0], with[30], without[30]);
    float bad[4] = {1, 2, NAN, 3};
    check_dies("a NaN among the tokens", "image 1 of 2") { tokens_measure(a, bad, 2, 1, 2, "bad"); }
}

static void test_ranks(void) {
    const double levels[8] = {0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5};
    const int R[4] = {576, 64, 144, 100};
    const int kept[4][8] = {{6, 17, 29, 58, 115, 173, 230, 288}, {1, 2, 3, 6, 13, 19, 26, 32}, {1, 4, 7, 14, 29, 43, 58, 72}, {1, 3, 5, 10, 20, 30, 40, 50}};
    bool ok = true;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 8; j++) ok = ok && svd_rank_of_level(levels[j], R[i], 4096) == kept[i][j];
    check(ok, "kept ranks of the study's table");
    check(svd_rank_of_level(-1, 9, 9) == 1 && svd_rank_of_level(3.4, 9, 9) == 3 && svd_rank_of_level(99, 9, 20) == 9, "other levels");
}

static void test_repeat(Arena *a) {
    int B = 5, R = 40, C = 70;
    size_t count = (size_t)B * R * C;
    double *n = normals(a, "repeat", count);
    float *x = take(a, float, count), *low[2];
    for (size_t i = 0; i < count; i++) x[i] = (float)n[i];
    double *s[2];
    TokenMeasures *m[2];
    Svd d[2];
    int big = 230, wide = 260;
    float *y = take(a, float, (size_t)big * wide);
    double *n2 = normals(a, "repeat 2", (size_t)big * wide);
    for (int i = 0; i < big * wide; i++) y[i] = (float)n2[i];
    for (int run = 0; run < 2; run++) {
        threads_set(run ? 3 : 1);
        s[run] = take(a, double, (size_t)B * R);
        low[run] = take(a, float, count);
        svd_values_batch(s[run], x, B, R, C, true, SVD_AUTO, a);
        svd_low_rank_batch(low[run], x, B, R, C, 7, a, "repeat");
        m[run] = tokens_measure(a, x, B, R, C, "repeat");
        d[run] = svd_thin(a, y, big, wide, true, SVD_GRAM, "repeat");
    }
    check_same("values, 1 and 3 threads", s[1], s[0], sizeof(double) * (size_t)B * R);
    check_same("low rank, 1 and 3 threads", low[1], low[0], sizeof(float) * count);
    check_same("token measures, 1 and 3 threads", m[1][4].spectrum, m[0][4].spectrum, sizeof m[0][4].spectrum);
    check_same("cosines, 1 and 3 threads", m[1][4].cosine, m[0][4].cosine, sizeof m[0][4].cosine);
    check_same("left vectors, 1 and 3 threads", d[1].u, d[0].u, sizeof(double) * (size_t)big * big);
    check_same("right vectors, 1 and 3 threads", d[1].v, d[0].v, sizeof(double) * (size_t)big * wide);
    double alone[64];
    svd_values(alone, x + 3 * (size_t)R * C, R, C, true, SVD_AUTO, a);
    check_same("alone and in a batch", alone, s[0] + 3 * R, sizeof(double) * R);
    // a rotation of the channels changes no measure
    float *turned = take(a, float, (size_t)R * C);
    for (int i = 0; i < R; i++)
        for (int j = 0; j < C; j++) turned[(size_t)i * C + j] = x[(size_t)i * C + (j + 11) % C] * (j % 2 ? 1 : -1);
    TokenMeasures *t = tokens_measure(a, turned, 1, R, C, "turned");
    check_near_double("channels permuted and mirrored", t->spectrum, m[0][0].spectrum, SPECTRUM_COUNT, 1e-7);
    check_near_double("channels permuted and mirrored: cosines", t->cosine, m[0][0].cosine, COSINE_COUNT, 1e-7);
}

// Values, vectors and measures of one matrix, to the last bit.
static int print_digest(Arena *a) {
    enum { R = 70, C = 130 };
    double *n = normals(a, "digest", R * C);
    float *x = take(a, float, R * C);
    for (int i = 0; i < R * C; i++) x[i] = (float)n[i] + (float)(i % C == 3) * 100;
    struct {
        double gram[R], jacobi[R], u[R * R], v[R * C], cosine[COSINE_COUNT];
        float low[R * C];
    } *all = arena_zero(a, 1, sizeof *all);
    svd_values(all->gram, x, R, C, true, SVD_GRAM, a);
    svd_values(all->jacobi, x, R, C, true, SVD_JACOBI, a);
    Svd d = svd_thin(a, x, R, C, true, SVD_GRAM, "digest");
    memcpy(all->u, d.u, sizeof all->u);
    memcpy(all->v, d.v, sizeof all->v);
    memcpy(all->cosine, tokens_measure(a, x, 1, R, C, "digest")->cosine, sizeof all->cosine);
    svd_low_rank(all->low, x, R, C, 9, a, "digest");
    return levels_print(all, sizeof *all);
}

// Means of lists that are not kept: cut to the shortest that is not empty.
static void test_means(Arena *a) {
    SpectrumMean m = spectrum_mean_new(a, 3);
    double out[3] = {-1, -1, -1};
    check(spectrum_mean_of(&m, out) == 0, "the mean of no spectrum is empty");
    spectrum_mean_add(&m, (double[]){4, 3, 2, 1}, 4);
    spectrum_mean_add(&m, NULL, 0);
    spectrum_mean_add(&m, (double[]){2, 0}, 2);
    check(spectrum_mean_of(&m, out) == 2 && out[0] == 3 && out[1] == 1.5 && out[2] == -1, "spectra of 4, 0 and 2 values: the mean of the first two of each");
}

static void test_fit_and_pool(void) {
    const float x[] = {1, 0, 0, 3, 2, 2}, y[] = {0, 1, 0, 6, 2, 2}, zero[] = {0, 0};
    TokenFit f = tokens_fit(x, y, 3, 2), none = tokens_fit(zero, zero, 1, 2);
    check_value("tokens: mean squared error", f.mse, (1 + 1 + 9) / 6.0, 1e-15);
    check_value("tokens: mean cosine of 90, 0 and 0 degrees", f.cosine, 2 / 3.0, 1e-7);
    check(none.mse == 0 && none.cosine == 0, "tokens of zeros: no error, no cosine");
    float out[2];
    static const float want[][2] = {{1, 5 / 3.0f}, {1, 0}, {2, 2}, {2, 3}};
    for (int p = POOL_MEAN; p <= POOL_MAX; p++) {
        tokens_pool(out, x, 3, 2, (Pool)p);
        check(memcmp(out, want[p - POOL_MEAN], sizeof out) == 0, "pooled way %d: %g %g", p, (double)out[0], (double)out[1]);
    }
}

int main(int argc, char **argv) {
    Arena *a = arena_new("test");
    if (levels_child(argc)) {
        int status = print_digest(a);
        arena_free(a);
        return status;
    }
    test_product(a);
    test_eigen(a);
    test_svd(a);
    test_goldens(a);
    test_statistics_of_spectra(a);
    test_ranks();
    test_means(a);
    test_fit_and_pool();
    test_repeat(a);
    levels_check("spectra", argv[0]);
    arena_free(a);
    return check_end();
}
