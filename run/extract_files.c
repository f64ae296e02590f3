// extract_files.c: the files of `retina extract`. Each holds some inputs, says which, and carries a digest of everything it
// depends on, so that a run that was killed keeps what is done, and jobs of --shard i/n can be joined.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extract_parts.h"
#include "io/csv.h"
#include "io/safetensors.h"
#include "model/kernels.h"
#include "version.h"

static const char *stem_of(Extract *e, Arena *a) {
    size_t n = strlen(e->out), cut = n > 12 && strcmp(e->out + n - 12, ".safetensors") == 0 ? n - 12 : n;
    return arena_text(a, e->out, cut);
}

const char *file_of(Extract *e, Arena *a, size_t file, size_t files) {
    if (files == 1 && e->alone == 1) return e->out;
    return arena_print(a, "%s-%05zu-of-%05zu.safetensors", stem_of(e, a), file, files);
}

// ---- one file

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

// Which input each row is of.
static const char *rows_text(Extract *e, Arena *a) {
    JsonOut *o = json_out(a, -1);
    json_open(o, NULL, '[');
    for (size_t i = 0; i < e->row_count && !e->ready; i++) {
        json_open(o, NULL, '{');
        if (e->pictures.count) {
            const Gathered *g = &e->pictures.items[e->pictures.count == 1 ? 0 : e->rows[i]];
            json_put_text(o, "image", g->path);
            json_put_text(o, "key", g->key);
        }
        if (e->prompt_count) json_put_text(o, "prompt", e->prompts[e->prompt_count == 1 ? 0 : e->rows[i]]);
        json_close(o);
    }
    json_close(o);
    return json_done(o, NULL);
}

// Metadata in its one order; the texts that a file does not have in common with the others are given.
static TensorsWriter *create(Extract *e, Arena *a, const char *path, const TensorPlan *plan, size_t n, size_t from, size_t to, const char *inputs,
                             const char *failed, const char *damaged) {
    const char *metadata[] = {"model", e->model->dir, "checksum", e->checksum, "version", "retina " VERSION, "options", e->settings, "digest", e->digest,
                              "inputs_from", arena_print(a, "%zu", from), "inputs_to", arena_print(a, "%zu", to), "inputs", inputs,
                              "failed", failed, "damaged", damaged, NULL};
    return tensors_create(a, path, plan, n, metadata);
}

static int64_t length_of(const Column *c, size_t input) {
    const int64_t *shape = c->shapes + input * DIMS_MAX;
    int64_t n = shape[0];
    for (int d = 1; c->flat && d < c->ndim; d++) n *= shape[d];
    return n;
}

// [N, …]; [sum of tokens, …] and the lengths; [sum of values], the lengths and the shapes. Returns how many tensors.
static size_t plan_column(Arena *a, TensorPlan *p, const Column *c, Dtype save) {
    bool whole = !c->ragged && !c->flat;
    *p = (TensorPlan){.name = c->name, .dtype = save, .ndim = c->flat ? 1 : c->ndim + whole, .shape = {whole ? (int64_t)c->count : 0}};
    for (int d = whole ? 0 : 1; !c->flat && d < c->ndim; d++) p->shape[d + whole] = c->shapes[d];
    if (whole) return 1;
    for (size_t i = 0; i < c->count; i++) p->shape[0] += length_of(c, i);
    p[1] = (TensorPlan){.name = arena_print(a, "%s#lengths", c->name), .dtype = DTYPE_I64, .ndim = 1, .shape = {(int64_t)c->count}};
    if (!c->flat) return 2;
    p[2] = (TensorPlan){.name = arena_print(a, "%s#shapes", c->name), .dtype = DTYPE_I64, .ndim = 2, .shape = {(int64_t)c->count, c->ndim}};
    return 3;
}

// Lengths and shapes, where there are any.
static void put_beside(TensorsWriter *w, const TensorPlan *p, size_t tensors, const Column *c) {
    for (size_t i = 0; tensors > 1 && i < c->count; i++) {
        int64_t n = length_of(c, i);
        tensors_put(w, p[1].name, &n, sizeof n);
    }
    for (size_t i = 0; tensors > 2 && i < c->count; i++) tensors_put(w, p[2].name, c->shapes + i * DIMS_MAX, (size_t)c->ndim * sizeof *c->shapes);
}

