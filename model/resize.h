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

#endif
