// gemm_amx.c: products of bf16 in AMX tiles: a tile of C (16, 16) += a tile of A (16, 32) · a tile of B (32, 16), one instruction.
//
// The weight plays A: a row of it is already the row of a tile, so a tile is sixteen rows' next 64 bytes as they lie. The rows
// that are multiplied (x below) play B, and are rounded and turned once, for all threads. Sums come out turned, (n, m), and are
// turned back when they are whole.
//   blocks    32 rows of the weight by 256 of k are copied together (16 KiB, in L1, where the rows lay in one set), and meet
//             all rows of x, which stream by from L2; partial sums wait in blocks of 4 KiB, never in C
//   few rows  up to 128 of x that stay in L2: tiles are loaded from the weight itself, the sums of all of k stay in tiles (gemm_amx_few.h)
//   small     a weight that stays in L2 is packed whole; each thread packs 32 rows of x, all of k, and multiplies them by all of it
//   panels    that are kept (packed.h) are what copying would give: nothing is copied. Few rows read them in order, but only where the weight
//             is no bf16: as it lies its rows are 32 streams, which come from memory faster than one
// Many rows of x are split into ranges, one for each thread, which packs and multiplies its own before it helps another: what it packed lies in its L2.
// Between two tile products there is time for what is none: a few lines of the next block are copied and those of the block after
// it asked for; a tile of the sums that became whole before is turned back, activated and written; and the lines are asked for that
// the next ones will be written to.
// Split (bf16x3): a number is its nearest bf16 and the rest's, x = h + l. Both have tiles, and a step of k is three times the products, l h,
// h h and h l, of four loads (of bf16 weights twice, of three). Its error is that of l l, 2^-16 of a product, and of the sums in f32.
// Sums run over ascending k in the instruction's own order, denormals count as zero: compare by tolerance; blocks, threads and
// other rows change no bit. C's old value comes last, as a sum of its own would add it. Tests run this source on any AVX-512
// machine, over a program that stands for the instructions (test/amx_model.h).
//   version, two threads that share a tile unit (test/bench/NOTES.md)     577 x 1024 x 1024     1 x 4096 x 4096
//   1  the next block is copied between tile products                     2.29 ms               1.47 ms
//   2  the one after it is asked for                                      2.04
//   3  sums are finished there too; eight lines of a row asked for        1.92                  1.39
//   4  the weight's tiles first, then what is none; C's lines asked for
//   5  half as long blocks; few rows: 64 against sixteen, and lines asked for after each tile
//   6  ranges of x, small weights; few rows of a weight that must be made: step by step         in use
#if defined(__x86_64__)
#include <stdatomic.h>
#include <string.h>

#include "gemm_parts.h"
#include "io/memory.h"
#include "io/thread.h"
#include "kernels_dot.h"
#include "packed.h"

#include "kernels_amx.h"
#include "gemm_amx_weight.h"

#define WIDE_COLUMNS 256 // of a task where x does not stay in L2
#define LEAST_ROWS 512   // of x, beside which copying the weight costs little; of split numbers half
#define RANGE_ROWS 256   // of x that a thread has for itself, at least
#define MOST_ROWS 1024   // of x in a task: each of their C's is in a page of its own
#define SMALL_WEIGHT_ROWS 512 // for each thread, by a weight that stays in L2
#define DIRECT_ROWS 128  // up to so many rows of x the weight is used as it lies

// ---- x

static const float *x_at(const Product *p, long m, long step) { // of the panel that begins with row m
    return p->x + m * p->steps * p->of_x * (TILE / 16) + step * p->of_x * (p->g->M - m <= 16 ? TILE : 2 * TILE);
}

INLINE void turned(float *out, V *t) {
    turn(t);
    for (int j = 0; j < LANES; j++) store(out + j * LANES, t[j]);
}

static void pack_steps(const Product *p, long m0, long first, long last, float *out) { // of the panel that begins with row m0
    const Gemm *g = p->g;
    int halves = g->M - m0 <= 16 ? 1 : 2;
    for (long s = first; s < last; s++, out += p->of_x * halves * TILE)
        for (int half = 0; half < halves; half++) {
            V near[LANES], rest[LANES];
#pragma GCC unroll 16
            for (long r = 0, m = m0 + half * 16; r < LANES; r++, m++) {
                const char *line = (const char *)(g->A + m * g->lda + s * STEP);
                near[r] = rest[r] = all(0);
                if (m < g->M) near[r] = made(line, DTYPE_F32, g->K - s * STEP, p->of_x, &rest[r]);
            }
            turned(out + half * TILE, near);
            if (p->of_x == 2) turned(out + (halves + half) * TILE, rest);
        }
}

