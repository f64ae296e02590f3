// attention_bf16.cu: softmax(q kᵀ) v per head in bf16, one pass over the keys, scores never leave the registers.
//
// Twin of: attention_rows() on values rounded to bf16. Source: Dao 2023 (arXiv:2307.08691), algorithm 1.
// Floor: 4 B H Tq Tk D flops at the bf16 rate; causal: half, since tiles that no query sees are skipped.
// Allow: 1e-2 of the f64 result of the rounded inputs: weights are rounded to bf16 before they meet the values (2^-9), and
// so is the result.    Repeats: bit for bit.
// Needs: D = 64, 80, 96 or 128; q, k, v start on 16 bytes.
//   version
//   0  unfused: attention_f32.cu              the measure for this one
//   1  mma.sync, 64 queries (4 warps of 16) and 64 keys at a time, values arrive while scores are computed; 30 operations a
//      score: 0.21 of PyTorch at 577 tokens, 0.23 at 2048 causal (H200)
//   2  tiles that are seen whole ask nothing about their keys, scale and exponent are one multiply-add, weights are rounded by
//      the instruction for it: 5 operations a score     in use
// Shared memory: rows are padded by 16 bytes, an odd number of 16-byte pieces: eight rows that an ldmatrix reads at once
// lie in different banks.
#include "device.h"
#include "kernels.h"

#define QUERIES 64
#define KEYS 64
#define THREADS 128
#define LOG2E 1.44269504f

static __device__ __forceinline__ bool seen(const AttentionBf16 *a, long b, long i, long j, long length) {
    long at = i + length - a->Tq;
    if (j >= length || (a->causal && j > at) || (a->window > 0 && j <= at - a->window)) return false;
    return !a->key_mask || a->key_mask[b * a->Tk + j];
}

#define HEAD(name) name##_64
#define HD 64
#include "attention_bf16_head.inc"
#define HEAD(name) name##_80
#define HD 80
#include "attention_bf16_head.inc"
#define HEAD(name) name##_96
#define HD 96
#include "attention_bf16_head.inc"
#define HEAD(name) name##_128
#define HD 128
#include "attention_bf16_head.inc"

HOST void cuda_attention_bf16(const AttentionBf16 *a, cudaStream_t stream) {
    if (a->B == 0 || a->Tq == 0) return;
    need(((uintptr_t)a->q | (uintptr_t)a->k | (uintptr_t)a->v) % 16 == 0, "cuda: attention in bf16 over values that do not start on 16 bytes");
    need(a->scale > 0, "cuda: attention in bf16 with a scale of %g", (double)a->scale);
    need(a->H <= 65535 && a->B <= 65535, "cuda: attention over %ld texts and %ld heads: more than one launch can take", a->B, a->H);
    if (cuda_attention_hopper_takes(a)) {
        cuda_attention_hopper(a, stream);
        return;
    }
    switch (a->D) {
    case 64: launch_64(a, stream); break;
    case 80: launch_80(a, stream); break;
    case 96: launch_96(a, stream); break;
    case 128: launch_128(a, stream); break;
    default: die("cuda: attention in bf16 with heads of %ld: 64, 80, 96 and 128 are there; use --dtype f32", a->D);
    }
}
