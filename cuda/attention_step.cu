// attention_step.cu: softmax(q kᵀ) v for the newest token of each text, over keys and values kept in bf16: all of what stands between a layer's
// products at a step, in one launch where a text's keys are one chunk.
//
// Twin of: attention_few.cu, with its own order of the sums; and of rotary_stored_kernel (rotary.cu), whose bits the stores get.
// Floor: 4 B G Tk D bytes, each key and value once: memory-bound.
// Allow: 1e-5 of the f64 result: f32 throughout.    Repeats: bit for bit, whatever else is in the batch.
// Needs: D <= 128 and a multiple of 8, q, k, v on 16 bytes; no mask, no weights asked for. Turned here: one query a text, heads that turn whole.
//   version
//   1  attention_few.cu: 32 keys under way, each with two exponentials; kernels before it (rotary.cu's) and behind it (adding chunks up)
//                                     12.7 us at 1 text of 112 tokens, 29.6 at 32 (H200, two launches, without rotary.cu's)
//   2  attention_step: all keys and values of a chunk under way at once, to shared memory, a score a thread, one exponential a key
//                                     6.8 and 27.6 us: at 32 texts 64 KiB a block leave three on a multiprocessor, which load and compute in step
//      attention_tiles: the same bits by tiles of 32 keys, a ring of three, eight blocks a multiprocessor
//                                     9.9 and 21.4 us; 32 texts of 2048 tokens 0.274 ms, 0.92 of copy speed (version 1: 0.285)
//      in use, where a text has few chunks: the first while all blocks find room at once, then the second
// q and the new key are turned while the first tiles are on their way.
#include "device_hopper.h"
#include "kernels.h"

#include "attention_few_keys.inc"

#define THREADS 128
#define CHUNK THREADS // keys of a block
#define TILE 32       // keys
#define SLOTS 3       // of tiles
#define QUARTERS (THREADS / TILE)

// Piece c (16 bytes) of a row lies at c ^ turn_of(row): four threads that read a row, and four of the next, meet every bank once.
static __device__ __forceinline__ int turn_of(int row, int pieces) { return pieces % 8 == 0 ? row % 2 * 4 : 0; }

// What a thread is of a tile as it comes, and when values are added up: one of `slices` rows at a time, by one of their pieces.
typedef struct {
    int pieces, slices, slice, piece;
} Share;

// Tile i of a block's keys, then values: rows below n, but row `without`, which is not in the store yet.
static __device__ __forceinline__ void bring(uint16_t *to, const uint16_t *keys, const uint16_t *values, long ld, int i, int tiles, int n, int without, const Share *m) {
    const int first = (i < tiles ? i : i - tiles) * TILE, end = n - first < TILE ? n - first : TILE;
    const uint16_t *from = (i < tiles ? keys : values) + first * ld;
    if (m->slice >= m->slices) return;
    for (int row = m->slice; row < end; row += m->slices)
        if (first + row != without) cp_async16(to + (row * m->pieces + (m->piece ^ turn_of(row, m->pieces))) * 8, from + row * ld + 8 * m->piece, 16);
}

// Threads [first, first + half) turn a head by pairs (rotary.cu).
static __device__ __forceinline__ bool turned(float *low, float *high, const float *x, const float *cosine, const float *sine, int j, int half) {
    if (j < 0 || j >= half) return false;
    const float a = x[j], b = x[j + half], c = cosine[j], s = sine[j];
    *low = a * c - b * s, *high = b * c + a * s;
    return true;
}

// The text's new token: its query is turned; so is its key, which goes to its place in the store and, where the chunk has it (key not NULL), to
// shared memory, as its value does.
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

