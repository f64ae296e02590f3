// amx_model.h: the tile instructions as a program, after the documentation of the instruction set: what they read and
// write, which shapes they refuse, how they round. Included by model/kernels_amx.h in place of the hardware.
#include <stdio.h>
#include <stdlib.h>

static _Thread_local struct {
    bool configured;
    uint16_t bytes[8];
    uint8_t rows[8];
    uint8_t data[8][16][64];
} amx;

static void amx_want(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "FAIL amx model: %s\n", what); // the processor would raise an exception
    exit(1);
}

static void amx_loadconfig(const void *p) {
    const uint8_t *c = p;
    amx_want(!amx.configured, "tiles were not released after they were used last"); // our own rule
    amx_want(c[0] == 1, "palette 1 is the only one with tiles");
    for (int i = 1; i < 16; i++) amx_want(c[i] == 0, "start row and reserved bytes are zero");
    for (int i = 32; i < 48; i++) amx_want(c[i] == 0, "only eight tiles exist");
    for (int i = 56; i < 64; i++) amx_want(c[i] == 0, "only eight tiles exist");
    for (int t = 0; t < 8; t++) {
        memcpy(&amx.bytes[t], c + 16 + 2 * t, 2);
        amx.rows[t] = c[48 + t];
        amx_want(amx.bytes[t] <= 64 && amx.rows[t] <= 16 && !amx.bytes[t] == !amx.rows[t], "a tile has at most 16 rows of 64 bytes");
    }
    memset(amx.data, 0, sizeof amx.data);
    amx.configured = true;
}

static void amx_used(int t) { amx_want(amx.configured && amx.rows[t] > 0, "a tile is used that is not configured"); }

static void amx_load(int t, const void *p, size_t stride) {
    amx_used(t);
    memset(amx.data[t], 0, sizeof amx.data[t]);
    for (int r = 0; r < amx.rows[t]; r++) memcpy(amx.data[t][r], (const char *)p + (size_t)r * stride, amx.bytes[t]);
}

static void amx_store(int t, void *p, size_t stride) {
    amx_used(t);
    for (int r = 0; r < amx.rows[t]; r++) memcpy((char *)p + (size_t)r * stride, amx.data[t][r], amx.bytes[t]);
}

static void amx_zero(int t) {
    amx_used(t);
    memset(amx.data[t], 0, sizeof amx.data[t]);
}

static float amx_flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }

static float amx_half(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, 2);
    uint32_t u = (uint32_t)h << 16;
    float x;
    memcpy(&x, &u, 4);
    return amx_flushed(x);
}

// C[m][n] += the sum over k of A[m][2k] B[k][2n], plus that of A[m][2k+1] B[k][2n+1]: each fused, rounded to nearest, denormals
// are zero.
static void amx_dpbf16ps(int c, int a, int b) {
    amx_used(a), amx_used(b), amx_used(c);
    amx_want(a != b && a != c && b != c, "three different tiles");
    amx_want(amx.bytes[a] / 4 == amx.rows[b] && amx.rows[a] == amx.rows[c] && amx.bytes[b] == amx.bytes[c], "the shapes of three tiles fit");
    float right[16][2][16] = {{{0}}}; // B as floats
    for (int k = 0; k < amx.rows[b]; k++)
        for (int n = 0; n < amx.bytes[b] / 4; n++)
            for (int e = 0; e < 2; e++) right[k][e][n] = amx_half(amx.data[b][k] + 4 * n + 2 * e);
    for (int m = 0; m < amx.rows[c]; m++) {
        float sums[16] = {0}, part[2][16] = {{0}};
        memcpy(sums, amx.data[c][m], amx.bytes[c]);
        for (int k = 0; k < amx.bytes[a] / 4; k++)
            for (int e = 0; e < 2; e++) {
                float x = amx_half(amx.data[a][m] + 4 * k + 2 * e);
                for (int n = 0; n < 16; n++) part[e][n] = amx_flushed(fmaf(x, right[k][e][n], part[e][n]));
            }
        for (int n = 0; n < 16; n++) sums[n] = amx_flushed(amx_flushed(sums[n]) + amx_flushed(part[0][n] + part[1][n]));
        memcpy(amx.data[c][m], sums, amx.bytes[c]);
    }
}

static void amx_release(void) { amx.configured = false; }

#define L2_BYTES (128 * 1024) // so small that products of tests are split as large ones are
#define tiles_configure amx_loadconfig
#define tiles_release amx_release
#define tile_load amx_load
#define tile_stream amx_load
#define tile_store amx_store
#define tile_zero amx_zero
#define tile_dot amx_dpbf16ps
