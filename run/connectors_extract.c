// connectors_extract.c: step `extract`: pictures through the vision tower and the connector, nothing more.
//
// The language model never runs: the forward ends when the connector's tap has been served. Vectors go to files of
// --part-size pictures; a killed run loses at most one file.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors.h"
#include "io/stamp.h"
#include "io/progress.h"
#include "io/safetensors.h"
#include "model/batch.h"
#include "model/kernels.h"
#include "model/llava.h"

struct VectorPart {
    size_t first, count;
    Dtype dtype;
    const uint8_t *pre, *post;
};

typedef struct {
    Study *study;
    Fingerprint *prints;
} Seen;

// Fingerprinted as it was decoded, then squashed.
static Picture look(void *arg, Arena *a, size_t k, const Image *image) {
    Seen *l = arg;
    l->prints[k] = fingerprint_of(image->rgb, image->width, image->height);
    return study_picture(a, l->study, image);
}

static void keep_pre(void *arg, const char *name, Tensor x) {
    PartRows *s = arg;
    (void)name;
    memcpy(s->pre + s->rows * (size_t)(s->T_pre * s->D_pre), x.data, tensor_bytes(x));
}

static void keep_post(void *arg, const char *name, Tensor x) {
    PartRows *s = arg;
    (void)name;
    memcpy(s->post + s->rows * (size_t)(s->T_post * s->D_post), x.data, tensor_bytes(x));
}

// The model by content: a directory may be written again between two runs. Of the pictures each part knows its own.
static const char *digest_of(Study *s) {
    if (!s->model_stamp) {
        Blake2b h;
        blake2b_start(&h, 16, NULL, 0);
        stamp_model(&h, s->model_dir);
        s->model_stamp = stamp_text(&h, s->arena);
    }
    return arena_print(s->arena, "%s|%d|%d|%d|%s%s%s", s->model_stamp, study_model(s)->image_tokens, s->image_size, s->save, picture_options_text(s->arena, &s->picture_options), s->compute ? "|" : "", s->compute ? compute_name(s->compute) : "");
}

// The pictures [from, to) of one part. Each is opened for it once in a run, and before it is read: one that is changed
// meanwhile is of another digest to the next run.
static const char *pictures_digest(Study *s, size_t from, size_t to) {
    if (!s->picture_stamps) s->picture_stamps = take_zero(s->arena, const char *, parts_of(s));
    const char **kept = &s->picture_stamps[from / (size_t)s->part_size];
    if (*kept) return *kept;
    Blake2b h;
    blake2b_start(&h, 16, NULL, 0);
    Gathering g = {.items = study_pictures(s)->items + from, .count = to - from};
    if (s->from_world) stamp_drawn(&h, &g);
    else stamp_pictures(&h, &g);
    return *kept = stamp_text(&h, s->arena);
}

static char *part_path(Study *s, size_t part) { return arena_print(s->arena, "%s/vectors/part-%05zu.safetensors", s->out, part); }

// Whether a file of an earlier run holds the vectors of just these pictures under just these settings.
bool part_fits(Study *s, const char *path, const char *digest, size_t from, size_t to) {
    if (!file_exists(path)) return false;
    Arena *a = arena_new("an earlier part");
    Trap trap;
    bool ok = false;
    if (trap_set(&trap)) {
        Tensors *t = tensors_open(a, path);
        const char *written = tensors_metadata(t, "digest"), *first = tensors_metadata(t, "from"), *last = tensors_metadata(t, "to"),
                   *pictures = tensors_metadata(t, "pictures");
        ok = written && first && last && tensors_metadata(t, "places") && pictures && strcmp(written, digest) == 0 && strcmp(pictures, pictures_digest(s, from, to)) == 0 && strtoul(first, NULL, 10) == from && strtoul(last, NULL, 10) == to;
        tensors_close(t);
        trap_end(&trap);
    }
    arena_free(a);
    return ok;
}

// Whether a picture that the file has no row of can be read by now: a disk's fault passes.
static bool part_lacks(Study *s, const char *path, size_t from, size_t to) {
    Arena *a = arena_new("pictures that failed");
    Tensors *t = tensors_open(a, path);
    const char *text = tensors_metadata(t, "places");
    const Json *places = json_parse(a, text, strlen(text), path);
    const Gathered **missing = take(a, const Gathered *, to - from);
    size_t n = 0, row = 0;
    for (size_t i = from; i < to; i++) {
        if (row < places->count && (size_t)places->items[row].integer == i) row++;
        else missing[n++] = &study_pictures(s)->items[i];
    }
    Preprocess p = preprocess_read(a, s->model_dir);
    ImageOptions o = picture_options(&s->picture_options);
    bool lacks = batch_failing(missing, n, &p, &o) < n;
    tensors_close(t);
    arena_free(a);
    return lacks;
}

