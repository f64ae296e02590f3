"""openclip_text.py: writes test/golden/openclip_text.json: texts, and what OpenCLIP's tokenizers make of them before they read them
(open_clip.tokenizer's clean functions: ftfy, html.unescape twice, white space, small letters).

    python test/reference/openclip_text.py [COUNT SEED]    with numbers: other random ones, to stdout
"""
import html.entities
import json
import os
import random
import sys

from open_clip.tokenizer import get_clean_fn

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


def random_text(r):
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
            pieces.append("".join(r.choice("\u0391\u03a3\u03b1\u03c3\u039f .,") for _ in range(4)))
        elif kind == 10:
            pieces.append(r.choice(["e\u0301", "\u1100\u1161\u11a8", "\u0958", "A\u030a", "\u212b"]))
        else:
            pieces.append("".join(r.choice("abcXYZ 019.,!'\"-") for _ in range(r.randint(1, 8))))
    return "".join(pieces)


def entry(text):
    return {"text": text, "spaces": get_clean_fn("whitespace")(text), "lower": get_clean_fn("lower")(text)}


def main():
    if len(sys.argv) > 1:
        r = random.Random(int(sys.argv[2]))
        json.dump([entry(random_text(r)) for _ in range(int(sys.argv[1]))], sys.stdout)
        return
    r = random.Random(0)
    with open(OUT, "w") as f:
        json.dump([entry(t) for t in BY_HAND] + [entry(random_text(r)) for _ in range(120)], f, indent=0)
        f.write("\n")


main()
