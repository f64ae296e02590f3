"""peer_speed.py FOLDER [MODEL_DIRECTORY]: PyTorch, OpenBLAS, LAPACK and faiss as peers of `retina bench`: reads lines, answers each with the seconds of
one call, and the way it took where there are several, on what lies in FOLDER when "check LINE" comes: it is set up, the fastest way is chosen, and its
result written to FOLDER/answer, in float32, for the caller to compare. The last three lines are kept. "who": which libraries answer, with versions, and
which are missing. Settings that must stand before the libraries are loaded come from bench_peer.c."""
import importlib
import os
import re
import sys
import time
import warnings

warnings.simplefilter("ignore", FutureWarning)  # transformers renames an argument of every step of decoding
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"
import numpy
import torch

torch.set_grad_enabled(False)
known = {}
TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
F = torch.nn.functional


FILES = {"f32": (numpy.float32, torch.float32), "bf16": (numpy.int16, torch.bfloat16), "i32": (numpy.int32, torch.int32)}


def given(name, *shape, file="f32", dtype=torch.float32):
    """A file's numbers, stored as `file` says."""
    stored, as_type = FILES[file]
    return torch.from_numpy(numpy.fromfile(os.path.join(sys.argv[1], name), stored)).view(as_type).reshape(*map(int, shape)).to(dtype)


def answer(result):
    """Tensors one behind the other."""
    parts = result if isinstance(result, (tuple, list)) else [result]
    with open(os.path.join(sys.argv[1], "answer"), "wb") as f:
        for part in parts:
            torch.as_tensor(part).detach().to(torch.float32).contiguous().numpy().tofile(f)


