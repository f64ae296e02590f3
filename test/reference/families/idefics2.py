"""Idefics2: SigLIP-like vision tower with padded pictures, perceiver resampler, Mistral decoder."""
import torch
import transformers as T

import golden
from case import GENERATE, Case, ids, pixels
from families import decoders

VISION = dict(hidden_size=24, intermediate_size=44, num_hidden_layers=2, num_attention_heads=3, patch_size=2, image_size=14)
PERCEIVER = dict(resampler_n_latents=3, resampler_depth=2, resampler_n_heads=4, resampler_head_dim=6, num_key_value_heads=2)


def preprocessor(longest):
    return {"image_processor_type": "Idefics2ImageProcessor", "do_convert_rgb": True, "do_resize": True, "do_image_splitting": False,
            "size": {"longest_edge": longest, "shortest_edge": longest // 2}, "resample": 2, "do_rescale": True, "rescale_factor": 1 / 255,
            "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_pad": True}


def batch_of(rng, V, image_id, latents, sizes):
    """`sizes`: per prompt, the (height, width) of its pictures. Pictures are zero-padded at the bottom and the right, prompts
    with fewer pictures get whole pictures of zeros, shorter prompts are padded on the right."""
    N, B = max(len(s) for s in sizes), len(sizes)
    H, W = (max(p[d] for s in sizes for p in s) for d in (0, 1))
    px, mask = torch.zeros(B, N, 3, H, W), torch.zeros(B, N, H, W, dtype=torch.int64)
    rows = []
    for b, pictures in enumerate(sizes):
        row = [1] + ids(rng, V, 3, avoid=(image_id,)).tolist()
        for n, (h, w) in enumerate(pictures):
            px[b, n, :, :h, :w] = pixels(rng, 3, h, w)
            mask[b, n, :h, :w] = 1
            row += [image_id] * latents + ids(rng, V, 2, avoid=(image_id,)).tolist()
        rows.append(row + ids(rng, V, 3, avoid=(image_id,)).tolist())
    T_ = max(len(r) for r in rows)
    arguments = {"input_ids": torch.tensor([r + [0] * (T_ - len(r)) for r in rows])}
    if len({len(r) for r in rows}) > 1:
        arguments["attention_mask"] = torch.tensor([[1] * len(r) + [0] * (T_ - len(r)) for r in rows])
    return {**arguments, "pixel_values": px, "pixel_attention_mask": mask}


def build(name, seed, vision, perceiver, text, dtype, sizes, other=None, generate=GENERATE, text_kind="mistral", **kw):
    rng = golden.rng_of(seed, "inputs")
    V = text["vocab_size"]
    image_id, latents = V - 3, perceiver["resampler_n_latents"]
    perceiver = dict(perceiver, hidden_size=text["hidden_size"])
    config = T.Idefics2Config(vision_config=vision, perceiver_config=perceiver, image_token_id=image_id,
                              text_config=dict(text, model_type=text_kind, pad_token_id=0))
    runs = {"": batch_of(rng, V, image_id, latents, sizes)}
    if other:
        runs["batch"] = batch_of(rng, V, image_id, latents, other)
    return Case(name, T.Idefics2ForConditionalGeneration(config), runs, dtype, generate=generate,
                files={"preprocessor_config.json": preprocessor(vision["image_size"])}, seed=seed, **kw)


def cases():
    yield build("idefics2-small", 81, VISION, dict(PERCEIVER, rms_norm_eps=1e-5), dict(decoders.SMALL, vocab_size=90, sliding_window=9, rms_norm_eps=1e-5), "bf16",
                [[(8, 12), (14, 6)]], other=[[(9, 13)], [(14, 14), (7, 8)]], limit=110)


def random_case(rng, seed):
    heads, P = int(rng.integers(1, 5)), int(rng.integers(2, 6))
    side = int(rng.integers(2, 8))
    vision = dict(hidden_size=heads * int(rng.integers(2, 14)), num_attention_heads=heads, intermediate_size=int(rng.integers(9, 90)),
                  num_hidden_layers=int(rng.integers(1, 4)), patch_size=P, image_size=P * side, layer_norm_eps=float(rng.choice([1e-6, 1e-4])))
    kv, group = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    perceiver = dict(resampler_n_latents=int(rng.integers(1, 6)), resampler_depth=int(rng.integers(1, 4)), resampler_n_heads=kv * group, num_key_value_heads=kv,
                     resampler_head_dim=int(rng.integers(2, 12)), hidden_act=str(rng.choice(["silu", "gelu"])), rms_norm_eps=float(rng.choice([1e-6, 1e-4])))

    def sizes(prompts):
        return [[(int(rng.integers(P, P * side + 1)), int(rng.integers(P, P * side + 1))) for _ in range(int(rng.integers(1, 4)))] for _ in range(prompts)]

    return build("idefics2", seed, vision, perceiver, decoders.random_config(rng, "mistral", vocab=int(rng.integers(50, 200))),
                 str(rng.choice(["f32", "bf16", "f16"])), sizes(1), other=sizes(int(rng.integers(2, 4))))
