"""Measures the character properties, POSIX brackets and case folding of the `tokenizers` library's regular expressions (Oniguruma)
and writes model/unicode_properties.c.

Every name is asked from the library for every character, so the Unicode version is the one it has. General categories and scripts
part all characters among themselves and are kept as runs; of another property the categories that are in it as a whole, and ranges.

    python test/reference/unicode_properties.py model/unicode_properties.c
"""
import sys
import unicodedata

import regex
import tokenizers
from tokenizers import Regex, decoders

from unicode_tables import CHARACTERS, array

CATEGORIES = "Cc Cf Cn Co Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs".split()
LONG = """Other Control Format Unassigned Private_Use Letter Lowercase_Letter Modifier_Letter Other_Letter Titlecase_Letter Uppercase_Letter
Mark Combining_Mark Spacing_Mark Enclosing_Mark Nonspacing_Mark Number Decimal_Number Letter_Number Other_Number Punctuation
Connector_Punctuation Dash_Punctuation Close_Punctuation Final_Punctuation Initial_Punctuation Other_Punctuation Open_Punctuation Symbol
Currency_Symbol Modifier_Symbol Math_Symbol Other_Symbol Separator Line_Separator Paragraph_Separator Space_Separator Cased_Letter LC
C L M N P S Z Any Assigned""".split()
OTHERS = """Alphabetic Lowercase Uppercase White_Space Emoji Emoji_Presentation Emoji_Modifier Emoji_Modifier_Base Emoji_Component
Extended_Pictographic Ideographic""".split()
POSIX = "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit".split()
# Unicode 16; the generator stops where a character is in none of them.
SCRIPTS = """Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki Bopomofo Brahmi Braille
Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan
Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Garay Georgian Glagolitic Gothic Grantha
Greek Gujarati Gunjala_Gondi Gurmukhi Gurung_Khema Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki
Khudawadi Kirat_Rai Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen
Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean
Nag_Mundari Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Ol_Onal Old_Hungarian Old_Italic Old_North_Arabian
Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa
Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo
Sundanese Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh
Tirhuta Todhri Toto Tulu_Tigalari Ugaritic Unknown Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square""".split()
SHORT = """Adlm Aghb Arab Armi Armn Avst Bali Bamu Bass Batk Beng Bhks Bopo Brah Brai Bugi Buhd Cakm Cans Cari Cher Chrs Copt Cpmn Cprt Cyrl
Deva Diak Dogr Dsrt Dupl Egyp Elba Elym Ethi Gara Geor Glag Gong Gonm Goth Gran Grek Gujr Gukh Guru Hang Hani Hano Hatr Hebr Hira Hluw Hmng
Hmnp Hung Ital Java Kali Kana Khar Khmr Khoj Kits Knda Krai Kthi Lana Laoo Latn Lepc Limb Lina Linb Lyci Lydi Mahj Maka Mand Mani Marc Medf
Mend Merc Mero Mlym Mong Mroo Mtei Mult Mymr Nagm Nand Narb Nbat Nkoo Nshu Ogam Olck Onao Orkh Orya Osge Osma Ougr Palm Pauc Perm Phag Phli
Phlp Phnx Plrd Prti Qaac Qaai Rjng Rohg Runr Samr Sarb Saur Sgnw Shaw Shrd Sidd Sind Sinh Sogd Sogo Sora Soyo Sund Sunu Sylo Syrc Tagb Takr
Tale Talu Taml Tang Tavt Telu Tfng Tglg Thaa Tibt Tirh Tnsa Todr Tutg Ugar Vaii Vith Wara Wcho Xpeo Xsux Yezi Yiii Zanb Zinh Zyyy Zzzz""".split()

def pieces(characters):
    """Short texts of them all: the library searches long ones slowly."""
    return ["".join(map(chr, characters[i:i + 64])) for i in range(0, len(characters), 64)]


ALL = pieces(CHARACTERS)


def members(pattern, texts=ALL):
    """The characters that the pattern matches, one by one."""
    left = set(map(ord, decoders.Replace(Regex(pattern), "").decode(texts)))
    return frozenset(ord(c) for text in texts for c in text if ord(c) not in left)


def parts(names, guess):
    """Which of the names every character has, which is one. Guesses are checked, and what was guessed wrong is looked for."""
    guessed, result = {name: [] for name in names}, {}
    for c in CHARACTERS:
        guessed[guess[c]].append(c)
    for i, name in enumerate(names):
        result.update((c, i) for c in members(r"\p{%s}" % name, pieces(guessed[name])))
    left = pieces([c for c in CHARACTERS if c not in result])
    for i, name in enumerate(names):
        result.update((c, i) for c in members(r"\p{%s}" % name, left))
    assert len(result) == len(CHARACTERS), len(CHARACTERS) - len(result)
    return result


def script_guess():
    guess = {}
    for name in SCRIPTS:
        try:
            compiled = regex.compile(r"\p{Script=%s}+" % name)
        except regex.error:
            continue
        for text in ALL:
            guess.update((ord(c), name) for run in compiled.findall(text) for c in run)
    return {c: guess.get(c, "Unknown") for c in CHARACTERS}


def plain(name):
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def runs(value_of):
    """start << 8 | value, wherever the value changes; the surrogates take what stands before them."""
    out, last = [], None
    for c in CHARACTERS:
        if value_of[c] != last:
            last = value_of[c]
            out.append(c << 8 | last)
    return out


