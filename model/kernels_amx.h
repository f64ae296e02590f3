// kernels_amx.h: the instructions of AMX's tiles, for products (gemm_amx.c) and attention (attention_amx.c).
//
// Eight tiles, here all of 16 rows and 64 bytes: of 16 numbers, or of 16 words. tile_dot(c, a, b): c (16, 16) += a (16 rows, 16
// words) · b (16 words, 16 columns), in the instruction's own order; denormals are zero. An element depends on nothing but its
// own row, column and sum. Tests put a program in the place of the instructions (AMX_MODEL: test/amx_model.h).

#ifdef AMX_MODEL
#include AMX_MODEL
#else
// gcc 12's intrinsics do not say which memory they read, so that stores before them were dropped. Tiles are numbers; a stride is
// in bytes.
#define tiles_configure(config) __asm__ volatile("ldtilecfg %0" ::"m"(*(config)))
#define tiles_release() __asm__ volatile("tilerelease")
#define tile_zero(t) __asm__ volatile("tilezero %%tmm" #t ::)
#define tile_load(t, x, stride) __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"(x), "r"((size_t)(stride)) : "memory")
#define tile_stream(t, x, stride) __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm" #t ::"r"(x), "r"((size_t)(stride)) : "memory")
#define tile_store(t, x, stride) __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"(x), "r"((size_t)(stride)) : "memory")
#define tile_dot(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)
#endif

#define SIDE 32  // rows and columns that meet at a time: two tiles by two
#define TILE 256 // words of a tile: 16 rows of 16
#define STEP 32  // values of k in a tile

// Palette 1 of the instruction's documentation.
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} TileConfig;

// A thread's tiles exist between these two: from a job's beginning to its end, so that no thread sleeps with their state.
static void tiles_begin(void) {
    TileConfig c = {.palette = 1};
    for (int t = 0; t < 8; t++) c.bytes[t] = 64, c.rows[t] = 16;
    tiles_configure(&c);
}

static void tiles_end(void) { tiles_release(); }

// Sums in tiles 4 to 7 of what tiles 0 and 1, below one another, give with tiles 2 and 3, side by side; not wide: with tile 2 alone, in 4 and 6.
INLINE void sums_zero(void) {
    tile_zero(4);
    tile_zero(5);
    tile_zero(6);
    tile_zero(7);
}

INLINE void sums_add(bool wide) {
    tile_dot(4, 0, 2);
    if (wide) tile_dot(5, 0, 3);
    tile_dot(6, 1, 2);
    if (wide) tile_dot(7, 1, 3);
}
