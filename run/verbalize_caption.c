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
#include "io/lines.h"
#include "io/progress.h"
#include "io/random.h"
#include "io/utf8.h"
#include "verbalize_files.h"
#include "verbalize_states.h"

#define ROWS_MEMORY ((size_t)1 << 30) // bytes of keys and values at once

// What captions were made from: model, settings, pictures. Kept files of another digest are made again.
const char *verbalize_digest(Verbalize *s) {
    if (s->digest) return s->digest;
    Speaker *k = verbalize_speaker(s);
    Blake2b h;
    const Gathering *g = verbalize_pictures(s);
    blake2b_start(&h, 16, NULL, 0);
    const char *settings = arena_print(s->arena, "%s|%s|%d|%d|%d|%d|%d|%d|%d|%d|%a|%a|%a|%lld|%d|%d|%d|%s|%d|%d|%d|%d|%d", k->what, s->prompt ? s->prompt : "", s->max_new, s->min_new, s->seq_len, s->min_seq_len,
                                       s->decode, s->top_k, s->rescale, s->tap, s->top_p, s->temperature, s->repetition_penalty, (long long)s->seed, s->calibration, s->part_size, s->save_steps,
                                       picture_options_text(s->arena, &s->picture_options), k->layer_count, s->max_seq_len, s->fixed_length, s->temperature_first, (int)s->compute);
    blake2b_add(&h, settings, strlen(settings));
    blake2b_add(&h, k->layers, (size_t)k->layer_count * sizeof *k->layers);
    stamp_model(&h, s->model_dir);
    if (s->tokenizer) stamp_model(&h, s->tokenizer);
    if (s->bank) stamp_file(&h, s->bank);
    for (size_t i = 0; i < g->count && speaker_retrieves(k) && !s->bank; i++) // the captions beside the pictures are the bank
        if (s->beside[i]) blake2b_add(&h, s->beside[i], strlen(s->beside[i]) + 1);
    if (s->tuned) blake2b_add(&h, "tuned", 5), stamp_file(&h, s->tuned);
    for (size_t i = 0; i < g->count && s->features; i++)
        if (g->items[i].offset == 0) stamp_file(&h, g->items[i].path); // the first picture of a file
    if (s->from_world) stamp_drawn(&h, g);
    else stamp_pictures(&h, g);
    return s->digest = stamp_text(&h, s->arena);
}

// What depends on the states' means, too: on which pictures went into them.
const char *verbalize_digest_of_means(Verbalize *s) {
    const char *missing = verbalize_calibration(s)->missing;
    return *missing ? arena_print(s->arena, "%s|without %s", verbalize_digest(s), missing) : verbalize_digest(s);
}

// ---- parts

static const char *part_digest(Verbalize *s) { return s->rescale ? verbalize_digest_of_means(s) : verbalize_digest(s); }
static char *features_path(Verbalize *s, size_t p) { return arena_print(s->arena, "%s/features/part-%05zu.safetensors", s->out, p); }
static const char *features_made_from(Verbalize *s, const char *digest) { return s->save_bf16 ? arena_print(s->arena, "%s bf16", digest) : digest; }
static char *part_path(Verbalize *s, size_t p) { return arena_print(s->arena, "%s/captions/part-%05zu.json", s->out, p); }

static void put_steps(JsonOut *o, const Spoken *x) {
    json_open(o, "steps", '[');
    for (int i = 0; i < x->step_count; i++) {
        json_open(o, NULL, '{');
        json_put_int(o, "id", x->ids[i]);
        json_put_real(o, "logprob", (double)x->logprobs[i]);
        if (x->steps) json_put_real(o, "entropy", x->steps[i]);
        json_open(o, "top", '[');
        for (int k = i * SPOKEN_TOP; x->top_ids && k < (i + 1) * SPOKEN_TOP; k++) {
            json_open(o, NULL, '[');
            json_put_int(o, NULL, x->top_ids[k]);
            json_put_real(o, NULL, (double)x->top_logprobs[k]);
            json_close(o);
        }
        json_close(o);
        json_close(o);
    }
    json_close(o);
}

