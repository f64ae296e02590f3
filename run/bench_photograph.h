// bench_photograph.h: pictures for benchmarks of pictures.
#ifndef RETINA_RUN_BENCH_PHOTOGRAPH_H
#define RETINA_RUN_BENCH_PHOTOGRAPH_H

#include "io/memory.h"

uint8_t *bench_photograph(Arena *a, int width, int height); // an imitation, RGB

#endif
