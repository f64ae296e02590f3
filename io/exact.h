// exact.h: formulas in double and in whole numbers that a CPU and a GPU compute alike: additions, products, divisions and
// nothing fused, so every machine gives the same bits. Whoever includes this may define EXACT (how a function is declared).
#ifndef RETINA_IO_EXACT_H
#define RETINA_IO_EXACT_H

#include <math.h>
#include <stdint.h>

#ifndef EXACT
#define EXACT static inline
#endif

// Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3": Philox4x32-10.
EXACT void exact_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

// The counter is (index, stream), the key is the seed.
EXACT void exact_random(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t index) {
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    exact_philox(out, counter, key);
}

EXACT double exact_uniform(uint64_t seed, uint64_t stream, uint64_t index) { // [0, 1), 53 bits
    uint32_t b[4];
    exact_random(b, seed, stream, index);
    return (double)(((uint64_t)b[1] << 32 | b[0]) >> 11) * 0x1p-53;
}

// Natural logarithm for x > 0, by exponent and a series in (m-1)/(m+1): additions, products and one
// division only, so every machine gives the same bits. Error < 2 ulp, ample for a random number.
EXACT double exact_log(double x) {
    int e;
    double m = frexp(x, &e);
    if (m < 0.70710678118654752440) m *= 2, e--;
    double t = (m - 1) / (m + 1), t2 = t * t, s = 0;
    for (int k = 25; k >= 1; k -= 2) s = s * t2 + 1.0 / k; // t < 0.172: the rest is below 1e-20
    return 2 * t * s + e * 0.69314718055994530942;
}

// The same where x may be 0 (-inf), below it (NaN) or infinite.
EXACT double exact_log_of(double x) {
    if (!(x > 0)) return x == 0 ? (double)-INFINITY : (double)NAN;
    return isinf(x) ? x : exact_log(x);
}

// A whole number that is larger for larger x, the same for both zeros, and least for NaN; and the x of such a number.
EXACT uint32_t exact_rank(float x) {
    union { float f; uint32_t u; } v;
    v.f = x == 0 ? 0 : x;
    return x != x ? 0 : v.u >> 31 ? ~v.u : v.u | 0x80000000u;
}

EXACT float exact_ranked(uint32_t rank) {
    union { float f; uint32_t u; } v;
    v.u = rank >> 31 ? rank ^ 0x80000000u : ~rank;
    return v.f;
}

// Reduction to a quarter turn: n is exact, pi/2 in three parts of 33, 33 and 53 bits, so n * part is exact for
// |n| < 2^20; then Taylor series on [-pi/4, pi/4], whose rest is below 1e-17.
EXACT void exact_sincos(double x, double *sine, double *cosine) {
    double n = nearbyint(x * 0.63661977236758134308);
    double r = x - n * 1.57079632673412561417;
    r -= n * 6.07710050630396597660e-11;
    r -= n * 2.02226624879595063154e-21;
    double z = r * r;
    double s = r + r * z * (-1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880 + z * (-1.0 / 39916800 + z / 6227020800.0)))));
    double c = 1 + z * (-0.5 + z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800 + z * (1.0 / 479001600 - z / 87178291200.0))))));
    long long quarter = (long long)n & 3;
    *sine = quarter == 0 ? s : quarter == 1 ? c : quarter == 2 ? -s : -c;
    *cosine = quarter == 0 ? c : quarter == 1 ? -s : quarter == 2 ? -c : s;
}

#endif
