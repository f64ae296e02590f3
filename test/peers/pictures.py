"""pictures.py [--count N] [--seed S] [GROUP…]: pictures through io/ and model/resize.c against Pillow (and PyTorch) on fresh random files.

Prints a line for every difference, and at the end a table. With --count N each group has N files (or about; 2000 by default).
Groups: made saved cjpeg cut damaged png png-saved png-cut png-damaged png-parts refused base64 oriented white written resize resize-float ends"""
import argparse
import base64
import collections
import ctypes as C
import glob
import io
import os
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "test", "reference"))

import numpy as np
import torch
from PIL import Image, ImageCms, ImageFile, ImageOps, features

import jpeg_maker
from png_maker import random_png

TRUNCATED_OK, WHITE, UPRIGHT, SATURATE = 1, 2, 4, 8


# ---- ours

class Decoded(C.Structure):
    _fields_ = [("width", C.c_int), ("height", C.c_int), ("rgb", C.POINTER(C.c_uint8)), ("orientation", C.c_int), ("format", C.c_char_p),
                ("path", C.c_char_p), ("damage", C.c_char_p)]


def build(folder):
    flags = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-D_DEFAULT_SOURCE", "-O2", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-w", "-I."]
    objects = []
    for source in glob.glob("io/*.c", root_dir=ROOT) + glob.glob("model/resize*.c", root_dir=ROOT) + ["model/cpu.c", "test/peers/pictures_shim.c"]:
        extra = ["-mavx2", "-mfma", "-mf16c"] if "_avx2" in source else ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq"] if "_avx512" in source else []
        objects.append(os.path.join(folder, source.replace("/", "_")[:-2] + ".o"))
        subprocess.run(["gcc", *flags, *extra, "-c", source, "-o", objects[-1]], cwd=ROOT, check=True)
    library = os.path.join(folder, "pictures.so")
    subprocess.run(["gcc", "-shared", "-o", library, *objects, "-lm", "-lpthread"], cwd=ROOT, check=True)
    lib = C.CDLL(library)
    lib.shim_jpeg.restype = lib.shim_png.restype = C.c_size_t
    return lib


class Ours:
    def __init__(self, lib):
        self.lib, self.message = lib, C.create_string_buffer(1024)

    def decode(self, data, flags=0):
        """(pixels, orientation), or the sentence."""
        image = Decoded()
        if not self.lib.shim_decode(data, C.c_size_t(len(data)), flags, C.byref(image), self.message):
            return self.message.value.decode(errors="replace")
        return np.ctypeslib.as_array(image.rgb, (image.height, image.width, 3)).copy(), image.orientation

    def written(self, rgb, quality, sampling):
        out = C.POINTER(C.c_uint8)()
        n = self.lib.shim_jpeg(rgb.ctypes.data_as(C.c_void_p), rgb.shape[1], rgb.shape[0], quality, sampling, C.byref(out))
        return bytes(np.ctypeslib.as_array(out, (n,)))

    def png(self, pixels):
        out = C.POINTER(C.c_uint8)()
        n = self.lib.shim_png(pixels.ctypes.data_as(C.c_void_p), pixels.shape[1], pixels.shape[0], int(pixels.ndim == 2), C.byref(out))
        return bytes(np.ctypeslib.as_array(out, (n,)))

    def resize(self, rgb, w, h, resample, threads):
        out = C.POINTER(C.c_uint8)()
        self.lib.shim_resize(rgb.ctypes.data_as(C.c_void_p), rgb.shape[1], rgb.shape[0], w, h, resample, threads, C.byref(out))
        return np.ctypeslib.as_array(out, (h, w, 3)).copy()

    def resize_float(self, x, w, h, resample):
        out = C.POINTER(C.c_float)()
        self.lib.shim_resize_f32(x.ctypes.data_as(C.c_void_p), x.shape[0], x.shape[1], x.shape[2], h, w, resample, C.byref(out))
        return np.ctypeslib.as_array(out, (x.shape[0], h, w)).copy()


