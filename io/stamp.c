// stamp.c: see stamp.h.
#include "stamp.h"

#include <string.h>
#include <sys/stat.h>

#include "file.h"

#define WHOLE ((size_t)1 << 20)
enum { PIECES = 16, PIECE = 64 * 1024 };

static uint64_t size_of(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode) ? (uint64_t)s.st_size : 0;
}

void stamp_file(Blake2b *h, const char *path) {
    uint64_t size = size_of(path);
    if (size == 0) return;
    blake2b_add(h, &size, sizeof size);
    Arena *a = arena_new("a file's stamp");
    Bytes b = file_map(a, path);
    if (b.size <= WHOLE) blake2b_add(h, b.bytes, b.size);
    else
        for (size_t i = 0; i < PIECES; i++) blake2b_add(h, b.bytes + (i + 1 < PIECES ? b.size / PIECES * i : b.size - PIECE), PIECE);
    file_unmap(b);
    arena_free(a);
}

void stamp_model(Blake2b *h, const char *dir) {
    Arena *a = arena_new("a model's stamp");
    size_t count;
    char **names = folder_list(a, dir, &count);
    for (size_t i = 0; i < count; i++) {
        if (folder_exists(names[i])) continue;
        blake2b_add(h, path_name(names[i]), strlen(path_name(names[i])) + 1);
        stamp_file(h, names[i]);
    }
    arena_free(a);
}

char *stamp_text(Blake2b *h, Arena *a) {
    uint8_t sum[16];
    blake2b_end(h, sum);
    char *text = take(a, char, 33);
    for (int i = 0; i < 16; i++) {
        text[2 * i] = "0123456789abcdef"[sum[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
    }
    text[32] = 0;
    return text;
}

void stamp_pictures(Blake2b *h, const Gathering *g) {
    for (size_t i = 0; i < g->count; i++) {
        const Gathered *p = &g->items[i];
        uint64_t size = p->size ? p->size : size_of(p->path);
        blake2b_add(h, p->path, strlen(p->path) + 1);
        blake2b_add(h, p->key, strlen(p->key) + 1);
        blake2b_add(h, &p->offset, sizeof p->offset);
        blake2b_add(h, &size, sizeof size);
    }
}
