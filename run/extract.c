// extract.c: `retina extract`: any taps of any model over any number of pictures and texts.
//
// The inputs are cut into files; a file is written when its inputs are done, and one that is there already, from the same
// model, inputs and options, is kept: a killed run goes on where it stopped. Jobs of --shard i/n write every n-th file;
// `merge` joins what they left.
#include "extract.h"

#include <stdio.h>
#include <string.h>

#include "device.h"
#include "extract_parts.h"
#include "io/lines.h"
#include "io/progress.h"
#include "io/stamp.h"
#include "io/thread.h"
#include "io/utf8.h"
#include "model/batch.h"
#include "model/ready.h"
#include "version.h"

// ---- running

static size_t picture_of(const Extract *e, size_t i) { return e->pictures.count == 1 ? 0 : i; }
static size_t prompt_of(const Extract *e, size_t i) { return e->prompt_count == 1 ? 0 : i; }

// One forward over n inputs of one shape; keeps what was asked for.
static void forward(Extract *e, Arena *scratch, const Inputs *in, const size_t *inputs, size_t n) {
    Mark mark = arena_mark(scratch);
    Run *run = run_on(scratch, e->model->device);
    e->forwards++;
    e->now = inputs, e->now_count = (long)n;
    run->taps = columns_ask(e, scratch, in);
    run->stop = true;
    model_forward(run, e->model, in);
    for (size_t k = 0; k < n; k++) e->rows[e->row_count++] = inputs[k];
    arena_release(scratch, mark);
}

static Tensor stacked(Arena *a, const Tensor *list, size_t n) { // (1, …) or (…) of each -> (n, …)
    Tensor x = list[0];
    int unit = x.ndim == 2; // ids come as (1, T)
    long shape[DIMS_MAX] = {(long)n};
    for (int d = 0; d < x.ndim - unit; d++) shape[d + 1] = x.shape[d + unit];
    Tensor all = tensor_take(a, x.dtype, x.ndim + 1 - unit, shape);
    for (size_t k = 0; k < n; k++) memcpy((uint8_t *)all.data + k * tensor_bytes(x), list[k].data, tensor_bytes(x));
    return all;
}

static void run_batch(Extract *e, Arena *scratch, const Tensor *pixels, const Tensor *texts, const size_t *inputs, size_t n) {
    Mark mark = arena_mark(scratch);
    Inputs in = {.interpolate = e->interpolate};
    if (tensor_given(pixels[0])) in.pixels = stacked(scratch, pixels, n);
    if (tensor_given(texts[0])) in.ids = stacked(scratch, texts, n);
    forward(e, scratch, &in, inputs, n);
    arena_release(scratch, mark);
}

static bool same_size(Tensor a, Tensor b) { return tensor_given(a) == tensor_given(b) && (!tensor_given(a) || tensor_same_shape(a, b)); }

// Inputs [from, to): pictures read by all threads, grouped into forwards of equal shape, order kept.
static void run_inputs(Extract *e, Arena *scratch, size_t from, size_t to, Progress *bar) {
    Arena *a = arena_new("a batch");
    size_t room = (size_t)e->batch < to - from ? (size_t)e->batch : to - from;
    Batch batch = batch_new(a, room);
    const Gathered **items = take(a, const Gathered *, room);
    size_t *inputs = take(a, size_t, room);
    Tensor *texts = take_zero(a, Tensor, room);
    ImageOptions o = picture_options(&e->picture_options);
    for (size_t at = from; at < to; at += room) {
        size_t n = to - at < room ? to - at : room, good = 0;
        for (size_t k = 0; e->pictures.count && k < n; k++) items[k] = &e->pictures.items[picture_of(e, at + k)];
        if (e->pictures.count) batch_read(&batch, items, n, &e->preprocess, &o, NULL, NULL);
        for (size_t k = 0; k < n; k++) {
            if (batch.damage[k]) remarks_add(&e->damaged, gathered_name(a, items[k]), batch.damage[k]);
            if (batch.errors[k]) {
                remarks_add(&e->failed, gathered_name(a, items[k]), batch.errors[k]);
                continue;
            }
            if (e->prompt_count) texts[good] = e->texts[prompt_of(e, at + k)];
            batch.pixels[good] = batch.pixels[k], inputs[good++] = at + k;
        }
        for (size_t k = 0, m; k < good; k += m) {
            for (m = 1; k + m < good && same_size(batch.pixels[k], batch.pixels[k + m]) && same_size(texts[k], texts[k + m]);) m++;
            run_batch(e, scratch, batch.pixels + k, texts + k, inputs + k, m);
        }
        progress_at(bar, at + n);
    }
    batch_free(&batch);
    arena_free(a);
}

