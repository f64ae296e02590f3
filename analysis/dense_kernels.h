// dense_kernels.h: the inner loops behind dense.h, one table for each instruction set.
#ifndef RETINA_ANALYSIS_DENSE_KERNELS_H
#define RETINA_ANALYSIS_DENSE_KERNELS_H

#include "dense.h"

typedef struct {
    int mr, nr; // the tile: mr rows of a by nr rows of b; both divide DENSE_BLOCK
    // Rows [i0, i0 + rows) and depth [k0, k0 + depth) of m, as panels of `width` rows: for each k, width numbers. The
    // last panel is filled up with zeros.
    void (*pack)(double *out, Dense m, int i0, int rows, int k0, int depth, int width);
    void (*tile)(double *c, ptrdiff_t ldc, DenseMode mode, const double *a, const double *b, int K);
    double (*dot)(const double *a, const double *b, size_t n);
    void (*dots)(double *out, const double *x, ptrdiff_t ld, const double *v, int count, int n);
    void (*symmetric)(double *y, const double *s, ptrdiff_t ld, const double *v, int n);
    void (*subtract)(double *y, const double *x, ptrdiff_t ld, const double *c, int count, int n);
    void (*poles)(double sums[2], const double *pole, const double *weight, double from, double at, int n);
} DenseKernels;

extern const DenseKernels dense_plain_kernels, dense_avx2_kernels, dense_avx512_kernels;

#endif
