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
//      where RMS had five: its registers were 94         0.90  0.84 (RMS 0.90)    in use; expected were 0.89 and 0.92. Supposed: warp 0 of each of
//                                                  the six blocks adds up and issues by the same scheduler of four, 3.3 and 4.2 instructions a step of the
//                                                  two chains, where an addition takes four cycles. Now 2.5 and 3.5: no load asks whether it is wanted
//   7  6, where the blocks' adding warps go by different schedulers                   expected: 0.91 (RMS 0.92)
//   8  three blocks of 256 threads a multiprocessor stay: two rows of 4096 are added up and stored while the next two are on their way. The weights
//      stay in registers                                                             expected: 0.94 (RMS 0.94)
//   9  norms_hopper.cu: one block a multiprocessor, whose warps bring, add up and store pairs of rows without a barrier for all     expected: 0.94 (0.95)
//   10 9, whose results go by the copy engine too                                     expected: as 9
//   -  one warp a row              would need 32 running sums: other bits than the CPU's
#include "device_hopper.h"
#include "light.h"
#include "norms_row.inc"

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

// ---- versions 6 and 7

// The threads of a block in the order in which they take rows to add up. Warp w of every block issues by scheduler w % 4 of its multiprocessor: where
// two rows are a block's all, the adding warps of the blocks beside each other (which are `spread` numbers apart) would share one.
static __device__ __forceinline__ int adder_of(int t, int threads, int spread) {
    const int from = spread ? (int)blockIdx.x / spread % 4 * 32 : 0;
    return (t + threads - from) % threads;
}

