// remarks.c: see remarks.h.
#include "remarks.h"

#include <stdio.h>
#include <string.h>

#include "csv.h"
#include "json.h"
#include "utf8.h"

static const char *readable(Arena *a, const char *text) {
    size_t n = strlen(text);
    char *out = take(a, char, 4 * n + 1), *end = out;
    for (size_t i = 0; i < n;) {
        int k = utf8_length((const unsigned char *)text + i, n - i);
        if (k) memcpy(end, text + i, (size_t)k), end += k;
        else end += sprintf(end, "\\x%02X", (unsigned char)text[i]);
        i += k ? (size_t)k : 1;
    }
    *end = 0;
    return out;
}

void remarks_add(Remarks *r, const char *path, const char *what) {
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 64;
        r->items = arena_grow(r->arena, r->items, r->count, room, sizeof *r->items);
        r->room = room;
    }
    r->items[r->count++] = (Remark){readable(r->arena, path), readable(r->arena, what)};
}

bool remarks_name(const Remarks *r, size_t first, const char *path) {
    Arena *a = arena_new("a picture's name");
    const char *name = readable(a, path);
    bool named = false;
    for (size_t i = first; i < r->count && !named; i++) named = strcmp(r->items[i].path, name) == 0;
    arena_free(a);
    return named;
}

const char *remarks_text(Arena *a, const Remarks *r, size_t first) {
    JsonOut *o = json_out(a, -1);
    json_open(o, NULL, '[');
    for (size_t i = first; i < r->count; i++) {
        json_open(o, NULL, '[');
        json_put_text(o, NULL, r->items[i].path);
        json_put_text(o, NULL, r->items[i].what);
        json_close(o);
    }
    json_close(o);
    return json_done(o, NULL);
}

void remarks_parse(Remarks *r, const char *text, const char *where) {
    Arena *a = arena_new("remarks");
    const Json *list = json_parse(a, text, strlen(text), where);
    need(list->kind == JSON_ARRAY, "%s: a list of pictures is wanted in its head", where);
    for (size_t i = 0; i < list->count; i++) {
        const Json *j = &list->items[i];
        need(j->kind == JSON_ARRAY && j->count == 2 && j->items[0].kind == JSON_TEXT && j->items[1].kind == JSON_TEXT, "%s: entry %zu of the pictures in its head is no pair of texts", where, i);
        remarks_add(r, j->items[0].text, j->items[1].text);
    }
    arena_free(a);
}

void remarks_save(const Remarks *r, const char *path, const char *column) {
    if (r->count == 0) {
        if (file_exists(path)) remove(path);
        return;
    }
    Arena *a = arena_new("a table of pictures");
    CsvWriter *w = csv_create(a, path, ',', (const char *const[]){"image", column}, 2);
    for (size_t i = 0; i < r->count; i++) {
        csv_put(w, r->items[i].path);
        csv_put(w, r->items[i].what);
        csv_end_row(w);
    }
    csv_finish(w);
    arena_free(a);
}
