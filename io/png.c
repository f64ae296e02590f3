// png.c: PNG (ISO/IEC 15948): every colour type and depth, interlaced or not. See image.h.
//
// As Pillow: gamma and colour profiles are ignored, alpha is dropped (or composited on white), a palette index
// without a colour is black, 16 bits keep their high byte. What no pixel depends on may be missing or wrong, and is noted: the end
// chunk, checksums of all that stands behind the data and of data chunks, if the data's own is right, data behind the last row.
// Departs from Pillow: 16-bit grey keeps its high byte, too (Pillow turns everything above 255 white;
// options.grey16_saturate does that). Missing rows are an error unless damage is tolerated, also where the data come to their own
// end before them (Pillow leaves those black), and so are data with a wrong checksum (Pillow may not look at it).
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "checksum.h"
#include "image.h"
#include "inflate.h"

enum { GREY = 0, RGB = 2, PALETTE = 3, GREY_ALPHA = 4, RGBA = 6 };

typedef struct {
    const char *path;
    const uint8_t *start, *at, *end;
    ImageOptions options;
    char damage[200];
    int width, height, depth, type;
    bool interlaced, begun, has_palette, has_alpha; // has_alpha: tRNS, or a colour type with alpha
    bool doubtful; // a data chunk with a wrong checksum
    uint8_t palette[256][3], alpha[256];
    int key[3]; // tRNS of GREY and RGB: the transparent colour, in its low 8 bits; -1: none
    const uint8_t *data_at; // the first IDAT chunk; all of them follow each other
    size_t data_size, data_chunks;
    bool has_exif;
    int exif, profile, xmp; // orientations: 0 when not given
    uint8_t *rgb;
} Png;

typedef struct {
    char type[5];
    const uint8_t *data;
    size_t size;
    bool cut, sound; // the file ends inside it; the checksum is right
} Chunk;

// ---- chunks

#define png_need(p, condition, ...)                                                                \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            char text_[256];                                                                       \
            snprintf(text_, sizeof text_, __VA_ARGS__);                                            \
            die("%s: byte %td: %s", (p)->path, (p)->at - (p)->start, text_);                       \
        }                                                                                          \
    } while (0)

// What costs pixels, and so is an error unless damage is tolerated; and what costs none.
#define damaged(p, ...) wrong(p, !(p)->options.truncated_ok, __VA_ARGS__)
#define noted(p, ...) wrong(p, false, __VA_ARGS__)

static void PRINTF_LIKE(3, 4) wrong(Png *p, bool fatal, const char *format, ...) {
    char text[150];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (fatal) die("%s: byte %td: %s; the picture is damaged, get it again or use --truncated ok", p->path, p->at - p->start, text);
    if (!p->damage[0]) snprintf(p->damage, sizeof p->damage, "byte %td: %s", p->at - p->start, text);
}

static uint32_t be32(const uint8_t *b) { return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]; }

// False at the end of the file. A chunk that the file cuts off is given as far as it is there, and not sound.
static bool chunk_next(Png *p, Chunk *c) {
    size_t left = (size_t)(p->end - p->at);
    if (left < 8) return false;
    size_t size = be32(p->at);
    for (int i = 0; i < 4; i++) c->type[i] = isalpha(p->at[4 + i]) ? (char)p->at[4 + i] : '?'; // for messages
    c->type[4] = 0;
    c->data = p->at + 8;
    c->cut = size > left - 8;
    c->size = c->cut ? left - 8 : size;
    c->sound = !c->cut && left - 8 - size >= 4 && crc32_of(0, p->at + 4, size + 4) == be32(c->data + size);
    p->at = left - 8 < size + 4 ? p->end : c->data + size + 4;
    return true;
}

