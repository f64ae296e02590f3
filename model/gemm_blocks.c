// gemm_blocks.c: products over packed tiles of both sides, by f32 multiply-adds or by dot products of pairs of bf16 (kernels_avx512bf16.c).
//
// A task owns a rectangle of C. It goes through k in blocks, through a block by groups of panels of NR columns, down a group by equal tiles of up to
// MR rows, along its panels. A's block is packed, tile by tile, while the first group comes down; the next group is packed, a piece after each
// tile, while one is used. Each line that is packed was asked for during the tile before. Panels that are kept (packed.h) are only asked for,
// or not even that.
// Two groups lie in a core's L2. So does A's block where it then has rows enough; elsewhere it lies in L3, and each tile asks for the next one.
//   version                                                       577 x 1024 x 4096 and 577 x 4096 x 1024, ms, one thread
//   0  A packed before, for all tasks; B by blocks for each task   33.3, 31.1
//   -  the same, the next block of B packed between the tiles      29.9, 29.3: A's packed copy went to L3 and back
//   -  version 1 by single panels                                  30.6, 31.6: C's rows, each in a page of its own, once for each panel
//   1  as said above                                               29.8, 28.5; the tiles alone would take 25.7
//   2  the tile's version 1; scratch and arenas in huge pages       27.8, 27.2 (the version before, beside it: 28.6, 28.0)
//   3  no more of k at a time than leaves ROWS_LEAST rows in L2     20.3, 20.0 on a Zen 5, whose L2 is 1 MiB (20.8, 20.7)
//   4  there as much of k as L1 likes, A's block in L3              19.5, 19.4, beside the version before 19.9, 19.4; 2308 x 1024 x 1024 by two threads
//                                                                  9.9 and 10.2, in bf16 5.0 and 5.1, of panels that are kept 4.9 and 5.2
//   5  tasks of equal columns                                      600 x 11008 x 4096 by two threads 109 and 113, in bf16 52 and 57, in use
#include <stdatomic.h>
#include <string.h>

#include "gemm_parts.h"
#include "io/thread.h"
#include "packed.h"

#define WORDS_MOST 512 // of k at a time
#define ROWS_LEAST 400 // of A, for each time that B is packed, if there are so many
#define ROWS_FAR 1200  // where its block lies in L3
#define GROUP 128      // columns of panels: a tile of A, and C's rows, are come back to once for so many
#define PACKING 30     // multiply-adds that packing a number costs
#define READING 10     // that one costs that is packed already
#define BEHIND 16      // floats that packing may write behind a tile of A
#define RUNS 64        // of lines that a tile asks for

typedef struct {
    const Gemm *g;
    const TileKernel *t;
    bool round;            // to bf16, after packing
    const float *panels;   // of all of B, or NULL
    long mc, nc, kc, down; // a task's rows and columns; k at a time; tasks one above the other
    long mr;               // rows of its tiles of A: MR, or fewer if so they are as many and equal
    bool far;              // A's block is not in L2
    bool asks;             // for B
    long piece;            // values of k of a panel that are packed at a time: their rows of B are a line each
    size_t item;           // bytes of a number of B
    long tasks;
    atomic_long taken; // of them
} Job;

// A group of a task's panels: columns [n, n1) of B, [k0, k0 + kn), which are so many words, against rows [m0, m1); the task's columns are [n0, end).
typedef struct {
    long m0, m1, n0, end, n, n1, k0, kn, words;
} Group;

static long group_columns(const TileKernel *t) { return GROUP / t->NR * t->NR; }

static void group_at(const Job *j, Group *p, long n, long k0) {
    p->n = n, p->n1 = smaller(n + group_columns(j->t), p->end);
    p->k0 = k0, p->kn = smaller(j->kc, j->g->K - k0), p->words = gemm_words(j->t, p->kn);
}

