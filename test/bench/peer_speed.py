"""peer_speed.py [MODEL_DIRECTORY]: PyTorch, LAPACK and faiss as peers of `retina bench`: reads lines, answers each with the seconds of one call on
random data of that size. A line is set up when it first comes and kept while at most two others come between; the caller runs everything once first.
Settings that must stand before the libraries are loaded come from bench_peer.c."""
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"
import torch

torch.set_grad_enabled(False)
known = {}
TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
F = torch.nn.functional


def linear(dtype, m, n, k, copies, _threads):
    m, n, k, copies = int(m), int(n), int(k), int(copies)
    x, first, turn = torch.randn(m, k, dtype=TYPES[dtype]), torch.randn(n, k, dtype=TYPES[dtype]), [0]
    w = [first] + [first.clone() for _ in range(copies - 1)]

    def call():
        turn[0] += 1
        F.linear(x, w[turn[0] % copies])
    return call


def affine(m, n, k, _threads):
    x, w, b = torch.randn(int(m), int(k)), torch.randn(int(n), int(k)), torch.randn(int(n))
    return lambda: F.linear(x, w, b)


def attention(dtype, tq, tk, h, g, d, causal, _threads):
    q, k, v = (torch.randn(1, int(heads), int(t), int(d), dtype=TYPES[dtype]) for heads, t in ((h, tq), (g, tk), (g, tk)))
    return lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal == "1", enable_gqa=h != g)


def faster(*calls):
    """Of several ways to the same result the one that is faster here, after each has run once."""
    def seconds(call):
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    for call in calls:
        call()
    return min(calls, key=lambda call: min(seconds(call) for _ in range(2)))


def svd(r, c, thin, threads):
    """sgesdd of the LAPACK inside PyTorch or of the one inside scipy (OpenBLAS)."""
    x = (torch.rand(int(r), int(c)) * 2 - 1) * torch.exp(-7.0 * torch.arange(int(c)) / int(c))
    calls = [(lambda: torch.linalg.svd(x, full_matrices=False)) if thin == "1" else (lambda: torch.linalg.svdvals(x))]
    try:
        import scipy.linalg
        from threadpoolctl import threadpool_limits
        threadpool_limits(int(threads), "blas")
        y = x.numpy()
        calls.append(lambda: scipy.linalg.svd(y, full_matrices=False, compute_uv=thin == "1", check_finite=False))
    except ImportError:
        pass
    return faster(*calls)


def knn(n, c, k, threads):
    x = F.normalize(torch.rand(int(n), int(c)) * 2 - 1)
    calls = [lambda: [torch.topk(rows @ x.T, int(k) + 1) for rows in x.split(1000)]]
    try:
        import faiss
        faiss.omp_set_num_threads(int(threads))

        def call():
            index = faiss.IndexFlatIP(int(c))
            index.add(x.numpy())
            index.search(x.numpy(), int(k) + 1)
        calls.append(call)
    except ImportError:
        pass
    return faster(*calls)


def model_of(dtype):
    import json
    import transformers
    if ("model", dtype) not in known:
        for key in [k for k in known if k[0] == "model"]:
            del known[key]  # one at a time in memory
        config = json.load(open(os.path.join(sys.argv[1], "config.json")))
        known[("model", dtype)] = getattr(transformers, config["architectures"][0]).from_pretrained(sys.argv[1], dtype=TYPES[dtype]).eval()
    return known[("model", dtype)]


def forward(dtype, batch, tokens, _threads):
    m = model_of(dtype)
    if int(tokens):
        ids = torch.randint(3, m.config.vocab_size, (int(batch), int(tokens)))
        return lambda: m(input_ids=ids, use_cache=False)
    c = getattr(m.config, "vision_config", m.config)
    x = torch.randn(int(batch), 3, c.image_size, c.image_size, dtype=TYPES[dtype])
    return lambda: m(pixel_values=x)


