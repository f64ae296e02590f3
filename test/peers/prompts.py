"""prompts.py [COUNT] [SEED]: pictures and words as a user gives them to a LLaVA, against transformers' own processor and generate:
`retina chat`, `preprocess`, `extract --image --prompt --taps '*'` and `generate --image … --prompt` (one to three pictures) on random
models whose directories differ as published ones do: where the chat template stands, which processor wrote its settings (a size of two
forms, padding, CLIPFeatureExtractor, processor_config.json alone), sharded files, tied heads, several states before the projector. The
pictures are unfriendly ones (turned by EXIF, CMYK, palettes, alpha, one pixel, very long), the words too. Exit 1 where something differs."""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "test", "reference"))

import golden  # sets the environment before transformers is loaded
import numpy as np
import torch
import transformers as T
from PIL import Image

import compare

ZOO = ROOT + "/data/zoo/llava"
TEXTS = ["describe the picture.", "", " ", "red 🎈 👩‍👩‍👧‍👦 ok", "שלום עולם", "مرحبا، كيف", "a\nb\tc  d", "x" * 60, "</s> end <s>", "é e\u0301", "  lead and trail  ", "what is this?\n"]
wrong = 0


def say(ok, *what):
    global wrong
    if not ok:
        wrong += 1
        print("FAIL", *what, flush=True)


def retina(*words):
    done = subprocess.run([ROOT + "/retina", *words], capture_output=True)
    return done.returncode, done.stdout.decode(), done.stderr.decode().strip()


