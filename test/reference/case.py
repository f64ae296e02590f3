"""A case: a small random model, what it is given, and what it is asked to generate; written as a model directory with its
golden files, or into a temporary directory for a comparison on fresh shapes."""
import json
import os
from dataclasses import dataclass, field

import torch

import golden


@dataclass
class Case:
    name: str  # FAMILY-VARIANT, the directory's name
    model: torch.nn.Module
    runs: dict  # run name -> the arguments of one forward pass; "" is the main run (golden.safetensors)
    dtype: str = "f32"  # of the stored weights
    generate: list = field(default_factory=list)  # settings of generate() calls on the main run's inputs
    files: dict = field(default_factory=dict)  # further files: name -> object, written as JSON
    limit: int = golden.LIMIT
    seed: int = 0
    gains: dict = field(default_factory=dict)
    eos_after: int = 4  # the greedy answer's first new token from this place on becomes an end token; -1: none does
    options: dict = field(default_factory=dict)  # further arguments of from_pretrained
    constrained: bool = False  # generation_config.json bans what the model would say, and has the other settings that change text
    variants: dict = field(default_factory=dict)  # sub-directory -> arguments of eras.rewrite: the same weights, other writers


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f, indent=1 if len(json.dumps(value)) < 4000 else None, ensure_ascii=False)
        f.write("\n")


def save(case, path):
    """The model directory as save_pretrained writes it, in the case's dtype."""
    os.makedirs(path, exist_ok=True)
    gains = dict(case.gains)
    if getattr(case.model.config.get_text_config(), "tie_word_embeddings", False):
        gains.setdefault("embed_tokens", 0.35)  # else the answer is the last token for ever
    golden.randomise(case.model, case.seed, gains)
    case.model.eval()
    if case.generate:
        if case.constrained:
            constrain(case)
        choose_end_tokens(case)
    case.model.to(golden.DTYPES[case.dtype])
    case.model.save_pretrained(path)
    for name, value in case.files.items():
        write_json(os.path.join(path, name), value)
    for name in os.listdir(path):
        os.chmod(os.path.join(path, name), 0o644)


def constrain(case):
    """Each ban hits what would be said without it: the first id, the second, the third and fourth as a word, a word that never comes."""
    config = case.model.generation_config
    rounded = case.model.to(golden.DTYPES[case.dtype]).float()

    def said():
        return golden.generate(rounded, case.runs[""], {"max_new_tokens": 8})[0][0].tolist()

    config.pad_token_id, config.eos_token_id = 0, None
    config.begin_suppress_tokens = said()[:1]
    config.suppress_tokens = said()[1:2]
    config.bad_words_ids = [said()[1:3], [7, 9, 11], said()[5:6]]
    config.min_length = case.runs[""]["input_ids"].shape[1] + 6


def choose_end_tokens(case):
    """Random models never say </s> by themselves: one of the tokens that this one does say becomes an end token."""
    config = case.model.generation_config
    V = case.model.config.get_text_config().vocab_size
    config.pad_token_id = 0
    config.do_sample = False
    if case.eos_after >= 0:
        config.eos_token_id = None
        rounded = case.model.to(golden.DTYPES[case.dtype]).float()
        said = golden.generate(rounded, case.runs[""], {"max_new_tokens": 16})[0][0].tolist()
        fresh = [t for i, t in enumerate(said) if i >= case.eos_after and t not in said[:i]]
        config.eos_token_id = [V - 1] + fresh[:1]


def call_of(arguments):
    return lambda m: m(**arguments)


def cache_off(model, arguments):
    return dict(arguments, use_cache=False) if hasattr(model.config.get_text_config(), "use_cache") and hasattr(model, "generate") else arguments


def own_errors(case, path, arguments, taps):
    """How far the reference in f32 is from itself in f64, per tap."""
    model = golden.load(path, type(case.model), torch.float64, **case.options)
    wide = {k: v.double() if torch.is_tensor(v) and v.is_floating_point() else v for k, v in arguments.items()}
    exact, _, _ = golden.record(model, call_of(cache_off(model, wide)))
    return {n: float((t.double() - exact[n].double()).norm() / max(float(exact[n].double().norm()), 1e-300)) for n, t in taps.items()}


def write_goldens(case, path):
    """golden[-RUN].safetensors and taps[-RUN].txt of every run, computed from the files as they were saved."""
    model = golden.load(path, type(case.model), **case.options)
    for run, arguments in case.runs.items():
        taps, optional, out = golden.record(model, call_of(cache_off(model, arguments)))
        for name, t in taps.items():
            assert torch.isfinite(t).all(), (case.name, name)
        errors = own_errors(case, path, arguments, taps)
        worst = max(errors, key=errors.get)  # tests allow 1e-5: a reference that is itself that far from the truth tests nothing
        assert errors[worst] < 4e-6, (case.name, run, worst, errors[worst])
        generated = []
        for settings in (case.generate if run == "" else []):
            new, gap = golden.generate(model, arguments, settings)
            generated.append((dict(settings, gap=round(gap, 5)), new))
        end = f"-{run}" if run else ""
        inputs = {k: v if torch.is_tensor(v) else torch.tensor(int(v)) for k, v in arguments.items()}
        golden.write_golden(os.path.join(path, f"golden{end}.safetensors"), inputs, taps, optional,
                            golden.results_of(out), generated, case.limit if run == "" else case.limit // 3)
        with open(os.path.join(path, f"taps{end}.txt"), "w") as f:
            f.write(golden.taps_lines(taps, optional))


# The generate() calls that every decoder is held to.
GENERATE = [
    {"max_new_tokens": 16},
    {"max_new_tokens": 12, "min_new_tokens": 10},
    {"max_new_tokens": 10, "num_beams": 3},
    {"max_new_tokens": 10, "num_beams": 4, "length_penalty": 2.0, "min_new_tokens": 4},
    {"max_new_tokens": 14, "repetition_penalty": 1.3, "min_new_tokens": 14},
    {"max_new_tokens": 14, "no_repeat_ngram_size": 2, "min_new_tokens": 14},
]


def ids(rng, vocab, *shape, avoid=()):
    """Random token ids in [3, vocab - 2), none of them in `avoid`."""
    allowed = [i for i in range(3, vocab - 2) if i not in avoid]
    return torch.tensor(rng.choice(allowed, size=shape), dtype=torch.int64)


def pixels(rng, *shape):
    """Smooth enough to look like a normalised picture, of unit spread."""
    return torch.tensor(rng.standard_normal(shape), dtype=torch.float32)