#define PIECES 4 // of a row, which are added up while the next ones are on their way
static __device__ __forceinline__ void norm_rows(Kind kind, const Norm *a, int rows, int spread) {
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
    const int adder = adder_of(t, THREADS, spread);
    const bool adds = adder / 32 * 2 < here; // whole warps: where a warp has one row, its other half works along
    const int row = adder / LANES < here ? adder / LANES : here - 1;
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
        if (adder / LANES < here && t % LANES == 0) scales[row] = s;
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

static __global__ __launch_bounds__(THREADS, BLOCKS) void layernorm_block(Norm a, int rows, int spread) { norm_rows(LAYER, &a, rows, spread); }
static __global__ __launch_bounds__(THREADS, BLOCKS) void rmsnorm_block(Norm a, int rows, int spread) { norm_rows(RMS, &a, rows, spread); }
static __global__ __launch_bounds__(THREADS, BLOCKS) void l2norm_block(Norm a, int rows, int spread) { norm_rows(LENGTH, &a, rows, spread); }

// ---- version 8

#define RING_THREADS 256
#define RING_BLOCKS 3 // of a multiprocessor, which stay: each takes every so many-th group of rows
#define RING_STAGE ((size_t)33 * 1024) // bytes of a group: two rows of 4096
#define STAGES 2

static __device__ __forceinline__ void bring(float *to, const Norm *a, long first, int rows) {
    for (int r = 0; r < rows && first + r < a->R; r++)
        for (int i = 4 * (int)threadIdx.x; i < a->C; i += 4 * RING_THREADS) cp_async16(to + r * STRIDE(a->C) + i, a->x + (first + r) * a->C + i, 16);
    cp_async_commit();
}

// A group of rows is added up and stored while the next one is on its way. The weights of up to 4096 columns stay in registers.
static __device__ __forceinline__ void norm_ring(Kind kind, const Norm *a, int rows, int spread) {
    DYNAMIC_SHARED(float, shared);
    __shared__ Scale scales[ROWS];
    const int t = (int)threadIdx.x, C = a->C, stride = STRIDE(C), adder = adder_of(t, RING_THREADS, spread);
    const long groups = (a->R + rows - 1) / rows;
    const bool has_w = a->w.data, has_b = a->b.data;
    FRAGMENT(float4, w, BATCH);
    FRAGMENT(float4, b, BATCH);
    bring(shared, a, (long)blockIdx.x * rows, rows);
    both_weights(w, b, a, 4 * t, 4 * RING_THREADS);
    int slot = 0;
    for (long g = blockIdx.x; g < groups; g += gridDim.x, slot ^= 1) {
        const float *x = shared + slot * rows * stride;
        const long first = g * rows;
        const int here = a->R - first < rows ? (int)(a->R - first) : rows, row = adder / LANES < here ? adder / LANES : here - 1;
        bring(shared + (slot ^ 1) * rows * stride, a, first + (long)gridDim.x * rows, rows);
        cp_async_wait(1);
        __syncthreads();
        if (adder / 32 * 2 < here) {
            const Scale s = scale_of(kind, first_sum(kind, 0, x + row * stride, C, t % LANES), x + row * stride, C, a->eps, t % LANES);
            if (adder / LANES < here && t % LANES == 0) scales[row] = s;
        }
        __syncthreads();
        for (int from = 4 * t; from < C; from += 4 * RING_THREADS * BATCH) {
            UNROLL
            for (int k = 0; k < BATCH; k++) {
                const int i = from + 4 * k * RING_THREADS;
                if (i >= C) continue;
                for (int r = 0; r < here; r++) store_four(a, first + r, i, normed_four(kind, *(const float4 *)(x + r * stride + i), scales[r], has_w, w[k], has_b, b[k]));
            }
            if (C > 4 * RING_THREADS * BATCH) both_weights(w, b, a, from + 4 * RING_THREADS * BATCH < C ? from + 4 * RING_THREADS * BATCH : 4 * t, 4 * RING_THREADS);
        }
        __syncthreads();
    }
}

static __global__ __launch_bounds__(RING_THREADS, RING_BLOCKS) void layernorm_ring(Norm a, int rows, int spread) { norm_ring(LAYER, &a, rows, spread); }
static __global__ __launch_bounds__(RING_THREADS, RING_BLOCKS) void rmsnorm_ring(Norm a, int rows, int spread) { norm_ring(RMS, &a, rows, spread); }
static __global__ __launch_bounds__(RING_THREADS, RING_BLOCKS) void l2norm_ring(Norm a, int rows, int spread) { norm_ring(LENGTH, &a, rows, spread); }

// ---- by which

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

static int forced = 6;

HOST void cuda_norms_version(int version) { forced = version; }

static void norm(float *out, uint16_t *also, const float *x, Stored w, Stored b, long R, long C, float eps, int plus_one, Kind kind, cudaStream_t s) {
    Norm a;
    memset(&a, 0, sizeof a); // lists of commands are compared
    a.out = out, a.also = also, a.x = x, a.w = w, a.b = b, a.R = R, a.C = (int)C, a.eps = eps, a.plus_one = plus_one;
    need(C <= INT32_MAX / 2, "cuda: a norm over %ld columns: more than a kernel counts", C);
    if (R == 0) return;
    const int rows = rows_brought(&a), processors = gpu_processors(), spread = forced == 6 ? 0 : processors;
    const size_t each = (size_t)STRIDE(a.C) * sizeof(float);
    if (!rows) LAUNCH(norm_plain, DIM3((R + ROWS - 1) / ROWS, 1, 1), DIM3(THREADS, 1, 1), 0, s, a, kind);
    else if (forced >= 9 && gpu_is_hopper() && a.C >= 512 && 4 * each <= ROOM) norm_hopper(&a, kind, forced == 10, s);
    else if (forced == 8 && each <= RING_STAGE) {
        int n = ROWS;
        while (n > 1 && (size_t)n * each > RING_STAGE) n /= 2;
        const long groups = (R + n - 1) / n, blocks = groups < RING_BLOCKS * processors ? groups : RING_BLOCKS * processors;
        if (kind == LAYER) LAUNCH(layernorm_ring, DIM3(blocks, 1, 1), DIM3(RING_THREADS, 1, 1), STAGES * (size_t)n * each, s, a, n, spread);
        else if (kind == RMS) LAUNCH(rmsnorm_ring, DIM3(blocks, 1, 1), DIM3(RING_THREADS, 1, 1), STAGES * (size_t)n * each, s, a, n, spread);
        else LAUNCH(l2norm_ring, DIM3(blocks, 1, 1), DIM3(RING_THREADS, 1, 1), STAGES * (size_t)n * each, s, a, n, spread);
    } else if (kind == LAYER) LAUNCH(layernorm_block, DIM3((R + rows - 1) / rows, 1, 1), DIM3(THREADS, 1, 1), (size_t)rows * each, s, a, rows, spread);
    else if (kind == RMS) LAUNCH(rmsnorm_block, DIM3((R + rows - 1) / rows, 1, 1), DIM3(THREADS, 1, 1), (size_t)rows * each, s, a, rows, spread);
    else LAUNCH(l2norm_block, DIM3((R + rows - 1) / rows, 1, 1), DIM3(THREADS, 1, 1), (size_t)rows * each, s, a, rows, spread);
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
