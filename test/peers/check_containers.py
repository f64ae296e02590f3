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


def tables(folder, turns=200):
    """Random tables of hard cells, written by pandas and by the csv module in their dialects, read by us."""
    import csv
    import json
    import random
    import pandas as pd

    random.seed(7)
    pieces = ["a", "b c", ",", '"', '""', "\n", "\r\n", "\t", "'", "\u00e9", "\U0001f408", " ", "#", "NA", "1e5", "\\", "x" * 3000]
    wrong = 0
    for turn in range(turns):
        columns, rows = random.randint(1, 6), random.randint(0, 12)
        cell = lambda: "".join(random.choice(pieces) for _ in range(random.randint(0, 5)))
        table = [[f"c{i}" for i in range(columns)]] + [[cell() for _ in range(columns)] for _ in range(rows)]
        sep, end, p = random.choice(",\t"), random.choice(["\n", "\r\n"]), os.path.join(folder, "t.csv")
        if turn % 2:
            pd.DataFrame(table[1:], columns=table[0], dtype=str).to_csv(p, index=False, sep=sep, lineterminator=end, encoding=random.choice(["utf-8", "utf-8-sig"]))
        else:
            with open(p, "w", newline="") as f:
                w = csv.writer(f, delimiter=sep, lineterminator=end, quoting=random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
                w.writerows(table)
        out = subprocess.run([f"{BUILD}/test/test_csv", p, "t" if sep == "\t" else ","], capture_output=True, text=True)
        got = [json.loads(line) for line in out.stdout.split("\n") if line]
        if got != table:
            wrong += 1
            if wrong == 1:
                print(out.stderr, [(a, b) for a, b in zip(got, table) if a != b][:1], len(got), len(table))
    check(wrong == 0, f"{turns} random tables: {wrong} read otherwise than written")


def braces(turns=2000):
    import json
    import random
    try:
        from braceexpand import UnbalancedBracesError, braceexpand
    except ImportError:
        return print("SKIP braces: no braceexpand here")
    random.seed(7)
    pieces = ["a", "b", "{", "}", ",", "..", "1", "03", "-2", "12", "z", "{1..3}", "{a,b}", "{01..05}", "\\{", "-", "{a..c}", "{5..1..2}"]
    patterns, want = [], []
    while len(patterns) < turns:
        p = "".join(random.choice(pieces) for _ in range(random.randint(1, 9)))
        try:
            names = list(braceexpand(p))
        except UnbalancedBracesError:
            continue
        depth = low = 0
        for c in p.replace("\\{", ""):
            depth += (c == "{") - (c == "}")
            low = min(low, depth)
        if low < 0 or len(names) > 2000:  # "}{" is no error there; here it is
            continue
        patterns.append(p)
        want.append(names)
    out = subprocess.run([f"{BUILD}/test/test_tar"] + patterns, capture_output=True, text=True).stdout
    got = [json.loads(line) for line in out.split("\n") if line]
    bad = [(p, g, w) for p, g, w in zip(patterns, got, want) if g != w]
    print(*bad[:3], sep="\n") if bad else None
    check(len(got) == turns and not bad, f"{turns} random patterns of braces: {len(bad)} expanded otherwise")


with tempfile.TemporaryDirectory() as folder:
    torch_back(folder)
    numpy_back(folder)
    tables(folder)
braces()
print(failed, "failed")
sys.exit(failed > 0)
