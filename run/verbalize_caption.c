// verbalize_caption.c: step `caption`: pictures through the tower once, every layer's state through the decoder.
//
// Pictures are cut into parts; a part's captions are one file, so a killed run loses at most one part. All layers of several
// pictures are spoken as one batch; the result does not depend on how many. Controls beside the captions: `mean`, the state
// averaged over pictures position by position (what a layer says of no picture in particular), and `zero`, no image at all.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/statistics.h"
#include "io/stamp.h"
#include "io/csv.h"
#include "io/progress.h"
#include "io/safetensors.h"
#include "model/batch.h"
#include "verbalize_files.h"

#define ROWS_MEMORY ((size_t)1 << 30) // bytes of keys and values at once

// What captions were made from: model, settings, pictures. Kept files of another digest are made again.
const char *verbalize_digest(Verbalize *s) {
    if (s->digest) return s->digest;
    Speaker *k = verbalize_speaker(s);
    Blake2b h;
    const Gathering *g = verbalize_pictures(s);
    blake2b_start(&h, 16, NULL, 0);
    const char *settings = arena_print(s->arena, "%s|%s|%d|%d|%d|%d|%d|%d|%d|%d|%a|%a|%a|%lld|%d|%d|%d|%d|%d|%d|%d|%d|%d", k->what, s->prompt ? s->prompt : "", s->max_new, s->min_new, s->seq_len, s->min_seq_len,
                                       s->decode, s->top_k, s->rescale, s->tap, s->top_p, s->temperature, s->repetition_penalty, (long long)s->seed, s->calibration, s->part_size, s->save_steps,
                                       s->picture_options.truncated, s->picture_options.alpha, s->picture_options.exif, k->layer_count, s->max_seq_len, s->fixed_length);
    blake2b_add(&h, settings, strlen(settings));
    blake2b_add(&h, k->layers, (size_t)k->layer_count * sizeof *k->layers);
    stamp_model(&h, s->model_dir);
    if (s->tokenizer) stamp_model(&h, s->tokenizer);
    if (s->bank) stamp_file(&h, s->bank);
    stamp_pictures(&h, g);
    return s->digest = stamp_text(&h, s->arena);
}

// ---- calibration: means over the first pictures

typedef struct Calibration {
    size_t n; // pictures
    Tensor *mean;          // per layer (T, C)
    float **channel_mean, **channel_std; // per layer (C), over pictures and tokens that the connector sees
    double *norm;          // per layer: mean length of such a token
    int native;            // place among the layers, -1: the native layer was not read
} Calibration;

static Tensor stacked(Arena *a, const Tensor *pixels, size_t n) {
    Tensor one = pixels[0], all = tensor_take(a, DTYPE_F32, DIMS((long)n, one.shape[0], one.shape[1], one.shape[2]));
    for (size_t i = 0; i < n; i++) memcpy(f32(all) + i * tensor_count(one), pixels[i].data, tensor_bytes(one));
    return all;
}

typedef struct {
    double *sum;             // (T, C)
    double *shift, *one, *two; // (C): a value near the mean; sums of deviations from it, and of their squares
    double length;
} Sums;

static void sums_add(Sums *z, const float *x, long T, long C, int first, bool begin) {
    for (long i = 0; i < T * C; i++) z->sum[i] += (double)x[i];
    if (begin)
        for (long c = 0; c < C; c++) z->shift[c] = (double)x[(long)first * C + c];
    for (long t = first; t < T; t++) {
        double square = 0;
        for (long c = 0; c < C; c++) {
            double v = (double)x[t * C + c], d = v - z->shift[c];
            square += v * v, z->one[c] += d, z->two[c] += d * d;
        }
        z->length += sqrt(square);
    }
}

