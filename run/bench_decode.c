// bench_decode.c: the next id of 1, 8 and 32 texts, again and again at the same place behind `tokens` ids, in alternation with a plain read of a
// GiB: what reading the weights once, and each text's keys and values, must take.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench_forward.h"
#include "io/thread.h"
#include "model/cache.h"
#include "model/cpu.h"

enum { SIZES = 3, READ_FLOATS = 1 << 28 };
static const int sizes[SIZES] = {1, 8, 32};

typedef struct {
    const Model *m;
    Inputs in;
    Cache *cache;
    int texts, at;
    size_t used;
} Decode;

static void decode_work(void *arg) {
    Decode *d = arg;
    Arena *scratch = arena_new("a step");
    for (int b = 0; b < d->texts; b++) d->cache->lengths[b] = d->at;
    model_next(run_new(scratch), d->m, &d->in, d->cache);
    d->used = arena_peak(scratch);
    arena_free(scratch);
}

static Decode decode_of(Arena *a, const Model *m, int texts, int tokens) {
    Decode d = {.m = m, .in = {.ids = tensor_take(a, DTYPE_I32, DIMS(texts, 1))}, .cache = m->family->cache(a, m, texts, tokens + 1), .texts = texts, .at = tokens};
    d.cache->first = 0, d.cache->count = texts;
    for (int b = 0; b < texts; b++) i32(d.in.ids)[b] = b + 3;
    Arena *scratch = arena_new("keys and values");
    size_t n = tensor_count(d.cache->k[0]);
    float *numbers = take(scratch, float, n);
    for (size_t i = 0; i < n; i++) numbers[i] = (float)((int)(i * 2654435761u >> 8) % 1000) * 0.001f;
    for (int l = 0; l < d.cache->L; l++) {
        run_write(run_new(scratch), d.cache->k[l], numbers);
        run_write(run_new(scratch), d.cache->v[l], numbers);
    }
    arena_free(scratch);
    return d;
}

static void read_work(void *arg) { plain_read(arg, READ_FLOATS * sizeof(float)); }

// What a step reads of the weights: all but the embeddings, of which it looks up a row, unless they are the last product's weight, too.
static double weight_bytes(const Model *m) {
    const Weight *list;
    size_t n = weights_list(m->weights, &list);
    double all = 0, embedding = 0;
    bool head = false;
    for (size_t i = 0; i < n; i++) {
        all += (double)tensor_bytes(list[i].tensor);
        if (strstr(list[i].name, "embed_tokens")) embedding += (double)tensor_bytes(list[i].tensor);
        head = head || strstr(list[i].name, "lm_head");
    }
    return all - (head ? embedding : 0);
}

static void gates(const Table *t, const Model *m, const Rounds *r, const int *way, int read, const double *bytes, double weights) {
    Arena *a = t->arena;
    double speed = READ_FLOATS * sizeof(float) / rounds_shown(r, WAY(read), 0)[read].median; // bytes a second
    if (way[0] >= 0)
        gate_note(t->gates, (Gate){.what = "the next id of 1 text: its bytes at a plain read's speed, of its time", .detail = arena_print(a, "weights, keys and values %.2f GB at %.1f GB/s", bytes[0] * 1e-9, speed * 1e-9),
                                   .value = bytes[0] / (READ_FLOATS * sizeof(float)) / rounds_ratio(r, WAY(way[0]), WAY(read)), .bound = 0.80, .at_least = true});
    if (way[0] < 0 || way[2] < 0) return;
    ceilings_again(a, t->top);
    double operations = 2.0 * sizes[2] * weights / (double)dtype_size(DTYPE_BF16), one = bytes[0] / speed, many = fmax(operations / t->top->bf16, bytes[2] / speed), most = sizes[2] * one / many;
    const char *elsewhere = cpu_bf16() == BF16_AMX && most >= 20 ? NULL
                            : arena_print(a, "%s %.1f times are all that products at the measured peak and reads of weights, keys and values allow", cpu_bf16() == BF16_AMX ? "so many tokens before:" : "no AMX:", most);
    gate_note(t->gates, (Gate){.what = "ids a second of 32 texts over those of 1", .value = sizes[2] / rounds_ratio(r, WAY(way[2]), WAY(way[0])), .bound = 20, .at_least = true, .elsewhere = elsewhere});
}

void bench_decode(Arena *a, const Table *t, Model *m, int tokens) {
    const char *type = compute_name(m->compute), *names[SIZES];
    Mark mark = arena_mark(a);
    Decode decodes[SIZES];
    Work works[SIZES + 1];
    Ask asks[SIZES];
    Way ways[2 * SIZES + 1];
    int count = 0, way[SIZES], peer[SIZES];
    double bytes[SIZES] = {0}, weights = weight_bytes(m);
    for (int k = 0; k < SIZES; k++) {
        names[k] = arena_print(a, "next id of %d text%s, %d before, %s", sizes[k], sizes[k] > 1 ? "s" : "", tokens, type);
        way[k] = peer[k] = -1;
        if (!table_wants(t, names[k])) continue;
        decodes[k] = decode_of(a, m, sizes[k], tokens);
        bytes[k] = weights + (double)cache_bytes(decodes[k].cache);
        works[k] = (Work){decode_work, &decodes[k]}, ways[way[k] = count++] = (Way){work_seconds, &works[k]};
        if (!t->peer) continue;
        asks[k] = (Ask){t->peer, arena_print(a, "next %s %d %d %d", type, sizes[k], tokens, threads_count())};
        ways[peer[k] = count++] = (Way){ask_seconds, &asks[k]};
    }
    if (count) {
        int read = count++;
        works[SIZES] = (Work){read_work, random_floats(a, READ_FLOATS, "read")}, ways[read] = (Way){work_seconds, &works[SIZES]};
        Rounds r = rounds_of(ways, count, t->rounds);
        const Times *of = rounds_shown(&r, WAY(0), WAY(read));
        for (int k = 0; k < SIZES; k++) {
            if (way[k] < 0) continue;
            table_times(t, names[k], of[way[k]], peer[k] >= 0 ? &of[peer[k]] : NULL, rounds_note(&r));
            bench_say(t->w, "| … | %.2f ids a second; keys and values in %s: %zu KiB; memory %zu KiB | | | | | |", sizes[k] / of[way[k]].median, dtype_name(decodes[k].cache->k[0].dtype),
                      cache_bytes(decodes[k].cache) >> 10, decodes[k].used >> 10);
        }
        bench_say(t->w, "| … | a plain read in the same rounds: %.1f GB/s | | | | | |", READ_FLOATS * sizeof(float) / of[read].median * 1e-9);
        gates(t, m, &r, way, read, bytes, weights);
    }
    arena_release(a, mark);
}
