// kernels_tile.h: packing for products, and products of few rows. Every element of C is one chain of fused multiply-adds over ascending k.
#include "kernels_turn.h"

// ---- packing

#define GROUPS ((TILE_ROWS + LANES - 1) / LANES) // vectors that hold a column of A's tile

// out[c rows + r] = x[r ld + c]; up to GROUPS * LANES rows. Writes a vector's width at a time: up to LANES floats
// behind the last are overwritten too.
INLINE void turn_rows(float *out, const float *x, long ld, int rows, long columns) {
    long c = 0;
    for (; c + LANES <= columns; c += LANES) {
        V t[GROUPS][LANES];
        for (int g = 0; g < GROUPS; g++) {
            for (int r = 0; r < LANES; r++) t[g][r] = g * LANES + r < rows ? load(x + (g * LANES + r) * ld + c) : all(0);
            turn(t[g]);
        }
        for (int j = 0; j < LANES; j++)
            for (int g = 0; g < GROUPS; g++)
                if (g == 0 || g * LANES < rows) store(out + (c + j) * rows + g * LANES, t[g][j]);
    }
    for (; c < columns; c++)
        for (int r = 0; r < rows; r++) out[c * rows + r] = x[r * ld + c];
}

// Rows [m0, m0 + mr) of op(A), columns [k0, k0 + kn): out[k mr + r], and up to 16 floats of no meaning behind.
static void pack_a_table(float *out, const Gemm *g, long m0, int mr, long k0, long kn) {
    if (g->kind != GEMM_TN) {
        turn_rows(out, g->A + m0 * g->lda + k0, g->lda, mr, kn);
        return;
    }
    for (long k = 0; k < kn; k++) {
        const float *a = g->A + (k0 + k) * g->lda + m0;
        if (m0 + GROUPS * LANES <= g->M)
            for (int v = 0; v < GROUPS; v++) store(out + k * mr + v * LANES, load(a + v * LANES));
        else
            for (int r = 0; r < mr; r++) out[k * mr + r] = a[r];
    }
}

// B (N, K): columns of the product are rows of the weight.
INLINE void pack_turned(float *out, const Gemm *g, Dtype type, long k0, long kn, long n0) {
    size_t item = type == DTYPE_F32 ? 4 : 2, row = (size_t)g->ldb * item;
    for (int v = 0; v < TILE_VECTORS; v++) {
        long first = n0 + v * LANES, rows = g->N - first < LANES ? g->N - first : LANES;
        const char *base = (const char *)g->B + (size_t)first * row + (size_t)k0 * item;
        float *o = out + v * LANES;
        long k = 0;
        if (rows == LANES && type == DTYPE_BF16) // a pair of bf16 is one lane until it has been turned
            for (; k + 2 * LANES <= kn; k += 2 * LANES) {
                V t[LANES];
                for (int r = 0; r < LANES; r++) t[r] = load((const float *)(base + (size_t)r * row) + k / 2);
                turn(t);
                for (int j = 0; j < LANES; j++) {
                    store(o + (k + 2 * j) * TILE_VECTORS * LANES, pair_first(t[j]));
                    store(o + (k + 2 * j + 1) * TILE_VECTORS * LANES, pair_second(t[j]));
                }
            }
        if (rows == LANES)
            for (; k + LANES <= kn; k += LANES) {
                V t[LANES];
                for (int r = 0; r < LANES; r++) t[r] = widen_vector(base + (size_t)r * row, type, k);
                turn(t);
                for (int j = 0; j < LANES; j++) store(o + (k + j) * TILE_VECTORS * LANES, t[j]);
            }
        for (; k < kn; k++)
            for (int r = 0; r < LANES; r++) o[k * TILE_VECTORS * LANES + r] = r < rows ? widen_one(base + (size_t)r * row, type, k) : 0;
    }
}

// One panel of NR columns from n0, filled up with zeros: out[k NR + n].
static void pack_b_table(float *out, const Gemm *g, long k0, long kn, long n0) {
    if (g->kind == GEMM_NT) {
        switch (g->B_type) {
        case DTYPE_BF16: pack_turned(out, g, DTYPE_BF16, k0, kn, n0); break;
        case DTYPE_F16: pack_turned(out, g, DTYPE_F16, k0, kn, n0); break;
        default: pack_turned(out, g, DTYPE_F32, k0, kn, n0);
        }
        return;
    }
    long columns = g->N - n0 < TILE_VECTORS * LANES ? g->N - n0 : TILE_VECTORS * LANES;
    size_t item = g->B_type == DTYPE_F32 ? 4 : 2;
    for (long k = 0; k < kn; k++) {
        const void *row = (const char *)g->B + ((size_t)(k0 + k) * (size_t)g->ldb + (size_t)n0) * item;
        float *o = out + k * TILE_VECTORS * LANES;
        if (columns == TILE_VECTORS * LANES)
            for (int v = 0; v < TILE_VECTORS; v++) store(o + v * LANES, widen_vector(row, g->B_type, v * LANES));
        else
            for (long i = 0; i < TILE_VECTORS * LANES; i++) o[i] = i < columns ? widen_one(row, g->B_type, i) : 0;
    }
}

