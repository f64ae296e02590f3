"""peer_coca.py FOLDER: open_clip's CoCa as a peer of `retina bench verbalize`: reads lines "LAYERS PICTURES LENGTH THREADS", answers with the seconds
that the original procedure takes for the captions of so many layers, one after the other: pooler, then word by word without a cache, as
OpenCLIP's generate() with top_k 1 does it. In FOLDER are config.json, weights (their names, and all numbers one behind the other) and the layers' states;
"check LINE" writes the ids to FOLDER/answer, as floats; "who" is answered with versions. The end token is never chosen before the last place."""
import json
import os
import sys
import time

os.environ["OMP_WAIT_POLICY"] = "passive"  # its threads must not spin while the other contender runs
import numpy
import open_clip
import torch


def path(name):
    return os.path.join(sys.argv[1], name)


with open(path("config.json")) as f:
    config = json.load(f)
config = config.get("model_cfg", config)
config.pop("custom_text", None)
model = open_clip.CoCa(**config).eval()
with open(path("names")) as names, open(path("weights"), "rb") as numbers, torch.no_grad():
    for name in names.read().split():
        to = model.state_dict()[name]
        to.copy_(torch.from_numpy(numpy.fromfile(numbers, numpy.float32, to.numel())).reshape(to.shape))
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
    if line == "who\n":
        print(f"open_clip {open_clip.__version__}, PyTorch {torch.__version__}", flush=True)
        continue
    checked = line.startswith("check ")
    layers, pictures, length, threads = map(int, line.split()[-4:])
    torch.set_num_threads(threads)
    T = model.visual.positional_embedding.shape[0]
    states = torch.from_numpy(numpy.fromfile(path("states"), numpy.float32)).reshape(layers, pictures, T, -1)
    start = time.perf_counter()
    said = [captions(s, length) for s in states]
    seconds = time.perf_counter() - start
    if checked:
        torch.stack(said).float().numpy().tofile(path("answer"))
    print(seconds, flush=True)
