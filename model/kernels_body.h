// kernels_body.h: the kernels of one level. Included by kernels_scalar.c, kernels_avx2.c and kernels_avx512.c, each
// of which defines TABLE (the name of its table), TILE_ROWS, TILE_VECTORS and, where the hardware has one, a fused
// multiply-add of sixteen lanes.
//
// A vector is always sixteen floats: one AVX-512 register, two AVX2 registers, or sixteen scalars. The same
// operations in the same order on all levels is what makes the bits the same.
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels.h"

typedef float V __attribute__((vector_size(64), aligned(4)));
typedef int32_t I __attribute__((vector_size(64), aligned(4)));
typedef uint16_t H __attribute__((vector_size(32), aligned(2)));
#define LANES 16
#define INLINE static inline __attribute__((always_inline))

INLINE V load(const float *p) { return *(const V *)p; }
INLINE void store(float *p, V v) { *(V *)p = v; }
INLINE V all(float x) { return (V){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }
INLINE I alli(int x) { return (I){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }
INLINE V pick(I mask, V yes, V no) { return (V)((mask & (I)yes) | (~mask & (I)no)); }
INLINE V larger(V a, V b) { return pick(a > b, a, b); }
INLINE V magnitude(V x) { return (V)((I)x & alli(0x7fffffff)); }

#ifndef FUSED
INLINE V fused(V a, V b, V c) {
    for (int i = 0; i < LANES; i++) c[i] = fmaf(a[i], b[i], c[i]);
    return c;
}
#endif

// The first n < 16 floats; the other lanes are `fill`.
INLINE V load_part(const float *p, long n, float fill) {
    float t[LANES];
    for (int i = 0; i < LANES; i++) t[i] = i < n ? p[i] : fill;
    return load(t);
}

INLINE void store_part(float *p, V v, long n) {
    for (long i = 0; i < n; i++) p[i] = v[i];
}

INLINE float fold(V s) { // in halves: 8, 4, 2, 1
    float t[LANES];
    store(t, s);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) t[i] += t[i + half];
    return t[0];
}

// ---- exp, tanh, erf: minimax polynomials fitted by test/reference/polynomials.py

// 2^n * (1 + r + r² p(r)), r = x - n ln 2 in two parts. Relative error < 1.2 ulp; 2^n in two steps, so that results
// below the smallest normal number are right.
INLINE V vexp(V x) {
    V n = fused(x, all(1.44269504f), all(12582912.0f)) - all(12582912.0f); // to nearest: 1.5 * 2^23 pushes the fraction out
    n = pick(n > all(200), all(200), pick(n < all(-200), all(-200), n));
    V r = fused(n, all(-0.693145752f), x);
    r = fused(n, all(-1.42860677e-6f), r);
    V p = all(1.99170528e-4f);
    p = fused(p, r, all(1.39461054e-3f));
    p = fused(p, r, all(8.33326690e-3f));
    p = fused(p, r, all(4.16662693e-2f));
    p = fused(p, r, all(1.66666668e-1f));
    p = fused(p, r, all(5.00000008e-1f));
    p = fused(p * r, r, r) + all(1);
    I k = __builtin_convertvector(n, I), half = k >> 1;
    V one = (V)((half + alli(127)) << 23), two = (V)((k - half + alli(127)) << 23);
    V y = p * one * two;
    y = pick(x > all(88.8f), all(INFINITY), pick(x < all(-104.0f), all(0), y));
    return pick(x == x, y, x);
}

INLINE V vsigmoid(V x) { return all(1) / (all(1) + vexp(-x)); }

INLINE V vtanh(V x) {
    V a = magnitude(x), z = x * x;
    V p = all(-0.00571703f);
    p = fused(p, z, all(0.02065057f));
    p = fused(p, z, all(-0.05374349f));
    p = fused(p, z, all(0.13331491f));
    p = fused(p, z, all(-0.33333284f));
    V small = fused(p * z, x, x);
    V big = all(1) - all(2) / (vexp(a + a) + all(1));
    big = (V)((I)big | ((I)x & alli((int)0x80000000u)));
    V y = pick(a < all(0.625f), small, big);
    return pick(x == x, y, x);
}

INLINE V verf(V x) {
    V a = magnitude(x), z = x * x;
    V p = all(8.33409713e-5f);
    p = fused(p, z, all(-8.13415991e-4f));
    p = fused(p, z, all(5.20027667e-3f));
    p = fused(p, z, all(-2.68590925e-2f));
    p = fused(p, z, all(1.12836900e-1f));
    p = fused(p, z, all(-3.76126334e-1f));
    p = fused(p, z, all(1.28379167e-1f)); // 2/sqrt(pi) - 1: the 1 is x itself
    V small = fused(p, x, x);
    V c = pick(a > all(3.95f), all(3.95f), a); // from 3.92 on erf is 1 in float
    V q = all(-1.06187105e-6f);
    q = fused(q, c, all(1.70605673e-5f));
    q = fused(q, c, all(-9.76851637e-5f));
    q = fused(q, c, all(3.62055358e-5f));
    q = fused(q, c, all(3.00046175e-3f));
    q = fused(q, c, all(-2.32229623e-2f));
    q = fused(q, c, all(1.06277158e-1f));
    q = fused(q, c, all(6.34677791e-1f));
    q = fused(q, c, all(1.12900963f));
    q = fused(q, c, all(-9.10897719e-5f));
    V big = all(1) - vexp(-q); // q = -log(erfc)
    big = (V)((I)big | ((I)x & alli((int)0x80000000u)));
    V y = pick(a < all(0.925f), small, big);
    return pick(x == x, y, x);
}

INLINE V vact(V x, Act act) {
    switch (act) {
    case ACT_GELU: return all(0.5f) * x * (all(1) + verf(x * all(0.707106781f)));
    case ACT_GELU_TANH: return all(0.5f) * x * (all(1) + vtanh(all(0.797884561f) * fused(all(0.044715f) * x * x, x, x)));
    case ACT_QUICK_GELU: return x * vsigmoid(all(1.702f) * x);
    case ACT_SILU: return x * vsigmoid(x);
    case ACT_RELU: return pick(x > all(0), x, pick(x == x, all(0), x));
    case ACT_TANH: return vtanh(x);
    case ACT_SIGMOID: return vsigmoid(x);
    case ACT_NONE: break;
    }
    return x;
}

// out[i] = expression of x over n elements.
#define RANGE(out, in, n, expression)                                                              \
    do {                                                                                           \
        long i = 0;                                                                                \
        for (; i + LANES <= (n); i += LANES) {                                                     \
            V x = load((in) + i);                                                                  \
            store((out) + i, expression);                                                          \
        }                                                                                          \
        if (i < (n)) {                                                                             \
            V x = load_part((in) + i, (n) - i, 0);                                                 \
            store_part((out) + i, expression, (n) - i);                                            \
        }                                                                                          \
    } while (0)

static void exp_table(float *out, const float *in, long n) { RANGE(out, in, n, vexp(x)); }

static void softcap_table(float *out, const float *in, long n, float cap) { RANGE(out, in, n, all(cap) * vtanh(x / all(cap))); }

static void activate_table(float *out, const float *in, long n, Act act) {
    switch (act) { // one loop per activation, without a choice inside
    case ACT_GELU: RANGE(out, in, n, vact(x, ACT_GELU)); break;
    case ACT_GELU_TANH: RANGE(out, in, n, vact(x, ACT_GELU_TANH)); break;
    case ACT_QUICK_GELU: RANGE(out, in, n, vact(x, ACT_QUICK_GELU)); break;
    case ACT_SILU: RANGE(out, in, n, vact(x, ACT_SILU)); break;
    default: RANGE(out, in, n, vact(x, act));
    }
}

// ---- rows

static float sum_table(const float *x, long C) {
    V s = all(0);
    long i = 0;
    for (; i + LANES <= C; i += LANES) s += load(x + i);
    if (i < C) s += load_part(x + i, C - i, 0);
    return fold(s);
}

static float dot_table(const float *a, const float *b, long C) {
    V s = all(0);
    long i = 0;
    for (; i + LANES <= C; i += LANES) s = fused(load(a + i), load(b + i), s);
    if (i < C) s = fused(load_part(a + i, C - i, 0), load_part(b + i, C - i, 0), s);
    return fold(s);
}

// Two passes: E[x²] - E[x]² cancels for the outlier channels of deep transformers.
static void layernorm_table(float *out, const float *x, const float *w, const float *b, long C, float eps) {
    float mean = sum_table(x, C) / (float)C;
    V s = all(0), m = all(mean);
    long i = 0;
    for (; i + LANES <= C; i += LANES) {
        V d = load(x + i) - m;
        s = fused(d, d, s);
    }
    if (i < C) {
        V d = load_part(x + i, C - i, mean) - m;
        s = fused(d, d, s);
    }
    float r = 1 / sqrtf(fold(s) / (float)C + eps);
    for (i = 0; i < C; i++) {
        float y = (x[i] - mean) * r;
        if (w) y *= w[i];
        if (b) y += b[i];
        out[i] = y;
    }
}

static void rmsnorm_table(float *out, const float *x, const float *w, long C, float eps, bool plus_one) {
    float r = 1 / sqrtf(dot_table(x, x, C) / (float)C + eps);
    if (plus_one)
        for (long i = 0; i < C; i++) out[i] = x[i] * r * (1 + w[i]);
    else
        for (long i = 0; i < C; i++) out[i] = x[i] * r * w[i];
}

static void l2norm_table(float *out, const float *x, long C, float floor) {
    float n = sqrtf(dot_table(x, x, C));
    if (n < floor) n = floor;
    for (long i = 0; i < C; i++) out[i] = x[i] / n;
}

// -inf marks what is hidden; a row with nothing visible becomes zeros.
static void softmax_table(float *out, const float *x, long C) {
    V m = all(-INFINITY);
    long i = 0;
    for (; i + LANES <= C; i += LANES) m = larger(load(x + i), m);
    float top = -INFINITY;
    for (int j = 0; j < LANES; j++) top = m[j] > top ? m[j] : top;
    for (; i < C; i++) top = x[i] > top ? x[i] : top;
    if (top == -INFINITY) {
        memset(out, 0, (size_t)C * sizeof *out);
        return;
    }
    V s = all(0), t = all(top);
    for (i = 0; i + LANES <= C; i += LANES) {
        V e = vexp(load(x + i) - t);
        store(out + i, e);
        s += e;
    }
    if (i < C) {
        V e = vexp(load_part(x + i, C - i, -INFINITY) - t);
        store_part(out + i, e, C - i);
        s += e;
    }
    float sum = fold(s);
    for (i = 0; i < C; i++) out[i] /= sum;
}

// ---- types

INLINE float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff, u;
    if (rest >= 0x7c00) u = sign | 0x7f800000 | (rest & 0x3ff) << 13; // inf, NaN
    else if (rest >= 0x400) u = sign | ((rest << 13) + 0x38000000);
    else { // denormal: rest * 2^-24, exact in float
        float f = (float)rest * 0x1p-24f;
        memcpy(&u, &f, 4);
        u |= sign;
    }
    float f;
    memcpy(&f, &u, 4);
    return f;
}

