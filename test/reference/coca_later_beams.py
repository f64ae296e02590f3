"""coca_later_beams.py [DIR…]: writes beams.json into CoCa golden directories (default: test/golden/coca-small, coca-equal): what a CoCa says by
transformers' own beam search, to which OpenCLIP went over after 3.x. The model is OpenCLIP's, the search generate()'s, without a cache.

{"captions": [{"settings": arguments of generate(), "ids": one list a picture}]}"""
import json
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import open_clip
import torch
from safetensors import safe_open
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")


class Captioner(PreTrainedModel, GenerationMixin):
    config_class = PretrainedConfig
    _supports_cache_class = False

    def __init__(self, coca):
        super().__init__(PretrainedConfig(vocab_size=coca.text.vocab_size, is_encoder_decoder=False, num_hidden_layers=1))
        self.coca = coca

    def forward(self, input_ids, image=None, **rest):
        _, text = self.coca._encode_text(input_ids)
        return CausalLMOutput(logits=self.coca.text_decoder(image, text))

    def prepare_inputs_for_generation(self, input_ids, image=None, **rest):
        return {"input_ids": input_ids, "image": image}


@torch.no_grad()
def captions(directory):
    model, _, _ = open_clip.create_model_and_transforms("local-dir:" + os.path.abspath(directory))
    model = model.float().eval()
    with safe_open(os.path.join(directory, "golden.safetensors"), "pt") as f:
        image = f.get_tensor(next(n for n in f.keys() if n.endswith("pixel_values")))
    kept = json.load(open(os.path.join(directory, "generate.json")))
    sot, ends = kept["sot"], sorted({c["settings"]["eos_token_id"] for c in kept["captions"]})
    _, tokens = model._encode_image(image)
    captioner, out = Captioner(model), []
    for eos in ends:
        for settings in ({"num_beams": 6, "max_length": 12, "min_length": 5}, {"num_beams": 3, "max_length": 9, "min_length": 2, "length_penalty": 0.3},
                         {"num_beams": 4, "max_length": 12, "min_length": 3, "repetition_penalty": 1.4, "length_penalty": 2.0}):
            ids = []
            for b in range(image.shape[0]):  # one by one: no padding
                config = GenerationConfig(**settings, do_sample=False, early_stopping=False, eos_token_id=eos, pad_token_id=0, use_cache=False)
                ids.append(captioner.generate(torch.tensor([[sot]]), generation_config=config, image=tokens[b:b + 1])[0].tolist())
            out.append({"settings": dict(settings, eos_token_id=eos), "ids": ids})
    return {"captions": out}


for directory in sys.argv[1:] or [os.path.join(GOLDEN, n) for n in ("coca-small", "coca-equal")]:
    with open(os.path.join(directory, "beams.json"), "w") as f:
        json.dump(captions(directory), f)
        f.write("\n")
