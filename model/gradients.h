// gradients.h: what training asks of a device beside the operations of ops.h: numbers only, over plain pointers. Shapes,
// buffers and the order of things are train/'s. The CPU (gradients_cpu.c, gradients_attention.c) and CUDA
// (cuda/gradients.cu) give the same bits: every sum has one order, told here.
//
// d collects the gradient of an input, g is the gradient of an output; both lie on the device, as scratch does. What else
// is read may lie in either memory; lists of rows (int32) lie in the program's. fresh: d holds nothing yet and is
// written; else it is added to.
#ifndef RETINA_MODEL_GRADIENTS_H
#define RETINA_MODEL_GRADIENTS_H

#include "kernels.h"

// d[i] (+)= the formula, for i < n.
typedef enum {
    EACH_PASS,        // g
    EACH_PRODUCT,     // g x
    EACH_ROW_PRODUCT, // g x[i % C]
    EACH_SCALE,       // g number
    EACH_SCALE_BY,    // g x[0]
    EACH_SOFTCAP,     // g (1 - (y / number)^2)
    EACH_CLAMP,       // g where number <= x <= number2, else 0
    EACH_DROPOUT,     // 0 where seed and stream say so with probability number, else g / (1 - number)
    EACH_MEAN,        // g[i / (T C) C + i % C] / T
    EACH_DIFFERENCE,  // number 2 g[0] / n (x - y)
    EACH_ACTIVATION,  // g times the slope of act at x, where act gives y
    EACH_KINDS
} EachKind;

typedef struct {
    EachKind kind;
    float *d;
    bool fresh;
    size_t n;
    const float *g, *x, *y;
    size_t C, T;
    float number, number2;
    Act act;
    uint64_t seed, stream;
} EachGradient;

typedef enum { NORM_LAYER, NORM_RMS, NORM_L2 } NormKind;

// Rows (R, C) of y = weight hat + bias with hat = (x - mean) s; statistics are computed again. Sums over a row run in
// sixteen running sums without fused multiply-adds, folded in halves.
typedef struct {
    NormKind norm;
    long R, C;
    const float *x, *g, *weight; // weight: NULL for ones
    float plus;                  // 1 for a zero-centred weight
    float eps;                   // or the floor of l2norm
    float *hat;                  // scratch (R, C), left for the weight's gradient
    float *d;                    // NULL: not wanted
    bool fresh;
} NormGradient;

typedef struct {
    const float *g;       // (B, Tq, H*D)
    float *dq, *dk, *dv;  // NULL: not wanted; dk and dv are added to
    bool fresh_q;
} AttentionGradient;

typedef struct {
    const float *a, *b;
    size_t n;
} DotPair;

typedef struct Gradients {
    void (*zero)(float *d, size_t n);
    void (*product)(const Gemm *g); // as gemm()
    void (*each)(const EachGradient *e);
    void (*sum_rows)(float *d, const float *g, const float *x, long R, long C, long ld); // d[c] += g[r ld + c] (times x[r ld + c] unless NULL), r ascending
    void (*add_columns)(float *d, long ldd, const float *g, long ldg, long R, long C);   // d[r ldd + c] += g[r ldg + c]
    void (*add_rows)(float *d, const int32_t *to, const float *g, const int32_t *from, long n, long C); // d row to[i] += g row from[i], i ascending; NULL: i itself
    void (*norm)(const NormGradient *k);
    void (*rotary)(float *d, const float *g, const float *cosine, const float *sine, long R, long heads, long D, long half, long rows); // R = B T; tables repeat after rows
    void (*patchify)(float *d, const float *g, long B, long channels, long h, long w, long P);
    void (*attention)(Arena *scratch, const Attention *a, const AttentionGradient *k); // a: as in the forward, out and weights NULL
    void (*cross_entropy)(float *d, bool fresh, const float *logits, const int32_t *targets, const float *g, long R, long V); // g: one number
    // out[k] = sum of a b over pair k, in double: pieces of DOT_PIECE numbers in DOT_SUMS running sums each, folded in
    // halves, pieces ascending. Waits for the numbers.
    void (*dots)(double *out, const DotPair *pairs, size_t count);
    void (*adam)(const AdamStep *steps, size_t count);
} Gradients;

enum { DOT_PIECE = 8192, DOT_SUMS = 32 };

extern const Gradients gradients_cpu;
void gradients_attention(Arena *scratch, const Attention *a, const AttentionGradient *k); // of the CPU: gradients_attention.c

#endif
