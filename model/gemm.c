// gemm.c: products in float32, or of bf16 with float32 sums, blocked, packed and threaded.
//
// C is cut into tiles of MR x NR that stay in registers while k runs through a block; between blocks the partial sums
// wait in C itself. So every element is one chain of fused multiply-adds over ascending k, whatever the blocking.
//   blocks      a task owns a rectangle of C and packs B for its columns (in its core's L2). A is packed before, once for all
//               tasks, or, where there is one column of tasks, by the task itself, a tile at a time.
//   few rows    up to THIN_ROWS, B a weight: B is read once, in sixteen streams, and turned in registers (decoding); of bf16 with dot
//               products (few_avx512bf16.c) up to DOT_ROWS, and not turned
// Products of bf16 take the fastest way that there is: AMX tiles, dot products of pairs, or the f32 path on rounded values.
// An activation is applied to a tile of C that is still in L1. Version 0 is the plain loop in test/test_kernels.c; `retina bench` times the product, test/bench/NOTES.md has what was tried.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu.h"
#include "io/memory.h"
#include "io/progress.h"
#include "io/thread.h"
#include "gemm_parts.h"

#define K_BLOCK 320   // A's tile (14 rows: 18 KiB) stays in L1 while B streams by
#define ROWS_MAX 32   // the largest MR
#define NR_MAX 32     // the largest NR
#define DOT_ROWS 48   // from here on the tiles are as fast
#define SLAB (8 << 20) // values of A that are packed at a time

typedef struct {
    const Gemm *g;
    const TileKernel *k;
    bool round;            // to bf16, after packing
    long mc, nc, kc, down; // a task's rows and columns; k at a time; tasks one above the other
    float *packed;         // A, or NULL: tasks do it
    float *room;           // for B (and a tile of A) of the thread that asked; others have their own
    size_t room_size;
    int caller;
} Job;

float *thread_room(size_t floats) {
    static _Thread_local float *kept = NULL;
    static _Thread_local size_t size = 0;
    if (floats > size) {
        free(kept);
        void *p = NULL;
        kept = NULL, size = 0;
        need(posix_memalign(&p, 64, size_mul(floats, sizeof(float), "a product's scratch")) == 0, "a matrix product: no memory for %zu MiB of scratch", floats >> 18);
        kept = p, size = floats;
    }
    return kept;
}

void gemm_round(float *x, long n) {
    for (long i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], 4);
        uint32_t r = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000;
        r = (u & 0x7fffffff) > 0x7f800000 ? u | 0x400000 : r; // NaN stays NaN
        memcpy(&x[i], &r, 4);
    }
}

void gemm_finish(const Gemm *g, float *C, long rows, long columns, long n0) {
    for (long r = 0; g->bias && r < rows; r++)
        for (long i = 0; i < columns; i++) C[r * g->ldc + i] += g->bias[n0 + i];
    for (long r = 0; g->act != ACT_NONE && r < rows; r++) kernels()->activate(C + r * g->ldc, C + r * g->ldc, columns, g->act);
}

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

static long words_of_k(const TileKernel *k, long kn) { return k->in_word == 1 ? kn : pieces(kn, k->k_step) * k->k_step / k->in_word; }

// Rows m … of A, packed, from column k0 on: blocks of k one after the other, in each the tiles.
static float *packed_at(const Job *j, long m, long k0, long words) {
    const TileKernel *k = j->k;
    return j->packed + j->g->M * (k0 / k->in_word) + pieces(j->g->M, k->MR) * (k0 / j->kc) * BEHIND + m * words + m / k->MR * BEHIND;
}

static void pack_tile(const Job *j, float *out, long m, long k0, long kn, long words) {
    int mr = (int)smaller(j->k->MR, j->g->M - m);
    j->k->pack_a(out, j->g, m, mr, k0, kn);
    if (j->round) gemm_round(out, mr * words);
}

