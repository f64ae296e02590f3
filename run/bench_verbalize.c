// bench_verbalize.c: see bench_verbalize.h. Both sides begin with the residual streams of the layers and end with ids; weights are
// random, so no caption ends before its last id. The original goes layer by layer, without a cache: every word runs both text
// towers over the whole text, and projects the image tokens again in each of the decoder's blocks.
#include "bench_verbalize.h"

#include <math.h>
#include <string.h>

#include "bench_given.h"
#include "io/progress.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/coca_generate.h"
#include "model/cpu.h"

static const char large[] =
    "{\"embed_dim\": 768, \"vision_cfg\": {\"image_size\": 224, \"layers\": 24, \"width\": 1024, \"patch_size\": 14, \"attentional_pool\": true, \"attn_pooler_heads\": 8, "
    "\"output_tokens\": true}, \"text_cfg\": {\"context_length\": 76, \"vocab_size\": 49408, \"width\": 768, \"heads\": 12, \"layers\": 12, \"embed_cls\": true, "
    "\"output_tokens\": true}, \"multimodal_cfg\": {\"context_length\": 76, \"vocab_size\": 49408, \"width\": 768, \"heads\": 12, \"layers\": 12, \"attn_pooler_heads\": 12}, "
    "\"custom_text\": true}";

typedef struct {
    float *out, middle, spread;
    Rng rng;
} Fill;

static void fill_range(void *arg, size_t begin, size_t end) {
    const Fill *f = arg;
    for (size_t i = begin; i < end; i++) f->out[i] = f->middle + f->spread * (float)(2 * rng_uniform(f->rng, i) - 1);
}

static Tensor random_tensor(Arena *a, Tensor like, const char *name) {
    Tensor t = tensor_take(a, DTYPE_F32, like.ndim, like.shape);
    bool vector = t.ndim == 1, norm = vector && strstr(name, "ln_") && strstr(name, "weight");
    float fan = vector ? 400 : (float)(tensor_count(t) / (size_t)t.shape[0]);
    Fill f = {.out = f32(t), .middle = norm ? 1 : 0, .spread = sqrtf(3 / fan), .rng = rng_of(1, name)};
    parallel_for(tensor_count(t), 65536, fill_range, &f);
    return t;
}

static Model *random_model(Arena *a, const Json *config) {
    Weights *dry = weights_dry(a, "bench");
    model_build(a, "bench", config, dry);
    const Weight *list;
    size_t n = weights_list(dry, &list);
    Weight *full = take(a, Weight, n);
    for (size_t i = 0; i < n; i++) full[i] = (Weight){.name = list[i].name, .tensor = random_tensor(a, list[i].tensor, list[i].name)};
    return model_build(a, "bench", config, weights_memory(a, full, n));
}

// Seconds from the states of all layers of all pictures (R, T, Cv) to their ids; ids (R, length), or NULL.
static double ours(const Model *m, Tensor states, const VerbalizeBench *b, float *ids) {
    enum { AT_ONCE = 16 };
    const Coca *c = m->own;
    Arena *a = arena_new("a round"), *scratch = arena_new("the pooler");
    double start = seconds_now();
    long R = states.shape[0], each = states.shape[1] * states.shape[2];
    Tensor tokens = tensor_take(a, DTYPE_F32, DIMS(R, c->cfg.Q - 1, c->cfg.E));
    for (long r = 0; r < R; r += AT_ONCE) {
        long n = R - r < AT_ONCE ? R - r : AT_ONCE;
        Mark mark = arena_mark(scratch);
        Run *run = run_on(scratch, m->device);
        Tensor some = coca_image_tokens(run, c, coca_pool(run, c, tensor_of(f32(states) + r * each, DTYPE_F32, DIMS(n, states.shape[1], states.shape[2]))));
        memcpy(f32(tokens) + r * (long)(tensor_count(some) / (size_t)n), run_read(run, some).data, tensor_bytes(some));
        arena_release(scratch, mark);
    }
    CocaOptions o = coca_options(m);
    o.seq_len = b->length;
    if (o.min_seq_len >= o.seq_len) o.min_seq_len = o.seq_len - 1;
    Caption *said = coca_generate(a, m, tokens, &o);
    double seconds = seconds_now() - start;
    for (long r = 0; r < R; r++)
        need(said[r].steps == b->length - 1 && said[r].length == b->length, "bench: caption %ld ended after %d ids: the comparison would not be fair", r, said[r].count);
    for (long i = 0; ids && i < R * b->length; i++) ids[i] = (float)said[i / b->length].ids[i % b->length];
    arena_free(scratch);
    arena_free(a);
    return seconds;
}

// ---- the peer: the same weights and states, and ids that must be the same