static void put_spoken(JsonOut *o, const Spoken *x, bool steps) {
    json_open(o, NULL, '{');
    json_put_text(o, "caption", x->text);
    json_put_int(o, "tokens", x->tokens);
    json_put_bool(o, "finished", x->finished);
    json_put_real(o, "entropy", x->entropy);
    if (!isnan(x->score)) json_put_real(o, "score", x->score);
    if (steps) put_steps(o, x);
    json_close(o);
}

static Spoken get_spoken(const Json *j) {
    return (Spoken){.text = json_text(j, "caption"), .tokens = (int)json_int(j, "tokens"), .finished = json_bool_or(j, "finished", false), .entropy = json_real_or(j, "entropy", NAN), .score = json_real_or(j, "score", NAN)};
}

// The states of some pictures, spoken: out[i * layers + l].
static void speak(Verbalize *s, Arena *a, const States *x, Spoken *out) {
    Speaker *k = verbalize_speaker(s);
    size_t L = (size_t)k->layer_count, n = x->good, each = (size_t)k->T * (size_t)k->C;
    Tensor *states = x->states, *rows = take(a, Tensor, n * L), *shown = take(a, Tensor, n * L);
    uint64_t *keys = take(a, uint64_t, n * L);
    if (s->rescale || s->tuned) { // copies: the states themselves may be saved
        states = take(a, Tensor, L);
        for (size_t l = 0; l < L; l++) {
            states[l] = tensor_take(a, DTYPE_F32, x->states[l].ndim, x->states[l].shape);
            memcpy(states[l].data, x->states[l].data, tensor_bytes(states[l]));
        }
        verbalize_rescale(s, states);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t l = 0; l < L; l++) {
            keys[i * L + l] = (uint64_t)x->at[i] << 16 | (uint64_t)k->layers[l];
            rows[i * L + l] = tensor_of(f32(states[l]) + i * each, DTYPE_F32, DIMS(1, k->T, k->C));
            shown[i * L + l] = x->shown[i];
        }
    memcpy(out, speaker_say(k, a, rows, shown, (int)(n * L), keys, false), n * L * sizeof *out);
}

static size_t pictures_at_once(Verbalize *s) {
    Speaker *k = verbalize_speaker(s);
    size_t rows = s->rows ? (size_t)s->rows : ROWS_MEMORY / (speaker_row_bytes(k) + 1);
    size_t n = rows / (size_t)k->layer_count;
    return n < 1 ? 1 : n > (size_t)s->part_size ? (size_t)s->part_size : n;
}

// What is told of a chunk at the end of its part outlives the chunk.
static void keep_failures(Arena *a, States *x) {
    size_t *at = take(a, size_t, x->failed + 1);
    const char **reasons = take(a, const char *, x->failed + 1);
    for (size_t i = 0; i < x->failed; i++) at[i] = x->failed_at[i], reasons[i] = arena_text(a, x->reasons[i], strlen(x->reasons[i]));
    x->failed_at = at, x->reasons = reasons;
}

static void put_failures(JsonOut *o, Verbalize *s, const States *chunks, size_t count) {
    json_open(o, "failed", '[');
    for (size_t c = 0; c < count; c++)
        for (size_t i = 0; i < chunks[c].failed; i++) {
            const Gathered *g = &s->pictures.items[chunks[c].failed_at[i]];
            json_open(o, NULL, '{');
            json_put_text(o, "path", g->path);
            json_put_text(o, "name", g->key);
            json_put_text(o, "reason", chunks[c].reasons[i]);
            json_put_int(o, "at", (int64_t)chunks[c].failed_at[i]);
            json_close(o);
        }
    json_close(o);
}

