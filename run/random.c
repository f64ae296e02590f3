// random.c: `retina random`: a complete model directory of an architecture with random weights of sensible scale.
#include "random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/option.h"
#include "io/progress.h"
#include "io/random.h"
#include "io/thread.h"
#include "io/safetensors.h"
#include "model/kernels.h"
#include "model/model.h"

#define SHARD_BYTES 5000000000u // where the reference begins a new file
#define RANDOM_WEIGHTS "random" // what a file's metadata says of its weights

// OpenCLIP's bare projections lie (in, out), all other matrices (out, in).
static bool input_first(const char *name) {
    size_t n = strlen(name);
    return strcmp(name, "visual.proj") == 0 || (n > 10 && strcmp(name + n - 10, "projection") == 0);
}

// Norms near 1, biases and embeddings small, matrices at 1/sqrt(fan in): activations keep their size through any depth.
static void scale_of(const Weight *w, double *mean, double *spread) {
    const char *n = w->name;
    size_t length = strlen(n);
    *mean = 0;
    if (strstr(n, "norm") || strstr(n, "Norm") || strstr(n, "ln_")) {
        *mean = length > 5 && strcmp(n + length - 5, ".bias") == 0 ? 0 : 1;
        *spread = 0.1;
    } else if (strcmp(n, "logit_scale") == 0) {
        *mean = 2.6592, *spread = 0;
    } else if (w->tensor.ndim <= 1) {
        *spread = strstr(n, "embedding") ? 0.5 : 0.02;
    } else if (strstr(n, "embed") && w->tensor.ndim == 2) {
        *spread = 0.5;
    } else {
        *spread = 1 / sqrt((double)(input_first(n) ? (size_t)w->tensor.shape[0] : tensor_count(w->tensor) / (size_t)w->tensor.shape[0]));
    }
}

static void fill(float *values, const Weight *w, uint64_t seed, size_t from, size_t n) {
    double mean, spread;
    scale_of(w, &mean, &spread);
    Rng r = rng_of(seed, w->name);
    for (size_t i = 0; i < n; i++) { // uniform of this spread: a normal number costs four times as much, for billions of values
        values[i] = (float)(mean + spread * 1.7320508075688772 * (2 * rng_uniform(r, from + i) - 1));
    }
}

typedef struct {
    const Weight *w;
    uint64_t seed;
    float *values;
    size_t from;
} Fill;

static void fill_job(void *arg, size_t begin, size_t end) {
    const Fill *f = arg;
    fill(f->values + begin, f->w, f->seed, f->from + begin, end - begin);
}

// Every family's renames say how stored names begin; the first that leads to the canonical name is how it is stored.
static const char *stored_name(Arena *a, const Family *f, const char *name) {
    for (size_t i = 0; i < f->rename_count; i++) {
        size_t n = strlen(f->renames[i].to);
        if (n && strncmp(name, f->renames[i].to, n) == 0) return arena_print(a, "%s%s", f->renames[i].from, name + n);
    }
    return name;
}

typedef struct {
    Weight weight;
    const char *stored;
    size_t shard;
} Planned;

static int by_file_order(const void *a, const void *b) {
    const Planned *x = a, *y = b;
    return x->shard != y->shard ? (x->shard < y->shard ? -1 : 1) : strcmp(x->stored, y->stored);
}

static size_t write_shard(Arena *a, const char *path, const Planned *list, size_t count, Dtype type, uint64_t seed, Progress *bar, size_t done) {
    TensorPlan *plan = take_zero(a, TensorPlan, count);
    for (size_t i = 0; i < count; i++) {
        const Tensor *t = &list[i].weight.tensor;
        plan[i] = (TensorPlan){.name = list[i].stored, .dtype = type, .ndim = list[i].weight.scalar ? 0 : t->ndim};
        for (int d = 0; d < t->ndim; d++) plan[i].shape[d] = t->shape[d];
    }
    TensorsWriter *w = tensors_create(a, path, plan, count, (const char *const[]){"format", "pt", "weights", RANDOM_WEIGHTS, NULL});
    size_t piece = 1 << 20;
    float *values = take(a, float, piece);
    void *narrow = take(a, float, piece);
    for (size_t i = 0; i < count; i++) {
        size_t n = tensor_count(list[i].weight.tensor);
        for (size_t at = 0; at < n; at += piece) {
            size_t m = n - at < piece ? n - at : piece;
            parallel_for(m, 16384, fill_job, &(Fill){.w = &list[i].weight, .seed = seed, .values = values, .from = at});
            if (type == DTYPE_BF16) convert_f32_bf16(narrow, values, m);
            if (type == DTYPE_F16) convert_f32_f16(narrow, values, m);
            tensors_put(w, list[i].stored, type == DTYPE_F32 ? (void *)values : narrow, m * dtype_size(type));
            done += m;
            progress_at(bar, done >> 20);
        }
    }
    tensors_finish(w);
    return done;
}

// Random weights may take the place of random ones, never of others, which could not be had again.
static void keep_others(Arena *a, const char *dir) {
    size_t count = 0;
    char **names = folder_exists(dir) ? folder_list(a, dir, &count) : NULL;
    for (size_t i = 0; i < count; i++) {
        bool safetensors = strcmp(path_extension(names[i]), "safetensors") == 0;
        if (!safetensors && strcmp(path_extension(names[i]), "bin") != 0) continue;
        Tensors *t = safetensors ? tensors_open(a, names[i]) : NULL;
        const char *weights = t ? tensors_metadata(t, "weights") : NULL;
        need(weights && strcmp(weights, RANDOM_WEIGHTS) == 0, "%s: holds weights that `retina random` did not write and would write over; name another directory", names[i]);
        tensors_close(t);
    }
}

