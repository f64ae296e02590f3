// kernels_avx512.c: the kernels with AVX-512 (F, BW, VL, DQ): a vector is one register.
#if defined(__x86_64__)
#include <immintrin.h>
#define TABLE kernels_avx512
#define TILE_ROWS 14
#define TILE_VECTORS 2
#define FUSED
#define LOAD_F16
typedef float V16 __attribute__((vector_size(64), aligned(4)));
static inline __attribute__((always_inline)) V16 fused(V16 a, V16 b, V16 c) {
    return (V16)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
static inline __attribute__((always_inline)) V16 load_f16(const unsigned short *p) {
    return (V16)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
#include "kernels_body.h"
#else
typedef int not_this_processor;
#endif
