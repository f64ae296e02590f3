// tuned.h: an affine map of a layer's states with which a CoCa's decoder reads them as it reads those of its native layer.
//
// Source: the tuned lens (Belrose et al. 2023), here for pictures (verbalize.md 7.4.6): C -> C for every token, the identity at first,
// trained to make the decoder's next-token distributions along given texts those that the native layer's states give. What a layer
// says through it tells what is there in another basis; what it still does not say is not there, or not by a map of this kind.
#ifndef RETINA_TRAIN_TUNED_H
#define RETINA_TRAIN_TUNED_H

#include "model/coca.h"

typedef struct {
    int steps, batch;
    double lr; // of AdamW, with a cosine to zero
    uint64_t seed;
} TunedConfig;

typedef struct {
    Tensor weight, bias;  // (C, C), (C)
    double before, after; // divergence in nats a token, over the first and the last tenth of the steps
} Tuned;

// The same model with f32 weights: what gradients pass through.
Model *tuned_model(Arena *a, const Model *m);
// states, native (N, T, C); ids (N, L): start, words, end, then padding.
Tuned tuned_train(Arena *a, const Model *wide, Tensor states, Tensor native, Tensor ids, int32_t pad, const TunedConfig *c);

#endif
