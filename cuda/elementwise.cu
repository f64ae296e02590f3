// elementwise.cu: out[i] = f(x[i], …): activations, sums, products, scaling, caps, dropout.
//
// Twins: the EACH loops of model/ops_cpu.c and RANGE in model/kernels_body.h; the formulas are model/formulas.h on both sides.
// Floor: 8 bytes an element with one input, 12 with two; at most 40 operations an element: memory-bound.
// Repeats: bit for bit, and equal to the CPU's bits.    Needs: nothing; any n, any alignment of 4 bytes.
//   version
//   0  one element a thread                            the CPU loop
//   1  four elements a thread, a block's width apart   every access coalesced; but a store may change what the next load reads,
//                                                      so nvcc keeps them in turn: 0.65 to 0.75 of copy speed (H200)
//   2  eight, all loaded before the first is stored    add, mul, scale, roundings 0.94 to 1.01; GELU 0.67, SiLU 0.69: in SASS each of
//                                                      their loads stood before its own formula behind its own branch, one under way at
//                                                      a time, and 80 and 74 instructions an element; add_rows 0.72: a remainder each
//   3  loads in a loop of their own; no branches where a block has all its elements; one look at all eight denominators of a sigmoid;
//      rows: one remainder a thread                    in use: GELU 0.86, SiLU 0.97, add_rows 0.91
#define EXACT static __device__ inline
#include "light.h"

#include "io/exact.h"

#define WIDE 256 // threads
#define EACH 8   // elements of one thread

static dim3 blocks_of(size_t n) { return DIM3((n + WIDE * EACH - 1) / (WIDE * EACH), 1, 1); }