def draw(folder):
    rng = np.random.default_rng(5)

    def cells(w, h, mode="RGB", channels=3):
        a = rng.integers(0, 256, (h // 9 + 2, w // 9 + 2, channels), dtype=np.uint8)
        return Image.fromarray(a if channels > 1 else a[..., 0], mode).resize((w, h), Image.BICUBIC)
    turned = Image.Exif()
    turned[0x0112] = 6
    cells(403, 302).save(folder + "/phone.jpg", exif=turned, progressive=True)
    cells(90, 70, "CMYK", 4).save(folder + "/cmyk.jpg")
    cells(77, 66).quantize(17).save(folder + "/palette.png")
    cells(64, 99, "RGBA", 4).save(folder + "/alpha.png")
    cells(120, 80, "L", 1).save(folder + "/grey.jpg")
    cells(70, 40, "L", 1).convert("1").save(folder + "/bits.png")
    Image.new("RGB", (1, 1), (3, 200, 100)).save(folder + "/one.png")
    cells(8000, 20).save(folder + "/long.jpg")
    cells(20, 3000).save(folder + "/two words é.png")
    return [os.path.join(folder, n) for n in sorted(os.listdir(folder))]


def model_of(r, path):
    heads, patch, n, layers = r.choice([1, 2, 3]), r.choice([7, 8, 14]), r.choice([1, 2, 3]), r.choice([1, 2, 4])
    size, strategy, tied = patch * n + r.choice([0, 0, patch - 1]), r.choice(["default", "full"]), r.random() < 0.35
    vision = T.CLIPVisionConfig(hidden_size=8 * heads, num_attention_heads=heads, num_hidden_layers=layers, intermediate_size=33, patch_size=patch, image_size=size,
                                hidden_act=r.choice(["quick_gelu", "gelu"]))
    H = r.choice([2, 4])
    text = r.choice([T.LlamaConfig, T.MistralConfig, T.Qwen2Config])(hidden_size=8 * H, intermediate_size=50, num_hidden_layers=2, num_attention_heads=H, num_key_value_heads=r.choice([1, H]),
                                                                   vocab_size=r.choice([504, 600]), max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=501, tie_word_embeddings=tied)
    config = T.LlavaConfig(vision_config=vision, text_config=text, image_token_index=500, vision_feature_layer=r.choice([-1, -2, 1, [-2, -1], [1, layers, -1]]),
                           vision_feature_select_strategy=strategy, multimodal_projector_bias=r.random() < 0.7, projector_hidden_act=r.choice(["gelu", "relu", "silu"]),
                           image_seq_length=n * n + (strategy == "full"), tie_word_embeddings=tied)
    model = T.LlavaForConditionalGeneration(config)
    golden.randomise(model, r.randrange(10**6), {"embed_tokens": 0.35} if tied else {})
    model.eval().to(r.choice([torch.float32, torch.bfloat16, torch.float16]))
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 2, 501
    model.save_pretrained(path, max_shard_size=r.choice(["5GB", "20KB"]))
    return size, patch, strategy


def put(path, name, value):
    with open(os.path.join(path, name), "w") as f:
        f.write(value if isinstance(value, str) else json.dumps(value))


def files_of(r, path, size, patch, strategy):
    """Tokenizer, template and processor; returns the template and what was drawn."""
    read = lambda name: open(f"{ZOO}/{name}").read()
    template, tokenizer, images = read("chat_template.jinja"), json.loads(read("tokenizer_config.json")), json.loads(read("preprocessor_config.json"))
    shutil.copy(f"{ZOO}/tokenizer.json", path)
    where = r.choice(["chat_template.jinja", "chat_template.json", "tokenizer_config.json"])
    if where == "tokenizer_config.json":
        tokenizer["chat_template"] = template
    put(path, "tokenizer_config.json", tokenizer)
    if where != "tokenizer_config.json":
        put(path, where, template if where.endswith("jinja") else {"chat_template": template})
    writer = r.choice(["published", "one number", "both sides", "padded", "feature extractor", "nested"])
    images.update(size={"shortest_edge": size}, crop_size={"height": size, "width": size}, resample=r.choice([3, 2]))
    if writer in ("one number", "feature extractor"):
        images.update(size=size, crop_size=size)
    if writer == "both sides":
        images.update(size={"height": size, "width": size}, do_center_crop=False)
    if writer == "padded":
        images.update(image_processor_type="LlavaImageProcessor", do_pad=True)
    if writer == "feature extractor":
        images["feature_extractor_type"] = "CLIPFeatureExtractor"
        del images["image_processor_type"]
    processor = {"image_token": "<image>", "num_additional_image_tokens": 1, "patch_size": patch, "processor_class": "LlavaProcessor", "vision_feature_select_strategy": strategy}
    if writer == "nested":
        processor["image_processor"] = images
    else:
        put(path, "preprocessor_config.json", images)
    put(path, "processor_config.json", processor)
    return template, f"template in {where}, processor {writer}"


def check(seed, path, pictures):
    r = random.Random(seed)
    template, what = files_of(r, path, *model_of(r, path))
    processor, model = T.AutoProcessor.from_pretrained(path, backend="pil"), golden.load(path, T.LlavaForConditionalGeneration)
    chosen, text = r.sample(pictures, 3), r.choice(TEXTS)
    opened = [Image.open(p).convert("RGB") for p in chosen]
    status, _, error = retina("preprocess", path, *chosen, "--out", path + "/pixels.safetensors")
    want = processor.image_processor(opened, return_tensors="np")["pixel_values"]
    got = compare.read_raw(path + "/pixels.safetensors")[0]["pixel_values"] if status == 0 else np.zeros(0)
    say(got.size == want.size and np.abs(got.reshape(want.shape) - want).max() <= 1e-6, seed, what, "pixels of", chosen, error)
    for n in (1, 2, 3):
        turn = [{"role": "user", "content": [{"type": "image"}] * n + [{"type": "text", "text": text}]}]
        prompt = processor.apply_chat_template(turn, add_generation_prompt=True, chat_template=template)
        _, rendered, error = retina("chat", path, "--user", text, "--images", str(n))
        say(rendered == prompt, seed, what, "chat", repr(rendered), repr(prompt), error)
        inputs = processor(images=opened[:n], text=prompt, return_tensors="pt")
        words = ["--model", path, *(w for p in chosen[:n] for w in ("--image", p)), "--prompt", text, "--threads", "1", "--quiet"]
        new, gap = golden.generate(model, dict(inputs), {"max_new_tokens": 6})
        new = [t for t in new[0].tolist() if t >= 0]
        status, answer, error = retina("generate", *words, "--max-new-tokens", "6", "--json")
        answer = json.loads(answer) if status == 0 else {"ids": error, "text": ""}
        say(gap < 1e-3 or (answer["ids"] == new and answer["text"] == processor.tokenizer.decode(new, skip_special_tokens=True)), seed, what, "answer to", repr(text), answer, new)
        if n > 1:
            continue
        taps, optional, _ = golden.record(model, lambda m: m(**inputs, use_cache=False))
        status, _, error = retina("extract", *words, "--taps", "*", "--out", path + "/taps.safetensors")
        rows = compare.compare(compare.read_raw(path + "/taps.safetensors")[0], [t for t in taps if t not in optional], lambda t: (taps[t].float().numpy().reshape(-1), 1, list(taps[t].shape))) if status == 0 else [("", None, error)]
        say(all(rel is not None and rel <= 1e-5 for _, rel, _ in rows), seed, what, "taps", [row for row in rows if row[1] is None or row[1] > 1e-5][:3])
    return what


def main():
    count, first = (int(sys.argv[i]) if len(sys.argv) > i else otherwise for i, otherwise in ((1, 8), (2, 0)))
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as t:
        os.mkdir(t + "/pictures")
        pictures = draw(t + "/pictures")
        for seed in range(first, first + count):
            before = wrong
            what = check(seed, f"{t}/{seed}", pictures)
            print("ok  " if wrong == before else "BAD ", seed, what, flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
