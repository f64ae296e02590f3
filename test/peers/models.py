"""models.py [--retina ./retina] [--count N] [--seed S] [--keep DIR] [FAMILY…]: fresh random models against the reference.

For every family, N random configurations (widths, heads, layers, activations, eps, rope settings, image and patch sizes, stored
types, ways of saving) are written as model directories; `retina extract --taps '*'`, `retina generate` and `retina info --taps`
are run on them and compared with transformers in f32:
    every tap within 1e-5 relative, names and order equal (a tap may leave further only where the reference itself is that
    far from its own result in f64: four times its error); new ids equal, unless the reference's choice hung on less than 1e-3.
One line a comparison that fails, one line a model; exit status 1 if any failed. Needs the reference environment."""
import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "test", "reference"))

import golden  # sets the environment before transformers is loaded
import numpy as np
import torch

import case as cases
import compare
import eras

FAMILIES = {  # name: (module, arguments of random_case)
    "clip": ("clip", {}), "llama": ("decoders", {"kind": "llama"}), "mistral": ("decoders", {"kind": "mistral"}),
    "qwen2": ("decoders", {"kind": "qwen2"}), "llava": ("llava", {}), "bert": ("bert", {"kind": "bert"}),
    "roberta": ("bert", {"kind": "roberta"}), "qwen3": ("decoders", {"kind": "qwen3"}), "olmo": ("decoders", {"kind": "olmo"}),
    "olmo2": ("decoders", {"kind": "olmo2"}), "gemma2": ("decoders", {"kind": "gemma2"}), "siglip": ("siglip", {}),
    "dinov2": ("dino", {"kind": "dinov2"}), "dinov2_with_registers": ("dino", {"kind": "dinov2_with_registers"}),
    "dinov3_vit": ("dino", {"kind": "dinov3_vit"}), "idefics2": ("idefics2", {}), "qwen2_5_vl": ("qwen_vl", {"kind": "qwen2_5_vl"}),
    "qwen3_5": ("qwen_vl", {"kind": "qwen3_5"}), "align": ("align", {}),
}
FIRST = ["clip", "llama", "mistral", "qwen2", "llava", "bert"]  # what is run when no family is named
ALLOW = 1e-5
TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
DERIVED = ("mm_token_type_ids",)  # the reference wants to be told which ids are images; the ids themselves say it


class Tally:
    def __init__(self):
        self.failed, self.held = [], 0

    def say(self, ok, where, what):
        if ok:
            self.held += 1
        else:
            self.failed.append(where)
            print(f"FAIL {where}: {what}", flush=True)


def retina(a, *words):
    command = [a.retina, *words] + (["--threads", "1"] if words[0] in ("extract", "generate") and "--threads" not in words else [])
    r = subprocess.run(command, capture_output=True, text=True, timeout=600)
    return r.returncode, r.stdout, r.stderr.strip(), " ".join(command)


def write_inputs(arguments, directory, stem):
    """The arguments of one forward pass as files; what the command line calls them."""
    words = []
    text = {k: v for k, v in arguments.items() if k in TEXT_INPUTS}
    rest = {k: v for k, v in arguments.items() if k not in TEXT_INPUTS + DERIVED and torch.is_tensor(v)}
    for option, tensors in (("--ids", text), ("--pixels", rest)):
        if tensors:
            path = os.path.join(directory, stem + option + ".safetensors")
            golden.write_safetensors(path, tensors, {})
            words += [option, path]
    return words + (["--interpolate"] if arguments.get("interpolate_pos_encoding") else [])


def leaving(case, model, path, out, arguments):
    """What `retina extract --taps '*'` wrote into `out` against the reference: the taps that leave, how many there are, names too many."""
    taps, optional, _ = golden.record(model, cases.call_of(cases.cache_off(model, arguments)))
    got, _ = compare.read_raw(out)
    need = [n for n in taps if n not in optional]
    mask = arguments["attention_mask"].numpy() if "attention_mask" in arguments else None
    rows = compare.compare(got, need, lambda n: (taps[n].float().numpy().reshape(-1), 1, list(taps[n].shape)), mask)
    own = None
    bad = []
    for name, rel, why in rows:
        if rel is not None and rel <= ALLOW:
            continue
        if rel is not None:
            own = own or cases.own_errors(case, path, arguments, taps)
            if rel <= 4 * own[name]:
                continue
            why = f"rel {rel:.3g} (the reference's own error {own[name]:.2g})"
        bad.append(f"{name}: {why}")
    return bad, len(rows), [n for n in got if "#" not in n and n not in taps and not n.startswith("pooler")]


