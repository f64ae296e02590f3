// backward.h: inside of train/: what the tape offers to the gradient of one operation.
#ifndef RETINA_TRAIN_BACKWARD_H
#define RETINA_TRAIN_BACKWARD_H

#include "model/device.h"
#include "model/gradients.h"
#include "tape.h"

typedef struct {
    Tape *tape;
    const Device *device;
    const Gradients *to;  // device->gradients
    Arena *arena, *inner; // of the pass; of one operation's gradient
    struct Buffer *spare; // buffers to use again
} Backward; // one walk

// The buffer (on the tape's device) that collects the gradient of x: NULL when nobody wants it. *fresh: nothing has been added yet and the
// numbers are undefined, so write; otherwise add.
float *gradient_into(Backward *w, Tensor x, bool *fresh);
// For sums that run from 0 as they run on from zeros, to the same bits: a parameter's first is fresh, too.
float *gradient_of_sums(Backward *w, Tensor x, bool *fresh);
// As gradient_into, filled with zeros when fresh: always add.
float *gradient_zeroed(Backward *w, Tensor x);
// x takes over the gradient of the output as it is (the output's buffer changes hands); or adds it.
void gradient_pass(Backward *w, Tensor x, const OpRecord *op, const float *g);

float *scratch_floats(Backward *w, size_t n); // on the device, until the operation's gradient is done
// A matrix as f32: the tensor's own numbers, or a widened copy in scratch.
const float *scratch_f32(Backward *w, Tensor x);

// One per kind; g is the output's gradient.
typedef void BackwardFn(Backward *w, const OpRecord *op, const float *g);
BackwardFn backward_linear, backward_embedding;                                       // backward_linear.c
BackwardFn backward_layernorm, backward_rmsnorm, backward_l2norm;                     // backward_norm.c
BackwardFn backward_activation, backward_add, backward_add_rows, backward_mul, backward_mul_row, backward_scale,
    backward_softcap, backward_clamp, backward_scale_by, backward_exp, backward_dropout; // backward_point.c
BackwardFn backward_patchify, backward_prepend_row, backward_rows_slice, backward_rows_at, backward_rows_put,
    backward_concat_last, backward_concat_tokens, backward_mean_tokens, backward_slice_last, backward_transpose; // backward_rows.c
BackwardFn backward_rotary, backward_attention;                                       // backward_attention.c
BackwardFn backward_cross_entropy, backward_mean_squared;                             // backward_loss.c

#endif
