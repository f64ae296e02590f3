"""preprocess.py: writes test/golden/preprocess/: small pictures of odd sizes, one directory per image processor with the file that
configures it, and golden.safetensors with what the reference makes of them: AutoImageProcessor.from_pretrained(directory,
backend="pil") (DINOv3: torchvision's, there is no other), or OpenCLIP's image_transform_v2 for an open_clip_config.json.

    CONFIG/PICTURE       pixel_values as returned for that picture alone; f32, thinned as golden.py says
    CONFIG/A+B+C         the same for several pictures at once, as one list
    NAME#bytes           metadata: CRC-32 of the same before rescaling and normalising, as bytes (not for DINOv3, which resizes floats)
    NAME#image_grid_thw, NAME#pixel_attention_mask   where the family has them; int64, u8

Pictures enter as Image.open(f).convert("RGB")."""
import json
import os
import shutil
import tempfile
import zlib

import golden  # sets the environment before transformers is loaded
import numpy as np
import open_clip
import torch
import torchvision
import transformers
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from PIL import Image

from case import write_json

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "preprocess")
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
IMAGENET = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])

# name: (mode, width, height)
PICTURES = {
    "tall": ("RGB", 41, 120), "wide": ("RGB", 131, 47), "square": ("RGB", 64, 64), "tiny": ("RGB", 5, 3), "near": ("RGB", 31, 30),
    "strip": ("RGB", 200, 9), "grey": ("L", 57, 38), "palette": ("P", 45, 61), "alpha": ("RGBA", 50, 33), "line": ("RGB", 1, 37), "dot": ("RGB", 1, 1),
}
FEW, BATCH = ["tall", "wide", "tiny", "near"], ["wide+near+tall"]


def clip_like(kind="CLIPImageProcessor", **changes):
    c = {"image_processor_type": kind, "do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": 24}, "resample": 3,
         "do_center_crop": True, "crop_size": {"height": 24, "width": 24}, "do_rescale": True, "rescale_factor": 1 / 255,
         "do_normalize": True, "image_mean": CLIP_MEAN, "image_std": CLIP_STD}
    c.update(changes)
    return {k: v for k, v in c.items() if v is not None}


