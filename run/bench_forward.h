// bench_forward.h: `retina bench forward`: whole models.
#ifndef RETINA_RUN_BENCH_FORWARD_H
#define RETINA_RUN_BENCH_FORWARD_H

#include "bench_table.h"
#include "model/model.h"

// Forwards of a model directory in f32 and bf16 against transformers: pictures, or `tokens` ids and then one id for each of
// 1, 8 and 32 texts.
void bench_forward(const BenchAsk *ask, const char *directory, int tokens);
void bench_decode(Arena *a, const Table *t, Model *m, int tokens); // bench_decode.c: that last part, as m->compute says
double forward_allowed(Compute how); // an answer's distance from our own in f32
float *answer_copied(Arena *a, Run *run, Tensor x); // x in f32, where it can be read

#endif