// ---- sums: four tiles, each (n, m)

typedef struct { // whole sums that become rows of C, tile by tile
    const Gemm *g;
    const float *sums;
    long m, n;   // of C
    int across;  // tiles side by side, of rows of C
    int left;    // tiles
} Finish;

static __mmask16 lanes(long n) { return (__mmask16)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1); }

static void finish_tile(Finish *f) {
    const Gemm *g = f->g;
    int i = 4 - f->left--;
    long m = f->m + i % f->across * 16, n = f->n + i / f->across * 16;
    if (m >= g->M || n >= g->N) return;
    V t[LANES], bias = g->bias ? (V)_mm512_maskz_loadu_ps(lanes(g->N - n), g->bias + n) : all(0);
#pragma GCC unroll 16
    for (int r = 0; r < LANES; r++) t[r] = load(f->sums + i * TILE + r * LANES);
    turn(t);
    if (g->bias)
        for (int r = 0; r < LANES; r++) t[r] += bias;
    if (g->accumulate)
        for (int r = 0; r < LANES; r++)
            if (m + r < g->M) t[r] += (V)_mm512_maskz_loadu_ps(lanes(g->N - n), g->C + (m + r) * g->ldc + n);
    if (g->act != ACT_NONE) kernels()->activate((float *)t, (const float *)t, TILE, g->act, false);
#pragma GCC unroll 16
    for (int r = 0; r < LANES; r++)
        if (m + r < g->M) _mm512_mask_storeu_ps(g->C + (m + r) * g->ldc + n, lanes(g->N - n), (__m512)t[r]);
}

static void finish(Finish *f) {
    while (f->left > 0) finish_tile(f);
}

// Rows of C that a panel's sums will be written to, two lines of each: asked for, for writing, while the panel is computed.
typedef struct {
    char *at;
    size_t row; // bytes to the next
    long left;
} Written;

typedef struct { // what is done between tile products
    Next next;
    Finish finish;
    Written written;
} Beside;

// every: steps to the next tile that is finished; rows: of C, asked for in a step.
INLINE void finish_some(Beside *b, long step, long every, long rows) {
    for (long i = 0; i < rows && b->written.left > 0; i++, b->written.left--, b->written.at += b->written.row)
        __builtin_prefetch(b->written.at, 1, 3), __builtin_prefetch(b->written.at + 64, 1, 3);
    if (b->finish.left > 0 && step % every == 0) finish_tile(&b->finish);
}

// ---- tiles: 0 and 1 the weight, 2 and 3 x, 4 to 7 sums

#define SUMS_STRIDE 64

INLINE void load_x(bool wide, const float *x) {
    tile_stream(2, x, 64);
    if (wide) tile_stream(3, x + TILE, 64);
}

INLINE void load_weight(const Weight *w, size_t further) {
    tile_load(0, w->at + further, w->row);
    tile_load(1, w->at + further + w->second, w->row);
}

INLINE void sums_store(bool all, float *sums, Beside *beside) {
    finish(&beside->finish); // they may lie where these go
    tile_store(4, sums, SUMS_STRIDE);
    if (all) tile_store(5, sums + TILE, SUMS_STRIDE);
    tile_store(6, sums + 2 * TILE, SUMS_STRIDE);
    if (all) tile_store(7, sums + 3 * TILE, SUMS_STRIDE);
}

// 32 rows of the weight and as many of x, or (not wide) 16.
INLINE void panel(bool wide, int of_x, int of_w, long steps, Weight w, const float *x, float *sums, bool from_sums, Beside *beside) {
    const long tiles = wide ? 2 : 1; // of x
    const long every = pieces(steps, 4), rows = pieces(SIDE, steps);
    if (!from_sums) {
        sums_zero();
    } else {
        tile_load(4, sums, SUMS_STRIDE);
        if (wide) tile_load(5, sums + TILE, SUMS_STRIDE);
        tile_load(6, sums + 2 * TILE, SUMS_STRIDE);
        if (wide) tile_load(7, sums + 3 * TILE, SUMS_STRIDE);
    }
    for (long s = 0; s < steps; s++, x += of_x * tiles * TILE, w.at += w.step) {
        load_weight(&w, 0);
        go_on(&beside->next);
        finish_some(beside, s, every, rows);
        if (of_x == 2) load_x(wide, x + tiles * TILE), sums_add(wide);
        load_x(wide, x), sums_add(wide);
        if (of_w == 2) load_weight(&w, 8 * TILE), sums_add(wide);
    }
    sums_store(wide, sums, beside);
}

