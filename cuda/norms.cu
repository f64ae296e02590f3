// norms.cu: layer norm, RMS norm and length one, over rows: out (R, C).
//
// Twins: layernorm_table, rmsnorm_table and l2norm_table in model/kernels_body.h: sixteen running sums (element i goes to sum
// i mod 16), folded in halves; two passes over the centred row.
// Floor: 8RC bytes moved, about 1 operation a byte: memory-bound. The second and third pass over a row come from the L1 cache.
// Repeats: bit for bit, and equal to the CPU's bits.    Needs: C >= 1; no alignment.
//   version
//   0  one thread a row        sixteen sums in registers: the CPU loop; a warp touches 32 rows at once
//   1  sixteen lanes a row     in use: lane j holds sum j; two rows a warp, 64 bytes an access
//   -  one warp a row          would need 32 running sums: other bits than the CPU's
#include "light.h"

#define LANES 16
#define ROWS 8 // rows of a block

// t[i] += t[i + half] for half = 8, 4, 2, 1: every lane ends with the whole sum.
static __device__ float fold(float t) {
    t += __shfl_xor_sync(0xffffffffu, t, 8);
    t += __shfl_xor_sync(0xffffffffu, t, 4);
    t += __shfl_xor_sync(0xffffffffu, t, 2);
    t += __shfl_xor_sync(0xffffffffu, t, 1);
    return t;
}

// Where this thread's row begins. Threads behind the last row work on it along and write nothing: shuffles want all lanes.
#define ROW_OF_THREAD                                                                              \
    long row = (long)blockIdx.x * ROWS + threadIdx.x / LANES;                                      \
    const bool there = row < R;                                                                    \
    const int lane = (int)(threadIdx.x % LANES);                                                   \
    if (!there) row = R - 1;                                                                       \
    x += row * C;                                                                                  \
    out += row * C

static __global__ void layernorm_kernel(float *out, const float *x, const void *w, int w_type, const void *b, int b_type, long R, long C, float eps) {
    ROW_OF_THREAD;
    float t = 0;
    for (long i = lane; i < C; i += LANES) t += x[i];
    const float mean = fold(t) / (float)C;
    t = 0;
    for (long i = lane; i < C; i += LANES) {
        float d = x[i] - mean;
        t = fused(d, d, t);
    }
    const float r = 1 / sqrtf(fold(t) / (float)C + eps);
    for (long i = lane; there && i < C; i += LANES) {
        float y = (x[i] - mean) * r;
        if (w) y *= widened(w, w_type, (size_t)i);
        if (b) y += widened(b, b_type, (size_t)i);
        out[i] = y;
    }
}

static __device__ float squares(const float *x, long C, int lane) {
    float t = 0;
    for (long i = lane; i < C; i += LANES) t = fused(x[i], x[i], t);
    return fold(t);
}

static __global__ void rmsnorm_kernel(float *out, const float *x, const void *w, int type, long R, long C, float eps, int plus_one) {
    ROW_OF_THREAD;
    const float r = 1 / sqrtf(squares(x, C, lane) / (float)C + eps);
    for (long i = lane; there && i < C; i += LANES) {
        float k = widened(w, type, (size_t)i);
        out[i] = x[i] * r * (plus_one ? 1 + k : k);
    }
}

static __global__ void l2norm_kernel(float *out, const float *x, long R, long C, float floor) {
    ROW_OF_THREAD;
    float n = sqrtf(squares(x, C, lane));
    if (n < floor) n = floor;
    for (long i = lane; there && i < C; i += LANES) out[i] = x[i] / n;
}

#define RUN(kernel, ...)                                                                           \
    if (R > 0) LAUNCH(kernel, DIM3((R + ROWS - 1) / ROWS, 1, 1), DIM3(ROWS * LANES, 1, 1), 0, s, __VA_ARGS__)

HOST void cuda_layernorm(float *out, const float *x, Stored w, Stored b, long R, long C, float eps, cudaStream_t s) {
    RUN(layernorm_kernel, out, x, w.data, w.type, b.data, b.type, R, C, eps);
}

HOST void cuda_rmsnorm(float *out, const float *x, Stored w, long R, long C, float eps, int plus_one, cudaStream_t s) {
    RUN(rmsnorm_kernel, out, x, w.data, w.type, R, C, eps, plus_one);
}

HOST void cuda_l2norm(float *out, const float *x, long R, long C, float floor, cudaStream_t s) { RUN(l2norm_kernel, out, x, R, C, floor); }
