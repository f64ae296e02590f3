// fuzz_shards.c: a directory of weights: the index of its shards beside two sound ones.
#include <string.h>

#include "fuzz.h"
#include "io/safetensors.h"

// One tensor "a" or "b" of two bytes.
static const char shard[] = "\x38\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}   xy";

static void parse(Arena *a, Bytes input) {
    char *second = arena_text(a, shard, sizeof shard - 1);
    second[10] = 'b';
    fuzz_place(FUZZ_DIR "/model.safetensors.index.json", input.bytes, input.size);
    fuzz_place(FUZZ_DIR "/1.safetensors", shard, sizeof shard - 1);
    fuzz_place(FUZZ_DIR "/2.safetensors", second, sizeof shard - 1);
    Tensors *t = tensors_open(a, FUZZ_DIR);
    for (size_t i = 0; i < tensors_count(t); i++) fuzz_touch(tensors_at(t, i)->bytes, tensors_at(t, i)->size);
    tensors_close(t);
}

const Fuzz fuzz_target = {
    .name = "shards",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/shards.json", NULL},
    .words = (const char *const[]){"\"weight_map\":", "\"a\":", "\"1.safetensors\"", "\"../1.safetensors\"", "\"\"", "\"/etc/passwd\"", "{}", "[]", "null", ",", "\"metadata\":", NULL},
};
