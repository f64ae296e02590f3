"""preprocess.py: writes test/golden/preprocess/ (CLIP, LLaVA) and preprocess-later/ (the other families): small pictures of odd
sizes, one directory with a preprocessor_config.json per processor, and golden.safetensors with what the reference's Pillow-based
processors (DINOv3: torchvision's, there is no other) make of them:

    CONFIG/PICTURE       pixel_values without the axis of the batch: [3, H, W]; Qwen [patches, values]; Idefics2 [images, 3, H, W];
                         f32, thinned as golden.py says
    CONFIG/PICTURE#u8    the same before rescaling and normalising: the whole picture in 8 bits. Bit for bit, no tolerance.
    CONFIG/PICTURE#image_grid_thw, #pixel_attention_mask   where the family has them; u8, int64

preprocess-later/ has no pictures of its own. Pictures enter as Image.open(f).convert("RGB")."""
import os
import shutil

import golden  # sets the environment before transformers is loaded
import numpy as np
import torch
import torchvision
import transformers
from PIL import Image

from case import write_json

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "preprocess")
LATER = OUT + "-later"
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


def like(kind, **changes):
    """A processor without crop, mean and deviation one half, unless the changes say otherwise."""
    c = {"image_processor_type": kind, "do_convert_rgb": True, "do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
         "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    c.update(changes)
    return c


IMAGENET = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
LATER_CONFIGS = {
    "siglip": like("SiglipImageProcessor", size={"height": 21, "width": 21}, resample=3),
    "dinov2": like("BitImageProcessor", size={"shortest_edge": 26}, resample=3, do_center_crop=True, crop_size={"height": 22, "width": 22}, **IMAGENET),
    "dinov3": {k: v for k, v in like("DINOv3ViTImageProcessor", size={"height": 20, "width": 28}, resample=2, **IMAGENET).items() if k != "do_convert_rgb"},
    "idefics2": like("Idefics2ImageProcessor", size={"longest_edge": 48, "shortest_edge": 19}, resample=2, do_pad=True, do_image_splitting=False),
    "idefics2-split": like("Idefics2ImageProcessor", size={"longest_edge": 30, "shortest_edge": 11}, resample=2, do_pad=True, do_image_splitting=True),
    "qwen2-vl": like("Qwen2VLImageProcessor", image_mean=CLIP_MEAN, image_std=CLIP_STD, resample=3, patch_size=3, merge_size=2, temporal_patch_size=2,
                     min_pixels=200, max_pixels=900),
    "qwen3-vl": like("Qwen2VLImageProcessor", resample=3, patch_size=4, merge_size=2, temporal_patch_size=2, size={"shortest_edge": 256, "longest_edge": 1600}),
    "align": like("EfficientNetImageProcessor", size={"height": 27, "width": 27}, resample=2, do_center_crop=True, crop_size={"height": 22, "width": 22},
                  rescale_factor=1 / 127.5, rescale_offset=True, do_normalize=False, include_top=False),
    "align-top": like("EfficientNetImageProcessor", size={"height": 20, "width": 24}, resample=0, do_center_crop=False, rescale_factor=1 / 255,
                      rescale_offset=False, include_top=True, image_std=[0.3, 0.4, 0.5]),  # divides by the deviation twice
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
    cls = getattr(transformers, kind + "Pil", None) or getattr(transformers, kind)
    return cls(**{k: v for k, v in config.items() if k not in ("image_processor_type", "feature_extractor_type")})


def write_set(out, configs, names, limit):
    values, whole = {}, {}
    for config_name, config in configs.items():
        os.makedirs(os.path.join(out, config_name))
        write_json(os.path.join(out, config_name, "preprocessor_config.json"), config)
        processor = processor_of(config)
        for name in names:
            image = Image.open(os.path.join(OUT, name + ".png")).convert("RGB")
            key, plain = f"{config_name}/{name}", {"do_rescale": False, "do_normalize": False}
            if "include_top" in config:
                plain["include_top"] = False
            made = {k: v if k == "pixel_values" and v.dim() == 2 else v[0] for k, v in processor(image, return_tensors="pt").items()}
            values[key] = made.pop("pixel_values").float()
            for k, v in made.items():
                whole[f"{key}#{k}"] = v.to(torch.uint8) if "mask" in k else v.long()
            if config_name != "dinov3":  # resizes in float
                eight = processor(image, return_tensors="pt", **plain)["pixel_values"]
                whole[key + "#u8"] = eight.reshape(values[key].shape).to(torch.uint8)
                assert torch.equal(whole[key + "#u8"].float(), eight.reshape(values[key].shape).float())
    values, meta = golden.thin(values, limit)
    meta["reference"] = f"transformers {transformers.__version__} (Pillow backend), Pillow {Image.__version__}, torchvision {torchvision.__version__.split('+')[0]}"
    golden.write_safetensors(os.path.join(out, "golden.safetensors"), {**values, **whole}, meta)
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(out) for f in files)
    print(f"{os.path.basename(out)} {size / 1024:.1f} KiB, {len(values)} pictures")


def main():
    for out in (OUT, LATER):
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
    for name, (mode, w, h) in PICTURES.items():
        picture(name, mode, w, h).save(os.path.join(OUT, name + ".png"), optimize=True)
    write_set(OUT, CONFIGS, PICTURES, 96)
    write_set(LATER, LATER_CONFIGS, [n for n in PICTURES if n not in ("grey", "palette", "alpha")], 96)


if __name__ == "__main__":
    main()