# ---- theirs

def shown(data, truncated=False):
    """Pixels, or why there are none."""
    ImageFile.LOAD_TRUNCATED_IMAGES = truncated
    try:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except Exception as e:
        return f"{type(e).__name__} {e}"


def on_white(data):
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    image = Image.open(io.BytesIO(data))
    if "A" not in image.getbands() and image.info.get("transparency") is None:
        return np.asarray(image.convert("RGB"))
    image = image.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image).convert("RGB"))


# ---- files

def scene(rng, width, height, mode="RGB"):
    """Something between a photograph and a drawing: slopes, edges, texture, noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for _ in range(len(Image.new(mode, (1, 1)).getbands())):
        a, b, c, f = rng.uniform(-1, 1, 4)
        plane = 128 + 120 * np.sin((a * x / width + b * y / height) * rng.uniform(1, 30) + 3 * c)
        plane = np.where((x - f * width) ** 2 + (y - c * height) ** 2 < (0.4 * width) ** 2, rng.uniform(0, 255), plane)
        plane = plane + rng.normal(0, rng.choice([0, 4, 40]), plane.shape)
        planes.append(plane)
    a = np.clip(np.rint(np.stack(planes, -1)), 0, 255).astype(np.uint8)
    return Image.fromarray(a[..., 0] if a.shape[-1] == 1 else a, mode)


def sides(rng, most=200):
    w, h = (max(1, int(v)) for v in np.exp(rng.uniform(0, np.log(most), 2)))
    return w, h


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved_jpeg(rng):
    mode = str(rng.choice(["RGB", "RGB", "RGB", "L", "CMYK"]))
    w, h = sides(rng)
    o = {"quality": int(rng.integers(1, 101)), "subsampling": int(rng.integers(0, 3)), "progressive": bool(rng.integers(0, 2)), "optimize": bool(rng.integers(0, 2))}
    if rng.random() < 0.3:
        o["restart_marker_blocks" if rng.random() < 0.5 else "restart_marker_rows"] = int(rng.integers(1, 6))
    if rng.random() < 0.2 and mode == "RGB":
        o["keep_rgb"], o["subsampling"] = True, 0
    if rng.random() < 0.2:
        o["icc_profile"] = PROFILE
    if rng.random() < 0.2:
        o["comment"] = b"a comment \xff\xd8 with markers" * int(rng.integers(1, 50))
    if rng.random() < 0.2:  # 16-bit tables: Pillow writes them where a value needs it
        top = int(rng.choice([255, 3000]))
        o["qtables"] = [[int(v) for v in rng.integers(1, top, 64)] for _ in range(int(rng.integers(1, 3)))]
        del o["quality"]
    if rng.random() < 0.2:
        exif = Image.Exif()
        exif[0x0112] = int(rng.integers(1, 9))
        exif[0x010F] = "maker" * int(rng.integers(1, 9))
        o["exif"] = exif
    out = io.BytesIO()
    scene(rng, w, h, mode).save(out, "JPEG", **o)
    return out.getvalue(), f"{mode} {w}x{h} { {k: v for k, v in o.items() if not isinstance(v, (bytes, list, Image.Exif))} }"


def cjpeg(rng, folder):
    """libjpeg-turbo's own program: sampling factors that Pillow does not write, arithmetic coding, restarts, smoothing."""
    w, h = sides(rng)
    o = ["-quality", str(int(rng.integers(1, 101)))]
    if rng.random() < 0.6:
        o += ["-sample", ",".join("%dx%d" % tuple(int(v) for v in rng.integers(1, 5, 2)) for _ in range(int(rng.integers(1, 4))))]
    for flag in ["-progressive", "-optimize", "-grayscale", "-rgb"]:
        if rng.random() < 0.25:
            o.append(flag)
    if rng.random() < 0.3:
        o += ["-restart", str(int(rng.integers(1, 5))) + str(rng.choice(["", "B"]))]
    if rng.random() < 0.2:
        o += ["-smooth", str(int(rng.integers(1, 101)))]
    if rng.random() < 0.2:
        o.append("-arithmetic")
    ppm = io.BytesIO()
    scene(rng, w, h).save(ppm, "PPM")
    r = subprocess.run(["cjpeg", *o], input=ppm.getvalue(), capture_output=True)
    return r.stdout, f"cjpeg {w}x{h} {' '.join(o)}"


