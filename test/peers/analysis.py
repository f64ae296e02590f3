"""analysis.py [--count N] [--seed S] [--time] [--threads N]: analysis/ against numpy, scipy, torch and faiss on fresh random inputs.

Without --time: N rounds of random shapes and kinds of data; one line a comparison that fails, exit status 1 if any did.
With --time: ours and the peers alternate in one process (performance.md 2); medians of CPU seconds where the peer runs on one thread,
so that a busy machine does not decide, and ratios ours / best peer.
"""
import argparse
import ctypes
import glob
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import numpy as np
import scipy.stats

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def build(folder):
    """One shared library of analysis/, io/ and the level of the processor."""
    library = os.path.join(folder, "analysis.so")
    objects = []
    flags = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-D_DEFAULT_SOURCE", "-O3", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-w", "-I."]
    sources = glob.glob("analysis/*.c", root_dir=ROOT) + glob.glob("io/*.c", root_dir=ROOT) + ["model/cpu.c", "test/peers/analysis_shim.c"]
    for source in sources:
        extra = ["-mavx2", "-mfma", "-mf16c"] if "_avx" in source else []
        extra += ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq"] if "_avx512" in source else []
        objects.append(os.path.join(folder, source.replace("/", "_")[:-2] + ".o"))
        subprocess.run(["gcc", *flags, *extra, "-c", source, "-o", objects[-1]], cwd=ROOT, check=True)
    subprocess.run(["gcc", "-shared", "-o", library, *objects, "-lm", "-lpthread"], cwd=ROOT, check=True)
    return ctypes.CDLL(library)


def f32(x):
    return np.ascontiguousarray(x, dtype=np.float32)


def ptr(x):
    return x.ctypes.data_as(ctypes.c_void_p)


class Ours:
    def __init__(self, lib, threads):
        self.lib = lib
        lib.shim_distance_correlation.restype = ctypes.c_double
        lib.shim_f1.restype = ctypes.c_double
        lib.shim_threads(threads)

    def knn(self, x, k, cosine):
        ids = np.zeros((len(x), min(k, len(x) - 1)), np.uint32)
        self.lib.shim_knn(ptr(ids), ptr(x), ctypes.c_long(len(x)), x.shape[1], int(cosine), k)
        return ids

    def values(self, x, centre, method=0):
        b, r, c = x.shape
        s = np.zeros((b, min(r, c)))
        self.lib.shim_values(ptr(s), ptr(x), b, r, c, int(centre), method)
        return s

    def thin(self, x, centre, method=0):
        r, c = x.shape
        n = min(r, c)
        s, u, v = np.zeros(n), np.zeros((n, r)), np.zeros((n, c))
        self.lib.shim_thin(ptr(s), ptr(u), ptr(v), ptr(x), r, c, int(centre), method)
        return u.T, s, v

    def low_rank(self, x, rank):
        out = np.zeros_like(x)
        self.lib.shim_low_rank(ptr(out), ptr(x), *x.shape, rank)
        return out

    def tokens(self, x):
        n, t, c = x.shape
        a, b = np.zeros((n, 7)), np.zeros((n, 3))
        self.lib.shim_tokens(ptr(a), ptr(b), ptr(x), n, t, c)
        return a, b


failures = 0


def check(ok, what):
    global failures
    if not ok:
        failures += 1
        print("FAIL", what)


