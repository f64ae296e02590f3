"""sigma_tables.py: writes model/sigma_tables.c: which characters a capital sigma looks past to see whether it ends a word (Unicode's
Case_Ignorable), and which are cased and no letters of either case (Other_Uppercase, Other_Lowercase), as Python's str.lower has them.

    python test/reference/sigma_tables.py
"""
import os
import sys
import unicodedata

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "model", "sigma_tables.c")


def ranges(wanted):
    out = []
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000 or not wanted(chr(c)):
            continue
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def ignorable(c):
    return ("A\u03a3" + c + "A").lower()[1] == "\u03c3" and ("A\u03a3" + c + " ").lower()[1] == "\u03c2"


def cased(c):
    return ("A\u03a3" + c + " ").lower()[1] == "\u03c3"


def table(f, name, what, list_):
    f.write("// %s\nconst SigmaRange %s[] = {\n" % (what, name))
    for i in range(0, len(list_), 8):
        f.write("    " + " ".join("{0x%04X, 0x%04X}," % tuple(r) for r in list_[i:i + 8]) + "\n")
    f.write("};\nconst int %s_count = %d;\n" % (name, len(list_)))


def main():
    skipped = ranges(ignorable)
    letters = ranges(lambda c: unicodedata.category(c) not in ("Lu", "Ll", "Lt") and cased(c))
    with open(OUT, "w") as f:
        f.write("// sigma_tables.c: written by test/reference/sigma_tables.py from Python %d.%d's str.lower (Unicode %s).\n#include \"sigma_tables.h\"\n\n" % (*sys.version_info[:2], unicodedata.unidata_version))
        table(f, "sigma_skipped", "Case_Ignorable.", skipped)
        f.write("\n")
        table(f, "sigma_cased", "Cased, without Lu, Ll and Lt.", letters)
    print(len(skipped), "and", len(letters), "ranges")


main()