def like(kind, **changes):
    """A processor without crop, mean and deviation one half, unless the changes say otherwise."""
    c = {"image_processor_type": kind, "do_convert_rgb": True, "do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
         "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    c.update(changes)
    return {k: v for k, v in c.items() if v is not None}


def open_clip_like(size=20, **own):
    return {"model_cfg": {"embed_dim": 32, "vision_cfg": {"image_size": size}}, "preprocess_cfg": own}


def diffusers_like(network="unet", latents=3, levels=4):
    """A pipeline's folder: pictures are as large as its latents times two for every level of its VAE but one."""
    return {"model_index.json": {"_class_name": "StableDiffusionPipeline"}, network + "/config.json": {"_class_name": "X", "sample_size": latents},
            "vae/config.json": {"_class_name": "AutoencoderKL", "block_out_channels": [8] * levels}}


QWEN = dict(image_mean=CLIP_MEAN, image_std=CLIP_STD, resample=3, patch_size=3, merge_size=2, temporal_patch_size=2)
CROP22 = dict(do_center_crop=True, crop_size={"height": 22, "width": 22})

# name: (settings, pictures). The settings' file is told by file_of.
CONFIGS = {
    "clip": (clip_like(), list(PICTURES)),
    "clip-numbers": (clip_like(None, feature_extractor_type="CLIPFeatureExtractor", size=23, crop_size=21, do_convert_rgb=None,
                               do_rescale=None, rescale_factor=None), FEW),  # the first files: bare numbers, no rescale keys
    "clip-oblong": (clip_like(size={"shortest_edge": 30}, crop_size={"height": 19, "width": 28}), FEW),
    "clip-small": (clip_like(size={"shortest_edge": 15}, crop_size={"height": 26, "width": 23}), FEW + ["strip"]),  # zeros around the picture
    "clip-exact": (clip_like(size={"height": 18, "width": 25}, resample=2, do_center_crop=False, image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.25, 0.2]), FEW),
    "clip-plain": (clip_like(do_normalize=False, resample=2, size={"shortest_edge": 20}, crop_size={"height": 20, "width": 20}), FEW),
    "clip-capped": (clip_like(size={"shortest_edge": 17, "longest_edge": 31}, do_center_crop=False), list(PICTURES)),
    "clip-within": (clip_like(size={"max_height": 19, "max_width": 28}, do_center_crop=False), FEW),
    "clip-lists": (clip_like("CLIPImageProcessorFast", size=[17, 26], crop_size=[15, 22]), FEW),
    "clip-nested": ({"processor_class": "CLIPProcessor", "image_processor": clip_like(size={"shortest_edge": 19}, crop_size={"height": 18, "width": 18})}, FEW),
    "clip-padded": (clip_like(size={"shortest_edge": 12}, do_center_crop=False, do_pad=True), FEW + BATCH),
    "clip-pad-size": (clip_like(size={"height": 12, "width": 15}, do_center_crop=False, do_pad=True, pad_size={"height": 14, "width": 21}), FEW),
    "clip-raw": (clip_like(do_rescale=False, size={"shortest_edge": 20}, crop_size={"height": 20, "width": 20}), FEW),
    **{f"clip-filter-{i}": (clip_like(resample=i, size={"height": 27, "width": 22}, do_center_crop=False), FEW + ["line"]) for i in (0, 1, 4, 5)},
    "llava-crop": (clip_like("LlavaImageProcessor", do_pad=False, size={"shortest_edge": 22}, crop_size={"height": 22, "width": 22}), FEW),
    "llava-pad": (clip_like("LlavaImageProcessor", do_pad=True), list(PICTURES)),
    "siglip": (like("SiglipImageProcessor", size={"height": 21, "width": 21}, resample=3), FEW + ["line"]),
    "siglip-number": (like("SiglipImageProcessor", size=18, resample=2), FEW),  # the shorter side, although the default is a square
    "vit": (like("ViTFeatureExtractor", size=17, image_processor_type=None, feature_extractor_type="ViTFeatureExtractor"), FEW),
    "dinov2": (like("BitImageProcessor", size={"shortest_edge": 26}, resample=3, **CROP22, **IMAGENET), FEW + ["line"]),
    "dinov3": (like("DINOv3ViTImageProcessorFast", size={"height": 20, "width": 28}, resample=2, do_convert_rgb=None, **IMAGENET), FEW + ["dot"]),
    "dinov3-crop": (like("DINOv3ViTImageProcessor", size={"shortest_edge": 19}, resample=3, do_center_crop=True, crop_size={"height": 24, "width": 18}, **IMAGENET), FEW),
    "idefics2": (like("Idefics2ImageProcessor", size={"longest_edge": 48, "shortest_edge": 19}, resample=2, do_pad=True, do_image_splitting=False), FEW + ["line"] + BATCH),
    "idefics2-split": (like("Idefics2ImageProcessor", size={"longest_edge": 30, "shortest_edge": 11}, resample=2, do_pad=True, do_image_splitting=True), FEW + ["line"] + BATCH),
    "idefics2-exact": (like("Idefics2ImageProcessor", size={"height": 12, "width": 17}, resample=3, do_pad=False), FEW),
    "qwen2-vl": (like("Qwen2VLImageProcessor", **QWEN, min_pixels=200, max_pixels=900), FEW + ["square"] + BATCH),
    "qwen2-vl-both": (like("Qwen2VLImageProcessor", **QWEN, min_pixels=300, max_pixels=700, size={"min_pixels": 100, "max_pixels": 5000}), FEW),
    "qwen2-vl-default": (like("Qwen2VLImageProcessorFast", image_mean=CLIP_MEAN, image_std=CLIP_STD, max_pixels=4000), ["wide", "tiny"]),
    "qwen3-vl": (like("Qwen2VLImageProcessorFast", resample=3, patch_size=4, merge_size=2, temporal_patch_size=3, size={"shortest_edge": 256, "longest_edge": 1600}), FEW),
    "qwen-merge-3": (like("Qwen2VLImageProcessor", **{**QWEN, "merge_size": 3, "temporal_patch_size": 1}, size={"shortest_edge": 90, "longest_edge": 900}), FEW),
    "align": (like("EfficientNetImageProcessor", size={"height": 27, "width": 27}, resample=2, **CROP22,
                   rescale_factor=1 / 127.5, rescale_offset=True, do_normalize=False, include_top=False), FEW),
    "align-top": (like("EfficientNetImageProcessor", size={"height": 20, "width": 24}, resample=0, do_center_crop=False, rescale_factor=1 / 255,
                       rescale_offset=False, include_top=True, image_std=[0.3, 0.4, 0.5]), FEW),  # divides by the deviation twice
    "diffusers": (diffusers_like(), list(PICTURES)),
    "diffusers-dit": (diffusers_like("transformer", 9, 2), FEW),
    "open-clip": (open_clip_like(), list(PICTURES)),
    "open-clip-bare": (open_clip_like(23)["model_cfg"], FEW),
    "open-clip-longest": (open_clip_like(21, resize_mode="longest", fill_color=127, interpolation="bilinear", mean=[0.5] * 3, std=[0.5] * 3), list(PICTURES)),
    "open-clip-squash": (open_clip_like(22, resize_mode="squash", interpolation="bilinear"), FEW),
    "open-clip-oblong": (open_clip_like([18, 25], interpolation="bilinear", mean=0.4, std=0.3), FEW),
    "open-clip-oblong-longest": (open_clip_like([27, 16], resize_mode="longest", interpolation="random"), FEW),
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


# ---- the reference

def is_open_clip(config):
    return "vision_cfg" in config or "model_cfg" in config


def is_diffusers(config):
    return "model_index.json" in config


def file_of(config):
    return "open_clip_config.json" if is_open_clip(config) else "processor_config.json" if "image_processor" in config else "preprocessor_config.json"


def run_open_clip(config, images):
    size = config.get("model_cfg", config)["vision_cfg"]["image_size"]
    merged = merge_preprocess_dict(PreprocessCfg(), {**config.get("preprocess_cfg", {}), "size": size})
    transform = image_transform_v2(PreprocessCfg(**merged), is_train=False)
    eight = []
    for image in images:
        for step in transform.transforms[:-2]:  # all but ToTensor and Normalize
            image = step(image)
        eight.append(np.asarray(image).transpose(2, 0, 1))
    return {"pixel_values": torch.stack([transform(i) for i in images])}, np.stack(eight)


def run_transformers(config, images, folder):
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    inner = config.get("image_processor", config)
    kind = inner.get("image_processor_type") or inner.get("feature_extractor_type") or ""
    made = dict(processor(images, return_tensors="pt"))
    made["pixel_values"] = made["pixel_values"].float()
    if "DINOv3" in kind:  # resizes in float
        return made, None
    plain = {"do_rescale": False, "do_normalize": False}
    if "EfficientNet" in kind:
        plain["include_top"] = False
    eight = processor(images, return_tensors="pt", **plain)["pixel_values"]
    assert torch.equal(eight.to(torch.uint8).double(), eight.double())
    return made, eight.to(torch.uint8).numpy()


def run_diffusers(config, images):
    """As the studies' feature extractors do it: no file of such a folder says how pictures are prepared."""
    network = next(v for k, v in config.items() if k.split("/")[0] in ("unet", "transformer"))
    side = network["sample_size"] * 2 ** (len(config["vae/config.json"]["block_out_channels"]) - 1)
    eight = np.stack([np.asarray(i.resize((side, side))).transpose(2, 0, 1) for i in images])
    return {"pixel_values": (torch.from_numpy(eight) / 255.0 - 0.5) * 2}, eight


def reference(config, images, folder):
    """(what the processor returns, its 8-bit values or None); the folder holds the settings' file."""
    if is_diffusers(config):
        return run_diffusers(config, images)
    return run_open_clip(config, images) if is_open_clip(config) else run_transformers(config, images, folder)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    for name, (mode, w, h) in PICTURES.items():
        picture(name, mode, w, h).save(os.path.join(OUT, name + ".png"), optimize=True)
    values, whole, crcs = {}, {}, {}
    for config_name, (config, names) in CONFIGS.items():
        folder = os.path.join(OUT, config_name)
        os.makedirs(folder)
        for file, content in config.items() if is_diffusers(config) else [(file_of(config), config)]:
            os.makedirs(os.path.dirname(os.path.join(folder, file)), exist_ok=True)
            write_json(os.path.join(folder, file), content)
        for name in names:
            images = [Image.open(os.path.join(OUT, n + ".png")).convert("RGB") for n in name.split("+")]
            key = f"{config_name}/{name}"
            made, eight = reference(config, images, folder)
            values[key] = made.pop("pixel_values")
            for k, v in made.items():
                whole[f"{key}#{k}"] = v.to(torch.uint8) if "mask" in k else v.long()
            if eight is not None:
                crcs[key + "#bytes"] = str(zlib.crc32(np.ascontiguousarray(eight).tobytes()))
    values, meta = golden.thin(values, 64)
    meta.update(crcs)
    meta["reference"] = (f"transformers {transformers.__version__} (Pillow backend), open_clip {open_clip.__version__}, Pillow {Image.__version__}, "
                         f"torchvision {torchvision.__version__.split('+')[0]}")
    golden.write_safetensors(os.path.join(OUT, "golden.safetensors"), {**values, **whole}, meta)
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(OUT) for f in files)
    print(f"{os.path.basename(OUT)} {size / 1024:.1f} KiB, {len(values)} pictures")


if __name__ == "__main__":
    main()
