"""eras.py IN OUT [--era A|B|C] [--config4] [--shards N] [--bin]: the same checkpoint as other writers would have saved it.

--era     tensor names: A the original release and transformers before 4.52 (with the buffers that those versions stored),
          B transformers 4.52 to 4.5x in memory, C transformers 5 in memory (spec: models.md 4)
--config4 config.json in the manner of transformers 4: only what differs from the class defaults, torch_dtype, rope_theta
          and rope_scaling
--shards  N files and an index;  --bin  PyTorch's pickle in place of safetensors
"""
import argparse
import json
import os
import re
import shutil

import golden  # sets the environment before transformers is loaded
import torch
import transformers
from safetensors.torch import load_file, save_file


def in_memory(family, name):
    """What save_pretrained of 5.24 wrote -> the name in memory (era C)."""
    if family == "llava":
        name = re.sub(r"^language_model\.model\.", "model.language_model.", name)
        name = re.sub(r"^language_model\.lm_head", "lm_head", name)
        name = re.sub(r"^(vision_tower|multi_modal_projector)\.", r"model.\1.", name)
    if family == "qwen2_5_vl":
        name = re.sub(r"^visual\.", "model.visual.", re.sub(r"^model\.", "model.language_model.", name))
    if family == "dinov3_vit":
        name = re.sub(r"^layer\.", "model.layer.", name)
    return name


def renamed(family, name, era):
    name = in_memory(family, name)
    if family == "llava":
        if era in "AB":
            name = name.replace("vision_tower.", "vision_tower.vision_model.")
        if era == "A":
            name = re.sub(r"^model\.language_model\.", "language_model.model.", name)
            name = re.sub(r"^lm_head", "language_model.lm_head", name)
            name = re.sub(r"^model\.", "", name)
    if family in ("clip_vision_model", "siglip_vision_model") and era in "AB" and not name.startswith(("vision_model.", "visual_projection.")):
        name = "vision_model." + name
    if family == "qwen2_5_vl" and era == "A":
        name = re.sub(r"^model\.(visual\.)", r"\1", re.sub(r"^model\.language_model\.", "model.", name))
    if family == "dinov3_vit" and era in "AB":
        name = re.sub(r"^model\.layer\.", "layer.", name)
    if family == "clip_text_model" and era in "AB" and not name.startswith(("text_model.", "text_projection.")):
        name = "text_model." + name
    if family in ("bert", "roberta") and era == "A":  # saved from a head model, layer norms of TensorFlow's naming
        name = f"{family}.{name}"
        if family == "bert":
            name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    return name


def old_buffers(config, names):
    """What early versions stored beside the parameters."""
    extra = {}
    for name, t in names.items():
        stem = re.sub(r"position_embeddings?\.weight$", "position_ids", name)
        if stem != name:
            extra[stem] = torch.arange(t.shape[0]).unsqueeze(0)
        layer = re.match(r"(.*layers\.\d+\.self_attn)\.o_proj\.weight$", name)
        if layer:
            c = config.get("text_config", config)
            hd = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
            extra[layer[1] + ".rotary_emb.inv_freq"] = 1.0 / (10000.0 ** (torch.arange(0, hd, 2).float() / hd))
    return extra


def differing(config, default):
    """The keys of a configuration that differ from its class's defaults, and model_type."""
    d = {k: v for k, v in config.items() if k == "model_type" or k not in default or v != default[k]}
    for key in ("transformers_version", "_name_or_path"):
        d.pop(key, None)
    if "dtype" in d:
        d["torch_dtype"] = d.pop("dtype")
    rope = d.get("rope_parameters")
    if rope and "partial_rotary_factor" not in rope:  # models with that key are younger than rope_parameters
        del d["rope_parameters"]
        d["rope_theta"] = rope["rope_theta"]
        scaling = {k: v for k, v in rope.items() if k != "rope_theta"}
        if "mrope_section" in scaling:
            d["rope_scaling"] = {"type": "mrope", "mrope_section": scaling["mrope_section"]}
        elif scaling["rope_type"] == "default":
            d["rope_scaling"] = None
        else:
            d["rope_scaling"] = scaling
            if scaling["rope_type"] == "linear":
                d["rope_scaling"] = {"type": "linear", "factor": scaling["factor"]}
    return d


