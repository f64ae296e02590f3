// bf16_model.h: the instructions of AVX512_BF16 that our sources use, after their documentation, in AVX-512: with them the tests of dot products
// and of AMX's tiles run on processors before both. Included ahead of everything (Makefile: tiles).
#include <immintrin.h>
#include <stdint.h>

typedef uint32_t Bits __attribute__((vector_size(64)));

// To the nearest, ties to even; denormals are zero, what is not a number stays so.
static inline Bits bf16_bits(__m512 x) {
    Bits u = (Bits)x, size = u & 0x7fffffff, rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
    Bits none = (Bits)(size > 0x7f800000), small = (Bits)(size < 0x00800000);
    return (none & (u >> 16 | 0x40)) | (small & (u >> 16 & 0x8000)) | (~none & ~small & rounded);
}

static inline __m512bh bf16_pair(__m512 high, __m512 low) {
    __m512i words = _mm512_castsi256_si512(_mm512_cvtepi32_epi16((__m512i)bf16_bits(low)));
    return (__m512bh)_mm512_inserti64x4(words, _mm512_cvtepi32_epi16((__m512i)bf16_bits(high)), 1);
}

static inline __m512 bf16_flushed(__m512 x) { // a denormal is zero
    Bits u = (Bits)x, small = (Bits)((u & 0x7fffffff) < 0x00800000);
    return (__m512)(u & ~(small & 0x7fffffff));
}

static inline __m512 bf16_dot(__m512 sum, __m512bh a, __m512bh b) { // the odd halves first; sums round to even, denormals are zero
    Bits x = (Bits)a, y = (Bits)b, high = (Bits){0} + 0xffff0000;
    sum = bf16_flushed(_mm512_fmadd_ps(bf16_flushed((__m512)(x & high)), bf16_flushed((__m512)(y & high)), bf16_flushed(sum)));
    return bf16_flushed(_mm512_fmadd_ps(bf16_flushed((__m512)(x << 16)), bf16_flushed((__m512)(y << 16)), sum));
}

#undef _mm512_dpbf16_ps
#define _mm512_dpbf16_ps bf16_dot
#undef _mm512_cvtne2ps_pbh
#define _mm512_cvtne2ps_pbh bf16_pair
