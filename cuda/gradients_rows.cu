// gradients_rows.cu: sums over rows, rows and columns added to their places, norms, rotary positions, cross entropy.
//
// Twins: the functions of the same names in model/gradients_cpu.c, scores_row in model/gradients_attention.c.
// Floor: 4 bytes a number read, 8 a number added to: memory-bound. A sum over rows is a chain of additions, as the bits want it: R
// of them, 4 cycles each, for every column at once.
// Repeats: bit for bit, and equal to the CPU's bits: no atomics, a number belongs to one thread or sixteen lanes.
//   version
//   0  sum_rows: one thread a column                              few loads in flight
//   1  sum_rows: 32 columns a block, 64 rows at a time in shared memory by eight warps, added by one     counted: 50 cycles a row, for each
//      sum waited for its own access of shared memory, and the rows of a round for those before
//   2  256 rows at a time, under way while the ones before are added; sixteen accesses before their sums     in use, counted: 5 cycles a row
//   add_rows: entries of one destination follow each other (sorted by the host), one thread a column of it, sixteen entries under way
//   norms, scores: sixteen lanes a row, as in norms.cu
//   norms, 0: by accesses of four bytes, five times over the row    0.34 of copy speed (H200, 36928 x 1024)
//          1: rows come to shared memory once    in use: 0.40 of copy speed (36928 x 1024), 0.16 (8192 x 4096)
//   cross entropy: 0: sixteen lanes a row    0.08 of copy speed (2048 x 32000); 1: a block a row, as the loss itself    0.34, in use
#include "gradients.h"

#define WIDE 256
#define LANES 16
#define ROWS (WIDE / LANES) // rows of a block
#define COLUMNS 32
#define STAGED 256
#define UNDER_WAY 16

static dim3 blocks_of(long n) { return DIM3((n + WIDE - 1) / WIDE, 1, 1); }

// ---- sums over rows

static __global__ __launch_bounds__(WIDE) void sum_rows_kernel(float *d, const float *g, const float *x, long R, long C, long ld) {
    __shared__ float tile[STAGED][COLUMNS];
    const int lane = (int)threadIdx.x % COLUMNS, warp = (int)threadIdx.x / COLUMNS;
    const long c = (long)blockIdx.x * COLUMNS + lane;
    const bool sums = warp == 0 && c < C;
    float sum = sums ? d[c] : 0;
    for (long r0 = -STAGED; r0 < R; r0 += STAGED) { // the round before the first only loads
        FRAGMENT(float, next, STAGED * COLUMNS / WIDE);
        UNROLL
        for (int i = 0; i < STAGED * COLUMNS / WIDE; i++) {
            const long r = r0 + STAGED + i * (WIDE / COLUMNS) + warp;
            next[i] = r < R && c < C ? g[r * ld + c] : 0;
        }
        if (x)
            UNROLL
            for (int i = 0; i < STAGED * COLUMNS / WIDE; i++) {
                const long r = r0 + STAGED + i * (WIDE / COLUMNS) + warp;
                next[i] *= r < R && c < C ? x[r * ld + c] : 0;
            }
        const int n = r0 < 0 ? 0 : R - r0 < STAGED ? (int)(R - r0) : STAGED;
        int i = 0;
        UNROLL_ONE
        for (; sums && i + UNDER_WAY <= n; i += UNDER_WAY) {
            FRAGMENT(float, t, UNDER_WAY);
            UNROLL
            for (int k = 0; k < UNDER_WAY; k++) t[k] = tile[i + k][lane];
            UNROLL
            for (int k = 0; k < UNDER_WAY; k++) sum += t[k];
        }
        for (; sums && i < n; i++) sum += tile[i][lane];
        __syncthreads();
        UNROLL
        for (int k = 0; k < STAGED * COLUMNS / WIDE; k++) tile[k * (WIDE / COLUMNS) + warp][lane] = next[k];
        __syncthreads();
    }
    if (sums) d[c] = sum;
}

HOST void cuda_sum_rows(float *d, const float *g, const float *x, long R, long C, long ld, cudaStream_t s) {
    if (R > 0 && C > 0) LAUNCH(sum_rows_kernel, DIM3((C + COLUMNS - 1) / COLUMNS, 1, 1), DIM3(WIDE, 1, 1), 0, s, d, g, x, R, C, ld);
}

// ---- added to their places

static __global__ void add_columns_kernel(float *d, long ldd, const float *g, long ldg, long R, long C) {
    const long i = (long)blockIdx.x * WIDE + threadIdx.x;
    if (i < R * C) d[i / C * ldd + i % C] += g[i / C * ldg + i % C];
}

