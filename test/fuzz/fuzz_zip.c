// fuzz_zip.c: archives: every entry found, every entry read.
#include <string.h>

#include "fuzz.h"
#include "io/zip.h"

static void parse(Arena *a, Bytes input) {
    zip_is(input);
    Zip *z = zip_open(a, input);
    for (size_t i = 0; i < zip_count(z); i++) {
        const ZipEntry *e = zip_at(z, i);
        if (zip_find(z, e->name) != e) die("an entry that is not found under its name");
        Trap trap; // a bad entry does not hide the next
        if (!trap_set(&trap)) continue;
        Bytes b = zip_read(a, z, e);
        fuzz_touch(b.bytes, b.size);
        trap_end(&trap);
    }
}

#define GOLDEN "test/golden/containers/"
const Fuzz fuzz_target = {
    .name = "zip",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/short.npz", GOLDEN "*.npz", GOLDEN "vectors.pt", GOLDEN "views.pt", NULL},
    .words = (const char *const[]){"PK\3\4", "PK\1\2", "PK\5\6", "PK\6\6", "PK\6\7", "PK\7\10", "\1\0\20\0", "\xFF\xFF\xFF\xFF", "\10\0", "\0\0", NULL},
    .memory = (size_t)32 << 20, // deflate packs up to a thousandfold
};
