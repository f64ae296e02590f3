// kernels_tile.h: packing for products (their versions: gemm_blocks.c).
#include "kernels_turn.h"

#define GROUPS (((TILE_ROWS > THIN_BLOCK ? TILE_ROWS : THIN_BLOCK) + LANES - 1) / LANES) // vectors that hold a column of A's rows

// out[c rows + r] = x[r ld + c]; up to GROUPS * LANES rows. Writes a vector's width at a time: up to LANES floats
// behind the last are overwritten too.
INLINE void turn_rows(float *out, const float *x, long ld, int rows, long columns) {
    long c = 0;
    for (; c + LANES <= columns; c += LANES) {
        V t[GROUPS][LANES];
        for (int g = 0; g < GROUPS && (g == 0 || g * LANES < rows); g++) {
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

// out[c ldo + r] = x[r ld + c].
static void turn_table(float *out, long ldo, const float *x, long ld, long rows, long columns) {
    for (long r = 0; r < rows; r += LANES)
        for (long c = 0; c < columns; c += LANES) {
            if (r + LANES <= rows && c + LANES <= columns) {
                V t[LANES];
                for (int i = 0; i < LANES; i++) t[i] = load(x + (r + i) * ld + c);
                turn(t);
                for (int i = 0; i < LANES; i++) store(out + (c + i) * ldo + r, t[i]);
            } else {
                for (long i = r; i < rows && i < r + LANES; i++)
                    for (long j = c; j < columns && j < c + LANES; j++) out[j * ldo + i] = x[i * ld + j];
            }
        }
}

// Rows m … m + rows of A: out[k wide + r], filled up with zeros.
static void pack_x_table(float *out, long wide, const Gemm *g, long m, long rows, long k0, long kn) {
    for (long k = 0; rows < wide && k < kn; k++) memset(out + k * wide + rows, 0, (size_t)(wide - rows) * sizeof *out);
    turn_table(out, wide, g->A + m * g->lda + k0, g->lda, rows, kn);
    if (g->compute == COMPUTE_BF16) round_table(out, kn * wide);
}
