// bench_products.h: `retina bench products`: the f32 products against the machine's own ceiling, PyTorch and OpenBLAS.
#ifndef RETINA_RUN_BENCH_PRODUCTS_H
#define RETINA_RUN_BENCH_PRODUCTS_H

#include "bench_table.h"
#include "model/kernels.h"

void bench_products(const BenchAsk *ask);
double product_error(const void *gemm, const float *C); // a Check's: whole rows and columns of C, and all of it in a sum, against double, over their norm, of numbers as the Gemm takes them; B of f32 or bf16

#endif
