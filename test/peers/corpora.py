"""corpora.py FOLDER… [--only KIND,…] [--retina ./retina] [--list FILE]: files that other people made, read here and by the library of their kind.

Walks the folders and looks at every file whose kind it knows, by its first bytes or its name: pictures (Pillow), npy, npz (numpy), mat (scipy),
csv, tsv, json, jsonl, tar, zip, xml (Python's own), torch, safetensors (theirs). Prints how many were read alike, refused by both, by one of
them, or read DIFFERENTLY, and then every message given here, alike ones once with their count and the first file. It downloads nothing: good
folders are the unpacked sources of programs that read such files (Pillow, libpng, exiv2, gdk-pixbuf, Python, libarchive, simdjson, scipy …).
Each file is read by a process of its own, with 8 GiB of addresses (unless ASAN_OPTIONS is set) and 20 seconds. Ends with 1 if anything
differed, died, took longer, or was refused with more or less than one line that names the file.

What came of it: corpora.md."""
import argparse
import collections
import csv
import hashlib
import io
import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import warnings
import xml.parsers.expat
import zipfile

import numpy as np
from PIL import Image, ImageFile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MEMORY, SECONDS = 8 << 30, 20
PICTURES = {"jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "gif", "bmp", "dib", "webp", "tif", "tiff", "ppm", "pgm", "pbm", "pnm", "ico", "cur", "icns", "jp2", "j2k", "jpc", "jpx", "avif",
            "heic", "heif", "hif", "jxl", "tga", "psd", "pcx", "dds", "qoi", "sgi", "rgb", "xbm", "xpm", "exv", "svg", "pdf"}
NAMES = {"npy": "npy", "npz": "npz", "mat": "mat", "csv": "csv", "tsv": "tsv", "json": "json", "jsonl": "jsonl", "ndjson": "jsonl", "tar": "tar", "zip": "zip", "xml": "xml",
         "pt": "torch", "pth": "torch", "safetensors": "safetensors"}
PICTURES_HERE = {"JPEG", "MPO", "PNG", "PPM"}


class Late(BaseException):
    pass


class Why(str):
    """Why a library refuses."""


class Refused(Exception):
    """What this program's own rules refuse and the library does not."""


def limits():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def ours(command):
    """Status, stdout, stderr; status None: it took too long."""
    try:
        r = subprocess.run(command, capture_output=True, timeout=SECONDS, preexec_fn=None if "ASAN_OPTIONS" in os.environ else limits)
    except subprocess.TimeoutExpired:
        return None, b"", ""
    return r.returncode, r.stdout, r.stderr.decode("utf-8", "replace")


def theirs(read, *arguments):
    """What the library makes of it, or a text that says why not."""
    def late(*_):
        raise Late
    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        return read(*arguments)
    except (Exception, Late) as e:
        return Why(f"{type(e).__name__} {e}")
    finally:
        signal.alarm(0)


# ---- values, as corpora_read prints them

def text(s):
    return "t" + (s if isinstance(s, bytes) else s.encode("utf-8", "surrogatepass")).hex()


def real(x):
    return "r%016x" % struct.unpack("<Q", struct.pack("<d", x))[0]


def digest(b):
    return "d" + hashlib.blake2b(b, digest_size=16).hexdigest()


DTYPES = {"f4": "F32", "f2": "F16", "f8": "F64", "i8": "I64", "i4": "I32", "i2": "I16", "i1": "I8", "u1": "U8", "b1": "BOOL", "u2": "U16", "u4": "U32", "u8": "U64", "c8": "C64"}


def array(a):
    if a.dtype.kind == "U":
        return ["texts", list(a.shape), [text(str(x)) for x in a.ravel()]]
    if a.dtype.kind not in "fiubc" or a.dtype.str[1:] not in DTYPES:
        raise Refused(f"elements of the type {a.dtype}")
    return [DTYPES[a.dtype.str[1:]], list(a.shape), digest(np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes())]


