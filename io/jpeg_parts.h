// jpeg_parts.h: what the files of the JPEG decoder share. The way of the data:
//
//   jpeg.c              the picture as a whole: scans in, rows of RGB out
//   jpeg_markers.c      tables, frame, scan headers
//   jpeg_scan.c         entropy-coded segments, restart markers, sequential scans
//   jpeg_progressive.c  the four kinds of progressive scan
//   jpeg_smooth.c       unfinished progressive pictures: guesses from neighbouring blocks
//   jpeg_rows.inc       coefficients to samples, samples to full size and to RGB: jpeg_rows.c, jpeg_rows_avx2.c
//
// Source: ITU-T T.81 for the format. Where T.81 leaves a choice (inverse DCT, upsampling, colour, what to
// do with damage) the choice is libjpeg-turbo's with its defaults, because that is what Pillow shows.
#ifndef RETINA_IO_JPEG_PARTS_H
#define RETINA_IO_JPEG_PARTS_H

#include "image.h"

enum {
    JPEG_LOOK = 10,        // bits that one look into a Huffman table decodes
    JPEG_SIDE_MAX = 65500, // pixels; libjpeg's limit
    JPEG_SCANS_MAX = 1000  // more are an attack on our time
};

enum {
    M_SOF0 = 0xC0, M_DHT = 0xC4, M_DAC = 0xCC, M_RST0 = 0xD0, M_SOI = 0xD8, M_EOI = 0xD9, M_SOS = 0xDA, M_DQT = 0xDB,
    M_DNL = 0xDC, M_DRI = 0xDD, M_APP0 = 0xE0, M_COM = 0xFE
};

// Zigzag order to row * 8 + column. 16 entries more: a damaged run may end past the block, on its last place.
extern const uint8_t jpeg_zigzag[80];

typedef struct {
    uint8_t total, code, size, run; // bits of code and value together, of the code, of the value; zeros before it
} JpegLook;                         // all 0: the code is longer than JPEG_LOOK

typedef struct {
    bool given, built;
    uint8_t counts[17], symbols[256]; // as the file has them: codes of each length, and what they mean
    JpegLook look[1 << JPEG_LOOK];
    int32_t last[18];   // the largest code of each length, -1: none; [17] ends every search
    int32_t offset[18]; // symbols[code + offset[length]]
} JpegCode;

// The bits of one segment, stuffing removed. After the end come zeros without end.
typedef struct {
    const uint8_t *at, *end;
    uint64_t bits;  // the next bit is the highest
    int count;      // valid bits in it
    int64_t made_up; // bits of zeros taken from after the end
} JpegBits;

typedef struct {
    int id, h, v, quant_index;
    int width, height;        // samples that the picture needs
    int blocks_w, blocks_h;   // blocks that cover them: what a scan of this component alone holds
    int across, down;         // filled up to whole MCUs: what is stored
    int dc_index, ac_index;   // Huffman tables of the current scan
    int prediction;           // DC
    bool latched;             // quant is the table that was current when the component's first scan began
    uint16_t quant[64];       // row * 8 + column
    int8_t known[64], known_before[64]; // progressive, by zigzag: lowest known bit, -1: none; and one scan earlier
    int16_t *coefficients;    // (down, across, 64); NULL where each block is turned into samples at once
    uint8_t *samples;         // (ring * 8, across * 8): row y of blocks lies at y % ring, until rows of RGB are made of it
    int ring;                 // a power of two that holds two rows of MCUs, so that the second can look back at the first
    int stride;               // across * 8
} JpegComponent;

static inline uint8_t *jpeg_block_at(const JpegComponent *c, int x, int y) { return c->samples + (size_t)(y & (c->ring - 1)) * 8 * (size_t)c->stride + (size_t)x * 8; }
static inline const uint8_t *jpeg_row_at(const JpegComponent *c, int y) { return c->samples + (size_t)(y & (8 * c->ring - 1)) * (size_t)c->stride; }

// Rows and blocks; both sets give the same bits.
typedef struct {
    void (*idct)(uint8_t *out, int stride, const int16_t *block, const uint16_t *quant);
    void (*wide)(uint8_t *out, const uint8_t *in, int n);           // 2:1 across: 2n samples from n >= 1
    void (*tall)(uint8_t *out, const uint8_t *near, const uint8_t *far, int n, int bias); // 1:2 down
    void (*wide_tall)(uint8_t *out, const uint8_t *near, const uint8_t *far, int n);      // both; 2n samples
    void (*ycc)(uint8_t *rgb, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int n);
    void (*interleave)(uint8_t *rgb, const uint8_t *r, const uint8_t *g, const uint8_t *b, int n);
} JpegRows;
extern const JpegRows jpeg_rows_plain, jpeg_rows_avx2;

