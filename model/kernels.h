// kernels.h: the numbers behind ops.h on a CPU: pure functions over pointers, one table per instruction set.
//
// The contract for f32: the same bits on every level, for every thread count, and for a row wherever it stands.
//   products   each output element is summed over k ascending with fused multiply-add, from 0 (or from its old
//              value with `accumulate`); the bias is added last
//   row sums   sixteen running sums (element i goes to sum i mod 16), then folded in halves: 8, 4, 2, 1
//   exp, tanh, erf   our own polynomials, the same operations on all levels
// Letters: R rows, C columns, and for products M, N, K. Everything is row-major and dense unless a stride (ld, in
// elements) says otherwise.
#ifndef RETINA_MODEL_KERNELS_H
#define RETINA_MODEL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/dtype.h"
#include "ops.h" // Act, AttnShape

// C (M, N) = op(A) op(B) + bias (N, or NULL).
typedef enum {
    GEMM_NT, // A (M, K), B (N, K): a linear layer, B its weight
    GEMM_NN, // A (M, K), B (K, N): dX = dY W
    GEMM_TN  // A (K, M), B (K, N): dW = dYᵀ X
} GemmKind;

typedef struct {
    GemmKind kind;
    long M, N, K;
    const float *A;
    long lda;
    const void *B;
    Dtype B_type; // F32, BF16 or F16: widened while packing
    long ldb;
    float *C;
    long ldc;
    const float *bias;
    bool accumulate; // the sum starts at C's old value; in AMX tiles it is added last
    Compute compute; // of other than f32 sums run in an order of the path's own; bf16x3 is f32 where that is no slower
    Act act;         // of the sum with its bias
} Gemm;

// One attention: q (B, Tq, H*D) and so on; see ops.h. weights (B, H, Tq, Tk) may be NULL, then nothing is written.
typedef struct {
    float *out;
    const float *q, *k, *v;
    long B, Tq, Tk, H, G, D;
    float scale, softcap;
    bool causal;
    long window; // 0: off
    const int32_t *key_lengths;
    const uint8_t *key_mask;
    const float *mask;
    float *weights;
    float dropout; // 0: off
    uint64_t seed, stream;
    const uint16_t *k16, *v16; // k and v where they are kept in bf16; then k and v are NULL
    bool bf16; // q, k, v and the softmax's weights may be rounded to bf16, where that is faster; sums stay f32
} Attention;

// ---- products, threaded
void gemm(const Gemm *g);
void attention_rows(const Attention *a);
float *thread_room(size_t floats); // scratch of the calling thread, until its next call; aligned to 64 bytes
// Weights [first, first + n) of all (B, H, Tq, Tk): dropped, or divided by 1 - dropout.
void attention_drop(const Attention *a, float *weights, size_t first, size_t n);

// ---- rows, threaded
void layernorm_rows(float *out, const float *x, const float *w, const float *b, long R, long C, float eps); // w, b may be NULL
void rmsnorm_rows(float *out, const float *x, const float *w, long R, long C, float eps, bool plus_one);
void l2norm_rows(float *out, const float *x, long R, long C, float floor);
void softmax_rows(float *out, const float *x, long R, long C);
void activate(float *out, const float *x, size_t n, Act act);
void exp_each(float *out, const float *x, size_t n);
void softcap_each(float *out, const float *x, size_t n, float cap);

// ---- one call, one thread
float row_sum(const float *x, long C);                   // sixteen running sums
float row_dot(const float *a, const float *b, long C);   // the same, of products
double log_of(double x);                                 // our own natural logarithm, < 1 ulp of a float
void sincos_of(double x, double *sine, double *cosine);  // |x| < 1e6 within 1e-12

// ---- types, threaded
void convert_bf16_f32(float *out, const void *in, size_t n);
void convert_f16_f32(float *out, const void *in, size_t n);
void convert_f32_bf16(void *out, const float *in, size_t n); // to nearest, ties to even; NaN stays NaN
float bf16_round(float x);                                    // what a bf16 file will hold of it
void convert_f32_f16(void *out, const float *in, size_t n);
void convert_f64_f32(float *out, const void *in, size_t n);
void widen(float *out, const void *in, Dtype type, size_t n); // F32, BF16, F16, F64 to f32

