// tuned.c: see tuned.h. Held by: test/test_tuned.c.
#include "tuned.h"

#include <math.h>
#include <string.h>

#include "io/random.h"
#include "model/kernels.h"
#include "optimiser.h"

enum { WARMUP = 10 };
#define GRADIENT_LEAST 1e-5 // Adam's eps: rounding errors of a layer that needs no map are not blown up to steps

Model *tuned_model(Arena *a, const Model *m) {
    const Weight *list;
    size_t n = weights_list(m->weights, &list);
    Weight *wide = take(a, Weight, n);
    for (size_t i = 0; i < n; i++) {
        Tensor x = list[i].tensor, y = tensor_take(a, DTYPE_F32, x.ndim, x.shape);
        widen(f32(y), x.data, x.dtype, tensor_count(x));
        wide[i] = (Weight){.name = list[i].name, .tensor = y};
    }
    return model_build(a, m->dir, m->config, weights_memory(a, wide, n));
}

// Rows of (N, T, C), those of the batch.
static Tensor rows_of(Arena *a, Tensor all, const size_t *pick, int B) {
    size_t each = tensor_count(all) / (size_t)all.shape[0];
    Tensor x = tensor_take(a, DTYPE_F32, DIMS(B, all.shape[1], all.shape[2]));
    for (int b = 0; b < B; b++) memcpy(f32(x) + (size_t)b * each, f32(all) + pick[b] * each, each * sizeof(float));
    return x;
}

// Where a text goes on: d becomes the gradient of the mean divergence by the second logits. Returns the mean.
static double divergence(Arena *a, const float *teacher, const float *student, const uint8_t *counts, long R, int V, float *d) {
    double sum = 0;
    long n = 0;
    double *p = take(a, double, (size_t)V), *q = take(a, double, (size_t)V);
    memset(d, 0, (size_t)R * (size_t)V * sizeof *d);
    for (long r = 0; r < R; r++) n += counts[r];
    for (long r = 0; r < R; r++) {
        if (!counts[r]) continue;
        const float *z[2] = {teacher + r * V, student + r * V};
        double *out[2] = {p, q}, logs[2];
        for (int w = 0; w < 2; w++) {
            double top = (double)z[w][0], total = 0;
            for (int i = 1; i < V; i++) top = fmax(top, (double)z[w][i]);
            for (int i = 0; i < V; i++) total += out[w][i] = exp((double)z[w][i] - top);
            for (int i = 0; i < V; i++) out[w][i] /= total;
            logs[w] = top + log(total);
        }
        for (int i = 0; i < V; i++) {
            sum += p[i] * (((double)z[0][i] - logs[0]) - ((double)z[1][i] - logs[1]));
            d[r * V + i] = (float)((q[i] - p[i]) / (double)n);
        }
    }
    return n ? sum / (double)n : 0;
}

Tuned tuned_train(Arena *a, const Model *wide, Tensor states, Tensor native, Tensor ids, int32_t pad, const TunedConfig *c) {
    const Coca *m = wide->own;
    long N = states.shape[0], C = states.shape[2], L = ids.shape[1] - 1, tenth = c->steps / 10 ? c->steps / 10 : 1;
    int V = m->cfg.V, B = (long)c->batch < N ? c->batch : (int)N;
    Arena *kept = arena_new("a tuned map"), *step = arena_new("a step of a tuned map");
    Tape *tape = tape_new(kept);
    Tensor w = tensor_take(a, DTYPE_F32, DIMS(C, C)), b = tensor_take(a, DTYPE_F32, DIMS(C));
    memset(w.data, 0, tensor_bytes(w)), memset(b.data, 0, tensor_bytes(b));
    for (long i = 0; i < C; i++) f32(w)[i * C + i] = 1;
    Tensor weight = tape_parameter(tape, w), bias = tape_parameter(tape, b);
    Adam *adam = adam_new(kept, tape, (AdamConfig){.beta1 = 0.9, .beta2 = 0.98, .eps = GRADIENT_LEAST, .clip = 1}, (Group){.lr_factor = 1});
    Tuned out = {.weight = w, .bias = b};
    Rng rng = rng_of(c->seed, "tuned");
    for (int s = 0; s < c->steps; s++) {
        Mark mark = arena_mark(step);
        size_t *pick = take(step, size_t, (size_t)B);
        for (int i = 0; i < B; i++) pick[i] = (size_t)rng_below(rng, (uint64_t)s * (uint64_t)B + (uint64_t)i, (uint64_t)N);
        Tensor text_ids = tensor_take(step, DTYPE_I32, DIMS(B, L)), vector;
        uint8_t *counts = take(step, uint8_t, (size_t)(B * L));
        for (long i = 0; i < B * L; i++) {
            const int32_t *row = i32(ids) + pick[i / L] * (size_t)(L + 1);
            i32(text_ids)[i] = row[i % L], counts[i] = row[i % L + 1] != pad;
        }
        Run *plain = run_new(step), *run = run_new(step);
        Tensor tokens = coca_text(plain, m, text_ids, &vector), again = tensor_take(step, DTYPE_F32, tokens.ndim, tokens.shape);
        memcpy(again.data, tokens.data, tensor_bytes(tokens)); // the decoder adds to its input in place
        Tensor teacher = coca_decode(plain, m, tokens, coca_image_tokens(plain, m, coca_pool(plain, m, rows_of(step, native, pick, B))));
        tape_begin(tape);
        tape_zero(tape);
        run->recorder = tape_recorder(tape);
        Tensor x = linear(run, rows_of(step, states, pick, B), weight, bias);
        Tensor student = coca_decode(run, m, again, coca_image_tokens(run, m, coca_pool(run, m, x)));
        float *d = take(step, float, tensor_count(student));
        double loss = divergence(step, f32(teacher), f32(student), counts, B * L, V, d);
        if (s < tenth) out.before += loss / (double)tenth;
        if (s >= c->steps - tenth) out.after += loss / (double)tenth;
        tape_seed(tape, step, student, d);
        tape_backward(tape, step, NO_TENSOR, 1);
        adam_update(adam, schedule_cosine(c->lr, s, WARMUP, c->steps, 0));
        arena_release(step, mark);
    }
    arena_free(step);
    arena_free(kept);
    return out;
}
