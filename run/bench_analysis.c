// bench_analysis.c: singular values and neighbours (exactness: test/test_spectrum.c, test/test_knn.c). SVDs are timed on one thread, as
// their peers are. The error of values, ours and the peer's, is the largest over the first value, against rotations (SVD_JACOBI) in double; ours is
// a gate too. That of vectors is of whole rows and columns of their product, that of neighbours the part of them that are none.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/knn.h"
#include "analysis/svd.h"
#include "bench_speed.h"
#include "io/progress.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/kernels.h"

enum { NEAREST = 100, CHECKED = 20, ROUNDS_AT_MOST = 5 }; // neighbours; rows that are compared; rounds of them: seconds each

// The gates: SVD over sgesdd; its error over the first value; a batch by two threads, times as fast; neighbours over the peer, and over half of the product of all by all.
#define SGESDD_MOST 1.0
#define ERROR_MOST 2e-7
#define BATCH_LEAST 1.85
#define NEAREST_MOST 0.60
#define HALF_MOST 1.35

typedef struct {
    Arena *a;
    const float *x;
    int R, C;
    bool thin;
} Matrix;

static int smaller(int a, int b) { return a < b ? a : b; }

// For a table's head: " (without LIBRARY)", or "".
static const char *missing(const Table *t, const char *library) {
    const char *without = t->peer ? peer_without(t->arena, t->peer, library) : NULL;
    return without ? arena_print(t->arena, " (%s)", without) : "";
}

// ---- singular values

static void svd_work(void *arg) {
    Matrix *m = arg;
    Mark mark = arena_mark(m->a);
    if (m->thin) svd_thin(m->a, m->x, m->R, m->C, false, SVD_AUTO, "bench");
    else svd_values(take(m->a, double, (size_t)smaller(m->R, m->C)), m->x, m->R, m->C, false, SVD_AUTO, m->a);
    arena_release(m->a, mark);
}

// What the way over the smaller side n needs at least, of doubles: the symmetric product, its tridiagonal form, and of vectors that form's reflections on n of them and
// their product with the matrix. What joins the halves of the tridiagonal form depends on the numbers and is not counted.
static double svd_operations(const Matrix *m) {
    double n = smaller(m->R, m->C), C = (double)m->R * m->C / n;
    return n * n * C + 4.0 / 3 * n * n * n + (m->thin ? 2 * n * n * n + 2 * n * n * C : 0);
}

static const float *falling(Arena *a, size_t R, size_t C) { // a spectrum that falls
    float *x = random_floats(a, R * C, "matrix");
    for (size_t i = 0; i < R * C; i++) x[i] *= (float)exp(-7.0 * (double)(i % C) / (double)C);
    return x;
}

typedef struct { // of a matrix (R, C)
    const Matrix *m;
    int r;
    const double *values; // right ones
} Singular;

static double largest_error(const Singular *right, const double *s) {
    double worst = 0;
    for (int i = 0; i < right->r; i++) worst = worse(worst, fabs(s[i] - right->values[i]));
    return worst / right->values[0];
}

static double values_error(const void *singular, const float *s) {
    const Singular *right = singular;
    Mark mark = arena_mark(right->m->a);
    double *wide = take(right->m->a, double, (size_t)right->r);
    for (int i = 0; i < right->r; i++) wide[i] = (double)s[i];
    double error = largest_error(right, wide);
    arena_release(right->m->a, mark);
    return error;
}

typedef struct { // of elements of a matrix
    double apart, norm;
} Apart;

// U (R, r), the values, V transposed (r, C), one behind the other: of their product an element.
static void element_apart(Apart *sum, const Singular *right, const float *answer, size_t row, size_t column) {
    size_t r = (size_t)right->r, C = (size_t)right->m->C;
    const float *s = answer + (size_t)right->m->R * r, *v = s + r;
    double x = (double)right->m->x[row * C + column], y = 0;
    for (size_t k = 0; k < r; k++) y += (double)answer[row * r + k] * (double)s[k] * (double)v[k * C + column];
    sum->apart += (x - y) * (x - y), sum->norm += x * x;
}

// Of some rows and columns of the product, whole, and of the values.
static double vectors_error(const void *singular, const float *answer) {
    const Singular *right = singular;
    size_t R = (size_t)right->m->R, C = (size_t)right->m->C, rows[PLACES], columns[PLACES];
    places_drawn(rows, "rows of U S V", R);
    places_drawn(columns, "columns of U S V", C);
    Apart sum = {0};
    for (int i = 0; i < PLACES; i++) {
        for (size_t c = 0; c < C; c++) element_apart(&sum, right, answer, rows[i], c);
        for (size_t r = 0; r < R; r++) element_apart(&sum, right, answer, r, columns[i]);
    }
    return worse(values_error(right, answer + R * (size_t)right->r), sqrt(sum.apart / sum.norm));
}

