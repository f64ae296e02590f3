// kernels_product.h: the register tile of products and of attention, and what is asked for meanwhile. Every element is one chain of fused
// multiply-adds over ascending k.
//
// Lines are asked for a few at a time: all at once they would fill the core's queue of misses, and B, which comes from L2, would wait
// behind them. The next tile's sums come last: earlier, B's panel would drive them out of L1. The sums' loads and stores are unrolled for the
// compiler's sake, which otherwise keeps them in memory beside the registers: 60 cycles a tile.
//   version, 577 x 1024 x 4096, ms, one thread, AVX-512 and AVX2
//   0  a branch for each value of k            28.2, 55.3
//   1  eight values of k without a branch      27.8, 53.8, in use

#define STRIDE_MOST 64 // values of k from one asking to the next: where the loop ends, it is guessed wrongly, and twenty cycles are lost
#define STRIDE_LEAST 16
#define AT_ONCE 8    // lines, if that leaves a stride so long
#define NEXT_PARTS 2 // the last strides of a tile
#define AHEAD_B 24   // values of k that B's lines are asked for ahead, into L1
#define UNROLLED 8   // values of k without a branch

// The next `lines` lines of the runs, of which `run` is begun.
INLINE void ask_soon(Wanted *run, const Wanted **more, long lines) {
    for (; lines > 0; lines--, run->count--) {
        if (run->count == 0) *run = *(*more)++;
        __builtin_prefetch(run->at, 0, 2);
        run->at += run->step;
    }
}

// Part `part` of NEXT_PARTS of the next tile's sums.
INLINE void ask_next(const float *next, long ld, int mr, long part) {
    for (long r = mr * part / NEXT_PARTS, end = mr * (part + 1) / NEXT_PARTS; r < end; r++) {
        __builtin_prefetch(next + r * ld, 1);
        __builtin_prefetch(next + r * ld + TILE_VECTORS * LANES - 1, 1);
    }
}

INLINE long stride_of(long K, long lines) {
    long stride = lines ? AT_ONCE * K / lines : STRIDE_MOST;
    return stride < STRIDE_LEAST ? STRIDE_LEAST : stride > STRIDE_MOST ? STRIDE_MOST : stride / UNROLLED * UNROLLED;
}

// One value of k: A (mr), B (NR).
INLINE void product_step(int mr, V acc[TILE_ROWS][TILE_VECTORS], const float *A, const float *B) {
    V b[TILE_VECTORS];
    for (int v = 0; v < TILE_VECTORS; v++) b[v] = load(B + v * LANES);
    for (int v = 0; v < TILE_VECTORS * LANES; v += 16) __builtin_prefetch(B + AHEAD_B * TILE_VECTORS * LANES + v);
#pragma GCC unroll 16
    for (int r = 0; r < mr; r++) {
        V a = all(A[r]);
        for (int v = 0; v < TILE_VECTORS; v++) acc[r][v] = fused(a, b[v], acc[r][v]);
    }
}

// A (k, r) at A[k ka + r], r < mr; B (k, n) at B[k NR + n].
INLINE void product_rows(int mr, long K, const float *A, long ka, const float *B, const TileSums *s) {
    V acc[TILE_ROWS][TILE_VECTORS];
#pragma GCC unroll 16
    for (int r = 0; r < mr; r++)
#pragma GCC unroll 2
        for (int v = 0; v < TILE_VECTORS; v++) acc[r][v] = s->from ? load(s->from + r * s->ld + v * LANES) : all(0);
    long stride = stride_of(K, s->lines), strides = (K + stride - 1) / stride, each = strides ? (s->lines + strides - 1) / strides : 0, left = s->lines; // of no keys: none
    Wanted run = {0};
    const Wanted *more = s->soon;
    for (long at = 0; at < strides; at++) {
        ask_soon(&run, &more, left < each ? left : each);
        left -= left < each ? left : each;
        if (s->next && at + NEXT_PARTS >= strides) ask_next(s->next, s->ld, mr, at + NEXT_PARTS - strides);
        long k = at * stride, end = k + stride < K ? k + stride : K;
        for (; ka == mr && k + UNROLLED <= end; k += UNROLLED, A += UNROLLED * mr, B += UNROLLED * TILE_VECTORS * LANES)
#pragma GCC unroll 8
            for (int i = 0; i < UNROLLED; i++) {
                product_step(mr, acc, A + i * mr, B + i * TILE_VECTORS * LANES);
                __asm__ volatile("" ::: "memory"); // loads stay in their step: all of them at once would take the sums' registers
            }
        for (; k < end; k++, A += ka, B += TILE_VECTORS * LANES) product_step(mr, acc, A, B);
    }
    if (s->bias)
#pragma GCC unroll 16
        for (int r = 0; r < mr; r++)
#pragma GCC unroll 2
            for (int v = 0; v < TILE_VECTORS; v++) acc[r][v] += load(s->bias + v * LANES);
#pragma GCC unroll 16
    for (int r = 0; r < mr; r++)
#pragma GCC unroll 2
        for (int v = 0; v < TILE_VECTORS; v++) store(s->to + r * s->ld + v * LANES, acc[r][v]);
}

#define PRODUCT_CASE(n)                                                                            \
    case n: product_rows(n, K, A, ka, B, s); break;

static void product_table(int mr, long K, const float *A, long ka, const float *B, const TileSums *s) {
    switch (mr) {
        PRODUCT_CASE(1)
        PRODUCT_CASE(2)
        PRODUCT_CASE(3)
        PRODUCT_CASE(4)
#if TILE_ROWS > 4
        PRODUCT_CASE(5)
        PRODUCT_CASE(6)
#endif
#if TILE_ROWS > 6
        PRODUCT_CASE(7)
        PRODUCT_CASE(8)
#endif
#if TILE_ROWS > 8
        PRODUCT_CASE(9)
        PRODUCT_CASE(10)
        PRODUCT_CASE(11)
        PRODUCT_CASE(12)
        PRODUCT_CASE(13)
        PRODUCT_CASE(14)
#endif
    }
}

static void tile_table(int mr, long K, const float *A, long ka, const float *B, long kb, float *C, long ldc, bool from_c) {
    product_table(mr, K, A, ka, B, &(TileSums){.from = from_c ? C : NULL, .to = C, .ld = ldc});
}
