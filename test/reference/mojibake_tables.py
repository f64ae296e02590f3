"""mojibake_tables.py: writes model/mojibake_tables.c: what ftfy 6.3 knows of text that was decoded in a wrong encoding, from its own
definitions: which characters stand beside each other in such text only (badness.BADNESS_RE), which look like parts of UTF-8
(chardata.UTF8_CLUES), and the bytes of every character in the ten encodings that it tries.

    python test/reference/mojibake_tables.py
"""
import os
import re._constants as sre
import re._parser

import ftfy.bad_codecs  # registers the sloppy codecs
from ftfy import badness, chardata

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "model", "mojibake_tables.c")
CLUES = ["utf8_first_of_2", "utf8_first_of_3", "utf8_first_of_4", "utf8_continuation", "utf8_continuation_strict"]


def the_set(op, value):
    """A frozenset of characters below 0x10000, "space" and "word" among them; what is negated goes by what it leaves out."""
    if op is sre.LITERAL:
        return frozenset([value])
    if op is sre.ANY:
        return frozenset(["not", 10])
    assert op is sre.IN, op
    out = set()
    for kind, v in value:
        if kind is sre.NEGATE:
            out.add("not")
        elif kind is sre.LITERAL:
            out.add(v)
        elif kind is sre.RANGE:
            out.update(range(v[0], v[1] + 1))
        else:
            assert kind is sre.CATEGORY, kind
            out.add({sre.CATEGORY_SPACE: "space", sre.CATEGORY_WORD: "word"}[v])
    return frozenset(out)


def sequences(parsed):
    """Every way through an expression: lists of sets, "begin" at the head of some."""
    ways = [[]]
    for op, value in parsed:
        if op is sre.BRANCH:
            parts = [s for branch in value[1] for s in sequences(branch)]
        elif op is sre.SUBPATTERN:
            parts = sequences(value[-1])
        elif op is sre.MAX_REPEAT:
            assert value[:2] == (0, 1)
            parts = [[]] + sequences(value[2])
        elif op is sre.AT:
            assert value is sre.AT_BEGINNING
            parts = [["begin"]]
        else:
            parts = [[the_set(op, value)]]
        ways = [w + p for w in ways for p in parts]
    return ways


def main():
    patterns = sequences(re._parser.parse(badness.BADNESS_RE.pattern, badness.BADNESS_RE.flags))
    clues = [the_set(*re._parser.parse("[%s]" % chardata.UTF8_CLUES[c])[0]) for c in CLUES]
    sets = sorted({s for p in patterns for s in p if s != "begin"}, key=lambda s: (len(s), sorted(map(str, s)))) + clues
    encodings = chardata.CHARMAP_ENCODINGS
    byte_of = []
    for e in encodings:
        text = [bytes([b]).decode(e) for b in range(0x80, 0x100)]
        assert len(set(text)) == 128 and all(len(c) == 1 and ord(c) >= 0x80 for c in text), e
        byte_of.append({ord(c): 0x80 + i for i, c in enumerate(text)})
        assert bytes(range(0x1A)).decode(e) == "".join(map(chr, range(0x1A))) and bytes(range(0x1B, 0x80)).decode(e) == "".join(map(chr, range(0x1B, 0x80)))
    characters = sorted({c for s in sets for c in s if isinstance(c, int)} | {c for b in byte_of for c in b})
    member = {c: tuple(c in s for s in sets) for c in characters}
    nothing = tuple(False for _ in sets)
    classes = [nothing] + sorted({m for m in member.values() if m != nothing})
    assert len(classes) <= 128, len(classes)

    def bits(s):
        at = sets.index(s)
        number = sum(1 << i for i, m in enumerate(classes) if m[at] != ("not" in s))
        return "{0x%X, 0x%X}" % (number & (1 << 64) - 1, number >> 64)

    lines = ["// mojibake_tables.c: written by test/reference/mojibake_tables.py from the definitions of ftfy 6.3. Source of its facts: Robyn Speer's",
             "// ftfy (badness.py, chardata.py), and the encodings themselves.", '#include "mojibake_tables.h"', "",
             "// A character, its class, and its byte in %s, or 0." % ", ".join(e.replace("sloppy-", "") for e in encodings),
             "const MojibakeCharacter mojibake_characters[] = {"]
    for c in characters:
        lines.append("    {0x%04X, %d, {%s}}," % (c, classes.index(member[c]), ", ".join("0x%02X" % b[c] if c in b else "0" for b in byte_of)))
    lines += ["};", "const int mojibake_characters_count = sizeof mojibake_characters / sizeof *mojibake_characters;", "",
              "// Sets of classes as bits, and whether white space and the characters of words belong to them, too.", "const MojibakeSet mojibake_sets[] = {"]
    for s in sets:
        lines.append("    {%s%s%s}," % (bits(s), ", .space = true" if "space" in s else "", ", .word = true" if "word" in s else ""))
    lines += ["};", "const MojibakeSet *const mojibake_first[3] = {%s}; // of two, three and four bytes of UTF-8" % ", ".join("&mojibake_sets[%d]" % (len(sets) - 5 + i) for i in range(3)),
              "const MojibakeSet *const mojibake_continuation = &mojibake_sets[%d];" % (len(sets) - 2),
              "const MojibakeSet *const mojibake_strict = &mojibake_sets[%d]; // of them, those that are nothing else" % (len(sets) - 1), "",
              "// Numbers of sets whose characters stand beside each other in mojibake.", "const MojibakePattern mojibake_patterns[] = {"]
    for p in patterns:
        begin = p[0] == "begin"
        p = p[1:] if begin else p
        assert 1 <= len(p) <= 7, len(p)
        lines.append("    {%d, %s, {%s}}," % (len(p), "true" if begin else "false", ", ".join(str(sets.index(s)) for s in p)))
    lines += ["};", "const int mojibake_patterns_count = sizeof mojibake_patterns / sizeof *mojibake_patterns;"]
    with open(OUT, "w") as f:
        f.write("\n".join(lines) + "\n")
    print("%d characters of %d classes, %d sets, %d patterns" % (len(characters), len(classes), len(sets), len(patterns)))


main()
