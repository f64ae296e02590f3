"""make_goldens.py [NAME…]: writes test/golden/NAME/ for every case of every family (or those whose name begins with one of
the arguments): the model directory as save_pretrained writes it, golden[-RUN].safetensors and taps[-RUN].txt. A sub-directory holds the
same weights as another writer would have saved them: the goldens above it hold for it too."""
import importlib
import json
import os
import shutil
import sys

import golden  # sets the environment before transformers is loaded
import eras
from case import save, write_goldens

FAMILIES = ["clip", "decoders", "llava", "bert", "siglip", "dino", "idefics2", "qwen_vl", "align"]
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")


def size_of(path):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(path) for f in files)


def check_generation(case, path):
    """Greedy answers must not hang on a rounding error, one must end by an end token, and settings must matter."""
    tensors, meta = golden.read_golden(os.path.join(path, "golden.safetensors"))
    gaps = []
    answers = []
    for k in range(len(case.generate)):
        settings, (row, _, shape) = json.loads(meta[f"generate/{k}"]), tensors[f"generate/{k}"]
        answers.append(tuple(row[:shape[1]].tolist()))
        if settings["gap"]:
            gaps.append(settings["gap"])
    if answers:
        assert min(gaps) > 1e-3, (case.name, gaps)
        assert len(answers[0]) < case.generate[0]["max_new_tokens"], (case.name, "no end token", answers[0])
        assert len(set(answers)) >= 4, (case.name, answers)
    return gaps


def main():
    wanted = sys.argv[1:]
    for family in FAMILIES:
        for case in importlib.import_module(f"families.{family}").cases():
            if wanted and not any(case.name.startswith(w) for w in wanted):
                continue
            path = os.path.join(OUT, case.name)
            shutil.rmtree(path, ignore_errors=True)
            save(case, path)
            write_goldens(case, path)
            for name, how in case.variants.items():
                eras.rewrite(path, os.path.join(path, name), **how)
            held = min(check_generation(case, path), default=None)
            print(f"{case.name:20} {size_of(path) / 1024:7.1f} KiB" + (f"  smallest gap {held:.3g}" if held else ""), flush=True)


if __name__ == "__main__":
    main()
