"""connectors.py [SEED…]: `./retina connectors` on a LLaVA with random weights and drawn pictures (odd sizes, copies), from seed 1 on with
other states before its projector, widths, patches and decoders than the small LLaVA's; every number of it against its definition computed here: vectors by transformers' hooks, spectra, cosines, neighbours and their overlap on all pictures and
without copies in three metrics, duplicate floor, correlation of distances, the reconstructor's scores from its saved weights, captions
live, injected and rebuilt by transformers' generate. Exit 1 where something differs."""
import csv
import json
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file
from transformers import AutoProcessor, LlavaForConditionalGeneration

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ZOO = ROOT + "/data/zoo/llava"
PROMPT, LENGTH, SIDE, N, COPIES = "describe the picture.", 6, 64, 130, 15
KS = (10,)  # 50 and 100 want more than ten times as many pictures
SPECTRUM = ["effective_rank", "effective_rank_normalized", "top1_energy_ratio", "top5_energy_ratio", "top10_energy_ratio", "k80_energy", "k90_energy"]
wrong, told = 0, {}


def check(what, ours, theirs, allow):
    global wrong
    a, b = np.asarray(ours, float), np.asarray(theirs, float)
    error = float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b)))) if a.shape == b.shape and a.size else np.inf
    told[what] = max(told.get(what, 0), error)
    if not error <= allow:
        wrong += 1
        print(f"FAIL {what}: {a.ravel()[:4]} for {b.ravel()[:4]}, off by {error:.1e} (allow {allow:.0e})")


def draw(folder, rng):
    for i in range(N):
        w, h = rng.integers(20, 150, 2)
        cells = rng.integers(0, 255, (rng.integers(1, 9), rng.integers(1, 9), 3), dtype=np.uint8)
        Image.fromarray(cells).resize((int(w), int(h)), Image.BILINEAR).save(f"{folder}/{i:04d}.png")
        if i < COPIES:
            Image.open(f"{folder}/{i:04d}.png").save(f"{folder}/{i:04d}copy.png")
    return sorted(os.path.join(folder, f) for f in os.listdir(folder))


def spectrum(x):
    s = np.linalg.svd(x - x.mean(0), compute_uv=False)
    p = s**2 / ((s**2).sum() + 1e-12)
    rank, c = np.exp(-(p * np.log(p + 1e-12)).sum()), np.cumsum(p)
    first = lambda share: 1 + int(np.argmax(c >= share)) if (c >= share).any() else len(p)
    return [rank, rank / len(p), p[:1].sum(), p[:5].sum(), p[:10].sum(), first(0.8), first(0.9)]


