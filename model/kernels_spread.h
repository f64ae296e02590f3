// kernels_spread.h: products of some rows by a weight that is not turned: rows of x are the lanes, and each number of the weight, taken as it lies along its
// row, is spread over them. Every element is one chain of fused multiply-adds over ascending k.
//
// Who includes it says what a word of a row is, one number (kernels_body.h) or a pair of bf16 (kernels_avx512bf16.c), by WORD, how many, and by
//   lay_vector(row, type, k)     LANES words of a weight's row from number k on
//   lay_rest(to, row, type, n)   the last n numbers of a row, fewer than LANES words, filled up to a word
//
// A tile is TILE_ROWS rows of the weight by up to TILE_VECTORS vectors of rows of x. Between its multiply-adds, by loads and stores that
// nothing else wants, the rows that come next are laid into a block that stays in L1 (as they lie, a power of two apart, they would meet in one set of it), and those after
// them are asked for, row by row: neighbours in memory come faster than a line of every row.
//   version                                            32, 64, 128 rows by 4096 x 4096 of f32 from memory, ms, one thread of AVX-512
//   0  the weight turned into panels (gemm_blocks.c)   10.1, 17.3, 30.7 (32 rows: kernels_thin.h)
//   1  laid between tiles' multiply-adds               7.9, 14.7, 27.9 – 30.2
//   2  asked for row by row                            7.6, 14.3, 27.3 – 29.2
//   3  x in stretches of k that stay in L2             7.0, 13.3 – 14.2, 26.7, in use; at the peak of multiply-adds 5.5, 11.0, 21.9

// LANES words of row r of `w`, from word k on, and the lines of as much of what comes after it: one row's after another's.
INLINE void lay_step(const Widening *w, long k, int r, Dtype type) {
    const long item = type == DTYPE_F32 ? 4 : 2, of_step = LANES * WORD * item, of_row = SPREAD_K * WORD * item;
    store(w->to + r * SPREAD_LD + k, lay_vector(w->from + (size_t)r * w->row, type, k * WORD));
    long at = (k / LANES * w->rows + r) * of_step;
    if (at % 64 == 0)
        for (long i = 0; i < of_step; i += 64) __builtin_prefetch(w->soon + (size_t)(at / of_row) * w->row + (size_t)(at % of_row + i), 0, 2);
}

// From word k on, to the end of each row.
INLINE void lay_ends(const Widening *w, long k, Dtype type) {
    const size_t item = type == DTYPE_F32 ? 4 : 2;
    for (int r = 0; r < w->rows; r++) {
        const char *row = w->from + (size_t)r * w->row;
        long i = k;
        for (; (i + LANES) * WORD <= w->values; i += LANES) store(w->to + r * SPREAD_LD + i, lay_vector(row, type, i * WORD));
        lay_rest(w->to + r * SPREAD_LD + i, row + (size_t)(i * WORD) * item, type, w->values - i * WORD);
    }
}

static void lay_table(const Widening *w, Dtype type) { lay_ends(w, 0, type); }

_Static_assert(TILE_ROWS <= 2 * LANES, "a step lays two rows at most");

INLINE void spread_step(V acc[TILE_ROWS][TILE_VECTORS], int vectors, const float *X, const float *W) {
    V x[TILE_VECTORS];
    for (int v = 0; v < vectors; v++) x[v] = load(X + v * LANES);
    for (int v = 0; v < vectors * LANES; v += 16) __builtin_prefetch(X + AHEAD_B * vectors * LANES + v);
#pragma GCC unroll 16
    for (int r = 0; r < TILE_ROWS; r++) {
        V w = all(W[r * SPREAD_LD]);
        for (int v = 0; v < vectors; v++) acc[r][v] = fused(w, x[v], acc[r][v]);
    }
}

// sums (TILE_ROWS, vectors of LANES; rows ld apart) += W (TILE_ROWS, K words) · X (K, vectors of LANES); meanwhile what `next` says, or NULL.
INLINE void spread_sums(int vectors, long K, float *sums, long ld, const float *X, const float *W, const Widening *next, Dtype type) {
    V acc[TILE_ROWS][TILE_VECTORS];
    const long each = vectors * LANES;
#pragma GCC unroll 16
    for (int r = 0; r < TILE_ROWS; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) acc[r][v] = load(sums + r * ld + v * LANES);
    long k = 0, laid = 0;
    if (next) {
        const Widening w = *next; // not to be read anew behind every store
        for (long end = K < w.values / WORD ? K : w.values / WORD; k + LANES <= end; k += LANES) {
            int j = 0;
            for (; j < LANES && j < w.rows; j++) {
                lay_step(&w, k, j, type);
                if (TILE_ROWS > LANES && j + LANES < w.rows) lay_step(&w, k, j + LANES, type);
                spread_step(acc, vectors, X + (k + j) * each, W + k + j);
            }
            for (; j < LANES; j++) spread_step(acc, vectors, X + (k + j) * each, W + k + j);
        }
        laid = k;
    }
    for (; k < K; k++) spread_step(acc, vectors, X + k * each, W + k);
#pragma GCC unroll 16
    for (int r = 0; r < TILE_ROWS; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) store(sums + r * ld + v * LANES, acc[r][v]);
    if (next) lay_ends(next, laid, type);
}

INLINE void spread_type(int vectors, long K, float *sums, long ld, const float *X, const float *W, const Widening *next, Dtype type) {
    switch (vectors) {
    case 1: spread_sums(1, K, sums, ld, X, W, next, type); break;
#if TILE_VECTORS > 1
    case 2: spread_sums(2, K, sums, ld, X, W, next, type); break;
#endif
#if TILE_VECTORS > 2
    case 3: spread_sums(3, K, sums, ld, X, W, next, type); break;
#endif
    }
}

static void spread_table(int vectors, long K, float *sums, long ld, const float *X, const float *W, const Widening *next, Dtype type) {
    if (!next) spread_type(vectors, K, sums, ld, X, W, NULL, DTYPE_F32);
    else if (type == DTYPE_BF16) spread_type(vectors, K, sums, ld, X, W, next, DTYPE_BF16);
    else if (type == DTYPE_F16) spread_type(vectors, K, sums, ld, X, W, next, DTYPE_F16);
    else spread_type(vectors, K, sums, ld, X, W, next, DTYPE_F32);
}
