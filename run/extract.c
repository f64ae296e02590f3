// extract.c: `retina extract`: any taps of any model over any number of pictures and texts.
//
// The inputs are cut into files of --shard-size inputs; a file is written when its inputs are done, and one that is there
// already, from the same inputs and options, is kept: a killed run goes on where it stopped.
#include "extract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/blake2b.h"
#include "io/gather.h"
#include "io/lines.h"
#include "io/option.h"
#include "io/picture_options.h"
#include "io/progress.h"
#include "io/safetensors.h"
#include "io/stamp.h"
#include "io/thread.h"
#include "model/batch.h"
#include "model/kernels.h"
#include "model/preprocess.h"
#include "model/prompt.h"
#include "model/ready.h"

#define FILE_BYTES 1500000000u // a file's size when --shard-size is not given

enum { POOL_NONE, POOL_MEAN, POOL_FIRST, POOL_LAST, POOL_MAX };

// What one tap gave for the inputs of the present file.
typedef struct {
    const char *name;
    float *values; // malloc'd, grows
    size_t used, room;
    int64_t *lengths; // tokens of each input, for ragged taps
    size_t count, count_room;
    int ndim;
    long shape[DIMS_MAX]; // of one input, its first axis left out
    bool ragged;
} Column;

typedef struct {
    Arena *arena; // the whole run
    Model *model;
    const char *out, *taps_text;
    int pool, batch, shard_size;
    Dtype save;
    bool keep_going, fresh, raw, interpolate;
    PictureOptions picture_options;
    // inputs
    Gathering pictures;
    const char **prompts;
    size_t prompt_count, count;
    Tensor pixels, ids, mask, types; // ready tensors instead
    bool ready;                      // ready texts: one forward with everything, as the reference is called
    Preprocess preprocess;
    Prompter prompter;
    const char **patterns;
    size_t pattern_count;
    TextList replacements;
    const char *digest; // of model, inputs and options: what a file must carry to be kept
    // the present file
    Column *columns;
    size_t column_count;
    char **failed; // "path,reason" lines
    size_t failed_count, failed_room;
} Job;

static void grow(void **p, size_t *room, size_t want, size_t item) {
    if (want <= *room) return;
    size_t r = *room ? *room * 2 : 1024;
    while (r < want) r *= 2;
    void *q = realloc(*p, size_mul(r, item, "extract"));
    need(q, "extract: no memory for %zu MiB of results; use a smaller --shard-size or --pool", r * item >> 20);
    *p = q;
    *room = r;
}

static Column *column_of(Job *j, const char *name) {
    for (size_t i = 0; i < j->column_count; i++)
        if (strcmp(j->columns[i].name, name) == 0) return &j->columns[i];
    die("extract: the tap %s was not planned", name);
}

// (B, T, C) -> (B, C)
static Tensor pooled(Job *j, Arena *a, Tensor x, const char *name) {
    if (j->pool == POOL_NONE || x.ndim < 3) return x;
    char t[128];
    need(x.ndim == 3, "--pool: the tap %s is %s; only taps of tokens (N, T, C) can be pooled", name, tensor_shape_text(x, t));
    long B = x.shape[0], T = x.shape[1], C = x.shape[2];
    Tensor out = tensor_take(a, DTYPE_F32, DIMS(B, C));
    for (long b = 0; b < B; b++)
        for (long c = 0; c < C; c++) {
            const float *v = f32(x) + b * T * C + c;
            double sum = 0;
            float top = v[0];
            for (long i = 0; i < T; i++) {
                sum += (double)v[i * C];
                if (v[i * C] > top) top = v[i * C];
            }
            f32(out)[b * C + c] = j->pool == POOL_MEAN ? (float)(sum / (double)T) : j->pool == POOL_FIRST ? v[0] : j->pool == POOL_LAST ? v[(T - 1) * C] : top;
        }
    return out;
}