static void calibration_write(Verbalize *s, const char *path, const char *digest, const Sums *z, size_t n, long T, long C, int first) {
    Speaker *k = verbalize_speaker(s);
    Arena *a = arena_new("calibration");
    int L = k->layer_count;
    TensorPlan *plan = take(a, TensorPlan, (size_t)L * 4);
    for (int l = 0; l < L; l++) {
        plan[4 * l] = (TensorPlan){arena_print(a, "mean.%d", k->layers[l]), DTYPE_F32, 2, {T, C}};
        plan[4 * l + 1] = (TensorPlan){arena_print(a, "channel_mean.%d", k->layers[l]), DTYPE_F32, 1, {C}};
        plan[4 * l + 2] = (TensorPlan){arena_print(a, "channel_std.%d", k->layers[l]), DTYPE_F32, 1, {C}};
        plan[4 * l + 3] = (TensorPlan){arena_print(a, "norm.%d", k->layers[l]), DTYPE_F32, 1, {1}};
    }
    const char *metadata[] = {"digest", digest, "pictures", arena_print(a, "%zu", n), NULL};
    TensorsWriter *w = tensors_create(a, path, plan, (size_t)L * 4, metadata);
    double rows = (double)n * (double)(T - first);
    float *out = take(a, float, (size_t)(T * C));
    for (int l = 0; l < L; l++) {
        for (long i = 0; i < T * C; i++) out[i] = (float)(z[l].sum[i] / (double)n);
        tensors_put(w, plan[4 * l].name, out, (size_t)(T * C) * sizeof *out);
        for (long c = 0; c < C; c++) out[c] = (float)(z[l].shift[c] + z[l].one[c] / rows);
        tensors_put(w, plan[4 * l + 1].name, out, (size_t)C * sizeof *out);
        for (long c = 0; c < C; c++) out[c] = (float)sqrt(fmax(0, (z[l].two[c] - z[l].one[c] * z[l].one[c] / rows) / rows));
        tensors_put(w, plan[4 * l + 2].name, out, (size_t)C * sizeof *out);
        out[0] = (float)(z[l].length / rows);
        tensors_put(w, plan[4 * l + 3].name, out, sizeof *out);
    }
    tensors_finish(w);
    arena_free(a);
}

static void calibrate(Verbalize *s, const char *path, const char *digest) {
    Speaker *k = verbalize_speaker(s);
    Arena *a = arena_new("calibration"), *scratch = arena_new("calibration");
    size_t N = verbalize_pictures(s)->count, most = (size_t)s->calibration, seen = 0, at_once = 8;
    long T = k->T, C = k->C;
    int L = k->layer_count, first = k->first_token;
    Sums *z = take_zero(a, Sums, (size_t)L);
    for (int l = 0; l < L; l++) z[l].sum = take_zero(a, double, (size_t)(T * C)), z[l].shift = take_zero(a, double, (size_t)C), z[l].one = take_zero(a, double, (size_t)C), z[l].two = take_zero(a, double, (size_t)C);
    Batch batch = batch_new(a, at_once);
    ImageOptions options = picture_options(&s->picture_options);
    const Gathered *items[8];
    Progress bar = progress_start("calibrate", most < N ? most : N);
    for (size_t at = 0; at < N && seen < most;) {
        size_t n = 0, good = 0;
        while (n < at_once && at < N && seen + n < most) items[n++] = &s->pictures.items[at++];
        batch_read(&batch, items, n, &k->preprocess, &options, NULL, NULL);
        for (size_t i = 0; i < n; i++)
            if (!batch.errors[i]) batch.pixels[good++] = batch.pixels[i];
        if (!good) continue;
        Mark mark = arena_mark(scratch);
        Tensor *states = speaker_states(k, scratch, stacked(scratch, batch.pixels, good));
        for (int l = 0; l < L; l++)
            for (size_t i = 0; i < good; i++) sums_add(&z[l], f32(states[l]) + i * (size_t)(T * C), T, C, first, seen + i == 0);
        seen += good;
        arena_release(scratch, mark);
        progress_at(&bar, seen);
    }
    progress_end(&bar);
    need(seen > 0, "none of the %zu pictures could be read", N);
    calibration_write(s, path, digest, z, seen, T, C, first);
    batch_free(&batch);
    arena_free(scratch);
    arena_free(a);
}

