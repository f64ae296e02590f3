// backward_point.c: gradients of operations that work number by number.
#include "backward.h"

static void each(Backward *w, Tensor x, EachGradient k) {
    k.d = gradient_into(w, x, &k.fresh);
    k.n = tensor_count(x);
    if (k.d) w->to->each(&k);
}

void backward_activation(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], (EachGradient){.kind = EACH_ACTIVATION, .g = g, .x = f32(op->in[0]), .y = f32(op->out), .act = (Act)op->choice});
}

void backward_add(Backward *w, const OpRecord *op, const float *g) {
    gradient_pass(w, op->in[1], &(OpRecord){.out = NO_TENSOR}, g); // a copy; then the first one takes the buffer itself
    gradient_pass(w, op->in[0], op, g);
}

void backward_mul(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], (EachGradient){.kind = EACH_PRODUCT, .g = g, .x = f32(op->in[1])});
    each(w, op->in[1], (EachGradient){.kind = EACH_PRODUCT, .g = g, .x = f32(op->in[0])});
}

void backward_scale(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], (EachGradient){.kind = EACH_SCALE, .g = g, .number = op->number});
}

void backward_softcap(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], (EachGradient){.kind = EACH_SOFTCAP, .g = g, .y = f32(op->out), .number = op->number});
}

void backward_clamp(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], (EachGradient){.kind = EACH_CLAMP, .g = g, .x = f32(op->in[0]), .number = op->number, .number2 = op->number2});
}

void backward_exp(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], (EachGradient){.kind = EACH_PRODUCT, .g = g, .x = f32(op->out)});
}

void backward_dropout(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], (EachGradient){.kind = EACH_DROPOUT, .g = g, .number = op->number, .seed = op->seed, .stream = op->stream});
}

// The gradient of rows that were added to every batch item (or multiplied: x, a factor of each g): sums over the batch.
static void repeated(Backward *w, Tensor rows, const float *g, const float *x, size_t total) {
    float *d = gradient_zeroed(w, rows);
    size_t period = tensor_count(rows);
    if (d && period) w->to->sum_rows(d, g, x, (long)(total / period), (long)period, (long)period);
}

void backward_add_rows(Backward *w, const OpRecord *op, const float *g) {
    repeated(w, op->in[1], g, NULL, tensor_count(op->out));
    gradient_pass(w, op->in[0], op, g);
}

void backward_mul_row(Backward *w, const OpRecord *op, const float *g) {
    repeated(w, op->in[1], g, f32(op->in[0]), tensor_count(op->out));
    each(w, op->in[0], (EachGradient){.kind = EACH_ROW_PRODUCT, .g = g, .x = scratch_f32(w, op->in[1]), .C = (size_t)tensor_last(op->in[0])});
}

void backward_scale_by(Backward *w, const OpRecord *op, const float *g) {
    float *d = gradient_zeroed(w, op->in[1]);
    if (d) {
        double sum;
        w->to->dots(&sum, &(DotPair){.a = g, .b = f32(op->in[0]), .n = tensor_count(op->in[0])}, 1);
        float one = (float)sum;
        w->to->each(&(EachGradient){.kind = EACH_PASS, .d = d, .n = 1, .g = &one});
    }
    each(w, op->in[0], (EachGradient){.kind = EACH_SCALE_BY, .g = g, .x = scratch_f32(w, op->in[1])});
}
