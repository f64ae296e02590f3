"""CLIP: both towers, the vision tower alone, the text tower alone."""
import torch
from transformers import (CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionConfig,
                          CLIPVisionModel, CLIPVisionModelWithProjection)

import golden
import vocabulary
from case import Case, ids, pixels

VISION = dict(hidden_size=24, intermediate_size=62, num_hidden_layers=3, num_attention_heads=4, patch_size=4, image_size=20)
TEXT = dict(hidden_size=24, intermediate_size=56, num_hidden_layers=2, num_attention_heads=3, vocab_size=99,
            max_position_embeddings=12)


def preprocessor(size):
    return {"crop_size": {"height": size, "width": size}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
            "do_rescale": True, "do_resize": True, "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_processor_type": "CLIPImageProcessor", "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3,
            "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": size}}


def captions(rng, text, rows, eos):
    """<start> words <end>, padded with the end token, lengths that differ."""
    T, V = text["max_position_embeddings"], text["vocab_size"]
    start = eos - 1
    out = torch.full((rows, T), eos, dtype=torch.int64)
    for r in range(rows):
        n = int(rng.integers(1, T - 1))
        out[r, 0] = start
        out[r, 1:1 + n] = ids(rng, V + 1 if eos < V - 1 else V - 2, n, avoid=(eos, start))
    return out


def odd_texts(rng, text, eos):
    """What a tokenizer does not make: no end, two ends, an end in front, ids above the end; and an attention mask that hides the padding."""
    T = int(rng.integers(4, text["max_position_embeddings"] + 1))
    rows = torch.tensor(rng.integers(0, text["vocab_size"], (4, T)), dtype=torch.int64)
    rows[0][rows[0] == eos] = 0
    rows[1, T // 2], rows[1, T - 1], rows[2, 0] = eos, eos, eos
    mask = torch.ones_like(rows)
    mask[3, T - 2:] = 0
    return {"input_ids": rows, "attention_mask": mask}


def full(name, seed, vision, text, projection, dtype, images=2, sentences=3, interpolate=None, odd=False, **kw):
    """text["eos_token_id"] 2 is what the published files say: then the largest id marks the end."""
    rng = golden.rng_of(seed, "inputs")
    model = CLIPModel(CLIPConfig(vision_config=dict(vision, projection_dim=projection), text_config=dict(text, projection_dim=projection),
                                 projection_dim=projection))
    eos = text["vocab_size"] - 1 if text["eos_token_id"] == 2 else text["eos_token_id"]
    S, channels = vision["image_size"], vision.get("num_channels", 3)
    sentence_ids = captions(rng, text, sentences, eos)
    runs = {"": {"input_ids": sentence_ids, "pixel_values": pixels(rng, images, channels, S, S)}}
    if interpolate:
        runs["interpolated"] = {"input_ids": sentence_ids[:1], "pixel_values": pixels(rng, 1, channels, *interpolate), "interpolate_pos_encoding": True}
    if odd:
        runs["odd"] = {**odd_texts(rng, text, eos), "pixel_values": pixels(rng, 1, channels, S, S)}
    files = {"tokenizer.json": vocabulary.clip(eos + 1), "preprocessor_config.json": preprocessor(S)}
    return Case(name, model, runs, dtype, files=files, seed=seed, **kw)


def vision_only(name, seed, cls, vision, dtype, images=2, **kw):
    rng = golden.rng_of(seed, "inputs")
    S = vision["image_size"]
    return Case(name, cls(CLIPVisionConfig(**vision)), {"": {"pixel_values": pixels(rng, images, vision.get("num_channels", 3), S, S)}}, dtype, seed=seed,
                files={"preprocessor_config.json": preprocessor(S)}, **kw)


def text_only(name, seed, cls, text, dtype, sentences=2, **kw):
    rng = golden.rng_of(seed, "inputs")
    eos = text["vocab_size"] - 1 if text["eos_token_id"] == 2 else text["eos_token_id"]
    return Case(name, cls(CLIPTextConfig(**text)), {"": {"input_ids": captions(rng, text, sentences, eos)}}, dtype, seed=seed,
                files={"tokenizer.json": vocabulary.clip(eos + 1)}, **kw)


def cases():
    yield full("clip-openai", 11, VISION, dict(TEXT, eos_token_id=2), 16, "f16", interpolate=(28, 20), limit=180)
    yield full("clip-gelu", 12, dict(VISION, hidden_size=18, num_attention_heads=3, num_hidden_layers=2, intermediate_size=50, image_size=15,
                                     patch_size=5, hidden_act="gelu", layer_norm_eps=1e-4),
               dict(TEXT, hidden_size=20, num_attention_heads=2, hidden_act="gelu", eos_token_id=94, layer_norm_eps=1e-3), 7, "bf16", limit=200)
    yield vision_only("clip-vision", 13, CLIPVisionModel, dict(VISION, hidden_size=20, num_attention_heads=5, num_hidden_layers=2,
                                                               intermediate_size=44, image_size=22), "bf16", limit=200)
    tiny = dict(hidden_size=12, num_attention_heads=2, num_hidden_layers=1, intermediate_size=20, projection_dim=7)
    yield vision_only("clip-vision-projection", 14, CLIPVisionModelWithProjection, dict(tiny, patch_size=3, image_size=8), "f32", limit=80)
    yield text_only("clip-text-projection", 15, CLIPTextModelWithProjection, dict(tiny, vocab_size=90, max_position_embeddings=9, eos_token_id=2),
                    "f32", limit=80)


def random_case(rng, seed):
    heads, text_heads = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    P = int(rng.integers(2, 8))
    act = str(rng.choice(["quick_gelu", "gelu", "gelu_new", "gelu_pytorch_tanh", "silu", "relu"]))
    S = P * int(rng.integers(1, 7)) + int(rng.integers(0, P))
    V = int(rng.integers(90, 160))
    vision = dict(hidden_size=heads * int(rng.integers(2, 24)), num_attention_heads=heads, num_hidden_layers=int(rng.integers(1, 5)),
                  intermediate_size=int(rng.integers(9, 130)), patch_size=P, image_size=S, hidden_act=act,
                  layer_norm_eps=float(rng.choice([1e-6, 1e-5, 1e-3])), num_channels=int(rng.choice([3, 3, 1, 4])))
    text = dict(hidden_size=text_heads * int(rng.integers(2, 20)), num_attention_heads=text_heads, num_hidden_layers=int(rng.integers(1, 4)),
                intermediate_size=int(rng.integers(9, 90)), vocab_size=V, max_position_embeddings=int(rng.integers(5, 20)),
                hidden_act=str(rng.choice(["quick_gelu", "gelu", "gelu_new"])), eos_token_id=int(rng.choice([2, V - 1, V - 9])))
    dtype = str(rng.choice(["f32", "bf16", "f16"]))
    kind = int(rng.integers(0, 8))
    if kind == 0:
        return vision_only("clip-vision", seed, CLIPVisionModel, vision, dtype)
    if kind == 1:
        return text_only("clip-text", seed, CLIPTextModel, text, dtype)
    if kind == 2:
        return vision_only("clip-vision-projection", seed, CLIPVisionModelWithProjection, dict(vision, projection_dim=11), dtype)
    if kind == 3:
        return text_only("clip-text-projection", seed, CLIPTextModelWithProjection, dict(text, projection_dim=13), dtype)
    other = tuple(P * int(n) + int(rng.integers(0, P)) for n in rng.integers(1, 8, 2)) if rng.integers(0, 2) else None
    return full("clip", seed, vision, text, int(rng.integers(3, 40)), dtype, interpolate=other, odd=True)
