// knn_avx512.c: the loops of knn_kernels.inc for AVX-512: 24 accumulators of 16.
#include "knn_kernels.h"

#if defined(__AVX512F__)
#include <immintrin.h>

#define NAME(x) knn_avx512_##x
#define LANES 16
#define MR 12
#define NV 2
#define MADD(s, a, b) s = (Vector)_mm512_fmadd_ps(_mm512_set1_ps(a), (__m512)(b), (__m512)(s))
#define BITS_GE(x, y) (uint32_t)_mm512_cmp_ps_mask((__m512)(x), (__m512)(y), _CMP_GE_OQ)
#include "knn_kernels.inc"
#endif
