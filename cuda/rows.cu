// rows.cu: rows and columns moved: gathered, put, stored, sliced, transposed; and the mean over tokens.
//
// Twins: the loops of the same names in model/ops_cpu.c.
// Floor: 8 bytes an element moved (4 + the stored type's size for a table); no arithmetic: memory-bound.
// Repeats: bit for bit, and equal to the CPU's bits (the mean is summed in double over tokens ascending, one thread a channel).
// Needs: no alignment.
//   version
//   0  one element a thread, row and column by division    divisions in 64 bits: 0.33 of copy speed (H200); where little is moved
//   2  four elements a thread, read before the first is written, divisions in 32 bits    in use for what is moved often
//   1  transpose: tiles of 32 x 32 through shared memory   in use: both sides coalesced; a row of 33 keeps the banks apart
#include "light.h"

#define WIDE 256

static dim3 blocks_of(long n) { return DIM3((n + WIDE - 1) / WIDE, 1, 1); }

// Rows and columns of an element; in 32 bits where they hold it: a division in 64 takes a hundred instructions.
static __device__ inline long row_at(long i, long C) { return i >> 31 || C >> 31 ? i / C : (long)((uint32_t)i / (uint32_t)C); }

#define ELEMENT                                                                                    \
    const long i = (long)blockIdx.x * WIDE + threadIdx.x;                                          \
    if (i >= R * C) return;                                                                        \
    const long r = row_at(i, C), c = i - r * C

// A kernel that moves elements: four a thread, all read before the first is written. r and c are the row and the column.
#define EACH 4
#define MOVED                                                                                      \
    const long i = ((long)blockIdx.x * EACH + k) * WIDE + threadIdx.x;                             \
    if (i >= R * C) continue;                                                                      \
    const long r = row_at(i, C), c = i - r * C;                                                    \
    (void)r, (void)c
#define MOVES(name, to, from, ...)                                                                 \
    static __global__ void name(__VA_ARGS__, long R, long C) {                                     \
        FRAGMENT(float, y, EACH);                                                                  \
        UNROLL                                                                                     \
        for (int k = 0; k < EACH; k++) {                                                           \
            MOVED;                                                                                 \
            y[k] = from;                                                                           \
        }                                                                                          \
        UNROLL                                                                                     \
        for (int k = 0; k < EACH; k++) {                                                           \
            MOVED;                                                                                 \
            to = y[k];                                                                             \
        }                                                                                          \
    }

MOVES(embedding_kernel, out[i], widened(table, type, (size_t)ids[r] * (size_t)C + (size_t)c), float *out, const void *table, int type, const int32_t *ids)
MOVES(copy_block_kernel, out[r * ldo + c], x[r * ldx + c], float *out, long ldo, const float *x, long ldx)
MOVES(broadcast_kernel, out[r * ldo + c], widened(row, type, (size_t)c), float *out, long ldo, const void *row, int type)
MOVES(rows_at_kernel, out[i], x[(r * T + index[r]) * C + c], float *out, const float *x, const int32_t *index, long T)

static __global__ void rows_put_kernel(float *x, const int32_t *index, const float *rows, long R, long C) {
    ELEMENT;
    if (index[r] >= 0) x[(long)index[r] * C + c] = rows[i];
}

// r counts tokens of all texts: b * T + t
MOVES(rows_store_kernel, store[(r / T * capacity + at[r / T] + r % T) * C + c], x[i], float *store, const float *x, const int32_t *at, long T, long capacity)

static __global__ void mean_tokens_kernel(float *out, const float *x, long R, long T, long C) {
    ELEMENT;
    double sum = 0;
    for (long t = 0; t < T; t++) sum += (double)x[(r * T + t) * C + c];
    out[i] = (float)(sum / (double)T);
}

// r counts patches of all pictures, c (channel, y, x) within one
static __global__ void patchify_kernel(float *out, const float *pixels, long R, long C, long channels, long h, long w, long P) {
    ELEMENT;
    const long GH = h / P, GW = w / P, b = r / (GH * GW), at = r % (GH * GW), channel = c / (P * P), y = at / GW * P + c / P % P, x = at % GW * P + c % P;
    out[i] = pixels[((b * channels + channel) * h + y) * w + x];
}

#define SIDE 32
#define SLICES 8 // a thread moves SIDE / SLICES elements

static __global__ void transpose_kernel(float *out, const float *x, long R, long C) {
    __shared__ float tile[SIDE][SIDE + 1];
    const long r0 = (long)blockIdx.x * SIDE, c0 = (long)blockIdx.y * SIDE;
    for (long k = threadIdx.y; k < SIDE; k += SLICES)
        if (r0 + k < R && c0 + threadIdx.x < C) tile[k][threadIdx.x] = x[(r0 + k) * C + c0 + threadIdx.x];
    __syncthreads();
    for (long k = threadIdx.y; k < SIDE; k += SLICES)
        if (c0 + k < C && r0 + threadIdx.x < R) out[(c0 + k) * R + r0 + threadIdx.x] = tile[threadIdx.x][k];
}

#define RUN(kernel, ...)                                                                           \
    if (R > 0 && C > 0) LAUNCH(kernel, blocks_of(R * C), DIM3(WIDE, 1, 1), 0, s, __VA_ARGS__)
#define MOVE(kernel, ...)                                                                          \
    if (R > 0 && C > 0) LAUNCH(kernel, blocks_of((R * C + EACH - 1) / EACH), DIM3(WIDE, 1, 1), 0, s, __VA_ARGS__, R, C)

HOST void cuda_embedding(float *out, Stored table, const int32_t *ids, long R, long C, cudaStream_t s) { MOVE(embedding_kernel, out, table.data, table.type, ids); }

HOST void cuda_copy_block(float *out, long ldo, const float *x, long ldx, long R, long C, cudaStream_t s) { MOVE(copy_block_kernel, out, ldo, x, ldx); }

HOST void cuda_broadcast_row(float *out, long ldo, Stored row, long R, long C, cudaStream_t s) { MOVE(broadcast_kernel, out, ldo, row.data, row.type); }

HOST void cuda_rows_at(float *out, const float *x, const int32_t *index, long R, long T, long C, cudaStream_t s) { MOVE(rows_at_kernel, out, x, index, T); }

HOST void cuda_rows_put(float *x, const int32_t *index, const float *rows, long R, long C, cudaStream_t s) { RUN(rows_put_kernel, x, index, rows, R, C); }

HOST void cuda_rows_store(float *store, const float *x, const int32_t *at, long B, long T, long capacity, long C, cudaStream_t s) {
    const long R = B * T;
    MOVE(rows_store_kernel, store, x, at, T, capacity);
}

HOST void cuda_mean_tokens(float *out, const float *x, long R, long T, long C, cudaStream_t s) { RUN(mean_tokens_kernel, out, x, R, T, C); }

HOST void cuda_patchify(float *out, const float *pixels, long B, long channels, long h, long w, long P, cudaStream_t s) {
    const long R = B * (h / P) * (w / P), C = channels * P * P;
    RUN(patchify_kernel, out, pixels, R, C, channels, h, w, P);
}

HOST void cuda_transpose(float *out, const float *x, long R, long C, cudaStream_t s) {
    if (R == 0 || C == 0) return;
    need((C + SIDE - 1) / SIDE <= 65535, "transpose: %ld columns are more than a grid holds", C);
    LAUNCH(transpose_kernel, DIM3((R + SIDE - 1) / SIDE, (C + SIDE - 1) / SIDE, 1), DIM3(SIDE, SLICES, 1), 0, s, out, x, R, C);
}