def from_json(x):
    if isinstance(x, dict):
        return {text(k.encode("utf-16", "surrogatepass").decode("utf-16", "replace")): from_json(v) for k, v in x.items()}
    if isinstance(x, list):
        return [from_json(v) for v in x]
    if isinstance(x, str):
        return text(x.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    if isinstance(x, bool) or x is None:
        return x
    if isinstance(x, int):
        return f"i{x}" if -2**63 <= x < 2**63 else real(float(x))
    return real(x)


def no_constant(name):
    raise ValueError(f"{name} is no JSON")


def read_json(path):
    with open(path, "rb") as f:
        data = f.read()
    return from_json(json.loads(data.decode("utf-8"), parse_constant=no_constant))


def read_jsonl(path):
    with open(path, "rb") as f:
        data = f.read().decode("utf-8-sig")
    return [from_json(json.loads(line, parse_constant=no_constant)) for line in data.split("\n") if line.strip(" \t\r")]


def read_npz(path):
    out = {}
    with np.load(path) as z:
        if not hasattr(z, "files"):
            raise ValueError("no archive")
        for name in z.files:
            try:
                out[text(name)] = array(z[name])
            except (Refused, ValueError) as e:
                out[text(name)] = ["refused", str(e)]
    return out


def read_npy(path):
    a = np.load(path)
    if not isinstance(a, np.ndarray):
        raise Refused("an archive")
    return array(a)


def from_mat(v):
    """As io/mat.h has it; what it knows by name only is None."""
    import scipy.io.matlab
    if isinstance(v, scipy.io.matlab.mat_struct) or not isinstance(v, np.ndarray) or isinstance(v, (scipy.io.matlab.MatlabFunction, scipy.io.matlab.MatlabOpaque, scipy.io.matlab.MatlabObject)):
        return None
    dims = list(v.shape)
    if v.dtype.names:
        return ["struct", dims, {text(f): [from_mat(x) for x in v[f].ravel("F")] for f in v.dtype.names}]
    if v.dtype.kind == "O":
        return ["cell", dims, [from_mat(x) for x in v.ravel("F")]]
    if v.dtype.kind == "U":
        return ["text", None, [text(str(x)) for x in v.ravel("F")]]
    if v.dtype.kind == "c":
        return None
    return ["numbers", dims, digest(v.astype(np.float64).tobytes("F"))]


def read_mat(path):
    import scipy.io
    return {text(k): from_mat(v) for k, v in scipy.io.loadmat(path).items() if k not in ("__header__", "__version__", "__globals__", "__function_workspace__")}


def same_mat(want, got):
    if got == ["struct", [1, 1], {}]:
        return want == ["cell", [1, 1], [None]]  # scipy's struct without fields
    if want is None or got[0] == "other":
        return want is None and got[0] == "other"
    if want[0] == "text" or got[0] == "text":
        texts = [bytes.fromhex(t[1:]).rstrip(b"\0") for t in got[2]] if got[0] == "text" else None
        wanted = [bytes.fromhex(t[1:]).rstrip(b"\0") for t in want[2]] if want[0] == "text" else None
        return texts == wanted or not any(texts or []) and not any(wanted or []) and 0 in got[1]
    if want[0] != got[0] or want[1] != got[1]:
        return False
    if want[0] == "cell":
        return all(map(same_mat, want[2], got[2]))
    if want[0] == "struct":
        plain = {f: v for f, v in want[2].items() if not f.startswith(text("_"))}  # a field that comes again: scipy calls it _1_NAME
        return list(plain) == list(got[2]) and all(text("_1_") + f[1:] in want[2] or len(plain[f]) == len(got[2][f]) and all(map(same_mat, plain[f], got[2][f])) for f in plain)
    return want[2] == got[2]


def read_table(path, separator):
    with open(path, newline="", encoding="utf-8-sig") as f:
        rows = [row for row in csv.reader(f, delimiter=separator, strict=True) if row]
    if not rows:
        raise Refused("no header")
    names = [name for name in rows[0] if name]
    if len(set(names)) < len(names):
        raise Refused("two columns of one name")
    if any(len(row) != len(rows[0]) for row in rows):
        raise Refused("rows of another length than the header")
    if any("\0" in cell for row in rows for cell in row):
        raise Refused("a NUL in a cell")
    return [[text(cell) for cell in row] for row in rows]


def read_tar(path):
    out = []
    with tarfile.open(path, "r:") as t:
        for m in t:
            if m.issparse():
                raise Refused("a sparse member")
            if m.isreg():
                out.append([text(m.name.encode("utf-8", "surrogateescape")), digest(t.extractfile(m).read())])
                if len(t.extractfile(m).read()) != m.size:
                    raise tarfile.ReadError("cut")
    return out


def read_zip(path):
    out = []
    with zipfile.ZipFile(path) as z:
        for i in z.infolist():
            raw = i.orig_filename.encode("utf-8" if i.flag_bits & 0x800 else "cp437")
            try:
                out.append([text(raw), digest(z.read(i))])
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, zipfile.zlib.error) as e:
                out.append([text(raw), text(str(e))])
    return out


