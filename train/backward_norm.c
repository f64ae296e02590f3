// backward_norm.c: gradients of the norms. Statistics are computed again from the input; sums over rows (weights,
// biases) run over ascending rows.
#include "backward.h"

static void norm_backward(Backward *w, const OpRecord *op, const float *g, NormKind norm, Tensor weight, Tensor bias, float plus) {
    Tensor x = op->in[0];
    NormGradient k = {.norm = norm, .R = tensor_rows(x), .C = tensor_last(x), .x = scratch_f32(w, x), .g = g, .plus = plus, .eps = op->number};
    if (tensor_given(weight)) k.weight = scratch_f32(w, weight);
    k.d = gradient_into(w, x, &k.fresh);
    float *dw = tensor_given(weight) ? gradient_zeroed(w, weight) : NULL, *db = tensor_given(bias) ? gradient_zeroed(w, bias) : NULL;
    k.hat = scratch_floats(w, (size_t)(k.R * k.C));
    if (k.d || dw) w->to->norm(&k);
    if (dw) w->to->sum_rows(dw, g, k.hat, k.R, k.C, k.C);
    if (db) w->to->sum_rows(db, g, NULL, k.R, k.C, k.C);
}

void backward_layernorm(Backward *w, const OpRecord *op, const float *g) {
    norm_backward(w, op, g, NORM_LAYER, op->in[1], op->in[2], 0);
}

void backward_rmsnorm(Backward *w, const OpRecord *op, const float *g) {
    norm_backward(w, op, g, NORM_RMS, op->in[1], NO_TENSOR, op->choice == RMS_ZERO_CENTRED ? 1 : 0);
}

void backward_l2norm(Backward *w, const OpRecord *op, const float *g) {
    norm_backward(w, op, g, NORM_L2, NO_TENSOR, NO_TENSOR, 0);
}
