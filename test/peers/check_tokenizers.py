"""Compares `retina tokenize` with the `tokenizers` library on fresh random strings, and with transformers' AutoTokenizer.

    python test/peers/check_tokenizers.py [--retina ./retina] [--count 100000] [--seed 1] [--only NAME,…] [--dir DIR]

    python test/peers/check_tokenizers.py --random 200 --count 2000 [--seed 1]
    python test/peers/check_tokenizers.py --words 1000,30000,1048576 [--only NAME,…] [--dir DIR]

Builds a tokenizer of every family of test/reference/make_tokenizers.py, larger than the golden ones, and for each compares
ids with and without special tokens, and decoded texts of these ids and of random ones. With --dir, the tokenizer.json there.
With --random, so many tokenizers whose every part is drawn (random_tokenizers.py), texts that the library cannot encode left out.
With --words, ids of words of so many bytes without a break (test/reference/long_words.py): random letters, Fibonacci's word …
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "reference"))
import long_words  # noqa: E402
import make_tokenizers as make  # noqa: E402
import random_tokenizers  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\n\n", " \n ", "\u00a0", "\u3000", "\u2028", "\u2029", "\u1680", "\x0b", "\x0c", "\x85", "\u200b", "\u202f", "\ufeff"]
MARKS = [c for c in range(0x300, 0x370)] + [0x591, 0x5b0, 0x64b, 0x651, 0x93c, 0x94d, 0xe38, 0xe48, 0x302a, 0x3099, 0x309a, 0x1161, 0x11a8, 0x11a7, 0x11c3, 0x200d, 0xfe0f, 0x20e3, 0x1f3fd, 0x345, 0xf71, 0x1d165]
BLOCKS = [(0x20, 0x7f), (0x20, 0x7f), (0x80, 0x250), (0x250, 0x590), (0x590, 0x900), (0x900, 0xe00), (0xe00, 0x1200), (0x1100, 0x1200), (0x1200, 0x2000), (0x1e00, 0x2000), (0x2000, 0x2c00), (0x2c00, 0x3100),
          (0x3040, 0x3100), (0x3100, 0x3400), (0x4e00, 0x4f00), (0xa000, 0xac00), (0xac00, 0xad00), (0xf900, 0x10000), (0x10000, 0x12000), (0x1d000, 0x1d800), (0x1f000, 0x1fb00), (0x20000, 0x20100), (0x2f800, 0x2fa20),
          (0xe0000, 0xe0200), (0, 0x20), (0x7f, 0xa1), (0, 0x110000)]
CASES = ["'s", "'S", "'ſ", "'t", "'re", "'VE", "'m", "'ll", "'Ll", "'d", "'", "’s", "<|", "|>", "</w>", "▁", "▁▁", "##", "<0x41>", "<0xE4>", "ﬁ", "½", "Å", "İ", "Σ", "ς", "ǅ", "ẞ", "...", "--", "//", "/", "1234567", "\x00"]


def character(rng):
    while True:
        c = rng.randrange(*rng.choice(BLOCKS))
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def string(rng, words, special):
    parts = []
    for _ in range(rng.choice([1, 2, 3, 5, 8, 13, 30])):
        kind = rng.randrange(12)
        if kind < 4:
            w = rng.choice(words)
            parts.append(rng.choice([w, w, w.lower(), w.upper(), w.capitalize(), unicodedata.normalize(rng.choice(["NFD", "NFC", "NFKC"]), w)]))
        elif kind < 6:
            parts.append(rng.choice(SPACES) * rng.choice([1, 1, 1, 2, 5]))
        elif kind == 6:
            parts.append(rng.choice(special))
        elif kind == 7:
            s = rng.choice(special)
            parts.append(rng.choice([s[1:], s[:-1], s.upper(), s + s, " " + s + " "]))
        elif kind == 8:
            parts.append(rng.choice(CASES))
        elif kind == 9:
            parts.append(character(rng) + "".join(chr(rng.choice(MARKS)) for _ in range(rng.choice([1, 1, 2, 3, 20]))))
        else:
            parts.append("".join(character(rng) for _ in range(rng.choice([1, 2, 4, 8]))))
        if rng.random() < 0.3:
            parts.append(" ")
    return "".join(parts)


def retina(command, folder, lines, *options):
    out = subprocess.run([*command, "tokenize", folder, "--file", "-", "--json-lines", "--quiet", *options], input="\n".join(lines).encode("utf-8"), capture_output=True)
    if out.returncode:
        raise SystemExit("retina tokenize %s %s: status %d: %s" % (folder, " ".join(options), out.returncode, out.stderr.decode("utf-8", "replace")))
    return [json.loads(line) for line in out.stdout.decode("utf-8").rstrip("\n").split("\n")]


def shorter(command, folder, t, text, special):
    """The shortest piece of a text that still differs, by cutting halves, then single characters."""
    differs = lambda s: retina(command, folder, [json.dumps(s)], *special)[0] != t.encode(s, add_special_tokens=not special).ids
    size = max(1, len(text) // 2)
    while size:
        at = 0
        while at < len(text):
            cut = text[:at] + text[at + size:]
            if cut and differs(cut):
                text = cut
            else:
                at += size
        size //= 2
    return text


def compare(command, folder, name, strings, rng):
    t = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    js = json.load(open(os.path.join(folder, "tokenizer.json"), encoding="utf-8"))
    # BPE with an end of words and ByteLevel's decoder is CLIP's, whose class does the rest
    clip = js["model"].get("end_of_word_suffix") and (js["decoder"] or {}).get("type") == "ByteLevel"
    wrong = 0
    lines = [json.dumps(s, ensure_ascii=False) for s in strings]
    for special in ((), ("--no-special",)):
        got = retina(command, folder, lines, *special)
        want = [e.ids for e in t.encode_batch(strings, add_special_tokens=not special)]
        bad = [i for i in range(len(strings)) if got[i] != want[i]]
        wrong += len(bad)
        for i in bad[:3]:
            s = shorter(command, folder, t, strings[i], special)
            e = t.encode(s, add_special_tokens=not special)
            print("  %s%s: %s\n    here      %s\n    reference %s %s" % (name, " ".join(special), ascii(s), retina(command, folder, [json.dumps(s)], *special)[0], e.ids, e.tokens))
        encoded = want
    highest = max(t.get_vocab().values())
    ids = encoded + [[rng.randint(0, highest + 2) for _ in range(rng.randrange(20))] for _ in strings[: len(strings) // 2]]
    for keep in ((), ("--keep-special",)):
        got = retina(command, folder, [json.dumps(x) for x in ids], "--decode", *keep)
        want = [t.decode(x, skip_special_tokens=not keep) for x in ids]
        if clip:
            want = [w.replace(js["model"]["end_of_word_suffix"], " ").strip() for w in want]
        bad = [i for i in range(len(ids)) if got[i] != want[i]]
        wrong += len(bad)
        for i in bad[:3]:
            print("  %s decode %s: %s\n    here      %s\n    reference %s" % (name, " ".join(keep), ids[i], ascii(got[i]), ascii(want[i])))
    return wrong, len(strings), len(ids)


def encodable(t, strings):
    """Those that the library takes: a model without an unknown token refuses some."""
    out = []
    for s in strings:
        try:
            t.encode(s)
            out.append(s)
        except KeyboardInterrupt:
            raise
        except BaseException:  # its panics are no Exceptions
            pass
    return out


def randomly(a, folder):
    """Numbers of tokenizers, texts and differences; tokenizers that this program refuses to load are counted by its reason."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where the library writes its panics
    total = texts = 0
    refused = {}
    for seed in range(a.seed, a.seed + a.random):
        js, special = random_tokenizers.draw(seed)
        name = "random-%d" % seed
        where = os.path.join(folder, name)
        os.makedirs(where)
        make.dump(os.path.join(where, "tokenizer.json"), js)
        rng = random.Random(seed)
        try:
            t = Tokenizer.from_file(os.path.join(where, "tokenizer.json"))
            strings = encodable(t, [string(rng, make.WORDS, special or [" "]) for _ in range(a.count)])
            wrong, count, _ = compare(a.retina.split(), where, name, strings, rng) if strings else (0, 0, 0)
        except KeyboardInterrupt:
            raise
        except BaseException as e:
            reason = str(e).split("tokenizer.json: ")[-1]
            refused[reason] = refused.get(reason, 0) + 1
            continue
        total += wrong
        texts += count
        if wrong:
            print("  %s: %d differ: %s" % (name, wrong, json.dumps({k: js[k] if k != "model" else {x: y for x, y in js[k].items() if x not in ("vocab", "merges")} for k in js if k != "added_tokens"}, ensure_ascii=True)), flush=True)
    for reason, n in sorted(refused.items()):
        print("  refused %d: %s" % (n, reason))
    print("%d random tokenizers, %d texts twice: %d differences" % (a.random, texts, total))
    return total > 0


