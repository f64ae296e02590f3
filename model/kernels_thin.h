// kernels_thin.h: products of few rows: a weight is read once and never packed. Every element of C is one chain of fused multiply-adds over
// ascending k. Words are what they are in kernels_spread.h.
//
// LANES rows of the weight are turned, a square at a time, and every row of X takes a square's columns: those of the first block, whose
// sums stay in registers, at once, and those of further blocks a stretch of k later, from the squares that were kept in L1.
//
// Where vectors are wide enough that memory is what is waited for, it is asked ahead. The rows of a square are streams far apart, each read row
// after row: lines of one row are asked for, then of another, since neighbours in memory come faster than a line of every row. Or they are
// neighbours, as short rows always are: all that lies behind them is asked for in its order. Processors differ in which is faster (gemm.c).
//   version                                       8, 16, 32 rows by 4096 x 4096 of bf16 from memory, ms, one thread of AVX-512
//   0  blocks of 8; more than 8: gemm_blocks.c    3.2, 6.4, 9.0
//   1  blocks of 8, each turns the weight anew    3.2, 5.9, 11.7: eight sums are no more than an addition's latency asks for
//   2  blocks of 16, each turns anew              3.2, 4.7, 8.8
//   3  turned once; memory asked for as before    3.5, 4.5, 7.9: sixteen lines at once, and what is loaded waits behind them
//   4  as said above                              3.2, 4.7, 8.1, in use
// What lies behind neighbouring rows asked for by AVX2, too (Zen 5): 1, 4, 8 rows of f32, two threads, 1.50, 1.81, 2.14 to 1.03, 1.07, 1.42; bf16 1.16, 1.33, 1.69 to 0.94, 0.98, 1.42.
#define STREAMS (LANES == 16)
#define ORDERED (LANES >= 8) // what lies behind neighbouring rows is asked for
#define SQUARE_BYTES (LANES * LANES * (int)sizeof(float)) // of the weight
#define AHEAD 1024    // bytes of a stream
#define LONG_ROW 4096 // bytes
#define KEPT (16384 / SQUARE_BYTES) // squares

typedef struct {
    const char *B; // the first of the rows
    Dtype type;
    size_t row;   // bytes from one to the next
    int rows;     // of LANES
    size_t ahead; // bytes to what is asked for, or 0
    bool in_order; // it is sixteen lines one behind the other; else eight of two rows, then of two others
} Thin;

// ---- a square

// A pair of bf16 is one lane until it is used; where a word is one, it stays.
INLINE bool in_pairs(Dtype type) { return WORD == 1 && type == DTYPE_BF16; }

INLINE long square_values(Dtype type) { return in_pairs(type) ? 2 * LANES : WORD * LANES; } // of k

typedef enum { TURNED, IN_ORDER, PIECES } How; // squares that are there; squares to be turned, and what is asked for

// The first of the lines that square `step` asks for.
INLINE const char *asked(const Thin *t, How how, long step) {
    const long turn = step % 8;
    return t->B + t->ahead + (how == IN_ORDER ? (size_t)step * SQUARE_BYTES : (size_t)(turn * (LANES / 8)) * t->row + (size_t)(step - turn) * 64);
}

// Its line j. What comes in order is kept by L2 in any case, and comes faster by way of L1.
INLINE void ask(const char *first, How how, size_t row, int j) {
    if (how == IN_ORDER) __builtin_prefetch(first + j * 64, 0, 3);
    else __builtin_prefetch(first + (size_t)(j / 8) * row + (size_t)(j % 8) * 64, 0, 2);
}

INLINE V line_of(const char *row, Dtype type, long k) { return in_pairs(type) ? load((const float *)row + k / 2) : lay_vector(row, type, k); }

INLINE void square_of(V *out, const Thin *t, Dtype type, long k, int rows) {
    V x[LANES];
    const char *B = t->B;
    for (int r = 0; r < LANES; r += 4, B += 4 * t->row) // four at a time: few registers hold all addresses
        for (int i = 0; i < 4; i++) x[r + i] = r + i < rows ? line_of(B + (size_t)i * t->row, type, k) : all(0);
    turn(x);
    for (int j = 0; j < LANES; j++) out[j] = x[j];
}

// Of rows fewer than LANES: all of [k, end) before they are used.
static __attribute__((noinline)) void squares_part(V *out, const Thin *t, long k, long end) {
    for (long values = square_values(t->type); k < end; k += values, out += LANES) square_of(out, t, t->type, k, t->rows);
}

// acc (M) += X (values, M) · the square's columns. Memory is asked a line at a time: all at once, the loads would wait behind them.
INLINE void square_used(V *acc, int M, const float *X, const V *square, bool pairs, How how, const char *wanted, size_t row) {
    for (int j = 0; j < LANES; j++, X += pairs ? 2 * M : M) {
        if (wanted && j < SQUARE_BYTES / 64) ask(wanted, how, row, j);
        for (int m = 0; m < M; m++) {
            acc[m] = fused(all(X[m]), pairs ? pair_first(square[j]) : square[j], acc[m]);
            if (pairs) acc[m] = fused(all(X[M + m]), pair_second(square[j]), acc[m]);
        }
    }
}

