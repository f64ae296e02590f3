#!/bin/sh
# The tests of products once more by each instruction set below this machine's own (RETINA_ISA); the programs themselves test the best one.
cd "$(dirname "$0")/.." || exit 1
own=$(RETINA_ISA='' ./retina bench machine | tr - _) status=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
for isa in scalar avx2 avx512 avx512_bf16; do
    [ "$isa" != "$own" ] || break
    for t in kernels packed bf16; do
        RETINA_ISA=$isa "${BUILD:-build}/test/test_$t" >"$log" 2>&1 || status=1
        sed -n "s/^ok /ok   $isa: /p; s/^FAIL /FAIL $isa: /p" "$log"
    done
done
exit $status
