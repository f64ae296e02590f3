// knn_reach.c: the K-th best of many scores, or nearly: thresholds of knn.c.
#include <math.h>
#include <string.h>

#include "knn_kernels.h"

// Floats in the order of whole numbers.
static int32_t ordered(float x) {
    int32_t i;
    memcpy(&i, &x, 4);
    return i < 0 ? i ^ INT32_MAX : i;
}

static float from_ordered(int32_t i) {
    float x;
    i = i < 0 ? i ^ INT32_MAX : i;
    memcpy(&x, &i, 4);
    return x;
}

float knn_reached_by(const KnnKernels *kernel, const float *x, int n, int k, int spare, float known) {
    float most[16], top;
    memcpy(most, x, sizeof most);
    for (int i = 16; i < n; i += 16)
        for (int j = 0; j < 16; j++) most[j] = most[j] > x[i + j] ? most[j] : x[i + j];
    top = most[0];
    for (int j = 1; j < 16; j++) top = most[j] > top ? most[j] : top;
    int64_t low = ordered(kernel->reach(x, n, known) >= k ? known : -INFINITY), high = (int64_t)ordered(top) + 1; // k reach low, none reaches high
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        int count = kernel->reach(x, n, from_ordered((int32_t)middle));
        if (count < k) {
            high = middle;
        } else {
            low = middle;
            if (count < k + spare) break;
        }
    }
    return from_ordered((int32_t)low);
}
