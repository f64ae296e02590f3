// jpeg_scan.c: see jpeg_parts.h. Entropy-coded segments, Huffman codes, sequential scans.
//
// A segment is copied once without its stuffed zeros; after that the bit reader never looks for 0xFF.
// What libjpeg does when bits run out (make up zeros for the rest of the MCU, then leave the MCUs of the
// segment as they are) and when restart markers are missing or surplus is kept exactly.
// Versions of the decoder: 0 samples of the whole picture are kept; 1 of two rows of MCUs: a tenth faster; 2 grey and RGB rows leave by vectors: libjpeg-turbo's
// time and less (test/bench/pictures.md has it picture by picture).
#include <string.h>

#include "jpeg_parts.h"

const uint8_t jpeg_zigzag[80] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,
    6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31,
    39, 46, 53, 60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63};

// ---- Huffman codes

// Codes of each length, shortest first, count upwards (T.81 annex C). Unused codes look up as "long".
static void code_build(const Jpeg *j, JpegCode *c, int kind, int index) {
    static const char *const names[2] = {"DC", "AC"};
    memset(c->look, 0, sizeof c->look);
    int code = 0, first = 0; // the code, and the index of its symbol
    for (int length = 1; length <= 16; length++, code <<= 1) {
        int n = c->counts[length];
        c->offset[length] = first - code;
        c->last[length] = n ? code + n - 1 : -1;
        jpeg_need(j, code + n < 1 << length || n == 0, "%s Huffman table %d has more codes of %d bits than there are; the file is damaged",
                  names[kind], index, length);
        for (int i = 0; i < n && length <= JPEG_LOOK; i++) {
            int symbol = c->symbols[first + i], size = symbol & 15;
            JpegLook entry = {(uint8_t)(length + size), (uint8_t)length, (uint8_t)size, (uint8_t)(symbol >> 4)};
            int low = (code + i) << (JPEG_LOOK - length);
            for (int k = 0; k < 1 << (JPEG_LOOK - length); k++) c->look[low + k] = entry;
        }
        for (int i = 0; i < n && kind == 0; i++)
            jpeg_need(j, c->symbols[first + i] <= 15, "DC Huffman table %d has a size of %d bits, at most 15 are possible; the file is damaged",
                      index, c->symbols[first + i]);
        code += n;
        first += n;
    }
    c->last[17] = INT32_MAX;
    c->offset[17] = 0;
    c->built = true;
}

const JpegCode *jpeg_code(Jpeg *j, int kind, int index) {
    jpeg_need(j, index < 4 && j->code[kind][index].given,
              "the scan uses %s Huffman table %d, which was never given; the file is damaged", kind ? "AC" : "DC", index);
    JpegCode *c = &j->code[kind][index];
    if (!c->built) code_build(j, c, kind, index);
    return c;
}

int jpeg_long_code(Jpeg *j, JpegBits *in, const JpegCode *code) {
    int length = JPEG_LOOK + 1;
    while ((int32_t)(in->bits >> (64 - length)) > code->last[length]) length++;
    int32_t value = (int32_t)(in->bits >> (64 - length));
    jpeg_drop(in, length);
    if (length > 16) {
        if (!jpeg_overrun(in)) jpeg_damaged(j, "a Huffman code that does not exist");
        return 0;
    }
    return code->symbols[(value + code->offset[length]) & 255];
}

// ---- segments

// Copies the bytes up to the next marker without stuffing: "FF 00" is the byte FF, and so is "FF FF 00".
void jpeg_segment_open(Jpeg *j) {
    uint8_t *out = j->unstuffed;
    j->pending = 0;
    while (j->pending == 0) {
        const uint8_t *ff = j->at < j->end ? memchr(j->at, 0xFF, (size_t)(j->end - j->at)) : NULL;
        size_t n = (size_t)((ff ? ff : j->end) - j->at);
        if (n) memcpy(out, j->at, n);
        out += n;
        if (ff)
            while (ff < j->end && *ff == 0xFF) ff++;
        if (!ff || ff == j->end) {
            j->at = j->end;
            j->cut = true;
            j->pending = M_EOI;
        } else {
            j->at = ff + 1;
            if (*ff == 0) *out++ = 0xFF;
            else j->pending = *ff;
        }
    }
    j->in = (JpegBits){.at = j->unstuffed, .end = out};
}

// Finds the way back when another marker stands where RSTn was due, as libjpeg does.
static void resynchronise(Jpeg *j, int wanted) {
    jpeg_damaged(j, "marker FF %02X where restart marker %d was due", j->pending, wanted);
    for (;;) {
        int ahead = j->pending - M_RST0; // 0..7 for a restart marker
        bool restart = ahead >= 0 && ahead < 8;
        ahead = (ahead - wanted) & 7;
        if (j->pending < M_SOF0 || (restart && (ahead == 7 || ahead == 6))) {
            jpeg_next_marker(j); // nonsense, or a marker that should have been passed before
        } else if (!restart || ahead == 1 || ahead == 2) {
            j->in = (JpegBits){.at = j->unstuffed, .end = j->unstuffed};
            return; // ours is missing: an empty segment, and then that marker again
        } else {
            jpeg_segment_open(j); // who knows: go on from here
            j->starved = false;
            return;
        }
    }
}

