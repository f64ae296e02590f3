// interpolate.h: position tables resampled to another grid. Four ways occur in the references; models.md 2.
#ifndef RETINA_MODEL_INTERPOLATE_H
#define RETINA_MODEL_INTERPOLATE_H

#include "tensor.h"

typedef enum {
    GRID_BICUBIC,           // Keys with a = -0.75, no antialias (CLIP, SigLIP, DINOv2)
    GRID_BICUBIC_ANTIALIAS, // Keys with a = -0.5, support widened when shrinking (DINOv2 with registers)
    GRID_BILINEAR_CORNERS   // hat, the corners stay corners (Qwen3-VL, Qwen3.5)
} GridKind;

// out (h, w, C) from table (H, W, C); rows and columns one after the other. Weights in double, sums in double.
void grid_resample(float *out, int h, int w, const float *table, int H, int W, int C, GridKind kind);

#endif
