// svd.h: singular values and vectors of float matrices, in double.
//
// Letters: R rows, C columns, r = min(R, C).
//
// Two routes. GRAM: eigenvalues of the smaller of X Xᵀ and Xᵀ X, summed in double. Values below 1e-8 of the first
// are noise, as with any route on data that was rounded to float; the same in float arithmetic would lose
// everything below 3e-4 (measured), so there is no such route here. JACOBI: one-sided rotations until all rows
// are orthogonal; every value keeps its own digits, however small, at ten times the cost for r = 500.
// AUTO takes Jacobi up to r = 16, where it is also fast.
#ifndef RETINA_ANALYSIS_SVD_H
#define RETINA_ANALYSIS_SVD_H

#include <stdbool.h>

#include "io/memory.h"

typedef enum { SVD_AUTO, SVD_GRAM, SVD_JACOBI } SvdMethod;

// y (R, C) = x - mean row, the mean (C) in double, the difference rounded to float. y may be x. False if x holds a NaN
// or an infinity.
bool svd_centre(float *y, double *mean, const float *x, int R, int C);

// s (r), descending. With `centre` the mean row is subtracted first (in double, then rounded to float, as
// token matrices are). A NaN or an infinity in x makes every value NaN.
void svd_values(double *s, const float *x, int R, int C, bool centre, SvdMethod method, Arena *scratch);

// The same for B matrices of one shape, one after the other in x; s (B, r). On all threads.
void svd_values_batch(double *s, const float *x, int B, int R, int C, bool centre, SvdMethod method, Arena *scratch);

// The same from the Gram matrix itself (n, n; lower triangle, overwritten).
void svd_values_of_gram(double *s, double *gram, int n, Arena *scratch);

// An arena with room for any of these functions on one R x C matrix, and `extra` numbers more: what a thread needs that
// must not run out of memory on the way.
Arena *svd_scratch(int R, int C, size_t extra);

typedef struct {
    int R, C, r;
    double *s;    // (r), descending
    double *u;    // (r, R): row i is the i-th left vector. Its element of largest magnitude is positive.
    double *v;    // (r, C): row i is the i-th right vector
    double *mean; // (C), what was subtracted; zeros without `centre`
} Svd;

// x - mean = sum over i of s[i] u[i]ᵀ v[i]. All r vectors of both sides are orthonormal, also where s[i] is 0 (then
// any orthonormal completion serves). Dies if x holds a NaN or an infinity; `what` names x in the message.
Svd svd_thin(Arena *a, const float *x, int R, int C, bool centre, SvdMethod method, const char *what);

// The rank that a perturbation level stands for: level <= 0: 1; up to 1: round-half-even(level * min(R, C)), at
// least 1; above 1: an absolute rank, rounded, at most min(R, C).
int svd_rank_of_level(double level, int R, int C);

// out (R, C) = mean row + the first `rank` components of x - mean. out may be x.
void svd_low_rank(float *out, const float *x, int R, int C, int rank, Arena *scratch, const char *what);
// For B matrices of one shape, on all threads; out may be x.
void svd_low_rank_batch(float *out, const float *x, int B, int R, int C, int rank, Arena *scratch, const char *what);

#endif
