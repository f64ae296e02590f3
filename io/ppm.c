// ppm.c: Netpbm's P6 (RGB) and P5 (grey), 8 bits. See image.h.
#include <stdio.h>
#include <string.h>

#include "image.h"

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// A number of the header: white space and comments before it.
static long number(Bytes f, size_t *at, const char *what) {
    size_t i = *at;
    for (bool comment = false; i < f.size; i++) {
        uint8_t c = f.bytes[i];
        if (c == '#') comment = true;
        if (c == '\n' || c == '\r') comment = false;
        if (!comment && !is_space(c)) break;
    }
    long v = 0;
    size_t first = i;
    for (; i < f.size && f.bytes[i] >= '0' && f.bytes[i] <= '9'; i++) {
        v = v * 10 + (f.bytes[i] - '0');
        need(v <= INT32_MAX, "%s: byte %zu: the %s in the PPM header is beyond 2147483647", f.path, first, what);
    }
    need(i > first, "%s: byte %zu: no %s in the PPM header; the file is damaged", f.path, i, what);
    *at = i;
    return v;
}

Image ppm_decode(Arena *a, Bytes file, const ImageOptions *options) {
    size_t at = 2;
    need(file.size > 2 && file.bytes[0] == 'P' && (file.bytes[1] == '6' || file.bytes[1] == '5'), "%s: not a P6 or P5 picture", file.path);
    bool grey = file.bytes[1] == '5';
    long w = number(file, &at, "width"), h = number(file, &at, "height"), most = number(file, &at, "largest value");
    image_check_size(file.path, (uint64_t)w, (uint64_t)h, options);
    need(most == 255, "%s: a PPM whose largest value is %ld; only 255 is read here, save it with 8 bits", file.path, most);
    need(at < file.size && is_space(file.bytes[at]), "%s: byte %zu: no white space after the largest value in the PPM header; the file is damaged", file.path, at);
    at++;
    size_t pixels = size_mul((size_t)w, (size_t)h, file.path), bytes = size_mul(pixels, grey ? 1 : 3, file.path);
    size_t there = file.size > at ? file.size - at : 0;
    bool cut = there < bytes;
    need(!cut || (options && options->truncated_ok), "%s: %zu bytes of pixels where %ld x %ld take %zu; the file is truncated, get it again or use --truncated ok",
         file.path, there, w, h, bytes);
    Image image = {.width = (int)w, .height = (int)h, .orientation = 1, .format = "PPM", .rgb = take(a, uint8_t, size_mul(pixels, 3, file.path))};
    if (cut) {
        memset(image.rgb, 0, pixels * 3);
        image.damage = "the file ends in its pixels";
        bytes = there;
    }
    if (!grey) memcpy(image.rgb, file.bytes + at, bytes);
    else
        for (size_t i = 0; i < bytes; i++) memset(image.rgb + 3 * i, file.bytes[at + i], 3);
    return image;
}

Bytes ppm_encode(Arena *a, const uint8_t *rgb, int width, int height) {
    char head[64];
    int n = snprintf(head, sizeof head, "P6\n%d %d\n255\n", width, height);
    size_t bytes = size_mul(size_mul((size_t)width, (size_t)height, "PPM"), 3, "PPM");
    uint8_t *out = take(a, uint8_t, bytes + (size_t)n);
    memcpy(out, head, (size_t)n);
    memcpy(out + n, rgb, bytes);
    return (Bytes){.bytes = out, .size = bytes + (size_t)n, .path = "PPM"};
}
