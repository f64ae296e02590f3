"""Regular expressions of published tokenizer files, small ones for every construct, and random ones: with the texts that the
`tokenizers` library makes of random strings with them. Writes test/golden/patterns.json and test/golden/properties.json.

    python test/reference/patterns.py test/golden

A pattern's matches are told by the decoder Replace, which puts a mark where every match was.
"""
import json
import os
import random
import sys

from tokenizers import Regex, Tokenizer, decoders, normalizers

import unicode_properties
from make_tokenizers import BLOOM, CONTRACTIONS, DEEPSEEK, LOWER, PATTERNS, UPPER, dump

MARK = "\x02"
THIRD = r"[^\r\n\p{L}\p{N}]?%s*%s+(?i:%s)?|[^\r\n\p{L}\p{N}]?%s+%s*(?i:%s)?" % (UPPER, LOWER, CONTRACTIONS, UPPER, LOWER, CONTRACTIONS)
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
HAN = r"&&[^\p{Han}]]"
PUBLISHED = {
    **PATTERNS,
    "gpt2": CONTRACTIONS + r"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    "cl100k_end": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    "deepseek_v3 digits": DEEPSEEK[0],
    "deepseek_v3 cjk": DEEPSEEK[1],
    "deepseek_v3": DEEPSEEK[2],
    "deepseek_coder line": r"[\r\n]",
    "deepseek_coder letters": r"\s?\p{L}+",
    "deepseek_coder punctuation": r"\s?\p{P}+",
    "deepseek_coder cjk": r"[一-龥ࠀ-一가-퟿]+",
    "deepseek_llm letters": r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+",
    "deepseek_llm punctuation": r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    "deepseek_llm end": r"\s+$",
    "bloom": BLOOM[0],
    "poro": r" ?[^(\s|.,!?…。，、।۔،)]+",
    "falcon digits": r"[0-9][0-9][0-9]",
    "jais2": r"(?i:%s)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}" % CONTRACTIONS,
    "kimi": (r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}@*[\p{Ll}\p{Lm}\p{Lo}\p{M}@+(?i:%s)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}@+[\p{Ll}\p{Lm}\p{Lo}\p{M}@*(?i:%s)?|\p{N}{1,3}".replace("@", HAN) % (CONTRACTIONS, CONTRACTIONS)) + REST,
    "tiny_aya digits": r"\d{1,3}(?=(?:\d{3})*\b)",
    "superbpe digits": r"(?=(\d{3})+(?!\d))",
    "youtu": r"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
    "afmoe": r"[一-鿿㐀-䶿\uf900-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+",
    "exaone": r"(?i:%s)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+" % CONTRACTIONS,
    "seed": r"(?i:%s)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+" % CONTRACTIONS,
    "laguna": r"[^\n]+|[\n]+",
    "chameleon image": r"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
    "chameleon sentinel": r"<sentinel:[0-9]+>",
    "chameleon spaces": r"([\t\n]|    |  )",
    "o200k": THIRD + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "spaces": r"\s+", "two spaces": r" {2,}", "edges": r"\A +| +\z", "first mark": r"\A▁", "breaks": r"\s{2,}|[\n\r\t]", "marks": r"^▁+$",
    "siglip": r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]""",
}
CONSTRUCTS = r"""a|b a|ab ab|a (a|b)*c a*b a+?b a??b a*+a (?>a+)b (?>a|ab)c a{2} a{2,} a{,2} a{2,3} a{3,2} a{2}+ a{2}? a{1,2}? a{ a{1 x{,} (ab){2,3} (?:ab|a){2}b (?:a|b|ab)+c
. .+ (?m).+ (?m:.)a \N+ \O+ \R \R\n ^ $ ^a a$ \Aa a\z a\Z \b \B \ba a\b \bab\b (?=a) (?!a) a(?=b) a(?!b) (?<=a)b (?<!a)b (?<=a|bc)d (?<=.{2,3})b (?<=(?:ab|b))a (?<!^)a (?<=\s)\S (?<=a\b).
[abc]+ [^abc]+ [a-c1-3]+ []a]+ [^]a]+ [a-]+ [-a]+ [a\-b]+ [!--]+ [--a]+ [a-c-e]+ [a\]b]+ [\[\]]+ [a[bc]]+ [^a[bc]]+ [a-z&&[^aeiou]]+ [^a-z&&[aeiou]]+ [a&&b]|c [a&&] [&&a] [a-z&&b-y&&[^m]]+ [\w&&[^\d]]+ [\p{L}&&\p{Han}]+
[[:alpha:]]+ [[:^alpha:]]+ [[:alpha:][:digit:]]+ [[:punct:]]+ \p{punct}+ [[:space:]]+ [:alpha:]+ [[:word:]]+ \w+ \W+ \d+ \D+ \s+ \S+ \h+ \H+ [\w-]+ [^\W\d_]+ \p{L}+ \P{L}+ \p{^L}+ \P{^L}+ \p{Lu}\p{Ll}+ \p{Uppercase_Letter} \p{Han}+ \p{hiragana}+ \p{Script_Extensions}
\p{Latin}+ \p{Cyrillic}+ [\p{Greek}\p{Arabic}]+ \p{Emoji} \p{Extended_Pictographic} \p{White_Space} \p{Any}+ \p{Assigned}+ \p{LC}+ \p{Nd}|\p{No} \x41 \x{41} \x{1F600} \u00e9 \xe2\x80\x99 \101 \0 \e|\a|\f|\v|\t|\r|\n \q \. \+ \/
(?i)a (?i)ab (?i:a)b a(?i)b|c a(?-i:b)(?i)c (?i)k (?i)[k] (?i)[^k] (?i)s (?i)ss (?i)ß (?i)[ß] (?i)sst (?i)ﬃ (?i)ffi (?i)st (?i)[a-z]+ (?i)[^a-z]+ (?i)\p{Lu} (?i)[\p{Lu}] (?i)[[:upper:]]+ (?i)é+ (?i)ß+ (?i)ΣΑΣ (?i)i (?i)İ (?i)ŉ (?i)(?<=ss)a (?i)'s|'ll (?i)ΐ (?i)straße
(?#x)a a(?#x)+ (?<name>a)b (?'n'a)b (?:a|)+b (a*)*b (a*)+ (?:a?b?)*c (?:a|b?)*? (?:(?=a)|b)*a (?:a|){2,3}b (a|ab)(c|bcd)(d*) (?:\s*\w)+ (x+x+)+y (?:a+)+b (a|a)*b a|b|cd|ef|[g-i] (?=a)*b ((a)) () (|a) a|| |a
\G \K \X \y \1 (a)\1 \k<n> \g<n> (?(1)a) (?~a) (?{x}) (*FAIL) (?s)a (?P<n>a) (?<=a+)b (?<!(a))b \pL [a-\d] [\w-a] [z-a] [ ( ) a) *a [] [[:foo:]] \p{Foo} \p{L \x{110000} \ud800 \xe9 \ a{100001} (?i \u12 (?a) [a-[b]] (?W:\w) \cA \M-a""".split() + [r"(?x)a +b # c", "(?x:a|#b\nc )|d", r"(?x)a\ +b", " ?[a-z]+| +(?=a)", "a (?#b) +", r"(?<=a)\s*"]
# what the library takes and this program refuses by its name
REFUSED_HERE = {r"\G", r"\K", r"\X", r"\y", r"(a)\1", r"\k<n>", r"\g<n>", r"(?(1)a)", r"(?~a)", r"(?{x})", r"(*FAIL)", r"(?<=a+)b", r"\pL", r"[a-[b]]", r"\x{110000}", r"\ud800", r"(?W:\w)", r"\cA", r"\M-a"}

TAKEN_HERE = {r"(?:(?=a)|b)*a", r"(?<!(a))b"}  # and the library refuses it: nothing that a file could hold

LETTERS = ["a", "b", "c", "d", "ab", "A", "B", "S", "s", "ss", "x", "y", "1", "2", "12", "345", " ", " ", "  ", "\n", "\r\n", "\t", ".", ",", "'s", "'LL", "!?", "-", "_", "[", "]", "(", "é", "É", "ß", "ẞ", "ſ", "K",
           "ﬃ", "ﬀ", "ﬆ", "中", "文", "ひ", "カ", "한", "ж", "Ж", "Σ", "σ", "ς", "İ", "i", "I", "ı", "ǅ", "\u0301", "\u00a0", "\u3000", "\u2028", "٣", "½", "Ⅷ", "😀", "’", "…", "।", "▁", "\x00", "\u200d", "ก", "क\u094d"]


def text(rng, most=24):
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(0, most)))


def marked(pattern, texts):
    """Every text with a mark for every match; the library's message where it refuses the pattern."""
    try:
        decoder = decoders.Replace(Regex(pattern), MARK)
        return [decoder.decode([t]) for t in texts]
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # its panics are no Exceptions
        return str(e)


def atom(rng, deep):
    k = rng.randrange(22)
    if k < 7:
        return rng.choice(["a", "b", "c", "s", "ss", "1", " ", r"\.", "é", "ß", "中", "K", "'s", "ﬀ"])
    if k < 12:
        return rng.choice([".", r"\s", r"\S", r"\w", r"\W", r"\d", r"\h", r"\p{L}", r"\p{Lu}", r"\p{N}", r"\P{L}", r"\p{M}", r"\p{P}", r"\p{Han}", r"[\r\n]", r"\R", r"[[:punct:]]"])
    if k < 15:
        return klass(rng, 0)
    if k == 15:
        return rng.choice(["^", "$", r"\b", r"\B", r"\A", r"\z", r"\Z"])
    if deep > 3:
        return "b"
    inside = expression(rng, deep + 1)
    if k == 16:
        return rng.choice(["(?=%s)", "(?!%s)"]) % inside
    if k == 17:
        return rng.choice(["(?<=%s)", "(?<!%s)"]) % rng.choice(["a", "ab", "a|bc", r"\s", r"\w\w", "[^ab]", "a|b", "^", r"\p{L}{2}"])
    if k == 18:
        return "(?>%s)" % inside
    if k == 19:
        return rng.choice(["(?i:%s)", "(?m:%s)", "(?i)%s", "(?-i:%s)"]) % inside
    return rng.choice(["(?:%s)", "(%s)"]) % inside


def klass(rng, deep):
    parts = []
    for _ in range(rng.randint(1, 4)):
        k = rng.randrange(9)
        parts.append(rng.choice(["a", "b", "s", "1", " ", "é", "ß", "中", "_", ","]) if k < 3 else rng.choice(["a-c", "0-9", "A-Z", "à-ÿ", "一-龥", "!-/"]) if k < 5
                     else rng.choice([r"\s", r"\w", r"\d", r"\p{L}", r"\P{N}", r"\p{Ll}", "[:alpha:]", "[:^space:]", r"\n", r"\-"]) if k < 8 or deep > 1 else klass(rng, deep + 1))
    if rng.random() < 0.15:
        parts.insert(rng.randrange(1, len(parts) + 1), "&&")
    return "[%s%s]" % ("^" if rng.random() < 0.3 else "", "".join(parts))


def expression(rng, deep=0):
    branches = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        out = ""
        for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4]) if deep else rng.randint(1, 4)):
            one = atom(rng, deep)
            if rng.random() < 0.4 and not one.startswith(("^", "$", r"\b", r"\B", r"\A", r"\z", r"\Z", "(?=", "(?!", "(?<", "(?i)")):
                one += rng.choice(["*", "+", "?", "*?", "+?", "??", "*+", "++", "?+", "{2}", "{1,2}", "{1,3}", "{2,}", "{,2}", "{1,2}?", "{2,1}"])
            out += one
        branches.append(out)
    return "|".join(branches)


