#!/usr/bin/env python3
"""Golden files of the file formats, written by the libraries that users write them with.

    python test/reference/containers.py [test/golden/containers]

Needs numpy, torch, safetensors, pandas, scipy. Every file is small, and written without clocks or names of
this machine, so that a second run gives the same files.
"""
import os
import sys
import zipfile

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


def reprs():
    """Doubles and floats as bits, and Python's (numpy's) shortest decimal: edges, random bits, and every power of two
    for which rounding to 16 (float: 7 or 8) digits does not read back while another decimal of that length does."""
    rng = np.random.default_rng(1)
    reals = [0.0, -0.0, 1.0, 0.1, 1 / 3, 1e15, 1e16, 123456789012345680.0, 9999999999999998.0, 1e-4, 1e-5, 0.00012345, 5e-324, 2.2250738585072014e-308,
             1.7976931348623157e308, float("nan"), float("inf"), float("-inf"), 100000.0, 1e22, 1e23, 4503599627370497.5, 2.0**53, 2.0**53 + 2]
    reals += [float(x) for x in rng.integers(0, 2**64, 300, dtype=np.uint64).view(np.float64)]
    reals += [float(x) for x in np.round(rng.normal(size=100), 4)]
    reals += [2.0**e for e in range(-1074, 1024) if float("%.16g" % 2.0**e) != 2.0**e and len(repr(2.0**e).split("e")[0].replace(".", "").strip("0")) <= 16]
    floats = [np.float32(x) for x in [0.1, 1 / 3, 16777216, 1e-5, 1e16, 3.4028235e38, 1e-45, 123456790]]
    floats += list(rng.integers(0, 2**32, 300, dtype=np.uint32).view(np.float32))
    floats += [np.float32(2.0) ** e for e in range(-149, 128) if np.float32("%.7g" % 2.0**e) != np.float32(2.0**e) or np.float32("%.8g" % 2.0**e) != np.float32(2.0**e)]
    with open(path("repr.txt"), "w") as f:
        for x in reals:
            f.write("%016x %r\n" % (int(np.float64(x).view(np.uint64)), x))
        for x in floats:
            shortest = repr(float(np.format_float_scientific(x, unique=True)))  # the same digits in Python's form
            f.write("%08x %s\n" % (int(x.view(np.uint32)), shortest))


def tables():
    import json
    import pandas as pd

    texts = ["plain", "a, b", 'she said "no"', "two\nlines", "dos\r\nlines", "old\rmac", " spaces ", "", "na\u00efve \u732b \U0001f408", "#", "'", '"', ",", "\t",
             "ends in \r", "\rbegins so", "000010000", "x" * 5000]
    n = len(texts)
    frame = pd.DataFrame({
        "key": [f"{i:09d}" for i in range(n)],
        "text": texts,
        "real": [0.1, 1e16, -1e-5, float("nan"), float("inf"), -float("inf"), 1 / 3, 100000.0, 0.0, -0.0] + [float(i) for i in range(n - 10)],
        "whole": list(range(n)),
        "gaps": [float(i) if i % 3 else float("nan") for i in range(n)],
        "truth": [i % 2 == 0 for i in range(n)],
    })
    frame.to_csv(path("pandas.csv"), index=False)
    frame.to_csv(path("pandas.tsv"), index=False, sep="\t")
    frame.to_csv(path("index.csv"), index=True, lineterminator="\r\n", encoding="utf-8-sig")
    rows = [[None if isinstance(v, float) and v != v else repr(v) if isinstance(v, float) else v for v in row] for row in frame.values.tolist()]
    with open(path("tables.json"), "w") as f:
        json.dump({"columns": list(frame.columns), "rows": rows}, f, indent=0)


