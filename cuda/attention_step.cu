// attention_step.cu: softmax(q kᵀ) v for the newest token of each text, over keys and values kept in bf16: all of what stands between a layer's
// products at a step, in one launch where a text's keys are one chunk.
//
// Twin of: attention_few.cu, with its own order of the sums; and of rotary_stored_kernel (rotary.cu), whose bits the stores get.
// Floor: 4 B G Tk D bytes, each key and value once: memory-bound.
// Allow: 1e-5 of the f64 result: f32 throughout.    Repeats: bit for bit, whatever else is in the batch.
// Needs: D <= 128 and a multiple of 8, q, k, v on 16 bytes; no mask, no weights asked for. Turned here: one query a text, heads that turn whole.
//   version
//   1  attention_few.cu: 32 keys under way, each with two exponentials; three kernels with rotary.cu's and the one that combines    a step of 1 text
//      (64 to 112 tokens): 4, 9 and 2 us of a layer (H200, by event less the event's own 5)
//   2  all keys and values of a chunk under way at once, to shared memory; q and the new key are turned meanwhile; a score a thread, one
//      exponential a key      in use where a text has few chunks; expected: 4 us; not measured
#include "device.h"
#include "kernels.h"

#define THREADS 128
#define CHUNK THREADS // keys of a block

static __device__ __forceinline__ void eight_of(float *to, uint4 x) {
    to[0] = float_from(x.x << 16), to[1] = float_from(x.x & 0xffff0000u), to[2] = float_from(x.y << 16), to[3] = float_from(x.y & 0xffff0000u);
    to[4] = float_from(x.z << 16), to[5] = float_from(x.z & 0xffff0000u), to[6] = float_from(x.w << 16), to[7] = float_from(x.w & 0xffff0000u);
}

static __device__ bool seen(const Attention *a, long b, long i, long j, long length) {
    long at = i + length - a->Tq;
    if (j >= length || (a->causal && j > at) || (a->window > 0 && j <= at - a->window)) return false;
    return !a->key_mask || a->key_mask[b * a->Tk + j];
}

// Rows [0, n) of a chunk, 16 bytes a thread, but row `without`, which another thread writes.
static __device__ __forceinline__ void bring(uint16_t *to, int ld, const uint16_t *from, long from_ld, int n, int slice, int slices, int piece, int without) {
    for (int row = slice; row < n; row += slices)
        if (slice < slices && row != without) cp_async16(to + row * ld + 8 * piece, from + row * from_ld + 8 * piece, 16);
}

// Threads [first, first + half) turn a head by pairs (rotary.cu).
static __device__ __forceinline__ bool turned(float *low, float *high, const float *x, const float *cosine, const float *sine, int j, int half) {
    if (j < 0 || j >= half) return false;
    const float a = x[j], b = x[j + half], c = cosine[j], s = sine[j];
    *low = a * c - b * s, *high = b * c + a * s;
    return true;
}

// The text's new token: its query is turned; so is its key, which goes to its place in the store and, where the chunk has it, in shared memory, as
// its value does.
static __device__ __forceinline__ void take_new(const Attention *a, const RotaryStored *r, long b, long h, float *q, uint16_t *key, uint16_t *value) {
    const int t = (int)threadIdx.x, D = (int)a->D, half = D / 2;
    const long g = h / (a->H / a->G), place = (b * a->Tk + r->at[b]) * a->G * D + g * D;
    const bool stores = h % (a->H / a->G) == 0 && key; // one of the heads that share it
    const float *cosine = r->cosine + b % r->rows * half, *sine = r->sine + b % r->rows * half;
    float low, high;
    if (turned(&low, &high, r->q + (b * a->H + h) * D, cosine, sine, t, half)) q[t] = low, q[t + half] = high;
    if (!key) return;
    const int j = t - half;
    if (turned(&low, &high, r->key + (b * a->G + g) * D, cosine, sine, j, half)) {
        key[j] = bf16_of(low), key[j + half] = bf16_of(high);
        if (stores) ((uint16_t *)r->keys)[place + j] = key[j], ((uint16_t *)r->keys)[place + j + half] = key[j + half];
    }
    if (t < D) {
        value[t] = bf16_of(r->v[(b * a->G + g) * D + t]);
        if (stores) ((uint16_t *)r->values)[place + t] = value[t];
    }
}

// q . key, for a row of keys.
static __device__ __forceinline__ float score_of(const float *q, const uint16_t *key, int D) {
    FRAGMENT(float, s, 4);
    FRAGMENT(float, x, 8);
    UNROLL
    for (int e = 0; e < 4; e++) s[e] = 0;
    UNROLL_FOUR
    for (int d = 0; d < D; d += 8) {
        const float4 u = *(const float4 *)(q + d), v = *(const float4 *)(q + d + 4);
        eight_of(x, *(const uint4 *)(key + d));
        s[0] = fused(u.x, x[0], s[0]), s[1] = fused(u.y, x[1], s[1]), s[2] = fused(u.z, x[2], s[2]), s[3] = fused(u.w, x[3], s[3]);
        s[0] = fused(v.x, x[4], s[0]), s[1] = fused(v.y, x[5], s[1]), s[2] = fused(v.z, x[6], s[2]), s[3] = fused(v.w, x[7], s[3]);
    }
    return (s[0] + s[1]) + (s[2] + s[3]);
}

