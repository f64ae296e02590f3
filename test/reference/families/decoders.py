"""Text decoders of the Llama type: Llama, Mistral, Qwen2, Qwen3, OLMo, OLMo-2, Gemma-2."""
import torch
import transformers as T

import golden
import vocabulary
from case import GENERATE, Case, ids

CLASSES = {
    "llama": (T.LlamaConfig, T.LlamaForCausalLM), "mistral": (T.MistralConfig, T.MistralForCausalLM),
    "qwen2": (T.Qwen2Config, T.Qwen2ForCausalLM), "qwen3": (T.Qwen3Config, T.Qwen3ForCausalLM),
    "olmo": (T.OlmoConfig, T.OlmoForCausalLM), "olmo2": (T.Olmo2Config, T.Olmo2ForCausalLM),
    "gemma2": (T.Gemma2Config, T.Gemma2ForCausalLM),
}
QWEN_PATTERN = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
LLAMA3_PATTERN = QWEN_PATTERN.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)
SMALL = dict(hidden_size=24, intermediate_size=52, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2, vocab_size=320)


def tokenizer(kind, vocab):
    if kind in ("llama", "mistral", "gemma2"):
        return vocabulary.sentencepiece(vocab - 5)
    if kind in ("llama3",):
        return vocabulary.byte_level(vocab - 3, ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"], pattern=LLAMA3_PATTERN,
                                     bos="<|begin_of_text|>")
    return vocabulary.byte_level(vocab - 3, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], pattern=QWEN_PATTERN)


def build(name, seed, kind, config, dtype, tokens=19, batch=None, tokenizer_kind=None, generate=GENERATE, left=None, headless=False, **kw):
    """`batch`: lengths of a second run of several sequences, right-padded with a mask; `left`: and of a third, left-padded. `headless`: LlamaModel in place of
    LlamaForCausalLM, as text encoders are published."""
    rng = golden.rng_of(seed, "inputs")
    config_class, model_class = CLASSES[kind]
    model = T.AutoModel.from_config(config_class(**config)) if headless else model_class(config_class(**config))
    V = config["vocab_size"]
    runs = {"": {"input_ids": ids(rng, V, 1, tokens)}}
    if batch:
        padded = ids(rng, V, len(batch), max(batch))
        mask = torch.tensor([[int(t < n) for t in range(max(batch))] for n in batch])
        runs["batch"] = {"input_ids": torch.where(mask.bool(), padded, 0), "attention_mask": mask}
    if left:
        padded = ids(rng, V, len(left), max(left))
        mask = torch.tensor([[int(t >= max(left) - n) for t in range(max(left))] for n in left])
        runs["left"] = {"input_ids": torch.where(mask.bool(), padded, 0), "attention_mask": mask}
    files = {"tokenizer.json": tokenizer(tokenizer_kind or kind, V)} if V >= 290 else {}
    return Case(name, model, runs, dtype, generate=[] if headless else generate, files=files, seed=seed, **kw)


