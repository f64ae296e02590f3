// jpeg_rows_avx2.c: the loops of jpeg_rows.inc for AVX2 (the Makefile gives the flags). The inverse DCT and the
// colour conversion, which take most of the time, are written with vectors of 16 bits: the same bits, by
// test/test_jpeg.c.
//
//   version                              640x427, whole decoding over libjpeg-turbo's
//                                        q75 4:2:0   q90 4:2:0   q90 4:4:4   (Zen 4, 2026-11; two photographs)
//   0  jpeg_rows.inc compiled for AVX2   1.9-2.7     1.7-2.3     1.9-3.5     kept: it is the loop of every other machine
//   1  idct and ycc by hand              0.98-1.08   0.97-1.09   0.98-1.11
//   2  samples of two MCU rows only      0.97-1.06   0.89-1.03   0.92-1.00   in use (progressive 0.87-0.91)
//   -  blocks queued by the dozen before their transform: 1.04-1.16; removed
#include "jpeg_parts.h"

#define NAME(x) avx2_##x
#if defined(__AVX2__)
#define BY_HAND // jpeg_rows.inc leaves out what stands here
#endif
#include "jpeg_rows.inc"

#ifdef BY_HAND
#include "avx2.h"

// A pair [low half | high half] holds two rows (or columns) of eight 16-bit numbers. As (low, high) pairs, lane by
// lane: l0 h0 l1 h1 … l7 h7, ready for madd.
static inline __m256i pairs(__m256i v) {
    const __m256i order = _mm256_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15, 0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    return _mm256_shuffle_epi8(_mm256_permute4x64_epi64(v, 0xD8), order);
}

static inline __m256i dot(__m256i p, int a, int b) { return _mm256_madd_epi16(p, _mm256_set1_epi32((int)((uint32_t)b << 16 | (uint16_t)a))); }

// One pass of the inverse DCT on [i0|i4], [i1|i5], [i2|i6], [i3|i7], for eight columns at once; the result is
// transposed and in the same form, so that the next pass takes it as it is.
static inline __attribute__((always_inline)) void idct_pass(__m256i *v04, __m256i *v15, __m256i *v26, __m256i *v37, const int shift) {
    const __m256i round = _mm256_set1_epi32(1 << (shift - 1)), minus = _mm256_setr_epi32(0x10001, 0x10001, 0x10001, 0x10001, -1, -1, -1, -1);
    // even: i0 + i4 and i0 - i4, wrapped to 16 bits, times 2^13
    __m256i e = _mm256_add_epi16(_mm256_permute2x128_si256(*v04, *v04, 1), _mm256_sign_epi16(*v04, minus));
    __m256i e0 = _mm256_add_epi32(_mm256_slli_epi32(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(e)), 13), round);
    __m256i e1 = _mm256_add_epi32(_mm256_slli_epi32(_mm256_cvtepi16_epi32(_mm256_extracti128_si256(e, 1)), 13), round);
    __m256i p26 = pairs(*v26), e2 = dot(p26, 4433, 4433 - 15137), e3 = dot(p26, 4433 + 6270, 4433);
    __m256i t0 = _mm256_add_epi32(e0, e3), t3 = _mm256_sub_epi32(e0, e3), t1 = _mm256_add_epi32(e1, e2), t2 = _mm256_sub_epi32(e1, e2);
    // odd
    __m256i v71 = _mm256_permute2x128_si256(*v15, *v37, 0x03), v35 = _mm256_permute2x128_si256(*v15, *v37, 0x12);
    __m256i s34 = pairs(_mm256_add_epi16(v71, v35)), p71 = pairs(v71), p35 = pairs(v35); // (i7 + i3, i1 + i5)
    __m256i z3 = dot(s34, 9633 - 16069, 9633), z4 = dot(s34, 9633, 9633 - 3196);
    __m256i o0 = _mm256_add_epi32(dot(p71, 2446 - 7373, -7373), z3), o3 = _mm256_add_epi32(dot(p71, -7373, 12299 - 7373), z4);
    __m256i o1 = _mm256_add_epi32(dot(p35, -20995, 16819 - 20995), z4), o2 = _mm256_add_epi32(dot(p35, 25172 - 20995, -20995), z3);
    // rows 0 to 7 of 32 bits, packed by twos: [r0 c0-3, r1 c0-3 | r0 c4-7, r1 c4-7]
    __m256i r01 = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(t0, o3), shift), _mm256_srai_epi32(_mm256_add_epi32(t1, o2), shift));
    __m256i r23 = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(t2, o1), shift), _mm256_srai_epi32(_mm256_add_epi32(t3, o0), shift));
    __m256i r45 = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_sub_epi32(t3, o0), shift), _mm256_srai_epi32(_mm256_sub_epi32(t2, o1), shift));
    __m256i r67 = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_sub_epi32(t1, o2), shift), _mm256_srai_epi32(_mm256_sub_epi32(t0, o3), shift));
    // transpose: c0 c1 c2 c3 of all rows in the low lane, c4 … c7 in the high one
    __m256i a = _mm256_unpacklo_epi16(r01, r23), b = _mm256_unpackhi_epi16(r01, r23), c = _mm256_unpacklo_epi16(r45, r67), d = _mm256_unpackhi_epi16(r45, r67);
    __m256i low01 = _mm256_unpacklo_epi16(a, b), low23 = _mm256_unpackhi_epi16(a, b), high01 = _mm256_unpacklo_epi16(c, d), high23 = _mm256_unpackhi_epi16(c, d);
    *v04 = _mm256_unpacklo_epi64(low01, high01);
    *v15 = _mm256_unpackhi_epi64(low01, high01);
    *v26 = _mm256_unpacklo_epi64(low23, high23);
    *v37 = _mm256_unpackhi_epi64(low23, high23);
}

