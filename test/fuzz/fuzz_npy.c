// fuzz_npy.c: single arrays, and archives of them.
#include <string.h>

#include "fuzz.h"
#include "io/npy.h"
#include "io/zip.h"

static void look(Arena *a, Npy n) {
    fuzz_touch(n.data, n.size);
    if (n.texts) {
        char **t = npy_texts(a, &n);
        for (size_t i = 0; i < n.count; i++) fuzz_touch(t[i], strlen(t[i]) + 1);
    }
}

static void parse(Arena *a, Bytes input) {
    if (!zip_is(input)) {
        look(a, npy_parse(a, input));
        return;
    }
    Npz *z = npz_open(a, FUZZ_PATH);
    for (size_t i = 0; i < npz_count(z); i++) look(a, npz_read(a, z, npz_name(z, i)));
}

#define GOLDEN "test/golden/containers/"
const Fuzz fuzz_target = {.name = "npy", .parse = parse,
                          .seeds = (const char *const[]){GOLDEN "f4.npy", GOLDEN "big.npy", GOLDEN "columns.npy", GOLDEN "version2.npy", GOLDEN "empty.npy", GOLDEN "record.npy", GOLDEN "arrays.npz",
                                                         GOLDEN "packed.npz", "test/fuzz/seeds/short.npz", "test/fuzz/seeds/labels.npy", NULL},
                          .words = (const char *const[]){"'descr'", "'<f4'", "'>i8'", "'<U3'", "'|b1'", "True", "False", "(2, 3)", "()", "L", "PK\3\4", "PK\1\2", "PK\5\6", "PK\6\6", "PK\6\7", NULL}};
