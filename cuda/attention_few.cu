// attention_few.cu: softmax(q kᵀ) v for the newest tokens of texts, over the keys and values that are kept, with --dtype bf16.
//
// Twin of: attention_rows(), with its own order of the sums: keys are shared out among warps and blocks.
// Source: Dao et al. 2023, Flash-Decoding: parts of the keys apart, then one combination.
// Floor: 8 B G Tk D bytes, each key and value once: memory-bound (heads that share them read them from the cache).
// Allow: 1e-5 of the f64 result: f32 throughout.    Repeats: bit for bit, whatever else is in the batch.
// Needs: D <= 128 and a multiple of 4, q, k, v on 16 bytes; no mask, no weights asked for.
//   version
//   0  attention_f32.cu            exact order, one block a head: 32 blocks at batch 1
//   1  warps take keys in turn, four under way; blocks take CHUNK keys; a second kernel combines them     in use
#include "device.h"
#include "kernels.h"

#define WARPS 4
#define DEPTH 4   // keys of a warp under way
#define CHUNK 128 // keys of a block

typedef Attention AttentionArguments;

static __device__ bool seen(const AttentionArguments *a, long b, long i, long j, long length) {
    long at = i + length - a->Tq;
    if (j >= length || (a->causal && j > at) || (a->window > 0 && j <= at - a->window)) return false;
    return !a->key_mask || a->key_mask[b * a->Tk + j];
}

static __device__ __forceinline__ float4 four(const float *row, bool inside) {
    if (inside) return *(const float4 *)row;
    return make_float4(0, 0, 0, 0);
}

// What a group of keys adds up to: sum of e^(s - top) and of the values under these weights, four numbers of them a lane.
typedef struct {
    float4 out;
    float top, sum;
} Part;

static __device__ __forceinline__ void part_add(Part *p, float s, float4 v) {
    float top = s > p->top ? s : p->top;
    if (top == -INFINITY) return;
    float shrink = f_exp(p->top - top), e = f_exp(s - top);
    p->out.x = p->out.x * shrink + e * v.x, p->out.y = p->out.y * shrink + e * v.y;
    p->out.z = p->out.z * shrink + e * v.z, p->out.w = p->out.w * shrink + e * v.w;
    p->sum = p->sum * shrink + e;
    p->top = top;
}

// room: for each (text, head, query, chunk) D outputs, top, sum. Wide heads take a warp for a key, others half of one.
static __global__ __launch_bounds__(32 * WARPS) void attention_parts(AttentionArguments a, float *room, int chunks) {
    __shared__ float parts[2 * WARPS][128 + 2];
    grid_release();
    grid_wait();
    int warp = (int)threadIdx.x / 32, lane = thread_lane(), D = (int)a.D, width = D > 64 ? 32 : 16, group = lane / width, c = lane % width * 4;
    long h = blockIdx.y / a.Tq, i = blockIdx.y % a.Tq, b = blockIdx.z, ld = a.G * D, length = a.key_lengths ? a.key_lengths[b] : a.Tk, j0 = (long)blockIdx.x * CHUNK;
    long head = b * a.Tk * ld + h / (a.H / a.G) * D + c, end = j0 + CHUNK < length ? j0 + CHUNK : length;
    int groups = 32 / width * WARPS, own = warp * (32 / width) + group;
    bool mine = c < D;
    float4 q = four(a.q + ((b * a.Tq + i) * a.H + h) * D + c, mine);
    Part p;
    p.out = make_float4(0, 0, 0, 0), p.top = -INFINITY, p.sum = 0;
    for (long j = j0; j < end; j += DEPTH * groups) { // all lanes go round alike: shuffles want them
        FRAGMENT(float4, k, DEPTH);
        FRAGMENT(float4, v, DEPTH);
        UNROLL
        for (int d = 0; d < DEPTH; d++) {
            long at = j + own + (long)d * groups;
            k[d] = four(a.k + head + at * ld, mine && at < end), v[d] = four(a.v + head + at * ld, mine && at < end);
        }
        UNROLL
        for (int d = 0; d < DEPTH; d++) {
            long at = j + own + (long)d * groups;
            float s = fused(q.x, k[d].x, fused(q.y, k[d].y, fused(q.z, k[d].z, q.w * k[d].w)));
            if (width == 32) s += __shfl_xor_sync(0xffffffffu, s, 16);
            for (int half = 8; half; half /= 2) s += __shfl_xor_sync(0xffffffffu, s, half);
            s *= a.scale;
            if (a.softcap > 0) s = a.softcap * f_tanh(s / a.softcap);
            if (at < end && seen(&a, b, i, at, length)) part_add(&p, s, v[d]);
        }
    }
    if (mine) parts[own][c] = p.out.x, parts[own][c + 1] = p.out.y, parts[own][c + 2] = p.out.z, parts[own][c + 3] = p.out.w;
    if (c == 0) parts[own][128] = p.top, parts[own][129] = p.sum;
    __syncthreads();
    float top = -INFINITY, sum = 0, out = 0;
    for (int g = 0; g < groups; g++) top = parts[g][128] > top ? parts[g][128] : top;
    for (int g = 0; g < groups && top > -INFINITY; g++) {
        float weight = f_exp(parts[g][128] - top);
        sum += weight * parts[g][129];
        if ((int)threadIdx.x < D) out += weight * parts[g][threadIdx.x];
    }
    float *to = room + (((b * a.H + h) * a.Tq + i) * chunks + blockIdx.x) * (D + 2);
    if ((int)threadIdx.x < D) to[threadIdx.x] = out;
    if (threadIdx.x == 0) to[D] = top, to[D + 1] = sum;
}

