// fuzz_inflate.c: compressed data, bare and in zlib's wrapping, into rooms of several sizes; and what our own compressor
// makes of any bytes must come back.
#include <string.h>

#include "fuzz.h"
#include "io/inflate.h"

static void parse(Arena *a, Bytes input) {
    if (input.size % 4 == 0) {
        size_t n;
        const uint8_t *packed = deflate_zlib(a, input.bytes, input.size, &n);
        uint8_t *back = take(a, uint8_t, input.size);
        inflate(back, input.size, packed, n, INFLATE_ZLIB, FUZZ_PATH ": packed by us");
        if (input.size && memcmp(back, input.bytes, input.size) != 0) die("what was packed comes back changed");
        return;
    }
    size_t room = input.size % 3 == 0 ? input.size : input.size % 3 == 1 ? 4096 : 65536;
    uint8_t *out = take(a, uint8_t, room);
    InflateForm form = input.size % 2 ? INFLATE_ZLIB : INFLATE_RAW;
    Inflated r = inflate_some(out, room, input.bytes, input.size, form);
    if (r.written > room || r.used > input.size) die("more than there was");
    fuzz_touch(out, r.written);
    inflate(out, r.written, input.bytes, input.size, form, FUZZ_PATH ": all of it");
}

const Fuzz fuzz_target = {
    .name = "inflate",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/deflate.*", NULL},
    .words = (const char *const[]){"\x78\x9c", "\x78\x01", "\1\0\0\xFF\xFF", "\0\0\0\xFF\xFF", "\3\0", "\0\0\0\1", NULL},
};
