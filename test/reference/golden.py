"""What every reference script shares: random weights of sensible size, hooks on every module, golden files.

A tap (spec: models.md, end of section 4) is a module of named_modules() that is called and returns a floating tensor,
or a tuple or output object whose first floating entry counts; the first call counts. Taps are in the order in which
the modules return. The root module has no name and is no tap.

A golden file is one safetensors file:
    input/NAME      what the model was given, under the reference's argument name
    NAME            a module's output, f32, under its named_modules() name
    result/NAME     logits and whatever else the model returns
    generate/K      int64 [B, n]: new ids of the K-th generate() call, right-padded with -1; the metadata entry of
                    the same name holds its settings as JSON (and "text", where the directory has a tokenizer)
A tensor of more than LIMIT values is not stored whole: it holds every s-th value of the flat, row-major tensor, from
the 0th, and the metadata holds "NAME#every" = s (odd, dividing none of its dimensions) and "NAME#shape" = "[d0, d1]".
The metadata entry "optional" lists taps that are not stored and need not exist, one a line.
The tensors lie in the file in the order of this list, taps in the order in which the modules return, int64 before f32.
taps.txt beside it has one line NAME<TAB>[d0, d1] per tap, in order; "<TAB>optional" follows where an implementation
need not have that tap: dropout, identity and the like, whose output is their input, the tables of rotary positions, and Qwen3.5's visual.pos_embed,
which returns the corners that are then weighted.
"""
import json
import os
import struct
import warnings
import zlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_DEACTIVATE_ASYNC_LOAD", "1")
os.environ.setdefault("TQDM_DISABLE", "1")
warnings.filterwarnings("ignore")

import numpy as np
import torch
import transformers
from safetensors import safe_open

transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(2)
torch.use_deterministic_algorithms(True)

LIMIT = 512
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


# ---- weights

def rng_of(seed, name):
    """One stream per tensor name: adding a tensor never changes the others."""
    return np.random.Generator(np.random.Philox(key=[seed, zlib.crc32(name.encode())]))


@torch.no_grad()
def randomise(model, seed, gains=()):
    """Fills every parameter and buffer of statistics so that activations stay near 1, attention is far from uniform, and
    no bias is zero, no norm one: what the default initialisation would hide."""
    gains = dict(gains)
    for name, p in list(model.named_parameters()) + [
            (n, b) for n, b in model.named_buffers() if n.endswith(("running_mean", "running_var"))]:
        n = rng_of(seed, name).standard_normal(tuple(p.shape)).astype(np.float32)
        last = name.rsplit(".", 1)[-1]
        if last == "running_var":
            value = 0.5 + np.abs(n)
        elif last == "logit_scale":
            value = 1.5 + 0.1 * n
        elif last == "temperature":
            value = 0.5 + 0.05 * n
        elif last == "A_log":
            value = np.log(1.0 + 3.0 * np.abs(n))
        elif "layer_scale" in name or last == "lambda1":
            value = 0.5 + 0.3 * np.abs(n)
        elif p.dim() == 1 and p.numel() > 1 and bool((p == p[0]).all()):
            value = float(p[0]) + 0.2 * n  # a bias (0), a norm (1), a zero-centred norm (0)
        elif p.dim() <= 1:
            value = 0.7 * n
        elif "embed" in name and "conv" not in name and p.dim() == 2 and "lm_head" not in name:
            value = 0.8 * n  # tables of tokens and positions
        elif last in ("cls_token", "register_tokens", "mask_token", "probe", "latents", "position_embeddings", "pos_embed"):
            value = 0.8 * n
        else:
            gain = 1.0
            for part, g in (("q_proj", 1.7), ("k_proj", 1.7), ("query", 1.7), ("key", 1.7), ("in_proj", 1.5), ("qkv", 1.5),
                            ("lm_head", 2.5)):
                if part in name:
                    gain = g
            fan_in = p[0].numel()
            value = gain * n / np.sqrt(fan_in)
        for part, g in gains.items():
            if part in name:
                value = value * g
        p.copy_(torch.from_numpy(np.asarray(value, dtype=np.float32)).reshape(p.shape).to(p.dtype))


# ---- taps

def first_float(output):
    if torch.is_tensor(output):
        return output if output.is_floating_point() else None
    entries = output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    for entry in entries:
        if torch.is_tensor(entry) and entry.is_floating_point():
            return entry
    return None


def is_optional(name, module, args, tensor):
    if name.endswith(("rotary_emb", "rotary_pos_emb", "rope_embeddings", "visual.pos_embed")) or isinstance(module, (torch.nn.Dropout, torch.nn.Identity)):
        return True
    x = args[0] if args else None  # drop path and its like
    return (torch.is_tensor(x) and not list(module.children()) and not list(module.parameters())
            and x.shape == tensor.shape and torch.equal(x, tensor))


class Recorder:
    """Hooks every module; `taps` maps name -> tensor in the order in which modules return."""

    def __init__(self, model):
        self.taps, self.optional, self.handles = {}, set(), []
        for name, module in model.named_modules():
            if name:
                self.handles.append(module.register_forward_hook(self.hook(name), with_kwargs=True))

    def hook(self, name):
        def record(module, args, kwargs, output):
            x = first_float(output)
            if x is not None and name not in self.taps:
                if is_optional(name, module, args, x):
                    self.optional.add(name)
                self.taps[name] = x.detach().clone()
        return record

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for h in self.handles:
            h.remove()