// What it computes with: all but the blocks before the states.
static bool peer_needs(const char *name) {
    return strncmp(name, "visual.", 7) != 0 || strncmp(name, "visual.attn_pool", 16) == 0 || strncmp(name, "visual.ln_post", 14) == 0;
}

static void weights_given(Arena *a, const Model *m) {
    const Weight *list;
    size_t n = weights_list(m->weights, &list);
    Writer *names = writer_open(path_join(a, bench_folder(), "names")), *numbers = writer_open(path_join(a, bench_folder(), "weights"));
    for (size_t i = 0; i < n; i++) {
        if (!peer_needs(list[i].name)) continue;
        writer_print(names, "%s\n", list[i].name);
        writer_put(numbers, list[i].tensor.data, tensor_bytes(list[i].tensor));
    }
    writer_close(names), writer_close(numbers);
}

static double ids_that_differ(const void *reference, const float *ids) { // the part of them
    const Reference *e = reference;
    size_t other = 0;
    for (size_t i = 0; i < e->n; i++) other += ids[i] != e->y[i];
    return (double)other / (double)e->n;
}

static Peer peer_of(Arena *a, const VerbalizeBench *b, const Model *m, Bytes config, Tensor states, const char *line) {
    size_t each = (size_t)b->pictures * (size_t)b->length, of_layer = tensor_bytes(states) / (size_t)b->layers;
    float *ids = take(a, float, each * (size_t)b->layers);
    const Given given[GIVEN_MOST] = {{"config.json", config.bytes, config.size}, {"states", states.data, of_layer * (size_t)b->peer_layers}};
    given_write(a, given);
    weights_given(a, m);
    Peer peer = peer_start(b->venv, "test/bench/peer_coca.py", bench_folder(), NULL);
    ours(m, states, b, ids);
    const Reference reference = {ids, each * (size_t)b->peer_layers};
    check_peer(a, &(Check){ids_that_differ, &reference, NULL, reference.n, 0, 0}, &peer, line, "ids of captions");
    given_remove(a, (Given[GIVEN_MOST]){{"names"}, {"weights"}, {"config.json"}}); // the states are read in every round
    return peer;
}

void bench_verbalize(Arena *a, const VerbalizeBench *b, Writer *w) {
    Bytes source = b->config ? file_read(a, b->config) : (Bytes){(const uint8_t *)large, sizeof large - 1, "coca_ViT-L-14"};
    const Json *config = json_parse(a, (const char *)source.bytes, source.size, source.path);
    if (json_get(config, "model_cfg")) config = json_get(config, "model_cfg");
    Model *m = random_model(a, config);
    const Coca *c = m->own;
    need(b->length <= m->context + 1, "--length %d: the model holds %d", b->length, m->context + 1);
    Tensor states = random_tensor(a, tensor_of(NULL, DTYPE_F32, DIMS((long)b->layers * b->pictures, c->T, c->cfg.vision.C)), "states");
    need(b->peer_layers <= b->layers, "--peer-layers %d: of %d", b->peer_layers, b->layers);
    const char *line = arena_print(a, "%d %d %d %d", b->peer_layers, b->pictures, b->length, threads_count());
    Peer peer = {0};
    if (b->venv) peer = peer_of(a, b, m, source, states, line);
    double *mine = take(a, double, (size_t)b->rounds), *theirs = take(a, double, (size_t)b->rounds);
    for (int r = 0; r < b->rounds; r++) {
        mine[r] = ours(m, states, b, NULL);
        if (b->venv) theirs[r] = peer_ask(&peer, "%s\n", line) * b->layers / b->peer_layers;
    }
    const char *who = peer_head(a, b->venv ? &peer : NULL);
    if (b->venv) peer_end(&peer);
    Times t = times_of(mine, b->rounds), p = b->venv ? times_of(theirs, b->rounds) : (Times){NAN, NAN, NAN};
    const char *text = arena_print(a,
        "captions of %d layers of %d pictures, %d ids each, `retina bench verbalize`, %s, %d threads, random weights, width %d, decoder %d wide. From residual streams to ids; seconds,\n"
        "median (smallest – largest) of %d alternating rounds. The original: open_clip's loop, layer by layer, no cache; %d of its layers were timed and multiplied%s.%s\n\n"
        "| ours | open_clip | ratio |\n|---|---|---|\n| %.2f (%.2f – %.2f) | %.2f (%.2f – %.2f) | %.1f times faster |\n",
        b->layers, b->pictures, b->length, cpu_describe(), threads_count(), c->cfg.vision.C, c->cfg.E, b->rounds, b->peer_layers, b->venv ? "; its ids are ours" : "", who, t.median, t.least, t.most, p.median, p.least,
        p.most, p.median / t.median);
    fputs(text, stdout);
    if (w) writer_print(w, "%s", text);
}
