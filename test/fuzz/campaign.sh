#!/bin/sh
# Every target in turn, SLICE seconds each, for TOTAL seconds, going on where the log says the last campaign stopped:
#     sh test/fuzz/campaign.sh TOTAL [SLICE [BUILD [TARGET...]]]     build first: make fuzz RUNS=1
# One line a slice goes to test/fuzz/campaign.log, failures too; test/fuzz/table.sh makes test/fuzz/RUNS.md of it.
cd "$(dirname "$0")/../.." || exit 1
total=$1 slice=${2:-60} build=${3:-build-sanitize} log=${LOG:-test/fuzz/campaign.log}
[ $# -gt 3 ] && shift 3 || set -- $(ls test/fuzz/fuzz_*.c | sed 's/.*fuzz_//; s/\.c$//')
touch "$log"
end=$(($(date +%s) + total))
while [ "$(date +%s)" -lt $end ]; do
    for t in "$@"; do
        first=$(awk -v t="$t" '$1 == t { n += $2 } END { printf "%d", n }' "$log")
        line=$("$build/test/fuzz/fuzz_$t" 1000000000 "$first" 1 "$slice" 2>"$log.$t")
        case $line in
        "ok "*) echo "$line" | sed 's/^ok   fuzz //; s/[:;,]//g; s/ runs / /; s/ accepted / /; s/ refused with / /; s/ messages slowest / /; s/ s most memory / /; s/ KiB / /; s/ runs a second//' >>"$log" ;;
        *) # a failure: the runs up to it count, and the next slice begins behind it
            at=$(sed -n "s/^$t: run \([0-9]*\);.*/\1/p" "$log.$t" | head -n 1)
            echo "$t $((${at:-$first} - first + 1)) FAILED at ${at:-?}: $(grep -m 1 'ERROR\|runtime error\|^'"$t"': ' "$log.$t" | tr '\n' ' ')" >>"$log" ;;
        esac
        [ "$(date +%s)" -lt $end ] || break
    done
done