def fnv(characters):
    """Of the ends of their ranges, three bytes each."""
    h = 14695981039346656037
    for c in unicode_properties.ranges(characters):
        for byte in (c & 255, c >> 8 & 255, c >> 16):
            h = (h ^ byte) * 1099511628211 & (1 << 64) - 1
    return "%016x" % h


BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def splits(rng):
    """[pre-tokenizer, text, its pieces] and [normaliser, text, what it makes of it]."""
    out, normal = [], []
    digits, byte_level = {"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    split = lambda p, behavior="Isolated", invert=False: {"type": "Split", "pattern": {"Regex": p}, "behavior": behavior, "invert": invert}
    sequence = lambda *steps: {"type": "Sequence", "pretokenizers": list(steps)}
    bytes_only = {**byte_level, "use_regex": False}
    steps = [split(p, b, i) for b in BEHAVIORS for i in (False, True) for p in (r"\s+", r"(?=\d)", r"\b", "", r"a|b|", r"\p{N}{1,3}", "$", r"(?<=,) ?")] + [
        sequence(split(PUBLISHED["deepseek_v3 digits"]), split(PUBLISHED["deepseek_v3 cjk"]), split(PUBLISHED["deepseek_v3"]), bytes_only),
        sequence(*(split(PUBLISHED["deepseek_coder " + k]) for k in ("line", "letters", "punctuation", "cjk")), digits, bytes_only),
        sequence(split(PUBLISHED["bloom"]), bytes_only), sequence(split(PUBLISHED["superbpe digits"]), bytes_only),
        sequence({"type": "Punctuation", "behavior": "Contiguous"}, byte_level, {"type": "Digits", "individual_digits": False}, split(PUBLISHED["falcon digits"])),
        sequence(split(PUBLISHED["deepseek_coder line"]), split(PUBLISHED["deepseek_llm letters"]), split(PUBLISHED["deepseek_llm punctuation"]), split(r"\s+$"), bytes_only)]
    for step in steps:
        t = Tokenizer.from_str(json.dumps({"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": step, "post_processor": None, "decoder": None, "model": {"type": "BPE", "vocab": {}, "merges": []}}))
        for _ in range(5):
            s = text(rng)
            out.append([step, s, [p for p, _ in t.pre_tokenizer.pre_tokenize_str(s)]])
    for p in (r"\s+", r" {2,}", r"\A +| +\z", r"\A▁", "(?=a)", r"\b", "$", "", "a|", r"(?i)ss", r"[\n\r\t]|\s{2,}"):
        for content in ("", "_"):
            for _ in range(3):
                s = text(rng)
                normal.append([{"type": "Replace", "pattern": {"Regex": p}, "content": content}, s, normalizers.Replace(Regex(p), content).normalize_str(s)])
    return {"splits": out, "normalizers": normal}


def main(folder, *more):
    rng = random.Random(20261126)
    cases, groups = [], [(list(PUBLISHED.values()), 10, 40), (CONSTRUCTS, 6, 14), ([expression(rng) for _ in range(400)], 4, 12)]
    for patterns, count, most in groups:
        for pattern in patterns:
            texts = [text(rng, most) for _ in range(count)]
            texts.append(texts[0] + "\n")  # where a line ends and none begins
            got = marked(pattern, texts)
            cases.append([pattern, None] if isinstance(got, str) else [pattern, texts, got if pattern not in REFUSED_HERE else None])
    # of what the library refuses only what is wrong by itself: it refuses more, where a place may be repeated
    cases = [c for c in cases if c[1] is not None or c[0] in CONSTRUCTS and c[0] not in TAKEN_HERE]
    dump(os.path.join(folder, "patterns.json"), {"published": list(PATTERNS.values()) + [PUBLISHED["gpt2"]], "cases": cases, **splits(rng)})
    if "--properties" in more:  # slow
        names = ["Lu", "L", "P", "Cn", "Letter", "LC", "Any", "Han", "Latin", "Cyrl", "Unknown", *unicode_properties.OTHERS, *unicode_properties.POSIX]
        patterns = [r"\p{%s}" % n for n in names] + ["[[:%s:]]" % n for n in unicode_properties.POSIX] + [r"\w", r"[\w]", r"\s", r"\d", r"\h", r"\W", r"\P{L}", "."]
        dump(os.path.join(folder, "properties.json"), [[p, fnv(unicode_properties.members(p))] for p in patterns])


if __name__ == "__main__":
    main(*sys.argv[1:])