void jpeg_restart(Jpeg *j) {
    if (j->pending == M_RST0 + j->next_restart) {
        jpeg_segment_open(j);
        j->starved = false;
    } else {
        resynchronise(j, j->next_restart);
    }
    j->next_restart = (j->next_restart + 1) & 7;
    j->to_restart = j->restart_interval;
    j->end_of_band = 0;
    for (int i = 0; i < j->scan_count; i++) j->scan[i]->prediction = 0;
}

void jpeg_ran_out(Jpeg *j) {
    if (j->starved) return;
    j->starved = true;
    if (j->cut) jpeg_damaged(j, "the file ends in the middle of the picture");
    else jpeg_damaged(j, "the data of a segment end before its last block");
}

void jpeg_scan_open(Jpeg *j) {
    for (int i = 0; i < j->scan_count; i++) j->scan[i]->prediction = 0;
    j->next_restart = 0;
    j->to_restart = j->restart_interval;
    j->end_of_band = 0;
    j->starved = false;
    jpeg_segment_open(j);
}

// ---- sequential scans

// One block: the DC difference, then runs of zeros and values. Returns how far it came: 1 when there is DC only.
static inline __attribute__((always_inline)) int block_decode(Jpeg *j, JpegBits *bits, const JpegCode *dc, const JpegCode *ac,
                                                             int *prediction, int16_t *block) {
    JpegBits in = *bits;
    jpeg_refill(&in);
    JpegLook e = dc->look[in.bits >> (64 - JPEG_LOOK)];
    int size = e.size;
    if (e.code) {
        jpeg_drop(&in, e.code);
    } else {
        JpegBits copy = in; // so that `in` itself can stay in registers
        size = jpeg_long_code(j, &copy, dc);
        in = copy;
    }
    if (size) {
        *prediction = (int)((unsigned)*prediction + (unsigned)jpeg_extend(in.bits, size));
        jpeg_drop(&in, size);
    }
    block[0] = (int16_t)*prediction;

    int k = 1;
    while (k < 64) {
        jpeg_refill(&in);
        e = ac->look[in.bits >> (64 - JPEG_LOOK)];
        if (e.size) {
            k += e.run;
            block[jpeg_zigzag[k++]] = (int16_t)jpeg_extend(in.bits << e.code, e.size);
            jpeg_drop(&in, e.total);
        } else if (e.code) {
            jpeg_drop(&in, e.code);
            if (e.run != 15) break;
            k += 16;
        } else {
            JpegBits copy = in;
            int symbol = jpeg_long_code(j, &copy, ac);
            in = copy;
            size = symbol & 15;
            if (size) {
                k += symbol >> 4;
                block[jpeg_zigzag[k++]] = (int16_t)jpeg_extend(in.bits, size);
                jpeg_drop(&in, size);
            } else {
                if (symbol >> 4 != 15) break;
                k += 16;
            }
        }
    }
    *bits = in;
    return k;
}

// The samples of a block whose only coefficient is its mean.
static void flat_block(uint8_t *out, int stride, int dc, int quant) {
    int v = (((int16_t)((int16_t)(dc * quant) * 4) + 16) >> 5) + 128;
    uint64_t eight = (uint64_t)(v < 0 ? 0 : v > 255 ? 255 : v) * 0x0101010101010101u;
    for (int y = 0; y < 8; y++) memcpy(out + (ptrdiff_t)y * stride, &eight, 8);
}

static void block_to(Jpeg *j, JpegComponent *c, int x, int y) {
    const JpegCode *dc = &j->code[0][c->dc_index], *ac = &j->code[1][c->ac_index];
    int k;
    if (c->coefficients) {
        k = block_decode(j, &j->in, dc, ac, &c->prediction, c->coefficients + ((size_t)y * c->across + x) * 64);
    } else {
        _Alignas(32) int16_t block[64] = {0};
        uint8_t *out = jpeg_block_at(c, x, y);
        k = block_decode(j, &j->in, dc, ac, &c->prediction, block);
        if (k > 1) j->rows->idct(out, c->stride, block, c->quant);
        else flat_block(out, c->stride, block[0], c->quant[0]);
    }
    if (k > 64 && !jpeg_overrun(&j->in)) jpeg_damaged(j, "a run of zeros past the end of its block");
}

// A block of an MCU that has no data: what was there before stays; at first that is zero, grey.
static void block_skip(JpegComponent *c, int x, int y) {
    if (!c->coefficients) flat_block(jpeg_block_at(c, x, y), c->stride, 0, 0);
}

// One row of MCUs. A scan of one component holds one block per MCU, and a row of blocks at a time: then
// mcu_row counts those.
void jpeg_sequential_row(Jpeg *j, int mcu_row) {
    bool alone = j->scan_count == 1;
    int across = alone ? j->scan[0]->blocks_w : j->mcus_across;
    for (int x = 0; x < across; x++) {
        if (!j->starved) j->last_good_row = alone ? mcu_row / j->scan[0]->v : mcu_row;
        if (j->restart_interval) {
            if (j->to_restart == 0) jpeg_restart(j);
            j->to_restart--;
        }
        bool skip = j->starved;
        for (int i = 0; i < j->scan_count; i++) {
            JpegComponent *c = j->scan[i];
            int h = alone ? 1 : c->h, v = alone ? 1 : c->v;
            for (int b = 0; b < h * v; b++) {
                if (skip) block_skip(c, x * h + b % h, mcu_row * v + b / h);
                else block_to(j, c, x * h + b % h, mcu_row * v + b / h);
            }
        }
        if (jpeg_overrun(&j->in)) jpeg_ran_out(j);
    }
}
