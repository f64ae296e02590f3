// gemm.c: products in float32, blocked, packed and threaded.
//
// C is cut into tiles of MR x NR that stay in registers while k runs through a block; between blocks the partial sums
// wait in C itself. So every element is one chain of fused multiply-adds over ascending k, whatever the blocking.
//   many rows   B is packed once per block for all threads, each thread takes row tiles and packs its A
//   few rows    A is packed once, each thread takes column panels, packs its own part of B and uses it at once:
//               a weight is read from memory a single time (decoding)
// Version 0 is the plain loop in test/test_kernels.c. test/bench/ has the measurements.
#include <stdlib.h>
#include <string.h>

#include "io/memory.h"
#include "io/thread.h"
#include "kernels.h"

#define FEW_ROWS 56            // up to here a weight is packed by whoever uses it
#define B_BLOCK (128 * 1024)   // floats of packed B: half of a 1 MiB L2
#define K_BLOCK_MIN 128
#define TILES_AT_ONCE 4        // row tiles that a thread takes at a time
#define ROWS_MAX 16            // the largest MR

typedef struct {
    const Gemm *g;
    const KernelTable *k;
    float *packed; // many rows: B's block; few rows: all of A, tile after tile
    float *scratch; // per thread
    size_t scratch_size;
    long k0, kn, n0, nn;
} Job;

// Scratch grows with the largest product so far and belongs to the process; products are started by one thread.
static float *room(size_t slot, size_t floats) {
    static float *kept[2];
    static size_t size[2];
    if (floats > size[slot]) {
        free(kept[slot]);
        kept[slot] = NULL;
        void *p = NULL;
        need(posix_memalign(&p, 64, size_mul(floats, sizeof(float), "a matrix product")) == 0, "a matrix product: no memory for %zu MiB of packed values",
             floats >> 18);
        kept[slot] = p;
        size[slot] = floats;
    }
    return kept[slot];
}

// Rows [m0, m0 + mr) of op(A), columns [k0, k0 + kn): out[k][r].
static void pack_a(float *out, const Gemm *g, long m0, int mr, long k0, long kn) {
    if (g->kind == GEMM_TN) {
        for (long k = 0; k < kn; k++)
            for (int r = 0; r < mr; r++) out[k * mr + r] = g->A[(k0 + k) * g->lda + m0 + r];
        return;
    }
    for (int r = 0; r < mr; r++) {
        const float *row = g->A + (m0 + r) * g->lda + k0;
        for (long k = 0; k < kn; k++) out[k * mr + r] = row[k];
    }
}

// One tile of C, through a full-width buffer where C is narrower than the tile.
static void tile(const Job *j, int mr, const float *Ap, const float *Bp, long m0, long n0) {
    const Gemm *g = j->g;
    float *C = g->C + m0 * g->ldc + n0;
    bool from_c = j->k0 > 0 || g->accumulate, last = j->k0 + j->kn == g->K;
    long columns = g->N - n0 < j->k->NR ? g->N - n0 : j->k->NR;
    if (columns == j->k->NR) {
        j->k->tile(mr, j->kn, Ap, Bp, C, g->ldc, from_c);
    } else {
        float whole[ROWS_MAX * 32];
        if (from_c)
            for (int r = 0; r < mr; r++)
                for (int i = 0; i < j->k->NR; i++) whole[r * j->k->NR + i] = i < columns ? C[r * g->ldc + i] : 0;
        j->k->tile(mr, j->kn, Ap, Bp, whole, j->k->NR, from_c);
        for (int r = 0; r < mr; r++) memcpy(C + r * g->ldc, whole + r * j->k->NR, (size_t)columns * sizeof(float));
    }
    if (last && g->bias)
        for (int r = 0; r < mr; r++)
            for (long i = 0; i < columns; i++) C[r * g->ldc + i] += g->bias[n0 + i];
}

static void pack_b_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    for (size_t p = begin; p < end; p++)
        j->k->pack_b(j->packed + p * (size_t)(j->kn * j->k->NR), j->g, j->k0, j->kn, j->n0 + (long)p * j->k->NR);
}

