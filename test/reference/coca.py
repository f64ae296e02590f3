"""coca.py [NAME…]: writes test/golden/coca-*/: small random CoCa as OpenCLIP saves it, its taps, and what it generates.

golden[-RUN].safetensors and taps[-RUN].txt as everywhere (golden.py); the call is the module's own, model(image, text).
generate.json: {"captions": [{"settings": arguments of generate(), "ids": one list a picture}],
                "layers": {"settings": …, "ids": [layer][picture], "entropy": [layer][picture], "steps": [layer][picture]}}
The second is the study's own loop (verbalize.md 3.3, 3.4): each block's output through the pooler and the decoder, greedy.

OpenCLIP's generator needs a transformers that still has BeamSearchScorer: run with one before 4.57 first on PYTHONPATH, as
    pip install --no-deps --target OLD transformers==4.49.0 tokenizers==0.21.0 huggingface-hub==0.29.3
    PYTHONPATH=OLD python test/reference/coca.py
"""
import json
import os
import shutil
import sys

import golden  # sets the environment before transformers is loaded
import numpy as np
import open_clip
import torch
from safetensors.torch import save_file
from transformers import MaxLengthCriteria

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
V, CONTEXT = 61, 12
SOT, EOS = V - 2, V - 1


def config(vision, text=None, decoder=None, embed_dim=16, **top):
    return {"embed_dim": embed_dim,
            "vision_cfg": dict({"image_size": 12, "patch_size": 4, "layers": 2, "width": 24, "head_width": 8, "attentional_pool": True,
                                "attn_pooler_queries": 7, "attn_pooler_heads": 4, "output_tokens": True}, **vision),
            "text_cfg": dict({"context_length": CONTEXT, "vocab_size": V, "width": 16, "heads": 2, "layers": 2, "embed_cls": True,
                              "output_tokens": True}, **(text or {})),
            "multimodal_cfg": dict({"context_length": CONTEXT, "vocab_size": 999, "width": 16, "heads": 4, "layers": 2, "mlp_ratio": 9,
                                    "attn_pooler_heads": 12}, **(decoder or {})),
            "custom_text": True, **top}


# name -> (model configuration, seed, how it is saved)
CASES = {
    "coca-small": (config({"mlp_ratio": 2.5}, {"mlp_ratio": 2.0}), 3, "safetensors"),
    "coca-equal": (config({"width": 16, "image_size": [8, 12], "ls_init_value": 0.5, "layers": 2, "mlp_ratio": 1.75, "patch_dropout": 0.5},
                          {"ls_init_value": 0.5, "layers": 1, "heads": 4, "mlp_ratio": 3.0}, {"ls_init_value": 0.5, "heads": 2, "layers": 1}, quick_gelu=True), 5, "bin"),
    "coca-plain": (config({"no_ln_pre": True, "layers": 1, "mlp_ratio": 1.0, "pool_type": "avg", "image_size": 8, "norm_kwargs": {"eps": 1e-3}},
                          {"embed_cls": False, "mlp_ratio": 1.0, "proj_bias": True, "layers": 1, "pool_type": "eos", "eos_id": 7}, {"layers": 1}, init_logit_bias=-10.0), 8, "bare"),
}

SETTINGS = [  # of generate(); ids of the end are filled in
    {"generation_type": "top_k", "top_k": 1},
    {"generation_type": "top_k", "top_k": 1, "seq_len": 9, "min_seq_len": 7, "repetition_penalty": 1.7},
    {"generation_type": "top_k", "top_k": 1, "seq_len": 12, "fixed_output_length": True},
    {"generation_type": "top_p", "top_p": 1e-9, "seq_len": 11, "min_seq_len": 2, "temperature": 3.0},
    {"generation_type": "top_k", "top_k": 1, "seq_len": 12, "max_seq_len": 5, "min_seq_len": 4, "repetition_penalty": 0.8},
    {"generation_type": "top_k", "top_k": 1, "seq_len": 12, "stop_length": 6},
    {"generation_type": "top_k", "top_k": 1, "seq_len": 12, "text": [SOT, 9, 23]},
    {"generation_type": "beam_search"},
    {"generation_type": "beam_search", "num_beams": 8, "num_beam_groups": 2, "min_seq_len": 3, "seq_len": 10},
    {"generation_type": "beam_search", "num_beams": 3, "num_beam_groups": 1, "min_seq_len": 7, "seq_len": 12, "repetition_penalty": 1.4},
    {"generation_type": "beam_search", "num_beams": 2, "num_beam_groups": 2, "seq_len": 12, "fixed_output_length": True},
]