// A quarter of q . key: its pieces QUARTERS apart.
static __device__ __forceinline__ float quarter_of(const float *q, const uint16_t *key, int quarter, int pieces, int turn) {
    FRAGMENT(float, s, 4);
    FRAGMENT(float, x, 8);
    UNROLL
    for (int e = 0; e < 4; e++) s[e] = 0;
    UNROLL
    for (int k = 0; k < 128 / 8 / QUARTERS; k++) {
        const int c = quarter + QUARTERS * k;
        if (c >= pieces) continue;
        const float4 u = *(const float4 *)(q + 8 * c), v = *(const float4 *)(q + 8 * c + 4);
        eight_of(x, *(const uint4 *)(key + 8 * (c ^ turn)));
        s[0] = fused(u.x, x[0], s[0]), s[1] = fused(u.y, x[1], s[1]), s[2] = fused(u.z, x[2], s[2]), s[3] = fused(u.w, x[3], s[3]);
        s[0] = fused(v.x, x[4], s[0]), s[1] = fused(v.y, x[5], s[1]), s[2] = fused(v.z, x[6], s[2]), s[3] = fused(v.w, x[7], s[3]);
    }
    return (s[0] + s[1]) + (s[2] + s[3]);
}

typedef struct {
    float top, sum;
} Softened;

// weights[0 … CHUNK): scores become weights, by the block.
static __device__ __forceinline__ Softened soften(float *weights, float *warps) {
    const int t = (int)threadIdx.x;
    const float s = weights[t];
    Softened r;
    r.top = larger_of_warp(s);
    if (t % 32 == 0) warps[t / 32] = r.top;
    __syncthreads();
    r.top = larger(larger(warps[0], warps[1]), larger(warps[2], warps[3]));
    const float weight = s > -INFINITY ? f_exp(s - r.top) : 0;
    r.sum = weight;
    for (int d = 16; d; d /= 2) r.sum += __shfl_xor_sync(0xffffffffu, r.sum, d);
    weights[t] = weight;
    if (t % 32 == 0) warps[4 + t / 32] = r.sum;
    __syncthreads();
    r.sum = (warps[4] + warps[5]) + (warps[6] + warps[7]);
    return r;
}

// What the slices have added up (parts, of each D outputs), to where it belongs.
static __device__ __forceinline__ void put_out(const Attention *a, uint16_t *rounded, float *room, const float *parts, int slices, Softened soft, long at, long place, bool whole) {
    const int t = (int)threadIdx.x, D = (int)a->D;
    if (t < D) {
        float sum = parts[t];
        for (int k = 1; k < slices; k++) sum += parts[k * D + t];
        if (whole) sum = soft.sum > 0 ? sum / soft.sum : 0; // who sees nothing gets zeros
        if (!whole) room[place + t] = sum;
        else if (rounded) rounded[at + t] = bf16_of(sum);
        else a->out[at + t] = sum;
    }
    if (!whole && t == 0) room[place + D] = soft.top, room[place + D + 1] = soft.sum;
}

