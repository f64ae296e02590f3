// gather_norm.cu: x += A Wᵀ + bias where K is cut over several blocks, and what the next layer's products read: the RMS norm of x, in bf16. The second
// kernel of version 915 of gemm_hopper.cu and rmsnorm_block of norms.cu in one.
//
// Twins: these two: the same bits.
// Floor: (parts + 3) 4 M N bytes: out of the L2, nothing beside W's.
// Repeats: bit for bit.    Needs: what version 915 needs, x without gaps, N a multiple of 4, no activation.
//   version
//   0  gather_parts, rmsnorm_block      two launches, of 2.5 and 6 us at 32 x 4096 (H200, by event less the event's own 5), twice a layer
//   1  a block a row of x               in use: a next token of 32 texts 1.360 ms instead of 1.435
#include "device.h"
#include "kernels.h"

#include "norm_within.inc"

#define PARTS 4 // at most

static __global__ __launch_bounds__(NORM_THREADS) void gather_norm(GemmBf16 g, const float *sums, int parts, NormFirst norm, uint16_t *to) {
    DYNAMIC_SHARED(float, row);
    __shared__ float scale[1];
    const long m = blockIdx.x, one = g.M * g.N;
    const int N = (int)g.N;
    float *x = (float *)g.C + m * g.N;
    const float *from = sums + m * g.N;
    for (int i = 4 * (int)threadIdx.x; i < N; i += NORM_STEP) {
        FRAGMENT(float4, part, PARTS);
        UNROLL
        for (int p = 0; p < PARTS; p++) part[p] = p < parts ? *(const float4 *)(from + p * one + i) : make_float4(0, 0, 0, 0);
        const float4 was = *(const float4 *)(x + i), bias = g.bias ? *(const float4 *)(g.bias + i) : make_float4(0, 0, 0, 0);
        float4 s = part[0];
        UNROLL
        for (int p = 1; p < PARTS; p++)
            if (p < parts) s.x += part[p].x, s.y += part[p].y, s.z += part[p].z, s.w += part[p].w;
        s.x += bias.x, s.y += bias.y, s.z += bias.z, s.w += bias.w;
        s.x += was.x, s.y += was.y, s.z += was.z, s.w += was.w;
        *(float4 *)(x + i) = s, *(float4 *)(row + i) = s;
    }
    __syncthreads();
    norm_within(to + m * g.N, 0, row, scale, &norm, 1, N);
}

static size_t row_bytes(const GemmBf16 *g) { return (size_t)STRIDE(g->N) * sizeof(float); }

HOST bool cuda_gemm_bf16_then_norm_takes(const GemmBf16 *g, const NormFirst *norm) {
    const uintptr_t pointers = (uintptr_t)g->C | (uintptr_t)g->bias | (uintptr_t)g->room | (uintptr_t)norm->w.data;
    return g->room && g->M <= STEP_ROWS && !g->C_bf16 && g->residual == g->C && !g->residual_bf16 && g->act == ACT_NONE && g->ldc == g->N && g->N % 4 == 0 && pointers % 16 == 0 && row_bytes(g) <= 160 * 1024 &&
           cuda_gemm_hopper_takes(g) && cuda_gemm_hopper_parts(g) > 1 && cuda_gemm_hopper_parts(g) <= PARTS;
}

HOST void cuda_gemm_bf16_then_norm(const GemmBf16 *g, const NormFirst *norm, uint16_t *to, cudaStream_t stream) {
    need(cuda_gemm_bf16_then_norm_takes(g, norm), "cuda: a product of %ld x %ld x %ld and a norm of it", g->M, g->N, g->K);
    const int parts = cuda_gemm_hopper_sums(g, stream);
    LAUNCH(gather_norm, DIM3(g->M, 1, 1), DIM3(NORM_THREADS, 1, 1), row_bytes(g), stream, *g, (const float *)g->room, parts, *norm, to);
}
