// pool.h: many tokens as one.
#ifndef RETINA_ANALYSIS_POOL_H
#define RETINA_ANALYSIS_POOL_H

typedef enum { POOL_NONE, POOL_MEAN, POOL_FIRST, POOL_LAST, POOL_MAX } Pool;

// out (C) of x (T, C), T at least 1. NONE: nothing is written. Means are sums in double, in the order of the tokens.
void tokens_pool(float *out, const float *x, long T, long C, Pool how);

#endif
