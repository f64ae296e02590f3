// dense_avx2.c: the loops of dense_kernels.inc for AVX2: 12 accumulators of 4, 3 vectors of b, 1 of a.
#include "dense_kernels.h"

#define NAME(x) dense_avx2_##x
#define LANES 4
#define MR 4
#define NV 3
#include "dense_kernels.inc"
