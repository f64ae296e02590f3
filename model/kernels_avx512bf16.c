// kernels_avx512bf16.c: products of bf16 by AVX512_BF16: one instruction adds two products to each of sixteen sums.
//
// The ways of a product are f32's (gemm.c), with pairs of bf16 in the place of numbers, and so is the tile, with this instruction in the
// place of a fused multiply-add. Sums are f32, each pair is added in the instruction's own order, pairs by ascending k: a row has the same
// bits alone and among any others. Against widened products (kernels_avx512.c): twice as fast on AMD's Zen 4 and 5, half as fast on
// Intel's first cores with the instruction; gemm.c measures which.
//   version                                              577 x 4096 x 1024, one thread of a Zen 4
//   0  bf16 widened while packed, f32 multiply-adds      49 - 51 ms; in use where the dot product is slow, and below AVX512_BF16
//   1  a tile of 14 x 32 words, both sides packed        25.4 - 26.3
//   2  A packed once, blocks of 1376 of k                24.1
//
//   rows by a weight from memory                         8, 16, 32, 64, 128 by 4096 x 4096, two threads of a Zen 5
//   2  up to 48 by dot products along k, then blocks     1.00, 1.25, 1.82, 3.07, 5.86 ms
//   3  f32's ways, in use                                0.78, 1.01, 1.37, 2.78, 4.92
#if defined(__x86_64__)
#include "kernels_dot.h"

#define TILE_ROWS 14
#define TILE_VECTORS 2
#define COLUMNS (TILE_VECTORS * LANES)

// out[word wide + r] of rows of `type`, `row` bytes apart, of which `rows` exist, k0 … k0 + kn; filled up with zeros. Whole vectors are written: behind `wide` lies what the
// next word's rows write over.
static void pack_words(float *out, long wide, const char *first, size_t row, Dtype type, long rows, long k0, long kn) {
    for (long v = 0; v < wide; v += LANES, first += LANES * row, rows -= LANES)
        for (long k = 0; k < kn; k += 32) {
            V t[LANES];
#pragma GCC unroll 16
            for (int r = 0; r < LANES; r++) t[r] = r < rows ? words_of(first + (size_t)r * row, type, k0 + k, kn - k) : all(0);
            turn(t);
            for (int j = 0; j < LANES; j++) store(out + (k / 2 + j) * wide + v, t[j]);
        }
}

static void pack_b(float *out, const Gemm *g, long k0, long kn, long n0) {
    size_t row = (size_t)g->ldb * (g->B_type == DTYPE_F32 ? 4 : 2);
    pack_words(out, COLUMNS, (const char *)g->B + (size_t)n0 * row, row, g->B_type, g->N - n0, k0, kn);
}

static void pack_x(float *out, long wide, const Gemm *g, long m, long rows, long k0, long kn) {
    pack_words(out, wide, (const char *)(g->A + m * g->lda), (size_t)g->lda * sizeof(float), DTYPE_F32, rows, k0, kn);
}

static void pack_a(float *out, const Gemm *g, long m0, int mr, long k0, long kn) { pack_x(out, mr, g, m0, mr, k0, kn); }

INLINE V fused(V a, V b, V sums) { return (V)_mm512_dpbf16_ps((__m512)sums, (__m512bh)a, (__m512bh)b); }

#define WORD 2
INLINE V lay_vector(const char *row, Dtype type, long k) { return words_of(row, type, k, 2 * LANES); }
INLINE void lay_rest(float *to, const char *row, Dtype type, long n) {
    if (n > 0) store(to, words_of(row, type, 0, n)); // a whole vector: a row has room for it
}

#include "kernels_thin.h"
#include "kernels_product.h"
#include "kernels_spread.h"

const TileKernel tiles_avx512bf16 = {.MR = TILE_ROWS, .NR = COLUMNS, .in_word = WORD, .k_step = 32, .pack_a = pack_a, .pack_b = pack_b, .product = product_table, .tile = tile_table,
                                     .thin_block = THIN_BLOCK, .thin_most = 12, .thin = thin_table, .spread = spread_table, .lay = lay_table, .pack_x = pack_x};
#else
typedef int not_this_processor;
#endif
