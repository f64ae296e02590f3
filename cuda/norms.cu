// norms.cu: layer norm, RMS norm and length one, over rows: out (R, C).
//
// Twins: layernorm_table, rmsnorm_table and l2norm_table in model/kernels_body.h: sixteen running sums (element i goes to sum
// i mod 16), folded in halves; two passes over the centred row.
// Floor: 8RC bytes moved, about 1 operation a byte: memory-bound. The second and third pass over a row come from the L1 cache.
// Repeats: bit for bit, and equal to the CPU's bits.    Needs: C >= 1; no alignment.
//   version
//   0  one thread a row        sixteen sums in registers: the CPU loop; a warp touches 32 rows at once
//   1  sixteen lanes a row     lane j holds sum j; two rows a warp, 64 bytes an access: 0.22 to 0.44 of copy speed (H200)
//   2  the same, over rows that sixteen bytes an access brought into shared memory     in use; rows that are too wide or crooked: 1
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
    DYNAMIC_SHARED(float, rows);                                                                   \
    long row = (long)blockIdx.x * (blockDim.x / LANES) + threadIdx.x / LANES;                                      \
    const bool there = row < R;                                                                    \
    const int lane = (int)(threadIdx.x % LANES);                                                   \
    if (!there) row = R - 1;                                                                       \
    x += row * C;                                                                                  \
    out += row * C

// A row in shared memory, if it is brought there; else where it lies. Half a warp owns a row, so that a warp's barrier is enough.
// Rows are sixteen words further apart than they are long: two that a warp reads at once lie in different banks.
#define STRIDE(C) (((C) + 31) / 32 * 32 + 16)

static __device__ const float *brought(float *rows, const float *x, long C, int lane) {
    float *to = rows + threadIdx.x / LANES * STRIDE(C);
    UNROLL_EIGHT
    for (long i = 4 * lane; i < C; i += 4 * LANES) *(float4 *)(to + i) = *(const float4 *)(x + i);
    __syncwarp();
    return to;
}

static __device__ __forceinline__ float4 four_of(const void *w, int type, long i) { // w[i … i + 3]
    if (type == DTYPE_F32) return *(const float4 *)((const float *)w + i);
    return make_float4(widened(w, type, (size_t)i), widened(w, type, (size_t)i + 1), widened(w, type, (size_t)i + 2), widened(w, type, (size_t)i + 3));
}

// Four results of a row, and rounded to bf16 where that is wanted (from `at` on, the row's beginning).
static __device__ __forceinline__ void put_four(float *out, uint16_t *also, long at, long i, float4 y) {
    *(float4 *)(out + i) = y;
    if (also) *(uint2 *)(also + at + i) = make_uint2(bf16_two(y.x, y.y), bf16_two(y.z, y.w));
}

static __device__ __forceinline__ float normed(float x, float mean, float r, bool has_w, float w, bool has_b, float b) {
    float y = (x - mean) * r;
    if (has_w) y *= w;
    if (has_b) y += b;
    return y;
}

static __global__ void layernorm_kernel(float *out, uint16_t *also, const float *x, const void *w, int w_type, const void *b, int b_type, long R, long C, float eps, int fast) {
    ROW_OF_THREAD;
    if (fast) x = brought(rows, x, C, lane);
    float t = 0;
    for (long i = lane; i < C; i += LANES) t += x[i];
    const float mean = fold(t) / (float)C;
    t = 0;
    for (long i = lane; i < C; i += LANES) {
        float d = x[i] - mean;
        t = fused(d, d, t);
    }
    const float r = 1 / sqrtf(fold(t) / (float)C + eps);
    const float4 none = make_float4(0, 0, 0, 0);
    for (long i = 4 * lane; there && fast && i < C; i += 4 * LANES) {
        const float4 v = *(const float4 *)(x + i), k = w ? four_of(w, w_type, i) : none, o = b ? four_of(b, b_type, i) : none;
        put_four(out, also, row * C, i, make_float4(normed(v.x, mean, r, w, k.x, b, o.x), normed(v.y, mean, r, w, k.y, b, o.y), normed(v.z, mean, r, w, k.z, b, o.z),
                                                    normed(v.w, mean, r, w, k.w, b, o.w)));
    }
    for (long i = lane; there && !fast && i < C; i += LANES) {
        out[i] = normed(x[i], mean, r, w, w ? widened(w, w_type, (size_t)i) : 0, b, b ? widened(b, b_type, (size_t)i) : 0);
        if (also) also[row * C + i] = bf16_of(out[i]);
    }
}

