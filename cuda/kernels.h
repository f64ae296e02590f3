// kernels.h: what the files of cuda/ offer to each other: one function per operation that launches its kernels.
// All pointers are device memory; everything is put on the stream and nothing is waited for.
#ifndef RETINA_CUDA_KERNELS_H
#define RETINA_CUDA_KERNELS_H

#include "device.h"
#include "light.h"

// ---- gemm_f32.cu, attention_f32.cu: the CPU's bits
HOST void cuda_gemm(const Gemm *g, cudaStream_t stream);
HOST void cuda_gemm_version(const Gemm *g, int version, cudaStream_t stream); // 0: plain; 16, 64, 128: that tile of version 2; 364, 3128: of version 3; 4: few rows; 5: few outputs, many k
typedef struct {
    long count, inner;       // product z: outer index z / inner, inner index z % inner
    long A[2], B[2], C[2];   // floats from one outer, one inner product to the next; B is f32 unless these are 0
} GemmBatch;
HOST void cuda_gemm_batch(const Gemm *g, const GemmBatch *batch, cudaStream_t stream); // many products of one shape
HOST void cuda_attention(const Attention *a, cudaStream_t stream);
HOST void cuda_attention_version(const Attention *a, int version, cudaStream_t stream); // 1: two words of shared memory a product; 2: tiles in registers

// attention_apart.cu: the same bits by two products, where every query sees every key. room: as many bytes as the function says
HOST bool cuda_attention_apart_takes(const Attention *a);
HOST size_t cuda_attention_apart_room(const Attention *a);
HOST void cuda_attention_apart(const Attention *a, float *room, cudaStream_t stream);

// ---- gemm_bf16.cu: tensor cores. C (M, N) = act(A Wᵀ + bias) + residual, A (M, K), W (N, K) in bf16
typedef struct {
    long M, N, K, lda, ldw, ldc; // in elements
    const uint16_t *A, *W;
    const float *A_f32; // instead of A, of at most 64 rows: rounded where it is read
    void *C;
    bool C_bf16; // else f32
    const float *bias; // (N) or NULL
    Act act;
    const void *residual; // (M, N) with C's stride, or NULL; may be C
    bool residual_bf16;
    float *room; // cuda_gemm_bf16_room bytes, or NULL: then K is not cut
} GemmBf16;
#define STEP_ROWS 128 // of a step of many texts: on Hopper these have ways of their own
HOST size_t cuda_gemm_bf16_room(const GemmBf16 *g);
HOST void cuda_gemm_bf16(const GemmBf16 *g, cudaStream_t stream);
HOST void cuda_gemm_bf16_version(const GemmBf16 *g, int version, cudaStream_t stream); // 1: the thin one; 3: a ring; 64, 128: that tile; from 903 on: gemm_hopper.cu
HOST void cuda_gemm_bf16_thin(const GemmBf16 *g, cudaStream_t stream); // gemm_bf16_thin.cu: M <= 64
HOST void cuda_gemm_bf16_ring(const GemmBf16 *g, cudaStream_t stream); // version 3 there: M <= 8
// Products of one A in one launch, with the bits of each alone: C_k = act(A W_kᵀ + bias_k), of which only N, W, bias and C may differ; or,
// gated, one result: act(A W_0ᵀ + bias_0) (A W_1ᵀ + bias_1), at C_0.
#define RING_MOST 3
HOST void cuda_gemm_bf16_together(const GemmBf16 *g, int count, bool gated, cudaStream_t stream); // M <= 8
// The same of an RMS norm of A, which is in f32: the bits of cuda_rmsnorm and cuda_gemm_bf16_together.
typedef struct {
    Stored w; // (K)
    float eps;
    bool plus_one; // weights are 1 + w
} NormFirst;
HOST bool cuda_gemm_bf16_normed_takes(const GemmBf16 *g, const NormFirst *norm); // M <= 8, and as few as fit beside each other
HOST void cuda_gemm_bf16_normed(const GemmBf16 *g, int count, bool gated, const NormFirst *norm, cudaStream_t stream);

// ---- gemm_hopper.cu: the same with Hopper's instructions
HOST int cuda_gemm_hopper_form(void); // what the driver took, machine code or PTX, was made for: 90, or 80, whose kernels only trap
HOST bool cuda_gemm_hopper_takes(const GemmBf16 *g);
HOST int cuda_gemm_hopper_parts(const GemmBf16 *g); // into how many K is cut, best; 1: it is not
HOST void cuda_gemm_hopper(const GemmBf16 *g, int version, cudaStream_t stream); // -1: the best for the shape
HOST void cuda_gemm_hopper_ladder(const GemmBf16 *g, int version, cudaStream_t stream); // gemm_hopper_ladder.cu: 901, 902, 907, 909; others as above
HOST int cuda_gemm_hopper_sums(const GemmBf16 *g, cudaStream_t stream); // the sums of each part of K, (parts, M, N), in g->room: how many
// gather_norm.cu: C += A Wᵀ + bias where K is cut, and `to` (M, N) = its RMS norm in bf16: the bits of version 915 and cuda_rmsnorm
HOST bool cuda_gemm_bf16_then_norm_takes(const GemmBf16 *g, const NormFirst *norm);
HOST void cuda_gemm_bf16_then_norm(const GemmBf16 *g, const NormFirst *norm, uint16_t *to, cudaStream_t stream);
// Products of one A in one launch, with the bits of version 914: C_k = A W_kᵀ + bias_k in f32, of which only N, W, bias and C may differ. M <= STEP_ROWS
HOST bool cuda_gemm_hopper_together_takes(const GemmBf16 *g, int count);
HOST void cuda_gemm_hopper_together(const GemmBf16 *g, int count, cudaStream_t stream);
// SiLU(A W_0ᵀ) (A W_1ᵀ) in bf16, rounded once, at C_0. M <= STEP_ROWS, where one round of tiles fills most of the processors
HOST bool cuda_gemm_hopper_gated_takes(const GemmBf16 *g);
HOST void cuda_gemm_hopper_gated(const GemmBf16 *g, cudaStream_t stream);

