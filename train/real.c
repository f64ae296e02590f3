// real.c: see real.h.
#include "real.h"

#include <math.h>

#include "io/random.h"

// e^x = 2^n e^r with |r| <= ln2/2; ln2 in two parts, so that n ln2 loses nothing.
double real_exp(double x) {
    if (x != x) return x;
    if (x > 709.7) return HUGE_VAL;
    if (x < -745) return 0;
    double n = floor(x * 1.44269504088896340736 + 0.5);
    double r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10, s = 1;
    for (int k = 13; k >= 1; k--) s = s * r / k + 1; // 0.347^14 / 14! < 1e-17
    return ldexp(s, (int)n);
}

double real_log(double x) { return log_fixed(x); }

// Turned by a multiple of pi/2, then a series of cos or sin.
double real_cos(double x) {
    double n = floor(x * 0.63661977236758134308 + 0.5);
    double r = (x - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11, r2 = r * r;
    long quarter = (long)n & 3;
    double c = 1, s = 1;
    for (int k = 18; k >= 2; k -= 2) c = 1 - c * r2 / (k * (k - 1));
    for (int k = 19; k >= 3; k -= 2) s = 1 - s * r2 / (k * (k - 1));
    s *= r;
    return quarter == 0 ? c : quarter == 1 ? -s : quarter == 2 ? -c : s;
}

double real_power(double base, long exponent) {
    double r = 1;
    for (; exponent > 0; exponent >>= 1, base *= base)
        if (exponent & 1) r *= base;
    return r;
}