typedef void PanelFn(long steps, Weight w, const float *x, float *sums, bool from_sums, Beside *beside);
#define PANEL(name, of_x, of_w) \
    static void name(long steps, Weight w, const float *x, float *sums, bool from_sums, Beside *beside) { panel(true, of_x, of_w, steps, w, x, sums, from_sums, beside); } \
    static void name##_half(long steps, Weight w, const float *x, float *sums, bool from_sums, Beside *beside) { panel(false, of_x, of_w, steps, w, x, sums, from_sums, beside); }
PANEL(plain, 1, 1)
PANEL(split_x, 2, 1)
PANEL(split_both, 2, 2)

// ---- tasks

static PanelFn *const panel_of[2][2][2] = {{{plain_half, plain}}, {{split_x_half, split_x}, {split_both_half, split_both}}}; // of_x, of_w, wide

// A block of the weight against a panel of x that begins with row m.
static void meet(const Product *p, Weight w, Block b, long m, const float *x, float *sums, Beside *beside) {
    const Gemm *g = p->g;
    const bool last = b.first + b.steps == p->steps;
    if (last) beside->written = (Written){(char *)(g->C + m * g->ldc + b.n), (size_t)g->ldc * sizeof *g->C, smaller(SIDE, g->M - m)};
    panel_of[p->of_x - 1][p->of_w - 1][g->M - m > 16](b.steps, w, x, sums, b.first > 0, beside);
    if (last) beside->finish = (Finish){.g = g, .sums = sums, .m = m, .n = b.n, .across = 2, .left = 4};
}

// Block t of columns [n0, n1): all of k for 32 of them, then the next 32; or all columns for a block of k, then the next.
static Block block_of(const Product *p, long n0, long n1, long t) {
    long panels = pieces(n1 - n0, SIDE), blocks = pieces(p->steps, BLOCK_STEPS);
    long panel = p->narrow ? t / blocks : t % panels, first = (p->narrow ? t % blocks : t / panels) * BLOCK_STEPS;
    return (Block){n0 + panel * SIDE, first, smaller(BLOCK_STEPS, p->steps - first)};
}

// The lines of block b, from now on; later: the block after it, or one of no steps.
static Next next_of(const Product *p, Block b, Block later, float *out, int each) {
    const Gemm *g = p->g;
    Next next = {.each = each, .left = SIDE * b.steps, .out = out};
    if (b.steps == 0) return next;
    if (p->panels) {
        next.kind = LINES, next.at = (const char *)panel_at(p, b.n, b.first), next.each *= p->of_w, next.left *= p->of_w;
    } else if (!as_it_lies(p, b)) {
        make_of(p, b, &next);
        if (later.steps) next.after = weight_at(g, later.n, later.first) - next.at;
    } else {
        next.at = weight_at(g, b.n, b.first), next.row = row_bytes(g);
        if (later.steps && as_it_lies(p, later)) next.after = weight_at(g, later.n, later.first) - next.at;
    }
    return next;
}

static void columns(const Product *p, long n0, long n1, long m0, long m1, float *room) {
    long panels = pieces(m1 - m0, SIDE), count = pieces(n1 - n0, SIDE) * pieces(p->steps, BLOCK_STEPS);
    float *block[] = {room, room + block_words(p)}, *sums = room + 2 * block_words(p);
    const Block none = {0};
    Beside beside = {.next = next_of(p, block_of(p, n0, n1, 0), none, block[0], SIDE), .finish.left = 0};
    for (long t = 0; t < count; t++) {
        Block b = block_of(p, n0, n1, t), after = t + 1 < count ? block_of(p, n0, n1, t + 1) : none, later = t + 2 < count ? block_of(p, n0, n1, t + 2) : none;
        while (beside.next.left > 0) go_on(&beside.next); // what there was no time for
        beside.next = next_of(p, after, later, block[(t + 1) % 2], (int)pieces(SIDE, panels));
        Weight w = packed(p, p->panels ? panel_at(p, b.n, b.first) : block[t % 2]);
        float *sum = sums + (p->narrow ? 0 : (b.n - n0) / SIDE * panels * 4 * TILE); // 4 KiB for each 32 rows
        for (long m = m0; m < m1; m += SIDE, sum += 4 * TILE) meet(p, w, b, m, x_at(p, m, b.first), sum, &beside);
    }
    finish(&beside.finish);
}

// ---- few rows

#include "gemm_amx_few.h"