def check_extract(a, tally, case, model, path, run, arguments, where):
    out = os.path.join(path, f"out-{run}.safetensors")
    status, _, err, command = retina(a, "extract", "--model", path, *write_inputs(arguments, path, run), "--taps", "*", "--out", out, "--quiet")
    if status != 0:
        return tally.say(False, where, f"exit {status}: {err.splitlines()[-1] if err else ''}  [{command}]")
    bad, count, extra = leaving(case, model, path, out, arguments)
    tally.say(not bad, where, f"{bad[0] if bad else ''}; {len(bad)} of {count} taps leave  [{command}]")
    tally.say(not extra, where + " names", f"taps that the reference does not have: {extra[:5]}")


def replaced(output, with_):
    """A module's output with another tensor in place of its first floating entry."""
    if torch.is_tensor(output):
        return with_
    if isinstance(output, dict):
        key = next(k for k, v in output.items() if torch.is_tensor(v) and v.is_floating_point())
        output[key] = with_
        return output
    at = next(i for i, v in enumerate(output) if torch.is_tensor(v) and v.is_floating_point())
    return (*output[:at], with_, *output[at + 1:])


def check_replace(a, tally, case, model, path, arguments, rng, where):
    """Another tensor in one tap's place: everything that follows must change as in the reference."""
    taps, optional, _ = golden.record(model, cases.call_of(cases.cache_off(model, arguments)))
    names = [n for n in taps if n not in optional]
    name = str(rng.choice(names))
    with_ = torch.tensor(rng.standard_normal(tuple(taps[name].shape)), dtype=torch.float32) * taps[name].std()
    module = model.get_submodule(name)
    handle = module.register_forward_hook(lambda m, args, out: replaced(out, with_.clone()), prepend=True)
    want, _, _ = golden.record(model, cases.call_of(cases.cache_off(model, arguments)))
    handle.remove()
    file, out = os.path.join(path, "with.safetensors"), os.path.join(path, "out-replaced.safetensors")
    golden.write_safetensors(file, {name: with_}, {})
    status, _, err, command = retina(a, "extract", "--model", path, *write_inputs(arguments, path, "replace"), "--taps", "*", "--out", out,
                                     "--replace", f"{name}={file}", "--quiet")
    if status != 0:
        return tally.say(False, where, f"exit {status}: {err.splitlines()[-1] if err else ''}  [{command}]")
    got, _ = compare.read_raw(out)
    rows = compare.compare(got, [n for n in names if n != name], lambda n: (want[n].float().numpy().reshape(-1), 1, list(want[n].shape)))
    # a replacement that is far from what the layers are used to makes their sums larger: ten times the usual distance
    bad = [f"{n}: {why or f'rel {rel:.3g}'}" for n, rel, why in rows if rel is None or not rel <= 10 * ALLOW]
    tally.say(not bad, where, f"{name} replaced: {bad[0] if bad else ''}; {len(bad)} of {len(rows)} taps leave  [{command}]")


def check_subset(a, tally, path, arguments, names, rng, where):
    """A few taps by themselves: the forward ends early, the bytes are those of the full run."""
    full, _ = compare.read_raw(os.path.join(path, "out-.safetensors"))
    chosen = [str(n) for n in rng.choice(names, size=min(3, len(names)), replace=False)]
    out = os.path.join(path, "out-few.safetensors")
    status, _, err, command = retina(a, "extract", "--model", path, *write_inputs(arguments, path, "few"), "--taps", ",".join(chosen), "--out", out,
                                     "--threads", "1", "--quiet")
    got = compare.read_raw(out)[0] if status == 0 else {}
    same = sorted(n for n in got if "#" not in n) == sorted(chosen) and all(got[n].tobytes() == full[n].tobytes() for n in chosen)
    tally.say(same, where, f"{chosen}: {err or 'other bytes than in the full run'}  [{command}]")


def check_generate(a, tally, model, path, arguments, settings, where, theirs={}):
    """`theirs`: what only the reference is told."""
    new, gap = golden.generate(model, arguments, {**settings, **theirs})
    names = {"max_new_tokens": "--max-new-tokens", "min_new_tokens": "--min-new-tokens", "num_beams": "--beams", "length_penalty": "--length-penalty",
             "repetition_penalty": "--repetition-penalty", "no_repeat_ngram_size": "--no-repeat-ngram"}
    words = [w for k, v in settings.items() for w in (names[k], str(v))]
    ids = ",".join(str(i) for i in arguments["input_ids"][0].tolist())
    pixels = write_inputs({k: v for k, v in arguments.items() if k not in TEXT_INPUTS}, path, "generate")
    status, text, err, command = retina(a, "generate", "--model", path, "--ids", ids, *pixels, *words, "--json", "--quiet")
    if status != 0:
        return tally.say(False, where, f"exit {status}: {err.splitlines()[-1] if err else ''}  [{command}]")
    got, want = json.loads(text)["ids"], [t for t in new[0].tolist() if t >= 0]
    near = settings.get("num_beams", 1) == 1 and gap < 1e-3
    tally.say(got == want or near, where, f"ids {got}, expected {want} (smallest gap {gap:.2g})  [{command}]")


