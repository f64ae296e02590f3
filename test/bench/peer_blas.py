"""peer_blas.py FOLDER: numpy's OpenBLAS as a peer of `retina bench products`. Reads lines:

    who THREADS          which library answers, with which kernels; fails where it is another or takes other threads
    M N K THREADS        the seconds of one product of f32, x (M, K) by the transpose of weight (N, K), both in FOLDER, without a bias
    check M N K THREADS  writes it to FOLDER/answer, with the bias

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
    if words[0] == "check":
        m, n, k, threads = map(int, words[1:])
        x, w, bias = (numpy.fromfile(os.path.join(sys.argv[1], name), numpy.float32) for name in ("x", "weight", "bias"))
        x, w, out = x.reshape(m, k), w.reshape(n, k), numpy.empty((m, n), numpy.float32)
        known = words[1:]
        (numpy.matmul(x, w.T, out=out) + bias).tofile(os.path.join(sys.argv[1], "answer"))
        print(0, flush=True)
        continue
    if known != words:
        sys.exit(f"peer_blas.py: {line.strip()}: comes without a check")
    clock = time.thread_time if words[-1] == "1" else time.perf_counter  # as ours, bench_rounds.c
    start = clock()
    numpy.matmul(x, w.T, out=out)
    print(clock() - start, flush=True)
