// siglip.h: SigLIP's two towers. Source: Zhai et al. 2023 (arXiv:2303.15343); facts: models.md 7.2.
#ifndef RETINA_MODEL_SIGLIP_H
#define RETINA_MODEL_SIGLIP_H

#include "clip.h"

typedef struct {
    ClipConfig cfg;
    const char *prefix; // of weights and taps, with its dot: "vision_model."
    int image, P, T;    // picture side and patch side in pixels; tokens: there is no class token
    bool head;          // the attention pooling at the end
    Tensor patch_w, patch_b;                           // (C, 3, P, P), (C)
    Tensor positions;                                  // (T, C)
    ClipLayer *layers;
    Tensor post_w, post_b;                             // (C)
    Tensor probe;                                      // (1, 1, C): the head's one query
    Tensor in_w, in_b, out_w, out_b;                   // (3C, C) rows q, k, v; (3C); (C, C), (C)
    Tensor norm_w, norm_b, fc1_w, fc1_b, fc2_w, fc2_b; // (C), (C), (F, C), (F), (C, F), (C)
} SiglipVision;

typedef struct {
    ClipConfig cfg;
    const char *prefix;
    int V, positions_count, projection;
    Tensor tokens, positions; // (V, C), (positions_count, C)
    ClipLayer *layers;
    Tensor final_w, final_b;  // (C)
    Tensor head_w, head_b;    // (projection, C), (projection)
} SiglipText;

SiglipVision *siglip_vision_load(Arena *a, const Json *config, Weights *w, const char *prefix);
// pixels (B, 3, h, w) -> after post_layernorm (B, T, C). interpolate: other sizes than the model's, with resampled positions.
Tensor siglip_vision_forward(Run *run, const SiglipVision *m, Tensor pixels, bool interpolate);
Tensor siglip_vision_pooled(Run *run, const SiglipVision *m, Tensor last); // the head: (B, C)

SiglipText *siglip_text_load(Arena *a, const Json *config, Weights *w, const char *prefix);
// ids (B, T) -> after final_layer_norm (B, T, C). Every token sees every other, padding included: it was trained so.
Tensor siglip_text_forward(Run *run, const SiglipText *m, Tensor ids);
Tensor siglip_text_pooled(Run *run, const SiglipText *m, Tensor last); // the last position through the head: (B, projection)

extern const Family siglip_family, siglip_vision_family, siglip_text_family;

#endif
