// classes.c: labels merged into classes. See categories.h.
//
// Source: the original's hand-made map, 151 labels (the empty one included) to 35 classes: verbalize.md 4.4.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "categories.h"
#include "io/csv.h"
#include "io/names.h"

// class, then its labels, closed by NULL; the first label stands for a class whose own name is none
static const char *const original[] = {
    "person", "female", "person", "group of people", "group", "male", "family", "team", NULL,
    "location", "location or place", "castle", "city", "locations or places", "location or places", "location", "indoor scene/outdoor scene", NULL,
    "action", "actions", "action", NULL,
    "food & drink", "food", "drink", "taste", "dessert", "flavor", "fruits", "condiment", "meal", "sauce", "cuisine", "fruit", NULL,
    "objects", "toy", "object", "toys", "tools", "objects", "tool", "container", NULL,
    "UNKNOWN", "", "UNKNOWN", "purpose", "atmosphere", "ornate", NULL,
    "animal", "animal", NULL,
    "sport", "sports", "sport", NULL,
    "outdoor scene", "outdoor scene", "street", "trail", "graffiti", "store", "building", "road", "path", "buildings", "background", NULL,
    "indoor scene", "floor", "furniture", "window", "wall", "light", "rooms", "indoor scene", "house", "door", "doorway", "room", "windows", "lighting", NULL,
    "culture", "culture", "art", "architecture", "art style", NULL,
    "color", "color", NULL,
    "clothing", "accessories", "jewelry", "clothing", NULL,
    "quantity & number & size", "quantity", "number", "numbers", "miniature", "size", "weight", NULL,
    "plants & flowers", "flower", "plant", "plants", NULL,
    "nature", "enclosure", "waterfall", "nature", "water", "body of water", "mountain", "fire", NULL,
    "events", "event", "holiday", "award", "holiday event", NULL,
    "time", "season", "time", "month", NULL,
    "weather", "weather", "temperature", NULL,
    "material & texture", "material", "wooden", "wood", "texture", "metal", "surface", NULL,
    "shape & style & state", "shape", "style", "pattern", "state", "structure", "liquid", NULL,
    "traffic", "transportation", "speed", "sign", "signs", "direction", "vehicle", "part of vehicle", NULL,
    "human attributes", "age", "hair style", "young", "facial expression", "hair color", "emotion", "old", "body part", "language", NULL,
    "position", "position", "orientation", "relation", "relations", NULL,
    "interaction", "interaction", "interactions", NULL,
    "technology", "technology", "electronics", NULL,
    "preposition", "preposition", NULL,
    "movie & game", "theme", "movie", "sound", "title", "game", NULL,
    "story", "mythical creature", "fairy", NULL,
    "company", "company", "company name", "brand", "service", NULL,
    "composition", "composition", NULL,
    "nationality", "nationality", NULL,
    "money", "money", NULL,
    "text", "text", NULL,
    "comparison", "comparison", NULL,
};

typedef struct {
    const char *label, *class;
    int k;
} Entry; // the label first: names.h

struct Classes {
    Entry *entries;
    size_t count;
    Names labels;
    const char **names; // (K), sorted
    int K, unknown;
};

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static Classes *finish(Arena *a, Entry *entries, size_t count, const char *path) {
    Classes *c = take_zero(a, Classes, 1);
    c->entries = entries, c->count = count;
    c->names = take(a, const char *, count + 1);
    c->names[c->K++] = "UNKNOWN";
    for (size_t i = 0; i < count; i++) c->names[c->K++] = entries[i].class;
    qsort(c->names, (size_t)c->K, sizeof *c->names, by_text);
    int n = 0;
    for (int i = 0; i < c->K; i++)
        if (i == 0 || strcmp(c->names[i], c->names[n - 1]) != 0) c->names[n++] = c->names[i];
    c->K = n;
    for (size_t i = 0; i < count; i++) entries[i].k = classes_named(c, entries[i].class);
    c->unknown = classes_named(c, "UNKNOWN");
    c->labels = names_build(a, entries, sizeof *entries, count, path, "label");
    return c;
}

Classes *classes_original(Arena *a) {
    Entry *entries = take(a, Entry, sizeof original / sizeof *original);
    size_t count = 0;
    for (size_t i = 0; i < sizeof original / sizeof *original; i++) {
        const char *class = original[i];
        while (original[++i]) entries[count++] = (Entry){.label = original[i], .class = class};
    }
    return finish(a, entries, count, "the original's map");
}

Classes *classes_read(Arena *a, const char *path) {
    Csv *c = csv_open(a, path, '\t');
    size_t label = csv_column(c, "label"), class = csv_column(c, "class"), count = 0, room = 0;
    Entry *entries = NULL;
    while (csv_next(c)) {
        if (count == room) entries = arena_grow(a, entries, count, room = room ? room * 2 : 128, sizeof *entries);
        need(csv_length(c, class) > 0, "%s:%llu: a label without a class; write UNKNOWN", path, (unsigned long long)csv_line(c));
        entries[count++] = (Entry){.label = arena_text(a, csv_get(c, label), csv_length(c, label)), .class = arena_text(a, csv_get(c, class), csv_length(c, class))};
    }
    csv_close(c);
    need(count > 0, "%s: holds no labels; a line is LABEL<tab>CLASS under the header label<tab>class", path);
    return finish(a, entries, count, path);
}

int classes_count(const Classes *c) { return c->K; }

const char *classes_name(const Classes *c, int k) { return c->names[k]; }

const char *classes_title(const Classes *c, Arena *a, int k) {
    static const char *const own[][2] = {{"objects", "Inanimate Object"}, {"quantity & number & size", "Quantity"}, {"food & drink", "Food and Drink"}, {"human attributes", "Human Attribute"}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(c->names[k], own[i][0]) == 0) return own[i][1];
    char *title = arena_text(a, c->names[k], strlen(c->names[k]));
    for (char *t = title; *t; t++)
        if (*t >= 'a' && *t <= 'z' && (t == title || t[-1] == ' ')) *t = (char)(*t - 'a' + 'A');
    return title;
}

int classes_named(const Classes *c, const char *name) {
    int low = 0, high = c->K;
    while (low < high) {
        int middle = (low + high) / 2, order = strcmp(c->names[middle], name);
        if (order == 0) return middle;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return -1;
}

int classes_unknown(const Classes *c) { return c->unknown; }

int classes_of(const Classes *c, const char *label, bool *mapped) {
    const Entry *e = names_find(&c->labels, label);
    if (mapped) *mapped = e != NULL;
    return e ? e->k : c->unknown;
}

const char *classes_label_for(const Classes *c, int k) {
    const Entry *own = names_find(&c->labels, c->names[k]);
    if (own && own->k == k) return own->label;
    for (size_t i = 0; i < c->count; i++)
        if (c->entries[i].k == k) return c->entries[i].label;
    return "UNKNOWN"; // of a map without a label for it
}

size_t classes_labels(const Classes *c) { return c->count; }

