"""connectors.py [--shape zoo|llava-1.5] [--retina PATH] [--count 400] [--rounds 3] [--threads N] [--out F.md]: the connectors study from pictures to numbers, step by step,
by `retina connectors` and by the original's procedure in this environment, in alternating rounds on the same pictures.

Features and neighbours of both sides are compared in every round.

Theirs: transformers' LLaVA with hooks on the vision tower and the projector, eight pictures at a time in f32; faiss for the
neighbours of the mean tokens before and after, torch.linalg.svdvals for every picture's tokens; the reconstructor in PyTorch
with AdamW, eight pictures a step, --epochs of them. Ours does more in the geometry step: intervals by resampling, cosines of all pairs of tokens,
duplicates, tables. Their imports and the loading of their model are not counted; our whole processes are.
Model: data/zoo/llava, whose widths are small; or one of random weights with LLaVA-1.5's tower and connector (ViT-L/14-336, 1024 to 4096; one layer of
text, which nobody runs): half an hour a round of one epoch. The pictures are drawn by `retina world`. Seconds, medians; ratio ours over theirs."""
import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["OMP_WAIT_POLICY"] = "passive"
os.environ["HF_HUB_OFFLINE"] = "1"
import faiss
import torch
from PIL import Image
from safetensors import safe_open
from transformers import AutoImageProcessor, LlavaForConditionalGeneration

BATCH, TOPK, SIZES = 8, 100, (10, 50, 100)


class Theirs:
    def __init__(self, directory, pictures):
        self.processor = AutoImageProcessor.from_pretrained(directory, backend="pil")  # as the original; torchvision resizes to other bytes
        self.model = LlavaForConditionalGeneration.from_pretrained(directory, dtype=torch.float32).eval()
        self.pictures, self.seen = pictures, {"pre": [], "post": []}
        projector = self.model.model.multi_modal_projector
        projector.register_forward_pre_hook(lambda _m, given: self.seen["pre"].append(given[0].detach().clone()))
        projector.register_forward_hook(lambda _m, _i, out: self.seen["post"].append(out.detach().clone()))

    @torch.no_grad()
    def extract(self):
        self.seen = {"pre": [], "post": []}
        for first in range(0, len(self.pictures), BATCH):
            images = [Image.open(p).convert("RGB") for p in self.pictures[first:first + BATCH]]
            self.model.model.get_image_features(pixel_values=self.processor(images, return_tensors="pt")["pixel_values"])
        n = len(self.pictures)
        self.pre, self.post = (torch.cat(self.seen.pop(k)).reshape(n, -1, width) for k, width in [(k, self.seen[k][0].shape[-1]) for k in ("pre", "post")])

    @torch.no_grad()
    def geometry(self):
        ids = []
        for x in (self.pre, self.post):
            mean = x.mean(1).numpy()
            index = faiss.IndexFlatL2(mean.shape[1])
            index.add(mean)
            ids.append(index.search(mean, TOPK + 1)[1][:, 1:])
            for tokens in x:
                torch.linalg.svdvals(tokens - tokens.mean(0))
        self.overlap = {k: sum(len(set(a[:k]) & set(b[:k])) for a, b in zip(*ids)) / len(ids[0]) / k for k in SIZES}

    def recon(self):
        nn, n = torch.nn, int(len(self.pictures) * 0.8)
        wide, narrow = self.post.shape[-1], self.pre.shape[-1]
        h = max(wide, narrow)
        net = nn.Sequential(nn.Linear(wide, wide), nn.LayerNorm(wide), nn.GELU(), nn.Dropout(0.1), nn.Linear(wide, h), nn.LayerNorm(h), nn.GELU(), nn.Dropout(0.1),
                            nn.Linear(h, narrow))
        x, y = (t.sub_(t[:n].mean((0, 1))).div_(t[:n].std((0, 1))) for t in (self.post, self.pre)) # in place: of LLaVA-1.5 they are 5 GB
        optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.01)
        for _ in range(self.epochs):
            net.train()
            for rows in torch.randperm(n).split(BATCH):
                optimiser.zero_grad()
                nn.functional.mse_loss(net(x[rows]), y[rows]).backward()
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimiser.step()
            net.eval()
            with torch.no_grad():
                for rows in torch.arange(n, len(x)).split(BATCH):
                    nn.functional.mse_loss(net(x[rows]), y[rows])
        with torch.no_grad():
            net(x[n:])


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# What both sides found, before their times count: features of all tokens, relative to theirs, and the parts of neighbours that stay.
def compare(theirs, out):
    apart, norm, at = {"pre": 0.0, "post": 0.0}, {"pre": 0.0, "post": 0.0}, 0
    for part in sorted(glob.glob(out + "/vectors/*.safetensors")):
        with safe_open(part, "pt") as f:
            for key in apart:
                x = f.get_tensor(key).double()
                right = getattr(theirs, key)[at:at + len(x)].double()
                apart[key] += ((x - right) ** 2).sum().item()
                norm[key] += (right ** 2).sum().item()
            at += len(x)
    found = {key: (apart[key] / norm[key]) ** 0.5 for key in apart}
    with open(out + "/geometry.json") as f:
        ours = json.load(f)["all_pictures"]
    differ = {k: abs(ours[f"k{k}"]["knor"]["value"] - theirs.overlap[k]) for k in SIZES if f"k{k}" in ours}  # ours leaves out those above a tenth of the pictures
    if at != len(theirs.pre) or not differ or not all(x <= 1e-4 for x in found.values()) or not all(x <= 1e-3 for x in differ.values()):
        sys.exit(f"connectors.py: {at} of {len(theirs.pre)} pictures; features apart by {found}, neighbours that stay by {differ}: nothing is compared")
    return (f"Features differ by {found['pre']:.1e} before the connector and {found['post']:.1e} behind it (norm of the difference over theirs), "
            f"the parts of {', '.join(map(str, differ))} neighbours that stay by {max(differ.values()):.1e} at most.")


