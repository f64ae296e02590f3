// dense.c: see dense.h. Blocks of the result are dealt to threads; each packs its own operands.
//
// Packing costs one pass over both operands per block, 2 / DENSE_BLOCK of the products: a few per cent,
// and no thread ever waits for another.
#include "dense.h"

#include <string.h>

#include "dense_kernels.h"
#include "io/thread.h"
#include "model/cpu.h"

enum {
    BLOCK = 192, // rows and columns of a block of the result: divisible by every tile
    DEPTH = 128  // k in one packed panel: two panels of 192 x 128 doubles fill 384 KiB of the L2 cache
};

#define NAME(x) dense_plain_##x
#define LANES 2
#define MR 4
#define NV 2
#include "dense_kernels.inc"

static const DenseKernels *kernels(void) {
#if defined(__x86_64__)
    if (cpu_level() == CPU_AVX512) return &dense_avx512_kernels;
    if (cpu_level() == CPU_AVX2) return &dense_avx2_kernels;
#endif
    return &dense_plain_kernels;
}

typedef struct {
    double *c;
    ptrdiff_t ldc;
    DenseMode mode;
    Dense a, b;
    int M, N, K, across; // across: blocks of the result side by side
    bool lower;
} Job;

// The tile at (i, j) of the result takes t (mr, nr); what lies outside the matrix or above its diagonal is dropped.
static void put(const Job *job, const double *t, int i, int j, int mr, int nr, bool first) {
    for (int r = 0; r < mr && i + r < job->M; r++, t += nr) {
        int end = job->N - j < nr ? job->N - j : nr;
        if (job->lower && i + r - j + 1 < end) end = i + r - j + 1;
        double *c = job->c + (i + r) * job->ldc + j;
        if (job->mode == DENSE_SUBTRACT)
            for (int q = 0; q < end; q++) c[q] -= t[q];
        else if (job->mode == DENSE_SET && first)
            for (int q = 0; q < end; q++) c[q] = t[q];
        else
            for (int q = 0; q < end; q++) c[q] += t[q];
    }
}

static void blocks(void *arg, size_t begin, size_t end) {
    static _Thread_local double packed_a[BLOCK * DEPTH] __attribute__((aligned(64)));
    static _Thread_local double packed_b[BLOCK * DEPTH] __attribute__((aligned(64)));
    const Job *job = arg;
    const DenseKernels *kernel = kernels();
    int mr = kernel->mr, nr = kernel->nr;
    double t[256] __attribute__((aligned(64)));
    for (size_t index = begin; index < end; index++) {
        int i0 = (int)(index / (size_t)job->across) * BLOCK, j0 = (int)(index % (size_t)job->across) * BLOCK;
        int m = job->M - i0 < BLOCK ? job->M - i0 : BLOCK, n = job->N - j0 < BLOCK ? job->N - j0 : BLOCK;
        if (job->lower && j0 > i0 + m - 1) continue;
        for (int k0 = 0; k0 < job->K; k0 += DEPTH) {
            int depth = job->K - k0 < DEPTH ? job->K - k0 : DEPTH;
            kernel->pack(packed_a, job->a, i0, m, k0, depth, mr);
            kernel->pack(packed_b, job->b, j0, n, k0, depth, nr);
            for (int j = 0; j < n; j += nr)
                for (int i = 0; i < m; i += mr) {
                    if (job->lower && j0 + j > i0 + i + mr - 1) continue;
                    kernel->tile(t, packed_a + (size_t)i * depth, packed_b + (size_t)j * depth, depth);
                    put(job, t, i0 + i, j0 + j, mr, nr, k0 == 0);
                }
        }
    }
}

void dense_product(double *c, ptrdiff_t ldc, DenseMode mode, Dense a, Dense b, int M, int N, int K, bool lower) {
    if (M <= 0 || N <= 0) return;
    if (K <= 0) {
        for (int i = 0; i < M && mode == DENSE_SET; i++)
            for (int j = 0; j < (lower && i < N ? i + 1 : N); j++) c[i * ldc + j] = 0;
        return;
    }
    Job job = {c, ldc, mode, a, b, M, N, K, (N + BLOCK - 1) / BLOCK, lower};
    size_t count = (size_t)((M + BLOCK - 1) / BLOCK) * (size_t)job.across;
    // waking the pool costs some ten microseconds: about 1e5 products
    if ((double)M * N * K < 1e6) blocks(&job, 0, count);
    else parallel_for(count, 1, blocks, &job);
}

double dense_dot(const double *a, const double *b, size_t n) { return kernels()->dot(a, b, n); }

void dense_symmetric_times(double *y, const double *s, ptrdiff_t ld, const double *v, int n) {
    kernels()->symmetric(y, s, ld, v, n);
}

typedef struct {
    double *z;
    ptrdiff_t ld;
    const DenseSweep *sweeps;
    int count;
} Rotations;

static void rotate_columns(void *arg, size_t begin, size_t end) {
    const Rotations *r = arg;
    // strips of 32 columns stay in the cache while all sweeps pass over them
    for (size_t j = begin; j < end; j += 32)
        kernels()->rotate(r->z, r->ld, (int)j, (int)(end - j < 32 ? end : j + 32), r->sweeps, r->count);
}

void dense_rotate(double *z, ptrdiff_t ld, int n, const DenseSweep *sweeps, int count) {
    Rotations r = {z, ld, sweeps, count};
    if (n < 128) rotate_columns(&r, 0, (size_t)n);
    else parallel_for((size_t)n, 64, rotate_columns, &r);
}
