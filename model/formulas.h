// formulas.h: exp, tanh, erf and the activations made of them, written once for vectors and for single numbers.
// Minimax polynomials fitted by test/reference/polynomials.py; errors measured by test/test_kernels.c.
//
// The same operations in the same order give the same bits on every instruction set and on a GPU. Who includes this
// defines Num (numbers), Whole (as many integers), FORMULA (how a function is declared), FN(name) (what it is called),
// all and alli (constants), to_whole(n), bits_of(x), from_bits(k), with_sign(a, x), magnitude(x), and what kernels_body.h lists:
// fused, more, number, pick, larger, smaller. Constants are floats: no double ever enters.

// exp(x) = 2^n (1 + r + r² p(r)), r = x - n ln 2 in two parts. This is what stands behind 2^n.
FORMULA Num FN(exp_rest)(Num x, Num n) {
    Num r = fused(n, all(-0.693145752f), x);
    r = fused(n, all(-1.42860677e-6f), r);
    Num p = all(1.99170528e-4f);
    p = fused(p, r, all(1.39461054e-3f));
    p = fused(p, r, all(8.33326690e-3f));
    p = fused(p, r, all(4.16662693e-2f));
    p = fused(p, r, all(1.66666668e-1f));
    p = fused(p, r, all(5.00000008e-1f));
    return fused(p * r, r, r) + all(1);
}

// n to the nearest: 1.5 * 2^23 pushes the fraction out, and leaves n in the last bits.
FORMULA Num FN(exp_shifted)(Num x) { return fused(x, all(1.44269504f), all(12582912.0f)); }

// 2^n in two steps, so that results below the smallest normal number are right. Beyond [-110, 100] the result no longer changes.
FORMULA Num FN(exp)(Num x) {
    x = smaller(all(100), larger(all(-110), x));
    Num n = FN(exp_shifted)(x) - all(12582912.0f);
    Whole k = to_whole(n), half = k >> 1;
    return FN(exp_rest)(x, n) * from_bits((half + alli(127)) << 23) * from_bits((k - half + alli(127)) << 23);
}

// The same bits for x in [-87, 88], where 2^n is a normal number: n is added to the exponent.
FORMULA Num FN(exp_near)(Num x) {
    Num shifted = FN(exp_shifted)(x);
    return from_bits(bits_of(FN(exp_rest)(x, shifted - all(12582912.0f))) + (bits_of(shifted) << 23));
}

// The same bits for x <= 0, in one step: 2^(n + 64) is a normal number there, and 2^-64 rounds what falls below them once. NaN stays.
FORMULA Num FN(exp_falling)(Num x) {
    x = larger(all(-110), x);
    Num shifted = FN(exp_shifted)(x);
    return FN(exp_rest)(x, shifted - all(12582912.0f)) * from_bits((bits_of(shifted) << 23) + alli((127 + 64) << 23)) * all(0x1p-64f);
}

FORMULA Num FN(sigmoid)(Num x) { return all(1) / (all(1) + FN(exp)(-x)); }

FORMULA Num FN(tanh)(Num x) {
    Num a = magnitude(x), z = x * x;
    Num p = all(-0.00571703f);
    p = fused(p, z, all(0.02065057f));
    p = fused(p, z, all(-0.05374349f));
    p = fused(p, z, all(0.13331491f));
    p = fused(p, z, all(-0.33333284f));
    Num small = fused(p * z, x, x);
    Num big = with_sign(all(1) - all(2) / (FN(exp_near)(smaller(all(88), a + a)) + all(1)), x);
    return pick(number(x), pick(more(all(0.625f), a), small, big), x);
}

FORMULA Num FN(erf)(Num x) {
    Num a = magnitude(x), z = x * x;
    Num p = all(8.33409713e-5f);
    p = fused(p, z, all(-8.13415991e-4f));
    p = fused(p, z, all(5.20027667e-3f));
    p = fused(p, z, all(-2.68590925e-2f));
    p = fused(p, z, all(1.12836900e-1f));
    p = fused(p, z, all(-3.76126334e-1f));
    p = fused(p, z, all(1.28379167e-1f)); // 2/sqrt(pi) - 1: the 1 is x itself
    Num small = fused(p, x, x);
    Num c = smaller(all(3.95f), a); // from 3.92 on erf is 1 in float
    Num q = all(1.06187105e-6f); // log(erfc)
    q = fused(q, c, all(-1.70605673e-5f));
    q = fused(q, c, all(9.76851637e-5f));
    q = fused(q, c, all(-3.62055358e-5f));
    q = fused(q, c, all(-3.00046175e-3f));
    q = fused(q, c, all(2.32229623e-2f));
    q = fused(q, c, all(-1.06277158e-1f));
    q = fused(q, c, all(-6.34677791e-1f));
    q = fused(q, c, all(-1.12900963f));
    q = fused(q, c, all(9.10897719e-5f));
    Num big = with_sign(all(1) - FN(exp_near)(q), x);
    return pick(more(a, all(0.92499995f)), big, small);
}

FORMULA Num FN(act)(Num x, Act act) {
    switch (act) {
    case ACT_GELU: return all(0.5f) * x * (all(1) + FN(erf)(x * all(0.707106781f)));
    case ACT_GELU_TANH: return all(0.5f) * x * (all(1) + FN(tanh)(all(0.797884561f) * fused(all(0.044715f) * x * x, x, x)));
    case ACT_QUICK_GELU: return x * FN(sigmoid)(all(1.702f) * x);
    case ACT_SILU: return x * FN(sigmoid)(x);
    case ACT_RELU: return pick(more(x, all(0)), x, pick(number(x), all(0), x));
    case ACT_TANH: return FN(tanh)(x);
    case ACT_SIGMOID: return FN(sigmoid)(x);
    case ACT_NONE: break;
    }
    return x;
}