static bool take_task(Job *j, Group *p) {
    const Gemm *g = j->g;
    long t = atomic_fetch_add(&j->taken, 1), m0 = t % j->down * j->mc, n0 = t / j->down * j->nc;
    if (t >= j->tasks) return false;
    *p = (Group){.m0 = m0, .m1 = smaller(m0 + j->mc, g->M), .n0 = n0, .end = smaller(n0 + j->nc, g->N)};
    group_at(j, p, n0, 0);
    return true;
}

static bool group_after(Job *j, const Group *p, Group *next) {
    *next = *p;
    if (p->n1 < p->end) group_at(j, next, p->n1, p->k0);
    else if (p->k0 + j->kc < j->g->K) group_at(j, next, p->n0, p->k0 + j->kc);
    else return take_task(j, next);
    return true;
}

static long piece_of(const Gemm *g, const TileKernel *t) { return larger(64 / (long)dtype_size(g->B_type), t->k_step); }

static long pieces_of(const Job *j, const Group *p) { return pieces(p->n1 - p->n, j->t->NR) * pieces(p->kn, j->piece); }

// A piece of a group: number `count`, of the panel from column n of the group on, from value k of its block on.
typedef struct {
    long count, n, k;
} Piece;

static void piece_after(const Job *j, const Group *p, Piece *at) {
    at->count++, at->k += j->piece;
    if (at->k >= p->kn) at->k = 0, at->n += j->t->NR;
}

// ---- packing

static float *tile_of_a(const Job *j, float *A, const Group *p, long m) { return A + (m - p->m0) / j->mr * (j->mr * j->kc / j->t->in_word + BEHIND); }

static void pack_a(const Job *j, float *out, const Group *p, long m) {
    int mr = (int)smaller(j->mr, p->m1 - m);
    j->t->pack_a(out, j->g, m, mr, p->k0, p->kn);
    if (j->round) kernels()->round(out, mr * p->kn);
}

// Panels of all of B: block of k by block of k, in each by columns.
static long panels_before(const Gemm *g, const TileKernel *t, long k0) { return pieces(g->N, t->NR) * t->NR * gemm_words(t, k0); }

static const float *group_kept(const Job *j, const Group *p) { return j->panels + panels_before(j->g, j->t, p->k0) + p->n * p->words; }

// From piece `at` on, which then is piece `end`.
static void pack_b(const Job *j, float *out, const Group *p, Piece *at, long end) {
    const long NR = j->t->NR;
    for (; at->count < end; piece_after(j, p, at)) {
        long kn = smaller(j->piece, p->kn - at->k);
        float *o = out + at->n * p->words + at->k / j->t->in_word * NR;
        j->t->pack_b(o, j->g, p->k0 + at->k, kn, p->n + at->n);
        if (j->round && j->g->B_type != DTYPE_BF16) kernels()->round(o, NR * kn);
    }
}

// ---- what is asked for. Each returns the number of runs.

// Of the tile of rows m …: part `part` of `parts`.
static int lines_of_a(const Job *j, const Group *p, long m, long part, long parts, Wanted *runs) {
    const Gemm *g = j->g;
    long mr = smaller(j->mr, p->m1 - m), r = mr * part / parts, end = mr * (part + 1) / parts, k = p->kn * part / parts;
    if (g->kind == GEMM_TN) {
        *runs = (Wanted){(const char *)(g->A + (p->k0 + k) * g->lda + m), (size_t)g->lda * sizeof(float), (int)(p->kn * (part + 1) / parts - k)};
        return 1;
    }
    int count = 0;
    for (; r < end; r++) runs[count++] = (Wanted){(const char *)(g->A + (m + r) * g->lda + p->k0), 64, (int)pieces(p->kn, 16)};
    return count;
}

// Of so many packed words: parts [part, end) of `parts`.
static int lines_of_words(const float *packed, long words, long part, long end, long parts, Wanted *run) {
    long lines = pieces(words, 16), first = lines * part / parts;
    *run = (Wanted){(const char *)(packed + first * 16), 64, (int)(lines * end / parts - first)};
    return 1;
}

