// dino.h: self-supervised vision transformers: DINOv2, with and without registers, and DINOv3.
// Sources: Oquab et al. 2023 (arXiv:2304.07193), Darcet et al. 2023 (arXiv:2309.16588), Siméoni et al. 2025 (arXiv:2508.10104).
#ifndef RETINA_MODEL_DINO_H
#define RETINA_MODEL_DINO_H

#include "model.h"

typedef struct {
    Tensor norm1_w, norm1_b, norm2_w, norm2_b;     // (C)
    Tensor q_w, q_b, k_w, k_b, v_w, v_b, o_w, o_b; // (C, C), (C); biases may be absent
    Tensor scale1, scale2;                         // (C)
    Tensor gate_w, gate_b, up_w, up_b;             // (F, C), (F); the gate only where the configuration asks for one
    Tensor in_w, in_b;                             // (2F, C), (2F): DINOv2's gate and up in one
    Tensor down_w, down_b;                         // (C, F), (C)
} DinoLayer;

typedef struct {
    int C, F, L, H, P, R; // width, inner width, blocks, heads, patch side (px), register tokens
    int G;                // patches per side of DINOv2's position table
    bool three;           // DINOv3: rotary positions, no table
    bool gated;
    Act act;
    float eps, theta;
    Tensor patch_w, patch_b, cls, registers; // (C, 3, P, P), (C), (1, 1, C), (1, R, C)
    Tensor positions;                        // (1, G*G + 1, C)
    DinoLayer *layers;
    Tensor norm_w, norm_b;
} Dino;

// pixels (B, 3, h, w), any size of at least a patch -> (B, 1 + R + patches, C): class token, registers, patches row by row,
// after the last norm.
Tensor dino_forward(Run *run, const Dino *m, Tensor pixels);

extern const Family dinov2_family, dinov3_family;

#endif
