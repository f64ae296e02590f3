// backward_point.c: gradients of operations that work number by number.
#include <math.h>

#include "backward.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/kernels.h"

enum { GRAIN = 16384, PIECE = 1024 };

typedef struct {
    float *d;
    bool fresh;
    const float *g, *x, *y; // the output's gradient, the input, the output
    size_t C;               // width of a row, for rows that repeat
    float number, number2;
    Act act;
    Rng rng;
} Point;

// dy/dx. Where y = x f(x), f(x) = y / x is what the forward pass computed, to two roundings; f(0) = 1/2.
static void slopes(float *out, const float *x, const float *y, long n, Act act) {
    float e[PIECE];
    switch (act) {
    case ACT_GELU: // y = x P(x): P + x p(x), p the normal density
        for (long i = 0; i < n; i++) e[i] = -0.5f * x[i] * x[i];
        kernels()->exp(e, e, n);
        for (long i = 0; i < n; i++) out[i] = (x[i] == 0 ? 0.5f : y[i] / x[i]) + x[i] * (0.398942280f * e[i]);
        break;
    case ACT_GELU_TANH: // y = x (1 + t) / 2, t = tanh(u), u = a (x + b x^3)
        for (long i = 0; i < n; i++) {
            float half = x[i] == 0 ? 0.5f : y[i] / x[i], t = 2 * half - 1;
            float du = 0.797884561f * (1 + 3 * 0.044715f * x[i] * x[i]);
            out[i] = half + 0.5f * x[i] * (1 - t * t) * du;
        }
        break;
    case ACT_QUICK_GELU:
    case ACT_SILU: // y = x s(a x): s (1 + a x (1 - s))
        for (long i = 0; i < n; i++) {
            float s = x[i] == 0 ? 0.5f : y[i] / x[i], a = act == ACT_SILU ? 1 : 1.702f;
            out[i] = s * (1 + a * x[i] * (1 - s));
        }
        break;
    case ACT_RELU:
        for (long i = 0; i < n; i++) out[i] = x[i] > 0 ? 1 : 0;
        break;
    case ACT_TANH:
        for (long i = 0; i < n; i++) out[i] = 1 - y[i] * y[i];
        break;
    case ACT_SIGMOID:
        for (long i = 0; i < n; i++) out[i] = y[i] * (1 - y[i]);
        break;
    case ACT_NONE:
        for (long i = 0; i < n; i++) out[i] = 1;
    }
}

static void activation_job(void *arg, size_t begin, size_t end) {
    const Point *k = arg;
    float slope[PIECE];
    for (size_t at = begin; at < end; at += PIECE) {
        long n = (long)(end - at < PIECE ? end - at : PIECE);
        slopes(slope, k->x + at, k->y + at, n, k->act);
        float *d = k->d + at;
        const float *g = k->g + at;
        if (k->fresh)
            for (long i = 0; i < n; i++) d[i] = g[i] * slope[i];
        else
            for (long i = 0; i < n; i++) d[i] += g[i] * slope[i];
    }
}

void backward_activation(Backward *w, const OpRecord *op, const float *g) {
    Point k = {.g = g, .x = f32(op->in[0]), .y = f32(op->out), .act = (Act)op->choice};
    k.d = gradient_into(w, op->in[0], &k.fresh);
    if (k.d) parallel_for(tensor_count(op->in[0]), GRAIN, activation_job, &k);
}

void backward_add(Backward *w, const OpRecord *op, const float *g) {
    gradient_pass(w, op->in[1], &(OpRecord){.out = NO_TENSOR}, g); // a copy; then the first one takes the buffer itself
    gradient_pass(w, op->in[0], op, g);
}

#define EACH(name, expression)                                                                     \
    static void name##_job(void *arg, size_t begin, size_t end) {                                  \
        const Point *k = arg;                                                                      \
        if (k->fresh)                                                                              \
            for (size_t i = begin; i < end; i++) k->d[i] = expression;                             \
        else                                                                                       \
            for (size_t i = begin; i < end; i++) k->d[i] += expression;                            \
    }

EACH(product, k->g[i] * k->x[i])
EACH(row_product, k->g[i] * k->x[i % k->C])
EACH(scale, k->g[i] * k->number)
EACH(softcap, k->g[i] * (1 - (k->y[i] / k->number) * (k->y[i] / k->number)))
EACH(clamp, k->x[i] >= k->number && k->x[i] <= k->number2 ? k->g[i] : 0)
EACH(dropout, rng_uniform(k->rng, i) < (double)k->number ? 0 : k->g[i] * (1 / (1 - k->number)))

static void each(Backward *w, Tensor x, ParallelFn *job, Point k) {
    k.d = gradient_into(w, x, &k.fresh);
    if (k.d) parallel_for(tensor_count(x), GRAIN, job, &k);
}

void backward_mul(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], product_job, (Point){.g = g, .x = f32(op->in[1])});
    each(w, op->in[1], product_job, (Point){.g = g, .x = f32(op->in[0])});
}

void backward_scale(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], scale_job, (Point){.g = g, .number = op->number});
}

void backward_softcap(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], softcap_job, (Point){.g = g, .y = f32(op->out), .number = op->number});
}

void backward_clamp(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], clamp_job, (Point){.g = g, .x = f32(op->in[0]), .number = op->number, .number2 = op->number2});
}

void backward_exp(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], product_job, (Point){.g = g, .x = f32(op->out)});
}

void backward_dropout(Backward *w, const OpRecord *op, const float *g) {
    each(w, op->in[0], dropout_job, (Point){.g = g, .number = op->number, .rng = {.seed = op->seed, .stream = op->stream}});
}

// The gradient of rows that were added to every batch item: sums over the batch in ascending order.
typedef struct {
    float *d;
    const float *g, *x; // x: a factor of each g, or NULL
    size_t period, total;
} Repeat;

static void repeat_job(void *arg, size_t begin, size_t end) {
    const Repeat *k = arg;
    for (size_t at = 0; at < k->total; at += k->period) {
        if (k->x)
            for (size_t i = begin; i < end; i++) k->d[i] += k->g[at + i] * k->x[at + i];
        else
            for (size_t i = begin; i < end; i++) k->d[i] += k->g[at + i];
    }
}

static void repeated(Backward *w, Tensor rows, const float *g, const float *x, size_t total) {
    Repeat k = {.d = gradient_zeroed(w, rows), .g = g, .x = x, .period = tensor_count(rows), .total = total};
    if (k.d) parallel_for(k.period, k.period < 1024 ? 64 : 1024, repeat_job, &k);
}

void backward_add_rows(Backward *w, const OpRecord *op, const float *g) {
    repeated(w, op->in[1], g, NULL, tensor_count(op->out));
    gradient_pass(w, op->in[0], op, g);
}

void backward_mul_row(Backward *w, const OpRecord *op, const float *g) {
    repeated(w, op->in[1], g, f32(op->in[0]), tensor_count(op->out));
    each(w, op->in[0], row_product_job, (Point){.g = g, .x = scratch_f32(w, op->in[1]), .C = (size_t)tensor_last(op->in[0])});
}

void backward_scale_by(Backward *w, const OpRecord *op, const float *g) {
    size_t n = tensor_count(op->in[0]);
    float *d = gradient_zeroed(w, op->in[1]);
    if (d) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)g[i] * (double)f32(op->in[0])[i];
        *d += (float)sum;
    }
    each(w, op->in[0], scale_job, (Point){.g = g, .number = *scratch_f32(w, op->in[1])});
}
