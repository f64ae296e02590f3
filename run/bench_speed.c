// bench_speed.c: `retina bench speed`: products of bf16, decoding, attention, passes over memory and analysis. Rules: performance.md 2.
//
// Every row's result is compared with double precision (samples of it) before it is timed. Inputs are random. Weights of
// decoding lie in memory: six copies take turns. The peer computes in its own bf16 (results rounded to bf16), ours keeps f32
// results; the products are the same.
#include "bench_speed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/knn.h"
#include "analysis/svd.h"
#include "bench_passes.h"
#include "bench_table.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/cpu.h"
#include "model/kernels.h"

#define COPIES 6 // of a weight that is to come from memory

// ---- products with bf16 weights

typedef struct {
    Gemm g;
    const uint16_t *weights;
    int copies, turn;
} Product;

static void product_work(void *arg) {
    Product *p = arg;
    p->g.B = p->weights + (size_t)(p->turn++ % p->copies) * (size_t)(p->g.N * p->g.K);
    gemm(&p->g);
}

static void weight_read(void *arg) { // the next copy
    Product *p = arg;
    plain_read(p->weights + (size_t)(p->turn++ % p->copies) * (size_t)(p->g.N * p->g.K), (size_t)(p->g.N * p->g.K) * sizeof *p->weights);
}

static double product_error(const Product *p) {
    double diff = 0, norm = 0;
    const Gemm *g = &p->g;
    for (int i = 0; i < 200; i++) {
        long m = (long)rng_below(rng_of(2, "row"), (uint64_t)i, (uint64_t)g->M), n = (long)rng_below(rng_of(2, "column"), (uint64_t)i, (uint64_t)g->N);
        double want = 0;
        for (long k = 0; k < g->K; k++) {
            float w;
            convert_bf16_f32(&w, (const uint16_t *)g->B + n * g->K + k, 1);
            want += (g->bf16 ? (double)bf16_round(g->A[m * g->K + k]) : (double)g->A[m * g->K + k]) * (double)w;
        }
        diff += pow((double)g->C[m * g->N + n] - want, 2), norm += want * want;
    }
    return sqrt(diff / norm);
}

static void products(Arena *a, const Table *t) {
    static const struct {
        long M, N, K;
        int copies;
    } list[] = {{577, 1024, 1024, 1}, {577, 4096, 1024, 1}, {577, 1024, 4096, 1}, {600, 4096, 4096, 1}, {128, 4096, 4096, COPIES}, {64, 4096, 4096, COPIES},
                {32, 4096, 4096, COPIES}, {8, 4096, 4096, COPIES}, {1, 4096, 4096, COPIES}, {1, 11008, 4096, COPIES}};
    table_head(t, "M x N x K, bf16");
    double once = 0;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        long M = list[i].M, N = list[i].N, K = list[i].K;
        char name[80], ask[80];
        snprintf(name, sizeof name, "%ld x %ld x %ld%s", M, N, K, list[i].copies > 1 ? ", weight from memory" : "");
        if (!table_wants(t, name)) continue;
        Mark mark = arena_mark(a);
        size_t weight = (size_t)(N * K);
        Product p = {.copies = list[i].copies};
        uint16_t *w = take(a, uint16_t, weight * (size_t)p.copies);
        float *wide = random_floats(a, weight, "weight");
        for (int c = 0; c < p.copies; c++) convert_f32_bf16(w + weight * (size_t)c, wide, weight);
        p.weights = w;
        p.g = (Gemm){.kind = GEMM_NT, .M = M, .N = N, .K = K, .A = random_floats(a, (size_t)(M * K), "input"), .lda = K, .B_type = DTYPE_BF16, .ldb = K,
                     .C = take(a, float, (size_t)(M * N)), .ldc = N, .bf16 = true};
        product_work(&p);
        double error = product_error(&p);
        need(error <= 2e-6, "bench: %ld x %ld x %ld is wrong by %.1e; nothing is timed", M, N, K, error);
        snprintf(ask, sizeof ask, "linear bf16 %ld %ld %ld %d %d", M, N, K, p.copies, threads_count());
        double s = table_row(t, &(Row){.name = name, .ask = ask, .work = product_work, .arg = &p, .operations = 2.0 * (double)(M * N) * (double)K,
                                       .bytes = p.copies > 1 ? 2.0 * (double)weight : 0, .peak = t->top.bf16,
                                       .plain = p.copies > 1 ? weight_read : NULL, .plain_bytes = 2.0 * (double)weight});
        if (N == 4096 && K == 4096 && M <= 64 && M > 1) once = M == 32 ? s : once;
        if (M == 1 && N == 4096 && once > 0) bench_say(t->w, "| 32 rows over 1 row | %.2f | | | | | |", once / s);
        arena_release(a, mark);
    }
}