def build(name):
    cfg, seed, how = CASES[name]
    model = open_clip.model.CustomTextCLIP if "multimodal_cfg" not in cfg else open_clip.CoCa
    kwargs = {k: v for k, v in cfg.items() if k != "custom_text"}
    model = model(**json.loads(json.dumps(kwargs)))
    golden.randomise(model, seed, {"token_embedding": 0.5, "text_projection": 3.0, "cross_attn": 1.4, "c_proj": 1.6, "resblocks": 1.2})
    return cfg, seed, how, model.eval()


def save(name, path):
    """In bf16, in one of the three ways in which such directories are found."""
    cfg, seed, how, model = build(name)
    os.makedirs(path)
    state = {k: v.to(torch.bfloat16).contiguous() for k, v in model.state_dict().items()}
    whole = {"model_cfg": cfg, "preprocess_cfg": {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}}
    with open(os.path.join(path, "open_clip_config.json"), "w") as f:
        json.dump(cfg if how == "bare" else whole, f, indent=1)
    if how == "bin":
        torch.save(state, os.path.join(path, "open_clip_pytorch_model.bin"))
    else:
        save_file(state, os.path.join(path, "open_clip_pytorch_model.safetensors" if how == "bare" else "open_clip_model.safetensors"))
    model.load_state_dict({k: v.float() for k, v in state.items()})
    return cfg, seed, model.float().eval()


def call(model, settings, image, eos):
    s = dict(settings)
    stop = s.pop("stop_length", None)
    text = s.pop("text", None)
    if text is not None:
        s["text"] = torch.tensor([text] * image.shape[0])
    s.setdefault("seq_len", CONTEXT)
    out = model.generate(image, sot_token_id=SOT, eos_token_id=eos, stopping_criteria=[MaxLengthCriteria(stop)] if stop else None, **s)
    return out.tolist()


def image_tokens(model, x):
    """A block's output as the decoder sees it."""
    x = model.visual.ln_post(model.visual.attn_pool(x))
    return x[:, 1:]


@torch.no_grad()
def study(model, image, eos, seq_len=CONTEXT, min_seq_len=5):
    states = []
    hooks = [b.register_forward_hook(lambda m, a, o: states.append(o)) for b in model.visual.transformer.resblocks]
    model.visual(image)
    [h.remove() for h in hooks]
    result = {"settings": {"seq_len": seq_len, "min_seq_len": min_seq_len, "eos_token_id": eos}, "ids": [], "entropy": [], "steps": []}
    for x in states:
        tokens = image_tokens(model, x)
        out = torch.full((image.shape[0], 1), SOT)
        steps = []
        while out.shape[1] < seq_len:
            done = (out[:, -1] == eos) | (out[:, -1] == 0)
            if done.all():
                break
            _, text = model._encode_text(out)
            logits = model.text_decoder(tokens, text)[:, -1]
            p = torch.softmax(logits, -1).clamp(1e-15, 1 - 1e-15)
            steps.append(-(p * torch.log2(p)).sum(-1))
            z = logits.clone()
            if out.shape[1] < min_seq_len:
                z[:, eos] = -torch.inf
            word = z.argmax(-1)
            if out.shape[1] + 1 == seq_len:
                word[:] = eos
            word[done] = 0
            out = torch.cat([out, word[:, None]], 1)
        ids, entropy, each = [], [], []
        for b, row in enumerate(out.tolist()):
            ends = [i for i, t in enumerate(row) if i and t in (eos, 0)]
            n = ends[0] if ends else len(row) - 1
            h = [float(s[b]) for s in steps[:n]]
            ids.append(row[:n + 1])
            each.append(h)
            entropy.append(sum(h) / len(h))
        result["ids"].append(ids), result["entropy"].append(entropy), result["steps"].append(each)
    return result