static __global__ __launch_bounds__(128) void attention_whole(AttentionArguments a, const float *room, int chunks) {
    grid_release();
    grid_wait();
    int D = (int)a.D, d = (int)threadIdx.x;
    long h = blockIdx.x / a.Tq, i = blockIdx.x % a.Tq, b = blockIdx.y;
    const float *from = room + ((b * a.H + h) * a.Tq + i) * chunks * (D + 2);
    float top = -INFINITY, sum = 0, out = 0;
    for (int n = 0; n < chunks; n++) top = from[n * (D + 2) + D] > top ? from[n * (D + 2) + D] : top;
    for (int n = 0; n < chunks && top > -INFINITY; n++) {
        float weight = f_exp(from[n * (D + 2) + D] - top);
        sum += weight * from[n * (D + 2) + D + 1];
        if (d < D) out += weight * from[n * (D + 2) + d];
    }
    if (d < D) a.out[((b * a.Tq + i) * a.H + h) * D + d] = sum > 0 ? out / sum : 0; // who sees nothing gets zeros
}

static int chunks_of(const Attention *a) { return (int)((a->Tk + CHUNK - 1) / CHUNK); }

HOST size_t cuda_attention_few_room(const Attention *a) { return (size_t)(a->B * a->H * a->Tq) * (size_t)chunks_of(a) * (size_t)(a->D + 2) * sizeof(float); }

HOST void cuda_attention_few(const Attention *a, float *room, cudaStream_t stream) {
    if (a->B == 0 || a->Tq == 0) return;
    need(a->D <= 128 && a->D % 4 == 0 && !a->mask && !a->weights && a->dropout == 0, "cuda: attention of a few tokens with heads of %ld", a->D);
    need(((uintptr_t)a->q | (uintptr_t)a->k | (uintptr_t)a->v) % 16 == 0, "cuda: attention over values that do not start on 16 bytes");
    need(a->H * a->Tq <= 65535 && a->B <= 65535, "cuda: attention over %ld texts and %ld heads: more than one launch can take", a->B, a->H);
    int chunks = chunks_of(a);
    LAUNCH_EARLY(attention_parts, DIM3(chunks, a->H * a->Tq, a->B), DIM3(32 * WARPS, 1, 1), 0, stream, *a, room, chunks);
    LAUNCH_EARLY(attention_whole, DIM3(a->H * a->Tq, a->B, 1), DIM3(128, 1, 1), 0, stream, *a, (const float *)room, chunks);
}
