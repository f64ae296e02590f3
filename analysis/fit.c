// fit.c: see fit.h.
#include "fit.h"

#include <math.h>

TokenFit tokens_fit(const float *x, const float *y, long T, long C) {
    TokenFit f = {0};
    for (long t = 0; t < T; t++) {
        double ab = 0, aa = 0, bb = 0;
        for (long c = 0; c < C; c++) {
            double a = (double)x[t * C + c], b = (double)y[t * C + c];
            ab += a * b, aa += a * a, bb += b * b;
            f.mse += (a - b) * (a - b);
        }
        f.cosine += ab / fmax(sqrt(aa) * sqrt(bb), 1e-8);
    }
    f.mse /= (double)(T * C);
    f.cosine /= (double)T;
    return f;
}
