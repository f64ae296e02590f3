// norms.cu: layer norm, RMS norm and length one, over rows: out (R, C).
//
// Twins: layernorm_table, rmsnorm_table and l2norm_table in model/kernels_body.h: sixteen running sums (element i goes to sum
// i mod 16), folded in halves; two passes over the centred row.
// Floor: 8RC bytes moved, about 1 operation a byte: memory-bound. A chain of sums is C / 16 additions of 4 cycles, two chains for a
// layer norm: the rows that are under way together have to hide that.
// Repeats: bit for bit, and equal to the CPU's bits.    Needs: C >= 1; no alignment.
//   version                        of copy speed, 36928 x 1024 and 8192 x 4096 (H200)
//   0  one thread a row            sixteen sums in registers: the CPU loop; a warp touches 32 rows at once
//   1  sixteen lanes a row         0.22 to 0.44    lane j holds sum j; two rows a warp, 64 bytes an access    in use where rows are too wide or crooked
//   2  the same lanes bring their row into shared memory first, sixteen bytes an access
//                                  0.57  0.24      at 4096 a block was one warp, six of them a multiprocessor, and each weight was waited for
//                                                  behind the store before it; removed
//   3  128 threads bring the rows of a block, all of it under way at once; sixteen lanes a row add up; 128 threads again take a piece
//      of the weights once for all of the block's rows      0.90  0.76 (RMS 0.82): at 4096 the blocks of a wave load, add and store together,
//                                                  and the chains of eight accesses and eight additions in turn are 3 us of its 15
//   4  sixteen numbers of a chain on their way while sixteen are added              0.78 (RMS 0.82): each of a thread's eight pieces of the weights was
//      waited for behind the stores before it
//   5  four pieces of the weights asked for together, the first while the rows are on their way       0.90  0.84 (RMS 0.88)
//   6  the first chain (of RMS and length the only one) adds up a quarter of the row while the next ones are on their way. Six blocks a multiprocessor,
//      where RMS had five: its registers were 94         0.90  0.84 (RMS 0.90)
//      the same, where no load of a chain asks whether it is wanted: 2.5 and 3.5 instructions a step of the two chains instead of 3.3 and 4.2, where an
//      addition takes four cycles                        0.91  0.86 (RMS 0.91)    in use
//   7  6, whose blocks' adding warps go by different schedulers                        0.91  0.86 (RMS 0.91): no difference; removed
//   8  three blocks of 256 threads a multiprocessor stay, the next rows on their way while these are added up and stored
//                                                        0.74  0.75 (RMS 0.77); removed
//   9  one block a multiprocessor, whose warps bring (copy engine), add up and store pairs of rows without a barrier for all
//                                                        0.75  0.84 (RMS 0.84); 10: results by the copy engine too   0.80  0.86 (RMS 0.88); removed
//   -  one warp a row              would need 32 running sums: other bits than the CPU's
#include "light.h"
#include "norm_sums.inc"

#define ROWS 8 // rows of a block at most
#define THREADS (ROWS * LANES)

typedef enum { LAYER, RMS, LENGTH } Kind;

typedef struct {
    float *out;     // or NULL
    uint16_t *also; // the result rounded to bf16, or NULL
    const float *x;
    Stored w, b; // may be absent
    long R;
    int C;
    float eps; // of LENGTH: the least length
    int plus_one; // weights are 1 + w
} Norm;

typedef struct {
    float mean, r; // (x - mean) r; of LENGTH: x / r
} Scale;

// The first chain of a row, which goes on over C further numbers.
static __device__ __forceinline__ float first_sum(Kind kind, float t, const float *x, int C, int lane) { return lane_sum(t, x, C, kind != LAYER, 0, lane); }

// By the sixteen lanes of a row. first: their sums.
static __device__ __forceinline__ Scale scale_of(Kind kind, float first, const float *x, int C, float eps, int lane) {
    Scale s;
    s.mean = kind == LAYER ? fold(first) / (float)C : 0;
    const float t = fold(kind == LAYER ? lane_sum(0, x, C, true, s.mean, lane) : first);
    if (kind == LENGTH) s.r = sqrtf(t) < eps ? eps : sqrtf(t);
    else s.r = 1 / sqrtf(t / (float)C + eps);
    return s;
}

static __device__ __forceinline__ float normed(Kind kind, float x, Scale s, bool has_w, float w, bool has_b, float b) {
    if (kind == LENGTH) return x / s.r;
    float y = kind == LAYER ? (x - s.mean) * s.r : x * s.r;
    if (has_w) y *= w;
    if (has_b) y += b;
    return y;
}