def read_xml(path):
    root, stack = [], []

    def start(name, attributes):
        x = [text(name), {text(attributes[i]): text(attributes[i + 1]) for i in range(0, len(attributes), 2)}, ""]
        (stack[-1] if stack else root).append(x)
        stack.append(x)

    def end(name):
        x = stack.pop()
        x[2] = text(x[2].strip(" \t\r\n"))

    def data(s):
        stack[-1][2] += s

    def entity(name, *_):
        raise Refused(f"an entity of its own: {name}")
    p = xml.parsers.expat.ParserCreate()
    p.ordered_attributes = p.specified_attributes = True
    p.StartElementHandler, p.EndElementHandler, p.CharacterDataHandler, p.EntityDeclHandler = start, end, data, entity
    with open(path, "rb") as f:
        p.Parse(f.read(), True)
    return root[0]


TORCH_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL", "uint16": "U16",
                "uint32": "U32", "uint64": "U64", "complex64": "C64", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2"}


def from_torch(v):
    import torch
    if isinstance(v, torch.Tensor):
        if v.layout != torch.strided or v.is_quantized or str(v.dtype)[6:] not in TORCH_DTYPES:
            return "other"
        v = torch.empty(v.shape, dtype=v.dtype).copy_(v.detach())  # .contiguous() leaves odd strides of axes of one
        return [TORCH_DTYPES[str(v.dtype)[6:]], list(v.shape), digest(v.view(-1).view(torch.uint8).numpy().tobytes() if v.numel() else b"")]
    if isinstance(v, (list, tuple)) and type(v) in (list, tuple, torch.Size):
        return ["list" if isinstance(v, list) else "tuple"] + [from_torch(x) for x in v]
    if isinstance(v, dict):
        return ["dict"] + [from_torch(x) for kv in v.items() for x in kv]
    if isinstance(v, bool) or v is None:
        return v
    if isinstance(v, int):
        return f"i{v}"
    if isinstance(v, float):
        return real(v)
    return text(v) if isinstance(v, str) else "other"


def read_torch(path):
    import torch
    return from_torch(torch.load(path, map_location="cpu", weights_only=True))


def same_torch(want, got):
    if isinstance(got, str) and got[0] == "o":
        return True
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(map(same_torch, want, got))
    return want == got or want == "other"


def read_safetensors(path):
    import safetensors
    import torch
    out = {}
    with safetensors.safe_open(path, "pt") as f:
        for name in f.keys():
            t = f.get_tensor(name)
            out[text(name)] = [TORCH_DTYPES[str(t.dtype)[6:]], list(t.shape), digest(t.contiguous().view(-1).view(torch.uint8).numpy().tobytes())]
    return out


def same_npz(want, got):
    return list(want) == list(got) and all(w == got[k] or w[0] == "refused" == got[k][0] for k, w in want.items())


def same_zip(want, got):
    """Members: the same bytes, or refused by one: damaged, or packed as only zipfile unpacks it; here a member's name is the directory's."""
    return len(want) == len(got) and all(w[0] == g[0] and (w[1] == g[1] or "t" in w[1][0] + g[1][0]) for w, g in zip(want, got))


def same_mats(want, got):
    """Objects have no name in scipy, or all the name "None"."""
    got = {k: v for k, v in got.items() if k in want or v[0] != "other"}
    want = {k: v for k, v in want.items() if k != text("None") or k in got}
    return list(want) == list(got) and all(same_mat(want[k], got[k]) for k in want)


READERS = {"npy": read_npy, "npz": read_npz, "mat": read_mat, "json": read_json, "jsonl": read_jsonl, "csv": lambda p: read_table(p, ","), "tsv": lambda p: read_table(p, "\t"), "tar": read_tar,
           "zip": read_zip, "xml": read_xml, "torch": read_torch, "safetensors": read_safetensors}
SAME = {"mat": same_mats, "npz": same_npz, "zip": same_zip, "torch": same_torch}


def container(kind, path, reader):
    """Kind, verdict, our message, more."""
    rc, out, message = ours([reader, kind, path])
    want = theirs(READERS[kind], path)
    if rc is None:
        return kind, "TOO SLOW", message, None
    if rc not in (0, 1):
        return kind, f"DIED {rc}", message, None
    if isinstance(want, Why):
        decided = want.startswith("Refused ")
        return kind, ("read here alone" if rc == 0 else "refused, as decided" if decided else "refused by both"), message, want
    if rc:
        return kind, "here alone refused", message, None
    got = json.loads(out)
    same = SAME.get(kind, lambda w, g: w == g)(want, got)
    return kind, "equal" if same else "DIFFERENT", message, None


# ---- pictures

def shown(data, truncated):
    """Pixels, None for kinds that are not read here, and the format."""
    ImageFile.LOAD_TRUNCATED_IMAGES = truncated
    image = Image.open(io.BytesIO(data))
    return np.asarray(image.convert("RGB")) if image.format in PICTURES_HERE else None, image.format