def compare_words(command, folder, sizes):
    """How many words were compared, and the kinds that differ."""
    t = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    words = [("%s, %d bytes" % (kind, size), word(size)) for size in sizes for kind, word in long_words.WORDS.items()]
    got = retina(command, folder, [json.dumps(w, ensure_ascii=False) for _, w in words], "--no-special")
    return len(words), [kind for (kind, w), ids in zip(words, got) if ids != t.encode(w, add_special_tokens=False).ids]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--retina", default="./retina")
    p.add_argument("--count", type=int, default=100000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", default="")
    p.add_argument("--dir")
    p.add_argument("--random", type=int, default=0)
    p.add_argument("--words", default="")
    a = p.parse_args()
    rng = random.Random(a.seed)
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        if a.random:
            return randomly(a, folder)
        built = {} if a.dir else make.families(6, a.seed)
        for name, one in built.items():
            make.write(folder, name, one)
        names = [a.dir] if a.dir else [n for n in built if not a.only or n in a.only.split(",")]
        for name in names:
            where = a.dir or os.path.join(folder, name)
            if a.words:
                count, wrong = compare_words(a.retina.split(), where, [int(size) for size in a.words.split(",")])
                total += len(wrong)
                print("%-16s %d words: %d differ%s" % (os.path.basename(name), count, len(wrong), "".join("; " + kind for kind in wrong)), flush=True)
                continue
            special = [x["content"] for x in json.load(open(os.path.join(where, "tokenizer.json"), encoding="utf-8"))["added_tokens"]] or [" "]
            strings = [string(rng, make.WORDS, special) for _ in range(a.count)]
            wrong, texts, decoded = compare(a.retina.split(), where, os.path.basename(name), strings, rng)
            total += wrong
            print("%-16s %d texts twice, %d lists of ids twice: %d differ" % (os.path.basename(name), texts, decoded, wrong), flush=True)
    print("%d differences" % total)
    return total > 0


if __name__ == "__main__":
    sys.exit(main())
