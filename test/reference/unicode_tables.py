"""Measures the character properties that the `tokenizers` library works with and writes model/unicode_tables.c.

The library takes its Unicode data from six places of different age (Oniguruma for \\p{L}, Rust's own for lower case, an old
crate for BERT's punctuation, another for NFC ...), so one Unicode version would be wrong somewhere. Every table here is
therefore asked from the library itself, character by character; only the roles inside grapheme clusters, which cannot be
told apart from outside, are taken from the `regex` package for the characters that the library is seen to join.

    python test/reference/unicode_tables.py model/unicode_tables.c
"""
import collections
import struct
import sys
import unicodedata

import regex
import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CHARACTERS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]

# Bits of unicode_flags(); model/unicode.h has the same list.
L, M, N, UPPER, LOWER, SPACE, PUNCTUATION, CONTROL, NONSPACING, NUMERIC, WORD, MARK, LOWERS = (1 << i for i in range(13))
FORMS = ("NFC", "NFD", "NFKC", "NFKD")
SLOW = {form: 1 << 13 + i for i, form in enumerate(FORMS)}
CLUSTER_SHIFT, CLASS_SHIFT = 17, 24
CLUSTERS = ("other", "control", "extend", "zwj", "prepend", "spacing", "hangul_l", "hangul_v", "hangul_t", "hangul_lv", "hangul_lvt",
            "pictograph", "consonant", "linker", "extend_plain")


def removed(normalizer, characters=CHARACTERS):
    return {c for c in characters if normalizer.normalize_str(chr(c)) == ""}


def onig(pattern):
    return removed(normalizers.Replace(Regex(pattern), ""))


def splits(pre_tokenizer, pieces):
    return {c for c in CHARACTERS if len(pre_tokenizer.pre_tokenize_str("a" + chr(c) + "a")) == pieces}


def unicode_property(pattern):
    compiled = regex.compile(pattern)
    return {c for c in CHARACTERS if compiled.fullmatch(chr(c))}


def charsmap(rules):
    """A SentencePiece precompiled_charsmap: a double-array trie of the keys, then the replacements."""
    root, pool = {}, bytearray()
    for key, value in sorted(rules.items()):
        node = root
        for b in key.encode():
            node = node.setdefault(b, {})
        node[None] = len(pool)
        pool += value.encode() + b"\0"
    units, free, queue = {0: 0}, 1, collections.deque([(0, root, 0)])
    while queue:
        at, node, label = queue.popleft()
        base = free
        while any(base ^ (b or 0) in units for b in node):
            base += 1
        if len(node) > 64:
            free = base
        units[at] = label | (at ^ base) << 10 | (1 << 8 if None in node else 0)
        for b, child in node.items():
            units[base ^ (b or 0)] = child | 1 << 31 if b is None else 0
        queue.extend((base ^ b, child, b) for b, child in node.items() if b is not None)
    size = (max(units) | 255) + 1
    return struct.pack("<%dI" % (size + 1), 4 * size, *(units.get(i, 0) for i in range(size))) + bytes(pool)


def cluster_roles():
    """c -> index into CLUSTERS. Only clusters below 6 bytes change the library's result, so flags (4 + 4 bytes) need no role."""
    role = {0x0D: CLUSTERS.index("control"), 0x0A: CLUSTERS.index("control")}  # the code joins CR LF
    for name in ("Control", "Prepend", "L", "V", "T", "LV", "LVT"):
        index = CLUSTERS.index(name.lower() if len(name) > 3 else "hangul_" + name.lower())
        role.update((c, index) for c in unicode_property(r"\p{GCB=%s}" % name))
    role.update((c, CLUSTERS.index("pictograph")) for c in unicode_property(r"\p{Extended_Pictographic}") if c not in role)
    role.update((c, CLUSTERS.index("consonant")) for c in unicode_property(r"\p{InCB=Consonant}") if c not in role)
    joins = normalizers.Precompiled(charsmap({"a": "X"}))  # a cluster that begins with "a" is replaced as a whole
    joined = {c for c in CHARACTERS if joins.normalize_str("a" + chr(c)) == "X"}
    extends, linkers, plain = (unicode_property(p) for p in (r"\p{GCB=Extend}", r"\p{InCB=Linker}", r"\p{InCB=None}"))
    for c in joined:
        assert c not in role or role[c] == CLUSTERS.index("control") or c in extends, hex(c)
        role[c] = CLUSTERS.index("zwj" if c == 0x200D else "linker" if c in linkers else "spacing" if c not in extends
                                 else "extend_plain" if c in plain else "extend")
    return role