def check_info(a, tally, model, path, arguments, where):
    """Names and order as the forward pass reaches them; shapes are compared by extract."""
    taps, optional, _ = golden.record(model, cases.call_of(cases.cache_off(model, arguments)))
    status, text, err, command = retina(a, "info", path, "--taps")
    got = [line.split("\t")[0] for line in text.splitlines() if "\t" in line]
    got = [n for n in got if n not in optional and "#" not in n]
    want = [n for n in taps if n not in optional]
    first = next((f"{g} where {w} is due" for g, w in zip(got, want) if g != w), f"{len(got)} names, expected {len(want)}")
    tally.say(status == 0 and got == want, where, f"{err or first}  [{command}]")


def vary_generation(path, rng):
    """Where end tokens and settings come from: generation_config.json, with what instruction models put there, or config.json
    alone, as in files older than it."""
    files = [os.path.join(path, n) for n in ("generation_config.json", "config.json")]
    generation, config = (json.load(open(f)) for f in files)
    kind = int(rng.integers(0, 4))
    if kind == 0:
        os.remove(files[0])
        (config["text_config"] if "text_config" in config else config)["eos_token_id"] = generation["eos_token_id"]
        cases.write_json(files[1], config)
    elif kind == 1:
        generation.update(do_sample=True, temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.2)
        cases.write_json(files[0], generation)
    elif kind == 2:
        generation.update(eos_token_id=generation["eos_token_id"][-1], no_repeat_ngram_size=3)
        cases.write_json(files[0], generation)


def check_model(a, tally, family, seed):
    rng = golden.rng_of(seed, family)
    module, how = FAMILIES[family]
    case = importlib.import_module(f"families.{module}").random_case(rng, seed, **how)
    path = os.path.join(a.dir, f"{family}-{seed}")
    cases.save(case, path)
    saved = "as saved"
    if rng.integers(0, 2):
        era, old, shards, as_bin = str(rng.choice(list("ABC"))), bool(rng.integers(0, 2)), int(rng.integers(1, 4)), a.bin and rng.integers(0, 4) == 0
        eras.rewrite(path, path + "-rewritten", era, old, shards, as_bin)
        path, saved = path + "-rewritten", f"era {era}{', 4.x config' if old else ''}{f', {shards} shards' if shards > 1 else ''}{', .bin' if as_bin else ''}"
    if case.generate:
        vary_generation(path, rng)
    model = golden.load(path, type(case.model), **case.options)
    before = len(tally.failed)
    where = f"{family} --seed {seed}"
    if case.options.get("add_pooling_layer", True):  # config.json does not say that the file has no pooler
        check_info(a, tally, model, path, case.runs[""], where + " info")
    for run, arguments in case.runs.items():
        check_extract(a, tally, case, model, path, run, arguments, where + (f" {run}" if run else ""))
    main_run = case.runs[""]
    if len(tally.failed) == before:
        names = [n for n in compare.read_raw(os.path.join(path, "out-.safetensors"))[0] if "#" not in n]
        check_subset(a, tally, path, main_run, names, rng, where + " few taps")
        if "attention_mask" not in main_run:  # with padding, taps have other shapes here than there
            for k in range(2):
                check_replace(a, tally, case, model, path, main_run, rng, f"{where} replace {k}")
    for settings in case.generate:
        check_generate(a, tally, model, path, case.runs[""], settings, f"{where} generate {json.dumps(settings)}")
    bad = len(tally.failed) - before
    print(f"{'ok  ' if not bad else 'BAD '} {family:8} seed {seed:5}  {case.dtype:4} {saved}" + (f": {bad} comparisons failed" if bad else ""), flush=True)
    if not bad and not a.keep:
        shutil.rmtree(path, ignore_errors=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--retina", default=os.path.join(ROOT, "retina"))
    p.add_argument("--count", type=int, default=5)
    p.add_argument("--seed", type=int, default=1000)
    p.add_argument("--keep", help="a directory for the models, kept afterwards")
    p.add_argument("--bin", action="store_true", help="some models as PyTorch's pickle")
    p.add_argument("family", nargs="*")
    a = p.parse_args()
    unknown = [f for f in a.family if f not in FAMILIES]
    if unknown:
        p.error(f"no family {unknown[0]}; there are {', '.join(FAMILIES)}")
    a.dir = a.keep or tempfile.mkdtemp(prefix="models-")
    os.makedirs(a.dir, exist_ok=True)
    tally = Tally()
    for family in a.family or FIRST:
        for seed in range(a.seed, a.seed + a.count):
            try:
                check_model(a, tally, family, seed)
            except Exception:
                traceback.print_exc()
                tally.say(False, f"{family} --seed {seed}", "the comparison itself broke")
    if not a.keep:
        shutil.rmtree(a.dir, ignore_errors=True)
    print(f"{tally.held} comparisons held, {len(tally.failed)} failed")
    return 1 if tally.failed or not tally.held else 0


if __name__ == "__main__":
    sys.exit(main())
