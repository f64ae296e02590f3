// gemm_dot.c: products of bf16 by dot products of pairs, blocked, packed and threaded (kernels_avx512bf16.c has the tile).
//
// A task owns a rectangle of C and packs B for its columns, a block of k at a time, which stays in its core's L2. A is packed before, once
// for all tasks, or, where there is one column of tasks, by the task itself, a tile at a time. Panels of B that are kept (packed.h) are used
// where they lie. An activation is applied to a tile of C that is still in L1.
//   version                                                                   577 x 4096 x 1024, ms, one thread of a Zen 4
//   0  widened while packed, f32 multiply-adds (gemm_f32.c)                   49 - 51
//   1  dot products, a tile of 14 x 32 words                                  25.4 - 26.3
//   2  memory asked for while packing                                         the same; 16 rows 5.8 to 4.7, 64 rows 14.8 to 12.6
//   3  A packed once for all columns of tasks, squares turned in registers    25.1
//   4  blocks of 1376 of k, 640 before: sums go through C half as often       24.1, in use
#if defined(__x86_64__)
#include <string.h>

#include "gemm_parts.h"
#include "io/thread.h"
#include "packed.h"

#define ROWS_MAX 32    // the largest MR
#define NR_MAX 32      // the largest NR
#define SLAB (8 << 20) // values of A that are packed at a time

typedef struct {
    const Gemm *g;
    const TileKernel *k;
    long mc, nc, kc, down; // a task's rows and columns; k at a time; tasks one above the other
    float *packed;         // A, or NULL: tasks do it
    const float *panels;   // of all of B, block of k by block of k, or NULL
    float *room;           // for B (and a tile of A) of the thread that asked; others have their own
    size_t room_size;
    int caller;
} Job;

// One tile of C, through a full-width buffer where C is narrower than the tile.
static void tile(const Job *j, int mr, long kn, const float *Ap, const float *Bp, long m0, long n0, bool from_c, bool last) {
    const Gemm *g = j->g;
    float *C = g->C + m0 * g->ldc + n0;
    int nr = j->k->NR;
    long columns = smaller(g->N - n0, nr);
    if (columns == nr) {
        j->k->tile(mr, kn, Ap, mr, Bp, nr, C, g->ldc, from_c);
    } else {
        float whole[ROWS_MAX * NR_MAX];
        if (from_c)
            for (int r = 0; r < mr; r++)
                for (int i = 0; i < nr; i++) whole[r * nr + i] = i < columns ? C[r * g->ldc + i] : 0;
        j->k->tile(mr, kn, Ap, mr, Bp, nr, whole, nr, from_c);
        for (int r = 0; r < mr; r++) memcpy(C + r * g->ldc, whole + r * nr, (size_t)columns * sizeof(float));
    }
    if (last) gemm_finish(g, C, mr, columns, n0);
}

#define BEHIND 16 // floats that packing may write behind a tile of A

static long words_of_k(const TileKernel *k, long kn) { return pieces(kn, k->k_step) * k->k_step / k->in_word; }

// Rows m … of A, packed, from column k0 on: blocks of k one after the other, in each the tiles.
static float *packed_at(const Job *j, long m, long k0, long words) {
    const TileKernel *k = j->k;
    return j->packed + j->g->M * (k0 / k->in_word) + pieces(j->g->M, k->MR) * (k0 / j->kc) * BEHIND + m * words + m / k->MR * BEHIND;
}

static void pack_tile(const Job *j, float *out, long m, long k0, long kn) { j->k->pack_a(out, j->g, m, (int)smaller(j->k->MR, j->g->M - m), k0, kn); }

static void pack_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    long tiles = pieces(j->g->M, j->k->MR);
    for (size_t t = begin; t < end; t++) {
        long m = (long)t % tiles * j->k->MR, k0 = (long)t / tiles * j->kc, kn = smaller(j->kc, j->g->K - k0), words = words_of_k(j->k, kn);
        pack_tile(j, packed_at(j, m, k0, words), m, k0, kn);
    }
}

static const float *panels_at(const Job *j, long n, long k0, long words) {
    return j->panels + pieces(j->g->N, j->k->NR) * j->k->NR * (k0 / j->k->in_word) + n * words;
}