// ---- attention_bf16.cu: tensor cores; letters and masks as in model/kernels.h's Attention
typedef struct {
    uint16_t *out;
    float *out_f32; // instead of out, or with it
    const uint16_t *q, *k, *v;
    long B, Tq, Tk, H, G, D;
    float scale, softcap;
    bool causal;
    long window;
    const int32_t *key_lengths;
    const uint8_t *key_mask;
} AttentionBf16;
HOST void cuda_attention_bf16(const AttentionBf16 *a, cudaStream_t stream);
HOST bool cuda_attention_hopper_takes(const AttentionBf16 *a); // attention_hopper.cu: the same with Hopper's instructions
HOST void cuda_attention_hopper(const AttentionBf16 *a, cudaStream_t stream);
HOST void cuda_attention_hopper_version(const AttentionBf16 *a, int version, cudaStream_t stream); // keys of a tile for heads of 64: 128 or 208; 1000 more: the warpgroups take turns

// ---- attention_few.cu: few queries over many keys, of f32 or bf16 (k16, v16), the sums in an order of its own
HOST bool cuda_attention_few_takes(const Attention *a);
HOST void cuda_attention_few(const Attention *a, uint16_t *rounded, float *room, cudaStream_t stream); // rounded: where the result goes in bf16, instead of a->out; or NULL
HOST size_t cuda_attention_few_room(const Attention *a); // bytes
HOST void cuda_attention_few_version(const Attention *a, uint16_t *rounded, float *room, int version, cudaStream_t stream); // 1: keys in turn; 2: attention_step.cu
// The same of one new token a text, with what cuda_rotary_stored does before it; a->q is not read
HOST bool cuda_attention_few_turned_takes(const Attention *a, const RotaryStored *r);
HOST void cuda_attention_few_turned(const Attention *a, const RotaryStored *r, uint16_t *rounded, float *room, cudaStream_t stream);
HOST bool cuda_attention_step_takes(const Attention *a, const RotaryStored *r); // attention_step.cu; r: NULL, or what is turned there
HOST void cuda_attention_step(const Attention *a, const RotaryStored *r, uint16_t *rounded, float *room, int chunks, cudaStream_t stream); // the parts, of 128 keys; or, of one chunk, all

// ---- knn.cu
#define CUDA_KNN_MOST 256 // K
typedef struct {
    const float *query, *point; // (Q, C), (N, C)
    const float *offset;        // (N) added to the scores, or NULL
    long Q, N;
    int C, K;
    bool without_self;  // query i is point first_query + i, which does not count
    long first_query;
    const int32_t *group, *query_group; // (N), (Q): points of a query's own group do not count; or NULL
    int32_t *id;  // (Q, K), best first; -1 where fewer than K are left
    float *score; // (Q, K) or NULL
    long part;    // queries at a time; 0: as many as is good
    void *room;   // cuda_knn_room bytes, or NULL: then without tensor cores, many times slower; the same results
} CudaKnn;
HOST void cuda_knn(const CudaKnn *a, cudaStream_t stream);
HOST void cuda_knn_version(const CudaKnn *a, int version, cudaStream_t stream); // 1: without tensor cores; 2: one bf16 product; 3: split in three
HOST void cuda_knn_rows(const CudaKnn *a, const int32_t *rows, const int32_t *count, cudaStream_t stream); // version 1 for *count of the queries, by number
HOST size_t cuda_knn_room(const CudaKnn *a); // knn_product.cu
HOST bool cuda_knn_product_takes(const CudaKnn *a);
HOST void cuda_knn_product(const CudaKnn *a, int pieces, cudaStream_t stream);
HOST GemmBf16 cuda_knn_scores(const CudaKnn *a, int pieces, long q0); // its product of M queries from q0 on, in a->room; to be timed alone

// ---- jacobi.cu: each b (n, m) becomes W b with orthogonal rows, longest first
typedef struct {
    double *b; // (batch, n, m)
    long batch;
    int n, m;
    double *w; // (batch, n, k) becomes W w, or NULL
    int k;
    double *length; // (batch, n): the rows' lengths, the singular values; or NULL
    int *sweeps;    // (batch) or NULL
} CudaJacobi;
HOST void cuda_jacobi(const CudaJacobi *a, cudaStream_t stream);
HOST void cuda_jacobi_version(const CudaJacobi *a, int version, cudaStream_t stream); // 1: a warp a pair; 2: a few lanes a pair, where the matrix is small

// ---- bidiagonal.cu: only the lengths, falling; b is used up. room: cuda_singular_values_room bytes
HOST void cuda_singular_values(const CudaJacobi *a, double *room, cudaStream_t stream); // the faster way for the size
HOST size_t cuda_singular_values_room(const CudaJacobi *a);
HOST void cuda_bidiagonal(const CudaJacobi *a, double *room, cudaStream_t stream); // by reflections; n <= m

// ---- resize.cu: one direction of resize_rgb8 over a batch of pictures (count, height, width, 3) of one size
typedef struct {
    uint8_t *out;
    const uint8_t *in;
    long count;
    int width, height, to; // of `in`; the new width if across, else the new height
    bool across;
    int most; // as in ResizeTaps, on the device
    const int *first, *taps;
    const int32_t *fixed;
} CudaResize;
HOST void cuda_resize8(const CudaResize *r, cudaStream_t stream);

#endif