HOST void cuda_add_columns(float *d, long ldd, const float *g, long ldg, long R, long C, cudaStream_t s) {
    if (R > 0 && C > 0) LAUNCH(add_columns_kernel, blocks_of(R * C), DIM3(WIDE, 1, 1), 0, s, d, ldd, g, ldg, R, C);
}

static __global__ void add_row_groups_kernel(float *d, const int32_t *to, const int32_t *starts, const float *g, const int32_t *from, long groups, long C) {
    const long i = (long)blockIdx.x * WIDE + threadIdx.x, k = i / C, c = i % C;
    if (i >= groups * C) return;
    float sum = d[to[k] * C + c];
    int32_t e = starts[k];
    UNROLL_ONE
    for (; e + UNDER_WAY <= starts[k + 1]; e += UNDER_WAY) {
        FRAGMENT(float, t, UNDER_WAY);
        UNROLL
        for (int i = 0; i < UNDER_WAY; i++) t[i] = g[from[e + i] * C + c];
        UNROLL
        for (int i = 0; i < UNDER_WAY; i++) sum += t[i];
    }
    for (; e < starts[k + 1]; e++) sum += g[from[e] * C + c];
    d[to[k] * C + c] = sum;
}

HOST void cuda_add_row_groups(float *d, const int32_t *to, const int32_t *starts, const float *g, const int32_t *from, long groups, long C, cudaStream_t s) {
    if (groups > 0 && C > 0) LAUNCH(add_row_groups_kernel, blocks_of(groups * C), DIM3(WIDE, 1, 1), 0, s, d, to, starts, g, from, groups, C);
}

// Per head: half pairs, then D - 2 half channels that were not turned.
static __global__ void rotary_gradient_kernel(float *d, const float *g, const float *cosine, const float *sine, long R, long heads, long D, long half, long rows) {
    const long each = D - half, i = (long)blockIdx.x * WIDE + threadIdx.x;
    if (i >= R * heads * each) return;
    const long r = i / (heads * each), h = i / each % heads, j = i % each, at = (r * heads + h) * D;
    if (j >= half) {
        d[at + half + j] += g[at + half + j];
        return;
    }
    const float c = cosine[r % rows * half + j], s = sine[r % rows * half + j], a = g[at + j], b = g[at + half + j];
    d[at + j] += a * c + b * s;
    d[at + half + j] += b * c - a * s;
}

HOST void cuda_rotary_gradient(float *d, const float *g, const float *cosine, const float *sine, long R, long heads, long D, long half, long rows, cudaStream_t s) {
    const long n = R * heads * (D - half);
    if (n) LAUNCH(rotary_gradient_kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, d, g, cosine, sine, R, heads, D, half, rows);
}

// One pixel a thread; those outside the last whole patch get nothing.
static __global__ void patchify_gradient_kernel(float *d, const float *g, long n, long channels, long h, long w, long P) {
    const long i = (long)blockIdx.x * WIDE + threadIdx.x, GH = h / P, GW = w / P;
    if (i >= n) return;
    const long x = i % w, y = i / w % h, channel = i / (w * h) % channels, b = i / (w * h * channels);
    if (y >= GH * P || x >= GW * P) return;
    d[i] += g[((b * GH + y / P) * GW + x / P) * channels * P * P + (channel * P + y % P) * P + x % P];
}

HOST void cuda_patchify_gradient(float *d, const float *g, long B, long channels, long h, long w, long P, cudaStream_t s) {
    const long n = B * channels * h * w;
    if (n) LAUNCH(patchify_gradient_kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, d, g, n, channels, h, w, P);
}

// ---- rows of sixteen lanes

// t[i] += t[i + half] for half = 8, 4, 2, 1: every lane ends with the whole sum.
static __device__ float fold(float t) {
    for (int half = LANES / 2; half; half /= 2) t += __shfl_xor_sync(0xffffffffu, t, half);
    return t;
}

// Where this thread's row is. Threads behind the last row work on it along and write nothing: shuffles want all lanes.
#define ROW_OF_THREAD                                                                              \
    long row = (long)blockIdx.x * ROWS + threadIdx.x / LANES;                                      \
    const bool there = row < R;                                                                    \
    const int lane = (int)(threadIdx.x % LANES);                                                   \
    if (!there) row = R - 1

#define RUN_ROWS(kernel, R, ...) LAUNCH(kernel, DIM3(((R) + ROWS - 1) / ROWS, 1, 1), DIM3(WIDE, 1, 1), 0, s, __VA_ARGS__)

