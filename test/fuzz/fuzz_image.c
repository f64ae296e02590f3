// fuzz_image.c: the other kinds of pictures: PPM and its kin, and those that are refused by name.
#include "fuzz.h"
#include "io/image.h"

static void parse(Arena *a, Bytes input) {
    ImageOptions o = {.pixels_max = 1 << 16, .truncated_ok = input.size % 2, .exif_apply = true};
    Image i = image_decode(a, input, &o);
    fuzz_touch(i.rgb, (size_t)i.width * (size_t)i.height * 3);
}

const Fuzz fuzz_target = {
    .name = "image",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/image.*", NULL},
    .words = (const char *const[]){"P1", "P2", "P3", "P4", "P5", "P6", "P7", "\n", " ", "#", "255", "65535", "1", "GIF89a", "BM", "RIFF", "WEBP", "II*\0", "MM\0*", "\xFF\xD8\xFF", "\x89PNG\r\n\x1a\n", NULL},
};