def cut(rng, data):
    return data[: int(rng.integers(2, len(data)))]


def mutated(rng, data):
    d = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 2, 5]))):
        i, kind = int(rng.integers(2, len(d))), rng.random()
        if kind < 0.5:
            d[i] ^= 1 << int(rng.integers(0, 8))
        elif kind < 0.7:
            d[i] = int(rng.choice([0, 255, 0xD0, 0xD9, int(rng.integers(0, 256))]))
        elif kind < 0.85:
            del d[i: i + int(rng.integers(1, 9))]
        else:
            d[i:i] = bytes(d[int(rng.integers(0, len(d))):][: int(rng.integers(1, 20))])
    return bytes(d)


def any_jpeg(rng):
    if rng.random() < 0.5:
        return saved_jpeg(rng)
    data, what, _ = jpeg_maker.random_jpeg(rng, complete=bool(rng.random() < 0.7))
    return data, what


def saved_png(rng):
    mode = str(rng.choice(["RGB", "RGBA", "L", "LA", "P", "1", "I;16"]))
    w, h = sides(rng)
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 65536, (h, w)).astype(np.uint16))
    elif mode == "P":
        image = scene(rng, w, h).quantize(int(rng.integers(2, 257)), dither=Image.Dither.NONE)
    elif mode == "1":
        image = scene(rng, w, h, "L").convert("1")
    else:
        image = scene(rng, w, h, mode)
    o = {"optimize": bool(rng.integers(0, 2)), "compress_level": int(rng.integers(0, 10))}
    if rng.random() < 0.3:
        o["icc_profile"] = PROFILE
    if rng.random() < 0.3 and mode in ("RGB", "L", "P"):
        o["transparency"] = (1, 2, 3) if mode == "RGB" else 3 if mode == "L" else bytes(rng.integers(0, 256, 3, dtype=np.uint8))
    out = io.BytesIO()
    image.save(out, "PNG", **o)
    return out.getvalue(), f"PNG {mode} {w}x{h}"


# ---- groups: each yields (verdict, line to print or None)

def same(want, got):
    """want: pixels or why not; got: (pixels, orientation) or a sentence."""
    if isinstance(want, str) and isinstance(got, str):
        return "refused by both", None
    if isinstance(want, str):
        return "only Pillow refuses", want
    if isinstance(got, str):
        return "only retina refuses", got
    if want.shape != got[0].shape or (want != got[0]).any():
        return "DIFFERENT", f"{want.shape} {got[0].shape}"
    return "equal", None


def strict(ours, data, flags=SATURATE):
    return same(shown(data), ours.decode(data, flags))


def tolerant(ours, data):
    """With its switch Pillow shows some files of which nothing could be read: all of one colour; retina may refuse those. And it gives
    up over some that end inside a PNG's last chunks; retina shows what there is."""
    want, got = shown(data, True), ours.decode(data, TRUNCATED_OK | SATURATE)
    verdict, why = same(want, got)
    if verdict == "only Pillow refuses":
        return "read by retina alone", None
    if verdict == "only retina refuses" and (want == want[0, 0]).all():
        return "refused, Pillow shows one colour", None
    return verdict, why


def either(ours, data):
    """As Pillow shows it, or refused and then as Pillow shows it with its switch."""
    verdict, why = strict(ours, data)
    if verdict in ("refused by both", "only retina refuses"):
        verdict, why = tolerant(ours, data)
        verdict = "equal with --truncated ok" if verdict == "equal" else verdict
    return ("read by retina alone", None) if verdict == "only Pillow refuses" else (verdict, why)


