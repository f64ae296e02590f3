"""preprocess.py: writes test/golden/preprocess/: small pictures of odd sizes, one directory with a preprocessor_config.json per
processor, and golden.safetensors with what the reference's Pillow-based processors make of them:

    CONFIG/PICTURE       pixel_values [3, H, W], f32, thinned as golden.py says
    CONFIG/PICTURE#u8    the same before rescaling and normalising: the whole picture in 8 bits. Bit for bit, no tolerance.

Pictures enter as Image.open(f).convert("RGB")."""
import os
import shutil

import golden  # sets the environment before transformers is loaded
import numpy as np
import torch
import transformers
from PIL import Image

from case import write_json

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "preprocess")
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]

# name: (mode, width, height)
PICTURES = {
    "tall": ("RGB", 41, 120), "wide": ("RGB", 131, 47), "square": ("RGB", 64, 64), "tiny": ("RGB", 5, 3), "near": ("RGB", 31, 30),
    "strip": ("RGB", 200, 9), "grey": ("L", 57, 38), "palette": ("P", 45, 61), "alpha": ("RGBA", 50, 33),
}


def clip_like(kind="CLIPImageProcessor", **changes):
    c = {"image_processor_type": kind, "do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": 24}, "resample": 3,
         "do_center_crop": True, "crop_size": {"height": 24, "width": 24}, "do_rescale": True, "rescale_factor": 1 / 255,
         "do_normalize": True, "image_mean": CLIP_MEAN, "image_std": CLIP_STD}
    c.update(changes)
    return {k: v for k, v in c.items() if v is not None}


CONFIGS = {
    "clip": clip_like(),
    "clip-numbers": clip_like(None, feature_extractor_type="CLIPFeatureExtractor", size=23, crop_size=21, do_convert_rgb=None,
                              do_rescale=None, rescale_factor=None),  # the first files: bare numbers, no rescale keys
    "clip-oblong": clip_like(size={"shortest_edge": 30}, crop_size={"height": 19, "width": 28}),
    "clip-small": clip_like(size={"shortest_edge": 15}, crop_size={"height": 26, "width": 23}),  # zeros around the picture
    "clip-exact": clip_like(size={"height": 18, "width": 25}, resample=2, do_center_crop=False, image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.25, 0.2]),
    "clip-plain": clip_like(do_normalize=False, resample=2, size={"shortest_edge": 20}, crop_size={"height": 20, "width": 20}),
    "llava-crop": clip_like("LlavaImageProcessor", do_pad=False, size={"shortest_edge": 22}, crop_size={"height": 22, "width": 22}),
    "llava-pad": clip_like("LlavaImageProcessor", do_pad=True),
}


def picture(name, mode, w, h):
    """Gradients, edges and a little noise: smooth parts compress, edges show every filter's overshoot."""
    rng = golden.rng_of(5, name)
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    planes = []
    for _ in range({"L": 1, "P": 3, "RGB": 3, "RGBA": 4}[mode]):
        a, b, c = rng.uniform(-1, 1, 3)
        plane = 127 + 110 * np.sin(3 * (a * x / w + b * y / h) + 3 * c)
        cx, cy, r = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.15, 0.4) * max(min(w, h), 4)
        plane = np.where((x - cx) ** 2 + (y - cy) ** 2 < r * r, rng.choice([0, 255]), plane)
        plane = np.where((x // 3 + y // 3) % 9 == 0, 255 - plane, plane)
        noisy = (x > w * 0.7) & (y > h * 0.6)
        planes.append(np.where(noisy, plane + rng.normal(0, 25, plane.shape), plane))
    a = np.clip(np.rint(np.stack(planes, -1)), 0, 255).astype(np.uint8)
    if mode == "L":
        return Image.fromarray(a[..., 0], "L")
    if mode == "P":
        return Image.fromarray(a, "RGB").quantize(37, dither=Image.Dither.NONE)
    return Image.fromarray(a, mode)


def processor_of(config):
    kind = config.get("image_processor_type") or config["feature_extractor_type"].replace("FeatureExtractor", "ImageProcessor")
    cls = getattr(transformers, kind + "Pil")
    return cls(**{k: v for k, v in config.items() if k not in ("image_processor_type", "feature_extractor_type")})


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    for name, (mode, w, h) in PICTURES.items():
        picture(name, mode, w, h).save(os.path.join(OUT, name + ".png"), optimize=True)
    values, whole, meta = {}, {}, {}
    for config_name, config in CONFIGS.items():
        os.makedirs(os.path.join(OUT, config_name))
        write_json(os.path.join(OUT, config_name, "preprocessor_config.json"), config)
        processor = processor_of(config)
        for name in PICTURES:
            image = Image.open(os.path.join(OUT, name + ".png")).convert("RGB")
            pixels = processor(image, return_tensors="pt")["pixel_values"][0]
            eight = processor(image, return_tensors="pt", do_rescale=False, do_normalize=False)["pixel_values"][0]
            assert eight.dtype == torch.uint8
            values[f"{config_name}/{name}"], whole[f"{config_name}/{name}#u8"] = pixels.float(), eight
    values, meta = golden.thin(values, 96)
    meta["reference"] = f"transformers {transformers.__version__} (Pillow backend), Pillow {Image.__version__}"
    golden.write_safetensors(os.path.join(OUT, "golden.safetensors"), {**values, **whole}, meta)
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(OUT) for f in files)
    print(f"preprocess {size / 1024:.1f} KiB, {len(whole)} pictures")


if __name__ == "__main__":
    main()
