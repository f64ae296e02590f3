"""preprocess_crops.py CHECKOUT: writes test/golden/preprocess_crops/: settings of Molmo's image processor, and what the original makes of
the pictures of test/golden/preprocess. CHECKOUT is a clone of allenai/molmo, of which olmo/data/model_preprocessor.py is run.

    python test/reference/preprocess_crops.py CHECKOUT --random COUNT [--seed S] [--retina ./retina]    fresh settings and pictures, compared

    CONFIG/PICTURE   images (crops, patches, values), thinned as golden.py says; f32
    NAME#image_masks, NAME#image_input_idx   f32, int32
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import types

import golden  # sets the environment before transformers is loaded
import numpy as np
import torch
from PIL import Image

import preprocess

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "preprocess_crops")


def molmo(size=28, patch=7, crops=4, margins=(0, 2), **more):
    tokens = (size // patch + 1) // 2
    return {"image_processor_type": "MolmoImageProcessor", "base_image_input_size": [size, size], "image_patch_size": patch, "max_crops": crops, "overlap_margins": list(margins),
            "image_token_length_h": tokens, "image_token_length_w": tokens, "do_normalize": True, "image_mean": preprocess.CLIP_MEAN, "image_std": preprocess.CLIP_STD, **more}


CONFIGS = {
    "molmo": (molmo(30, 5, 12, (2, 2)), [p for p in preprocess.PICTURES if p not in ("line", "dot")]),  # of which PyTorch makes nothing
    "molmo-odd": (molmo(35, 7, 6, (2, 0)), ["tall", "wide", "square", "tiny", "strip"]),  # five patches a side, so the last token has half of them
    "molmo-one": (molmo(24, 4, 1, (0, 2)), ["tall", "wide", "tiny"]),
    "molmo-plain": (molmo(24, 4, 9, (0, 0), do_normalize=False), ["wide", "near"]),
    "molmo-default": ({"processor_class": "MolmoProcessor", "image_processor_type": "MolmoImageProcessor"}, ["wide"]),
}


def original(checkout):
    """model_preprocessor.py by itself: what it imports of its package has to do with texts."""
    for name in ("olmo", "olmo.tokenizer", "olmo.data", "olmo.data.data_formatter"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["olmo"].tokenizer = sys.modules["olmo.tokenizer"]
    sys.modules["olmo.tokenizer"].get_special_token_ids = lambda t: {"end": 2, "start": 1, "col": 3, "patch": 4, "prompt": 5}
    for name, value in (("DEFAULT_IM_END_TOKEN", "end"), ("DEFAULT_IM_START_TOKEN", "start"), ("DEFAULT_IM_COL_TOKEN", "col"), ("DEFAULT_IMAGE_PATCH_TOKEN", "patch"), ("IMAGE_PROMPT", "prompt")):
        setattr(sys.modules["olmo.tokenizer"], name, value)
    sys.modules["olmo.data.data_formatter"].DataFormatter = object
    module = types.ModuleType("model_preprocessor")
    sys.modules["model_preprocessor"] = module
    with open(os.path.join(checkout, "olmo", "data", "model_preprocessor.py")) as f:
        exec(compile(f.read(), f.name, "exec"), module.__dict__)
    return module


def reference(module, config, image):
    """images, image_masks, image_input_idx. The checkpoints' own copy reads mean and deviation from its settings; that is the one change."""
    size = config.get("base_image_input_size", [336, 336])
    tokens = config.get("image_token_length_h", 12)
    p = module.MultiModalPreprocessor(tokenizer=None, crop_mode="overlap-and-resize-c2", max_crops=config.get("max_crops", 12), overlap_margins=config.get("overlap_margins", [4, 4]),
                                      base_image_input_size=size, image_token_length_w=tokens, image_token_length_h=tokens, image_patch_size=config.get("image_patch_size", 14))
    mean, std = (np.array(config.get(k, d), np.float32) for k, d in (("image_mean", preprocess.CLIP_MEAN), ("image_std", preprocess.CLIP_STD)))
    p._normalize = lambda x: (x - mean) / std if config.get("do_normalize", True) else x
    images, _, order, masks = p.preprocess(np.asarray(image), False)
    return {"images": images.astype(np.float32), "image_masks": masks.astype(np.float32), "image_input_idx": order.astype(np.int32)}


def write(module):
    shutil.rmtree(OUT, ignore_errors=True)
    values, others = {}, {}
    for name, (config, pictures) in CONFIGS.items():
        os.makedirs(os.path.join(OUT, name))
        preprocess.write_json(os.path.join(OUT, name, "preprocessor_config.json"), config)
        for picture in pictures:
            made = reference(module, config, Image.open(os.path.join(preprocess.OUT, picture + ".png")).convert("RGB"))
            values[f"{name}/{picture}"] = torch.from_numpy(made.pop("images"))
            for k, v in made.items():
                others[f"{name}/{picture}#{k}"] = torch.from_numpy(v)
    values, meta = golden.thin(values, 64)
    golden.write_safetensors(os.path.join(OUT, "golden.safetensors"), {**values, **others}, meta)
    print(len(values), "pictures")


def random_config(rng):
    patch, before, after = int(rng.integers(1, 9)), 2 * int(rng.integers(0, 3)), 2 * int(rng.integers(0, 3))
    side = before + after + int(rng.integers(1, 9))
    return molmo(patch * side, patch, int(rng.integers(1, 14)), (before, after), do_normalize=bool(rng.integers(0, 4)))


def compare(module, a):
    from safetensors.numpy import load_file

    counts = {"held": 0, "refused by both": 0, "failed": 0}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(a.random):
            rng = golden.rng_of(a.seed + i, "molmo")
            config = random_config(rng)
            w, h = (max(int(n), 1) for n in np.exp(rng.uniform(0, np.log(300), 2)))
            side = config["base_image_input_size"][0]
            if max(w, h) * 2 > side * min(w, h):  # of a side that becomes one pixel PyTorch makes nothing (model/resize.c)
                h = w
            image, out = preprocess.picture(f"{i}", "RGB", w, h), os.path.join(folder, "out.safetensors")
            image.save(os.path.join(folder, "x.png"))
            with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
                json.dump(config, f)
            try:
                want = reference(module, config, image)
            except Exception as e:  # noqa: BLE001: what it cannot do
                want = str(e)
            r = subprocess.run([a.retina, "preprocess", folder, os.path.join(folder, "x.png"), "--out", out], capture_output=True, text=True)
            if isinstance(want, str) or r.returncode:
                kind = "refused by both" if isinstance(want, str) and r.returncode == 1 else "failed"
            else:
                got = load_file(out)
                same = all(got[k].shape == v.shape for k, v in want.items()) and np.abs(got["images"] - want["images"]).max() <= 2e-6
                kind = "held" if same and all(np.array_equal(got[k], want[k]) for k in ("image_masks", "image_input_idx")) else "failed"
            counts[kind] += 1
            if kind == "failed":
                print("FAIL seed", a.seed + i, (w, h), json.dumps(config), r.stderr, want if isinstance(want, str) else "")
    print("molmo:", ", ".join(f"{v} {k}" for k, v in counts.items()))
    return counts["failed"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("checkout")
    p.add_argument("--random", type=int)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--retina", default="./retina")
    a = p.parse_args()
    module = original(a.checkout)
    sys.exit(compare(module, a) > 0 if a.random else write(module))


main()