static void put(TensorsWriter *w, const char *name, const float *v, size_t n, Dtype type, Arena *scratch) {
    if (type == DTYPE_F32) {
        tensors_put(w, name, v, n * sizeof *v);
        return;
    }
    Mark mark = arena_mark(scratch);
    uint16_t *narrow = take(scratch, uint16_t, n);
    if (type == DTYPE_BF16) convert_f32_bf16(narrow, v, n);
    else convert_f32_f16(narrow, v, n);
    tensors_put(w, name, narrow, n * 2);
    arena_release(scratch, mark);
}

void part_save(Study *s, const char *path, const PartRows *k) {
    Arena *a = arena_new("a part's head");
    Dtype type = (Dtype[]){DTYPE_F32, DTYPE_BF16, DTYPE_F16}[s->save];
    int64_t n = (int64_t)k->rows;
    TensorPlan plan[] = {{"pre", type, 3, {n, k->T_pre, k->D_pre}}, {"post", type, 3, {n, k->T_post, k->D_post}}, {"fingerprint", DTYPE_U8, 2, {n, 16}}};
    JsonOut *keys = json_out(a, 0), *paths = json_out(a, 0), *places = json_out(a, 0);
    json_open(keys, NULL, '[');
    json_open(paths, NULL, '[');
    json_open(places, NULL, '[');
    for (size_t i = 0; i < k->rows; i++) {
        json_put_text(keys, NULL, s->pictures.items[k->places[i]].key);
        json_put_text(paths, NULL, s->pictures.items[k->places[i]].path);
        json_put_int(places, NULL, (int64_t)k->places[i]);
    }
    json_close(keys);
    json_close(paths);
    json_close(places);
    const char *metadata[] = {"digest", k->digest, "pictures", pictures_digest(s, k->from, k->to), "from", arena_print(a, "%zu", k->from), "to", arena_print(a, "%zu", k->to),
                              "keys", json_done(keys, NULL), "paths", json_done(paths, NULL), "places", json_done(places, NULL), "failed", remarks_text(a, &k->failed, 0),
                              "damaged", remarks_text(a, &k->damaged, 0), "model", s->model_dir, "token_order", "raster", "pre_point", "raw", NULL};
    TensorsWriter *w = tensors_create(a, path, plan, 3, metadata);
    put(w, "pre", k->pre, k->rows * (size_t)(k->T_pre * k->D_pre), type, a);
    put(w, "post", k->post, k->rows * (size_t)(k->T_post * k->D_post), type, a);
    tensors_put(w, "fingerprint", k->prints, k->rows * 16);
    tensors_finish(w);
    arena_free(a);
}

// Pictures of one batch that could be read go through one forward.
static void forward(Study *s, Arena *scratch, Taps *taps, Tensor *pixels, size_t n) {
    Mark mark = arena_mark(scratch);
    Tensor one = pixels[0];
    Inputs in = {.pixels = tensor_take(scratch, DTYPE_F32, DIMS((long)n, one.shape[0], one.shape[1], one.shape[2]))};
    for (size_t k = 0; k < n; k++) memcpy(f32(in.pixels) + k * tensor_count(one), pixels[k].data, tensor_bytes(one));
    Run *run = run_on(scratch, study_model(s)->device);
    run->taps = taps;
    run->stop = true;
    model_forward(run, study_model(s), &in);
    arena_release(scratch, mark);
}