static __device__ float weighted(const NormGradient *k, long at, long c) { return k->weight ? k->g[at] * (k->plus + k->weight[c]) : k->g[at]; }

static __device__ __forceinline__ float norm_scale(const NormGradient *k, float square, float length) {
    return k->norm != NORM_L2 ? 1 / sqrtf(square / (float)k->C + k->eps) : 1 / (length > k->eps ? length : k->eps);
}

// What is taken off h, and off it times hat, from their sums over the row.
typedef struct {
    float h, hh;
} NormMeans;

static __device__ __forceinline__ NormMeans norm_means(const NormGradient *k, float length, float sum_h, float sum_hh) {
    const float share = k->norm == NORM_L2 ? 1 : 1 / (float)k->C;
    NormMeans m;
    m.h = k->norm == NORM_LAYER ? sum_h * share : 0;
    m.hh = k->norm == NORM_L2 && length <= k->eps ? 0 : sum_hh * share;
    return m;
}

static __global__ void norm_gradient_kernel(NormGradient k) {
    const long R = k.R, C = k.C;
    ROW_OF_THREAD;
    const float *x = k.x + row * C;
    float t = 0, h1 = 0, h2 = 0;
    for (long i = lane; i < C; i += LANES) t += x[i];
    const float mean = k.norm == NORM_LAYER ? fold(t) / (float)C : 0;
    t = 0;
    for (long i = lane; i < C; i += LANES) {
        const float e = x[i] - mean;
        t += e * e;
    }
    const float square = fold(t), length = sqrtf(square);
    const float scale = norm_scale(&k, square, length);
    for (long i = lane; i < C; i += LANES) {
        const float hat = (x[i] - mean) * scale;
        if (there) k.hat[row * C + i] = hat;
        if (!k.d) continue;
        const float h = weighted(&k, row * C + i, i);
        h1 += h;
        h2 += h * hat;
    }
    if (!k.d) return;
    const float sum_h = fold(h1), sum_hh = fold(h2);
    const NormMeans mean_of = norm_means(&k, length, sum_h, sum_hh);
    for (long i = lane; there && i < C; i += LANES) {
        const float hat = (x[i] - mean) * scale, v = scale * (weighted(&k, row * C + i, i) - mean_of.h - hat * mean_of.hh);
        k.d[row * C + i] = k.fresh ? v : k.d[row * C + i] + v;
    }
}

// Version 1: rows of x and of g come to shared memory once, in pieces of sixteen bytes, all under way together.
#define STAGED_THREADS 128
#define STAGED_ROWS (STAGED_THREADS / LANES)
#define STAGED_BYTES (72 * 1024) // three blocks a multiprocessor
#define STAGED_GAP 16            // floats between rows: the two rows of a warp meet other banks

static __global__ __launch_bounds__(STAGED_THREADS) void norm_gradient_staged(NormGradient k, int rows) {
    DYNAMIC_SHARED(float, shared);
    const long C = k.C, ld = C + STAGED_GAP, first = (long)blockIdx.x * rows, end = k.R - first < rows ? k.R - first : rows;
    float *xs = shared, *gs = shared + rows * ld;
    for (long e = threadIdx.x; e < end * (C / 4); e += STAGED_THREADS) {
        const long r = e / (C / 4), c = e % (C / 4) * 4;
        cp_async16(xs + r * ld + c, k.x + (first + r) * C + c, 16);
        if (k.d) cp_async16(gs + r * ld + c, k.g + (first + r) * C + c, 16);
    }
    cp_async_commit();
    cp_async_wait(0);
    __syncthreads();
    const int lane = (int)(threadIdx.x % LANES);
    const long mine = threadIdx.x / LANES, row = mine < end ? mine : end - 1; // all lanes of a warp take part in its sums
    const bool there = mine < end;
    const float *x = xs + row * ld;
    const float *g = gs + row * ld;
    float t = 0, h1 = 0, h2 = 0;
    UNROLL_EIGHT
    for (long i = lane; i < C; i += LANES) t += x[i];
    const float mean = k.norm == NORM_LAYER ? fold(t) / (float)C : 0;
    t = 0;
    UNROLL_EIGHT
    for (long i = lane; i < C; i += LANES) {
        const float e = x[i] - mean;
        t += e * e;
    }
    const float square = fold(t), length = sqrtf(square);
    const float scale = norm_scale(&k, square, length);
    float *hats = k.hat + (first + row) * C;
    UNROLL_FOUR
    for (long i = lane; i < C; i += LANES) {
        const float hat = (x[i] - mean) * scale;
        if (there) hats[i] = hat;
        if (!k.d) continue;
        const float h = k.weight ? g[i] * (k.plus + k.weight[i]) : g[i];
        h1 += h;
        h2 += h * hat;
    }
    if (!k.d) return;
    const float sum_h = fold(h1), sum_hh = fold(h2);
    const NormMeans mean_of = norm_means(&k, length, sum_h, sum_hh);
    float *to = k.d + (first + row) * C;
    UNROLL_FOUR
    for (long i = lane; there && i < C; i += LANES) {
        const float hat = (x[i] - mean) * scale, h = k.weight ? g[i] * (k.plus + k.weight[i]) : g[i], v = scale * (h - mean_of.h - hat * mean_of.hh);
        to[i] = k.fresh ? v : to[i] + v;
    }
}

