// stamp.c: see stamp.h.
#include "stamp.h"

#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"

#define WHOLE ((size_t)1 << 20)
enum { PIECES = 16, PIECE = 64 * 1024 };

// Of a regular file; false: none is there.
static bool state_of(const char *path, struct stat *s) { return stat(path, s) == 0 && S_ISREG(s->st_mode); }

void stamp_file(Blake2b *h, const char *path) {
    struct stat s;
    uint64_t size = state_of(path, &s) ? (uint64_t)s.st_size : 0;
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

// fnmatch(3) patterns. Weights that only have a name of their own (safetensors.h) are the only such file.
static bool belongs(const char *name) {
    static const char *const patterns[] = {"*config.json", "*config_sentence_transformers.json", "*tokenizer*", "vocab.*", "merges.txt", "*tokens*.json", "chat_template*",
                                           "model*.safetensors*", "pytorch_model*.bin*", "open_clip*", "diffusion_pytorch_model*"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (fnmatch(patterns[i], name, 0) == 0) return true;
    return false;
}

void stamp_model(Blake2b *h, const char *dir) {
    Arena *a = arena_new("a model's stamp");
    size_t count, weights = 0;
    char **names = folder_list(a, dir, &count);
    for (size_t i = 0; i < count; i++) {
        const char *name = path_name(names[i]), *extension = path_extension(name);
        if (folder_exists(names[i]) || !belongs(name)) continue;
        weights += strcmp(extension, "safetensors") == 0 || strcmp(extension, "bin") == 0;
        blake2b_add(h, name, strlen(name) + 1);
        stamp_file(h, names[i]);
    }
    for (size_t i = 0; i < count && weights == 0; i++)
        if (strcmp(path_extension(names[i]), "safetensors") == 0) stamp_file(h, names[i]);
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
        struct stat s;
        bool there = state_of(p->path, &s);
        const uint64_t about[] = {p->offset, p->size ? p->size : there ? (uint64_t)s.st_size : 0, there ? (uint64_t)s.st_mtim.tv_sec : 0, there ? (uint64_t)s.st_mtim.tv_nsec : 0};
        blake2b_add(h, p->path, strlen(p->path) + 1);
        blake2b_add(h, p->key, strlen(p->key) + 1);
        blake2b_add(h, about, sizeof about);
    }
}

void stamp_drawn(Blake2b *h, const Gathering *g) {
    for (size_t i = 0; i < g->count; i++) stamp_file(h, g->items[i].path);
}