static void read_header(Png *p, const Chunk *c) {
    png_need(p, !p->begun && c->size == 13 && c->sound, "a header chunk that is damaged");
    uint32_t w = be32(c->data), h = be32(c->data + 4);
    image_check_size(p->path, w, h, &p->options);
    p->width = (int)w;
    p->height = (int)h;
    p->depth = c->data[8];
    p->type = c->data[9];
    static const uint32_t depths[7] = {1 << 1 | 1 << 2 | 1 << 4 | 1 << 8 | 1 << 16, 0, 1 << 8 | 1 << 16, 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8,
                                       1 << 8 | 1 << 16, 0, 1 << 8 | 1 << 16};
    png_need(p, p->type <= 6 && p->depth <= 16 && depths[p->type] >> p->depth & 1, "colour type %d with %d bits, which no PNG has; the file is damaged", p->type, p->depth);
    png_need(p, c->data[10] == 0 && c->data[11] == 0 && c->data[12] <= 1, "compression %d, filter %d, interlacing %d; 0, 0 and 0 or 1 are known",
             c->data[10], c->data[11], c->data[12]);
    p->interlaced = c->data[12];
    p->has_alpha = p->type >= 4;
    memset(p->alpha, 255, sizeof p->alpha);
    for (int i = 0; i < 3; i++) p->key[i] = -1;
    p->begun = true;
}

static void read_palette(Png *p, const Chunk *c) {
    png_need(p, c->sound && c->size % 3 == 0 && c->size <= 768 && c->size > 0, "a palette chunk that is damaged");
    memcpy(p->palette, c->data, c->size);
    p->has_palette = true;
}

// Pillow compares the low byte of the transparent colour with samples as it shows them: widened from below 8
// bits, high bytes of 16. So do we, for alpha on white.
static void read_transparency(Png *p, const Chunk *c) {
    if (p->type == PALETTE && c->size <= 256) {
        memcpy(p->alpha, c->data, c->size);
        p->has_alpha = true;
    } else if (p->type == GREY && c->size == 2) {
        p->key[0] = p->depth == 16 ? -1 : p->depth == 1 ? (c->data[0] | c->data[1] ? 255 : 0) : c->data[1];
        p->has_alpha = true;
    } else if (p->type == RGB && c->size == 6) {
        for (int i = 0; i < 3; i++) p->key[i] = c->data[2 * i + 1];
        p->has_alpha = true;
    }
}

// ---- texts: some say which way up the picture is

#define TEXT_MOST ((size_t)1 << 20) // bytes that a compressed one may have; Pillow's limit

// tEXt: keyword 0 text. zTXt: keyword 0 method text. iTXt: keyword 0 compressed method language 0 translated 0 text. No bytes:
// it has another keyword, or cannot be unpacked.
static Bytes text_under(Arena *a, const Chunk *c, const char *keyword) {
    const uint8_t *at = c->data, *end = at + c->size;
    size_t n = strlen(keyword) + 1, head = c->type[0] == 't' ? 0 : c->type[0] == 'z' ? 1 : 2;
    if (c->size < n + head || memcmp(at, keyword, n) != 0) return (Bytes){0};
    at += n;
    bool packed = c->type[0] == 'z' || (head == 2 && at[0]);
    if (packed && at[head - 1] != 0) return (Bytes){0}; // another method than deflate
    at += head;
    for (int i = 0; i < 2 && head == 2; i++) {
        const uint8_t *zero = memchr(at, 0, (size_t)(end - at));
        if (!zero) return (Bytes){0};
        at = zero + 1;
    }
    if (!packed) return (Bytes){.bytes = at, .size = (size_t)(end - at)};
    uint8_t *out = take(a, uint8_t, TEXT_MOST);
    Inflated text = inflate_some(out, TEXT_MOST, at, (size_t)(end - at), INFLATE_ZLIB);
    return text.ended ? (Bytes){.bytes = out, .size = text.written} : (Bytes){0};
}

