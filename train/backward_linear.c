// backward_linear.c: y = x Wᵀ + b: dx = dy W, dW = dyᵀ x, db = column sums of dy; and the table look-up.
// Letters: R rows, I inputs, O outputs. Sums over rows run over ascending rows.
#include "backward.h"

const float *scratch_f32(Backward *w, Tensor x) {
    if (x.dtype == DTYPE_F32) return f32(x);
    long n = (long)tensor_count(x);
    Tensor wide = tensor_of(scratch_floats(w, (size_t)n), DTYPE_F32, DIMS(1, 1, n));
    w->device->broadcast_row(wide, 0, x);
    return f32(wide);
}

void backward_linear(Backward *w, const OpRecord *op, const float *g) {
    Tensor x = op->in[0], weight = op->in[1], bias = op->in[2];
    long R = tensor_rows(x), I = weight.shape[1], O = weight.shape[0];
    if (weight.ndim > 2) I = (long)tensor_count(weight) / O;
    bool fresh = false;
    float *d = gradient_into(w, x, &fresh);
    if (d)
        w->to->product(&(Gemm){.kind = GEMM_NN, .M = R, .N = I, .K = O, .A = g, .lda = O, .B = weight.data, .B_type = weight.dtype, .ldb = I, .C = d,
                               .ldc = I, .accumulate = !fresh});
    d = gradient_of_sums(w, weight, &fresh);
    if (d)
        w->to->product(&(Gemm){.kind = GEMM_TN, .M = O, .N = I, .K = R, .A = g, .lda = O, .B = f32(x), .B_type = DTYPE_F32, .ldb = I, .C = d, .ldc = I,
                               .accumulate = !fresh});
    d = tensor_given(bias) ? gradient_zeroed(w, bias) : NULL;
    if (d) w->to->sum_rows(d, g, NULL, R, O, O);
}

void backward_embedding(Backward *w, const OpRecord *op, const float *g) {
    float *d = gradient_zeroed(w, op->in[0]);
    if (d) w->to->add_rows(d, i32(op->in[1]), g, NULL, (long)tensor_count(op->in[1]), op->in[0].shape[1]);
}
