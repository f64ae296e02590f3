// bench_products.h: `retina bench products`: the f32 products against the machine's own ceiling, PyTorch and OpenBLAS.
#ifndef RETINA_RUN_BENCH_PRODUCTS_H
#define RETINA_RUN_BENCH_PRODUCTS_H

#include "bench_table.h"

void bench_products(const BenchAsk *ask);

#endif