static int lines_of_b(const Job *j, const Group *p, Piece from, long end, Wanted *runs, int room) {
    const Gemm *g = j->g;
    // of panels that are kept a piece is a stretch: the last of a panel may be shorter, which is soon made up for
    if (j->panels) return lines_of_words(group_kept(j, p), pieces(p->n1 - p->n, j->t->NR) * j->t->NR * p->words, from.count, end, pieces_of(j, p), runs);
    const size_t row = (size_t)g->ldb * j->item;
    int count = 0;
    for (; from.count < end && count + 2 <= room; piece_after(j, p, &from)) {
        long n = p->n + from.n, k = p->k0 + from.k, columns = smaller(j->t->NR, g->N - n);
        if (g->kind == GEMM_NT) {
            for (size_t i = 0; i < (size_t)j->piece * j->item; i += 64) runs[count++] = (Wanted){(const char *)g->B + (size_t)n * row + (size_t)k * j->item + i, row, (int)columns};
        } else {
            for (size_t i = 0; i < (size_t)columns * j->item; i += 64) runs[count++] = (Wanted){(const char *)g->B + (size_t)k * row + (size_t)n * j->item + i, row, (int)smaller(j->piece, g->K - k)};
        }
    }
    return count;
}

// ---- tiles

// The edge of C, where it is narrower than a tile, through a buffer of the tile's width.
static void edge(const Job *j, const Group *p, int mr, long n, const float *Ap, const float *Bp, float *C, TileSums *s) {
    const Gemm *g = j->g;
    long nr = j->t->NR, columns = g->N - n;
    float whole[32 * 32] = {0};
    if (s->from)
        for (int r = 0; r < mr; r++) memcpy(whole + r * nr, C + r * g->ldc, (size_t)columns * sizeof(float));
    s->from = s->from ? whole : NULL, s->to = whole, s->ld = nr, s->bias = NULL;
    j->t->product(mr, p->words, Ap, mr, Bp, s);
    for (int r = 0; r < mr; r++) memcpy(C + r * g->ldc, whole + r * nr, (size_t)columns * sizeof(float));
    if (p->k0 + p->kn == g->K) gemm_finish(g, C, mr, columns, n);
}

static void product(const Job *j, const Group *p, int mr, long n, const float *Ap, const float *Bp, float *C, TileSums *s) {
    const Gemm *g = j->g;
    bool last = p->k0 + p->kn == g->K;
    s->from = p->k0 > 0 || g->accumulate ? C : NULL, s->to = C, s->ld = g->ldc;
    if (n + j->t->NR > g->N) {
        edge(j, p, mr, n, Ap, Bp, C, s);
        return;
    }
    s->bias = last && g->bias ? g->bias + n : NULL;
    j->t->product(mr, p->words, Ap, mr, Bp, s);
    for (int r = 0; last && g->act != ACT_NONE && r < mr; r++) kernels()->activate(C + r * g->ldc, C + r * g->ldc, j->t->NR, g->act, false);
}

