// losses.h: losses that are not one operation. Each gives its value and writes the gradients of its inputs, which
// the caller hands to the tape with tape_seed. Sums in double, in one order.
#ifndef RETINA_TRAIN_LOSSES_H
#define RETINA_TRAIN_LOSSES_H

#include "io/memory.h"
#include "world.h"

// CLIP's loss: the mean of the cross-entropies of rows and columns of S = exp(scale) image . text over B pairs, and beside
// it hard negatives: K more texts per picture (texts B + b*K + k, where given[b*K + k]), each picture choosing between
// its own text and its negatives; mean over pictures that have one.
// image (B, E), text (B + B*K, E), rows of unit length. Gradients are written; d_scale is of the logarithm.
typedef struct {
    double pairs, hard;       // losses
    double pairs_right, hard_right; // share of pictures that chose their own text
} Contrast;
Contrast contrast_loss(Arena *scratch, const float *image, const float *text, int B, int E, int K, const uint8_t *given, double scale,
                       double hard_weight, float *d_image, float *d_text, float *d_scale);

// What a patch shows, from the world's truth: targets of a head on the patch tokens that is used in training only.
enum { PATCH_NONE = -1, PATCH_SIDE = 8, PATCH_WIDTH = SHAPES + 1 + COLOURS + 1 + 2 + 2 + 4 + PATCH_SIDE * PATCH_SIDE };
typedef struct {
    int8_t shape, colour, large, striped; // shape PATCH_NONE: no object owns the patch
    float box[4];                         // the object's box in 16 units, relative to the patch's centre or to the picture's middle
    uint8_t mask[PATCH_SIDE * PATCH_SIDE]; // pixels of the patch that the object owns
} PatchTruth;

// logits (R, PATCH_WIDTH): shape with none, colour with none, size, pattern, box, mask. The sum of: cross-entropy of shape
// and colour over all patches; half the cross-entropies of size and pattern, smooth-L1 (beta 0.1) of the box, binary
// cross-entropy of the mask, each its mean over patches that an object owns. d = weight times the gradient.
typedef struct {
    double loss;
    double shape_right, colour_right; // among patches that an object owns
} PatchScore;
PatchScore patch_loss(const float *logits, const PatchTruth *truth, int R, double weight, float *d);

#endif
