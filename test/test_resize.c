// test_resize.c: resized pictures, byte for byte Pillow 13's (test/golden/pictures/resize.txt) and PyTorch's in float.
//
// Caught when broken on purpose: columns before rows, rounding of the weights, weights that are not divided by their
// sum, one sample fewer under the filter, a = -0.75.
#include "check.h"
#include "io/checksum.h"
#include "io/random.h"
#include "io/thread.h"
#include "levels.h"
#include "model/resize.h"
#include "picture_pack.h"

static void test_rows(void) {
    Arena *a = arena_new("test");
    static const uint8_t row[10] = {0, 255, 10, 200, 30, 90, 255, 0, 128, 64}; // models.md 5.2
    static const struct {
        ResizeFilter filter;
        int n;
        uint8_t want[16];
    } cases[] = {{RESIZE_BICUBIC, 4, {114, 102, 128, 81}},
                 {RESIZE_BICUBIC, 7, {91, 122, 131, 57, 191, 57, 90}},
                 {RESIZE_BICUBIC, 16, {0, 113, 253, 71, 49, 197, 108, 26, 69, 178, 250, 66, 18, 125, 96, 59}},
                 {RESIZE_BILINEAR, 4, {116, 103, 126, 84}},
                 {RESIZE_BILINEAR, 7, {88, 117, 131, 60, 177, 62, 86}},
                 {RESIZE_BILINEAR, 16, {0, 112, 240, 87, 69, 188, 104, 41, 79, 162, 239, 80, 40, 120, 92, 64}}};
    uint8_t rgb[30];
    for (int i = 0; i < 30; i++) rgb[i] = row[i / 3];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint8_t *across = resize_rgb8(a, rgb, 10, 1, cases[i].n, 1, cases[i].filter), *down = resize_rgb8(a, rgb, 1, 10, 1, cases[i].n, cases[i].filter);
        uint8_t got[16], got_down[16];
        for (int k = 0; k < cases[i].n; k++) got[k] = across[3 * k + 1], got_down[k] = down[3 * k + 2];
        check_same("row", got, cases[i].want, (size_t)cases[i].n);
        check_same("column", got_down, cases[i].want, (size_t)cases[i].n);
    }
    arena_free(a);
}

static void test_golden(void) {
    Arena *a = arena_new("test");
    Pack p = pack_open(a, "test/golden/pictures/resize.txt");
    char line[200];
    int count = 0, wrong = 0;
    while (pack_line(&p, line, sizeof line)) {
        int w, h, nw, nh, filter;
        unsigned crc;
        need(sscanf(line, "%d %d %d %d %d %x", &w, &h, &nw, &nh, &filter, &crc) == 6, "resize.txt: %s", line);
        for (int threads = 1; threads <= 5; threads += 4) {
            Mark mark = arena_mark(a);
            threads_set(threads);
            const uint8_t *out = resize_rgb8(a, picture(a, w, h), w, h, nw, nh, (ResizeFilter)filter);
            if (crc32_of(0, out, (size_t)nw * nh * 3) != crc && wrong++ < 10) check(false, "%d x %d to %d x %d, filter %d, %d threads", w, h, nw, nh, filter, threads);
            arena_release(a, mark);
        }
        count++;
    }
    check(wrong == 0 && count > 200, "%d resized pictures, with 1 and 5 threads", count);
    arena_free(a);
}

static void test_real(void) {
    Arena *a = arena_new("test");
    Pack p = pack_open(a, "test/golden/pictures/resize-float.pack");
    char line[200];
    while (pack_line(&p, line, sizeof line)) {
        int w, h, nw, nh, filter, size;
        need(sscanf(line, "%d %d %d %d %d %d", &w, &h, &nw, &nh, &filter, &size) == 6, "resize-float.pack: %s", line);
        const uint8_t *rgb = picture(a, w, h);
        float *x = take(a, float, (size_t)w * h * 3), *want = take(a, float, (size_t)size / 4);
        memcpy(want, p.all.bytes + p.at, (size_t)size);
        p.at += (size_t)size;
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < w * h; i++) x[c * w * h + i] = (float)rgb[3 * i + c] / 255;
        threads_set(1);
        float *got = resize_f32(a, x, 3, h, w, nh, nw, (ResizeFilter)filter);
        threads_set(5);
        char name[64];
        snprintf(name, sizeof name, "float %d x %d to %d x %d, filter %d", w, h, nw, nh, filter);
        check_within(name, got, want, (size_t)size / 4, 3e-7); // PyTorch fuses products and sums: a few roundings of numbers up to 1
        check_same(name, resize_f32(a, x, 3, h, w, nh, nw, (ResizeFilter)filter), got, (size_t)size);
    }
    arena_free(a);
}

// Pictures of random bytes and sizes, narrow ones among them: their rows end within what a vector reads.
static int print_digest(void) {
    Arena *a = arena_new("test");
    Rng r = rng_of(7, "sizes");
    uint8_t digests[300 * 8];
    for (uint64_t i = 0; i < 300; i++) {
        Mark mark = arena_mark(a);
        int n[4], most[4] = {i % 3 ? 120 : 6, 90, 70, 70};
        for (int k = 0; k < 4; k++) n[k] = 1 + (int)rng_below(r, 4 * i + (uint64_t)k, (uint64_t)most[k]);
        size_t size = (size_t)n[0] * (size_t)n[1] * 3;
        uint8_t *rgb = take(a, uint8_t, size);
        for (size_t k = 0; k < size; k++) rgb[k] = (uint8_t)rng_u32(rng_of(i, "bytes"), k);
        const uint8_t *out = resize_rgb8(a, rgb, n[0], n[1], n[2], n[3], (ResizeFilter)(i % 6));
        blake2b(digests + 8 * i, 8, out, (size_t)n[2] * (size_t)n[3] * 3);
        arena_release(a, mark);
    }
    arena_free(a);
    return levels_print(digests, sizeof digests);
}

int main(int argc, char **argv) {
    if (levels_child(argc)) return print_digest();
    test_rows();
    test_golden();
    test_real();
    levels_check("300 random pictures", argv[0]);
    return check_end();
}
