// bench_photograph.c: imitations of photographs: noise of every size and hard edges, which compress about as photographs do.
#include "bench_photograph.h"
#include "io/random.h"

// Noise between a grid of random values `step` pixels apart.
static float noise(Rng r, uint64_t plane, int x, int y, int step) {
    int gx = x / step, gy = y / step;
    float fx = (float)(x % step) / (float)step, fy = (float)(y % step) / (float)step, v[4];
    for (int i = 0; i < 4; i++) v[i] = (float)rng_uniform(r, plane << 32 | (uint64_t)(gy + i / 2) << 16 | (uint64_t)(gx + i % 2));
    return (v[0] * (1 - fx) + v[1] * fx) * (1 - fy) + (v[2] * (1 - fx) + v[3] * fx) * fy;
}

uint8_t *bench_photograph(Arena *a, int width, int height) {
    uint8_t *rgb = take(a, uint8_t, (size_t)width * (size_t)height * 3);
    Rng r = rng_of(1, "photograph");
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            float light = 0, size = 110;
            for (int step = 128, octave = 0; step > 1; step /= 2, octave++, size *= 0.6f) light += size * (noise(r, (uint64_t)octave, x, y, step) - 0.5f);
            bool dark = noise(r, 20, x, y, 96) > 0.55f; // things with edges
            for (int c = 0; c < 3; c++) {
                float v = 128 + (dark ? -50 : 20) + light + 60 * (noise(r, 30 + (uint64_t)c, x, y, 64) - 0.5f);
                rgb[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
            }
        }
    return rgb;
}