// ---- attention

static void attention_work(void *arg) { attention_rows(arg); }

static double attention_error(const Attention *a) { // sampled queries in double
    double diff = 0, norm = 0;
    for (int s = 0; s < 20; s++) {
        long i = (long)rng_below(rng_of(3, "query"), (uint64_t)s, (uint64_t)a->Tq), h = (long)rng_below(rng_of(3, "head"), (uint64_t)s, (uint64_t)a->H), g = h / (a->H / a->G);
        long last = a->causal ? i + a->Tk - a->Tq : a->Tk - 1;
        double want[256] = {0}, sum = 0;
        for (long j = 0; j <= last; j++) {
            double dot = 0;
            for (long d = 0; d < a->D; d++) dot += (double)a->q[(i * a->H + h) * a->D + d] * (double)a->k[(j * a->G + g) * a->D + d];
            double e = exp(dot * (double)a->scale);
            sum += e;
            for (long d = 0; d < a->D; d++) want[d] += e * (double)a->v[(j * a->G + g) * a->D + d];
        }
        for (long d = 0; d < a->D; d++) diff += pow((double)a->out[(i * a->H + h) * a->D + d] - want[d] / sum, 2), norm += pow(want[d] / sum, 2);
    }
    return sqrt(diff / norm);
}

// Random numbers that bf16 holds, as f32 and in bf16.
static const float *random_halves(Arena *a, size_t n, const char *what, uint16_t **half) {
    float *wide = random_floats(a, n, what);
    *half = take(a, uint16_t, n);
    convert_f32_bf16(*half, wide, n);
    convert_bf16_f32(wide, *half, n);
    return wide;
}

// In bf16, keys and values of a text that is continued (one query) are kept in bf16.
static void attentions(Arena *a, const Table *t, bool bf16) {
    static const struct {
        const char *name;
        long Tq, Tk, H, G, D;
        bool causal;
    } list[] = {{"attention, 577 tokens, 16 heads of 64", 577, 577, 16, 16, 64, false}, {"attention, 729 tokens, 16 heads of 72", 729, 729, 16, 16, 72, false},
                {"attention, 600 tokens, 32 heads of 128, causal", 600, 600, 32, 32, 128, true}, {"attention, 1 token of 600, 32 heads of 128", 1, 600, 32, 32, 128, true},
                {"attention, 1 token of 600, 32 heads of 128 over 8", 1, 600, 32, 8, 128, true}};
    table_head(t, bf16 ? "attention, bf16" : "attention, f32");
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (!table_wants(t, list[i].name)) continue;
        Mark mark = arena_mark(a);
        long Tq = list[i].Tq, Tk = list[i].Tk, H = list[i].H, G = list[i].G, D = list[i].D;
        size_t q = (size_t)(Tq * H * D), k = (size_t)(Tk * G * D);
        uint16_t *half[3];
        Attention at = {.out = take(a, float, q), .q = random_halves(a, q, "q", &half[0]), .k = random_halves(a, k, "k", &half[1]), .v = random_halves(a, k, "v", &half[2]),
                        .B = 1, .Tq = Tq, .Tk = Tk, .H = H, .G = G, .D = D, .scale = (float)(1 / sqrt((double)D)), .causal = list[i].causal, .bf16 = bf16};
        attention_rows(&at);
        double error = attention_error(&at), allow = bf16 ? 4e-3 : 2e-6; // of bf16: the weights' rounding
        need(error <= allow, "bench: attention of %s is wrong by %.1e; nothing is timed", list[i].name, error);
        if (bf16 && Tq == 1) at.k = at.v = NULL, at.k16 = half[1], at.v16 = half[2];
        char ask[80];
        snprintf(ask, sizeof ask, "attention %s %ld %ld %ld %ld %ld %d %d", bf16 ? "bf16" : "f32", Tq, Tk, H, G, D, list[i].causal && Tq > 1, threads_count());
        double seen = list[i].causal && Tq > 1 ? 0.5 : 1;
        table_row(t, &(Row){.name = list[i].name, .ask = ask, .work = attention_work, .arg = &at, .operations = seen * 4.0 * (double)(Tq * Tk * H * D),
                            .peak = bf16 ? t->top.bf16 : t->top.f32});
        if (bf16) bench_say(t->w, "| … | error %.1e of double on the same inputs | | | | | |", error);
        arena_release(a, mark);
    }
}

