// knn.h: exact nearest neighbours, and what two neighbourhoods have in common.
//
// Letters: N rows, C columns, K neighbours. Rows must be finite.
#ifndef RETINA_ANALYSIS_KNN_H
#define RETINA_ANALYSIS_KNN_H

#include <stddef.h>
#include <stdint.h>

#include "io/memory.h"

typedef enum {
    KNN_COSINE, // x y / (max(|x|, 1e-12) max(|y|, 1e-12)), largest first
    KNN_L2      // |x - y|, smallest first
} KnnMetric;
KnnMetric knn_metric_named(const char *name, const char *where); // "cosine", "l2"; dies on another
const char *knn_metric_name(KnnMetric metric);

typedef struct {
    size_t rows;
    int K;
    uint32_t *id; // (rows, K), nearest first; equal ones by smaller index
} Neighbours;

double knn_value(const float *x, const float *y, int C, KnnMetric metric); // the cosine, or the distance

// The K nearest rows of every row of x (N, C), itself left out; and, with `group` (N), all rows of its own group.
// K is cut to the number of rows that the largest group leaves.
//
// Guarantee: ids and their order are those of the metric evaluated in double from x as it is (relative error below 1e-12),
// not of the float products by which candidates are found: a candidate is dropped only when a bound on the rounding error
// of those products proves K others to be nearer. So |q|² + |g|² - 2 q g in float, which ranks by noise when rows lie
// close together far from the origin, is nowhere decisive. The same bits for every thread count and instruction set.
//
// A device that has the operation `nearest` (device_used()) is asked for more than K candidates by its own products. Where a bound on the error of
// these proves that the K nearest are among them, the metric orders them as above; the other rows are searched for on the CPU. The same bits.
Neighbours knn_self(Arena *a, const float *x, size_t N, int C, KnnMetric metric, int K, const uint32_t *group,
                    const char *what);

// The K nearest rows of y (M, C) for every row of x (N, C).
Neighbours knn_between(Arena *a, const float *x, size_t N, const float *y, size_t M, int C, KnnMetric metric, int K,
                       const char *what);

#endif
