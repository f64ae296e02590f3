"""verbalize.py DIR PICTURE…: captions and entropies of every layer as the reference makes them (open_clip for a CoCa directory,
transformers for a LLaVA one), with forward hooks and no cache, against `./retina verbalize caption` on the same pictures; and the
own-model score of a CoCa, the likelihood of a given caption under every layer and under the mean of its states, what is said of that
mean, and the sums of entropy.csv and diversity.csv. DIR may be random:SEED, the small CoCa with other weights, or llava:SEED, the small LLaVA
with others and with other states before its projector (several of them, the class token kept). Exit 1 where a caption
differs or an entropy is further than 1e-5 bits (times its size, at least 1)."""
import csv
import json
import shutil
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np
import torch
from PIL import Image

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PROMPT = "describe the picture."


def entropy_bits(logits):
    p = torch.softmax(logits.double(), -1)
    return float(-(p * torch.log2(p.clamp_min(1e-300))).sum(-1))


@torch.no_grad()
def coca(directory, pictures, seq_len=30, min_seq_len=5):
    import open_clip
    model, _, preprocess = open_clip.create_model_and_transforms("local-dir:" + os.path.abspath(directory))
    tokenizer = open_clip.get_tokenizer("local-dir:" + os.path.abspath(directory))
    model.eval()
    V = model.text.vocab_size
    sot, eos = V - 2, V - 1
    out, vectors, every = [], [], []

    def say(x):
        tokens = model.visual.ln_post(model.visual.attn_pool(x))[:, 1:]
        ids, steps = [sot], []
        while len(ids) < seq_len and ids[-1] not in (eos, 0):
            _, text = model._encode_text(torch.tensor([ids]))
            z = model.text_decoder(tokens, text)[0, -1]
            steps.append(entropy_bits(z))
            if len(ids) < min_seq_len:
                z[eos] = -torch.inf
            ids.append(int(z.argmax()) if len(ids) + 1 < seq_len else eos)
        words = tokenizer.tokenizer.decode([i for i in ids if i not in (sot, eos, 0)])
        return words.strip().replace("\0", "\ufffd"), sum(steps) / len(steps)

    for p in pictures:
        image = preprocess(Image.open(p).convert("RGB"))[None]
        states = []
        hooks = [b.register_forward_hook(lambda m, a, o: states.append(o)) for b in model.visual.transformer.resblocks]
        vectors.append(model.encode_image(image, normalize=True)[0])
        [h.remove() for h in hooks]
        out.append([say(x) for x in states])
        every.append(torch.stack(states))
    mean = torch.stack(every).mean(0)  # (layers, 1, T, C)

    @torch.no_grad()
    def score(i, text):
        w = model.encode_text(tokenizer([text]), normalize=True)[0]
        return 100 * max(0.0, float(vectors[i] @ w))

    @torch.no_grad()
    def likelihood(text, x):
        """Nats a token of a caption that is given, its end included."""
        most = min(model.text.context_length, model.text_decoder.context_length)  # start and words are fed, the end is predicted
        ids = torch.tensor([[sot] + tokenizer.tokenizer(text, add_special_tokens=False).input_ids[:most - 1] + [eos]])
        _, embedded = model._encode_text(ids[:, :-1])
        p = torch.log_softmax(model.text_decoder(model.visual.ln_post(model.visual.attn_pool(x))[:, 1:], embedded)[0].double(), -1)
        return float(p.gather(1, ids[0, 1:, None]).mean())
    controls = {"said": [say(x) for x in mean], "likelihood": lambda text, i: [(likelihood(text, every[i][l]), likelihood(text, mean[l])) for l in range(len(mean))]}
    return out, score, controls


