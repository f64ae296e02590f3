// resize_kernels.h: the inner loops behind resize_rgb8, one table for each instruction set. The same bits from all of them.
#ifndef RETINA_MODEL_RESIZE_KERNELS_H
#define RETINA_MODEL_RESIZE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "resize.h"

enum {
    RESIZE_SPARE = 16, // bytes behind a row that kernels may read
    RESIZE_PART = 64   // bytes of a column's step
};

typedef struct {
    // One row of RGB: new_width pixels out of `in`, of which RESIZE_SPARE bytes behind the last pixel may be read.
    void (*row)(uint8_t *out, const uint8_t *in, int new_width, const ResizeTaps *taps);
    // n bytes of one new row: weighted sums over `count` old rows, `stride` bytes apart.
    void (*column)(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *w, int count, int n);
} ResizeKernels;

extern const ResizeKernels resize_plain_kernels, resize_avx2_kernels;

static inline uint8_t resize_clip(int32_t sum) {
    int32_t v = sum >> RESIZE_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

// Every instruction set has this loop, as its compiler flags make it.
static inline void resize_column_loop(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *w, int count, int n) {
    for (int x = 0; x < n; x += RESIZE_PART) {
        int32_t sum[RESIZE_PART];
        int m = n - x < RESIZE_PART ? n - x : RESIZE_PART;
        for (int i = 0; i < RESIZE_PART; i++) sum[i] = 1 << (RESIZE_BITS - 1);
        for (int k = 0; k < count; k++) {
            const uint8_t *p = in + (size_t)k * stride + x;
            if (m == RESIZE_PART)
                for (int i = 0; i < RESIZE_PART; i++) sum[i] += w[k] * p[i];
            else
                for (int i = 0; i < m; i++) sum[i] += w[k] * p[i];
        }
        for (int i = 0; i < m; i++) out[x + i] = resize_clip(sum[i]);
    }
}

#endif