def without_layer_types(config, d):
    """transformers before 4.53 wrote no list of layers where a rule makes it; and Qwen's window stood there even when off."""
    if "layer_types" in d and hasattr(config, "sliding_window"):
        rest = {k: v for k, v in config.to_dict().items() if k != "layer_types"}
        if type(config).from_dict(rest).layer_types == config.layer_types:
            del d["layer_types"]
    if config.model_type.startswith("qwen") and getattr(config, "use_sliding_window", None) is False:
        d.update(use_sliding_window=False, sliding_window=3, max_window_layers=0)
    return d


def config4(path):
    config = transformers.AutoConfig.from_pretrained(path, local_files_only=True)
    full = config.to_dict()
    out = differing(full, {k: v for k, v in type(config)().to_dict().items() if not k.endswith("_config")})
    out = without_layer_types(config, out)
    for key in ("text_config", "vision_config"):
        if key in full:
            part = getattr(config, key)
            out[key] = without_layer_types(part, differing(part.to_dict(), type(part)().to_dict()))
    if config.model_type == "llava":
        out["image_token_index"] = out.pop("image_token_id", out.get("image_token_index"))
    if config.model_type == "qwen2_5_vl":  # published flat, and the vision part under the whole model's name
        out = {**out.pop("text_config"), **out, "model_type": "qwen2_5_vl"}
        out["vision_config"]["model_type"] = "qwen2_5_vl"
        out["vision_config"]["hidden_size"] = full["vision_config"]["hidden_size"]
    out["architectures"], out["transformers_version"] = full["architectures"], "4.36.0"
    return out


def write_weights(path, tensors, shards, as_bin):
    stem, end = ("pytorch_model", "bin") if as_bin else ("model", "safetensors")
    save = torch.save if as_bin else lambda d, f: save_file(d, f, {"format": "pt"})
    if shards <= 1:
        save(tensors, os.path.join(path, f"{stem}.{end}"))
        return
    names, index = sorted(tensors), {}
    for s in range(shards):
        part = names[s::shards]  # scattered: neighbours in the graph lie in different files
        file = f"{stem}-{s + 1:05d}-of-{shards:05d}.{end}"
        save({n: tensors[n] for n in part}, os.path.join(path, file))
        index.update({n: file for n in part})
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    with open(os.path.join(path, f"{stem}.{end}.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": total}, "weight_map": {n: index[n] for n in names}}, f, indent=1)
        f.write("\n")


def rewrite(source, target, era="C", old_config=False, shards=1, as_bin=False, extra=()):
    with open(os.path.join(source, "config.json")) as f:
        config = json.load(f)
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    for name in os.listdir(source):
        if name.endswith(".json") and name != "config.json":
            shutil.copy(os.path.join(source, name), target)
    tensors = load_file(os.path.join(source, "model.safetensors"))
    tensors = {renamed(config["model_type"], n, era): t for n, t in tensors.items()}
    if era == "A":
        tensors.update(old_buffers(config, tensors))
    tensors.update(extra)
    write_weights(target, tensors, shards, as_bin)
    with open(os.path.join(target, "config.json"), "w") as f:
        json.dump(config4(source) if old_config else config, f, indent=1)
        f.write("\n")
    for name in os.listdir(target):
        os.chmod(os.path.join(target, name), 0o644)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("source")
    p.add_argument("target")
    p.add_argument("--era", choices="ABC", default="C")
    p.add_argument("--config4", action="store_true")
    p.add_argument("--shards", type=int, default=1)
    p.add_argument("--bin", action="store_true")
    a = p.parse_args()
    rewrite(a.source, a.target, a.era, a.config4, a.shards, a.bin)


if __name__ == "__main__":
    main()
