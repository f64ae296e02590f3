"""keys.py [--retina ./retina] [--kind KIND,…] [--key KEY,…] [--verbose]: every key of every configuration, set to what it is not.

For each model type that retina opens, a tiny model; then every key that any configuration class of its kind has (read from
the classes), at the top and in its parts, takes one value after another, is null, or is not there at all. Then either every tap
(and every new id, where the model generates) is the reference's, or retina refuses in one line that names the key or the value.
Where the reference itself cannot build or run such a model, retina need only not crash. Exit 1 if anything else happened, or if a
class has a key of which the table VALUES knows nothing. Needs the reference environment."""
import argparse
import copy
import inspect
import json
import os
import shutil
import sys
import tempfile
import traceback

import models  # finds the reference scripts, sets the environment
import golden
import torch
import transformers as T

import case as cases
import compare
from families import decoders

MISSING = object()
ACTS = ["gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "silu", "swish", "relu", "tanh", "gelu_fast", "gelu_python", "gelu_python_tanh",
        "gelu_accurate", "gelu_10", "mish", "relu2", "leaky_relu", "hardswish", "sigmoid", "linear"]
ROPES = [
    {"rope_type": "default", "rope_theta": 500.0}, {"rope_theta": 77.0}, {"type": "linear", "factor": 3.0}, {"rope_type": "linear", "factor": 2.0, "rope_theta": 50.0},
    {"rope_type": "dynamic", "factor": 3.0, "rope_theta": 100.0}, {"type": "dynamic", "factor": 2.0},
    {"rope_type": "yarn", "factor": 4.0, "rope_theta": 100.0, "original_max_position_embeddings": 8}, {"type": "yarn", "factor": 4.0},
    {"rope_type": "yarn", "factor": 4.0, "rope_theta": 100.0, "original_max_position_embeddings": 8, "attention_factor": 1.3, "beta_fast": 8, "beta_slow": 2},
    {"rope_type": "yarn", "factor": 4.0, "rope_theta": 100.0, "original_max_position_embeddings": 8, "mscale": 0.7, "mscale_all_dim": 0.9, "truncate": False},
    {"rope_type": "longrope", "factor": 4.0, "original_max_position_embeddings": 8, "short_factor": [1.0, 1.1, 1.3], "long_factor": [1.5, 2.0, 4.0]},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 100.0},
    {"type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
    {"rope_type": "proportional", "partial_rotary_factor": 0.5, "rope_theta": 100.0}, {"rope_type": "default", "partial_rotary_factor": 0.5},
    {"rope_type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5}, {"rope_type": "su", "factor": 2.0}, {"type": "mrope", "mrope_section": [1, 1, 1]},
    {"full_attention": {"rope_type": "default", "rope_theta": 50.0}, "sliding_attention": {"rope_type": "default", "rope_theta": 900.0}}, {},
]
FULL, SLIDING = "full_attention", "sliding_attention"
VALUES = {  # key -> values; a size changes the tensors with it. None and MISSING are tried on top of these.
    # sizes
    "hidden_size": [12], "intermediate_size": [11], "num_hidden_layers": [1, 0], "num_attention_heads": [3, 1], "num_key_value_heads": [1, 6, None],
    "head_dim": [4, 8, 5], "vocab_size": [64], "max_position_embeddings": [40, 8], "projection_dim": [5], "projection_size": [7], "num_channels": [1, 4],
    "image_size": [13, 15, [12, 16]], "patch_size": [5, [4, 2]], "mlp_ratio": [2, 1.5], "num_register_tokens": [2, 0], "type_vocab_size": [1, 3], "num_attention_groups": [1],
    # arithmetic
    "hidden_act": ACTS, "hidden_activation": ACTS, "projector_hidden_act": ACTS, "layer_norm_eps": [1e-2, 0.0], "rms_norm_eps": [1e-2], "rope_theta": [50.0, 50],
    "rope_parameters": ROPES, "rope_scaling": ROPES, "partial_rotary_factor": [0.5], "attention_bias": [True], "mlp_bias": [True, False], "clip_qkv": [0.5, 0, 0.0, -1.0],
    "sliding_window": [4, 1, 0, -1, None], "use_sliding_window": [True, False], "max_window_layers": [0, 1, 5],
    "layer_types": [[SLIDING, SLIDING], [FULL, SLIDING], [SLIDING, FULL], [FULL, FULL], [FULL], [FULL, "chunked_attention"], [FULL, "linear_attention"], [SLIDING] * 3],
    "query_pre_attn_scalar": [9, 2.5], "attn_logit_softcapping": [2.0, None], "final_logit_softcapping": [2.0, None], "use_bidirectional_attention": [True, False],
    "tie_word_embeddings": [True, False], "pretraining_tp": [2], "qkv_bias": [False], "query_bias": [False], "key_bias": [True], "value_bias": [False], "proj_bias": [False],
    "use_swiglu_ffn": [True], "use_gated_mlp": [True], "layerscale_value": [0.1], "apply_layernorm": [False], "reshape_hidden_states": [False], "use_mask_token": [False],
    "pos_embed_shift": [0.2], "pos_embed_jitter": [1.3], "pos_embed_rescale": [None, 3.0], "vision_use_head": [False], "logit_scale_init_value": [1.0],
    "is_decoder": [True], "add_cross_attention": [True], "chunk_size_feed_forward": [2], "is_encoder_decoder": [True], "position_embedding_type": ["relative_key", "absolute"],
    "original_max_position_embeddings": [8], "attention_multiplier": [0.3], "logits_scaling": [2.0], "embedding_multiplier": [2.0], "residual_multiplier": [0.5],
    # LLaVA
    "vision_feature_layer": [-1, 0, 1, -3, [-1], [-2, -1], [0, 1], 7, []], "vision_feature_select_strategy": ["full", "default", "cls"], "multimodal_projector_bias": [False],
    "image_token_index": [50], "image_token_id": [50], "image_seq_length": [5, 1],
    # who is who
    "pad_token_id": [0, 5, -1], "bos_token_id": [7], "eos_token_id": [2, 9, [9, 11], 93],
    # what changes nothing in inference
    "attention_dropout": [0.3], "hidden_dropout_prob": [0.3], "attention_probs_dropout_prob": [0.3], "drop_path_rate": [0.3], "classifier_dropout": [0.3],
    "initializer_range": [0.5], "initializer_factor": [2.0], "use_cache": [False], "dtype": ["bfloat16", "float16"], "torch_dtype": ["bfloat16"], "id2label": [{"0": "a"}],
    "label2id": [{"a": 0}], "problem_type": ["regression"], "output_hidden_states": [True], "output_attentions": [True], "return_dict": [True, False], "architectures": [["Other"], []],
    "transformers_version": ["4.11.0"], "_name_or_path": ["somebody/something"], "stage_names": [["stem", "stage1"]], "out_features": [["stage1"]], "out_indices": [[1]],
}
WORD = [[5, 6], [70]]
GENERATION = {  # key of generation_config.json -> values; each is tried greedily, and with beams
    "eos_token_id": ["said", ["said", 94], [94], 94], "pad_token_id": [3], "bos_token_id": [7], "decoder_start_token_id": [7],
    "max_length": [25, 300], "max_new_tokens": [3], "min_length": [5, 29, 26], "min_new_tokens": [0, 5, 7], "early_stopping": [True, False, "never"],
    "num_beams": [2, 4], "length_penalty": [2.0, -1.0, 0.0], "repetition_penalty": [1.5, 0.7, 1], "no_repeat_ngram_size": [1, 2, 0],
    "bad_words_ids": ["words", "said", [[70]], WORD, []], "suppress_tokens": ["first", [70, 71], []], "begin_suppress_tokens": ["first", [70]],
    "encoder_repetition_penalty": [1.4, 1.0], "encoder_no_repeat_ngram_size": [2, 0], "renormalize_logits": [True, False], "forced_bos_token_id": [8], "forced_eos_token_id": [8],
    "remove_invalid_values": [True], "exponential_decay_length_penalty": [[2, 1.5]], "sequence_bias": [[[[70], 4.0]]], "token_healing": [True, False], "guidance_scale": [1.5, 1.0],
    "watermarking_config": [{"greenlist_ratio": 0.25, "bias": 2.0}], "num_return_sequences": [1, 2], "penalty_alpha": [0.6, 0.0], "dola_layers": ["low"], "diversity_penalty": [0.5, 0.0],
    "num_beam_groups": [1, 2], "constraints": [[]], "force_words_ids": [[[70]]], "stop_strings": [["a"]], "max_time": [0.01],
    "do_sample": [True, False], "temperature": [0.3], "top_k": [3], "top_p": [0.5], "min_p": [0.2], "top_h": [0.5], "typical_p": [0.5], "epsilon_cutoff": [0.01], "eta_cutoff": [0.01],
    "use_cache": [False, True], "cache_implementation": ["static", "dynamic"], "cache_config": [{}], "max_cache_len": [40], "output_attentions": [True], "output_hidden_states": [True],
    "output_scores": [True], "output_logits": [True], "return_dict_in_generate": [True, False], "is_assistant": [False], "num_assistant_tokens": [4],
    "num_assistant_tokens_schedule": ["constant"], "assistant_confidence_threshold": [0.3], "prompt_lookup_num_tokens": [2], "max_matching_ngram_size": [2],
    "assistant_early_exit": [1], "assistant_lookbehind": [4], "target_lookbehind": [4], "assistant_ensemble_weight": [0.5], "speculation_type": [None], "compile_config": [None], "disable_compile": [True],
    "continuous_batching_config": [None], "low_memory": [True], "prefill_chunk_size": [4], "use_mtp": [False], "_from_model_config": [True, False], "transformers_version": ["4.30.0"],
}
SKIP = {"model_type", "text_config", "vision_config"}
RETIRED = ["rope_theta", "rope_scaling", "partial_rotary_factor", "torch_dtype", "position_embedding_type", "original_max_position_embeddings"]  # no class has them any more; files do

TEXT = dict(hidden_size=24, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=96, max_position_embeddings=128)
TOWER = dict(hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2)
SEEN, READ = dict(TOWER, image_size=12, patch_size=4), dict(TOWER, vocab_size=96, max_position_embeddings=24)


def bases():
    """kind -> (class of the model, configuration as a dict)"""
    clip = dict(vision_config=SEEN, text_config=READ, projection_dim=6)
    found = {"clip": (T.CLIPModel, T.CLIPConfig(**clip)), "clip_vision": (T.CLIPVisionModel, T.CLIPVisionConfig(**SEEN)),
             "clip_text": (T.CLIPTextModel, T.CLIPTextConfig(**READ)), "clip_vision_projection": (T.CLIPVisionModelWithProjection, T.CLIPVisionConfig(**SEEN)),
             "clip_text_projection": (T.CLIPTextModelWithProjection, T.CLIPTextConfig(**READ)),
             "siglip": (T.SiglipModel, T.SiglipConfig(vision_config=SEEN, text_config=dict(READ, projection_size=16))),
             "siglip_vision": (T.SiglipVisionModel, T.SiglipVisionConfig(**SEEN)), "siglip_text": (T.SiglipTextModel, T.SiglipTextConfig(**dict(READ, projection_size=16))),
             "dinov2": (T.Dinov2Model, T.Dinov2Config(**{**SEEN, "mlp_ratio": 3})), "dinov2_with_registers": (T.Dinov2WithRegistersModel, T.Dinov2WithRegistersConfig(**{**SEEN, "mlp_ratio": 3})),
             "dinov3_vit": (T.DINOv3ViTModel, T.DINOv3ViTConfig(**SEEN)), "bert": (T.BertModel, T.BertConfig(**READ)), "roberta": (T.RobertaModel, T.RobertaConfig(**READ)),
             "xlm-roberta": (T.XLMRobertaModel, T.XLMRobertaConfig(**READ))}
    for kind, (config, model) in decoders.CLASSES.items():
        more = dict(head_dim=6, sliding_window=6) if kind == "gemma2" else dict(head_dim=6) if kind == "qwen3" else {}
        found[kind] = (model, config(**TEXT, **more))
    for kind in ("llama", "qwen2"):
        found["llava-" + kind] = (T.LlavaForConditionalGeneration, T.LlavaConfig(vision_config=T.CLIPVisionConfig(**SEEN), text_config=decoders.CLASSES[kind][0](**TEXT),
                                                                                 image_token_index=90, image_seq_length=9))
    return {k: (model, json.loads(json.dumps({**config.to_dict(), "architectures": [model.__name__]}))) for k, (model, config) in found.items()}


def keys_of(kind, part):
    """Every key of the classes that may stand in this place: a decoder's file may hold any decoder's key."""
    if part == "text_config" and kind.startswith("llava") or kind in decoders.CLASSES:
        classes = [c for c, _ in decoders.CLASSES.values()]
    elif part:
        classes = {"clip": {"vision_config": T.CLIPVisionConfig, "text_config": T.CLIPTextConfig}, "siglip": {"vision_config": T.SiglipVisionConfig, "text_config": T.SiglipTextConfig},
                   "llava": {"vision_config": T.CLIPVisionConfig}}[kind.split("-")[0]][part]
        classes = [classes]
    else:
        classes = [bases_of_class(kind)]
    keys = sorted({k for c in classes for k in c().to_dict()} | set(RETIRED if not part or "text" in part else []))
    named = {"architectures"} if kind.endswith("_projection") else set()  # only its name tells such a tower from one without projection
    return [k for k in keys if k not in SKIP | named]


def bases_of_class(kind):
    return BASES[kind][0].config_class


def places(kind, config):
    return [""] + [k for k in ("text_config", "vision_config") if isinstance(config.get(k), dict)]


def arguments_of(config, seed):
    """One forward pass, by what the configuration says at the end."""
    rng = golden.rng_of(seed, "inputs")
    text, vision = getattr(config, "text_config", config), getattr(config, "vision_config", config)
    out = {}
    V = getattr(text, "vocab_size", None)
    if getattr(vision, "image_size", None):
        side = vision.image_size if isinstance(vision.image_size, (list, tuple)) else [vision.image_size] * 2
        out["pixel_values"] = cases.pixels(rng, 1, vision.num_channels, *side)
    if V:
        length = 23
        if hasattr(text, "max_position_embeddings") and text.model_type not in decoders.CLASSES:
            length = min(19, text.max_position_embeddings - 2)
        row = rng.integers(3, min(V, 90), size=length)
        row[-3] = V - 3  # CLIP: the end of a text
        row[-5] = 9
        row = row.tolist()
        if hasattr(config, "vision_feature_layer"):
            image = getattr(config, "image_token_id", None) or config.image_token_index
            n = (vision.image_size // vision.patch_size) ** 2 + (config.vision_feature_select_strategy == "full")
            row = [4 if t == image else t for t in row[:6]] + [image] * n + [5 if t == image else t for t in row[6:]]
        out["input_ids"] = torch.tensor([row])
    return out


def edited(config, part, key, value):
    new = copy.deepcopy(config)
    place = new[part] if part else new
    if value is MISSING:
        place.pop(key, None)
    else:
        place[key] = value
    if key in ("rope_scaling", "rope_theta", "partial_rotary_factor"):
        place.pop("rope_parameters", None)  # an old file has these in its place
    if key == "num_hidden_layers":
        place.pop("layer_types", None)
    return new


def reference(cls, config, path, seed):
    """The model directory with that config.json, and the model as the reference loads it."""
    os.makedirs(path, exist_ok=True)
    cases.write_json(os.path.join(path, "config.json"), config)
    built = cls(cls.config_class.from_pretrained(path, local_files_only=True))
    case = cases.Case("keys", built.eval(), {}, "f32", seed=seed)
    golden.randomise(built, seed, {"embed_tokens": 0.35} if getattr(built.config.get_text_config(), "tie_word_embeddings", False) else {})
    built.generation_config = T.GenerationConfig() if hasattr(built, "generation_config") and built.generation_config else None
    built.save_pretrained(path)
    if os.path.exists(os.path.join(path, "generation_config.json")):
        os.remove(os.path.join(path, "generation_config.json"))
    cases.write_json(os.path.join(path, "config.json"), config)
    return case, golden.load(path, cls)


def one_line(err, key, value):
    lines = [line for line in err.splitlines() if line]
    named = [key, key.replace("_", " "), *(str(v) for v in (value.values() if isinstance(value, dict) else [value]) if isinstance(v, str))]
    if key in ("rope_scaling", "rope_parameters", "partial_rotary_factor"):
        named += ["rope", "positions of type"]
    return len(lines) == 1 and any(n in lines[0] for n in named)


def check_generate(a, tally, model, path, arguments, where):
    """New ids. The reference's cache obeys keys that its own forward ignores (a window for a model that never slides): then what it
    says without a cache counts."""
    try:
        with_cache, without = (golden.generate(model, arguments, {"max_new_tokens": 6, "use_cache": k})[0] for k in (True, False))
    except Exception:  # it cannot generate with such a configuration
        return
    use = {} if with_cache.tolist() == without.tolist() else {"use_cache": False}
    models.check_generate(a, tally, model, path, arguments, {"max_new_tokens": 6}, where, use)


def check(a, tally, counts, kind, part, key, value, seed):
    cls, config = BASES[kind]
    shown = "missing" if value is MISSING else json.dumps(value)
    where = f"{kind} {part + '.' if part else ''}{key} = {shown}"
    path = os.path.join(a.dir, "model")
    shutil.rmtree(path, ignore_errors=True)
    new = edited(config, part, key, value)
    why = ""
    try:
        case, model = reference(cls, new, path, seed)
        arguments = arguments_of(model.config, seed)
        golden.record(model, cases.call_of(cases.cache_off(model, arguments)))
    except Exception as e:
        why = f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"
        model = None
        if not os.path.exists(os.path.join(path, "model.safetensors")):
            shutil.rmtree(path, ignore_errors=True)
            case, other = reference(cls, config, path, seed)
            cases.write_json(os.path.join(path, "config.json"), new)
            arguments = arguments_of(other.config, seed)
    out = os.path.join(path, "out-.safetensors")
    status, _, err, command = models.retina(a, "extract", "--model", path, *models.write_inputs(arguments, path, ""), "--taps", "*", "--out", out, "--quiet")
    line = err.splitlines()[-1] if err else ""
    if a.verbose:
        print(f"{where}: reference {why[:90] or 'runs'}; retina {line or 'runs'}", flush=True)
    if model is None:
        counts["neither" if status else "only here"] += 1
        return tally.say(status in (0, 1) and len(err.splitlines()) <= 1, where, f"exit {status}: {err[-300:]}")
    if status:
        counts["refused"] += 1
        return tally.say(status == 1 and one_line(err, key, value), where, f"exit {status} and does not say why: {line}  [{command}]")
    counts["followed"] += 1
    bad, count, extra = models.leaving(case, model, path, out, arguments)
    tally.say(not bad, where, f"{bad[0] if bad else ''}; {len(bad)} of {count} taps leave")
    tally.say(not extra, where, f"taps that the reference does not have: {extra[:4]}")
    if hasattr(model, "generate") and not bad:
        check_generate(a, tally, model, path, arguments, where + " generate")


# ---- generation_config.json, and the same keys in the config.json of a directory without one


def said(model, arguments, settings):
    return golden.generate(model, arguments, settings)[0][0].tolist()


def generation_check(a, tally, counts, model, path, arguments, key, value, where):
    """One value of one key, in the file where it belongs; then without that file, in config.json."""
    base = model.generation_config
    for place, beams in (("generation_config.json", {}), ("generation_config.json", {"num_beams": 3}), ("config.json", {})):
        files = [os.path.join(path, n) for n in ("generation_config.json", "config.json")]
        config = copy.deepcopy(BASES["llama"][1])
        settings = {"eos_token_id": [94], "pad_token_id": 0}
        (settings if place != "config.json" else config)[key] = value
        cases.write_json(files[0], settings)
        cases.write_json(files[1], config)
        if place == "config.json":
            os.remove(files[0])
        if beams and key in ("num_beams",):
            continue
        told = f"{where}, {place}{', beams' if beams else ''}"
        ours = {"max_new_tokens": 6, **beams}
        why, want = "", None
        try:
            fresh = golden.load(path, T.LlamaForCausalLM)
            with torch.no_grad():
                want = fresh.generate(**arguments, attention_mask=torch.ones_like(arguments["input_ids"]), do_sample=False, **ours)  # else it hides what equals the padding
                want = (want if torch.is_tensor(want) else want.sequences)[0, arguments["input_ids"].shape[1]:].tolist()
        except Exception as e:
            why = f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"
        words = ["generate", "--model", path, "--ids", ",".join(str(i) for i in arguments["input_ids"][0].tolist()), "--max-new-tokens", "6", "--json", "--quiet"]
        status, text, err, command = models.retina(a, *words, *(["--beams", "3"] if beams else []))
        line = err.splitlines()[-1] if err else ""
        if a.verbose:
            print(f"{told}: reference {why[:90] or want}; retina {line or json.loads(text)['ids']}", flush=True)
        if want is None:
            counts["neither" if status else "only here"] += 1
            tally.say(status in (0, 1) and len(err.splitlines()) <= 1, told, f"exit {status}: {err[-300:]}")
        elif status:
            counts["refused"] += 1
            tally.say(status == 1 and one_line(err, key, value), told, f"exit {status} and does not say why: {line}  [{command}]")
        else:
            counts["followed"] += 1
            got = json.loads(text)["ids"]
            tally.say(got == want, told, f"ids {got}, expected {want}  [{command}]")
    model.generation_config = base


def generation(a, tally):
    counts = {"followed": 0, "refused": 0, "neither": 0, "only here": 0}
    before = len(tally.failed)
    path = os.path.join(a.dir, "model")
    _, model = reference(T.LlamaForCausalLM, BASES["llama"][1], path, 7)
    arguments = arguments_of(model.config, 7)
    cases.write_json(os.path.join(path, "generation_config.json"), {"eos_token_id": [94], "pad_token_id": 0})
    words = said(golden.load(path, T.LlamaForCausalLM), arguments, {"max_new_tokens": 6})
    for key in sorted(T.GenerationConfig().to_dict()):
        if a.key and key not in a.key.split(","):
            continue
        if key not in GENERATION:
            tally.say(False, f"generation {key}", "the table GENERATION does not know this key")
            continue
        for value in GENERATION[key] + [None]:
            what = {"said": words[3] if key == "eos_token_id" else [[words[3]]], "words": [[arguments["input_ids"][0, -1].item(), words[0]], words[2:4]], "first": words[:1]}
            value = what.get(value, value) if isinstance(value, str) else [what["said"] if v == "said" else v for v in value] if isinstance(value, list) else value
            generation_check(a, tally, counts, model, path, arguments, key, value, f"generation {key} = {json.dumps(value)}")
    print(f"{'ok  ' if len(tally.failed) == before else 'BAD '} generation: " + ", ".join(f"{n} {w}" for w, n in counts.items()) + f", {len(tally.failed) - before} failed", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--retina", default=os.path.join(models.ROOT, "retina"))
    p.add_argument("--kind", default="")
    p.add_argument("--key", default="")
    p.add_argument("--verbose", action="store_true")
    a = p.parse_args()
    global BASES
    BASES = bases()
    a.dir = tempfile.mkdtemp(prefix="keys-")
    torch.set_num_threads(1)
    tally, seed = models.Tally(), 0
    for kind in a.kind.split(",") if a.kind else [*BASES, "generation"]:
        if kind == "generation":
            generation(a, tally)
            continue
        counts = {"followed": 0, "refused": 0, "neither": 0, "only here": 0}
        before = len(tally.failed)
        for part in places(kind, BASES[kind][1]):
            for key in keys_of(kind, part):
                if a.key and key not in a.key.split(","):
                    continue
                if key not in VALUES:
                    tally.say(False, f"{kind} {part} {key}", "the table VALUES does not know this key")
                    continue
                sizes = key in ("hidden_size", "intermediate_size", "vocab_size", "num_hidden_layers", "num_attention_heads", "image_size", "max_position_embeddings", "patch_size")
                for value in VALUES[key] + [None] + ([] if sizes else [MISSING]):
                    seed += 1
                    try:
                        check(a, tally, counts, kind, part, key, value, seed)
                    except Exception:
                        traceback.print_exc()
                        tally.say(False, f"{kind} {part} {key} = {value}", "the comparison itself broke")
        print(f"{'ok  ' if len(tally.failed) == before else 'BAD '} {kind}: " + ", ".join(f"{n} {w}" for w, n in counts.items()) + f", {len(tally.failed) - before} failed", flush=True)
    shutil.rmtree(a.dir, ignore_errors=True)
    print(f"{tally.held} comparisons held, {len(tally.failed)} failed")
    return 1 if tally.failed or not tally.held else 0


if __name__ == "__main__":
    sys.exit(main())
