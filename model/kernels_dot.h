// kernels_dot.h: what the two paths for products of bf16 share (kernels_avx512bf16.c, gemm_amx.c): words.
//
// A word is two neighbours in k: a 32-bit lane with the even one in its low half, as the instructions want it. Values of
// f32 and f16 are rounded to the nearest bf16, ties to even, while they are packed; denormals become zero, as the
// instructions would make them. k is filled up with zeros to whole words, or further to `words`.
#include <immintrin.h>
#define LANES 16
#include "kernels_vector.h"
#include "kernels_turn.h"

// The 32 values at x[k …] as f32, of which `n` exist; x of f32 or f16.
INLINE void floats_of(const void *x, Dtype type, long k, long n, __m512 *a, __m512 *b) {
    __mmask16 low = (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1), high = (__mmask16)(n >= 32 ? 0xffff : n > 16 ? (1u << (n - 16)) - 1 : 0);
    if (type == DTYPE_F16) {
        *a = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(low, (const uint16_t *)x + k));
        *b = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(high, (const uint16_t *)x + k + 16));
    } else {
        *a = _mm512_maskz_loadu_ps(low, (const float *)x + k);
        *b = _mm512_maskz_loadu_ps(high, (const float *)x + k + 16);
    }
}

// The sixteen words at x[k …], of which `n` values exist.
INLINE V words_of(const void *x, Dtype type, long k, long n) {
    if (type == DTYPE_BF16) {
        const uint16_t *h = (const uint16_t *)x + k;
        if (n >= 32) return load((const float *)h);
        return (V)_mm512_maskz_loadu_epi16((__mmask32)((1ull << n) - 1), h);
    }
    __m512 a, b;
    floats_of(x, type, k, n, &a, &b);
    return (V)_mm512_cvtne2ps_pbh(b, a);
}

INLINE __m512 rest_of(__m512 x, __m256i nearest) { return _mm512_sub_ps(x, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(nearest), 16))); }

// The same, and words of what is left of the values behind their nearest bf16.
INLINE V split_words_of(const void *x, Dtype type, long k, long n, V *rest) {
    __m512 a, b;
    floats_of(x, type, k, n, &a, &b);
    __m512i near = (__m512i)_mm512_cvtne2ps_pbh(b, a);
    *rest = (V)_mm512_cvtne2ps_pbh(rest_of(b, _mm512_extracti64x4_epi64(near, 1)), rest_of(a, _mm512_castsi512_si256(near)));
    return (V)near;
}
