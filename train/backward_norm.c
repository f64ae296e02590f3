// backward_norm.c: gradients of the norms. Statistics are computed again from the input.
// Letters: R rows, C columns. Per-row sums run in sixteen running sums, folded in halves, as in the forward pass;
// sums over rows (weights, biases) run over ascending rows, one column by one thread.
#include <math.h>

#include "backward.h"
#include "io/thread.h"

enum { LANES = 16, COLUMNS = 64 };

static float fold(float s[LANES]) {
    for (int n = LANES / 2; n > 0; n /= 2)
        for (int j = 0; j < n; j++) s[j] += s[j + n];
    return s[0];
}

static float row_sum(const float *x, long n) {
    float s[LANES] = {0};
    long i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) s[j] += x[i + j];
    for (int j = 0; i < n; i++, j++) s[j] += x[i];
    return fold(s);
}

static float row_dot(const float *x, const float *y, long n) {
    float s[LANES] = {0};
    long i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) s[j] += x[i + j] * y[i + j];
    for (int j = 0; i < n; i++, j++) s[j] += x[i] * y[i];
    return fold(s);
}

typedef enum { NORM_LAYER, NORM_RMS, NORM_L2 } Norm;

typedef struct {
    Norm norm;
    long R, C;
    const float *x, *g, *weight; // weight: NULL for ones
    float plus;                  // 1 for a zero-centred weight
    float eps;                   // or the floor of l2norm
    float *hat;                  // (R, C): the normalised input
    float *d, *dw, *db;          // NULL: not wanted
    bool fresh;
} NormWork;

// y = w * hat + b with hat = (x - mean) * s. With h = g * w:
//   layer: dx = s (h - mean(h) - hat mean(h hat)); rms: dx = s (h - hat mean(h hat)); l2: sums instead of means.
static void norm_rows(void *arg, size_t begin, size_t end) {
    NormWork *k = arg;
    long C = k->C;
    for (long r = (long)begin; r < (long)end; r++) {
        const float *x = k->x + r * C, *g = k->g + r * C;
        float *hat = k->hat + r * C;
        float mean = k->norm == NORM_LAYER ? row_sum(x, C) / (float)C : 0;
        for (long i = 0; i < C; i++) hat[i] = x[i] - mean;
        float square = row_dot(hat, hat, C), length = sqrtf(square);
        float s = k->norm != NORM_L2 ? 1 / sqrtf(square / (float)C + k->eps) : 1 / (length > k->eps ? length : k->eps);
        for (long i = 0; i < C; i++) hat[i] *= s;
        if (!k->d) continue;
        float h1[LANES] = {0}, h2[LANES] = {0};
        for (long at = 0; at < C; at += LANES)
            for (long j = 0; j < LANES && at + j < C; j++) {
                float h = k->weight ? g[at + j] * (k->plus + k->weight[at + j]) : g[at + j];
                h1[j] += h;
                h2[j] += h * hat[at + j];
            }
        float share = k->norm == NORM_L2 ? 1 : 1 / (float)C;
        float mean_h = k->norm == NORM_LAYER ? fold(h1) * share : 0;
        bool constant = k->norm == NORM_L2 && length <= k->eps; // the divisor does not depend on x there
        float mean_hh = constant ? 0 : fold(h2) * share;
        for (long i = 0; i < C; i++) {
            float h = k->weight ? g[i] * (k->plus + k->weight[i]) : g[i];
            float v = s * (h - mean_h - hat[i] * mean_hh);
            k->d[r * C + i] = k->fresh ? v : k->d[r * C + i] + v;
        }
    }
}

static void norm_columns(void *arg, size_t begin, size_t end) {
    NormWork *k = arg;
    long C = k->C, b = (long)begin, e = (long)end;
    for (long r = 0; r < k->R; r++) {
        const float *g = k->g + r * C, *hat = k->hat + r * C;
        if (k->dw)
            for (long c = b; c < e; c++) k->dw[c] += g[c] * hat[c];
        if (k->db)
            for (long c = b; c < e; c++) k->db[c] += g[c];
    }
}

static void norm_backward(Backward *w, const OpRecord *op, const float *g, Norm norm, Tensor weight, Tensor bias, float plus) {
    Tensor x = op->in[0];
    NormWork k = {.norm = norm, .R = tensor_rows(x), .C = tensor_last(x), .x = scratch_f32(w, x), .g = g, .plus = plus, .eps = op->number};
    if (tensor_given(weight)) k.weight = scratch_f32(w, weight);
    k.d = gradient_into(w, x, &k.fresh);
    k.dw = tensor_given(weight) ? gradient_zeroed(w, weight) : NULL;
    k.db = tensor_given(bias) ? gradient_zeroed(w, bias) : NULL;
    k.hat = scratch_floats(w, (size_t)(k.R * k.C));
    parallel_for((size_t)k.R, 16, norm_rows, &k);
    if (k.dw || k.db) parallel_for((size_t)k.C, COLUMNS, norm_columns, &k);
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
