// test_cuda_resize.c: resizing through the emulator: the bytes of resize_rgb8, which are Pillow's.
#include <stdlib.h>

#include "check.h"
#include "cuda/kernels.h"
#include "cuda_check.h"
#include "io/random.h"

static uint8_t *pass(Arena *a, const uint8_t *in, long count, int width, int height, int to, bool across, ResizeFilter filter) {
    ResizeTaps t = resize_taps8(a, across ? width : height, to, filter);
    size_t n = (size_t)to;
    CudaResize r = {.in = in, .count = count, .width = width, .height = height, .to = to, .across = across, .most = t.most, .first = to_device(t.first, n * sizeof(int)),
                    .taps = to_device(t.count, n * sizeof(int)), .out = device_room((size_t)count * 3 * n * (size_t)(across ? height : width))};
    for (size_t i = 0; i < n; i++) // what a sample does not use is not written: give it a value that would show
        for (int k = t.count[i]; k < t.most; k++) t.fixed[i * (size_t)t.most + (size_t)k] = 1 << 30;
    r.fixed = to_device(t.fixed, n * (size_t)t.most * sizeof(int32_t));
    cuda_resize8(&r, NULL);
    return r.out;
}

static void one(long count, int width, int height, int new_width, int new_height, ResizeFilter filter) {
    Arena *a = arena_new("resize");
    size_t old = (size_t)width * (size_t)height * 3, size = (size_t)new_width * (size_t)new_height * 3;
    uint8_t *in = take(a, uint8_t, old * (size_t)count), *got = take(a, uint8_t, size * (size_t)count), *want = take(a, uint8_t, size * (size_t)count);
    for (size_t i = 0; i < old * (size_t)count; i++) in[i] = (uint8_t)(256 * rng_uniform((Rng){.seed = 3}, i));
    emu_forget();
    const uint8_t *x = to_device(in, old * (size_t)count);
    bool down_first = new_height < height && 2 * (width - new_width) < height - new_height;
    if (down_first && new_height != height) x = pass(a, x, count, width, height, new_height, false, filter);
    if (new_width != width) x = pass(a, x, count, width, down_first ? new_height : height, new_width, true, filter);
    if (!down_first && new_height != height) x = pass(a, x, count, new_width, height, new_height, false, filter);
    from_device(got, x, size * (size_t)count);
    for (long i = 0; i < count; i++) memcpy(want + (size_t)i * size, resize_rgb8(a, in + (size_t)i * old, width, height, new_width, new_height, filter), size);
    check(memcmp(got, want, size * (size_t)count) == 0 && emu_reports() == 0, "%ld of %d x %d to %d x %d, filter %d: the same bytes %s", count, width, height, new_width,
          new_height, (int)filter, emu_first_report());
    device_empty();
    arena_free(a);
}

int main(void) {
    one(1, 1, 1, 3, 2, RESIZE_BICUBIC);
    one(2, 31, 33, 16, 16, RESIZE_BICUBIC);
    one(1, 97, 13, 33, 31, RESIZE_LANCZOS);
    one(1, 20, 97, 19, 31, RESIZE_BILINEAR); // columns first
    one(3, 64, 48, 64, 24, RESIZE_BOX);
    one(1, 33, 31, 101, 31, RESIZE_HAMMING);
    if (real_shapes()) {
        one(4, 640, 480, 448, 336, RESIZE_BICUBIC);
        one(2, 1203, 1999, 336, 558, RESIZE_BICUBIC);
        one(1, 480, 4000, 479, 224, RESIZE_LANCZOS);
        one(3, 224, 224, 384, 384, RESIZE_BICUBIC);
    }
    return check_end();
}