def end_token(model, image):
    """A token that some picture says after a while and another does not: so that texts end at different lengths."""
    rows = call(model, {"generation_type": "top_k", "top_k": 1}, image, EOS)
    said = [r[1:-1] for r in rows]
    for at in range(4, 9):
        for r in said:
            t = r[at]
            if t not in (0, SOT) and t not in r[:at] and any(t not in o[:at + 2] for o in said):
                return t
    return EOS


def write(name, path, seen=None):
    """A case of CASES with its goldens, as a directory; returns how far the worst tap is from its own result in f64. `seen`: a dict that
    gets the inputs, the taps, and the same in f64."""
    shutil.rmtree(path, ignore_errors=True)
    cfg, seed, model = save(name, path)
    end = 7 if cfg["text_cfg"].get("pool_type") == "eos" else EOS
    rng = golden.rng_of(seed, "inputs")
    h, w = model.visual.image_size
    image = torch.tensor(rng.standard_normal((2, 3, h, w)), dtype=torch.float32)
    text = torch.tensor(rng.integers(1, V - 2, (2, CONTEXT)), dtype=torch.int64)
    text[:, 0] = SOT
    for b, n in enumerate((CONTEXT - 1, 5)):
        text[b, n] = end
        text[b, n + 1:] = 0
    taps, optional, out = golden.record(model, lambda m: m(image, text))
    wide = build(name)[3].double()
    wide.load_state_dict({k: v.double() for k, v in model.state_dict().items()})
    exact, _, _ = golden.record(wide, lambda m: m(image.double(), text))
    worst = max(float((t.double() - exact[n]).norm() / exact[n].norm()) for n, t in taps.items())
    if seen is None:
        assert worst < 4e-6, (name, worst)
    else:
        seen.update(inputs={"pixel_values": image, "input_ids": text}, taps={n: t for n, t in taps.items() if n not in optional}, exact=exact)
    results = {k: out[k] for k in ("logits", "image_features", "text_features")}
    golden.write_golden(os.path.join(path, "golden.safetensors"), {"pixel_values": image, "input_ids": text}, taps, optional, results, [], 48)
    with open(os.path.join(path, "taps.txt"), "w") as f:
        f.write(golden.taps_lines(taps, optional))
    if model.text.cls_emb is None:  # then the reference's text tower takes texts of its full length only: it cannot generate
        return worst
    eos = end_token(model, image)
    captions = [{"settings": dict(s, eos_token_id=eos), "ids": call(model, s, image, eos)} for s in SETTINGS]
    # beams among which an end token turns up early and often: every token that the model likes to say as the end
    said = sorted({t for c in captions for r in c["ids"] for t in r} - {0, SOT, eos})
    for t in said:
        for s in ({"generation_type": "beam_search", "min_seq_len": 2}, {"generation_type": "beam_search", "num_beams": 8, "num_beam_groups": 1, "min_seq_len": 2}):
            captions.append({"settings": dict(s, eos_token_id=t), "ids": call(model, s, image, t)})
    with open(os.path.join(path, "generate.json"), "w") as f:
        json.dump({"sot": SOT, "captions": captions, "layers": study(model, image, eos)}, f)
        f.write("\n")
    for f in os.listdir(path):
        os.chmod(os.path.join(path, f), 0o644)
    return worst


def main():
    for name in CASES:
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        path = os.path.join(OUT, name)
        worst = write(name, path)
        size = sum(os.path.getsize(os.path.join(path, f)) for f in os.listdir(path)) / 1024
        print(f"{name:12} {size:6.1f} KiB  worst own error {worst:.1e}")


if __name__ == "__main__":
    main()
