// fuzz_records.c: JSON objects one by one. What the whole text is as one array, its items are here.
#include "fuzz.h"
#include "io/records.h"

static void look(const Json *j) {
    if (j->kind == JSON_TEXT) fuzz_touch(j->text, j->length + 1);
    for (size_t i = 0; i < j->count; i++) look(&j->items[i]);
}

static size_t read_all(Arena *a) {
    Records *r = records_open(a, FUZZ_PATH);
    size_t count = 0;
    for (const Json *j; (j = records_next(a, r)); count++) look(j);
    records_close(r);
    return count;
}

static void parse(Arena *a, Bytes input) {
    const Json *volatile whole = NULL;
    Trap trap;
    if (trap_set(&trap)) {
        whole = json_parse(a, (const char *)input.bytes, input.size, FUZZ_PATH);
        trap_end(&trap);
    }
    size_t count = read_all(a);
    if (whole && whole->kind == JSON_ARRAY && whole->count != count) die("as many objects as items of the array are wanted");
}

const Fuzz fuzz_target = {
    .name = "records",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/records.*", NULL},
    .words = (const char *const[]){"{", "}", "[", "]", ",", "\n", "\\\"", "\"", ": ", "{}", "\xEF\xBB\xBF", "\\\\", NULL},
};
