"""verbalize_rescale.py FOLDER: what the small LLaVA says, by transformers, of states that --rescale brought to the native layer's scale.

FOLDER holds scenes 00000.jpg … as `retina verbalize caption --limit 3` draws them (its images-0). Writes
test/golden/verbalize/rescale_{norm,moments}_{caps,entropy}.json in the form of the study's files, and …_mean.txt: what is said of the mean state.
"""
import json, math, os, sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

HERE = os.path.dirname(os.path.abspath(__file__))
ZOO, OUT = os.path.join(HERE, "..", "..", "data", "zoo", "llava"), os.path.join(HERE, "..", "golden", "verbalize")
PROMPT, LAYERS, MOST = "describe the picture.", (1, 3, 5), 16
torch.set_num_threads(1)
model = LlavaForConditionalGeneration.from_pretrained(ZOO, dtype=torch.float32, attn_implementation="eager").eval()
processor = AutoProcessor.from_pretrained(ZOO, backend="pil")
text = processor.apply_chat_template([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}], add_generation_prompt=True)
NATIVE = model.config.vision_config.num_hidden_layers + 1 + model.config.vision_feature_layer
assert NATIVE == LAYERS[-1]


def seen(x):
    """What the projector gets of a state."""
    return x[:, 1:] if model.config.vision_feature_select_strategy == "default" else x


def say(prompt, x):
    """The caption, and the mean entropy of its steps in bits."""
    picture, ids, bits = model.model.multi_modal_projector(seen(x)), prompt.clone(), []
    for _ in range(MOST):
        e = model.model.get_input_embeddings()(ids)
        e[0, ids[0] == model.config.image_token_id] = picture[0]
        z = model(inputs_embeds=e).logits[0, -1]
        bits.append(float(torch.distributions.Categorical(logits=z.double()).entropy() / math.log(2)))
        ids = torch.cat([ids, z.argmax()[None, None]], 1)
        if int(ids[0, -1]) == model.generation_config.eos_token_id:
            break
    return processor.tokenizer.decode(ids[0, prompt.shape[1]:], skip_special_tokens=True).strip(), sum(bits) / len(bits)


def rescaled(how, x, l, rows):
    if l == NATIVE:
        return x
    if how == "norm":
        return (x.double() * rows[NATIVE].norm(dim=-1).mean() / rows[l].norm(dim=-1).mean()).float()
    return ((x.double() - rows[l].mean(0)) / rows[l].std(0, unbiased=False) * rows[NATIVE].std(0, unbiased=False) + rows[NATIVE].mean(0)).float()


@torch.no_grad()
def main():
    pictures = [Image.open(os.path.join(sys.argv[1], f"{i:05d}.jpg")).convert("RGB") for i in range(3)]
    inputs = [processor(images=p, text=text, return_tensors="pt") for p in pictures]
    states = [model.model.vision_tower(i["pixel_values"], output_hidden_states=True).hidden_states for i in inputs]
    prompt = inputs[0]["input_ids"]
    rows = {l: torch.cat([seen(s[l]) for s in states]).double().flatten(0, 1) for l in LAYERS}
    for how in ("norm", "moments"):
        said = {f"layer_{l - 1}": [say(prompt, rescaled(how, s[l], l, rows)) for s in states] for l in LAYERS}
        mean = [say(prompt, rescaled(how, torch.stack([s[l] for s in states]).double().mean(0).float(), l, rows)) for l in LAYERS]
        for k, name in enumerate(("caps", "entropy")):
            with open(os.path.join(OUT, f"rescale_{how}_{name}.json"), "w") as f:
                json.dump({layer: [x[k] for x in row] for layer, row in said.items()}, f)
        with open(os.path.join(OUT, f"rescale_{how}_mean.txt"), "w") as f:
            f.writelines(line + "\n" for line, _ in mean)


if __name__ == "__main__":
    main()
