// fit.h: how near tokens come to those that they stand for.
#ifndef RETINA_ANALYSIS_FIT_H
#define RETINA_ANALYSIS_FIT_H

typedef struct {
    double mse;    // over all values
    double cosine; // mean over tokens; lengths multiplied are at least 1e-8, as in the original
} TokenFit;

TokenFit tokens_fit(const float *x, const float *y, long T, long C); // x, y (T, C)

#endif
