// bench_decode.c: the next id of 1, 8 and 32 texts, again and again at the same place behind `tokens` ids, in alternation with a plain read of a
// GiB: what reading the weights once, and each text's keys and values, must take. The peer has rounds of its own: it takes and gives back gigabytes, and
// what runs after it is slower than memory allows.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench_forward.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/cache.h"
#include "model/cpu.h"
#include "model/kernels.h"

enum { SIZES = 3, READ_FLOATS = 1 << 28 };
static const int sizes[SIZES] = {1, 8, 32};

typedef struct {
    const Model *m;
    Inputs in;
    Cache *cache;
    int texts, at;
    size_t used;
} Decode;

// Logits (texts, V).
static Tensor step(Run *run, const Decode *d) {
    for (int b = 0; b < d->texts; b++) d->cache->lengths[b] = d->at;
    return model_next(run, d->m, &d->in, d->cache);
}

static void decode_work(void *arg) {
    Decode *d = arg;
    Arena *scratch = arena_new("a step");
    step(run_new(scratch), d);
    d->used = arena_peak(scratch);
    arena_free(scratch);
}

// ---- what the texts have behind them: for all layers two files of numbers that bf16 holds, of which layer l's begin l tokens later

static float kept(const char *which, size_t i) { return bf16_round((float)(2 * rng_uniform(rng_of(23, which), i) - 1)); }

static const float *kept_numbers(Arena *a, const Cache *c, int first, const char *which) { // of a cache that begins with text `first`
    size_t n = tensor_count(c->k[0]), begin = (size_t)first * (n / (size_t)c->B);
    float *numbers = take(a, float, n);
    for (size_t i = 0; i < n; i++) numbers[i] = kept(which, begin + i);
    return numbers;
}

static void layers_fill(Arena *scratch, const Cache *c, const Tensor *layers, const float *numbers) {
    size_t token = tensor_count(layers[0]) / (size_t)(c->B * c->capacity);
    float *later = take(scratch, float, tensor_count(layers[0]));
    for (int l = 0; l < c->L; l++) {
        for (int b = 0; b < c->B; b++)
            for (int t = 0; t < c->capacity; t++)
                memcpy(later + (size_t)(b * c->capacity + t) * token, numbers + (size_t)(b * c->capacity + (t + l) % c->capacity) * token, token * sizeof *later);
        run_write(run_new(scratch), layers[l], later);
    }
}

static Decode decode_of(Arena *a, const Model *m, int first, int texts, int tokens) {
    Decode d = {.m = m, .in = {.ids = tensor_take(a, DTYPE_I32, DIMS(texts, 1))}, .cache = m->family->cache(a, m, texts, tokens + 1), .texts = texts, .at = tokens};
    d.cache->first = 0, d.cache->count = texts;
    for (int b = 0; b < texts; b++) i32(d.in.ids)[b] = first + b + 3;
    Arena *scratch = arena_new("keys and values");
    layers_fill(scratch, d.cache, d.cache->k, kept_numbers(scratch, d.cache, first, "keys"));
    layers_fill(scratch, d.cache, d.cache->v, kept_numbers(scratch, d.cache, first, "values"));
    arena_free(scratch);
    return d;
}

static const float *logits_of(Arena *a, const Decode *d) {
    Arena *scratch = arena_new("a step");
    Run *run = run_new(scratch);
    Tensor logits = step(run, d);
    need(tensor_count(logits) == (size_t)d->texts * (size_t)d->m->vocabulary, "bench: so many logits are not those of %d texts", d->texts);
    const float *copy = answer_copied(a, run, logits);
    arena_free(scratch);
    return copy;
}

