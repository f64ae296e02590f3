#!/bin/sh
# test/fuzz/RUNS.md, to stdout, from the sums of test/fuzz/campaign.sh and test/fuzz/FINDINGS.md: sh test/fuzz/table.sh [runs.tsv]
sums=${1:-$(dirname "$0")/runs.tsv}
cat <<'END'
# Damaged files through every parser

Written by `sh test/fuzz/table.sh` from the sums of `test/fuzz/campaign.sh`: our own mutator, inputs under AddressSanitizer
and UndefinedBehaviorSanitizer. A run may accept its input or refuse it with a message; anything else is a finding. Slices
that ended in a finding count their runs only. Seconds are of the slowest input, of the process's own time.

| parser | runs | accepted | refused | messages | slowest, s | most memory, KiB |
|---|--:|--:|--:|--:|--:|--:|
END
awk '{ printf "| %s | %d | %d | %d | %d | %.3f | %d |\n", $1, $2, $3, $4, $5, $6, $7 }' "$sums"
echo
cat "$(dirname "$0")/FINDINGS.md"
