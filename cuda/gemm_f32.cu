// gemm_f32.cu: C (M, N) = op(A) op(B) + bias, A in f32, B in f32, bf16 or f16: the exact path.
//
// Twin of: gemm() in model/gemm.c; the same bits: each output is one chain of fused multiply-adds over ascending k.
// Floor: 2MNK flops at the f32 rate; few rows: B is read once, (bytes of B) / bandwidth.
// Allow: nothing.    Repeats: bit for bit.
// Needs: M, N >= 1; no alignment.
//   version
//   0  one thread an output                  kept: it is the plain loop, and what tests run against
//   1  tiles in shared memory, two buffers   128 x 128 (8 x 8 a thread), 64 x 64, and 16 x 16 for few rows; a word an access and a
//                                            loop over k that is not unrolled: 16.8 TFLOP/s of 67 at 4096 (H200)
//   2  the same, four words an access, eight k unrolled     21.6, 0.43 of cuBLAS: in SASS half of the loop loads: the choices of kind, type and
//                                            edge for each word; 219 registers, so one block a multiprocessor. In use for what 3 does not take
//   3  gemm_f32_async.inc: f32 only, rows on sixteen bytes: cp.async, one kernel a kind     in use: 4096: 40, 0.80 of cuBLAS (NT, 250 registers,
//                                            one block a multiprocessor); TN, two blocks, 44 at 4096 x 1024 x 4616
//   -  tried: rows along k turned on their way, four bytes an access, addresses computed anew each tile, two blocks of 123 registers for all
//                                            kinds: 37.5 (NT), 40 (TN); at 4616 x 1024 x 4096 27 instead of 34, for two blocks fill the last round worse
//   4  gemm_f32_thin.inc: few rows of A (NT): a lane a column of B, which comes through a ring     in use; 1 x 4096 x 4096: 0.038 ms, 0.63 of
//                                            cuBLAS, weights in bf16 0.044; 16 rows 0.057, 0.90; 2 takes 0.186. With stages of 32 k it was 0.066, 0.079 and
//                                            0.091: pieces of 128 (64) bytes a row
//   5  gemm_f32_long.inc: the gradients of a tiny model's weights (TN): few outputs, thousands of k                      in use; counted at
//                                            128 x 128 x 8440: 0.04 ms, where 3 takes 0.45 with four blocks. With it, and what gradients_rows.cu says of sums,
//                                            the zoo's llava trains at 33 steps/s instead of 18 (H200)
//   -  split over k: another order of the sum, so other bits; not for this path
// A chain cannot be cut, so M = 1 is bound by the latency of K fused multiply-adds (4 cycles each), not by memory.
#include "device.h"
#include "kernels.h"

typedef Gemm GemmArguments;

// An element of A or B; of a bf16 product, rounded. Such a product is faster in gemm_bf16.cu, where its shape allows it.
static __device__ __forceinline__ float left(const GemmArguments *g, long at) { return g->compute == COMPUTE_BF16 ? float_of_bf16(bf16_of(g->A[at])) : g->A[at]; }

static __device__ __forceinline__ float right(const GemmArguments *g, long at) {
    if (g->compute != COMPUTE_BF16 && g->B_type == DTYPE_F32) return ((const float *)g->B)[at];
    float x = widened(g->B, g->B_type, (size_t)at);
    return g->compute == COMPUTE_BF16 ? float_of_bf16(bf16_of(x)) : x;
}

// Where this block's product of a batch begins.
static __device__ __forceinline__ void batch_begin(GemmArguments *g, const GemmBatch *batch) {
    const long outer = (long)blockIdx.z / batch->inner, inner = (long)blockIdx.z % batch->inner;
    g->A += outer * batch->A[0] + inner * batch->A[1];
    g->B = (const char *)g->B + (outer * batch->B[0] + inner * batch->B[1]) * (long)sizeof(float);
    g->C += outer * batch->C[0] + inner * batch->C[1];
}

static __device__ __forceinline__ void finish(const GemmArguments *g, long m, long n, float s) {
    g->C[m * g->ldc + n] = f_act(g->bias ? s + g->bias[n] : s, g->act);
}

