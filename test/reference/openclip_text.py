"""openclip_text.py: writes test/golden/openclip_text.json: texts, and what OpenCLIP's tokenizers make of them before they read them
(open_clip.tokenizer's clean functions: ftfy, html.unescape twice, white space, small letters).

    python test/reference/openclip_text.py [COUNT SEED]    with numbers: other random ones, to stdout
"""
import html
import html.entities
import json
import os
import random
import sys
import unicodedata

import ftfy.bad_codecs  # registers the sloppy codecs
from ftfy import chardata
from open_clip.tokenizer import get_clean_fn

UNLIKELY = sorted({ord(c) for e in chardata.CHARMAP_ENCODINGS for c in bytes(range(0x80, 0x100)).decode(e)} | set(range(0x80, 0x250)) | {0x20AC, 0xFFFD, 0xF8FF, 0x1A})
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "openclip_text.json")

BY_HAND = [
    "", " ", "a photo of a cat", "  two   spaces\tand\na line ", "Hello, world! it's 2024", "A &amp; B", "&amp;amp; &amp;amp;amp; &amp;amp;amp;amp;lt;",
    "&lt;b&gt; & &lt;", "<b> &lt; &eacute; &EACUTE;", "a < b\n&eacute; &NTILDE; &amp;lt;", "&eacute; first\na < b &NTILDE;", "&notit; &not &notin; &notinx", "&amp &ampx; &AMPX;", "P&EACUTE;REZ &SZLIG; &NTILDE; &nTILDE;",
    "&#65;&#x42;&#x43 &#67", "&#0; &#128; &#x80; &#129; &#8217; &#55296; &#1114112; &#99999999999999999999; &#11; &#13;x &#9;", "&#59; &#x3b; &#12abc; &#xZZ; &# &#x &#; &;", "&Jscr;ohn &HilbertSpace;ancock &checkmark;",
    "&CounterClockwiseContourIntegral; &CounterClockwiseContourIntegralX;", "&frac12; &FRAC12; &sup2 &sup2x", "&hellip;&HELLIP;&LTHREE;&lthree;", "\u2018q\u2019 \u201cdouble\u201d \u201a\u201b \u02bc", "\ufb01sh \ufb02oor \ufb03 \ufb06 \u0149 \u0132 \u01c4 \u01f2",
    "\uff21\uff22\uff23 \uff11\uff12 \uff01\u3000\uff5e", "\uff76\uff9e\uff6f\uff7c \uffe3 \uffe6", "\u0391\u03a3 \u03a3\u0391\u03a3\u0391 \u03a3 O\u03a3.", "\u0130stanbul I \u00c9COLE \u1e9e", "e\u0301 \u212b \u1100\u1161",
    "\x1b[36;44mblue\x1b[0m x\x1b[m \x1b[1 \x1b", "bell\x07 nul\x01 \x7f del \ufeff bom \u206a \ufffc object \ufffd", "line\r\nbreak\rand\u2028more\u2029 \x0b tab \x0c", "\x85 \x91quoted\x92 \x81", "\u00a0non\u00a0breaking\u2003em\u200bzero", "na\u00efve caf\u00e9 \U0001F600 \u732b",
    "!!! ... ''' \"\"\"", "&quot;quoted&quot; &apos;s &#39;s &rsquo;s", "&nbsp;&nbsp;a&nbsp;b&#160;", "&zwj;&ZWJ;&shy;", "AT&T R&D Q&A B&W; &copy2024 &copy;2024 &COPY;", "x&ltx&gty&quotz &ltcc; &amp;amp", "&\u00e9; &a\u00e9b; &amp\u00e9;", "\U0001D11E &bne; &NotEqualTilde; &fjlig;",
]


WORDS = ["sch\u00f6n", "Gr\u00f6\u00dfe", "caf\u00e9", "\u00e0 la carte", "voil\u00e0", "No\u00ebl", "\u00c9cole", "ma\u00f1ana", "\u00bfqu\u00e9?", "S\u00e3o", "\u0142\u00f3d\u017a", "\u017elu\u0165ou\u010dk\u00fd", "\u015fi\u015fli", "\u0411\u0435\u043b\u044b\u0439 \u043a\u043e\u0442", "\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1",
         "\u0645\u0631\u062d\u0628\u0627", "\u05e9\u05dc\u05d5\u05dd", "\u732b\u306e\u5199\u771f", "\ub2a5\ub825", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0e41\u0e21\u0e27", "\u2014", "it\u2019s", "\u201cquoted\u201d", "\u2026", "\u20ac5", "\u00a312", "\u00b0C", "\u00a9 2024", "\u2122", "\u2713", "\u2192", "\U0001F600", "\U0001F1E6", "\u00a0", "\u00ad",
         "a photo of", "the", "Mary", "2 x 3", "(\u00f3 \u00f2)", "\u00d7", "\u00b2", "\u2264", "\u00c0", "\u00c2", "\u00c3", "\u00e2", "\u0160", "\u03a0", "\u0420", "na\u00efve", "\u00f8re", "\u00c5r", "\u0151", "fa\u00e7ade", "\u00bd", "\ufb01n", "\u0000"]
