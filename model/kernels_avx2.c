// kernels_avx2.c: the kernels with AVX2, FMA and F16C: vectors of eight.
#if defined(__x86_64__)
#include "io/avx2.h"
#define TABLE kernels_avx2
#define LANES 8
#define TILE_ROWS 6
#define TILE_VECTORS 2
#include "kernels_vector.h"

typedef I Mask;
INLINE V fused(V a, V b, V c) { return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
INLINE Mask more(V a, V b) { return (I)_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_GT_OQ); }
INLINE Mask number(V x) { return (I)_mm256_cmp_ps((__m256)x, (__m256)x, _CMP_ORD_Q); }
INLINE V pick(Mask m, V yes, V no) { return (V)_mm256_blendv_ps((__m256)no, (__m256)yes, (__m256)m); }
INLINE V larger(V a, V b) { return (V)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE V smaller(V a, V b) { return (V)_mm256_min_ps((__m256)a, (__m256)b); }
INLINE void store_past(float *p, V v) { _mm256_stream_ps(p, (__m256)v); }
INLINE void past_done(void) { _mm_sfence(); }
INLINE V root(V a) { return (V)_mm256_sqrt_ps((__m256)a); }
INLINE V load_part(const float *p, long n, float fill) {
    I lane = {0, 1, 2, 3, 4, 5, 6, 7}, inside = alli((int32_t)n) > lane;
    return pick(inside, (V)_mm256_maskload_ps(p, (__m256i)inside), all(fill));
}
#define QUOTIENT // 2^-100 is 0x0d800000
INLINE bool any_tiny(V x) { return _mm256_movemask_ps((__m256)(((I)x > alli(0)) & ((I)x < alli(0x0d800000)))) != 0; }
#define LOAD_F16
INLINE V load_f16(const uint16_t *p) { return (V)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
#include "kernels_body.h"
#else
typedef int not_this_processor;
#endif
