"""Writes test/golden/tokenizers/words.json: for every family of the goldens there, and one more made here, how many ids the
`tokenizers` library gives for words of 64 KiB, and a checksum of them.

    python test/reference/long_words.py test/golden/tokenizers

The one made here (any_order) has every text of up to four of the letters a, b, c for a token and every way of putting it
together for a merge, in an order drawn at random: merges make pairs of lower ranks than their own, which in a trained
vocabulary they never do. The words are those of long_words() in test/test_tokenizer.c.
"""
import itertools
import json
import os
import random
import sys

from tokenizers import Tokenizer

SIZE = 1 << 16


def draws(count):
    """Numbers below `count`, the same as in the test."""
    state = 1
    while True:
        state = (state * 1664525 + 1013904223) % 2**32
        yield (state >> 16) % count


def drawn(first, count):
    return lambda size: "".join(chr(first + k) for k in itertools.islice(draws(count), size // len(chr(first).encode("utf-8"))))


def fibonacci(size):
    a, b = "a", "ab"
    while len(b) < size:
        a, b = b, b + a
    return b[:size]


WORDS = {"letters": drawn(ord("a"), 26), "three letters": drawn(ord("a"), 3), "digits": drawn(ord("0"), 10), "characters": drawn(0x4E00, 500),
         "one letter": lambda size: "a" * size, "two letters": lambda size: "ab" * (size // 2), "Fibonacci": fibonacci}


def checksum(ids):
    h = 2166136261
    for i in ids:
        h = (h ^ i) * 16777619 % 2**32
    return h


def any_order():
    texts = ["".join(t) for n in range(1, 5) for t in itertools.product("abc", repeat=n)]
    merges = [[t[:k], t[k:]] for t in texts for k in range(1, len(t))]
    random.Random(4).shuffle(merges)
    return {"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "unk_token": "?", "fuse_unk": True, "vocab": {t: i for i, t in enumerate(texts + ["?"])}, "merges": merges}}


def main(folder):
    os.makedirs(os.path.join(folder, "any_order"), exist_ok=True)
    with open(os.path.join(folder, "any_order", "tokenizer.json"), "w", encoding="utf-8") as f:
        json.dump(any_order(), f, separators=(",", ":"))
    with open(os.path.join(folder, "cases.json"), encoding="utf-8") as f:
        names = ["any_order", *json.load(f)["families"]]
    out = {}
    for name in names:
        t = Tokenizer.from_file(os.path.join(folder, name, "tokenizer.json"))
        ids = {kind: t.encode(word(SIZE), add_special_tokens=False).ids for kind, word in WORDS.items()}
        out[name] = {kind: [len(x), checksum(x)] for kind, x in ids.items()}
    with open(os.path.join(folder, "words.json"), "w", encoding="utf-8") as f:
        json.dump(out, f, separators=(",", ":"))


if __name__ == "__main__":
    main(*sys.argv[1:])