@torch.no_grad()
def llava(directory, pictures, max_new=32):
    from transformers import AutoProcessor, LlavaForConditionalGeneration
    model = LlavaForConditionalGeneration.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    processor = AutoProcessor.from_pretrained(directory, backend="pil")
    text = processor.apply_chat_template([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}], add_generation_prompt=True)
    eos = model.generation_config.eos_token_id
    out = []
    for p in pictures:
        inputs = processor(images=Image.open(p).convert("RGB"), text=text, return_tensors="pt")
        hidden = model.model.vision_tower(inputs["pixel_values"], output_hidden_states=True).hidden_states
        row = []
        for x in hidden[1:]:
            if model.config.vision_feature_select_strategy == "default":
                x = x[:, 1:]
            several = model.config.vision_feature_layer if isinstance(model.config.vision_feature_layer, (list, tuple)) else [0]
            image = model.model.multi_modal_projector(torch.cat([x] * len(several), -1))
            ids, steps = inputs["input_ids"].clone(), []
            for _ in range(max_new):
                e = model.model.get_input_embeddings()(ids)
                e[0, ids[0] == model.config.image_token_id] = image[0]
                z = model(inputs_embeds=e).logits[0, -1]
                steps.append(entropy_bits(z))
                ids = torch.cat([ids, z.argmax()[None, None]], 1)
                if int(ids[0, -1]) == eos:
                    break
            new = ids[0, inputs["input_ids"].shape[1]:]
            row.append((processor.tokenizer.decode(new, skip_special_tokens=True).strip().replace("\0", "\ufffd"), sum(steps) / len(steps)))
        out.append(row)
    return out, None, None


torch.set_num_threads(2)


def random_coca(directory, seed):
    from safetensors.torch import load_file, save_file
    zoo = ROOT + "/data/zoo/coca"
    shutil.copytree(zoo, directory)
    g = torch.Generator().manual_seed(seed)
    weights = load_file(zoo + "/open_clip_model.safetensors")
    draw = lambda n, w: w if n == "logit_scale" else (torch.randn(w.shape, generator=g) * (0.5 * w.shape[-1] ** -0.5 if w.ndim > 1 else 0.1) + (1 if ".ln_" in n and n.endswith("weight") else 0)).to(w.dtype)
    os.remove(directory + "/open_clip_model.safetensors")
    save_file({n: draw(n, w) for n, w in weights.items()}, directory + "/open_clip_model.safetensors")


