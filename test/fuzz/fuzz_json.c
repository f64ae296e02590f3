// fuzz_json.c: values, and values line by line.
#include "fuzz.h"
#include "io/lines.h"

static void look(const Json *v) {
    if (v->kind == JSON_TEXT) fuzz_touch(v->text, v->length + 1);
    for (size_t i = 0; v->kind >= JSON_ARRAY && i < v->count; i++) {
        if (v->kind == JSON_OBJECT) {
            fuzz_touch(v->keys[i], v->key_lengths[i] + 1);
            if (json_find(v, v->keys[i], v->key_lengths[i]) != &v->items[i]) die("a value that is not found under its key");
        }
        look(&v->items[i]);
    }
}

static void parse(Arena *a, Bytes input) {
    if (input.size % 2) {
        look(json_parse(a, (const char *)input.bytes, input.size, FUZZ_PATH));
        return;
    }
    Lines *l = lines_open(a, FUZZ_PATH);
    for (const Json *v; (v = lines_json(a, l));) look(v);
    lines_close(l);
}

const Fuzz fuzz_target = {.name = "json", .parse = parse,
                          .seeds = (const char *const[]){"test/golden/containers/tables.json", "test/golden/containers/samples.json", "test/golden/containers/braces.json", NULL},
                          .words = (const char *const[]){"{", "}", "[", "]", "\"", "\\u0000", "\\ud83d\\ude00", "\\ud83d", "\\", ":", ",", "null", "true", "1e5", "-0", "\n", "\"a\":", "[[[[[[[[[[[[[[[[", NULL}};
