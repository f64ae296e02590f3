"""html_entities.py: writes model/html_entities.c, the names of HTML's characters: Python's html.entities.html5; and of those whose
character has another capital form, the name in capitals ("NTILDE;"), which is no HTML and which ftfy reads, too.

    python test/reference/html_entities.py model/html_entities.c
"""
import html
import sys
from html.entities import html5


def quoted(text):
    out, octal = "", False
    for byte in text.encode():
        plain = 32 <= byte < 127 and byte not in b'"\\' and not (octal and chr(byte).isdigit())
        out += chr(byte) if plain else f"\\{byte:03o}"
        octal = not plain
    return f'"{out}"'


def table(name, entries):
    lines, line = [], "   "
    for key, value in sorted((k.encode(), v) for k, v in entries.items()):
        item = f" {{{quoted(key.decode())}, {quoted(value)}}},"
        if len(line) + len(item) > 124:
            lines.append(line)
            line = "   "
        line += item
    return f"const HtmlEntity {name}[] = {{\n" + "\n".join(lines + [line]) + f"\n}};\nconst int {name}_count = {len(entries)};\n"


def main():
    capitals = {}
    for name, value in html5.items():
        upper = name.upper()
        if name.endswith(";") and name == name.lower() and html.unescape("&" + upper) == "&" + upper and value != value.upper():
            capitals[upper] = value.upper()
    with open(sys.argv[1], "w") as f:
        f.write("// html_entities.c: written by test/reference/html_entities.py from Python's html.entities; do not edit. See html_entities.h.\n"
                "// clang-format off\n#include \"html_entities.h\"\n\n")
        f.write(table("html_entities", html5) + "\n" + table("html_capitals", capitals))


main()