# A directory of random weights: the zoo's LLaVA with the tower and the widths of LLaVA-1.5.
def large(retina, zoo, directory):
    config, vision = (json.load(open(f)) for f in (zoo + "/config.json", "test/bench/vit_l_336.json"))
    config.update(vision_config=vision, image_seq_length=576, dtype="float32")
    config["text_config"].update(hidden_size=4096, num_attention_heads=32, num_key_value_heads=32, head_dim=128, num_hidden_layers=1)
    with open(directory + ".json", "w") as f:
        json.dump(config, f)
    subprocess.run([retina, "random", directory, "--config", directory + ".json", "--dtype", "f32", "--quiet"], check=True)
    for path in glob.glob(zoo + "/*"):
        if not os.path.exists(f"{directory}/{os.path.basename(path)}") and not path.endswith(".safetensors"):
            shutil.copy(path, directory)
    for name, changes in (("preprocessor_config.json", {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}), ("processor_config.json", {"patch_size": 14})):
        settings = json.load(open(f"{directory}/{name}"))
        with open(f"{directory}/{name}", "w") as f:
            json.dump(settings | changes, f)
    return directory


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--shape", choices=["zoo", "llava-1.5"], default="zoo")
    p.add_argument("--retina", default="./retina")
    p.add_argument("--count", type=int, default=400)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--out", help="as test/bench/connectors.md")
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    faiss.omp_set_num_threads(o.threads)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([o.retina, "world", "--out", folder + "/world", "--count", str(o.count), "--format", "png", "--quiet"], check=True)
        model = "data/zoo/llava" if o.shape == "zoo" else large(o.retina, "data/zoo/llava", folder + "/model")
        theirs = Theirs(model, sorted(glob.glob(folder + "/world/images/*.png")))
        theirs.epochs = o.epochs
        options = ["--model", model, "--images", folder + "/world/images", "--out", folder + "/out", "--threads", str(o.threads), "--quiet"]
        more = {"extract": ["--fresh", "--save-dtype", "f32"], "geometry": ["--topk", str(TOPK), "--fresh"], "recon": ["--epochs", str(o.epochs), "--fresh"]}
        taken = {step: ([], []) for step in more}
        for _ in range(o.rounds):
            for step, (ours, other) in taken.items():
                ours.append(seconds(lambda: subprocess.run([o.retina, "connectors", step, *options, *more[step]], check=True, stdout=subprocess.DEVNULL)))
                other.append(seconds(getattr(theirs, step)))
                if step == "geometry":
                    same = compare(theirs, folder + "/out")
                print(f"{step}: {ours[-1]:.2f} and {other[-1]:.2f} seconds", file=sys.stderr)
    lines = [f"`test/bench/connectors.py`: {o.count} pictures, {o.shape}, {o.epochs} epochs, {o.threads} threads, {o.rounds} alternating rounds; seconds, median (smallest – largest).", same, "",
             "| step | ours | theirs | ratio | note |", "|---|---|---|---|---|"]
    for step, pair in taken.items():
        text = [f"{statistics.median(t):.2f} ({min(t):.2f} – {max(t):.2f})" for t in pair]
        noisy = any(max(t) > 1.5 * min(t) for t in pair)
        lines.append(f"| {step} | {text[0]} | {text[1]} | {statistics.median(pair[0]) / statistics.median(pair[1]):.2f} | {'noisy' if noisy else ''} |")
    print("\n".join(lines))
    if o.out:
        with open(o.out, "w") as f:
            f.write("\n".join(lines) + "\n")


main()