static Calibration *calibration_open(Verbalize *s, const char *digest) {
    Speaker *k = verbalize_speaker(s);
    char *path = verbalize_path(s, "calibration.safetensors");
    bool valid = false;
    if (!s->fresh && file_exists(path)) {
        Trap trap;
        Arena *a = arena_new("an earlier calibration");
        if (trap_set(&trap)) {
            Tensors *t = tensors_open(a, path);
            const char *of = tensors_metadata(t, "digest");
            valid = of && strcmp(of, digest) == 0;
            tensors_close(t);
            trap_end(&trap);
        }
        arena_free(a);
    }
    if (!valid) calibrate(s, path, digest);
    Arena *a = s->arena;
    Calibration *c = take_zero(a, Calibration, 1);
    Tensors *t = tensors_open(a, path);
    size_t L = (size_t)k->layer_count;
    c->n = strtoul(tensors_metadata(t, "pictures"), NULL, 10);
    c->mean = take(a, Tensor, L), c->channel_mean = take(a, float *, L), c->channel_std = take(a, float *, L), c->norm = take(a, double, L), c->native = -1;
    for (int l = 0; l < k->layer_count; l++) {
        const TensorEntry *e[4];
        static const char *const names[] = {"mean", "channel_mean", "channel_std", "norm"};
        for (int i = 0; i < 4; i++) {
            e[i] = tensors_need(t, arena_print(a, "%s.%d", names[i], k->layers[l]));
            need(e[i]->size == sizeof(float) * (size_t)(i == 0 ? k->T * k->C : i < 3 ? k->C : 1), "%s: %s.%d has another size; use --fresh", path, names[i], k->layers[l]);
        }
        c->mean[l] = tensor_take(a, DTYPE_F32, DIMS(1, k->T, k->C));
        memcpy(c->mean[l].data, e[0]->bytes, e[0]->size);
        c->channel_mean[l] = take(a, float, (size_t)k->C), c->channel_std[l] = take(a, float, (size_t)k->C);
        memcpy(c->channel_mean[l], e[1]->bytes, e[1]->size), memcpy(c->channel_std[l], e[2]->bytes, e[2]->size);
        float norm;
        memcpy(&norm, e[3]->bytes, sizeof norm);
        c->norm[l] = (double)norm;
        if (k->layers[l] == k->native) c->native = l;
    }
    tensors_close(t);
    return c;
}

// --rescale: the state of layer l at the scale of the native one. In place.
static void rescale(const Verbalize *s, const Calibration *c, int l, float *x, long T, long C) {
    if (s->rescale == RESCALE_NONE || l == c->native) return;
    if (s->rescale == RESCALE_NORM) {
        double f = c->norm[l] > 0 ? c->norm[c->native] / c->norm[l] : 1;
        for (long i = 0; i < T * C; i++) x[i] = (float)((double)x[i] * f);
        return;
    }
    for (long t = 0; t < T; t++)
        for (long i = 0; i < C; i++) {
            double spread = (double)c->channel_std[l][i], v = (double)x[t * C + i] - (double)c->channel_mean[l][i];
            if (spread > 0) v *= (double)c->channel_std[c->native][i] / spread;
            x[t * C + i] = (float)(v + (double)c->channel_mean[c->native][i]);
        }
}

Tensor *verbalize_states(Verbalize *s, Arena *a, Tensor pixels) {
    Speaker *k = verbalize_speaker(s);
    if (!s->calibrated) s->calibrated = calibration_open(s, verbalize_digest(s));
    Tensor *states = speaker_states(k, a, pixels);
    for (int l = 0; l < k->layer_count; l++)
        for (long b = 0; b < pixels.shape[0]; b++) rescale(s, s->calibrated, l, f32(states[l]) + b * k->T * k->C, k->T, k->C);
    return states;
}

