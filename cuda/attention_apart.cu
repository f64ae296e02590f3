// attention_apart.cu: softmax(q kᵀ) v in f32 where every query sees every key, as two products and a softmax between them.
//
// Twin of: attention_f32.cu; the same bits: each score is one chain over d, each output one chain over the keys, the softmax's sum sixteen
// running sums folded in halves.
// Floor: 4 B H Tq Tk D flops at the f32 rate; the scores are written, softened in place and read: 16 B H Tq Tk bytes, so much at a time that they
// stay near.
// Allow: nothing.    Repeats: bit for bit.
// Needs: no mask of any kind, weights that nobody wants to see, as many key heads as query heads, D a multiple of 4, everything on sixteen bytes.
//   version
//   2  attention_f32_rows.inc: scores in shared memory     10.4 TFLOP/s, 0.39 of PyTorch at 8 x 577 tokens, 16 heads of 64 (H200): eight warps a
//                                                          multiprocessor that wait for keys, then for one row's softmax after the other
//   3  this one: products at their own speed, a half warp softens a row     in use for whole pictures: 13.2, 0.50
#include "device.h"
#include "kernels.h"

#define LANES 16
#define ROWS 16 // of a block
#define THREADS (ROWS * LANES)
#define SCORES (32l << 20) // at a time: 128 MiB

// s[r][j], rows ld apart, becomes the softmax of scale s[r] over its n columns, by a half warp, whose lane i has the columns i mod 16 for itself.
static __global__ __launch_bounds__(THREADS) void soften_rows(float *s, long R, int n, long ld, int stride, float scale) {
    DYNAMIC_SHARED(float, shared);
    const int lane = (int)threadIdx.x % LANES, row = (int)threadIdx.x / LANES;
    const bool there = (long)blockIdx.x * ROWS + row < R;
    float *x = s + ((long)blockIdx.x * ROWS + row) * ld, *mine = shared + row * stride; // who has none works along: shuffles want all
    float top = -INFINITY, sum = 0;
    UNROLL_FOUR
    for (int j = lane; j < n; j += LANES) {
        const float y = there ? x[j] * scale : 0;
        mine[j] = y, top = larger(y, top);
    }
    for (int d = LANES / 2; d; d /= 2) {
        const float other = __shfl_xor_sync(0xffffffffu, top, d);
        top = larger(other, top);
    }
    if (!(top > -INFINITY)) top = 0;
    UNROLL_FOUR
    for (int j = lane; j < n; j += LANES) {
        const float y = f_exp(mine[j] - top);
        mine[j] = y, sum += y;
    }
    for (int d = LANES / 2; d; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
    if (sum <= 0) sum = 1;
    UNROLL_FOUR
    for (int j = lane; j < n; j += LANES)
        if (there) x[j] = mine[j] / sum;
}

static int stride_of(long n) { return (int)((n + 31) / 32 * 32 + LANES); } // two rows of a warp lie in different halves of the banks

HOST bool cuda_attention_apart_takes(const Attention *a) {
    return a->H == a->G && a->D % 4 == 0 && !a->weights && !a->causal && a->window <= 0 && a->softcap <= 0 && !a->key_lengths && !a->key_mask && !a->mask && a->dropout == 0 && a->Tq >= 64 && a->Tk >= 64 &&
           a->Tk <= 1500 && a->Tq < 1 << 20 && a->H <= 65535 && ((uintptr_t)a->q | (uintptr_t)a->k | (uintptr_t)a->v | (uintptr_t)a->out) % 16 == 0;
}

static long score_ld(const Attention *a) { return (a->Tk + 3) / 4 * 4; } // rows on sixteen bytes

// Texts at a time.
static long texts_of(const Attention *a) {
    const long each = a->H * a->Tq * score_ld(a), most = SCORES / each < 65535 / a->H ? SCORES / each : 65535 / a->H;
    return most >= a->B ? a->B : most > 1 ? most : 1;
}

HOST size_t cuda_attention_apart_room(const Attention *a) { return (size_t)(texts_of(a) * a->H * a->Tq * score_ld(a)) * sizeof(float); }

HOST void cuda_attention_apart(const Attention *a, float *room, cudaStream_t stream) {
    const long ld = a->H * a->D, lds = score_ld(a), square = a->Tq * lds, most = texts_of(a);
    for (long b = 0; b < a->B; b += most) {
        const long texts = a->B - b < most ? a->B - b : most, R = texts * a->H * a->Tq;
        GemmBatch batch = {texts * a->H, a->H, {a->Tq * ld, a->D}, {a->Tk * ld, a->D}, {a->H * square, square}};
        Gemm g;
        memset(&g, 0, sizeof g);
        g.kind = GEMM_NT, g.M = a->Tq, g.N = a->Tk, g.K = a->D, g.A = a->q + b * a->Tq * ld, g.lda = ld, g.B = a->k + b * a->Tk * ld, g.ldb = ld, g.B_type = DTYPE_F32;
        g.C = room, g.ldc = lds;
        cuda_gemm_batch(&g, &batch, stream);
        LAUNCH(soften_rows, DIM3((R + ROWS - 1) / ROWS, 1, 1), DIM3(THREADS, 1, 1), (size_t)ROWS * (size_t)stride_of(a->Tk) * sizeof(float), stream, room, R, (int)a->Tk, lds, stride_of(a->Tk), a->scale);
        batch.A[0] = a->H * square, batch.A[1] = square, batch.C[0] = a->Tq * ld, batch.C[1] = a->D;
        g.kind = GEMM_NN, g.N = a->D, g.K = a->Tk, g.A = room, g.lda = lds, g.B = a->v + b * a->Tk * ld, g.C = a->out + b * a->Tq * ld, g.ldc = ld;
        cuda_gemm_batch(&g, &batch, stream);
    }
}
