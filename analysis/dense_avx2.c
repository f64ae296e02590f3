// dense_avx2.c: the loops of dense_kernels.inc for AVX2: 12 accumulators of 4, 3 vectors of b, 1 of a.
#include "dense_kernels.h"

#if defined(__AVX2__)
#include "io/avx2.h"

#define NAME(x) dense_avx2_##x
#define LANES 4
#define MR 4
#define NV 3
#define FUSED(a, b, c) ((Vector)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
static inline __attribute__((always_inline)) void turn(void *square) { // 4 x 4
    __m256d *t = square, u[4];
    for (int i = 0; i < 4; i += 2) u[i] = _mm256_unpacklo_pd(t[i], t[i + 1]), u[i + 1] = _mm256_unpackhi_pd(t[i], t[i + 1]);
    for (int j = 0; j < 2; j++) t[j] = _mm256_permute2f128_pd(u[j], u[j + 2], 0x20), t[j + 2] = _mm256_permute2f128_pd(u[j], u[j + 2], 0x31);
}
#include "dense_kernels.inc"
#endif
