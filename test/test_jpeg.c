// test_jpeg.c: JPEGs against what Pillow shows (test/golden/pictures, made by test/reference/pictures.py), damage, the encoder.
//
// Caught when broken on purpose: constants of the inverse DCT, rounding of either upsampling, a neighbour row off by
// one, BGR, Cb and Cr exchanged, restart without a new DC, a refinement bit lost, the kernel of the smoothing.
#include <stdlib.h>

#include "check.h"
#include "io/checksum.h"
#include "io/image.h"
#include "picture_pack.h"

// What is wrong with the decoded entry; empty when nothing is.
static void compare(Arena *a, const Pack *p, const ImageOptions *options, char why[1100]) {
    Trap trap;
    why[0] = 0;
    if (!trap_set(&trap)) {
        snprintf(why, 1100, "%s", trap.message);
        return;
    }
    Image m = image_decode(a, p->file, options);
    trap_end(&trap);
    if (m.width != p->width || m.height != p->height) snprintf(why, 1100, "is %d x %d", m.width, m.height);
    else if (crc32_of(0, m.rgb, (size_t)m.width * m.height * 3) != p->crc) snprintf(why, 1100, "other pixels");
    else if (m.orientation != p->orientation) snprintf(why, 1100, "orientation %d", m.orientation);
    else if (!(options && options->truncated_ok) && m.damage) snprintf(why, 1100, "damage: %s", m.damage);
}

// Every file of a pack with the loops for this machine and with the plain ones; says which came out wrong.
static void golden(const char *path, const ImageOptions *options) {
    Arena *a = arena_new("test");
    Pack p = pack_open(a, path);
    int count = 0, wrong = 0;
    while (pack_next(&p)) {
        for (int plain = 0; plain < 2; plain++) {
            Mark mark = arena_mark(a);
            char why[1100];
            setenv("RETINA_ISA", plain ? "scalar" : "avx512", 1);
            compare(a, &p, options, why);
            if (why[0] && wrong++ < 10) check(false, "%s%s: %s", p.what, plain ? " (plain loops)" : "", why);
            arena_release(a, mark);
        }
        count++;
    }
    unsetenv("RETINA_ISA");
    check(wrong == 0 && count > 50, "%s: %d pictures, twice", path, count);
    arena_free(a);
}

static bool refused(Arena *a, Bytes file, const ImageOptions *options, char *message) {
    Mark mark = arena_mark(a);
    Trap trap;
    bool through = trap_set(&trap);
    if (through) {
        image_decode(a, file, options);
        trap_end(&trap);
    } else if (message) {
        strcpy(message, trap.message);
    }
    arena_release(a, mark);
    return !through;
}

// A file that ends anywhere before its end is refused, and read when damage is tolerated and the head is there.
static void test_cuts(void) {
    Arena *a = arena_new("test");
    Pack p = pack_open(a, "test/golden/pictures/jpeg.pack");
    int accepted = 0, tolerated = 0, cuts = 0;
    for (int i = 0; pack_next(&p); i++) {
        if (i % 9) continue;
        for (size_t n = 0; n < p.file.size; n += 1 + p.file.size / 97) {
            Bytes cut = {p.file.bytes, n, p.what};
            cuts++;
            if (!refused(a, cut, NULL, NULL) && accepted++ < 5) check(false, "%s cut to %zu of %zu bytes was accepted", p.what, n, p.file.size);
            tolerated += !refused(a, cut, &(ImageOptions){.truncated_ok = true}, NULL);
        }
    }
    check(accepted == 0 && cuts > 500, "%d cut files, none accepted", cuts);
    check(tolerated > cuts / 3 && tolerated < cuts, "%d of them are read with truncated_ok", tolerated);
    arena_free(a);
}

static void message_has(Arena *a, const char *name, Bytes file, const char *part) {
    char message[1024] = "(accepted)";
    check(refused(a, file, NULL, message) && strstr(message, part), "%s: %s", name, message);
}

// A good file with one byte changed: offset of the frame marker plus `at`.
static Bytes changed(Arena *a, Bytes file, size_t at, uint8_t value) {
    size_t sof = 0;
    while (!(file.bytes[sof] == 0xFF && file.bytes[sof + 1] == 0xC0)) sof++;
    uint8_t *copy = take(a, uint8_t, file.size);
    memcpy(copy, file.bytes, file.size);
    copy[sof + at] = value;
    return (Bytes){copy, file.size, "a.jpg"};
}

