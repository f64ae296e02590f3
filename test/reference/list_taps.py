"""list_taps.py DIR [--image-size HxW] [--tokens N] [--images N]: NAME<TAB>SHAPE of every module output of that model
directory, in the order of the forward pass: what `retina info DIR --taps` prints. Weights are not needed."""
import argparse
import sys

import golden
import inputs


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("dir")
    p.add_argument("--image-size")
    p.add_argument("--tokens", type=int, default=0)
    p.add_argument("--images", type=int, default=1)
    p.add_argument("--optional", action="store_true", help="also the taps that an implementation need not have")
    a = p.parse_args()
    size = tuple(int(s) for s in a.image_size.split("x")) if a.image_size else None
    model = inputs.empty_model(a.dir)
    call = inputs.example(model, size, a.tokens, a.images)
    taps, optional, _ = golden.record(model, call)
    for line in golden.taps_lines(taps, optional).splitlines():
        if not line.endswith("\toptional"):
            print(line)
        elif a.optional:
            print(line.removesuffix("\toptional"))


if __name__ == "__main__":
    sys.exit(main())
