// pictures_shim.c: the picture functions behind a C interface that Python's ctypes can call (pictures.py).
#include <stdlib.h>
#include <string.h>

#include "io/base64.h"
#include "io/image.h"
#include "io/thread.h"
#include "model/resize.h"

static Arena *arena;
static Mark start;

// Everything given out before is gone.
static void begin(void) {
    if (!arena) arena = arena_new("peers");
    else arena_release(arena, start);
    start = arena_mark(arena);
}

// 1 and *image, or 0 and the message. flags: 1 truncated ok, 2 alpha white, 4 exif, 8 grey16 saturated
int shim_decode(const uint8_t *bytes, size_t size, int flags, Image *image, char message[1024]);
int shim_decode(const uint8_t *bytes, size_t size, int flags, Image *image, char message[1024]) {
    Trap trap;
    begin();
    ImageOptions o = {.truncated_ok = flags & 1, .alpha_white = flags & 2, .exif_apply = flags & 4, .grey16_saturate = flags & 8};
    if (trap_set(&trap)) {
        *image = image_decode(arena, (Bytes){bytes, size, "file"}, &o);
        trap_end(&trap);
        return 1;
    }
    strcpy(message, trap.message);
    return 0;
}

size_t shim_jpeg(const uint8_t *rgb, int w, int h, int quality, int sampling, const uint8_t **out);
size_t shim_jpeg(const uint8_t *rgb, int w, int h, int quality, int sampling, const uint8_t **out) {
    begin();
    Bytes b = jpeg_encode(arena, rgb, w, h, quality, sampling ? JPEG_420 : JPEG_444);
    *out = b.bytes;
    return b.size;
}

size_t shim_png(const uint8_t *pixels, int w, int h, int grey, const uint8_t **out);
size_t shim_png(const uint8_t *pixels, int w, int h, int grey, const uint8_t **out) {
    begin();
    Bytes b = grey ? png_encode_grey(arena, pixels, w, h) : png_encode(arena, pixels, w, h);
    *out = b.bytes;
    return b.size;
}

void shim_resize(const uint8_t *rgb, int w, int h, int new_w, int new_h, int filter, int threads, const uint8_t **out);
void shim_resize(const uint8_t *rgb, int w, int h, int new_w, int new_h, int filter, int threads, const uint8_t **out) {
    begin();
    threads_set(threads);
    *out = resize_rgb8(arena, rgb, w, h, new_w, new_h, (ResizeFilter)filter);
}

void shim_resize_f32(const float *x, int c, int h, int w, int new_h, int new_w, int filter, const float **out);
void shim_resize_f32(const float *x, int c, int h, int w, int new_h, int new_w, int filter, const float **out) {
    begin();
    *out = resize_f32(arena, x, c, h, w, new_h, new_w, (ResizeFilter)filter);
}

int shim_base64(const char *text, size_t size, const uint8_t **out);
int shim_base64(const char *text, size_t size, const uint8_t **out) {
    begin();
    Bytes b = base64_decode(arena, text, size, BASE64_STRICT, "cell");
    *out = b.bytes;
    return (int)b.size;
}
