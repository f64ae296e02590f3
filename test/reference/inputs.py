"""An input of the right form for any model of the reference, and models made from config.json alone."""
import json
import os

import torch
import transformers


def empty_model(path):
    """The architecture of a directory with whatever weights the class makes; only shapes matter."""
    config = transformers.AutoConfig.from_pretrained(path, local_files_only=True)
    with open(os.path.join(path, "config.json")) as f:
        name = json.load(f)["architectures"][0]
    config._attn_implementation = "eager"
    cls = getattr(transformers, name)
    return cls._from_config(config, attn_implementation="eager").float().eval()


def pixels(config, size, count):
    if size is None:
        s = config.image_size
        size = (s, s) if isinstance(s, int) else tuple(s)
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


def text_ids(vocab, tokens, avoid=()):
    ids = torch.randint(3, vocab - 1, (1, tokens), generator=torch.Generator().manual_seed(2))
    for a in avoid:
        ids[ids == a] = (a + 1) % vocab
    return ids


def example(model, size=None, tokens=8, images=1):
    """A call of the model on one input, as golden.record wants it."""
    c = model.config
    kind = c.model_type
    if kind == "clip":
        ids = text_ids(c.text_config.vocab_size, min(tokens, c.text_config.max_position_embeddings))
        ids[0, -1] = c.text_config.eos_token_id if c.text_config.eos_token_id != 2 else c.text_config.vocab_size - 1
        s = c.vision_config.image_size
        px = pixels(c.vision_config, size, images)
        return lambda m: m(input_ids=ids, pixel_values=px, interpolate_pos_encoding=tuple(px.shape[2:]) != (s, s))
    if kind in ("clip_vision_model",):
        return lambda m: m(pixel_values=pixels(c, size, images))
    if kind == "llava":
        v = c.vision_config
        px = pixels(v, size, images)
        per = (px.shape[2] // v.patch_size) * (px.shape[3] // v.patch_size)
        per += c.vision_feature_select_strategy == "full"
        need = per * images
        ids = text_ids(c.text_config.vocab_size, max(tokens, need + 2), (c.image_token_id,))
        ids[0, 1:1 + need] = c.image_token_id
        return lambda m: m(input_ids=ids, pixel_values=px, use_cache=False)
    if kind in ("bert", "roberta", "clip_text_model"):
        ids = text_ids(c.vocab_size, tokens)
        return lambda m: m(input_ids=ids)
    ids = text_ids(c.vocab_size, tokens)
    return lambda m: m(input_ids=ids, use_cache=False)
