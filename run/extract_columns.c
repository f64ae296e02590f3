// extract_columns.c: tensors of taps, input by input.
//
// The first axis is the inputs. Where they differ in length, or hold padding, their tokens lie end to end and
// NAME#lengths tells them apart; maps of attention of unequal texts lie value after value, with NAME#shapes. What a tap's
// axes mean is found by dry runs with twice the inputs, and one token fewer.
#include <stdlib.h>
#include <string.h>

#include "extract_parts.h"

#define FILE_BYTES 1500000000u // a file's size when --shard-size is not given

static void grow(void **p, size_t *room, size_t want, size_t item) {
    if (want <= *room) return;
    size_t r = *room ? *room * 2 : 1024;
    while (r < want) r *= 2;
    *p = memory_grow(*p, size_mul(r, item, "extract"), "extract: results; use a smaller --shard-size, or --pool");
    *room = r;
}

void columns_clear(Extract *e) {
    for (size_t i = 0; i < e->column_count; i++) {
        Column *c = &e->columns[i];
        c->used = c->count = 0;
        c->ragged = c->flat = false;
    }
    e->row_count = 0;
    e->failed_before = e->failed.count, e->damaged_before = e->damaged.count;
}

// One input's tensor, or what pooling leaves of it, behind those of the inputs before.
static void append(Extract *e, Column *c, const float *values, int ndim, const long *shape) {
    size_t n = 1;
    for (int d = 0; d < ndim; d++) n *= (size_t)shape[d];
    bool pooled = e->pool != POOL_NONE && ndim == 2; // tokens (T, C)
    need(!pooled || shape[0] > 0, "--pool: an input has no tokens in the tap %s", c->name);
    if (pooled) n = (size_t)shape[1], ndim = 1;
    grow((void **)&c->values, &c->room, c->used + n, sizeof(float));
    if (pooled) tokens_pool(c->values + c->used, values, shape[0], shape[1], (Pool)e->pool), shape++;
    else memcpy(c->values + c->used, values, n * sizeof(float));
    c->used += n;
    grow((void **)&c->shapes, &c->shapes_room, (c->count + 1) * DIMS_MAX, sizeof *c->shapes);
    int64_t *mine = c->shapes + c->count++ * DIMS_MAX;
    for (int d = 0; d < DIMS_MAX; d++) mine[d] = d < ndim ? shape[d] : 1;
    if (c->count == 1) {
        c->ndim = ndim;
        c->ragged = c->text && e->lengths_differ && ndim > 1 && !(c->shared && e->ready);
        c->flat = c->square && e->lengths_differ && ndim > 1 && !tensor_given(e->mask); // a padded batch's maps stay as they are
    }
    need(ndim == c->ndim, "extract: of one input the tap %s has %d axes, of another %d; extract such inputs one by one", c->name, c->ndim, ndim);
    for (int d = 0; d < ndim; d++)
        if (mine[d] != c->shapes[d]) *(d || ndim == 1 ? &c->flat : &c->ragged) = true;
}

// (T, …) without the rows of padding, in place.
static long unpadded(float *x, const uint8_t *mask, long T, size_t width) {
    long kept = 0;
    for (long t = 0; t < T; t++) {
        if (!mask[t]) continue;
        if (kept != t) memmove(x + (size_t)kept * width, x + (size_t)t * width, width * sizeof *x);
        kept++;
    }
    return kept;
}

// A tap's tensor, as it is served.
static void keep(void *arg, const char *name, Tensor x) {
    Extract *e = arg;
    Column *c = e->columns;
    while (strcmp(c->name, name) != 0) c++;
    if (c->seen == e->forwards) return; // two patterns match it
    c->seen = e->forwards;
    long B = x.shape[0];
    size_t one = B ? tensor_count(x) / (size_t)B : 0;
    bool padded = c->text && !c->shared && e->lengths_differ && tensor_given(e->mask) && x.ndim > 2;
    Arena *a = arena_new("rows of a tap");
    if (c->shared && e->ready) { // as the reference's module returns it: one for all inputs
        if (c->count == 0)
            for (long b = 0; b < B; b++) append(e, c, f32(x) + (size_t)b * one, x.ndim - 1, x.shape + 1);
    } else if (c->shared) {
        for (long k = 0; k < e->now_count; k++) append(e, c, f32(x), x.ndim - 1, x.shape + 1);
    } else if (padded) {
        float *rows = take(a, float, one);
        for (long b = 0; b < B; b++) {
            long shape[DIMS_MAX], T = x.shape[1];
            memcpy(shape, x.shape, sizeof shape);
            memcpy(rows, f32(x) + (size_t)b * one, one * sizeof *rows);
            shape[1] = unpadded(rows, (uint8_t *)e->mask.data + b * T, T, one / (size_t)T);
            append(e, c, rows, x.ndim - 1, shape + 1);
        }
    } else {
        for (long b = 0; b < B; b++) append(e, c, f32(x) + (size_t)b * one, x.ndim - 1, x.shape + 1);
    }
    arena_free(a);
}

static Taps *asking(Extract *e, Arena *a, const Inputs *in) {
    const Family *f = e->model->family;
    Taps *t = taps_asking(a, model_taps(a, e->model, in), f->aliases, f->alias_count);
    for (size_t i = 0; i < e->pattern_count; i++) taps_read(t, e->patterns[i], keep, e);
    return t;
}

