// bench_analysis.c: singular values and neighbours (exactness: test/test_spectrum.c, test/test_knn.c). SVDs are timed on one thread, as
// their peers are; their largest error over the first value, against rotations (SVD_JACOBI) in double, is a gate too.
#include <math.h>
#include <stdio.h>

#include "analysis/knn.h"
#include "analysis/svd.h"
#include "bench_speed.h"
#include "io/progress.h"
#include "io/thread.h"
#include "model/kernels.h"

#define ROUNDS_AT_MOST 5 // of neighbours: seconds each

typedef struct {
    Arena *a;
    const float *x;
    int R, C;
    bool thin;
} Matrix;

// ---- singular values

static void svd_work(void *arg) {
    Matrix *m = arg;
    Mark mark = arena_mark(m->a);
    if (m->thin) svd_thin(m->a, m->x, m->R, m->C, false, SVD_AUTO, "bench");
    else svd_values(take(m->a, double, (size_t)(m->R < m->C ? m->R : m->C)), m->x, m->R, m->C, false, SVD_AUTO, m->a);
    arena_release(m->a, mark);
}

static const float *falling(Arena *a, size_t R, size_t C) { // a spectrum that falls
    float *x = random_floats(a, R * C, "matrix");
    for (size_t i = 0; i < R * C; i++) x[i] *= (float)exp(-7.0 * (double)(i % C) / (double)C);
    return x;
}

static double largest_error(const double *s, const double *right, int r) {
    double worst = 0;
    for (int i = 0; i < r; i++) worst = fabs(s[i] - right[i]) <= worst ? worst : fabs(s[i] - right[i]); // NaN stays
    return worst / right[0];
}

static void check(const Table *t, const Matrix *m, const char *name) { // of a thin SVD
    int r = m->R < m->C ? m->R : m->C;
    Mark mark = arena_mark(m->a);
    double *right = take(m->a, double, (size_t)r);
    svd_values(right, m->x, m->R, m->C, false, SVD_JACOBI, m->a);
    const double *s = svd_thin(m->a, m->x, m->R, m->C, false, SVD_AUTO, "bench").s;
    gate_note(t->gates, (Gate){.what = arena_print(t->arena, "error of %s over the first value", name), .value = largest_error(s, right, r), .bound = 2e-7});
    arena_release(m->a, mark);
}

static void singular(Arena *a, const Table *t) {
    static const int sizes[][2] = {{576, 4096}, {64, 4096}, {729, 1152}};
    bool head = false;
    int threads = threads_count();
    threads_set(1);
    for (int k = 0; k < 6; k++) {
        const char *name = arena_print(t->arena, "%s, %d x %d", k % 2 == 0 ? "thin SVD" : "singular values", sizes[k / 2][0], sizes[k / 2][1]);
        if (!table_wants(t, name)) continue;
        if (!head) table_head(t, "SVD, CPU time of 1 thread; peer: the faster sgesdd of MKL and OpenBLAS"), head = true;
        Mark mark = arena_mark(a);
        Matrix m = {.a = a, .R = sizes[k / 2][0], .C = sizes[k / 2][1], .thin = k % 2 == 0};
        m.x = falling(a, (size_t)m.R, (size_t)m.C);
        char ask[80];
        snprintf(ask, sizeof ask, "svd %d %d %d 1", m.R, m.C, m.thin);
        Measured r = table_row(t, &(Row){.name = name, .ask = ask, .work = svd_work, .arg = &m});
        gate_note(t->gates, (Gate){.what = arena_print(t->arena, "%s, over sgesdd on one thread", name), .value = r.ratio, .bound = 1.0, .elsewhere = peer_wanting(t->peer)});
        if (m.thin) check(t, &m, name);
        arena_release(a, mark);
    }
    threads_set(threads);
}

// ---- a batch

