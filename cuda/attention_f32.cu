// attention_f32.cu: softmax(q kᵀ) v per head, the exact path.
//
// Twin of: attention_rows() in model/attention.c; the same bits: scores are summed over d ascending, the softmax's sum in
// sixteen running sums (key number mod 16) folded in halves, outputs over keys ascending, hidden ones with a weight of zero. Weights
// are dropped by the same random numbers.
// Floor: 4 B H Tq Tk D flops at the f32 rate, half of it when causal: keys that no query of a block sees are not read.
// Allow: nothing.    Repeats: bit for bit.
// Needs: one row of scores fits shared memory: Tk <= about 40000.
//   version
//   0  a block per query: scores, softmax, sum     kept as ROWS = 1 of the same kernel, for long contexts
//   1  a block per 8 queries of one head, keys and values staged in shared memory 32 at a time     2 to 4 TFLOP/s, 0.06 to 0.16 of PyTorch
//                                                  (H200): a word of shared memory for each operand of each multiply-add; in use for few or odd queries
//   2  attention_f32_rows.inc: 8, 16 or 32 queries a block, a tile of scores and of outputs a thread, four words an access: 9 to 10 TFLOP/s,
//                                                  0.39 of PyTorch at 577 tokens, 0.24 at 2048 causal     in use where queries do not see all keys
//   3  attention_apart.cu                          in use where they do
#define EXACT static __device__ inline
#include "device.h"
#include "kernels.h"

#include "io/exact.h"

#define BLOCK 128
#define KEYS 32     // staged at a time
#define OUTPUTS 16  // sums that a thread keeps in registers

typedef Attention AttentionArguments;

static __device__ bool hidden(const AttentionArguments *a, long b, long i, long j, long length) {
    long at = i + length - a->Tq;
    if (a->causal && j > at) return true;
    if (a->window > 0 && j <= at - a->window) return true;
    return a->key_mask && !a->key_mask[b * a->Tk + j];
}

// The keys that one of the queries [i0, i0 + rows) sees lie in [*from, *to): others are not even read.
static __device__ void seen_keys(const AttentionArguments *a, long i0, int rows, long length, long *from, long *to) {
    long at = i0 + length - a->Tq;
    *from = 0, *to = length;
    if (a->causal && at + rows < length) *to = at + rows > 0 ? at + rows : 0;
    if (a->window > 0 && at - a->window + 1 > 0) *from = at - a->window + 1;
    if (*from > *to) *from = *to;
}

// exp(s - max) / sum over keys [from, to) of one row, by one warp. Lane l < 16 keeps the running sum of the keys whose
// number is l mod 16; the fold is the CPU's. A query that sees nothing gets zeros; a NaN stays.
static __device__ void softmax_row(float *s, long from, long to, int lane) {
    float top = -INFINITY;
    for (long j = from + lane; j < to; j += 32) top = larger(s[j], top);
    for (int d = 16; d; d /= 2) {
        float other = __shfl_xor_sync(0xffffffffu, top, d);
        top = larger(other, top);
    }
    float sum = 0;
    if (!(top > -INFINITY)) top = 0;
    for (long j = from + lane; j < to; j += 32) s[j] = f_exp(s[j] - top);
    __syncwarp();
    if (lane < 16)
        for (long j = from + ((lane - from) & 15); j < to; j += 16) sum += s[j];
    for (int half = 8; half; half /= 2) sum += __shfl_down_sync(0xffffffffu, sum, half);
    sum = __shfl_sync(0xffffffffu, sum, 0);
    if (sum <= 0) sum = 1;
    __syncwarp();
    for (long j = from + lane; j < to; j += 32) s[j] /= sum;
}