// ImageMagick's way before there was a chunk for it: a line that is empty, "exif", the number of bytes, and these in hex.
static int profile_orientation(Arena *a, Bytes text) {
    const uint8_t *at = text.bytes, *end = at + text.size;
    for (int i = 0; i < 3; i++) {
        const uint8_t *line = at ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (!line) return 0;
        at = line + 1;
    }
    uint8_t *bytes = take(a, uint8_t, (size_t)(end - at) / 2 + 1);
    size_t digits = 0;
    for (; at < end; at++) {
        if (isspace(*at)) continue;
        if (!isxdigit(*at)) return 0;
        uint8_t digit = (uint8_t)(*at <= '9' ? *at - '0' : (*at | 32) - 'a' + 10);
        bytes[digits / 2] = (uint8_t)(digits % 2 ? bytes[digits / 2] << 4 | digit : digit);
        digits++;
    }
    return exif_orientation(bytes, digits / 2);
}

static void read_text(Arena *a, Png *p, const Chunk *c) {
    Mark mark = arena_mark(a);
    Bytes profile = text_under(a, c, "Raw profile type exif"), xmp = text_under(a, c, "XML:com.adobe.xmp");
    if (profile.bytes) p->profile = profile_orientation(a, profile);
    if (xmp.bytes) p->xmp = xmp_orientation(xmp.bytes, xmp.size);
    arena_release(a, mark);
}

static int orientation_of(const Png *p) {
    int exif = p->has_exif ? p->exif : p->profile;
    return exif ? exif : p->xmp ? p->xmp : 1;
}

// The compressed data: where they lie when they are in one chunk, else put together.
static const uint8_t *data_gather(Arena *a, Png *p) {
    Chunk c;
    p->at = p->data_at;
    if (p->data_chunks == 1) return p->data_at + 8;
    uint8_t *data = take(a, uint8_t, p->data_size);
    for (size_t i = 0, n = 0; i < p->data_chunks && chunk_next(p, &c); i++, n += c.size)
        if (c.size) memcpy(data + n, c.data, c.size);
    return data;
}

#define PART 65536 // bytes: Pillow reads the data chunk by chunk, and large chunks in parts of this size

// How much the data make of the parts that end before this byte: what Pillow has already when it gives zlib the next part.
static size_t made_before(Arena *a, Png *p, const uint8_t *data, size_t limit, size_t room) {
    Chunk c;
    size_t begin = 0, end = 0;
    p->at = p->data_at;
    for (size_t i = 0; i < p->data_chunks && chunk_next(p, &c); i++, begin += c.size)
        for (size_t at = PART;; at += PART) {
            size_t part = begin + (at < c.size ? at : c.size);
            if (part < limit) end = part;
            if (at >= c.size) break;
        }
    return end == 0 ? 0 : inflate_some(take(a, uint8_t, room), room, data, end, INFLATE_ZLIB).written;
}

static bool is(const Chunk *c, const char *type) { return memcmp(c->type, type, 4) == 0; }

// Of an animation: where the data that follow lie in the picture.
static void read_frame(Png *p, const Chunk *c) {
    if (c->size < 20) return;
    uint32_t w = be32(c->data + 4), h = be32(c->data + 8), x = be32(c->data + 12), y = be32(c->data + 16);
    png_need(p, w == (uint32_t)p->width && h == (uint32_t)p->height && x == 0 && y == 0,
             "an animation whose first frame is %u x %u at (%u, %u), not the whole of %d x %d; the file is damaged", w, h, x, y, p->width, p->height);
}

// Chunks that no pixel of RGB depends on, in a whole file.
static void read_beside(Arena *a, Png *p, const Chunk *c) {
    if (is(c, "tRNS") && !p->data_chunks) {
        read_transparency(p, c);
    } else if (is(c, "fcTL") && !p->data_chunks) {
        read_frame(p, c);
    } else if (is(c, "eXIf")) {
        p->exif = exif_orientation(c->data, c->size);
        p->has_exif = true;
    } else if (is(c, "tEXt") || is(c, "zTXt") || is(c, "iTXt")) {
        read_text(a, p, c);
    }
}