void file_save(Extract *e, const char *path, size_t from, size_t to) {
    Arena *a = arena_new("a file of taps");
    TensorPlan *plan = take_zero(a, TensorPlan, e->column_count * 3);
    size_t n = 0, *count = take_zero(a, size_t, e->column_count);
    for (size_t i = 0; i < e->column_count; i++)
        if (e->columns[i].count) n += count[i] = plan_column(a, plan + n, &e->columns[i], e->save); // else every input failed
    TensorsWriter *w = create(e, a, path, plan, n, from, to, rows_text(e, a), remarks_text(a, &e->failed, e->failed_before), remarks_text(a, &e->damaged, e->damaged_before));
    for (size_t i = 0, at = 0; i < e->column_count; at += count[i++])
        if (count[i]) {
            put_converted(w, plan[at].name, e->columns[i].values, e->columns[i].used, e->save);
            put_beside(w, plan + at, count[i], &e->columns[i]);
        }
    tensors_finish(w);
    arena_free(a);
}

// Whether a file was made from what this run is asked.
static bool fits(const Extract *e, const Tensors *t) {
    const char *digest = tensors_metadata(t, "digest");
    return digest && strcmp(digest, e->digest) == 0 && tensors_metadata(t, "inputs_from") && tensors_metadata(t, "inputs_to") && tensors_metadata(t, "inputs") &&
           tensors_metadata(t, "failed") && tensors_metadata(t, "damaged");
}

static size_t place(const Tensors *t, const char *key) { return strtoul(tensors_metadata(t, key), NULL, 10); }

static bool keep(Extract *e, Arena *a, const char *path, size_t from, size_t to) {
    Tensors *t = tensors_open(a, path);
    bool ok = fits(e, t) && place(t, "inputs_from") == from && place(t, "inputs_to") == to;
    if (ok) {
        remarks_parse(&e->failed, tensors_metadata(t, "failed"), path);
        remarks_parse(&e->damaged, tensors_metadata(t, "damaged"), path);
    }
    tensors_close(t);
    return ok;
}

bool file_kept(Extract *e, const char *path, size_t from, size_t to) {
    if (!file_exists(path)) return false;
    Arena *a = arena_new("an earlier file");
    size_t failed = e->failed.count, damaged = e->damaged.count;
    Trap trap;
    volatile bool ok = false;
    if (trap_set(&trap)) {
        ok = keep(e, a, path, from, to);
        trap_end(&trap);
    } else { // what its damaged head said does not count
        e->failed.count = failed, e->damaged.count = damaged;
    }
    arena_free(a);
    return ok;
}

// ---- many files

void files_index(Extract *e, size_t files) {
    Arena *a = arena_new("an index");
    JsonOut *o = json_out(a, 1);
    json_open(o, NULL, '{');
    json_put_text(o, "digest", e->digest);
    json_put_int(o, "inputs", (int64_t)e->count);
    json_open(o, "files", '[');
    for (size_t f = 0; f < files; f++) json_put_text(o, NULL, path_name(file_of(e, a, f, files)));
    json_close(o);
    json_close(o);
    json_file_write(o, arena_print(a, "%s.index.json", e->out));
    arena_free(a);
}

static void tell(Extract *e, const Remarks *r, const char *kind, const char *column, const char *say) {
    const char *job = e->shards > 1 ? arena_print(e->arena, "-%05d-of-%05d", e->shard, e->shards) : "", *path = arena_print(e->arena, "%s.%s%s.csv", stem_of(e, e->arena), kind, job);
    remarks_save(r, path, column);
    if (r->count) fprintf(stderr, "retina: %zu of %zu pictures %s: see %s\n", r->count, e->count, say, path);
}

void remarks_tell(Extract *e) {
    tell(e, &e->damaged, "damaged", "damage", "are damaged and were read as far as they go");
    tell(e, &e->failed, "failed", "reason", "could not be read");
}

// ---- joining

typedef struct {
    Tensors **list;
    size_t count;
} Parts;

