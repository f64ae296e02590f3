"""Qwen2.5-VL and Qwen3.5: patches in merge order, windows, three-axis rotary positions; linear attention (Qwen3.5)."""
import torch
import transformers as T

import golden
from case import GENERATE, Case, ids, pixels
from families import decoders

VISION = dict(depth=3, hidden_size=24, num_heads=2, intermediate_size=38, patch_size=2, spatial_merge_size=2, temporal_patch_size=2, window_size=8,
              fullatt_block_indexes=[1])
TEXT = dict(hidden_size=24, intermediate_size=52, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=90, rms_norm_eps=1e-6,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 1]})
VISION35 = dict(depth=2, hidden_size=24, num_heads=2, intermediate_size=38, patch_size=4, spatial_merge_size=2, temporal_patch_size=2,
                num_position_embeddings=25)
TEXT35 = dict(hidden_size=24, intermediate_size=44, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=16, vocab_size=90,
              linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=8, linear_value_head_dim=6, linear_conv_kernel_dim=4,
              rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5, "mrope_section": [2, 1, 1],
                               "mrope_interleaved": True})
CLASSES = {"qwen2_5_vl": (T.Qwen2_5_VLConfig, T.Qwen2_5_VLForConditionalGeneration), "qwen3_5": (T.Qwen3_5Config, T.Qwen3_5ForConditionalGeneration)}


def preprocessor(kind, vision):
    P, unit = vision["patch_size"], vision["patch_size"] * vision["spatial_merge_size"]
    mean, std = ([0.5] * 3, [0.5] * 3) if kind == "qwen3_5" else ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
    return {"image_processor_type": "Qwen2VLImageProcessor", "do_convert_rgb": True, "do_resize": True, "resample": 3, "do_rescale": True,
            "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": mean, "image_std": std, "patch_size": P,
            "merge_size": vision["spatial_merge_size"], "temporal_patch_size": vision["temporal_patch_size"],
            "size": {"shortest_edge": 4 * unit * unit, "longest_edge": 40 * unit * unit}}


