// verbalize_files.c: see verbalize_files.h. Held by: test/verbalize.sh, byte by byte against Python's json.
#include "verbalize_files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "io/number.h"
#include "io/stamp.h"
#include "io/utf8.h"

void python_text(Writer *w, const char *text) {
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    size_t n = strlen(text);
    writer_put(w, "\"", 1);
    for (size_t at = 0; at < n;) {
        const char *c = text + at, *short_form = (unsigned char)*c < 0x80 ? strchr(from, *c) : NULL;
        bool good = utf8_length((const unsigned char *)c, n - at) > 0;
        uint32_t u = good ? utf8_next(text, &at) : 0xFFFD;
        if (!good) at++;
        if (short_form) writer_print(w, "\\%c", to[short_form - from]);
        else if (u >= 0x20 && u <= 0x7F) writer_put(w, c, 1);
        else if (u > 0xFFFF) writer_print(w, "\\u%04x\\u%04x", 0xD800 + ((u - 0x10000) >> 10), 0xDC00 + ((u - 0x10000) & 0x3FF));
        else writer_print(w, "\\u%04x", u);
    }
    writer_put(w, "\"", 1);
}

void python_real(Writer *w, double x) {
    char text[32];
    if (isnan(x)) writer_print(w, "NaN");
    else if (isinf(x)) writer_print(w, x > 0 ? "Infinity" : "-Infinity");
    else writer_print(w, "%s", real_repr(x, text));
}

size_t verbal_batch(const Verbal *v, const Verbalize *s, int b, size_t *first) {
    *first = (size_t)b * (size_t)s->batch_size;
    size_t left = v->N - *first;
    return left < (size_t)s->batch_size ? left : (size_t)s->batch_size;
}

static void write_layers(const Verbal *v, const Verbalize *s, int b, const char *path, bool captions) {
    Writer *w = writer_open(path);
    size_t first, n = verbal_batch(v, s, b, &first);
    bool any = false;
    writer_print(w, "{");
    for (int l = 0; l < v->L; l++) {
        if (v->layer[l] < 1) continue;
        writer_print(w, "%s\"layer_%d\": [", any ? ", " : "", v->layer[l] - 1);
        any = true;
        for (size_t i = first; i < first + n; i++) {
            if (i > first) writer_print(w, ", ");
            if (captions) python_text(w, v->captions[l][i]);
            else python_real(w, v->entropy[l][i]);
        }
        writer_print(w, "]");
    }
    writer_print(w, "}");
    writer_close(w);
}

void verbal_write_captions(const Verbal *v, const Verbalize *s, int b, const char *path) { write_layers(v, s, b, path, true); }
void verbal_write_entropies(const Verbal *v, const Verbalize *s, int b, const char *path) { write_layers(v, s, b, path, false); }

Verbal *verbal_new(Arena *a, int L, size_t N) {
    Verbal *v = take_zero(a, Verbal, 1);
    v->L = L, v->N = N, v->native = -1;
    v->layer = take_zero(a, int, (size_t)L);
    v->names = take_zero(a, const char *, N + 1), v->beside = take_zero(a, const char *, N + 1), v->at = take_zero(a, size_t, N + 1);
    v->captions = take(a, const char **, (size_t)L), v->entropy = take(a, double *, (size_t)L), v->tokens = take(a, int *, (size_t)L), v->finished = take(a, uint8_t *, (size_t)L);
    for (int l = 0; l < L; l++) {
        v->captions[l] = take_zero(a, const char *, N + 1), v->entropy[l] = take(a, double, N + 1), v->tokens[l] = take_zero(a, int, N + 1), v->finished[l] = take_zero(a, uint8_t, N + 1);
        for (size_t i = 0; i < N; i++) v->entropy[l][i] = NAN;
    }
    return v;
}

static char *mark_of(const Verbal *v, Arena *a, const char *by) {
    Blake2b h;
    blake2b_start(&h, 16, NULL, 0);
    blake2b_add(&h, by, strlen(by) + 1);
    for (int l = 0; l < v->L; l++) {
        blake2b_add(&h, &v->layer[l], sizeof v->layer[l]);
        for (size_t i = 0; i < v->N; i++) blake2b_add(&h, v->captions[l][i], strlen(v->captions[l][i]) + 1);
    }
    return stamp_text(&h, a);
}

void verbal_mark(const Verbal *v, const char *by, const char *path) {
    Arena *a = arena_new("a mark");
    const char *mark = mark_of(v, a, by);
    file_write(path, mark, strlen(mark));
    arena_free(a);
}

