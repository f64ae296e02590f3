#!/usr/bin/env python3
"""Goldens of analysis/: numpy and scipy, float64, on small inputs that are stored with the answers.

    python test/reference/analysis.py > test/golden/analysis.json        (numpy 2.4, scipy 1.17, mpmath 1.3)
"""
import json

import mpmath
import numpy as np
from scipy import stats

mpmath.mp.dps = 40  # scipy's own Student tail is off by 3e-9 at t = 1e-8

rng = np.random.default_rng(20240)


def f32(x):
    return np.asarray(x, dtype=np.float32)


def flat(x):
    return [float(v) for v in np.asarray(x).ravel()]


def spectrum(s, r):
    p = s**2 / (np.sum(s**2) + 1e-12)
    h = -np.sum(p * np.log(p + 1e-12))
    c = np.cumsum(p)
    reach = lambda share: int(np.argmax(c >= share)) + 1 if np.any(c >= share) else r
    return [np.exp(h), np.exp(h) / r, p[:1].sum(), p[:5].sum(), p[:10].sum(), reach(0.8), reach(0.9)]


def tokens(T, C, scale):
    x = f32(np.round(rng.normal(size=(T, C)) * scale ** np.arange(T)[:, None] + rng.normal(size=C), 4))
    c = x.astype(np.float64) - x.astype(np.float64).mean(0)
    s = np.linalg.svd(c, compute_uv=False)
    n = x.astype(np.float64)
    n /= np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-12)
    g = (n @ n.T)[~np.eye(T, dtype=bool)]
    u, w, v = np.linalg.svd(c, full_matrices=False)
    low = x.astype(np.float64).mean(0) + (u[:, :3] * w[:3]) @ v[:3]
    return dict(T=T, C=C, x=flat(x), s=flat(s), spectrum=[float(v) for v in spectrum(s, min(T, C))],
                cosine=[float(g.mean()), float(g.std()), float(np.sort(g)[(len(g) - 1) // 2])], low_rank_3=flat(low))


def pairs(n, ties):
    x = rng.normal(size=n)
    y = 0.4 * x + rng.normal(size=n)
    if ties:
        x, y = np.round(x, 0), np.round(y * 2) / 2
    x, y = np.round(x, 5), np.round(y, 5)
    p, s, l = stats.pearsonr(x, y), stats.spearmanr(x, y), stats.linregress(x, y)
    return dict(x=flat(x), y=flat(y), pearson=[p.statistic, p.pvalue], spearman=[s.statistic, s.pvalue],
                line=[l.intercept, l.slope, l.stderr], ranks=flat(stats.rankdata(x)))


def describe(n):
    x = np.round(rng.normal(size=n) ** 3, 4)
    q = np.quantile(x, [0, 0.1, 0.25, 0.5, 0.75, 0.999, 1])
    return dict(x=flat(x), mean=x.mean(), std0=x.std(), std1=x.std(ddof=1), lower=float(np.sort(x)[(n - 1) // 2]),
                median=float(np.median(x)), quantiles=flat(q))


def regression(n, k):
    X = np.column_stack([np.ones(n), np.round(rng.normal(size=(n, k - 1)), 3)])
    y = np.round(X @ rng.normal(size=k) + 0.3 * rng.normal(size=n), 4)
    beta = np.linalg.solve(X.T @ X, X.T @ y)
    rest = y - X @ beta
    errors = np.sqrt(np.diag(np.linalg.inv(X.T @ X)) * (rest @ rest) / (n - k))
    return dict(X=flat(X), y=flat(y), k=k, beta=flat(beta), errors=flat(errors),
                r2=float(1 - rest @ rest / np.sum((y - y.mean()) ** 2)))


def accelerated(level):
    """Efron's BCa from given replicates and jackknife values."""
    replicates = np.round(rng.gamma(4, size=501), 4)
    jackknife = np.round(rng.normal(size=30) ** 3 / 50 + 4, 5)
    value = 3.7
    share = ((replicates < value).sum() + (replicates <= value).sum()) / 2 / len(replicates)
    z0 = stats.norm.ppf(share)
    d = jackknife.mean() - jackknife
    a = (d**3).sum() / (6 * ((d**2).sum()) ** 1.5)
    ends = []
    for q in ((1 - level) / 2, (1 + level) / 2):
        z = z0 + stats.norm.ppf(q)
        ends.append(np.quantile(replicates, stats.norm.cdf(z0 + z / (1 - a * z))))
    return dict(replicates=flat(replicates), jackknife=flat(jackknife), value=value, level=level, ends=flat(ends))


def holm(p):
    p = np.asarray(p)
    order = np.argsort(p, kind="stable")
    out, least = np.empty(len(p)), 0
    for k, i in enumerate(order):
        least = max(least, min(1, (len(p) - k) * p[i]))
        out[i] = least
    return dict(p=flat(p), adjusted=flat(out))


def distances():
    """Two views of 30 rows, far from the origin, with a copy and a row of zeros."""
    x = rng.normal(size=(30, 5)) + 20
    y = np.column_stack([x[:, :2] * 3 + rng.normal(size=(30, 2)), rng.normal(size=(30, 4))])
    x[7], y[7] = x[3], y[3]
    y[11] = 0
    x, y = f32(np.round(x, 3)), f32(np.round(y, 3))
    out = dict(x=flat(x), y=flat(y), C=5, D=6)
    for name in ("l2", "cosine"):
        d = []
        for m in (x.astype(np.float64), y.astype(np.float64)):
            if name == "cosine":
                m = m / np.maximum(np.linalg.norm(m, axis=1, keepdims=True), 1e-12)
                full = 1 - m @ m.T
            else:
                full = np.linalg.norm(m[:, None] - m[None], axis=2)
            d.append(full[np.triu_indices(30, 1)])
        a, b = d[0] - d[0].mean(), d[1] - d[1].mean()
        out[name] = float((a * b).mean() / (a.std() * b.std()))
    return out


def student():
    rows = []
    for df in (1, 2, 3, 5, 10, 30, 100, 1998, 121859):
        for t in (0, 1e-8, 0.01, 0.3, 1, 2, 5, 12, 37):
            x = mpmath.mpf(df) / (df + mpmath.mpf(t) ** 2)
            rows.append([t, df, float(mpmath.betainc(mpmath.mpf(df) / 2, 0.5, 0, x, regularized=True))])
    return rows


def beta():
    rows = []
    for a in (0.5, 1, 2.5, 9.9, 10, 40, 3000):
        for b in (0.5, 1, 7, 12, 500):
            for x in (1e-6, 0.01, 0.3, 0.5, 0.9, 0.999):
                v = float(mpmath.betainc(a, b, 0, x, regularized=True))
                if v > 1e-290:
                    rows.append([a, b, x, v])
    return rows


def main():
    quantiles = [1e-300, 1e-20, 1e-5, 0.02425, 0.1, 0.5, 0.7, 0.975, 1 - 1e-9]
    bins_x, bins_y = np.round(rng.normal(size=60), 2), np.round(rng.normal(size=60), 3)
    counts, edges = np.histogram(bins_x, 7, (-1.5, 1.5))
    cut_edges = np.linspace(bins_x.min(), bins_x.max(), 6)
    cut_edges[0] -= 0.001 * (bins_x.max() - bins_x.min())
    cut = [bins_y[(bins_x > lo) & (bins_x <= hi)] for lo, hi in zip(cut_edges, cut_edges[1:])]
    signs = np.round(rng.normal(0.5, 1, size=9), 2)
    patterns = np.array([[1 - 2 * (b >> g & 1) for g in range(9)] for b in range(512)])
    out = dict(
        tokens=[tokens(12, 20, 0.8), tokens(20, 12, 0.9), tokens(33, 40, 1.0)],
        pairs=[pairs(40, False), pairs(61, True)],
        describe=[describe(101), describe(64)],
        regression=regression(50, 4),
        accelerated=accelerated(0.9),
        holm=holm([0.01, 0.04, 0.03, 0.005, 0.04, 0.9]),
        distances=distances(),
        student=student(),
        beta=beta(),
        normal=[[q, float(stats.norm.ppf(q))] for q in quantiles],
        bins=dict(x=flat(bins_x), y=flat(bins_y), histogram=[int(c) for c in counts],
                  cut_count=[len(c) for c in cut], cut_mean=[float(c.mean()) for c in cut],
                  cut_centre=flat((cut_edges[1:] + cut_edges[:-1]) / 2)),
        signs=dict(x=flat(signs), p=float(np.mean(np.abs(patterns @ signs) >= abs(signs.sum()) - 1e-12))),
    )
    print(json.dumps(out))


main()
