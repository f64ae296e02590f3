// dense.h: matrix products in double, for spectra and regressions. (The models' own product, in float,
// is model/kernels.h.)
//
// Every element of a result is summed in one fixed order, in products by fused multiply-adds: the same bits for every
// thread count and instruction set.
#ifndef RETINA_ANALYSIS_DENSE_H
#define RETINA_ANALYSIS_DENSE_H

#include <stdbool.h>
#include <stddef.h>

// A matrix to read: element (i, k) is at i * row + k * col of f (float) or of d (double); one of the two is
// NULL, and one of row and col 1. So a transposed matrix is the same numbers with row and col exchanged.
typedef struct {
    const float *f;
    const double *d;
    ptrdiff_t row, col;
} Dense;

typedef enum { DENSE_SET, DENSE_ADD, DENSE_SUBTRACT } DenseMode;

// c (M, N; rows ldc apart) = , += or -= a (M, K) times b (N, K) transposed. With `lower` only the elements
// with column <= row are touched. On all threads when it is large.
void dense_product(double *c, ptrdiff_t ldc, DenseMode mode, Dense a, Dense b, int M, int N, int K, bool lower);

// y (n) = s v, with s symmetric, of which only the lower triangle (rows ld apart) is read.
void dense_symmetric_times(double *y, const double *s, ptrdiff_t ld, const double *v, int n);

// y (n) -= sum over k < count of c[k] times row k of x (rows ld apart).
void dense_subtract(double *y, const double *x, ptrdiff_t ld, const double *c, int count, int n);

// sums: of weight[i] / t and of weight[i] / t², t = (pole[i] - from) - at.
void dense_poles(double sums[2], const double *pole, const double *weight, double from, double at, int n);

// Sum of a[i] * b[i], in eight running sums; and of each of `count` rows of x (rows ld apart) with v (n), the same bits.
double dense_dot(const double *a, const double *b, size_t n);
void dense_dots(double *out, const double *x, ptrdiff_t ld, const double *v, int count, int n);

#endif