// What a directory needs besides weights, copied from beside the configuration. Returns whether a tokenizer came with it.
static bool copy_beside(Arena *a, const char *config_path, const char *dir) {
    static const char *const names[] = {"tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                                        "chat_template.jinja", "chat_template.json", "generation_config.json", "preprocessor_config.json", "processor_config.json", "bpe_simple_vocab_16e6.txt.gz"};
    const char *from = path_folder(a, config_path);
    bool tokenizer = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *old = path_join(a, from, names[i]), *new = path_join(a, dir, names[i]);
        if (file_exists(old) && !file_exists(new)) {
            Bytes b = file_read(a, old);
            file_write(new, b.bytes, b.size);
        }
        tokenizer = tokenizer || ((i < 2 || i == 3 || i + 1 == sizeof names / sizeof *names) && file_exists(new));
    }
    return tokenizer;
}

// The weights, cut into files in the order of the model, each written front to back. Returns how many files.
static size_t write_weights(Arena *a, const char *dir, Model *m, Dtype type, uint64_t seed, bool open_clip) {
    const Weight *list;
    size_t n = weights_list(m->weights, &list), total = weights_parameters(m->weights), shards = 0, used = 0;
    Planned *planned = take(a, Planned, n);
    for (size_t i = 0; i < n; i++) {
        size_t bytes = tensor_count(list[i].tensor) * dtype_size(type);
        if (used && used + bytes > SHARD_BYTES && !open_clip) shards++, used = 0; // OpenCLIP reads one file
        used += bytes;
        planned[i] = (Planned){.weight = list[i], .stored = stored_name(a, m->family, list[i].name), .shard = shards};
    }
    shards++;
    qsort(planned, n, sizeof *planned, by_file_order);
    Progress bar = progress_start("write", total >> 20);
    JsonOut *index = json_out(a, 2);
    json_open(index, NULL, '{');
    json_open(index, "metadata", '{');
    json_put_int(index, "total_size", (int64_t)(total * dtype_size(type)));
    json_close(index);
    json_open(index, "weight_map", '{');
    size_t done = 0;
    for (size_t s = 0, i = 0; s < shards; s++) {
        size_t from = i;
        while (i < n && planned[i].shard == s) i++;
        const char *file = open_clip ? "open_clip_model.safetensors" : shards == 1 ? "model.safetensors" : arena_print(a, "model-%05zu-of-%05zu.safetensors", s + 1, shards);
        for (size_t k = from; k < i; k++) json_put_text(index, planned[k].stored, file);
        Mark mark = arena_mark(a);
        done = write_shard(a, path_join(a, dir, file), planned + from, i - from, type, seed, &bar, done);
        arena_release(a, mark);
    }
    json_close(index);
    json_close(index);
    progress_end(&bar);
    const char *index_path = path_join(a, dir, "model.safetensors.index.json");
    if (shards > 1) json_file_write(index, index_path);
    const char *earlier = shards > 1 ? path_join(a, dir, "model.safetensors") : index_path; // would be read in place of these weights
    if (file_exists(earlier)) remove(earlier);
    return shards;
}

int run_random(int argc, char **argv) {
    const char *config_path = NULL;
    int64_t seed = 0;
    int dtype = 0, threads = 0;
    Option options[] = {{"config", OPT_TEXT, &config_path, "config.json of the architecture, or OpenCLIP's open_clip_config.json of a CoCa", NULL},
                        {"seed", OPT_LONG, &seed, "of the weights", NULL},
                        {"dtype", OPT_CHOICE, &dtype, "stored type", "bf16|f16|f32"},
                        {"threads", OPT_INT, &threads, "0: every core of this process", NULL},
                        {"quiet", OPT_FLAG, &quiet, "no progress", NULL}};
    TextList rest;
    options_parse("retina random DIR --config config.json [--seed N] [--dtype bf16|f16|f32]",
                  "Writes a model directory with random weights, sharded as the reference shards; tokenizer and preprocessing are copied from beside the configuration.", options, sizeof options / sizeof *options, argc, argv, &rest);
    if (threads < 0) die_usage("--threads %d: 0 or more", threads);
    if (threads) threads_set(threads);
    if (rest.count != 1 || !config_path) die_usage("random: a directory to write and --config are wanted");
    const char *dir = rest.items[0];
    Arena *a = arena_new("random model");
    Bytes text = file_read(a, config_path);
    const Json *config = json_parse(a, (const char *)text.bytes, text.size, config_path);
    bool open_clip = !json_get(config, "model_type");
    need(!open_clip || json_get(config, "model_cfg") || json_get(config, "multimodal_cfg"), "%s: \"model_type\" is missing; a config.json of transformers is wanted here, or an open_clip_config.json", config_path);
    Model *m = model_build(a, dir, open_clip ? model_open_clip_config(a, config_path) : config, weights_dry(a, dir));
    keep_others(a, dir);
    folder_make(dir);
    file_write(path_join(a, dir, open_clip ? "open_clip_config.json" : "config.json"), text.bytes, text.size);
    bool tokenizer = copy_beside(a, config_path, dir);
    size_t shards = write_weights(a, dir, m, (Dtype[]){DTYPE_BF16, DTYPE_F16, DTYPE_F32}[dtype], (uint64_t)seed, open_clip);
    note("%s: %llu parameters in %zu file%s%s", dir, (unsigned long long)weights_parameters(m->weights), shards, shards > 1 ? "s" : "",
         tokenizer || !m->vocabulary ? "" : "; there was no tokenizer beside the configuration: give --ids, or copy one into it");
    arena_free(a);
    return 0;
}