// room: for each (text, head, query, chunk) D outputs, top, sum, as attention_few.cu has them; whole: there is one chunk. r.q NULL: queries are
// turned, and keys and values stored, already.
static __global__ __launch_bounds__(THREADS) void attention_step(Attention a, RotaryStored r, uint16_t *rounded, float *room, int chunks, int rows) {
    DYNAMIC_SHARED(uint16_t, shared);
    __shared__ float q[128];
    __shared__ float weights[CHUNK];
    __shared__ float parts[8 * THREADS]; // of every slice D outputs
    __shared__ float tops[THREADS / 32];
    __shared__ float sums[THREADS / 32];
    const int t = (int)threadIdx.x, D = (int)a.D, ld = D + 8, pieces = D / 8, slices = THREADS / pieces, slice = t / pieces, piece = t % pieces;
    const long h = blockIdx.y / a.Tq, i = blockIdx.y % a.Tq, b = blockIdx.z, from_ld = a.G * D, length = a.key_lengths ? a.key_lengths[b] : a.Tk, j0 = (long)blockIdx.x * CHUNK;
    const int n = length - j0 >= rows ? rows : length > j0 ? (int)(length - j0) : 0, without = r.q && r.at[b] >= j0 && r.at[b] < j0 + n ? (int)(r.at[b] - j0) : -1;
    const long head = (b * a.Tk + j0) * from_ld + h / (a.H / a.G) * D, at = ((b * a.Tq + i) * a.H + h) * D;
    uint16_t *keys = shared, *values = shared + rows * ld; // rows are an odd number of 16 bytes apart
    bring(keys, ld, a.k16 + head, from_ld, n, slice, slices, piece, without);
    cp_async_commit();
    bring(values, ld, a.v16 + head, from_ld, n, slice, slices, piece, without);
    cp_async_commit();
    if (r.q) take_new(&a, &r, b, h, q, without >= 0 ? keys + without * ld : NULL, values + without * ld);
    else if (t < D) q[t] = a.q[at + t];
    cp_async_wait(1);
    __syncthreads();
    float s = -INFINITY;
    if (t < n && seen(&a, b, i, j0 + t, length)) {
        s = score_of(q, keys + t * ld, D) * a.scale;
        if (a.softcap > 0) s = a.softcap * f_tanh(s / a.softcap);
    }
    float top = larger_of_warp(s);
    if (t % 32 == 0) tops[t / 32] = top;
    __syncthreads();
    top = larger(larger(tops[0], tops[1]), larger(tops[2], tops[3]));
    const float weight = s > -INFINITY ? f_exp(s - top) : 0;
    float sum = weight;
    for (int d = 16; d; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
    weights[t] = weight;
    if (t % 32 == 0) sums[t / 32] = sum;
    cp_async_wait(0);
    __syncthreads();
    if (slice < slices) {
        FRAGMENT(float, out, 8);
        FRAGMENT(float, v, 8);
        UNROLL
        for (int e = 0; e < 8; e++) out[e] = 0;
        UNROLL_FOUR
        for (int row = slice; row < n; row += slices) {
            const float w = weights[row];
            eight_of(v, *(const uint4 *)(values + row * ld + 8 * piece));
            UNROLL
            for (int e = 0; e < 8; e++) out[e] = w > 0 ? fused(w, v[e], out[e]) : out[e]; // who is not seen may be no number
        }
        UNROLL
        for (int e = 0; e < 8; e++) parts[slice * D + 8 * piece + e] = out[e];
    }
    __syncthreads();
    sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    if (t < D) {
        float out = parts[t];
        for (int k = 1; k < slices; k++) out += parts[k * D + t];
        if (chunks == 1) {
            out = sum > 0 ? out / sum : 0; // who sees nothing gets zeros
            if (rounded) rounded[at + t] = bf16_of(out);
            else a.out[at + t] = out;
        } else room[(((b * a.H + h) * a.Tq + i) * chunks + blockIdx.x) * (D + 2) + t] = out;
    }
    if (chunks > 1 && t == 0) {
        float *to = room + (((b * a.H + h) * a.Tq + i) * chunks + blockIdx.x) * (D + 2) + D;
        to[0] = top, to[1] = sum;
    }
}

HOST bool cuda_attention_step_takes(const Attention *a, const RotaryStored *r) {
    if (!a->k16 || !cuda_attention_few_takes(a) || a->D > 128) return false;
    return !r || (a->Tq == 1 && a->key_lengths && a->D == 2 * r->half && r->halves && r->T == 1 && r->capacity == a->Tk && r->keys == (const void *)a->k16 && r->values == (const void *)a->v16);
}

HOST void cuda_attention_step(const Attention *a, const RotaryStored *r, uint16_t *rounded, float *room, int chunks, cudaStream_t stream) {
    RotaryStored none;
    memset(&none, 0, sizeof none); // lists of commands are compared
    const int rows = a->Tk < CHUNK ? (int)a->Tk : CHUNK;
    LAUNCH(attention_step, DIM3(chunks, a->H * a->Tq, a->B), DIM3(THREADS, 1, 1), 2 * (size_t)rows * (size_t)(a->D + 8) * sizeof(uint16_t), stream, *a, r ? *r : none, rounded, room, chunks, rows);
}