typedef struct {
    Matrix m;
    int B, threads;
    double *s;
} Batch;

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
        gate_note(t->gates, (Gate){.what = arena_print(t->arena, "%s, 2 threads times as fast as 1", name), .value = NAN, .bound = 1.85, .at_least = true, .elsewhere = elsewhere});
        return;
    }
    Mark mark = arena_mark(a);
    Batch one = {.m = {.a = a, .x = falling(a, (size_t)B * R, C), .R = R, .C = C}, .B = B, .threads = 1, .s = take(a, double, (size_t)B * R)}, two = one;
    two.threads = 2;
    Rounds r = rounds_of((Way[]){{batch_seconds, &two}, {batch_seconds, &one}}, 2, t->rounds);
    const Times *of = rounds_shown(&r, WAY(0), WAY(1));
    bench_say(t->w, "\n| %s, ms | 2 threads | 1 thread | times as fast | note |\n|---|---|---|---|---|", name);
    bench_say(t->w, "| wall clock | %.1f (%.1f – %.1f) | %.1f (%.1f – %.1f) | %.2f | %s |", 1e3 * of[0].median, 1e3 * of[0].least, 1e3 * of[0].most, 1e3 * of[1].median, 1e3 * of[1].least,
              1e3 * of[1].most, of[1].median / of[0].median, rounds_note(&r));
    gate_note(t->gates, (Gate){.what = arena_print(t->arena, "%s, 2 threads times as fast as 1", name), .value = 1 / rounds_ratio(&r, WAY(0), WAY(1)), .bound = 1.85, .at_least = true});
    arena_release(a, mark);
}

// ---- neighbours

static void knn_work(void *arg) {
    Matrix *m = arg;
    Mark mark = arena_mark(m->a);
    knn_self(m->a, m->x, (size_t)m->R, m->C, KNN_COSINE, 100, NULL, "bench");
    arena_release(m->a, mark);
}

static void product_work(void *arg) { gemm(arg); }

// The peer is the faster of faiss-cpu's IndexFlatIP and PyTorch's product with topk. (OpenBLAS with our own selection is not there.)
static void nearest(Arena *a, const Table *all) {
    const char *name = "100 nearest of 10000 x 1024";
    if (!table_wants(all, name)) return;
    Table t = *all;
    if (t.rounds > ROUNDS_AT_MOST) t.rounds = ROUNDS_AT_MOST;
    Mark mark = arena_mark(a);
    Matrix m = {.a = a, .R = 10000, .C = 1024};
    m.x = random_floats(a, (size_t)m.R * (size_t)m.C, "rows");
    Gemm g = {.kind = GEMM_NT, .M = m.R, .N = m.R, .K = m.C, .A = m.x, .lda = m.C, .B = m.x, .B_type = DTYPE_F32, .ldb = m.C, .C = take(a, float, (size_t)m.R * (size_t)m.R), .ldc = m.R};
    char ask[80];
    snprintf(ask, sizeof ask, "knn %d %d 100 %d", m.R, m.C, threads_count());
    table_head(&t, "neighbours; peer: the faster of faiss-cpu IndexFlatIP and PyTorch topk");
    Measured r = table_row(&t, &(Row){.name = name, .ask = ask, .work = knn_work, .arg = &m, .operations = 1e8 * 1024, .peak = PEAK_F32, .beside = {product_work, &g}});
    bench_say(t.w, "| … | our product of 10000 x 10000 x 1024 in the same rounds: %.1f ms | | | | | |", 1e3 * r.beside);
    gate_note(t.gates, (Gate){.what = arena_print(t.arena, "%s, over the faster of faiss-cpu and PyTorch", name), .value = r.ratio, .bound = 0.60, .elsewhere = peer_wanting(t.peer)});
    gate_note(t.gates, (Gate){.what = arena_print(t.arena, "%s, over our product of 10000 x 10000 x 1024 alone", name), .value = r.over_beside, .bound = 1.35});
    arena_release(a, mark);
}

void bench_analyses(Arena *a, const Table *t) {
    singular(a, t);
    batch(a, t);
    nearest(a, t);
}
