// rows.cu: rows and columns moved: gathered, put, stored, sliced, transposed; and the mean over tokens.
//
// Twins: the loops of the same names in model/ops_cpu.c.
// Floor: 8 bytes an element moved (4 + the stored type's size for a table); no arithmetic: memory-bound.
// Repeats: bit for bit, and equal to the CPU's bits (the mean is summed in double over tokens ascending, one thread a channel).
// Needs: no alignment.
//   version
//   0  one element a thread, row and column by division    divisions in 64 bits: 0.33 of copy speed (H200); where little is moved
//   2  four elements a thread, read before the first is written, divisions in 32 bits    gather of bf16 rows 0.42, copies 0.57: two
//                                                          divisions an element; in use where rows do not stand on sixteen bytes
//   3  the same with four neighbours for an element        copies 0.94; gather 0.76: a division and an index for each
//   4  gather: a block a piece of a row                    in use: 0.88
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

// A kernel that moves elements: four a thread, all read before the first is written. r and c are the row and the column; `to` and `from`
// say which element of out and of a source of this type belong to them.
#define EACH 4
#define MOVED(wide)                                                                                \
    const long i = ((long)blockIdx.x * EACH + k) * WIDE + threadIdx.x;                             \
    if (i >= R * C) continue;                                                                      \
    const long r = row_at(i, C), c = (i - r * C) * wide;                                           \
    (void)r, (void)c
#define MOVES_OF(name, wide, element, widened_, to, source, type, from, ...)                       \
    static __global__ void name(__VA_ARGS__, long R, long C) {                                     \
        FRAGMENT(element, y, EACH);                                                                \
        UNROLL                                                                                     \
        for (int k = 0; k < EACH; k++) {                                                           \
            MOVED(wide);                                                                           \
            y[k] = widened_(source, type, (size_t)(from));                                         \
        }                                                                                          \
        UNROLL                                                                                     \
        for (int k = 0; k < EACH; k++) {                                                           \
            MOVED(wide);                                                                           \
            *(element *)(out + (to)) = y[k];                                                       \
        }                                                                                          \
    }