static __global__ void gemm_f32_plain(GemmArguments g) {
    long n = (long)blockIdx.x * blockDim.x + threadIdx.x, m = blockIdx.y;
    if (n >= g.N) return;
    float s = g.accumulate ? g.C[m * g.ldc + n] : 0;
    for (long k = 0; k < g.K; k++) {
        float a = left(&g, g.kind == GEMM_TN ? k * g.lda + m : m * g.lda + k);
        s = fused(a, right(&g, g.kind == GEMM_NT ? n * g.ldb + k : k * g.ldb + n), s);
    }
    finish(&g, m, n, s);
}

// A thread's neighbouring values out of shared memory by one access.
static __device__ __forceinline__ void four(float *to, const float *from) {
    float4 v = *(const float4 *)from;
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}

static __device__ __forceinline__ void two(float *to, const float *from) {
    float2 v = *(const float2 *)from;
    to[0] = v.x, to[1] = v.y;
}

#define several four
#define TILE(name) name##_128
#define BM 128
#define BN 128
#define BK 8
#define TM 8
#define TN 8
#define EACH 4
#include "gemm_f32_tile.inc"

#define TILE(name) name##_64
#define BM 64
#define BN 64
#define BK 16
#define TM 4
#define TN 4
#define EACH 4
#include "gemm_f32_tile.inc"

#undef several
#define several two
#define TILE(name) name##_16
#define BM 16
#define BN 16
#define BK 32
#define TM 2
#define TN 2
#define EACH 2
#include "gemm_f32_tile.inc"

// ---- version 3

#undef BK
#define STAGES 3
#define APART (BK + 4) // words from row to row of a tile along k
#define STAGE_WORDS (SIDE * APART)

// A thread's sixteen bytes of a tile: words of one column below each other, EACH lines apart. Kept over the loop: what changes with k is
// found by a few operations in 32 bits.
typedef struct {
    const float *from;
    long down, on; // words to its next line in the tile, and to the next tile
    int lines, words, to; // lines from the first that lie inside the matrix, words that do; where in shared memory
} Staged;

static __device__ __forceinline__ Staged staged_at(bool along, const float *x, long ld, long R, long r0, int side, int depth, int threads) {
    const int each = along ? depth / 4 : side / 4, line = (int)threadIdx.x / each, word = (int)threadIdx.x % each * 4;
    const long rows = R - r0 - (along ? line : word);
    Staged s;
    s.from = x + (along ? (r0 + line) * ld + word : line * ld + r0 + word);
    s.down = threads / each * ld, s.on = along ? depth : depth * ld;
    s.lines = along ? (rows < side ? (int)rows : side) : -line; // the other kind's: less by K
    s.words = along ? -word : rows < 4 ? (int)rows : 4;
    s.to = line * (along ? depth + 4 : side) + word;
    return s;
}

// The tile at which `left` of K are left, by cp.async; what is outside becomes zero.
static __device__ __forceinline__ void staged_next(Staged *s, float *to, bool along, int left, int side, int depth, int threads) {
    const int each = along ? depth / 4 : side / 4, apart = along ? depth + 4 : side, lines = along ? s->lines : s->lines + left, words = along ? s->words + left : s->words;
    const int given = words >= 4 ? 16 : words > 0 ? words * 4 : 0;
    const float *from = s->from;
    UNROLL
    for (int p = 0; p < side * depth / 4 / threads; p++, from += s->down) {
        cp_async16(to + s->to + p * (threads / each) * apart, from, p * (threads / each) < lines ? given : 0); // of nothing: the address is not looked at
    }
    s->from += s->on;
}