// The thread's elements, each if `condition`, which is true where the whole block has elements.
#define EVERY(condition, ...)                                                                      \
    UNROLL                                                                                         \
    for (int k = 0; k < EACH; k++) {                                                               \
        const size_t i = first + (size_t)k * WIDE;                                                 \
        if (condition) {                                                                           \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
    }
#define BLOCK_IS_WHOLE ((size_t)(blockIdx.x + 1) * (WIDE * EACH) <= n)
#define FIRST ((size_t)blockIdx.x * (WIDE * EACH) + threadIdx.x)

// A kernel over n elements: v[k] is what is loaded for element i, `expression` the result, `store` what is done with it (y) besides.
#define ELEMENTS_STORED(type_, name, load, expression, store, ...)                                 \
    static __global__ void name(type_ *out, __VA_ARGS__) {                                         \
        const size_t first = FIRST;                                                                \
        FRAGMENT(float, v, EACH);                                                                  \
        if (BLOCK_IS_WHOLE) {                                                                      \
            EVERY(true, v[k] = load)                                                               \
            EVERY(true, const type_ y = expression; out[i] = y; store)                             \
        } else {                                                                                   \
            EVERY(i < n, v[k] = load)                                                              \
            EVERY(i < n, const type_ y = expression; out[i] = y; store)                            \
        }                                                                                          \
    }
#define ELEMENTS_OF(type_, name, load, expression, ...) ELEMENTS_STORED(type_, name, load, expression, , size_t n, __VA_ARGS__)
#define ELEMENTS(name, load, expression, ...) ELEMENTS_OF(float, name, load, expression, __VA_ARGS__)

// The same; where `also` is given, the result rounded to bf16 goes there: the next product reads that.
#define ELEMENTS_AND_BF16(name, load, expression, ...)                                             \
    ELEMENTS_STORED(float, name, load, expression, if (also) also[i] = bf16_of(y), uint16_t *also, size_t n, __VA_ARGS__)

ELEMENTS(add_kernel, a[i] + b[i], v[k], const float *a, const float *b)
ELEMENTS_AND_BF16(mul_kernel, a[i] * b[i], v[k], const float *a, const float *b)
ELEMENTS(scale_kernel, x[i], v[k] * factor, const float *x, float factor)
ELEMENTS(scale_by_kernel, x[i], v[k] * widened(factor, type, 0), const float *x, const void *factor, int type)
ELEMENTS(softcap_kernel, x[i], cap * f_tanh(v[k] / cap), const float *x, float cap)
ELEMENTS(clamp_kernel, x[i], v[k] < low ? low : v[k] > high ? high : v[k], const float *x, float low, float high)
ELEMENTS(exp_kernel, x[i], f_exp(v[k]), const float *x)
ELEMENTS(dropout_kernel, x[i], exact_uniform(seed, stream, i) < (double)p ? 0 : v[k] * (1 / (1 - p)), const float *x, float p, uint64_t seed, uint64_t stream)
ELEMENTS(widen_kernel, widened(in, type, i), v[k], const void *in, int type)
ELEMENTS_OF(uint16_t, narrow_kernel, x[i], bf16_of(v[k]), const float *x)

// One kernel per activation: no choice inside the loop.
ELEMENTS_AND_BF16(gelu_kernel, x[i], f_act(v[k], ACT_GELU), const float *x)
ELEMENTS_AND_BF16(gelu_tanh_kernel, x[i], f_act(v[k], ACT_GELU_TANH), const float *x)
ELEMENTS_AND_BF16(other_act_kernel, x[i], f_act(v[k], (Act)act), const float *x, int act)

// x sigmoid(factor x), the bits of f_act: SiLU with 1, quick GELU with 1.702. 1 / d is what costs: a branch and a call for the denominators
// that the short way does not take, which stands between the elements; here one look at all of them decides.
static __global__ void gated_kernel(float *out, uint16_t *also, size_t n, const float *x, float factor) {
    const size_t first = FIRST;
    float top = 0;
    FRAGMENT(float, v, EACH);
    FRAGMENT(float, d, EACH);
    if (BLOCK_IS_WHOLE) {
        EVERY(true, v[k] = x[i])
    } else {
        EVERY(true, v[k] = i < n ? x[i] : 0)
    }
    UNROLL
    for (int k = 0; k < EACH; k++) {
        d[k] = 1 + f_exp(-(factor * v[k]));
        top = larger(d[k], top); // NaN is not: it goes either way
    }
    if (top < RECIPROCAL_MOST) {
        UNROLL
        for (int k = 0; k < EACH; k++) d[k] = reciprocal(d[k]);
    } else {
        UNROLL
        for (int k = 0; k < EACH; k++) d[k] = 1 / d[k];
    }
    EVERY(i < n, out[i] = v[k] * d[k]; if (also) also[i] = bf16_of(v[k] * d[k]))
}

// Rows that repeat after `period`: the place in them is found once, and goes on by WIDE mod period. `row` is its element at `at`.
#define REPEATED(name, operation, row)                                                             \
    static __global__ void name(float *out, size_t n, const float *x, const void *rows, int type, size_t period, size_t step) { \
        const size_t first = FIRST;                                                                \
        size_t at = first >> 32 || period >> 32 ? first % period : (uint32_t)first % (uint32_t)period; /* 64 bits: a hundred instructions */ \
        FRAGMENT(float, v, EACH);                                                                  \
        EVERY(true, if (i < n) v[k] = x[i] operation row; at += step; if (at >= period) at -= period) \
        EVERY(i < n, out[i] = v[k])                                                                \
        (void)type;                                                                                \
    }
REPEATED(add_rows_f32, +, ((const float *)rows)[at])
REPEATED(mul_rows_f32, *, ((const float *)rows)[at])
REPEATED(add_rows_stored, +, widened(rows, type, at))
REPEATED(mul_rows_stored, *, widened(rows, type, at))

#define RUN(kernel, ...)                                                                           \
    do {                                                                                           \
        if (n) LAUNCH(kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, out, n, __VA_ARGS__);          \
    } while (0)

HOST void cuda_activation_and_bf16(float *out, uint16_t *also, const float *x, size_t n, int act, cudaStream_t s) {
    if (!n) return;
    switch (act) {
    case ACT_GELU: LAUNCH(gelu_kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, out, also, n, x); break;
    case ACT_GELU_TANH: LAUNCH(gelu_tanh_kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, out, also, n, x); break;
    case ACT_QUICK_GELU: LAUNCH(gated_kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, out, also, n, x, 1.702f); break;
    case ACT_SILU: LAUNCH(gated_kernel, blocks_of(n), DIM3(WIDE, 1, 1), 0, s, out, also, n, x, 1.0f); break;
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
HOST void cuda_add_rows(float *out, const float *x, Stored rows, size_t n, size_t period, cudaStream_t s) {
    if (rows.type == DTYPE_F32) RUN(add_rows_f32, x, rows.data, rows.type, period, WIDE % period);
    else RUN(add_rows_stored, x, rows.data, rows.type, period, WIDE % period);
}
HOST void cuda_mul_rows(float *out, const float *x, Stored rows, size_t n, size_t period, cudaStream_t s) {
    if (rows.type == DTYPE_F32) RUN(mul_rows_f32, x, rows.data, rows.type, period, WIDE % period);
    else RUN(mul_rows_stored, x, rows.data, rows.type, period, WIDE % period);
}
HOST void cuda_widen(float *out, Stored in, size_t n, cudaStream_t s) { RUN(widen_kernel, in.data, in.type); }
HOST void cuda_narrow(uint16_t *out, const float *x, size_t n, cudaStream_t s) { RUN(narrow_kernel, x); }
