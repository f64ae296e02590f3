// image.c: see image.h. Which decoder, which way up.
#include "image.h"

#include <stdio.h>
#include <string.h>

#include "stray.h"

void image_check_size(const char *path, uint64_t width, uint64_t height, const ImageOptions *options) {
    uint64_t most = options && options->pixels_max ? options->pixels_max : IMAGE_PIXELS_MAX;
    need(width > 0 && height > 0, "%s: a picture of %llu x %llu pixels; the file is damaged", path, (unsigned long long)width, (unsigned long long)height);
    need(width <= INT32_MAX && height <= INT32_MAX && height <= most / width,
         "%s: a picture of %llu x %llu pixels; at most %llu are read (Pillow's limit against decompression bombs), make it smaller first",
         path, (unsigned long long)width, (unsigned long long)height, (unsigned long long)most);
}

// ---- orientation

static uint32_t tiff_number(const uint8_t *p, int bytes, bool little) {
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint32_t)p[i] << 8 * (little ? i : bytes - 1 - i);
    return v;
}

// TIFF: byte order, 42, offset of the first directory; a directory is a count of entries of 12 bytes: tag,
// type, count, value or its offset. Anything out of place means: no orientation. As Pillow: of several values the first
// counts, and bytes are no number.
int exif_orientation(const uint8_t *t, size_t size) {
    for (; size >= 6 && memcmp(t, "Exif\0", 6) == 0; t += 6) size -= 6; // once in every JPEG, and sometimes again
    if (size < 8) return 0;
    bool little = memcmp(t, "II\x2A\0", 4) == 0;
    if (!little && memcmp(t, "MM\0\x2A", 4) != 0) return 0;
    size_t at = tiff_number(t + 4, 4, little);
    if (at > size || size - at < 2) return 0;
    uint32_t entries = tiff_number(t + at, 2, little);
    at += 2;
    for (uint32_t i = 0; i < entries && size - at >= 12; i++, at += 12) {
        if (tiff_number(t + at, 2, little) != 0x0112) continue;
        uint32_t type = tiff_number(t + at + 2, 2, little), count = tiff_number(t + at + 4, 4, little);
        int bytes = type == 3 || type == 8 ? 2 : type == 4 || type == 9 ? 4 : 0; // SHORT, LONG, and with a sign
        if (count == 0) return 0;
        if (bytes == 0) return 1;
        const uint8_t *value = t + at + 8;
        if (count > 4 / (uint32_t)bytes) {
            size_t offset = tiff_number(value, 4, little);
            if (offset > size || (size - offset) / (size_t)bytes < count) return 0;
            value = t + offset;
        }
        uint32_t v = tiff_number(value, bytes, little);
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 0;
}

// tiff:Orientation="6" or tiff:Orientation>6
int xmp_orientation(const uint8_t *xmp, size_t size) {
    static const char key[] = "tiff:Orientation";
    size_t n = sizeof key - 1;
    for (size_t i = 0; i + n + 2 < size; i++) {
        if (xmp[i] != 't' || memcmp(xmp + i, key, n) != 0) continue;
        const uint8_t *p = xmp + i + n;
        size_t digit = p[0] == '>' ? 1 : p[0] == '=' && p[1] == '"' ? 2 : 0;
        if (digit == 0 || i + n + digit >= size || p[digit] < '0' || p[digit] > '9') continue;
        return p[digit] >= '1' && p[digit] <= '8' ? p[digit] - '0' : 0;
    }
    return 0;
}

// 2 mirrored left to right, 3 half a turn, 4 top to bottom, 5 along the main diagonal, 6 to be turned a quarter
// clockwise, 7 along the other diagonal, 8 counter-clockwise.
Image image_oriented(Arena *a, Image image) {
    int o = image.orientation, w = image.width, h = image.height;
    if (o < 2 || o > 8) return image;
    Image turned = image;
    turned.orientation = 1;
    if (o >= 5) turned.width = h, turned.height = w;
    turned.rgb = take(a, uint8_t, size_mul(size_mul((size_t)w, (size_t)h, "picture"), 3, "picture"));
    bool flip_x = o == 2 || o == 3 || o == 7 || o == 8, flip_y = o == 3 || o == 4 || o == 6 || o == 7; // of the source, as stored
    for (int y = 0; y < turned.height; y++)
        for (int x = 0; x < turned.width; x++) {
            int sx = o >= 5 ? y : x, sy = o >= 5 ? x : y;
            if (flip_x) sx = w - 1 - sx;
            if (flip_y) sy = h - 1 - sy;
            memcpy(turned.rgb + ((size_t)y * turned.width + x) * 3, image.rgb + ((size_t)sy * w + sx) * 3, 3);
        }
    return turned;
}

// ---- kinds of files

typedef enum { BY_PILLOW, BY_HEIF, BY_JXL, BY_SVG, BY_PDF } Converter;

typedef struct {
    const char *bytes;
    size_t length, at;
    const char *name;
    Converter converter;
} Magic;

// After "ftyp" at byte 4 comes one of many brands.
static const Magic known[] = {
    {"BM", 2, 0, "a BMP"},           {"GIF8", 4, 0, "a GIF"},         {"WEBP", 4, 8, "a WebP"},
    {"II\x2A\0", 4, 0, "a TIFF"},    {"MM\0\x2A", 4, 0, "a TIFF"},    {"II\x2B\0", 4, 0, "a BigTIFF"},
    {"MM\0\x2B", 4, 0, "a BigTIFF"}, {"ftypavif", 8, 4, "an AVIF"},   {"ftypavis", 8, 4, "an AVIF"},
    {"ftyphei", 7, 4, "a HEIC", BY_HEIF}, {"ftyphev", 7, 4, "a HEIC", BY_HEIF}, {"ftypmif1", 8, 4, "a HEIF", BY_HEIF},
    {"ftypmsf1", 8, 4, "a HEIF", BY_HEIF}, {"\0\0\0\x0CjP  ", 8, 0, "a JPEG 2000"}, {"\xFF\x4F\xFF\x51", 4, 0, "a JPEG 2000"},
    {"\xFF\x0A", 2, 0, "a JPEG XL", BY_JXL}, {"\0\0\0\x0CJXL ", 8, 0, "a JPEG XL", BY_JXL}, {"8BPS", 4, 0, "a Photoshop"},
    {"%PDF", 4, 0, "a PDF", BY_PDF}, {"\0\0\1\0", 4, 0, "an ICO"},     {"<svg", 4, 0, "an SVG", BY_SVG},
    {"DDS ", 4, 0, "a DDS"},         {"qoif", 4, 0, "a QOI"},         {"P4", 2, 0, "a PBM"},
    {"P1", 2, 0, "a plain PBM"},     {"P2", 2, 0, "a plain PGM"},     {"P3", 2, 0, "a plain PPM"}};

static const char *const converters[] = {
    [BY_PILLOW] = "python3 -c \"import sys; from PIL import Image; Image.open(sys.argv[1]).convert('RGB').save('picture.png')\" %s",
    [BY_HEIF] = "heif-convert %s picture.png (libheif)",
    [BY_JXL] = "djxl %s picture.png (libjxl)",
    [BY_SVG] = "rsvg-convert %s -o picture.png (librsvg)",
    [BY_PDF] = "pdftoppm -png %s picture (poppler)"};

static bool begins(Bytes file, const char *bytes, size_t length, size_t at) {
    return file.size >= at + length && memcmp(file.bytes + at, bytes, length) == 0;
}

// At its beginning, or behind XML's first line and what else may stand before the root.
static bool is_svg(Bytes file) {
    for (size_t i = 0; begins(file, "<?xml", 5, 0) && i < 4096; i++)
        if (begins(file, "<svg", 4, i)) return true;
    return begins(file, "<svg", 4, 0);
}

static const char *conversion(Arena *a, Bytes file, const ImageOptions *options, Converter c) {
    const char *taken_out = options ? options->taken_out : NULL;
    const char *command = arena_print(a, converters[c], taken_out ? "picture" : path_quoted(a, file.path));
    return taken_out ? arena_print(a, "%s && %s", taken_out, command) : command;
}

static _Noreturn void refuse(Arena *a, Bytes file, const ImageOptions *options) {
    stray_refuse(file);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const Magic *m = &known[i];
        if (m->converter == BY_SVG ? !is_svg(file) : !begins(file, m->bytes, m->length, m->at)) continue;
        die("%s: %s file%s; JPEG, PNG and PPM are read here; convert it: %s", file.path, m->name, strcmp(m->name, "a GIF") == 0 ? " (the studies take its first frame)" : "",
            conversion(a, file, options, m->converter));
    }
    stray_refuse_packed(file);
    need(file.size > 0, "%s: an empty file; a JPEG, PNG or PPM picture is wanted here", file.path);
    char begin[16] = "";
    for (size_t i = 0; i < file.size && i < 4; i++) snprintf(begin + 3 * i, sizeof begin - 3 * i, " %02X", file.bytes[i]);
    die("%s: not a picture that is known here: it begins with%s; JPEG, PNG and PPM are read; if Pillow knows it, convert it: %s", file.path, begin,
        conversion(a, file, options, BY_PILLOW));
}

Image image_decode(Arena *a, Bytes file, const ImageOptions *options) {
    Image image;
    if (begins(file, "\xFF\xD8\xFF", 3, 0)) image = jpeg_decode(a, file, options);
    else if (begins(file, "\x89PNG\r\n\x1A\n", 8, 0)) image = png_decode(a, file, options);
    else if (begins(file, "P6", 2, 0) || begins(file, "P5", 2, 0)) image = ppm_decode(a, file, options);
    else refuse(a, file, options);
    image.path = file.path;
    return options && options->exif_apply ? image_oriented(a, image) : image;
}

Image image_read(Arena *a, const char *path, const ImageOptions *options) {
    if (strcmp(path, "-") == 0) {
        ImageOptions own = options ? *options : (ImageOptions){0};
        own.taken_out = "cat >picture";
        return image_decode(a, file_read(a, path), &own);
    }
    Bytes file = file_map(a, path);
    Image image = image_decode(a, file, options);
    file_unmap(file);
    return image;
}
