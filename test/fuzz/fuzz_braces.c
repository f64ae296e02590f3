// fuzz_braces.c: patterns for the names of shards.
#include <string.h>

#include "fuzz.h"
#include "io/tar.h"

static void parse(Arena *a, Bytes input) {
    size_t n;
    const char *pattern = arena_print(a, "input: %s", arena_text(a, (const char *)input.bytes, input.size));
    char **names = brace_expand(a, pattern, &n);
    for (size_t i = 0; i < n; i++) fuzz_touch(names[i], strlen(names[i]) + 1);
}

const Fuzz fuzz_target = {
    .name = "braces",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/braces.*", NULL},
    .words = (const char *const[]){"{", "}", ",", "..", "{1..3}", "{a,b}", "{00..09}", "\\", "{a..z..2}", "-", NULL},
    .memory = (size_t)1 << 30, // a short pattern may stand for a million names
};