bool verbal_marked(const Verbal *v, const char *by, const char *path) {
    if (!file_exists(path)) return false;
    Arena *a = arena_new("a mark");
    Bytes b = file_read(a, path);
    const char *mark = mark_of(v, a, by);
    bool same = b.size == strlen(mark) && memcmp(b.bytes, mark, b.size) == 0;
    arena_free(a);
    return same;
}

// "layer_7": 7, from 0.
static int layer_key(const char *key, const char *path) {
    char *end;
    long k = strncmp(key, "layer_", 6) == 0 ? strtol(key + 6, &end, 10) : -1;
    need(k >= 0 && k < 100000 && *end == 0 && end > key + 6, "%s: the key \"%s\"; layer_0, layer_1 … are expected", path, key);
    return (int)k;
}

static const Json *layers_read(Arena *a, const char *path, size_t *count) {
    const Json *j = json_read(a, path);
    need(j->kind == JSON_OBJECT && j->count > 0, "%s: is no object of layers", path);
    for (size_t l = 0; l < j->count; l++) {
        need(j->items[l].kind == JSON_ARRAY, "%s: %s is no list", path, j->keys[l]);
        need(l == 0 || j->items[l].count == j->items[0].count, "%s: %s has %zu entries, %s has %zu", path, j->keys[l], j->items[l].count, j->keys[0], j->items[0].count);
    }
    *count = j->items[0].count;
    return j;
}

// entropy_batch0.json beside caps_batch0.json; NULL when there is none.
static const char *entropy_beside(Arena *a, const char *path) {
    const char *name = path_name(path), *caps = strstr(name, "caps");
    if (!caps) return NULL;
    char *other = arena_print(a, "%.*sentropy%s", (int)(caps - path), path, caps + 4);
    return file_exists(other) ? other : NULL;
}

Verbal *verbal_read_original(Verbalize *s) {
    Arena *a = s->arena;
    size_t files = s->captions_given.count, N = 0, n;
    const Json **j = take(a, const Json *, files);
    for (size_t f = 0; f < files; f++) {
        j[f] = layers_read(a, s->captions_given.items[f], &n);
        for (size_t e = 0; e < f; e++) // answers are kept by the name
            need(strcmp(path_name(s->captions_given.items[e]), path_name(s->captions_given.items[f])) != 0, "%s and %s: share a name, by which their answers are known; name them caps_batch0.json, caps_batch1.json …", s->captions_given.items[e], s->captions_given.items[f]);
        need(f == 0 || j[f]->count == j[0]->count, "%s: %zu layers, the first file has %zu", s->captions_given.items[f], j[f]->count, j[0]->count);
        need(f == 0 || f + 1 == files || n == j[0]->items[0].count, "%s: %zu captions a layer; only the last batch may be smaller than the first", s->captions_given.items[f], n);
        N += n;
    }
    Verbal *v = verbal_new(a, (int)j[0]->count, N);
    s->batch_size = (int)j[0]->items[0].count;
    need(s->batch_size > 0, "%s: holds no captions", s->captions_given.items[0]);
    v->batches = (int)files;
    v->model_text = arena_print(a, "captions read from %s", s->captions_given.items[0]);
    for (int l = 0; l < v->L; l++) v->layer[l] = layer_key(j[0]->keys[l], s->captions_given.items[0]) + 1;
    for (int l = 1; l < v->L; l++) need(v->layer[l] > v->layer[l - 1], "%s: the layers do not ascend", s->captions_given.items[0]);
    v->native = v->L - 1;
    for (size_t f = 0, first = 0; f < files; first += j[f]->items[0].count, f++) {
        const char *path = s->captions_given.items[f], *entropies = entropy_beside(a, path);
        const Json *e = entropies ? layers_read(a, entropies, &n) : NULL;
        need(!e || (e->count == j[f]->count && n == j[f]->items[0].count), "%s: does not fit to %s", entropies, path);
        for (int l = 0; l < v->L; l++) {
            need(strcmp(j[f]->keys[l], j[0]->keys[l]) == 0, "%s: the key \"%s\", the first file has \"%s\" there", path, j[f]->keys[l], j[0]->keys[l]);
            for (size_t i = 0; i < j[f]->items[l].count; i++) {
                const Json *c = &j[f]->items[l].items[i];
                need(c->kind == JSON_TEXT, "%s: %s[%zu] is no text", path, j[f]->keys[l], i);
                v->captions[l][first + i] = c->text;
                v->at[first + i] = first + i;
                if (!e) continue;
                need(e->items[l].items[i].kind == JSON_NUMBER || e->items[l].items[i].kind == JSON_NULL, "%s: %s[%zu] is no number", entropies, e->keys[l], i);
                v->entropy[l][first + i] = e->items[l].items[i].kind == JSON_NUMBER ? e->items[l].items[i].number : NAN;
            }
        }
    }
    return v;
}
