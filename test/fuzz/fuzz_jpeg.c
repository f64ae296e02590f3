// fuzz_jpeg.c: pictures of every kind that the JPEG decoder knows, with each of the reader's options.
#include "fuzz.h"
#include "io/image.h"

static void parse(Arena *a, Bytes input) {
    ImageOptions o = {.pixels_max = 1 << 16, .truncated_ok = input.size % 2, .exif_apply = input.size % 3 == 0};
    Image i = image_decode(a, input, &o);
    fuzz_touch(i.rgb, (size_t)i.width * (size_t)i.height * 3);
}

const Fuzz fuzz_target = {
    .name = "jpeg",
    .parse = parse,
    .seeds = (const char *const[]){"test/golden/pictures/jpeg.pack", "test/golden/pictures/jpeg-damaged.pack", NULL},
    .words = (const char *const[]){"\xFF\xC0", "\xFF\xC2", "\xFF\xC4", "\xFF\xDA", "\xFF\xD0", "\xFF\xD9", "\xFF\xDD\0\4\0\1", "\xFF\xFF", "Adobe", "Exif", "\x11\0", "\x22\0", "\x14\1", "\x41\2", NULL},
};