// Down group p, packed in Bp; meanwhile `next` (or NULL) is packed into Bnext (NULL: its panels are kept).
static void down_group(const Job *j, const Group *p, const float *Bp, float *A, const Group *next, float *Bnext) {
    const Gemm *g = j->g;
    long most = j->mr, NR = j->t->NR, panels = pieces(p->n1 - p->n, NR), tiles = pieces(p->m1 - p->m0, most) * panels, all = next ? pieces_of(j, next) : 0, i = 0;
    Piece done = {0};
    for (long m = p->m0; m < p->m1; m += most) {
        int mr = (int)smaller(most, p->m1 - m);
        float *Ap = tile_of_a(j, A, p, m);
        bool below = m + most < p->m1;
        const Group *q = below ? p : next; // of the next tile of A
        long m_next = below ? m + most : q ? q->m0 : 0;
        if (p->n == p->n0) pack_a(j, Ap, p, m);
        for (long n = p->n; n < p->n1; n += NR) {
            float *C = g->C + m * g->ldc + n;
            long share = all * ++i / tiles;
            Wanted runs[RUNS];
            TileSums s = {.soon = runs};
            int count = 0;
            if (n + NR < p->n1) s.next = C + NR;
            else if (q) s.next = g->C + m_next * g->ldc + q->n;
            for (long c = 0; s.next && c < NR; c += 16) runs[count++] = (Wanted){(const char *)(s.next + c), (size_t)g->ldc * sizeof(float), mr};
            count += next && j->asks ? lines_of_b(j, next, done, share, runs + count, RUNS - 16 - count) : 0;
            long part = (n - p->n) / NR;
            if (q && q->n == q->n0) count += lines_of_a(j, q, m_next, part, panels, runs + count);
            else if (q && j->far) count += lines_of_words(tile_of_a(j, A, q, m_next), smaller(most, q->m1 - m_next) * q->words, part, part + 1, panels, runs + count);
            for (int r = 0; r < count; r++) s.lines += runs[r].count;
            product(j, p, mr, n, Ap, Bp + (n - p->n) * p->words, C, &s);
            if (next && Bnext) pack_b(j, Bnext, next, &done, share);
            else done.count = share;
        }
    }
}

static void tasks_job(void *arg, size_t begin, size_t end) {
    Job *j = arg;
    Group p, next;
    if (!take_task(j, &p)) return;
    size_t group = j->panels ? 0 : (size_t)(j->kc / j->t->in_word * group_columns(j->t));
    float *B[2], *A = thread_room(2 * group + (size_t)(pieces(j->mc, j->t->MR) * (j->t->MR * j->kc / j->t->in_word + BEHIND))) + 2 * group;
    B[0] = A - 2 * group, B[1] = A - group;
    if (!j->panels) pack_b(j, B[0], &p, &(Piece){0}, pieces_of(j, &p));
    int now = 0;
    for (bool more = true; more; p = next, now = !now) {
        more = group_after(j, &p, &next);
        down_group(j, &p, j->panels ? group_kept(j, &p) : B[now], A, more ? &next : NULL, j->panels ? NULL : B[!now]);
    }
}

static long words_in_l2(void) { return gemm_cache(2) * 5 / 6 / (long)sizeof(float); } // for A's block and two groups of B

// Values of k at a time: A's tile takes six tenths of L1, where B streams by.
static long k_block(const TileKernel *t) {
    return smaller(gemm_cache(1) * 3 / 5 / (long)sizeof(float) / t->MR, WORDS_MOST) * t->in_word;
}

static long rows_near(const Job *j) { return words_in_l2() * j->t->in_word / j->kc - 2 * group_columns(j->t); }

// Rows of a thread's half share of L3.
static long rows_far(const Job *j, int threads) {
    long rows = gemm_cache(3) / 2 / threads * j->t->in_word / j->kc / (long)sizeof(float);
    return rows < ROWS_LEAST ? ROWS_LEAST : smaller(rows, ROWS_FAR);
}

static long k_at_a_time(const Gemm *g, const TileKernel *t) { return pieces(pieces(g->K, pieces(g->K, k_block(t))), piece_of(g, t)) * piece_of(g, t); }

// Of n so many parts, each a multiple of `step` but the last.
static long equal_parts(long n, long parts, long step) { return pieces(pieces(n, parts), step) * step; }

