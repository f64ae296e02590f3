// stamp.c: see stamp.h.
#include "stamp.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define WHOLE ((size_t)1 << 20)
enum { PIECES = 16, PIECE = 64 * 1024, GLANCE = 1024 };

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

// A kibibyte from the middle of a picture and its last one: two pictures that are compressed do not agree there. What cannot be
// read adds nothing; whoever needs it will say why.
static void glance(Blake2b *h, const char *path, uint64_t offset, uint64_t size) {
    uint8_t bytes[GLANCE];
    const uint64_t least = size < GLANCE ? size : GLANCE, places[] = {(size - least) / 2, size - least};
    int fd = size ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    for (int i = 0; fd >= 0 && i < 2; i++)
        if (pread(fd, bytes, least, (off_t)(offset + places[i])) == (ssize_t)least) blake2b_add(h, bytes, least);
    if (fd >= 0) close(fd);
}

void stamp_pictures(Blake2b *h, const Gathering *g) {
    for (size_t i = 0; i < g->count; i++) {
        const Gathered *p = &g->items[i];
        uint64_t size = p->size ? p->size : size_of(p->path);
        blake2b_add(h, p->path, strlen(p->path) + 1);
        blake2b_add(h, p->key, strlen(p->key) + 1);
        blake2b_add(h, &p->offset, sizeof p->offset);
        blake2b_add(h, &size, sizeof size);
        glance(h, p->path, p->offset, size);
    }
}

void stamp_drawn(Blake2b *h, const Gathering *g) {
    for (size_t i = 0; i < g->count; i++) stamp_file(h, g->items[i].path);
}
