// kernels_dot.h: what the two paths for products of bf16 share (kernels_avx512bf16.c, gemm_amx.c): words.
//
// A word is two neighbours in k: a 32-bit lane with the even one in its low half, as the instructions want it. Values of
// f32 and f16 are rounded to the nearest bf16, ties to even, while they are packed; denormals become zero, as the
// instructions would make them. k is filled up with zeros to whole words, or further to `words`.
#include <immintrin.h>
#define LANES 16
#include "kernels_vector.h"
#include "kernels_turn.h"

// The sixteen words at x[k …], of which `n` values exist.
INLINE V words_of(const void *x, Dtype type, long k, long n) {
    if (type == DTYPE_BF16) {
        const uint16_t *h = (const uint16_t *)x + k;
        if (n >= 32) return load((const float *)h);
        return (V)_mm512_maskz_loadu_epi16((__mmask32)((1ull << n) - 1), h);
    }
    __mmask16 low = (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1), high = (__mmask16)(n >= 32 ? 0xffff : n > 16 ? (1u << (n - 16)) - 1 : 0);
    __m512 a, b;
    if (type == DTYPE_F16) {
        a = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(low, (const uint16_t *)x + k));
        b = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(high, (const uint16_t *)x + k + 16));
    } else {
        a = _mm512_maskz_loadu_ps(low, (const float *)x + k);
        b = _mm512_maskz_loadu_ps(high, (const float *)x + k + 16);
    }
    return (V)_mm512_cvtne2ps_pbh(b, a);
}