// Ready tensors: pixels alone go in batches; with ids, everything at once, as the reference is called.
static void run_ready(Extract *e, Arena *scratch, size_t from, size_t to) {
    Inputs in = {.pixels = e->pixels, .ids = e->ids, .mask = e->mask, .types = e->types, .interpolate = e->interpolate};
    Mark mark = arena_mark(scratch);
    size_t *inputs = take(scratch, size_t, to - from), room = tensor_given(e->ids) ? to - from : (size_t)e->batch;
    for (size_t i = from; i < to; i++) inputs[i - from] = i;
    for (size_t at = from; at < to; at += room) {
        size_t n = to - at < room ? to - at : room;
        if (!tensor_given(e->ids)) {
            in.pixels.data = f32(e->pixels) + at * (tensor_count(e->pixels) / e->count);
            in.pixels.shape[0] = (long)n;
        }
        forward(e, scratch, &in, inputs + (at - from), n);
    }
    arena_release(scratch, mark);
}

static void run_files(Extract *e) {
    Arena *scratch = arena_new("a forward pass");
    Progress bar = progress_start("extract", e->count);
    for (size_t f = 0; f < e->files; f++) {
        if (f % (size_t)e->shards != (size_t)e->shard) continue; // another job's
        size_t from = f * e->each, to = from + e->each < e->count ? from + e->each : e->count;
        const char *path = file_of(e, e->arena, f, e->files);
        size_t failed = e->failed.count, damaged = e->damaged.count;
        if (!e->fresh && file_kept(e, path, from, to)) {
            ImageOptions o = picture_options(&e->picture_options);
            bool many = e->pictures.count > 1; // else the one goes with every prompt
            if (batch_fails_still(&e->failed, failed, e->pictures.items + (many ? from : 0), many ? to - from : e->pictures.count, &e->preprocess, &o)) {
                progress_resume(&bar, to);
                continue;
            }
            e->failed.count = failed, e->damaged.count = damaged;
        }
        columns_clear(e);
        if (e->ready) run_ready(e, scratch, from, to);
        else run_inputs(e, scratch, from, to, &bar);
        file_save(e, path, from, to);
    }
    progress_end(&bar);
    arena_free(scratch);
    if (e->alone > 1 && e->shards == 1) files_index(e, e->files);
}

// ---- preparing

static const char **lines_of(Arena *a, const char *path, size_t *count) {
    Lines *lines = lines_open(a, path);
    const char **list = NULL, *line;
    size_t room = 0, n = 0, length;
    for (; (line = lines_next(lines, &length)); list[n++] = arena_text(a, line, length)) {
        need(utf8_valid(line, length) == length && strlen(line) == length, "%s:%llu: not UTF-8, or a zero byte in it; convert the file first", path,
             (unsigned long long)lines_number(lines));
        if (n == room) list = arena_grow(a, list, n, room = room ? room * 2 : 64, sizeof *list);
    }
    lines_close(lines);
    need(n > 0, "%s: holds no line", path);
    *count = n;
    return list;
}

static void split_patterns(Extract *e, const char *text) {
    size_t n = 1;
    for (const char *c = text; *c; c++) n += *c == ',';
    e->patterns = take(e->arena, const char *, n);
    for (const char *c = text; *c;) {
        size_t m = strcspn(c, ",");
        if (m) e->patterns[e->pattern_count++] = arena_text(e->arena, c, m);
        c += m + (c[m] == ',');
    }
    if (e->pattern_count == 0) die_usage("--taps: a pattern is wanted; `retina info DIR --taps` lists the names");
}