// A tap's tensor: appended to its column. In a batch of equal inputs the first axis is the inputs.
static void keep(void *arg, const char *name, Tensor x) {
    Job *j = arg;
    Column *c = column_of(j, name);
    Arena *a = arena_new("pooling");
    x = pooled(j, a, x, name);
    size_t n = tensor_count(x);
    bool first = c->count == 0;
    if (first) {
        c->ndim = x.ndim;
        memcpy(c->shape, x.shape, sizeof c->shape);
    }
    bool same = x.ndim == c->ndim;
    for (int d = 1; d < x.ndim; d++) same = same && x.shape[d] == c->shape[d];
    if (!same) { // another length: the token axis is laid end to end
        char t[128];
        bool tokens = x.ndim == c->ndim && x.ndim == 3 && x.shape[2] == c->shape[2];
        need(tokens, "extract: the tap %s is %s here and had another shape before; extract such inputs one by one", name, tensor_shape_text(x, t));
        c->ragged = true;
    }
    grow((void **)&c->values, &c->room, c->used + n, sizeof(float));
    memcpy(c->values + c->used, x.data, n * sizeof(float));
    c->used += n;
    grow((void **)&c->lengths, &c->count_room, c->count + (size_t)x.shape[0], sizeof *c->lengths);
    for (long b = 0; b < x.shape[0]; b++) c->lengths[c->count++] = x.ndim >= 2 ? x.shape[1] : 1;
    arena_free(a);
}

static void columns_clear(Job *j) {
    for (size_t i = 0; i < j->column_count; i++) {
        Column *c = &j->columns[i];
        c->used = c->count = 0;
        c->ragged = false;
    }
}

static void failed_line(Job *j, char *line) {
    grow((void **)&j->failed, &j->failed_room, j->failed_count + 1, sizeof *j->failed);
    j->failed[j->failed_count++] = line;
}

static void failed(Job *j, const char *path, const char *reason) {
    char *line = arena_print(j->arena, "%s", reason);
    for (char *c = line; *c; c++)
        if (*c == '"') *c = '\'';
    failed_line(j, arena_print(j->arena, "%s,\"%s\"\n", path, line));
}

// ---- files

static char *file_path(Job *j, size_t file, size_t files) {
    if (files == 1) return arena_text(j->arena, j->out, strlen(j->out));
    size_t n = strlen(j->out), stem = n > 12 && strcmp(j->out + n - 12, ".safetensors") == 0 ? n - 12 : n;
    return arena_print(j->arena, "%.*s-%05zu-of-%05zu.safetensors", (int)stem, j->out, file, files);
}

static void put_converted(TensorsWriter *w, const char *name, const float *v, size_t n, Dtype type) {
    enum { PIECE = 1 << 16 };
    static uint16_t narrow[PIECE];
    if (type == DTYPE_F32) {
        tensors_put(w, name, v, n * sizeof *v);
        return;
    }
    for (size_t at = 0; at < n; at += PIECE) {
        size_t m = n - at < PIECE ? n - at : PIECE;
        if (type == DTYPE_BF16) convert_f32_bf16(narrow, v + at, m);
        else convert_f32_f16(narrow, v + at, m);
        tensors_put(w, name, narrow, m * 2);
    }
}

// The failed pictures of this file, as lines of F.failed.csv: kept in its head, so that a continued run still lists them.
static char *failed_text(Job *j, Arena *a, size_t first) {
    size_t n = 1;
    for (size_t i = first; i < j->failed_count; i++) n += strlen(j->failed[i]);
    char *text = take(a, char, n), *end = text;
    for (size_t i = first; i < j->failed_count; i++) end = stpcpy(end, j->failed[i]);
    *end = 0;
    return text;
}

static void file_finish(Job *j, const char *path, size_t from, size_t to, size_t first_failed) {
    Arena *a = arena_new("a file of taps");
    TensorPlan *plan = take_zero(a, TensorPlan, j->column_count * 2);
    size_t n = 0;
    for (size_t i = 0; i < j->column_count; i++) {
        Column *c = &j->columns[i];
        if (c->count == 0) continue;
        TensorPlan *p = &plan[n++];
        *p = (TensorPlan){.name = c->name, .dtype = j->save};
        if (c->ragged) { // (sum of tokens, C) and the lengths
            p->ndim = 2;
            p->shape[0] = (int64_t)(c->used / (size_t)c->shape[2]);
            p->shape[1] = c->shape[2];
            plan[n++] = (TensorPlan){.name = arena_print(a, "%s#lengths", c->name), .dtype = DTYPE_I64, .ndim = 1, .shape = {(int64_t)c->count}};
        } else {
            p->ndim = c->ndim;
            for (int d = 1; d < c->ndim; d++) p->shape[d] = c->shape[d];
            p->shape[0] = (int64_t)c->count;
        }
    }
    char *first = arena_print(a, "%zu", from), *last = arena_print(a, "%zu", to);
    const char *metadata[] = {"model", j->model->dir, "digest", j->digest, "inputs_from", first, "inputs_to", last, "taps", j->taps_text,
                              "failed", failed_text(j, a, first_failed), "version", "retina 0.1", NULL};
    TensorsWriter *w = tensors_create(a, path, plan, n, metadata);
    for (size_t i = 0; i < j->column_count; i++) {
        Column *c = &j->columns[i];
        if (c->count == 0) continue;
        put_converted(w, c->name, c->values, c->used, j->save);
        if (c->ragged) tensors_put(w, arena_print(a, "%s#lengths", c->name), c->lengths, c->count * sizeof *c->lengths);
    }
    tensors_finish(w);
    arena_free(a);
}