static void task(const Product *p, long m0, long m1, long n0, long n1, float *room) {
    if (p->direct) n0 = few_task(p, n0, n1, room);
    if (n0 < n1) columns(p, n0, n1, m0, m1, room);
}

// A range's part of the work, together with the threads that are at it.
static void range_of(const Product *p, long r, float *room) {
    const Gemm *g = p->g;
    const long from = r * p->range, to = smaller(from + p->range, g->M);
    const long deep = pieces(p->steps, BLOCK_STEPS), parts = pieces(to - from, SIDE) * deep, across = pieces(g->N, p->nc), tasks = pieces(to - from, p->mc) * across;
    Taken *taken = p->taken + r;
    for (long t; (t = atomic_fetch_add(&taken->parts, 1)) < parts; atomic_fetch_add(&taken->packed, 1)) {
        long m = from + t / deep * SIDE, first = t % deep * BLOCK_STEPS;
        pack_steps(p, m, first, smaller(first + BLOCK_STEPS, p->steps), (float *)x_at(p, m, first));
    }
    for (int i = 0; atomic_load(&taken->packed) < parts;) thread_pause(&i);
    for (long t; (t = atomic_fetch_add(&taken->tasks, 1)) < tasks;) {
        long m = from + t / across * p->mc, n = t % across * p->nc;
        task(p, m, smaller(m + p->mc, to), n, smaller(n + p->nc, g->N), room);
    }
}

static void product_job(void *arg, size_t begin, size_t end) { // each its own range first, then those of others
    const Product *p = arg;
    float *room = p->room + p->room_each * (size_t)thread_index();
    tiles_begin();
    for (size_t i = begin; i < end; i++)
        for (long r = 0; r < p->ranges; r++) range_of(p, ((long)i + r) % p->ranges, room);
    tiles_end();
}

// ---- many rows by a small weight

static void small_weight_job(void *arg, size_t begin, size_t end) { // panels of x
    const Product *p = arg;
    float *x = p->room + p->room_each * (size_t)thread_index(), *sums = x + p->steps * p->of_x * 2 * TILE;
    tiles_begin();
    Beside beside = {.finish.left = 0};
    for (size_t t = begin; t < end; t++) {
        long m = (long)t * SIDE;
        pack_steps(p, m, 0, p->steps, x);
        for (long n = 0; n < p->g->N; n += SIDE) meet(p, packed(p, panel_at(p, n, 0)), (Block){n, 0, p->steps}, m, x, sums, &beside);
    }
    finish(&beside.finish);
    tiles_end();
}

#ifndef L2_BYTES // tests set it
#define L2_BYTES larger(gemm_cache(2), 1024 * 1024)
#endif

// x is split into ranges of rows, one for each thread if they are long enough; the threads of a range share N. x's rows of a task stay in L2 beside
// the sums, if that leaves enough of them to pay for making the weight's blocks; else blocks of k, of which a task's x and sums fill half of L2.
// Few rows: x in three quarters of it.
static void plan(Product *p, long threads) {
    const Gemm *g = p->g;
    const long l2 = p->l2 = L2_BYTES, row = p->of_x * p->steps * STEP * 2, block = p->of_x * BLOCK_STEPS * STEP * 2; // bytes of a row of x
    p->direct = g->M <= SIDE || (g->M <= DIRECT_ROWS && g->M * row <= l2 * 3 / 4);
    p->range = SIDE * pieces(pieces(g->M, SIDE), larger(1, smaller(threads, g->M / RANGE_ROWS)));
    p->ranges = pieces(g->M, p->range);
    const long own = SIDE * pieces(pieces(g->N, pieces(threads, p->ranges)), SIDE);
    long most = l2 * 5 / 8 / row;
    p->narrow = p->direct || most >= smaller(LEAST_ROWS / p->of_x, p->range);
    if (p->narrow) {
        p->nc = SIDE * pieces(own, (p->direct ? 4 : 8) * SIDE);
    } else {
        long fit = (l2 / 2 / smaller(p->range, MOST_ROWS) - block) / 4;
        p->nc = SIDE * pieces(pieces(own, pieces(own, larger(fit, WIDE_COLUMNS))), SIDE);
        most = l2 / 2 / (block + 4 * p->nc);
    }
    most = p->direct ? DIRECT_ROWS : larger(SIDE, smaller(most, MOST_ROWS) / SIDE * SIDE);
    p->mc = SIDE * pieces(pieces(p->range, pieces(p->range, most)), SIDE);
}

#define SMALL 4000000  // multiply-adds that are not worth waking a thread
#define SLAB (8 << 20) // values of x that are packed at a time

