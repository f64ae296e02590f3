#!/bin/sh
# Every kernel of cuda/ was launched on the emulated GPU by one of the test programs that ran before (test/run.sh keeps the list).
list=${EMU_KERNELS:?the list that the test programs wrote}
[ -s "$list" ] || { echo "SKIP no emulated GPU here"; exit 0; }
all=$(sed 's/ .*//' "$list" | sort -u | wc -l)
missed=$(awk '{seen[$1] += $2} END {for (k in seen) if (!seen[k]) print k}' "$list" | sort)
if [ "$all" -gt 100 ] && [ -z "$missed" ]; then echo "ok   each of $all kernels ran on the emulated GPU"; else
    echo "FAIL of $all kernels never launched on the emulated GPU:" $missed
    exit 1
fi