static long axis_of(const Taps *t, const char *name, int axis) {
    const TapInfo *list;
    size_t n = taps_listed(t, &list);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0) return axis < list[i].shape.ndim ? list[i].shape.shape[axis] : -1;
    return -1;
}

// Of a replacement for all inputs, the rows of those in the present forward; of one for a single input, as many copies.
static Tensor rows_now(const Extract *e, Arena *a, Tensor with) {
    bool each = e->count > 1 && (with.shape[0] == 1 || (size_t)with.shape[0] == e->count);
    if (!each || e->now_count == with.shape[0]) return with;
    Tensor x = with;
    size_t row = tensor_bytes(with) / (size_t)with.shape[0];
    x.shape[0] = e->now_count;
    x.data = arena_take(a, (size_t)e->now_count, row);
    for (long k = 0; k < e->now_count; k++) memcpy((uint8_t *)x.data + (size_t)k * row, (uint8_t *)with.data + (with.shape[0] == 1 ? 0 : e->now[k] * row), row);
    return x;
}

Taps *columns_ask(Extract *e, Arena *a, const Inputs *in) {
    Taps *t = asking(e, a, in);
    for (size_t i = 0; i < e->replacement_count; i++) {
        const Replacement *r = &e->replacements[i];
        bool whole = axis_of(t, r->name, 0) == r->with.shape[0]; // as it is: all of this forward's inputs, or a table for them
        taps_replace(t, r->name, whole ? r->with : rows_now(e, a, r->with));
    }
    return t;
}

// ---- planning

// Shapes only.
static Tensor like(Tensor x, long B) {
    x.data = NULL;
    if (tensor_given(x)) x.shape[0] = B;
    return x;
}

// One input: of pictures the first size, of texts the longest.
static Inputs example(const Extract *e) {
    Inputs in = {.interpolate = e->interpolate, .pixels = like(e->pixels, tensor_given(e->ids) ? e->pixels.shape[0] : 1), .ids = like(e->ids, e->ids.shape[0])};
    if (e->pictures.count) {
        int w = 0, h = 0;
        preprocess_size(&e->preprocess, 640, 480, &w, &h);
        in.pixels = tensor_of(NULL, DTYPE_F32, DIMS(1, 3, h, w));
    }
    for (size_t i = 0; i < e->prompt_count; i++)
        if (!tensor_given(in.ids) || e->texts[i].shape[1] > in.ids.shape[1]) in.ids = like(e->texts[i], 1);
    return in;
}

// How many inputs a file's head can name (io/safetensors.c: 100 MB).
static size_t nameable(const Extract *e) {
    size_t longest = 0, prompt = 0;
    for (size_t i = 0; i < e->pictures.count; i++) {
        size_t n = strlen(e->pictures.items[i].path) + strlen(e->pictures.items[i].key);
        if (n > longest) longest = n;
    }
    for (size_t i = 0; i < e->prompt_count; i++)
        if (strlen(e->prompts[i]) > prompt) prompt = strlen(e->prompts[i]);
    return 40000000 / (longest + prompt + 64) + 1;
}

void columns_plan(Extract *e) {
    Arena *a = e->arena;
    Inputs in = example(e), more = in, shorter = in;
    more.pixels = like(in.pixels, 2 * in.pixels.shape[0]), more.ids = like(in.ids, 2 * in.ids.shape[0]);
    if (tensor_given(in.ids)) shorter.ids.shape[1] += in.ids.shape[1] > 1 ? -1 : 1;
    const TapInfo *list;
    Taps *t = asking(e, a, &in), *twice = model_taps(a, e->model, &more), *other = model_taps(a, e->model, &shorter);
    e->column_count = taps_asked(t, &list);
    e->columns = take_zero(a, Column, e->column_count);
    size_t bytes = 1, whole = 0; // taps that pooling leaves whole
    const char *first = NULL;
    for (size_t i = 0; i < e->column_count; i++) {
        Tensor x = list[i].shape;
        Column *c = &e->columns[i];
        c->name = list[i].name;
        c->shared = axis_of(twice, c->name, 0) == x.shape[0];
        c->text = x.ndim > 2 && axis_of(other, c->name, 1) != x.shape[1];
        for (int d = 2; d < x.ndim; d++) c->square = c->square || axis_of(other, c->name, d) != x.shape[d];
        bytes += e->pool && x.ndim == 3 ? tensor_bytes(x) / (size_t)(x.shape[1] ? x.shape[1] : 1) : tensor_bytes(x);
        if (x.ndim > 3) whole++, first = first ? first : c->name;
    }
    if (e->pool && whole) note("--pool: of the taps %zu are not tokens [T, C] and stay as they are; the first is %s", whole, first);
    size_t most = nameable(e);
    e->each = FILE_BYTES / bytes + 1 < most ? FILE_BYTES / bytes + 1 : most;
    if (e->shard_size) e->each = (size_t)e->shard_size;
    if (tensor_given(e->ids)) e->each = e->count; // one forward, so one file
    need(e->ready || e->each <= most || e->count <= most, "--shard-size %d: the head of a file can name %zu such inputs", e->shard_size, most);
    e->alone = (e->count + e->each - 1) / e->each;
    if (e->alone < (size_t)e->shards && !tensor_given(e->ids)) e->each = (e->count + (size_t)e->shards - 1) / (size_t)e->shards; // something for every job
    e->files = (e->count + e->each - 1) / e->each;
    e->rows = take(a, size_t, e->each < e->count ? e->each : e->count);
}