// The files of a set of K, if all are there and fit each other; else how many do, and the first that does not.
static size_t parts_open(Extract *e, Arena *a, size_t K, Parts *parts, const char **missing) {
    size_t at = 0, good = 0;
    *missing = NULL;
    *parts = (Parts){take_zero(a, Tensors *, K), K};
    for (size_t f = 0; f < K; f++) {
        const char *path = K == 1 && e->alone == 1 ? e->out : arena_print(a, "%s-%05zu-of-%05zu.safetensors", stem_of(e, a), f, K);
        Tensors *t = file_exists(path) ? tensors_open(a, path) : NULL;
        bool ok = t && fits(e, t);
        if (!ok && !*missing) *missing = path;
        good += ok;
        if (!ok) continue;
        if (place(t, "inputs_from") != at && !*missing) *missing = path;
        at = place(t, "inputs_to");
        parts->list[f] = t;
    }
    return good;
}

// How many files the sets beside `out` say that they have: "…-of-00004.safetensors".
static size_t *sets_of(Extract *e, Arena *a, size_t *count) {
    const char *stem = stem_of(e, a), *folder = path_folder(a, e->out);
    size_t n, length = strlen(path_name(stem));
    char **names = folder_list(a, *folder ? folder : ".", &n);
    size_t *sets = take(a, size_t, n + 2);
    *count = 0;
    for (size_t i = 0; i < n; i++) {
        size_t f, K;
        int end = 0;
        const char *name = path_name(names[i]);
        if (strncmp(name, path_name(stem), length) != 0 || sscanf(name + length, "-%5zu-of-%5zu.safetensors%n", &f, &K, &end) != 2 || !end || name[length + (size_t)end]) continue;
        bool known = K == 0 || K > e->count;
        for (size_t k = 0; k < *count; k++) known = known || sets[k] == K;
        if (!known) sets[(*count)++] = K;
    }
    return sets;
}

// "[a]" and "[b]" as "[a,b]", for lists in metadata.
static const char *lists_joined(Arena *a, const Parts *p, const char *key) {
    size_t n = 3;
    for (size_t f = 0; f < p->count; f++) {
        const char *list = tensors_metadata(p->list[f], key);
        size_t length = strlen(list);
        need(length >= 2 && list[0] == '[' && list[length - 1] == ']', "%s: its head holds no list of %s; run its job again with --fresh", tensors_at(p->list[f], 0)->path, key);
        n += length;
    }
    char *text = take(a, char, n), *end = text;
    *end++ = '[';
    for (size_t f = 0; f < p->count; f++) {
        const char *list = tensors_metadata(p->list[f], key);
        size_t inner = strlen(list) - 2;
        if (!inner) continue;
        if (end[-1] != '[') *end++ = ',';
        memcpy(end, list + 1, inner);
        end += inner;
    }
    strcpy(end, "]");
    return text;
}

static bool beside(const char *name) { // NAME#lengths or NAME#shapes
    const char *sharp = strrchr(name, '#');
    return sharp && (strcmp(sharp, "#lengths") == 0 || strcmp(sharp, "#shapes") == 0);
}

// A table that does not count the inputs is the same in every part.
static bool once(const Extract *e, const char *name) {
    for (size_t i = 0; i < e->column_count; i++)
        if (strcmp(e->columns[i].name, name) == 0) return e->ready && e->columns[i].shared;
    return false;
}

