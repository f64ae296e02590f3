// gemm_spread.c: products of some rows, up to SPREAD_ROWS_MOST, by a weight whose rows are read as they lie (kernels_spread.h).
//
// x is turned once for all tasks: panels of rows, k along them, in stretches of k that stay in L2. A task owns columns of C, which are rows of the weight. It
// goes through the stretches, through each by tiles of MR rows, through a tile by pieces of SPREAD_K words, and a piece meets every panel
// while the next one is laid into L1. Sums wait in a turned copy of the task's part of C, and are turned back once. All of k is counted in words: one value
// for f32 multiply-adds, two for dot products of bf16.
#include <string.h>

#include "gemm_parts.h"
#include "io/thread.h"

#define TASK 512 // columns, at most: their sums stay in L2 beside a stretch of x
#define TASKS 4  // for each thread: they do not end at once

typedef struct {
    const Gemm *g;
    const TileKernel *t;
    float *x;      // packed
    long lanes, vectors, wide; // of a vector; that hold x's rows; that a panel has, at most
    long words;    // of K, filled up by the packing
    long stretch;  // of them
    float *room;   // of the caller's tasks: its other room holds x
    int caller;
} Job;

// SPREAD_K words, or what is left of a stretch, of MR rows of the weight from n on, or what is left of a task.
typedef struct {
    long n, k;
} Piece;

static long stretch_begin(const Job *j, long k) { return k / j->stretch * j->stretch; }

static long stretch_end(const Job *j, long k) { return smaller(stretch_begin(j, k) + j->stretch, j->words); }

// Values in kn words of k from k0 on: the last may not be full.
static long values_in(const Job *j, long k0, long kn) { return smaller(kn * j->t->in_word, j->g->K - k0 * j->t->in_word); }

// ---- x

// The panel of rows from vector v on, in the stretch from k0 on, of kn words.
static float *panel_at(const Job *j, long k0, long kn, long v) { return j->x + (k0 * j->vectors + kn * v) * j->lanes; }

static void pack_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    const Gemm *g = j->g;
    long panels = pieces(j->vectors, j->wide);
    for (size_t i = begin; i < end; i++) {
        long v = (long)i % panels * j->wide, wide = smaller(j->wide, j->vectors - v) * j->lanes, k0 = (long)i / panels * j->stretch, kn = smaller(j->stretch, j->words - k0);
        long m = v * j->lanes;
        j->t->pack_x(panel_at(j, k0, kn, v), wide, g, m, smaller(wide, g->M - m), k0 * j->t->in_word, values_in(j, k0, kn));
    }
}

// ---- the weight

static bool piece_after(const Job *j, const Piece *p, Piece *next, long begin, long end) {
    long stop = stretch_end(j, p->k);
    *next = *p;
    if (p->k + SPREAD_K < stop) next->k += SPREAD_K;
    else if (p->n + j->t->MR < end) next->n += j->t->MR, next->k = stretch_begin(j, p->k);
    else next->n = begin, next->k = stop;
    return next->k < j->words;
}

static long words_of(const Job *j, const Piece *p) { return smaller(SPREAD_K, stretch_end(j, p->k) - p->k); }

static const char *weight_at(const Job *j, const Piece *p) { return (const char *)j->g->B + (size_t)(p->n * j->g->ldb + p->k * j->t->in_word) * dtype_size(j->g->B_type); }

static Widening widening(const Job *j, const Piece *p, const Piece *after, long end, float *to) {
    return (Widening){.from = weight_at(j, p), .row = (size_t)j->g->ldb * dtype_size(j->g->B_type), .rows = (int)smaller(j->t->MR, end - p->n), .values = values_in(j, p->k, words_of(j, p)), .to = to,
                      .soon = weight_at(j, after)};
}

// ---- tasks

static size_t task_floats(const Job *j, long columns) {
    long block = j->t->MR * SPREAD_LD, rows = pieces(columns, j->t->MR) * j->t->MR;
    return (size_t)(2 * block + rows * j->vectors * j->lanes);
}

// Piece p, laid in W, by all panels; meanwhile the next one is laid.
static void piece_by_panels(const Job *j, const Piece *p, float *sums, const float *W, const Widening *next) {
    long k0 = stretch_begin(j, p->k), kn = stretch_end(j, p->k) - k0, ld = j->vectors * j->lanes;
    for (long v = 0; v < j->vectors; v += j->wide) {
        int wide = (int)smaller(j->wide, j->vectors - v);
        j->t->spread(wide, words_of(j, p), sums + v * j->lanes, ld, panel_at(j, k0, kn, v) + (p->k - k0) * wide * j->lanes, W, v == 0 ? next : NULL, j->g->B_type);
    }
}

static void columns_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    const Gemm *g = j->g;
    long first = (long)begin, columns = (long)end - first, block = j->t->MR * SPREAD_LD, ld = j->vectors * j->lanes;
    float *room = thread_index() == j->caller ? j->room : thread_room(task_floats(j, columns)), *W[2] = {room, room + block}, *sums = room + 2 * block;
    memset(room, 0, task_floats(j, columns) * sizeof *room);
    if (g->accumulate) kernels()->turn(sums, ld, g->C + first, g->ldc, g->M, columns);
    Piece p = {first, 0}, next, after;
    Widening w = widening(j, &p, &p, (long)end, W[0]);
    j->t->lay(&w, g->B_type);
    int now = 0;
    for (bool more = true; more; p = next, now = !now) {
        more = piece_after(j, &p, &next, first, (long)end);
        if (more && !piece_after(j, &next, &after, first, (long)end)) after = next;
        if (more) w = widening(j, &next, &after, (long)end, W[!now]);
        piece_by_panels(j, &p, sums + (p.n - first) * ld, W[now], more ? &w : NULL);
    }
    kernels()->turn(g->C + first, g->ldc, sums, ld, columns, g->M);
    gemm_finish(g, g->C + first, g->M, columns, first);
}

// Of x a quarter of L2.
static long stretch_of(const Job *j) {
    long words = gemm_cache(2) / 4 / (long)sizeof(float) / (j->vectors * j->lanes) / SPREAD_K * SPREAD_K;
    return words > SPREAD_K ? words : SPREAD_K;
}

void gemm_spread(const Gemm *g, const TileKernel *t) {
    Job j = {.g = g, .t = t, .lanes = kernels()->lanes, .words = gemm_words(t, g->K), .caller = thread_index()};
    j.vectors = pieces(g->M, j.lanes), j.wide = t->NR / j.lanes, j.stretch = stretch_of(&j);
    bool small = (double)g->M * (double)g->N * (double)g->K < GEMM_SMALL;
    long columns = small ? g->N : smaller(pieces(pieces(g->N, t->MR), TASKS * threads_count()), TASK / t->MR) * t->MR;
    size_t packed = (size_t)pieces(j.vectors * j.lanes * j.words, 16) * 16;
    j.x = thread_room(packed + task_floats(&j, columns));
    j.room = j.x + packed;
    size_t panels = (size_t)(pieces(j.vectors, j.wide) * pieces(j.words, j.stretch));
    parallel_for(panels, small ? panels : 1, pack_job, &j);
    parallel_for((size_t)g->N, (size_t)columns, columns_job, &j);
}
