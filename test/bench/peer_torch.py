"""peer_torch.py: PyTorch as a peer of `retina bench`: reads lines "M N K THREADS", answers with the seconds of one f32 linear layer
on random data of that size, weights and inputs as they lie in a model (no packing ahead). Warm: each size is run once before."""
import os
import sys
import time

os.environ["OMP_WAIT_POLICY"] = "passive"  # its threads must not spin while the other contender runs
import torch

known = {}
for line in sys.stdin:
    m, n, k, threads = map(int, line.split())
    torch.set_num_threads(threads)
    if (m, n, k) not in known:
        known[(m, n, k)] = torch.randn(m, k), torch.randn(n, k), torch.randn(n)
        torch.nn.functional.linear(*known[(m, n, k)])
    x, w, b = known[(m, n, k)]
    start = time.perf_counter()
    torch.nn.functional.linear(x, w, b)
    print(time.perf_counter() - start, flush=True)
