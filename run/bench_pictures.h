// bench_pictures.h: JPEG decoding and resizing against libjpeg-turbo and Pillow (performance.md 5.9), in one run.
#ifndef RETINA_RUN_BENCH_PICTURES_H
#define RETINA_RUN_BENCH_PICTURES_H

#include "bench_table.h"
#include "io/option.h"

void bench_jpeg(const BenchAsk *ask, TextList images); // JPEGs to decode, or none: drawn ones
void bench_resize(const BenchAsk *ask);

#endif
