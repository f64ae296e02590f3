// fuzz_pickle.c: pickles alone, each put into a sound archive with two storages: no CRC-32 and no directory to get past.
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "io/checksum.h"
#include "io/torch_file.h"

static size_t left;

static void look(Arena *a, const TorchValue *v, int depth) {
    if (depth > 8 || left == 0) return;
    left--;
    if (v->kind == TORCH_TEXT || v->kind == TORCH_OTHER) fuzz_touch(v->text, v->length + 1);
    if (v->kind == TORCH_TENSOR && (v->tensor->size <= v->tensor->storage || v->tensor->size < 1 << 16)) fuzz_touch(torch_data(a, v->tensor, FUZZ_PATH), v->tensor->size);
    if (v->kind < TORCH_LIST || v->kind > TORCH_DICT) return;
    for (size_t i = 0; i < v->count; i++) {
        if (v->kind == TORCH_DICT) look(a, v->keys[i], depth + 1);
        look(a, v->items[i], depth + 1);
    }
}

static uint8_t *le(uint8_t *p, uint64_t v, int n) {
    for (; n > 0; n--, v >>= 8) *p++ = (uint8_t)v;
    return p;
}

typedef struct {
    const char *name;
    const uint8_t *bytes;
    size_t size, at;
} Entry;

static uint8_t *head(uint8_t *p, const Entry *e, bool central) {
    memcpy(p, central ? "PK\1\2" : "PK\3\4", 4);
    p = le(p + 4, central ? 20 : 0, central ? 2 : 0);
    p = le(le(p, 20, 2), 0, 8);
    p = le(p, 0, 4); // no CRC-32
    p = le(le(le(p, e->size, 4), e->size, 4), strlen(e->name), 2);
    p = le(p, 0, 2);
    if (central) p = le(le(p, 0, 2 + 2 + 2 + 4), e->at, 4);
    memcpy(p, e->name, strlen(e->name));
    return p + strlen(e->name);
}

static void parse(Arena *a, Bytes input) {
    static const uint8_t storage[64] = {1, 2, 3};
    Entry all[] = {{"m/data.pkl", input.bytes, input.size, 0}, {"m/data/0", storage, 24, 0}, {"m/data/1", storage, 48, 0}, {"m/byteorder", (const uint8_t *)"little", 6, 0}};
    uint8_t *file = malloc(input.size + 1024), *p = file;
    for (int i = 0; i < 4; i++) {
        all[i].at = (size_t)(p - file);
        p = head(p, &all[i], false);
        memcpy(p, all[i].bytes, all[i].size);
        p += all[i].size;
    }
    uint8_t *directory = p;
    for (int i = 0; i < 4; i++) p = head(p, &all[i], true);
    size_t size = (size_t)(p - directory);
    memcpy(p, "PK\5\6", 4);
    p = le(le(le(p + 4, 0, 4), 4, 2), 4, 2);
    p = le(le(le(p, size, 4), (uint64_t)(directory - file), 4), 0, 2);
    left = 2000;
    size_t total = (size_t)(p - file);
    uint8_t *kept = arena_take(a, total, 1);
    memcpy(kept, file, total);
    free(file);
    look(a, torch_read(a, (Bytes){kept, total, FUZZ_PATH}), 0);
}

#define GOLDEN "test/golden/containers/"
const Fuzz fuzz_target = {.name = "pickle", .parse = parse,
                          .seeds = (const char *const[]){"test/fuzz/seeds/state.pkl", "test/fuzz/seeds/nested.pkl", "test/fuzz/seeds/protocol4.pkl", NULL},
                          .words = (const char *const[]){"q\1", "h\1", "\x85", "\x86", "\x87", "(", "t", "R", "b", "u", "s", "e", "a", "}", "]", ")", "K\1", "M\1\1", "J\1\1\1\1", "\x8a\1\1", "Q", ".",
                                                         "\x94", "\x93", "N", "\x88", "X\1\0\0\0a", "\x8c\1a", "ccollections\nOrderedDict\n", "ctorch\nSize\n", "ctorch\nFloatStorage\n",
                                                         "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch._utils\n_rebuild_tensor_v3\n", "ctorch._utils\n_rebuild_parameter\n",
                                                         "ctorch._tensor\n_rebuild_from_type_v2\n", NULL}};