def jpeg_group(make, judge):
    def run(ours, rng, folder):
        data, what = make(rng, folder)
        verdict, why = judge(ours, data)
        return verdict, f"{what}: {why}", data
    return run


def group_made(ours, rng, folder):
    data, what, orientation = jpeg_maker.random_jpeg(rng, complete=bool(rng.random() < 0.7))
    verdict, why = strict(ours, data)
    if verdict == "equal" and ours.decode(data)[1] != orientation:
        verdict, why = "DIFFERENT", "orientation"
    return verdict, f"{what}: {why}", data


def group_cjpeg(ours, rng, folder):
    data, what = cjpeg(rng, folder)
    if not data:
        return "cjpeg refuses", None, data
    if "-arithmetic" in what:
        got = ours.decode(data)
        named = isinstance(got, str) and "arithmetic" in got
        return ("refused by name" if named else "DIFFERENT"), f"{what}: {got}", data
    verdict, why = strict(ours, data)
    if verdict == "only retina refuses" and "whole ratios" in why:
        return "refused by name", None, data
    return verdict, f"{what}: {why}", data


def group_cut(ours, rng, folder):
    data, what = any_jpeg(rng)
    data = cut(rng, data)
    if not isinstance(ours.decode(data), str):
        return "DIFFERENT", f"{what}: cut to {len(data)} bytes and accepted", data
    verdict, why = tolerant(ours, data)
    return verdict, f"{what}, {len(data)} bytes: {why}", data


def group_damaged(ours, rng, folder):
    data, what = any_jpeg(rng)
    data = mutated(rng, data)
    verdict, why = strict(ours, data)
    if verdict == "only retina refuses":  # libjpeg warns there, and Pillow does not listen
        verdict, why = tolerant(ours, data)
        verdict = "equal with --truncated ok" if verdict == "equal" else verdict
    return verdict, f"{what}: {why}", data


def group_ends(ours, rng, folder):
    """A whole picture, and in place of the end marker another that the file cuts off, or not."""
    data, what = saved_jpeg(rng)
    marker = int(rng.choice([0xDB, 0xC4, 0xCC, 0xDD, 0xDA, 0xC0, 0xC2, 0xC3, 0xC5, 0xC8, 0xC9, 0xE0, 0xFE, 0xDC, 0xD8, 0x01, 0xD3, int(rng.integers(1, 255))]))
    n = int(rng.integers(0, 60))
    body = rng.choice([0, 1, 2, 3, 4, 7, 0x10, 0x11, 0x13] if rng.random() < 0.5 else np.arange(256), n).astype(np.uint8).tobytes()
    size = int(rng.choice([n + 2 + int(rng.integers(1, 300)), int(rng.integers(2, 70)), 4, 2 * body[0] + 6 if n else 8, int(rng.integers(0, 65536))]))
    data = data[:-2] + bytes([0xFF, marker]) + (size.to_bytes(2, "big") + body if rng.random() < 0.95 else b"")
    verdict, why = strict(ours, data)
    return verdict, f"{what}, FF {marker:02X} {size} {body.hex()}: {why}", data


def group_png(ours, rng, folder):
    data, what = random_png(rng, 60)
    verdict, why = strict(ours, data)
    return verdict, f"{what}: {why}", data


def group_png_saved(ours, rng, folder):
    data, what = saved_png(rng)
    verdict, why = strict(ours, data)
    return verdict, f"{what}: {why}", data


def group_png_cut(ours, rng, folder):
    data, what = saved_png(rng) if rng.random() < 0.5 else random_png(rng, 60)
    data = cut(rng, data) if rng.random() < 0.5 else data[: len(data) - int(rng.integers(1, 40))]
    verdict, why = either(ours, data)
    return verdict, f"{what}, {len(data)} bytes: {why}", data