static void test_refused(void) {
    Arena *a = arena_new("test");
    Bytes good = jpeg_encode(a, picture(a, 40, 30), 40, 30, 80, JPEG_420);
    good.path = "a.jpg";
    check(!refused(a, good, NULL, NULL), "the file that the others are made of is read");
    message_has(a, "arithmetic", changed(a, good, 1, 0xC9), "a.jpg: a JPEG with arithmetic coding");
    message_has(a, "lossless", changed(a, good, 1, 0xC3), "lossless Huffman coding");
    message_has(a, "hierarchical", changed(a, good, 1, 0xC5), "a hierarchical JPEG");
    message_has(a, "12 bits", changed(a, good, 4, 12), "12-bit samples");
    message_has(a, "no lines", changed(a, good, 6, 0), "40 x 0 pixels");
    message_has(a, "two components", changed(a, good, 9, 2), "2 components");
    message_has(a, "sampling 5", changed(a, good, 11, 0x52), "sampling factors 5 x 2");
    message_has(a, "sampling 3 to 2", changed(a, good, 14, 0x32), "only whole ratios");
    message_has(a, "11 blocks", changed(a, good, 11, 0x43), "14 blocks in one MCU");
    message_has(a, "quantiser", changed(a, good, 12, 3), "quantisation table 3");
    message_has(a, "huge", changed(a, good, 5, 0xF0), "cannot hold");
    message_has(a, "limit", changed(a, changed(a, good, 5, 0xF0), 7, 0xF0), "at most 178956970");
    static const struct {
        const char *bytes, *name;
        size_t size;
    } others[] = {{"BM123456", "a BMP", 8}, {"GIF89a..", "a GIF", 8}, {"RIFF\1\1\1\1WEBPVP8 ", "a WebP", 16}, {"II*\0\1\1\1\1", "a TIFF", 8}, {"<svg xm", "an SVG", 7}, {"<?xml version=\"1.0\"?>\n<!-- a -->\n<svg xmlns", "an SVG", 46}, {"<?xml version=\"1.0\"?><a>", "not a picture", 24}, {"nothing", "not a picture", 7}, {"x", "not a picture", 1}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        message_has(a, others[i].name, (Bytes){(const uint8_t *)others[i].bytes, others[i].size, "x.jpg"}, others[i].name);
    message_has(a, "empty", (Bytes){(const uint8_t *)"", 0, "x.jpg"}, "empty file");
    arena_free(a);
}

// The last scan of a progressive picture once more, and once more; and damaged.
static void test_scans(void) {
    Arena *a = arena_new("test");
    Pack p = pack_open(a, "test/golden/pictures/jpeg.pack");
    size_t last = 0, size;
    while (last == 0 && pack_next(&p)) {
        bool progressive = false;
        for (size_t i = 0; i + 1 < p.file.size; i++) {
            progressive |= p.file.bytes[i] == 0xFF && p.file.bytes[i + 1] == 0xC2;
            if (progressive && p.file.bytes[i] == 0xFF && p.file.bytes[i + 1] == 0xDA) last = i;
        }
    }
    size = p.file.size - 2 - last;
    uint8_t *many = take(a, uint8_t, p.file.size + 1000 * size);
    memcpy(many, p.file.bytes, p.file.size);
    for (size_t i = 0; i < 1000; i++) memcpy(many + last + (i + 1) * size, p.file.bytes + last, size + 2);
    Bytes file = {many, p.file.size + 1000 * size, "many.jpg"};
    message_has(a, "a thousand scans and more", file, "more than 1000 scans");
    char message[1024] = "(accepted)";
    check(refused(a, file, &(ImageOptions){.truncated_ok = true}, message) && strstr(message, "more than 1000 scans"), "they are no damage: %s", message);
    many[last + 1] = 2;
    Image m = image_decode(a, (Bytes){many, p.file.size, "many.jpg"}, &(ImageOptions){.truncated_ok = true});
    check(m.damage && strncmp(m.damage, "byte ", 5) == 0, "what is damaged is said without the name: %s", m.damage);
    arena_free(a);
}

// Behind a picture that is complete a marker may be cut off by the file's end, as Pillow has it; without any marker it is truncated.
static void test_ends(void) {
    Arena *a = arena_new("test");
    Bytes good = jpeg_encode(a, picture(a, 40, 30), 40, 30, 80, JPEG_420);
    Image want = image_decode(a, good, NULL);
    static const struct {
        const char *bytes;
        int size;
    } ends[] = {{"\xFF\xDB", 2}, {"\xFF\xDA\0", 3}, {"\xFF\xC4\1\2\0\0", 6}, {"\xFF\xFE\0\20xy", 6}, {"\xFF\xD3", 2}, {"\xFF\xE0\0\4xy", 6}, {"12345678", 8}, {"\xFF\xDB\0\4\2\3", 6}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = good.size - 2 + (size_t)ends[i].size;
        uint8_t *other = take(a, uint8_t, n);
        memcpy(other, good.bytes, good.size - 2);
        memcpy(other + good.size - 2, ends[i].bytes, (size_t)ends[i].size);
        char message[1024] = "";
        bool died = refused(a, (Bytes){other, n, "a.jpg"}, NULL, message);
        check(!died && memcmp(image_decode(a, (Bytes){other, n, "a.jpg"}, NULL).rgb, want.rgb, 40 * 30 * 3) == 0, "end %zu of a complete picture: %s", i, message);
    }
    // What is there of it is wrong already.
    static const struct {
        const char *bytes;
        int size;
        const char *message;
    } wrong[] = {{"\xFF\xDB\x27\xC2\xE6", 5, "table number 6"}, {"\xFF\xC4\0\21\0", 5, "15 bytes too many"}, {"\xFF\xC4\1\0\0\377\377\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 21, "510 symbols"},
                 {"\xFF\xDD\1\0", 4, "restart interval"}, {"\xFF\xDA\0\10\2", 5, "2 components"}, {"\xFF\xDA\0\12\2\11\0", 7, "component 9"}, {"\xFF\xC0", 2, "second frame"},
                 {"\xFF\xC9\0\40", 4, "second frame"}, {"\xFF\2", 2, "FF 02"}, {"\xFF\xCC\0\20\60\0", 6, "conditioning"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t *other = take(a, uint8_t, good.size - 2 + (size_t)wrong[i].size);
        memcpy(other, good.bytes, good.size - 2);
        memcpy(other + good.size - 2, wrong[i].bytes, (size_t)wrong[i].size);
        message_has(a, "a bad end", (Bytes){other, good.size - 2 + (size_t)wrong[i].size, "a.jpg"}, wrong[i].message);
    }
    message_has(a, "no end", (Bytes){good.bytes, good.size - 2, "a.jpg"}, "without an end marker");
    arena_free(a);
}

// Pillow's own bytes, for the same picture, quality and sampling.
static void test_encoder(void) {
    Arena *a = arena_new("test");
    Pack p = pack_open(a, "test/golden/pictures/jpeg-encoded.txt");
    char line[200];
    int count = 0, wrong = 0;
    while (pack_line(&p, line, sizeof line)) {
        int w, h, quality, sampling, size;
        unsigned crc;
        need(sscanf(line, "%d %d %d %d %d %x", &w, &h, &quality, &sampling, &size, &crc) == 6, "jpeg-encoded.txt: %s", line);
        Bytes b = jpeg_encode(a, picture(a, w, h), w, h, quality, sampling ? JPEG_420 : JPEG_444);
        count++;
        if ((int)b.size != size || crc32_of(0, b.bytes, b.size) != crc) {
            wrong++;
            check(false, "%d x %d quality %d sampling %d: %zu bytes, Pillow writes %d", w, h, quality, sampling, b.size, size);
        }
    }
    check(wrong == 0 && count > 50, "%d encoded pictures have Pillow's bytes", count);
    arena_free(a);
}

static void test_orientation(void) {
    Arena *a = arena_new("test");
    // 2 x 3 pixels numbered by rows; where each goes, as Pillow's exif_transpose has it
    static const char *const want[9] = {"", "012345", "103254", "543210", "452301", "024135", "420531", "531420", "135024"};
    for (int o = 1; o <= 8; o++) {
        Image m = {.width = 2, .height = 3, .orientation = o, .rgb = take(a, uint8_t, 18)};
        for (int i = 0; i < 18; i++) m.rgb[i] = (uint8_t)(i / 3);
        Image t = image_oriented(a, m);
        char got[7] = "", name[32];
        for (int i = 0; i < 6; i++) got[i] = (char)('0' + t.rgb[3 * i + 1]);
        snprintf(name, sizeof name, "orientation %d", o);
        check_text(name, got, want[o]);
        check(t.orientation == 1 && t.width == (o >= 5 ? 3 : 2), "%s: upright, %d x %d", name, t.width, t.height);
    }
    static const char xmp[] = "<x:xmpmeta tiff:Orientation=\"6\" />", xmp2[] = "<tiff:Orientation>3</tiff:Orientation>";
    check(xmp_orientation((const uint8_t *)xmp, sizeof xmp) == 6 && xmp_orientation((const uint8_t *)xmp2, sizeof xmp2) == 3, "orientation in XMP");
    check(xmp_orientation((const uint8_t *)xmp, 18) == 0, "XMP that is cut");
    // types and numbers of values, as Pillow reads them: signed ones count, bytes do not, of many the first does
    static const struct {
        int type, count, value, want;
    } entries[] = {{3, 1, 6, 6}, {4, 1, 6, 6}, {8, 1, 6, 6}, {9, 1, 6, 6}, {1, 1, 6, 1}, {3, 2, 6, 6}, {3, 0, 6, 0}, {3, 1, 9, 1}, {3, 3, 26, 8}, {3, 3, 27, 0}};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        uint8_t tiff[] = "II*\0\10\0\0\0\1\0\x12\1t\0c\0\0\0v\0\0\0\0\0\0\0\10\0\0\0\0"; // 32 bytes
        tiff[12] = (uint8_t)entries[i].type, tiff[14] = (uint8_t)entries[i].count, tiff[18] = (uint8_t)entries[i].value;
        int got = exif_orientation(tiff, 32);
        check(got == entries[i].want, "orientation %d of type %d, %d of them: %d", entries[i].value, entries[i].type, entries[i].count, got);
    }
    arena_free(a);
}

int main(void) {
    golden("test/golden/pictures/jpeg.pack", NULL);
    golden("test/golden/pictures/jpeg-damaged.pack", &(ImageOptions){.truncated_ok = true});
    test_cuts();
    test_refused();
    test_scans();
    test_ends();
    test_encoder();
    test_orientation();
    return check_end();
}