def data(rng, n, c):
    kind = rng.integers(6)
    x = rng.normal(size=(n, c))
    if kind == 1:
        x = x + rng.normal(size=c) * 10.0 ** rng.integers(0, 5)
    if kind == 2:
        x[:, 0] *= 1e4
    if kind == 3:
        x = x[rng.integers(0, max(1, n // 3), size=n)]
    if kind == 4:
        x = x * 10.0 ** (-4 * np.arange(c) / c)
    if kind == 5:
        x = np.round(x)
    return f32(x), kind


def order_ok(ids, keys):
    """ids must be the first columns of a stable sort of keys, up to keys that differ by their own rounding."""
    want = np.argsort(keys, axis=1, kind="stable")[:, : ids.shape[1]]
    got, best = np.take_along_axis(keys, ids.astype(int), 1), np.take_along_axis(keys, want, 1)
    distinct = all(len(set(row)) == len(row) for row in ids.tolist())
    return distinct and np.all(np.abs(got - best) <= 1e-11 * np.maximum(1e-3, np.abs(best)))


def compare(ours, rng):
    import torch

    n, c = int(rng.integers(2, 400)), int(rng.integers(1, 200))
    x, kind = data(rng, n, c)
    k = int(rng.integers(1, 60))
    d = x.astype(np.float64)
    square = np.array([((d - row) ** 2).sum(1) for row in d])
    np.fill_diagonal(square, np.inf)
    check(order_ok(ours.knn(x, k, False), square), f"knn l2 {n}x{c} k {k} kind {kind}")
    unit = d / np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1e-12)
    away = 1 - unit @ unit.T
    np.fill_diagonal(away, np.inf)
    check(order_ok(ours.knn(x, k, True), away), f"knn cosine {n}x{c} k {k} kind {kind}")

    centre = bool(rng.integers(2))
    centred = d - d.mean(0) * centre
    s = np.linalg.svd(centred, compute_uv=False)
    first = max(s[0], 1e-30)
    for method in (1, 2):
        got = ours.values(x[None], centre, method)[0]
        # centring rounds to float: below 1e-7 of the matrix; the Gram route: sqrt(n 2^-53) of the first value
        check(np.all(np.abs(got - s) <= 1.2e-7 * np.linalg.norm(centred) + 1e-7 * first), f"values {n}x{c} method {method} kind {kind}")
        u, w, v = ours.thin(x, centre, method)
        r = len(w)
        rest = np.abs(u * w @ v - centred).max() / max(np.abs(d).max(), 1e-30)
        bent = max(np.abs(u.T @ u - np.eye(r)).max(), np.abs(v @ v.T - np.eye(r)).max())
        check(rest < 3e-7 and bent < 1e-8, f"thin {n}x{c} method {method} kind {kind}: rest {rest:.1e}, bent {bent:.1e}")
    rank = int(rng.integers(1, len(s) + 1))
    u, w, v = np.linalg.svd(d - d.mean(0), full_matrices=False)
    if rank == len(w) or w[rank] < w[rank - 1] * (1 - 1e-3):  # else the subspace is not determined
        want = d.mean(0) + u[:, :rank] * w[:rank] @ v[:rank]
        check(np.abs(ours.low_rank(x, rank) - want).max() <= 1e-5 * max(np.abs(d).max(), 1e-30), f"low rank {rank} of {n}x{c} kind {kind}")

    a, b = ours.tokens(x[None])
    p = w**2 / (np.sum(w**2) + 1e-12)
    entropy = -np.sum(p * np.log(p + 1e-12))
    check(abs(a[0, 0] / np.exp(entropy) - 1) < 1e-5 and abs(a[0, 2] - p[0]) < 1e-5 and abs(a[0, 4] - p[:10].sum()) < 1e-5, f"spectrum {n}x{c} kind {kind}")
    g = (unit @ unit.T)[~np.eye(n, dtype=bool)]
    want = [g.mean(), g.std(), np.sort(g)[(len(g) - 1) // 2]]
    check(np.abs(b[0] - want).max() < 1e-5, f"cosines {n}x{c} kind {kind}")
    if n > 3:
        y = f32(d[:, : max(1, c // 2)] + rng.normal(size=(n, max(1, c // 2))))
        i, j = np.triu_indices(n, 1)
        du = np.linalg.norm(d[i] - d[j], axis=1)
        dv = np.linalg.norm(y.astype(np.float64)[i] - y.astype(np.float64)[j], axis=1)
        r = ours.lib.shim_distance_correlation(ptr(x), c, ptr(y), y.shape[1], ctypes.c_long(n), 0)
        want = np.corrcoef(du, dv)[0, 1]
        check(abs(r - want) < 1e-4 or not np.isfinite(want), f"distance correlation {n}x{c} kind {kind}: {r} for {want}")

    m = int(rng.integers(5, 3000))
    x = rng.normal(size=m)
    y = rng.normal() * x + rng.normal(size=m)
    if rng.integers(2):
        x, y = np.round(x, 1), np.round(y, 1)
    out = np.zeros(6)
    ours.lib.shim_correlations(ptr(out), ptr(x), ptr(y), ctypes.c_long(m))
    p, s, l = scipy.stats.pearsonr(x, y), scipy.stats.spearmanr(x, y), scipy.stats.linregress(x, y)
    close = lambda a, b, tolerance: abs(a - b) <= tolerance * max(abs(b), 1e-290) or abs(b) < 1e-290
    check(close(out[0], p.statistic, 1e-11) and close(out[2], s.statistic, 1e-11), f"correlations n {m}")
    check(close(out[1], p.pvalue, 1e-8) and close(out[3], s.pvalue, 1e-8), f"p-values n {m}: {out[1]} {p.pvalue}, {out[3]} {s.pvalue}")
    check(close(out[4], l.intercept, 1e-9) and close(out[5], l.slope, 1e-9), f"line n {m}")
    out = np.zeros(8)
    ours.lib.shim_describe(ptr(out), ptr(x), ctypes.c_long(m))
    want = [m, x.mean(), np.median(x), x.std(ddof=1), *np.quantile(x, [0.25, 0.75]), x.min(), x.max()]
    check(np.allclose(out, want, rtol=1e-12, atol=1e-13), f"describe n {m}")


def intervals(ours, rng):
    """Bootstrap intervals against scipy's: the same but for the draws."""
    x = rng.gamma(2, size=60)
    for accelerated, name in ((0, "percentile"), (1, "BCa")):
        out = np.zeros(3)
        ours.lib.shim_bootstrap(ptr(out), ptr(x), ctypes.c_long(len(x)), accelerated, int(rng.integers(1 << 30)))
        peer = scipy.stats.bootstrap((x,), np.mean, n_resamples=9999, method=name, random_state=rng).confidence_interval
        half = (peer.high - peer.low) / 2
        allow = (0.15 if accelerated else 0.08) * half  # 4.5 sigma of the difference of two such ends (measured on 12 seeds)
        check(abs(out[1] - peer.low) < allow and abs(out[2] - peer.high) < allow, f"{name}: {out} for {peer}")


def contest(title, contenders, rounds=7):
    """contenders: (name, function); ours first."""
    spent = {name: [] for name, _ in contenders}
    for _ in range(rounds):
        for name, run in contenders:
            start = time.process_time()
            run()
            spent[name].append(time.process_time() - start)
    middle = {name: statistics.median(t) for name, t in spent.items()}
    ours = middle[contenders[0][0]]
    best = min(v for name, v in middle.items() if name != contenders[0][0])
    line = "  ".join(f"{name} {1e3 * middle[name]:.1f} ms [{1e3 * min(t):.1f} – {1e3 * max(t):.1f}]" for name, t in spent.items())
    print(f"{title:32s} {ours / best:5.2f}   {line}", flush=True)


def timing(ours):
    import faiss
    import torch

    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    ours.lib.shim_threads(1)
    rng = np.random.default_rng(1)
    print("CPU time, one thread; ours / best peer, medians of 7 rounds in alternation")
    for r, c in ((576, 4096), (64, 4096), (729, 1152), (577, 1024), (144, 3584)):
        x = f32(rng.normal(size=(r, c)) * 10.0 ** (-3 * np.arange(c) / c))
        t = torch.from_numpy(x)
        contest(f"singular values {r}x{c}", [("ours", lambda: ours.values(x[None], False, 1)), ("torch", lambda: torch.linalg.svdvals(t))])
        contest(f"thin SVD {r}x{c}", [("ours", lambda: ours.thin(x, False, 1)), ("torch", lambda: torch.linalg.svd(t, full_matrices=False))])
    for n, c, k in ((10000, 1024, 100), (8000, 4096, 100)):
        x = f32(rng.normal(size=(n, c)))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        t = torch.from_numpy(x)

        def flat():
            index = faiss.IndexFlatIP(c)
            index.add(x)
            index.search(x, k + 1)

        def topk():
            for q in range(0, n, 1024):
                (t[q : q + 1024] @ t.T).topk(k + 1)

        contest(f"neighbours {n}x{c}, k {k}", [("ours", lambda: ours.knn(x, k, True)), ("faiss", flat), ("torch", topk)], rounds=5)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--count", type=int, default=200)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--time", action="store_true")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(build(folder), a.threads)
        if a.time:
            timing(ours)
            return
        for i in range(a.count):
            rng = np.random.default_rng([a.seed, i])
            compare(ours, rng)
            if i % 20 == 0:
                intervals(ours, rng)
        print(f"{a.count} rounds, {failures} failed comparisons")
        sys.exit(1 if failures else 0)


main()
