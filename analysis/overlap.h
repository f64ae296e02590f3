// overlap.h: how many neighbours two spaces share (KNOR), in which order, and what of it chance and copies explain.
//
// Source: the connectors study, "KNOR and rank displacement".
#ifndef RETINA_ANALYSIS_OVERLAP_H
#define RETINA_ANALYSIS_OVERLAP_H

#include "duplicates.h"
#include "knn.h"
#include "spectrum.h"

// For each k of ks (count), each at most the K of both, and each row i, with A and B the first k neighbours:
//   knor[k][i] = |A ∩ B| / k
//   displacement[k][i] = mean over j < k of |j - place in B of the j-th of A|, or k where it is not in B
// knor and displacement are (count, rows); either may be NULL. On all threads.
void overlap_rows(double *knor, double *displacement, const Neighbours *a, const Neighbours *b, const int *ks, int count);

double overlap_chance(int k, size_t N);                    // k / (N - 1): of two unrelated spaces
double overlap_above_floor(double knor, double floor);     // (knor - floor) / (1 - floor), floor: groups_floor()

// The rows of x (…, C) that stand first in their groups: what a search without copies is made on.
float *rows_of_firsts(Arena *a, const float *x, int C, const Groups *g);

// x (N, C) with every channel at mean 0 and deviation 1 (dividing by N); a constant channel becomes zeros.
float *rows_standardised(Arena *a, const float *x, size_t N, int C);

// Correlation of distances: all pairs of N rows, their distance in x (N, C) against that in y (N, D); l2, or 1 - cosine.
// r = covariance / (deviation of x * deviation of y + epsilon); the original has epsilon = 1e-8, which is also the way to
// get 0 for a constant; 0 gives Pearson's r. Sums over pairs in double.
double distance_correlation(const float *x, int C, const float *y, int D, size_t N, KnnMetric metric, double epsilon,
                            Arena *scratch);

#endif