// Ours as the peer answers.
static float *vectors_answer(Arena *a, const Svd *d) {
    size_t R = (size_t)d->R, C = (size_t)d->C, r = (size_t)d->r;
    float *out = take(a, float, R * r + r + r * C), *s = out + R * r, *v = s + r;
    for (size_t k = 0; k < r; k++) {
        for (size_t i = 0; i < R; i++) out[i * r + k] = (float)d->u[k * R + i];
        for (size_t j = 0; j < C; j++) v[k * C + j] = (float)d->v[k * C + j];
        s[k] = (float)d->s[k];
    }
    return out;
}

// Ours is rounded to float; the peer computes in it (1.2e-6 to 3e-6). *in_double: our values before that.
static Check svd_check(const Singular *right, const double **in_double) {
    const Matrix *m = right->m;
    if (m->thin) {
        Svd d = svd_thin(m->a, m->x, m->R, m->C, false, SVD_AUTO, "bench");
        *in_double = d.s;
        return (Check){vectors_error, right, vectors_answer(m->a, &d), (size_t)right->r * (size_t)(m->R + m->C + 1), 2e-6, 1e-5};
    }
    double *s = take(m->a, double, (size_t)right->r);
    float *answer = take(m->a, float, (size_t)right->r);
    svd_values(s, m->x, m->R, m->C, false, SVD_AUTO, m->a);
    for (int i = 0; i < right->r; i++) answer[i] = (float)s[i];
    *in_double = s;
    return (Check){values_error, right, answer, (size_t)right->r, ERROR_MOST, 1e-5};
}

static void singular(Arena *a, const Table *t) {
    static const int sizes[][2] = {{576, 4096}, {64, 4096}, {729, 1152}};
    const char *openblas = "scipy's OpenBLAS";
    PeerWays ways = {0};
    bool head = false;
    int threads = threads_count();
    threads_set(1);
    for (int k = 0; k < 6; k++) {
        const char *name = arena_print(t->arena, "%s, %d x %d", k % 2 == 0 ? "thin SVD" : "singular values", sizes[k / 2][0], sizes[k / 2][1]);
        if (!table_wants(t, name)) continue;
        if (!head) table_head(t, arena_print(t->arena, "SVD, CPU time of 1 thread; peer: the faster sgesdd of PyTorch and %s%s", openblas, missing(t, openblas))), head = true;
        Mark mark = arena_mark(a);
        Matrix m = {.a = a, .R = sizes[k / 2][0], .C = sizes[k / 2][1], .thin = k % 2 == 0};
        m.x = falling(a, (size_t)m.R, (size_t)m.C);
        const char *ask = arena_print(a, "svd %d %d %d 1", m.R, m.C, m.thin);
        Singular right = {&m, smaller(m.R, m.C), NULL};
        double *values = take(a, double, (size_t)right.r);
        svd_values(values, m.x, m.R, m.C, false, SVD_JACOBI, a);
        right.values = values;
        const double *s;
        Check check = svd_check(&right, &s);
        Measured r = table_row(t, &(Row){.name = name, .ask = ask, .work = svd_work, .arg = &m, .operations = svd_operations(&m), .peak = PEAK_F64_ONE, .most = SGESDD_MOST, .check = check, .given = {{"x", m.x, (size_t)m.R * (size_t)m.C * sizeof *m.x}}});
        gate_note(t->gates, (Gate){.what = arena_print(t->arena, "%s, over sgesdd on one thread", name), .value = r.ratio, .bound = SGESDD_MOST, .goal = m.thin ? 0.5 : 0.6,
                                   .elsewhere = peer_without(t->arena, t->peer, openblas)});
        if (m.thin)
            gate_note(t->gates, (Gate){.what = arena_print(t->arena, "error of %s over the first value", name), .value = largest_error(&right, s), .bound = ERROR_MOST});
        arena_release(a, mark);
        if (t->peer) peer_ways_add(&ways, t->arena, t->peer, name); // behind the release: what it says is there until the last row
    }
    if (ways.count) bench_say(t->w, "\nThe faster peer: %s.", peer_ways_said(&ways, t->arena));
    threads_set(threads);
}

// ---- a batch

typedef struct {
    Matrix m;
    int B, threads;
    double *s;
} Batch;

