"""coca.py [COUNT] [SEED]: fresh random CoCa of shapes that nobody has seen, against open_clip: every tap (build/test/test_models DIR) and every
way of generating (build/test/test_coca DIR). A tap may leave further than 1e-5 where the reference itself is that far from its own result in
f64: narrow towers, whose norms divide by the spread of four numbers. Then retina's distance from f64 counts: at most four times the reference's.
Environment: as test/reference/coca.py. Exit 1 where one differs; its directory is kept."""
import os
import random
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "test", "reference"))
import coca  # noqa: E402
import compare  # noqa: E402
import golden  # noqa: E402

ALLOW = 1e-5


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


def further_than_reference(path, seen):
    """Taps of `retina extract` that are further from f64 than ALLOW and than four times the reference's f32, worst first; and the worst of all."""
    files = [os.path.join(path, f"exact-{n}.safetensors") for n in ("ids", "pixels", "out")]
    golden.write_safetensors(files[0], {"input_ids": seen["inputs"]["input_ids"]}, {})
    golden.write_safetensors(files[1], {"pixel_values": seen["inputs"]["pixel_values"]}, {})
    done = subprocess.run([os.path.join(ROOT, "retina"), "extract", "--model", path, "--ids", files[0], "--pixels", files[1], "--taps", "*", "--out", files[2], "--quiet"],
                          cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        return [done.stderr.strip()], ""
    got, bad, worst = compare.read_raw(files[2])[0], [], (0, "")
    for name, tap in seen["taps"].items():
        exact = seen["exact"][name].double().numpy().reshape(-1)
        own = compare.distance(tap.double().numpy().reshape(-1), exact)
        if name not in got or got[name].size != exact.size:
            bad.append((float("inf"), f"{name}: missing, or of another size"))
            continue
        ours = compare.distance(got[name].reshape(-1), exact)
        worst = max(worst, (ours, f"{name}: {ours:.2g} from f64, the reference {own:.2g}"))
        if not ours <= max(ALLOW, 4 * own):
            bad.append((ours, f"{name}: {ours:.2g} from f64, the reference {own:.2g}"))
    return [line for _, line in sorted(bad, reverse=True)], worst[1]


def main():
    count, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 8, int(sys.argv[2]) if len(sys.argv) > 2 else 0
    r, wrong = random.Random(seed), 0
    folder = tempfile.mkdtemp(prefix="retina-coca-")
    for i in range(count):
        name = f"coca-{seed}-{i}"
        coca.CASES[name] = (fresh(r), 1000 * seed + i, r.choice(["safetensors", "bin", "bare"]))
        path = os.path.join(folder, name)
        seen = {}
        coca.write(name, path, seen)
        for test in ("test_models", "test_coca") if os.path.exists(os.path.join(path, "generate.json")) else ("test_models",):
            done = subprocess.run([os.path.join(ROOT, "build", "test", test), path], cwd=ROOT, capture_output=True, text=True)
            if done.returncode and test == "test_models":
                left, worst = further_than_reference(path, seen)
                if not left:
                    print("ok  ", name, test, "left by the reference's own rounding; worst", worst, flush=True)
                    continue
                print(*left[:3], sep="\n     ")
            bad = [line for line in done.stdout.splitlines() if line.startswith("FAIL")] + ([done.stderr] if done.returncode and not done.stdout else [])
            wrong += done.returncode != 0
            print("ok  " if done.returncode == 0 else "FAIL", name, test, done.stdout.splitlines()[-1] if done.stdout else "", *bad, sep="\n     " if bad else " ")
    print(folder if wrong else "all as the reference")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
