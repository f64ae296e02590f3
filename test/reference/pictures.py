"""Writes test/golden/pictures/: small JPEGs and PNGs with the checksum of what Pillow shows, encoded pictures, resizes.

    python test/reference/pictures.py [folder]

A pack is a row of entries: one line "width height orientation crc32 size what", then `size` bytes of file. In
png.pack `what` begins with a second checksum: composited on white.
"""
import io
import os
import struct
import sys
import zlib

import numpy as np
import torch
from PIL import Image, ImageFile

from jpeg_maker import random_jpeg
from png_maker import DEPTHS, chunk, random_png

FOLDER = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "golden", "pictures")


def picture(width, height):
    """The test picture; test/picture_pack.h draws the same."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return ((x * x * 3 + y * 7 + c * 50 + (x * y) % 31 * 5 + (x // 5 + y // 3) % 2 * 60) & 255).astype(np.uint8)


def shown(data, truncated=False):
    ImageFile.LOAD_TRUNCATED_IMAGES = truncated
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def white(data):
    """As transformers 5 converts an opened picture."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    image = Image.open(io.BytesIO(data))
    if "A" not in image.getbands() and image.info.get("transparency") is None:
        return np.asarray(image.convert("RGB"))
    image = image.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image).convert("RGB"))


def entry(data, rgb, what, orientation=1):
    line = "%d %d %d %08x %d %s\n" % (rgb.shape[1], rgb.shape[0], orientation, zlib.crc32(rgb.tobytes()), len(data), what)
    return line.encode() + data


def write(name, data):
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, name), "wb") as f:
        f.write(data)
    print("%-20s %7d bytes" % (name, len(data)))


def saved(pixels, **options):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, **options)
    return out.getvalue()


def jpegs(rng):
    out = b""
    for i, (w, h) in enumerate([(1, 1), (2, 2), (3, 5), (8, 8), (9, 7), (16, 16), (17, 13), (33, 9), (5, 40), (40, 24), (31, 33)]):
        for k in range(5):
            mode = ["RGB", "RGB", "L", "CMYK", "RGB"][k]
            options = dict(quality=[30, 75, 95, 100, 5, 1][(i + k) % 6], subsampling=(i + k) % 3, progressive=(i + k) % 2 == 1, optimize=k == 1)
            if k == 4:
                options.update(keep_rgb=True, subsampling=0)
            if i % 3 == k % 3:
                options["restart_marker_blocks"] = 1 + i % 4
            buffer = io.BytesIO()
            Image.fromarray(picture(w, h)).convert(mode).save(buffer, "JPEG", **options)
            out += entry(buffer.getvalue(), shown(buffer.getvalue()), "Pillow %s %s" % (mode, options))
    for i in range(170):
        data, what, orientation = random_jpeg(rng, complete=i % 3 != 0, side=26)
        out += entry(data, shown(data), what, orientation)
    return out


