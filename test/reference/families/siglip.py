"""SigLIP: both towers, or the vision tower alone."""
import torch
import transformers as T

import golden
from case import Case, ids, pixels

VISION = dict(hidden_size=36, intermediate_size=62, num_hidden_layers=2, num_attention_heads=3, patch_size=4, image_size=18)
TEXT = dict(hidden_size=36, intermediate_size=50, num_hidden_layers=2, num_attention_heads=2, vocab_size=64, max_position_embeddings=8)


def preprocessor(size):
    return {"image_processor_type": "SiglipImageProcessor", "do_convert_rgb": True, "do_resize": True, "size": {"height": size, "width": size},
            "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def full(name, seed, vision, text, dtype, images=2, sentences=3, interpolate=None, **kw):
    """Sentences are padded to all positions without a mask: the last position is read."""
    rng = golden.rng_of(seed, "inputs")
    model = T.SiglipModel(T.SiglipConfig(vision_config=vision, text_config=dict(text, projection_size=vision["hidden_size"])))
    S = vision["image_size"]
    words = ids(rng, text["vocab_size"], sentences, text["max_position_embeddings"])
    runs = {"": {"input_ids": words, "pixel_values": pixels(rng, images, vision.get("num_channels", 3), S, S)}}
    if interpolate:
        runs["interpolated"] = {"input_ids": words[:1], "pixel_values": pixels(rng, 1, vision.get("num_channels", 3), *interpolate), "interpolate_pos_encoding": True}
    return Case(name, model, runs, dtype, files={"preprocessor_config.json": preprocessor(S)}, seed=seed, **kw)


def vision_only(name, seed, vision, dtype, images=2, **kw):
    rng = golden.rng_of(seed, "inputs")
    S = vision["image_size"]
    return Case(name, T.SiglipVisionModel(T.SiglipVisionConfig(**vision)), {"": {"pixel_values": pixels(rng, images, vision.get("num_channels", 3), S, S)}}, dtype,
                files={"preprocessor_config.json": preprocessor(S)}, seed=seed, **kw)


def text_only(name, seed, text, dtype, sentences=3, **kw):
    rng = golden.rng_of(seed, "inputs")
    words = ids(rng, text["vocab_size"], sentences, text["max_position_embeddings"])
    return Case(name, T.SiglipTextModel(T.SiglipTextConfig(**text)), {"": {"input_ids": words}, "short": {"input_ids": words[:, :2]}}, dtype, seed=seed, **kw)


def cases():
    yield full("siglip-small", 61, VISION, TEXT, "bf16", interpolate=(12, 28), limit=200)
    yield vision_only("siglip-vision", 62, dict(VISION, hidden_size=20, num_attention_heads=4, image_size=15, patch_size=5, layer_norm_eps=1e-4), "f16",
                      limit=160)


def random_case(rng, seed):
    heads, text_heads, P = int(rng.integers(1, 6)), int(rng.integers(1, 4)), int(rng.integers(2, 8))
    width = heads * text_heads * int(rng.integers(2, 9))  # both towers have the same width: there is no projection of images
    vision = dict(hidden_size=width, num_attention_heads=heads, num_hidden_layers=int(rng.integers(1, 4)), intermediate_size=int(rng.integers(9, 120)),
                  patch_size=P, image_size=P * int(rng.integers(1, 6)) + int(rng.integers(0, P)), layer_norm_eps=float(rng.choice([1e-6, 1e-4])),
                  hidden_act=str(rng.choice(["gelu_pytorch_tanh", "gelu", "quick_gelu"])), num_channels=int(rng.choice([3, 3, 1])), vision_use_head=bool(rng.integers(0, 4)))
    text = dict(hidden_size=width, num_attention_heads=text_heads, num_hidden_layers=int(rng.integers(1, 4)), intermediate_size=int(rng.integers(9, 90)),
                vocab_size=int(rng.integers(40, 200)), max_position_embeddings=int(rng.integers(3, 20)))
    dtype = str(rng.choice(["f32", "bf16", "f16"]))
    if rng.integers(0, 4) == 0:
        return text_only("siglip-text", seed, dict(text, projection_size=int(rng.integers(2, 30))), dtype)
    if rng.integers(0, 3) == 0 or not vision["vision_use_head"]:  # both towers without a head: the reference itself fails
        return vision_only("siglip-vision", seed, vision, dtype)
    other = tuple(P * int(n) + int(rng.integers(0, P)) for n in rng.integers(1, 8, 2)) if rng.integers(0, 2) else None
    return full("siglip", seed, vision, text, dtype, interpolate=other)
