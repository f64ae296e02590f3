"""defaults.py [--retina ./retina]: what a configuration does not say. For every model type, a config.json that names its type and
class and nothing else, and then one key at a time: `retina info DIR --taps` must list the taps of transformers' class defaults,
names, order and shapes. The reference runs without memory (torch's meta device), so sizes are the real ones."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "test", "reference"))

import golden  # sets the environment before transformers is loaded
import torch
import transformers

CONFIGS = {
    "CLIPVisionModel": [{"model_type": "clip_vision_model"}, {"model_type": "clip_vision_model", "patch_size": 14}],
    "CLIPVisionModelWithProjection": [{"model_type": "clip_vision_model"}], "CLIPTextModelWithProjection": [{"model_type": "clip_text_model"}],
    "CLIPTextModel": [{"model_type": "clip_text_model"}],
    "CLIPModel": [{"model_type": "clip"}, {"model_type": "clip", "text_config": {}, "vision_config": {}},
                  {"model_type": "clip", "projection_dim": 768, "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
                   "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14}}],
    "LlamaForCausalLM": [{"model_type": "llama"}, {"model_type": "llama", "num_key_value_heads": None, "head_dim": None, "num_hidden_layers": 3},
                         {"model_type": "llama", "num_key_value_heads": 8, "tie_word_embeddings": True, "vocab_size": 128256}],
    "MistralForCausalLM": [{"model_type": "mistral"}, {"model_type": "mistral", "sliding_window": None}],
    "Qwen2ForCausalLM": [{"model_type": "qwen2"}],
    "Qwen3ForCausalLM": [{"model_type": "qwen3"}, {"model_type": "qwen3", "hidden_size": 1024, "num_attention_heads": 16, "num_key_value_heads": 8}],
    "OlmoForCausalLM": [{"model_type": "olmo"}], "Olmo2ForCausalLM": [{"model_type": "olmo2"}], "Gemma2ForCausalLM": [{"model_type": "gemma2"}],
    "BertModel": [{"model_type": "bert"}], "RobertaModel": [{"model_type": "roberta"}],
    "LlavaForConditionalGeneration": [
        {"model_type": "llava"},
        {"model_type": "llava", "text_config": {"model_type": "llama", "vocab_size": 32064, "rms_norm_eps": 1e-5}, "pad_token_id": 32001,
         "vision_config": {"model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
                           "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768, "vocab_size": 32000}},
        {"model_type": "llava", "vision_config": {"num_hidden_layers": 5}},  # given: CLIP's defaults, not LLaVA's, for what it leaves out
        {"model_type": "llava", "text_config": {"model_type": "mistral"}, "vision_feature_select_strategy": "full", "vision_feature_layer": [-2, -5]}],
}


def ready_mask(tokens):
    """Four axes: taken as it is. The reference would look into numbers to make one."""
    return torch.zeros(1, 1, tokens, tokens)


def reference(name, config):
    """name<TAB>shape of one input: T tokens, or one picture and as many places for it as it takes."""
    with torch.device("meta"):
        c = transformers.AutoConfig.for_model(**config)
        model = getattr(transformers, name)._from_config(c, attn_implementation="eager").eval()
        text = getattr(c, "text_config", c)
        if name == "LlavaForConditionalGeneration":
            v = c.vision_config
            n = (v.image_size // v.patch_size) ** 2 + (c.vision_feature_select_strategy == "full")
            # the merge needs numbers: the parts are run one after the other instead, as the model's forward does
            ids, px = torch.zeros(1, n + 1, dtype=torch.long), torch.zeros(1, 3, v.image_size, v.image_size)
            layer = c.vision_feature_layer

            def call(m):
                x = m.model.language_model.embed_tokens(ids)
                tower = m.model.vision_tower(px, output_hidden_states=True)
                states = [tower.hidden_states[i] for i in ([layer] if isinstance(layer, int) else layer)]
                drop = int(c.vision_feature_select_strategy == "default")
                m.model.multi_modal_projector(torch.cat([s[:, drop:] for s in states], -1))
                h = m.model.language_model(inputs_embeds=x, use_cache=False, attention_mask=ready_mask(n + 1)).last_hidden_state
                return m.lm_head(h)
        else:
            arguments = {}
            vision = c if name.startswith("CLIPVision") else getattr(c, "vision_config", None)
            if vision is not None:
                arguments["pixel_values"] = torch.zeros(1, 3, vision.image_size, vision.image_size)
            if hasattr(text, "vocab_size"):
                arguments["input_ids"] = torch.zeros(1, 7, dtype=torch.long)
            if hasattr(model, "generate"):
                arguments.update(use_cache=False, attention_mask=ready_mask(7))

            def call(m):
                return m(**arguments)
        taps, optional, _ = golden.record(model, call)
    lines = [f"{n}\t{golden.shape_text(t)}" for n, t in taps.items() if n not in optional]
    if name == "LlavaForConditionalGeneration":
        lines.insert(-1, f"model\t[1, {n + 1}, {text.hidden_size}]")
    tokens = n + 1 if name == "LlavaForConditionalGeneration" else 7 if hasattr(text, "vocab_size") else 0
    return lines, tokens


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--retina", default=os.path.join(ROOT, "retina"))
    a = p.parse_args()
    golden.is_optional = lambda name, module, args, tensor: name.endswith("rotary_emb") or isinstance(module, (torch.nn.Dropout, torch.nn.Identity))
    bad = 0
    for name, configs in CONFIGS.items():
        for config in configs:
            want, tokens = reference(name, config)
            with tempfile.TemporaryDirectory() as path:
                with open(os.path.join(path, "config.json"), "w") as f:
                    json.dump({**config, "architectures": [name]}, f)
                r = subprocess.run([a.retina, "info", path, "--taps"] + (["--tokens", str(tokens)] if tokens else []), capture_output=True, text=True)
            got = [line for line in r.stdout.splitlines() if "\t" in line and "#" not in line]
            first = next((f"\"{g}\", expected \"{w}\"" for g, w in zip(got, want) if g != w), f"{len(got)} taps, expected {len(want)}")
            ok = r.returncode == 0 and got == want
            bad += not ok
            print(f"{'ok  ' if ok else 'FAIL'} {json.dumps(config)}: {f'{len(want)} taps' if ok else r.stderr.strip() or first}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
