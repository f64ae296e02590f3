// test_openclip_text.c: texts as OpenCLIP cleans them (test/reference/openclip_text.py), and nothing read behind their ends.
// With FILE…: such lists from elsewhere. Seen to catch: one html.unescape less; a name taken without its semicolon by the first pass;
// quotes left curled; the lines behind a "<" unescaped; a final sigma like any other.
#include <string.h>

#include "check.h"
#include "io/json.h"
#include "model/openclip_text.h"

static void cleans(Arena *a, const Json *list, const char *path) {
    size_t wrong = 0;
    for (size_t i = 0; i < list->count; i++) {
        const Json *text = json_get(&list->items[i], "text");
        for (int lower = 0; lower < 2; lower++) {
            const Json *want = json_get(&list->items[i], lower ? "lower" : "spaces");
            char *exact = take(a, char, text->length + 1);
            memcpy(exact, text->text, text->length);
            size_t n;
            const char *got = openclip_clean(a, exact, text->length, lower, &n);
            if (n == want->length && memcmp(got, want->text, n) == 0) continue;
            if (wrong++ < 5) check_text(text->text, got, want->text);
        }
    }
    check(wrong == 0 && list->count > 0, "%s: %zu texts, %zu differ", path, list->count, wrong);
}

int main(int argc, char **argv) {
    Arena *a = arena_new("test");
    if (argc < 2) {
        cleans(a, json_read(a, "test/golden/openclip_text.json"), "test/golden/openclip_text.json");
        size_t n = 9;
        check(*openclip_clean(a, "", 0, true, &n) == 0 && n == 0, "an empty text");
    }
    for (int i = 1; i < argc; i++) cleans(a, json_read(a, argv[i]), argv[i]);
    arena_free(a);
    return check_end();
}