// Rows a and b of the block, times their quantisers.
static inline __m256i rows_load(const int16_t *block, const uint16_t *quant, int a, int b) {
    __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(block + 8 * a))), _mm_loadu_si128((const __m128i *)(block + 8 * b)), 1);
    __m256i q = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(quant + 8 * a))), _mm_loadu_si128((const __m128i *)(quant + 8 * b)), 1);
    return _mm256_mullo_epi16(v, q);
}

static void avx2_idct(uint8_t *out, int stride, const int16_t *block, const uint16_t *quant) {
    __m256i v04 = rows_load(block, quant, 0, 4), v15 = rows_load(block, quant, 1, 5), v26 = rows_load(block, quant, 2, 6), v37 = rows_load(block, quant, 3, 7);
    const __m256i *b = (const __m256i *)block;
    __m256i below = _mm256_or_si256(_mm256_or_si256(_mm256_loadu_si256(b + 1), _mm256_loadu_si256(b + 2)), _mm256_loadu_si256(b + 3));
    below = _mm256_or_si256(below, _mm256_inserti128_si256(_mm256_setzero_si256(), _mm_loadu_si128((const __m128i *)(block + 8)), 0));
    if (_mm256_testz_si256(below, below)) { // columns are flat: what wraps here would saturate in idct_pass
        int16_t row[8];
        _mm_storeu_si128((__m128i *)row, _mm_slli_epi16(_mm256_castsi256_si128(v04), 2));
        v04 = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_set1_epi16(row[0])), _mm_set1_epi16(row[4]), 1);
        v15 = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_set1_epi16(row[1])), _mm_set1_epi16(row[5]), 1);
        v26 = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_set1_epi16(row[2])), _mm_set1_epi16(row[6]), 1);
        v37 = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_set1_epi16(row[3])), _mm_set1_epi16(row[7]), 1);
    } else {
        idct_pass(&v04, &v15, &v26, &v37, 11);
    }
    idct_pass(&v04, &v15, &v26, &v37, 18);
    const __m256i centre = _mm256_set1_epi8(-128);
    __m256i r01 = _mm256_add_epi8(_mm256_packs_epi16(v04, v15), centre), r23 = _mm256_add_epi8(_mm256_packs_epi16(v26, v37), centre);
    __m128i q[4] = {_mm256_castsi256_si128(r01), _mm256_castsi256_si128(r23), _mm256_extracti128_si256(r01, 1), _mm256_extracti128_si256(r23, 1)};
    for (int i = 0; i < 4; i++, out += 2 * (ptrdiff_t)stride) {
        _mm_storel_epi64((__m128i *)out, q[i]);
        _mm_storeh_pd((double *)(void *)(out + stride), _mm_castsi128_pd(q[i]));
    }
}

