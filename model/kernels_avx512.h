// kernels_avx512.h: how AVX-512 does what the vector extensions lack (kernels_body.h says what that is).
#include <immintrin.h>

typedef __mmask16 Mask;
INLINE V fused(V a, V b, V c) { return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
INLINE Mask more(V a, V b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ); }
INLINE Mask number(V x) { return _mm512_cmp_ps_mask((__m512)x, (__m512)x, _CMP_ORD_Q); }
INLINE V pick(Mask m, V yes, V no) { return (V)_mm512_mask_blend_ps(m, (__m512)no, (__m512)yes); }
INLINE V larger(V a, V b) { return (V)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE V smaller(V a, V b) { return (V)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE void store_past(float *p, V v) { _mm512_stream_ps(p, (__m512)v); }
INLINE void past_done(void) { _mm_sfence(); }
INLINE V root(V a) { return (V)_mm512_sqrt_ps((__m512)a); }
INLINE V load_part(const float *p, long n, float fill) { return (V)_mm512_mask_loadu_ps((__m512)all(fill), (__mmask16)((1u << n) - 1), p); }
#define QUOTIENT // 2^-100 is 0x0d800000; zero, less one, is the largest of all
INLINE bool any_tiny(V x) { return _mm512_cmplt_epu32_mask(_mm512_sub_epi32((__m512i)x, _mm512_set1_epi32(1)), _mm512_set1_epi32(0x0d800000 - 1)) != 0; }
#define LOAD_F16
INLINE V load_f16(const uint16_t *p) { return (V)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
