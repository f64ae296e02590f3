// beside.c: see beside.h.
#include "beside.h"

#include <string.h>

#include "io/file.h"
#include "io/json.h"
#include "io/utf8.h"
#include "unicode.h"

const char *beside_text(Arena *a, const char *bytes, size_t n, const char **wrong) {
    *wrong = n > BESIDE_MOST ? "too long for one" : utf8_valid(bytes, n) < n ? "not UTF-8" : memchr(bytes, 0, n) ? "no text: a zero byte is in it" : NULL;
    if (*wrong) return NULL;
    unicode_strip(&bytes, &n);
    return n ? arena_text(a, bytes, n) : NULL;
}

// Its text, wherever the record has it; NULL: it has none.
static const Json *said(const Json *record) {
    const Json *one = json_get(record, "caption"), *many = json_get(record, "captions"), *sentences = json_get(record, "sentences");
    if (one) return one;
    if (many && many->kind == JSON_ARRAY && many->count) return &many->items[0];
    if (sentences && sentences->kind == JSON_ARRAY && sentences->count && sentences->items[0].kind == JSON_OBJECT) return json_get(&sentences->items[0], "raw");
    return NULL;
}

const char *beside_record(Arena *a, const char *bytes, size_t n, const char **wrong) {
    Arena *scratch = arena_new("a record beside a picture");
    const char *volatile text = NULL;
    Trap trap;
    *wrong = n > BESIDE_MOST ? "too long for one" : NULL;
    if (*wrong) {
    } else if (trap_set(&trap)) {
        const Json *record = json_parse(scratch, bytes, n, "a record"), *caption = record->kind == JSON_OBJECT ? said(record) : NULL;
        if (caption && caption->kind == JSON_TEXT) text = beside_text(a, caption->text, caption->length, wrong);
        else if (caption) *wrong = "a record whose caption is no text";
        trap_end(&trap);
    } else {
        *wrong = "not JSON";
    }
    arena_free(scratch);
    return text;
}

const char *beside_read(Arena *a, const char *picture, const char **wrong) {
    char *path = path_join(a, path_folder(a, picture), arena_print(a, "%s.txt", path_stem(a, picture)));
    *wrong = NULL;
    if (!file_exists(path)) return NULL;
    Bytes b = file_read(a, path);
    return beside_text(a, (const char *)b.bytes, b.size, wrong);
}