// ---- few rows: a weight is read once and never packed

// Where vectors are wide enough that memory is what is waited for, it is asked ahead: lines of one row, then of another, since neighbours
// in memory come faster than a line of every row. The rows of a square are streams far apart, each read row after row; short rows
// are neighbours, and the next square's are asked for.
#define STREAMS (LANES == 16)
#define AHEAD 1024      // bytes of a stream
#define LONG_ROW 4096   // bytes

INLINE void ask_lines(const char *next, size_t row, int rows, int lines) {
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
        for (int i = 0; i < lines; i++) __builtin_prefetch(next + (size_t)r * row + i * 64, 0, 2);
}

// Each of `lines` steps of 64 bytes asks for as many lines of some of the sixteen rows.
INLINE void ask(const char *B, size_t row, long step, int lines, size_t ahead) {
    const char *next = B + (size_t)(step % lines * (16 / lines)) * row + (size_t)(step / lines * lines) * 64 + ahead;
    switch (lines) {
    case 8: ask_lines(next, row, 2, 8); break;
    case 4: ask_lines(next, row, 4, 4); break;
    case 2: ask_lines(next, row, 8, 2); break;
    default: ask_lines(next, row, 16, 1);
    }
}

// acc (M, rows <= LANES) += X (K, M) · B (rows, K)ᵀ from k on, as far as whole squares of B reach: one at a time is turned in registers
// and used at once. ahead: bytes to what is asked for, or 0. Returns the k where that ends.
INLINE long thin_squares(V *acc, int M, const float *X, const char *B, Dtype type, size_t row, int rows, long K, size_t ahead) {
    bool asks = STREAMS && ahead > 0;
    long bytes = K * (type == DTYPE_BF16 ? 2 : 4);
    int lines = bytes >= 512 ? 8 : bytes >= 256 ? 4 : bytes >= 128 ? 2 : 1;
    long k = 0;
    if (type == DTYPE_BF16) // two at a time: a pair of bf16 is one lane until it has been turned
        for (; k + 2 * LANES <= K; k += 2 * LANES) {
            V t[LANES];
            for (int r = 0; r < LANES; r++) t[r] = r < rows ? load((const float *)(B + (size_t)r * row) + k / 2) : all(0);
            if (asks) ask(B, row, k / (2 * LANES), lines, ahead);
            turn(t);
            for (int j = 0; j < LANES; j++, X += 2 * M)
                for (int m = 0; m < M; m++) {
                    acc[m] = fused(all(X[m]), pair_first(t[j]), acc[m]);
                    acc[m] = fused(all(X[M + m]), pair_second(t[j]), acc[m]);
                }
        }
    else
        for (; k + LANES <= K; k += LANES) {
            V t[LANES];
            for (int r = 0; r < LANES; r++) t[r] = r < rows ? widen_vector(B + (size_t)r * row, type, k) : all(0);
            if (asks && type == DTYPE_F32) ask(B, row, k / LANES, lines, ahead);
            turn(t);
            for (int j = 0; j < LANES; j++, X += M)
                for (int m = 0; m < M; m++) acc[m] = fused(all(X[m]), t[j], acc[m]);
        }
    return k;
}

// C (M, rows <= LANES) = X · Bᵀ, for the edges: one copy serves every M. row: bytes between rows of B, whose columns of C are `apart`.
static __attribute__((noinline)) void thin_edge(int M, float *C, long ldc, long apart, const float *X, const char *B, Dtype type, size_t row, int rows, long K, bool from_c) {
    V acc[THIN_ROWS];
    for (int m = 0; m < M; m++) {
        acc[m] = all(0);
        for (int r = 0; from_c && r < rows; r++) acc[m][r] = C[m * ldc + r * apart];
    }
    long k = thin_squares(acc, M, X, B, type, row, rows, K, 0);
    for (X += k * M; k < K; k++, X += M) {
        float t[LANES] = {0};
        for (int r = 0; r < rows; r++) t[r] = widen_one(B + (size_t)r * row, type, k);
        for (int m = 0; m < M; m++) acc[m] = fused(all(X[m]), load(t), acc[m]);
    }
    for (int m = 0; m < M; m++)
        for (int r = 0; r < rows; r++) C[m * ldc + r * apart] = acc[m][r];
}