static __device__ __forceinline__ float4 normed_four(Kind kind, float4 v, Scale s, bool has_w, float4 w, bool has_b, float4 b) {
    return make_float4(normed(kind, v.x, s, has_w, w.x, has_b, b.x), normed(kind, v.y, s, has_w, w.y, has_b, b.y), normed(kind, v.z, s, has_w, w.z, has_b, b.z),
                       normed(kind, v.w, s, has_w, w.w, has_b, b.w));
}

// out[row][i … i + 3].
static __device__ __forceinline__ void store_four(const Norm *a, long row, int i, float4 y) {
    if (a->out) *(float4 *)(a->out + row * a->C + i) = y;
    if (a->also) *(uint2 *)(a->also + row * a->C + i) = make_uint2(bf16_two(y.x, y.y), bf16_two(y.z, y.w));
}

// ---- version 1

static __global__ void norm_plain(Norm a, Kind kind) {
    long row = (long)blockIdx.x * ROWS + threadIdx.x / LANES;
    const int lane = (int)threadIdx.x % LANES;
    const bool there = row < a.R, has_w = a.w.data, has_b = a.b.data;
    if (!there) row = a.R - 1; // works along and writes nothing: shuffles want all lanes
    const float *x = a.x + row * a.C;
    const Scale s = scale_of(kind, first_sum(kind, 0, x, a.C, lane), x, a.C, a.eps, lane);
    for (int i = lane; there && i < a.C; i += LANES) {
        const float w = has_w ? widened(a.w.data, a.w.type, (size_t)i) : 0;
        const float y = normed(kind, x[i], s, has_w, a.plus_one ? 1 + w : w, has_b, has_b ? widened(a.b.data, a.b.type, (size_t)i) : 0);
        if (a.out) a.out[row * a.C + i] = y;
        if (a.also) a.also[row * a.C + i] = bf16_of(y);
    }
}

// ---- version 6

#define PIECES 4 // of a row, which are added up while the next ones are on their way
static __device__ __forceinline__ void norm_rows(Kind kind, const Norm *a, int rows) {
    DYNAMIC_SHARED(float, shared);
    __shared__ Scale scales[ROWS];
    const int t = (int)threadIdx.x, C = a->C, stride = STRIDE(C);
    const long first = (long)blockIdx.x * rows;
    const int here = a->R - first < rows ? (int)(a->R - first) : rows;
    const float *x = a->x + first * C;
    FRAGMENT(float4, w, BATCH);
    FRAGMENT(float4, b, BATCH);
    const int piece = (C + PIECES * 4 * THREADS - 1) / (PIECES * 4 * THREADS) * 4 * THREADS;
    for (int from = 0, p = 0; p < PIECES; p++, from += piece) {
        for (int r = 0; r < here; r++)
            for (int i = from + 4 * t; i < C && i < from + piece; i += 4 * THREADS) cp_async16(shared + r * stride + i, x + (size_t)r * C + i, 16);
        cp_async_commit();
    }
    weights_of(w, a->w, 4 * t, 4 * THREADS, C); // the first of them while the rows are on their way
    weights_of(b, a->b, 4 * t, 4 * THREADS, C);
    const bool adds = t / 32 * 2 < here; // whole warps: where a warp has one row, its other half works along
    const int row = t / LANES < here ? t / LANES : here - 1;
    float first_sums = 0;
    UNROLL_ONE
    for (int from = 0, p = 0; p < PIECES && from < C; p++, from += piece) {
        if (p == 0) cp_async_wait(3);
        if (p == 1) cp_async_wait(2);
        if (p == 2) cp_async_wait(1);
        if (p == 3) cp_async_wait(0);
        __syncthreads();
        if (adds) first_sums = first_sum(kind, first_sums, shared + row * stride + from, C - from < piece ? C - from : piece, t % LANES);
    }
    if (adds) {
        const Scale s = scale_of(kind, first_sums, shared + row * stride, C, a->eps, t % LANES);
        if (t / LANES < here && t % LANES == 0) scales[row] = s;
    }
    __syncthreads();
    const bool has_w = a->w.data, has_b = a->b.data;
    for (int from = 4 * t; from < C; from += 4 * THREADS * BATCH) {
        UNROLL
        for (int k = 0; k < BATCH; k++) {
            const int i = from + 4 * k * THREADS;
            if (i >= C) continue;
            if (a->plus_one) w[k] = make_float4(1 + w[k].x, 1 + w[k].y, 1 + w[k].z, 1 + w[k].w);
            for (int r = 0; r < here; r++) store_four(a, first + r, i, normed_four(kind, *(const float4 *)(shared + r * stride + i), scales[r], has_w, w[k], has_b, b[k]));
        }
        weights_of(w, a->w, from + 4 * THREADS * BATCH, 4 * THREADS, C);
        weights_of(b, a->b, from + 4 * THREADS * BATCH, 4 * THREADS, C);
    }
}

