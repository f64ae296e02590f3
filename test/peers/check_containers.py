#!/usr/bin/env python3
"""What we write, read by the libraries; what the libraries write at random, read by us.

    make build/test/test_torch_file … && python test/peers/check_containers.py

Needs torch, numpy, safetensors, pandas. Prints one line per check and ends with the number of failures.
"""
import os
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import torch

BUILD = os.environ.get("BUILD", "build")
failed = 0


def check(ok, name):
    global failed
    failed += not ok
    print("ok  " if ok else "FAIL", name)


def known(n, seed):
    return (np.arange(n) * 37 + seed * 11) % 101 - 50


def torch_back(folder):
    p = os.path.join(folder, "written.pt")
    subprocess.run([f"{BUILD}/test/test_torch_file", p], check=True, stdout=subprocess.DEVNULL)
    check(zipfile.ZipFile(p).testzip() is None, "written.pt: a sound archive")
    for mmap in (False, True):
        d = torch.load(p, weights_only=True, mmap=mmap)
        check(d["keys"] == ["000010000", "na\u00efve"] and d["none"] == [] and d["family"] == 'llava "x"\n', f"torch.load(mmap={mmap}): texts")
        check(torch.equal(d["vecs"], torch.from_numpy(known(24, 1)).float().reshape(2, 3, 4)), "torch.load: tensor")
        check([d[f"int{i}"] for i in range(9)] == [0, 255, 256, -1, 2**31 - 1, -(2**31), 2**40, -(2**63), 2**63 - 1], "torch.load: whole numbers")
        check(d["rate"] == -1.5e-300 and d["yes"] is True and d["no"] is False, "torch.load: the rest")
        check(d["scalar"].shape == () and d["scalar"].item() == 2**40 and d["empty"].shape == (3, 0) and d["empty"].dtype == torch.bfloat16, "torch.load: scalar, empty")


def numpy_back(folder):
    p = os.path.join(folder, "written.npz")
    subprocess.run([f"{BUILD}/test/test_npy", p], check=True, stdout=subprocess.DEVNULL)
    check(zipfile.ZipFile(p).testzip() is None, "written.npz: a sound archive")
    d = np.load(p)
    check((d["delta"] == np.arange(6).reshape(2, 3)).all() and d["delta"].dtype == np.float32, "numpy.load: numbers")
    check(d["labels"].tolist() == ["left", "na\u00efve \U0001f408", ""] and d["none"].shape == (0,), "numpy.load: texts")
    check((d["streamed"] == np.arange(6)).all() and d["truth"].tolist() == [True, False], "numpy.load: the rest")


with tempfile.TemporaryDirectory() as folder:
    torch_back(folder)
    numpy_back(folder)
print(failed, "failed")
sys.exit(failed > 0)
