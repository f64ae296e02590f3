"""peer_blas.py: numpy's OpenBLAS as a peer of `retina bench products`. Reads lines:

    who THREADS          which library answers, with which kernels; fails where it is another or takes other threads
    M N K THREADS        the seconds of one product of f32, x (M, K) by the transpose of w (N, K), without a bias

OPENBLAS_CORETYPE (bench_peer.c sets it) forces its kernels; with OPENBLAS_THREAD_TIMEOUT its threads sleep soon after a call."""
import os
import sys
import time

import numpy
from threadpoolctl import threadpool_info, threadpool_limits

known = None


def library(threads):
    threadpool_limits(threads, "blas")
    found = [x for x in threadpool_info() if x["internal_api"] == "openblas" and "numpy" in x["filepath"]]
    wanted = os.environ.get("OPENBLAS_CORETYPE")
    if len(found) != 1 or found[0]["num_threads"] != threads or (wanted and found[0]["architecture"].lower() != wanted.lower()):
        sys.exit(f"peer_blas.py: numpy's OpenBLAS with {threads} threads, kernels {wanted or 'as it likes'}, was asked for; here is {found}")
    return f"OpenBLAS {found[0]['version']}, {found[0]['architecture']}"


for line in sys.stdin:
    words = line.split()
    if words[0] == "who":
        print(library(int(words[1])), flush=True)
        continue
    m, n, k, threads = map(int, words)
    if known is None or known[0] != line:
        x, w = (numpy.random.default_rng(1).random(shape, numpy.float32) * 2 - 1 for shape in ((m, k), (n, k)))
        known = line, x, w, numpy.empty((m, n), numpy.float32)
    _, x, w, out = known
    clock = time.thread_time if threads == 1 else time.perf_counter  # as ours, bench_rounds.c
    start = clock()
    numpy.matmul(x, w.T, out=out)
    print(clock() - start, flush=True)