def combining_classes():
    """c -> canonical combining class, by watching which marks NFD puts in front of which."""
    nfd = normalizers.NFD().normalize_str
    swaps = lambda a, b: nfd(chr(a) + chr(b)) == chr(b) + chr(a) and a != b
    candidates = [c for c in CHARACTERS if nfd(chr(c)) == chr(c) and (swaps(0x345, c) or swaps(c, 0x334))]  # classes 240 and 1
    known = {}  # class -> a character of it, old enough to be in every Unicode version
    for c in candidates:
        known.setdefault(unicodedata.combining(chr(c)), c)
    known.pop(0, None)
    assert known[240] == 0x345 and known[1] == 0x334
    result = {}
    for c in candidates:
        fits = [k for k, r in known.items() if not swaps(r, c) and not swaps(c, r)]
        assert len(fits) == 1, (hex(c), fits)
        result[c] = fits[0]
    return result


def decompositions(form):
    f = getattr(normalizers, form)().normalize_str
    return {c: f(chr(c)) for c in CHARACTERS if not 0xAC00 <= c <= 0xD7A3 and f(chr(c)) != chr(c)}


def compositions(canonical):
    nfc = normalizers.NFC().normalize_str
    pairs = {}
    for c, parts in canonical.items():
        if len(parts) >= 2 and nfc(chr(c)) == chr(c):
            first = nfc(parts[:-1])
            assert len(first) == 1 and nfc(first + parts[-1]) == chr(c), hex(c)
            pairs[ord(first), ord(parts[-1])] = c
    return pairs