def ranges(characters):
    out = []
    for c in sorted(characters):
        if out and out[-1] == c - 1:
            out[-1] = c
        else:
            out += [c, c]
    return out


def folding():
    """(character, the one of its class that stands for all), and (character, the several that it folds to).

    Two characters are of one class where (?i:[x]) takes both; which of them stands for the class is Python's choice."""
    cased = [c for c in CHARACTERS if any(f(chr(c)) != chr(c) for f in (str.casefold, str.lower, str.upper, str.title))]
    texts = ["\0".join(piece) for piece in pieces(cased)]  # or "st" would be found in the alphabet, which is ﬆ
    single, several = {}, {}
    for c in cased:
        same = members("(?i:[\\x{%x}])" % c, texts)
        if len(same) > 1:
            single[c] = min(same, key=lambda d: (len(chr(d).casefold()), chr(d).casefold() != chr(d), d))
        folded = chr(c).casefold()
        if len(folded) > 1 and decoders.Replace(Regex("(?i:[\\x{%x}])" % c), "").decode([folded]) == "":
            several[c] = folded
    assert all(c in single and single[c] == f for f in single.values() for c in [f])
    return {c: f for c, f in single.items() if c != f}, several


def main(path):
    category_of = parts(CATEGORIES, {c: unicodedata.category(chr(c)) for c in CHARACTERS})
    script_of = parts(SCRIPTS, script_guess())
    whole = {i: frozenset(c for c in CHARACTERS if category_of[c] == i) for i in range(len(CATEGORIES))}
    names = []  # (plain name, kind, value, first of the ranges, how many)
    edges = sorted({c for r in (runs(category_of), runs(script_of)) for x in r for c in (x >> 8, (x >> 8) - 1) if c in category_of})
    sample = pieces(edges)  # the other names of a category or a script are told by these
    for name in CATEGORIES + LONG:
        m = members(r"\p{%s}" % name, sample)
        mask = sum(1 << i for i, k in enumerate(CATEGORIES) if any(category_of[c] == i for c in m))
        assert m == frozenset(c for c in edges if mask >> category_of[c] & 1), name
        names.append((plain(name), "CATEGORIES", mask, 0, 0))
    for name in SCRIPTS + SHORT:
        m = members(r"\p{%s}" % name, sample)
        value = script_of[min(m)]
        assert m == frozenset(c for c in edges if script_of[c] == value), name
        names.append((plain(name), "SCRIPT", value, 0, 0))
    pool = []
    for name in OTHERS + POSIX:
        m = members(r"\p{%s}" % name)
        bracket = members("[[:%s:]]" % name) if name in POSIX else m
        if name == "space":
            assert m == members(r"\s")
        if name == "word":
            assert m == members(r"\w")
        if name == "digit":
            assert m == members(r"\d")
        for spelt, characters in ((plain(name), m), (":" + name, bracket)):
            if spelt == plain(name) or bracket != m:  # [[:punct:]] is not \p{punct}
                mask = sum(1 << i for i in whole if whole[i] <= characters)
                r = ranges(c for c in characters if not mask >> category_of[c] & 1)
                names.append((spelt, "CATEGORIES", mask, len(pool), len(r) // 2))
                pool += r
    seen = {}
    names = sorted(n for n in names if seen.setdefault(n[0], n) is n)
    single, several = folding()
    with open(path, "w", encoding="ascii") as f:
        f.write("// unicode_properties.c: written by test/reference/unicode_properties.py, which asked tokenizers %s character by\n" % tokenizers.__version__)
        f.write("// character; do not edit. The meaning of every table is in unicode_properties.h.\n")
        f.write('// clang-format off\n#include "unicode_properties.h"\n\n')
        f.write("const int unicode_property_count = %d;\n" % len(names))
        f.write("const UnicodeProperty unicode_properties[%d] = {\n" % len(names))
        for entry in names:
            f.write('    {"%s", %s, 0x%x, %d, %d},\n' % entry)
        f.write("};\n")
        for kind, table in (("category", runs(category_of)), ("script", runs(script_of))):
            f.write("const int unicode_%s_run_count = %d;\n" % (kind, len(table)))
            f.write(array("uint32_t", "unicode_%s_runs" % kind, table, "0x%x"))
        f.write(array("uint32_t", "unicode_property_ranges", pool, "0x%x"))
        f.write("const int unicode_fold_count = %d;\n" % len(single))
        f.write(array("uint32_t", "unicode_fold_from", sorted(single), "0x%x"))
        f.write(array("uint32_t", "unicode_fold_to", [single[c] for c in sorted(single)], "0x%x"))
        f.write("const int unicode_fold_several_count = %d;\n" % len(several))
        f.write("const uint32_t unicode_fold_several[%d][4] = {\n" % len(several))
        for c, folded in sorted(several.items()):
            f.write("    {0x%x, %s},\n" % (c, ", ".join("0x%x" % ord(x) for x in folded.ljust(3, "\0"))))
        f.write("};\n")
    print("names %d, categories %d runs, scripts %d runs, ranges %d, folds %d, of several %d" %
          (len(names), len(runs(category_of)), len(runs(script_of)), len(pool) // 2, len(single), len(several)))


if __name__ == "__main__":
    main(*sys.argv[1:])