def group_png_damaged(ours, rng, folder):
    data, what = saved_png(rng) if rng.random() < 0.5 else random_png(rng, 60)
    data = mutated(rng, data)
    verdict, why = either(ours, data)
    return verdict, f"{what}: {why}", data


def group_png_parts(ours, rng, folder):
    """Damaged or cut data in chunks of a few bytes, so that chunks end everywhere in rows and codes; or of about 64 KiB, which Pillow reads in parts."""
    large = rng.random() < 0.03
    w, h = (700, 130) if large else (int(n) for n in rng.integers(1, 40, 2))
    rows = rng.integers(0, int(rng.choice([2, 4, 256])), (h, w * 3)).astype(np.uint8)
    packer = zlib.compressobj(int(rng.integers(0, 10)), zlib.DEFLATED, 15, 8, int(rng.choice([0, 0, 2, 4])))
    data = bytearray(packer.compress(b"".join(bytes([int(rng.integers(0, 5))]) + r.tobytes() for r in rows)) + packer.flush())
    cut = rng.random() < 0.3
    if cut:
        del data[int(rng.integers(4, len(data))):]
    for _ in range(0 if cut else int(rng.integers(1, 3))):
        data[int(rng.integers(2, len(data)))] ^= 1 << int(rng.integers(0, 8))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0))]
    while data:
        n = int(rng.choice([30000, 65535, 65536, 65537, 200000])) if large else int(rng.integers(1, 6))
        chunks.append((b"IDAT", bytes(data[:n])))
        del data[:n]
    file = b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(b)) + t + b + struct.pack(">I", zlib.crc32(t + b)) for t, b in chunks + [(b"IEND", b"")])
    verdict, why = either(ours, file)
    return verdict, f"{w}x{h} in {len(chunks) - 2} parts: {why}", file


KINDS = {"BMP": "a BMP", "GIF": "a GIF", "WEBP": "a WebP", "TIFF": "a TIFF", "JPEG2000": "a JPEG 2000", "ICO": "an ICO", "AVIF": "an AVIF", "PDF": "a PDF"}


def group_refused(ours, rng, folder):
    kind = str(rng.choice(list(KINDS)))
    out = io.BytesIO()
    scene(rng, 32, 32).save(out, kind)
    got = ours.decode(out.getvalue())
    named = isinstance(got, str) and KINDS[kind] in got and "convert" in got
    return ("refused by name" if named else "DIFFERENT"), f"{kind}: {got}", out.getvalue()


def group_oriented(ours, rng, folder):
    exif = Image.Exif()
    exif[0x0112] = int(rng.integers(0, 10))
    out = io.BytesIO()
    kind = str(rng.choice(["JPEG", "PNG"]))
    scene(rng, *sides(rng, 60)).save(out, kind, exif=exif)
    want = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(out.getvalue()))).convert("RGB"))
    verdict, why = same(want, ours.decode(out.getvalue(), UPRIGHT))
    return verdict, f"{kind} orientation {exif[0x0112]}: {why}", out.getvalue()


def group_white(ours, rng, folder):
    data, what = saved_png(rng) if rng.random() < 0.5 else random_png(rng, 60)
    verdict, why = same(on_white(data), ours.decode(data, WHITE | SATURATE))
    return verdict, f"{what}: {why}", data


def group_written(ours, rng, folder):
    w, h = sides(rng)
    image, quality, sampling = scene(rng, w, h), int(rng.integers(1, 101)), int(rng.integers(0, 2))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, subsampling=2 * sampling)
    rgb = np.ascontiguousarray(np.asarray(image))
    got = ours.written(rgb, quality, sampling)
    png = ours.png(rgb), ours.png(np.ascontiguousarray(rgb[..., 0]))
    back = (shown(png[0]) == rgb).all() and (shown(png[1])[..., 1] == rgb[..., 0]).all()
    return ("equal" if got == out.getvalue() and back else "DIFFERENT"), f"{w}x{h} quality {quality} sampling {sampling}", got


