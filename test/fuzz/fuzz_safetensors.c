// fuzz_safetensors.c: one file; every tensor read.
#include "fuzz.h"
#include "io/safetensors.h"

static void parse(Arena *a, Bytes input) {
    Tensors *t = tensors_open(a, FUZZ_PATH);
    for (size_t i = 0; i < tensors_count(t); i++) {
        const TensorEntry *e = tensors_at(t, i);
        fuzz_touch(e->bytes, e->size);
        if (tensors_find(t, e->name) != e) die("a tensor that is not found under its name");
    }
    tensors_metadata(t, "format");
    tensors_close(t);
}

const Fuzz fuzz_target = {.name = "safetensors", .parse = parse,
                          .seeds = (const char *const[]){"test/golden/containers/kinds.safetensors", "test/golden/containers/float8.safetensors", NULL},
                          .words = (const char *const[]){"\"F32\"", "\"F4\"", "\"shape\":[]", "\"data_offsets\":[0,0]", "\"dtype\":\"U8\"", "__metadata__", "{}", "[]", ",", "\\u0000", "\\ud83d", "0,", NULL}};
