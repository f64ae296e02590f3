// bf16_model.h: the one instruction of AVX512_BF16 that the sources of AMX's tiles use, after its documentation, in AVX-512: with
// it their tests run on processors before both. Included ahead of everything (Makefile: tiles).
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

#undef _mm512_cvtne2ps_pbh
#define _mm512_cvtne2ps_pbh bf16_pair