// Whether a file of an earlier run holds just these inputs under just these options.
static bool file_valid(Job *j, const char *path, size_t from, size_t to) {
    if (j->fresh || !file_exists(path)) return false;
    Arena *a = arena_new("an earlier file");
    Trap trap;
    bool ok = false;
    if (trap_set(&trap)) {
        Tensors *t = tensors_open(a, path);
        const char *digest = tensors_metadata(t, "digest"), *first = tensors_metadata(t, "inputs_from"), *last = tensors_metadata(t, "inputs_to");
        ok = digest && first && last && strcmp(digest, j->digest) == 0 && strtoul(first, NULL, 10) == from && strtoul(last, NULL, 10) == to;
        const char *line = ok ? tensors_metadata(t, "failed") : NULL;
        while (line && *line) {
            size_t n = strcspn(line, "\n") + 1;
            failed_line(j, arena_text(j->arena, line, n));
            line += n;
        }
        tensors_close(t);
        trap_end(&trap);
    }
    arena_free(a);
    return ok;
}

// ---- inputs

static size_t picture_of(const Job *j, size_t i) { return j->pictures.count == 1 ? 0 : i; }
static size_t prompt_of(const Job *j, size_t i) { return j->prompt_count == 1 ? 0 : i; }

static Taps *asking(Job *j, Arena *a, const Inputs *in) {
    const Family *f = j->model->family;
    Taps *t = taps_asking(a, model_taps(a, j->model, in), f->aliases, f->alias_count);
    for (size_t i = 0; i < j->pattern_count; i++) taps_read(t, j->patterns[i], keep, j);
    return t;
}

// Runs one forward over inputs of one shape and keeps what was asked for.
static void forward(Job *j, Arena *scratch, const Inputs *in) {
    Mark mark = arena_mark(scratch);
    Run *run = run_new(scratch);
    Taps *t = asking(j, scratch, in);
    for (size_t i = 0; i < j->replacements.count; i++) ready_replacement(scratch, t, j->replacements.items[i]);
    run->taps = t;
    run->stop = true;
    model_forward(run, j->model, in);
    arena_release(scratch, mark);
}

static void run_batch(Job *j, Arena *scratch, Tensor *pixels, const size_t *inputs, size_t n) {
    Inputs in = {.interpolate = j->interpolate};
    Mark mark = arena_mark(scratch);
    if (tensor_given(pixels[0])) {
        Tensor p = pixels[0];
        in.pixels = tensor_take(scratch, DTYPE_F32, DIMS((long)n, p.shape[0], p.shape[1], p.shape[2]));
        for (size_t k = 0; k < n; k++) memcpy(f32(in.pixels) + k * tensor_count(p), pixels[k].data, tensor_bytes(p));
    }
    if (j->prompt_count) { // texts of one batch have the same ids: several texts run one by one
        const char *text = j->prompts[prompt_of(j, inputs[0])];
        Tensor one = prompt_ids(scratch, &j->prompter, text, tensor_given(pixels[0]) ? 1 : 0, j->raw);
        in.ids = tensor_take(scratch, DTYPE_I32, DIMS((long)n, one.shape[1]));
        for (size_t k = 0; k < n; k++) memcpy(i32(in.ids) + k * (size_t)one.shape[1], one.data, tensor_bytes(one));
    }
    forward(j, scratch, &in);
    arena_release(scratch, mark);
}

static bool same_size(Tensor a, Tensor b) { return tensor_given(a) == tensor_given(b) && (!tensor_given(a) || tensor_same_shape(a, b)); }