#define SIDE 128
#define BK 32
#define TILE(name) name##_nt_128
#define A_ALONG true
#define B_ALONG true
#include "gemm_f32_async.inc"
#define TILE(name) name##_nn_128
#define A_ALONG true
#define B_ALONG false
#include "gemm_f32_async.inc"
#define TILE(name) name##_tn_128
#define A_ALONG false
#define B_ALONG false
#include "gemm_f32_async.inc"
#undef SIDE
#undef BK
#define SIDE 64
#define BK 16
#define TILE(name) name##_nt_64
#define A_ALONG true
#define B_ALONG true
#include "gemm_f32_async.inc"
#define TILE(name) name##_nn_64
#define A_ALONG true
#define B_ALONG false
#include "gemm_f32_async.inc"
#define TILE(name) name##_tn_64
#define A_ALONG false
#define B_ALONG false
#include "gemm_f32_async.inc"

static bool in_fours(const void *x, long ld, const long *apart) { return (uintptr_t)x % 16 == 0 && (ld | apart[0] | apart[1]) % 4 == 0; }

static bool async_takes(const Gemm *g, const GemmBatch *batch) {
    return g->B_type == DTYPE_F32 && g->compute != COMPUTE_BF16 && in_fours(g->A, g->lda, batch->A) && in_fours(g->B, g->ldb, batch->B) && g->K < INT32_MAX && (g->M + 63) / 64 <= 65535;
}

static void launch_async(const Gemm *g, const GemmBatch *batch, int side, cudaStream_t stream) {
    if (g->kind == GEMM_NT && side == 64) launch_nt_64(g, batch, stream);
    else if (g->kind == GEMM_NN && side == 64) launch_nn_64(g, batch, stream);
    else if (side == 64) launch_tn_64(g, batch, stream);
    else if (g->kind == GEMM_NT) launch_nt_128(g, batch, stream);
    else if (g->kind == GEMM_NN) launch_nn_128(g, batch, stream);
    else launch_tn_128(g, batch, stream);
}

// ---- version 4

#undef BK
#undef STAGES
#undef APART
#define BK 128 // of a row at a time: pieces of 512 bytes; with 128 of them memory gave a third of its speed
#define STAGES 3
#define APART (BK + 4)
#define COLUMNS 32 // of C, of a block: a lane each
#define THIN_WARPS 4

#define HALF_APART (BK + 8) // the same of values of sixteen bits: eight lanes that read eight of them each meet all banks once
// Rows [r0, r0 + rows) of x at columns [k0, k0 + BK), which lie along k: sixteen bytes an access, of values of `size` bytes.
static __device__ __forceinline__ void stage_thin(void *to, const void *x, int size, long ld, long R, long K, long r0, long k0, int rows) {
    const int piece = 16 / size;
    UNROLL
    for (int e = (int)threadIdx.x; e < rows * (BK / piece); e += 32 * THIN_WARPS) {
        const int line = e / (BK / piece), k = e % (BK / piece) * piece;
        const long given = r0 + line < R && k0 + k < K ? (K - k0 - k < piece ? K - k0 - k : piece) : 0;
        cp_async16((char *)to + (line * (BK + piece) + k) * size, (const char *)x + (given ? (r0 + line) * ld + k0 + k : 0) * size, (int)given * size);
    }
}

static __device__ __forceinline__ void eight_of_halves(float *v, const uint16_t *from, int type) {
    const uint4 x = *(const uint4 *)from;
    const uint32_t pair[4] = {x.x, x.y, x.z, x.w};
    UNROLL
    for (int i = 0; i < 4; i++) {
        v[2 * i] = type == DTYPE_BF16 ? float_from(pair[i] << 16) : float_of_f16((uint16_t)pair[i]);
        v[2 * i + 1] = type == DTYPE_BF16 ? float_from(pair[i] & 0xffff0000u) : float_of_f16((uint16_t)(pair[i] >> 16));
    }
}

#define HALVES 0 // B in f32
#define THIN(name) name##_4
#define ROWS 1 // of a warp
#include "gemm_f32_thin.inc"
#define THIN(name) name##_16
#define ROWS 4
#include "gemm_f32_thin.inc"
#define THIN(name) name##_32
#define ROWS 8
#include "gemm_f32_thin.inc"
#undef HALVES
#define HALVES 1 // in bf16 or f16
#define THIN(name) name##_halves_4
#define ROWS 1
#include "gemm_f32_thin.inc"
#define THIN(name) name##_halves_16
#define ROWS 4
#include "gemm_f32_thin.inc"
#define THIN(name) name##_halves_32
#define ROWS 8
#include "gemm_f32_thin.inc"

