"""PNG files of every colour type, depth, filter and interlacing, from random samples. random_png(rng) gives the bytes."""
import struct
import zlib

import numpy as np

PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]}


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filtered(kind, row, up, d):
    left = np.concatenate([np.zeros(d, int), row])[: len(row)]
    corner = np.concatenate([np.zeros(d, int), up])[: len(row)]
    if kind == 4:
        p = left + up - corner
        a, b, c = abs(p - left), abs(p - up), abs(p - corner)
        guess = np.where((a <= b) & (a <= c), left, np.where(b <= c, up, corner))
    else:
        guess = [0 * row, left, up, (left + up) // 2][kind]
    return bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes()


def make(rng, width, height, kind, depth, interlaced, palette=None, transparency=None, level=6, strategy=0, split=0, smooth=False):
    n = CHANNELS[kind]
    if smooth:
        y, x = np.mgrid[0:height, 0:width]
        samples = np.stack([((x * 3 + y * 2 + c * 7) << depth) // 200 % (1 << depth) for c in range(n)], -1)
    else:
        samples = rng.integers(0, 1 << depth, (height, width, n))
    raw, d = b"", max(1, n * depth // 8)
    for x0, y0, dx, dy in PASSES if interlaced else [(0, 0, 1, 1)]:
        part = samples[y0::dy, x0::dx]
        if part.size == 0:
            continue
        up = None
        for row in part:
            v = row.reshape(-1)
            if depth == 16:
                packed = v.astype(">u2").tobytes()
            elif depth == 8:
                packed = v.astype(np.uint8).tobytes()
            else:
                packed = np.packbits(np.unpackbits(v.astype(np.uint8)[:, None], axis=1)[:, 8 - depth:].reshape(-1)).tobytes()
            now = np.frombuffer(packed, np.uint8).astype(int)
            raw += filtered(int(rng.integers(0, 5)), now, 0 * now if up is None else up, d)
            up = now
    packer = zlib.compressobj(level, zlib.DEFLATED, 15, 8, strategy)
    data = packer.compress(raw) + packer.flush()
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced)))
    if palette is not None:
        out += chunk(b"PLTE", palette)
    if transparency is not None:
        out += chunk(b"tRNS", transparency)
    for i in range(0, len(data), split or len(data)):
        out += chunk(b"IDAT", data[i: i + (split or len(data))])
    return out + chunk(b"IEND")


def random_png(rng, side=40, kind=None, depth=None, interlaced=None):
    kind = int(rng.choice(list(DEPTHS))) if kind is None else kind
    depth = int(rng.choice(DEPTHS[kind])) if depth is None else depth
    interlaced = bool(rng.integers(0, 2)) if interlaced is None else interlaced
    width, height = [int(v) for v in rng.integers(1, side, 2)]
    palette = rng.integers(0, 256, 3 * int(rng.integers(1, min(256, 1 << depth) + 1)), dtype=np.uint8).tobytes() if kind == 3 else None
    transparency = None
    if rng.random() < 0.4:
        if kind == 3:
            transparency = rng.integers(0, 256, int(rng.integers(1, len(palette) // 3 + 1)), dtype=np.uint8).tobytes()
        elif kind == 0:
            transparency = struct.pack(">H", int(rng.integers(0, 1 << depth)))
        elif kind == 2:
            transparency = struct.pack(">HHH", *[int(v) for v in rng.integers(0, 4, 3)])
    data = make(rng, width, height, kind, depth, interlaced, palette, transparency, int(rng.integers(0, 10)), int(rng.integers(0, 5)),
                int(rng.choice([0, 1, 7, 50])), bool(rng.integers(0, 2)))
    what = "%dx%d type %d depth %d%s%s" % (width, height, kind, depth, " interlaced" if interlaced else "", " tRNS" if transparency else "")
    return data, what
