// attention_avx512bf16.c: what attention of bf16 does otherwise than that of f32 (attention.c), by AVX512_BF16.
//
// Queries, keys and values are rounded to bf16, scores are f32 sums over pairs of d ascending, the softmax's weights
// e^(score - largest) are rounded to bf16 while their sum is not, outputs are f32 sums over pairs of keys ascending, and 1 over the
// sum multiplies at the end. A pair is two neighbouring keys from an even one on, and few queries do what blocks do in the same
// order: a query's result does not depend on its block, on how many there are, or on its batch. Denormals are zero.
//   blocks       scores and outputs by the tile of products (kernels_avx512bf16.c): this file packs values by pairs of keys
//   few queries  keys and values are read once, as they lie; rows of the next keys are asked for, as they are far apart
// In use where products of bf16 are by AVX512_BF16 (gemm.c measures that); with AMX it is attention_amx.c, below it f32's.
//   version                                       577 tokens, 16 heads of 64; 1 of 600, 32 of 128 (one thread of a Zen 4, CPU time)
//   0  f32 (attention.c)                          18.9 ms, 1.67 ms
//   1  dot products of pairs                      11.9 ms, 1.15 ms: in use
// `retina bench speed --threads 1 --rows attention` times both; test/bench/NOTES.md has the other shapes.
#if defined(__x86_64__)
#include "attention_words.h"

// ---- blocks

// x (keys, D), the values of neighbouring keys, as words of pairs: of d from `tile` to `tile` on, out[(pair - first) mr + d],
// tiles of `pairs` words each; and up to 16 words of no meaning behind.
static void pack_values(float *out, const float *x, long keys, long D, long first, long pairs, int tile) {
    for (long d = 0; d < D; d += tile) {
        long mr = D - d < tile ? D - d : tile;
        float *o = out + d * pairs + first * mr;
        for (long j = 0; j < keys; j += 2, o += mr) {
            V low = load_part(x + j * D + d, mr, 0), high = j + 1 < keys ? load_part(x + (j + 1) * D + d, mr, 0) : all(0);
            _mm512_mask_storeu_ps(o, (__mmask16)((1u << mr) - 1), (__m512)words_between(low, high));
        }
    }
}

// ---- few queries: M of them, M <= THIN_ROWS

// x (M, D) as words: out[word M + m], filled up with zeros to whole vectors of words.
static void pack_queries(float *out, const float *x, long M, long D) {
    for (long m = 0; m < M; m++)
        for (long d = 0; d < D; d += 2 * LANES) {
            V w = words_of(x + m * D, DTYPE_F32, d, D - d);
            for (int j = 0; j < LANES; j++) out[(d / 2 + j) * M + m] = w[j];
        }
}

// Sixteen keys from n on, 32 values of each from d on: t[j] has pair j of all of them.
INLINE void turn_keys(V *t, const char *base, size_t row, Dtype type, long ld, long left, long d, long D) {
#pragma GCC unroll 16
    for (int r = 0; r < LANES; r++) {
        t[r] = r < left ? words_of(base + (size_t)r * row, type, d, D - d) : all(0);
        __builtin_prefetch(base + (size_t)(LANES + r) * row + (size_t)d * (row / (size_t)ld)); // rows are far apart
    }
    turn(t);
}

typedef void TurnKeys(V *t, const char *base, size_t row, long ld, long left, long d, long D);
static void turn_bf16(V *t, const char *base, size_t row, long ld, long left, long d, long D) { turn_keys(t, base, row, DTYPE_BF16, ld, left, d, D); }
static void turn_f32(V *t, const char *base, size_t row, long ld, long left, long d, long D) { turn_keys(t, base, row, DTYPE_F32, ld, left, d, D); }

