// kernels_avx2.c: the kernels with AVX2, FMA and F16C: a vector is two registers.
#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wpsabi"
#include <immintrin.h>
#define TABLE kernels_avx2
#define TILE_ROWS 6
#define TILE_VECTORS 1
#define FUSED
#define LOAD_F16
typedef float V16 __attribute__((vector_size(64), aligned(4)));
static inline __attribute__((always_inline)) V16 fused(V16 a, V16 b, V16 c) {
    union {
        V16 v;
        __m256 h[2];
    } x = {a}, y = {b}, z = {c};
    z.h[0] = _mm256_fmadd_ps(x.h[0], y.h[0], z.h[0]);
    z.h[1] = _mm256_fmadd_ps(x.h[1], y.h[1], z.h[1]);
    return z.v;
}
static inline __attribute__((always_inline)) V16 load_f16(const unsigned short *p) {
    union {
        V16 v;
        __m256 h[2];
    } z;
    z.h[0] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
    z.h[1] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)));
    return z.v;
}
#include "kernels_body.h"
#else
typedef int not_this_processor;
#endif