ENCODINGS = ["latin-1", "sloppy-windows-1252", "sloppy-windows-1252", "sloppy-windows-1251", "sloppy-windows-1250", "sloppy-windows-1253", "sloppy-windows-1254", "sloppy-windows-1257", "iso-8859-2", "macroman", "cp437"]


def garbled(r):
    """Words of many languages that were UTF-8 and were decoded as something else, once, twice or three times, in whole or in part."""
    text = r.choice(["", " "]).join(r.choice(WORDS) for _ in range(r.randint(1, 6)))
    for _ in range(r.choice([0, 1, 1, 1, 1, 2, 2, 3])):
        at = r.choice([0, 0, r.randrange(len(text) + 1)])
        raw = bytearray(text[at:].encode("utf-8"))
        kind = r.randrange(8)
        if kind == 0:
            raw = raw.replace(b"\xa0", b" ")
        elif kind == 1 and raw:
            raw[r.randrange(len(raw))] = r.choice([0x1A, 0x3F, 0x20, 0xA0, 0xC0, 0xED, r.randrange(256)])
        elif kind == 2:
            raw = bytearray("".join(c if ord(c) < 0x10000 else chr(0xD7C0 + (ord(c) >> 10)) + chr(0xDC00 + (ord(c) & 0x3FF)) for c in text[at:]).encode("utf-8", "surrogatepass").replace(b"\0", b"\xc0\x80"))
        text = text[:at] + bytes(raw).decode(r.choice(ENCODINGS))
        if r.randrange(6) == 0:
            text = "".join(c if not 0x80 <= ord(c) < 0xA0 else "\ufffd" for c in text)
    return text


def unlikely(r):
    """Characters that stand in such texts, in any order."""
    pieces = []
    for _ in range(r.randint(1, 6)):
        c = chr(r.choice(UNLIKELY))
        pieces.append(r.choice([c, c, c, chr(r.choice(UNLIKELY)) + c, "a" + c, c + " ", " " + c, "x", "Z", "\n"]))
    return "".join(pieces)


def random_text(r):
    if r.randrange(3):
        return r.choice([garbled, garbled, unlikely])(r) + r.choice(["", "", "", " ", "\n", "<"])
    names = sorted(html.entities.html5)
    pieces = []
    for _ in range(r.randint(1, 8)):
        kind = r.randrange(13)
        if kind == 0:
            pieces.append("&" + r.choice(names))
        elif kind == 1:
            pieces.append("&" + r.choice(names).upper())
        elif kind == 2:
            pieces.append("&" + r.choice(names).rstrip(";") + r.choice(["", "x", ";;", " ", "&", "1"]))
        elif kind == 3:
            pieces.append("&#" + str(r.choice([r.randrange(300), r.randrange(0x3000), r.randrange(0x120000)])) + r.choice(["", ";", "x"]))
        elif kind == 4:
            pieces.append("&#" + r.choice("xX") + format(r.choice([r.randrange(300), r.randrange(0x120000)]), r.choice(["x", "X"])) + r.choice(["", ";", "g"]))
        elif kind == 5:
            pieces.append(r.choice(["&amp;" * r.randint(1, 3) + "lt;", "&amp;#65;", "&amp;amp;eacute;"]))
        elif kind == 6:
            pieces.append(chr(r.choice([r.randrange(0xFF00, 0xFFF0), r.randrange(0x2010, 0x2070), r.randrange(0xFB00, 0xFB07)])))
        elif kind == 7:
            pieces.append(chr(r.randrange(0x20)))
        elif kind == 8:
            pieces.append(r.choice(["\r\n", "\r", "\n", "\t", "  ", "<", ">", "\u3000", "\u00a0", "\ufeff", "\x1b[31m"]))
        elif kind == 9:
            pieces.append("".join(r.choice("\u0391\u03a3\u03a3\u03b1\u03c3\u039f .,\u00ba\u02da\u02b5\u00ad\u0903\u0301\u2170\u24d0'" + chr(r.randrange(0x80, 0x3000))) for _ in range(5)))
        elif kind == 10:
            pieces.append(r.choice(["e\u0301", "\u1100\u1161\u11a8", "\u0958", "A\u030a", "\u212b"]))
        else:
            pieces.append("".join(r.choice("abcXYZ 019.,!'\"-") for _ in range(r.randint(1, 8))))
    return "".join(pieces)


def known_text(r):
    """Without characters that Python's Unicode does not have yet: newer tables know their small letters."""
    while True:
        text = random_text(r)
        if not any(unicodedata.category(c) == "Cn" for c in html.unescape(html.unescape(html.unescape(text)))):
            return text


def entry(text):
    return {"text": text, "spaces": get_clean_fn("whitespace")(text), "lower": get_clean_fn("lower")(text)}


def main():
    if len(sys.argv) > 1:
        r = random.Random(int(sys.argv[2]))
        json.dump([entry(known_text(r)) for _ in range(int(sys.argv[1]))], sys.stdout)
        return
    r = random.Random(0)
    with open(OUT, "w") as f:
        json.dump([entry(t) for t in BY_HAND] + [entry(known_text(r)) for _ in range(400)], f, indent=0)
        f.write("\n")


main()