// A vector for each row of C, from columns that are `apart`, and back: one copy again, for lane by lane it is much code.
static __attribute__((noinline)) void take_lanes(V *acc, int M, const float *C, long ldc, long apart) {
    for (int m = 0; m < M; m++)
        for (int r = 0; r < LANES; r++) acc[m][r] = C[m * ldc + r * apart];
}

static __attribute__((noinline)) void put_lanes(const V *acc, int M, float *C, long ldc, long apart) {
    for (int m = 0; m < M; m++)
        if (apart == 1) store(C + m * ldc, acc[m]);
        else
            for (int r = 0; r < LANES; r++) C[m * ldc + r * apart] = acc[m][r];
}

INLINE void thin_columns(int M, float *C, long ldc, long apart, const float *X, const char *B, Dtype type, size_t row, long K, bool from_c) {
    V acc[THIN_ROWS], there[THIN_ROWS]; // in registers, and as they are taken and put
    for (int m = 0; m < M; m++) acc[m] = all(0);
    if (from_c) {
        take_lanes(there, M, C, ldc, apart);
        for (int m = 0; m < M; m++) acc[m] = there[m];
    }
    long k = thin_squares(acc, M, X, B, type, row, LANES, K, apart > 1 ? AHEAD : LANES * row);
    for (int m = 0; m < M; m++) there[m] = acc[m];
    put_lanes(there, M, C, ldc, apart);
    if (k < K) thin_edge(M, C, ldc, apart, X + k * M, B + (size_t)k * (type == DTYPE_F32 ? 4 : 2), type, row, LANES, K - k, true);
}

// Columns n, n + apart, … at once, or neighbours.
#define THIN_CASE(m, type)                                                                         \
    case m:                                                                                        \
        for (long i = 0; i < N / LANES; i++, n += apart > 1 ? 1 : LANES)                           \
            thin_columns(m, C + n, ldc, apart, X, B + (size_t)n * row, type, row * (size_t)apart, K, from_c); \
        n = N / LANES * LANES;                                                                     \
        break;
#if TILE_ROWS > 4
#define THIN_MORE(type) THIN_CASE(5, type) THIN_CASE(6, type) THIN_CASE(7, type) THIN_CASE(8, type)
#else // where fmaf is called one loop serves them as well
#define THIN_MORE(type)
#endif
#define THIN_TYPE(name, type)                                                                      \
    static void name(int M, float *C, long ldc, const float *X, const char *B, size_t row, long N, long K, bool from_c) { \
        long n = 0, apart = STREAMS && K * (type == DTYPE_F32 ? 4 : 2) >= LONG_ROW ? N / LANES : 1; \
        switch (M) {                                                                               \
            THIN_CASE(1, type)                                                                     \
            THIN_CASE(2, type)                                                                     \
            THIN_CASE(3, type)                                                                     \
            THIN_CASE(4, type)                                                                     \
            THIN_MORE(type)                                                                        \
        }                                                                                          \
        for (; n < N; n += LANES) thin_edge(M, C + n, ldc, 1, X, B + (size_t)n * row, type, row, N - n < LANES ? (int)(N - n) : LANES, K, from_c); \
    }
THIN_TYPE(thin_f32, DTYPE_F32)
THIN_TYPE(thin_bf16, DTYPE_BF16)
THIN_TYPE(thin_f16, DTYPE_F16)

// C (M, N) = X · Bᵀ for M <= THIN_ROWS, on top of the old C when `from_c`; X packed as (K, M), B (N, K) with rows of ldb
// elements.
static void thin_table(int M, float *C, long ldc, const float *X, const void *B, Dtype type, long ldb, long N, long K, bool from_c) {
    switch (type) {
    case DTYPE_BF16: thin_bf16(M, C, ldc, X, B, (size_t)ldb * 2, N, K, from_c); break;
    case DTYPE_F16: thin_f16(M, C, ldc, X, B, (size_t)ldb * 2, N, K, from_c); break;
    default: thin_f32(M, C, ldc, X, B, (size_t)ldb * 4, N, K, from_c);
    }
}
