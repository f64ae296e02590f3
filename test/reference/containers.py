#!/usr/bin/env python3
"""Golden files of the file formats, written by the libraries that users write them with.

    python test/reference/containers.py [test/golden/containers]

Needs numpy, torch, safetensors, pandas, scipy. Every file is small, and written without clocks or names of
this machine, so that a second run gives the same files.
"""
import os
import sys

import numpy as np
import torch

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "golden", "containers")


def path(name):
    p = os.path.join(OUT, name)
    os.makedirs(os.path.dirname(p), exist_ok=True)
    return p


def values(n, dtype, seed=1):
    """n numbers that differ, with signs and zeros, exact in every type; test_containers.c knows the formula."""
    i = np.arange(n, dtype=np.int64)
    return torch.from_numpy((i * 37 + seed * 11) % 101 - 50).to(dtype)


def safetensors_files():
    from safetensors.torch import save_file

    kinds = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16,
             torch.int8, torch.uint8, torch.bool, torch.uint16, torch.uint32, torch.uint64, torch.complex64]
    tensors = {f"a.{i}.{str(k)[6:]}": values(6, torch.int64, i).to(k).reshape(2, 3) for i, k in enumerate(kinds)}
    tensors["z.scalar"] = torch.tensor(1.5)
    tensors["z.empty"] = torch.zeros(3, 0, 2)
    tensors['odd "name"\\\n\u00e9'] = torch.ones(1, dtype=torch.bfloat16)
    save_file(tensors, path("kinds.safetensors"), metadata={"format": "pt"})
    unusual = {"f8": torch.ones(3).to(torch.float8_e4m3fn), "f32": torch.ones(2)}
    save_file(unusual, path("float8.safetensors"))


def main():
    torch.set_num_threads(1)
    safetensors_files()


main()