static void run_part(Study *s, const char *path, size_t from, size_t to, Progress *bar) {
    Model *m = study_model(s);
    Arena *a = arena_new("a part of the vectors"), *scratch = arena_new("a forward pass");
    size_t n = to - from, batch = (size_t)s->batch < n ? (size_t)s->batch : n;
    PartRows sink = {.digest = digest_of(s), .from = from, .to = to, .failed = {.arena = a}, .damaged = {.arena = a}};
    Preprocess preprocess = preprocess_read(a, s->model_dir);
    Batch pictures = batch_new(a, batch);
    Seen looked = {.study = s, .prints = take(a, Fingerprint, batch)};
    const Gathered **items = take(a, const Gathered *, batch);
    ImageOptions options = picture_options(&s->picture_options);
    sink.places = take(a, size_t, n);
    sink.prints = take(a, Fingerprint, n);
    pictures_digest(s, from, to);
    int w, h;
    preprocess_size(&preprocess, 100, 100, &w, &h);
    Inputs like = {.pixels = tensor_of(NULL, DTYPE_F32, DIMS(1, 3, h, w))};
    Taps *taps = taps_asking(a, model_taps(a, m, &like), NULL, 0);
    taps_read(taps, TAP_PRE, keep_pre, &sink);
    taps_read(taps, TAP_POST, keep_post, &sink);
    const TapInfo *list;
    size_t asked = taps_asked(taps, &list);
    for (size_t i = 0; i < asked; i++) {
        bool pre = strcmp(list[i].name, TAP_PRE) == 0;
        *(pre ? &sink.T_pre : &sink.T_post) = list[i].shape.shape[1];
        *(pre ? &sink.D_pre : &sink.D_post) = list[i].shape.shape[2];
    }
    sink.pre = take(a, float, n * (size_t)(sink.T_pre * sink.D_pre));
    sink.post = take(a, float, n * (size_t)(sink.T_post * sink.D_post));
    for (size_t at = from; at < to; at += batch) {
        size_t m_now = to - at < batch ? to - at : batch, good = 0;
        for (size_t k = 0; k < m_now; k++) items[k] = &s->pictures.items[at + k];
        batch_read(&pictures, items, m_now, &preprocess, &options, look, &looked);
        for (size_t k = 0; k < m_now; k++) {
            if (pictures.damage[k]) remarks_add(&sink.damaged, gathered_name(a, items[k]), pictures.damage[k]);
            if (pictures.errors[k]) {
                remarks_add(&sink.failed, gathered_name(a, items[k]), pictures.errors[k]);
                continue;
            }
            sink.places[sink.rows + good] = at + k;
            sink.prints[sink.rows + good] = looked.prints[k];
            pictures.pixels[good++] = pictures.pixels[k];
        }
        if (good) forward(s, scratch, taps, pictures.pixels, good);
        sink.rows += good;
        progress_at(bar, at + m_now);
    }
    part_save(s, path, &sink);
    batch_free(&pictures);
    arena_free(scratch);
    arena_free(a);
}

size_t parts_of(Study *s) { return (study_pictures(s)->count + (size_t)s->part_size - 1) / (size_t)s->part_size; }

void connectors_extract(Study *s) {
    size_t N = study_pictures(s)->count, parts = parts_of(s);
    Progress bar = progress_start("extract", N);
    for (size_t p = 0; p < parts; p++) {
        if (s->shards > 1 && p % (size_t)s->shards != (size_t)s->shard) continue; // another job's
        size_t from = p * (size_t)s->part_size, to = from + (size_t)s->part_size < N ? from + (size_t)s->part_size : N;
        char *path = part_path(s, p);
        if (!s->fresh && part_fits(s, path, digest_of(s), from, to) && !part_lacks(s, path, from, to)) progress_resume(&bar, to);
        else run_part(s, path, from, to, &bar);
    }
    progress_end(&bar);
    s->all_parts = s->shards == 1;
    if (!s->all_parts) return;
    Remarks failed, damaged;
    vectors_remarks(s, &failed, &damaged);
    if (damaged.count) note("%zu of %zu pictures are damaged and were read as far as they go: see %s", damaged.count, N, study_path(s, "damaged.csv"));
    if (failed.count) note("%zu of %zu pictures could not be read: see %s", failed.count, N, study_path(s, "failed.csv"));
}

// ---- reading

static const Json *list_of(Arena *a, Tensors *t, const char *key, const char *path) {
    const char *text = tensors_metadata(t, key);
    need(text, "%s: no vectors of this study (\"%s\" is missing); use --fresh", path, key);
    return json_parse(a, text, strlen(text), path);
}

static char *need_part(Study *s, size_t p) {
    char *path = part_path(s, p);
    need(file_exists(path), "%s: is missing; run `retina connectors extract` with the same options first", path);
    return path;
}

