// bench_speed.h: `retina bench speed` and `retina bench forward`.
#ifndef RETINA_RUN_BENCH_SPEED_H
#define RETINA_RUN_BENCH_SPEED_H

#include "io/file.h"
#include "io/memory.h"

// Ceilings of this machine, then bf16 products, decoding, attention, passes over memory and analysis against them and PyTorch, LAPACK, faiss.
void bench_speed(Arena *a, const char *venv, int rounds, const char *rows, Writer *w);
// Forwards of a model directory in f32 and bf16 against transformers: pictures, or `tokens` ids and then one id for each of
// 1, 8 and 32 texts.
void bench_forward(Arena *a, const char *directory, int tokens, const char *venv, int rounds, const char *rows, Writer *w);

#endif
