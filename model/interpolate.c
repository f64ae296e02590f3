// interpolate.c: see interpolate.h. Held by: goldens of the families that resample (test/test_models.c).
#include "interpolate.h"

#include <math.h>

static double keys(double x, double a) {
    double d = fabs(x);
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    return 0;
}

// Where output i of n_out reads among n_in, and with which weights, clamped to the border.
typedef struct {
    int count;
    double weight[64];
    int index[64];
} Reading;

static Reading reading(int i, int n_in, int n_out, GridKind kind) {
    Reading r = {0};
    if (kind == GRID_BILINEAR_CORNERS) {
        double s = n_out == 1 ? 0 : (double)i * (n_in - 1) / (n_out - 1);
        int low = (int)s, high = low + 1 < n_in ? low + 1 : low;
        r = (Reading){.count = 2, .index = {low, high}, .weight = {1 - (s - low), s - low}};
    } else if (kind == GRID_BICUBIC) {
        double s = (i + 0.5) * ((double)n_in / n_out) - 0.5;
        int base = (int)floor(s);
        r.count = 4;
        for (int t = 0; t < 4; t++) {
            int j = base - 1 + t;
            r.weight[t] = keys(s - j, -0.75);
            r.index[t] = j < 0 ? 0 : j >= n_in ? n_in - 1 : j;
        }
    } else {
        double ratio = (double)n_in / n_out, wide = ratio > 1 ? ratio : 1, support = 2 * wide, c = (i + 0.5) * ratio, sum = 0;
        int from = (int)(c - support + 0.5), to = (int)(c + support + 0.5);
        if (from < 0) from = 0;
        if (to > n_in) to = n_in;
        need(to - from <= 64, "a position table of %d rows shrunk to %d: more than sixteen times", n_in, n_out);
        for (int j = from; j < to; j++) {
            r.index[r.count] = j;
            sum += r.weight[r.count++] = keys((j - c + 0.5) / wide, -0.5);
        }
        for (int t = 0; t < r.count; t++) r.weight[t] /= sum;
    }
    return r;
}

void grid_resample(float *out, int h, int w, const float *table, int H, int W, int C, GridKind kind) {
    for (int y = 0; y < h; y++) {
        Reading ry = reading(y, H, h, kind);
        for (int x = 0; x < w; x++) {
            Reading rx = reading(x, W, w, kind);
            for (int c = 0; c < C; c++) {
                double sum = 0;
                for (int a = 0; a < ry.count; a++) {
                    double row = 0;
                    for (int b = 0; b < rx.count; b++) row += rx.weight[b] * (double)table[((size_t)ry.index[a] * (size_t)W + (size_t)rx.index[b]) * (size_t)C + (size_t)c];
                    sum += ry.weight[a] * row;
                }
                out[((size_t)y * (size_t)w + (size_t)x) * (size_t)C + (size_t)c] = (float)sum;
            }
        }
    }
}