HOST void cuda_norm_gradient_version(const NormGradient *k, int version, cudaStream_t s) {
    if (k->R <= 0 || k->C <= 0) return;
    const long row = 2 * (k->C + STAGED_GAP) * (long)sizeof(float), fit = STAGED_BYTES / row;
    const int rows = fit < STAGED_ROWS ? (int)fit : STAGED_ROWS;
    if (version == 0 || rows < 1 || k->C % 4 != 0 || ((uintptr_t)k->x | (uintptr_t)k->g) % 16 != 0) RUN_ROWS(norm_gradient_kernel, k->R, *k);
    else LAUNCH(norm_gradient_staged, DIM3((k->R + rows - 1) / rows, 1, 1), DIM3(STAGED_THREADS, 1, 1), (size_t)(rows * row), s, *k, rows);
}

HOST void cuda_norm_gradient(const NormGradient *k, cudaStream_t s) { cuda_norm_gradient_version(k, 1, s); }

// d (+)= (softmax - one at the target) * weight; rows without a target get nothing. A row of -inf alone has a softmax of zeros.
#include "softmax_row.inc"

static __global__ __launch_bounds__(WIDE) void entropy_gradient_kernel(float *d, int fresh, const float *logits, const int32_t *targets, const float *g, long counted, long V) {
    const long row = blockIdx.x;
    const float *x = logits + row * V;
    float *to = d + row * V, top = -INFINITY;
    const long target = targets[row];
    const float weight = target < 0 ? 0 : g[0] / (float)counted;
    if (weight == 0) { // nothing is added, and so nobody has to know the sum
        for (long i = threadIdx.x; fresh && i < V; i += WIDE) to[i] = 0;
        return;
    }
    const float sum = exponentials_of_row(x, V, &top);
    for (long begin = 0; begin < V; begin += EACH_OF_PIECE * WIDE) {
        FRAGMENT(float, y, EACH_OF_PIECE);
        FRAGMENT(float, v, EACH_OF_PIECE);
        UNROLL
        for (int k = 0; k < EACH_OF_PIECE; k++) {
            const long i = begin + k * WIDE + threadIdx.x;
            y[k] = i < V ? x[i] : 0, v[k] = fresh || i >= V ? 0 : to[i];
        }
        UNROLL
        for (int k = 0; k < EACH_OF_PIECE; k++) v[k] += (top == -INFINITY ? 0 : f_exp(y[k] - top) / sum) * weight;
        UNROLL
        for (int k = 0; k < EACH_OF_PIECE; k++) {
            const long i = begin + k * WIDE + threadIdx.x;
            if (i < V) to[i] = i == target ? v[k] - weight : v[k];
        }
    }
}

HOST void cuda_entropy_gradient(float *d, bool fresh, const float *logits, const int32_t *targets, const float *g, long counted, long R, long V, cudaStream_t s) {
    if (R > 0 && V > 0) LAUNCH(entropy_gradient_kernel, DIM3(R, 1, 1), DIM3(WIDE, 1, 1), 0, s, d, (int)fresh, logits, targets, g, counted, V);
}

static __global__ void scores_gradient_kernel(float *dp, const float *p, const float *capped, long R, long C, float cap, float scale) {
    ROW_OF_THREAD;
    float t = 0;
    for (long i = lane; i < C; i += LANES) t = fused(p[row * C + i], dp[row * C + i], t);
    const float sum = fold(t);
    for (long i = lane; there && i < C; i += LANES) {
        const long at = row * C + i;
        float v = p[at] * (dp[at] - sum);
        if (capped) v *= 1 - (capped[at] / cap) * (capped[at] / cap);
        dp[at] = v * scale;
    }
}

HOST void cuda_scores_gradient(float *dp, const float *p, const float *capped, long R, long C, float cap, float scale, cudaStream_t s) {
    if (R > 0 && C > 0) RUN_ROWS(scores_gradient_kernel, R, dp, p, capped, R, C, cap, scale);
}