static void blocks_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    const Gemm *g = j->g;
    const TileKernel *k = j->k;
    float *Bp = thread_index() == j->caller ? j->room : thread_room(j->room_size), *own = Bp + j->kc * j->nc;
    for (size_t t = begin; t < end; t++) {
        long m0 = (long)t % j->down * j->mc, m1 = smaller(m0 + j->mc, g->M), n0 = (long)t / j->down * j->nc, n1 = smaller(n0 + j->nc, g->N);
        for (long k0 = 0; k0 < g->K; k0 += j->kc) {
            long kn = smaller(j->kc, g->K - k0), words = words_of_k(k, kn);
            const float *B = j->panels ? panels_at(j, n0, k0, words) : Bp;
            for (long n = n0; n < n1 && !j->panels; n += k->NR) k->pack_b(Bp + (n - n0) * words, g, k0, kn, n);
            for (long m = m0; m < m1; m += k->MR) {
                float *Ap = j->packed ? packed_at(j, m, k0, words) : own;
                if (!j->packed) pack_tile(j, Ap, m, k0, kn);
                for (long n = n0; n < n1; n += k->NR) tile(j, (int)smaller(k->MR, m1 - m), words, Ap, B + (n - n0) * words, m, n, k0 > 0 || g->accumulate, k0 + kn == g->K);
            }
        }
    }
}

// Rows and columns of a task: the cheapest by the count of multiply-adds that packing costs, of what is left for the
// busiest thread, and of a third of a task by which threads never end together.
static void plan(Job *j, int threads) {
    const Gemm *g = j->g;
    static const long widths[] = {64, 96, 128, 192, 256, 384, 512};
    static const long splits[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
    long widest = gemm_l2() / 2 / (long)sizeof(float) / (j->kc / j->k->in_word);
    double best = 0;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t s = 0; s < sizeof splits / sizeof *splits; s++) {
            long nc = pieces(smaller(widths[w], g->N), j->k->NR) * j->k->NR, mc = pieces(pieces(g->M, splits[s]), j->k->MR) * j->k->MR;
            long across = pieces(g->N, nc), down = pieces(g->M, mc);
            if (w > 0 && nc > widest) break;
            double cost = ((double)pieces(across * down, threads) + 0.33) * ((double)mc * (double)nc + 10.0 * (double)mc + 14.0 * (double)nc);
            if (best > 0 && cost >= best) continue;
            best = cost, j->mc = mc, j->nc = nc, j->down = down;
        }
}

static long k_at_a_time(const Gemm *g, const TileKernel *k) { return pieces(pieces(g->K, pieces(g->K, k->k_block)), k->k_step) * k->k_step; }

static void blocks(const Gemm *g, const TileKernel *k, const float *panels) {
    Job j = {.g = g, .k = k, .kc = k_at_a_time(g, k), .panels = panels, .caller = thread_index()};
    bool small = (double)g->M * (double)g->N * (double)g->K < GEMM_SMALL;
    plan(&j, small ? 1 : threads_count());
    size_t across = (size_t)pieces(g->N, j.nc), tasks = (size_t)j.down * across, tiles = (size_t)(pieces(g->M, k->MR) * pieces(g->K, j.kc));
    size_t packed = across > 1 ? (size_t)(g->M * pieces(g->K, k->k_step) * k->k_step / k->in_word) + tiles * BEHIND : 0;
    j.room_size = (size_t)(j.kc * (j.nc + ROWS_MAX) + BEHIND);
    float *room = thread_room(packed + j.room_size);
    j.room = room + packed;
    if (across > 1) {
        j.packed = room;
        parallel_for(tiles, small ? tiles : 1, pack_job, &j);
    }
    parallel_for(tasks, small ? tasks : 1, blocks_job, &j);
}

// ---- panels that are kept

static size_t panels_bytes(const Gemm *g) {
    const TileKernel *k = gemm_bf16_tiles();
    return size_mul((size_t)(pieces(g->N, k->NR) * k->NR * words_of_k(k, g->K)), sizeof(float), "packed weights");
}

static long panels_parts(const Gemm *g) {
    const TileKernel *k = gemm_bf16_tiles();
    return pieces(g->N, k->NR) * pieces(g->K, k_at_a_time(g, k));
}

static void panels_pack(void *all, const Gemm *g, long part) {
    const TileKernel *k = gemm_bf16_tiles();
    Job j = {.g = g, .k = k, .panels = all};
    long across = pieces(g->N, k->NR), n = part % across * k->NR, k0 = part / across * k_at_a_time(g, k), kn = smaller(k_at_a_time(g, k), g->K - k0);
    k->pack_b((float *)panels_at(&j, n, k0, words_of_k(k, kn)), g, k0, kn, n);
}

static const Packing pairs = {panels_bytes, panels_parts, panels_pack};

// Packing keeps a copy of A: of so many rows at a time.
void gemm_dots(const Gemm *g, const TileKernel *k) {
    long rows = pieces(SLAB, g->K * k->MR) * k->MR;
    const float *panels = packed_weight(g, &pairs);
    for (long m = 0; m < g->M; m += rows) {
        Gemm slab = *g;
        slab.M = smaller(rows, g->M - m), slab.A += m * g->lda, slab.C += m * g->ldc;
        blocks(&slab, k, panels);
    }
}
#else
typedef int not_this_processor;
#endif