// room: for each (text, head, query, chunk) D outputs, top, sum, as attention_few.cu has them; of one chunk, what attention gives. r.q NULL: queries
// are turned, and keys and values stored, already. Rows in shared memory are an odd number of pieces apart.
static __global__ __launch_bounds__(THREADS) void attention_step(Attention a, RotaryStored r, uint16_t *rounded, float *room, int chunks, int rows) {
    DYNAMIC_SHARED(uint16_t, shared);
    __shared__ __align__(16) float q[128];
    __shared__ float weights[CHUNK];
    __shared__ float parts[8 * THREADS];
    __shared__ float warps[2 * THREADS / 32];
    const int t = (int)threadIdx.x, D = (int)a.D, ld = D + 8, pieces = D / 8, slices = THREADS / pieces, slice = t / pieces, piece = t % pieces;
    const long h = blockIdx.y / a.Tq, i = blockIdx.y % a.Tq, b = blockIdx.z, from_ld = a.G * D, length = a.key_lengths ? a.key_lengths[b] : a.Tk, j0 = (long)blockIdx.x * CHUNK;
    const int n = length - j0 >= rows ? rows : length > j0 ? (int)(length - j0) : 0, without = r.q && r.at[b] >= j0 && r.at[b] < j0 + n ? (int)(r.at[b] - j0) : -1;
    const long head = (b * a.Tk + j0) * from_ld + h / (a.H / a.G) * D, at = ((b * a.Tq + i) * a.H + h) * D;
    uint16_t *keys = shared, *values = shared + rows * ld;
    for (int both = 0; both < 2; both++) {
        const uint16_t *from = (both ? a.v16 : a.k16) + head;
        for (int row = slice; row < n; row += slices)
            if (slice < slices && row != without) cp_async16((both ? values : keys) + row * ld + 8 * piece, from + row * from_ld + 8 * piece, 16);
        cp_async_commit();
    }
    if (r.q) take_new(&a, &r, b, h, q, without >= 0 ? keys + without * ld : NULL, values + without * ld);
    else if (t < D) q[t] = a.q[at + t];
    cp_async_wait(1);
    __syncthreads();
    float s = -INFINITY;
    if (t < n && seen(&a, b, i, j0 + t, length)) {
        FRAGMENT(float, quarters, QUARTERS);
        UNROLL
        for (int k = 0; k < QUARTERS; k++) quarters[k] = quarter_of(q, keys + t * ld, k, pieces, 0);
        s = ((quarters[0] + quarters[1]) + (quarters[2] + quarters[3])) * a.scale;
        if (a.softcap > 0) s = a.softcap * f_tanh(s / a.softcap);
    }
    weights[t] = s;
    const Softened soft = soften(weights, warps);
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
    put_out(&a, rounded, room, parts, slices, soft, at, (((b * a.H + h) * a.Tq + i) * chunks + blockIdx.x) * (D + 2), chunks == 1);
}