static void part_run(Verbalize *s, const char *digest, size_t part, size_t from, size_t to, Progress *bar) {
    Arena *a = arena_new("a part of the captions"), *scratch = arena_new("captions");
    Speaker *k = verbalize_speaker(s);
    size_t most = pictures_at_once(s), L = (size_t)k->layer_count, count = 0;
    StateReader *reader = states_reader(s, most);
    States *chunks = take(a, States, (to - from + most - 1) / most);
    JsonOut *o = json_out(a, 1);
    json_open(o, NULL, '{');
    json_put_text(o, "made_from", digest);
    json_open(o, "pictures", '[');
    for (size_t next = from, n; next < to; next += n) {
        n = to - next < most ? to - next : most;
        Mark mark = arena_mark(scratch);
        States *x = &chunks[count++];
        *x = states_read(reader, s->save_features ? a : scratch, next, n);
        Spoken *said = take(scratch, Spoken, x->good * L + 1);
        k->bar = bar, k->bar_at = (double)next;
        if (x->good) k->bar_step = (double)n / ((double)(x->good * L) * s->max_new), speak(s, scratch, x, said);
        k->bar = NULL;
        for (size_t i = 0; i < x->good; i++) {
            json_open(o, NULL, '{');
            json_put_int(o, "at", (int64_t)x->at[i]);
            json_put_text(o, "name", s->pictures.items[x->at[i]].key);
            json_open(o, "layers", '[');
            for (size_t l = 0; l < L; l++) put_spoken(o, &said[i * L + l], s->save_steps);
            json_close(o);
            json_close(o);
        }
        keep_failures(a, x);
        arena_release(scratch, mark);
        progress_at(bar, next + n);
    }
    json_close(o);
    put_failures(o, s, chunks, count);
    json_close(o);
    if (s->save_features) features_write(s, features_path(s, part), features_made_from(s, digest), chunks, count);
    json_file_write(o, part_path(s, part));
    states_reader_free(reader);
    arena_free(scratch);
    arena_free(a);
}