INLINE V load_bf16(const uint16_t *p) {
    H h = *(const H *)p;
    return (V)(__builtin_convertvector(h, I) << 16);
}

#ifndef LOAD_F16
INLINE V load_f16(const uint16_t *p) {
    V v;
    for (int i = 0; i < LANES; i++) v[i] = half_to_float(p[i]);
    return v;
}
#endif

INLINE float widen_one(const void *in, Dtype type, long i) {
    switch (type) {
    case DTYPE_BF16: {
        uint32_t u = (uint32_t)((const uint16_t *)in)[i] << 16;
        float f;
        memcpy(&f, &u, 4);
        return f;
    }
    case DTYPE_F16: return half_to_float(((const uint16_t *)in)[i]);
    default: return ((const float *)in)[i];
    }
}

INLINE V widen_vector(const void *in, Dtype type, long i) {
    switch (type) {
    case DTYPE_BF16: return load_bf16((const uint16_t *)in + i);
    case DTYPE_F16: return load_f16((const uint16_t *)in + i);
    default: return load((const float *)in + i);
    }
}

static void widen_table(float *out, const void *in, Dtype type, long n) {
    long i = 0;
    for (; i + LANES <= n; i += LANES) store(out + i, widen_vector(in, type, i));
    for (; i < n; i++) out[i] = widen_one(in, type, i);
}