static void row_tiles_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    float *Ap = j->scratch + (size_t)thread_index() * j->scratch_size;
    for (size_t t = begin; t < end; t++) {
        long m0 = (long)t * j->k->MR;
        int mr = (int)(j->g->M - m0 < j->k->MR ? j->g->M - m0 : j->k->MR);
        pack_a(Ap, j->g, m0, mr, j->k0, j->kn);
        for (long n = 0; n < j->nn; n += j->k->NR) tile(j, mr, Ap, j->packed + n * j->kn, m0, j->n0 + n);
    }
}

static long smaller(long a, long b) { return a < b ? a : b; }

static void many_rows(const Gemm *g, const KernelTable *k) {
    long panels = (g->N + k->NR - 1) / k->NR, width = panels * k->NR;
    long nc = smaller(width, B_BLOCK / K_BLOCK_MIN / k->NR * k->NR);
    long kc = smaller(g->K, B_BLOCK / nc);
    if (kc > 512) kc = smaller(kc, 1024); // A's tile (MR x kc) stays in L1
    Job j = {.g = g, .k = k, .scratch_size = (size_t)(kc * ROWS_MAX)};
    j.packed = room(0, (size_t)(kc * nc));
    j.scratch = room(1, j.scratch_size * (size_t)threads_count());
    long tiles = (g->M + k->MR - 1) / k->MR;
    for (long n0 = 0; n0 < width; n0 += nc)
        for (long k0 = 0; k0 < g->K; k0 += kc) {
            j.n0 = n0, j.nn = smaller(nc, width - n0), j.k0 = k0, j.kn = smaller(kc, g->K - k0);
            parallel_for((size_t)(j.nn / k->NR), j.kn >= 512 ? 1 : 4, pack_b_job, &j);
            parallel_for((size_t)tiles, tiles < 16 * TILES_AT_ONCE ? 1 : TILES_AT_ONCE, row_tiles_job, &j); // gradients of weights: few tiles, long sums
        }
}

static void columns_job(void *arg, size_t begin, size_t end) {
    Job j = *(const Job *)arg;
    float *Bp = j.scratch + (size_t)thread_index() * j.scratch_size;
    long kc = j.kn;
    for (size_t p = begin; p < end; p++)
        for (j.k0 = 0; j.k0 < j.g->K; j.k0 += kc) {
            j.kn = smaller(kc, j.g->K - j.k0);
            j.k->pack_b(Bp, j.g, j.k0, j.kn, (long)p * j.k->NR);
            for (long m0 = 0; m0 < j.g->M; m0 += j.k->MR) {
                int mr = (int)smaller(j.k->MR, j.g->M - m0);
                tile(&j, mr, j.packed + m0 * j.g->K + j.k0 * mr, Bp, m0, (long)p * j.k->NR);
            }
        }
}

static void few_rows(const Gemm *g, const KernelTable *k) {
    Job j = {.g = g, .k = k, .kn = smaller(g->K, 256)};
    j.scratch_size = (size_t)(j.kn * k->NR);
    j.packed = room(0, (size_t)(g->M * g->K));
    j.scratch = room(1, j.scratch_size * (size_t)threads_count());
    for (long m0 = 0; m0 < g->M; m0 += k->MR) pack_a(j.packed + m0 * g->K, g, m0, (int)smaller(k->MR, g->M - m0), 0, g->K);
    parallel_for((size_t)((g->N + k->NR - 1) / k->NR), g->K >= 2048 ? 1 : 4, columns_job, &j);
}

void gemm(const Gemm *g) {
    if (g->M == 0 || g->N == 0) return;
    need(g->B_type == DTYPE_F32 || g->B_type == DTYPE_BF16 || g->B_type == DTYPE_F16, "a matrix product with a %s matrix", dtype_name(g->B_type));
    if (g->K == 0) {
        for (long m = 0; m < g->M; m++)
            for (long n = 0; n < g->N; n++) g->C[m * g->ldc + n] = (g->accumulate ? g->C[m * g->ldc + n] : 0) + (g->bias ? g->bias[n] : 0);
        return;
    }
    const KernelTable *k = kernels();
    if (g->M <= FEW_ROWS) few_rows(g, k);
    else many_rows(g, k);
}
