// jpeg_write.c: a baseline JPEG encoder, and the standard tables of ITU-T T.81 annex K.
//
// Integer arithmetic throughout, with libjpeg's choices (colour, box downsampling with alternating rounding,
// "slow integer" DCT, scaled standard tables, no optimised codes): the bytes are those of Pillow's
// save(quality=q, subsampling=0 or 2). Held by: test/test_jpeg.c.
#include <string.h>

#include "jpeg_parts.h"

const JpegStandardCode jpeg_standard_codes[2][2] = {
    {{{0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0},
 12,
 {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B}},
     {{0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0},
 12,
 {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B}}},
    {{{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125},
 162,
 {0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
  0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0,
  0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28,
  0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
  0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
  0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
  0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7,
  0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5,
  0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
  0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
  0xF9, 0xFA}},
     {{0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119},
 162,
 {0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
  0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0,
  0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26,
  0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
  0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
  0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
  0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5,
  0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
  0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
  0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
  0xF9, 0xFA}}}};

// Annex K.1 in zigzag order: luminance, chrominance.
static const uint8_t quant_base[2][64] = {
    {16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19,  24, 40, 26, 24,  22, 22,  24,  49, 35,  37,  29, 40,  58,  51,  61, 60,  57,  51,
     56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99},
    {17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
     99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99}};

typedef struct {
    uint16_t code[256];
    uint8_t length[256];
} EncoderCode;

typedef struct {
    uint8_t *at;
    uint64_t bits; // the lowest `count` bits wait to be written
    int count;
    EncoderCode code[2][2]; // DC, AC; luminance, chrominance
    uint16_t quant[2][64];  // zigzag
} Encoder;

typedef struct {
    int h, table;      // sampling factor both ways; 0 luminance, 1 chrominance
    int width, height; // samples that are there
    int stride;
    uint8_t *samples; // filled up to whole MCUs
    int prediction;
} Plane;

static void put_bits(Encoder *e, uint32_t value, int n) {
    e->bits = e->bits << n | value;
    e->count += n;
    while (e->count >= 8) {
        e->count -= 8;
        uint8_t byte = (uint8_t)(e->bits >> e->count);
        *e->at++ = byte;
        if (byte == 0xFF) *e->at++ = 0;
    }
}

static void put(Encoder *e, const void *bytes, size_t n) {
    memcpy(e->at, bytes, n);
    e->at += n;
}

static void put_marker(Encoder *e, int marker, int length) {
    put(e, (uint8_t[4]){0xFF, (uint8_t)marker, (uint8_t)(length >> 8), (uint8_t)length}, 4);
}

// ---- the forward DCT: rows, then columns; out is 8 times the coefficient

// The eight values at d[0], d[step] …: even outputs shifted left by `up` or rounded down by `down`; odd ones
// rounded by 13 - up or 13 + down bits (Loeffler, Ligtenberg and Moschytz 1989, constants times 2^13).
static void fdct_line(int *d, int step, bool first) {
    int s[8], t0 = d[0] + d[7 * step], t7 = d[0] - d[7 * step], t1 = d[step] + d[6 * step], t6 = d[step] - d[6 * step];
    int t2 = d[2 * step] + d[5 * step], t5 = d[2 * step] - d[5 * step], t3 = d[3 * step] + d[4 * step], t4 = d[3 * step] - d[4 * step];
    int e0 = t0 + t3, e3 = t0 - t3, e1 = t1 + t2, e2 = t1 - t2;
    int z1 = (e2 + e3) * 4433;
    s[2] = z1 + e3 * 6270;
    s[6] = z1 - e2 * 15137;
    int z5 = (t4 + t6 + t5 + t7) * 9633, z3 = (t4 + t6) * -16069 + z5, z4 = (t5 + t7) * -3196 + z5;
    int y1 = (t4 + t7) * -7373, y2 = (t5 + t6) * -20995;
    s[7] = t4 * 2446 + y1 + z3;
    s[5] = t5 * 16819 + y2 + z4;
    s[3] = t6 * 25172 + y2 + z3;
    s[1] = t7 * 12299 + y1 + z4;
    int shift = first ? 11 : 15, round = 1 << (shift - 1);
    d[0] = first ? (e0 + e1) * 4 : (e0 + e1 + 2) >> 2;
    d[4 * step] = first ? (e0 - e1) * 4 : (e0 - e1 + 2) >> 2;
    for (int i = 1; i < 8; i++)
        if (i != 4) d[i * step] = (s[i] + round) >> shift;
}

