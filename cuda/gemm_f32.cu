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
//   2  the same, four words an access, eight k unrolled     in use
//   -  split over k: another order of the sum, so other bits; not for this path
// A chain cannot be cut, so M = 1 is bound by the latency of K fused multiply-adds (4 cycles each), not by memory.
#include "device.h"
#include "kernels.h"

typedef Gemm GemmArguments;

// An element of A or B; of a bf16 product, rounded. Such a product is faster in gemm_bf16.cu, where its shape allows it.
static __device__ __forceinline__ float left(const GemmArguments *g, long at) { return g->bf16 ? float_of_bf16(bf16_of(g->A[at])) : g->A[at]; }

static __device__ __forceinline__ float right(const GemmArguments *g, long at) {
    if (!g->bf16 && g->B_type == DTYPE_F32) return ((const float *)g->B)[at];
    float x = widened(g->B, g->B_type, (size_t)at);
    return g->bf16 ? float_of_bf16(bf16_of(x)) : x;
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

static void launch(const Gemm *g, const GemmBatch *batch, int version, cudaStream_t stream) {
    if (g->M == 0 || g->N == 0 || batch->count == 0) return;
    need(g->B_type == DTYPE_F32 || g->B_type == DTYPE_BF16 || g->B_type == DTYPE_F16, "cuda: a matrix product with a %s matrix", dtype_name(g->B_type));
    need(((g->M + 15) / 16 <= 65535 || version >= 64) && batch->count <= 65535, "cuda: %ld matrix products with %ld rows: more than one launch can take", batch->count, g->M);
    switch (version) {
    case 0: LAUNCH(gemm_f32_plain, DIM3((g->N + 127) / 128, g->M, 1), DIM3(128, 1, 1), 0, stream, *g); break;
    case 16: launch_16(g, batch, stream); break;
    case 64: launch_64(g, batch, stream); break;
    default: launch_128(g, batch, stream);
    }
}

static const GemmBatch one = {1, 1, {0, 0}, {0, 0}, {0, 0}};

HOST void cuda_gemm_version(const Gemm *g, int version, cudaStream_t stream) { launch(g, &one, version, stream); }

// The largest tile that still gives every multiprocessor one of its own.
HOST void cuda_gemm_batch(const Gemm *g, const GemmBatch *batch, cudaStream_t stream) {
    const long processors = 132;
    long large = ((g->M + 127) / 128) * ((g->N + 127) / 128) * batch->count, middle = ((g->M + 63) / 64) * ((g->N + 63) / 64) * batch->count;
    launch(g, batch, g->M <= 16 || (middle < processors / 4 && g->M < 1024) ? 16 : large < processors ? 64 : 128, stream);
}

HOST void cuda_gemm(const Gemm *g, cudaStream_t stream) { cuda_gemm_batch(g, &one, stream); }