typedef struct { // as the options name them; NULL or empty where absent
    const char *taps, *pixels, *prompt, *prompts, *ids;
    TextList images, replace;
} Given;

static void texts_open(Extract *e, const Given *g) {
    Arena *a = e->arena;
    if (g->prompt) e->prompts = take(a, const char *, 1), e->prompts[0] = g->prompt, e->prompt_count = 1;
    if (g->prompts) e->prompts = lines_of(a, g->prompts, &e->prompt_count);
    if (!e->prompt_count) return;
    need(e->model->family->takes_text, "%s: a %s model takes no text", e->model->dir, e->model->family->name);
    e->prompter = prompter_load(a, e->model);
    e->texts = take(a, Tensor, e->prompt_count);
    for (size_t i = 0; i < e->prompt_count; i++) {
        e->texts[i] = prompt_ids(a, &e->prompter, e->prompts[i], e->pictures.count ? 1 : 0, e->raw);
        if (e->texts[i].shape[1] != e->texts[0].shape[1]) e->lengths_differ = true;
    }
}

static void inputs_open(Extract *e, const Given *g) {
    Arena *a = e->arena;
    if (g->images.count && g->ids) die_usage("extract: --ids goes with --pixels, or alone");
    if (g->pixels && (g->prompt || g->prompts)) die_usage("extract: --pixels goes with --ids, or alone");
    if (g->images.count || g->pixels) need(e->model->family->takes_images, "%s: a %s model takes no pictures", e->model->dir, e->model->family->name);
    if (g->images.count) {
        e->preprocess = preprocess_read(a, e->model->dir);
        e->pictures = pictures_gather(a, g->images.items, g->images.count);
    }
    if (g->pixels) {
        Tensors *t = tensors_open(a, g->pixels);
        tensors_need(t, "pixel_values");
        e->pixels = ready_tensor(a, t, "pixel_values", DTYPE_F32);
        need(e->pixels.ndim == 4 && e->pixels.shape[0] > 0, "%s: pixel_values of %d dimensions, %ld pictures; (N, 3, height, width) is wanted", g->pixels, e->pixels.ndim, e->pixels.shape[0]);
    }
    if (g->ids) {
        need(e->model->family->takes_text, "%s: a %s model takes no text", e->model->dir, e->model->family->name);
        e->ids = ready_ids(a, g->ids, &e->mask, &e->types);
        need(e->ids.ndim == 2 && tensor_count(e->ids) > 0, "--ids %s: input_ids of %d dimensions, %zu ids; (N, T) is wanted", g->ids, e->ids.ndim, tensor_count(e->ids));
        need(same_size(e->ids, e->mask) || !tensor_given(e->mask), "--ids %s: attention_mask has another shape than input_ids", g->ids);
        need(same_size(e->ids, e->types) || !tensor_given(e->types), "--ids %s: token_type_ids has another shape than input_ids", g->ids);
        for (size_t i = 0; tensor_given(e->mask) && i < tensor_count(e->mask); i++)
            if (!((uint8_t *)e->mask.data)[i]) e->lengths_differ = true;
    }
    texts_open(e, g);
    size_t p = e->pictures.count, t = e->prompt_count;
    if (p > 1 && t > 1 && p != t) die_usage("extract: %zu pictures and %zu texts; one of either, or as many; two towers can be read in two runs", p, t);
    e->ready = g->ids || g->pixels;
    e->count = g->ids ? (size_t)e->ids.shape[0] : g->pixels ? (size_t)e->pixels.shape[0] : p > t ? p : t;
    e->replacements = take(a, Replacement, g->replace.count);
    for (; e->replacement_count < g->replace.count; e->replacement_count++) {
        Replacement *r = &e->replacements[e->replacement_count];
        r->with = ready_replacement(a, &g->replace, e->replacement_count, &r->name);
    }
}