static void block_transform(int out[64], const uint8_t *in, int stride, const uint16_t quant[64]) {
    int d[64];
    for (int i = 0; i < 64; i++) d[i] = in[(i >> 3) * stride + (i & 7)] - 128;
    for (int y = 0; y < 8; y++) fdct_line(d + 8 * y, 1, true);
    for (int x = 0; x < 8; x++) fdct_line(d + x, 8, false);
    for (int k = 0; k < 64; k++) { // to zigzag; rounded half away from zero
        int v = d[jpeg_zigzag[k]], q = quant[k] * 8, size = ((v < 0 ? -v : v) + q / 2) / q;
        out[k] = v < 0 ? -size : size;
    }
}

// ---- entropy coding

static int bit_length(int v) { return v ? 32 - __builtin_clz((unsigned)v) : 0; }

// The symbol's code, then `size` bits of the value: itself, or for a negative one its complement.
static void put_value(Encoder *e, const EncoderCode *c, int run, int value) {
    int size = bit_length(value < 0 ? -value : value), symbol = run << 4 | size;
    put_bits(e, c->code[symbol], c->length[symbol]);
    if (size) put_bits(e, (uint32_t)(value < 0 ? value - 1 : value) & ((1u << size) - 1), size);
}

static void block_put(Encoder *e, Plane *p, const int block[64]) {
    put_value(e, &e->code[0][p->table], 0, block[0] - p->prediction);
    p->prediction = block[0];
    const EncoderCode *ac = &e->code[1][p->table];
    int run = 0;
    for (int k = 1; k < 64; k++) {
        if (block[k] == 0) {
            run++;
            continue;
        }
        for (; run > 15; run -= 16) put_bits(e, ac->code[0xF0], ac->length[0xF0]);
        put_value(e, ac, run, block[k]);
        run = 0;
    }
    if (run) put_bits(e, ac->code[0], ac->length[0]);
}

// Blocks wholly outside the picture repeat the mean of the block before them.
static void mcu_put(Encoder *e, Plane *p, int mx, int my) {
    int block[64] = {0};
    for (int b = 0; b < p->h * p->h; b++) {
        int x = (mx * p->h + b % p->h) * 8, y = (my * p->h + b / p->h) * 8;
        if (x < p->width && y < p->height) block_transform(block, p->samples + (size_t)y * p->stride + x, p->stride, e->quant[p->table]);
        else memset(block + 1, 0, 63 * sizeof *block);
        block_put(e, p, block);
    }
}

static void code_make(EncoderCode *c, const JpegStandardCode *s) {
    int code = 0, at = 0;
    for (int length = 1; length <= 16; length++, code <<= 1)
        for (int i = 0; i < s->counts[length - 1]; i++, code++, at++) {
            c->code[s->symbols[at]] = (uint16_t)code;
            c->length[s->symbols[at]] = (uint8_t)length;
        }
}

// ---- colour and planes

// Full-size Y, Cb, Cr, each row and column past the picture's edge a copy of the last.
static void planes_fill(Plane p[3], const uint8_t *rgb, int width, int height, int rows) {
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < p->stride; x++) {
            const uint8_t *c = rgb + ((size_t)(y < height ? y : height - 1) * width + (x < width ? x : width - 1)) * 3;
            size_t at = (size_t)y * p->stride + x;
            p[0].samples[at] = (uint8_t)((19595 * c[0] + 38470 * c[1] + 7471 * c[2] + 32768) >> 16);
            p[1].samples[at] = (uint8_t)((-11059 * c[0] - 21709 * c[1] + 32768 * c[2] + (128 << 16) + 32767) >> 16);
            p[2].samples[at] = (uint8_t)((32768 * c[0] - 27439 * c[1] - 5329 * c[2] + (128 << 16) + 32767) >> 16);
        }
}