// ---- what each level offers to the functions above (kernels_body.h is compiled once per level)

#define SUMS 16     // running sums of a reduction, on every level
#define THIN_ROWS_MOST 24 // rows of a product whose weight is turned in registers, at most
#define THIN_ROWS 8       // of attention, or of a weight whose panels are kept

// The queries of a block of scores, NR of them: each sees keys [from, to); all of them see [all_from, all_to).
typedef struct {
    const int32_t *from, *to; // (NR)
    long all_from, all_to;
} Queries;

// Memory that will be wanted: `count` places, `step` bytes apart.
typedef struct {
    const char *at;
    size_t step;
    int count;
} Wanted;

// Where a tile of a product has its sums from and leaves them, and what it asks for on the way.
typedef struct {
    const float *from; // what they begin with, or NULL: 0
    float *to;
    long ld;            // of both
    const float *bias;  // (NR), added last, or NULL
    const Wanted *soon; // lines for L2, so many in all
    int lines;
    const float *next; // of the tile that comes next, where this one's are, or NULL
} TileSums;

// Rows of a weight that are laid as words (widened to f32, or in pairs of bf16), SPREAD_LD apart, while a tile is computed; meanwhile as many rows from `soon` on are
// asked for.
#define SPREAD_ROWS_MOST 160 // of x in such a product
#define SPREAD_K 256         // words of a row of the weight at a time
#define SPREAD_LD (SPREAD_K + 16)
typedef struct {
    const char *from, *soon;
    size_t row; // bytes from one to the next
    int rows;
    long values; // of each
    float *to;
} Widening;

// How gemm.c makes one kind of product. What is packed are 32-bit words, each a number or a pair of bf16. AMX (gemm_amx.c) goes a way of its own: it has a tile, for tests and benchmarks, and what is around it.
typedef struct {
    int MR, NR, in_word; // rows and columns of the register tile; values of k in a word
    int k_step;          // a block of k is filled up to it by the packing
    void (*begin)(void), (*end)(void); // around a thread's work, or NULL
    // blocks (gemm_blocks.c)
    void (*pack_a)(float *out, const Gemm *g, long m0, int mr, long k0, long kn); // out[word mr + r], and 16 floats of no meaning behind
    void (*pack_b)(float *out, const Gemm *g, long k0, long kn, long n0);         // out[word NR + n]: one panel from column n0, filled up with zeros
    void (*product)(int mr, long words, const float *A, long ka, const float *B, const TileSums *s); // (mr, NR) = A · B: A (k, r) at A[k ka + r], B (k, n) at B[k NR + n]
    void (*tile)(int mr, long words, const float *A, long ka, const float *B, long kb, float *C, long ldc, bool from_c); // likewise, in and out of C; kb is NR
    // few rows: C (M, N) = X · Bᵀ, M <= THIN_ROWS_MOST, X in equal blocks of up to thin_block rows, each packed as (words, rows): B is read once, in streams of rows far
    // apart or in neighbouring rows
    int thin_block, thin_most; // rows whose sums stay in registers; that are few here
    void (*thin)(int M, float *C, long ldc, const float *X, const void *B, Dtype type, long ldb, long N, long K, bool from_c, bool streams);
    // some rows (gemm_spread.c): sums (MR, vectors * lanes; rows ld apart) += W (MR, words <= SPREAD_K; rows SPREAD_LD apart) · X (words, vectors * lanes), vectors * lanes <= NR;
    // meanwhile `next` (or NULL), a weight of `type`
    void (*spread)(int vectors, long words, float *sums, long ld, const float *X, const float *W, const Widening *next, Dtype type);
    void (*lay)(const Widening *w, Dtype type); // all of it, at once
    void (*pack_x)(float *out, long wide, const Gemm *g, long m, long rows, long k0, long kn); // out[word wide + r], filled up with zeros
} TileKernel;