#define BLOCKS 6 // of a multiprocessor: as many as shared memory holds with two rows of 4096 each

static __global__ __launch_bounds__(THREADS, BLOCKS) void layernorm_block(Norm a, int rows) { norm_rows(LAYER, &a, rows); }
static __global__ __launch_bounds__(THREADS, BLOCKS) void rmsnorm_block(Norm a, int rows) { norm_rows(RMS, &a, rows); }
static __global__ __launch_bounds__(THREADS, BLOCKS) void l2norm_block(Norm a, int rows) { norm_rows(LENGTH, &a, rows); }

#define SHARED_MOST (40 * 1024) // five blocks share a multiprocessor
#define SHARED_ONE (160 * 1024) // of a block with one wide row

// Rows of a block that fit beside each other; 0: none, or their accesses of sixteen bytes would not be aligned.
static int rows_brought(const Norm *a) {
    const size_t each = (size_t)STRIDE(a->C) * sizeof(float);
    int n = ROWS;
    if (a->C % 4 || ((uintptr_t)a->out | (uintptr_t)a->also | (uintptr_t)a->x | (uintptr_t)a->w.data | (uintptr_t)a->b.data) % 16 || each > SHARED_ONE) return 0;
    while (n > 1 && (size_t)n * each > SHARED_MOST) n /= 2;
    return n;
}

static void norm(float *out, uint16_t *also, const float *x, Stored w, Stored b, long R, long C, float eps, int plus_one, Kind kind, cudaStream_t s) {
    Norm a;
    memset(&a, 0, sizeof a); // lists of commands are compared
    a.out = out, a.also = also, a.x = x, a.w = w, a.b = b, a.R = R, a.C = (int)C, a.eps = eps, a.plus_one = plus_one;
    need(C <= INT32_MAX / 2, "cuda: a norm over %ld columns: more than a kernel counts", C);
    if (R == 0) return;
    const int rows = rows_brought(&a);
    const size_t bytes = (size_t)rows * (size_t)STRIDE(a.C) * sizeof(float);
    if (!rows) LAUNCH(norm_plain, DIM3((R + ROWS - 1) / ROWS, 1, 1), DIM3(THREADS, 1, 1), 0, s, a, kind);
    else if (kind == LAYER) LAUNCH(layernorm_block, DIM3((R + rows - 1) / rows, 1, 1), DIM3(THREADS, 1, 1), bytes, s, a, rows);
    else if (kind == RMS) LAUNCH(rmsnorm_block, DIM3((R + rows - 1) / rows, 1, 1), DIM3(THREADS, 1, 1), bytes, s, a, rows);
    else LAUNCH(l2norm_block, DIM3((R + rows - 1) / rows, 1, 1), DIM3(THREADS, 1, 1), bytes, s, a, rows);
}

static const Stored absent = {NULL, DTYPE_F32};

HOST void cuda_layernorm_and_bf16(float *out, uint16_t *also, const float *x, Stored w, Stored b, long R, long C, float eps, cudaStream_t s) {
    norm(out, also, x, w, b, R, C, eps, 0, LAYER, s);
}

HOST void cuda_layernorm(float *out, const float *x, Stored w, Stored b, long R, long C, float eps, cudaStream_t s) { cuda_layernorm_and_bf16(out, NULL, x, w, b, R, C, eps, s); }

HOST void cuda_rmsnorm_and_bf16(float *out, uint16_t *also, const float *x, Stored w, long R, long C, float eps, int plus_one, cudaStream_t s) {
    norm(out, also, x, w, absent, R, C, eps, plus_one, RMS, s);
}

HOST void cuda_rmsnorm(float *out, const float *x, Stored w, long R, long C, float eps, int plus_one, cudaStream_t s) { cuda_rmsnorm_and_bf16(out, NULL, x, w, R, C, eps, plus_one, s); }

HOST void cuda_l2norm(float *out, const float *x, long R, long C, float floor, cudaStream_t s) { norm(out, NULL, x, absent, absent, R, C, floor, 0, LENGTH, s); }
