// attention_words.h: what the two ways of attention in bf16 share (attention_avx512bf16.c, attention_amx.c): the softmax, and its
// weights and the values as words of two neighbouring keys.
//
// A weight is rounded to bf16, so its exponential need not be f32's: a power of two by a polynomial of degree 4, into which the scale
// of the scores goes as well. 577 tokens, 16 heads of 64, all but the tiles on one core of an Intel server: 4.1 ms before, 2.2 so.
#include "kernels_dot.h"

#include "kernels_avx512.h"

#define COLUMNS 32 // queries of a block: the tile's
#define VECTORS (COLUMNS / LANES)
#define PAIRS 16 // of keys that stay in L1 while all queries use them

// Sixteen words, low halves from the first.
INLINE V words_between(V low, V high) {
    static const uint16_t order[32] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return (V)_mm512_permutexvar_epi16(_mm512_loadu_si512(order), (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low));
}

INLINE V largest_or_zero(V top) { return pick(more(top, all(-INFINITY)), top, all(0)); }

INLINE V divisor(V sum) { return pick(more(sum, all(0)), sum, pick(number(sum), all(1), sum)); } // nothing seen: zeros; NaN stays

// 2^d to 3e-6, which bf16 does not see; -infinity gives 0.
INLINE V power_of_two(V d) {
    V f = (V)_mm512_reduce_ps((__m512)d, 0x09), p = all(0.0135341672f); // d - floor(d)
    p = fused(p, f, all(0.0520114619f));
    p = fused(p, f, all(0.241442756f));
    p = fused(p, f, all(0.693003835f));
    p = fused(p, f, all(1.00000259f));
    return (V)_mm512_scalef_ps((__m512)p, (__m512)d); // times 2^floor(d)
}

// e^(factor (s - top)), with c = factor log2 e and t = top c.
#define LOG2_E 1.44269504f
INLINE V weight_of(V s, V c, V t) { return power_of_two((V)_mm512_fmsub_ps((__m512)s, (__m512)c, (__m512)t)); }

// The largest of each column, of `rows` that all queries see.
static void top_of(const float *S, long rows, float *top) {
    V a[VECTORS], b[VECTORS];
    for (int v = 0; v < VECTORS; v++) a[v] = b[v] = load(top + v * LANES);
    for (; rows >= 2; rows -= 2, S += 2 * COLUMNS)
        for (int v = 0; v < VECTORS; v++) a[v] = larger(load(S + v * LANES), a[v]), b[v] = larger(load(S + COLUMNS + v * LANES), b[v]);
    for (int v = 0; v < VECTORS; v++) {
        if (rows > 0) a[v] = larger(load(S + v * LANES), a[v]);
        store(top + v * LANES, larger(b[v], a[v]));
    }
}

// S (rows, COLUMNS) becomes e^(factor (S - top)) down the rows as words of pairs of rows (rows / 2, COLUMNS), in place; over: 1 over
// their sums, which are those of kernels_attention.h.
static void soften(float *S, long rows, const float *top, float factor, float *over) {
    V c = all(factor * LOG2_E);
    for (int v = 0; v < VECTORS; v++) {
        V t = largest_or_zero(load(top + v * LANES)) * c, sums[SUMS];
        float *s = S + v * LANES;
        for (int i = 0; i < SUMS; i++) sums[i] = all(0);
        long j = 0;
        for (; j + SUMS <= rows; j += SUMS)
#pragma GCC unroll 16
            for (int i = 0; i < SUMS; i += 2) {
                V low = weight_of(load(s + (j + i) * COLUMNS), c, t), high = weight_of(load(s + (j + i + 1) * COLUMNS), c, t);
                sums[i] += low, sums[i + 1] += high;
                store(s + (j + i) / 2 * COLUMNS, words_between(low, high));
            }
        for (; j < rows; j += 2) {
            V low = weight_of(load(s + j * COLUMNS), c, t), high = j + 1 < rows ? weight_of(load(s + (j + 1) * COLUMNS), c, t) : all(0);
            sums[j % SUMS] += low, sums[(j + 1) % SUMS] += high;
            store(s + j / 2 * COLUMNS, words_between(low, high));
        }
        for (int half = SUMS / 2; half; half /= 2)
            for (int i = 0; i < half; i++) sums[i] += sums[i + half];
        store(over + v * LANES, all(1) / divisor(sums[0]));
    }
}

// out (D, COLUMNS) times over.
static void multiply(float *out, long D, const float *over) {
    for (long d = 0; d < D; d++)
        for (int v = 0; v < VECTORS; v++) store(out + d * COLUMNS + v * LANES, load(out + d * COLUMNS + v * LANES) * load(over + v * LANES));
}

// s (keys) becomes words of pairs, in place, as soften() makes them; room for 32 behind. Returns 1 over their sum.
static float few_soften(float *s, long keys, float factor) {
    V top = all(-INFINITY), sums = all(0), c = all(factor * LOG2_E);
    for (long j = 0; j < 2 * LANES; j++) s[keys + j] = -INFINITY;
    for (long j = 0; j < keys; j += LANES) top = larger(load(s + j), top);
    V t = largest_or_zero(all(_mm512_reduce_max_ps((__m512)top))) * c;
    for (long j = 0; j < keys; j += 2 * LANES) {
        V a = weight_of(load(s + j), c, t), b = weight_of(load(s + j + LANES), c, t);
        sums += a, sums += b;
        store(s + j / 2, (V)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a));
    }
    float sum[SUMS];
    store(sum, sums);
    for (int half = SUMS / 2; half; half /= 2)
        for (int i = 0; i < half; i++) sum[i] += sum[i + half];
    return (all(1) / divisor(all(sum[0])))[0];
}

// The words of two rows of values: 32 of them from d on.
INLINE void pair_words(float *out, const void *x, Dtype type, size_t low, size_t high, long d, long D, bool both) {
    static const uint16_t order[64] = {0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47,
                                       16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55, 24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63};
    for (int i = 0; i < 2; i++) __builtin_prefetch((const char *)x + (i ? high : low) + (high - low) * 2 * PAIRS + (size_t)d * (type == DTYPE_BF16 ? 2 : 4));
    V a = words_of((const char *)x + low, type, d, D - d), b = both ? words_of((const char *)x + high, type, d, D - d) : all(0);
    store(out, (V)_mm512_permutex2var_epi16((__m512i)a, _mm512_loadu_si512(order), (__m512i)b));
    store(out + LANES, (V)_mm512_permutex2var_epi16((__m512i)a, _mm512_loadu_si512(order + 32), (__m512i)b));
}