typedef struct {
    const char *path;
    const uint8_t *start, *at, *end; // the file
    ImageOptions options;
    char damage[256]; // the first that was tolerated, or ""
    const JpegRows *rows;

    bool progressive;
    int width, height, components;
    int h_max, v_max, mcus_across, mcus_down;
    JpegComponent component[4];
    bool framed, jfif, adobe;
    int adobe_transform, exif_orientation, xmp_orientation; // orientations: 0 when not given
    bool has_exif;                                          // the first counts; Pillow only appends others
    uint16_t quant[4][64];
    bool quant_given[4];
    JpegCode code[2][4]; // DC, AC
    int restart_interval;

    // The current scan.
    int scan_number, scan_count;
    JpegComponent *scan[4];
    int first, last, high, low; // spectral selection, successive approximation
    JpegBits in;
    uint8_t *unstuffed;   // room for the longest segment
    int pending;          // marker that ends the current segment and is not passed yet; 0: none
    bool cut;             // the file ended where a marker was due
    bool complete;        // every row is out: a marker that the file ends in is nobody's loss
    int next_restart, to_restart;
    bool starved;         // the segment had fewer bits than were asked for: what follows in it is left as it is
    uint32_t end_of_band; // blocks that remain of the run
    int last_good_row;    // MCU row of the last block of the last scan that still had data

    uint8_t *rgb;
} Jpeg;

// Dies with path, byte and the message; or, where damage is tolerated, keeps the message and goes on.
void jpeg_damaged(Jpeg *j, const char *format, ...) PRINTF_LIKE(2, 3);
// Dies with path, byte and the message.
_Noreturn void jpeg_die(const Jpeg *j, const char *format, ...) PRINTF_LIKE(2, 3);
#define jpeg_need(j, condition, ...)                                                               \
    do {                                                                                           \
        if (!(condition)) jpeg_die(j, __VA_ARGS__);                                                \
    } while (0)

// jpeg_markers.c
int jpeg_read_markers(Jpeg *j);  // until a scan header is read (M_SOS) or the end (M_EOI)
void jpeg_next_marker(Jpeg *j);  // skips to the next marker: pending. The end of the file counts as M_EOI, and sets cut
void jpeg_scan_prepare(Jpeg *j); // checks that the scan's header is possible and its tables are there

// The Huffman tables of T.81 annex K.3: DC and AC, luminance and chrominance.
typedef struct {
    uint8_t counts[16];
    int n;
    uint8_t symbols[162];
} JpegStandardCode;
extern const JpegStandardCode jpeg_standard_codes[2][2];

// jpeg_scan.c
const JpegCode *jpeg_code(Jpeg *j, int kind, int index); // kind 0 DC, 1 AC; dies when the file never gave it
void jpeg_scan_open(Jpeg *j); // opens the first segment
void jpeg_segment_open(Jpeg *j);
void jpeg_restart(Jpeg *j);
void jpeg_ran_out(Jpeg *j);         // the segment ended too early
void jpeg_sequential_row(Jpeg *j, int mcu_row);

// jpeg_progressive.c
void jpeg_progressive_row(Jpeg *j, int mcu_row);

// jpeg_smooth.c
bool jpeg_smooth_wanted(const Jpeg *j);
void jpeg_smooth_block(const Jpeg *j, const JpegComponent *c, int row, int column, int16_t out[64]);

// ---- bits

static inline void jpeg_refill(JpegBits *in) {
    if (in->end - in->at >= 8) {
        uint64_t word;
        __builtin_memcpy(&word, in->at, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        in->bits |= word >> in->count;
        in->at += (63 - in->count) >> 3; // whole bytes only; the rest is read again, and is the same
        in->count |= 56;
    } else {
        while (in->count <= 56) {
            if (in->at < in->end) in->bits |= (uint64_t)*in->at++ << (56 - in->count);
            else in->made_up += 8;
            in->count += 8;
        }
    }
}

static inline bool jpeg_overrun(const JpegBits *in) { return in->made_up > in->count; }

static inline void jpeg_drop(JpegBits *in, int n) {
    in->bits <<= n;
    in->count -= n;
}

// 1 <= n <= 16 bits that were refilled before.
static inline int jpeg_take(JpegBits *in, int n) {
    int v = (int)(in->bits >> (64 - n));
    jpeg_drop(in, n);
    return v;
}

// A code longer than JPEG_LOOK, bit by bit; leaves the bit buffer behind the code. A code that does not
// exist takes 17 bits and counts as symbol 0, as in libjpeg.
int jpeg_long_code(Jpeg *j, JpegBits *in, const JpegCode *code);

// The value whose `size` bits (>= 1) stand at the top of `bits`: T.81 figure F.12.
static inline int jpeg_extend(uint64_t bits, int size) {
    int positive = (int)((int64_t)bits >> 63); // all ones, or 0
    return (int)(bits >> (64 - size)) + (~positive & (1 - (1 << size)));
}

#endif
