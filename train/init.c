// init.c: see init.h.
#include "init.h"

#include <fnmatch.h>
#include <math.h>

#include "io/random.h"
#include "io/thread.h"

const InitRule *init_rule(const InitRule *rules, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (fnmatch(rules[i].pattern, name, 0) == 0) return &rules[i];
    die("no rule says how \"%s\" begins", name);
}

typedef struct {
    float *out;
    InitKind kind;
    double spread;
    Rng rng;
} Fill;

static void fill_range(void *arg, size_t begin, size_t end) {
    Fill *f = arg;
    for (size_t i = begin; i < end; i++) {
        double v = f->spread;
        if (f->kind == INIT_NORMAL || f->kind == INIT_NORMAL_FAN) v *= rng_normal(f->rng, i);
        else if (f->kind != INIT_CONSTANT) v *= 2 * rng_uniform(f->rng, i) - 1;
        f->out[i] = (float)v;
    }
}

void init_fill(float *out, int ndim, const long *shape, InitKind kind, double scale, uint64_t seed, const char *name) {
    size_t count = 1;
    for (int d = 0; d < ndim; d++) count = size_mul(count, (size_t)shape[d], name);
    double outputs = ndim ? (double)shape[0] : 1, inputs = outputs > 0 ? (double)count / outputs : 1;
    double spread = scale;
    if (kind == INIT_NORMAL_FAN || kind == INIT_UNIFORM_FAN) spread = scale / sqrt(inputs);
    if (kind == INIT_XAVIER_UNIFORM) spread = scale * sqrt(6 / (inputs + outputs));
    Fill f = {.out = out, .kind = kind, .spread = spread, .rng = rng_of(seed, name)};
    parallel_for(count, 65536, fill_range, &f);
}

void init_tensor(Tensor x, const InitRule *rules, size_t count, uint64_t seed, const char *name) {
    const InitRule *r = init_rule(rules, count, name);
    init_fill(f32(x), x.ndim, x.shape, r->kind, r->scale, seed, name);
}
