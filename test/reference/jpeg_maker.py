"""JPEG files from random coefficients: every sampling, scan order and option that a decoder may meet.

No picture is compressed here; coefficients are drawn, and written by the rules of ITU-T T.81. So the files hold
what encoders never write: odd sampling factors, long Huffman codes, many scans, 16-bit tables, fill bytes.
random_jpeg(rng) gives the bytes and a line that says what they are.
"""
import numpy as np

ZIGZAG = [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
          35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63]


def marker(code, payload=b""):
    return bytes([0xFF, code]) + (len(payload) + 2).to_bytes(2, "big") + payload


class Bits:
    def __init__(self):
        self.out, self.value, self.count = bytearray(), 0, 0

    def put(self, value, n):
        self.value = self.value << n | value & (1 << n) - 1
        self.count += n
        while self.count >= 8:
            self.count -= 8
            byte = self.value >> self.count & 255
            self.out.append(byte)
            if byte == 255:
                self.out.append(0)
        self.value &= (1 << self.count) - 1

    def flush(self):
        if self.count:
            self.put((1 << 8 - self.count) - 1, 8 - self.count)

    def put_marker(self, code):
        self.flush()
        self.out += bytes([255, code])


def make_code(counts, mode, rng):
    """Lengths for the symbols that occur: 'flat', or 'skewed' with codes of up to 16 bits. -> table bytes, {symbol: (code, n)}"""
    symbols = sorted(counts, key=lambda s: (-counts[s], s)) or [0]
    n = len(symbols)
    if mode == "flat":
        lengths = [max(1, int(n).bit_length())] * n  # one code of all ones stays free
    else:
        head = int(rng.integers(1, 9))
        lengths = list(range(1, min(head, n) + 1))
        tail = n - len(lengths)
        if tail:
            lengths += [int(rng.integers(min(16, head + int(tail + 1).bit_length()), 17))] * tail
    bits, values, code, k = [0] * 16, [], 0, 0
    table = {}
    for length in range(1, 17):
        while k < n and lengths[k] == length:
            table[symbols[k]] = (code, length)
            values.append(symbols[k])
            bits[length - 1] += 1
            code += 1
            k += 1
        code <<= 1
    assert k == n
    return bytes(bits) + bytes(values), table


def size_of(v):
    return int(abs(int(v))).bit_length()


def low_bits(v, n):
    v = int(v)
    return (v if v >= 0 else v - 1) & (1 << n) - 1


class Component:
    def __init__(self, ident, h, v, quant):
        self.id, self.h, self.v, self.quant = ident, h, v, quant


