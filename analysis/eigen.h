// eigen.h: eigenvalues and eigenvectors of a real symmetric matrix, in double.
#ifndef RETINA_ANALYSIS_EIGEN_H
#define RETINA_ANALYSIS_EIGEN_H

#include "io/memory.h"

// a (n, n): the lower triangle is read, all of it is overwritten. values (n) in descending order.
// vectors (wanted, n), row i belongs to values[i], of length 1; NULL with wanted 0 for values only.
//
// Error: |value - exact| <= about n * 2^-53 * max |value|; vectors orthogonal to about n * 2^-53.
// A NaN or an infinity in a gives NaN throughout. scratch: 3 n * n numbers more with vectors, and is released.
void eigen_symmetric(double *values, double *vectors, int wanted, double *a, int n, Arena *scratch);

#endif
