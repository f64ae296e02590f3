"""compare.py OUT.safetensors GOLDEN.safetensors [--allow 1e-5]: every tap of a golden file against the tensor of that name,
in the order of the forward pass. Names the first that leaves; a missing tap, another shape and NaN fail too.

OUT is what `retina extract --taps '*'` writes. Where its inputs differ in length it holds the rows of all inputs one after
another, with their lengths in NAME#lengths. Rows of padding are left out of the comparison either way."""
import argparse
import json
import struct
import sys

import numpy as np


def read_raw(path):
    """name -> array in the order of the header, and the metadata; bf16 and f16 are widened."""
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(size))
        data = f.read()
    meta = header.pop("__metadata__", {})
    out = {}
    for name, h in header.items():
        raw = data[h["data_offsets"][0]:h["data_offsets"][1]]
        if h["dtype"] == "BF16":
            a = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            a = np.frombuffer(raw, {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}[h["dtype"]])
        out[name] = a.reshape(h["shape"])
    return out, meta


def is_tap(name):
    return not name.startswith(("input/", "result/", "generate/"))


def distance(got, want):
    """||got - want|| / ||want||; infinite for NaN; a reference of zeros wants zeros."""
    got, want = got.astype(np.float64), want.astype(np.float64)
    if not (np.isfinite(got).all() and np.isfinite(want).all()):
        return float("inf")
    diff, norm = np.linalg.norm(got - want), np.linalg.norm(want)
    return float(diff / norm) if norm > 0 else float("inf") if diff > 0 else 0.0


def check(got, lengths, want, every, shape, mask):
    """(relative error, or None and what is wrong) of one tensor; `want` is flat, every `every`-th value of `shape`."""
    shape = list(shape)
    if lengths is not None:
        if mask is None or len(shape) < 2 or shape[:2] != list(mask.shape):
            return None, f"has #lengths, the reference's shape {shape} is not [batch, tokens, …]"
        if lengths.tolist() != mask.sum(1).tolist():
            return None, f"lengths {lengths.tolist()}, expected {mask.sum(1).tolist()}"
        place = np.full(shape, -1, dtype=np.int64)
        rows = [int(lengths.sum())] + shape[2:]
        place[mask.astype(bool)] = np.arange(int(np.prod(rows))).reshape(rows)
        if list(got.shape) != rows:
            return None, f"shape {list(got.shape)}, expected {rows}"
        place = place.reshape(-1)[::every]
        return distance(got.reshape(-1)[place[place >= 0]], want[place >= 0]), ""
    if list(got.shape) != shape:
        if shape and shape[0] == 1 and list(got.shape[1:]) == shape[1:]:  # the same for all inputs: the reference has it once
            return max(distance(g.reshape(-1)[::every], want) for g in got), ""
        return None, f"shape {list(got.shape)}, expected {shape}"
    got = got.reshape(-1)[::every]
    if mask is not None and len(shape) >= 3 and shape[:2] == list(mask.shape):  # what stands in a row of padding is nobody's result
        kept = np.broadcast_to(mask.astype(bool).reshape(mask.shape + (1,) * (len(shape) - 2)), shape).reshape(-1)[::every]
        got, want = got[kept], want[kept]
    return distance(got, want), ""


def compare(out, names, reference, mask=None):
    """Rows (name, relative error or None, what is wrong) for the taps `names`, in order. reference(name) is (flat values,
    every, shape)."""
    rows = []
    for name in names:
        if name not in out:
            rows.append((name, None, "missing"))
        else:
            rows.append((name, *check(out[name], out.get(name + "#lengths"), *reference(name), mask)))
    return rows


def golden_reference(tensors, meta):
    def of(name):
        a = tensors[name]
        return a.reshape(-1), int(meta.get(name + "#every", "1")), json.loads(meta.get(name + "#shape", "null")) or list(a.shape)
    return of


def report(rows, allow, show=print):
    """Prints the first tap that leaves and the counts; True when all hold."""
    bad = [r for r in rows if r[1] is None or not r[1] <= allow]
    worst = max((r for r in rows if r[1] is not None), key=lambda r: r[1], default=None)
    if bad:
        name, rel, why = bad[0]
        show(f"FAIL {name}: " + (why if rel is None else f"rel {rel:.2g} (allow {allow:.2g})") + f"; {len(bad)} of {len(rows)} taps leave")
    else:
        show(f"ok   {len(rows)} taps, worst rel {worst[1]:.2g} at {worst[0]}" if worst else "FAIL nothing to compare")
    return not bad and bool(rows)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("golden")
    p.add_argument("--allow", type=float, default=1e-5)
    p.add_argument("--all", action="store_true", help="print every tap")
    a = p.parse_args()
    out, _ = read_raw(a.out)
    tensors, meta = read_raw(a.golden)
    rows = compare(out, [n for n in tensors if is_tap(n)], golden_reference(tensors, meta), tensors.get("input/attention_mask"))
    if a.all:
        for name, rel, why in rows:
            print(f"{name:60} {why if rel is None else f'{rel:.2g}'}")
    extra = [n for n in out if "#" not in n and n not in tensors]
    if extra:
        print(f"note {len(extra)} taps that the golden file does not have: {', '.join(extra[:5])}{'…' if len(extra) > 5 else ''}")
    return 0 if report(rows, a.allow) else 1


if __name__ == "__main__":
    sys.exit(main())