#define THIN_MOST 32
static bool thin_takes(const Gemm *g, const GemmBatch *batch) {
    if (g->kind != GEMM_NT || g->M > THIN_MOST || g->compute == COMPUTE_BF16 || g->K >= INT32_MAX || !in_fours(g->A, g->lda, batch->A)) return false;
    return g->B_type == DTYPE_F32 ? in_fours(g->B, g->ldb, batch->B) : batch->B[0] == 0 && batch->B[1] == 0 && (uintptr_t)g->B % 16 == 0 && g->ldb % 8 == 0;
}

static void launch_thin(const Gemm *g, const GemmBatch *batch, cudaStream_t stream) {
    const bool halves = g->B_type != DTYPE_F32;
    if (g->M <= 4) halves ? launch_thin_halves_4(g, batch, stream) : launch_thin_4(g, batch, stream);
    else if (g->M <= 16) halves ? launch_thin_halves_16(g, batch, stream) : launch_thin_16(g, batch, stream);
    else halves ? launch_thin_halves_32(g, batch, stream) : launch_thin_32(g, batch, stream);
}

// ---- version 5

#include "gemm_f32_long.inc"

// ---- host

static void launch(const Gemm *g, const GemmBatch *batch, int version, cudaStream_t stream) {
    if (g->M == 0 || g->N == 0 || batch->count == 0) return;
    need(g->B_type == DTYPE_F32 || g->B_type == DTYPE_BF16 || g->B_type == DTYPE_F16, "cuda: a matrix product with a %s matrix", dtype_name(g->B_type));
    need(((g->M + 15) / 16 <= 65535 || version >= 64 || version == 4 || version == 5) && batch->count <= 65535, "cuda: %ld matrix products with %ld rows: more than one launch can take", batch->count, g->M);
    switch (version) {
    case 4: launch_thin(g, batch, stream); break;
    case 5: launch_long(g, batch, stream); break;
    case 364: launch_async(g, batch, 64, stream); break;
    case 3128: launch_async(g, batch, 128, stream); break;
    case 0: LAUNCH(gemm_f32_plain, DIM3((g->N + 127) / 128, g->M, 1), DIM3(128, 1, 1), 0, stream, *g); break;
    case 16: launch_16(g, batch, stream); break;
    case 64: launch_64(g, batch, stream); break;
    default: launch_128(g, batch, stream);
    }
}

static const GemmBatch one = {1, 1, {0, 0}, {0, 0}, {0, 0}};

HOST void cuda_gemm_version(const Gemm *g, int version, cudaStream_t stream) { launch(g, &one, version, stream); }

// How much of the processors' time the tiles of this side use: the last round is as long as the others.
static double used(const Gemm *g, long count, long side) {
    const long processors = 132, tiles = ((g->M + side - 1) / side) * ((g->N + side - 1) / side) * count, rounds = (tiles + processors - 1) / processors;
    return (double)g->M * (double)g->N * (double)count / ((double)(rounds * processors) * (double)(side * side));
}

HOST void cuda_gemm_batch(const Gemm *g, const GemmBatch *batch, cudaStream_t stream) {
    if (thin_takes(g, batch)) {
        launch(g, batch, 4, stream);
        return;
    }
    if (long_takes(g, batch)) {
        launch(g, batch, 5, stream);
        return;
    }
    const double large = used(g, batch->count, 128), middle = 0.9 * used(g, batch->count, 64); // the smaller one brings each number twice as often
    if (g->M > 16 && g->N > 16 && async_takes(g, batch)) launch(g, batch, large > middle ? 3128 : 364, stream);
    else launch(g, batch, g->M <= 16 || (middle < 0.2 && g->M < 1024) ? 16 : large < middle ? 64 : 128, stream);
}

HOST void cuda_gemm(const Gemm *g, cudaStream_t stream) { cuda_gemm_batch(g, &one, stream); }
