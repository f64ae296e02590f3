"""Tokenizers drawn at random: model, vocabulary, merges, every component with its options, added tokens with their flags.

For check_tokenizers.py --random N. Only what the program says it knows is drawn; a component that the library refuses is
drawn again.
"""
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
import make_tokenizers as make  # noqa: E402
import patterns  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

PIECES = list("abcdefghijklmnopqrstuvwxyzABCDE0123456789.,!?'-_<>|▁#/ \n\t") + ["é", "e\u0301", "\u0301", "中", "文", "ß", "İ", "ﬁ", "½", "한", "\u1100", "\u1161", "😀", "\u200d", "ſ", "ي", "क", "\u094d", "\u00a0", "\u3000"]
ALPHABET = [chr(b) if 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or b >= 0xAE else None for b in range(256)]
FREE = iter(range(256))
for i, c in enumerate(ALPHABET):
    if c is None:
        ALPHABET[i] = chr(256 + next(FREE))


def in_bytes(text):
    return "".join(ALPHABET[b] for b in text.encode())


def some(rng, items, least=0, most=None):
    return [rng.choice(items) for _ in range(rng.randint(least, most if most is not None else least + 3))]


def text(rng, most=4):
    return "".join(some(rng, PIECES, 1, most))


def pattern(rng):
    k = rng.randrange(12)
    if k < 2:
        return {"Regex": rng.choice(list(make.PATTERNS.values()))}
    if k < 5:
        return {"Regex": rng.choice(list(patterns.PUBLISHED.values()))}
    if k < 8:
        return {"Regex": patterns.expression(rng, rng.randrange(3))}
    if k < 10:
        return {"String": rng.choice([" ", "▁", ",", "ab", "é", "\n", "--", text(rng, 2)])}
    return {"Regex": rng.choice([r"\s+", r" {2,}", r"\p{N}{1,3}", r"\p{L}+", r"[abc]+", r"\p{N}", r"[\r\n]", r"\s", r"\n+|\t"])}


def normalizer(rng, depth=0):
    kinds = ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "Prepend", "Replace", "BertNormalizer", "Nmt", "Precompiled", "ByteLevel", "Sequence", "Sequence"]
    k = rng.choice(kinds[: -2 if depth else None])
    flag = lambda: rng.random() < 0.5
    if k == "Strip":
        return {"type": k, "strip_left": flag(), "strip_right": flag()}
    if k == "Prepend":
        return {"type": k, "prepend": rng.choice(["▁", " ", text(rng, 2)])}
    if k == "Replace":
        return {"type": k, "pattern": pattern(rng), "content": rng.choice(["", " ", "▁", text(rng, 2)])}
    if k == "BertNormalizer":
        return {"type": k, "clean_text": flag(), "handle_chinese_chars": flag(), "strip_accents": rng.choice([None, True, False]), "lowercase": flag()}
    if k == "Precompiled":
        return make.component(make.normalizers.Precompiled(make.CHARSMAP))
    if k == "Sequence":
        return {"type": k, "normalizers": [normalizer(rng, 1) for _ in range(rng.randint(0, 4))]}
    return {"type": k}


BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def metaspace(rng):
    return {"type": "Metaspace", "replacement": rng.choice(["▁", "▁", "▁", "_", "é"]), "prepend_scheme": rng.choice(["always", "first", "never"]), "split": rng.random() < 0.6}


def pre_tokenizer(rng, depth=0):
    kinds = ["ByteLevel", "Split", "Split", "Metaspace", "Metaspace", "BertPreTokenizer", "Whitespace", "WhitespaceSplit", "Punctuation", "Digits", "CharDelimiterSplit", "FixedLength", "Sequence", "Sequence", "Sequence"]
    k = rng.choice(kinds[: -3 if depth else None])
    flag = lambda: rng.random() < 0.5
    if k == "ByteLevel":
        return {"type": k, "add_prefix_space": flag(), "trim_offsets": True, "use_regex": flag()}
    if k == "Split":
        return {"type": k, "pattern": pattern(rng), "behavior": rng.choice(BEHAVIORS), "invert": rng.random() < 0.25}
    if k == "Metaspace":
        return metaspace(rng)
    if k == "Punctuation":
        return {"type": k, "behavior": rng.choice(BEHAVIORS)}
    if k == "Digits":
        return {"type": k, "individual_digits": flag()}
    if k == "CharDelimiterSplit":
        return {"type": k, "delimiter": rng.choice([",", "|", "é", " "])}
    if k == "FixedLength":
        return {"type": k, "length": rng.randint(1, 9)}
    if k == "Sequence":
        return {"type": k, "pretokenizers": [pre_tokenizer(rng, 1) for _ in range(rng.randint(0, 3))]}
    return {"type": k}


