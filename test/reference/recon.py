"""Forward passes and gradients of the reconstructors A, B, C in PyTorch, small, for test/test_recon.c.

    python test/reference/recon.py

The networks are built from torch.nn as connectors.md 5.1 describes them; dropout is off.
"""
import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(1)
out = {}


def put(prefix, named):
    for key, value in named.items():
        out[f"{prefix}/{key}"] = value.detach().float().contiguous()


def grads(module):
    return {k: p.grad for k, p in module.items()}


class A(nn.Module):
    def __init__(self, i, h, o):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(i, i), nn.LayerNorm(i), nn.GELU(), nn.Linear(i, h), nn.LayerNorm(h), nn.GELU(),
                                 nn.Linear(h, h), nn.LayerNorm(h), nn.GELU(), nn.Linear(h, o))

    def forward(self, x):
        return self.net(x)

    def named(self):
        d = {}
        for k, at in enumerate((0, 3, 6, 9)):
            d[f"layers.{k}.weight"], d[f"layers.{k}.bias"] = self.net[at].weight, self.net[at].bias
        for k, at in enumerate((1, 4, 7)):
            d[f"norms.{k}.weight"], d[f"norms.{k}.bias"] = self.net[at].weight, self.net[at].bias
        return d


def encoder_named(encoder, h):
    d = {}
    for i, layer in enumerate(encoder.layers):
        for k, part in enumerate("qkv"):
            d[f"encoder.layers.{i}.self_attn.{part}_proj.weight"] = layer.self_attn.in_proj_weight[k * h:(k + 1) * h]
            d[f"encoder.layers.{i}.self_attn.{part}_proj.bias"] = layer.self_attn.in_proj_bias[k * h:(k + 1) * h]
        for key in ("self_attn.out_proj", "linear1", "linear2", "norm1", "norm2"):
            m = layer.get_submodule(key)
            d[f"encoder.layers.{i}.{key}.weight"], d[f"encoder.layers.{i}.{key}.bias"] = m.weight, m.bias
    return d


class B(nn.Module):
    def __init__(self, i, h, o, t, layers):
        super().__init__()
        self.h, self.input, self.output, self.norm = h, nn.Linear(i, h), nn.Linear(h, o), nn.LayerNorm(o)
        self.positions = nn.Parameter(torch.randn(1, t, h))
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(h, 8, 2048, 0.0, "gelu", batch_first=True), layers)

    def forward(self, x):
        return self.norm(self.output(self.encoder(self.input(x) + self.positions)))

    def named(self):
        d = {"positions": self.positions[0]}
        for key in ("input", "output", "norm"):
            m = getattr(self, key)
            d[f"{key}.weight"], d[f"{key}.bias"] = m.weight, m.bias
        return d | encoder_named(self.encoder, self.h)


class C(nn.Module):
    def __init__(self, i, h, o, t, u, layers, heads):
        super().__init__()
        two = lambda a, b, c: nn.Sequential(nn.Linear(a, b), nn.GELU(), nn.Linear(b, c))
        self.h, self.input, self.tokens, self.output = h, two(i, 2 * h, h), two(t, 2 * u, u), two(h, 2 * h, o)
        self.positions = nn.Parameter(torch.randn(1, t, h))
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(h, heads, 4 * h, 0.0, batch_first=True, norm_first=True), layers,
                                             enable_nested_tensor=False)

    def forward(self, x):
        x = self.encoder(self.input(x) + self.positions)
        return self.output(self.tokens(x.transpose(1, 2)).transpose(1, 2))

    def named(self):
        d = {"positions": self.positions[0]}
        for key in ("input", "tokens", "output"):
            for k in (0, 2):
                m = getattr(self, key)[k]
                d[f"{key}.{k}.weight"], d[f"{key}.{k}.bias"] = m.weight, m.bias
        return d | encoder_named(self.encoder, self.h)


for name, net, t in (("A", A(12, 10, 7), 5), ("B", B(9, 16, 6, 5, 1), 5), ("C", C(9, 8, 6, 5, 8, 2, 2), 5)):
    net = net.double().train()
    x = torch.randn(3, t, net.net[0].in_features if name == "A" else 9).double()
    y = net(x)
    (y * torch.linspace(-1, 1, y.numel(), dtype=torch.double).view_as(y)).sum().backward()
    put(f"{name}/weight", net.named())
    first = next(iter(net.parameters()))
    put(name, {"x": x, "y": y, "gradient": (net.net[0] if name == "A" else net.input if name == "B" else net.input[0]).weight.grad})
save_file(out, "test/golden/recon.safetensors", {"reference": f"torch {torch.__version__}, double"})
