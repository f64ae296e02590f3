// bench_speed.h: `retina bench speed`: kernels and analysis.
#ifndef RETINA_RUN_BENCH_SPEED_H
#define RETINA_RUN_BENCH_SPEED_H

#include "bench_table.h"

// Ceilings of this machine, then bf16 products, few rows, attention, passes over memory and analysis against them and PyTorch, LAPACK, faiss.
void bench_speed(const BenchAsk *ask);
// Its parts.
void bench_bf16(Arena *a, const Table *t);       // bench_bf16.c: products with weights of bf16
void bench_few(Arena *a, const Table *t);        // bench_few.c: what more rows of a weight cost than one
void bench_attentions(Arena *a, const Table *t); // bench_attention.c
void bench_passes(Arena *a, const Table *t);     // bench_passes.c
void bench_analyses(Arena *a, const Table *t);   // bench_analysis.c: singular values, neighbours

#endif
