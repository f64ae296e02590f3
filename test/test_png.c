// test_png.c: PNGs against what Pillow shows (test/golden/pictures), damage; the encoder; inflate, deflate, checksums,
// base64, PPM.
//
// Caught when broken on purpose: the Paeth predictor's ties, Adam7's offsets, depths below 8 not widened, RGBA read
// as RGB, the distance base of a match, codes longer than the table, a checksum's start value.
#include "check.h"
#include "io/base64.h"
#include "io/checksum.h"
#include "io/image.h"
#include "io/inflate.h"
#include "io/random.h"
#include "picture_pack.h"

static bool same(Arena *a, const Pack *p, const ImageOptions *options, unsigned crc) {
    Image m = image_decode(a, p->file, options);
    return m.width == p->width && m.height == p->height && crc32_of(0, m.rgb, (size_t)m.width * m.height * 3) == crc && !m.damage;
}

static void test_golden(void) {
    Arena *a = arena_new("test");
    Pack p = pack_open(a, "test/golden/pictures/png.pack");
    int count = 0, wrong = 0;
    while (pack_next(&p)) {
        Mark mark = arena_mark(a);
        unsigned white;
        need(sscanf(p.what, "%x", &white) == 1, "png.pack: no second checksum");
        bool good = same(a, &p, &(ImageOptions){.grey16_saturate = true}, p.crc), composited = same(a, &p, &(ImageOptions){.grey16_saturate = true, .alpha_white = true}, white);
        if (!good) check(false, "%s", p.what);
        if (!composited) check(false, "%s, on white", p.what);
        wrong += !good || !composited;
        count++;
        arena_release(a, mark);
    }
    check(wrong == 0 && count > 80, "%d PNGs, plain and on white", count);
    arena_free(a);
}

static bool refused(Arena *a, Bytes file, const ImageOptions *options) {
    Mark mark = arena_mark(a);
    Trap trap;
    bool through = trap_set(&trap);
    if (through) {
        image_decode(a, file, options);
        trap_end(&trap);
    }
    arena_release(a, mark);
    return !through;
}

// Files that lack their last bytes, or are wrong behind their last row: shown where Pillow shows every row of them, with a remark.
static void test_ends(void) {
    Arena *a = arena_new("test");
    Pack p = pack_open(a, "test/golden/pictures/png-ends.pack");
    int shown = 0, not_shown = 0, remarks = 0, wrong = 0;
    while (pack_next(&p)) {
        Mark mark = arena_mark(a);
        bool is_refused = refused(a, p.file, NULL), wanted = strncmp(p.what, "refused", 7) == 0, good = is_refused == wanted;
        if (!is_refused) {
            Image m = image_decode(a, p.file, NULL);
            good = good && m.width == p.width && crc32_of(0, m.rgb, (size_t)m.width * m.height * 3) == p.crc;
            remarks += m.damage != NULL;
        }
        if (!good) check(false, "%s", p.what);
        wrong += !good;
        shown += !is_refused;
        not_shown += is_refused;
        arena_release(a, mark);
    }
    check(wrong == 0 && shown > 90 && not_shown > 90, "%d PNGs shown, %d refused", shown, not_shown);
    check(remarks > shown - 12 && remarks < shown, "%d of the former with a remark", remarks);
    arena_free(a);
}

// A picture with a changed byte is refused, or it is the same picture: only its transparency may differ. (A changed length of the
// last data chunk cannot be told from a file that ends in it.)
static void test_damage(void) {
    Arena *a = arena_new("test");
    Pack p = pack_open(a, "test/golden/pictures/png.pack");
    int cuts = 0, flips = 0, survived = 0, tolerated = 0;
    for (int i = 0; pack_next(&p); i++) {
        if (i % 7) continue;
        uint8_t *copy = take(a, uint8_t, p.file.size);
        memcpy(copy, p.file.bytes, p.file.size);
        for (size_t n = 0; n < p.file.size; n += 1 + p.file.size / 61) {
            Bytes cut = {copy, n, p.what}, flipped = {copy, p.file.size, p.what};
            cuts++;
            tolerated += !refused(a, cut, &(ImageOptions){.truncated_ok = true});
            copy[n] ^= 0x10;
            flips++;
            if (!refused(a, flipped, NULL)) {
                Image m = image_decode(a, flipped, &(ImageOptions){.grey16_saturate = true});
                survived++;
                bool kept = crc32_of(0, m.rgb, (size_t)m.width * m.height * 3) == p.crc || (m.damage && strstr(m.damage, "ends in its data"));
                if (!kept) check(false, "%s: accepted with byte %zu changed", p.what, n);
            }
            copy[n] ^= 0x10;
        }
    }
    check(tolerated > cuts / 3, "%d of %d cut PNGs are read with truncated_ok", tolerated, cuts);
    check(survived < flips / 2, "%d changed PNGs, %d accepted", flips, survived);
    arena_free(a);
}

