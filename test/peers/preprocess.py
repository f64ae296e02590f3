"""preprocess.py [--retina ./retina] [--count N] [--seed S] [FAMILY…]: `retina preprocess` on random pictures and random settings of every
image processor, against the reference (test/reference/preprocess.py says which). Values within 2e-6; with rescaling and normalising
off, bit for bit; masks, grids and shapes equal. Where the reference refuses, retina must refuse, too, with one line that names a file.
Pictures are PNG of every mode and JPEG, from 1 to 300 pixels a side; every third call has several of them."""
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
from PIL import Image

import compare
import preprocess


def random_picture(rng, path):
    mode = str(rng.choice(["RGB", "RGB", "L", "P", "RGBA", "LA", "CMYK", "1", "I;16"]))
    w, h = (max(int(n), 1) for n in np.exp(rng.uniform(0, np.log(300), 2)))
    if max(w, h) > 60 * min(w, h) and rng.integers(0, 4):
        h = w
    drawn = {"LA": "RGBA", "CMYK": "RGB", "1": "L", "I;16": "L"}.get(mode, mode)
    image = preprocess.picture(f"{rng.integers(1 << 30)}", drawn, w, h)
    if mode == "I;16":  # Pillow's convert saturates what lies above 255 (models.md 5.1): below it, nobody differs
        image = Image.fromarray(np.asarray(image).astype(np.uint16) // 256 * 256 + 0)
    elif mode != drawn:
        image = image.convert(mode)
    if mode == "CMYK" or (mode in ("RGB", "L") and rng.integers(0, 2)):
        path += ".jpg"
        image.save(path, quality=int(rng.integers(30, 96)), subsampling=int(rng.integers(0, 3)), progressive=bool(rng.integers(0, 2)))
    else:
        path += ".png"
        image.save(path)
    return path, f"{mode} {w}x{h} {path[-3:]}"


# ---- random settings

def side(rng, most=80):
    return int(rng.integers(3, most))


def any_size(rng, kinds):
    s = side(rng)
    return {"number": s, "list": [s, side(rng)], "short": {"shortest_edge": s}, "exact": {"height": s, "width": side(rng)},
            "capped": {"shortest_edge": s, "longest_edge": side(rng, 140)}, "within": {"max_height": s, "max_width": side(rng)}}[str(rng.choice(kinds))]


def chance(rng, one_in):
    return not rng.integers(0, one_in)


def colours(rng, config):
    if chance(rng, 3):
        config["image_mean"], config["image_std"] = ([round(float(v), 3) for v in rng.uniform(0.2, 0.6, 3)] for _ in range(2))
    if chance(rng, 8):
        config["image_mean"], config["image_std"] = 0.5, 0.25
    config["do_normalize"] = not chance(rng, 4)
    if chance(rng, 4):
        config.update(do_rescale=False, do_normalize=False)
    for key in list(config):  # what is missing takes the default of the class
        if chance(rng, 12) and key not in ("size", "crop_size", "image_processor_type", "feature_extractor_type", "patch_size", "min_pixels", "max_pixels"):
            config[key] = None
            if chance(rng, 2):
                del config[key]
    return config


def random_clip(rng, kind="CLIPImageProcessor"):
    config = preprocess.clip_like(kind, size=any_size(rng, ["number", "list", "short", "short", "exact", "capped", "within"]), resample=int(rng.integers(0, 6)),
                                  crop_size=any_size(rng, ["number", "list", "exact"]), do_center_crop=not chance(rng, 4), do_resize=not chance(rng, 8))
    if chance(rng, 4):
        config["do_pad"] = True
        if chance(rng, 2):
            config["pad_size"] = {"height": 100, "width": 100}
    return colours(rng, config)


def random_llava(rng):
    config = random_clip(rng, "LlavaImageProcessor")
    config["do_pad"] = not chance(rng, 3)
    if not isinstance(config.get("image_mean", []), list):  # the reference stumbles over one number where it pads
        config["image_mean"] = [0.5] * 3
    return config


def random_square(rng, kind):
    config = preprocess.like(kind, size=any_size(rng, ["exact", "exact", "number", "list", "short"]), resample=int(rng.integers(0, 6)))
    if chance(rng, 5):
        config.update(do_center_crop=True, crop_size=any_size(rng, ["exact", "number"]))
    return colours(rng, config)


def random_dinov3(rng):
    """No "capped": it makes sides of one pixel, which PyTorch 2.15 gets wrong (model/resize.c)."""
    config = preprocess.like("DINOv3ViTImageProcessor", size=any_size(rng, ["exact", "exact", "number", "short"]), resample=int(rng.choice([2, 2, 3])))
    if chance(rng, 4):
        config.update(do_center_crop=True, crop_size=any_size(rng, ["exact", "number"]))
    config = colours(rng, config)
    config["do_rescale"] = True
    config["do_resize"] = not chance(rng, 8)
    return config


def random_idefics2(rng):
    a, b = sorted((side(rng), side(rng)))
    size = {"shortest_edge": a, "longest_edge": b} if rng.integers(0, 6) else any_size(rng, ["exact", "capped"])
    return colours(rng, preprocess.like("Idefics2ImageProcessor", size=size, resample=int(rng.integers(0, 6)), do_pad=not chance(rng, 5), do_image_splitting=chance(rng, 2)))


def random_qwen(rng):
    least, most = int(rng.integers(1, 3000)), int(rng.integers(800, 20000))
    """Qwen2-VL's, and the name that the first files of 2.5 had for it, which transformers no longer knows (one() gives it the first); those of
    3-VL and 3.5 name Qwen2VLImageProcessorFast, which dressed() draws, with patches of 16 and a mean of one half."""
    config = preprocess.like(str(rng.choice(["Qwen2VLImageProcessor", "Qwen2_5_VLImageProcessor"])), resample=int(rng.integers(0, 6)), patch_size=int(rng.integers(1, 9)), merge_size=int(rng.integers(1, 4)),
                             temporal_patch_size=int(rng.integers(1, 4)), do_resize=not chance(rng, 10))
    style = int(rng.integers(0, 4))
    if style < 2:
        config["size"] = {"shortest_edge": least, "longest_edge": most}
    if style > 0:
        config["min_pixels"], config["max_pixels"] = least // 2 + 1, most // 2 + 1
    if style == 3:
        config["size"] = {"min_pixels": least, "max_pixels": most}
    return colours(rng, config)


def random_align(rng):
    config = random_square(rng, "EfficientNetImageProcessor")
    config.update(rescale_offset=chance(rng, 2), include_top=chance(rng, 2), rescale_factor=float(rng.choice([1 / 255, 1 / 127.5])))
    return config


def random_open_clip(rng):
    size = side(rng) if rng.integers(0, 3) else [side(rng), side(rng)]
    own = {}
    if chance(rng, 2):
        own["interpolation"] = str(rng.choice(["bicubic", "bilinear", "random"]))
    if rng.integers(0, 3):
        own["resize_mode"] = str(rng.choice(["shortest", "longest", "squash"]))
    if chance(rng, 3):
        own["mean"], own["std"] = ([round(float(v), 3) for v in rng.uniform(0.2, 0.6, 3)] for _ in range(2))
    if chance(rng, 3):
        own["fill_color"] = int(rng.integers(0, 256))
    if chance(rng, 3):
        own["size"] = side(rng)
    config = preprocess.open_clip_like(size)
    config["preprocess_cfg"] = own
    return config["model_cfg"] if chance(rng, 5) else config


FAMILIES = {
    "clip": random_clip, "llava": random_llava, "siglip": lambda r: random_square(r, "SiglipImageProcessor"), "vit": lambda r: random_square(r, "ViTImageProcessor"),
    "dinov2": lambda r: random_clip(r, "BitImageProcessor"), "dinov3": random_dinov3, "idefics2": random_idefics2, "qwen": random_qwen, "align": random_align,
    "open_clip": random_open_clip,
}


def dressed(rng, config):
    """The same settings as other versions write them."""
    if preprocess.is_open_clip(config):
        return config
    style = int(rng.integers(0, 4))
    if style == 1:
        config["image_processor_type"] += "Fast"
    elif style == 2:
        config["feature_extractor_type"] = config.pop("image_processor_type").replace("ImageProcessor", "FeatureExtractor")
    elif style == 3:
        config = {"processor_class": "X", "image_processor": config}
    return config


# ---- comparing

def different(want, eight, got):
    """Why they differ, or nothing."""
    if sorted(want) != sorted(got):
        return f"tensors {sorted(got)}, expected {sorted(want)}"
    for name, w in want.items():
        w, g = w.numpy().astype(np.float64), got[name].astype(np.float64)
        if w.shape != g.shape:
            return f"{name} {g.shape}, expected {w.shape}"
        worst = np.abs(g - w).max() if name == "pixel_values" else float((g != w).any())
        allow = 2e-6 * max(1.0, np.abs(w).max()) if name == "pixel_values" and not eight else 0
        if not worst <= allow:
            return f"{name}: worst {worst:.3g} (allow {allow:.1g})"
    return None


def one(a, seed, family, path):
    rng = golden.rng_of(seed, family)
    config = dressed(rng, FAMILIES[family](rng))
    pictures = [random_picture(rng, os.path.join(path, f"picture{i}")) for i in range(1 if rng.integers(0, 3) else int(rng.integers(2, 4)))]
    files = [f for f, _ in pictures]
    settings, out = os.path.join(path, preprocess.file_of(config)), os.path.join(path, "out.safetensors")
    with open(settings, "w") as f:
        json.dump(config, f)
    r = subprocess.run([a.retina, "preprocess", path, *files, "--out", out], capture_output=True, text=True)
    with open(settings, "w") as f:
        f.write(json.dumps(config).replace("Qwen2_5_VL", "Qwen2VL"))
    try:
        want = preprocess.reference(config, [Image.open(f).convert("RGB") for f in files], path)[0]
        if not all(np.isfinite(w.numpy()).all() for w in want.values()):
            raise ValueError("values that are no numbers, as after a division by a deviation of null")
    except Exception as e:  # the reference cannot do it either
        refused = r.returncode == 1 and r.stderr.count("\n") == 1 and path in r.stderr
        why = None if refused else f"the reference says {str(e)[:200]}; retina: {r.stderr.strip() or 'nothing'}"
        kind = "refused"
    else:
        inner = config.get("image_processor", config)
        eight = inner.get("do_rescale") is False and inner.get("do_normalize") is False and not inner.get("include_top")
        why = r.stderr.strip() or "killed" if r.returncode else different(want, eight, compare.read_raw(out)[0])
        kind = "held"
    if why:
        print(f"FAIL {family} seed {seed}: {[w for _, w in pictures]}: {json.dumps(config)}: {why}", flush=True)
        kind = "failed"
    for f in files + [settings]:
        os.remove(f)
    return kind


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--retina", default=os.path.join(ROOT, "retina"))
    p.add_argument("--count", type=int, default=100)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("families", nargs="*")
    a = p.parse_args()
    bad = 0
    for family in a.families or FAMILIES:
        counts = {"held": 0, "refused": 0, "failed": 0}
        with tempfile.TemporaryDirectory() as path:
            for seed in range(a.seed, a.seed + a.count):
                counts[one(a, seed, family, path)] += 1
        print(f"{family}: {counts['held']} held, {counts['refused']} refused by both, {counts['failed']} failed", flush=True)
        bad += counts["failed"] + (counts["held"] == 0)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
