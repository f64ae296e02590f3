// dense.c: see dense.h. Blocks of the result are dealt to threads; each packs its own operands.
//
// Packing costs one pass over both operands per block, 2 / its side of the products: a few per cent,
// and no thread ever waits for another.
//   version                                                         thin SVD of 729 x 1152, whose half is this product, ms, one thread
//   0  multiplied, then added                                       196 (Zen 4)
//   1  fused in the tile, which writes the result itself            105 (with divide.c)
//   2  squares turned in registers while packed, sums of four
//      rows at once, the next rows of a symmetric matrix asked for  85.5 to 79 (Intel, AVX-512)
//   3  eight steps of the tile without a branch                     79 to 77
//   4  blocks twice as wide where there are enough of them          48.5 to 47.6, of 576 x 4096 59.5 to 57.1 (Zen 5), in use
//   -  b packed once for all rows, a's rows read as they lie        1 to 4 % less, nothing for 576 x 4096: not in use
#include "dense.h"

#include <math.h>
#include <string.h>
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "dense_kernels.h"
#include "io/error.h"
#include "io/thread.h"
#include "model/cpu.h"

enum {
    BLOCK = 192,        // rows and columns of a block of the result: divisible by every tile
    LARGE = 2 * BLOCK,  // where every thread then still has TASKS of them
    TASKS = 4,
    DEPTH = 128         // k in one packed panel: two of LARGE x DEPTH doubles fill 768 KiB of the L2 cache
};

#define NAME(x) dense_plain_##x
#define LANES 2
#define MR 4
#define NV 2
#if defined(__aarch64__)
#define FUSED(a, b, c) ((Vector)vfmaq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#else
#define FUSED(a, b, c) ((Vector){fma((a)[0], (b)[0], (c)[0]), fma((a)[1], (b)[1], (c)[1])})
#endif
static inline void turn(void *square) { // 2 x 2
    double *t = square, x = t[1];
    t[1] = t[2], t[2] = x;
}
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
    int M, N, K, side, across; // side: of a block; across: blocks of the result side by side
    bool lower;
} Job;

// The tile at (i, j) of the result; what lies outside the matrix or above its diagonal is dropped.
static void tile(const Job *job, const DenseKernels *kernel, const double *a, const double *b, int i, int j, int k0, int depth) {
    int mr = kernel->mr, nr = kernel->nr;
    DenseMode mode = job->mode == DENSE_SET && k0 > 0 ? DENSE_ADD : job->mode;
    double *c = job->c + i * job->ldc + j;
    bool whole = i + mr <= job->M && j + nr <= job->N && !(job->lower && j + nr - 1 > i);
    if (whole) {
        kernel->tile(c, job->ldc, mode, a, b, depth);
        return;
    }
    double t[256] __attribute__((aligned(64)));
    kernel->tile(t, nr, DENSE_SET, a, b, depth);
    for (int r = 0; r < mr && i + r < job->M; r++, c += job->ldc) {
        int end = job->N - j < nr ? job->N - j : nr;
        if (job->lower && i + r - j + 1 < end) end = i + r - j + 1;
        for (int q = 0; q < end; q++) c[q] = mode == DENSE_SET ? t[r * nr + q] : mode == DENSE_ADD ? c[q] + t[r * nr + q] : c[q] - t[r * nr + q];
    }
}

static void blocks(void *arg, size_t begin, size_t end) {
    static _Thread_local double packed_a[LARGE * DEPTH] __attribute__((aligned(64)));
    static _Thread_local double packed_b[LARGE * DEPTH] __attribute__((aligned(64)));
    const Job *job = arg;
    const DenseKernels *kernel = kernels();
    int mr = kernel->mr, nr = kernel->nr, side = job->side;
    for (size_t index = begin; index < end; index++) {
        int i0 = (int)(index / (size_t)job->across) * side, j0 = (int)(index % (size_t)job->across) * side;
        int m = job->M - i0 < side ? job->M - i0 : side, n = job->N - j0 < side ? job->N - j0 : side;
        if (job->lower && j0 > i0 + m - 1) continue;
        for (int k0 = 0; k0 < job->K; k0 += DEPTH) {
            int depth = job->K - k0 < DEPTH ? job->K - k0 : DEPTH;
            kernel->pack(packed_a, job->a, i0, m, k0, depth, mr);
            kernel->pack(packed_b, job->b, j0, n, k0, depth, nr);
            for (int j = 0; j < n; j += nr)
                for (int i = 0; i < m; i += mr) {
                    if (job->lower && j0 + j > i0 + i + mr - 1) continue;
                    tile(job, kernel, packed_a + (size_t)i * depth, packed_b + (size_t)j * depth, i0 + i, j0 + j, k0, depth);
                }
        }
    }
}

static size_t blocks_of(int M, int N, int side) { return (size_t)((M + side - 1) / side) * (size_t)((N + side - 1) / side); }

void dense_product(double *c, ptrdiff_t ldc, DenseMode mode, Dense a, Dense b, int M, int N, int K, bool lower) {
    need((a.row == 1 || a.col == 1) && (b.row == 1 || b.col == 1), "a product in double: neither rows nor columns of an operand are side by side");
    if (M <= 0 || N <= 0) return;
    if (K <= 0) {
        for (int i = 0; i < M && mode == DENSE_SET; i++)
            for (int j = 0; j < (lower && i < N ? i + 1 : N); j++) c[i * ldc + j] = 0;
        return;
    }
    const int side = blocks_of(M, N, LARGE) >= (size_t)(TASKS * threads_here()) ? LARGE : BLOCK;
    const size_t count = blocks_of(M, N, side);
    Job job = {c, ldc, mode, a, b, M, N, K, side, (N + side - 1) / side, lower};
    // waking the pool costs some ten microseconds: about 1e5 products
    if ((double)M * N * K < 1e6) blocks(&job, 0, count);
    else parallel_for(count, 1, blocks, &job);
}

double dense_dot(const double *a, const double *b, size_t n) { return kernels()->dot(a, b, n); }

void dense_dots(double *out, const double *x, ptrdiff_t ld, const double *v, int count, int n) { kernels()->dots(out, x, ld, v, count, n); }

void dense_symmetric_times(double *y, const double *s, ptrdiff_t ld, const double *v, int n) {
    kernels()->symmetric(y, s, ld, v, n);
}

void dense_subtract(double *y, const double *x, ptrdiff_t ld, const double *c, int count, int n) {
    kernels()->subtract(y, x, ld, c, count, n);
}

void dense_poles(double sums[2], const double *pole, const double *weight, double from, double at, int n) {
    kernels()->poles(sums, pole, weight, from, at, n);
}