// ---- panels that are kept

static bool splits(const Gemm *g) { return g->compute == COMPUTE_BF16X3; }
static Product product_of(const Gemm *g) { return (Product){.g = g, .of_x = splits(g) ? 2 : 1, .of_w = splits(g) && g->B_type != DTYPE_BF16 ? 2 : 1, .steps = pieces(g->K, STEP)}; }
static size_t panels_bytes(const Gemm *g) {
    Product p = product_of(g);
    return size_mul((size_t)(pieces(g->N, SIDE) * p.steps * p.of_w), 2 * TILE * sizeof(float), "packed weights");
}
static long panels_parts(const Gemm *g) { return pieces(g->N, SIDE); }

static void panels_pack(void *all, const Gemm *g, long part) {
    Product p = product_of(g);
    Next next = {.each = SIDE, .left = SIDE * p.steps, .out = (float *)all + part * p.steps * p.of_w * 2 * TILE};
    make_of(&p, (Block){part * SIDE, 0, p.steps}, &next);
    while (next.left > 0) make_lines(&next);
}

static void panels_job(void *arg, size_t begin, size_t end) {
    const Product *p = arg;
    for (size_t i = begin; i < end; i++) panels_pack((float *)p->panels, p->g, (long)i);
}

static const Packing plain_panels = {panels_bytes, panels_parts, panels_pack}, split_panels = {panels_bytes, panels_parts, panels_pack};

// All of the weight stays in half of L2 while x's panels pass by, one at a time, which each thread packs for itself: rows of C are written one after the other.
static bool small_weight(const Product *p) {
    return p->g->M >= SMALL_WEIGHT_ROWS * threads_count() && (long)panels_bytes(p->g) + p->steps * p->of_x * 2 * TILE * 4 <= p->l2 / 2;
}

static void product(const Gemm *g) {
    bool small = (double)g->M * (double)g->N * (double)g->K < SMALL;
    long threads = small ? 1 : threads_count();
    Product p = product_of(g);
    plan(&p, threads);
    if (!p.direct || !as_it_lies(&p, (Block){0, 0, p.steps})) p.panels = packed_weight(g, splits(g) ? &split_panels : &plain_panels);
    if (small_weight(&p)) {
        size_t weight = p.panels ? 0 : panels_bytes(g) / sizeof(float);
        p.room_each = (size_t)((p.steps * p.of_x * 2 + 4) * TILE);
        p.x = thread_room(weight + p.room_each * (size_t)threads_count());
        p.room = p.x + weight;
        if (!p.panels) p.panels = p.x, parallel_for((size_t)panels_parts(g), small ? (size_t)panels_parts(g) : 1, panels_job, &p);
        parallel_for((size_t)pieces(g->M, SIDE), small ? (size_t)pieces(g->M, SIDE) : 1, small_weight_job, &p);
        return;
    }
    size_t packed = (size_t)(pieces(g->M, 16) * p.steps * p.of_x) * TILE, blocks = (size_t)(pieces(p.mc, SIDE) * (p.narrow ? 1 : p.nc / SIDE));
    size_t taken = (size_t)p.ranges * sizeof *p.taken / sizeof(float);
    p.room_each = (size_t)(2 * block_words(&p)) + blocks * 4 * TILE;
    float *room = thread_room(taken + packed + p.room_each * (size_t)threads_count());
    p.taken = (Taken *)room, p.x = room + taken, p.room = p.x + packed;
    memset(p.taken, 0, (size_t)p.ranges * sizeof *p.taken);
    parallel_for((size_t)threads, 1, product_job, &p);
}

void gemm_amx(const Gemm *g) { // GEMM_NT
    long rows = pieces(SLAB, g->K * SIDE) * SIDE;
    for (long m = 0; m < g->M; m += rows) {
        Gemm slab = *g;
        slab.M = smaller(rows, g->M - m), slab.A += m * g->lda, slab.C += m * g->ldc;
        product(&slab);
    }
}

// The tiles alone, for measuring what they can do: 32 rows of each side, packed.
static void tile(int mr, long words, const float *A, long ka, const float *B, long kb, float *C, long ldc, bool from_c) {
    plain(words / LANES, packed(&(Product){.of_w = 1}, A), B, C, from_c, &(Beside){.next = {.kind = LINES}});
}

const TileKernel tiles_amx = {.MR = SIDE, .NR = SIDE, .in_word = 2, .begin = tiles_begin, .end = tiles_end, .tile = tile};
#else
typedef int not_this_processor;
#endif
