"""An input of the right form for any model of the reference, and models made from config.json alone."""
import json
import os

import golden  # sets the environment before transformers is loaded
import torch
import transformers


def empty_model(path):
    """The architecture of a directory with whatever weights the class makes; only names and shapes matter."""
    config = transformers.AutoConfig.from_pretrained(path, local_files_only=True)
    with open(os.path.join(path, "config.json")) as f:
        name = json.load(f)["architectures"][0]
    return getattr(transformers, name)._from_config(config, attn_implementation="eager").float().eval()


def pixels(vision, size, count):
    if size is None:
        s = vision.image_size
        size = (s, s) if isinstance(s, int) else tuple(s)
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


def words(vocab, tokens, avoid=()):
    ids = torch.randint(3, vocab - 1, (1, tokens), generator=torch.Generator().manual_seed(2))
    for a in avoid:
        ids[ids == a] = 3
    return ids


def prompt(config, per_image, images, tokens):
    """One token, the images' places, then text up to `tokens` in all."""
    need = per_image * images
    ids = words(config.text_config.vocab_size, max(tokens, need + 1), (config.image_token_id,))
    ids[0, 1:1 + need] = config.image_token_id
    return ids


def example(model, size=None, tokens=0, images=1):
    """A call of the model on one input, as golden.record wants it. `size`: (height, width) of the picture. tokens 0: what
    `retina info --taps` takes where nobody says how long the text is."""
    c, kind = model.config, model.config.model_type
    if tokens == 0:
        text = c.get_text_config()
        tokens = text.max_position_embeddings if kind in ("clip", "clip_text_model") else 2 if kind in ("bert", "roberta", "align") else 1
    if kind in ("clip", "siglip"):
        t, v = c.text_config, c.vision_config
        ids = words(t.vocab_size, min(tokens, t.max_position_embeddings) if kind == "clip" else t.max_position_embeddings)
        if kind == "clip":
            ids[0, -1] = t.eos_token_id if t.eos_token_id != 2 else t.vocab_size - 1
        px = pixels(v, size, images)
        return lambda m: m(input_ids=ids, pixel_values=px, interpolate_pos_encoding=tuple(px.shape[2:]) != (v.image_size, v.image_size))
    if kind == "align":
        px, ids = pixels(c.vision_config, size, images), words(c.text_config.vocab_size, tokens)
        return lambda m: m(input_ids=ids, pixel_values=px)
    if kind == "llava":
        v = c.vision_config
        px = pixels(v, size, images)
        ids = prompt(c, (px.shape[2] // v.patch_size) * (px.shape[3] // v.patch_size) + (c.vision_feature_select_strategy == "full"), images, tokens)
        return lambda m: m(input_ids=ids, pixel_values=px, use_cache=False)
    if kind == "idefics2":
        px = pixels(c.vision_config, size, images).unsqueeze(0)
        ids = prompt(c, c.perceiver_config.resampler_n_latents, images, tokens)
        return lambda m: m(input_ids=ids, pixel_values=px, use_cache=False)
    if kind in ("qwen2_5_vl", "qwen3_5"):
        v = c.vision_config
        P, unit = v.patch_size, v.spatial_merge_size
        h, w = size or (8 * P * unit, 8 * P * unit)
        grid = torch.tensor([[1, h // P, w // P]] * images)
        px = torch.randn(int(grid.prod(1).sum()), 3 * v.temporal_patch_size * P * P, generator=torch.Generator().manual_seed(1))
        ids = prompt(c, int(grid[0].prod()) // unit ** 2, images, tokens)
        kinds = (ids == c.image_token_id).long()
        return lambda m: m(input_ids=ids, pixel_values=px, image_grid_thw=grid, mm_token_type_ids=kinds, use_cache=False)
    if kind in ("bert", "roberta", "clip_text_model", "siglip_text_model"):
        ids = words(c.vocab_size, tokens)
        return lambda m: m(input_ids=ids)
    if hasattr(c, "vocab_size"):
        ids = words(c.vocab_size, tokens)
        return lambda m: m(input_ids=ids, use_cache=False)
    px = pixels(c, size, images)
    return lambda m: m(pixel_values=px)