// What the result depends on, besides the model and the inputs' content: options that only steer the run are not in it.
static void settings_read(Extract *e, const Given *g) {
    const PictureOptions *p = &e->picture_options;
    JsonOut *o = json_out(e->arena, -1);
    json_open(o, NULL, '{');
    json_put_text(o, "taps", g->taps);
    json_put_text(o, "pool", (const char *[]){"none", "mean", "first", "last", "max"}[e->pool]);
    json_put_text(o, "save-dtype", dtype_name(e->save));
    if (e->model->compute) json_put_text(o, "dtype", compute_name(e->model->compute));
    if (g->prompt) json_put_text(o, "prompt", g->prompt);
    if (g->prompts) json_put_text(o, "prompts", g->prompts);
    if (g->ids) json_put_text(o, "ids", g->ids);
    if (g->pixels) json_put_text(o, "pixels", g->pixels);
    if (e->prompt_count) json_put_bool(o, "raw", e->raw);
    if (e->pictures.count) {
        json_put_text(o, "truncated", p->truncated ? "ok" : "error");
        json_put_text(o, "alpha", p->alpha ? "white" : "drop");
        json_put_text(o, "exif", p->exif ? "apply" : "ignore");
        if (p->grey16) json_put_text(o, "grey16", "saturate");
    }
    json_put_bool(o, "interpolate", e->interpolate);
    json_open(o, "replace", '[');
    for (size_t i = 0; i < g->replace.count; i++) json_put_text(o, NULL, g->replace.items[i]);
    json_close(o);
    json_close(o);
    e->settings = json_done(o, NULL);
}

static void add_text(Blake2b *h, const char *text) { blake2b_add(h, text, strlen(text) + 1); }

static void add_tensor(Blake2b *h, Tensor x) {
    blake2b_add(h, x.shape, sizeof x.shape);
    if (tensor_given(x)) blake2b_add(h, x.data, tensor_bytes(x));
}

static void digest_make(Extract *e) {
    Blake2b h;
    blake2b_start(&h, 16, NULL, 0);
    stamp_model(&h, e->model->dir);
    e->checksum = stamp_text(&h, e->arena);
    blake2b_start(&h, 16, NULL, 0);
    add_text(&h, e->checksum);
    add_text(&h, e->settings);
    add_text(&h, VERSION);
    stamp_pictures(&h, &e->pictures);
    for (size_t i = 0; i < e->prompt_count; i++) add_text(&h, e->prompts[i]), add_tensor(&h, e->texts[i]);
    add_tensor(&h, e->pixels), add_tensor(&h, e->ids), add_tensor(&h, e->mask), add_tensor(&h, e->types);
    for (size_t i = 0; i < e->replacement_count; i++) add_tensor(&h, e->replacements[i].with);
    e->digest = stamp_text(&h, e->arena);
}

