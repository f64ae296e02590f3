#!/usr/bin/env python3
"""What stands around the pixels, as cameras and programs write it: EXIF, XMP, profiles, missing Huffman tables, colour markers, other
chunks, animations. Every file through `retina decode`, as it lies and turned upright, against Pillow.

    make && python test/peers/picture_heads.py

Departs on purpose, and is left out: PNGs of Apple's, palettes and end chunks that are missing, 16-bit grey.
"""
import io
import os
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

warnings.simplefilter("ignore")
RETINA = os.environ.get("RETINA", "./retina")
H, W = 14, 23
BASE = Image.fromarray((np.add.outer(np.arange(H) * 9, np.arange(W) * 5)[..., None] + np.array([0, 40, 90])).astype(np.uint8))
PACKET = b"http://ns.adobe.com/xap/1.0/\0"


def saved(form, image=BASE, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def segments(jpeg):
    """The marker segments up to the first scan, and the rest."""
    out, at = [], 2
    while True:
        size = struct.unpack(">H", jpeg[at + 2:at + 4])[0] + 2
        out.append(jpeg[at:at + size])
        at += size
        if out[-1][1] == 0xDA:
            return out, jpeg[at:]


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def with_segments(*new, behind=0, without=(), image=BASE, **options):
    parts, rest = segments(saved("JPEG", image, **options))
    parts = [p for p in parts if p[1] not in without]
    behind = len(parts) - 1 if behind else 0
    return b"\xff\xd8" + b"".join(parts[:behind] + [segment(m, d) for m, d in new] + parts[behind:]) + rest


def tiff(orientation, order="<", kind=3, count=1):
    form = {1: "BBBB", 3: "HH", 4: "I", 8: "hh", 9: "i"}[kind]
    value = struct.pack(order + form, *([orientation] + [0] * (len(form) - 1)))
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IHHHI", 8, 1, 0x112, kind, count) + value + bytes(4)


def with_chunks(*new, behind=False):
    png = saved("PNG")
    at = len(png) - 12 if behind else 33
    return png[:at] + b"".join(struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in new) + png[at:]


def jpegs():
    for order in "<>":
        for kind in (1, 3, 4, 8, 9):
            for orientation in (0, 1, 6, 8, 9):
                yield f"EXIF {order} type {kind}: {orientation}", with_segments((0xE1, b"Exif\0\0" + tiff(orientation, order, kind)))
    nothing = b"II*\0" + struct.pack("<IHI", 8, 0, 0)
    xmp = (0xE1, PACKET + b'<x tiff:Orientation="6"/>')
    for name, parts in {"EXIF twice": [b"Exif\0\0" + tiff(6), b"Exif\0\0" + tiff(3)], "EXIF without, then with": [b"Exif\0\0" + nothing, b"Exif\0\0" + tiff(3)],
                        "two values": [b"Exif\0\0" + tiff(6, count=2)], "no value": [b"Exif\0\0" + tiff(6, count=0)], "two heads": [b"Exif\0\0" * 2 + tiff(6)],
                        "EXIF cut": [b"Exif\0\0" + tiff(6)[:20]], "another head": [b"Exif\0\xff" + tiff(6)]}.items():
        yield name, with_segments(*[(0xE1, p) for p in parts])
        yield name + ", and XMP", with_segments(xmp, *[(0xE1, p) for p in parts])
    yield "EXIF behind the frame", with_segments((0xE1, b"Exif\0\0" + tiff(6)), behind=1)
    for text in ('<x tiff:Orientation="6"/>', "<tiff:Orientation>8</tiff:Orientation>", "tiff:Orientation='6'", "<tiff:Orientation>\n6"):
        yield "XMP " + text, with_segments((0xE1, PACKET + text.encode()))
    for name, options in {"": {}, "grey ": {"image": BASE.convert("L")}, "progressive ": {"progressive": True}, "restarted ": {"restart_marker_blocks": 1}}.items():
        yield name + "without Huffman tables", with_segments(without=(0xC4,), **options)
    cmyk = BASE.convert("CMYK")
    for transform in range(4):
        adobe = (0xEE, b"Adobe\0d\0\0\0\0" + bytes([transform]))
        yield f"Adobe {transform}", with_segments(adobe)
        yield f"Adobe {transform}, no JFIF", with_segments(adobe, without=(0xE0,))
        yield f"CMYK, Adobe {transform}", with_segments(adobe, without=(0xEE,), image=cmyk)
    yield "CMYK without Adobe", with_segments(without=(0xEE,), image=cmyk)
    yield "short Adobe", with_segments((0xEE, b"Adobe\0d"))
    yield "kept RGB", saved("JPEG", keep_rgb=True)
    yield "several pictures", saved("MPO", save_all=True, append_images=[BASE.rotate(90)])
    yield "a film behind the picture", saved("JPEG") + b"MotionPhoto" * 100
    yield "fill bytes", b"\xff\xd8\xff\xff\xff" + saved("JPEG")[3:]


def pngs():
    exif, xmp, profile = tiff(6), b'<x tiff:Orientation="8"/>', ("\nexif\n      32\n" + (b"Exif\0\0" + tiff(3)).hex() + "\n").encode()
    chunks = {"eXIf": (b"eXIf", exif), "eXIf with a head": (b"eXIf", b"Exif\0\0" + exif), "profile": (b"tEXt", b"Raw profile type exif\0" + profile),
              "packed profile": (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile)), "XMP": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
              "packed XMP": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)), "XMP in a language": (b"iTXt", b"XML:com.adobe.xmp\0\0\0en\0XMP\0" + xmp),
              "plain XMP": (b"tEXt", b"XML:com.adobe.xmp\0" + xmp), "nonsense": (b"eXIf", tiff(9)), "a colour profile": (b"iCCP", b"x\0\0" + zlib.compress(b"abc")),
              "gamma": (b"gAMA", struct.pack(">I", 100000)), "a palette": (b"PLTE", bytes(range(30))), "unknown": (b"ABCD", b"xx")}
    for name, chunk in chunks.items():
        yield name, with_chunks(chunk)
        yield name + " behind the data", with_chunks(chunk, behind=True)
        for second in chunks:
            yield f"{name}, {second}", with_chunks(chunk, chunks[second])
    for mode in ("RGB", "RGBA", "P", "L"):
        for default in (False, True):
            yield f"animated {mode} {default}", saved("PNG", BASE.convert(mode), save_all=True, append_images=[BASE.transpose(0).convert(mode)], default_image=default)


def differs(path, data, upright):
    try:
        image = Image.open(io.BytesIO(data))
        want = np.asarray((ImageOps.exif_transpose(image) if upright else image).convert("RGB"))
    except Exception:
        want = None
    run = subprocess.run([RETINA, "decode", path, "--out", path + ".npy"] + (["--exif", "apply"] if upright else []), capture_output=True)
    if run.returncode != 0 or want is None:
        return run.returncode != 1 or want is not None
    got = np.load(path + ".npy")
    return got.shape != want.shape or (got != want).any()


def main():
    count = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "picture")
        for kind in (jpegs, pngs):
            for name, data in kind():
                with open(path, "wb") as f:
                    f.write(data)
                for upright in (False, True):
                    count += 1
                    if differs(path, data, upright):
                        failed += 1
                        print("FAIL", kind.__name__, name, "upright" if upright else "")
    print(f"{count} decoded, {failed} differ")
    sys.exit(failed > 0)


main()
