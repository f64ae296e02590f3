#!/bin/sh
# test/fuzz/RUNS.md from the log of test/fuzz/campaign.sh, and what was found from test/fuzz/FINDINGS.md.
cd "$(dirname "$0")" || exit 1
{
    echo "# Damaged files through every parser"
    echo
    echo "Written by \`sh test/fuzz/table.sh\` from the log of \`test/fuzz/campaign.sh\`: our own mutator, inputs under AddressSanitizer"
    echo "and UndefinedBehaviorSanitizer. A run may accept its input or refuse it with a message; anything else is a finding. Slices"
    echo "that ended in a finding count their runs only. Seconds up to 2026-11-25 are a busy machine's, not the parser's own."
    echo
    echo "| parser | runs | accepted | refused | messages | slowest, s | most memory, KiB |"
    echo "|---|--:|--:|--:|--:|--:|--:|"
    awk '$3 == "FAILED" { runs[$1] += $2; next }
        { runs[$1] += $2; yes[$1] += $3; no[$1] += $4; if ($5 > kinds[$1]) kinds[$1] = $5; if ($6 > slow[$1]) slow[$1] = $6; if ($7 > peak[$1]) peak[$1] = $7 }
        END { for (t in runs) printf "| %s | %d | %d | %d | %d | %.3f | %d |\n", t, runs[t], yes[t], no[t], kinds[t], slow[t], peak[t] }' "${LOG:-campaign.log}" | sort
    echo
    cat FINDINGS.md
} >RUNS.md
