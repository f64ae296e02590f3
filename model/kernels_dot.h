// kernels_dot.h: what the two paths for products of bf16 share (kernels_avx512bf16.c, kernels_amx.c): packing.
//
// A word is two neighbours in k: a 32-bit lane with the even one in its low half, as the instructions want it. Values of
// f32 and f16 are rounded to the nearest bf16, ties to even, while they are packed; denormals become zero, as the
// instructions would make them. k is filled up with zeros to whole words, or further to `words`.
#include <immintrin.h>
#define LANES 16
#include "kernels_vector.h"
#include "kernels_turn.h"

#define AHEAD 1024 // bytes of a weight's row that are asked for before they are packed
#define DOT_COLUMNS 32 // of a panel of B, on both paths

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

// B (N, K), columns [k0, k0 + kn) of rows n0 …: out[word * DOT_COLUMNS + n], one panel, filled up with zeros.
static void dot_pack_b(float *out, const Gemm *g, long k0, long kn, long n0) {
    size_t row = (size_t)g->ldb * (g->B_type == DTYPE_F32 ? 4 : 2);
    for (int v = 0; v < DOT_COLUMNS; v += LANES) {
        long rows = g->N - n0 - v;
        const char *base = (const char *)g->B + (size_t)(n0 + v) * row;
        for (long k = 0; k < kn; k += 32) {
            V t[LANES];
            for (int r = 0; r < LANES; r++) {
                t[r] = r < rows ? words_of(base + (size_t)r * row, g->B_type, k0 + k, kn - k) : all(0);
                if (r < rows) __builtin_prefetch(base + (size_t)r * row + (size_t)(k0 + k) * (row / (size_t)g->ldb) + AHEAD, 0, 2);
            }
            turn(t);
            for (int j = 0; j < LANES; j++) store(out + (k / 2 + j) * DOT_COLUMNS + v, t[j]);
        }
    }
}