// Inputs [from, to): pictures read by all threads, grouped into forwards of equal shape, order kept.
static void run_inputs(Job *j, Arena *scratch, size_t from, size_t to, Progress *bar) {
    Arena *a = arena_new("a batch");
    size_t room = (size_t)j->batch;
    Batch batch = batch_new(a, room);
    const Gathered **items = take(a, const Gathered *, room);
    size_t *inputs = take(a, size_t, room);
    ImageOptions o = picture_options(&j->picture_options);
    for (size_t at = from; at < to; at += room) {
        size_t n = to - at < room ? to - at : room, good = 0;
        for (size_t k = 0; j->pictures.count && k < n; k++) items[k] = &j->pictures.items[picture_of(j, at + k)];
        if (j->pictures.count) batch_read(&batch, items, n, &j->preprocess, &o, NULL, NULL);
        for (size_t k = 0; k < n; k++) {
            if (batch.errors[k]) failed(j, items[k]->path, batch.errors[k]);
            else batch.pixels[good] = batch.pixels[k], inputs[good++] = at + k;
        }
        for (size_t k = 0; k < good;) {
            size_t m = 1;
            while (k + m < good && j->prompt_count <= 1 && same_size(batch.pixels[k], batch.pixels[k + m])) m++;
            run_batch(j, scratch, batch.pixels + k, inputs + k, m);
            k += m;
        }
        progress_at(bar, at + n);
    }
    batch_free(&batch);
    arena_free(a);
}

// ---- preparing

static const char **lines_of(Arena *a, const char *path, size_t *count) {
    Lines *lines = lines_open(a, path);
    const char **list = NULL, *line;
    size_t room = 0, n = 0, length;
    for (; (line = lines_next(lines, &length)); list[n++] = arena_text(a, line, length))
        if (n == room) list = arena_grow(a, list, n, room = room ? room * 2 : 64, sizeof *list);
    lines_close(lines);
    need(n > 0, "%s: holds no line", path);
    *count = n;
    return list;
}

// NAME=FILE[:TENSOR]
static void stamp_replacement(Blake2b *h, Arena *a, const char *item) {
    const char *file = strchr(item, '=') ? strchr(item, '=') + 1 : item, *colon = strrchr(file, ':');
    stamp_file(h, file);
    if (colon) stamp_file(h, arena_print(a, "%.*s", (int)(colon - file), file));
}

static const char *digest_of(Job *j, int argc, char **argv) {
    Blake2b h;
    blake2b_start(&h, 16, NULL, 0);
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--quiet") != 0 && strcmp(argv[i], "--fresh") != 0) {
            blake2b_add(&h, argv[i], strlen(argv[i]) + 1);
            if (i > 0 && strcmp(argv[i - 1], "--out") != 0) stamp_file(&h, argv[i]); // lists, ids, pixels
        }
    stamp_model(&h, j->model->dir);
    stamp_pictures(&h, &j->pictures);
    for (size_t i = 0; i < j->replacements.count; i++) stamp_replacement(&h, j->arena, j->replacements.items[i]);
    for (size_t i = 0; i < j->prompt_count; i++) blake2b_add(&h, j->prompts[i], strlen(j->prompts[i]) + 1);
    return stamp_text(&h, j->arena);
}

static void split_patterns(Job *j, const char *text) {
    size_t n = 1;
    for (const char *c = text; *c; c++) n += *c == ',';
    j->patterns = take(j->arena, const char *, n);
    for (const char *c = text; *c;) {
        size_t m = strcspn(c, ",");
        if (m) j->patterns[j->pattern_count++] = arena_text(j->arena, c, m);
        c += m + (c[m] == ',');
    }
    if (j->pattern_count == 0) die_usage("--taps: a pattern is wanted; `retina info DIR --taps` lists the names");
}

// The first input's shapes (a dry run) give the columns; also the size of a file.
static size_t plan_columns(Job *j) {
    Inputs in = {.interpolate = j->interpolate, .pixels = j->pixels, .ids = j->ids, .mask = j->mask, .types = j->types};
    Arena *a = j->arena;
    if (!j->ready && j->pictures.count) {
        int w = 0, h = 0;
        preprocess_size(&j->preprocess, 640, 480, &w, &h);
        in.pixels = tensor_of(NULL, DTYPE_F32, DIMS(1, 3, h, w));
    }
    if (!j->ready && tensor_given(in.pixels)) in.pixels.shape[0] = 1;
    if (j->prompt_count) in.ids = prompt_ids(a, &j->prompter, j->prompts[0], j->pictures.count ? 1 : 0, j->raw);
    const TapInfo *list;
    Taps *t = asking(j, a, &in);
    j->column_count = taps_asked(t, &list);
    j->columns = take_zero(a, Column, j->column_count);
    size_t bytes = 0;
    for (size_t i = 0; i < j->column_count; i++) {
        j->columns[i].name = list[i].name;
        bytes += tensor_bytes(list[i].shape);
    }
    return bytes;
}

