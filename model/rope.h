// rope.h: how fast each pair of a decoder's channels turns with the position (rotary positions and the ways to stretch them).
#ifndef RETINA_MODEL_ROPE_H
#define RETINA_MODEL_ROPE_H

#include "io/json.h"

typedef enum { ROPE_DEFAULT, ROPE_LINEAR, ROPE_DYNAMIC, ROPE_YARN, ROPE_LONGROPE, ROPE_LLAMA3, ROPE_PROPORTIONAL } RopeKind;

typedef struct {
    RopeKind kind;
    double theta, factor, original, context; // original: positions before stretching; context: max_position_embeddings
    double low, high;                        // llama3
    double fast, slow;                       // yarn: turns within `original` above which nothing, below which all is stretched
    bool whole;                              //   and whether its bounds are rounded to whole channels
    double share;                            // proportional: of the channels that turn at all
    float *near_factors, *far_factors;       // longrope, (D / 2): for texts of up to `original` tokens, and longer
    float attention;                         // cosines and sines are multiplied by this
} Rope;

// rope_scaling where there is one, else rope_parameters; theta: of the family, where the file has none. D: width of a head.
Rope rope_read(Arena *a, const Json *config, double theta, int D, int context);

// Whether the frequencies depend on how long the text is.
bool rope_by_length(const Rope *r);

// out (D / 2): frequencies for a text of `length` tokens.
void rope_frequencies(float *out, const Rope *r, int D, long length);

#endif