static void controls_run(Verbalize *s) {
    Speaker *k = verbalize_speaker(s);
    const char *digest = verbalize_digest_of_means(s);
    char *path = verbalize_path(s, "controls.json");
    if (!s->fresh && json_kept(s->arena, path, digest)) return;
    Arena *a = arena_new("controls");
    int L = k->layer_count;
    Tensor blank = states_blank(s, a), *rows = take(a, Tensor, (size_t)L), *shown = take(a, Tensor, (size_t)L);
    for (int l = 0; l < L; l++) rows[l] = verbalize_mean_state(s, a, l), shown[l] = blank;
    Spoken *mean = speaker_say(k, a, rows, shown, L, NULL, false), *zero = speaker_say(k, a, rows, shown, 1, NULL, true);
    JsonOut *o = json_out(a, 1);
    json_open(o, NULL, '{');
    json_put_text(o, "made_from", digest);
    json_put_int(o, "pictures", (int64_t)verbalize_calibration(s)->n);
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

static void say_instead(Verbal *v, int l, size_t i, const Spoken *x) {
    v->captions[l][i] = x->text, v->entropy[l][i] = x->entropy, v->tokens[l][i] = x->tokens, v->finished[l][i] = x->finished;
}

uint32_t *verbalize_others(Verbalize *s, Arena *a, size_t N) {
    uint32_t *order = take(a, uint32_t, N + 1), *other = take(a, uint32_t, N + 1);
    rng_permutation(rng_of((uint64_t)s->seed, "shuffled control"), order, (uint32_t)N);
    for (size_t i = 0; i < N; i++) other[order[i]] = order[(i + 1) % N]; // one round of all: nobody meets himself
    return other;
}

// --control: every picture gets what is said of none, or of another one: a caption depends on its own state alone, so nothing has
// to be said again.
static void control(Verbalize *s, Verbal *v) {
    enum { NONE, MEAN, ZERO, SHUFFLE };
    if (s->control == NONE) return;
    need(v->mean && v->zero, "%s: the controls are missing; run `retina verbalize caption` with the same options first", s->out);
    need(s->control != SHUFFLE || v->N > 1, "--control shuffle: there is one picture, and its caption cannot be dealt to another");
    uint32_t *other = verbalize_others(s, s->arena, v->N); // as the other pictures of truth.csv
    for (int l = 0; l < v->L; l++) {
        Spoken *own = take(s->arena, Spoken, v->N + 1);
        for (size_t i = 0; i < v->N; i++) own[i] = (Spoken){.text = v->captions[l][i], .entropy = v->entropy[l][i], .tokens = v->tokens[l][i], .finished = v->finished[l][i]};
        for (size_t i = 0; i < v->N; i++) say_instead(v, l, i, s->control == MEAN ? &v->mean[l] : s->control == ZERO ? v->zero : &own[other[i]]);
    }
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
    const Json *c = json_kept(a, verbalize_path(s, "controls.json"), verbalize_digest_of_means(s)), *mean = json_get(c, "mean"), *zero = json_get(c, "zero");
    if (mean && mean->count == (size_t)v->L && zero && zero->count == 1) {
        v->mean = take(a, Spoken, (size_t)v->L), v->zero = take(a, Spoken, 1);
        for (int l = 0; l < v->L; l++) v->mean[l] = get_spoken(&mean->items[l]);
        *v->zero = get_spoken(&zero->items[0]);
    }
    failures_write(s, j, parts);
    control(s, v);
    return v;
}

Verbal *verbal_open(Verbalize *s) {
    if (s->verbal) return s->verbal;
    if (s->captions_given.count) return s->verbal = verbal_read_original(s);
    s->verbal = assemble(s, part_digest(s));
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
    const char **list = NULL;
    if (s->bank) {
        Lines *lines = lines_open(a, s->bank);
        size_t length, room = 0;
        for (const char *line; (line = lines_next(lines, &length));) {
            if (!length) continue;
            need(utf8_valid(line, length) == length && !memchr(line, 0, length), "%s:%llu: a caption that is not UTF-8", s->bank, (unsigned long long)lines_number(lines));
            if (n == room) list = arena_grow(a, list, n, room = room ? 2 * room : 256, sizeof *list);
            list[n++] = arena_text(a, line, length);
        }
        lines_close(lines);
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

// There, and none of the pictures that could not be read can be read now: a disk's fault passes.
static bool part_kept(Verbalize *s, size_t p, const char *digest) {
    if (s->fresh || (s->save_features && !tensors_made_from(features_path(s, p), features_made_from(s, digest)))) return false;
    Arena *a = arena_new("an earlier part");
    const Json *j = json_kept(a, part_path(s, p), digest), *failed = json_get(j, "failed");
    size_t n = failed ? failed->count : 0, *at = take(a, size_t, n + 1);
    for (size_t i = 0; i < n; i++) at[i] = (size_t)json_int_or(&failed->items[i], "at", -1);
    bool there = j && !verbalize_readable(s, at, n);
    arena_free(a);
    return there;
}

void verbalize_caption(Verbalize *s) {
    if (s->captions_given.count) return; // they are there
    Speaker *k = verbalize_speaker(s);
    size_t N = verbalize_pictures(s)->count, parts = parts_of(s);
    const Calibration *c = verbalize_calibrate(s);
    const char *digest = part_digest(s);
    need(s->rescale == RESCALE_NONE || c->native >= 0, "--rescale: the layer that the model itself uses, %d, must be among --layers", k->native);
    if (speaker_retrieves(k)) bank_open(s);
    controls_run(s);
    Progress bar = progress_start("caption", N);
    for (size_t p = 0; p < parts; p++) {
        if (s->shards > 1 && p % (size_t)s->shards != (size_t)s->shard) continue; // another job's
        size_t from = p * (size_t)s->part_size, to = from + (size_t)s->part_size < N ? from + (size_t)s->part_size : N;
        if (part_kept(s, p, digest)) progress_resume(&bar, to);
        else part_run(s, digest, p, from, to, &bar);
    }
    progress_end(&bar);
    s->verbal = assemble(s, digest);
    if (!s->verbal) {
        note("the parts of other shards are not there yet; `retina verbalize merge` joins them");
        return;
    }
    need(s->verbal->N > 0, "%s: none of the %zu pictures could be read; failed.csv says why", s->out, N);
    if (s->verbal->failed) note("%zu of %zu pictures could not be read: see %s", s->verbal->failed, N, verbalize_path(s, "failed.csv"));
    verbalize_caption_whole(s, s->verbal);
}
