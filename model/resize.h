// resize.h: pictures to another size, with Pillow's arithmetic (8 bits) or PyTorch's antialiased one (float).
#ifndef RETINA_MODEL_RESIZE_H
#define RETINA_MODEL_RESIZE_H

#include <stdint.h>

#include "io/memory.h"

// Pillow's numbers, which preprocessor_config.json's "resample" uses.
typedef enum { RESIZE_NEAREST = 0, RESIZE_LANCZOS = 1, RESIZE_BILINEAR = 2, RESIZE_BICUBIC = 3, RESIZE_BOX = 4, RESIZE_HAMMING = 5 } ResizeFilter;

// (height, width, 3) -> (new_height, new_width, 3): the bytes of Pillow's Image.resize((new_width, new_height), filter).
uint8_t *resize_rgb8(Arena *a, const uint8_t *rgb, int width, int height, int new_width, int new_height, ResizeFilter filter);

// (channels, height, width) -> (channels, new_height, new_width): torch's interpolate(mode="bilinear" or "bicubic",
// antialias=True, align_corners=False) on float tensors. BILINEAR and BICUBIC only.
float *resize_f32(Arena *a, const float *x, int channels, int height, int width, int new_height, int new_width, ResizeFilter filter);

// Which old samples make each new one, with which weights, in one direction: what resize_rgb8 works by, for devices.
#define RESIZE_BITS 22 // 32 - 8 - 2: the sums of negative lobes and overshoots still fit 32 bits
typedef struct {
    int most;       // room for the weights of one new sample
    int *first;     // the first old sample of each new one
    int *count;     // how many
    int32_t *fixed; // weights times 2^22, or
    float *real;    // weights; (new size, most)
    int groups;      // `fixed` once more for vectors of 16 bits, where a processor wants it (resize_kernels.h): w = high * 2^15 + low;
    int16_t *halves; // for each new sample `groups` times the four low halves, then the four high ones, zeros behind the last
} ResizeTaps;
ResizeTaps resize_taps8(Arena *a, int from, int to, ResizeFilter filter); // not for RESIZE_NEAREST

#endif
