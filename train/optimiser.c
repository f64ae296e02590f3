// optimiser.c: see optimiser.h. Every number belongs to one thread, every sum has one order.
#include "optimiser.h"

#include <math.h>

#include "io/thread.h"
#include "real.h"

Adam *adam_new(Arena *a, Tape *tape, AdamConfig config, Group all) {
    Adam *o = take_zero(a, Adam, 1);
    size_t n = tape_parameters(tape);
    *o = (Adam){.tape = tape, .config = config, .groups = take(a, Group, n), .m = take(a, float *, n), .v = take(a, float *, n)};
    for (size_t i = 0; i < n; i++) {
        size_t count = tensor_count(tape_parameter_at(tape, i));
        o->groups[i] = all;
        o->m[i] = take_zero(a, float, count);
        o->v[i] = take_zero(a, float, count);
    }
    return o;
}

void adam_spare_vectors(Adam *o) {
    for (size_t i = 0; i < tape_parameters(o->tape); i++)
        if (tape_parameter_at(o->tape, i).ndim < 2) o->groups[i].decay = 0;
}

double adam_gradient_norm(const Adam *o) {
    double total = 0;
    for (size_t i = 0; i < tape_parameters(o->tape); i++) {
        if (o->groups[i].lr_factor == 0) continue;
        Tensor p = tape_parameter_at(o->tape, i);
        const float *g = tape_gradient(o->tape, p);
        size_t n = tensor_count(p);
        double s[4] = {0}; // four sums: the adder's latency, not its width, is the limit
        for (size_t k = 0; k < n; k++) s[k % 4] += (double)g[k] * g[k];
        total += (s[0] + s[2]) + (s[1] + s[3]);
    }
    return sqrt(total);
}

typedef struct {
    float *w, *m, *v;
    const float *g;
    float beta1, beta2, eps, keep, rate, root2, shrink;
} AdamWork;

static void adam_range(void *arg, size_t begin, size_t end) {
    const AdamWork *k = arg;
    for (size_t i = begin; i < end; i++) {
        float g = k->g[i] * k->shrink;
        float m = k->m[i] + (g - k->m[i]) * (1 - k->beta1);
        float v = k->v[i] * k->beta2 + g * g * (1 - k->beta2);
        k->m[i] = m;
        k->v[i] = v;
        k->w[i] = k->w[i] * k->keep - k->rate * (m / (sqrtf(v) / k->root2 + k->eps));
    }
}

double adam_update(Adam *o, double lr) {
    const AdamConfig *c = &o->config;
    double norm = adam_gradient_norm(o);
    need(isfinite(norm), "step %lld: the gradient is not finite; a smaller learning rate", (long long)o->step);
    double shrink = c->clip > 0 && norm > c->clip ? c->clip / (norm + 1e-6) : 1; // PyTorch adds 1e-6
    o->step++;
    double rate = lr / (1 - real_power(c->beta1, (long)o->step)), root2 = sqrt(1 - real_power(c->beta2, (long)o->step));
    for (size_t i = 0; i < tape_parameters(o->tape); i++) {
        const Group *p = &o->groups[i];
        if (p->lr_factor == 0) continue;
        Tensor x = tape_parameter_at(o->tape, i);
        AdamWork k = {.w = f32(x), .m = o->m[i], .v = o->v[i], .g = tape_gradient(o->tape, x), .beta1 = (float)c->beta1,
                      .beta2 = (float)c->beta2, .eps = (float)c->eps, .keep = (float)(1 - lr * p->lr_factor * p->decay),
                      .rate = (float)(rate * p->lr_factor), .root2 = (float)root2, .shrink = (float)shrink};
        parallel_for(tensor_count(x), 16384, adam_range, &k);
    }
    return norm;
}

static const double pi = 3.14159265358979323846;

double schedule_cosine(double lr, int64_t step, int64_t warmup, int64_t total, double floor) {
    double rise = step + 1 < warmup ? (double)(step + 1) / (double)warmup : 1;
    return lr * rise * (floor + (1 - floor) * 0.5 * (1 + real_cos(pi * (double)step / (double)total)));
}

double schedule_recon(double lr, int64_t step, int64_t warmup, int64_t total) {
    int64_t longest = total - 1 > 1 ? total - 1 : 1, W = warmup < longest ? warmup : longest;
    if (step < W) return lr * (double)step / (double)W;
    double floor = 0.01 * lr;
    return floor + (lr - floor) * 0.5 * (1 + real_cos(pi * (double)(step - W) / (double)(total - W)));
}
