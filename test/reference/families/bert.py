"""BERT and RoBERTa."""
import torch
import transformers as T

import golden
import vocabulary
from case import Case, ids

SMALL = dict(hidden_size=32, intermediate_size=72, num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=40)


def build(name, seed, kind, config, dtype, lengths=(5, 9), pooler=True, token_types=False, **kw):
    rng = golden.rng_of(seed, "inputs")
    V = config["vocab_size"]
    config_class, model_class = {"bert": (T.BertConfig, T.BertModel), "roberta": (T.RobertaConfig, T.RobertaModel)}[kind]
    pad, first, last = {"bert": (0, 2, 3), "roberta": (1, 0, 2)}[kind]
    c = config_class(**config) if kind == "bert" else config_class(pad_token_id=1, bos_token_id=0, eos_token_id=2, **config)
    rows = torch.full((len(lengths), max(lengths)), pad)
    mask = torch.zeros_like(rows)
    for r, n in enumerate(lengths):
        rows[r, :n] = ids(rng, V, n, avoid=(4,))
        rows[r, 0], rows[r, n - 1] = first, last
        mask[r, :n] = 1
    runs = {"": {"input_ids": rows, "attention_mask": mask}}
    if token_types:
        runs["pair"] = {"input_ids": rows, "attention_mask": mask,
                        "token_type_ids": (torch.arange(max(lengths))[None, :] >= 3).long().expand_as(rows).contiguous()}
    files = {}
    if kind == "bert" and V >= 90:
        files = {"tokenizer.json": vocabulary.wordpiece(V - 2)}
    if kind == "roberta" and V >= 290:
        files = {"tokenizer.json": vocabulary.roberta(V - 3)}
    options = {"add_pooling_layer": pooler}  # roberta-large is published without a pooler
    return Case(name, model_class(c, **options), runs, dtype, files=files, seed=seed, options=options, **kw)


def cases():
    yield build("bert-small", 51, "bert", dict(SMALL, vocab_size=120), "bf16", limit=256, token_types=True)
    yield build("roberta-small", 52, "roberta", dict(SMALL, vocab_size=300, type_vocab_size=1, layer_norm_eps=1e-5, hidden_size=28), "f16",
                limit=256)


    tiny = dict(hidden_size=8, intermediate_size=14, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=12, vocab_size=40)
    yield build("bert-eras", 53, "bert", tiny, "f32", limit=60,
                variants={"a": dict(era="A", old_config=True, extra=head_of("bert", tiny)), "bin": dict(era="C", as_bin=True)})
    yield build("roberta-eras", 54, "roberta", dict(tiny, type_vocab_size=1), "f32", limit=60,
                variants={"a": dict(era="A", old_config=True, extra=head_of("roberta", tiny))})


def head_of(kind, c):
    """The tensors that a published checkpoint carries beside the encoder: the head it was trained with."""
    D, V = c["hidden_size"], c["vocab_size"]
    names = {"roberta": {"lm_head.bias": (V,), "lm_head.dense.weight": (D, D), "lm_head.dense.bias": (D,), "lm_head.layer_norm.weight": (D,),
                         "lm_head.layer_norm.bias": (D,)},
             "bert": {"cls.predictions.bias": (V,), "cls.predictions.transform.dense.weight": (D, D), "cls.predictions.transform.dense.bias": (D,),
                      "cls.predictions.transform.LayerNorm.gamma": (D,), "cls.predictions.transform.LayerNorm.beta": (D,),
                      "cls.seq_relationship.weight": (2, D), "cls.seq_relationship.bias": (2,)}}[kind]
    return {n: torch.zeros(shape) for n, shape in names.items()}


def random_case(rng, seed, kind="bert"):
    heads = int(rng.integers(1, 6))
    c = dict(hidden_size=heads * int(rng.integers(2, 20)), num_attention_heads=heads, intermediate_size=int(rng.integers(9, 120)),
             num_hidden_layers=int(rng.integers(1, 5)), max_position_embeddings=64, vocab_size=int(rng.integers(50, 400)),
             hidden_act=str(rng.choice(["gelu", "gelu_new", "relu", "silu"])), layer_norm_eps=float(rng.choice([1e-12, 1e-5, 1e-3])),
             type_vocab_size=int(rng.integers(1, 3)))
    lengths = tuple(int(n) for n in rng.integers(2, 30, size=int(rng.integers(1, 4))))
    return build(kind, seed, kind, c, str(rng.choice(["f32", "bf16", "f16"])), lengths, pooler=bool(rng.integers(0, 4)))
