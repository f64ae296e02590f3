// points.h: rows of a matrix made ready for float products whose error is bounded. Behind knn.h and overlap.h.
#ifndef RETINA_ANALYSIS_POINTS_H
#define RETINA_ANALYSIS_POINTS_H

#include <math.h>

#include "knn.h"
#include "knn_kernels.h"

// With m the mean row, q and g rows after scaling,
//     cosine: q g = (q - m)(g - m) + m g + (terms of q)        l2: -|q - g|²/2 = (q - m)(g - m) - |g - m|²/2 + (terms of q)
// so both rank like (q - m)(g - m) + lift of g, where the product is of short vectors: no digits are lost to a common part.
typedef struct {
    const float *x;
    size_t N, rows; // rows: N rounded up to whole blocks of KNN_BLOCK; those behind N are zeros and near nobody
    int C;
    KnnMetric metric;
    const uint32_t *order;        // (N) place r, of what follows but for scale, is row order[r] of x; NULL: row r
    const double *mean;           // (C) of the scaled rows
    double *scale;                // (N) of the rows of x; cosine: 1 / length; l2: a power of two, the same for all
    float *packed;                // panels of nr rows
    float *lift, *slack, *length; // (rows): see knn_kernels.h; lift is an upper bound
    double *square;               // (N) |g - m|², exact_lift: the lift, both in double
    double *exact_lift;
} Points;

Points points_of(Arena *a, const float *x, size_t N, int C, KnnMetric metric, const char *what); // dies on a NaN
void points_shuffle(Arena *a, Points *s);           // the same order for the same N
void points_scale_alike(Points *s, Points *t);      // of two sets that will meet; or of one, given twice
double *points_mean(Arena *a, const Points *s);
void points_lift(Arena *a, Points *s, const double *mean);
void points_pack(Arena *a, Points *s);
float *points_rows(Arena *a, const Points *s); // (rows, C): as they are multiplied
// Rows [first, first + KNN_BLOCK) as panels of mr rows.
void points_pack_queries(float *out, const Points *s, size_t first);

static inline uint32_t points_row(const Points *s, size_t r) { return s->order ? s->order[r] : (uint32_t)r; }

// What an upper bound of place c's score for q exceeds the lower bound by, at most.
#define POINTS_NOTHING 1e-36f // more than float products that fall below the smallest float can add up to
static inline float points_spread(const Points *query, size_t q, const Points *point, uint32_t c) {
    return 2.001f * (query->length[q] * point->slack[c] + 8 * 0x1p-24f * fabsf(point->lift[c]) + POINTS_NOTHING);
}

const KnnKernels *knn_kernels(void); // of cpu_level()

#endif