def picture(path, retina, scratch):
    with open(path, "rb") as f:
        data = f.read()
    out = os.path.join(scratch, "p.npy")

    def both(truncated):
        if os.path.exists(out):
            os.unlink(out)
        rc, _, message = ours([retina, "decode", path, "--out", out, "--grey16", "saturate", *(["--truncated", "ok"] if truncated else [])])
        return theirs(shown, data, truncated), rc, message, np.load(out) if rc == 0 else None

    def judge(want, rc, got):
        if rc not in (0, 1):
            return "TOO SLOW" if rc is None else f"DIED {rc}"
        there = not isinstance(want, Why) and want[0] is not None
        if rc == 0 and there:
            return "equal" if want[0].shape == got.shape and (want[0] == got).all() else "DIFFERENT"
        if rc == 0:
            return "read here alone"
        if not there:
            return "refused by both" if isinstance(want, Why) else "of a kind not read"
        return "here alone refused" + (" (Pillow shows one colour)" if (want[0] == want[0][0, 0]).all() else "")

    want, rc, message, got = both(False)
    verdict = judge(want, rc, got)
    kind = "picture " + (want[1] if not isinstance(want, Why) else "?")
    if rc == 1 and verdict != "of a kind not read":
        want, rc, _, got = both(True)
        verdict += "; with --truncated ok " + judge(want, rc, got)
    return kind, verdict, message, want if isinstance(want, Why) else None


# ---- all files

def files(folders):
    for folder in folders:
        if os.path.isfile(folder):
            yield folder
        for where, names, leaves in os.walk(folder):
            names.sort()
            for leaf in sorted(leaves):
                path = os.path.join(where, leaf)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield path


def kind_of(path):
    with open(path, "rb") as f:
        head = f.read(8)
    end = os.path.splitext(path)[1][1:].lower()
    if head[:3] == b"\xff\xd8\xff" or head[:4] == b"\x89PNG" or end in PICTURES:
        return "picture"
    if head[:6] == b"\x93NUMPY":
        return "npy"
    return NAMES.get(end)


def alike(message, path):
    """A message without what differs from file to file."""
    message = message.replace(path, "FILE").replace(os.path.basename(path), "NAME")
    return re.sub(r"\d+", "N", re.sub(r"begins with( [0-9A-F]{2})+", "begins with", re.sub(r'"[^"]*"', '""', message)))


def build(folder):
    reader = os.path.join(folder, "corpora_read")
    library = os.path.join(ROOT, os.environ.get("BUILD", "build"), "libretina.a")
    flags = os.environ.get("CFLAGS", "-O1").split()
    subprocess.run(["gcc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", *flags, "-I.", "test/peers/corpora_read.c", library, "-lm", "-lpthread", "-o", reader], cwd=ROOT, check=True)
    return reader


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folders", nargs="+")
    p.add_argument("--only", default="")
    p.add_argument("--retina", default=os.path.join(ROOT, "retina"))
    p.add_argument("--list")
    a = p.parse_args()
    warnings.simplefilter("ignore")
    csv.field_size_limit(1 << 30)
    counts, messages, odd = collections.Counter(), {}, []
    listed = open(a.list, "w") if a.list else None
    with tempfile.TemporaryDirectory() as scratch:
        reader = build(scratch)
        for path in files(a.folders):
            what = kind_of(path)
            if not what or a.only and what not in a.only.split(","):
                continue
            kind, verdict, message, more = picture(path, a.retina, scratch) if what == "picture" else container(what, path, reader)
            counts[kind, verdict] += 1
            if message:
                messages.setdefault((verdict, alike(message, path)), []).append(message)
                if not message.startswith("retina: note: ") and (message.count("\n") != 1 or os.path.basename(path) not in message):
                    odd.append(message)
            if verdict.startswith(("DIFFERENT", "read here alone", "DIED", "TOO")):
                print(kind, verdict, path, (more or "").split("\n")[0], flush=True)
            if listed:
                print(kind, verdict, path, (message or "").strip(), (more or "").split("\n")[0], sep="\t", file=listed, flush=True)
    for (kind, verdict), n in sorted(counts.items()):
        print(f"{n:6} {kind}: {verdict}")
    for (verdict, _), found in sorted(messages.items(), key=lambda x: (x[0][0], -len(x[1]))):
        print(f"  {len(found)} {verdict}: {found[0].strip()}")
    for message in odd:
        print("ODD", ascii(message))
    return bool(odd) or any(w in verdict for _, verdict in counts for w in ("DIFFERENT", "DIED", "SLOW"))


if __name__ == "__main__":
    sys.exit(main())
