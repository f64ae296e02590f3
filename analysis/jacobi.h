// jacobi.h: one-sided Jacobi: rotates the rows of a matrix until they are orthogonal.
#ifndef RETINA_ANALYSIS_JACOBI_H
#define RETINA_ANALYSIS_JACOBI_H

#include "io/memory.h"

// b (n, m) becomes W b with W orthogonal (n, n) and orthogonal rows, in descending order of their lengths.
// w (n, k), if not NULL, becomes W w: give it the identity to get W itself. Returns the sweeps that it took.
//
// Every row's length is then a singular value of b to about m * 2^-53 of itself (Demmel & Veselic 1992), provided
// that the rows, each divided by its length, were well-conditioned.
int jacobi_orthogonal_rows(double *b, int n, int m, double *w, int k);

// b (n, m), n <= m, becomes lower triangular L (its first n columns; the rest is overwritten with the reflections)
// with b = L Q. jacobi_rows_from_triangle: rows of z (n, m) that hold n numbers each become z Q.
void jacobi_triangle(double *b, int n, int m, double *tau, Arena *scratch);
void jacobi_rows_from_triangle(double *z, int rows, const double *b, const double *tau, int n, int m);

#endif