// Four rows of one grey pixel: two stand there, and behind them a match that reaches back before the data. Pillow shows both:
// zlib sees the fault only where it has room for the match.
static void test_match_too_far(void) {
    static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\4\x08\0\0\0\0\x6a\xb3\x0a\xe6\0\0\0\x0fIDAT"
                              "\x78\1\x63\x70\x60\x70\4\x5e\0\0\0\0\0\0\0\x46\x9a\x56\xc9\0\0\0\0IEND\xae\x42\x60\x82";
    static const uint8_t shown[] = {64, 64, 64, 65, 65, 65, 0, 0, 0, 0, 0, 0};
    Arena *a = arena_new("test");
    Bytes file = {(const uint8_t *)png, sizeof png - 1, "far.png"};
    check(refused(a, file, NULL), "a match too far back is refused");
    Image m = image_decode(a, file, &(ImageOptions){.truncated_ok = true});
    check_same("the rows before a match too far back", m.rgb, shown, sizeof shown);
    arena_free(a);
}

// Four rows of one grey pixel: three, then a code that does not exist, all in one data chunk, with a chunk's end right behind the third
// row, and with one inside it. Pillow has the third row only where it got it before zlib saw the fault.
static void test_fault_behind_row(void) {
#define HEAD "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\4\x08\0\0\0\0\x6a\xb3\x0a\xe6"
#define TAIL "\0\0\0\0IEND\xae\x42\x60\x82"
    static const char one[] = HEAD "\0\0\0\x0eIDAT\x78\1\x63\xe0\x62\x10\x61\x90\x1b\3\0\0\0\0\x57\x9b\xa2\xc5" TAIL;
    static const char two[] = HEAD "\0\0\0\x09IDAT\x78\1\x63\xe0\x62\x10\x61\x90\x1b\x8b\x21\x0c\xa9\0\0\0\5IDAT\3\0\0\0\0\x0b\x2c\x23\x19" TAIL;
    static const uint8_t shown[] = {10, 10, 10, 20, 20, 20, 30, 30, 30, 0, 0, 0};
    Arena *a = arena_new("test");
    const ImageOptions ok = {.truncated_ok = true};
    Image m = image_decode(a, (Bytes){(const uint8_t *)one, sizeof one - 1, "one.png"}, &ok);
    check(memcmp(m.rgb, shown, 6) == 0 && m.rgb[6] == 0, "a fault in the chunk of the row before it costs that row");
    m = image_decode(a, (Bytes){(const uint8_t *)two, sizeof two - 1, "two.png"}, &ok);
    check_same("a fault behind a chunk's end does not", m.rgb, shown, sizeof shown);
    arena_free(a);
}