// Shared memory: scores (rows, Tk), queries (rows, D), keys or values (KEYS, D + 1).
static __global__ __launch_bounds__(BLOCK) void attention_exact(AttentionArguments a, int rows) {
    DYNAMIC_SHARED(float, scores);
    int t = (int)threadIdx.x, D = (int)a.D;
    long h = blockIdx.y, b = blockIdx.z, i0 = (long)blockIdx.x * rows, g = h / (a.H / a.G), ldq = a.H * a.D, ld = a.G * a.D;
    long length = a.key_lengths ? a.key_lengths[b] : a.Tk, from, to;
    float *queries = scores + rows * a.Tk, *tile = queries + rows * D;
    if (a.Tq - i0 < rows) rows = (int)(a.Tq - i0);
    seen_keys(&a, i0, rows, length, &from, &to);
    const float *q = a.q + (b * a.Tq + i0) * ldq + h * D, *k = a.k + b * a.Tk * ld + g * D, *v = a.v + b * a.Tk * ld + g * D;
    for (int e = t; e < rows * D; e += BLOCK) queries[e] = q[e / D * ldq + e % D];
    for (long j0 = from; j0 < to; j0 += KEYS) {
        int n = to - j0 < KEYS ? (int)(to - j0) : KEYS;
        __syncthreads();
        for (int e = t; e < n * D; e += BLOCK) tile[e / D * (D + 1) + e % D] = k[(j0 + e / D) * ld + e % D];
        __syncthreads();
        for (int e = t; e < rows * KEYS; e += BLOCK) {
            int r = e / KEYS, j = e % KEYS;
            if (j >= n) continue;
            float s = 0;
            for (int d = 0; d < D; d++) s = fused(queries[r * D + d], tile[j * (D + 1) + d], s);
            s *= a.scale;
            if (a.softcap > 0) s = a.softcap * f_tanh(s / a.softcap);
            if (a.mask) s += a.mask[(i0 + r) * a.Tk + j0 + j];
            scores[r * a.Tk + j0 + j] = hidden(&a, b, i0 + r, j0 + j, length) ? -INFINITY : s;
        }
    }
    __syncthreads();
    for (int r = t / 32; r < rows; r += BLOCK / 32) softmax_row(scores + r * a.Tk, from, to, t % 32);
    __syncthreads();
    if (a.weights)
        for (long e = t; e < rows * a.Tk; e += BLOCK)
            a.weights[((b * a.H + h) * a.Tq + i0) * a.Tk + e] = e % a.Tk >= from && e % a.Tk < to ? scores[e] : 0;
    if (a.dropout > 0) { // numbered as the weights in (B, H, Tq, Tk)
        const float keep = 1 / (1 - a.dropout);
        __syncthreads();
        for (long e = t; e < rows * a.Tk; e += BLOCK)
            if (e % a.Tk >= from && e % a.Tk < to) scores[e] = exact_uniform(a.seed, a.stream, (uint64_t)(((b * a.H + h) * a.Tq + i0) * a.Tk + e)) < (double)a.dropout ? 0 : scores[e] * keep;
        __syncthreads();
    }
    for (int first = 0; first < rows * D; first += BLOCK * OUTPUTS) { // once, unless the head is very wide
        FRAGMENT(float, sum, OUTPUTS);
        UNROLL
        for (int i = 0; i < OUTPUTS; i++) sum[i] = 0;
        for (long j0 = from; j0 < to; j0 += KEYS) {
            int n = to - j0 < KEYS ? (int)(to - j0) : KEYS;
            __syncthreads();
            for (int e = t; e < n * D; e += BLOCK) tile[e / D * (D + 1) + e % D] = v[(j0 + e / D) * ld + e % D];
            __syncthreads();
            UNROLL
            for (int i = 0; i < OUTPUTS; i++) {
                int e = first + i * BLOCK + t;
                if (e < rows * D) {
                    const float *w = scores + e / D * a.Tk + j0;
                    for (int j = 0; j < n; j++) sum[i] = fused(w[j], tile[j * (D + 1) + e % D], sum[i]);
                }
            }
        }
        UNROLL
        for (int i = 0; i < OUTPUTS; i++) {
            int e = first + i * BLOCK + t;
            if (e < rows * D) a.out[(b * a.Tq + i0 + e / D) * ldq + h * D + e % D] = sum[i];
        }
    }
}

