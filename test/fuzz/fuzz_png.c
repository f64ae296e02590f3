// fuzz_png.c: PNG pictures. Most checksums of chunks are put right before reading, or hardly a damaged chunk would be
// looked into.
#include <string.h>

#include "fuzz.h"
#include "io/checksum.h"
#include "io/image.h"

static uint32_t big(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

static void mend(uint8_t *bytes, size_t size) {
    for (size_t at = 8; at + 12 <= size;) {
        size_t n = big(bytes + at);
        if (n > size - at - 12) break;
        uint32_t crc = crc32_of(0, bytes + at + 4, n + 4);
        for (int i = 0; i < 4; i++) bytes[at + 8 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        at += n + 12;
    }
}

static void parse(Arena *a, Bytes input) {
    if (input.size % 4) mend((uint8_t *)(uintptr_t)input.bytes, input.size);
    ImageOptions o = {.pixels_max = 1 << 16, .truncated_ok = input.size % 2, .alpha_white = input.size % 3 == 0, .grey16_saturate = input.size % 5 == 0};
    Image i = image_decode(a, input, &o);
    fuzz_touch(i.rgb, (size_t)i.width * (size_t)i.height * 3);
}

const Fuzz fuzz_target = {
    .name = "png",
    .parse = parse,
    .seeds = (const char *const[]){"test/golden/pictures/png.pack", "test/golden/pictures/png-ends.pack", NULL},
    .words = (const char *const[]){"IHDR", "IDAT", "PLTE", "tRNS", "IEND", "eXIf", "\0\0\0\0", "\0\0\0\1", "\x08\x06", "\x10\x00", "\1\1", "\x78\x9c", NULL},
};