Tensor verbalize_mean_state(Verbalize *s, Arena *a, int l) {
    Speaker *k = verbalize_speaker(s);
    Tensor x = tensor_take(a, DTYPE_F32, DIMS(1, k->T, k->C));
    if (!s->calibrated) s->calibrated = calibration_open(s, verbalize_digest(s));
    memcpy(x.data, s->calibrated->mean[l].data, tensor_bytes(x));
    rescale(s, s->calibrated, l, f32(x), k->T, k->C);
    return x;
}

// ---- parts

static char *part_path(Verbalize *s, size_t p) { return arena_print(s->arena, "%s/captions/part-%05zu.json", s->out, p); }

static void put_spoken(JsonOut *o, const Spoken *x, bool steps) {
    json_open(o, NULL, '{');
    json_put_text(o, "caption", x->text);
    json_put_int(o, "tokens", x->tokens);
    json_put_bool(o, "finished", x->finished);
    json_put_real(o, "entropy", x->entropy);
    if (!isnan(x->score)) json_put_real(o, "score", x->score);
    if (steps) {
        json_open(o, "steps", '[');
        for (int i = 0; i < x->step_count; i++) json_put_real(o, NULL, x->steps[i]);
        json_close(o);
    }
    json_close(o);
}

static Spoken get_spoken(const Json *j) {
    return (Spoken){.text = json_text(j, "caption"), .tokens = (int)json_int(j, "tokens"), .finished = json_bool_or(j, "finished", false), .entropy = json_real_or(j, "entropy", NAN), .score = json_real_or(j, "score", NAN)};
}

// States of `n` pictures, spoken: out[i * layers + l].
static void speak(Verbalize *s, const Calibration *c, Arena *a, const Tensor *pixels, const size_t *at, size_t n, Spoken *out) {
    Speaker *k = verbalize_speaker(s);
    size_t L = (size_t)k->layer_count;
    long T = k->T, C = k->C;
    Tensor all = stacked(a, pixels, n), *states = speaker_states(k, a, all);
    Tensor *rows = take(a, Tensor, n * L), *shown = take(a, Tensor, n * L);
    uint64_t *keys = take(a, uint64_t, n * L);
    for (size_t i = 0; i < n; i++)
        for (size_t l = 0; l < L; l++) {
            float *x = f32(states[l]) + i * (size_t)(T * C);
            rescale(s, c, (int)l, x, T, C);
            keys[i * L + l] = (uint64_t)at[i] << 16 | (uint64_t)k->layers[l];
            rows[i * L + l] = tensor_of(x, DTYPE_F32, DIMS(1, T, C));
            shown[i * L + l] = tensor_view(pixels[i], DIMS(1, pixels[i].shape[0], pixels[i].shape[1], pixels[i].shape[2]));
        }
    memcpy(out, speaker_say(k, a, rows, shown, (int)(n * L), keys, false), n * L * sizeof *out);
}

static size_t pictures_at_once(Verbalize *s) {
    Speaker *k = verbalize_speaker(s);
    size_t rows = s->rows ? (size_t)s->rows : ROWS_MEMORY / (speaker_row_bytes(k) + 1);
    size_t n = rows / (size_t)k->layer_count;
    return n < 1 ? 1 : n > (size_t)s->part_size ? (size_t)s->part_size : n;
}

