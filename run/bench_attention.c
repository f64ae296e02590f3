// bench_attention.c: attention of whole texts and pictures, and of one token, ours and the peer's compared with double precision (some
// queries, and a whole head) before it is timed. The gate of 577 tokens by heads of 64: what its two products would take at the speed of 577 x 1024 x 1024 in the same type and rounds.
#include <math.h>
#include <stdio.h>

#include "bench_speed.h"
#include "io/thread.h"
#include "model/kernels.h"

static void attention_work(void *arg) { attention_rows(arg); }

// ---- one token: its keys and values are read once, and that is all there is to do

static size_t kept_bytes(const Attention *a) { return (size_t)(a->Tk * a->G * a->D) * (a->k16 ? sizeof *a->k16 : sizeof *a->k); }
static size_t whole_reads(size_t bytes) { return bytes & ~(size_t)0xffff; } // plain_read's

static void kept_read(void *arg) {
    const Attention *a = arg;
    plain_read(a->k16 ? (const void *)a->k16 : a->k, whole_reads(kept_bytes(a)));
    plain_read(a->v16 ? (const void *)a->v16 : a->v, whole_reads(kept_bytes(a)));
}

// Of query i and head h, in double.
static void head_compared(double *apart, double *norm, const Attention *a, const float *out, long i, long h) {
    long g = h / (a->H / a->G), last = a->causal ? i + a->Tk - a->Tq : a->Tk - 1;
    double want[256] = {0}, sum = 0;
    for (long j = 0; j <= last; j++) {
        double dot = 0;
        for (long d = 0; d < a->D; d++) dot += (double)a->q[(i * a->H + h) * a->D + d] * (double)a->k[(j * a->G + g) * a->D + d];
        double e = exp(dot * (double)a->scale);
        sum += e;
        for (long d = 0; d < a->D; d++) want[d] += e * (double)a->v[(j * a->G + g) * a->D + d];
    }
    for (long d = 0; d < a->D; d++) *apart += pow((double)out[(i * a->H + h) * a->D + d] - want[d] / sum, 2), *norm += pow(want[d] / sum, 2);
}

static double attention_error(const void *attention, const float *out) { // all heads of some queries, all queries of one head
    const Attention *a = attention;
    size_t queries[PLACES], heads[PLACES];
    double apart = 0, norm = 0;
    places_drawn(queries, "queries", (size_t)a->Tq), places_drawn(heads, "heads", (size_t)a->H);
    for (int p = 0; p < PLACES; p++)
        for (long h = 0; h < a->H; h++) head_compared(&apart, &norm, a, out, (long)queries[p], h);
    for (long i = 0; i < a->Tq; i++) head_compared(&apart, &norm, a, out, i, (long)heads[0]);
    return sqrt(apart / norm);
}

// Random numbers that bf16 holds, as f32 and in bf16.
static const float *random_halves(Arena *a, size_t n, const char *what, uint16_t **half) {
    float *wide = random_floats(a, n, what);
    *half = take(a, uint16_t, n);
    convert_f32_bf16(*half, wide, n);
    convert_bf16_f32(wide, *half, n);
    return wide;
}

// ---- the product beside it

static void product_work(void *arg) { gemm(arg); }

// 577 x 1024 x 1024 with weights of that type.
static Gemm *product_beside(Arena *a, bool bf16) {
    enum { M = 577, N = 1024, K = 1024 };
    Gemm *g = take_zero(a, Gemm, 1);
    uint16_t *half;
    const float *wide = random_halves(a, N * K, "weight", &half);
    *g = (Gemm){.kind = GEMM_NT, .M = M, .N = N, .K = K, .A = random_floats(a, M * K, "input"), .lda = K, .B = bf16 ? (const void *)half : wide, .B_type = bf16 ? DTYPE_BF16 : DTYPE_F32,
                .ldb = K, .C = take(a, float, M * N), .ldc = N, .compute = bf16 ? COMPUTE_BF16 : COMPUTE_F32};
    return g;
}

#define MOST_OVER_PRODUCTS 2.0 // the gate

static double in_products(double operations, const Gemm *beside) { return operations / (2.0 * (double)beside->M * (double)beside->N * (double)beside->K); }

static void gate(const Table *t, const Measured *m, const Gemm *g, double operations, bool bf16) {
    bench_say(t->w, "| … | %ld x %ld x %ld in the same rounds: %.2f ms | | | | | |", g->M, g->N, g->K, 1e3 * m->beside);
    gate_note(t->gates, (Gate){.what = arena_print(t->arena, "attention of 577 tokens, heads of 64, %s, over its two products at the rate of %ld x %ld x %ld", bf16 ? "bf16" : "f32", g->M, g->N, g->K),
                               .value = m->over_beside / in_products(operations, g), .bound = MOST_OVER_PRODUCTS, .goal = 1.6});
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
    bool head = false;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (!table_wants(t, list[i].name)) continue;
        if (!head) table_head(t, bf16 ? "attention, bf16" : "attention, f32"), head = true;
        Mark mark = arena_mark(a);
        long Tq = list[i].Tq, Tk = list[i].Tk, H = list[i].H, G = list[i].G, D = list[i].D;
        size_t q = (size_t)(Tq * H * D), k = (size_t)(Tk * G * D);
        uint16_t *half[3];
        Attention at = {.out = poisoned(a, q), .q = random_halves(a, q, "q", &half[0]), .k = random_halves(a, k, "k", &half[1]), .v = random_halves(a, k, "v", &half[2]),
                        .B = 1, .Tq = Tq, .Tk = Tk, .H = H, .G = G, .D = D, .scale = (float)(1 / sqrt((double)D)), .causal = list[i].causal, .bf16 = bf16};
        const Attention inputs = at;
        double allow = bf16 ? 4e-3 : 2e-6; // of bf16: the weights' rounding
        if (bf16 && Tq == 1) at.k = at.v = NULL, at.k16 = half[1], at.v16 = half[2];
        attention_rows(&at);
        const char *ask = arena_print(a, "attention %s %ld %ld %ld %ld %ld %d %d", bf16 ? "bf16" : "f32", Tq, Tk, H, G, D, list[i].causal && Tq > 1, threads_count());
        double operations = (list[i].causal && Tq > 1 ? 0.5 : 1) * 4.0 * (double)(Tq * Tk * H * D);
        Gemm *beside = i == 0 ? product_beside(a, bf16) : NULL;
        Measured m = table_row(t, &(Row){.name = list[i].name, .ask = ask, .work = attention_work, .arg = &at, .operations = operations, .peak = bf16 ? PEAK_BF16 : PEAK_F32,
                                         .bytes = Tq == 1 ? 2 * (double)kept_bytes(&at) : 0, .plain = Tq == 1 ? kept_read : NULL, .plain_bytes = 2 * (double)whole_reads(kept_bytes(&at)), .beside = {beside ? product_work : NULL, beside},
                                         .most_beside = beside ? MOST_OVER_PRODUCTS * in_products(operations, beside) : 0, .check = {attention_error, &inputs, at.out, q, allow, allow},
                                         .given = {{"q", at.q, q * sizeof *at.q}, {"k", inputs.k, k * sizeof *inputs.k}, {"v", inputs.v, k * sizeof *inputs.v}}});
        if (beside) gate(t, &m, beside, operations, bf16);
        arena_release(a, mark);
    }
}

void bench_attentions(Arena *a, const Table *t) {
    attentions(a, t, false);
    attentions(a, t, true);
}
