"""verbalize.py DIR PICTURE…: captions and entropies of every layer as the reference makes them (open_clip for a CoCa directory,
transformers for a LLaVA one), with forward hooks and no cache, against `./retina verbalize caption` on the same pictures; and the
own-model score of a CoCa. Exit 1 where a caption differs or an entropy is further than 1e-5 bits (times its size, at least 1)."""
import csv
import json
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
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
    out, vectors = [], []
    for p in pictures:
        image = preprocess(Image.open(p).convert("RGB"))[None]
        states = []
        hooks = [b.register_forward_hook(lambda m, a, o: states.append(o)) for b in model.visual.transformer.resblocks]
        vectors.append(model.encode_image(image, normalize=True)[0])
        [h.remove() for h in hooks]
        row = []
        for x in states:
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
            row.append((words.strip(), sum(steps) / len(steps)))
        out.append(row)

    def score(i, text):
        w = model.encode_text(tokenizer([text]), normalize=True)[0]
        return 100 * max(0.0, float(vectors[i] @ w))
    return out, score


@torch.no_grad()
def llava(directory, pictures, max_new=32):
    from transformers import AutoProcessor, LlavaForConditionalGeneration
    model = LlavaForConditionalGeneration.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    processor = AutoProcessor.from_pretrained(directory, use_fast=False)
    text = processor.apply_chat_template([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}], add_generation_prompt=True)
    eos = model.generation_config.eos_token_id
    out = []
    for p in pictures:
        inputs = processor(images=Image.open(p).convert("RGB"), text=text, return_tensors="pt")
        hidden = model.model.vision_tower(inputs["pixel_values"], output_hidden_states=True).hidden_states
        row = []
        for x in hidden[1:]:
            image = model.model.multi_modal_projector(x[:, 1:])
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
            row.append((processor.tokenizer.decode(new, skip_special_tokens=True).strip(), sum(steps) / len(steps)))
        out.append(row)
    return out, None


torch.set_num_threads(2)


def main():
    directory, pictures = sys.argv[1], sys.argv[2:]
    reference, score = coca(directory, pictures) if os.path.exists(directory + "/open_clip_config.json") else llava(directory, pictures)
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
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
