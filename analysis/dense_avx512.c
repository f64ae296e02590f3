// dense_avx512.c: the loops of dense_kernels.inc for AVX-512: 24 accumulators of 8, 3 vectors of b.
#include "dense_kernels.h"

#if defined(__AVX512F__)
#include <immintrin.h>

#define NAME(x) dense_avx512_##x
#define LANES 8
#define MR 8
#define NV 3
#define FUSED(a, b, c) ((Vector)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#include "dense_kernels.inc"
#endif
