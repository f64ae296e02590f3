"""peer_pictures.py: libjpeg-turbo and Pillow as peers of `retina bench jpeg resize`. Reads lines of fields set apart by tabs; answers with
the seconds of the processor's time and the CRC-32 of the RGB bytes.

    who                                what answers, with versions
    jpeg FILE                          decodes it
    resize FILE WIDTH HEIGHT FILTER    resizes it, decoded before, by Pillow's number of the filter
    progressive FILE OUT               writes it again, progressive (no time)

The decoder is libjpeg-turbo behind peer_jpeg.c, Pillow's own copy of the library if it brings one; without a compiler or jpeglib.h
it is Pillow as a whole, which also spreads pixels to four bytes."""
import ctypes
import glob
import io
import os
import subprocess
import sys
import tempfile
import time
import zlib

import PIL
from PIL import Image, features

HERE = os.path.dirname(os.path.abspath(__file__))


def library():
    bundled = glob.glob(os.path.join(os.path.dirname(PIL.__file__), "..", "pillow.libs", "libjpeg-*.so*"))
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "peer.so")
        link = [bundled[0], "-Wl,-rpath," + os.path.dirname(bundled[0])] if bundled else ["-ljpeg"]
        try:
            built = subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", out, os.path.join(HERE, "peer_jpeg.c"), *link], capture_output=True)
        except OSError:
            return None
        if built.returncode:
            return None
        lib = ctypes.CDLL(out)
    lib.peer_decode.restype = ctypes.c_double
    return lib


known, turbo = {}, library()


def bytes_of(path):
    if path not in known:
        with open(path, "rb") as f:
            known[path] = f.read()
    return known[path]


def opened(path):
    return Image.open(io.BytesIO(bytes_of(path)))


def decode(path):
    image = opened(path)
    if turbo and image.mode in ("RGB", "L"):
        rgb = ctypes.create_string_buffer(image.width * image.height * 3)
        seconds = turbo.peer_decode(bytes_of(path), ctypes.c_ulong(len(bytes_of(path))), rgb)
        return seconds, zlib.crc32(rgb.raw)
    start = time.thread_time()
    image.load()
    seconds = time.thread_time() - start
    return seconds, zlib.crc32(image.convert("RGB").tobytes())


def resize(path, width, height, resample):
    image = opened(path).convert("RGB")
    start = time.thread_time()
    image = image.resize((int(width), int(height)), int(resample))
    return time.thread_time() - start, zlib.crc32(image.tobytes())


for line in sys.stdin:
    kind, *rest = line.rstrip("\n").split("\t")
    if kind == "who":
        version, pillow = features.version("libjpeg_turbo"), f"Pillow {Image.__version__}"
        print(f"libjpeg-turbo {version}, {pillow}" if turbo and version else f"{pillow}; without libjpeg-turbo alone", flush=True)
    elif kind == "progressive":
        opened(rest[0]).save(rest[1], "JPEG", quality="keep", progressive=True)
        print(0, 0, flush=True)
    else:
        print(*(decode if kind == "jpeg" else resize)(*rest), flush=True)
