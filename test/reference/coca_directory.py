"""coca_directory.py DIR PICTURE…: a CoCa directory, the zoo's for example, as OpenCLIP itself loads it ("local-dir:DIR"): its tokenizer,
its preprocessing, its greedy captions, the vectors of pictures and captions; compared with `./retina` on the same pictures. Exit 1 where they differ.

Greedy captions are written out here, so that no transformers with BeamSearchScorer is needed.
"""
import json
import os
import subprocess
import sys
import tempfile

import golden  # noqa: F401  sets the environment before transformers is loaded
import open_clip
import torch
from PIL import Image
from safetensors.torch import load_file

RETINA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "retina")


@torch.no_grad()
def greedy(model, image, sot, eos, seq_len=30, min_seq_len=5):
    _, tokens = model._encode_image(image)
    ids = [sot]
    while len(ids) < seq_len:
        _, text = model._encode_text(torch.tensor([ids]))
        z = model.text_decoder(tokens, text)[0, -1]
        if len(ids) < min_seq_len:
            z[eos] = -torch.inf
        ids.append(int(z.argmax()) if len(ids) + 1 < seq_len else eos)
        if ids[-1] in (eos, 0):
            break
    return ids


def main():
    directory, pictures = sys.argv[1], sys.argv[2:]
    model, _, preprocess = open_clip.create_model_and_transforms("local-dir:" + os.path.abspath(directory))
    model.eval()
    V = model.text.vocab_size
    wrong = 0
    out = subprocess.run([RETINA, "generate", "--model", directory, "--json"] + sum((["--image", p] for p in pictures), []), capture_output=True, text=True, check=True).stdout
    mine = [json.loads(line) for line in out.splitlines()]
    tokenizer = open_clip.get_tokenizer("local-dir:" + os.path.abspath(directory))
    with tempfile.TemporaryDirectory() as t:
        for p, m in zip(pictures, mine):
            image = preprocess(Image.open(p).convert("RGB"))[None]
            subprocess.run([RETINA, "preprocess", directory, p, "--out", t + "/p.safetensors"], check=True, capture_output=True)
            pixels = load_file(t + "/p.safetensors")["pixel_values"]
            ids = greedy(model, image, V - 2, V - 1)
            text = m["text"]
            subprocess.run([RETINA, "extract", "--model", directory, "--image", p, "--prompt", text, "--taps", "visual,text", "--out", t + "/e.safetensors", "--fresh"],
                           check=True, capture_output=True)
            e = load_file(t + "/e.safetensors")
            with torch.no_grad():
                v = model.visual(image)[0]
                w = model.text(tokenizer([text]))[0]
            errors = [float((a - b).norm() / b.norm()) for a, b in ((pixels, image), (e["visual"], v), (e["text"][0], w))]
            ok = m["ids"] == ids[1:] and max(errors) < 1e-5
            wrong += not ok
            print("ok  " if ok else "FAIL", os.path.basename(p), text, errors)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
