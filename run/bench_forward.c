// bench_forward.c: `retina bench forward`: whole forwards of a model directory, and what memory they take.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench_speed.h"
#include "bench_table.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/cache.h"
#include "model/cpu.h"
#include "model/kernels.h"
#include "model/model.h"

typedef struct {
    Model *m;
    Inputs in;
    Cache *cache; // decoding: one id for each text, again and again at the same place
    int32_t at;
    size_t planned, used;
} Forward;

static void forward_work(void *arg) {
    Forward *f = arg;
    Arena *scratch = arena_new("a forward");
    Run *run = run_new(scratch);
    if (f->cache) {
        for (int b = 0; b < f->cache->B; b++) f->cache->lengths[b] = f->at;
        model_next(run, f->m, &f->in, f->cache);
    } else {
        model_forward(run, f->m, &f->in);
    }
    f->used = arena_peak(scratch);
    arena_free(scratch);
}

static Inputs inputs_of(Arena *a, const Model *m, int tokens) {
    Inputs in = m->family->example(a, m, 0, 0, tokens);
    if (tensor_given(in.pixels)) {
        in.pixels = tensor_take(a, DTYPE_F32, in.pixels.ndim, in.pixels.shape);
        for (size_t i = 0; i < tensor_count(in.pixels); i++) f32(in.pixels)[i] = (float)rng_normal(rng_of(4, "pixels"), i);
    }
    if (tensor_given(in.ids)) {
        in.ids = tensor_take(a, DTYPE_I32, in.ids.ndim, in.ids.shape);
        for (size_t i = 0; i < tensor_count(in.ids); i++) i32(in.ids)[i] = (int32_t)rng_below(rng_of(4, "ids"), i, (uint64_t)m->vocabulary);
    }
    return in;
}

static void one(const Table *t, Forward *f, const char *name, const char *ask) {
    if (!table_wants(t, name)) return;
    double s = table_row(t, &(Row){.name = name, .ask = ask, .work = forward_work, .arg = f});
    bench_say(t->w, "| … | %.3f a second | | | | memory %zu KiB of %zu KiB planned |", 1 / s, f->used >> 10, f->planned >> 10);
    need(f->planned == 0 || f->used <= f->planned + (64 << 10), "bench: a forward took %zu bytes, the dry run said %zu", f->used, f->planned);
}

static void decode(Arena *a, const Table *t, Forward *f, int tokens, int texts) {
    char name[80], ask[80];
    snprintf(name, sizeof name, "next id of %d text%s, %d before, %s", texts, texts > 1 ? "s" : "", tokens, f->m->compute == COMPUTE_BF16 ? "bf16" : "f32");
    if (!table_wants(t, name)) return;
    Mark mark = arena_mark(a);
    f->cache = f->m->family->cache(a, f->m, texts, tokens + 1);
    f->cache->first = 0, f->cache->count = texts;
    Run *run = run_new(a);
    size_t n = tensor_count(f->cache->k[0]);
    float *numbers = take(a, float, n);
    for (size_t i = 0; i < n; i++) numbers[i] = (float)((int)(i * 2654435761u >> 8) % 1000) * 0.001f;
    for (int l = 0; l < f->cache->L; l++)
        for (int side = 0; side < 2; side++) {
            Tensor x = side ? f->cache->v[l] : f->cache->k[l];
            run_write(run, x, numbers);
        }
    Inputs in = {.ids = tensor_take(a, DTYPE_I32, DIMS(texts, 1))};
    for (int b = 0; b < texts; b++) i32(in.ids)[b] = b + 3;
    f->in = in, f->at = tokens, f->planned = 0;
    snprintf(ask, sizeof ask, "next %s %d %d %d", f->m->compute == COMPUTE_BF16 ? "bf16" : "f32", texts, tokens, threads_count());
    one(t, f, name, ask);
    bench_say(t->w, "| … | keys and values in %s: %zu KiB | | | | | |", dtype_name(f->cache->k[0].dtype), cache_bytes(f->cache) >> 10);
    f->cache = NULL;
    arena_release(a, mark);
}

// The peer widens the whole model to f32 at once; ours stays as it lies in its file.
static bool has_room_in_f32(const Model *m) {
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    return 4 * (double)weights_parameters(m->weights) < 0.8 * memory;
}

void bench_forward(Arena *a, const char *directory, int tokens, const char *venv, int rounds, const char *rows, Writer *w) {
    Model *m = model_open(a, directory, false);
    Table t = {.w = w, .rounds = rounds, .only = rows, .top = ceilings_measure(a)};
    Peer peer;
    if (venv) peer = peer_start(venv, "test/bench/peer_speed.py", directory), t.peer = &peer;
    bench_say(t.w, "\n`retina bench forward`, %s (%s, %.0f million parameters), %s, bf16 by %s, %s, %d alternating rounds; the peer is transformers in the same type.", path_name(directory),
              m->family->name, (double)weights_parameters(m->weights) / 1e6, cpu_describe(), gemm_bf16_path(), threads_said(a), rounds);
    table_head(&t, "forward");
    for (int half = 0; half < 2; half++) {
        m->compute = half ? COMPUTE_BF16 : COMPUTE_F32;
        Forward f = {.m = m, .in = inputs_of(a, m, tokens)};
        f.planned = model_scratch(a, m, &f.in);
        char name[80], ask[80];
        snprintf(name, sizeof name, "%s, %s", tensor_given(f.in.ids) ? "prompt" : "one picture", half ? "bf16" : "f32");
        snprintf(ask, sizeof ask, "forward %s %d %d", half ? "bf16" : "f32", tensor_given(f.in.ids) ? (int)f.in.ids.shape[1] : 0, threads_count());
        bool fits = half || has_room_in_f32(m);
        if (venv && !fits) note("%s: no room for the peer in f32", directory);
        one(&t, &f, name, fits ? ask : NULL);
        for (int texts = 1; m->family->next && half && texts <= 32; texts *= texts == 1 ? 8 : 4) decode(a, &t, &f, tokens, texts);
    }
    if (venv) peer_end(&peer);
}