// Of some of its matrices, each over its first value; both numbers of threads give the same bits.
static double batch_error(const Batch *one, const Batch *two) {
    const Matrix *m = &one->m;
    int r = smaller(m->R, m->C);
    Mark mark = arena_mark(m->a);
    double *right = take(m->a, double, (size_t)r), worst = 0;
    size_t places[PLACES];
    places_drawn(places, "matrices of a batch", (size_t)one->B);
    for (int i = 0; i < PLACES; i++) {
        svd_values(right, m->x + places[i] * (size_t)m->R * (size_t)m->C, m->R, m->C, false, SVD_JACOBI, m->a);
        worst = worse(worst, largest_error(&(Singular){m, r, right}, one->s + places[i] * (size_t)r));
    }
    need(memcmp(one->s, two->s, (size_t)one->B * (size_t)r * sizeof *one->s) == 0, "bench: singular values of a batch: two threads give other bits than one");
    arena_release(m->a, mark);
    return worst;
}

static double batch_seconds(void *arg) {
    Batch *b = arg;
    int threads = threads_count();
    threads_set(b->threads);
    Mark mark = arena_mark(b->m.a);
    double start = seconds_now();
    svd_values_batch(b->s, b->m.x, b->B, b->m.R, b->m.C, false, SVD_AUTO, b->m.a);
    double seconds = seconds_now() - start;
    arena_release(b->m.a, mark);
    threads_set(threads);
    return seconds;
}

static void batch(Arena *a, const Table *t) {
    enum { B = 12, R = 576, C = 1024 };
    const char *name = "singular values of a batch, 12 of 576 x 1024";
    if (!table_wants(t, name)) return;
    const char *elsewhere = threads_available() < 2 ? "one core" : NULL;
    if (elsewhere) {
        gate_note(t->gates, (Gate){.what = arena_print(t->arena, "%s, 2 threads times as fast as 1", name), .value = NAN, .bound = BATCH_LEAST, .goal = 1.95, .at_least = true, .elsewhere = elsewhere});
        return;
    }
    Mark mark = arena_mark(a);
    Batch one = {.m = {.a = a, .x = falling(a, (size_t)B * R, C), .R = R, .C = C}, .B = B, .threads = 1, .s = take(a, double, (size_t)B * R)}, two = one;
    two.threads = 2, two.s = take(a, double, (size_t)B * R);
    memset(one.s, 0xff, (size_t)B * R * sizeof *one.s); // NaN
    batch_seconds(&one), batch_seconds(&two);
    double error = batch_error(&one, &two);
    need(error <= ERROR_MOST, "bench: %s: wrong by %.1e of the first", name, error);
    Rounds r = rounds_wanted((Way[]){{batch_seconds, &two}, {batch_seconds, &one}}, 2, t->rounds, &(RatioWanted){WAY(0), WAY(1), 1 / BATCH_LEAST}, 1);
    const Times *of = rounds_shown(&r, WAY(0), WAY(1));
    bench_say(t->w, "\n| %s, ms | 2 threads | 1 thread | times as fast | error | note |\n|---|---|---|---|---|---|", name);
    bench_say(t->w, "| wall clock | %.1f (%.1f – %.1f) | %.1f (%.1f – %.1f) | %.2f | %.1e | %s |", 1e3 * of[0].median, 1e3 * of[0].least, 1e3 * of[0].most, 1e3 * of[1].median, 1e3 * of[1].least,
              1e3 * of[1].most, of[1].median / of[0].median, error, rounds_note(&r));
    gate_note(t->gates, (Gate){.what = arena_print(t->arena, "%s, 2 threads times as fast as 1", name), .value = 1 / rounds_ratio(&r, WAY(0), WAY(1)), .bound = BATCH_LEAST, .goal = 1.95, .at_least = true});
    arena_release(a, mark);
}

// ---- neighbours

static void knn_work(void *arg) {
    Matrix *m = arg;
    Mark mark = arena_mark(m->a);
    knn_self(m->a, m->x, (size_t)m->R, m->C, KNN_COSINE, NEAREST, NULL, "bench");
    arena_release(m->a, mark);
}

static void product_work(void *arg) { gemm(arg); }

