// png_write.c: PNG encoder for 8-bit RGB and grey. See image.h.
//
// Each row takes the filter whose bytes, read as signed, have the smallest sum of sizes (the usual heuristic).
#include <string.h>

#include "checksum.h"
#include "image.h"
#include "inflate.h"

static int paeth(int left, int up, int corner) {
    int a = up - corner, b = left - corner, c = a + b;
    a = a < 0 ? -a : a;
    b = b < 0 ? -b : b;
    c = c < 0 ? -c : c;
    return a <= b && a <= c ? left : b <= c ? up : corner;
}

// before is a row of zeros above the first row.
static void filter(uint8_t *out, int kind, const uint8_t *row, const uint8_t *before, size_t n, size_t d) {
    for (size_t i = 0; i < n; i++) {
        int left = i >= d ? row[i - d] : 0, up = before[i], corner = i >= d ? before[i - d] : 0;
        int guess = kind == 0 ? 0 : kind == 1 ? left : kind == 2 ? up : kind == 3 ? (left + up) / 2 : paeth(left, up, corner);
        out[i] = (uint8_t)(row[i] - guess);
    }
}

static uint8_t *put32(uint8_t *p, uint32_t v) {
    for (int i = 24; i >= 0; i -= 8) *p++ = (uint8_t)(v >> i);
    return p;
}

static uint8_t *put_chunk(uint8_t *p, const char *type, const void *data, size_t size) {
    p = put32(p, (uint32_t)size);
    memcpy(p, type, 4);
    if (size) memcpy(p + 4, data, size);
    return put32(p + 4 + size, crc32_of(0, p, size + 4));
}

static Bytes encode(Arena *a, const uint8_t *pixels, int width, int height, size_t d) {
    need(width >= 1 && height >= 1, "PNG: a picture of %d x %d pixels cannot be written", width, height);
    size_t n = size_mul((size_t)width, d, "PNG"), total = size_mul(n + 1, (size_t)height, "PNG"), packed_size;
    uint8_t *out = take(a, uint8_t, total + total / 1000 + 512), *p = out; // more than deflate ever needs
    Mark mark = arena_mark(a);
    uint8_t *rows = take(a, uint8_t, total), *trial = take(a, uint8_t, n);
    const uint8_t *before = take_zero(a, uint8_t, n);
    for (int y = 0; y < height; y++) {
        const uint8_t *row = pixels + (size_t)y * n;
        uint8_t *to = rows + (size_t)y * (n + 1);
        uint64_t best = UINT64_MAX;
        for (int kind = 0; kind < 5; kind++) {
            uint64_t sum = 0;
            filter(trial, kind, row, before, n, d);
            for (size_t i = 0; i < n; i++) sum += trial[i] < 128 ? trial[i] : 256u - trial[i];
            if (sum >= best) continue;
            best = sum;
            to[0] = (uint8_t)kind;
            memcpy(to + 1, trial, n);
        }
        before = row;
    }
    uint8_t *packed = deflate_zlib(a, rows, total, &packed_size);
    memcpy(p, "\x89PNG\r\n\x1A\n", 8);
    uint8_t head[13] = {0};
    put32(head, (uint32_t)width);
    put32(head + 4, (uint32_t)height);
    head[8] = 8;
    head[9] = d == 3 ? 2 : 0;
    p = put_chunk(p + 8, "IHDR", head, 13);
    p = put_chunk(p, "IDAT", packed, packed_size);
    p = put_chunk(p, "IEND", NULL, 0);
    arena_release(a, mark);
    return (Bytes){.bytes = out, .size = (size_t)(p - out), .path = "PNG"};
}

Bytes png_encode(Arena *a, const uint8_t *rgb, int width, int height) { return encode(a, rgb, width, height, 3); }

Bytes png_encode_grey(Arena *a, const uint8_t *grey, int width, int height) { return encode(a, grey, width, height, 1); }
