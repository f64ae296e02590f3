// attention_words.h: what the two ways of attention in bf16 share (attention_avx512bf16.c, attention_amx.c): the softmax, and its
// weights and the values as words of two neighbouring keys.
#include "kernels_dot.h"

#include "kernels_avx512.h"
#include "kernels_formulas.h"

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

// S (rows, COLUMNS) becomes e^(S - top) down the rows as words of pairs of rows (rows / 2, COLUMNS), in place; their sums as in
// kernels_attention.h.
static void soften(float *S, long rows, const float *top, float *sum) {
    for (int v = 0; v < VECTORS; v++) {
        V t = largest_or_zero(load(top + v * LANES)), sums[SUMS];
        float *s = S + v * LANES;
        for (int i = 0; i < SUMS; i++) sums[i] = all(0);
        for (long j = 0; j < rows; j += 2) {
            V low = vexp(load(s + j * COLUMNS) - t), high = j + 1 < rows ? vexp(load(s + (j + 1) * COLUMNS) - t) : all(0);
            sums[j % SUMS] += low, sums[(j + 1) % SUMS] += high;
            store(s + j / 2 * COLUMNS, words_between(low, high));
        }
        for (int half = SUMS / 2; half; half /= 2)
            for (int i = 0; i < half; i++) sums[i] += sums[i + half];
        store(sum + v * LANES, divisor(sums[0]));
    }
}

// out (D, COLUMNS) over the sums.
static void divide(float *out, long D, const float *sum) {
    for (long d = 0; d < D; d++)
        for (int v = 0; v < VECTORS; v++) store(out + d * COLUMNS + v * LANES, load(out + d * COLUMNS + v * LANES) / load(sum + v * LANES));
}

// s (keys) becomes words of pairs, in place, as soften() makes them; room for 32 behind. Returns what divides in the end.
static float few_soften(float *s, long keys) {
    V top = all(-INFINITY), sums = all(0);
    for (long j = 0; j < 2 * LANES; j++) s[keys + j] = -INFINITY;
    for (long j = 0; j < keys; j += LANES) top = larger(load(s + j), top);
    V t = largest_or_zero(all(_mm512_reduce_max_ps((__m512)top)));
    for (long j = 0; j < keys; j += 2 * LANES) {
        V a = vexp(load(s + j) - t), b = vexp(load(s + j + LANES) - t);
        sums += a, sums += b;
        store(s + j / 2, (V)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a));
    }
    float sum[SUMS];
    store(sum, sums);
    for (int half = SUMS / 2; half; half /= 2)
        for (int i = 0; i < half; i++) sum[i] += sum[i + half];
    return divisor(all(sum[0]))[0];
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
