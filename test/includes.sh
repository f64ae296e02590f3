#!/bin/sh
# The floor plan: a folder includes only what stands left of it. io -> model -> analysis, train -> run; cuda sees model.
cd "$(dirname "$0")/.." || exit 1
bad() { # folder, pattern of forbidden folders
    found=$(grep -nE "#include \"(\.\./)*($2)/" "$1"/*.c "$1"/*.h "$1"/*.inc "$1"/*.cu 2>/dev/null)
    if [ -n "$found" ]; then echo "FAIL $1 reaches to its right: $(echo "$found" | head -n 1)"; status=1; else echo "ok   $1 includes only to its left"; fi
}
status=0
bad io 'model|cuda|analysis|train|run|test'
bad model 'cuda|analysis|train|run|test'
bad cuda 'analysis|train|run|test'
bad analysis 'cuda|train|run|test'
bad train 'cuda|analysis|run|test'
bad run 'test'
others=$(grep -lE '#include "cuda/' run/*.c run/*.h | grep -v '^run/device.c$')
if [ -n "$others" ]; then echo "FAIL run/device.c alone sees cuda/: $others"; status=1; else echo "ok   run/device.c alone sees cuda/"; fi
# Makefile: what includes device_hopper.h is read for Hopper, too, all else once for every GPU.
others=$(grep -lE '__CUDA_ARCH__ *[<>=!]|CUDA_ARCH_FEAT' cuda/*.cu cuda/*.h cuda/*.inc | grep -v '^cuda/device_hopper.h$')
if [ -n "$others" ]; then echo "FAIL kernels ask which GPU they are for: $others"; status=1; else echo "ok   one header asks which GPU a kernel is for"; fi
exit $status