// ---- inputs and files of a run

typedef struct { // as the options name them; NULL or empty where absent
    const char *pixels, *prompt, *prompts, *ids;
    TextList images;
} Given;

static void inputs_open(Job *j, const Given *g) {
    Arena *a = j->arena;
    if (g->images.count) {
        need(j->model->family->takes_images, "%s: a %s model takes no pictures", j->model->dir, j->model->family->name);
        j->preprocess = preprocess_read(a, j->model->dir);
        j->pictures = pictures_gather(a, g->images.items, g->images.count);
    }
    if (g->pixels) {
        Tensors *t = tensors_open(a, g->pixels);
        tensors_need(t, "pixel_values");
        j->pixels = ready_tensor(a, t, "pixel_values", DTYPE_F32);
        need(j->pixels.ndim == 4, "%s: pixel_values of %d dimensions; (N, 3, height, width) is wanted", g->pixels, j->pixels.ndim);
    }
    if (g->ids) j->ids = ready_ids(a, g->ids, &j->mask, &j->types);
    if (g->prompt) j->prompts = take(a, const char *, 1), j->prompts[0] = g->prompt, j->prompt_count = 1;
    if (g->prompts) j->prompts = lines_of(a, g->prompts, &j->prompt_count);
    if (j->prompt_count) j->prompter = prompter_load(a, j->model);
    j->ready = g->ids || (g->pixels && !j->prompt_count);
    if (g->images.count && g->ids) die_usage("extract: --ids goes with --pixels, or alone");
    if (g->pixels && j->prompt_count) die_usage("extract: --pixels goes with --ids, or alone");
    size_t p = j->pictures.count, t = j->prompt_count;
    if (p > 1 && t > 1 && p != t) die_usage("extract: %zu pictures and %zu texts; one of either, or as many", p, t);
    j->count = j->ready ? 1 : p > t ? p : t;
}

// Ready tensors: pixels alone go in batches; with ids, everything at once, as the reference is called.
static void run_ready(Job *j, Arena *scratch) {
    Inputs in = {.pixels = j->pixels, .ids = j->ids, .mask = j->mask, .types = j->types, .interpolate = j->interpolate};
    if (tensor_given(j->ids)) {
        forward(j, scratch, &in);
        return;
    }
    long N = j->pixels.shape[0], one = N ? (long)(tensor_count(j->pixels) / (size_t)N) : 0;
    for (long b = 0; b < N; b += j->batch) {
        in.pixels = tensor_of(f32(j->pixels) + b * one, DTYPE_F32, 4, j->pixels.shape);
        in.pixels.shape[0] = N - b < j->batch ? N - b : j->batch;
        forward(j, scratch, &in);
    }
}

static void index_write(Job *j, size_t files) {
    JsonOut *o = json_out(j->arena, 1);
    json_open(o, NULL, '{');
    json_put_text(o, "digest", j->digest);
    json_open(o, "files", '[');
    for (size_t f = 0; f < files; f++) json_put_text(o, NULL, path_name(file_path(j, f, files)));
    json_close(o);
    json_close(o);
    size_t n;
    const char *text = json_done(o, &n);
    file_write(arena_print(j->arena, "%s.index.json", j->out), text, n);
}

// bytes: of one input's results, which decides how many inputs a file holds.
static void run_files(Job *j, size_t bytes) {
    size_t per_file = j->shard_size ? (size_t)j->shard_size : FILE_BYTES / (bytes ? bytes : 1) + 1;
    size_t files = (j->count + per_file - 1) / per_file;
    Arena *scratch = arena_new("a forward pass");
    Progress bar = progress_start("extract", j->count);
    for (size_t f = 0; f < files; f++) {
        size_t from = f * per_file, to = from + per_file < j->count ? from + per_file : j->count;
        char *path = file_path(j, f, files);
        if (file_valid(j, path, from, to)) {
            progress_resume(&bar, to);
            continue;
        }
        size_t first_failed = j->failed_count;
        columns_clear(j);
        if (j->ready) run_ready(j, scratch);
        else run_inputs(j, scratch, from, to, &bar);
        file_finish(j, path, from, to, first_failed);
    }
    progress_end(&bar);
    arena_free(scratch);
    if (files > 1) index_write(j, files);
}