def cases():
    yield build("llama-2", 21, "llama", dict(SMALL, num_key_value_heads=1, rms_norm_eps=1e-5, max_position_embeddings=64), "bf16",
                batch=(5, 13), limit=256)
    yield build("llama-3", 22, "llama", dict(SMALL, tie_word_embeddings=True, rms_norm_eps=1e-5, max_position_embeddings=128, hidden_size=32,
                                             num_attention_heads=4, rope_parameters={
                                                 "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0,
                                                 "high_freq_factor": 4.0, "original_max_position_embeddings": 16}),
                "f16", tokens=41, tokenizer_kind="llama3", limit=256)
    yield build("llama-biases", 23, "llama", dict(SMALL, attention_bias=True, mlp_bias=True, head_dim=10, max_position_embeddings=64,
                                                  rope_parameters={"rope_type": "linear", "rope_theta": 1000.0, "factor": 2.5},
                                                  hidden_act="gelu", vocab_size=120), "f32", tokens=21, limit=200)
    yield build("mistral-window", 24, "mistral", dict(SMALL, sliding_window=6, head_dim=6, num_hidden_layers=3, rms_norm_eps=1e-5), "bf16",
                tokens=23, limit=256)
    yield build("qwen2-small", 25, "qwen2", dict(SMALL, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
                "bf16", tokens=19, limit=256)
    yield build("qwen2-window", 26, "qwen2", dict(SMALL, use_sliding_window=True, sliding_window=5, max_window_layers=1, num_hidden_layers=3,
                                                  num_attention_heads=4, num_key_value_heads=4, vocab_size=150), "f16", tokens=18, limit=160)
    yield build("qwen3-small", 27, "qwen3", dict(SMALL, head_dim=12, tie_word_embeddings=True), "bf16", limit=256)
    yield build("olmo-clip", 28, "olmo", dict(SMALL, clip_qkv=0.7, vocab_size=297), "f32", limit=256)
    yield build("olmo2-small", 29, "olmo2", dict(SMALL, rms_norm_eps=1e-5), "bf16", limit=256)
    yield build("gemma2-small", 30, "gemma2", dict(SMALL, num_hidden_layers=4, head_dim=16, num_attention_heads=4, sliding_window=5,
                                                   query_pre_attn_scalar=20, rms_norm_eps=1e-5), "bf16", tokens=17, limit=160,
                gains={"q_proj": 3.0, "k_proj": 3.0})
    # stretched positions: texts shorter and longer than what was trained, and answers that cross that length
    small = dict(SMALL, num_attention_heads=4, vocab_size=90)
    yield build("llama-yarn", 31, "llama", dict(small, max_position_embeddings=64, rope_parameters={
        "rope_type": "yarn", "rope_theta": 100.0, "factor": 4.0, "original_max_position_embeddings": 8, "beta_fast": 4, "beta_slow": 1, "truncate": False}),
                "bf16", tokens=14, limit=60)
    yield build("qwen2-dynamic", 32, "qwen2", dict(small, max_position_embeddings=10, rope_parameters={"rope_type": "dynamic", "rope_theta": 100.0, "factor": 3.0}),
                "bf16", tokens=7, batch=(17,), limit=60, generate=GENERATE + [
                    {"max_new_tokens": 16, "num_beams": 2, "length_penalty": penalty, "early_stopping": early} for penalty, early in ((4.0, True), (2.0, "never"))])
    yield build("mistral-longrope", 33, "mistral", dict(small, max_position_embeddings=40, sliding_window=None, rope_parameters={
        "rope_type": "longrope", "rope_theta": 100.0, "original_max_position_embeddings": 12, "short_factor": [1.0, 1.2, 1.5], "long_factor": [1.5, 3.0, 7.0]}),
                "bf16", tokens=7, batch=(17,), limit=60)
    yield build("qwen3-settings", 34, "qwen3", dict(small, head_dim=6), "bf16", tokens=5, limit=60, constrained=True)
    # the rules by which older configurations let layers slide
    tiny = dict(hidden_size=8, intermediate_size=10, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1, vocab_size=30)
    yield build("mistral-headless", 35, "mistral", dict(tiny, sliding_window=4), "bf16", tokens=9, batch=(3, 7), limit=40, headless=True)
    old = {"a": dict(era="A", old_config=True)}
    yield build("gemma2-eras", 36, "gemma2", dict(tiny, head_dim=6, sliding_window=4, query_pre_attn_scalar=5, attn_logit_softcapping=None,
                                                     final_logit_softcapping=2.0), "f32", tokens=11, generate=[], limit=40,
                variants=old)
    yield build("qwen2-eras", 37, "qwen2", dict(tiny, use_sliding_window=True, sliding_window=4, max_window_layers=1), "f32", tokens=11, generate=[],
                limit=40, variants=old)
    yield build("qwen3-eras", 38, "qwen3", dict(tiny, head_dim=6), "f32", tokens=11, generate=[], limit=40, variants=old)


def random_rope(rng, head_dim):
    theta = float(rng.choice([100.0, 1e4, 5e5, 1e6]))
    kind = str(rng.choice(["default", "default", "linear", "llama3", "yarn", "longrope", "proportional"] + (["dynamic"] if head_dim > 2 else [])))
    rope = {"rope_type": kind, "rope_theta": theta}
    if kind in ("linear", "dynamic"):
        rope["factor"] = float(rng.choice([2.0, 3.5, 8.0]))
    if kind in ("llama3", "yarn", "longrope"):
        rope["original_max_position_embeddings"] = int(rng.choice([8, 16, 24]))
        rope["factor"] = float(rng.choice([4.0, 8.0, 32.0]))
    if kind == "llama3":
        rope.update(low_freq_factor=1.0, high_freq_factor=float(rng.choice([2.0, 4.0])))
    if kind == "yarn":
        optional = {"beta_fast": float(rng.choice([4.0, 16.0])), "beta_slow": 2.0, "attention_factor": 1.25, "truncate": False, "mscale": 0.7, "mscale_all_dim": 0.6}
        rope.update({k: v for k, v in optional.items() if rng.integers(0, 3) == 0})
    if kind == "longrope":
        rope.update({k: [float(f) for f in low + rng.random(head_dim // 2)] for k, low in (("short_factor", 1), ("long_factor", 2))})
        if rng.integers(0, 2):
            del rope["factor"]
    if kind == "proportional":
        rope["partial_rotary_factor"] = float(rng.choice([0.25, 0.5, 1.0]))
    return rope


def random_config(rng, kind, vocab=None):
    groups, kv = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    heads, hd = groups * kv, 2 * int(rng.integers(1, 12))
    c = dict(num_attention_heads=heads, num_key_value_heads=kv, hidden_size=heads * hd, intermediate_size=int(rng.integers(7, 150)),
             num_hidden_layers=int(rng.integers(1, 5)), vocab_size=vocab or int(rng.integers(40, 400)), tie_word_embeddings=bool(rng.integers(0, 2)),
             max_position_embeddings=int(rng.choice([256, 256, 30])))
    if kind != "olmo":
        c["rms_norm_eps"] = float(rng.choice([1e-6, 1e-5, 1e-3]))
    if kind != "gemma2":
        c["hidden_act"] = str(rng.choice(["silu", "silu", "gelu", "gelu_pytorch_tanh", "relu"]))
    if kind in ("llama", "mistral", "qwen3", "gemma2"):
        c["head_dim"] = 2 * int(rng.integers(1, 14)) if rng.integers(0, 2) or kind in ("qwen3", "gemma2") else None
    c["rope_parameters"] = random_rope(rng, c.get("head_dim") or hd)
    if kind in ("llama", "qwen3", "olmo", "olmo2", "gemma2"):
        c["attention_bias"] = bool(rng.integers(0, 2))
    if kind == "llama":
        c["mlp_bias"] = bool(rng.integers(0, 2))
    if kind in ("mistral", "gemma2"):
        c["sliding_window"] = int(rng.integers(2, 12)) if kind == "gemma2" or rng.integers(0, 2) else None
    if kind in ("qwen2", "qwen3") and rng.integers(0, 2):
        c.update(use_sliding_window=True, sliding_window=int(rng.integers(2, 12)), max_window_layers=int(rng.integers(0, 3)))
    if kind == "olmo":
        c["clip_qkv"] = float(rng.choice([0.5, 1.0])) if rng.integers(0, 2) else None
    if kind == "gemma2":
        c.update(query_pre_attn_scalar=int(rng.integers(4, 40)), attn_logit_softcapping=[None, 5.0, 50.0][rng.integers(0, 3)],
                 final_logit_softcapping=[None, 4.0, 30.0][rng.integers(0, 3)])
    return c


def random_case(rng, seed, kind="llama"):
    c = random_config(rng, kind)
    lengths, left = (tuple(int(n) for n in rng.integers(1, 20, size=int(rng.integers(2, 5)))) for _ in range(2))
    if c["rope_parameters"]["rope_type"] in ("dynamic", "longrope"):  # the reference gives a whole batch the positions of its longest text
        lengths, left = ((max(n),) * len(n) for n in (lengths, left))
    return build(kind, seed, kind, c, str(rng.choice(["f32", "bf16", "f16"])), tokens=int(rng.integers(1, 70)), batch=lengths, left=left,
                 headless=rng.integers(0, 8) == 0)