// Rows and columns of a task: the cheapest by the count of multiply-adds that packing costs (of panels that are kept, reading), of
// what is left for the busiest thread, and of a tenth of a task by which threads never end together.
static void plan(Job *j, int threads) {
    const Gemm *g = j->g;
    static const long widths[] = {64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048};
    long rows = rows_near(j);
    j->far = rows < smaller(ROWS_LEAST, g->M);
    if (j->far) rows = rows_far(j, threads);
    const long most = larger(rows / j->t->MR, 1) * j->t->MR, least = pieces(g->M, most);
    double best = 0;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (long split = least; split <= least + 8 * threads; split += 1 + split / 8) {
            long nc = equal_parts(g->N, pieces(g->N, widths[w]), j->t->NR), mc = equal_parts(g->M, split, j->t->MR);
            long across = pieces(g->N, nc), down = pieces(g->M, mc);
            double cost = ((double)pieces(across * down, threads) + 0.1) * ((double)mc * (double)nc + PACKING * (double)mc + (j->panels ? READING : PACKING) * (double)nc);
            if (best > 0 && cost >= best) continue;
            best = cost, j->mc = mc, j->nc = nc, j->down = down, j->tasks = across * down;
        }
    j->mr = equal_rows(smaller(j->mc, g->M), j->t->MR);
    j->asks = !j->panels || smaller(j->nc, g->N) * gemm_words(j->t, g->K) > words_in_l2() / 2; // else L2 has a task's panels from the one before
}

// ---- panels that are kept

static size_t panels_bytes(const Gemm *g, const TileKernel *t) { return size_mul((size_t)panels_before(g, t, g->K), sizeof(float), "packed weights"); }

static long panels_parts(const Gemm *g, const TileKernel *t) { return pieces(g->N, t->NR) * pieces(g->K, k_at_a_time(g, t)); }

static void panels_pack(float *all, const Gemm *g, const TileKernel *t, long part, bool round) {
    Job j = {.g = g, .t = t, .round = round, .panels = all, .kc = k_at_a_time(g, t), .piece = piece_of(g, t)};
    Group p = {.m1 = g->M, .end = g->N};
    group_at(&j, &p, part % pieces(g->N, t->NR) * t->NR, part / pieces(g->N, t->NR) * j.kc);
    pack_b(&j, (float *)group_kept(&j, &p), &p, &(Piece){0}, pieces(p.kn, j.piece));
}

static size_t f32_bytes(const Gemm *g) { return panels_bytes(g, &kernels()->tiles); }
static long f32_parts(const Gemm *g) { return panels_parts(g, &kernels()->tiles); }
static void exact_pack(void *all, const Gemm *g, long part) { panels_pack(all, g, &kernels()->tiles, part, false); }
static void rounded_pack(void *all, const Gemm *g, long part) { panels_pack(all, g, &kernels()->tiles, part, true); }
static size_t pairs_bytes(const Gemm *g) { return panels_bytes(g, gemm_bf16_tiles()); }
static long pairs_parts(const Gemm *g) { return panels_parts(g, gemm_bf16_tiles()); }
static void pairs_pack(void *all, const Gemm *g, long part) { panels_pack(all, g, gemm_bf16_tiles(), part, false); }

static const Packing exact_panels = {f32_bytes, f32_parts, exact_pack}, rounded_panels = {f32_bytes, f32_parts, rounded_pack}, pairs_panels = {pairs_bytes, pairs_parts, pairs_pack};

void gemm_blocks(const Gemm *g, const TileKernel *t) {
    bool round = gemm_rounds(g, t);
    const Packing *how = t->in_word > 1 ? &pairs_panels : round && g->B_type != DTYPE_BF16 ? &rounded_panels : &exact_panels;
    Job j = {.g = g, .t = t, .round = round, .panels = packed_weight(g, how), .kc = k_at_a_time(g, t), .piece = piece_of(g, t), .item = dtype_size(g->B_type)};
    int threads = (double)g->M * (double)g->N * (double)g->K < GEMM_SMALL ? 1 : threads_here();
    plan(&j, threads);
    parallel_for((size_t)smaller(threads, j.tasks), 1, tasks_job, &j);
}
