"""ALIGN: EfficientNet and BERT."""
import torch
import transformers as T

import golden
import vocabulary
from case import Case, ids, pixels

# the stem always makes 32 channels, scaled
VISION = dict(image_size=33, width_coefficient=0.4, depth_coefficient=1.2, depth_divisor=4, kernel_sizes=[3, 5, 3], in_channels=[32, 10, 16],
              out_channels=[10, 16, 22], strides=[1, 2, 2], num_block_repeats=[1, 2, 1], expand_ratios=[1, 4, 3])
TEXT = dict(hidden_size=20, intermediate_size=34, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=16, vocab_size=100)


def last_channels(vision):
    w, d = vision["out_channels"][-1] * vision["width_coefficient"], vision["depth_divisor"]
    n = max(d, int(w + d / 2) // d * d)
    return n + d if n < 0.9 * w else n


def build(name, seed, vision, text, dtype, images=2, lengths=(5, 9), **kw):
    rng = golden.rng_of(seed, "inputs")
    C = last_channels(vision)
    config = T.AlignConfig(vision_config=dict(vision, hidden_dim=C), text_config=text, projection_dim=C)
    words = ids(rng, text["vocab_size"], len(lengths), max(lengths), avoid=(4,))
    mask = torch.tensor([[int(t < n) for t in range(max(lengths))] for n in lengths])
    S = vision["image_size"]
    runs = {"": {"input_ids": torch.where(mask.bool(), words, 0), "attention_mask": mask, "pixel_values": pixels(rng, images, 3, S, S)}}
    return Case(name, T.AlignModel(config), runs, dtype, seed=seed,
                files={"tokenizer.json": vocabulary.wordpiece(text["vocab_size"] - 2)} if text["vocab_size"] >= 90 else {}, **kw)


def cases():
    yield build("align-small", 97, VISION, TEXT, "f32", limit=90)


def random_case(rng, seed):
    n = int(rng.integers(2, 5))
    base = [int(c) for c in rng.integers(8, 28, size=n + 1)]
    vision = dict(image_size=int(rng.integers(15, 24)), width_coefficient=float(rng.choice([0.5, 1.0, 1.3])), depth_coefficient=float(rng.choice([0.6, 1.0, 1.4])),
                  depth_divisor=int(rng.choice([2, 4, 8])), kernel_sizes=[int(k) for k in rng.choice([3, 5], size=n)], in_channels=[32] + base[1:-1], out_channels=base[1:],
                  strides=[int(s) for s in rng.integers(1, 3, size=n)], num_block_repeats=[int(r) for r in rng.integers(1, 3, size=n)],
                  expand_ratios=[int(e) for e in rng.choice([1, 2, 6], size=n)], squeeze_expansion_ratio=float(rng.choice([0.25, 0.5])))
    heads = int(rng.integers(1, 4))
    text = dict(TEXT, hidden_size=heads * int(rng.integers(2, 16)), num_attention_heads=heads, intermediate_size=int(rng.integers(9, 60)),
                num_hidden_layers=int(rng.integers(1, 4)))
    return build("align", seed, vision, text, str(rng.choice(["f32", "bf16"])), lengths=tuple(int(x) for x in rng.integers(2, 16, size=2)))
