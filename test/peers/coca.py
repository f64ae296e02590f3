"""coca.py [COUNT] [SEED]: fresh random CoCa of shapes that nobody has seen, against open_clip: every tap (build/test/test_models DIR) and every
way of generating (build/test/test_coca DIR). Environment: as test/reference/coca.py. Exit 1 where one differs; its directory is kept."""
import os
import random
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "test", "reference"))
import coca  # noqa: E402


def fresh(r):
    head, heads = r.choice([4, 6, 8, 12]), r.choice([1, 2, 3])
    E, pool = 12 * r.choice([1, 2, 3]), r.choice([1, 2, 3, 4])
    patch = r.choice([2, 3, 4, 8])
    scale = r.choice([None, 0.3])
    vision = {"width": E if r.random() < 0.3 and E % head == 0 else head * heads, "head_width": head, "layers": r.choice([1, 2, 3]), "patch_size": patch,
              "image_size": patch * r.choice([1, 2, 3]) if r.random() < 0.5 else [patch * r.choice([1, 2]), patch * r.choice([2, 3]) + (1 if patch > 2 else 0)],
              "mlp_ratio": r.choice([1.0, 2.0, 2.7, 4.0]), "attn_pooler_queries": r.choice([2, 3, 9]), "attn_pooler_heads": pool, "ls_init_value": scale,
              "no_ln_pre": r.random() < 0.2, "pool_type": r.choice(["tok", "tok", "avg"]), "pos_embed_type": "learnable"}
    if r.random() < 0.2:
        vision["norm_kwargs"] = {"eps": 1e-4}
    text = {"width": E, "heads": r.choice([1, 2, 3]), "layers": r.choice([1, 2]), "ls_init_value": r.choice([None, 0.3]), "mlp_ratio": r.choice([1.0, 4.0]),
            "proj_bias": r.random() < 0.3}
    if r.random() < 0.15:
        text["act_kwargs"] = {"approximate": "tanh"}
    top = {"init_logit_bias": -10.0} if r.random() < 0.2 else {}
    if r.random() < 0.25:  # no class row: pooled by other rules (then the reference itself cannot generate)
        text.update(embed_cls=False, pool_type=r.choice(["argmax", "first", "last", "eos"]), eos_id=7)
    if r.random() < 0.2:
        vision["patch_dropout"] = 0.4
    decoder = {"width": E, "heads": r.choice([1, 2, 4]), "layers": r.choice([1, 2, 3]), "ls_init_value": r.choice([None, 0.3])}
    quick = "act_kwargs" not in text and r.random() < 0.3
    return coca.config(vision, text, decoder, embed_dim=E, **({"quick_gelu": True} if quick else {}), **top)


def main():
    count, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 8, int(sys.argv[2]) if len(sys.argv) > 2 else 0
    r, wrong = random.Random(seed), 0
    folder = tempfile.mkdtemp(prefix="retina-coca-")
    for i in range(count):
        name = f"coca-{seed}-{i}"
        coca.CASES[name] = (fresh(r), 1000 * seed + i, r.choice(["safetensors", "bin", "bare"]))
        path = os.path.join(folder, name)
        try:
            coca.write(name, path)
        except AssertionError as e:  # the reference itself is too far from the truth here
            print("skip", name, e)
            continue
        for test in ("test_models", "test_coca") if os.path.exists(os.path.join(path, "generate.json")) else ("test_models",):
            done = subprocess.run([os.path.join(ROOT, "build", "test", test), path], cwd=ROOT, capture_output=True, text=True)
            bad = [line for line in done.stdout.splitlines() if line.startswith("FAIL")] + ([done.stderr] if done.returncode and not done.stdout else [])
            wrong += done.returncode != 0
            print("ok  " if done.returncode == 0 else "FAIL", name, test, done.stdout.splitlines()[-1] if done.stdout else "", *bad, sep="\n     " if bad else " ")
    print(folder if wrong else "all as the reference")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
