// dense_avx512.c: the loops of dense_kernels.inc for AVX-512: 24 accumulators of 8, 3 vectors of b.
#include "dense_kernels.h"

#define NAME(x) dense_avx512_##x
#define LANES 8
#define MR 8
#define NV 3
#include "dense_kernels.inc"