def forget_lengths(model):
    """Dynamic positions remember the longest text so far: each call here begins as the first."""
    for m in model.modules():
        if hasattr(m, "original_inv_freq") and hasattr(m, "original_max_seq_len"):
            m.inv_freq, m.max_seq_len_cached = m.original_inv_freq.clone(), m.original_max_seq_len


def record(model, call):
    """(taps, names of optional taps, what the model returned) of one call in inference."""
    forget_lengths(model)
    with torch.no_grad(), Recorder(model) as r:
        out = call(model)
    return r.taps, r.optional, out


def shape_text(t):
    return "[" + ", ".join(str(d) for d in t.shape) + "]"


def taps_lines(taps, optional):
    return "".join(f"{name}\t{shape_text(t)}" + ("\toptional" if name in optional else "") + "\n" for name, t in taps.items())


# ---- golden files

def stride_of(shape, limit):
    n = int(np.prod(shape))
    if n <= limit:
        return 1
    s = -(-n // limit) | 1
    while any(d > 1 and (d % s == 0 or s % d == 0) for d in shape):
        s += 2
    return s


def thin(tensors, limit=LIMIT):
    """(tensors as stored, metadata that says how)"""
    stored, meta = {}, {}
    for name, t in tensors.items():
        s = stride_of(tuple(t.shape), limit)
        if s > 1:
            meta[name + "#every"], meta[name + "#shape"] = str(s), shape_text(t)
            t = t.reshape(-1)[::s]
        stored[name] = t.contiguous().clone()
    return stored, meta


def write_safetensors(path, tensors, meta):
    """As the library writes it, but in the order given and with the metadata sorted, so that the bytes are the same in every
    run (the library keeps metadata in a hash map)."""
    kinds = {torch.int64: "I64", torch.float32: "F32", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}
    header, at = {"__metadata__": {k: meta[k] for k in sorted(meta)}}, 0
    order = sorted(tensors, key=lambda n: -tensors[n].element_size())  # stable
    for name in order:
        t = tensors[name]
        size = t.numel() * t.element_size()
        header[name] = {"dtype": kinds[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            f.write(tensors[name].contiguous().numpy().tobytes())


def write_golden(path, inputs, taps, optional, results, generated, limit=LIMIT):
    tensors = {"input/" + n: t.contiguous().clone() for n, t in inputs.items()}
    meta = {}
    for k, (settings, ids) in enumerate(generated):
        tensors[f"generate/{k}"] = ids.contiguous()
        meta[f"generate/{k}"] = json.dumps(settings)
    for group in ({n: t.float() for n, t in taps.items() if n not in optional}, {"result/" + n: t.float() for n, t in results.items()}):
        stored, how = thin(group, limit)
        tensors.update(stored)
        meta.update(how)
    meta["optional"] = "\n".join(n for n in taps if n in optional)
    meta["reference"] = f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, f32, eager attention"
    write_safetensors(path, tensors, meta)


def read_golden(path):
    """(name -> (values flat as stored, stride, full shape)), metadata"""
    out = {}
    with safe_open(path, "pt") as f:
        meta = f.metadata() or {}
        for name in f.keys():
            t = f.get_tensor(name)
            shape = json.loads(meta.get(name + "#shape", shape_text(t)))
            out[name] = (t.reshape(-1), int(meta.get(name + "#every", "1")), shape)
    return out, meta


# ---- model directories

def load(path, cls=None, dtype=torch.float32, **options):
    """The reference as the goldens use it: the stored weights widened to f32, eager attention."""
    if cls is None:
        with open(os.path.join(path, "config.json")) as f:
            config = json.load(f)
        cls = getattr(transformers, config["architectures"][0])
    model = cls.from_pretrained(path, dtype=dtype, attn_implementation="eager", local_files_only=True, **options)
    return model.eval()


def results_of(out):
    """Every floating tensor of a model's output object that is not one of its modules' lists."""
    found = {}
    for name, value in out.items():
        if torch.is_tensor(value) and value.is_floating_point() and name != "loss":
            found[name] = value
    return found


def generate(model, inputs, settings):
    """New ids only, [B, n], padded with -1 after the end token (kept); and the smallest distance between the best and the
    second best score that any choice of the first row hung on (0 for beams: not known)."""
    forget_lengths(model)
    if "attention_mask" not in inputs:  # else transformers takes a beginning that is the padding's id, as in some configurations, for padding
        inputs = {**inputs, "attention_mask": torch.ones_like(inputs["input_ids"])}
    with torch.no_grad():
        out = model.generate(**inputs, do_sample=False, return_dict_in_generate=True, output_scores=True, **settings)
    new = out.sequences[:, inputs["input_ids"].shape[1]:].clone()
    eos = model.generation_config.eos_token_id
    eos = [] if eos is None else eos if isinstance(eos, list) else [eos]
    for row in new:
        hit = [i for i, t in enumerate(row.tolist()) if t in eos]
        if hit:
            row[hit[0] + 1:] = -1
    gap = 0.0
    if settings.get("num_beams", 1) == 1:
        steps = int((new[0] >= 0).sum())
        gap = min(float(torch.diff(-torch.topk(s[0], 2).values)) for s in out.scores[:steps])
    return new, gap
