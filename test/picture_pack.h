// picture_pack.h: the goldens of test/reference/pictures.py. A pack is a row of entries: one line
// "width height orientation crc32 size what", then `size` bytes of file.
#ifndef RETINA_TEST_PICTURE_PACK_H
#define RETINA_TEST_PICTURE_PACK_H

#include <stdio.h>
#include <string.h>

#include "io/file.h"

typedef struct {
    Bytes all;
    size_t at;
    int width, height, orientation;
    unsigned crc;
    char what[160];
    Bytes file;
} Pack;

static inline Pack pack_open(Arena *a, const char *path) { return (Pack){.all = file_read(a, path)}; }

// The line at `at` without its line break; `at` moves behind it. False at the end.
static inline bool pack_line(Pack *p, char *line, size_t room) {
    if (p->at >= p->all.size) return false;
    const uint8_t *start = p->all.bytes + p->at, *end = memchr(start, '\n', p->all.size - p->at);
    need(end && (size_t)(end - start) < room, "%s: byte %zu: no line", p->all.path, p->at);
    memcpy(line, start, (size_t)(end - start));
    line[end - start] = 0;
    p->at += (size_t)(end - start) + 1;
    return true;
}

static inline bool pack_next(Pack *p) {
    char line[400];
    size_t size;
    int n = 0;
    if (!pack_line(p, line, sizeof line)) return false;
    need(sscanf(line, "%d %d %d %x %zu %n", &p->width, &p->height, &p->orientation, &p->crc, &size, &n) == 5 && n > 0, "%s: a line that is none: %s", p->all.path, line);
    need(size <= p->all.size - p->at, "%s: an entry that is cut", p->all.path);
    snprintf(p->what, sizeof p->what, "%.150s", line + n);
    p->file = (Bytes){p->all.bytes + p->at, size, p->what};
    p->at += size;
    return true;
}

// picture() of pictures.py.
static inline uint8_t *picture(Arena *a, int width, int height) {
    uint8_t *rgb = take(a, uint8_t, (size_t)width * height * 3);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                rgb[((size_t)y * width + x) * 3 + c] = (uint8_t)(x * x * 3 + y * 7 + c * 50 + x * y % 31 * 5 + (x / 5 + y / 3) % 2 * 60);
    return rgb;
}

#endif
