// fuzz_braces.c: patterns for the names of shards.
#include <string.h>

#include "fuzz.h"
#include "io/checksum.h"
#include "io/tar.h"

// Digits of a run beyond the first few are left out.
static size_t shorten(char *text, size_t n, size_t most) {
    size_t kept = 0, digits = 0;
    for (size_t i = 0; i < n; i++) {
        digits = text[i] >= '0' && text[i] <= '9' ? digits + 1 : 0;
        if (digits <= most) text[kept++] = text[i];
    }
    return kept;
}

static void parse(Arena *a, Bytes input) {
    size_t n;
    uint32_t rare = crc32_of(0, input.bytes, input.size);
    if (rare % 512) // most are to stand for few names
        input.size = shorten((char *)(uintptr_t)input.bytes, input.size, rare % 8 ? 1 : 2);
    const char *pattern = arena_print(a, FUZZ_PATH ": %s", arena_text(a, (const char *)input.bytes, input.size));
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
