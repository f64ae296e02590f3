"""LLaVA-1.5: CLIP's vision tower, a two-layer connector, a Llama-type decoder."""
import torch
import transformers as T

import golden
from case import GENERATE, Case, ids, pixels
from families import clip, decoders

VISION = dict(hidden_size=20, intermediate_size=44, num_hidden_layers=3, num_attention_heads=4, patch_size=4, image_size=14)
TEXT = dict(decoders.SMALL, vocab_size=301)


def prompts(rng, V, image_id, per_image, images, tail):
    """One row per entry of `images` (how many images that prompt holds), text before, between and after; shorter rows are padded
    on the right with a mask. The arguments input_ids and, where there is padding, attention_mask."""
    rows = []
    for n in images:
        row = [1] + ids(rng, V, 3, avoid=(image_id,)).tolist()
        for _ in range(n):
            row += [image_id] * per_image + ids(rng, V, 2, avoid=(image_id,)).tolist()
        rows.append(row + ids(rng, V, tail, avoid=(image_id,)).tolist())
    longest = max(len(r) for r in rows)
    out = {"input_ids": torch.tensor([r + [0] * (longest - len(r)) for r in rows])}
    if len({len(r) for r in rows}) > 1:
        out["attention_mask"] = torch.tensor([[1] * len(r) + [0] * (longest - len(r)) for r in rows])
    return out


def build(name, seed, vision, text_kind, text, dtype, images=(1,), other=None, uneven=None, layer=-2, strategy="default", bias=True, act="gelu",
          projection=9, generate=GENERATE, tail=4, **kw):
    rng = golden.rng_of(seed, "inputs")
    V = text["vocab_size"]
    image_id = V - 3
    S, P = vision["image_size"], vision["patch_size"]
    per_image = (S // P) ** 2 + (strategy == "full")
    config = T.LlavaConfig(vision_config=T.CLIPVisionConfig(**vision, projection_dim=projection), text_config=decoders.CLASSES[text_kind][0](**text),
                           image_token_index=image_id, vision_feature_layer=layer, vision_feature_select_strategy=strategy,
                           multimodal_projector_bias=bias, projector_hidden_act=act, image_seq_length=per_image)
    model = T.LlavaForConditionalGeneration(config)
    runs = {}
    for run, counts in (("", images), ("batch", other), ("uneven", uneven)):
        if counts:
            runs[run] = {**prompts(rng, V, image_id, per_image, counts, tail), "pixel_values": pixels(rng, sum(counts), 3, S, S)}
    files = {"preprocessor_config.json": clip.preprocessor(S)}
    if V >= 298:  # bytes, the letters of its text, what is added: fewer ids have no room for them
        files["tokenizer.json"] = decoders.vocabulary.sentencepiece(V - 2, extra=("<image>",))
        added = files["tokenizer.json"]["added_tokens"]
        assert [a["id"] for a in added if a["content"] == "<image>"] == [image_id], added
    return Case(name, model, runs, dtype, generate=generate, files=files, seed=seed, **kw)


def cases():
    yield build("llava-default", 41, VISION, "llama", dict(TEXT, rms_norm_eps=1e-5), "f16", images=(2,), other=(1, 1), limit=90)
    yield build("llava-full", 42, dict(VISION, image_size=12, hidden_act="gelu"), "mistral", dict(TEXT, vocab_size=90, sliding_window=7, num_key_value_heads=3),
                "bf16", images=(1,), layer=[-2, -3, 1], strategy="full", bias=False, act="gelu_pytorch_tanh", limit=90)

    tiny = dict(hidden_size=8, intermediate_size=10, num_hidden_layers=2, num_attention_heads=2, patch_size=3, image_size=8)
    # Its own scores: a Gemma alone bends them to (-cap, cap), LLaVA does not.
    yield build("llava-gemma2", 44, tiny, "gemma2", dict(TEXT, vocab_size=60, hidden_size=12, num_attention_heads=2, num_key_value_heads=1, head_dim=6, intermediate_size=14,
                                                         sliding_window=4, final_logit_softcapping=0.5, tie_word_embeddings=False), "bf16", images=(1,), limit=40)
    yield build("llava-eras", 43, tiny, "llama", dict(TEXT, vocab_size=40, hidden_size=8, num_attention_heads=2, num_key_value_heads=1,
                                                      intermediate_size=14), "f16", generate=[], limit=40,
                variants={"a": dict(era="A", old_config=True), "a-bin": dict(era="A", old_config=True, as_bin=True, shards=2),
                          "b": dict(era="B", shards=3), "c": dict(era="C", old_config=True)})


def random_case(rng, seed):
    heads, P = int(rng.integers(1, 5)), int(rng.integers(2, 7))
    layers = int(rng.integers(2, 5))
    vision = dict(hidden_size=heads * int(rng.integers(2, 16)), num_attention_heads=heads, num_hidden_layers=layers,
                  intermediate_size=int(rng.integers(9, 90)), patch_size=P, image_size=P * int(rng.integers(1, 5)) + int(rng.integers(0, P)),
                  hidden_act=str(rng.choice(["quick_gelu", "gelu", "gelu_new", "gelu_pytorch_tanh"])), layer_norm_eps=float(rng.choice([1e-5, 1e-6, 1e-3])))
    kind = str(rng.choice(["llama", "llama", "mistral", "qwen2", "qwen3", "olmo", "olmo2", "gemma2"]))
    one_layer = int(rng.choice([i for i in range(-layers - 1, layers + 1) if i != 0]))  # 0: the reference itself fails
    layer = one_layer if rng.integers(0, 2) else [int(i) for i in rng.integers(-layers - 1, layers + 1, size=int(rng.integers(1, 4)))]
    one = tuple([int(rng.integers(1, 4))])
    text = decoders.random_config(rng, kind, vocab=int(rng.integers(60, 360)))
    own_positions = text["rope_parameters"]["rope_type"] in ("dynamic", "longrope")  # of each text; of a whole batch in the reference
    return build("llava", seed, vision, kind, text,
                 str(rng.choice(["f32", "bf16", "f16"])), images=one, other=one * int(rng.integers(2, 4)),
                 uneven=None if own_positions else tuple(int(n) for n in rng.permutation([0, 1, 3])), layer=layer,
                 strategy=str(rng.choice(["default", "full"])), bias=bool(rng.integers(0, 2)), act=str(rng.choice(["gelu", "silu", "relu", "gelu_new"])))
