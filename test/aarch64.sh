#!/bin/sh
# aarch64.sh: the same sources for another architecture: cross-built with Debian's gcc-aarch64-linux-gnu, run under
# qemu-user; tests pass and their results are those of x86-64, bit for bit. SKIP where the tools are missing.
#   TESTS="kernels bf16" sh test/aarch64.sh      by default those that compute; test_optimiser
# kills a run by the clock, which an emulated one never outlives. Half an hour on one core.
CROSS=${CROSS:-aarch64-linux-gnu-gcc}
QEMU=${QEMU:-qemu-aarch64}
SYSROOT=${SYSROOT:-/usr/aarch64-linux-gnu}
TESTS=${TESTS:-kernels bf16 gradients tape spectrum knn statistics models}
BUILD=build-aarch64
DIGESTS="spectrum knn" # programs that print a digest of what they compute
failed=0
if ! command -v "$CROSS" >/dev/null || ! command -v "$QEMU" >/dev/null; then
    echo "SKIP aarch64: no $CROSS or no $QEMU (Debian: gcc-aarch64-linux-gnu, qemu-user)"
    exit 0
fi
programs=""
for t in $TESTS; do programs="$programs $BUILD/test/test_$t"; done
# This gcc believes that a digest has no room for its first byte: a false alarm, and only here.
make CC="$CROSS" BUILD=$BUILD CFLAGS="-O2 -g -Wno-stringop-overflow" $BUILD/retina $programs || { echo "FAIL aarch64: does not build"; exit 1; }
[ -x ./retina ] || make retina >/dev/null || exit 1 # what its taps are compared with
export EMULATOR="$QEMU -L $SYSROOT"
for t in $TESTS; do
    if $EMULATOR $BUILD/test/test_$t >$BUILD/$t.txt 2>&1; then echo "ok   aarch64 $t: $(tail -n 1 $BUILD/$t.txt)"
    else echo "FAIL aarch64 $t: $(grep FAIL $BUILD/$t.txt | head -n 3) $(tail -n 1 $BUILD/$t.txt)"; failed=1; fi
done
for t in $DIGESTS; do
    case " $TESTS " in *" $t "*) ;; *) continue ;; esac
    make build/test/test_$t >/dev/null || { echo "FAIL aarch64: test_$t does not build here"; failed=1; continue; }
    if [ "$(build/test/test_$t digest)" = "$($EMULATOR $BUILD/test/test_$t digest)" ]; then echo "ok   aarch64 $t: the bits of x86-64"
    else echo "FAIL aarch64 $t: other bits than x86-64"; failed=1; fi
done
# The taps of golden models: the file that extract writes, byte for byte.
for m in llama-2 gemma2-small bert-small; do
    ./retina extract --model test/golden/$m --ids 1,5,9,30,7,2 --taps '*' --out $BUILD/$m-x86.safetensors --quiet --fresh 2>$BUILD/$m.txt
    $EMULATOR $BUILD/retina extract --model test/golden/$m --ids 1,5,9,30,7,2 --taps '*' --out $BUILD/$m-arm.safetensors --quiet --fresh 2>>$BUILD/$m.txt
    if cmp $BUILD/$m-x86.safetensors $BUILD/$m-arm.safetensors; then echo "ok   aarch64 $m: every tap has the bits of x86-64"
    else echo "FAIL aarch64 $m: $(tail -n 1 $BUILD/$m.txt)"; failed=1; fi
done
exit $failed
