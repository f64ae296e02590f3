// backward_rows.c: gradients of the operations that move rows and columns. Copies, and sums over the batch in
// ascending order where one row went to many places.
// Letters: B batch items, T tokens, C columns, R rows.
#include "backward.h"

// d (R, Cd) at columns [to, to+n) += g (R, Cg) at columns [from, from+n)
static void columns_add(Backward *w, float *d, long Cd, long to, const float *g, long Cg, long from, long n, long R) {
    if (d) w->to->add_columns(d + to, Cd, g + from, Cg, R, n);
}

void backward_slice_last(Backward *w, const OpRecord *op, const float *g) {
    float *d = gradient_zeroed(w, op->in[0]);
    columns_add(w, d, tensor_last(op->in[0]), op->begin, g, op->end - op->begin, 0, op->end - op->begin, tensor_rows(op->in[0]));
}

void backward_concat_last(Backward *w, const OpRecord *op, const float *g) {
    long Ca = tensor_last(op->in[0]), Cb = tensor_last(op->in[1]), R = tensor_rows(op->in[0]);
    float *a = gradient_zeroed(w, op->in[0]);
    columns_add(w, a, Ca, 0, g, Ca + Cb, 0, Ca, R);
    float *b = gradient_zeroed(w, op->in[1]);
    columns_add(w, b, Cb, 0, g, Ca + Cb, Ca, Cb, R);
}

// Tokens are columns of (B, T*C).
void backward_rows_slice(Backward *w, const OpRecord *op, const float *g) {
    Tensor x = op->in[0];
    long C = x.shape[2], n = (op->end - op->begin) * C;
    float *d = gradient_zeroed(w, x);
    columns_add(w, d, x.shape[1] * C, op->begin * C, g, n, 0, n, x.shape[0]);
}

void backward_concat_tokens(Backward *w, const OpRecord *op, const float *g) {
    long B = op->out.shape[0], C = op->out.shape[2], Ta = op->in[0].shape[1] * C, Tb = op->in[1].shape[1] * C;
    float *a = gradient_zeroed(w, op->in[0]);
    columns_add(w, a, Ta, 0, g, Ta + Tb, 0, Ta, B);
    float *b = gradient_zeroed(w, op->in[1]);
    columns_add(w, b, Tb, 0, g, Ta + Tb, Ta, Tb, B);
}

void backward_prepend_row(Backward *w, const OpRecord *op, const float *g) {
    long B = op->out.shape[0], T = op->out.shape[1], C = op->out.shape[2];
    float *x = gradient_zeroed(w, op->in[0]);
    columns_add(w, x, (T - 1) * C, 0, g, T * C, C, (T - 1) * C, B);
    float *row = gradient_zeroed(w, op->in[1]);
    if (row) w->to->sum_rows(row, g, NULL, B, C, T * C);
}

void backward_rows_at(Backward *w, const OpRecord *op, const float *g) {
    long B = op->in[0].shape[0], T = op->in[0].shape[1], C = op->in[0].shape[2];
    float *d = gradient_zeroed(w, op->in[0]);
    int32_t *at = take(w->inner, int32_t, (size_t)B);
    for (long b = 0; b < B; b++) at[b] = (int32_t)(b * T) + i32(op->in[1])[b];
    if (d) w->to->add_rows(d, at, g, NULL, B, C);
}

// The rows that were put hide those below. Of two rows at one place the later one is seen.
void backward_rows_put(Backward *w, const OpRecord *op, const float *g) {
    Tensor x = op->in[0], rows = op->in[2];
    const int32_t *at = i32(op->in[1]);
    long R = tensor_rows(x), C = tensor_last(x), n = tensor_rows(rows);
    int32_t *seen = take(w->inner, int32_t, (size_t)R); // which of `rows` lies at each place
    int32_t *to = take(w->inner, int32_t, (size_t)(R + n)), *from = take(w->inner, int32_t, (size_t)(R + n));
    for (long r = 0; r < R; r++) seen[r] = -1;
    for (long i = 0; i < n; i++) seen[at[i]] = (int32_t)i;
    long count = 0;
    for (long i = 0; i < n; i++)
        if (seen[at[i]] == i) to[count] = (int32_t)i, from[count++] = at[i];
    float *d = gradient_zeroed(w, rows);
    if (d) w->to->add_rows(d, to, g, from, count, C);
    count = 0;
    for (long r = 0; r < R; r++)
        if (seen[r] < 0) to[count++] = (int32_t)r;
    d = gradient_zeroed(w, x);
    if (d) w->to->add_rows(d, to, g, to, count, C);
}

void backward_mean_tokens(Backward *w, const OpRecord *op, const float *g) {
    Tensor x = op->in[0];
    float *d = gradient_zeroed(w, x);
    if (d) w->to->each(&(EachGradient){.kind = EACH_MEAN, .d = d, .n = tensor_count(x), .g = g, .C = (size_t)x.shape[2], .T = (size_t)x.shape[1]});
}

void backward_transpose(Backward *w, const OpRecord *op, const float *g) {
    Tensor x = op->in[0], back = tensor_of(scratch_floats(w, tensor_count(x)), DTYPE_F32, 2, x.shape);
    float *d = gradient_zeroed(w, x);
    if (!d) return;
    w->device->transpose(back, tensor_of((void *)(uintptr_t)g, DTYPE_F32, 2, op->out.shape));
    w->to->each(&(EachGradient){.kind = EACH_PASS, .d = d, .n = tensor_count(x), .g = f32(back)});
}

void backward_patchify(Backward *w, const OpRecord *op, const float *g) {
    Tensor x = op->in[0];
    float *d = gradient_zeroed(w, x);
    if (d) w->to->patchify(d, g, x.shape[0], x.shape[1], x.shape[2], x.shape[3], op->choice);
}
