// test_knn.c: neighbours against plain double loops, on data made to be hard; overlaps; correlation of distances.
//
// Seen to catch: self not excluded; the larger index first on ties; the lift left out; bounds of half the size on rows that
// lie close together far from the origin; thresholds raised to an upper bound; a group that leaks in; displacement counted from 1.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/overlap.h"
#include "analysis/pool.h"
#include "analysis_golden.h"
#include "check.h"
#include "io/random.h"
#include "io/thread.h"
#include "levels.h"

typedef struct {
    double key;
    uint32_t id;
} Entry;

static int by_key(const void *a, const void *b) {
    const Entry *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static double plain_key(const float *x, const float *y, int C, KnnMetric metric) {
    double d = 0, xx = 0, yy = 0, xy = 0;
    for (int k = 0; k < C; k++) {
        d += ((double)x[k] - y[k]) * ((double)x[k] - y[k]);
        xx += (double)x[k] * x[k], yy += (double)y[k] * y[k], xy += (double)x[k] * y[k];
    }
    return metric == KNN_L2 ? sqrt(d) : -xy / (fmax(sqrt(xx), 1e-12) * fmax(sqrt(yy), 1e-12));
}

// Places where the neighbours are not those of a plain search. Keys that agree to 1e-13 may come in either order (their own
// rounding), except that copies must come by index.
static size_t wrong_places(const Neighbours *n, const float *x, const float *y, size_t M, int C, KnnMetric metric, const uint32_t *group) {
    size_t wrong = 0;
    Entry *e = malloc(M * sizeof *e);
    for (size_t i = 0; i < n->rows; i++) {
        size_t m = 0;
        for (size_t j = 0; j < M; j++)
            if (x != y || (i != j && (!group || group[i] != group[j])))
                e[m++] = (Entry){plain_key(x + i * (size_t)C, y + j * (size_t)C, C, metric), (uint32_t)j};
        qsort(e, m, sizeof *e, by_key);
        for (int k = 0; k < n->K; k++) {
            uint32_t got = n->id[i * (size_t)n->K + (size_t)k];
            if (got == e[k].id) continue;
            double key = plain_key(x + i * (size_t)C, y + (size_t)got * (size_t)C, C, metric);
            bool copies = memcmp(x == y ? x + (size_t)got * C : y + (size_t)got * C, (x == y ? x : y) + (size_t)e[k].id * C, sizeof(float) * (size_t)C) == 0;
            if (copies || !(fabs(key - e[k].key) <= 1e-13 * fabs(key)) || got >= M) wrong++;
        }
    }
    free(e);
    return wrong;
}

enum { GAUSS, FAR, COPIES, NEAR_COPIES, OUTLIER_CHANNEL, OUTLIER_ROW, HUGE_VALUES, LATTICE, ZEROS, SPHERE, KINDS };
static const char *const kind_names[] = {"gauss", "far from the origin", "copies", "near copies", "outlier channel", "outlier row", "huge and tiny", "lattice", "zero rows", "near copies on a sphere"};

static void fill(float *x, size_t N, int C, int kind, uint64_t seed) {
    Rng r = rng_of(seed, "knn");
    for (size_t i = 0; i < N; i++)
        for (int k = 0; k < C; k++) {
            uint64_t at = i * (uint64_t)C + (uint64_t)k;
            double v = rng_normal(r, at);
            if (kind == FAR) v = v + 1e4;
            if (kind == COPIES) v = rng_normal(r, (i % 17) * (uint64_t)C + (uint64_t)k);
            if (kind == NEAR_COPIES) v = rng_normal(r, (i % 17) * (uint64_t)C + (uint64_t)k) * (1 + 1e-7 * rng_normal(r, 1000000 + at));
            if (kind == OUTLIER_CHANNEL) v = k == 0 ? 3e4 * v + 1e5 : v;
            if (kind == OUTLIER_ROW) v = i == 5 ? 1e6 * v : v;
            if (kind == HUGE_VALUES) v = i % 3 ? v * 1e30 : v * 1e-30;
            if (kind == LATTICE) v = (double)rng_below(r, at, 2);
            if (kind == ZEROS && i % 5 == 0) v = 0;
            if (kind == SPHERE) v = rng_normal(r, (i % 3) * (uint64_t)C + (uint64_t)k) + 1e-6 * rng_normal(r, 1000000 + at);
            x[i * (size_t)C + (size_t)k] = (float)v;
        }
    for (size_t i = 0; i < N && kind == SPHERE; i++) {
        double square = 0;
        for (int k = 0; k < C; k++) square += (double)x[i * (size_t)C + (size_t)k] * x[i * (size_t)C + (size_t)k];
        for (int k = 0; k < C; k++) x[i * (size_t)C + (size_t)k] = (float)(x[i * (size_t)C + (size_t)k] / sqrt(square));
    }
}

static void test_exact(Arena *a) {
    const int shapes[][3] = {{2, 1, 1}, {3, 2, 5}, {50, 7, 10}, {193, 33, 192}, {400, 300, 20}, {700, 16, 100}};
    for (size_t t = 0; t < sizeof shapes / sizeof *shapes; t++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int metric = 0; metric < 2; metric++) {
                size_t N = (size_t)shapes[t][0];
                int C = shapes[t][1], K = shapes[t][2];
                Mark mark = arena_mark(a);
                float *x = take(a, float, N * (size_t)C);
                fill(x, N, C, kind, 7);
                Neighbours n = knn_self(a, x, N, C, (KnnMetric)metric, K, NULL, "test");
                size_t wrong = wrong_places(&n, x, x, N, C, (KnnMetric)metric, NULL);
                bool ok = wrong == 0 && n.rows == N && n.K == (K < (int)N ? K : (int)N - 1);
                if (!ok || t + 1 == sizeof shapes / sizeof *shapes)
                    check(ok, "%s, %s, %zu x %d, K %d: %zu of %zu places wrong", kind_names[kind], knn_metric_name((KnnMetric)metric), N, C, n.K, wrong, N * (size_t)n.K);
                arena_release(a, mark);
            }
}

static void test_between_and_groups(Arena *a) {
    int C = 40;
    size_t N = 210, M = 500;
    float *x = take(a, float, N * (size_t)C), *y = take(a, float, M * (size_t)C);
    fill(x, N, C, FAR, 1);
    fill(y, M, C, FAR, 2);
    memcpy(y + 100 * C, x, sizeof(float) * 20 * (size_t)C);
    for (int metric = 0; metric < 2; metric++) {
        Neighbours n = knn_between(a, x, N, y, M, C, (KnnMetric)metric, 50, "test");
        check(wrong_places(&n, x, y, M, C, (KnnMetric)metric, NULL) == 0, "between two sets, %s", knn_metric_name((KnnMetric)metric));
        bool self = true;
        for (uint32_t i = 0; i < 20; i++) self = self && n.id[i * 50] == 100 + i;
        check(self, "a copy in the other set is the nearest");
    }
    Neighbours all = knn_between(a, x, N, y, 3, C, KNN_L2, 50, "test");
    check(all.K == 3, "no more neighbours than points");
    uint32_t *group = take(a, uint32_t, N);
    for (uint32_t i = 0; i < N; i++) group[i] = i % 60 < 5 ? 1000 : i;
    fill(x, N, C, COPIES, 1);
    for (int metric = 0; metric < 2; metric++) {
        Neighbours n = knn_self(a, x, N, C, (KnnMetric)metric, 999, group, "test");
        check(n.K == (int)N - 20 && wrong_places(&n, x, x, N, C, (KnnMetric)metric, group) == 0, "a group of 20 left out, K %d", n.K);
    }
    for (uint32_t i = 0; i < N; i++) group[i] = 3;
    check_dies("one group", "nobody has a neighbour") { knn_self(a, x, N, C, KNN_L2, 3, group, "x"); }
    check_dies("one row", "at least") { knn_self(a, x, 1, C, KNN_L2, 3, NULL, "x"); }
    x[3 * C + 1] = NAN;
    check_dies("a NaN, l2", "row 3 of 210") { knn_self(a, x, N, C, KNN_L2, 3, NULL, "x"); }
    x[3 * C + 1] = INFINITY;
    check_dies("an infinity, cosine", "of 210") { knn_self(a, x, N, C, KNN_COSINE, 3, NULL, "x"); }
    check_dies("a metric", "\"l3\"") { knn_metric_named("l3", "--metric"); }
}

// The order in which rows are met is of chance, but always the same: here the nearest are all met first, so that every guessed threshold is too
// high and the queries are searched for again.
static void test_again(Arena *a) {
    enum { N = 1000, C = 8, K = 100 };
    uint32_t order[N];
    float *x = take(a, float, N * C), *y = take(a, float, 5 * C);
    rng_permutation(rng_of(1, "points"), order, N);
    fill(x, N, C, GAUSS, 5);
    fill(y, 5, C, GAUSS, 6);
    for (int i = 0; i < K + 1; i++) x[order[i] * C] += 50;
    for (int i = 0; i < 5; i++) y[i * C] += 50;
    for (int metric = 0; metric < 2; metric++) {
        Neighbours n = knn_self(a, x, N, C, (KnnMetric)metric, K, NULL, "test");
        check(wrong_places(&n, x, x, N, C, (KnnMetric)metric, NULL) == 0, "the nearest are met first, %s", knn_metric_name((KnnMetric)metric));
        n = knn_between(a, y, 5, x, N, C, (KnnMetric)metric, K, "test");
        check(wrong_places(&n, y, x, N, C, (KnnMetric)metric, NULL) == 0, "between two sets, %s", knn_metric_name((KnnMetric)metric));
    }
}

static void test_invariance(Arena *a) {
    int C = 64;
    size_t N = 600;
    float *x = take(a, float, N * (size_t)C), *z = take(a, float, N * (size_t)C);
    fill(x, N, C, GAUSS, 3);
    Neighbours n = knn_self(a, x, N, C, KNN_L2, 30, NULL, "test");
    // channels reversed and mirrored: an exact isometry in float
    for (size_t i = 0; i < N; i++)
        for (int k = 0; k < C; k++) z[i * C + k] = -x[i * C + C - 1 - k];
    Neighbours m = knn_self(a, z, N, C, KNN_L2, 30, NULL, "test");
    check_same("channels reversed and mirrored", m.id, n.id, sizeof *n.id * N * 30);
    for (size_t i = 0; i < N * (size_t)C; i++) z[i] = x[i] * 0x1p40f;
    m = knn_self(a, z, N, C, KNN_L2, 30, NULL, "test");
    check_same("scaled by 2^40", m.id, n.id, sizeof *n.id * N * 30);
    // rows in another order: the same neighbours under their new numbers
    uint32_t *order = take(a, uint32_t, N), *renamed = take(a, uint32_t, N * 30);
    rng_permutation(rng_of(1, "order"), order, (uint32_t)N);
    for (size_t i = 0; i < N; i++) memcpy(z + i * C, x + (size_t)order[i] * C, sizeof(float) * (size_t)C);
    m = knn_self(a, z, N, C, KNN_L2, 30, NULL, "test");
    for (size_t i = 0; i < N; i++)
        for (int k = 0; k < 30; k++) renamed[order[i] * 30 + (uint32_t)k] = order[m.id[i * 30 + (size_t)k]];
    check_same("rows in another order", renamed, n.id, sizeof *n.id * N * 30);
    fill(x, N, C, NEAR_COPIES, 3);
    Neighbours ways[2];
    for (int w = 0; w < 2; w++) {
        threads_set(w == 1 ? 3 : 1);
        ways[w] = knn_self(a, x, N, C, KNN_COSINE, 300, NULL, "test");
    }
    check_same("1 and 3 threads", ways[1].id, ways[0].id, sizeof *n.id * N * 300);
}

static void test_overlap(Arena *a) {
    Neighbours A = {1, 4, (uint32_t[]){1, 2, 3, 4}}, B = {1, 4, (uint32_t[]){2, 9, 1, 8}};
    double knor[2], moved[2];
    overlap_rows(knor, moved, &A, &B, (int[]){4, 2}, 2);
    check_value("KNOR", knor[0], .5, 0);
    check_value("displacement", moved[0], 2.75, 0);
    check_value("KNOR at 2", knor[1], .5, 0);       // 2 is shared
    check_value("displacement at 2", moved[1], 1.5, 0); // 1: not there, 2; 2: from place 1 to 0, 1
    check_dies("k above the lists", "k = 5") { overlap_rows(knor, NULL, &A, &B, (int[]){5}, 1); }
    int C = 12;
    size_t N = 500;
    float *x = take(a, float, N * (size_t)C), *y = take(a, float, N * (size_t)C);
    fill(x, N, C, GAUSS, 1);
    fill(y, N, C, GAUSS, 2);
    Neighbours nx = knn_self(a, x, N, C, KNN_L2, 50, NULL, "x"), ny = knn_self(a, y, N, C, KNN_COSINE, 50, NULL, "y");
    double *same = take(a, double, 2 * N), *other = take(a, double, 2 * N), *shift = take(a, double, 2 * N), mean[2] = {0};
    overlap_rows(same, shift, &nx, &nx, (int[]){10, 50}, 2);
    bool one = true;
    for (size_t i = 0; i < 2 * N; i++) one = one && same[i] == 1 && shift[i] == 0;
    check(one, "a space with itself: 1, displacement 0");
    overlap_rows(other, NULL, &nx, &ny, (int[]){10, 50}, 2);
    for (size_t i = 0; i < N; i++) mean[0] += other[i] / (double)N, mean[1] += other[N + i] / (double)N;
    // 5 sigma of a mean of N * k draws
    check_value("unrelated spaces at 10: chance", mean[0], overlap_chance(10, N), 5 * sqrt(0.02 / (10 * N)));
    check_value("unrelated spaces at 50: chance", mean[1], overlap_chance(50, N), 5 * sqrt(0.1 / (50 * N)));
    check_value("above the floor", overlap_above_floor(0.6, 0.2), 0.5, 1e-15);

    // copies alone: two unrelated spaces in which every content stands v times share exactly the floor and chance
    uint32_t *id = take(a, uint32_t, N);
    for (uint32_t i = 0; i < N; i++) {
        id[i] = i % 100;
        memcpy(x + i * C, x + id[i] * C, sizeof(float) * (size_t)C);
        memcpy(y + i * C, y + id[i] * C, sizeof(float) * (size_t)C);
    }
    Groups g = groups_of_ids(a, id, N);
    nx = knn_self(a, x, N, C, KNN_L2, 10, NULL, "x"), ny = knn_self(a, y, N, C, KNN_L2, 10, NULL, "y");
    overlap_rows(other, NULL, &nx, &ny, (int[]){10}, 1);
    double least = 1;
    for (size_t i = 0; i < N; i++) least = fmin(least, other[i]);
    check_value("no overlap below the floor of copies", least, groups_floor(&g, 10), 1e-15);
    float *firsts = rows_of_firsts(a, x, C, &g);
    check(g.count == 100 && memcmp(firsts + 99 * C, x + 99 * C, sizeof(float) * (size_t)C) == 0, "rows without copies");
    nx = knn_self(a, x, N, C, KNN_L2, 10, g.group, "x");
    bool apart = true;
    for (size_t i = 0; i < N * 10; i++) apart = apart && g.group[nx.id[i]] != g.group[i / 10];
    check(apart, "copies can be left out of the lists");
}

static void test_distances(Arena *a) {
    const Json *j = json_get(golden(a), "distances");
    float *x = golden_floats(a, j, "x", NULL), *y = golden_floats(a, j, "y", NULL);
    // products in float, far from the origin, of 435 pairs
    check_value("correlation of distances, l2", distance_correlation(x, 5, y, 6, 30, KNN_L2, 0, a), json_real(j, "l2"), 2e-6);
    check_value("correlation of distances, cosine", distance_correlation(x, 5, y, 6, 30, KNN_COSINE, 0, a), json_real(j, "cosine"), 2e-6);
    int C = 30;
    size_t N = 500;
    float *z = take(a, float, N * (size_t)C);
    fill(z, N, C, FAR, 4);
    double sum[5] = {0}, n = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t k = i + 1; k < N; k++, n++) {
            double u = plain_key(z + i * C, z + k * C, C, KNN_L2), v = 0;
            for (int c = 0; c < 10; c++) v += ((double)z[i * C + c] - z[k * C + c]) * ((double)z[i * C + c] - z[k * C + c]);
            v = sqrt(v);
            sum[0] += u, sum[1] += v, sum[2] += u * u, sum[3] += v * v, sum[4] += u * v;
        }
    double want = (sum[4] / n - sum[0] / n * (sum[1] / n)) / sqrt((sum[2] / n - sum[0] / n * (sum[0] / n)) * (sum[3] / n - sum[1] / n * (sum[1] / n)));
    float *part = take(a, float, N * 10);
    for (size_t i = 0; i < N; i++) memcpy(part + i * 10, z + i * C, 10 * sizeof *part);
    double one, three;
    threads_set(1);
    one = distance_correlation(z, C, part, 10, N, KNN_L2, 0, a);
    threads_set(3);
    three = distance_correlation(z, C, part, 10, N, KNN_L2, 0, a);
    check_value("500 rows far from the origin", one, want, 1e-6);
    check_same("1 and 3 threads", &three, &one, sizeof one);
    for (size_t i = 0; i < N * 10; i++) part[i] = 2;
    check_value("a constant space, the original's 1e-8", distance_correlation(z, C, part, 10, N, KNN_L2, 1e-8, a), 0, 1e-12);
    check(isnan(distance_correlation(z, C, part, 10, 1, KNN_L2, 0, a)), "one row has no pairs");
    float pooled[2], tokens[8] = {1, 2, 3, 4, 5, 6, 7, 9};
    tokens_pool(pooled, tokens, 4, 2, POOL_MEAN);
    check(pooled[0] == 4 && pooled[1] == 5.25f, "mean of the tokens");
    tokens_pool(pooled, tokens, 4, 2, POOL_FIRST);
    check(pooled[0] == 1 && pooled[1] == 2, "first token");
}

// What every instruction set must agree on: neighbours in both metrics, and a correlation of distances to the last bit.
static int print_digest(Arena *a) {
    int C = 150, K = 40;
    size_t N = 300;
    float *x = take(a, float, N * (size_t)C), *y = take(a, float, N * (size_t)C);
    fill(x, N, C, SPHERE, 3);
    fill(y, N, C, GAUSS, 4);
    struct {
        uint32_t id[2][300 * 40];
        double r;
    } *all = arena_zero(a, 1, sizeof *all);
    for (int metric = 0; metric < 2; metric++) memcpy(all->id[metric], knn_self(a, x, N, C, (KnnMetric)metric, K, NULL, "x").id, sizeof all->id[0]);
    all->r = distance_correlation(x, C, y, C, N, KNN_L2, 0, a);
    return levels_print(all, sizeof *all);
}

int main(int argc, char **argv) {
    Arena *a = arena_new("test");
    if (levels_child(argc)) {
        int status = print_digest(a);
        arena_free(a);
        return status;
    }
    test_exact(a);
    test_between_and_groups(a);
    test_again(a);
    test_invariance(a);
    test_overlap(a);
    test_distances(a);
    levels_check("neighbours", argv[0]);
    arena_free(a);
    return check_end();
}