// Sixteen pixels: three vectors of 16 bytes to 48 bytes in turn.
static inline void store_rgb(uint8_t *out, __m128i r, __m128i g, __m128i b) {
#define PICK(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15) \
    _mm_setr_epi8(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15)
    const __m128i r0 = PICK(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5), g0 = PICK(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1);
    const __m128i b0 = PICK(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1), r1 = PICK(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1);
    const __m128i g1 = PICK(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10), b1 = PICK(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1);
    const __m128i r2 = PICK(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1), g2 = PICK(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1);
    const __m128i b2 = PICK(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15);
#undef PICK
    __m128i *o = (__m128i *)out;
    _mm_storeu_si128(o, _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(r, r0), _mm_shuffle_epi8(g, g0)), _mm_shuffle_epi8(b, b0)));
    _mm_storeu_si128(o + 1, _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(r, r1), _mm_shuffle_epi8(g, g1)), _mm_shuffle_epi8(b, b1)));
    _mm_storeu_si128(o + 2, _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(r, r2), _mm_shuffle_epi8(g, g2)), _mm_shuffle_epi8(b, b2)));
}

static inline __m128i bytes_of(__m256i v) { // 16 numbers of 16 bits, clipped
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi16(v, v), 0xD8));
}

// Constants above 1 are split into a whole part and a rest that fits 16 bits; (rest * 2c >> 16) + 1 >> 1 is
// (rest * c + 32768) >> 16, exactly.
static inline __m256i rest(__m256i c, int constant) {
    __m256i v = _mm256_mulhi_epi16(_mm256_add_epi16(c, c), _mm256_set1_epi16((int16_t)constant));
    return _mm256_srai_epi16(_mm256_add_epi16(v, _mm256_set1_epi16(1)), 1);
}

static void sixteen(uint8_t *rgb, const uint8_t *y, const uint8_t *cb, const uint8_t *cr) {
    const __m256i centre = _mm256_set1_epi16(128), half = _mm256_set1_epi32(32768);
    __m256i l = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)y));
    __m256i b = _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)cb)), centre);
    __m256i r = _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)cr)), centre);
    __m256i red = _mm256_add_epi16(_mm256_add_epi16(l, r), rest(r, 91881 - 65536));
    __m256i blue = _mm256_add_epi16(_mm256_add_epi16(l, _mm256_add_epi16(b, b)), rest(b, 116130 - 131072));
    __m256i low = dot(_mm256_unpacklo_epi16(b, r), -22554, 65536 - 46802), high = dot(_mm256_unpackhi_epi16(b, r), -22554, 65536 - 46802);
    low = _mm256_srai_epi32(_mm256_add_epi32(low, half), 16);
    high = _mm256_srai_epi32(_mm256_add_epi32(high, half), 16);
    __m256i green = _mm256_sub_epi16(_mm256_add_epi16(l, _mm256_packs_epi32(low, high)), r);
    store_rgb(rgb, bytes_of(red), bytes_of(green), bytes_of(blue));
}

static void avx2_ycc(uint8_t *rgb, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int n) {
    int i = 0;
    for (; i + 16 <= n; i += 16) sixteen(rgb + 3 * i, y + i, cb + i, cr + i);
    if (i == n) return;
    uint8_t in[3][16] = {{0}}, out[48];
    memcpy(in[0], y + i, (size_t)(n - i));
    memcpy(in[1], cb + i, (size_t)(n - i));
    memcpy(in[2], cr + i, (size_t)(n - i));
    sixteen(out, in[0], in[1], in[2]);
    memcpy(rgb + 3 * i, out, 3 * (size_t)(n - i));
}

static void avx2_interleave(uint8_t *rgb, const uint8_t *r, const uint8_t *g, const uint8_t *b, int n) {
    int i = 0;
    for (; i + 16 <= n; i += 16)
        store_rgb(rgb + 3 * i, _mm_loadu_si128((const __m128i *)(r + i)), _mm_loadu_si128((const __m128i *)(g + i)), _mm_loadu_si128((const __m128i *)(b + i)));
    for (; i < n; i++) rgb[3 * i] = r[i], rgb[3 * i + 1] = g[i], rgb[3 * i + 2] = b[i];
}
#endif

const JpegRows jpeg_rows_avx2 = {avx2_idct, avx2_wide, avx2_tall, avx2_wide_tall, avx2_ycc, avx2_interleave};
