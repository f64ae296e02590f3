// dense_avx512.c: the loops of dense_kernels.inc for AVX-512: 24 accumulators of 8, 3 vectors of b.
#include "dense_kernels.h"

#if defined(__AVX512F__)
#include <immintrin.h>

#define NAME(x) dense_avx512_##x
#define LANES 8
#define MR 8
#define NV 3
#define FUSED(a, b, c) ((Vector)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
static inline __attribute__((always_inline)) void turn(void *square) { // 8 x 8: pairs of numbers, of pairs, of fours
    __m512d *t = square, u[8], v[8];
    for (int i = 0; i < 8; i += 2) u[i] = _mm512_unpacklo_pd(t[i], t[i + 1]), u[i + 1] = _mm512_unpackhi_pd(t[i], t[i + 1]);
    for (int i = 0; i < 8; i += 4)
        for (int j = i; j < i + 2; j++) v[j] = _mm512_shuffle_f64x2(u[j], u[j + 2], 0x88), v[j + 2] = _mm512_shuffle_f64x2(u[j], u[j + 2], 0xdd);
    for (int j = 0; j < 4; j++) t[j] = _mm512_shuffle_f64x2(v[j], v[j + 4], 0x88), t[j + 4] = _mm512_shuffle_f64x2(v[j], v[j + 4], 0xdd);
}
#include "dense_kernels.inc"
#endif
