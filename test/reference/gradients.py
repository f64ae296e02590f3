"""Gradients of three tiny models by PyTorch's autograd, in double, for test/test_gradients.c.

    python test/reference/gradients.py

The models and inputs are those of test/golden/{clip-openai,llama-2,llava-default}; weights are widened to
double, so the goldens carry no rounding of their own. Of every parameter's gradient each STRIDE-th number is kept.
"""
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, LlamaForCausalLM, LlavaForConditionalGeneration

out, meta = {}, {}


def keep(name, model):
    for key, p in model.named_parameters():
        if p.grad is None:
            continue
        g = p.grad.flatten()
        stride = max(1, g.numel() // 40)
        out[f"{name}/{key}"] = g[::stride].float().contiguous()


def open_model(cls, name):
    model = cls.from_pretrained(f"test/golden/{name}", dtype=torch.float32, attn_implementation="eager").double().eval()
    return model, load_file(f"test/golden/{name}/golden.safetensors")


torch.manual_seed(0)
model, g = open_model(CLIPModel, "clip-openai")
r = model(input_ids=g["input/input_ids"][:2], pixel_values=g["input/pixel_values"].double())
logits, own = r.logits_per_image, torch.arange(2)
loss = (torch.nn.functional.cross_entropy(logits, own) + torch.nn.functional.cross_entropy(logits.T, own)) / 2
loss.backward()
keep("clip", model)
out["clip#loss"] = loss.detach().float().reshape(1)

model, g = open_model(LlamaForCausalLM, "llama-2")
ids = g["input/input_ids"]
loss = torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:])
loss.backward()
keep("llama", model)
out["llama#loss"] = loss.detach().float().reshape(1)

model, g = open_model(LlavaForConditionalGeneration, "llava-default")
for key, p in model.named_parameters():  # the projector and the decoder's blocks learn, the rest stands still
    p.requires_grad = "multi_modal_projector" in key or "language_model.layers" in key
ids = g["input/input_ids"]
target = ids[0, 1:].clone()
target[target == model.config.image_token_id] = -100
logits = model(input_ids=ids, pixel_values=g["input/pixel_values"].double()).logits[0, :-1]
loss = torch.nn.functional.cross_entropy(logits, target)
loss.backward()
keep("llava", model)
out["llava#loss"] = loss.detach().float().reshape(1)

save_file(out, "test/golden/gradients.safetensors", {"reference": f"torch {torch.__version__}, double"})
print(len(out), "tensors")
