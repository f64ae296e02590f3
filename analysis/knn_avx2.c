// knn_avx2.c: the loops of knn_kernels.inc for AVX2 and FMA.
#include "knn_kernels.h"

#if defined(__AVX2__)
#include "io/avx2.h"

#define NAME(x) knn_avx2_##x
#define LANES 8
#define MR 6
#define NV 2
#define MADD(s, a, b) s = (Vector)_mm256_fmadd_ps(_mm256_set1_ps(a), (__m256)(b), (__m256)(s))
#define BITS_GE(x, y) (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps((__m256)(x), (__m256)(y), _CMP_GE_OQ))
#include "knn_kernels.inc"
#endif