static void part_run(Verbalize *s, const Calibration *c, const char *digest, const char *path, size_t from, size_t to, Progress *bar) {
    Speaker *k = verbalize_speaker(s);
    Arena *a = arena_new("a part of the captions"), *scratch = arena_new("captions");
    size_t most = pictures_at_once(s), L = (size_t)k->layer_count;
    Batch batch = batch_new(a, most);
    ImageOptions options = picture_options(&s->picture_options);
    const Gathered **items = take(a, const Gathered *, most);
    size_t *at = take(a, size_t, most);
    JsonOut *o = json_out(a, 1), *failed = json_out(a, 1);
    json_open(failed, NULL, '[');
    json_open(o, NULL, '{');
    json_put_text(o, "made_from", digest);
    json_open(o, "pictures", '[');
    for (size_t next = from; next < to;) {
        size_t n = 0, good = 0;
        for (; n < most && next < to; n++, next++) items[n] = &s->pictures.items[next], at[n] = next;
        batch_read(&batch, items, n, &k->preprocess, &options, NULL, NULL);
        for (size_t i = 0; i < n; i++) {
            if (batch.errors[i]) {
                json_open(failed, NULL, '{');
                json_put_text(failed, "path", items[i]->path);
                json_put_text(failed, "name", items[i]->key);
                json_put_text(failed, "reason", batch.errors[i]);
                json_close(failed);
            } else {
                at[good] = at[i], batch.pixels[good++] = batch.pixels[i];
            }
        }
        Mark mark = arena_mark(scratch);
        Spoken *said = take(scratch, Spoken, good * L + 1);
        if (good) speak(s, c, scratch, batch.pixels, at, good, said);
        for (size_t i = 0; i < good; i++) {
            json_open(o, NULL, '{');
            json_put_int(o, "at", (int64_t)at[i]);
            json_put_text(o, "name", s->pictures.items[at[i]].key);
            json_open(o, "layers", '[');
            for (size_t l = 0; l < L; l++) put_spoken(o, &said[i * L + l], s->save_steps);
            json_close(o);
            json_close(o);
        }
        arena_release(scratch, mark);
        progress_at(bar, next);
    }
    json_close(o);
    json_close(failed);
    const char *list = json_done(failed, NULL);
    const Json *f = json_parse(a, list, strlen(list), path); // copied behind the pictures
    json_open(o, "failed", '[');
    for (size_t i = 0; i < f->count; i++) {
        json_open(o, NULL, '{');
        for (size_t m = 0; m < f->items[i].count; m++) json_put_text(o, f->items[i].keys[m], f->items[i].items[m].text);
        json_close(o);
    }
    json_close(o);
    json_close(o);
    json_file_write(o, path);
    batch_free(&batch);
    arena_free(scratch);
    arena_free(a);
}

static void controls_run(Verbalize *s, const Calibration *c, const char *digest) {
    Speaker *k = verbalize_speaker(s);
    char *path = verbalize_path(s, "controls.json");
    if (!s->fresh && json_kept(s->arena, path, digest)) return;
    Arena *a = arena_new("controls");
    int L = k->layer_count, w, h;
    preprocess_size(&k->preprocess, 100, 100, &w, &h);
    Tensor blank = tensor_take(a, DTYPE_F32, DIMS(1, 3, h, w)), *rows = take(a, Tensor, (size_t)L), *shown = take(a, Tensor, (size_t)L);
    memset(blank.data, 0, tensor_bytes(blank));
    for (int l = 0; l < L; l++) {
        rows[l] = tensor_take(a, DTYPE_F32, DIMS(1, k->T, k->C));
        memcpy(rows[l].data, c->mean[l].data, tensor_bytes(rows[l]));
        rescale(s, c, l, f32(rows[l]), k->T, k->C);
        shown[l] = blank;
    }
    Spoken *mean = speaker_say(k, a, rows, shown, L, NULL, false), *zero = speaker_say(k, a, rows, shown, 1, NULL, true);
    JsonOut *o = json_out(a, 1);
    json_open(o, NULL, '{');
    json_put_text(o, "made_from", digest);
    json_put_int(o, "pictures", (int64_t)c->n);
    json_open(o, "mean", '[');
    for (int l = 0; l < L; l++) put_spoken(o, &mean[l], s->save_steps);
    json_close(o);
    json_open(o, "zero", '[');
    put_spoken(o, zero, s->save_steps);
    json_close(o);
    json_close(o);
    json_file_write(o, path);
    arena_free(a);
}

// ---- reading what the parts hold

static size_t parts_of(Verbalize *s) { return (verbalize_pictures(s)->count + (size_t)s->part_size - 1) / (size_t)s->part_size; }