def group_resize(ours, rng, folder):
    (w, h), (nw, nh), resample, threads = sides(rng, 400), sides(rng, 300), int(rng.integers(0, 6)), int(rng.integers(1, 4))
    image = scene(rng, w, h)
    want = np.asarray(image.resize((nw, nh), resample))
    got = ours.resize(np.ascontiguousarray(np.asarray(image)), nw, nh, resample, threads)
    return ("equal" if (want == got).all() else "DIFFERENT"), f"{w}x{h} to {nw}x{nh}, filter {resample}, {threads} threads", b""


def group_resize_float(ours, rng, folder):
    (w, h), (nw, nh), bicubic = sides(rng, 300), sides(rng, 200), bool(rng.integers(0, 2))
    if nw == 1 and nh != h:
        nw = 2  # PyTorch 2.15 gets that wrong (model/resize.c)
    x = np.ascontiguousarray(np.asarray(scene(rng, w, h)).transpose(2, 0, 1).astype(np.float32) / 255)
    want = torch.nn.functional.interpolate(torch.from_numpy(x)[None], size=(nh, nw), mode="bicubic" if bicubic else "bilinear", antialias=True, align_corners=False)[0].numpy()
    worst = np.abs(ours.resize_float(x, nw, nh, 3 if bicubic else 2) - want).max()
    return ("within 1e-6" if worst <= 1e-6 else "DIFFERENT"), f"{w}x{h} to {nw}x{nh} {'bicubic' if bicubic else 'bilinear'}: {worst}", b""


def group_base64(ours, rng, folder):
    """The swap study's tables: a picture as text, read back by io/base64.c through the shim."""
    data, what = saved_jpeg(rng)
    text = base64.b64encode(data)
    out = C.POINTER(C.c_uint8)()
    n = ours.lib.shim_base64(text, C.c_size_t(len(text)), C.byref(out))
    same_bytes = bytes(np.ctypeslib.as_array(out, (n,))) == data
    return ("equal" if same_bytes else "DIFFERENT"), what, data


GROUPS = {
    "made": group_made, "saved": jpeg_group(lambda r, f: saved_jpeg(r), strict), "cjpeg": group_cjpeg, "cut": group_cut, "damaged": group_damaged, "png": group_png,
    "png-saved": group_png_saved, "png-cut": group_png_cut, "png-damaged": group_png_damaged, "png-parts": group_png_parts, "refused": group_refused, "base64": group_base64,
    "oriented": group_oriented, "white": group_white, "written": group_written, "resize": group_resize, "resize-float": group_resize_float,
    "ends": group_ends,
}
BAD = {"DIFFERENT", "only Pillow refuses", "only retina refuses"}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--count", type=int, default=2000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--keep", help="a folder for files that differ")
    p.add_argument("groups", nargs="*")
    a = p.parse_args()
    bad, table = 0, []
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(build(folder))
        for name in a.groups or GROUPS:
            counts = collections.Counter()
            for i in range(a.seed, a.seed + a.count):
                rng = np.random.default_rng([i, list(GROUPS).index(name)])
                verdict, line, data = GROUPS[name](ours, rng, folder)
                counts[verdict] += 1
                if verdict in BAD:
                    bad += 1
                    if sum(counts[v] for v in BAD) <= 20:
                        print(f"{name} {i}: {verdict}: {line}", flush=True)
                    if a.keep:
                        with open(os.path.join(a.keep, f"{name}-{i}"), "wb") as f:
                            f.write(data)
            table.append((name, counts))
    print(f"\nPillow {Image.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}, zlib {features.version('zlib')}, PyTorch {torch.__version__.split('+')[0]}\n")
    print("| group | files | outcome |\n|---|---|---|")
    for name, counts in table:
        print(f"| {name} | {sum(counts.values())} | {', '.join(f'{v} {k}' for k, v in counts.most_common())} |")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
