// pool.c: see pool.h.
#include "pool.h"

void tokens_pool(float *out, const float *x, long T, long C, Pool how) {
    for (long c = 0; c < C && how != POOL_NONE; c++) {
        const float *v = x + c;
        double sum = 0;
        float top = v[0];
        for (long t = 0; t < T; t++) {
            sum += (double)v[t * C];
            if (v[t * C] > top) top = v[t * C];
        }
        out[c] = how == POOL_MEAN ? (float)(sum / (double)T) : how == POOL_FIRST ? v[0] : how == POOL_LAST ? v[(T - 1) * C] : top;
    }
}