// Chunks beside the data. Behind the data, Pillow does not look at checksums.
static void read_chunk(Arena *a, Png *p, const Chunk *c) {
    if (!p->begun) {
        png_need(p, !is(c, "CgBI"), "one of Apple's own optimised PNGs; turn it back with `xcrun pngcrush -revert-iphone-optimizations`");
        png_need(p, is(c, "IHDR"), "the first chunk is \"%s\", not the header; the file is damaged", c->type);
    }
    if (is(c, "IHDR")) {
        read_header(p, c);
    } else if (is(c, "PLTE") && p->type == PALETTE && !p->data_chunks) { // of other pictures it is advice
        read_palette(p, c);
    } else if (c->cut) {
        damaged(p, "the file ends in its chunk \"%s\"", c->type);
    } else {
        if (!c->sound) wrong(p, !p->data_chunks && !p->options.truncated_ok, "a chunk \"%s\" with a wrong checksum", c->type);
        read_beside(a, p, c);
    }
}

// Pillow asks for four letters, digits or underscores; what else stands behind the data ends the file.
static bool has_name(const uint8_t *at) {
    for (int i = 4; i < 8; i++)
        if (!isalnum(at[i]) && at[i] != '_') return false;
    return true;
}

static void read_chunks(Arena *a, Png *p) {
    Chunk c = {0};
    bool data_over = false, ended = false;
    while (!ended && (!p->data_chunks || p->end - p->at < 8 || has_name(p->at)) && chunk_next(p, &c)) {
        bool is_data = is(&c, "IDAT");
        if (is(&c, "IEND") && p->begun) {
            ended = true;
            if (!c.sound) noted(p, "an end chunk with a wrong checksum");
        } else if (!is_data || !p->begun) read_chunk(a, p, &c);
        else if (!data_over) {
            if (c.cut || p->end - c.data < (ptrdiff_t)c.size + 4) noted(p, "the file ends in its data");
            else if (!c.sound) {
                p->doubtful = true;
                noted(p, "a data chunk with a wrong checksum");
            }
            if (p->data_chunks++ == 0) p->data_at = c.data - 8;
            p->data_size += c.size;
        }
        if (!is_data && p->data_chunks) data_over = true;
    }
    png_need(p, p->begun, "the file ends before its header");
    png_need(p, p->data_size > 0, "the file ends before its data; it is truncated");
    png_need(p, p->type != PALETTE || p->has_palette, "a picture of palette colours without a palette; the file is damaged");
    if (!ended) noted(p, "the file ends without an end chunk");
}

// ---- rows

static inline int paeth(int left, int up, int corner) {
    int to_left = up - corner, to_up = left - corner, to_corner = to_left + to_up; // left + up - corner, minus each
    to_left = to_left < 0 ? -to_left : to_left;
    to_up = to_up < 0 ? -to_up : to_up;
    to_corner = to_corner < 0 ? -to_corner : to_corner;
    int other = to_up <= to_corner ? up : corner;
    return to_left <= to_up && to_left <= to_corner ? left : other;
}

// Undoes the row's filter in place; `up` is the row above, already undone (zeros above the first). d bytes are
// one pixel, whose left neighbour is zero at the start of a row.
static void unfilter(uint8_t *row, const uint8_t *up, int filter, size_t n, size_t d) {
    size_t i = 0;
    switch (filter) {
    case 1:
        for (i = d; i < n; i++) row[i] = (uint8_t)(row[i] + row[i - d]);
        break;
    case 2:
        for (; i < n; i++) row[i] = (uint8_t)(row[i] + up[i]);
        break;
    case 3:
        for (; i < d; i++) row[i] = (uint8_t)(row[i] + up[i] / 2);
        for (; i < n; i++) row[i] = (uint8_t)(row[i] + (row[i - d] + up[i]) / 2);
        break;
    case 4:
        for (; i < d; i++) row[i] = (uint8_t)(row[i] + up[i]);
        for (; i < n; i++) row[i] = (uint8_t)(row[i] + paeth(row[i - d], up[i], up[i - d]));
        break;
    }
}