class Jpeg:
    """scan(...) collects symbols first, as ("dc"|"ac", table, symbol, value, bits) or ("raw", value, bits) or ("rst", n)."""

    def __init__(self, rng, width, height, components, progressive=False, restart=0, code_mode="flat"):
        self.rng, self.width, self.height, self.components = rng, width, height, components
        self.progressive, self.restart, self.code_mode = progressive, restart, code_mode
        self.hmax, self.vmax = max(c.h for c in components), max(c.v for c in components)
        self.across, self.down = -(-width // (8 * self.hmax)), -(-height // (8 * self.vmax))
        for c in components:
            c.width, c.height = -(-width * c.h // self.hmax), -(-height * c.v // self.vmax)
            c.bw, c.bh = -(-c.width // 8), -(-c.height // 8)
            c.coefs = np.zeros((self.down * c.v, self.across * c.h, 64), np.int64)  # zigzag order

    def mcus(self, comps):
        """Lists of (component, block) in scan order."""
        if len(comps) == 1:
            c = comps[0]
            for y in range(c.bh):
                for x in range(c.bw):
                    yield [(c, c.coefs[y, x])]
        else:
            for my in range(self.down):
                for mx in range(self.across):
                    yield [(c, c.coefs[my * c.v + y, mx * c.h + x]) for c in comps for y in range(c.v) for x in range(c.h)]

    def scan(self, comps, first, last, high, low):
        """-> bytes of a scan with its Huffman tables before it."""
        events, predictions = [], {}
        eob = {"run": 0, "bits": []}
        tables = {id(c): int(self.rng.integers(0, 2)) if not self.progressive else i % 4 for i, c in enumerate(comps)}

        def flush_run(t):
            if eob["run"]:
                n = eob["run"].bit_length() - 1
                events.append(("ac", t, n << 4, eob["run"] - (1 << n), n))
                eob["run"] = 0
                for b in eob["bits"]:
                    events.append(("raw", b, 1))
                eob["bits"] = []

        count, number, t = 0, 0, 0
        for mcu in self.mcus(comps):
            if self.restart and count == self.restart:
                flush_run(t)
                events.append(("rst", number))
                number, count, predictions = (number + 1) % 8, 0, {}
            count += 1
            for c, block in mcu:
                t = tables[id(c)]
                if first == 0:
                    if high == 0:
                        v = int(block[0]) >> low
                        d = v - predictions.get(id(c), 0)
                        predictions[id(c)] = v
                        events.append(("dc", t, size_of(d), low_bits(d, size_of(d)), size_of(d)))
                    else:
                        events.append(("raw", int(block[0]) >> low & 1, 1))
                if last > 0 and not self.progressive:
                    self.ac_sequential(events, t, block)
                elif last > 0 and high == 0:
                    self.ac_first(events, t, block, first, last, low, eob, flush_run)
                elif last > 0:
                    self.ac_refine(events, t, block, first, last, low, eob, flush_run)
        flush_run(t)
        return self.write_scan(comps, tables, events, first, last, high, low)

    def ac_sequential(self, events, t, block):
        run = 0
        for k in range(1, 64):
            v = int(block[k])
            if v == 0:
                run += 1
                continue
            while run > 15:
                events.append(("ac", t, 0xF0, 0, 0))
                run -= 16
            events.append(("ac", t, run << 4 | size_of(v), low_bits(v, size_of(v)), size_of(v)))
            run = 0
        if run:
            events.append(("ac", t, 0, 0, 0))

    def ac_first(self, events, t, block, first, last, low, eob, flush_run):
        run = 0
        for k in range(first, last + 1):
            v = abs(int(block[k])) >> low
            if v == 0:
                run += 1
                continue
            flush_run(t)
            while run > 15:
                events.append(("ac", t, 0xF0, 0, 0))
                run -= 16
            v = v if block[k] > 0 else -v
            events.append(("ac", t, run << 4 | size_of(v), low_bits(v, size_of(v)), size_of(v)))
            run = 0
        if run:
            eob["run"] += 1
            if eob["run"] == 0x7FFF:
                flush_run(t)

    def ac_refine(self, events, t, block, first, last, low, eob, flush_run):
        values = [abs(int(v)) >> low for v in block]
        end = max([k for k in range(first, last + 1) if values[k] == 1], default=0)
        run, waiting = 0, []
        for k in range(first, last + 1):
            v = values[k]
            if v == 0:
                run += 1
                continue
            while run > 15 and k <= end:
                flush_run(t)
                events.append(("ac", t, 0xF0, 0, 0))
                events.extend(("raw", b, 1) for b in waiting)
                waiting = []
                run -= 16
            if v > 1:
                waiting.append(v & 1)
                continue
            flush_run(t)
            events.append(("ac", t, run << 4 | 1, int(block[k] > 0), 1))
            events.extend(("raw", b, 1) for b in waiting)
            waiting, run = [], 0
        if run or waiting:
            eob["run"] += 1
            eob["bits"] += waiting
            if eob["run"] == 0x7FFF or len(eob["bits"]) > 900:
                flush_run(t)

    def write_scan(self, comps, tables, events, first, last, high, low):
        counts = {}
        for e in events:
            if e[0] in ("dc", "ac"):
                key = (e[0] == "ac", e[1])
                counts.setdefault(key, {}).setdefault(e[2], 0)
                counts[key][e[2]] += 1
        for c in comps:  # a scan header may only name tables that exist
            if not self.progressive or (first == 0 and high == 0):
                counts.setdefault((False, tables[id(c)]), {0: 1})
            if not self.progressive or last > 0:
                counts.setdefault((True, tables[id(c)]), {0: 1})
        codes, head = {}, b""
        for (ac, t), n in counts.items():
            table, codes[ac, t] = make_code(n, self.code_mode, self.rng)
            head += self.fill() + marker(0xC4, bytes([ac << 4 | t]) + table)
        spec = b"".join(bytes([c.id, tables[id(c)] << 4 | tables[id(c)]]) for c in comps)
        head += self.fill() + marker(0xDA, bytes([len(comps)]) + spec + bytes([first, last, high << 4 | low]))
        bits = Bits()
        for e in events:
            if e[0] == "raw":
                bits.put(e[1], e[2])
            elif e[0] == "rst":
                bits.put_marker(0xD0 + e[1])
            else:
                bits.put(*codes[e[0] == "ac", e[1]][e[2]])
                bits.put(e[3], e[4])
        bits.flush()
        return head + bytes(bits.out)

    def fill(self):
        return b"\xFF" * int(self.rng.integers(1, 4)) if self.rng.random() < 0.1 else b""

    def head(self, quants, wide, app):
        out = b"\xFF\xD8" + app
        for i, q in enumerate(quants):
            payload = bytes([wide[i] << 4 | i]) + b"".join(int(v).to_bytes(1 + wide[i], "big") for v in q)
            out += self.fill() + marker(0xDB, payload)
        sof = 0xC2 if self.progressive else int(self.rng.choice([0xC0, 0xC1]))
        parts = b"".join(bytes([c.id, c.h << 4 | c.v, c.quant]) for c in self.components)
        out += marker(sof, bytes([8]) + self.height.to_bytes(2, "big") + self.width.to_bytes(2, "big") + bytes([len(self.components)]) + parts)
        if self.restart:
            out += marker(0xDD, self.restart.to_bytes(2, "big"))
        return out


def jfif():
    return marker(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")


def adobe(transform):
    return marker(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def exif(orientation, little):
    order = "little" if little else "big"
    n = lambda v, k: v.to_bytes(k, order)
    entry = n(0x0112, 2) + n(3, 2) + n(1, 4) + n(orientation, 2) + b"\0\0"
    return marker(0xE1, b"Exif\0\0" + (b"II" if little else b"MM") + n(42, 2) + n(8, 4) + n(1, 2) + entry + n(0, 4))


def scans_of(rng, jpeg, complete=True):
    """A random legal order of scans: [(components, first, last, high, low)]."""
    comps = jpeg.components
    fits = sum(c.h * c.v for c in comps) <= 10
    together = fits and rng.random() < 0.8
    if not jpeg.progressive:
        return [(comps, 0, 63, 0, 0)] if together or len(comps) == 1 else [([c], 0, 63, 0, 0) for c in comps]
    top = int(rng.integers(0, 3))
    dc = [comps] if together else [[c] for c in comps]
    scans = [(d, 0, 0, 0, top) for d in dc]
    rest = [(d, 0, 0, b + 1, b) for b in range(top - 1, -1, -1) for d in dc]
    for c in comps:
        cuts = sorted(set([1, 64] + [int(v) for v in rng.integers(1, 64, int(rng.integers(0, 3)))]))
        for a, b in zip(cuts, cuts[1:]):
            low = int(rng.integers(0, 4))
            rest.append([([c], a, b - 1, 0, low)] + [([c], a, b - 1, k + 1, k) for k in range(low - 1, -1, -1)])
    # chains of refinement keep their order, chains among each other do not
    chains = [list(r) if isinstance(r, list) else [r] for r in rest]
    dc_chain = [r for ch in chains for r in ch if r[1] == 0]
    chains = [ch for ch in chains if ch[0][1] != 0] + ([dc_chain] if dc_chain else [])
    while chains:
        i = int(rng.integers(0, len(chains)))
        scans.append(chains[i].pop(0))
        if not chains[i]:
            chains.pop(i)
    if not complete:
        scans = scans[: int(rng.integers(len(dc), len(scans) + 1))]
    return scans


def random_jpeg(rng, complete=True, side=70):
    width, height = [int(v) for v in rng.integers(1, side, 2)]
    n = int(rng.choice([1, 3, 3, 3, 3, 4]))
    while True:
        kind = rng.random()
        if n == 1:
            factors = [(int(rng.integers(1, 5)), int(rng.integers(1, 5)))]
        elif kind < 0.4:
            h, v = [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (1, 4), (4, 2), (2, 4)][int(rng.integers(0, 8))]
            factors = [(h, v)] + [(1, 1)] * (n - 1)
        else:
            factors = [(int(rng.integers(1, 5)), int(rng.integers(1, 5))) for _ in range(n)]
        hm, vm = max(f[0] for f in factors), max(f[1] for f in factors)
        if all(hm % h == 0 and vm % v == 0 for h, v in factors):
            break
    progressive = bool(rng.random() < 0.5)
    wide = [bool(rng.random() < 0.2) for _ in range(int(rng.integers(1, 5)))]
    scale = float(rng.choice([1, 4, 16]))
    quants = [np.clip(rng.integers(1, 20, 64) * scale, 1, 65535 if w else 255).astype(int) for w in wide]
    ids = [1, 2, 3, 4] if rng.random() < 0.6 else [82, 71, 66, 75] if rng.random() < 0.5 else [int(v) for v in rng.permutation(200)[:4]]
    comps = [Component(ids[i], *factors[i], int(rng.integers(0, len(wide)))) for i in range(n)]
    jpeg = Jpeg(rng, width, height, comps, progressive, int(rng.choice([0, 0, 0, 1, 2, 5, 9])), str(rng.choice(["flat", "skewed"])))
    density = float(rng.choice([0.02, 0.1, 0.5]))
    for c in comps:
        q = quants[c.quant]
        reach = np.maximum(1, np.array([rng.integers(1, 200) / (1 + k / 6) for k in range(64)]) / q).astype(int)
        c.coefs[...] = rng.integers(-reach, reach + 1, c.coefs.shape) * (rng.random(c.coefs.shape) < density)
        c.coefs[..., 0] = rng.integers(-1024 // q[0] - 1, 1024 // q[0] + 2, c.coefs.shape[:2])
    app = b""
    kind = rng.random()
    if kind < 0.4:
        app += jfif()
    elif kind < 0.7:
        app += adobe(int(rng.choice([0, 1, 2])))
    orientation = 1
    if rng.random() < 0.2:
        orientation = int(rng.integers(1, 9))
        app += exif(orientation, bool(rng.integers(0, 2)))
    out = jpeg.head(quants, wide, app)
    scans = scans_of(rng, jpeg, complete)
    for s in scans:
        out += jpeg.scan(*s)
    what = "%dx%d %s %s restart %d %s, %d scans" % (width, height, "progressive" if progressive else "sequential", factors, jpeg.restart, jpeg.code_mode, len(scans))
    return out + b"\xFF\xD9", what, orientation
