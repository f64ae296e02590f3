// dense_avx2.c: the loops of dense_kernels.inc for AVX2: 12 accumulators of 4, 3 vectors of b, 1 of a.
#include "dense_kernels.h"

#if defined(__AVX2__)
#include "io/avx2.h"

#define NAME(x) dense_avx2_##x
#define LANES 4
#define MR 4
#define NV 3
#define FUSED(a, b, c) ((Vector)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#include "dense_kernels.inc"
#endif