// What one part holds of a tap, as if it were a column: the shape of each input's own tensor.
static void part_add(Column *c, Arena *a, const Tensors *t) {
    const TensorEntry *x = tensors_find(t, c->name), *l = tensors_find(t, arena_print(a, "%s#lengths", c->name)), *s = tensors_find(t, arena_print(a, "%s#shapes", c->name));
    if (!x) return;
    need(x->ndim >= 1 && x->ndim <= DIMS_MAX && (!l || (l->dtype == DTYPE_I64 && l->ndim == 1)) &&
             (!s || (l && s->dtype == DTYPE_I64 && s->ndim == 2 && s->shape[0] == l->shape[0] && s->shape[1] <= DIMS_MAX)),
         "%s: \"%s\" has no shape that this program writes; run its job again with --fresh", x->path, c->name);
    size_t n = (size_t)(l ? l->shape[0] : x->shape[0]);
    c->shapes = arena_grow(a, c->shapes, c->count * DIMS_MAX, (c->count + n) * DIMS_MAX, sizeof *c->shapes);
    c->ndim = s ? (int)s->shape[1] : l ? x->ndim : x->ndim - 1;
    c->ragged = c->ragged || (l && !s), c->flat = c->flat || s;
    for (size_t i = 0; i < n; i++) {
        int64_t *mine = c->shapes + c->count++ * DIMS_MAX;
        for (int d = 0; d < c->ndim; d++) {
            mine[d] = s || l ? 0 : x->shape[d + 1];
            if (s) memcpy(&mine[d], s->bytes + (i * (size_t)c->ndim + (size_t)d) * sizeof *mine, sizeof *mine);
            else if (l && d == 0) memcpy(&mine[0], l->bytes + i * sizeof *mine, sizeof *mine);
            else if (l) mine[d] = x->shape[d];
            if (mine[d] != c->shapes[d]) *(d || c->ndim == 1 ? &c->flat : &c->ragged) = true;
        }
    }
}

// All parts in one file: the bytes of a run that was never divided.
static void join(Extract *e, Arena *a, const Parts *p) {
    size_t room = 0, n = 0, columns = 0;
    for (size_t f = 0; f < p->count; f++) room += tensors_count(p->list[f]);
    Column *column = take_zero(a, Column, room);
    TensorPlan *plan = take_zero(a, TensorPlan, room * 3);
    size_t *count = take(a, size_t, room);
    for (size_t f = 0; f < p->count; f++)
        for (size_t i = 0; i < tensors_count(p->list[f]); i++) {
            const char *name = tensors_at(p->list[f], i)->name;
            bool known = beside(name);
            for (size_t k = 0; k < columns; k++) known = known || strcmp(column[k].name, name) == 0;
            if (!known) column[columns++] = (Column){.name = name, .shared = once(e, name)};
        }
    for (size_t k = 0; k < columns; k++) {
        for (size_t f = 0; f < p->count && !(column[k].shared && column[k].count); f++) part_add(&column[k], a, p->list[f]);
        n += count[k] = plan_column(a, plan + n, &column[k], e->save);
    }
    TensorsWriter *w = create(e, a, e->out, plan, n, 0, e->count, lists_joined(a, p, "inputs"), lists_joined(a, p, "failed"), lists_joined(a, p, "damaged"));
    for (size_t k = 0, at = 0; k < columns; at += count[k++]) {
        size_t put = 0;
        for (size_t f = 0; f < p->count && !(column[k].shared && put); f++) {
            const TensorEntry *x = tensors_find(p->list[f], column[k].name);
            if (x) tensors_put(w, column[k].name, x->bytes, x->size), put++;
        }
        put_beside(w, plan + at, count[k], &column[k]);
    }
    tensors_finish(w);
}

void files_merge(Extract *e) {
    Arena *a = arena_new("merging");
    size_t sets, most = 0;
    size_t *K = sets_of(e, a, &sets);
    const char *missing = NULL, *best = NULL;
    Parts parts;
    if (e->alone == 1) K[sets++] = 1; // there whole: nothing to join
    for (size_t i = 0; i < sets; i++) {
        size_t good = parts_open(e, a, K[i], &parts, &missing);
        if (!missing && place(parts.list[K[i] - 1], "inputs_to") == e->count) {
            for (size_t f = 0; f < K[i]; f++) {
                remarks_parse(&e->failed, tensors_metadata(parts.list[f], "failed"), e->out);
                remarks_parse(&e->damaged, tensors_metadata(parts.list[f], "damaged"), e->out);
            }
            if (e->alone > 1) files_index(e, K[i]);
            else if (K[i] > 1) join(e, a, &parts);
            note("%s: %zu inputs from %zu files", e->out, e->count, K[i]);
            arena_free(a);
            return;
        }
        if (good >= most) most = good, best = missing;
    }
    need(best, "%s: no files of jobs of these options are beside it; run each with --shard i/n first", e->out);
    die("%s: is missing, or was made from other inputs or options: run its job (--shard i/n) with the same options first; %zu files fit", best, most);
}