def mutated(rng, data):
    data = bytearray(data)
    if rng.random() < 0.5:
        return bytes(data[: int(rng.integers(len(data) // 3, len(data)))])
    for _ in range(int(rng.choice([1, 2, 4]))):
        i = int(rng.integers(len(data) // 3, len(data)))
        data[i] = int(rng.choice([0, 255, 0xD0 + int(rng.integers(0, 8)), int(rng.integers(0, 256))]))
    return bytes(data)


def damaged(rng):
    """Files that Pillow still shows with LOAD_TRUNCATED_IMAGES, and more than in one colour."""
    out, n = b"", 0
    while n < 90:
        data, what, orientation = random_jpeg(rng, side=30)
        data = mutated(rng, data)
        try:
            rgb = shown(data, True)
        except Exception:
            continue
        if (rgb == rgb[0, 0]).all():
            continue
        out += entry(data, rgb, "damaged " + what, orientation)
        n += 1
    return out


def pngs(rng):
    out = b""
    for kind in DEPTHS:
        for depth in DEPTHS[kind]:
            for i in range(6):
                data, what = random_png(rng, 24, kind, depth, i % 2 == 1)
                out += entry(data, shown(data), "%08x %s" % (zlib.crc32(white(data).tobytes()), what))
    return out


def png_ends(rng):
    """Files that lack their last bytes, one more of them in each, and files that are wrong behind their last row. What Pillow
    does not show in its default setting is "refused"; so are files whose rows are not all there, which it may show with black rows,
    and data with a wrong checksum (`sound`), which it may not look at."""
    def add(data, what, whole, sound=True):
        try:
            refused = not np.array_equal(shown(data), whole) or not sound
        except Exception as e:
            if str(e) == "Truncated File Read" and what.endswith("bytes"):
                return b""  # a whole picture, and behind it a data chunk that is cut: shown here
            refused = True
        return entry(data, whole, ("refused " if refused else "shown ") + what)

    def ends(data, what):
        whole, start = shown(data), data.index(b"IDAT")
        return b"".join(add(data[:n], f"{what}, {n} bytes", whole) for n in range(start + 4, len(data) + 1))

    out = b""
    for i, kind in enumerate([0, 2, 3, 6]):
        out += ends(*random_png(rng, 4, kind, 8, i % 2 == 1))
    head, rows = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 6, 5, 8, 2, 0, 0, 0)), picture(6, 5)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    half, end, text = len(packed) // 2, chunk(b"IEND"), chunk(b"tEXt", b"a\0b")
    idat = chunk(b"IDAT", packed)
    flip = lambda b: b[:-1] + bytes([b[-1] ^ 1])
    for what, tail in [
        ("all", idat + end), ("no end", idat), ("a wrong checksum of the end", idat + flip(end)), ("bytes behind the end", idat + end + b"more bytes"),
        ("zeros for an end", idat + bytes(40)), ("a row of bytes for an end", idat + b"\0\0\0\4{}[]abcdefgh"), ("an end chunk that is cut", idat + b"\0\0\0\4IEND"),
        ("a wrong checksum of data", flip(idat) + end), ("wrong checksums of two", flip(chunk(b"IDAT", packed[:half])) + flip(chunk(b"IDAT", packed[half:])) + end),
        ("a text between data", chunk(b"IDAT", packed[:half]) + text + chunk(b"IDAT", packed[half:]) + end), ("data longer than the file", struct.pack(">I", 9999) + idat[4:] + end),
        ("a text, no end", idat + text), ("a text with a wrong checksum", idat + flip(text) + end), ("a text that is cut", idat + struct.pack(">I", 99) + text[4:]),
        ("a wrong checksum before the data", flip(text) + idat + end), ("empty data behind", idat + b"\0\0\0\0IDAT"), ("other data behind", idat + chunk(b"IDAT", b"hello") + end),
        ("no checksum in the data", chunk(b"IDAT", packed[:-4]) + end), ("a wrong checksum in the data", chunk(b"IDAT", flip(packed)) + end),
        ("data behind the data's end", chunk(b"IDAT", packed + b"more bytes") + end), ("more rows", chunk(b"IDAT", zlib.compress(zlib.decompress(packed) * 2)) + end),
        ("an end before the data", end + idat), ("fewer rows", chunk(b"IDAT", zlib.compress(zlib.decompress(packed)[:57])) + end)]:
        out += add(head + tail, what, rows)
    for what, tail in [("a wrong checksum of the data, none in them", flip(chunk(b"IDAT", packed[:-4])) + end), ("a wrong checksum in data of their own", chunk(b"IDAT", packed[:-4]) + chunk(b"IDAT", flip(packed[-4:])) + end)]:
        out += add(head + tail, what, rows, sound=False)
    return out


def encoded():
    lines = ""
    for i, (w, h) in enumerate([(1, 1), (7, 9), (16, 16), (17, 33), (40, 31), (64, 5), (23, 48)]):
        for quality in (1, 20, 50, 75, 90, 100):
            for sampling in (0, 2):
                data = saved(picture(w, h), format="JPEG", quality=quality, subsampling=sampling)
                lines += "%d %d %d %d %d %08x\n" % (w, h, quality, sampling, len(data), zlib.crc32(data))
    return lines.encode()


def resizes(rng):
    lines = ""
    for i in range(240):
        w, h, nw, nh = [int(v) for v in rng.integers(1, 90, 4)]
        if i % 8 == 0:
            w, h, nw, nh = [(200, 40, 20, 30), (40, 300, 33, 60), (300, 41, 299, 5), (64, 64, 224, 224)][i // 8 % 4]
        if i % 9 == 1:
            nw = w
        if i % 9 == 2:
            nh = h
        rgb = np.asarray(Image.fromarray(picture(w, h)).resize((nw, nh), i % 6))
        lines += "%d %d %d %d %d %08x\n" % (w, h, nw, nh, i % 6, zlib.crc32(rgb.tobytes()))
    return lines.encode()


def resizes_real():
    out = b""
    for w, h, nw, nh, name in [(9, 7, 5, 4, "bilinear"), (9, 7, 13, 11, "bicubic"), (20, 31, 6, 9, "bicubic"), (16, 16, 24, 7, "bilinear"),
                               (16, 5, 16, 9, "bicubic"), (30, 8, 7, 8, "bilinear")]:
        x = torch.from_numpy(picture(w, h).transpose(2, 0, 1).astype(np.float32) / 255)
        y = torch.nn.functional.interpolate(x[None], size=(nh, nw), mode=name, antialias=True, align_corners=False)[0]
        out += ("%d %d %d %d %d %d\n" % (w, h, nw, nh, 2 if name == "bilinear" else 3, y.numel() * 4)).encode() + y.numpy().astype("<f4").tobytes()
    return out


def main():
    rng = np.random.default_rng(20261)
    write("jpeg.pack", jpegs(rng))
    write("jpeg-damaged.pack", damaged(rng))
    write("png.pack", pngs(rng))
    write("png-ends.pack", png_ends(np.random.default_rng(20262)))
    write("jpeg-encoded.txt", encoded())
    write("resize.txt", resizes(rng))
    write("resize-float.pack", resizes_real())


main()