static __global__ __launch_bounds__(THREADS, 8) void attention_tiles(Attention a, RotaryStored r, uint16_t *rounded, float *room, int chunks) {
    DYNAMIC_SHARED(uint16_t, shared);
    __shared__ __align__(16) float q[128];
    __shared__ __align__(16) uint16_t new_key[128];
    __shared__ __align__(16) uint16_t new_value[128];
    __shared__ float weights[CHUNK];
    __shared__ float warps[2 * THREADS / 32];
    const int t = (int)threadIdx.x, D = (int)a.D;
    Share m;
    m.pieces = D / 8, m.slices = THREADS / m.pieces, m.slice = t / m.pieces, m.piece = t % m.pieces;
    const long h = blockIdx.y / a.Tq, i = blockIdx.y % a.Tq, b = blockIdx.z, ld = a.G * D, length = a.key_lengths ? a.key_lengths[b] : a.Tk, j0 = (long)blockIdx.x * CHUNK;
    const int n = length - j0 >= CHUNK ? CHUNK : length > j0 ? (int)(length - j0) : 0, tiles = (n + TILE - 1) / TILE;
    const int without = r.q && r.at[b] >= j0 && r.at[b] < j0 + n ? (int)(r.at[b] - j0) : -1;
    const long head = (b * a.Tk + j0) * ld + h / (a.H / a.G) * D, at = ((b * a.Tq + i) * a.H + h) * D;
    const int size = TILE * D;
    for (int k = 0; k < SLOTS - 1; k++) {
        if (k < 2 * tiles) bring(shared + k * size, a.k16 + head, a.v16 + head, ld, k, tiles, n, without, &m);
        cp_async_commit(); // an empty group too: the count of groups is the count of tiles
    }
    if (r.q) take_new(&a, &r, b, h, q, without >= 0 ? new_key : NULL, new_value);
    else if (t < D) q[t] = a.q[at + t];
    weights[t] = -INFINITY;
    FRAGMENT(float, out, 8);
    FRAGMENT(float, v, 8);
    UNROLL
    for (int e = 0; e < 8; e++) out[e] = 0;
    Softened soft;
    soft.top = -INFINITY, soft.sum = 0;
    for (int k = 0, slot = 0; k < 2 * tiles; k++) {
        cp_async_wait(SLOTS - 2);
        __syncthreads(); // the tile is there, and the one before has been read
        if (k + SLOTS - 1 < 2 * tiles) bring(shared + (slot == 0 ? SLOTS - 1 : slot - 1) * size, a.k16 + head, a.v16 + head, ld, k + SLOTS - 1, tiles, n, without, &m);
        cp_async_commit();
        const uint16_t *tile = shared + slot * size;
        if (k == tiles) soft = soften(weights, warps);
        if (k < tiles) { // keys
            const int row = t / QUARTERS, j = k * TILE + row;
            const bool is_new = j == without;
            float s = 0;
            if (j < n) s = quarter_of(q, is_new ? new_key : tile + row * D, t % QUARTERS, m.pieces, is_new ? 0 : turn_of(row, m.pieces));
            s = quad_sum(s) * a.scale; // by all lanes
            if (a.softcap > 0) s = a.softcap * f_tanh(s / a.softcap);
            if (t % QUARTERS == 0 && j < n && seen(&a, b, i, j0 + j, length)) weights[j] = s;
        } else {
            const int first = (k - tiles) * TILE, end = n - first < TILE ? n - first : TILE;
            for (int row = m.slice; m.slice < m.slices && row < end; row += m.slices) {
                const float w = weights[first + row];
                eight_of(v, first + row == without ? *(const uint4 *)(new_value + 8 * m.piece) : *(const uint4 *)(tile + (row * m.pieces + (m.piece ^ turn_of(row, m.pieces))) * 8));
                UNROLL
                for (int e = 0; e < 8; e++) out[e] = w > 0 ? fused(w, v[e], out[e]) : out[e]; // who is not seen may be no number
            }
        }
        slot = slot == SLOTS - 1 ? 0 : slot + 1;
    }
    cp_async_wait(0);
    __syncthreads(); // tiles have been read: what follows takes their place
    float *parts = (float *)shared; // of every slice D outputs
    if (m.slice < m.slices)
        UNROLL
        for (int e = 0; e < 8; e++) parts[m.slice * D + 8 * m.piece + e] = out[e];
    __syncthreads();
    put_out(&a, rounded, room, parts, m.slices, soft, at, (((b * a.H + h) * a.Tq + i) * chunks + blockIdx.x) * (D + 2), chunks == 1);
}

HOST bool cuda_attention_step_takes(const Attention *a, const RotaryStored *r) {
    if (!a->k16 || !cuda_attention_few_takes(a) || a->D > 128) return false;
    return !r || (a->Tq == 1 && a->key_lengths && a->D == 2 * r->half && r->halves && r->T == 1 && r->capacity == a->Tk && r->keys == (const void *)a->k16 && r->values == (const void *)a->v16);
}

HOST void cuda_attention_step(const Attention *a, const RotaryStored *r, uint16_t *rounded, float *room, int chunks, cudaStream_t stream) {
    RotaryStored none;
    memset(&none, 0, sizeof none); // lists of commands are compared
    const dim3 grid = DIM3(chunks, a->H * a->Tq, a->B), block = DIM3(THREADS, 1, 1);
    const RotaryStored turned = r ? *r : none;
    const size_t rows = a->Tk < CHUNK ? (size_t)a->Tk : CHUNK, bytes = SLOTS * TILE * (size_t)a->D * sizeof(uint16_t), parts = THREADS * 8 * sizeof(float);
    if (chunks * a->H * a->Tq * a->B <= 3 * gpu_processors()) LAUNCH(attention_step, grid, block, 2 * rows * (size_t)(a->D + 8) * sizeof(uint16_t), stream, *a, turned, rounded, room, chunks, (int)rows);
    else LAUNCH(attention_tiles, grid, block, bytes > parts ? bytes : parts, stream, *a, turned, rounded, room, chunks);
}