// ---- the register tile of a product

INLINE void tile_rows(int mr, long K, const float *Ap, const float *Bp, float *C, long ldc, bool from_c) {
    V acc[TILE_ROWS][TILE_VECTORS];
    for (int r = 0; r < mr; r++)
        for (int v = 0; v < TILE_VECTORS; v++) acc[r][v] = from_c ? load(C + r * ldc + v * LANES) : all(0);
    for (long k = 0; k < K; k++) {
        V b[TILE_VECTORS];
        for (int v = 0; v < TILE_VECTORS; v++) b[v] = load(Bp + v * LANES);
#pragma GCC unroll 16
        for (int r = 0; r < mr; r++) {
            V a = all(Ap[r]);
            for (int v = 0; v < TILE_VECTORS; v++) acc[r][v] = fused(a, b[v], acc[r][v]);
        }
        Ap += mr;
        Bp += TILE_VECTORS * LANES;
    }
    for (int r = 0; r < mr; r++)
        for (int v = 0; v < TILE_VECTORS; v++) store(C + r * ldc + v * LANES, acc[r][v]);
}

#define TILE_CASE(n)                                                                               \
    case n: tile_rows(n, K, Ap, Bp, C, ldc, from_c); break;

static void tile_table(int mr, long K, const float *Ap, const float *Bp, float *C, long ldc, bool from_c) {
    switch (mr) {
        TILE_CASE(1)
        TILE_CASE(2)
        TILE_CASE(3)
        TILE_CASE(4)
#if TILE_ROWS > 4
        TILE_CASE(5)
        TILE_CASE(6)
#endif
#if TILE_ROWS > 6
        TILE_CASE(7)
        TILE_CASE(8)
        TILE_CASE(9)
        TILE_CASE(10)
        TILE_CASE(11)
        TILE_CASE(12)
        TILE_CASE(13)
        TILE_CASE(14)
#endif
    }
}