// S (M, keys): sixteen keys at a time, turned in registers.
INLINE void scores_of(int M, float *S, long lds, const float *X, const void *K, TurnKeys *turned, size_t row, long ld, long keys, long D) {
    for (long n = 0; n < keys; n += LANES) {
        const char *base = (const char *)K + (size_t)n * row;
        const float *x = X;
        __m512 acc[THIN_ROWS];
        for (int m = 0; m < M; m++) acc[m] = _mm512_setzero_ps();
        for (long d = 0; d < D; d += 2 * LANES) {
            V t[LANES];
            turned(t, base, row, ld, keys - n, d, D);
            for (int j = 0; j < LANES; j++, x += M)
                for (int m = 0; m < M; m++) acc[m] = _mm512_dpbf16_ps(acc[m], (__m512bh)all(x[m]), (__m512bh)t[j]);
        }
        for (int m = 0; m < M; m++) _mm512_mask_storeu_ps(S + m * lds + n, (__mmask16)(keys - n < LANES ? (1u << (keys - n)) - 1 : 0xffff), acc[m]);
    }
}

#define CASE(n)                                                                                    \
    case n: scores_of(n, S, lds, X, K, turned, row, ld, keys, D); break;

static void few_scores(int M, float *S, long lds, const float *X, const void *K, Dtype type, long ld, long keys, long D) {
    TurnKeys *turned = type == DTYPE_BF16 ? turn_bf16 : turn_f32;
    const size_t row = (size_t)ld * (type == DTYPE_BF16 ? 2 : 4);
    switch (M) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
    }
}

#define WIDE 256 // channels at a time

// out (D), from its old value, over `pairs` pairs: words (pairs, WIDE).
INLINE void mix_words(float *out, const float *p, const float *words, long pairs, int vectors) {
    __m512 acc[8];
    for (int v = 0; v < vectors; v++) acc[v] = (__m512)load(out + v * LANES);
    for (long w = 0; w < pairs; w++)
        for (int v = 0; v < vectors; v++) acc[v] = _mm512_dpbf16_ps(acc[v], (__m512bh)all(p[w]), (__m512bh)load(words + w * WIDE + v * LANES));
    for (int v = 0; v < vectors; v++) store(out + v * LANES, (V)acc[v]);
}

// out (M, ldo) = the weights P (M, pairs of keys) times x (keys, D), times over (M); ldo: D filled up to 32.
static void few_mix(int M, float *out, long ldo, const float *P, long ldp, const float *over, const void *x, Dtype type, long ld, long keys, long D) {
    const size_t row = (size_t)ld * (type == DTYPE_BF16 ? 2 : 4);
    float words[PAIRS * WIDE];
    for (long i = 0; i < M * ldo; i++) out[i] = 0;
    for (long d0 = 0; d0 < D; d0 += WIDE)
        for (long j = 0; j < keys; j += 2 * PAIRS) {
            long pairs = keys - j < 2 * PAIRS ? (keys - j + 1) / 2 : PAIRS, end = D - d0 < WIDE ? D : d0 + WIDE;
            for (long w = 0; w < pairs; w++)
                for (long d = d0; d < end; d += 2 * LANES) {
                    size_t low = (size_t)(j + 2 * w) * row;
                    if (type == DTYPE_BF16) pair_words(words + w * WIDE + d - d0, x, DTYPE_BF16, low, low + row, d, D, j + 2 * w + 1 < keys);
                    else pair_words(words + w * WIDE + d - d0, x, DTYPE_F32, low, low + row, d, D, j + 2 * w + 1 < keys);
                }
            for (long m = 0; m < M; m++) {
                const float *p = P + m * ldp + j / 2;
                long d = d0;
                for (; d + 8 * LANES <= end; d += 8 * LANES) mix_words(out + m * ldo + d, p, words + d - d0, pairs, 8);
                for (; d < end; d += 2 * LANES) mix_words(out + m * ldo + d, p, words + d - d0, pairs, 2);
            }
        }
    for (long m = 0; m < M; m++)
        for (long d = 0; d < ldo; d += LANES) store(out + m * ldo + d, load(out + m * ldo + d) * all(over[m]));
}

const AttentionDots attention_avx512bf16 = {.tiles = &tiles_avx512bf16, .step = 2, .rows = 1, .pack_values = pack_values, .top = top_of, .soften = soften, .multiply = multiply, .pack_queries = pack_queries,
                                            .few_scores = few_scores, .few_soften = few_soften, .few_mix = few_mix};
#else
typedef int not_this_processor;
#endif
