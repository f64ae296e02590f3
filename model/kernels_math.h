// kernels_math.h: exp, tanh, erf and the activations, lane by lane. Minimax polynomials fitted by
// test/reference/polynomials.py; errors measured over all floats by test/test_functions.c.

// 2^n (1 + r + r² p(r)), r = x - n ln 2 in two parts; 2^n in two steps, so that results below the smallest normal
// number are right. Beyond [-110, 100] the result no longer changes.
INLINE V vexp(V x) {
    x = smaller(all(100), larger(all(-110), x));
    V n = fused(x, all(1.44269504f), all(12582912.0f)) - all(12582912.0f); // to nearest: 1.5 * 2^23 pushes the fraction out
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
    return p * (V)((half + alli(127)) << 23) * (V)((k - half + alli(127)) << 23);
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
    V big = with_sign(all(1) - all(2) / (vexp(a + a) + all(1)), x);
    return pick(number(x), pick(more(all(0.625f), a), small, big), x);
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
    V c = smaller(all(3.95f), a); // from 3.92 on erf is 1 in float
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
    V big = with_sign(all(1) - vexp(-q), x); // q = -log(erfc)
    return pick(number(x), pick(more(all(0.925f), a), small, big), x);
}

INLINE V vact(V x, Act act) {
    switch (act) {
    case ACT_GELU: return all(0.5f) * x * (all(1) + verf(x * all(0.707106781f)));
    case ACT_GELU_TANH: return all(0.5f) * x * (all(1) + vtanh(all(0.797884561f) * fused(all(0.044715f) * x * x, x, x)));
    case ACT_QUICK_GELU: return x * vsigmoid(all(1.702f) * x);
    case ACT_SILU: return x * vsigmoid(x);
    case ACT_RELU: return pick(more(x, all(0)), x, pick(number(x), all(0), x));
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
    case ACT_RELU: RANGE(out, in, n, vact(x, ACT_RELU)); break;
    case ACT_TANH: RANGE(out, in, n, vact(x, ACT_TANH)); break;
    case ACT_SIGMOID: RANGE(out, in, n, vact(x, ACT_SIGMOID)); break;
    case ACT_NONE: RANGE(out, in, n, x); break;
    }
}