// Logits of both, over our own in f32, which are those of one text after the other: their keys and values need twice the room.
static Errors errors_of(const Table *t, const Decode *d, const char *ask, const char *name) {
    Arena *a = arena_new("logits");
    Model as = *d->m;
    as.compute = COMPUTE_F32;
    size_t each = (size_t)d->m->vocabulary, n = each * (size_t)d->texts;
    float *right = take(a, float, n);
    for (int b = 0; b < d->texts; b++) {
        Mark mark = arena_mark(a);
        Decode wide = decode_of(a, &as, b, 1, d->at);
        memcpy(right + each * (size_t)b, logits_of(a, &wide), each * sizeof *right);
        arena_release(a, mark);
    }
    const Reference reference = {right, n};
    const double allowed = forward_allowed(d->m->compute);
    const Check check = {relative_distance, &reference, logits_of(a, d), n, allowed, allowed};
    const size_t bytes = tensor_count(d->cache->k[0]) * sizeof(float);
    Given given[GIVEN_MOST] = {{"ids", d->in.ids.data, tensor_bytes(d->in.ids)}};
    if (t->peer) given[1] = (Given){"keys", kept_numbers(a, d->cache, 0, "keys"), bytes}, given[2] = (Given){"values", kept_numbers(a, d->cache, 0, "values"), bytes};
    Errors said = table_errors(t, name, given, &check, ask, NULL);
    arena_free(a);
    return said;
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

static void beside_peer(const Table *t, const char *name, Way ours, const char *line, const Errors *errors) {
    Ask ask = {t->peer, line};
    Rounds r = rounds_of((Way[]){ours, {ask_seconds, &ask}}, 2, t->rounds);
    const Times *of = rounds_shown(&r, WAY(0), WAY(1));
    table_times(t, name, of[0], &of[1], errors, rounds_note(&r));
}

void bench_decode(Arena *a, const Table *t, Model *m, int tokens) {
    const char *type = compute_name(m->compute), *names[SIZES];
    Errors errors[SIZES];
    Mark mark = arena_mark(a);
    Decode decodes[SIZES];
    Work works[SIZES + 1];
    const char *asks[SIZES];
    Way ways[SIZES + 1];
    int count = 0, way[SIZES];
    double bytes[SIZES] = {0}, weights = weight_bytes(m);
    for (int k = 0; k < SIZES; k++) {
        names[k] = arena_print(a, "next id of %d text%s, %d before, %s", sizes[k], sizes[k] > 1 ? "s" : "", tokens, type);
        way[k] = -1;
        if (!table_wants(t, names[k])) continue;
        decodes[k] = decode_of(a, m, 0, sizes[k], tokens);
        bytes[k] = weights + (double)cache_bytes(decodes[k].cache);
        works[k] = (Work){decode_work, &decodes[k]}, ways[way[k] = count++] = (Way){work_seconds, &works[k]};
        asks[k] = arena_print(a, "next %s %d %d %d", type, sizes[k], tokens, threads_count());
        errors[k] = errors_of(t, &decodes[k], asks[k], names[k]);
    }
    if (count) {
        int read = count++;
        works[SIZES] = (Work){read_work, random_floats(a, READ_FLOATS, "read")}, ways[read] = (Way){work_seconds, &works[SIZES]};
        Rounds r = rounds_of(ways, count, t->rounds);
        const Times *of = rounds_shown(&r, WAY(0), WAY(read));
        for (int k = 0; k < SIZES; k++) {
            if (way[k] < 0) continue;
            Times alone = of[way[k]];
            if (t->peer) beside_peer(t, names[k], ways[way[k]], asks[k], &errors[k]);
            table_times(t, t->peer ? "… without the peer" : names[k], alone, NULL, t->peer ? NULL : &errors[k], rounds_note(&r));
            bench_say(t->w, "| … | %.2f ids a second; keys and values in %s: %zu KiB; memory %zu KiB | | | | | |", sizes[k] / alone.median, dtype_name(decodes[k].cache->k[0].dtype),
                      cache_bytes(decodes[k].cache) >> 10, decodes[k].used >> 10);
        }
        bench_say(t->w, "| … | a plain read in the same rounds: %.1f GB/s | | | | | |", READ_FLOATS * sizeof(float) / of[read].median * 1e-9);
        gates(t, m, &r, way, read, bytes, weights);
    }
    arena_release(a, mark);
}