def flags_of_all():
    flags = collections.defaultdict(int)

    def mark(bit, characters):
        for c in characters:
            flags[c] |= bit

    bert = lambda **on: normalizers.BertNormalizer(**{"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False, **on})
    mark(L, onig(r"\p{L}"))
    mark(M, onig(r"\p{M}"))
    mark(N, onig(r"\p{N}"))
    mark(UPPER, onig(r"[\p{Lu}\p{Lt}]"))
    mark(LOWER, onig(r"\p{Ll}"))
    space = onig(r"\s")
    assert space == splits(pre_tokenizers.WhitespaceSplit(), 2) == splits(pre_tokenizers.Whitespace(), 2)
    mark(SPACE, space)
    punctuation = splits(pre_tokenizers.Punctuation(), 3)
    assert punctuation == splits(pre_tokenizers.BertPreTokenizer(), 3)
    mark(PUNCTUATION, punctuation)
    mark(CONTROL, removed(bert(clean_text=True)))
    mark(NUMERIC, splits(pre_tokenizers.Digits(individual_digits=True), 3))
    mark(WORD, splits(pre_tokenizers.Whitespace(), 1))
    mark(MARK, removed(normalizers.StripAccents()))
    canonical = decompositions("NFD")
    mark(NONSPACING, removed(bert(strip_accents=True), [c for c in CHARACTERS if c not in canonical]))
    lower = normalizers.Lowercase().normalize_str
    lowers = {c: lower(chr(c)) for c in CHARACTERS if lower(chr(c)) != chr(c)}
    mark(LOWERS, lowers)

    classes, compatible, pairs = combining_classes(), decompositions("NFKD"), compositions(canonical)
    hangul = range(0xAC00, 0xD7A4)
    joins_left = {b for _, b in pairs} | set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    mark(SLOW["NFD"], [*canonical, *classes, *hangul])
    mark(SLOW["NFKD"], [*compatible, *classes, *hangul])
    unstable = joins_left | set(classes)
    mark(SLOW["NFC"], unstable | {c for c in canonical if normalizers.NFC().normalize_str(chr(c)) != chr(c)})
    mark(SLOW["NFKC"], unstable | {c for c in compatible if normalizers.NFKC().normalize_str(chr(c)) != chr(c)})
    for c, role in cluster_roles().items():
        flags[c] |= role << CLUSTER_SHIFT
    for c, k in classes.items():
        flags[c] |= k << CLASS_SHIFT
    return flags, lowers, canonical, compatible, pairs


def array(kind, name, values, form="%d"):
    lines, line = [], "   "
    for v in values:
        item = form % v + ","
        if len(line) + len(item) > 128:
            lines.append(line)
            line = "   "
        line += item if line.strip() else " " + item
    lines.append(line)
    return "const %s %s[%d] = {\n%s\n};\n" % (kind, name, len(values), "\n".join(lines))


def main(path):
    flags, lowers, canonical, compatible, pairs = flags_of_all()
    kinds = sorted({flags[c] for c in range(0x110000)})
    assert len(kinds) <= 256, len(kinds)
    number = {k: i for i, k in enumerate(kinds)}
    blocks, pages = {}, []
    for page in range(0x110000 >> 6):
        block = bytes(number[flags[c]] for c in range(page << 6, (page + 1) << 6))
        pages.append(blocks.setdefault(block, len(blocks)))
    pool, starts = [], []
    # A character's canonical parts come first, its compatible ones (if others) after them.
    for c in sorted({**canonical, **compatible}):
        a, b = canonical.get(c, ""), compatible.get(c, "")
        starts.append((c, len(pool), len(a), len(b) if b != a else 0))
        pool += [ord(x) for x in a] + ([ord(x) for x in b] if b != a else [])
    assert len(pool) < 1 << 16 and max(s[2] for s in starts) < 8 and max(s[3] for s in starts) < 32
    multi = {c: s for c, s in lowers.items() if len(s) > 1}
    assert list(multi) == [0x130] and multi[0x130] == "i\u0307"  # unicode_lower() knows this one
    with open(path, "w", encoding="ascii") as f:
        f.write("// unicode_tables.c: written by test/reference/unicode_tables.py, which asked tokenizers %s character by\n" % tokenizers.__version__)
        f.write("// character; do not edit. The meaning of every table is in unicode_tables.h.\n")
        f.write('// clang-format off\n#include "unicode_tables.h"\n\n')
        f.write(array("uint32_t", "unicode_kind_flags", kinds, "0x%x"))
        f.write(array("uint16_t", "unicode_pages", pages))
        f.write(array("uint8_t", "unicode_blocks", [k for b in blocks for k in b]))
        f.write("const int unicode_lower_count = %d;\n" % len(lowers))
        f.write(array("uint32_t", "unicode_lower_from", sorted(lowers)))
        f.write(array("uint32_t", "unicode_lower_to", [ord(lowers[c][0]) for c in sorted(lowers)]))
        f.write("const int unicode_parts_count = %d;\n" % len(starts))
        f.write(array("uint32_t", "unicode_parts_of", [s[0] for s in starts]))
        f.write(array("uint32_t", "unicode_parts_at", [s[1] | s[2] << 16 | s[3] << 24 for s in starts]))
        f.write(array("uint32_t", "unicode_parts", pool))
        f.write("const int unicode_pair_count = %d;\n" % len(pairs))
        ordered = sorted(pairs.items())
        f.write(array("uint32_t", "unicode_pair_first", [k[0] for k, _ in ordered]))
        f.write(array("uint32_t", "unicode_pair_second", [k[1] for k, _ in ordered]))
        f.write(array("uint32_t", "unicode_pair_whole", [c for _, c in ordered]))
    print("kinds %d, blocks %d, decompositions %d (%d parts), pairs %d, lower %d" % (len(kinds), len(blocks), len(starts), len(pool), len(pairs), len(lowers)))


if __name__ == "__main__":
    main(*sys.argv[1:])
