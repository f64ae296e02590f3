// gemm_bf16_thin.cu: the product of gemm_bf16.cu for few rows of A (the new ids of a step): W is read once, as fast as memory gives it.
//
// Twin of: gemm() on values rounded to bf16; its own order of the sum.
// Floor: 2NK bytes: memory-bound up to about 180 rows of A.
// Allow: as gemm_bf16.cu.    Repeats: bit for bit: eight warps share a sum, which is folded in their order.
// Needs: M <= 64, K a multiple of 8, rows of A and W on 16 bytes.
//   version
//   0  gemm_bf16.cu with M padded to a tile of 64     64 blocks at N = 4096, too few loads under way
//   1  a block owns 16 rows of W; its warps take 32 of K in turn, four such pieces under way at a time: 0.9 of cuBLAS at M = 1, but
//      0.55 at 16 and 0.19 at 64 (H200): each product waited for its own eight rows of A
//   2  the rows of A together, the next round of W under way while this one is computed     in use from nine rows on; at 1 x 4096 x 4096 and
//      1 x 22016 x 4096 0.89 and 0.76 of cuBLAS
//   3  gemm_bf16_ring.inc: at most eight rows; bytes under way in shared memory instead of registers    in use: 1.16 and 1.02 of cuBLAS, 0.92 of roof
//   -  the same, several products of one A in one launch: queries, keys and values; a gate and what it is multiplied with
//      1 x 3 times 4096 x 4096 35.5 -> 28.7 us, 1 x 2 times 11008 x 4096 59.2 -> 49.1
//   4  gemm_bf16_normed.inc: the same of a norm of A, which each block makes once and stays     in use where its rows fit: 28.6 and 48.0 us, where the
//      norm before them made 35.5 and 56.5
// W is the left matrix of the instruction: 16 of its rows, and eight rows of A as columns. The sum runs over k in any order that is
// the same on both sides: a lane takes the eight values of k that lie in 16 bytes, and no shared memory is passed through.
#include "device_hopper.h"
#include "kernels.h"

#define WARPS 8
#define ROWS 16  // of W
#define PIECE 32 // of K

// Eight values from k on, of a row that may lie outside.
static __device__ __forceinline__ uint4 eight(const uint16_t *row, long k, bool inside) {
    if (inside) return *(const uint4 *)(row + k);
    return make_uint4(0, 0, 0, 0);
}

static __device__ __forceinline__ uint32_t two(float low, float high) { return (uint32_t)bf16_of(low) | (uint32_t)bf16_of(high) << 16; }

static __device__ __forceinline__ uint4 eight_rounded(const float *row, long k, bool inside) {
    if (!inside) return make_uint4(0, 0, 0, 0);
    float4 a = *(const float4 *)(row + k), b = *(const float4 *)(row + k + 4);
    return make_uint4(two(a.x, a.y), two(a.z, a.w), two(b.x, b.y), two(b.z, b.w));
}

static __device__ __forceinline__ void store_output(const GemmBf16 *g, long m, long n, float s) {
    if (g->bias) s += g->bias[n];
    s = f_act(s, g->act);
    if (g->residual) s += g->residual_bf16 ? float_of_bf16(((const uint16_t *)g->residual)[m * g->ldc + n]) : ((const float *)g->residual)[m * g->ldc + n];
    if (g->C_bf16) ((uint16_t *)g->C)[m * g->ldc + n] = bf16_of(s);
    else ((float *)g->C)[m * g->ldc + n] = s;
}

#define THIN(name) name##_8
#define NT 1 // eights of rows of A
#define DEPTH 4
#include "gemm_bf16_thin.inc"

#define THIN(name) name##_16
#define NT 2
#define DEPTH 4
#include "gemm_bf16_thin.inc"

#define THIN(name) name##_32
#define NT 4
#define DEPTH 2
#include "gemm_bf16_thin.inc"

#define THIN(name) name##_64
#define NT 8
#define DEPTH 1
#include "gemm_bf16_thin.inc"

#include "gemm_bf16_ring.inc"

HOST void cuda_gemm_bf16_ring(const GemmBf16 *g, cudaStream_t stream) {
    need(g->M <= 8, "cuda: a product of %ld rows is more than a ring takes", g->M);
    launch_ring(g, 1, false, stream);
}

static void check_together(const GemmBf16 *g, int count, bool gated) {
    need(g->M <= 8 && count >= 1 && count <= RING_MOST && (!gated || (count == 2 && g[0].N == g[1].N)), "cuda: %d products of %ld rows together", count, g->M);
    for (int k = 0; k < count; k++) need((gated || (g[k].ldc == g[k].N && g[k].act == g[0].act)) && g[k].ldw == g[0].ldw && !g[k].residual, "cuda: products together, whose results have gaps or are added");
}

HOST void cuda_gemm_bf16_together(const GemmBf16 *g, int count, bool gated, cudaStream_t stream) {
    check_together(g, count, gated);
    launch_ring(g, count, gated, stream);
}

#include "norm_within.inc"
#include "gemm_bf16_normed.inc"

HOST void cuda_gemm_bf16_thin(const GemmBf16 *g, cudaStream_t stream) {
    need(g->M <= 64, "cuda: a product of %ld rows is not thin", g->M);
    if (g->M <= 8) launch_8(g, stream);
    else if (g->M <= 16) launch_16(g, stream);
    else if (g->M <= 32) launch_32(g, stream);
    else launch_64(g, stream);
}