// ---- version 2

#define TILE 64 // keys or values at a time

// Rows of D words to rows D + 4 apart in shared memory, a warp a row, sixteen bytes an access; those from `there` on become zeros. The
// caller commits.
static __device__ __forceinline__ void bring_rows(float *to, const float *x, long ld, int rows, long there, int D) {
    const int column = 4 * thread_lane();
    if (column >= D) return;
    for (int r = (int)threadIdx.x / 32; r < rows; r += BLOCK / 32) cp_async16(to + r * (D + 4) + column, r < there ? x + r * ld + column : x, r < there ? 16 : 0);
}

#define ROWS_OF(name) name##_8
#define EACH 1
#include "attention_f32_rows.inc"
#define ROWS_OF(name) name##_16
#define EACH 2
#include "attention_f32_rows.inc"
#define ROWS_OF(name) name##_32
#define EACH 4
#include "attention_f32_rows.inc"

static const size_t most = 160 * 1024; // bytes of shared memory of an sm_80; larger cards have more

static size_t bytes_of_rows(const Attention *a, int queries, int stride) {
    return ((size_t)queries * (size_t)(stride + a->D + 4) + (size_t)TILE * (size_t)(a->D + 4)) * sizeof(float);
}

static bool rows_take(const Attention *a) {
    return a->D % 4 == 0 && a->D <= 128 && a->Tq >= 8 && ((uintptr_t)a->q | (uintptr_t)a->k | (uintptr_t)a->v | (uintptr_t)a->out) % 16 == 0 && a->Tk < 1 << 20 &&
           bytes_of_rows(a, 8, (int)a->Tk + 8) <= most;
}

static void launch_rows(const Attention *a, cudaStream_t stream) {
    const int stride = (int)(a->Tk + 3) / 4 * 4 + 4;
    int queries = a->Tq >= 32 ? 32 : a->Tq >= 16 ? 16 : 8;
    while (queries > 8 && bytes_of_rows(a, queries, stride) > most) queries /= 2;
    const dim3 grid = DIM3((a->Tq + queries - 1) / queries, a->H, a->B), block = DIM3(BLOCK, 1, 1);
    const size_t bytes = bytes_of_rows(a, queries, stride);
    if (queries == 32) LAUNCH(attention_rows_f32_32, grid, block, bytes, stream, *a, stride);
    else if (queries == 16) LAUNCH(attention_rows_f32_16, grid, block, bytes, stream, *a, stride);
    else LAUNCH(attention_rows_f32_8, grid, block, bytes, stream, *a, stride);
}

HOST void cuda_attention(const Attention *a, cudaStream_t stream) { cuda_attention_version(a, 2, stream); }

HOST void cuda_attention_version(const Attention *a, int version, cudaStream_t stream) {
    if (a->B == 0 || a->Tq == 0) return;
    int rows = 8;
    size_t bytes;
    for (;; rows /= 2) {
        bytes = ((size_t)rows * (size_t)(a->Tk + a->D) + (size_t)KEYS * (size_t)(a->D + 1)) * sizeof(float);
        if (bytes <= most || rows == 1) break;
    }
    need(bytes <= most, "cuda: attention over %ld keys in f32: a row of scores does not fit; use --dtype bf16", a->Tk);
    need(a->H <= 65535 && a->B <= 65535, "cuda: attention over %ld texts and %ld heads: more than one launch can take", a->B, a->H);
    if (version == 2 && rows_take(a)) {
        launch_rows(a, stream);
        return;
    }
    LAUNCH(attention_exact, DIM3((a->Tq + rows - 1) / rows, a->H, a->B), DIM3(BLOCK, 1, 1), bytes, stream, *a, rows);
}
