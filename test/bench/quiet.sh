#!/bin/sh
# quiet.sh COMMAND…: runs it on the two processors that are the fastest at this moment, and says what they make before and after. On a server whose
# cores' other halves belong to others, each has half of its speed at times; where the two numbers are twice the best single one, nobody else was there.
#     sh test/bench/quiet.sh ./retina bench products --threads 2 --rows split --peers VENV
# RETINA names the program that measures, if it is not ./retina.
R=${RETINA:-./retina}

peak() { # PROCESSORS THREADS: products of bf16 out of L1, GFLOP/s
    taskset -c "$1" "$R" bench products --rows "no row" --rounds 1 --threads "$2" 2>/dev/null | sed -n 's/^Ceilings.* bf16 \([0-9]*\) GFLOP.*/\1/p'
}

[ $# -gt 0 ] || { sed -n '2,5s/^# *//p' "$0" >&2; exit 2; }
each=$(for cpu in $(seq 0 $(($(nproc --all) - 1))); do found=$(peak "$cpu" 1) && [ -n "$found" ] && echo "$found $cpu"; done | sort -rn)
two=$(echo "$each" | head -n 2 | sed 's/.* //' | paste -sd, -)
[ -n "$two" ] || { echo "quiet.sh: $R measures nothing" >&2; exit 1; }
echo "processors $two: alone $(echo "$each" | head -n 2 | sed 's/ .*//' | paste -sd' ' -), together $(peak "$two" 2) GFLOP/s before"
taskset -c "$two" "$@"
status=$?
echo "processors $two: together $(peak "$two" 2) GFLOP/s after"
exit $status
