// llava.h: LLaVA-1.5: a CLIP vision tower, a projector, a Llama-type decoder. Facts: models.md 7.6.
#ifndef RETINA_MODEL_LLAVA_H
#define RETINA_MODEL_LLAVA_H

#include "clip.h"
#include "llama.h"

typedef struct {
    ClipVision *vision;
    Llama *text;
    int *layers; // states of the tower that the projector sees, counted from 0 (the embeddings)
    int layer_count;
    bool drop_cls; // strategy "default"
    Act act;
    int image_token;
    Tensor w1, b1, w2, b2; // projector
} Llava;

int llava_image_tokens(const Llava *m); // what one picture takes in the text
// pixels (B, 3, S, S) -> what the projector reads (B, T, k*C), no tap of its own …
Tensor llava_visual(Run *run, const Llava *m, Tensor pixels);
// … and what the language model reads (B, T, C).
Tensor llava_project(Run *run, const Llava *m, Tensor visual);
// What the projector reads, (B, T, k*C), after the tower's final norm, which the model itself does not apply to it; each of
// the k states by itself. llava_has_norm: many checkpoints keep its weights.
bool llava_has_norm(const Llava *m);
Tensor llava_normed(Run *run, const Llava *m, Tensor visual);
// Text embeddings (B, T, C) with the rows of image tokens replaced by the visual ones, in order.
Tensor llava_merge(Run *run, const Llava *m, Tensor embeds, Tensor ids, Tensor visual);

extern const Family llava_family;

#endif