// ---- analysis

typedef struct {
    Arena *a;
    const float *x;
    int R, C;
    bool thin;
} Matrix;

static void knn_work(void *arg) {
    Matrix *m = arg;
    Mark mark = arena_mark(m->a);
    knn_self(m->a, m->x, (size_t)m->R, m->C, KNN_COSINE, 100, NULL, "bench");
    arena_release(m->a, mark);
}

static void svd_work(void *arg) {
    Matrix *m = arg;
    Mark mark = arena_mark(m->a);
    if (m->thin) svd_thin(m->a, m->x, m->R, m->C, false, SVD_AUTO, "bench");
    else svd_values(take(m->a, double, (size_t)(m->R < m->C ? m->R : m->C)), m->x, m->R, m->C, false, SVD_AUTO, m->a);
    arena_release(m->a, mark);
}

static void analyses(Arena *a, const Table *all) {
    static const int sizes[][2] = {{576, 4096}, {64, 4096}, {729, 1152}};
    Table t = *all;
    t.rounds = t.rounds > 5 ? 5 : t.rounds; // seconds each
    table_head(&t, "analysis (exactness: test/test_knn.c, test/test_spectrum.c)");
    for (int k = 0; k < 6; k++) {
        char name[80], ask[80];
        snprintf(name, sizeof name, "%s, %d x %d", k % 2 == 0 ? "thin SVD" : "singular values", sizes[k / 2][0], sizes[k / 2][1]);
        if (!table_wants(&t, name)) continue;
        Mark mark = arena_mark(a);
        Matrix m = {.a = a, .R = sizes[k / 2][0], .C = sizes[k / 2][1], .thin = k % 2 == 0};
        float *x = random_floats(a, (size_t)m.R * (size_t)m.C, "matrix");
        for (size_t i = 0; i < (size_t)m.R * (size_t)m.C; i++) x[i] *= (float)exp(-7.0 * (double)(i % (size_t)m.C) / m.C); // a spectrum that falls
        m.x = x;
        snprintf(ask, sizeof ask, "svd %d %d %d %d", m.R, m.C, m.thin, threads_count());
        table_row(&t, &(Row){.name = name, .ask = ask, .work = svd_work, .arg = &m});
        arena_release(a, mark);
    }
    const char *nearest = "100 nearest of 10000 x 1024";
    if (!table_wants(&t, nearest)) return;
    Matrix m = {.a = a, .R = 10000, .C = 1024};
    m.x = random_floats(a, (size_t)m.R * (size_t)m.C, "rows");
    char ask[80];
    snprintf(ask, sizeof ask, "knn 10000 1024 100 %d", threads_count());
    table_row(&t, &(Row){.name = nearest, .ask = ask, .work = knn_work, .arg = &m, .operations = 1e8 * 1024, .peak = t.top.f32});
}

void bench_speed(Arena *a, const char *venv, int rounds, const char *rows, Writer *w) {
    Table t = {.w = w, .rounds = rounds, .only = rows, .top = ceilings_measure(a)};
    Peer peer;
    if (venv) peer = peer_start(venv, "test/bench/peer_speed.py", NULL), t.peer = &peer;
    bench_say(t.w, "`retina bench speed%s`, %s, bf16 by %s, %s, %d alternating rounds: median (smallest – largest).\n"
                  "Ceilings, best of five: f32 %.0f GFLOP/s, bf16 %.0f GFLOP/s, read L2 %.0f GB/s, read memory %.1f GB/s.\n"
                  "Floor: the larger of operations over that peak and of bytes over what a plain read (or a triad) moves in the same rounds; 1.00 is as fast as that.",
              venv ? " --peers VENV" : "", cpu_describe(), gemm_bf16_path(), threads_said(a), rounds, t.top.f32 * 1e-9, t.top.bf16 * 1e-9, t.top.l2 * 1e-9, t.top.memory * 1e-9);
    products(a, &t);
    attentions(a, &t, false);
    attentions(a, &t, true);
    bench_passes(a, &t);
    analyses(a, &t);
    if (venv) peer_end(&peer);
}