def arguments_of(rng, V, image_id, start, end, vision, grids, tail=4):
    """`grids`: per prompt, (rows, columns) of patches of its pictures. Prompts must come out equally long."""
    P, m = vision["patch_size"], vision["spatial_merge_size"]
    special = (image_id, image_id + 1, start, end)
    rows, patches, thw = [], [], []
    for pictures in grids:
        row = ids(rng, V, 3, avoid=special).tolist()
        for gh, gw in pictures:
            row += [start] + [image_id] * (gh * gw // (m * m)) + [end] + ids(rng, V, 2, avoid=special).tolist()
            patches.append(pixels(rng, gh * gw, 3 * vision["temporal_patch_size"] * P * P))
            thw.append([1, gh, gw])
        rows.append(row + ids(rng, V, tail, avoid=special).tolist())
    T_ = max(len(r) for r in rows)
    words = torch.tensor([r + [3] * (T_ - len(r)) for r in rows])
    out = {"input_ids": words, "mm_token_type_ids": (words == image_id).long()}
    if len({len(r) for r in rows}) > 1:
        out["attention_mask"] = torch.tensor([[1] * len(r) + [0] * (T_ - len(r)) for r in rows])
    if thw:
        out.update(pixel_values=torch.cat(patches), image_grid_thw=torch.tensor(thw))
    return out


def build(name, seed, kind, vision, text, dtype, grids, other=None, tied=False, generate=GENERATE, **kw):
    rng = golden.rng_of(seed, "inputs")
    V = text["vocab_size"]
    image_id, start, end = V - 5, V - 7, V - 6
    config_class, model_class = CLASSES[kind]
    model = model_class(config_class(vision_config=dict(vision, out_hidden_size=text["hidden_size"]), text_config=dict(text, tie_word_embeddings=tied),
                                     image_token_id=image_id, video_token_id=image_id + 1, vision_start_token_id=start, vision_end_token_id=end,
                                     tie_word_embeddings=tied))
    runs = {"": arguments_of(rng, V, image_id, start, end, vision, grids)}
    if other:
        runs["batch"] = arguments_of(rng, V, image_id, start, end, vision, other)
    runs["text"] = {"input_ids": ids(rng, V, 1, 13, avoid=(image_id, image_id + 1, start, end))}
    return Case(name, model, runs, dtype, generate=generate, files={"preprocessor_config.json": preprocessor(kind, vision)}, seed=seed, **kw)


def text_only(name, seed, text, dtype, tokens, batch=None, **kw):
    """The language model of Qwen3.5 by itself (Qwen3_5ForCausalLM)."""
    rng = golden.rng_of(seed, "inputs")
    runs = {"": {"input_ids": ids(rng, text["vocab_size"], 1, tokens)}}
    return Case(name, T.Qwen3_5ForCausalLM(T.Qwen3_5TextConfig(**text)), runs, dtype, generate=GENERATE, seed=seed, **kw)


def cases():
    yield build("qwen2_5_vl-small", 91, "qwen2_5_vl", VISION, TEXT, "bf16", [[(6, 10), (4, 6)]], other=[[(4, 4)], [(10, 4)]], limit=90)
    yield build("qwen3_5-small", 104, "qwen3_5", VISION35, TEXT35, "bf16", [[(6, 4), (2, 8)]], limit=100)
    yield text_only("qwen3_5-text", 102, dict(TEXT35, tie_word_embeddings=True, num_hidden_layers=3, layer_types=["linear_attention", "full_attention", "linear_attention"]),
                    "bf16", 70, limit=100)


def random_grids(rng, prompts, m):
    return [[(m * int(rng.integers(1, 7)), m * int(rng.integers(1, 7))) for _ in range(int(rng.integers(1, 3)))] for _ in range(prompts)]


def random_case(rng, seed, kind="qwen2_5_vl"):
    kv, group = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    dtype = str(rng.choice(["f32", "bf16", "f16"]))
    P = int(rng.integers(1, 5))
    vision = dict(depth=int(rng.integers(1, 4)), patch_size=P, spatial_merge_size=2, temporal_patch_size=2, intermediate_size=int(rng.integers(9, 80)))
    heads = int(rng.integers(1, 4))
    vision.update(num_heads=heads, hidden_size=heads * 4 * int(rng.integers(1, 7)))
    text = dict(intermediate_size=int(rng.integers(9, 100)), num_attention_heads=kv * group, num_key_value_heads=kv, vocab_size=int(rng.integers(60, 200)),
                rms_norm_eps=float(rng.choice([1e-6, 1e-4])), num_hidden_layers=int(rng.integers(1, 5)))
    rope = {"rope_type": "default", "rope_theta": float(rng.choice([100.0, 1e4, 1e6]))}
    tied = bool(rng.integers(0, 2))
    grids, other = random_grids(rng, 1, 2), random_grids(rng, 2, 2)
    if kind == "qwen2_5_vl":
        sections = [int(s) for s in rng.integers(1, 5, size=3)]
        vision.update(window_size=P * 2 * int(rng.integers(1, 4)), fullatt_block_indexes=sorted({int(i) for i in rng.integers(0, 4, size=2)}))
        text.update(hidden_size=kv * group * 2 * sum(sections), rope_parameters=dict(rope, mrope_section=sections))
        return build(kind, seed, kind, vision, text, dtype, grids, other=other, tied=tied)
    sections = [2, 1, 1] if rng.integers(0, 2) else [2, 2, 2]
    half = sum(sections)
    factor = float(rng.choice([0.25, 0.5, 1.0]))
    value_groups = int(rng.integers(1, 4))
    key_heads = int(rng.integers(1, 4))
    text.update(hidden_size=4 * int(rng.integers(3, 12)), head_dim=int(2 * half / factor), linear_num_key_heads=key_heads,
                linear_num_value_heads=key_heads * value_groups, linear_key_head_dim=int(rng.integers(2, 14)), linear_value_head_dim=int(rng.integers(2, 14)),
                linear_conv_kernel_dim=int(rng.integers(2, 6)), attention_bias=bool(rng.integers(0, 2)),
                layer_types=[str(t) for t in rng.choice(["linear_attention", "full_attention"], size=text["num_hidden_layers"] - 1)] + ["full_attention"],
                rope_parameters=dict(rope, partial_rotary_factor=factor, mrope_section=sections, mrope_interleaved=True))
    vision.update(num_position_embeddings=int(rng.integers(2, 8)) ** 2)
    if rng.integers(0, 3) == 0:
        return text_only("qwen3_5-text", seed, dict(text, tie_word_embeddings=tied), dtype, int(rng.integers(1, 140)))
    return build(kind, seed, kind, vision, text, dtype, grids, other=None, tied=tied)
