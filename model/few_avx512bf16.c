// few_avx512bf16.c: products of bf16 with few rows (decoding) by AVX512_BF16's dot products, on the weight as it lies.
//
// Each element of C is a dot product along k: sixteen lanes of pairs, folded at the end of every CHUNK of k and added to what
// the chunks before gave. Eight rows of the weight meet up to three rows of x in registers; their chunk stays in L1 while the
// other rows of x pass. Nothing is turned, the weight is never packed. An element is the same whatever the other rows and the
// threads. What is asked for meanwhile goes into L2 (into L1 it is slower than not asking). `retina bench speed` times it.
//   version                                                           1, 8, 32 rows by 4096 x 4096 from memory, ms, one thread of a Zen 4
//   0  turned in registers, f32 sums; from 9 rows on tiles            1.6 - 1.7, 3.1, 7.3
//   1  dot products, hardware's prefetching
//   2  eight neighbouring rows, the next eight asked for              1.53, 2.68, 7.20; in use where x has many rows
//   3  eight streams far apart, each row after row, where it has few  a tenth less for one row
//   4  what comes next is asked for by eight lines of a row, not by
//      a line of eight rows                                           8 to 14 % faster than 3, in use
#if defined(__x86_64__)
#include "gemm_parts.h"
#include "kernels_dot.h"

#define ROWS 8   // of the weight in a tile
#define ACROSS 3 // rows of x in a tile
#define CHUNK 2048
#define STEP 32
#define AHEAD 1024  // values of a stream

static long groups_of(long M) { return (M + ACROSS - 1) / ACROSS; }
static long group_start(long M, long i) { return M * i / groups_of(M); }

// Groups of rows as equal as can be: each in steps of 32 values of all its rows. K is filled up to steps with zeros.
static void pack(float *out, const Gemm *g) {
    for (long i = 0; i < groups_of(g->M); i++)
        for (long k = 0; k < g->K; k += STEP)
            for (long m = group_start(g->M, i); m < group_start(g->M, i + 1); m++, out += LANES) store(out, words_of(g->A + m * g->lda, DTYPE_F32, k, g->K - k));
}

// The sums of four vectors' lanes, in every quarter of the registers first.
INLINE __m128 folded(const __m512 *v, int next) {
    __m512 a = v[0], b = v[next], c = v[2 * next], d = v[3 * next];
    __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)), cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    __m512 s = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
    return _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
}

// Of every ROWS steps each asks for one row's lines of all of them: neighbours in memory come faster than lines of many rows in turn.
INLINE void ask(const uint16_t *const *W, long k, long ahead) {
    const uint16_t *next = W[k / STEP % ROWS] + k / (STEP * ROWS) * (STEP * ROWS) + ahead;
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) __builtin_prefetch(next + i * STEP, 0, 2);
}

// sums (across, ROWS) = X · Wᵀ over kn values. W: where each row's begin; ahead: values to what is asked for, or 0.
INLINE void tile(int across, const uint16_t *const *W, const float *x, long kn, float *sums, long ahead) {
    __m512 acc[ROWS][ACROSS];
    for (int r = 0; r < ROWS; r++)
        for (int m = 0; m < across; m++) acc[r][m] = _mm512_setzero_ps();
    long k = 0;
    for (; k + STEP <= kn; k += STEP, x += across * LANES) {
        if (ahead) ask(W, k, ahead);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++) {
            __m512bh w = (__m512bh)load((const float *)(W[r] + k));
            for (int m = 0; m < across; m++) acc[r][m] = _mm512_dpbf16_ps(acc[r][m], (__m512bh)load(x + m * LANES), w);
        }
    }
    for (int r = 0; k < kn && r < ROWS; r++) { // the last step is not whole
        __m512bh w = (__m512bh)words_of(W[r], DTYPE_BF16, k, kn - k);
        for (int m = 0; m < across; m++) acc[r][m] = _mm512_dpbf16_ps(acc[r][m], (__m512bh)load(x + m * LANES), w);
    }
    for (int r = 0; r < ROWS; r += 4)
        for (int m = 0; m < across; m++) _mm_storeu_ps(sums + m * ROWS + r, folded(&acc[r][m], ACROSS));
}

static void put(float *C, long apart, const float *sums, long count, bool from_c) {
    if (apart == 1 && count == ROWS) {
        __m256 s = _mm256_loadu_ps(sums);
        _mm256_storeu_ps(C, from_c ? _mm256_add_ps(_mm256_loadu_ps(C), s) : s);
        return;
    }
    for (long r = 0; r < count; r++) C[r * apart] = from_c ? C[r * apart] + sums[r] : sums[r];
}

// Rows n, n + apart, … of the weight, `count` of them.
static void some_rows(const Gemm *g, const float *packed, long n, long apart, long count) {
    long groups = groups_of(g->M), whole = (g->K + STEP - 1) / STEP * LANES;
    for (long k = 0; k < g->K; k += CHUNK)
        for (long i = 0; i < groups; i++) {
            long m = group_start(g->M, i), across = group_start(g->M, i + 1) - m, kn = smaller(CHUNK, g->K - k);
            const uint16_t *W[ROWS]; // behind the last row: the last row again
            for (long r = 0; r < ROWS; r++) W[r] = (const uint16_t *)g->B + (n + smaller(r, count - 1) * apart) * g->ldb + k;
            const float *x = packed + m * whole + k / 2 * across;
            float sums[ACROSS * ROWS];
            long ahead = i > 0 ? 0 : apart > 1 ? AHEAD : ROWS * g->ldb;
            if (across == 1) tile(1, W, x, kn, sums, ahead);
            else if (across == 2) tile(2, W, x, kn, sums, ahead);
            else tile(3, W, x, kn, sums, ahead);
            for (long j = 0; j < across; j++) put(g->C + (m + j) * g->ldc + n, apart, sums + j * ROWS, count, k > 0 || g->accumulate);
        }
}

static void columns(const Gemm *g, const float *packed, long n0, long n1) {
    long apart = (n1 - n0) / ROWS, n = n0;
    for (; n < n0 + apart; n++) some_rows(g, packed, n, apart, ROWS);
    for (n = n0 + apart * ROWS; n < n1; n += ROWS) some_rows(g, packed, n, 1, smaller(ROWS, n1 - n));
}

const FewKernel few_avx512bf16 = {pack, columns};
#else
typedef int not_this_processor;
#endif
