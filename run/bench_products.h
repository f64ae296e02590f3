// bench_products.h: `retina bench products`: the f32 products against the machine's own ceiling, PyTorch and OpenBLAS.
#ifndef RETINA_RUN_BENCH_PRODUCTS_H
#define RETINA_RUN_BENCH_PRODUCTS_H

#include "bench_table.h"
#include "model/kernels.h"

void bench_products(const BenchAsk *ask);
double product_error(const Gemm *g); // of C in some of its elements, over their norm: against double, of numbers as g takes them; B of f32 or bf16

#endif