def cosines(x):
    u = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    g = np.sort((u @ u.T)[~np.eye(len(x), dtype=bool)])
    return [g.mean(), g.std(), g[(len(g) - 1) // 2]]


def distances(x, metric):
    if metric == "cosine":
        u = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        return 1 - u @ u.T
    return np.sqrt(np.maximum(((x[:, None] - x[None]) ** 2).sum(-1), 0))


def neighbours(d, k):
    d = d.copy()
    np.fill_diagonal(d, np.inf)
    return np.argsort(d, axis=1, kind="stable")[:, :k]


def overlap(a, b, k):
    knor, moved = [], []
    for x, y in zip(a[:, :k].tolist(), b[:, :k].tolist()):
        knor.append(len(set(x) & set(y)) / k)
        moved.append(np.mean([abs(j - y.index(i)) if i in y else k for j, i in enumerate(x)]))
    return np.array(knor), np.array(moved)


def correlation(d, e, epsilon):
    i = np.triu_indices(len(d), 1)
    x, y = d[i] - d[i].mean(), e[i] - e[i].mean()
    return (x * y).mean() / (x.std() * y.std() + epsilon)


def geometry(out, pre, post, groups, norm):
    rows = list(csv.DictReader(open(out + "/per_image.csv")))
    for side, x in (("pre", pre), ("post", post)):
        want = np.array([spectrum(v) for v in x])
        for k, name in enumerate(SPECTRUM):
            check(f"per_image.csv {side}_{name}", [float(r[f"{side}_{name}"]) for r in rows], want[:, k], 1e-6)
    g, original = json.load(open(out + "/geometry.json")), json.load(open(out + f"/overlap_top{KS[-1]}_l2_torch.json"))
    p, q = pre.mean(1), post.mean(1)
    d, e = distances(p, "l2"), distances(q, "l2")
    check("pairwise_corr", original["global"]["pairwise_corr"], correlation(d, e, 1e-8), 1e-6)
    for side, x in (("pre", pre), ("post", post)):
        c = np.array([cosines(v) for v in x])
        for k, name in enumerate(("mean_pairwise_cosine", "std_pairwise_cosine", "median_pairwise_cosine")):
            check(name, original["global"]["cosine_concentration"][f"{side}_summary"][f"{name}_mean"], c[:, k].mean(), 1e-6)
            check(name + " deviation", original["global"]["cosine_concentration"][f"{side}_summary"][f"{name}_std"], c[:, k].std(), 1e-6)
    sizes = np.bincount(groups)
    for k in KS:
        knor, moved = overlap(neighbours(d, k), neighbours(e, k), k)
        check(f"knor {k}", [float(r[f"pre_post_knor{k}"]) for r in rows], knor, 1e-12)
        t = original[f"top{k}"]
        check(f"top{k}", [t["mean"], t["median"], t["std"], t["mean_rank_displacement"], t["std_rank_displacement"]],
              [knor.mean(), np.sort(knor)[(len(knor) - 1) // 2], knor.std(), moved.mean(), moved.std()], 1e-12)
        every = g["all_pictures"][f"k{k}"]
        floor = sum(v * min(k, v - 1) / k for v in sizes) / len(pre)
        check("floor and chance", [every["knor"]["value"], every["duplicate_floor"], every["chance"], every["above_floor"]],
              [knor.mean(), floor, k / (len(pre) - 1), (knor.mean() - floor) / (1 - floor)], 1e-12)
    first = np.array([int(np.argmax(groups == i)) for i in range(len(sizes))])
    standard = lambda x: (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
    for prefix, before in (("", p), ("normed_", norm(pre).mean(1))):
        for name, metric, scale in (("l2", "l2", lambda x: x), ("cosine", "cosine", lambda x: x), ("l2_standardised", "l2", standard)):
            d, e = (distances(scale(x[first]), metric) for x in (before, q))
            mine = g["distinct_pictures"][prefix + name]
            check(f"{prefix}{name} distance correlation", mine["distance_correlation"], correlation(d, e, 0), 1e-5)
            for k in KS:
                knor, moved = overlap(neighbours(d, k), neighbours(e, k), k)
                check(f"{prefix}{name} distinct", [mine[f"k{k}"]["knor"]["value"], mine[f"k{k}"]["chance"]], [knor.mean(), k / (len(first) - 1)], 2.5 / k / len(first))  # one near tie may fall either way
                check(f"{prefix}{name} displacement", mine[f"k{k}"]["rank_displacement"], moved.mean(), 0.02)


def rebuild(weights, x):
    """Network A from its checkpoint, best weights: (B, T, I) -> (B, T, O) in the target's units."""
    t = lambda name: torch.tensor(weights[name])
    x = (torch.tensor(x) - t("mean_post")) / (t("std_post") + 1e-8)
    layers = sum(name.startswith("best.layers.") and name.endswith(".weight") for name in weights)
    for l in range(layers):
        x = torch.nn.functional.linear(x, t(f"best.layers.{l}.weight"), t(f"best.layers.{l}.bias"))
        if l + 1 < layers:
            x = torch.nn.functional.gelu(torch.nn.functional.layer_norm(x, x.shape[-1:], t(f"best.norms.{l}.weight"), t(f"best.norms.{l}.bias")))
    return (x * (t("std_pre") + 1e-8) + t("mean_pre")).numpy()


def reconstruction(out, weights, pre, rebuilt):
    rows, scale = list(csv.DictReader(open(out + "/recon.csv"))), weights["std_pre"].astype(float) + 1e-8
    mean = weights["mean_pre"].astype(float)
    train = pre[[r["part"] == "train" for r in rows]].reshape(-1, pre.shape[-1])
    check("channel means of the training part", mean, train.mean(0), 1e-5)
    check("channel deviations of the training part", weights["std_pre"], np.sqrt(train.var(0) + 1e-8), 1e-5)
    c = lambda a, b: ((a * b).sum(-1) / np.maximum(np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1), 1e-8)).mean(-1)
    for name, want in (("mse_pre", (((rebuilt - pre) / scale) ** 2).mean((1, 2))), ("mse_mean", (((pre - mean) / scale) ** 2).mean((1, 2))),
                       ("cosine_pre", c(rebuilt, pre)), ("cosine_centred", c(rebuilt - mean, pre - mean))):
        check("recon.csv " + name, [float(r[name]) for r in rows], want, 5e-6)


@torch.no_grad()
def captions(out, model, processor, pictures, pre, post, rebuilt):
    global wrong
    text = processor.apply_chat_template([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}], add_generation_prompt=True)
    projector = model.model.multi_modal_projector
    rows = list(csv.DictReader(open(out + "/caption_original_vs_recon.csv")))

    def say(image, before=None, after=None, seen=None):
        hooks = [projector.register_forward_pre_hook(lambda _m, _a: (before,))] if before is not None else []
        hooks += [projector.register_forward_hook(lambda _m, _a, o: after if after is not None else seen.append(o) if seen is not None else None)]
        inputs = processor(images=image, text=text, return_tensors="pt")
        ids = model.generate(**inputs, max_new_tokens=LENGTH, do_sample=False)[0, inputs["input_ids"].shape[1]:]
        [h.remove() for h in hooks]
        return processor.tokenizer.decode(ids, skip_special_tokens=True).strip().replace("\0", "\ufffd")

    for r in rows:
        i = int(r["sample_id"].split(":")[1])
        image, seen = squashed(pictures[i]), []
        want = {"caption_live": say(image), "caption_post_direct": say(image, after=torch.tensor(post[i:i + 1])),
                "caption_recon": say(image, before=torch.tensor(rebuilt[i:i + 1]), seen=seen)}
        for name, t in want.items():
            if r[name] != t:
                wrong += 1
                print(f"FAIL {r['key']} {name}: {r[name]!r} for {t!r}")
        given = seen[0][0].numpy().astype(float)
        cosine = (given * post[i]).sum(-1) / np.maximum(np.linalg.norm(given, axis=-1) * np.linalg.norm(post[i], axis=-1), 1e-8)
        check("reproj_mse_recon", float(r["reproj_mse_recon"]), ((given - post[i]) ** 2).mean(), 1e-5)
        check("reproj_cosine_recon", float(r["reproj_cosine_recon"]), cosine.mean(), 1e-5)
    return len(rows)


def configuration(seed):
    """Of the small LLaVA, or drawn; and its processor's."""
    config, processor = (json.load(open(f"{ZOO}/{n}.json")) for n in ("config", "processor_config"))
    if seed == 0:
        return config, processor
    rng = np.random.default_rng(seed)
    strategy, patch = str(rng.choice(["full", "default"])), int(rng.choice([8, 13, 16]))
    config["vision_feature_layer"] = [-1, 1, [-2, -1], [2, 4]][rng.integers(0, 4)]
    config["vision_feature_select_strategy"] = processor["vision_feature_select_strategy"] = strategy
    config["image_seq_length"] = (SIDE // patch) ** 2 + (strategy == "full")
    config["projector_hidden_act"], config["multimodal_projector_bias"] = str(rng.choice(["relu", "silu", "gelu"])), bool(rng.integers(0, 2))
    config["vision_config"].update(hidden_size=int(rng.choice([40, 48])), num_hidden_layers=5, hidden_act="gelu", patch_size=patch)
    config["text_config"].update(model_type=str(rng.choice(["llama", "mistral", "qwen2"])), hidden_size=64, head_dim=16, num_key_value_heads=int(rng.choice([1, 4])))
    processor["patch_size"] = patch
    return config, processor


def squashed(path):
    return Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.BICUBIC)


@torch.no_grad()
def compare(seed):
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as t:
        os.mkdir(t + "/pictures")
        pictures, directory, out = draw(t + "/pictures", rng), t + "/model", t + "/out"
        config, own = configuration(seed)
        json.dump(config, open(t + "/config.json", "w"))
        subprocess.run([ROOT + "/retina", "random", directory, "--config", t + "/config.json", "--seed", str(seed), "--quiet"], check=True)
        for name in os.listdir(ZOO):
            if name not in ("config.json", "model.safetensors", "ZOO.json", "processor_config.json"):
                open(f"{directory}/{name}", "wb").write(open(f"{ZOO}/{name}", "rb").read())
        json.dump(own, open(directory + "/processor_config.json", "w"))
        subprocess.run([ROOT + "/retina", "connectors", "--model", directory, "--images", t + "/pictures", "--out", out, "--epochs", "2", "--hidden-size", "64", "--captions", "8",
                        "--max-new-tokens", str(LENGTH), "--prompt", PROMPT, "--part-size", "50", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        model = LlavaForConditionalGeneration.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
        processor = AutoProcessor.from_pretrained(directory, backend="pil")
        seen = {"pre": [], "post": []}
        hooks = [model.model.multi_modal_projector.register_forward_hook(lambda _m, i, o: (seen["pre"].append(i[0]), seen["post"].append(o)) and None)]
        for p in pictures:
            model.model.get_image_features(pixel_values=processor.image_processor(squashed(p), return_tensors="pt")["pixel_values"])
        [h.remove() for h in hooks]
        files = [load_file(f"{out}/vectors/{f}") for f in sorted(os.listdir(out + "/vectors"))]
        pre, post = (np.concatenate([f[k] for f in files]) for k in ("pre", "post"))
        for k, x in (("pre", pre), ("post", post)):
            check("vectors " + k, x, torch.stack([v.reshape(x.shape[1:]) for v in seen[k]]).numpy(), 1e-5)
        prints = {}
        groups = np.array([prints.setdefault((Image.open(p).size, Image.open(p).convert("RGB").tobytes()), len(prints)) for p in pictures])
        tower = model.model.vision_tower
        norm_of = (tower.vision_model if hasattr(tower, "vision_model") else tower).post_layernorm
        norm = lambda x: torch.cat([norm_of(v) for v in torch.tensor(x, dtype=torch.float32).split(norm_of.weight.shape[0], -1)], -1).numpy().astype(float)
        geometry(out, pre.astype(float), post.astype(float), groups, norm)
        weights = load_file(out + "/recon.safetensors")
        rebuilt = rebuild(weights, post)
        reconstruction(out, weights, pre.astype(float), rebuilt.astype(float))
        n = captions(out, model, processor, pictures, pre, post, rebuilt)
    print(f"seed {seed}: {len(pictures)} pictures, {n} of them captioned; {len(told)} figures, the worst: " + ", ".join(f"{w} {e:.0e}" for w, e in sorted(told.items(), key=lambda x: -x[1])[:4]))


if __name__ == "__main__":
    torch.set_num_threads(2)
    for s in [int(a) for a in sys.argv[1:]] or [0]:
        compare(s)
    sys.exit(1 if wrong else 0)
