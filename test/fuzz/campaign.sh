#!/bin/sh
# Every target in turn, SLICE seconds each, for TOTAL seconds or until all have GOAL runs:
#     sh test/fuzz/campaign.sh TOTAL [SLICE [BUILD [TARGET...]]]     build first: make fuzz RUNS=1
# test/fuzz/runs.tsv has the sums so far, one line a target; a slice begins where they end, is added when it is done, and
# test/fuzz/table.sh then makes test/fuzz/RUNS.md of them. Failures stand in test/fuzz/campaign.log, the latest last.
cd "$(dirname "$0")/../.." || exit 1
total=$1 slice=${2:-60} build=${3:-build-sanitize} goal=${GOAL:-10000000} sums=${SUMS:-test/fuzz/runs.tsv} log=${LOG:-test/fuzz/campaign.log}
[ $# -gt 3 ] && shift 3 || set -- $(ls test/fuzz/fuzz_*.c | sed 's/.*fuzz_//; s/\.c$//')
touch "$sums"
runs_of() { awk -v t="$1" '$1 == t { n = $2 } END { printf "%d", n }' "$sums"; }

# fold NAME RUNS ACCEPTED REFUSED MESSAGES SECONDS KIB: counts are added, of the last three the largest stays
fold() {
    { cat "$sums"; echo "$*"; } | awk '{ r[$1] += $2; y[$1] += $3; n[$1] += $4; if ($5 > k[$1]) k[$1] = $5; if ($6 > s[$1]) s[$1] = $6; if ($7 > m[$1]) m[$1] = $7 }
        END { for (t in r) printf "%s\t%d\t%d\t%d\t%d\t%.3f\t%d\n", t, r[t], y[t], n[t], k[t], s[t], m[t] }' | sort >"$sums.new" && mv "$sums.new" "$sums"
}

end=$(($(date +%s) + total))
while :; do
    left=0
    for t in "$@"; do
        first=$(runs_of "$t")
        [ "$first" -lt "$goal" ] || continue
        left=1
        line=$("$build/test/fuzz/fuzz_$t" $((goal - first)) "$first" 1 "$slice" 2>"$log.$t")
        case $line in
        "ok "*) fold $(echo "$line" | sed 's/^ok   fuzz //; s/[:;,]//g; s/ runs / /; s/ accepted / /; s/ refused with / /; s/ messages slowest / /; s/ s most memory / /; s/ KiB.*//') ;;
        *) # the runs up to the failure count, and the next slice begins behind it
            at=$(sed -n "s/^$t: run \([0-9]*\);.*/\1/p" "$log.$t" | head -n 1)
            echo "$t failed at ${at:-?}: $(grep -m 1 'ERROR\|runtime error\|^'"$t"': ' "$log.$t" | tr '\n' ' ')" >>"$log"
            fold "$t" $((${at:-$first} - first + 1)) 0 0 0 0 0 ;;
        esac
        sh test/fuzz/table.sh "$sums" >test/fuzz/RUNS.md
        [ "$(date +%s)" -lt $end ] || exit 0
    done
    [ $left -eq 1 ] || exit 0
done
