// clip.h: CLIP's two towers. Source: Radford et al. 2021 (arXiv:2103.00020); facts: models.md 7.1.
#ifndef RETINA_MODEL_CLIP_H
#define RETINA_MODEL_CLIP_H

#include "model.h"

typedef struct {
    int C, F, L, H;
    Act act;
    float eps;
} ClipConfig;

typedef struct {
    Tensor ln1_w, ln1_b, ln2_w, ln2_b;             // (C)
    Tensor q_w, q_b, k_w, k_b, v_w, v_b, o_w, o_b; // (C, C), (C)
    Tensor fc1_w, fc1_b, fc2_w, fc2_b;             // (F, C), (F), (C, F), (C)
} ClipLayer;

typedef struct {
    ClipConfig cfg;
    const char *prefix; // of weights and taps, with its dot: "vision_model." or "model.vision_tower."
    int image, P, T;    // picture side and patch side in pixels; tokens, the class token included
    Tensor patch_w;     // (C, 3, P, P), no bias
    Tensor cls;         // (C)
    Tensor positions;   // (T, C); row 0 belongs to the class token
    Tensor pre_w, pre_b, post_w, post_b;
    ClipLayer *layers;
} ClipVision;

typedef struct {
    ClipConfig cfg;
    const char *prefix;
    int V, positions_count, eos; // eos 2: an old file, the largest id marks the end
    Tensor tokens, positions;    // (V, C), (positions_count, C)
    Tensor final_w, final_b;
    ClipLayer *layers;
} ClipText;

// The keys of one tower's configuration; `usual` and `act` are what stands for a missing one.
ClipConfig clip_config(const Json *c, ClipConfig usual, const char *act);
// One block, "PREFIXencoder.layers.L.…": also SigLIP's. x (B, T, C); its memory is used again.
ClipLayer clip_layer_load(Weights *w, const ClipConfig *c, const char *prefix, int l);
Tensor clip_layer_forward(Run *run, const ClipConfig *c, const ClipLayer *k, Tensor x, AttnShape shape, const char *prefix, int l);

// Rows 0 … T-1 of a table of positions: (1, T, C), with its tap.
Tensor clip_positions(Run *run, Tensor table, long T, const char *prefix);
Tensor clip_text_embed(Run *run, Tensor tokens, Tensor positions, Tensor ids, const char *prefix); // ids (B, T) -> (B, T, C)
Tensor clip_pixels(const Json *vision); // one picture of the configuration's size, without data: a dry forward's input

// pooled: whether post_layernorm is in the file and wanted.
ClipVision *clip_vision_load(Arena *a, const Json *config, Weights *w, const char *prefix, bool pooled);
ClipText *clip_text_load(Arena *a, const Json *config, Weights *w, const char *prefix);

// pixels (B, 3, S, S) -> the last state (B, T, C), after `layers` layers (-1: all). states[0] is the output of
// pre_layrnorm, states[i] that of layer i, where wanted[i] (L + 1 flags) says so; both may be NULL. interpolate: other
// sizes than S are taken, with resampled positions.
Tensor clip_vision_forward(Run *run, const ClipVision *m, Tensor pixels, bool interpolate, int layers, const bool *wanted, Tensor *states);
// Class token after post_layernorm: (B, C).
Tensor clip_vision_pooled(Run *run, const ClipVision *m, Tensor last);
// ids (B, T) -> after final_layer_norm (B, T, C); mask as in Inputs.
Tensor clip_text_forward(Run *run, const ClipText *m, Tensor ids, Tensor mask);
Tensor clip_text_pooled(Run *run, const ClipText *m, Tensor last, Tensor ids); // at the end token: (B, C)

typedef struct {
    ClipVision *vision; // NULL in a text tower with its projection
    ClipText *text;     // NULL in a vision tower with its projection
    Tensor visual_projection, text_projection; // (projection, C)
    Tensor logit_scale;                        // (1)
    int projection;
} Clip;

extern const Family clip_family, clip_vision_family, clip_text_family, clip_vision_projection_family, clip_text_projection_family;

#endif