// Pillow's alpha_composite over white.
static uint8_t over_white(int v, int alpha) {
    uint32_t x = ((uint32_t)(v * alpha) << 7) + ((uint32_t)(255 * (255 - alpha)) << 7) + (0x80 << 7);
    return alpha == 0 ? 255 : (uint8_t)(((x >> 8) + x) >> 15);
}

static int channels_of(int type) { return type == RGB ? 3 : type == RGBA ? 4 : type == GREY_ALPHA ? 2 : 1; }

// Pixel x of an unfiltered row.
static void pixel(const Png *p, const uint8_t *row, int x, uint8_t rgb[3]) {
    int v[4] = {0}, alpha = 255, n = channels_of(p->type);
    if (p->depth == 8) {
        for (int i = 0; i < n; i++) v[i] = row[(size_t)x * n + i];
    } else if (p->depth == 16) {
        for (int i = 0; i < n; i++) v[i] = row[((size_t)x * n + i) * 2];
        if (p->type == GREY && p->options.grey16_saturate) v[0] = v[0] ? 255 : row[(size_t)x * 2 + 1];
    } else {
        int bit = x * p->depth, most = (1 << p->depth) - 1;
        v[0] = row[bit >> 3] >> (8 - p->depth - (bit & 7)) & most;
        if (p->type == GREY) v[0] = v[0] * 255 / most;
    }
    if (p->type == PALETTE) {
        alpha = p->alpha[v[0]];
        memcpy(rgb, p->palette[v[0]], 3);
    } else {
        for (int i = 0; i < 3; i++) rgb[i] = (uint8_t)v[n >= 3 ? i : 0];
        if (p->type >= 4) alpha = v[n - 1];
        else if (rgb[0] == p->key[0] && (p->type == GREY || (rgb[1] == p->key[1] && rgb[2] == p->key[2]))) alpha = 0;
    }
    if (p->options.alpha_white && p->has_alpha)
        for (int i = 0; i < 3; i++) rgb[i] = over_white(rgb[i], alpha);
}

static void row_out(const Png *p, const uint8_t *row, int count, uint8_t *rgb, int step) {
    bool plain = p->depth == 8 && step == 1 && !(p->options.alpha_white && p->has_alpha);
    if (plain && p->type == RGB) memcpy(rgb, row, (size_t)count * 3);
    else if (plain && p->type == RGBA)
        for (int x = 0; x < count; x++) memcpy(rgb + (size_t)3 * x, row + (size_t)4 * x, 3);
    else
        for (int x = 0; x < count; x++) pixel(p, row, x, rgb + (size_t)3 * x * step);
}

typedef struct {
    int x, y, step_x, step_y; // the pixels of a pass
} Pass;

static const Pass whole = {0, 0, 1, 1}, adam7[7] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};

static int pass_count(int size, int from, int step) { return from >= size ? 0 : (size - from + step - 1) / step; }

static size_t row_bytes(const Png *p, int count) { return ((size_t)count * (size_t)(channels_of(p->type) * p->depth) + 7) / 8; }

// Bytes of all rows of a pass, each with its filter byte.
static size_t pass_bytes(const Png *p, const Pass *pass) {
    int columns = pass_count(p->width, pass->x, pass->step_x), rows = pass_count(p->height, pass->y, pass->step_y);
    return columns == 0 ? 0 : size_mul(1 + row_bytes(p, columns), (size_t)rows, p->path);
}

// Rows of one pass, as far as `bytes` reach, and none that begins at `settled` or later: Pillow asks zlib for row after
// row, and stops after the one for which zlib took the last byte of the file, though it could make more of it.
// Returns how many bytes they took, 0 when there were too few.
static size_t pass_rows(Png *p, const Pass *pass, uint8_t *bytes, size_t size, const uint8_t *settled, const uint8_t *zeros) {
    int columns = pass_count(p->width, pass->x, pass->step_x), rows = pass_count(p->height, pass->y, pass->step_y);
    size_t n = row_bytes(p, columns), d = (size_t)(channels_of(p->type) * p->depth + 7) / 8;
    if (columns == 0) return 0;
    const uint8_t *before = zeros;
    for (int y = 0; y < rows; y++) {
        if (size < n + 1 || bytes >= settled) return 0;
        if (bytes[0] > 4) {
            damaged(p, "a row with a filter that does not exist");
            return 0;
        }
        unfilter(bytes + 1, before, bytes[0], n, d);
        row_out(p, bytes + 1, columns, p->rgb + ((size_t)(pass->y + y * pass->step_y) * p->width + pass->x) * 3, pass->step_x);
        before = bytes + 1;
        bytes += n + 1;
        size -= n + 1;
    }
    return (n + 1) * (size_t)rows;
}