// One kernel for any rows, one for rows in fours: then C counts fours.
#define MOVES(name, to, source, type, from, ...)                                                   \
    MOVES_OF(name, 1, float, widened, to, source, type, from, __VA_ARGS__)                         \
    MOVES_OF(name##_fours, 4, float4, widened_four, to, source, type, from, __VA_ARGS__)

MOVES_OF(embedding_kernel, 1, float, widened, r *width + c, table, type, ids[r] * width + c, float *out, const void *table, int type, const int32_t *ids, long width)
MOVES(copy_block_kernel, r *ldo + c, x, DTYPE_F32, r *ldx + c, float *out, long ldo, const float *x, long ldx)
MOVES(broadcast_kernel, r *ldo + c, row, type, c, float *out, long ldo, const void *row, int type)
MOVES(rows_at_kernel, r *width + c, x, DTYPE_F32, (r * T + index[r]) * width + c, float *out, const float *x, const int32_t *index, long T, long width)
// r counts tokens of all texts: b * T + t
MOVES(rows_store_kernel, (r / T * capacity + at[r / T] + r % T) * width + c, x, DTYPE_F32, r *width + c, float *out, const float *x, const int32_t *at, long T, long capacity, long width)

// A block a piece of one row: no division, one index. What is stored is loaded as it is: a choice of types between two loads would make
// the second wait for the first.
#define GATHER(name, stored_four, widen)                                                           \
    static __global__ __launch_bounds__(WIDE) void name(float *out, const stored_four *table, int type, const int32_t *ids, int fours) { \
        const int first = (int)blockIdx.y * WIDE * EACH + (int)threadIdx.x;                        \
        FRAGMENT(stored_four, y, EACH);                                                            \
        const stored_four *from = table + (size_t)ids[blockIdx.x] * fours;                         \
        float4 *to = (float4 *)out + (size_t)blockIdx.x * fours;                                   \
        UNROLL                                                                                     \
        for (int k = 0; k < EACH; k++)                                                             \
            if (first + k * WIDE < fours) y[k] = from[first + k * WIDE];                           \
        UNROLL                                                                                     \
        for (int k = 0; k < EACH; k++)                                                             \
            if (first + k * WIDE < fours) to[first + k * WIDE] = widen;                            \
        (void)type;                                                                                \
    }
GATHER(gather_f32, float4, y[k])
GATHER(gather_halves, uint2, widened_four(&y[k], type, 0))

static __global__ void rows_rounded_kernel(uint16_t *store, const float *x, const int32_t *at, long T, long capacity, long R, long C) { // rows_store into bf16
    ELEMENT;
    store[(r / T * capacity + at[r / T] + r % T) * C + c] = bf16_of(x[i]);
}

static __global__ void rows_put_kernel(float *x, const int32_t *index, const float *rows, long R, long C) {
    ELEMENT;
    if (index[r] >= 0) x[(long)index[r] * C + c] = rows[i];
}

#define EIGHT 8
static __global__ void mean_tokens_kernel(float *out, const float *x, long R, long T, long C) {
    ELEMENT;
    double sum = 0;
    x += r * T * C + c;
    long t = 0;
    for (; t + EIGHT <= T; t += EIGHT) { // on their way together
        FRAGMENT(float, y, EIGHT);
        UNROLL
        for (int k = 0; k < EIGHT; k++) y[k] = x[(t + k) * C];
        UNROLL
        for (int k = 0; k < EIGHT; k++) sum += (double)y[k];
    }
    for (; t < T; t++) sum += (double)x[t * C];
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
#define BLOCKS blocks_of((R * C + EACH - 1) / EACH)
#define MOVE(fours, kernel, ...)                                                                   \
    if (R <= 0 || C <= 0) return;                                                                  \
    if (fours) {                                                                                   \
        C /= 4;                                                                                    \
        LAUNCH(kernel##_fours, BLOCKS, DIM3(WIDE, 1, 1), 0, s, __VA_ARGS__, R, C);                 \
    } else LAUNCH(kernel, BLOCKS, DIM3(WIDE, 1, 1), 0, s, __VA_ARGS__, R, C)

// Both stand on sixteen bytes, and so do all rows: their lengths and distances are fours.
static bool in_fours(const void *a, const void *b, long lengths) { return ((uintptr_t)a | (uintptr_t)b) % 16 == 0 && lengths % 4 == 0; }

HOST void cuda_embedding(float *out, Stored table, const int32_t *ids, long R, long C, cudaStream_t s) {
    if (R <= 0 || C <= 0) return;
    const dim3 pieces = DIM3(R, (C / 4 + WIDE * EACH - 1) / (WIDE * EACH), 1);
    const bool fours = in_fours(out, table.data, C) && C < INT32_MAX;
    if (fours && table.type == DTYPE_F32) LAUNCH(gather_f32, pieces, DIM3(WIDE, 1, 1), 0, s, out, (const float4 *)table.data, table.type, ids, (int)(C / 4));
    else if (fours) LAUNCH(gather_halves, pieces, DIM3(WIDE, 1, 1), 0, s, out, (const uint2 *)table.data, table.type, ids, (int)(C / 4));
    else LAUNCH(embedding_kernel, BLOCKS, DIM3(WIDE, 1, 1), 0, s, out, table.data, table.type, ids, C, R, C);
}

HOST void cuda_copy_block(float *out, long ldo, const float *x, long ldx, long R, long C, cudaStream_t s) {
    MOVE(in_fours(out, x, C | ldo | ldx), copy_block_kernel, out, ldo, x, ldx);
}

HOST void cuda_broadcast_row(float *out, long ldo, Stored row, long R, long C, cudaStream_t s) {
    MOVE(in_fours(out, row.data, C | ldo), broadcast_kernel, out, ldo, row.data, row.type);
}

HOST void cuda_rows_at(float *out, const float *x, const int32_t *index, long R, long T, long C, cudaStream_t s) {
    const long width = C;
    MOVE(in_fours(out, x, C), rows_at_kernel, out, x, index, T, width);
}

HOST void cuda_rows_put(float *x, const int32_t *index, const float *rows, long R, long C, cudaStream_t s) { RUN(rows_put_kernel, x, index, rows, R, C); }

HOST void cuda_rows_store_rounded(uint16_t *store, const float *x, const int32_t *at, long B, long T, long capacity, long C, cudaStream_t s) {
    const long R = B * T;
    RUN(rows_rounded_kernel, store, x, at, T, capacity, R, C);
}

HOST void cuda_rows_store(float *store, const float *x, const int32_t *at, long B, long T, long capacity, long C, cudaStream_t s) {
    const long R = B * T, width = C;
    MOVE(in_fours(store, x, C), rows_store_kernel, store, x, at, T, capacity, width);
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
