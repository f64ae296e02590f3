// rows.cu: rows and columns moved: gathered, put, stored, sliced, transposed; and the mean over tokens.
//
// Twins: the loops of the same names in model/ops_cpu.c.
// Floor: 8 bytes an element moved (4 + the stored type's size for a table); no arithmetic: memory-bound.
// Repeats: bit for bit, and equal to the CPU's bits (the mean is summed in double over tokens ascending, one thread a channel).
// Needs: no alignment.
//   version
//   0  one element a thread, row and column by division    in use for all but the transposition
//   1  transpose: tiles of 32 x 32 through shared memory   in use: both sides coalesced; a row of 33 keeps the banks apart
#include "light.h"

#define WIDE 256

static dim3 blocks_of(long n) { return DIM3((n + WIDE - 1) / WIDE, 1, 1); }

#define ELEMENT                                                                                    \
    const long i = (long)blockIdx.x * WIDE + threadIdx.x;                                          \
    if (i >= R * C) return;                                                                        \
    const long r = i / C, c = i % C

static __global__ void embedding_kernel(float *out, const void *table, int type, const int32_t *ids, long R, long C) {
    ELEMENT;
    out[i] = widened(table, type, (size_t)ids[r] * (size_t)C + (size_t)c);
}

static __global__ void copy_block_kernel(float *out, long ldo, const float *x, long ldx, long R, long C) {
    ELEMENT;
    out[r * ldo + c] = x[r * ldx + c];
}

static __global__ void broadcast_kernel(float *out, long ldo, const void *row, int type, long R, long C) {
    ELEMENT;
    out[r * ldo + c] = widened(row, type, (size_t)c);
}

static __global__ void rows_at_kernel(float *out, const float *x, const int32_t *index, long R, long T, long C) {
    ELEMENT;
    out[i] = x[(r * T + index[r]) * C + c];
}

static __global__ void rows_put_kernel(float *x, const int32_t *index, const float *rows, long R, long C) {
    ELEMENT;
    if (index[r] >= 0) x[(long)index[r] * C + c] = rows[i];
}

// r counts tokens of all texts: b * T + t
static __global__ void rows_store_kernel(float *store, const float *x, const int32_t *at, long R, long T, long capacity, long C) {
    ELEMENT;
    const long b = r / T, t = r % T;
    store[(b * capacity + at[b] + t) * C + c] = x[i];
}

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

HOST void cuda_embedding(float *out, Stored table, const int32_t *ids, long R, long C, cudaStream_t s) { RUN(embedding_kernel, out, table.data, table.type, ids, R, C); }

HOST void cuda_copy_block(float *out, long ldo, const float *x, long ldx, long R, long C, cudaStream_t s) { RUN(copy_block_kernel, out, ldo, x, ldx, R, C); }

HOST void cuda_broadcast_row(float *out, long ldo, Stored row, long R, long C, cudaStream_t s) { RUN(broadcast_kernel, out, ldo, row.data, row.type, R, C); }

HOST void cuda_rows_at(float *out, const float *x, const int32_t *index, long R, long T, long C, cudaStream_t s) { RUN(rows_at_kernel, out, x, index, R, T, C); }

HOST void cuda_rows_put(float *x, const int32_t *index, const float *rows, long R, long C, cudaStream_t s) { RUN(rows_put_kernel, x, index, rows, R, C); }

HOST void cuda_rows_store(float *store, const float *x, const int32_t *at, long B, long T, long capacity, long C, cudaStream_t s) {
    const long R = B * T;
    RUN(rows_store_kernel, store, x, at, R, T, capacity, C);
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