def random_llava(directory, seed):
    zoo, rng = ROOT + "/data/zoo/llava", np.random.default_rng(seed)
    config, processor = (json.load(open(f"{zoo}/{n}.json")) for n in ("config", "processor_config"))
    strategy, patch = str(rng.choice(["full", "default"])), int(rng.choice([16, 21, 32]))
    config["vision_feature_layer"] = [-1, 1, -2, [-2, -1], [2, 3, -1]][rng.integers(0, 5)]
    config["vision_feature_select_strategy"] = processor["vision_feature_select_strategy"] = strategy
    config["image_seq_length"] = (64 // patch) ** 2 + (strategy == "full")
    config["projector_hidden_act"] = str(rng.choice(["relu", "silu", "gelu"]))
    config["vision_config"].update(hidden_size=32, num_hidden_layers=4, intermediate_size=40, patch_size=patch)
    config["text_config"].update(model_type=str(rng.choice(["llama", "mistral", "qwen2"])), hidden_size=64, num_hidden_layers=2, head_dim=16)
    processor["patch_size"] = patch
    os.makedirs(directory)
    json.dump(config, open(directory + "/given.json", "w"))
    subprocess.run([ROOT + "/retina", "random", directory, "--config", directory + "/given.json", "--seed", str(seed), "--quiet"], check=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "preprocessor_config.json", "generation_config.json"):
        shutil.copy(f"{zoo}/{name}", directory)
    json.dump(processor, open(directory + "/processor_config.json", "w"))


def described(folder, pictures, beside, args, reference, controls):
    """What verbalize says of all captions together, and of captions that are given. Returns how many figures are wrong."""
    wrong, L, N = 0, len(reference[0]), len(pictures)
    subprocess.run([ROOT + "/retina", "verbalize", "likelihood", *args], check=True)
    subprocess.run([ROOT + "/retina", "verbalize", "tabulate", "--categories", "none", *args], check=True)
    rows = list(csv.DictReader(open(folder + "/likelihood.csv")))
    want = [v for i in range(N) for v in controls["likelihood"](beside[i], i)]
    worst = max(max(abs(float(r["logprob"]) - a), abs(float(r["logprob_mean_control"]) - b)) for r, (a, b) in zip(rows, want))
    print(f"{2 * len(rows)} likelihoods of given captions within {worst:.1e} nats")
    wrong += len(rows) != N * L or worst > 2e-5
    for r, (text, h) in zip((r for r in csv.DictReader(open(folder + "/controls.csv")) if r["control"] == "mean"), controls["said"]):
        if r["caption"].split() != text.split() or abs(float(r["entropy"]) - h) > 1e-5 * max(1, h):
            wrong += 1
            print("FAIL control, layer", r["layer"], repr(r["caption"]), repr(text), r["entropy"], h)
    last = [set(reference[i][-1][0].split()) for i in range(N)]
    for l, (e, d) in enumerate(zip(csv.DictReader(open(folder + "/entropy.csv")), csv.DictReader(open(folder + "/diversity.csv")))):
        h, texts = np.array([reference[i][l][1] for i in range(N)]), [reference[i][l][0] for i in range(N)]
        words = [t.split() for t in texts]
        figures = {"mean": (e, h.mean()), "sd": (e, h.std(ddof=1)), "min": (e, h.min()), "q25": (e, np.quantile(h, 0.25)), "median": (e, np.median(h)), "q75": (e, np.quantile(h, 0.75)), "max": (e, h.max()),
                   "mean_control": (e, controls["said"][l][1]), "distinct": (d, len(set(texts))), "words": (d, np.mean([len(w) for w in words])), "vocabulary": (d, len(set(sum(words, [])))),
                   "type_token": (d, np.mean([len(set(w)) / len(w) for w in words])), "jaccard_last": (d, np.mean([len(set(w) & k) / len(set(w) | k) for w, k in zip(words, last)])),
                   "like_mean_control": (d, np.mean([t == controls["said"][l][0] for t in texts]))}
        for name, (table, value) in figures.items():
            if not abs(float(table[name]) - value) <= 2e-5 * max(1, abs(value)):
                wrong += 1
                print("FAIL", name, "layer", l + 1, table[name], value)
    return wrong


def main():
    directory, pictures = sys.argv[1], sys.argv[2:]
    kind, _, seed = directory.partition(":")
    if kind in ("random", "llava") and seed:
        with tempfile.TemporaryDirectory() as t:
            (random_coca if kind == "random" else random_llava)(t + "/model", int(seed))
            compare(t + "/model", pictures)
    else:
        compare(directory, pictures)


def compare(directory, pictures):
    reference, score, controls = coca(directory, pictures) if os.path.exists(directory + "/open_clip_config.json") else llava(directory, pictures)
    with tempfile.TemporaryDirectory() as t:
        args = sum((["--images", p] for p in pictures), ["--model", directory, "--out", t, "--quiet", "--layers", "all"])
        args += [] if score else ["--prompt-text", PROMPT]
        subprocess.run([ROOT + "/retina", "verbalize", "caption", *args], check=True)
        caps, entropies = json.load(open(t + "/caps_batch0.json")), json.load(open(t + "/entropy_batch0.json"))
        wrong, worst, n = 0, 0.0, 0
        for i in range(len(pictures)):
            for l, (text, h) in enumerate(reference[i]):
                mine, e = caps[f"layer_{l}"][i], entropies[f"layer_{l}"][i]
                error = abs(e - h) / max(1, h)
                worst, n = max(worst, error), n + 1
                if mine.split() != text.split() or error > 1e-5:
                    wrong += 1
                    print("FAIL", os.path.basename(pictures[i]), "layer", l + 1, repr(mine), repr(text), e, h)
        print(f"{n} captions, {wrong} differ; entropies within {worst:.1e}")
        if score:
            subprocess.run([ROOT + "/retina", "verbalize", "score", *args], check=True)
            errors = [abs(float(r["score"]) - score(k // len(reference[0]), caps[f"layer_{k % len(reference[0])}"][k // len(reference[0])]))
                      for k, r in enumerate(r for r in csv.DictReader(open(t + "/scores.csv")) if r["rank"])]
            print(f"{len(errors)} own-model scores within {max(errors):.1e} (of 100)")
            wrong += max(errors) > 1e-3
            beside = [" ".join(reference[len(pictures) - 1 - i][-1][0].split()[:5]) for i in range(len(pictures))]  # said of another picture
            args, shown = [a for a in args if a not in pictures and a != "--images"], t + "/pictures.csv"
            with open(shown, "w") as f:
                csv.writer(f).writerows([("path", "caption"), *zip(map(os.path.abspath, pictures), beside)])
            wrong += described(t, pictures, beside, [*args, "--images", shown], reference, controls) if subprocess.run([ROOT + "/retina", "verbalize", "caption", *args, "--images", shown]).returncode == 0 else 1
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
