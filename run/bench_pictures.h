// bench_pictures.h: JPEG decoding and resizing against libjpeg-turbo and Pillow (performance.md 5.9), in one run.
#ifndef RETINA_RUN_BENCH_PICTURES_H
#define RETINA_RUN_BENCH_PICTURES_H

#include "io/file.h"
#include "io/option.h"

typedef struct {
    Arena *arena;
    const char *venv; // of the peers; NULL: ours alone
    int rounds;
    TextList images; // JPEGs to decode, or none: drawn ones
    Writer *out;     // or NULL: the table is only printed
} PicturesBench;

void bench_jpeg(const PicturesBench *b);
void bench_resize(const PicturesBench *b);

uint8_t *bench_photograph(Arena *a, int width, int height); // an imitation, RGB

#endif