// Of some rows: the part of those named that are not among the nearest, in double. (Rows are random: none are equal.) A peer may err by one in a
// hundred: it sums in float.
static double nearest_error(const void *matrix, const float *ids) {
    const Matrix *m = matrix;
    size_t R = (size_t)m->R, C = (size_t)m->C;
    Mark mark = arena_mark(m->a);
    double *like = take(m->a, double, R), *length = take(m->a, double, R);
    int wrong = 0;
    for (size_t i = 0; i < R; i++) {
        length[i] = 0;
        for (size_t c = 0; c < C; c++) length[i] += (double)m->x[i * C + c] * (double)m->x[i * C + c];
        length[i] = sqrt(length[i]);
    }
    for (int s = 0; s < CHECKED; s++) {
        size_t row = (size_t)rng_below(rng_of(bench_seed(), "rows with neighbours"), (uint64_t)s, R);
        for (size_t i = 0; i < R; i++) {
            like[i] = 0;
            for (size_t c = 0; c < C; c++) like[i] += (double)m->x[row * C + c] * (double)m->x[i * C + c];
            like[i] /= length[i];
        }
        like[row] = -INFINITY;
        for (int k = 0; k < NEAREST; k++) {
            float id = ids[row * NEAREST + (size_t)k];
            int nearer = 0, again = 0;
            for (size_t i = 0; i < R && id >= 0 && id < (float)R; i++) nearer += like[i] > like[(size_t)id];
            for (int j = 0; j < k; j++) again += ids[row * NEAREST + (size_t)j] == id;
            wrong += !(id >= 0 && id < (float)R) || nearer >= NEAREST || again > 0;
        }
    }
    arena_release(m->a, mark);
    return (double)wrong / (CHECKED * NEAREST);
}

static Check nearest_check(const Matrix *m) {
    size_t count = (size_t)m->R * NEAREST;
    float *answer = take(m->a, float, count);
    Neighbours found = knn_self(m->a, m->x, (size_t)m->R, m->C, KNN_COSINE, NEAREST, NULL, "bench");
    for (size_t i = 0; i < count; i++) answer[i] = (float)found.id[i];
    return (Check){nearest_error, m, answer, count, 0, 0.01};
}

// The peer is the fastest of faiss-cpu's IndexFlatIP, PyTorch's product with topk and OpenBLAS's with the same topk. The search meets each pair of rows
// once, so that it is judged beside half of our product of all by all: half of its time, which no such search goes below by our products.
static void nearest(Arena *a, const Table *all) {
    const char *name = "100 nearest of 10000 x 1024";
    if (!table_wants(all, name)) return;
    Table t = *all;
    if (t.rounds > ROUNDS_AT_MOST) t.rounds = ROUNDS_AT_MOST;
    Mark mark = arena_mark(a);
    Matrix m = {.a = a, .R = 10000, .C = 1024};
    m.x = random_floats(a, (size_t)m.R * (size_t)m.C, "rows");
    Gemm g = {.kind = GEMM_NT, .M = m.R, .N = m.R, .K = m.C, .A = m.x, .lda = m.C, .B = m.x, .B_type = DTYPE_F32, .ldb = m.C, .C = take(a, float, (size_t)m.R * (size_t)m.R), .ldc = m.R};
    const char *ask = arena_print(a, "knn %d %d %d %d", m.R, m.C, NEAREST, threads_count());
    const char *faiss = "faiss-cpu", *openblas = "numpy's OpenBLAS", *without = peer_without(a, t.peer, faiss);
    table_head(&t, arena_print(a, "neighbours; peer: the fastest of %s IndexFlatIP%s, PyTorch topk and %s with topk%s", faiss, missing(&t, faiss), openblas, missing(&t, openblas)));
    Measured r = table_row(&t, &(Row){.name = name, .ask = ask, .work = knn_work, .arg = &m, .operations = 1e8 * 1024, .peak = PEAK_F32, .beside = {product_work, &g}, .most = NEAREST_MOST, .most_beside = HALF_MOST / 2,
                                      .check = nearest_check(&m), .given = {{"x", m.x, (size_t)m.R * (size_t)m.C * sizeof *m.x}}});
    if (t.peer) bench_say(t.w, "| … | the peer: %s | | | | | | |", t.peer->way);
    bench_say(t.w, "| … | half of our product of 10000 x 10000 x 1024 in the same rounds: %.1f ms | | | | | |", 1e3 * r.beside / 2);
    gate_note(t.gates, (Gate){.what = arena_print(t.arena, "%s, over the fastest of faiss-cpu, PyTorch and OpenBLAS", name), .value = r.ratio, .bound = NEAREST_MOST, .goal = 0.40,
                              .elsewhere = without ? without : peer_without(a, t.peer, openblas)});
    gate_note(t.gates, (Gate){.what = arena_print(t.arena, "%s, over half of our product of 10000 x 10000 x 1024 (each pair once)", name), .value = 2 * r.over_beside, .bound = HALF_MOST, .goal = 1.15});
    arena_release(a, mark);
}

void bench_analyses(Arena *a, const Table *t) {
    singular(a, t);
    batch(a, t);
    nearest(a, t);
}