static void failures_write(Verbalize *s, const Json *const *parts, size_t count) {
    static const char *const names[] = {"path", "name", "reason"};
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, "failed.csv"), ',', names, 3);
    for (size_t i = 0; i < s->archives_damaged; i++) {
        csv_put(w, ""), csv_put(w, ""), csv_put(w, s->archive_errors[i]);
        csv_end_row(w);
    }
    for (size_t p = 0; p < count; p++) {
        const Json *f = json_get(parts[p], "failed");
        for (size_t i = 0; f && i < f->count; i++) {
            for (int k = 0; k < 3; k++) csv_put(w, json_text_or(&f->items[i], names[k], ""));
            csv_end_row(w);
        }
    }
    csv_finish(w);
}

// NULL when a part is missing.
static Verbal *assemble(Verbalize *s, const char *digest) {
    Speaker *k = verbalize_speaker(s);
    Arena *a = s->arena;
    size_t parts = parts_of(s), N = 0;
    const Json **j = take(a, const Json *, parts + 1);
    for (size_t p = 0; p < parts; p++) {
        j[p] = json_kept(a, part_path(s, p), digest);
        if (!j[p]) return NULL;
        const Json *list = json_get(j[p], "pictures"), *failed = json_get(j[p], "failed");
        need(list && list->kind == JSON_ARRAY && failed && failed->kind == JSON_ARRAY, "%s: is damaged; use --fresh", part_path(s, p));
        N += list->count;
    }
    Verbal *v = verbal_new(a, k->layer_count, N);
    v->model_text = k->what;
    for (int l = 0; l < v->L; l++) {
        v->layer[l] = k->layers[l];
        if (v->layer[l] == k->native) v->native = l;
    }
    size_t row = 0;
    for (size_t p = 0; p < parts; p++) {
        const Json *list = json_get(j[p], "pictures");
        v->failed += json_get(j[p], "failed")->count;
        for (size_t i = 0; i < list->count; i++, row++) {
            const Json *m = &list->items[i], *layers = json_get(m, "layers");
            size_t at = (size_t)json_int(m, "at");
            need(at < s->pictures.count && layers && layers->count == (size_t)v->L, "%s: is damaged; use --fresh", part_path(s, p));
            v->names[row] = json_text(m, "name"), v->at[row] = at, v->beside[row] = s->beside[at];
            for (int l = 0; l < v->L; l++) {
                Spoken x = get_spoken(&layers->items[l]);
                v->captions[l][row] = x.text, v->entropy[l][row] = x.entropy, v->tokens[l][row] = x.tokens, v->finished[l][row] = x.finished;
            }
        }
    }
    v->batches = (int)((N + (size_t)s->batch_size - 1) / (size_t)s->batch_size);
    const Json *c = json_kept(a, verbalize_path(s, "controls.json"), digest), *mean = json_get(c, "mean"), *zero = json_get(c, "zero");
    if (mean && mean->count == (size_t)v->L && zero && zero->count == 1) {
        v->mean = take(a, Spoken, (size_t)v->L), v->zero = take(a, Spoken, 1);
        for (int l = 0; l < v->L; l++) v->mean[l] = get_spoken(&mean->items[l]);
        *v->zero = get_spoken(&zero->items[0]);
    }
    failures_write(s, j, parts);
    return v;
}

Verbal *verbal_open(Verbalize *s) {
    if (s->verbal) return s->verbal;
    if (s->captions_given.count) return s->verbal = verbal_read_original(s);
    s->verbal = assemble(s, verbalize_digest(s));
    need(s->verbal, "%s: parts of the captions are missing; run `retina verbalize caption` with the same options (every shard) first", s->out);
    need(s->verbal->N > 0, "%s: none of the pictures could be read; failed.csv says why", s->out);
    return s->verbal;
}

// ---- files of the whole

static void captions_csv(Verbalize *s, const Verbal *v) {
    static const char *const names[] = {"name", "layer", "index0", "n_tokens", "finished", "entropy", "caption"};
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, "captions.csv"), ',', names, 7);
    for (size_t i = 0; i < v->N; i++)
        for (int l = 0; l < v->L; l++) {
            csv_put(w, v->names[i]);
            csv_put_int(w, v->layer[l]), csv_put_int(w, v->layer[l] - 1), csv_put_int(w, v->tokens[l][i]);
            csv_put_bool(w, v->finished[l][i]);
            csv_put_real(w, v->entropy[l][i]);
            csv_put(w, v->captions[l][i]);
            csv_end_row(w);
        }
    csv_finish(w);
}

