// optimiser.c: see optimiser.h. The numbers are computed by the tape's device.
#include "optimiser.h"

#include <math.h>

#include "model/gradients.h"
#include "real.h"

static float *zeros(Arena *a, const Device *device, Tensor like) {
    Tensor t = tensor_take_on(a, device, DTYPE_F32, like.ndim, like.shape);
    device->gradients->zero(f32(t), tensor_count(t));
    return f32(t);
}

Adam *adam_new(Arena *a, Tape *tape, AdamConfig config, Group all) {
    Adam *o = take_zero(a, Adam, 1);
    size_t n = tape_parameters(tape);
    *o = (Adam){.arena = a, .tape = tape, .config = config, .groups = take(a, Group, n), .m = take(a, float *, n), .v = take(a, float *, n)};
    for (size_t i = 0; i < n; i++) {
        o->groups[i] = all;
        o->m[i] = zeros(a, tape_device(tape), tape_parameter_at(tape, i));
        o->v[i] = zeros(a, tape_device(tape), tape_parameter_at(tape, i));
    }
    return o;
}

void adam_spare_vectors(Adam *o) {
    for (size_t i = 0; i < tape_parameters(o->tape); i++)
        if (tape_parameter_at(o->tape, i).ndim < 2) o->groups[i].decay = 0;
}

double adam_gradient_norm(const Adam *o) {
    Mark mark = arena_mark(o->arena);
    size_t n = tape_parameters(o->tape), count = 0;
    DotPair *pairs = take(o->arena, DotPair, n);
    double *squares = take(o->arena, double, n), total = 0;
    for (size_t i = 0; i < n; i++) {
        Tensor p = tape_parameter_at(o->tape, i);
        const float *g = tape_gradient(o->tape, p);
        if (o->groups[i].lr_factor != 0) pairs[count++] = (DotPair){.a = g, .b = g, .n = tensor_count(p)};
    }
    tape_device(o->tape)->gradients->dots(squares, pairs, count);
    for (size_t i = 0; i < count; i++) total += squares[i];
    arena_release(o->arena, mark);
    return sqrt(total);
}

double adam_update(Adam *o, double lr) {
    const AdamConfig *c = &o->config;
    double norm = adam_gradient_norm(o);
    need(isfinite(norm), "step %lld: the gradient is not finite; a smaller learning rate", (long long)o->step);
    double shrink = c->clip > 0 && norm > c->clip ? c->clip / (norm + 1e-6) : 1; // PyTorch adds 1e-6
    o->step++;
    double rate = lr / (1 - real_power(c->beta1, (long)o->step)), root2 = sqrt(1 - real_power(c->beta2, (long)o->step));
    Mark mark = arena_mark(o->arena);
    size_t count = 0;
    AdamStep *steps = take(o->arena, AdamStep, tape_parameters(o->tape));
    for (size_t i = 0; i < tape_parameters(o->tape); i++) {
        const Group *p = &o->groups[i];
        if (p->lr_factor == 0) continue;
        Tensor x = tape_parameter_at(o->tape, i);
        steps[count++] = (AdamStep){
            .w = f32(x), .m = o->m[i], .v = o->v[i], .g = tape_gradient(o->tape, x), .n = tensor_count(x), .beta1 = (float)c->beta1,
            .beta2 = (float)c->beta2, .eps = (float)c->eps, .keep = (float)(1 - lr * p->lr_factor * p->decay),
            .rate = (float)(rate * p->lr_factor), .root2 = (float)root2, .shrink = (float)shrink};
    }
    tape_device(o->tape)->gradients->adam(steps, count);
    arena_release(o->arena, mark);
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
