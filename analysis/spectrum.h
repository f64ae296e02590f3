// spectrum.h: how the energy of an image's tokens is spread over directions, and how alike the tokens are.
//
// Source: the connectors study, "spectral statistics" and "cosine concentration"; its constants are kept (1e-12
// inside the logarithm and beside the sum), its medians are lower medians, its deviations divide by the count.
// Departs from it: sums in double, where the original has float.
// Letters: T tokens, C channels, r = min(T, C), N images.
#ifndef RETINA_ANALYSIS_SPECTRUM_H
#define RETINA_ANALYSIS_SPECTRUM_H

#include "io/memory.h"

// With s the singular values of the centred tokens, p_i = s_i² / (sum of s² + 1e-12):
enum {
    SPECTRUM_EFFECTIVE_RANK,            // exp(-sum of p ln(p + 1e-12))
    SPECTRUM_EFFECTIVE_RANK_NORMALIZED, // the same / r
    SPECTRUM_TOP1_ENERGY_RATIO,         // sum of the first p
    SPECTRUM_TOP5_ENERGY_RATIO,
    SPECTRUM_TOP10_ENERGY_RATIO,
    SPECTRUM_K80_ENERGY, // how many p reach 0.80 together; r if they never do
    SPECTRUM_K90_ENERGY,
    SPECTRUM_COUNT
};
extern const char *const spectrum_names[SPECTRUM_COUNT]; // "effective_rank", …: column names of the study

// Of s (r), descending. A constant image (all s = 0) has effective rank 1, ratios 0 and k80 = k90 = r, as in the
// original; r = 0 gives zeros. energy (r) receives p; NULL if not wanted.
void spectrum_of(double value[SPECTRUM_COUNT], double *energy, const double *s, int r);

// Over all pairs of different tokens: cosines (each length at least 1e-12).
enum { COSINE_MEAN, COSINE_STD, COSINE_MEDIAN, COSINE_COUNT }; // fewer than two tokens: zeros
extern const char *const cosine_names[COSINE_COUNT];           // "mean_pairwise_cosine", …

// Everything that one image's tokens are asked, from one pass over them and one Gram matrix.
typedef struct {
    double spectrum[SPECTRUM_COUNT];
    double cosine[COSINE_COUNT];
    double *s, *energy; // (r) singular values of the centred tokens, and p
    float *pooled;      // (C) mean token
} TokenMeasures;

// x (N, T, C), one image after the other; returns N measures. On all threads. Dies naming `what` and the image if a
// value is not finite.
TokenMeasures *tokens_measure(Arena *a, const float *x, int N, int T, int C, const char *what);

// The summary of N images: mean, lower median and deviation (dividing by N) of one number of each.
typedef struct {
    double mean, median, std;
} Summary;
Summary summary_of(const double *x, size_t n, Arena *scratch); // n = 0: NaN

// Element-wise mean of many lists, cut to `most` and to the shortest list that is not empty. The lists are not kept.
typedef struct {
    double *sum; // (most)
    int most, length;
    size_t count;
} SpectrumMean;
SpectrumMean spectrum_mean_new(Arena *a, int most);
void spectrum_mean_add(SpectrumMean *m, const double *list, int length);
int spectrum_mean_of(const SpectrumMean *m, double *out); // returns the length; 0: no list came

#endif