// Sixteen rows of sixteen, turned: four rounds that exchange ever larger blocks.
INLINE void turn(V t[LANES]) {
#define EVEN8(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define ODD8(a, b) __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#define EVEN4(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#define ODD4(a, b) __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define EVEN2(a, b) __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define ODD2(a, b) __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define EVEN1(a, b) __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#define ODD1(a, b) __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
#define ROUND(n, even, odd)                                                                        \
    for (int i = 0; i < LANES; i++)                                                                \
        if (!(i & n)) {                                                                            \
            V a = t[i], b = t[i + n];                                                              \
            t[i] = even(a, b);                                                                     \
            t[i + n] = odd(a, b);                                                                  \
        }
    ROUND(8, EVEN8, ODD8)
    ROUND(4, EVEN4, ODD4)
    ROUND(2, EVEN2, ODD2)
    ROUND(1, EVEN1, ODD1)
}

// B (N, K): columns of the product are rows of the weight.
static void pack_turned(float *out, const Gemm *g, long k0, long kn, long n0) {
    size_t item = g->B_type == DTYPE_F32 ? 4 : 2;
    for (int v = 0; v < TILE_VECTORS; v++) {
        long first = n0 + v * LANES, rows = g->N - first < LANES ? g->N - first : LANES;
        const char *base = (const char *)g->B + ((size_t)first * (size_t)g->ldb + (size_t)k0) * item;
        size_t row = (size_t)g->ldb * item;
        long k = 0;
        if (rows == LANES)
            for (; k + LANES <= kn; k += LANES) {
                V t[LANES];
                for (int r = 0; r < LANES; r++) t[r] = widen_vector(base + (size_t)r * row, g->B_type, k);
                turn(t);
                for (int j = 0; j < LANES; j++) store(out + (k + j) * TILE_VECTORS * LANES + v * LANES, t[j]);
            }
        for (; k < kn; k++)
            for (int r = 0; r < LANES; r++)
                out[k * TILE_VECTORS * LANES + v * LANES + r] = r < rows ? widen_one(base + (size_t)r * row, g->B_type, k) : 0;
    }
}

static void pack_table(float *out, const Gemm *g, long k0, long kn, long n0) {
    if (g->kind == GEMM_NT) {
        pack_turned(out, g, k0, kn, n0);
        return;
    }
    long columns = g->N - n0 < TILE_VECTORS * LANES ? g->N - n0 : TILE_VECTORS * LANES;
    size_t item = g->B_type == DTYPE_F32 ? 4 : 2;
    for (long k = 0; k < kn; k++) {
        const void *row = (const char *)g->B + ((size_t)(k0 + k) * (size_t)g->ldb + (size_t)n0) * item;
        float *o = out + k * TILE_VECTORS * LANES;
        if (columns == TILE_VECTORS * LANES)
            for (int v = 0; v < TILE_VECTORS; v++) store(o + v * LANES, widen_vector(row, g->B_type, v * LANES));
        else
            for (long i = 0; i < TILE_VECTORS * LANES; i++) o[i] = i < columns ? widen_one(row, g->B_type, i) : 0;
    }
}

const KernelTable TABLE = {.MR = TILE_ROWS, .NR = TILE_VECTORS * LANES, .tile = tile_table, .pack_b = pack_table,
                           .layernorm = layernorm_table, .rmsnorm = rmsnorm_table, .l2norm = l2norm_table,
                           .softmax = softmax_table, .activate = activate_table, .exp = exp_table, .softcap = softcap_table,
                           .sum = sum_table, .dot = dot_table, .widen = widen_table};
