"""peer_coca.py CONFIG: open_clip's CoCa as a peer of `retina bench verbalize`: reads lines "LAYERS PICTURES LENGTH THREADS", answers with the seconds
that the original procedure takes for the captions of so many layers, one after the other: pooler, then word by word without a cache, as
OpenCLIP's generate() with top_k 1 does it. Random weights; the end token is never chosen before the last place."""
import json
import os
import sys
import time

os.environ["OMP_WAIT_POLICY"] = "passive"  # its threads must not spin while the other contender runs
import open_clip
import torch

with open(sys.argv[1]) as f:
    config = json.load(f)
config = config.get("model_cfg", config)
config.pop("custom_text", None)
torch.manual_seed(0)
model = open_clip.CoCa(**config).eval()
with torch.no_grad():
    model.text_decoder.text_projection.normal_(std=0.03)  # never initialised there
eos, sot = config["text_cfg"]["vocab_size"] - 1, config["text_cfg"]["vocab_size"] - 2


@torch.no_grad()
def captions(state, length):
    tokens = model.visual.ln_post(model.visual.attn_pool(state))[:, 1:]
    out = torch.full((state.shape[0], 1), sot)
    while out.shape[1] < length:
        _, text = model._encode_text(out)
        z = model.text_decoder(tokens, text)[:, -1]
        torch.softmax(z, -1)  # kept by the study for its entropy
        z[:, eos] = -torch.inf
        word = z.argmax(-1) if out.shape[1] + 1 < length else torch.full((state.shape[0],), eos)
        out = torch.cat([out, word[:, None]], 1)
    return out


for line in sys.stdin:
    layers, pictures, length, threads = map(int, line.split())
    torch.set_num_threads(threads)
    T = model.visual.positional_embedding.shape[0]
    states = [torch.randn(pictures, T, model.visual.conv1.weight.shape[0]) for _ in range(layers)]
    start = time.perf_counter()
    for s in states:
        captions(s, length)
    print(time.perf_counter() - start, flush=True)
