"""Scores of pycocoevalcap (pip install --no-deps pycocoevalcap) on words tokenised as here: test/golden/caption_scores.json."""
import json, os, random
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocoevalcap.rouge.rouge import Rouge

random.seed(3)
words = "a red disc blue star two three small striped on the left in desert and man's table, .".split()
say = lambda: " ".join(random.choice(words) for _ in range(random.randint(1, 14)))


def near(text):
    w = text.split()
    for _ in range(random.randint(0, 4)):
        w[random.randrange(len(w))] = random.choice(words)
    return " ".join(w[: random.randint(max(1, len(w) - 3), len(w))] + ([] if random.random() < 0.6 else [random.choice(words)]))


plain = lambda text: " ".join(w for w in ("".join(c for c in x.lower() if c.isalnum()) for x in text.split()) if w)
references = [[say() for _ in range(random.randint(1, 5))] for _ in range(30)]
captions = [near(random.choice(r)) for r in references]
captions[4], references[7] = "", []  # nothing said; nothing to hold it against
pairs = [(plain(c), [plain(x) for x in r]) for c, r in zip(captions, references) if r]
bleu, cider, rouge = BleuScorer(n=4), CiderScorer(n=4, sigma=6.0), Rouge()
for c, r in pairs:
    bleu += (c, r)
    cider += (c, r)
out = {"captions": captions, "references": references, "bleu": bleu.compute_score(option="closest")[0], "cider_d": float(cider.compute_score()[0]),
       "rouge_l": sum(rouge.calc_score([c], r) if c else 0.0 for c, r in pairs) / len(pairs)}
json.dump(out, open(os.path.join(os.path.dirname(__file__), "..", "golden", "caption_scores.json"), "w"), indent=1)
print(out["bleu"], out["cider_d"], out["rouge_l"])