// ---- a block of rows

// Squares of the values [k, end): turned now, and kept for other blocks where there are some, or turned before.
typedef struct {
    long k, end;
    V *kept;
    bool keeps, turned;
} Stretch;

// sums (M) += X (K, M) · the stretch. Where squares are kept, blocks are more than half of THIN_BLOCK.
INLINE void block_sums(int M, V *sums, const float *X, const Thin *t, const Stretch *s, How how, Dtype type) {
    V acc[THIN_BLOCK], *kept = s->kept;
    const bool pairs = in_pairs(type), keeps = M > THIN_BLOCK / 2 && s->keeps;
    const Thin w = *t; // not to be read anew behind every store
    for (int m = 0; m < M; m++) acc[m] = sums[m];
    for (long k = s->k, end = s->end, values = square_values(type); k < end; k += values) {
        if (how == TURNED) {
            square_used(acc, M, X + k / WORD * M, kept, pairs, how, NULL, 0);
            kept += LANES;
            continue;
        }
        V square[LANES];
        square_of(square, &w, type, k, LANES);
        if (keeps) {
            for (int j = 0; j < LANES; j++) kept[j] = square[j];
            kept += LANES;
        }
        square_used(acc, M, X + k / WORD * M, square, pairs, how, w.ahead ? asked(&w, how, k / values) : NULL, w.row);
    }
    for (int m = 0; m < M; m++) sums[m] = acc[m];
}

#define THIN_CASE(m, type)                                                                         \
    case m:                                                                                        \
        if (s->turned) block_sums(m, sums, X, t, s, TURNED, type);                                 \
        else if (ORDERED && t->in_order) block_sums(m, sums, X, t, s, IN_ORDER, type);             \
        else block_sums(m, sums, X, t, s, PIECES, type);                                           \
        break;
#if TILE_ROWS > 4 // elsewhere fmaf is called: one loop serves all
#define THIN_8(type) THIN_CASE(1, type) THIN_CASE(2, type) THIN_CASE(3, type) THIN_CASE(4, type) THIN_CASE(5, type) THIN_CASE(6, type) THIN_CASE(7, type) THIN_CASE(8, type)
#else
#define THIN_8(type)
#endif
#if THIN_BLOCK > 8
#define THIN_12(type) THIN_CASE(9, type) THIN_CASE(10, type) THIN_CASE(11, type) THIN_CASE(12, type)
#else
#define THIN_12(type)
#endif
#if THIN_BLOCK > 12
#define THIN_16(type) THIN_CASE(13, type) THIN_CASE(14, type) THIN_CASE(15, type) THIN_CASE(16, type)
#else
#define THIN_16(type)
#endif
#define THIN_TYPE(name, type)                                                                      \
    static void name(int M, V *sums, const float *X, const Thin *t, const Stretch *s) {            \
        switch (M) {                                                                               \
            THIN_8(type)                                                                           \
            THIN_12(type)                                                                          \
            THIN_16(type)                                                                          \
        default: block_sums(M, sums, X, t, s, s->turned ? TURNED : PIECES, type);                                    \
        }                                                                                          \
    }
THIN_TYPE(block_f32, DTYPE_F32)
THIN_TYPE(block_bf16, DTYPE_BF16)
THIN_TYPE(block_f16, DTYPE_F16)

static void block(int M, V *sums, const float *X, const Thin *t, const Stretch *s) {
    switch (t->type) {
    case DTYPE_BF16: block_bf16(M, sums, X, t, s); break;
    case DTYPE_F16: block_f16(M, sums, X, t, s); break;
    default: block_f32(M, sums, X, t, s);
    }
}

// The values of k that no square holds.
static __attribute__((noinline)) void block_rest(int M, V *sums, const float *X, const Thin *t, long k, long K) {
    float rest[LANES][2 * LANES] = {{0}};
    for (int r = 0; r < t->rows; r++) lay_rest(rest[r], t->B + (size_t)r * t->row + (size_t)(k * (t->type == DTYPE_F32 ? 4 : 2)), t->type, K - k);
    X += k / WORD * M;
    for (long w = 0; w * WORD < K - k; w++, X += M) {
        float b[LANES];
        for (int r = 0; r < LANES; r++) b[r] = rest[r][w];
        for (int m = 0; m < M; m++) sums[m] = fused(all(X[m]), load(b), sums[m]);
    }
}

// ---- a vector of columns

// C's columns, `apart` from one to the next, and back: one copy, for lane by lane it is much code.
static __attribute__((noinline)) void take_lanes(V *sums, int M, const float *C, long ldc, long apart, int rows) {
    for (int m = 0; m < M; m++)
        for (int r = 0; r < rows; r++) sums[m][r] = C[m * ldc + r * apart];
}