def torch_files():
    import argparse
    import collections

    kinds = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
             torch.complex64, torch.uint16, torch.float8_e5m2]
    torch.save({str(k)[6:]: values(6, torch.int64, i).to(k).reshape(2, 3) for i, k in enumerate(kinds)}, path("kinds.pt"))
    torch.save({"keys": ["000010000", "na\u00efve"], "vecs": values(24, torch.float32).reshape(2, 3, 4), "caps": ["a cat", ""]}, path("vectors.pt"))
    torch.save({"total_seen": 416, "shards": 2**40, "model_family": "llava", "rate": 1.5, "none": None, "yes": True, "minus": -3, "huge": 2**70,
                "tuple": (1, (2, "x"), [3]), "bytes": b"ab", 7: "a number as key", "again": torch.Size([2, 3])}, path("manifest.pt"))
    base = values(60, torch.float32).reshape(3, 4, 5)
    odd = collections.OrderedDict()
    odd["transposed"] = base.permute(2, 0, 1)
    odd["slice"] = base[1:, ::2, 1:4]
    odd["shared"] = base
    odd["scalar"] = base[2, 3, 4]
    odd["empty"] = torch.zeros(0, 5)
    odd["one"] = base[:1, :1, :1].transpose(0, 2)
    odd["parameter"] = torch.nn.Parameter(base[0])
    odd["step"] = 12
    torch.save(odd, path("views.pt"))
    base = values(24, torch.float32)
    repeated = {"expanded": base[:3].reshape(3, 1).expand(3, 4), "expanded_first": base[:4].expand(3, 4), "scalar": base[5].expand(2, 3), "windows": base.unfold(0, 5, 2),
                "sums": torch.as_strided(base, (3, 2, 3), (1, 2, 1)), "none": base[:0].reshape(0, 1).expand(0, 5), "strips": base.reshape(2, 3, 4).expand(2, 2, 3, 4)}
    torch.save(repeated | {"gathered": {k: v.contiguous() for k, v in repeated.items()}, "huge": base[:2].expand(1 << 40, 2), "nine": base[:1].reshape([1] * 9)}, path("expanded.pt"))
    with zipfile.ZipFile(path("views.pt")) as plain, zipfile.ZipFile(path("deflated.pt"), "w") as packed:
        for name in plain.namelist():
            packed.writestr(zipfile.ZipInfo(name), plain.read(name), zipfile.ZIP_DEFLATED)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(values(p.numel(), torch.float32, i).reshape(p.shape))
    optimiser = torch.optim.AdamW(model.parameters())
    checkpoint = {"epoch": 3, "args": argparse.Namespace(lr=0.1), "optimizer": optimiser.state_dict(), "state_dict": model.state_dict(),
                  "array": np.arange(3), "generator": torch.Generator().get_state()}
    torch.save(checkpoint, path("checkpoint.pt"))
    torch.save(model.state_dict(), path("protocol4.pt"), pickle_protocol=4)
    torch.save(model, path("module.pt"))
    signs = [torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex64).conj() for _ in range(3)]
    lists = collections.defaultdict(list)
    lists["layer"].append(values(2, torch.float32))
    torch.save({"conjugated": signs[0], "negated": signs[1].imag, "real": signs[2].real, "lists": lists, "set": {1, 2}, "frozen": frozenset([1]), "array": bytearray(b"ab"),
                "numbers": np.arange(3)}, path("protocol5.pt"), pickle_protocol=5)


def archives():
    """Samples as webdataset groups them. The same members in three forms of tar; names that need each form's extension."""
    import io
    import json
    import tarfile

    long = "a-rather-long-folder-name/" * 5
    members = [("__meta__", b"notes"), ("a/0001.jpg", b"J" * 513), ("a/0001.TXT", b"one"), ("a/0001.cls.txt", b"7"), ("folder", None), ("a/0002.txt", b""),
               ("a.b/0003.tar.gz", b"x" * 512), ("a.b/0003.json", b"{}"), ("noextension", b"?"), ("a/0001.txt", b"again"), (long + "0004.jpg", b"long"),
               (long + "0004.txt", b"long text"), ("__not_meta.txt", b"kept"), ("link", "a/0001.jpg"), ("na\u00efve.txt", b"unicode")]

    def archive(name, form):
        with tarfile.open(path(name), "w", format=form) as t:
            for n, content in members:
                info = tarfile.TarInfo(n)
                if content is None:
                    info.type = tarfile.DIRTYPE
                elif isinstance(content, str):
                    info.type, info.linkname = tarfile.SYMTYPE, content
                else:
                    info.size = len(content)
                t.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)

    archive("ustar.tar", tarfile.USTAR_FORMAT)
    archive("gnu.tar", tarfile.GNU_FORMAT)
    archive("pax.tar", tarfile.PAX_FORMAT)
    samples = []
    for n, content in members:
        base = n.rsplit("/", 1)[-1]
        if not isinstance(content, bytes) or "." not in base or n == "__meta__":
            continue
        key, ext = n[: len(n) - len(base)] + base.split(".", 1)[0], base.split(".", 1)[1].lower()
        if not samples or samples[-1]["key"] != key:
            samples.append({"key": key, "parts": []})
        samples[-1]["parts"].append([ext, content.decode()])
    with open(path("samples.json"), "w") as f:
        json.dump(samples, f)
    brace = {p: None for p in ["a", "", "x-{000..012}.tar", "{a,b}/{1..3}.t", "{9..11}", "{3..1}", "{1..10..4}", "{-2..2}", "{a..e..2}", "{Y..b}", "{x}", "{}", "a{b}c",
                               "{a,}", "{,}", "{a,b{1,2}}", "{{1..2},{x,y}z}", "\\{a,b\\}", "{01..1}", "{1..2}{1..2}", "{1..2,7}", "{a..1}", "{1..b}", "{c..a}", "{-01..1}"]}
    try:
        from braceexpand import braceexpand
    except ImportError:
        return print("braceexpand is not there: braces.json is left as it was")
    with open(path("braces.json"), "w") as f:
        json.dump({p: list(braceexpand(p)) for p in brace}, f, indent=0)