def imported(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def openblas(module):
    """The version of the OpenBLAS that numpy or scipy brings; None where it brings none, or nobody could hold it to a number of threads."""
    control = imported("threadpoolctl")
    if not control or not imported({"scipy": "scipy.linalg"}.get(module, module)):
        return None
    return next((x["version"] for x in control.threadpool_info() if x["internal_api"] == "openblas" and f"/{module}" in x["filepath"]), None)


can_pack = hasattr(torch.ops.mkldnn, "_reorder_linear_weight")  # an operation that PyTorch's own compiler uses


def who():
    built = torch.__config__.show()
    inside = [f"{name} {found[1]}" for name, found in (("MKL", re.search(r"Math Kernel Library Version ([\d.]+)", built)),
                                                     ("oneDNN", re.search(r"MKL-DNN v([\d.]+)", built))) if found]
    here = {"PyTorch": f"{torch.__version__} ({', '.join(inside)})", "oneDNN's packed weights": "" if can_pack else None}
    here |= {f"{module}'s OpenBLAS": openblas(module) for module in ("numpy", "scipy")}
    here |= {name: getattr(imported(module), "__version__", None) for name, module in (("faiss-cpu", "faiss"), ("transformers", "transformers"))}
    missing = [name for name, version in here.items() if version is None]
    return ", ".join(f"{name} {version}".strip() for name, version in here.items() if version is not None) + (f"; without {', '.join(missing)}" if missing else "")


def clock_of(threads):
    return time.thread_time if int(threads) == 1 else time.perf_counter  # as ours, bench_rounds.c


def fastest(ways, threads):
    """Of several ways to the same result, by name, that which is fastest here: the call, twice, and its name. What this machine refuses is named, too."""
    calls, least, clock = {}, {}, clock_of(threads)

    def seconds(call):
        start = clock()
        call()
        return clock() - start
    for name, make in ways.items():
        try:
            call = make()
            least[name], calls[name] = seconds(call), call
        except RuntimeError as refusal:
            print(f"peer_speed.py: {name}: {refusal}"[:300], file=sys.stderr)
    tries, ends = 0, time.perf_counter() + 1
    while tries < 2 or time.perf_counter() < ends:
        tries += 1
        for name, call in calls.items():
            least[name] = min(least[name], seconds(call))
    best = min(least, key=least.get)
    refused = [name for name in ways if name not in calls]
    return calls[best], calls[best], best + (f" ({' and '.join(refused)}: refused here)" if refused else "")


def products(name, x, weight, bias, copies):
    """Ways of x by the transpose of the weight: as it lies, and packed ahead; so many copies of it take turns."""
    def turning(call, copy):
        weights, turn = [copy() for _ in range(copies)], [0]

        def work():
            turn[0] += 1
            return call(weights[turn[0] % copies])
        return work
    ways = {name: lambda: turning(lambda w: F.linear(x, w, bias), weight.clone)}
    if can_pack:
        packed = torch.ops.mkldnn
        ways[name + " packed ahead"] = lambda: turning(lambda w: packed._linear_pointwise(x, w, bias, "none", [], ""), lambda: packed._reorder_linear_weight(weight, len(x)))
    return ways


def linear(m, n, k, copies, threads):
    """Of bf16; or of the same numbers in f32, of which half the copies fill as much memory."""
    copies, x, w = int(copies), given("x", m, k, dtype=torch.bfloat16), given("weight", n, k, file="bf16", dtype=torch.bfloat16)
    return fastest(products("bf16", x, w, None, copies) | products("f32", x.float(), w.float(), None, (copies + 1) // 2), threads)


def affine(m, n, k, threads):
    return fastest(products("f32", given("x", m, k), given("weight", n, k), given("bias", n), 1), threads)


def attention(dtype, tq, tk, h, g, d, causal, _threads):
    q, k, v = (given(name, 1, t, heads, d, dtype=TYPES[dtype]).transpose(1, 2).contiguous() for name, t, heads in (("q", tq, h), ("k", tk, g), ("v", tk, g)))
    return lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal == "1", enable_gqa=h != g).transpose(1, 2)


def held(threads):
    """Every OpenBLAS that is loaded, to so many threads."""
    imported("threadpoolctl").threadpool_limits(int(threads), "blas")


def svd(r, c, thin, threads):
    """sgesdd of the LAPACK inside PyTorch or of the one inside scipy."""
    x = given("x", r, c)
    ways = {"PyTorch": lambda: (lambda: torch.linalg.svd(x, full_matrices=False)) if thin == "1" else (lambda: torch.linalg.svdvals(x))}
    if openblas("scipy"):
        held(threads)
        lapack, y = imported("scipy.linalg"), x.numpy()
        ways["scipy's OpenBLAS"] = lambda: lambda: lapack.svd(y, full_matrices=False, compute_uv=thin == "1", check_finite=False)
    return fastest(ways, threads)


def knn(n, c, k, threads):
    x, k = F.normalize(given("x", n, c)), int(k)
    y = x.numpy()

    def others(ids):
        """Of each row's k + 1 all but its own, or but the last."""
        ids = torch.as_tensor(ids)
        own = ids == torch.arange(len(ids))[:, None]
        own[~own.any(1), -1] = True
        return ids[~own].reshape(len(ids), k)

    def selected(multiply):
        """Of the products of each 1000 rows with all."""
        scores, found = torch.empty(1000, len(x)), []
        for rows in x.split(1000):
            multiply(rows, scores[:len(rows)])
            found.append(torch.topk(scores[:len(rows)], k + 1).indices)
        return torch.cat(found)

    def searched():
        index = faiss.IndexFlatIP(int(c))
        index.add(y)
        return index.search(y, k + 1)[1]
    ways = {"PyTorch topk": lambda: lambda: selected(lambda rows, out: torch.mm(rows, x.T, out=out))}
    faiss = imported("faiss")
    if faiss:
        faiss.omp_set_num_threads(int(threads))
        ways["faiss-cpu IndexFlatIP"] = lambda: searched
    if openblas("numpy"):
        held(threads)
        ways["numpy's OpenBLAS with topk"] = lambda: lambda: selected(lambda rows, out: numpy.matmul(rows.numpy(), y.T, out=out.numpy()))
    call, _, way = fastest(ways, threads)
    return call, lambda: others(call()), way


def model_of(dtype):
    import json
    import transformers
    if ("model", dtype) not in known:
        known.clear()  # one at a time in memory
        works.clear()
        config = json.load(open(os.path.join(sys.argv[2], "config.json")))
        known[("model", dtype)] = getattr(transformers, config["architectures"][0]).from_pretrained(sys.argv[2], dtype=TYPES[dtype]).eval()
    return known[("model", dtype)]


def forward(dtype, output, batch, tokens, _threads):
    m = model_of(dtype)
    if int(tokens):
        ids = given("ids", batch, tokens, file="i32", dtype=torch.int64)
        return lambda: getattr(m(input_ids=ids, use_cache=False), output)
    c = getattr(m.config, "vision_config", m.config)
    x = given("pixels", batch, 3, c.image_size, c.image_size, dtype=TYPES[dtype])
    return lambda: getattr(m(pixel_values=x), output)


def following(dtype, texts, tokens, _threads):
    from transformers import DynamicCache
    m = model_of(dtype)
    c = m.config
    heads, width = c.num_key_value_heads, getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    both = [given(name, texts, int(tokens) + 1, heads, width, dtype=TYPES[dtype]) for name in ("keys", "values")]
    cache = DynamicCache()
    for layer in range(c.num_hidden_layers):  # its first token is the one that lies `layer` later
        cache.update(*(x.roll(-layer, 1)[:, :int(tokens)].transpose(1, 2).contiguous() for x in both), layer)
    ids = given("ids", texts, 1, file="i32", dtype=torch.int64)

    def call():
        logits = m(input_ids=ids, past_key_values=cache, use_cache=True).logits
        cache.crop(-1)  # the token that was just added
        return logits
    return call


def step_of(module, loss, ordered):
    """Forward, gradients, their norm cut to 1, AdamW, fused. The answer: gradients, as `ordered` puts what stands for each parameter in our order."""
    module.train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-4, weight_decay=0.01, fused=True)

    def call():
        with torch.enable_grad():
            optimiser.zero_grad(set_to_none=True)
            loss().backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()

    def gradients():
        parameters = list(module.parameters())
        with torch.enable_grad():
            slopes = torch.autograd.grad(loss(), parameters, allow_unused=True, materialize_grads=True)
        return ordered(dict(zip(parameters, slopes)).__getitem__)
    return call, gradients, ""


class Encoder(torch.nn.Module):
    def __init__(self, tokens, inputs, outputs, width, layers):
        super().__init__()
        self.input, self.output, self.norm = torch.nn.Linear(inputs, width), torch.nn.Linear(width, outputs), torch.nn.LayerNorm(outputs)
        self.positions = torch.nn.Parameter(torch.randn(tokens, width))
        layer = torch.nn.TransformerEncoderLayer(width, 8, 2048, dropout=0.0, activation="gelu", batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, layers)

    def forward(self, x):
        return self.norm(self.output(self.encoder(self.input(x) + self.positions)))

    def ordered(self, of):
        """In our order; we have queries, keys and values apart."""
        out = [*map(of, self.input.parameters()), of(self.positions)]
        for layer in self.encoder.layers:
            a = layer.self_attn
            for pair in zip(of(a.in_proj_weight).chunk(3), of(a.in_proj_bias).chunk(3)):
                out += pair
            for part in (a.out_proj, layer.linear1, layer.linear2, layer.norm1, layer.norm2):
                out += map(of, part.parameters())
        return out + [*map(of, self.output.parameters()), *map(of, self.norm.parameters())]


def recon(kind, batch, tokens, inputs, outputs, width, layers, _threads):
    kind, batch, tokens, inputs, outputs, width, layers = map(int, (kind, batch, tokens, inputs, outputs, width, layers))
    nn = torch.nn
    if kind == 0:
        net = nn.Sequential(nn.Linear(inputs, inputs), nn.LayerNorm(inputs), nn.GELU(), nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU(),
                            nn.Linear(width, outputs))
    else:
        net = Encoder(tokens, inputs, outputs, width, layers)
    ordered = net.ordered if kind else lambda of: list(map(of, net.parameters()))
    first = ordered(lambda p: p.data)
    for to, numbers in zip(first, given("parameters", -1).split([p.numel() for p in first])):
        to.copy_(numbers.reshape(to.shape))
    x, y = given("x", batch, tokens, inputs), given("y", batch, tokens, outputs)
    return step_of(net, lambda: F.mse_loss(net(x), y), ordered)


def clip(batch, tokens, _threads):
    m = model_of("f32")
    c = m.config
    side = c.vision_config.image_size
    pixels, ids = given("pixels", batch, 3, side, side), given("ids", batch, tokens, file="i32", dtype=torch.int64)
    parameters = dict(m.named_parameters())
    with open(os.path.join(sys.argv[1], "names")) as f:
        names = f.read().split()
    return step_of(m, lambda: m(input_ids=ids, pixel_values=pixels, return_loss=True).loss, lambda of: [of(parameters[name]) for name in names])


def moved(kind, rows, columns, _threads):
    rows, columns = int(rows), int(columns)
    x, y, w, b = given("x", rows, columns), given("y", rows, columns), given("w", columns), given("b", columns)
    if kind == "adam":
        p = torch.nn.Parameter(y)
        p.grad = x
        optimiser = torch.optim.AdamW([p], lr=1e-3, weight_decay=0.01, fused=True)
        return lambda: optimiser.step() or p
    return {"layernorm": lambda: F.layer_norm(x, (columns,), w, b), "rmsnorm": lambda: F.rms_norm(x, (columns,), w, 1e-5), "gelu": lambda: F.gelu(x),
            "silu": lambda: F.silu(x), "add": lambda: torch.add(x, y)}[kind]


KINDS = {"pass": moved, "recon": recon, "clip": clip, "linear": linear, "affine": affine, "attention": attention, "svd": svd, "knn": knn, "forward": forward,
         "next": following}
works = {}
for line in sys.stdin:
    words = line.split()
    if words[0] == "who":
        print(who(), flush=True)
        continue
    torch.set_num_threads(int(words[-1]))
    if words[0] == "check":
        line = line[len("check "):]
        works.pop(line, None)
        if len(works) == 3:
            del works[next(iter(works))]
        work = KINDS[words[1]](*words[2:])
        call, result, way = work if isinstance(work, tuple) else (work, work, "")
        works[line] = call, way
        answer(result())
        print(0, way, flush=True)
        continue
    if line not in works:
        sys.exit(f"peer_speed.py: {line.strip()}: comes without a check, or three others later")
    call, way = works[line]
    clock = clock_of(words[-1])
    start = clock()
    call()
    print(clock() - start, way, flush=True)
