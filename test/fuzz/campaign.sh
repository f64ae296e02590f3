#!/bin/sh
# All targets side by side, slice by slice, for TOTAL seconds or until all have GOAL runs:
#     sh test/fuzz/campaign.sh TOTAL [SLICE [BUILD [TARGET...]]]     build first: make fuzz RUNS=1
# CORES=16 slices run at a time (1); the targets take turns, and those that are done stand back. Every slice has a seed of
# its own, the time and its number, so that no two ever run the same inputs, on any machine. test/fuzz/runs.tsv has the
# sums, one line a target, and test/fuzz/table.sh makes test/fuzz/RUNS.md of them. Another machine needs no compiler:
#     make fuzz_pack                                  build/fuzz.tar.xz, to be unpacked there
#     SUMS=new.tsv BASE=test/fuzz/runs.tsv CORES=16 sh test/fuzz/campaign.sh 300 10 build-fuzz
#     sh test/fuzz/campaign.sh add new.tsv            here again: what it did, to what was done before
# Failures stand in test/fuzz/campaign.log, the latest last, with the seed and the run that make them again.
cd "$(dirname "$0")/../.." || exit 1
goal=${GOAL:-10000000} sums=${SUMS:-test/fuzz/runs.tsv} log=${LOG:-test/fuzz/campaign.log}
touch "$sums"

# Lines NAME RUNS ACCEPTED REFUSED MESSAGES SECONDS KIB of all files: counts are added, of the last three the largest stays.
added() {
    cat "$@" | awk '{ r[$1] += $2; y[$1] += $3; n[$1] += $4; if ($5 > k[$1]) k[$1] = $5; if ($6 > s[$1]) s[$1] = $6; if ($7 > m[$1]) m[$1] = $7 }
        END { for (t in r) printf "%s\t%d\t%d\t%d\t%d\t%.3f\t%d\n", t, r[t], y[t], n[t], k[t], s[t], m[t] }' | sort
}
fold() { # FILE: into the sums
    added "$sums" "$1" >"$sums.new" && mv "$sums.new" "$sums"
    [ "$sums" != test/fuzz/runs.tsv ] || sh test/fuzz/table.sh "$sums" >test/fuzz/RUNS.md
}
runs_of() { cat "$sums" $BASE "$sums".done 2>/dev/null | awk -v t="$1" '$1 == t { n += $2 } END { printf "%d", n }'; }

# One slice, its line added to $sums.done: so short a line is written whole, whoever writes beside.
slice() { # TARGET SEED SECONDS BUILD END
    t=$1 seed=$2 seconds=$3 build=$4 left=$(($5 - $(date +%s)))
    [ "$left" -gt 0 ] && [ "$(runs_of "$t")" -lt "$goal" ] || return
    [ "$seconds" -gt "$left" ] && seconds=$left
    line=$(nice -n 19 "$build/test/fuzz/fuzz_$t" 1000000000 0 "$seed" "$seconds" 2>"$log.$t.$seed")
    case $line in
    "ok "*)
        echo "$line" | sed 's/^ok   fuzz //; s/[:;,]//g; s/ runs / /; s/ accepted / /; s/ refused with / /; s/ messages slowest / /; s/ s most memory / /; s/ KiB.*//' >>"$sums.done" ;;
    *) # the runs before the failure count
        at=$(sed -n "s/^$t: run \([0-9]*\);.*/\1/p" "$log.$t.$seed" | head -n 1)
        { echo "$t failed at run ${at:-?} of seed $seed:"; head -c 4000 "$log.$t.$seed"; } >>"$log"
        echo "$t $((${at:--1} + 1)) 0 0 0 0 0" >>"$sums.done" ;;
    esac
    rm -f "$log.$t.$seed"
}

case $1 in
add) fold "$2"; exit ;;
slice) shift; slice "$@"; exit ;;
esac

total=$1 seconds=${2:-60} build=${3:-build-sanitize} started=$(date +%s)
[ $# -gt 3 ] && shift 3 || set -- $(ls test/fuzz/fuzz_*.c | sed 's/.*fuzz_//; s/\.c$//')
end=$((started + total)) number=0
ulimit -c 0
while [ "$(date +%s)" -lt $end ]; do
    left=
    for t in "$@"; do [ "$(runs_of "$t")" -ge "$goal" ] || left="$left $t"; done
    [ -n "$left" ] || break
    for t in $left; do
        echo "$t $((started * 100000 + number)) $seconds $build $end"
        number=$((number + 1))
    done
done | xargs -P "${CORES:-1}" -L 1 sh test/fuzz/campaign.sh slice
[ ! -e "$sums.done" ] || { fold "$sums.done" && rm "$sums.done"; }
