// fuzz_base64.c: both forms; what a strict text stands for is written as the same text again.
#include <string.h>

#include "fuzz.h"
#include "io/base64.h"

static void parse(Arena *a, Bytes input) {
    bool strict = input.size % 3 == 0;
    Bytes b = base64_decode(a, (const char *)input.bytes, input.size, strict ? BASE64_STRICT : BASE64_LOOSE, FUZZ_PATH ": text");
    fuzz_touch(b.bytes, b.size);
    const char *again = base64_encode(a, b.bytes, b.size);
    if (!strict) {
        Bytes c = base64_decode(a, again, strlen(again), BASE64_STRICT, FUZZ_PATH ": again");
        if (c.size != b.size || (b.size && memcmp(c.bytes, b.bytes, b.size) != 0)) die("what was written comes back changed");
        return;
    }
    if (strlen(again) != input.size) die("the text has another length again");
    for (size_t i = 0; i < input.size; i++) {
        char c = (char)input.bytes[i];
        if (again[i] != (c == '-' ? '+' : c == '_' ? '/' : c)) die("the text is another again");
    }
}

const Fuzz fuzz_target = {
    .name = "base64",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/base64.*", NULL},
    .words = (const char *const[]){"=", "==", "A", "AAAA", "\n", " ", "-_", "+/", "AA==", "AAA=", NULL},
};