static void decode_rows(Arena *a, Png *p) {
    const Pass *passes = p->interlaced ? adam7 : &whole;
    int count = p->interlaced ? 7 : 1;
    size_t total = 0;
    for (int i = 0; i < count; i++) total = size_add(total, pass_bytes(p, &passes[i]), p->path);
    // deflate makes at most 1032 bytes of one: a small file cannot ask for a large picture
    if (!p->options.truncated_ok)
        png_need(p, total / 1032 <= p->data_size, "%zu bytes of data cannot hold %d x %d pixels; the file is damaged", p->data_size, p->width, p->height);
    size_t pixels = size_mul((size_t)p->width, (size_t)p->height, p->path);
    p->rgb = take(a, uint8_t, size_mul(pixels, 3, p->path));
    Mark mark = arena_mark(a);
    uint8_t *bytes = take(a, uint8_t, total);
    const uint8_t *zeros = take_zero(a, uint8_t, row_bytes(p, p->width));
    const uint8_t *data = data_gather(a, p);
    Inflated r = inflate_some(bytes, total, data, p->data_size, INFLATE_ZLIB);
    if (p->options.truncated_ok) { // what no row reaches is black, or the first colour of the palette
        uint8_t first[3];
        pixel(p, (const uint8_t[8]){0}, 0, first);
        if (p->options.alpha_white && p->type >= 4) memset(first, 255, 3); // transparent
        for (size_t i = 0; i < pixels; i++) memcpy(p->rgb + 3 * i, first, 3);
    }
    // zlib looks behind a row before it hands it out: what it cannot read there costs the row, and the last byte, if it takes that, the
    // row after it; unless a part ends in between.
    if (r.fault && !r.cut && !r.too_far && r.written > 0 && made_before(a, p, data, r.needed, total) < r.written) r.written--;
    bool begun = !r.ended && made_before(a, p, data, p->data_size, total) >= r.settled;
    const uint8_t *settled = bytes + (r.ended ? total : r.settled + begun);
    bool complete = true;
    for (int i = 0; i < count && complete; i++) {
        size_t n = pass_rows(p, &passes[i], bytes, r.written, settled, zeros);
        complete = n == pass_bytes(p, &passes[i]);
        bytes += n;
        r.written -= n;
    }
    p->at = p->data_at + 8; // the place that messages name
    if (r.fault && complete && r.cut) noted(p, "%s", r.fault);
    else if (r.fault) damaged(p, "%s", r.fault);
    else if (!complete) damaged(p, "the data end before the last row");
    if (p->doubtful && !r.ended) damaged(p, "data with a wrong checksum");
    arena_release(a, mark);
}

Image png_decode(Arena *a, Bytes file, const ImageOptions *options) {
    Png png = {.path = file.path, .start = file.bytes, .at = file.bytes, .end = file.bytes + file.size};
    png.options = options ? *options : (ImageOptions){0};
    need(file.size >= 8 && memcmp(file.bytes, "\x89PNG\r\n\x1A\n", 8) == 0, "%s: not a PNG: it does not begin as one", file.path);
    png.at += 8;
    read_chunks(a, &png);
    decode_rows(a, &png);
    return (Image){.width = png.width,
                   .height = png.height,
                   .rgb = png.rgb,
                   .orientation = orientation_of(&png),
                   .format = "PNG",
                   .damage = png.damage[0] ? arena_text(a, png.damage, strlen(png.damage)) : NULL};
}