// In place: the mean of 2 x 2 samples, rounded up and down in turn. Rows past the picture's edge are copies.
static void plane_halve(Plane *p, int rows) {
    int stride = p->stride / 2;
    p->width = (p->width + 1) / 2;
    p->height = (p->height + 1) / 2;
    for (int y = 0; y < rows / 2; y++) {
        const uint8_t *a = p->samples + (size_t)2 * y * p->stride, *b = a + p->stride;
        uint8_t *out = p->samples + (size_t)y * stride;
        if (y >= p->height) memcpy(out, out - stride, (size_t)stride);
        else
            for (int x = 0; x < stride; x++) out[x] = (uint8_t)((a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1] + 1 + (x & 1)) >> 2);
    }
    p->stride = stride;
}

static void put_head(Encoder *e, int width, int height, int h) {
    put(e, "\xFF\xD8\xFF\xE0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", 20);
    for (int t = 0; t < 2; t++) {
        put_marker(e, M_DQT, 67);
        *e->at++ = (uint8_t)t;
        for (int i = 0; i < 64; i++) *e->at++ = (uint8_t)e->quant[t][i];
    }
    put_marker(e, M_SOF0, 17);
    put(e, (uint8_t[6]){8, (uint8_t)(height >> 8), (uint8_t)height, (uint8_t)(width >> 8), (uint8_t)width, 3}, 6);
    put(e, (uint8_t[9]){1, (uint8_t)(h << 4 | h), 0, 2, 0x11, 1, 3, 0x11, 1}, 9);
    for (int t = 0; t < 2; t++)
        for (int kind = 0; kind < 2; kind++) {
            const JpegStandardCode *s = &jpeg_standard_codes[kind][t];
            put_marker(e, M_DHT, 19 + s->n);
            *e->at++ = (uint8_t)(kind << 4 | t);
            put(e, s->counts, 16);
            put(e, s->symbols, (size_t)s->n);
        }
    put_marker(e, M_SOS, 12);
    put(e, (uint8_t[10]){3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0}, 10);
}

Bytes jpeg_encode(Arena *a, const uint8_t *rgb, int width, int height, int quality, JpegSampling sampling) {
    need(width >= 1 && height >= 1 && width <= JPEG_SIDE_MAX && height <= JPEG_SIDE_MAX,
         "JPEG: a picture of %d x %d pixels; 1 to %d a side are possible", width, height, JPEG_SIDE_MAX);
    need(quality >= 1 && quality <= 100, "JPEG: quality %d; 1 to 100 are possible", quality);
    int h = sampling == JPEG_420 ? 2 : 1, side = 8 * h;
    int across = (width + side - 1) / side, down = (height + side - 1) / side;
    size_t samples = size_mul((size_t)across * (size_t)side, (size_t)down * (size_t)side, "JPEG");
    // A coefficient takes at most 16 + 10 bits of code and value, twice that where every byte is stuffed: 7 bytes.
    uint8_t *out = take(a, uint8_t, size_add(size_mul(samples, h == 2 ? 11 : 21, "JPEG"), 1024, "JPEG"));
    Mark mark = arena_mark(a);
    Encoder e = {.at = out};
    Plane p[3];
    for (int i = 0; i < 3; i++)
        p[i] = (Plane){.h = i ? 1 : h, .table = i > 0, .width = width, .height = height, .stride = across * side, .samples = take(a, uint8_t, samples)};
    planes_fill(p, rgb, width, height, down * side);
    if (h == 2)
        for (int i = 1; i < 3; i++) plane_halve(&p[i], down * side);

    int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality; // per cent
    for (int t = 0; t < 2; t++)
        for (int i = 0; i < 64; i++) {
            int q = (quant_base[t][i] * scale + 50) / 100;
            e.quant[t][i] = (uint16_t)(q < 1 ? 1 : q > 255 ? 255 : q);
        }
    for (int kind = 0; kind < 2; kind++)
        for (int t = 0; t < 2; t++) code_make(&e.code[kind][t], &jpeg_standard_codes[kind][t]);
    put_head(&e, width, height, h);
    for (int y = 0; y < down; y++)
        for (int x = 0; x < across; x++)
            for (int i = 0; i < 3; i++) mcu_put(&e, &p[i], x, y);
    if (e.count) put_bits(&e, (1u << (8 - e.count)) - 1, 8 - e.count); // the last byte is filled with ones
    put(&e, "\xFF\xD9", 2);
    arena_release(a, mark);
    return (Bytes){.bytes = out, .size = (size_t)(e.at - out), .path = "JPEG"};
}
