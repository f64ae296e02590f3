// kernels_avx512bf16.c: products of bf16 by AVX512_BF16: one instruction adds two products to each of sixteen sums.
//
// Against the widened products (kernels_avx512.c): twice as fast on AMD's Zen 4, half as fast on Intel's first cores with
// the instruction; gemm.c measures which. Sums are f32, each pair is added in the instruction's own order.
//   version                                             577 x 4096 x 1024, one thread of a Zen 4
//   0  bf16 widened while packed, f32 multiply-adds     in use where the dot product is slow, and below AVX512_BF16
//   1  a tile of 14 x 32 words, both sides packed       in use
#if defined(__x86_64__)
#include "kernels_dot.h"

#define TILE_ROWS 14
#define TILE_VECTORS 2
#define COLUMNS (TILE_VECTORS * LANES)

static void pack_a(float *out, const Gemm *g, long m0, int mr, long k0, long kn) {
    for (long k = 0; k < kn; k += 32, out += 16 * mr) {
        V t[LANES];
#pragma GCC unroll 16
        for (int r = 0; r < LANES; r++) t[r] = r < mr ? words_of(g->A + (m0 + r) * g->lda, DTYPE_F32, k0 + k, kn - k) : all(0);
        turn(t);
        for (int j = 0; j < LANES; j++) store(out + j * mr, t[j]); // the lanes behind mr are the next word's
    }
}

// B (N, K), columns [k0, k0 + kn) of rows n0 …: out[word * COLUMNS + n], one panel, filled up with zeros.
static void pack_b(float *out, const Gemm *g, long k0, long kn, long n0) {
    size_t row = (size_t)g->ldb * (g->B_type == DTYPE_F32 ? 4 : 2);
    for (int v = 0; v < COLUMNS; v += LANES) {
        long rows = g->N - n0 - v;
        const char *base = (const char *)g->B + (size_t)(n0 + v) * row;
        for (long k = 0; k < kn; k += 32) {
            V t[LANES];
#pragma GCC unroll 16
            for (int r = 0; r < LANES; r++) t[r] = r < rows ? words_of(base + (size_t)r * row, g->B_type, k0 + k, kn - k) : all(0);
            turn(t);
            for (int j = 0; j < LANES; j++) store(out + (k / 2 + j) * COLUMNS + v, t[j]);
        }
    }
}

INLINE V fused(V a, V b, V sums) { return (V)_mm512_dpbf16_ps((__m512)sums, (__m512bh)a, (__m512bh)b); }

#include "kernels_product.h"

static void tile(int mr, long words, const float *A, long ka, const float *B, long kb, float *C, long ldc, bool from_c) {
    product_table(mr, words, A, ka, B, &(TileSums){.from = from_c ? C : NULL, .to = C, .ld = ldc});
}

const TileKernel tiles_avx512bf16 = {.MR = TILE_ROWS, .NR = COLUMNS, .in_word = 2, .k_step = 32, .pack_a = pack_a, .pack_b = pack_b, .product = product_table, .tile = tile};
#else
typedef int not_this_processor;
#endif
