// attention_hopper.cu: softmax(q kᵀ) v per head in bf16 on Hopper: both products by wgmma, tiles brought by the tensor copy engine.
//
// Twin of: attention_bf16.cu; the same arguments. Source: Shah et al. 2024 (arXiv:2407.08608).
// Floor: 4 B H Tq Tk D flops at the bf16 rate, and B H Tq Tk exponentials at 16 a cycle and processor; causal: half of both.
// Allow: as attention_bf16.cu.    Repeats: bit for bit.
// Needs: compute capability 9.0; D = 64 or 128; no mask, window or cap; q, k, v and their rows on 16 bytes; values behind a text's length are
// finite numbers: they meet weights that are zero.
//   version                                     TFLOP/s and of PyTorch's (H200, driver 580.159, 2026-11-26)
//                                               64 x 577 tokens, 16 of 64 | 4 x 2048, 32 of 128, causal | 2 x 4096, causal
//   1  one warp copies, two warpgroups of 64 queries each take tiles of 128 keys; blocks stay and take query tile after query tile; not timed
//   2  the same; the next tile's scores are computed and softened beside the sums over the values
//                                               277  0.90                 | 418  0.83                   | 494  0.87
//   3  over the ends of query tiles: the first scores of the next beside the last sums of the one before, queries in two rooms; a branch that
//      needs the sums of the weights holds all exponentials before the wait for the values, where ptxas had put most of them behind it; lengths
//                                               285  0.93                 | 419  0.81                   | 506  0.87     in use for heads of 128
//   4  3 with tiles of 208 keys for heads of 64: 577 tokens fill three of them, where they take five of 128
//                                               294  0.96, in another run 311  1.01
//   5  the warpgroups take turns: one queues its products when the other's are queued
//                                               4: 308  1.00; 3: 285      | 413                         | 500     4 in use with them, 3 without
// Scores stay in the registers of the warpgroup that computed them, which is where the second product takes its left operand from. One
// warpgroup's exponentials run beside the other's products.
#include "device_hopper.h"
#include "kernels.h"

#define QUERIES 128 // of a block
#define ROW 128     // bytes: 64 columns
#define WARPGROUP 128
#define THREADS (3 * WARPGROUP)
#define LOG2E 1.44269504f

typedef struct {
    AttentionBf16 a;
    int query_tiles, tiles; // of one head, of all
    bool turns;             // a warpgroup queues its products when the other's are queued, and softens while those run
} Work;

typedef struct {
    int i0, h, b, keys; // first query, head, text; key tiles that some query sees
    int length;         // keys of the text
} Place;

#if HOPPER_CODE
// Without a mask the query tiles of one head follow each other, so that they find its keys in the cache; with it the longest come first.
static __device__ __forceinline__ Place place_of(const Work *w, int tile, int keys) {
    const AttentionBf16 *a = &w->a;
    int heads = w->tiles / w->query_tiles, head = a->causal ? tile % heads : tile / w->query_tiles;
    int query = a->causal ? w->query_tiles - 1 - tile / heads : tile % w->query_tiles;
    Place p;
    p.i0 = query * QUERIES, p.h = head % (int)a->H, p.b = head / (int)a->H;
    p.length = a->key_lengths ? a->key_lengths[p.b] : (int)a->Tk;
    int last = p.length, seen = p.i0 + QUERIES + p.length - (int)a->Tq;
    if (a->causal && seen < last) last = seen;
    p.keys = last > 0 ? (last + keys - 1) / keys : 0;
    return p;
}
#endif

#define HEAD(name) name##_64
#define HD 64
#define KEYS 128 // of a tile
#define STAGES 4 // what fits into shared memory
#include "attention_hopper_head.inc"
#define HEAD(name) name##_64_wide
#define HD 64
#define KEYS 208
#define STAGES 3
#include "attention_hopper_head.inc"
#define HEAD(name) name##_128
#define HD 128
#define KEYS 128
#define STAGES 2
#include "attention_hopper_head.inc"

HOST bool cuda_attention_hopper_takes(const AttentionBf16 *a) {
    return gpu_is_hopper() && (a->D == 64 || a->D == 128) && !a->key_mask && a->window <= 0 && a->softcap <= 0 && a->Tk > 0 && a->Tq >= 64 &&
           a->Tq < 1l << 24 && a->Tk < 1l << 24 && a->B * a->H * (a->Tq / QUERIES + 1) < 1l << 30;
}

// What a query waits for: whole tiles of keys, and what a tile costs beside its products, in keys.
static long waits(const AttentionBf16 *a, long keys) { return (a->Tk + keys - 1) / keys * (keys + 16); }

HOST void cuda_attention_hopper_version(const AttentionBf16 *a, int version, cudaStream_t stream) {
    const bool turns = version > 1000;
    if (a->D == 128) launch_128(a, turns, stream);
    else if (version % 1000 == 208) launch_64_wide(a, turns, stream);
    else launch_64(a, turns, stream);
}

HOST void cuda_attention_hopper(const AttentionBf16 *a, cudaStream_t stream) {
    cuda_attention_hopper_version(a, !a->causal && a->D == 64 && waits(a, 208) < waits(a, 128) ? 1208 : 128, stream);
}
