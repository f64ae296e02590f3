// gradients_each.cu: d[i] (+)= f(g[i], …), AdamW, and sums of products in double.
//
// Twins: the EACH loops, adam_job and dot_job of model/gradients_cpu.c.
// Floor: 12 to 16 bytes an element, AdamW 28, sums of products 8; at most 50 operations: memory-bound.
// Repeats: bit for bit, and equal to the CPU's bits.    Needs: nothing; any n.
//   version
//   0  one element a thread                            the CPU loop
//   1  four elements a thread, a block's width apart   in use: four independent loads in flight, every access coalesced
//   AdamW, dots: all tensors by one launch: a tiny model has a hundred of them, of a microsecond each
//   dots: one warp a piece of 8192 numbers, lane j holds running sum j: 64 coalesced accesses of a piece are independent
#define EXACT static __device__ inline
#include "gradients.h"

#include "io/exact.h"

#define WIDE 256 // threads
#define EACH (ADAM_PIECE / WIDE) // elements of one thread

static dim3 blocks_of(size_t n) { return DIM3((n + WIDE * EACH - 1) / (WIDE * EACH), 1, 1); }

static __device__ float slope(float x, float y, int act) {
    float half, t, a;
    switch (act) {
    case ACT_GELU: return (x == 0 ? 0.5f : y / x) + x * (0.398942280f * f_exp(-0.5f * x * x));
    case ACT_GELU_TANH:
        half = x == 0 ? 0.5f : y / x, t = 2 * half - 1;
        return half + 0.5f * x * (1 - t * t) * (0.797884561f * (1 + 3 * 0.044715f * x * x));
    case ACT_QUICK_GELU:
    case ACT_SILU:
        half = x == 0 ? 0.5f : y / x, a = act == ACT_SILU ? 1 : 1.702f;
        return half * (1 + a * x * (1 - half));
    case ACT_RELU: return x > 0 ? 1 : 0;
    case ACT_TANH: return 1 - y * y;
    case ACT_SIGMOID: return y * (1 - y);
    default: return 1;
    }
}

// A kernel over the elements of one kind; `i` is the element.
#define KIND(name, expression)                                                                     \
    static __global__ void name(EachGradient k) {                                                  \
        size_t first = (size_t)blockIdx.x * (WIDE * EACH) + threadIdx.x;                           \
        UNROLL                                                                                     \
        for (int e = 0; e < EACH; e++) {                                                           \
            size_t i = first + (size_t)e * WIDE;                                                   \
            if (i >= k.n) continue;                                                                \
            float v = expression;                                                                  \
            k.d[i] = k.fresh ? v : k.d[i] + v;                                                     \
        }                                                                                          \
    }

KIND(pass_kernel, k.g[i])
KIND(product_kernel, k.g[i] * k.x[i])
KIND(row_product_kernel, k.g[i] * k.x[i % k.C])
KIND(scale_kernel, k.g[i] * k.number)
KIND(scale_by_kernel, k.g[i] * k.x[0])
KIND(softcap_kernel, k.g[i] * (1 - (k.y[i] / k.number) * (k.y[i] / k.number)))
KIND(clamp_kernel, k.x[i] >= k.number && k.x[i] <= k.number2 ? k.g[i] : 0)
KIND(dropout_kernel, exact_uniform(k.seed, k.stream, i) < (double)k.number ? 0 : k.g[i] * (1 / (1 - k.number)))
KIND(mean_kernel, k.g[i / (k.T * k.C) * k.C + i % k.C] / (float)k.T)
KIND(difference_kernel, k.number * (2 * k.g[0] / (float)k.n) * (k.x[i] - k.y[i]))
KIND(activation_kernel, k.g[i] * slope(k.x[i], k.y[i], (int)k.act))

#define RUN(kernel) LAUNCH(kernel, blocks_of(e->n), DIM3(WIDE, 1, 1), 0, s, *e)

HOST void cuda_each_gradient(const EachGradient *e, cudaStream_t s) {
    if (e->n == 0) return;
    switch (e->kind) {
    case EACH_PASS: RUN(pass_kernel); break;
    case EACH_PRODUCT: RUN(product_kernel); break;
    case EACH_ROW_PRODUCT: RUN(row_product_kernel); break;
    case EACH_SCALE: RUN(scale_kernel); break;
    case EACH_SCALE_BY: RUN(scale_by_kernel); break;
    case EACH_SOFTCAP: RUN(softcap_kernel); break;
    case EACH_CLAMP: RUN(clamp_kernel); break;
    case EACH_DROPOUT: RUN(dropout_kernel); break;
    case EACH_MEAN: RUN(mean_kernel); break;
    case EACH_DIFFERENCE: RUN(difference_kernel); break;
    default: RUN(activation_kernel);
    }
}

// All is loaded before the first is stored: a store may change what the next load reads, so nvcc would keep them in turn.
static __global__ void adam_kernel(const AdamStep *steps, const Piece *pieces) {
    const Piece piece = pieces[blockIdx.x];
    const AdamStep k = steps[piece.which];
    const size_t first = (size_t)piece.number * ADAM_PIECE + threadIdx.x;
    FRAGMENT(float, gs, EACH);
    FRAGMENT(float, ms, EACH);
    FRAGMENT(float, vs, EACH);
    FRAGMENT(float, ws, EACH);
    UNROLL
    for (int e = 0; e < EACH; e++) {
        const size_t i = first + (size_t)e * WIDE;
        if (i < k.n) gs[e] = k.g[i], ms[e] = k.m[i], vs[e] = k.v[i], ws[e] = k.w[i];
    }
    UNROLL
    for (int e = 0; e < EACH; e++) {
        const size_t i = first + (size_t)e * WIDE;
        if (i >= k.n) continue;
        const float g = gs[e] * k.shrink;
        const float m = ms[e] + (g - ms[e]) * (1 - k.beta1);
        const float v = vs[e] * k.beta2 + g * g * (1 - k.beta2);
        k.m[i] = m;
        k.v[i] = v;
        k.w[i] = ws[e] * k.keep - k.rate * (m / (sqrtf(v) / k.root2 + k.eps));
    }
}

HOST void cuda_adam(const AdamStep *steps, const Piece *pieces, long count, cudaStream_t s) {
    if (count) LAUNCH(adam_kernel, DIM3(count, 1, 1), DIM3(WIDE, 1, 1), 0, s, steps, pieces);
}

static __global__ void dot_kernel(double *sums, const DotPair *pairs, const Piece *pieces, long count) {
    const long at = (long)blockIdx.x * (WIDE / DOT_SUMS) + threadIdx.x / DOT_SUMS;
    const bool there = at < count;
    const Piece piece = pieces[there ? at : count - 1];
    const DotPair k = pairs[piece.which];
    const size_t from = (size_t)piece.number * DOT_PIECE, to = from + DOT_PIECE < k.n ? from + DOT_PIECE : k.n;
    double t = 0;
    for (size_t i = from + (size_t)thread_lane(); i < to; i += DOT_SUMS) t += (double)k.a[i] * (double)k.b[i];
    for (int half = DOT_SUMS / 2; half; half /= 2) t += __shfl_xor_sync(0xffffffffu, t, half);
    if (there && thread_lane() == 0) sums[at] = t;
}

HOST void cuda_dot_pieces(double *sums, const DotPair *pairs, const Piece *pieces, long count, cudaStream_t s) {
    const long block = WIDE / DOT_SUMS;
    if (count) LAUNCH(dot_kernel, DIM3((count + block - 1) / block, 1, 1), DIM3(WIDE, 1, 1), 0, s, sums, pairs, pieces, count);
}
