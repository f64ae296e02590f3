// elementwise.cu: out[i] = f(x[i], …): activations, sums, products, scaling, caps, dropout.
//
// Twins: the EACH loops of model/ops_cpu.c and RANGE in model/kernels_body.h; the formulas are model/formulas.h on both sides.
// Floor: 8 bytes an element with one input, 12 with two; at most 40 operations an element: memory-bound.
// Repeats: bit for bit, and equal to the CPU's bits.    Needs: nothing; any n, any alignment of 4 bytes.
//   version
//   0  one element a thread                            the CPU loop
//   1  four elements a thread, a block's width apart   every access coalesced; but a store may change what the next load reads,
//                                                      so nvcc keeps them in turn: 0.65 to 0.75 of copy speed (H200)
//   2  eight, all loaded before the first is stored     in use
#define EXACT static __device__ inline
#include "light.h"

#include "io/exact.h"

#define WIDE 256 // threads
#define EACH 8   // elements of one thread

static dim3 blocks_of(size_t n) { return DIM3((n + WIDE * EACH - 1) / (WIDE * EACH), 1, 1); }

// i mod period; in 32 bits where they hold both: a division in 64 takes a hundred instructions.
static __device__ inline size_t within(size_t i, size_t period) { return i >> 32 ? i % period : (uint32_t)i % (uint32_t)(period >> 32 ? 0xffffffffu : period); }

// A kernel over n elements; `i` is the element, `store` what is done with y[k] besides.
#define ELEMENTS_STORED(type_, name, expression, store, ...)                                       \
    static __global__ void name(type_ *out, __VA_ARGS__) {                                         \
        size_t first = (size_t)blockIdx.x * (WIDE * EACH) + threadIdx.x;                           \
        FRAGMENT(type_, y, EACH);                                                                  \
        UNROLL                                                                                     \
        for (int k = 0; k < EACH; k++) {                                                           \
            size_t i = first + (size_t)k * WIDE;                                                   \
            if (i < n) y[k] = expression;                                                          \
        }                                                                                          \
        UNROLL                                                                                     \
        for (int k = 0; k < EACH; k++) {                                                           \
            size_t i = first + (size_t)k * WIDE;                                                   \
            if (i >= n) continue;                                                                  \
            out[i] = y[k];                                                                         \
            store;                                                                                 \
        }                                                                                          \
    }
#define ELEMENTS_OF(type_, name, expression, ...) ELEMENTS_STORED(type_, name, expression, , size_t n, __VA_ARGS__)
#define ELEMENTS(name, expression, ...) ELEMENTS_OF(float, name, expression, __VA_ARGS__)

// The same; where `also` is given, the result rounded to bf16 goes there: the next product reads that.
#define ELEMENTS_AND_BF16(name, expression, ...)                                                   \
    ELEMENTS_STORED(float, name, expression, if (also) also[i] = bf16_of(y[k]), uint16_t *also, size_t n, __VA_ARGS__)

ELEMENTS(add_kernel, a[i] + b[i], const float *a, const float *b)
ELEMENTS_AND_BF16(mul_kernel, a[i] * b[i], const float *a, const float *b)
ELEMENTS(scale_kernel, x[i] * factor, const float *x, float factor)
ELEMENTS(scale_by_kernel, x[i] * widened(factor, type, 0), const float *x, const void *factor, int type)
ELEMENTS(softcap_kernel, cap * f_tanh(x[i] / cap), const float *x, float cap)
ELEMENTS(clamp_kernel, x[i] < low ? low : x[i] > high ? high : x[i], const float *x, float low, float high)
ELEMENTS(exp_kernel, f_exp(x[i]), const float *x)
ELEMENTS(dropout_kernel, exact_uniform(seed, stream, i) < (double)p ? 0 : x[i] * (1 / (1 - p)), const float *x, float p, uint64_t seed, uint64_t stream)
ELEMENTS(add_rows_kernel, x[i] + widened(rows, type, within(i, period)), const float *x, const void *rows, int type, size_t period)
ELEMENTS(mul_rows_kernel, x[i] * widened(rows, type, within(i, period)), const float *x, const void *rows, int type, size_t period)
ELEMENTS(widen_kernel, widened(in, type, i), const void *in, int type)
ELEMENTS_OF(uint16_t, narrow_kernel, bf16_of(x[i]), const float *x)

