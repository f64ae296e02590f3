// generate_captions.h: `retina generate` for a CoCa: one caption per picture, by OpenCLIP's own rules.
#ifndef RETINA_RUN_GENERATE_CAPTIONS_H
#define RETINA_RUN_GENERATE_CAPTIONS_H

#include "io/option.h"
#include "model/coca_generate.h"

typedef struct {
    Tensor pixels;           // (B, 3, h, w)
    const char *const *names; // (B) of the pictures, or NULL
    const char *prompt, *ids; // words after the start token; or ids, the start token first; or neither
    const char *stop;
    const TextList *replace;
    int decode;              // 0: greedy, or drawn where `sample`; 1: OpenCLIP's beams; 2: transformers' beams
    bool sample, json;
    int max_new, min_new;    // -1: OpenCLIP's seq_len 30 and min_seq_len 5
    int beams, groups;       // 0: OpenCLIP's 6 and 3
    int top_k;
    double top_p, temperature, repetition_penalty, length_penalty;
    uint64_t seed;
} CaptionWish;

void captions_print(Arena *a, const Model *m, const CaptionWish *w);

#endif
