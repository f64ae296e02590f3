// kernels_amx.c: products of bf16 in AMX tiles: C (16, 16) += A (16, 32) · B (32, 16) by one instruction.
//
// Tiles 0 to 3 are a square of C, two by two; 4 and 5 rows of A, 6 and 7 columns of B. A is packed in blocks of sixteen
// rows of sixteen words, B as for the dot products: its rows are words, so a tile of B is every row's next 64 bytes.
// Four tile loads serve four products; B comes from L2 by streaming loads, which leave A in L1 (performance.md 5.1).
// The instructions flush denormals and add in their own order: compare by tolerance.
// test/test_amx.c runs this source with the instructions computed by a program (AMX_MODEL), on machines without tiles.
#if defined(__x86_64__)
#include "kernels_dot.h"

#define ROWS 32
#define A_TILE 256 // words: 16 rows of 16

#ifdef AMX_MODEL
#include AMX_MODEL
#else
// The instructions themselves: gcc 12's intrinsics do not say which memory they read, so that stores before them were dropped.
// Tiles are numbers; a stride is in bytes.
#define tiles_configure(config) __asm__ volatile("ldtilecfg %0" ::"m"(*(config)))
#define tiles_release() __asm__ volatile("tilerelease")
#define tile_zero(t) __asm__ volatile("tilezero %%tmm" #t ::)
#define tile_load(t, x, stride) __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"(x), "r"((size_t)(stride)) : "memory")
#define tile_stream(t, x, stride) __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm" #t ::"r"(x), "r"((size_t)(stride)) : "memory")
#define tile_store(t, x, stride) __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"(x), "r"((size_t)(stride)) : "memory")
#define tile_dot(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)
#endif

// Palette 1 of the instruction's documentation: eight tiles, here all of 16 rows and 64 bytes.
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} TileConfig;

static void begin(void) {
    TileConfig c = {.palette = 1};
    for (int t = 0; t < 8; t++) c.bytes[t] = 64, c.rows[t] = 16;
    tiles_configure(&c);
}

static void end(void) { tiles_release(); }

// Blocks of 16 words in k: rows 0 … 15, then, if there are more than 16 rows, rows 16 … 31; missing rows are zero.
static void pack_a(float *out, const Gemm *g, long m0, int mr, long k0, long kn) {
    int rows = mr <= 16 ? 16 : 32;
    for (long k = 0; k < kn; k += 32)
        for (int r = 0; r < rows; r++, out += LANES)
            store(out, r < mr ? words_of(g->A + (m0 + r) * g->lda, DTYPE_F32, k0 + k, kn - k) : all(0));
}

#define B_STRIDE (DOT_COLUMNS * 4)

static void tile_two(long words, const float *A, const float *B, float *C, size_t stride, bool from_c) { // 16 rows
    if (from_c) {
        tile_load(0, C, stride);
        tile_load(1, C + LANES, stride);
    } else {
        tile_zero(0);
        tile_zero(1);
    }
    for (long w = 0; w < words; w += 16, A += A_TILE, B += 16 * DOT_COLUMNS) {
        tile_load(4, A, 64);
        tile_stream(6, B, B_STRIDE);
        tile_stream(7, B + LANES, B_STRIDE);
        tile_dot(0, 4, 6);
        tile_dot(1, 4, 7);
    }
    tile_store(0, C, stride);
    tile_store(1, C + LANES, stride);
}

static void tile_four(long words, const float *A, const float *B, float *C, size_t stride, bool from_c) { // 32 rows
    float *low = C + 16 * (stride / 4);
    if (from_c) {
        tile_load(0, C, stride);
        tile_load(1, C + LANES, stride);
        tile_load(2, low, stride);
        tile_load(3, low + LANES, stride);
    } else {
        tile_zero(0);
        tile_zero(1);
        tile_zero(2);
        tile_zero(3);
    }
    for (long w = 0; w < words; w += 16, A += 2 * A_TILE, B += 16 * DOT_COLUMNS) {
        tile_stream(6, B, B_STRIDE);
        tile_stream(7, B + LANES, B_STRIDE);
        tile_load(4, A, 64);
        tile_load(5, A + A_TILE, 64);
        tile_dot(0, 4, 6);
        tile_dot(1, 4, 7);
        tile_dot(2, 5, 6);
        tile_dot(3, 5, 7);
    }
    tile_store(0, C, stride);
    tile_store(1, C + LANES, stride);
    tile_store(2, low, stride);
    tile_store(3, low + LANES, stride);
}

// Squares that are cut off below go through one that is whole: a tile is never stored in part.
static void tile(int mr, long words, const float *A, long ka, const float *B, long kb, float *C, long ldc, bool from_c) {
    int rows = mr <= 16 ? 16 : 32;
    float whole[ROWS * DOT_COLUMNS], *to = mr == rows ? C : whole;
    size_t stride = (size_t)(mr == rows ? ldc : DOT_COLUMNS) * 4;
    for (int r = 0; to == whole && from_c && r < rows; r++)
        for (int i = 0; i < DOT_COLUMNS; i++) whole[r * DOT_COLUMNS + i] = r < mr ? C[r * ldc + i] : 0;
    if (rows == 16) tile_two(words, A, B, to, stride, from_c);
    else tile_four(words, A, B, to, stride, from_c);
    for (int r = 0; to == whole && r < mr; r++) memcpy(C + r * ldc, whole + r * DOT_COLUMNS, sizeof(float) * DOT_COLUMNS);
}

const TileKernel tiles_amx = {.MR = ROWS, .NR = DOT_COLUMNS, .in_word = 2, .k_step = 32, .k_block = 512, .begin = begin, .end = end,
                              .pack_a = pack_a, .pack_b = dot_pack_b, .tile = tile};
#else
typedef int not_this_processor;
#endif
