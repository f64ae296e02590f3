// knn_kernels.h: the inner loops behind knn.h, one table for each instruction set.
#ifndef RETINA_ANALYSIS_KNN_KERNELS_H
#define RETINA_ANALYSIS_KNN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum { KNN_BLOCK = 192, KNN_DEPTH = 64 };

// Panels of points come from memory: while the panels of a block of queries meet one, each asks for its share of the next. Bytes of it for
// every KNN_DEPTH numbers of a row.
#define KNN_SHARE(mr, nr) ((nr) * 4 * KNN_DEPTH / (KNN_BLOCK / (mr)))

// Scores of mr queries (packed: mr numbers for each k) against nr points (packed: nr for each k), and which of them may
// still be near. Of row i and column j, with s = sum over k of a b,
//     for the query i:  u = s + lift_j + length_i slack_j    is an upper bound of its score for j
//     for the point j:  w = s + lift_i + length_j slack_i    the same with the roles exchanged
// next: the share, or anything that is there.
// u (mr, nr) and w (mr, nr) are written; bit j of near_u[i] says u >= least_i, bit j of near_w[i] says w >= least_j.
typedef struct {
    const float *packed; // of mr queries, or of nr points
    const float *lift, *slack, *length, *least;
} KnnSide;

typedef struct {
    int mr, nr; // nr <= 32; both divide KNN_BLOCK
    void (*tile)(float *u, float *w, uint32_t *near_u, uint32_t *near_w, KnnSide query, KnnSide point, const float *next, int K);
    int (*reach)(const float *x, int n, float least); // how many of n, a multiple of 16, are at least so large
    double (*squared_distance)(const float *a, const float *b, size_t n); // in sixteen running sums, in double
    double (*dot)(const float *a, const float *b, size_t n);
    // of d = x scale - mean: the sum of d d, and of x scale mean; likewise
    void (*moments)(double *square, double *along, const float *x, double scale, const double *mean, size_t n);
    void (*prepare)(float *out, const float *x, double scale, const double *mean, size_t n); // d, rounded once
} KnnKernels;

// The share of a panel that the tile of queries from row r of their block asks for.
static inline const float *knn_share(const KnnKernels *k, const float *panel, int r, int C) {
    return panel + (size_t)(r / k->mr) * (size_t)((C + KNN_DEPTH - 1) / KNN_DEPTH * KNN_SHARE(k->mr, k->nr)) / sizeof *panel;
}

extern const KnnKernels knn_plain_kernels, knn_avx2_kernels, knn_avx512_kernels;

// The largest number that k of x reach, or, sooner found, one that fewer than k + spare do: by halving, from `known` on where k reach that.
// n: a multiple of 16, filled up with -infinity.
float knn_reached_by(const KnnKernels *kernel, const float *x, int n, int k, int spare, float known);

#endif