static __attribute__((noinline)) void put_lanes(const V *sums, int M, float *C, long ldc, long apart, int rows) {
    for (int m = 0; m < M; m++)
        if (apart == 1 && rows == LANES) store(C + m * ldc, sums[m]);
        else
            for (int r = 0; r < rows; r++) C[m * ldc + r * apart] = sums[m][r];
}

// C (M, t->rows) = X · Bᵀ, X in blocks of `each` rows.
static void thin_columns(int M, int each, float *C, long ldc, long apart, const float *X, const Thin *t, long K, bool from_c) {
    __attribute__((aligned(64))) V sums[THIN_ROWS_MOST], kept[KEPT * LANES];
    for (int m = 0; m < M; m++) sums[m] = all(0);
    if (from_c) take_lanes(sums, M, C, ldc, apart, t->rows);
    bool part = t->rows < LANES;
    long words = WORD == 1 ? K : (K + WORD * LANES - 1) / (WORD * LANES) * LANES, values = square_values(t->type), whole = K / values * values, length = part || M > each ? KEPT * values : K;
    for (Stretch s = {.kept = kept, .keeps = M > each}; s.k < whole; s.k = s.end) {
        s.end = s.k + length < whole ? s.k + length : whole;
        if (part) squares_part(kept, t, s.k, s.end);
        for (int m = 0; m < M; m += each) {
            s.turned = part || m > 0;
            block(M - m < each ? M - m : each, sums + m, X + m * words, t, &s);
        }
    }
    for (int m = 0; m < M && whole < K; m += each) block_rest(M - m < each ? M - m : each, sums + m, X + m * words, t, whole, K);
    put_lanes(sums, M, C, ldc, apart, t->rows);
}

// One row by LANES neighbours, by far the most of what decoding does: a loop of its own, all of which fits the registers.
INLINE V row_sums(V acc, const float *X, const char *B, size_t row, long whole, Dtype type) {
    const bool pairs = in_pairs(type);
    const char *wanted = B + LANES * row;
    for (long k = 0, values = square_values(type); k < whole; k += values, X += values / WORD, wanted += SQUARE_BYTES) {
        V x[LANES];
        const char *from = B;
        for (int r = 0; r < LANES; r += 4, from += 4 * row)
            for (int i = 0; i < 4; i++) x[r + i] = line_of(from + (size_t)i * row, type, k);
        turn(x);
        for (int j = 0; j < LANES; j++) {
            if (j < SQUARE_BYTES / 64) ask(wanted, IN_ORDER, row, j);
            acc = fused(all(X[pairs ? 2 * j : j]), pairs ? pair_first(x[j]) : x[j], acc);
            if (pairs) acc = fused(all(X[2 * j + 1]), pair_second(x[j]), acc);
        }
    }
    return acc;
}

static void row_columns(float *C, const float *X, const Thin *t, long K, bool from_c) {
    const long values = square_values(t->type), whole = K / values * values;
    V sum = from_c ? load(C) : all(0);
    if (t->type == DTYPE_F32) sum = row_sums(sum, X, t->B, t->row, whole, DTYPE_F32);
    else sum = row_sums(sum, X, t->B, t->row, whole, DTYPE_BF16);
    if (whole < K) block_rest(1, &sum, X, t, whole, K);
    store(C, sum);
}

// C (M, N) = X · Bᵀ for M <= THIN_ROWS_MOST, on top of the old C when `from_c`; X packed in equal blocks of up to THIN_BLOCK rows, each as (words, rows), B (N, K) with
// rows of ldb elements.
static void thin_table(int M, float *C, long ldc, const float *X, const void *B, Dtype type, long ldb, long N, long K, bool from_c, bool streams) {
    long item = type == DTYPE_F32 ? 4 : 2, bytes = K * item, groups = N / LANES, apart = STREAMS && streams && bytes >= LONG_ROW && groups ? groups : 1;
    size_t row = (size_t)(ldb * item);
    int each = (int)equal_rows(M, THIN_BLOCK);
    Thin t = {.type = type, .row = row * (size_t)apart, .rows = LANES, .in_order = apart == 1 && row == (size_t)bytes};
    bool lines = WORD > 1 || type != DTYPE_F16; // widened, a square of halves is half as much memory
    if (lines && (t.in_order ? ORDERED : STREAMS && bytes >= 512)) t.ahead = apart > 1 ? AHEAD : LANES * row;
    for (long i = 0; i < groups; i++) { // columns n, n + apart, … at once, or neighbours
        long n = apart > 1 ? i : i * LANES;
        t.B = (const char *)B + (size_t)n * row;
        if (ORDERED && M == 1 && t.in_order && t.ahead && type != DTYPE_F16) row_columns(C + n, X, &t, K, from_c);
        else thin_columns(M, each, C + n, ldc, apart, X, &t, K, from_c);
    }
    if (groups * LANES == N) return;
    t = (Thin){.B = (const char *)B + (size_t)(groups * LANES) * row, .type = type, .row = row, .rows = (int)(N - groups * LANES)};
    thin_columns(M, each, C + groups * LANES, ldc, 1, X, &t, K, from_c);
}
