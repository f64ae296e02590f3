"""preprocess.py [--retina ./retina] [--count N] [--seed S]: `retina preprocess` on random pictures and random settings of CLIP's and
LLaVA's processors, against the Pillow backend of transformers. Values within 2e-6 (models.md 8); with rescaling and normalising
off, bit for bit. Pictures are PNG of every mode and JPEG, from 1 to 300 pixels a side."""
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
    mode = str(rng.choice(["RGB", "RGB", "L", "P", "RGBA", "LA"]))
    w, h = (int(n) for n in np.exp(rng.uniform(0, np.log(300), 2)))
    w, h = max(w, 1), max(h, 1)
    if max(w, h) > 60 * min(w, h):
        h = w
    image = preprocess.picture(f"{rng.integers(1 << 30)}", mode if mode not in ("LA", "P") else "RGBA" if mode == "LA" else "P", w, h)
    if mode == "LA":
        image = image.convert("LA")
    if mode in ("RGB", "L") and rng.integers(0, 2):
        path += ".jpg"
        image.save(path, quality=int(rng.integers(30, 96)), subsampling=int(rng.integers(0, 3)), progressive=bool(rng.integers(0, 2)))
    else:
        path += ".png"
        image.save(path)
    return path, f"{mode} {w}x{h} {path[-3:]}"


def random_config(rng):
    llava = rng.integers(0, 3) == 0
    s, c = int(rng.integers(3, 80)), int(rng.integers(3, 80))
    size = [s, {"shortest_edge": s}, {"height": s, "width": int(rng.integers(3, 80))}][rng.integers(0, 3)]
    crop = [c, {"height": c, "width": int(rng.integers(3, 80))}][rng.integers(0, 2)]
    config = preprocess.clip_like("LlavaImageProcessor" if llava else "CLIPImageProcessor", size=size, crop_size=crop,
                                  resample=int(rng.choice([2, 3])), do_center_crop=bool(rng.integers(0, 4)), do_normalize=bool(rng.integers(0, 4)),
                                  do_resize=bool(rng.integers(0, 8)))
    if llava:
        config["do_pad"] = bool(rng.integers(0, 2))
    if rng.integers(0, 3) == 0:
        config["image_mean"], config["image_std"] = ([round(float(v), 3) for v in rng.uniform(0.2, 0.6, 3)] for _ in range(2))
    if not rng.integers(0, 4):
        config.update(do_rescale=False, do_normalize=False)
    return config


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--retina", default=os.path.join(ROOT, "retina"))
    p.add_argument("--count", type=int, default=100)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    bad = held = 0
    with tempfile.TemporaryDirectory() as path:
        for seed in range(a.seed, a.seed + a.count):
            rng = golden.rng_of(seed, "preprocess")
            config = random_config(rng)
            file, what = random_picture(rng, os.path.join(path, "picture"))
            with open(os.path.join(path, "preprocessor_config.json"), "w") as f:
                json.dump(config, f)
            out = os.path.join(path, "out.safetensors")
            r = subprocess.run([a.retina, "preprocess", path, file, "--out", out], capture_output=True, text=True)
            try:
                image = Image.open(file).convert("RGB")
                want = preprocess.processor_of(config)(image, return_tensors="np")["pixel_values"].astype(np.float64)
            except Exception as e:  # the reference cannot do it either
                ok, why = r.returncode == 1, f"the reference says {e}; retina: {r.stderr.strip() or 'nothing'}"
            else:
                if r.returncode:
                    ok, why = False, r.stderr.strip()
                else:
                    got = compare.read_raw(out)[0]["pixel_values"].astype(np.float64)
                    worst = np.abs(got - want).max() if got.shape == want.shape else np.inf
                    allow = 2e-6 * max(1.0, np.abs(want).max()) if config["do_rescale"] or config["do_normalize"] else 0
                    ok, why = bool(worst <= allow), f"shape {got.shape}, expected {want.shape}, worst {worst:.3g} (allow {allow:.1g})"
            held += ok
            bad += not ok
            if not ok:
                print(f"FAIL seed {seed}: {what}: {json.dumps(config)}: {why}", flush=True)
            os.remove(file)
    print(f"{held} pictures held, {bad} failed")
    return 1 if bad or not held else 0


if __name__ == "__main__":
    sys.exit(main())