def decoder(rng, depth=0):
    kinds = ["ByteLevel", "Metaspace", "WordPiece", "BPEDecoder", "Replace", "Fuse", "Strip", "ByteFallback", "CTC", "Sequence", "Sequence"]
    k = rng.choice(kinds[: -2 if depth else None])
    if k == "ByteLevel":
        return {"type": k, "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    if k == "Metaspace":
        return metaspace(rng)
    if k == "WordPiece":
        return {"type": k, "prefix": rng.choice(["##", "a", "▁"]), "cleanup": rng.random() < 0.5}
    if k == "BPEDecoder":
        return {"type": k, "suffix": rng.choice(["</w>", "a"])}
    if k == "Replace":
        return {"type": k, "pattern": pattern(rng), "content": rng.choice(["", " ", text(rng, 2)])}
    if k == "Strip":
        return {"type": k, "content": rng.choice([" ", "a", "▁"]), "start": rng.randrange(3), "stop": rng.randrange(3)}
    if k == "CTC":
        return {"type": k, "pad_token": rng.choice(["<pad>", "a"]), "word_delimiter_token": "|", "cleanup": rng.random() < 0.5}
    if k == "Sequence":
        return {"type": k, "decoders": [decoder(rng, 1) for _ in range(rng.randint(0, 4))]}
    return {"type": k}


def vocabulary(rng, first, suffix="", prefix=""):
    """Texts from single pieces up, each next one of two that are there; and the pairs in that order."""
    tokens, pairs = list(first), []
    for _ in range(rng.randint(5, 120)):
        a, b = rng.choice(tokens), rng.choice(tokens)
        if suffix and a.endswith(suffix):
            continue
        tail = b[len(prefix):] if prefix and b.startswith(prefix) else b
        if prefix and not b.startswith(prefix):
            continue
        if a + tail not in tokens:
            tokens.append(a + tail)
        if [a, b] not in pairs and " " not in a + b and "\n" not in a + b:
            pairs.append([a, b])
    return tokens, pairs


def bpe(rng):
    bytewise = rng.random() < 0.5
    first = rng.sample(ALPHABET, rng.randint(100, 256)) if bytewise else list(dict.fromkeys(rng.sample(PIECES, rng.randint(20, len(PIECES)))))
    first = [c for c in first if len(c) == 1]
    suffix, prefix = rng.choice(["", "", "", "</w>"]), rng.choice(["", "", "", "", "##"])
    if suffix:
        prefix = ""
        first += [c + suffix for c in first if rng.random() < 0.7]
    if prefix:
        first += [prefix + c for c in first if rng.random() < 0.7]
    tokens, pairs = vocabulary(rng, first, suffix, prefix)
    fallback = rng.random() < 0.4
    if fallback:
        tokens += make.BYTES if rng.random() < 0.7 else rng.sample(make.BYTES, 200)
    unk = rng.choice([None, "<unk>"])
    tokens.insert(rng.randrange(len(tokens)), "<unk>")
    rng.shuffle(pairs)
    ids = list(range(len(tokens))) if rng.random() < 0.8 else rng.sample(range(3 * len(tokens)), len(tokens))
    return {"type": "BPE", "dropout": None, "unk_token": unk, "continuing_subword_prefix": prefix or None, "end_of_word_suffix": suffix or None, "fuse_unk": rng.random() < 0.5,
            "byte_fallback": fallback, "ignore_merges": rng.random() < 0.3, "vocab": dict(zip(tokens, ids)), "merges": pairs if rng.random() < 0.7 else [" ".join(p) for p in pairs]}


def words_of(rng):
    return [w for w in rng.sample(make.WORDS, 60)] + [w.lower() for w in rng.sample(make.WORDS, 60)]


def wordpiece(rng):
    first = [c for c in PIECES if c.strip()]
    tokens = rng.sample(first, rng.randint(10, len(first))) + ["##" + c for c in rng.sample(first, rng.randint(10, len(first)))] + words_of(rng)
    tokens += ["##" + text(rng) for _ in range(30)]
    tokens = list(dict.fromkeys(["[UNK]"] + tokens))
    return {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": rng.choice(["##", "##", "a"]), "max_input_chars_per_word": rng.choice([100, 100, 7, 1]), "vocab": {t: i for i, t in enumerate(tokens)}}


def unigram(rng):
    tokens, _ = vocabulary(rng, rng.sample(PIECES, rng.randint(20, len(PIECES))) + ["▁"])
    tokens = list(dict.fromkeys(["<unk>"] + tokens + [("▁" if rng.random() < 0.5 else "") + w for w in words_of(rng)]))
    fallback = rng.random() < 0.3
    if fallback:
        tokens = list(dict.fromkeys(tokens + make.BYTES))
    return {"type": "Unigram", "unk_id": 0, "byte_fallback": fallback, "vocab": [[t, -float(rng.randint(0, 12)) / rng.choice([1, 2, 3])] for t in tokens]}


def wordlevel(rng):
    tokens = list(dict.fromkeys(["<unk>"] + words_of(rng) + PIECES))
    return {"type": "WordLevel", "unk_token": "<unk>", "vocab": {t: i for i, t in enumerate(tokens)}}


def added(rng):
    """With the flags in every mixture; texts that begin one another, that are words, spaces, and hardly normal."""
    texts = ["<s>", "</s>", "<pad>", "<image>", "<im", "word", "Word", "ÉTÉ", "e\u0301t", "new york", " ", "  ", "\n", "a", "ab", "abc", "▁", "▁a", "é", "中", "'s", "<s><s>", "1", "Ｆ", "ﬁ", "İ"]
    flag = lambda p: rng.random() < p
    out = []
    for t in rng.sample(texts, rng.randint(0, 8)):
        out.append(make.AddedToken(t, single_word=flag(0.25), lstrip=flag(0.3), rstrip=flag(0.3), normalized=flag(0.5), special=flag(0.4)))
    return out


def post_processor(rng, t, names):
    """One that adds these tokens, on one side or both, or none; alone or in a sequence."""
    pick = lambda: rng.choice(names)
    pair = lambda name: [name, t.token_to_id(name)]
    flag = lambda: rng.random() < 0.5
    k = rng.choice(["TemplateProcessing", "TemplateProcessing", "RobertaProcessing", "BertProcessing", "ByteLevel"])
    if k == "ByteLevel":
        return {"type": k, "add_prefix_space": flag(), "trim_offsets": flag(), "use_regex": flag()}
    if k != "TemplateProcessing":
        flags = {"trim_offsets": flag(), "add_prefix_space": flag()} if k == "RobertaProcessing" else {}
        return {"type": k, "sep": pair(pick()), "cls": pair(pick()), **flags}
    used = some(rng, names, 0, 3)
    parts = [{"SpecialToken": {"id": n, "type_id": 0}} for n in used]
    parts.insert(rng.randint(0, len(parts)), {"Sequence": {"id": "A", "type_id": 0}})
    special = {n: {"id": n, "ids": [t.token_to_id(n)] * rng.choice([1, 1, 2]), "tokens": [n]} for n in used}
    for n in special:
        special[n]["tokens"] *= len(special[n]["ids"])
    one = {"type": k, "single": parts, "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": special}
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    return {"type": "Sequence", "processors": rng.sample([byte_level, one], 2)} if rng.random() < 0.3 else one


def draw(seed):
    """(tokenizer.json as an object, the texts of its added tokens)."""
    for turn in range(1000):
        rng = random.Random(seed * 1000 + turn)
        model = rng.choice([bpe, bpe, bpe, wordpiece, unigram, unigram, wordlevel])(rng)
        maybe = lambda make_one, p: make_one(rng) if rng.random() < p else None
        js = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": maybe(normalizer, 0.7), "pre_tokenizer": maybe(pre_tokenizer, 0.8), "post_processor": None,
              "decoder": maybe(decoder, 0.8), "model": model}
        try:
            t = Tokenizer.from_str(json.dumps(js))
            tokens = added(rng)
            t.add_tokens(tokens)
            normal = [t.normalizer.normalize_str(x.content) for x in tokens if x.normalized and t.normalizer]
            if len(set(normal)) < len(normal) or "" in normal:
                continue  # which of two counts is a matter of the library's hash map, another each time; an empty one makes it panic
            js, names = json.loads(t.to_str()), [str(x.content) for x in tokens]
            if names and rng.random() < 0.6:
                js["post_processor"] = post_processor(rng, t, names)
                Tokenizer.from_str(json.dumps(js))
            return js, names
        except BaseException:  # its panics are no Exceptions
            continue
    raise SystemExit("seed %d: nothing that the library takes" % seed)