def following(dtype, texts, tokens, _threads):
    m = model_of(dtype)
    cache = m(input_ids=torch.randint(3, m.config.vocab_size, (int(texts), int(tokens))), use_cache=True, logits_to_keep=1).past_key_values
    ids = torch.randint(3, m.config.vocab_size, (int(texts), 1))

    def call():
        m(input_ids=ids, past_key_values=cache, use_cache=True)
        cache.crop(-1)  # the token that was just added
    return call


def step_of(module, loss):
    """Forward, gradients, their norm cut to 1, AdamW."""
    module.train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-4, weight_decay=0.01)

    def call():
        with torch.enable_grad():
            optimiser.zero_grad(set_to_none=True)
            loss().backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
    return call


class Encoder(torch.nn.Module):
    def __init__(self, tokens, inputs, outputs, width, layers):
        super().__init__()
        self.input, self.output, self.norm = torch.nn.Linear(inputs, width), torch.nn.Linear(width, outputs), torch.nn.LayerNorm(outputs)
        self.positions = torch.nn.Parameter(torch.randn(tokens, width))
        layer = torch.nn.TransformerEncoderLayer(width, 8, 2048, dropout=0.0, activation="gelu", batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, layers)

    def forward(self, x):
        return self.norm(self.output(self.encoder(self.input(x) + self.positions)))


def recon(kind, batch, tokens, inputs, outputs, width, layers, _threads):
    kind, batch, tokens, inputs, outputs, width, layers = map(int, (kind, batch, tokens, inputs, outputs, width, layers))
    nn = torch.nn
    if kind == 0:
        net = nn.Sequential(nn.Linear(inputs, inputs), nn.LayerNorm(inputs), nn.GELU(), nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU(),
                            nn.Linear(width, outputs))
    else:
        net = Encoder(tokens, inputs, outputs, width, layers)
    x, y = torch.randn(batch, tokens, inputs), torch.randn(batch, tokens, outputs)
    return step_of(net, lambda: F.mse_loss(net(x), y))


def clip(batch, tokens, _threads):
    m = model_of("f32")
    c = m.config
    side, V = c.vision_config.image_size, c.text_config.vocab_size
    pixels, ids = torch.randn(int(batch), 3, side, side), torch.randint(0, V - 2, (int(batch), int(tokens)))
    ids[:, 0], ids[:, -1] = V - 2, V - 1
    return step_of(m, lambda: m(input_ids=ids, pixel_values=pixels, return_loss=True).loss)


def moved(kind, rows, columns, _threads):
    rows, columns = int(rows), int(columns)
    x, y, w, b = torch.randn(rows, columns), torch.randn(rows, columns), torch.randn(columns), torch.randn(columns)
    if kind == "adam":
        p = torch.nn.Parameter(y)
        p.grad = x
        optimiser = torch.optim.AdamW([p], lr=1e-3, weight_decay=0.01, fused=True)
        return optimiser.step
    return {"layernorm": lambda: F.layer_norm(x, (columns,), w, b), "rmsnorm": lambda: F.rms_norm(x, (columns,), w, 1e-5), "gelu": lambda: F.gelu(x),
            "silu": lambda: F.silu(x), "add": lambda: torch.add(x, y)}[kind]


KINDS = {"pass": moved, "recon": recon, "clip": clip, "linear": linear, "affine": affine, "attention": attention, "svd": svd, "knn": knn, "forward": forward,
         "next": following}
works = {}
for line in sys.stdin:
    words = line.split()
    torch.set_num_threads(int(words[-1]))
    if line not in works:
        if len(works) == 3:
            del works[next(iter(works))]
        works[line] = KINDS[words[0]](*words[1:])
        works[line]()
    work = works[line]
    clock = time.thread_time if words[-1] == "1" else time.perf_counter  # as ours, bench_rounds.c
    start = clock()
    work()
    print(clock() - start, flush=True)