static void pack_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    long tiles = pieces(j->g->M, j->k->MR);
    for (size_t t = begin; t < end; t++) {
        long m = (long)t % tiles * j->k->MR, k0 = (long)t / tiles * j->kc, kn = smaller(j->kc, j->g->K - k0), words = words_of_k(j->k, kn);
        pack_tile(j, packed_at(j, m, k0, words), m, k0, kn, words);
    }
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
            for (long n = n0; n < n1; n += k->NR) k->pack_b(Bp + (n - n0) * words, g, k0, kn, n);
            if (j->round && g->B_type != DTYPE_BF16) gemm_round(Bp, pieces(n1 - n0, k->NR) * k->NR * words);
            for (long m = m0; m < m1; m += k->MR) {
                float *Ap = j->packed ? packed_at(j, m, k0, words) : own;
                if (!j->packed) pack_tile(j, Ap, m, k0, kn, words);
                for (long n = n0; n < n1; n += k->NR) tile(j, (int)smaller(k->MR, m1 - m), words, Ap, Bp + (n - n0) * words, m, n, k0 > 0 || g->accumulate, k0 + kn == g->K);
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
    long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (l2 < 256 * 1024) l2 = 512 * 1024;
    long widest = l2 / 2 / (long)sizeof(float) / (j->kc / j->k->in_word);
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

static void blocks(const Gemm *g, const TileKernel *k, bool round) {
    Job j = {.g = g, .k = k, .round = round, .kc = pieces(pieces(g->K, pieces(g->K, k->k_block)), k->k_step) * k->k_step, .caller = thread_index()};
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

// Packing keeps a copy of A: of so many rows at a time.
static void slabs(const Gemm *g, const TileKernel *k, bool round) {
    long rows = pieces(SLAB, g->K * k->MR) * k->MR;
    for (long m = 0; m < g->M; m += rows) {
        Gemm slab = *g;
        slab.M = smaller(rows, g->M - m), slab.A += m * (g->kind == GEMM_TN ? 1 : g->lda), slab.C += m * g->ldc;
        blocks(&slab, k, round);
    }
}

// Columns of a task of few rows: its streams are long.
static size_t few_columns(const Gemm *g) {
    long least = pieces(GEMM_SMALL, g->M * g->K), each = pieces(g->N, 4 * threads_count());
    return (size_t)pieces(least > each ? least : each, 64) * 64;
}

static void columns_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    const Gemm *g = j->g;
    size_t item = dtype_size(g->B_type);
    kernels()->thin((int)g->M, g->C + begin, g->ldc, j->packed, (const char *)g->B + begin * (size_t)g->ldb * item, g->B_type, g->ldb, (long)(end - begin), g->K, g->accumulate);
    gemm_finish(g, g->C + begin, g->M, (long)(end - begin), (long)begin);
}

static void few_rows(const Gemm *g, const KernelTable *k) {
    float *packed = thread_room((size_t)(g->M * g->K + 16));
    k->pack_a(packed, g, 0, (int)g->M, 0, g->K);
    if (g->bf16) gemm_round(packed, g->M * g->K);
    parallel_for((size_t)g->N, few_columns(g), columns_job, &(Job){.g = g, .packed = packed});
}

static TileKernel tiles_f32(void) {
    const KernelTable *k = kernels();
    return (TileKernel){.MR = k->MR, .NR = k->NR, .in_word = 1, .k_step = 16, .k_block = K_BLOCK, .pack_a = k->pack_a, .pack_b = k->pack_b, .tile = k->tile};
}

// ---- the way of products of bf16

#if defined(__x86_64__)
// Seconds of a tile on data in L1, the best of some: 2 x 32 x 14 x 512 operations each.
static double tile_seconds(const TileKernel *k) {
    static float A[512 * 16 + 16], B[512 * 32]; // zeros would be faster on some processors; these are ones
    float C[ROWS_MAX * NR_MAX], one;
    memcpy(&one, &(uint32_t){k->in_word == 1 ? 0x3f800000 : 0x3f803f80}, 4);
    for (size_t i = 0; i < sizeof A / sizeof *A; i++) A[i] = one;
    for (size_t i = 0; i < sizeof B / sizeof *B; i++) B[i] = one;
    double best = 1;
    for (int i = 0; i < 40; i++) {
        double start = seconds_now();
        for (int r = 0; r < 2; r++) k->tile(k->MR, 512 / k->in_word, A, k->MR, B, k->NR, C, k->NR, false);
        double t = seconds_now() - start;
        if (t < best) best = t;
    }
    return best;
}

static const TileKernel *tiles_bf16(void) { // NULL: widened
    static const TileKernel *chosen = NULL;
    static bool known = false; // products are started by one thread; inside a job the first call has been made before
    if (known) return chosen;
    if (cpu_bf16() == BF16_AMX) {
        chosen = &tiles_amx;
    } else if (cpu_bf16() == BF16_DOT) {
        TileKernel wide = tiles_f32();
        if (cpu_forced() || tile_seconds(&tiles_avx512bf16) < 0.8 * tile_seconds(&wide)) chosen = &tiles_avx512bf16;
    }
    known = true;
    return chosen;
}

static void dots_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    few_avx512bf16.columns(j->g, j->packed, (long)begin, (long)end);
    gemm_finish(j->g, j->g->C + begin, j->g->M, (long)(end - begin), (long)begin);
}

static void few_dots(const Gemm *g) {
    float *packed = thread_room((size_t)(g->M * pieces(g->K, 32) * 16));
    few_avx512bf16.pack(packed, g);
    parallel_for((size_t)g->N, few_columns(g), dots_job, &(Job){.g = g, .packed = packed});
}

// By instructions for bf16, or false.
static bool rounded(const Gemm *g) {
    const TileKernel *k = tiles_bf16();
    if (!k) return false;
    if (k == &tiles_amx) gemm_amx(g);
    else if (g->M <= DOT_ROWS && g->B_type == DTYPE_BF16) few_dots(g);
    else slabs(g, k, false);
    return true;
}
#else
static const TileKernel *tiles_bf16(void) { return NULL; }
static bool rounded(const Gemm *g) { return false; }
#endif

const TileKernel *gemm_bf16_tiles(void) { return tiles_bf16(); }

const char *gemm_bf16_path(void) {
    const TileKernel *k = tiles_bf16();
    return !k ? "widened" : k->begin ? "amx" : "avx512_bf16"; // only tiles have a beginning
}

void gemm(const Gemm *g) {
    if (g->M == 0 || g->N == 0) return;
    need(g->B_type == DTYPE_F32 || g->B_type == DTYPE_BF16 || g->B_type == DTYPE_F16, "a matrix product with a %s matrix", dtype_name(g->B_type));
    if (g->K == 0) {
        for (long m = 0; m < g->M; m++)
            for (long n = 0; n < g->N; n++) g->C[m * g->ldc + n] = g->accumulate ? g->C[m * g->ldc + n] : 0;
        gemm_finish(g, g->C, g->M, g->N, 0);
        return;
    }
    if (g->bf16 && g->kind == GEMM_NT && rounded(g)) return;
    const KernelTable *k = kernels();
    bool thin = g->kind == GEMM_NT && g->M <= smaller(THIN_ROWS, k->MR);
    if (thin && (!g->bf16 || g->B_type == DTYPE_BF16)) few_rows(g, k);
    else gemm_f32(g, g->bf16);
}
