// backward_loss.c: gradients of the two losses that are operations.
#include "backward.h"

void backward_cross_entropy(Backward *w, const OpRecord *op, const float *g) {
    bool fresh = false;
    float *d = gradient_into(w, op->in[0], &fresh);
    if (d) w->to->cross_entropy(d, fresh, f32(op->in[0]), i32(op->in[1]), g, tensor_rows(op->in[0]), tensor_last(op->in[0]));
}

void backward_mean_squared(Backward *w, const OpRecord *op, const float *g) {
    for (int side = 0; side < 2; side++) {
        EachGradient k = {.kind = EACH_DIFFERENCE, .d = gradient_zeroed(w, op->in[side]), .n = tensor_count(op->in[0]), .g = g,
                          .x = f32(op->in[0]), .y = f32(op->in[1]), .number = side ? -1 : 1};
        if (k.d) w->to->each(&k);
    }
}
