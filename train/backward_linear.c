// backward_linear.c: y = x Wᵀ + b: dx = dy W, dW = dyᵀ x, db = column sums of dy; and the table look-up.
// Letters: R rows, I inputs, O outputs. Sums over rows run over ascending rows.
#include "backward.h"
#include "io/thread.h"
#include "model/kernels.h"

const float *scratch_f32(Backward *w, Tensor x) {
    if (x.dtype == DTYPE_F32) return f32(x);
    float *wide = scratch_floats(w, tensor_count(x));
    widen(wide, x.data, x.dtype, tensor_count(x));
    return wide;
}

typedef struct {
    float *d;
    const float *g;
    long R, O;
} Columns;

static void columns_job(void *arg, size_t begin, size_t end) {
    Columns *k = arg;
    for (long r = 0; r < k->R; r++)
        for (size_t o = begin; o < end; o++) k->d[o] += k->g[(size_t)(r * k->O) + o];
}

void backward_linear(Backward *w, const OpRecord *op, const float *g) {
    Tensor x = op->in[0], weight = op->in[1], bias = op->in[2];
    long R = tensor_rows(x), I = weight.shape[1], O = weight.shape[0];
    if (weight.ndim > 2) I = (long)tensor_count(weight) / O;
    bool fresh = false;
    float *d = gradient_into(w, x, &fresh);
    if (d)
        gemm(&(Gemm){.kind = GEMM_NN, .M = R, .N = I, .K = O, .A = g, .lda = O, .B = weight.data, .B_type = weight.dtype, .ldb = I, .C = d,
                     .ldc = I, .accumulate = !fresh});
    d = gradient_into(w, weight, &fresh);
    if (d)
        gemm(&(Gemm){.kind = GEMM_TN, .M = O, .N = I, .K = R, .A = g, .lda = O, .B = f32(x), .B_type = DTYPE_F32, .ldb = I, .C = d, .ldc = I,
                     .accumulate = !fresh});
    d = tensor_given(bias) ? gradient_zeroed(w, bias) : NULL;
    if (d) parallel_for((size_t)O, 64, columns_job, &(Columns){.d = d, .g = g, .R = R, .O = O});
}

void backward_embedding(Backward *w, const OpRecord *op, const float *g) {
    long C = op->in[0].shape[1], n = (long)tensor_count(op->in[1]);
    float *d = gradient_zeroed(w, op->in[0]);
    for (long i = 0; d && i < n; i++) {
        float *row = d + i32(op->in[1])[i] * C;
        for (long c = 0; c < C; c++) row[c] += g[i * C + c];
    }
}
