// bench_decode.c: the next id of 1, 8 and 32 texts, again and again at the same place behind `tokens` ids, in alternation with a plain read of a
// GiB: what reading the weights once, and each text's keys and values, must take. The peer has rounds of its own: it takes and gives back gigabytes, and
// what runs after it is slower than memory allows.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench_forward.h"
#include "bench_noted.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/cache.h"
#include "model/cpu.h"
#include "model/kernels.h"

enum { SIZES = 3, READ_FLOATS = 1 << 28 };
static const int sizes[SIZES] = {1, 8, 32};
#define READ_BYTES ((double)READ_FLOATS * sizeof(float))
#define LEAST_OF_READ 0.80 // the gates
#define LEAST_OF_32 20

typedef struct {
    const Model *m;
    Inputs in;
    Cache *cache;
    int texts, at;
    size_t used, planned;
    Noted noted; // what a step does
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

static float kept(const char *which, size_t i) { return bf16_round((float)(2 * rng_uniform(rng_of(bench_seed(), which), i) - 1)); }

static const float *kept_numbers(Arena *a, Tensor layer, int first, const char *which) { // of layers like this one, that begin with text `first`
    size_t n = tensor_count(layer), begin = (size_t)first * (n / (size_t)layer.shape[0]);
    float *numbers = take(a, float, n);
    for (size_t i = 0; i < n; i++) numbers[i] = kept(which, begin + i);
    return numbers;
}

static void layers_fill(const Tensor *layers, int count, int first, const char *which) {
    if (count == 0) return;
    Arena *scratch = arena_new("keys and values");
    long B = layers[0].shape[0], T = layers[0].shape[1];
    size_t token = (size_t)layers[0].shape[2];
    const float *numbers = kept_numbers(scratch, layers[0], first, which);
    float *later = take(scratch, float, tensor_count(layers[0]));
    for (int l = 0; l < count; l++) {
        for (long b = 0; b < B; b++)
            for (long t = 0; t < T; t++) memcpy(later + (size_t)(b * T + t) * token, numbers + (size_t)(b * T + (t + l) % T) * token, token * sizeof *later);
        run_write(run_new(scratch), layers[l], later);
    }
    arena_free(scratch);
}

static int32_t id_of(const Model *m, int text) {
    int32_t id = (int32_t)((text + 3) % m->vocabulary);
    return id == m->image_token ? 0 : id;
}

static Decode decode_of(Arena *a, const Model *m, int first, int texts, int tokens) {
    Decode d = {.m = m, .in = {.ids = tensor_take(a, DTYPE_I32, DIMS(texts, 1))}, .cache = m->family->cache(a, m, texts, tokens + 1), .texts = texts, .at = tokens};
    Cache *c = d.cache;
    c->first = 0, c->count = texts;
    for (int b = 0; b < texts; b++) i32(d.in.ids)[b] = id_of(m, first + b);
    layers_fill(c->k, c->L, first, "keys"), layers_fill(c->v, c->L, first, "values");
    layers_fill(c->seen_k, c->seen_layers, first, "keys of what is seen"), layers_fill(c->seen_v, c->seen_layers, first, "values of what is seen");
    return d;
}

// What a step does, from one on a device that notes it, and what memory a dry one takes.
static void counted(Arena *a, Decode *d) {
    Arena *scratch = arena_new("a step");
    step(run_on(scratch, noted_by(&d->noted, a, model_device(d->m))), d);
    Run *dry = run_dry(scratch);
    dry->device = model_device(d->m);
    step(dry, d);
    d->planned = dry->planned_peak;
    arena_free(scratch);
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
    if (t->peer) given[1] = (Given){"keys", kept_numbers(a, d->cache->k[0], 0, "keys"), bytes}, given[2] = (Given){"values", kept_numbers(a, d->cache->v[0], 0, "values"), bytes};
    Errors said = table_errors(t, name, given, &check, ask, NULL);
    arena_free(a);
    return said;
}

static void read_work(void *arg) { plain_read(arg, READ_FLOATS * sizeof(float)); }

// What a step reads: the products' weights once, each text's keys and values.
static double step_bytes(const Decode *d) { return noted_bytes(&d->noted) + (double)cache_bytes(d->cache); }

// Seconds of a step at a plain read's speed and at the peak: what takes longer binds it.
static Done done_of(const Table *t, const Decode *d, double speed) {
    double operations = noted_operations(&d->noted);
    return (Done){operations, fmax(table_floor(t, operations, PEAK_BF16), step_bytes(d) / speed)};
}

// What the gates want of the rounds. Of 32 texts with AMX alone, for else they are not asked.
static int wants(RatioWanted *list, Decode *const *decodes, const int *way, int read) {
    int n = 0;
    if (decodes[0] && step_bytes(decodes[0]) >= READ_BYTES) list[n++] = (RatioWanted){WAY(way[0]), WAY(read), step_bytes(decodes[0]) / READ_BYTES / LEAST_OF_READ};
    if (n && decodes[2] && cpu_bf16() == BF16_AMX) list[n++] = (RatioWanted){WAY(way[2]), WAY(way[0]), (double)sizes[2] / LEAST_OF_32};
    return n;
}

// decodes: NULL where a size is not asked for.
static void gates(const Table *t, Decode *const *decodes, const Rounds *r, const int *way, int read) {
    Arena *a = t->arena;
    double speed = READ_BYTES / rounds_shown(r, WAY(read), 0)[read].median; // bytes a second
    if (!decodes[0]) return;
    double bytes = step_bytes(decodes[0]);
    const char *cached = bytes < READ_BYTES ? "weights of less than a GiB may be in the caches" : NULL;
    gate_note(t->gates, (Gate){.what = "the next id of 1 text: its bytes at a plain read's speed, of its time", .detail = arena_print(a, "weights, keys and values %.2f GB at %.1f GB/s", bytes * 1e-9, speed * 1e-9),
                               .value = bytes / READ_BYTES / rounds_ratio(r, WAY(way[0]), WAY(read)), .bound = LEAST_OF_READ, .goal = 0.90, .at_least = true, .elsewhere = cached});
    if (!decodes[2]) return;
    double most = sizes[2] * done_of(t, decodes[0], speed).floor / done_of(t, decodes[2], speed).floor;
    bool amx = cpu_bf16() == BF16_AMX;
    const char *elsewhere = cached ? cached : amx && most >= LEAST_OF_32 ? NULL
                            : arena_print(a, "%s %.1f times are all that products at the measured peak and reads of weights, keys and values allow", amx ? "so many tokens before:" : "no AMX:", most);
    gate_note(t->gates, (Gate){.what = "ids a second of 32 texts over those of 1", .value = sizes[2] / rounds_ratio(r, WAY(way[2]), WAY(way[0])), .bound = LEAST_OF_32, .goal = 28, .at_least = true, .elsewhere = elsewhere});
}

static void beside_peer(const Table *t, const char *name, Way ours, const char *line, Done done, const Errors *errors) {
    Ask ask = {t->peer, line};
    Rounds r = rounds_of((Way[]){ours, {ask_seconds, &ask}}, 2, t->rounds);
    const Times *of = rounds_shown(&r, WAY(0), WAY(1));
    table_times(t, name, of[0], &of[1], done, errors, rounds_note(&r));
}

static void memory_say(const Table *t, const Decode *d, double seconds) {
    bench_say(t->w, "| … | %.2f ids a second; reads %.1f MB, %.4g GFLOP; keys and values in %s: %zu KiB; memory %zu KiB of %zu KiB planned | | | | | |", d->texts / seconds, step_bytes(d) * 1e-6,
              noted_operations(&d->noted) * 1e-9, dtype_name(d->cache->k[0].dtype), cache_bytes(d->cache) >> 10, d->used >> 10, d->planned >> 10);
    need(d->used <= d->planned + (64 << 10), "bench: a step took %zu bytes, the dry run said %zu", d->used, d->planned);
}

void bench_decode(Arena *a, const Table *t, Model *m, int tokens) {
    const char *type = compute_name(m->compute), *names[SIZES];
    Errors errors[SIZES];
    Mark mark = arena_mark(a);
    Decode *decodes[SIZES] = {NULL};
    Work works[SIZES + 1];
    const char *asks[SIZES];
    Way ways[SIZES + 1];
    int count = 0, way[SIZES];
    for (int k = 0; k < SIZES; k++) {
        names[k] = arena_print(a, "next id of %d text%s, %d before, %s", sizes[k], sizes[k] > 1 ? "s" : "", tokens, type);
        if (!table_wants(t, names[k])) continue;
        decodes[k] = take(a, Decode, 1), *decodes[k] = decode_of(a, m, 0, sizes[k], tokens);
        counted(a, decodes[k]);
        works[k] = (Work){decode_work, decodes[k]}, ways[way[k] = count++] = (Way){work_seconds, &works[k]};
        asks[k] = arena_print(a, "next %s %d %d %d", type, sizes[k], tokens, threads_count());
        errors[k] = errors_of(t, decodes[k], asks[k], names[k]);
    }
    if (count) {
        int read = count++;
        works[SIZES] = (Work){read_work, random_floats(a, READ_FLOATS, "read")}, ways[read] = (Way){work_seconds, &works[SIZES]};
        ceilings_again(a, t->top);
        RatioWanted list[2];
        Rounds r = rounds_wanted(ways, count, t->rounds, list, wants(list, decodes, way, read));
        const Times *of = rounds_shown(&r, WAY(0), WAY(read));
        double speed = READ_BYTES / of[read].median;
        for (int k = 0; k < SIZES; k++) {
            if (!decodes[k]) continue;
            Times alone = of[way[k]];
            Done done = done_of(t, decodes[k], speed);
            if (t->peer) beside_peer(t, names[k], ways[way[k]], asks[k], done, &errors[k]);
            table_times(t, t->peer ? "… without the peer" : names[k], alone, NULL, done, t->peer ? NULL : &errors[k], rounds_note(&r));
            memory_say(t, decodes[k], alone.median);
        }
        bench_say(t->w, "| … | a plain read in the same rounds: %.1f GB/s | | | | | |", speed * 1e-9);
        gates(t, decodes, &r, way, read);
    }
    arena_release(a, mark);
}