// Attention of bf16 (attention_avx512bf16.c, attention_amx.c): what attention.c does otherwise then. A word holds two channels, or
// two keys.
typedef struct {
    const TileKernel *tiles; // NR as in the level's own table
    int step, rows;          // values that sums go on by, filled up with zeros; rows that a packed tile is filled up to
    void (*pack_values)(float *out, const float *x, long keys, long D, long first, long pairs, int tile);
    void (*top)(const float *S, long rows, float *top);
    void (*soften)(float *S, long rows, const float *top, float factor, float *over); // factor: of scores in the exponent; over: 1 over the sums
    void (*multiply)(float *out, long D, const float *over);
    void (*pack_queries)(float *out, const float *x, long M, long D);
    void (*few_scores)(int M, float *S, long lds, const float *X, const void *K, Dtype type, long ld, long keys, long D);
    float (*few_soften)(float *s, long keys, float factor);
    void (*few_mix)(int M, float *out, long ldo, const float *P, long ldp, const float *over, const void *x, Dtype type, long ld, long keys, long D);
} AttentionDots;

// AdamW on n numbers: g shrinks, m and v follow it, w w keep - rate m / (sqrt(v) / root2 + eps).
typedef struct {
    float *w, *m, *v;
    const float *g;
    size_t n;
    float beta1, beta2, eps, keep, rate, root2, shrink;
} AdamStep;

typedef struct {
    TileKernel tiles; // products by f32 multiply-adds
    int lanes;        // floats of a vector
    void (*round)(float *x, long n); // to the nearest bf16, ties to even; NaN stays NaN
    void (*layernorm)(float *out, const float *x, const float *w, const float *b, long R, long C, float eps, bool past);
    void (*rmsnorm)(float *out, const float *x, const float *w, long R, long C, float eps, bool plus_one, bool past);
    void (*l2norm)(float *out, const float *x, long C, float floor);
    void (*softmax)(float *out, const float *x, long C);
    void (*activate)(float *out, const float *x, long n, Act act, bool past); // past: written past the caches
    void (*exp)(float *out, const float *x, long n);
    void (*softcap)(float *out, const float *x, long n, float cap);
    float (*sum)(const float *x, long C);
    float (*dot)(const float *a, const float *b, long C);
    void (*widen)(float *out, const void *in, Dtype type, long n);
    void (*adam)(const AdamStep *step, size_t begin, size_t end); // numbers begin … end of it
    // attention: S (keys, NR), see kernels_attention.h
    void (*scores)(float *S, long rows, long key, const Queries *q, float scale, float cap, const float *bias, const uint8_t *mask, float *top);
    void (*soften)(float *S, long rows, float *top);
    void (*turn)(float *out, long ldo, const float *x, long ld, long rows, long columns); // out[c ldo + r] = x[r ld + c]
    void (*mix)(float *out, long ldo, const float *P, long ldp, const void *x, Dtype type, long ld, long M, long keys, long D); // out = P (M, keys) · x (keys, D)
} KernelTable;

const KernelTable *kernels(void); // of cpu_level()
static inline long equal_rows(long rows, long most) { // of a block of at most so many: as few blocks as can be, as many rows in each
    long blocks = (rows + most - 1) / most;
    return (rows + blocks - 1) / blocks;
}
const TileKernel *gemm_bf16_tiles(void); // NULL: widened to f32
const char *gemm_bf16_path(void); // "widened", "avx512_bf16" or "amx": how products of bf16 are made in this process
extern const KernelTable kernels_scalar;
#if defined(__x86_64__)
extern const KernelTable kernels_avx2, kernels_avx512;
extern const TileKernel tiles_avx512bf16, tiles_amx; // products of bf16, GEMM_NT only
extern const AttentionDots attention_avx512bf16, attention_amx;
void gemm_amx(const Gemm *g);                        // GEMM_NT
#endif

#endif