static void test_grey16(void) {
    Arena *a = arena_new("test");
    static const uint8_t file[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\2\0\0\0\1\x10\0\0\0\0\x05\x53\x3e\x3d" // 2 x 1, grey, 16 bits
                                  "\0\0\0\x10IDAT\x78\x01\x01\x05\0\xfa\xff\0\x12\x80\0\x7f\x03\xfa\x01\x12";
    uint8_t whole[sizeof file + 16]; // the checksums are worked out here
    size_t n = sizeof file - 1;
    memcpy(whole, file, n);
    uint32_t head = crc32_of(0, whole + 12, 17), data = crc32_of(0, whole + 37, 20), sum = adler32_of(1, whole + 48, 5);
    for (int i = 0; i < 4; i++) whole[29 + i] = (uint8_t)(head >> (24 - 8 * i)), whole[53 + i] = (uint8_t)(sum >> (24 - 8 * i));
    data = crc32_of(0, whole + 37, 20);
    for (int i = 0; i < 4; i++) whole[n++] = (uint8_t)(data >> (24 - 8 * i));
    memcpy(whole + n, "\0\0\0\0IEND\xae\x42\x60\x82", 12);
    Bytes b = {whole, n + 12, "grey16.png"};
    Image high = image_decode(a, b, NULL), saturated = image_decode(a, b, &(ImageOptions){.grey16_saturate = true});
    check_same("16-bit grey: high byte", high.rgb, "\x12\x12\x12\0\0\0", 6);
    check_same("16-bit grey: as Pillow", saturated.rgb, "\xff\xff\xff\x7f\x7f\x7f", 6);
    arena_free(a);
}

static void test_encoder(void) {
    Arena *a = arena_new("test");
    static const int sizes[][2] = {{1, 1}, {3, 7}, {64, 5}, {40, 31}, {300, 200}};
    for (int i = 0; i < 5; i++) {
        int w = sizes[i][0], h = sizes[i][1];
        uint8_t *rgb = picture(a, w, h);
        Bytes b = png_encode(a, rgb, w, h), grey = png_encode_grey(a, rgb, w, h);
        char name[64];
        snprintf(name, sizeof name, "PNG of %d x %d and back (%zu bytes)", w, h, b.size);
        check_same(name, image_decode(a, b, NULL).rgb, rgb, (size_t)w * h * 3);
        Image g = image_decode(a, grey, NULL);
        bool good = true;
        for (int k = 0; k < w * h; k++) good &= g.rgb[3 * k] == rgb[k] && g.rgb[3 * k + 2] == rgb[k];
        check(good, "grey PNG of %d x %d and back", w, h);
    }
    uint8_t *rgb = picture(a, 13, 9);
    Bytes ppm = ppm_encode(a, rgb, 13, 9);
    check_same("PPM and back", image_decode(a, ppm, NULL).rgb, rgb, 13 * 9 * 3);
    check_same("PPM with comments", image_decode(a, (Bytes){(const uint8_t *)"P6 # a\n#b\n1\t1\n255\nabc", 21, "c.ppm"}, NULL).rgb, "abc", 3);
    check_dies("a PPM with more than white space before its pixels", "c.ppm: byte 10: no white space after the largest value") image_decode(a, (Bytes){(const uint8_t *)"P6 1 1 255#\nabc", 15, "c.ppm"}, NULL);
    check(refused(a, (Bytes){ppm.bytes, ppm.size - 1, "cut.ppm"}, NULL), "a PPM that is cut is refused");
    check(refused(a, (Bytes){(const uint8_t *)"P6 99999999 99999999 255 a", 26, "big.ppm"}, NULL), "a PPM beyond all bounds is refused");
    arena_free(a);
}

static void deflate_round(Arena *a, const char *name, const uint8_t *in, size_t size) {
    Mark mark = arena_mark(a);
    size_t packed_size;
    uint8_t *packed = deflate_zlib(a, in, size, &packed_size), *out = take(a, uint8_t, size + 1);
    Inflated r = inflate_some(out, size, packed, packed_size, INFLATE_ZLIB);
    check(r.ended && !r.fault && r.written == size && r.used == packed_size && memcmp(out, in, size) == 0, "%s: %zu bytes to %zu and back", name, size, packed_size);
    if (size > 1) {
        r = inflate_some(out, size - 1, packed, packed_size, INFLATE_ZLIB);
        check(!r.ended && !r.fault && r.written == size - 1, "%s: stops when the room is full", name);
    }
    int cut = 0;
    for (size_t n = 0; n < packed_size; n += 1 + packed_size / 50) cut += !inflate_some(out, size, packed, n, INFLATE_ZLIB).ended;
    check(cut >= (int)(packed_size < 50 ? packed_size : 25), "%s: no cut stream ends by itself", name);
    arena_release(a, mark);
}

static void test_deflate(void) {
    Arena *a = arena_new("test");
    size_t n = 300000;
    uint8_t *data = take(a, uint8_t, n);
    Rng r = rng_of(5, "deflate");
    deflate_round(a, "nothing", data, 0);
    memset(data, 'a', n);
    deflate_round(a, "one letter", data, 1);
    deflate_round(a, "one letter again and again", data, n);
    for (size_t i = 0; i < n; i++) data[i] = (uint8_t)rng_u32(r, i);
    deflate_round(a, "noise", data, n);
    for (size_t i = 0; i < n; i++) data[i] = (uint8_t)(rng_u32(r, i) >> 28 & rng_u32(r, i));
    deflate_round(a, "skewed noise", data, n);
    for (size_t i = 40000; i < n; i++) data[i] = rng_u32(r, i) % 50 ? data[i - 32768 + rng_u32(r, i / 300) % 32000] : (uint8_t)i;
    deflate_round(a, "far repeats", data, n);
    // a fixed block from RFC 1951's own rules: "a" three times, and a match of length 3 at distance 1
    uint8_t out[16];
    check(inflate(out, 4, (const uint8_t *)"\x4b\x04\x02\x00", 4, INFLATE_RAW, "fixed") <= 4 && memcmp(out, "aaaa", 4) == 0, "fixed codes");
    check_dies("too little", "5 were promised") { inflate(out, 5, (const uint8_t *)"\x4b\x04\x02\x00", 4, INFLATE_RAW, "f"); }
    check_dies("too much", "more than the 3 bytes") { inflate(out, 3, (const uint8_t *)"\x4b\x04\x02\x00", 4, INFLATE_RAW, "f"); }
    check_dies("no such block", "kind of block") { inflate(out, 3, (const uint8_t *)"\x07", 1, INFLATE_RAW, "f"); }
    check_dies("match before the data", "before the data") { inflate(out, 3, (const uint8_t *)"\x03\x02\x00\x00", 4, INFLATE_RAW, "f"); }
    check(crc32_of(0, "123456789", 9) == 0xCBF43926u && crc32_of(crc32_of(0, "1234", 4), "56789", 5) == 0xCBF43926u, "CRC-32 of 123456789");
    check(adler32_of(1, "Wikipedia", 9) == 0x11E60398u, "Adler-32 of Wikipedia");
    arena_free(a);
}

static void base64_refused(Arena *a, const char *text, const char *part) {
    check_dies(text, part) { base64_decode(a, text, strlen(text), BASE64_STRICT, "cell"); }
}

static void test_base64(void) {
    Arena *a = arena_new("test");
    static const char *const pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (int i = 0; i < 7; i++) {
        Bytes b = base64_decode(a, pairs[i][1], strlen(pairs[i][1]), BASE64_STRICT, "t");
        check_text(pairs[i][1], base64_encode(a, pairs[i][0], strlen(pairs[i][0])), pairs[i][1]);
        check(b.size == strlen(pairs[i][0]) && memcmp(b.bytes, pairs[i][0], b.size) == 0, "and back");
    }
    uint8_t all[256];
    for (int i = 0; i < 256; i++) all[i] = (uint8_t)i;
    const char *text = base64_encode(a, all, 256);
    check_same("all bytes", base64_decode(a, text, strlen(text), BASE64_STRICT, "t").bytes, all, 256);
    Bytes loose = base64_decode(a, " Zm9v\r\n YmE ", 12, BASE64_LOOSE, "t");
    check(loose.size == 5 && memcmp(loose.bytes, "fooba", 5) == 0, "white space, no padding");
    base64_refused(a, "Zm9vYg", "middle of a group");
    base64_refused(a, "Zm9v Yg==", "character 5");
    base64_refused(a, "Zg==Zg==", "after the padding");
    base64_refused(a, "Z===", "pads nothing");
    base64_refused(a, "Zm9v=", "pads nothing");
    base64_refused(a, "Zh==", "belong to no byte");
    base64_refused(a, "Zm!v", "not in the alphabet");
    arena_free(a);
}

// ---- which way up: where cameras and programs write it, and which of them Pillow believes

#define EXIF(o) "II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0" o "\0\0\0\0\0\0\0" // 26 bytes
#define EXIF_OF_6 "\nexif\n      32\n45786966000049492a0008000000010012010300010000000600\n000000000000\n"
#define XMP_OF_3 "<x tiff:Orientation=\"3\"/>"

// Behind the header; packed: what stands from there on in `text` is compressed. 0: no chunk.
static size_t put_chunk(Arena *a, uint8_t *out, const char *type, const char *text, size_t size, size_t packed) {
    if (!type) return 0;
    size_t n;
    const uint8_t *end = packed ? deflate_zlib(a, (const uint8_t *)text + packed, size - packed, &n) : NULL;
    uint8_t *data = out + 8;
    memcpy(out + 4, type, 4);
    memcpy(data, text, packed ? packed : size);
    if (packed) memcpy(data + packed, end, n), size = packed + n;
    uint32_t crc = crc32_of(0, out + 4, size + 4);
    for (int i = 0; i < 4; i++) out[i] = (uint8_t)(size >> (24 - 8 * i)), data[size + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    return size + 12;
}

static void test_orientation(void) {
    Arena *a = arena_new("test");
    Bytes plain = png_encode(a, (const uint8_t *)"abcdef", 2, 1);
#define PART(type, text, packed) type, text, sizeof text - 1, packed
    static const struct {
        const char *name, *type, *text;
        size_t size, packed;
        const char *type2, *text2;
        size_t size2, packed2;
        int want;
    } cases[] = {
        {"eXIf", PART("eXIf", EXIF("\6"), 0), PART(NULL, "", 0), 6},
        {"eXIf with a JPEG's head", PART("eXIf", "Exif\0\0" EXIF("\10"), 0), PART(NULL, "", 0), 8},
        {"eXIf hides XMP before it by nonsense", PART("iTXt", "XML:com.adobe.xmp\0\0\0\0\0" XMP_OF_3, 0), PART("eXIf", EXIF("\11"), 0), 1},
        {"XMP before an eXIf that says nothing", PART("iTXt", "XML:com.adobe.xmp\0\0\0\0\0" XMP_OF_3, 0), PART("eXIf", "II*\0\10\0\0\0\0\0", 0), 3},
        {"XMP in another language", PART("iTXt", "XML:com.adobe.xmp\0\0\0en\0XMP\0" XMP_OF_3, 0), PART(NULL, "", 0), 3},
        {"XMP, compressed", PART("iTXt", "XML:com.adobe.xmp\0\1\0\0\0" XMP_OF_3, 22), PART(NULL, "", 0), 3},
        {"XMP, compressed by another method", PART("iTXt", "XML:com.adobe.xmp\0\1\1\0\0" XMP_OF_3, 22), PART(NULL, "", 0), 1},
        {"XMP as plain text", PART("tEXt", "XML:com.adobe.xmp\0" XMP_OF_3, 0), PART(NULL, "", 0), 3},
        {"ImageMagick's profile", PART("zTXt", "Raw profile type exif\0\0" EXIF_OF_6, 23), PART(NULL, "", 0), 6},
        {"ImageMagick's profile as plain text", PART("tEXt", "Raw profile type exif\0" EXIF_OF_6, 0), PART("iTXt", "XML:com.adobe.xmp\0\0\0\0\0" XMP_OF_3, 0), 6},
        {"ImageMagick's profile behind eXIf", PART("eXIf", EXIF("\5"), 0), PART("tEXt", "Raw profile type exif\0" EXIF_OF_6, 0), 5},
        {"a profile that is no hex", PART("tEXt", "Raw profile type exif\0\nexif\n 4\nxyz", 0), PART(NULL, "", 0), 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *file = take(a, uint8_t, plain.size + 1000);
        size_t head = 8 + 25, n = head;
        memcpy(file, plain.bytes, head);
        n += put_chunk(a, file + n, cases[i].type, cases[i].text, cases[i].size, cases[i].packed);
        n += put_chunk(a, file + n, cases[i].type2, cases[i].text2, cases[i].size2, cases[i].packed2);
        memcpy(file + n, plain.bytes + head, plain.size - head);
        Image m = image_decode(a, (Bytes){file, n + plain.size - head, cases[i].name}, NULL);
        check(m.orientation == cases[i].want, "%s: orientation %d, %d wanted", cases[i].name, m.orientation, cases[i].want);
    }
    arena_free(a);
}

// A picture of 2 x 1 that has colours of its own, and a chunk between its header and its data.
static Bytes beside(Arena *a, const char *type, const char *text, size_t size) {
    Bytes plain = png_encode(a, (const uint8_t *)"abcdef", 2, 1);
    uint8_t *file = take(a, uint8_t, plain.size + 12 + size);
    size_t head = 8 + 25, n = put_chunk(a, file + head, type, text, size, 0);
    memcpy(file, plain.bytes, head);
    memcpy(file + head + n, plain.bytes + head, plain.size - head);
    return (Bytes){file, n + plain.size, "beside.png"};
}

static void test_beside(void) {
    Arena *a = arena_new("test");
    Bytes file = beside(a, "PLTE", "abcdefg", 7);
    check_same("a palette of seven bytes, which nothing needs", image_decode(a, file, NULL).rgb, "abcdef", 6);
    file = beside(a, "fcTL", "\0\0\0\0\0\0\0\2\0\0\0\1\0\0\0\0\0\0\0\0\0\1\0\1\0\0", 26);
    check_same("an animation that begins with the whole", image_decode(a, file, NULL).rgb, "abcdef", 6);
    file = beside(a, "fcTL", "\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\0\0\1\0\1\0\0", 26);
    check_dies("an animation that begins with a part", "byte 71: an animation whose first frame is 1 x 1 at (1, 0), not the whole of 2 x 1") image_decode(a, file, NULL);
    arena_free(a);
}

int main(void) {
    test_golden();
    test_orientation();
    test_beside();
    test_ends();
    test_damage();
    test_match_too_far();
    test_fault_behind_row();
    test_grey16();
    test_encoder();
    test_deflate();
    test_base64();
    return check_end();
}
