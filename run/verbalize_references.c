// verbalize_references.c: reference captions of the pictures, and every layer's captions against them.
//
// From --references: lines NAME<tab>CAPTION, several of one name allowed, or COCO's captions JSON; else what stands beside the
// pictures. Names are the pictures' own, without folder and extension.
#include <string.h>
#include <strings.h>

#include "io/json.h"
#include "io/lines.h"
#include "io/names.h"
#include "verbalize_measure.h"

typedef struct {
    const char *name; // first: names.h
    const char **texts;
    size_t count, room;
} Named;

typedef struct {
    Arena *arena;
    Named *items;
    size_t count, room;
    Names names;
} Book;

static Named *page_of(Book *b, const char *name) {
    if (b->count == b->room) {
        size_t room = b->room ? b->room * 2 : 256;
        b->items = arena_grow(b->arena, b->items, b->count, room, sizeof *b->items);
        b->room = room;
    }
    b->items[b->count] = (Named){.name = name};
    const Named *old = names_add(&b->names, b->arena, b->items, sizeof *b->items);
    return old ? &b->items[old - b->items] : &b->items[b->count++];
}

static void enter(Book *b, const char *name, const char *text) {
    Named *n = page_of(b, name);
    if (n->count == n->room) n->texts = arena_grow(b->arena, n->texts, n->count, n->room = n->room ? n->room * 2 : 5, sizeof *n->texts);
    n->texts[n->count++] = text;
}

static void read_lines(Book *b, const char *path) {
    Lines *l = lines_open(b->arena, path);
    size_t n;
    for (const char *line; (line = lines_next(l, &n));) {
        const char *tab = memchr(line, '\t', n);
        if (n == 0) continue;
        need(tab && tab > line, "%s:%llu: NAME<tab>CAPTION is wanted", path, (unsigned long long)lines_number(l));
        enter(b, arena_text(b->arena, line, (size_t)(tab - line)), arena_text(b->arena, tab + 1, n - (size_t)(tab + 1 - line)));
    }
    lines_close(l);
}

typedef struct {
    const char *id; // first: names.h
    const char *name;
} Id;

static const char *id_text(Arena *a, const Json *object, const char *key) {
    const Json *j = json_get(object, key);
    return j && j->kind == JSON_TEXT ? j->text : arena_print(a, "%lld", (long long)json_int(object, key));
}

static void read_coco(Book *b, const char *path) {
    const Json *j = json_read(b->arena, path), *images = json_get(j, "images"), *annotations = json_get(j, "annotations");
    need(images && images->kind == JSON_ARRAY && annotations && annotations->kind == JSON_ARRAY, "%s: has no lists \"images\" and \"annotations\"; COCO's captions JSON is wanted, or lines NAME<tab>CAPTION in a .tsv", path);
    Id *ids = take(b->arena, Id, images->count + 1);
    for (size_t i = 0; i < images->count; i++) ids[i] = (Id){id_text(b->arena, &images->items[i], "id"), path_stem(b->arena, json_text(&images->items[i], "file_name"))};
    Names names = names_build(b->arena, ids, sizeof *ids, images->count, path, "image");
    for (size_t i = 0; i < annotations->count; i++) {
        const char *id = id_text(b->arena, &annotations->items[i], "image_id");
        const Id *image = names_find(&names, id);
        need(image, "%s: annotation %zu is of image %s, which is not listed", path, i, id);
        const char *caption = json_text(&annotations->items[i], "caption");
        enter(b, image->name, caption);
        enter(b, arena_print(b->arena, "#%s", id), caption); // for pictures that are named by their number alone
    }
}

// By its name, else by the number that it ends with: "000000391895" and "COCO_val2014_000000391895" are image 391895.
static const Named *find(const Book *b, Arena *a, const char *name) {
    const Named *n = names_find(&b->names, name);
    if (n) return n;
    size_t at = strlen(name);
    while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9') at--;
    while (name[at] == '0' && name[at + 1]) at++;
    return name[at] ? names_find(&b->names, arena_print(a, "#%s", name + at)) : NULL;
}

ReferenceScores *measure_references(Verbalize *s, const Verbal *v, Arena *a) {
    Book book = {.arena = a}, *b = &book;
    References *r = take_zero(a, References, v->N + 1);
    ReferenceScores *out = take_zero(a, ReferenceScores, 1);
    if (s->references) {
        if (strcasecmp(path_extension(s->references), "json") == 0) read_coco(b, s->references);
        else read_lines(b, s->references);
    }
    for (size_t i = 0; i < v->N; i++) {
        const Named *n = s->references && v->names[i] ? find(b, a, v->names[i]) : NULL;
        if (n) r[i] = (References){n->texts, n->count};
        else if (!s->references && v->beside[i]) r[i] = (References){&v->beside[i], 1};
        out->with += r[i].count > 0, out->texts += r[i].count;
    }
    need(!s->references || out->with, "%s: has a caption for none of the %zu pictures (the first is called %s)", s->references, v->N, v->names[0] ? v->names[0] : "nothing: --captions has no names");
    if (!out->with) return NULL;
    if (s->references && out->with < v->N) note("%zu of %zu pictures have no reference caption", v->N - out->with, v->N);
    out->layers = take(a, CaptionScores, (size_t)v->L);
    const char **mean = take(a, const char *, v->N + 1);
    for (int l = 0; l < v->L; l++) {
        out->layers[l] = caption_scores(a, v->captions[l], r, v->N);
        if (!v->mean) continue;
        if (!out->mean) out->mean = take(a, CaptionScores, (size_t)v->L);
        for (size_t i = 0; i < v->N; i++) mean[i] = v->mean[l].text;
        out->mean[l] = caption_scores(a, mean, r, v->N);
    }
    return out;
}