Vectors *vectors_open(Study *s) {
    if (s->vectors) return s->vectors;
    need_part(s, 0); // before pictures are drawn or looked for
    Arena *a = s->arena;
    Vectors *v = take_zero(a, Vectors, 1);
    v->study = s;
    size_t N = study_pictures(s)->count;
    v->part_count = parts_of(s);
    v->parts = take_zero(a, struct VectorPart, v->part_count);
    v->keys = take(a, const char *, N), v->paths = take(a, const char *, N), v->places = take(a, size_t, N), v->prints = take(a, Fingerprint, N);
    for (size_t p = 0; p < v->part_count; p++) {
        char *path = need_part(s, p);
        size_t from = p * (size_t)s->part_size, to = from + (size_t)s->part_size < N ? from + (size_t)s->part_size : N;
        need(part_fits(s, path, digest_of(s), from, to), "%s: holds vectors of other pictures, another model or other settings; run `retina connectors extract` with the same options first", path);
        Tensors *t = tensors_open(a, path);
        const TensorEntry *pre = tensors_need(t, "pre"), *post = tensors_need(t, "post"), *print = tensors_need(t, "fingerprint");
        need(pre->ndim == 3 && post->ndim == 3 && pre->shape[0] == post->shape[0] && pre->dtype == post->dtype, "%s: pre and post do not fit; use --fresh", path);
        const Json *keys = list_of(a, t, "keys", path), *paths = list_of(a, t, "paths", path), *places = list_of(a, t, "places", path);
        size_t n = (size_t)pre->shape[0];
        need(keys->count == n && paths->count == n && places->count == n && v->N + n <= N && print->size == n * 16, "%s: %zu rows, %zu keys; use --fresh", path, n, keys->count);
        if (n) {
            int shape[4] = {(int)pre->shape[1], (int)pre->shape[2], (int)post->shape[1], (int)post->shape[2]};
            if (v->N == 0) v->T_pre = shape[0], v->D_pre = shape[1], v->T_post = shape[2], v->D_post = shape[3];
            need(shape[0] == v->T_pre && shape[1] == v->D_pre && shape[2] == v->T_post && shape[3] == v->D_post, "%s: of other shapes than the first part; use --fresh", path);
        }
        v->parts[p] = (struct VectorPart){.first = v->N, .count = n, .dtype = pre->dtype, .pre = pre->bytes, .post = post->bytes};
        memcpy(v->prints + v->N, print->bytes, n * 16);
        for (size_t i = 0; i < n; i++, v->N++) {
            v->keys[v->N] = keys->items[i].text, v->paths[v->N] = paths->items[i].text, v->places[v->N] = (size_t)places->items[i].integer;
            need(v->places[v->N] >= from && v->places[v->N] < to, "%s: row %zu is of no picture of this part; use --fresh", path, i);
        }
    }
    need(v->N >= LEAST_PICTURES, "%s: vectors of %zu pictures; the study needs at least %d", s->out, v->N, LEAST_PICTURES);
    v->groups = groups_of_equal(a, v->prints, NULL, 0, v->N);
    Blake2b h;
    blake2b_start(&h, 16, NULL, 0);
    blake2b_add(&h, digest_of(s), strlen(digest_of(s)));
    blake2b_add(&h, v->prints, v->N * sizeof *v->prints);
    if (s->pre_point) blake2b_add(&h, "normed", 6);
    v->digest = stamp_text(&h, a);
    need(!s->pre_point || llava_has_norm(study_model(s)->own), "--pre-point normed: %s holds no weights of the tower's final norm (post_layernorm)", s->model_dir);
    s->all_parts = true;
    return s->vectors = v;
}

static void row(const Vectors *v, size_t i, bool pre, float *out) {
    size_t p = 0;
    while (i >= v->parts[p].first + v->parts[p].count) p++;
    const struct VectorPart *part = &v->parts[p];
    size_t n = pre ? (size_t)v->T_pre * (size_t)v->D_pre : (size_t)v->T_post * (size_t)v->D_post;
    widen(out, (pre ? part->pre : part->post) + (i - part->first) * n * dtype_size(part->dtype), part->dtype, n);
}

void vectors_pre(const Vectors *v, size_t i, float *out) {
    row(v, i, true, out);
    if (v->study->pre_point) vectors_norm(v, out);
}

bool vectors_can_norm(const Vectors *v) { return !v->study->pre_point && llava_has_norm(study_model(v->study)->own); }

void vectors_norm(const Vectors *v, float *pre) {
    Arena *a = arena_new("the tower's final norm");
    Tensor x = tensor_of(pre, DTYPE_F32, DIMS(1, v->T_pre, v->D_pre)), y = llava_normed(run_new(a), study_model(v->study)->own, x);
    memcpy(pre, y.data, tensor_bytes(y));
    arena_free(a);
}

void vectors_post(const Vectors *v, size_t i, float *out) { row(v, i, false, out); }

void vectors_remarks(Study *s, Remarks *failed, Remarks *damaged) {
    *failed = *damaged = (Remarks){.arena = s->arena};
    for (size_t p = 0; p < parts_of(s); p++) {
        const char *path = part_path(s, p);
        Tensors *t = tensors_open(s->arena, path);
        const char *lists[] = {tensors_metadata(t, "failed"), tensors_metadata(t, "damaged")};
        need(lists[0] && lists[1], "%s: no vectors of this study; use --fresh", path);
        remarks_parse(failed, lists[0], path);
        remarks_parse(damaged, lists[1], path);
        tensors_close(t);
    }
    remarks_save(failed, study_path(s, "failed.csv"), "reason");
    remarks_save(damaged, study_path(s, "damaged.csv"), "damage");
}