int run_extract(int argc, char **argv) {
    Extract extract = {.arena = arena_new("extract"), .batch = 8, .shards = 1}, *e = &extract;
    e->failed.arena = e->damaged.arena = e->arena;
    Given given = {0}, *g = &given;
    const char *dir = NULL, *shard = NULL;
    int save = 0, threads = 0, device = 0, dtype = 0;
    bool packed = false;
    Option options[] = {
        {"model", OPT_TEXT, &dir, "model directory", NULL},
        {"taps", OPT_TEXT, &g->taps, "names or patterns, separated by commas; '*' is everything", NULL},
        {"out", OPT_TEXT, &e->out, "F.safetensors", NULL},
        {NULL, OPT_FLAG, NULL, "inputs", NULL},
        {"image", OPT_LIST, &g->images, "picture, folder, .txt list or .tar; repeatable", NULL},
        {"pixels", OPT_TEXT, &g->pixels, "ready tensors in a file instead: pixel_values", NULL},
        {"prompt", OPT_TEXT, &g->prompt, "text for every picture", NULL},
        {"prompts", OPT_TEXT, &g->prompts, "a text a line", NULL},
        {"ids", OPT_TEXT, &g->ids, "token ids instead: 1,2,3 or a file with input_ids (and attention_mask)", NULL},
        {"raw", OPT_FLAG, &e->raw, "texts as they are, without the chat template", NULL},
        {"interpolate", OPT_FLAG, &e->interpolate, "resample positions for pictures of another size", NULL},
        PICTURE_OPTIONS(e->picture_options),
        {NULL, OPT_FLAG, NULL, "results", NULL},
        {"pool", OPT_CHOICE, &e->pool, "of the tokens; what has none (maps, vectors) stays as it is", "none|mean|first|last|max"},
        {"save-dtype", OPT_CHOICE, &save, "stored type", "f32|bf16|f16"},
        {"shard-size", OPT_INT, &e->shard_size, "inputs in a file; 0: about 1.5 GB", NULL},
        {"replace", OPT_LIST, &g->replace, "NAME=F.safetensors[:TENSOR] in the tap's place; repeatable", NULL},
        {"keep-going", OPT_FLAG, &e->keep_going, "exit 0 although pictures failed", NULL},
        {"fresh", OPT_FLAG, &e->fresh, "do not keep files of an earlier run", NULL},
        {NULL, OPT_FLAG, NULL, "running", NULL},
        {"shard", OPT_TEXT, &shard, "i/n: only the i-th of n jobs' part, i from 0; `merge` joins them", NULL},
        {"batch", OPT_INT, &e->batch, "inputs in a forward", NULL},
        {"threads", OPT_INT, &threads, "0: every core of this process", NULL},
        {"device", OPT_CHOICE, &device, "where to compute", "auto|cpu|cuda"},
        {"dtype", OPT_CHOICE, &dtype, "of the computation; f32 is the reference", COMPUTE_CHOICES},
        {"packed", OPT_FLAG, &packed, PACKED_HELP, NULL},
        {"quiet", OPT_FLAG, &quiet, "no progress", NULL},
    };
    TextList rest;
    options_parse("retina extract [merge] --model DIR [inputs] --taps GLOB[,GLOB…] --out F.safetensors",
                  "Reads any taps of any model. `merge`, with the same options, joins what jobs of --shard i/n left.", options,
                  sizeof options / sizeof *options, argc, argv, &rest);
    bool merge = rest.count == 1 && strcmp(rest.items[0], "merge") == 0;
    if (rest.count && !merge) die_usage("extract %s: not expected; inputs are given by --image, --pixels, --prompt, --prompts or --ids", rest.items[0]);
    if (!dir || !g->taps || !e->out || !*e->out) die_usage("extract: --model, --taps and --out are wanted; --help lists the rest");
    const OptionCount counts[] = {{"batch", e->batch, 1}, {"shard-size", e->shard_size, 0}, {"threads", threads, 0}};
    options_bounded(counts, sizeof counts / sizeof *counts);
    if (shard) option_shard(shard, &e->shard, &e->shards);
    if (merge && shard) die_usage("extract merge: --shard is for the jobs before it");
    writer_drop(writer_open(e->out)); // what cannot be written is told now, not after hours
    if (threads) threads_set(threads);
    device_pick(device, packed, (Compute)dtype);
    e->save = (Dtype[]){DTYPE_F32, DTYPE_BF16, DTYPE_F16}[save];
    if ((g->pixels && g->images.count) || ((g->prompt != NULL) + (g->prompts != NULL) + (g->ids != NULL) > 1)) die_usage("extract: one kind of pictures and one kind of texts");
    if (!g->pixels && !g->images.count && !g->prompt && !g->prompts && !g->ids) die_usage("extract: no input; give --image, --pixels, --prompt, --prompts or --ids");
    split_patterns(e, g->taps);
    e->model = model_open(e->arena, dir, false);
    e->model->compute = (Compute)dtype;
    inputs_open(e, g);
    settings_read(e, g);
    digest_make(e);
    columns_plan(e);
    if (merge) files_merge(e);
    else run_files(e);
    remarks_tell(e);
    return e->failed.count && !e->keep_going ? 1 : 0;
}
