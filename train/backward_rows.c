// backward_rows.c: gradients of the operations that move rows and columns. Copies, and sums over the batch in
// ascending order where one row went to many places.
// Letters: B batch items, T tokens, C columns, R rows.
#include "backward.h"
#include "io/thread.h"

// d (R, Cd) at columns [to, to+n) += g (R, Cg) at columns [from, from+n)
static void columns_add(float *d, long Cd, long to, const float *g, long Cg, long from, long n, long R) {
    for (long r = 0; r < R; r++)
        for (long c = 0; c < n; c++) d[r * Cd + to + c] += g[r * Cg + from + c];
}

void backward_slice_last(Backward *w, const OpRecord *op, const float *g) {
    float *d = gradient_zeroed(w, op->in[0]);
    if (d) columns_add(d, tensor_last(op->in[0]), op->begin, g, op->end - op->begin, 0, op->end - op->begin, tensor_rows(op->in[0]));
}

void backward_concat_last(Backward *w, const OpRecord *op, const float *g) {
    long Ca = tensor_last(op->in[0]), Cb = tensor_last(op->in[1]), R = tensor_rows(op->in[0]);
    float *a = gradient_zeroed(w, op->in[0]);
    if (a) columns_add(a, Ca, 0, g, Ca + Cb, 0, Ca, R);
    float *b = gradient_zeroed(w, op->in[1]);
    if (b) columns_add(b, Cb, 0, g, Ca + Cb, Ca, Cb, R);
}

// Tokens are columns of (B, T*C).
void backward_rows_slice(Backward *w, const OpRecord *op, const float *g) {
    Tensor x = op->in[0];
    long C = x.shape[2], n = (op->end - op->begin) * C;
    float *d = gradient_zeroed(w, x);
    if (d) columns_add(d, x.shape[1] * C, op->begin * C, g, n, 0, n, x.shape[0]);
}

void backward_concat_tokens(Backward *w, const OpRecord *op, const float *g) {
    long B = op->out.shape[0], C = op->out.shape[2], Ta = op->in[0].shape[1] * C, Tb = op->in[1].shape[1] * C;
    float *a = gradient_zeroed(w, op->in[0]);
    if (a) columns_add(a, Ta, 0, g, Ta + Tb, 0, Ta, B);
    float *b = gradient_zeroed(w, op->in[1]);
    if (b) columns_add(b, Tb, 0, g, Ta + Tb, Ta, Tb, B);
}

void backward_prepend_row(Backward *w, const OpRecord *op, const float *g) {
    long B = op->out.shape[0], T = op->out.shape[1], C = op->out.shape[2];
    float *x = gradient_zeroed(w, op->in[0]);
    if (x) columns_add(x, (T - 1) * C, 0, g, T * C, C, (T - 1) * C, B);
    float *row = gradient_zeroed(w, op->in[1]);
    for (long b = 0; row && b < B; b++)
        for (long c = 0; c < C; c++) row[c] += g[b * T * C + c];
}

void backward_rows_at(Backward *w, const OpRecord *op, const float *g) {
    long B = op->in[0].shape[0], T = op->in[0].shape[1], C = op->in[0].shape[2];
    float *d = gradient_zeroed(w, op->in[0]);
    for (long b = 0; d && b < B; b++)
        for (long c = 0; c < C; c++) d[(b * T + i32(op->in[1])[b]) * C + c] += g[b * C + c];
}

// The rows that were put hide those below. Of two rows at one place the later one is seen.
void backward_rows_put(Backward *w, const OpRecord *op, const float *g) {
    Tensor x = op->in[0], rows = op->in[2];
    const int32_t *at = i32(op->in[1]);
    long R = tensor_rows(x), C = tensor_last(x), n = tensor_rows(rows);
    int32_t *seen = (int32_t *)scratch_floats(w, (size_t)R); // which of `rows` lies at each place
    for (long r = 0; r < R; r++) seen[r] = -1;
    for (long i = 0; i < n; i++) seen[at[i]] = (int32_t)i;
    float *d = gradient_zeroed(w, rows);
    for (long i = 0; d && i < n; i++)
        if (seen[at[i]] == i)
            for (long c = 0; c < C; c++) d[i * C + c] += g[(long)at[i] * C + c];
    float *dx = gradient_zeroed(w, x);
    for (long r = 0; dx && r < R; r++)
        if (seen[r] < 0)
            for (long c = 0; c < C; c++) dx[r * C + c] += g[r * C + c];
}

void backward_mean_tokens(Backward *w, const OpRecord *op, const float *g) {
    long B = op->in[0].shape[0], T = op->in[0].shape[1], C = op->in[0].shape[2];
    float *d = gradient_zeroed(w, op->in[0]);
    for (long r = 0; d && r < B * T; r++)
        for (long c = 0; c < C; c++) d[r * C + c] += g[r / T * C + c] / (float)T;
}

void backward_transpose(Backward *w, const OpRecord *op, const float *g) {
    long R = op->in[0].shape[0], C = op->in[0].shape[1]; // g (C, R)
    float *d = gradient_zeroed(w, op->in[0]);
    for (long r = 0; d && r < R; r++)
        for (long c = 0; c < C; c++) d[r * C + c] += g[c * R + r];
}

// pixels (B, channels, h, w) from (B, GH*GW, channels*P*P); pixels outside the last whole patch get nothing.
void backward_patchify(Backward *w, const OpRecord *op, const float *g) {
    Tensor x = op->in[0];
    long P = op->choice, channels = x.shape[1], h = x.shape[2], wide = x.shape[3], GH = h / P, GW = wide / P, E = channels * P * P;
    float *d = gradient_zeroed(w, x);
    for (long b = 0; d && b < x.shape[0]; b++)
        for (long p = 0; p < GH * GW; p++)
            for (long e = 0; e < E; e++) {
                long c = e / (P * P), i = p / GW * P + e / P % P, j = p % GW * P + e % P;
                d[((b * channels + c) * h + i) * wide + j] += g[(b * GH * GW + p) * E + e];
            }
}
