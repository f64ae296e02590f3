// bench_passes.c: the passes of `retina bench speed` that only move numbers: norms, activations, sums, AdamW, over arrays larger
// than any cache, against a triad (out = a + s b, 12 bytes each) in the same run: 1.00 moves its bytes as fast as the triad, a plain loop
// whose results go through the caches.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench_speed.h"
#include "io/thread.h"
#include "model/device.h"
#include "model/gradients.h"
#include "model/kernels.h"
#include "model/ops.h"

enum { ROWS = 8192, COLUMNS = 4096 };
#define COUNT ((size_t)ROWS * COLUMNS)
#define TRIAD_LEAST 0.85 // the gate: bytes as fast as a triad moves them

typedef struct {
    Tensor out, x, y, w, b;
    AdamStep adam;
} Pass;

static void triad_job(void *arg, size_t begin, size_t end) {
    const Pass *p = arg;
    float *out = f32(p->out);
    const float *x = f32(p->x), *y = f32(p->y);
    for (size_t i = begin; i < end; i++) out[i] = x[i] + 3 * y[i];
}

static void triad(void *arg) { parallel_for(COUNT, 1 << 20, triad_job, arg); }

static void layernorm_work(void *arg) {
    Pass *p = arg;
    device_cpu()->layernorm(p->out, p->x, p->w, p->b, 1e-5f);
}

static void rmsnorm_work(void *arg) {
    Pass *p = arg;
    device_cpu()->rmsnorm(p->out, p->x, p->w, 1e-5f, RMS_PLAIN);
}

static void gelu_work(void *arg) {
    Pass *p = arg;
    device_cpu()->activation(p->out, p->x, ACT_GELU);
}

static void silu_work(void *arg) {
    Pass *p = arg;
    device_cpu()->activation(p->out, p->x, ACT_SILU);
}

static void add_work(void *arg) {
    Pass *p = arg;
    device_cpu()->add(p->out, p->x, p->y);
}

static void adam_work(void *arg) {
    Pass *p = arg;
    device_cpu()->gradients->adam(&p->adam, 1);
}

// ---- what each should give, at place i, in double

static void row_moments(const float *x, double *mean, double *square) {
    double sum = 0, squares = 0;
    for (int c = 0; c < COLUMNS; c++) sum += (double)x[c], squares += (double)x[c] * (double)x[c];
    *mean = sum / COLUMNS, *square = squares / COLUMNS;
}

static double wanted_layernorm(const Pass *p, size_t i) {
    double mean, square;
    row_moments(f32(p->x) + i / COLUMNS * COLUMNS, &mean, &square);
    return ((double)f32(p->x)[i] - mean) / sqrt(square - mean * mean + 1e-5) * (double)f32(p->w)[i % COLUMNS] + (double)f32(p->b)[i % COLUMNS];
}

static double wanted_rmsnorm(const Pass *p, size_t i) {
    double mean, square;
    row_moments(f32(p->x) + i / COLUMNS * COLUMNS, &mean, &square);
    return (double)f32(p->x)[i] / sqrt(square + 1e-5) * (double)f32(p->w)[i % COLUMNS];
}

static double wanted_gelu(const Pass *p, size_t i) {
    double x = (double)f32(p->x)[i];
    return x * 0.5 * erfc(-x * sqrt(0.5));
}

static double wanted_silu(const Pass *p, size_t i) {
    double x = (double)f32(p->x)[i];
    return x / (1 + exp(-x));
}

static double wanted_add(const Pass *p, size_t i) { return (double)f32(p->x)[i] + (double)f32(p->y)[i]; }

// The first step, from moments of zero: m is a tenth of the gradient, v a thousandth of its square.
static double wanted_adam(const Pass *p, size_t i) {
    double g = (double)p->adam.g[i];
    return (double)f32(p->y)[i] * (double)p->adam.keep - (double)p->adam.rate * 0.1 * g / (sqrt(0.001 * g * g) / (double)p->adam.root2 + (double)p->adam.eps);
}

static const struct {
    const char *name, *ask;
    void (*work)(void *arg);
    double (*wanted)(const Pass *p, size_t i);
    int floats; // read and written for each number
} passes[] = {{"layer norm", "layernorm", layernorm_work, wanted_layernorm, 2},
              {"RMS norm", "rmsnorm", rmsnorm_work, wanted_rmsnorm, 2},
              {"GELU", "gelu", gelu_work, wanted_gelu, 2},
              {"SiLU", "silu", silu_work, wanted_silu, 2},
              {"sum of two", "add", add_work, wanted_add, 3},
              {"AdamW", "adam", adam_work, wanted_adam, 7}};