static void failed_write(Job *j) {
    if (j->failed_count == 0) return;
    Writer *w = writer_open(arena_print(j->arena, "%s.failed.csv", j->out));
    writer_print(w, "image,reason\n");
    for (size_t i = 0; i < j->failed_count; i++) writer_put(w, j->failed[i], strlen(j->failed[i]));
    writer_close(w);
    fprintf(stderr, "retina: %zu of %zu pictures could not be read: %s.failed.csv says why\n", j->failed_count, j->count, j->out);
}

int run_extract(int argc, char **argv) {
    Job job = {.arena = arena_new("extract"), .batch = 8}, *j = &job;
    const char *dir = NULL, *taps = NULL, *pixels = NULL, *prompt = NULL, *prompts = NULL, *ids = NULL;
    TextList images = {0};
    int save = 0, threads = 0, device = 0, dtype = 0;
    Option options[] = {
        {"model", OPT_TEXT, &dir, "model directory", NULL},
        {"taps", OPT_TEXT, &taps, "names or patterns, separated by commas", NULL},
        {"out", OPT_TEXT, &j->out, "F.safetensors", NULL},
        {NULL, OPT_FLAG, NULL, "inputs", NULL},
        {"image", OPT_LIST, &images, "picture, folder, .txt list or .tar; repeatable", NULL},
        {"pixels", OPT_TEXT, &pixels, "ready tensors in a file instead: pixel_values", NULL},
        {"prompt", OPT_TEXT, &prompt, "text for every picture", NULL},
        {"prompts", OPT_TEXT, &prompts, "a text a line", NULL},
        {"ids", OPT_TEXT, &ids, "token ids instead: 1,2,3 or a file with input_ids", NULL},
        {"raw", OPT_FLAG, &j->raw, "texts as they are, without the chat template", NULL},
        {"interpolate", OPT_FLAG, &j->interpolate, "resample positions for pictures of another size", NULL},
        PICTURE_OPTIONS(j->picture_options),
        {NULL, OPT_FLAG, NULL, "results", NULL},
        {"pool", OPT_CHOICE, &j->pool, "of the tokens", "none|mean|first|last|max"},
        {"save-dtype", OPT_CHOICE, &save, "stored type", "f32|bf16|f16"},
        {"shard-size", OPT_INT, &j->shard_size, "inputs in a file; 0: about 1.5 GB", NULL},
        {"replace", OPT_LIST, &j->replacements, "NAME=F.safetensors[:TENSOR] in the tap's place; repeatable", NULL},
        {"keep-going", OPT_FLAG, &j->keep_going, "exit 0 although pictures failed", NULL},
        {"fresh", OPT_FLAG, &j->fresh, "do not keep files of an earlier run", NULL},
        {NULL, OPT_FLAG, NULL, "running", NULL},
        {"batch", OPT_INT, &j->batch, "pictures in a forward", NULL},
        {"threads", OPT_INT, &threads, "0: every core of this process", NULL},
        {"device", OPT_CHOICE, &device, "where to compute", "auto|cpu|cuda"},
        {"dtype", OPT_CHOICE, &dtype, "of the computation", "f32"},
        {"quiet", OPT_FLAG, &quiet, "no progress", NULL},
    };
    options_parse("retina extract --model DIR [inputs] --taps GLOB[,GLOB…] --out F.safetensors", "Reads any taps of any model.", options,
                  sizeof options / sizeof *options, argc, argv, NULL);
    if (!dir || !taps || !j->out) die_usage("extract: --model, --taps and --out are wanted; --help lists the rest");
    if (j->batch < 1 || j->shard_size < 0) die_usage("extract: --batch is at least 1, --shard-size at least 0");
    if (threads < 0) die_usage("--threads %d: 0 or more", threads);
    if (threads) threads_set(threads);
    need(device != 2, "--device cuda: this build has no CUDA; use --device cpu");
    j->save = (Dtype[]){DTYPE_F32, DTYPE_BF16, DTYPE_F16}[save];
    j->taps_text = taps;
    if ((pixels && images.count) || ((prompt != NULL) + (prompts != NULL) + (ids != NULL) > 1)) die_usage("extract: one kind of pictures and one kind of texts");
    if (!pixels && !images.count && !prompt && !prompts && !ids) die_usage("extract: no input; give --image, --pixels, --prompt, --prompts or --ids");
    split_patterns(j, taps);
    j->model = model_open(j->arena, dir, false);
    inputs_open(j, &(Given){.pixels = pixels, .prompt = prompt, .prompts = prompts, .ids = ids, .images = images});
    j->digest = digest_of(j, argc, argv);
    run_files(j, plan_columns(j));
    failed_write(j);
    return j->failed_count && !j->keep_going ? 1 : 0;
}
