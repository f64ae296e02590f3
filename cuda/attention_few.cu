// attention_few.cu: softmax(q kᵀ) v for the newest tokens of texts, over the keys and values that are kept, with --dtype bf16.
//
// Twin of: attention_rows(), with its own order of the sums: keys are shared out among warps and blocks.
// Source: Dao et al. 2023, Flash-Decoding: parts of the keys apart, then one combination.
// Floor: 8 B G Tk D bytes (4 where they are kept in bf16), each key and value once: memory-bound (heads that share them read them from the cache).
// Allow: 1e-5 of the f64 result: f32 throughout.    Repeats: bit for bit, whatever else is in the batch.
// Needs: D <= 128 and a multiple of 4, in bf16 <= 256 and of 8; q, k, v on 16 bytes; no mask, no weights asked for.
//   version
//   0  attention_f32.cu            exact order, one block a head: 32 blocks at batch 1
//   1  groups of lanes take keys in turn, four under way; blocks take CHUNK keys; a second kernel combines them     in use: f32, 32 texts of 2048
//      tokens, 32 heads of 128: 0.374 ms (H200); bf16, eight numbers a lane for four: 0.286 ms, 0.89 of copy speed
//   2  attention_step.cu           in use where keys are in bf16, up to 2048: 0.274 ms
#include "device.h"
#include "kernels.h"

#include "attention_few_keys.inc"

#define WARPS 4
#define DEPTH 4   // keys of a warp under way
#define CHUNK 128 // keys of a block

typedef Attention AttentionArguments;

// n parts, one behind the other, of D outputs, top and sum each, become one; or, whole, what attention gives, in bf16 where `rounded` is there. By
// the threads of a block.
static __device__ __forceinline__ void add_parts(float *to, uint16_t *rounded, const float *parts, int n, int D, bool whole) {
    float top = -INFINITY;
    for (int g = 0; g < n; g++) top = larger(parts[g * (D + 2) + D], top);
    for (int d = (int)threadIdx.x; d < D; d += 32 * WARPS) {
        float sum = 0, out = 0;
        for (int g = 0; g < n && top > -INFINITY; g++) {
            const float *part = parts + g * (D + 2);
            const float weight = f_exp(part[D] - top);
            sum += weight * part[D + 1], out += weight * part[d];
        }
        if (whole) out = sum > 0 ? out / sum : 0; // who sees nothing gets zeros
        if (rounded) rounded[d] = bf16_of(out);
        else to[d] = out;
        if (!whole && d == 0) to[D] = top, to[D + 1] = sum;
    }
}

// Heads of up to 128.
#define KIND(name) name##_f32
#define RAW float4
#define EACH 4
#define NOTHING make_float4(0, 0, 0, 0)
#define UNPACK(to, raw) to[0] = raw.x, to[1] = raw.y, to[2] = raw.z, to[3] = raw.w
#define KEYS(a) a.k
#define VALUES(a) a.v
#include "attention_few_parts.inc"
// Heads of up to 256.
#define KIND(name) name##_bf16
#define RAW uint4
#define EACH 8
#define NOTHING make_uint4(0, 0, 0, 0)
#define UNPACK(to, raw) eight_of(to, raw)
#define KEYS(a) a.k16
#define VALUES(a) a.v16
#include "attention_few_parts.inc"

static __global__ __launch_bounds__(32 * WARPS) void attention_whole(AttentionArguments a, uint16_t *rounded, const float *room, int chunks) {
    const long h = blockIdx.x / a.Tq, i = blockIdx.x % a.Tq, b = blockIdx.y;
    const long at = ((b * a.Tq + i) * a.H + h) * a.D;
    add_parts(a.out + at, rounded ? rounded + at : NULL, room + ((b * a.H + h) * a.Tq + i) * chunks * (a.D + 2), chunks, (int)a.D, true);
}

static int chunks_of(const Attention *a) { return (int)((a->Tk + CHUNK - 1) / CHUNK); }

HOST size_t cuda_attention_few_room(const Attention *a) { return (size_t)(a->B * a->H * a->Tq) * (size_t)chunks_of(a) * (size_t)(a->D + 2) * sizeof(float); }

HOST bool cuda_attention_few_takes(const Attention *a) {
    const long each = a->k16 ? 8 : 4;
    const uintptr_t pointers = (uintptr_t)a->q | (a->k16 ? (uintptr_t)a->k16 | (uintptr_t)a->v16 : (uintptr_t)a->k | (uintptr_t)a->v);
    return !a->mask && !a->weights && a->dropout == 0 && a->D <= 32 * each && a->D % each == 0 && pointers % 16 == 0;
}

static void attend(const Attention *a, const RotaryStored *r, uint16_t *rounded, float *room, int version, cudaStream_t stream) {
    if (a->B == 0 || a->Tq == 0) return;
    need(cuda_attention_few_takes(a), "cuda: attention of a few tokens with heads of %ld", a->D);
    need(a->H * a->Tq <= 65535 && a->B <= 65535, "cuda: attention over %ld texts and %ld heads: more than one launch can take", a->B, a->H);
    const int chunks = chunks_of(a);
    const dim3 grid = DIM3(chunks, a->H * a->Tq, a->B), block = DIM3(32 * WARPS, 1, 1);
    if (version == 2) cuda_attention_step(a, r, rounded, room, chunks, stream);
    else if (a->k16) LAUNCH(attention_parts_bf16, grid, block, 0, stream, *a, room, chunks);
    else LAUNCH(attention_parts_f32, grid, block, 0, stream, *a, room, chunks);
    if (version == 1 || chunks > 1) LAUNCH(attention_whole, DIM3(a->H * a->Tq, a->B, 1), block, 0, stream, *a, rounded, (const float *)room, chunks);
}

HOST void cuda_attention_few_version(const Attention *a, uint16_t *rounded, float *room, int version, cudaStream_t stream) {
    need(version == 1 || cuda_attention_step_takes(a, NULL), "cuda: attention of a few tokens with heads of %ld, version %d", a->D, version);
    attend(a, NULL, rounded, room, version, stream);
}

#define CHUNKS_OF_STEP 16 // as many as version 2 was timed with

HOST void cuda_attention_few(const Attention *a, uint16_t *rounded, float *room, cudaStream_t stream) {
    attend(a, NULL, rounded, room, cuda_attention_step_takes(a, NULL) && chunks_of(a) <= CHUNKS_OF_STEP ? 2 : 1, stream);
}

HOST bool cuda_attention_few_turned_takes(const Attention *a, const RotaryStored *r) { return cuda_attention_step_takes(a, r) && chunks_of(a) <= CHUNKS_OF_STEP; }
HOST void cuda_attention_few_turned(const Attention *a, const RotaryStored *r, uint16_t *rounded, float *room, cudaStream_t stream) { attend(a, r, rounded, room, 2, stream); }
