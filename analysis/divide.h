// divide.h: eigenvalues and eigenvectors of a symmetric tridiagonal matrix, in double.
#ifndef RETINA_ANALYSIS_DIVIDE_H
#define RETINA_ANALYSIS_DIVIDE_H

#include "io/memory.h"

// T has diagonal d (n) and e[j] beside it, between j and j + 1; its largest element is near 1. d becomes the eigenvalues, in
// no order; order (n) names them from the smallest to the largest. Row i of z (n, n; zeros at the call) becomes the vector of
// d[i], of length 1; only rows of the `wanted` largest are asked for, the others may be anything.
// scratch: 2 n * n numbers, released.
void divide_tridiagonal(double *d, double *e, int n, double *z, int *order, int wanted, Arena *scratch);

// Implicit QL on the same matrix. e has n elements, the last a spare one. With z (rows ld apart, n long) its rows k and
// k + 1 take every rotation of k and k + 1; NULL for values only.
void divide_ql(double *d, double *e, int n, double *z, int ld);

#endif
