"""DINOv2 with and without registers, DINOv3."""
import transformers as T

import golden
from case import Case, pixels

KINDS = {"dinov2": (T.Dinov2Config, T.Dinov2Model), "dinov2_with_registers": (T.Dinov2WithRegistersConfig, T.Dinov2WithRegistersModel),
         "dinov3_vit": (T.DINOv3ViTConfig, T.DINOv3ViTModel)}
SMALL = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=4, mlp_ratio=3, patch_size=2, image_size=14)
SMALL3 = dict(hidden_size=24, intermediate_size=50, num_hidden_layers=2, num_attention_heads=3, patch_size=4, image_size=16, num_register_tokens=2)


def preprocessor(kind, size):
    if kind == "dinov3_vit":
        return {"image_processor_type": "DINOv3ViTImageProcessor", "do_resize": True, "size": {"height": size, "width": size}, "resample": 2,
                "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.485, 0.456, 0.406],
                "image_std": [0.229, 0.224, 0.225]}
    return {"image_processor_type": "BitImageProcessor", "do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": size + 2}, "resample": 3,
            "do_center_crop": True, "crop_size": {"height": size, "width": size}, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
            "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def build(name, seed, kind, config, dtype, size=None, images=2, other=None, **kw):
    """`size`: (height, width) of the main run's pictures; another than the trained one interpolates the positions."""
    rng = golden.rng_of(seed, "inputs")
    config_class, model_class = KINDS[kind]
    S, channels = config["image_size"], config.get("num_channels", 3)
    runs = {"": {"pixel_values": pixels(rng, images, channels, *(size or (S, S)))}}
    if other:
        runs["other"] = {"pixel_values": pixels(rng, 1, channels, *other)}
    return Case(name, model_class(config_class(**config)), runs, dtype, files={"preprocessor_config.json": preprocessor(kind, S)}, seed=seed, **kw)


def cases():
    yield build("dinov2-small", 71, "dinov2", SMALL, "f16", size=(14, 14), other=(10, 7), limit=200)
    yield build("dinov2-swiglu", 72, "dinov2", dict(SMALL, use_swiglu_ffn=True, qkv_bias=False, hidden_size=18, num_attention_heads=3, mlp_ratio=4), "bf16",
                size=(22, 18), images=1, limit=160)
    yield build("dinov2-registers", 73, "dinov2_with_registers", dict(SMALL, num_register_tokens=3), "bf16", size=(14, 14), other=(18, 11), limit=200)
    yield build("dinov3-small", 74, "dinov3_vit", SMALL3, "bf16", size=(12, 20), other=(16, 18), limit=200)
    yield build("dinov3-gated", 75, "dinov3_vit", dict(SMALL3, use_gated_mlp=True, query_bias=False, value_bias=False, hidden_act="silu", num_register_tokens=0,
                                                       mlp_bias=False, rope_theta=50.0), "f32", size=(16, 16), images=1, limit=200)


def random_case(rng, seed, kind="dinov2"):
    heads, P = int(rng.integers(1, 6)), int(rng.integers(2, 7))
    hd = 4 * int(rng.integers(1, 6)) if kind == "dinov3_vit" else int(rng.integers(2, 20))
    c = dict(hidden_size=heads * hd, num_attention_heads=heads, num_hidden_layers=int(rng.integers(1, 4)), patch_size=P,
             image_size=P * int(rng.integers(2, 8)), hidden_act=str(rng.choice(["gelu", "gelu", "silu", "gelu_new", "quick_gelu"])), layer_norm_eps=float(rng.choice([1e-6, 1e-5, 1e-3])), num_channels=int(rng.choice([3, 3, 1, 5])))
    if kind == "dinov3_vit":
        c.update(intermediate_size=int(rng.integers(9, 120)), num_register_tokens=int(rng.integers(0, 5)), use_gated_mlp=bool(rng.integers(0, 2)),
                 rope_theta=float(rng.choice([10.0, 100.0])))
        c.update({k: bool(rng.integers(0, 2)) for k in ("query_bias", "key_bias", "value_bias", "proj_bias", "mlp_bias")})
    else:
        c.update(mlp_ratio=int(rng.integers(1, 5)), qkv_bias=bool(rng.integers(0, 2)), use_swiglu_ffn=bool(rng.integers(0, 2)))
    if kind == "dinov2_with_registers":
        c["num_register_tokens"] = int(rng.integers(1, 6))
    sizes = [(P * int(rng.integers(1, 9)) + int(rng.integers(0, P)), P * int(rng.integers(1, 9)) + int(rng.integers(0, P))) for _ in range(2)]
    return build(kind, seed, kind, c, str(rng.choice(["f32", "bf16", "f16"])), size=sizes[0] if rng.integers(0, 2) else None,
                 images=int(rng.integers(1, 4)), other=sizes[1])
