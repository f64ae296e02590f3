// knn_kernels.h: the inner loops behind knn.h, one table for each instruction set.
#ifndef RETINA_ANALYSIS_KNN_KERNELS_H
#define RETINA_ANALYSIS_KNN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

// Scores of mr queries (packed: mr numbers for each k) against nr points (packed: nr for each k), and which of them may
// still be near. Of row i and column j, with s = sum over k of a b,
//     for the query i:  u = s + lift_j + length_i slack_j    is an upper bound of its score for j
//     for the point j:  w = s + lift_i + length_j slack_i    the same with the roles exchanged
// u (mr, nr) and w (mr, nr) are written; bit j of near_u[i] says u >= least_i, bit j of near_w[i] says w >= least_j.
typedef struct {
    const float *packed; // of mr queries, or of nr points
    const float *lift, *slack, *length, *least;
} KnnSide;

typedef struct {
    int mr, nr; // nr <= 32; both divide KNN_BLOCK
    void (*tile)(float *u, float *w, uint32_t *near_u, uint32_t *near_w, KnnSide query, KnnSide point, int K);
    double (*squared_distance)(const float *a, const float *b, size_t n); // in sixteen running sums, in double
    double (*dot)(const float *a, const float *b, size_t n);
} KnnKernels;

enum { KNN_BLOCK = 192, KNN_DEPTH = 64 };

extern const KnnKernels knn_plain_kernels, knn_avx2_kernels, knn_avx512_kernels;

#endif