// One kernel per activation: no choice inside the loop.
ELEMENTS_AND_BF16(gelu_kernel, f_act(x[i], ACT_GELU), const float *x)
ELEMENTS_AND_BF16(gelu_tanh_kernel, f_act(x[i], ACT_GELU_TANH), const float *x)
ELEMENTS_AND_BF16(quick_gelu_kernel, f_act(x[i], ACT_QUICK_GELU), const float *x)
ELEMENTS_AND_BF16(silu_kernel, f_act(x[i], ACT_SILU), const float *x)
ELEMENTS_AND_BF16(other_act_kernel, f_act(x[i], (Act)act), const float *x, int act)

#define RUN(kernel, ...)                                                                           \
    if (n) LAUNCH(kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, out, n, __VA_ARGS__)

HOST void cuda_activation_and_bf16(float *out, uint16_t *also, const float *x, size_t n, int act, cudaStream_t s) {
    if (!n) return;
    switch (act) {
    case ACT_GELU: LAUNCH(gelu_kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, out, also, n, x); break;
    case ACT_GELU_TANH: LAUNCH(gelu_tanh_kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, out, also, n, x); break;
    case ACT_QUICK_GELU: LAUNCH(quick_gelu_kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, out, also, n, x); break;
    case ACT_SILU: LAUNCH(silu_kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, out, also, n, x); break;
    default: LAUNCH(other_act_kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, out, also, n, x, act);
    }
}

HOST void cuda_activation(float *out, const float *x, size_t n, int act, cudaStream_t s) { cuda_activation_and_bf16(out, NULL, x, n, act, s); }

HOST void cuda_add(float *out, const float *a, const float *b, size_t n, cudaStream_t s) { RUN(add_kernel, a, b); }
HOST void cuda_mul_and_bf16(float *out, uint16_t *also, const float *a, const float *b, size_t n, cudaStream_t s) {
    if (n) LAUNCH(mul_kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, out, also, n, a, b);
}
HOST void cuda_mul(float *out, const float *a, const float *b, size_t n, cudaStream_t s) { cuda_mul_and_bf16(out, NULL, a, b, n, s); }
HOST void cuda_scale(float *out, const float *x, size_t n, float factor, cudaStream_t s) { RUN(scale_kernel, x, factor); }
HOST void cuda_scale_by(float *out, const float *x, size_t n, Stored factor, cudaStream_t s) { RUN(scale_by_kernel, x, factor.data, factor.type); }
HOST void cuda_softcap(float *out, const float *x, size_t n, float cap, cudaStream_t s) { RUN(softcap_kernel, x, cap); }
HOST void cuda_clamp(float *out, const float *x, size_t n, float low, float high, cudaStream_t s) { RUN(clamp_kernel, x, low, high); }
HOST void cuda_exp(float *out, const float *x, size_t n, cudaStream_t s) { RUN(exp_kernel, x); }
HOST void cuda_dropout(float *out, const float *x, size_t n, float p, uint64_t seed, uint64_t stream, cudaStream_t s) { RUN(dropout_kernel, x, p, seed, stream); }
HOST void cuda_add_rows(float *out, const float *x, Stored rows, size_t n, size_t period, cudaStream_t s) { RUN(add_rows_kernel, x, rows.data, rows.type, period); }
HOST void cuda_mul_rows(float *out, const float *x, Stored rows, size_t n, size_t period, cudaStream_t s) { RUN(mul_rows_kernel, x, rows.data, rows.type, period); }
HOST void cuda_widen(float *out, Stored in, size_t n, cudaStream_t s) { RUN(widen_kernel, in.data, in.type); }
HOST void cuda_narrow(uint16_t *out, const float *x, size_t n, cudaStream_t s) { RUN(narrow_kernel, x); }