typedef struct {
    const Pass *p;
    double (*wanted)(const Pass *p, size_t i);
} Right;

static double place_error(const Right *r, const float *out, size_t i) {
    double want = r->wanted(r->p, i);
    return fabs((double)out[i] - want) / (0.5 + fabs(want));
}

// The largest of some rows and columns, over half of one and what is right there.
static double pass_error(const void *right, const float *out) {
    size_t rows[PLACES], columns[PLACES];
    double worst = 0;
    places_drawn(rows, "rows", ROWS), places_drawn(columns, "columns", COLUMNS);
    for (int p = 0; p < PLACES; p++) {
        for (size_t c = 0; c < COLUMNS; c++) worst = worse(worst, place_error(right, out, rows[p] * COLUMNS + c));
        for (size_t r = 0; r < ROWS; r++) worst = worse(worst, place_error(right, out, r * COLUMNS + columns[p]));
    }
    return worst;
}

static Tensor uniform(Arena *a, const char *what) { return tensor_of(random_floats(a, COUNT, what), DTYPE_F32, DIMS(1, ROWS, COLUMNS)); }
static Tensor uniform_row(Arena *a, const char *what) { return tensor_of(random_floats(a, COLUMNS, what), DTYPE_F32, DIMS(COLUMNS)); }

void bench_passes(Arena *a, const Table *t) {
    bool wanted = false;
    for (size_t k = 0; k < sizeof passes / sizeof *passes; k++) wanted = wanted || table_wants(t, passes[k].name);
    if (!wanted) return;
    Mark mark = arena_mark(a);
    Pass p = {.out = tensor_take(a, DTYPE_F32, DIMS(1, ROWS, COLUMNS)), .x = uniform(a, "x"), .y = uniform(a, "y"), .w = uniform_row(a, "w"), .b = uniform_row(a, "b")};
    table_head(t, arena_print(a, "passes over %d x %d numbers; floor: a triad in the same rounds", ROWS, COLUMNS));
    for (size_t k = 0; k < sizeof passes / sizeof *passes; k++) {
        if (!table_wants(t, passes[k].name)) continue;
        poison(f32(p.out), COUNT);
        if (passes[k].work == adam_work) { // its result is what it began with, changed
            Tensor m = tensor_take(a, DTYPE_F32, DIMS(1, ROWS, COLUMNS)), v = tensor_take(a, DTYPE_F32, DIMS(1, ROWS, COLUMNS));
            memset(m.data, 0, tensor_bytes(m)), memset(v.data, 0, tensor_bytes(v));
            memcpy(p.out.data, p.y.data, tensor_bytes(p.y));
            p.adam = (AdamStep){.w = f32(p.out), .m = f32(m), .v = f32(v), .g = f32(p.x), .n = COUNT, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f,
                                .keep = 1 - 1e-5f, .rate = 1e-3f / 0.1f, .root2 = sqrtf(0.001f), .shrink = 1};
        }
        passes[k].work(&p);
        const Right right = {&p, passes[k].wanted};
        const char *ask = arena_print(a, "pass %s %d %d %d", passes[k].ask, ROWS, COLUMNS, threads_count());
        Measured m = table_row(t, &(Row){.name = passes[k].name, .ask = ask, .work = passes[k].work, .arg = &p, .bytes = 4.0 * passes[k].floats * (double)COUNT,
                                         .plain = triad, .plain_bytes = 12 * (double)COUNT, .least_of_floor = TRIAD_LEAST, .check = {pass_error, &right, f32(p.out), COUNT, 2e-6, 2e-6},
                                         .given = {{"x", p.x.data, tensor_bytes(p.x)}, {"y", p.y.data, tensor_bytes(p.y)}, {"w", p.w.data, tensor_bytes(p.w)},
                                                   {"b", p.b.data, tensor_bytes(p.b)}}});
        gate_note(t->gates, (Gate){.what = arena_print(t->arena, "%s over %d x %d numbers, of a triad", passes[k].name, ROWS, COLUMNS), .value = m.of_floor, .bound = TRIAD_LEAST, .goal = 0.95, .at_least = true});
    }
    arena_release(a, mark);
}
