// resize_avx2.c: the loops of resize_kernels.h for AVX2 (the Makefile gives the flags).
//
// A row: four weights at a time. Their pixels are 12 bytes; a shuffle makes pairs of 16 bits of them, red red green green
// blue blue, two taps in each lane, and madd takes a pair of weights for each. Weights of 24 bits are two halves,
// whose sums are put together at the end; they wrap as the plain loop's do, so the bits are the same.
//
//   version                              640x427 to 335x224   4032x3024 to 298x224   4032x3024 to 1306x980  (bicubic, ms, one core of a Zen 4)
//   -  Pillow 13                         2.67                 63.9                   91.6
//   0  the loops of resize.c, SSE2       1.98                 60.2                   76.5      kept: every other machine
//   1  rows by hand, columns for AVX2    0.66                 12.8                   21.5      in use
#include "resize_kernels.h"

#if defined(__AVX2__)
#include "io/avx2.h"
#include <string.h>

static inline __m128i weighted(const uint8_t *p, const int16_t *w, int groups) { // sums of red, green, blue, nothing
    const __m256i pairs = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m256i first = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1), second = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
    __m256i low = _mm256_setzero_si256(), high = low;
    for (int g = 0; g < groups; g++, p += 12, w += 8) {
        __m256i v = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p)), pairs);
        __m256i weights = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)w));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(v, _mm256_permutevar8x32_epi32(weights, first)));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(v, _mm256_permutevar8x32_epi32(weights, second)));
    }
    __m256i sum = _mm256_add_epi32(low, _mm256_slli_epi32(high, 15));
    return _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
}

static void row(uint8_t *out, const uint8_t *in, int new_width, const ResizeTaps *t) {
    const __m128i half = _mm_set1_epi32(1 << (RESIZE_BITS - 1));
    for (int x = 0; x < new_width; x++) {
        __m128i sum = weighted(in + (size_t)t->first[x] * 3, t->halves + (size_t)x * (size_t)t->groups * 8, (t->count[x] + 3) / 4);
        sum = _mm_srai_epi32(_mm_add_epi32(sum, half), RESIZE_BITS);
        sum = _mm_packs_epi32(sum, sum);
        int rgb = _mm_cvtsi128_si32(_mm_packus_epi16(sum, sum));
        memcpy(out + 3 * x, &rgb, 3);
    }
}

static void column(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *w, int count, int n) { resize_column_loop(out, in, stride, w, count, n); }

const ResizeKernels resize_avx2_kernels = {row, column};
#else
const ResizeKernels resize_avx2_kernels = {0};
#endif
