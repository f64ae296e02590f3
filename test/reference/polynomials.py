"""polynomials.py: the minimax polynomials of model/kernels_math.h (exp, tanh, erf), fitted by iteratively reweighted least squares
in double precision. Prints coefficients, lowest power first, and the largest relative error of each fit."""
import numpy as np
from numpy.polynomial import polynomial
from scipy.special import erf, erfc, log_ndtr


def fit(f, low, high, degree, weight, n=4001):
    x = np.cos(np.pi * (np.arange(n) + 0.5) / n) * (high - low) / 2 + (high + low) / 2
    y, scale, w = f(x), weight(x), np.ones(n)
    v = np.vander((2 * x - high - low) / (high - low), degree + 1, increasing=True)
    for _ in range(60):
        c = np.linalg.lstsq(v * (w * scale)[:, None], y * w * scale, rcond=None)[0]
        e = np.abs((v @ c - y) * scale)
        w = w * np.sqrt(0.3 + e / e.max())
        w /= w.mean()
    line, p = np.array([-(high + low) / (high - low), 2 / (high - low)]), np.array([0.0])
    for a in c[::-1]:  # Horner with polynomials: back to powers of x
        p = polynomial.polyadd(polynomial.polymul(p, line), [a])
    return p, e.max()


def small(z):
    s = np.sqrt(np.maximum(z, 1e-30))
    return np.where(z > 0, erf(s) / s, 2 / np.sqrt(np.pi))


half = np.log(2) / 2 * 1.0001
for name, result in {
    "erf(x) / x in x*x on [0, 0.86]; the code keeps 1 for x itself": fit(small, 0, 0.86, 6, lambda z: 1 / small(z)),
    "-log(erfc(a)) on [0.92, 3.95]": fit(lambda a: -(np.log(2) + log_ndtr(-a * np.sqrt(2))), 0.92, 3.95, 9, lambda a: erfc(a) / erf(a)),
    "(exp(r) - 1 - r) / r^2 on [-ln 2 / 2, ln 2 / 2]": fit(
        lambda r: np.where(np.abs(r) < 1e-4, 0.5 + r / 6 + r * r / 24, (np.expm1(r) - r) / np.where(r == 0, 1, r * r)), -half, half, 5, lambda r: r * r),
    "(tanh(x) / x - 1) / x^2 in x*x on [0, 0.39]": fit(
        lambda z: np.where(z < 1e-6, -1 / 3 + z * 2 / 15, (np.tanh(np.sqrt(z)) / np.sqrt(np.maximum(z, 1e-30)) - 1) / np.maximum(z, 1e-30)), 1e-9, 0.625**2, 4, lambda z: z),
}.items():
    print(name, "largest error", f"{result[1]:.1e}")
    print("   ", " ".join(f"{c:.9g}" for c in result[0]))