def arrays():
    kinds = ["f4", "f8", "f2", "i8", "i4", "i2", "i1", "u1", "b1", "u2", "u4", "u8", "c8"]
    named = {k: values(6, torch.int64, i).numpy().astype(k).reshape(2, 3) for i, k in enumerate(kinds)}
    named["scalar"] = np.float64(2.5)
    named["empty"] = np.zeros((3, 0, 2), np.float32)
    named["row"] = values(5, torch.float32).numpy()
    named["labels"] = np.array(["left", "", "na\u00efve \U0001f408", "x"])
    named["big"] = values(6, torch.int64, 3).numpy().astype(">i4")
    named["columns"] = np.asfortranarray(values(24, torch.float32).numpy().reshape(2, 3, 4))
    np.savez(path("arrays.npz"), **named)
    np.savez_compressed(path("packed.npz"), **named)
    for name in ["f4", "row", "scalar", "empty", "big", "columns"]:
        np.save(path(f"{name}.npy"), named[name])
    with open(path("version2.npy"), "wb") as f:
        np.lib.format.write_array(f, named["f4"], version=(2, 0))
    np.save(path("object.npy"), np.array([{}], object), allow_pickle=True)
    np.save(path("record.npy"), np.zeros(2, [("a", "f4"), ("b", "i4")]))
    np.save(path("date.npy"), np.array(["2025-01-01"], "datetime64[D]"))


def matlab():
    import scipy.io
    import scipy.sparse

    cars = np.zeros(3, [("bbox_x1", object), ("class", object), ("fname", object)])
    for i in range(3):
        cars[i] = (np.uint16(10 * i + 1), np.uint8(i + 1), f"{i:05d}.jpg")
    cells = np.empty((2, 2), object)
    cells[:] = [["n02085620-Chihuahua/1.jpg", "na\u00efve \u732b"], ["", np.arange(3.0)]]
    variables = {
        "labels": values(12, torch.float64).numpy().reshape(3, 4), "bytes": np.arange(5, dtype=np.uint8), "wide": np.array([-(2**40), 2**53], np.int64),
        "single": np.float32(1.5), "short": np.array([-3, 300], np.int16), "empty": np.zeros((0, 3)), "truth": np.array([True, False]), "annotations": cars,
        "file_list": cells, "text": "one row", "rows": np.array(["ab", "cd", "ef"]), "astral": "cat \U0001f408", "nested": {"inner": {"x": 2.0}, "list": [1, "two"]},
        "complex": np.array([1 + 2j]), "sparse": scipy.sparse.eye(3).tocsc(), "beyond": np.array([2**60], np.int64), "cube": values(24, torch.int32).numpy().reshape(2, 3, 4)}
    for name, packed in (("plain.mat", False), ("packed.mat", True)):
        scipy.io.savemat(path(name), variables, do_compression=packed)
        with open(path(name), "r+b") as f:  # the head has the time in it
            f.write(b"MATLAB 5.0 MAT-file".ljust(116))
    scipy.io.savemat(path("level4.mat"), {"x": np.arange(30.0)}, format="4")


def labelled():
    """MAT files as Oxford's flowers and Stanford's cars and dogs have them, of few pictures and all classes."""
    import scipy.io

    def save(name, **variables):
        os.makedirs(os.path.dirname(path("labelled/" + name)), exist_ok=True)
        scipy.io.savemat(path("labelled/" + name), variables, do_compression=True)
        with open(path("labelled/" + name), "r+b") as f:
            f.write(b"MATLAB 5.0 MAT-file".ljust(116))

    save("flowers-102/imagelabels.mat", labels=np.array([[77, 1, 102, 5, 5, 30]], np.uint8))
    save("flowers-102/setid.mat", trnid=np.array([[6, 2]], np.uint16), valid=np.array([[3]], np.uint16), tstid=np.array([[5, 1, 4]], np.uint16))
    fields = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname"]
    for name, labels in (("devkit/cars_train_annos.mat", [196, 1, 14]), ("cars_test_annos_withlabels.mat", [2])):
        cars = np.zeros((1, len(labels)), [(f, object) for f in fields])
        for i, label in enumerate(labels):
            cars[0, i] = (np.uint16(39), np.uint16(116), np.uint16(569), np.uint16(375), np.uint8(label), f"{i + 1:05d}.jpg")
        save("stanford_cars/" + name, annotations=cars)
    names = np.empty((1, 196), object)
    names[0, :] = [f"Maker{i} C/V Sedan {1991 + i % 22}" for i in range(196)]
    save("stanford_cars/devkit/cars_meta.mat", class_names=names)
    for split, count in (("train", 120), ("test", 121)):
        files = np.empty((count, 1), object)
        files[:, 0] = [f"n{2085620 + i % 120:08d}-Great_{i % 120}-dog/n{i}.jpg" for i in range(count)]
        save(f"stanford_dogs/{split}_list.mat", file_list=files, annotation_list=files, labels=np.arange(count, dtype=np.float64)[:, None] % 120 + 1)


def main():
    torch.set_num_threads(1)
    labelled()
    matlab()
    arrays()
    archives()
    safetensors_files()
    reprs()
    tables()
    torch_files()


main()