static __device__ float squares(const float *x, long C, int lane) {
    float t = 0;
    for (long i = lane; i < C; i += LANES) t = fused(x[i], x[i], t);
    return fold(t);
}

static __global__ void rmsnorm_kernel(float *out, uint16_t *also, const float *x, const void *w, int type, long R, long C, float eps, int plus_one, int fast) {
    ROW_OF_THREAD;
    if (fast) x = brought(rows, x, C, lane);
    const float r = 1 / sqrtf(squares(x, C, lane) / (float)C + eps);
    for (long i = 4 * lane; there && fast && i < C; i += 4 * LANES) {
        float4 v = *(const float4 *)(x + i), k = four_of(w, type, i);
        if (plus_one) k.x = 1 + k.x, k.y = 1 + k.y, k.z = 1 + k.z, k.w = 1 + k.w;
        put_four(out, also, row * C, i, make_float4(v.x * r * k.x, v.y * r * k.y, v.z * r * k.z, v.w * r * k.w));
    }
    for (long i = lane; there && !fast && i < C; i += LANES) {
        float k = widened(w, type, (size_t)i);
        out[i] = x[i] * r * (plus_one ? 1 + k : k);
        if (also) also[row * C + i] = bf16_of(out[i]);
    }
}

static __global__ void l2norm_kernel(float *out, const float *x, long R, long C, float floor, int fast) {
    ROW_OF_THREAD;
    if (fast) x = brought(rows, x, C, lane);
    float n = sqrtf(squares(x, C, lane));
    if (n < floor) n = floor;
    for (long i = 4 * lane; there && fast && i < C; i += 4 * LANES) {
        const float4 v = *(const float4 *)(x + i);
        *(float4 *)(out + i) = make_float4(v.x / n, v.y / n, v.z / n, v.w / n);
    }
    for (long i = lane; there && !fast && i < C; i += LANES) out[i] = x[i] / n;
}

#define SHARED_MOST (40 * 1024) // five blocks share a multiprocessor

// Rows of a block that fit beside each other; 0: not even a warp's two.
static int rows_brought(const float *out, const float *x, const void *w, const void *b, long C) {
    int n = ROWS;
    if (C % 4 || ((uintptr_t)out | (uintptr_t)x | (uintptr_t)w | (uintptr_t)b) % 16) return 0;
    while (n && (size_t)n * (size_t)STRIDE(C) * sizeof(float) > SHARED_MOST) n = n > 2 ? n / 2 : 0;
    return n;
}

#define RUN(kernel, w, b, ...)                                                                                                                                    \
    if (R == 0) return;                                                                                                                                           \
    const int brings = rows_brought(out, x, w, b, C), each = brings ? brings : ROWS;                                                                              \
    LAUNCH(kernel, DIM3((R + each - 1) / each, 1, 1), DIM3(each * LANES, 1, 1), (size_t)brings * (size_t)STRIDE(C) * sizeof(float), s, __VA_ARGS__, (int)(brings > 0))

HOST void cuda_layernorm_and_bf16(float *out, uint16_t *also, const float *x, Stored w, Stored b, long R, long C, float eps, cudaStream_t s) {
    RUN(layernorm_kernel, w.data, b.data, out, also, x, w.data, w.type, b.data, b.type, R, C, eps);
}

HOST void cuda_layernorm(float *out, const float *x, Stored w, Stored b, long R, long C, float eps, cudaStream_t s) { cuda_layernorm_and_bf16(out, NULL, x, w, b, R, C, eps, s); }

HOST void cuda_rmsnorm_and_bf16(float *out, uint16_t *also, const float *x, Stored w, long R, long C, float eps, int plus_one, cudaStream_t s) {
    RUN(rmsnorm_kernel, w.data, NULL, out, also, x, w.data, w.type, R, C, eps, plus_one);
}

HOST void cuda_rmsnorm(float *out, const float *x, Stored w, long R, long C, float eps, int plus_one, cudaStream_t s) { cuda_rmsnorm_and_bf16(out, NULL, x, w, R, C, eps, plus_one, s); }

HOST void cuda_l2norm(float *out, const float *x, long R, long C, float floor, cudaStream_t s) { RUN(l2norm_kernel, NULL, NULL, out, x, R, C, floor); }