static void joined_csv(Verbalize *s, const Verbal *v) {
    const char **names = take(s->arena, const char *, (size_t)v->L + 1);
    names[0] = "name";
    for (int l = 0; l < v->L; l++) names[l + 1] = arena_print(s->arena, "layer_%d", v->layer[l]);
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, "all_captions_layers_joined.csv"), ',', names, (size_t)v->L + 1);
    for (size_t i = 0; i < v->N; i++) {
        csv_put(w, v->names[i]);
        for (int l = 0; l < v->L; l++) csv_put(w, v->captions[l][i]);
        csv_end_row(w);
    }
    csv_finish(w);
}

void verbalize_caption_whole(Verbalize *s, const Verbal *v) {
    for (int b = 0; b < v->batches; b++) {
        verbal_write_captions(v, s, b, verbalize_path(s, arena_print(s->arena, "caps_batch%d.json", b)));
        verbal_write_entropies(v, s, b, verbalize_path(s, arena_print(s->arena, "entropy_batch%d.json", b)));
    }
    captions_csv(s, v);
    joined_csv(s, v);
}

// Retrieval chooses among --bank's lines, or the captions beside the pictures, each once.
static void bank_open(Verbalize *s) {
    Speaker *k = verbalize_speaker(s);
    Arena *a = s->arena;
    size_t N = verbalize_pictures(s)->count, n = 0;
    const char **list;
    if (s->bank) {
        Bytes b = file_read(a, s->bank);
        list = take(a, const char *, b.size + 1);
        for (char *line = (char *)(uintptr_t)b.bytes; *line;) {
            size_t length = strcspn(line, "\n");
            size_t keep = length && line[length - 1] == '\r' ? length - 1 : length;
            if (keep) list[n++] = arena_text(a, line, keep);
            line += length + (line[length] == '\n');
        }
    } else {
        list = take(a, const char *, N + 1);
        for (size_t i = 0; i < N; i++) {
            bool twice = !s->beside[i];
            for (size_t j = 0; j < n && !twice; j++) twice = strcmp(list[j], s->beside[i]) == 0; // O(N^2), once a run
            if (!twice) list[n++] = s->beside[i];
        }
    }
    speaker_bank(k, a, list, n);
}

void verbalize_caption(Verbalize *s) {
    if (s->captions_given.count) return; // they are there
    Speaker *k = verbalize_speaker(s);
    const char *digest = verbalize_digest(s);
    size_t N = verbalize_pictures(s)->count, parts = parts_of(s);
    Calibration *c = s->calibrated = calibration_open(s, digest);
    need(s->rescale == RESCALE_NONE || c->native >= 0, "--rescale: the layer that the model itself uses, %d, must be among --layers", k->native);
    if (speaker_retrieves(k)) bank_open(s);
    controls_run(s, c, digest);
    Progress bar = progress_start("caption", N);
    for (size_t p = 0; p < parts; p++) {
        if (s->shards > 1 && p % (size_t)s->shards != (size_t)s->shard) continue; // another job's
        size_t from = p * (size_t)s->part_size, to = from + (size_t)s->part_size < N ? from + (size_t)s->part_size : N;
        char *path = part_path(s, p);
        Arena *a = arena_new("an earlier part");
        bool there = !s->fresh && json_kept(a, path, digest);
        arena_free(a);
        if (there) progress_resume(&bar, to);
        else part_run(s, c, digest, path, from, to, &bar);
    }
    progress_end(&bar);
    s->verbal = assemble(s, digest);
    if (!s->verbal) {
        note("the parts of other shards are not there yet; `retina verbalize merge` joins them");
        return;
    }
    need(s->verbal->N > 0, "%s: none of the %zu pictures could be read; failed.csv says why", s->out, N);
    verbalize_caption_whole(s, s->verbal);
}
