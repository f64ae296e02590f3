// backward_loss.c: gradients of the two losses that are operations.
#include "backward.h"
#include "io/thread.h"
#include "model/kernels.h"

typedef struct {
    long V;
    const float *p; // (R, V): softmax of the logits
    const int32_t *targets;
    float *d, weight; // weight: the loss's gradient over the number of rows that count
    bool fresh;
} EntropyWork;

// (softmax - one at the target) * weight; rows without a target get nothing.
static void entropy_rows(void *arg, size_t begin, size_t end) {
    EntropyWork *k = arg;
    for (size_t r = begin; r < end; r++) {
        const float *p = k->p + r * (size_t)k->V;
        float *d = k->d + r * (size_t)k->V, weight = k->targets[r] < 0 ? 0 : k->weight;
        if (k->fresh) memset(d, 0, (size_t)k->V * sizeof *d);
        if (weight == 0) continue;
        for (long i = 0; i < k->V; i++) d[i] += p[i] * weight;
        d[k->targets[r]] -= weight;
    }
}

void backward_cross_entropy(Backward *w, const OpRecord *op, const float *g) {
    long R = tensor_rows(op->in[0]), counted = 0;
    EntropyWork k = {.V = tensor_last(op->in[0]), .targets = i32(op->in[1])};
    for (long r = 0; r < R; r++) counted += k.targets[r] >= 0;
    k.d = gradient_into(w, op->in[0], &k.fresh);
    if (!k.d) return;
    float *p = scratch_floats(w, (size_t)(R * k.V));
    softmax_rows(p, f32(op->in[0]), R, k.V);
    k.p = p;
    k.weight = counted ? g[0] / (float)counted : 0;
    parallel_for((size_t)R, 8, entropy_rows, &k);
}

void backward_mean_squared(Backward *w, const OpRecord *op, const float *g) {
    size_t n = tensor_count(op->in[0]);
    const float *a = f32(op->in[0]), *b = f32(op->in[1]);
    float twice = 2 * g[0] / (float)n;
    float *da = gradient_zeroed(w, op->in[0]);
    for (size_t i = 0; da && i < n; i++) da[i] += twice * (a[i] - b[i]);
    float *db = gradient_zeroed(w, op->in[1]);
    for (size_t i = 0; db && i < n; i++) db[i] -= twice * (a[i] - b[i]);
}
