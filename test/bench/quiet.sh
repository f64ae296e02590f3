#!/bin/sh
# quiet.sh [COMMAND…]: runs it on the two processors, of two cores, that are the fastest at this moment, and says what they make before and after. On a
# server whose cores' other halves belong to others, each has half of its speed at times; where both together make twice what one does, nobody else was there.
#     sh test/bench/quiet.sh ./retina bench products --threads 2 --rows split --peers VENV
# Without a command it says which they are; QUIET=3,7 says it to others. RETINA names the program that measures, if it is not ./retina.
R=${RETINA:-./retina}

peak() { # PROCESSORS THREADS: products of bf16 out of L1, GFLOP/s
    taskset -c "$1" "$R" bench tile --threads "$2" 2>/dev/null | sed -n 's/^bf16 \([0-9]*\) GFLOP.*/\1/p'
}

core() { cat "/sys/devices/system/cpu/cpu$1/topology/thread_siblings_list" 2>/dev/null || echo "$1"; }

processors() { # that this process may use
    taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' | while IFS=- read -r from to; do seq "$from" "${to:-$from}"; done
}

if [ -z "$QUIET" ]; then
    each=$(processors | head -n 32 | while read -r cpu; do found=$(peak "$cpu" 1 </dev/null) && [ -n "$found" ] && echo "$found $cpu"; done | sort -rn)
    first=$(echo "$each" | sed -n '1s/.* //p')
    second=$(echo "$each" | sed 's/.* //' | while read -r cpu; do [ "$(core "$cpu")" = "$(core "$first")" ] || { echo "$cpu"; break; }; done)
    QUIET=$first${second:+,$second}
fi
[ -n "$QUIET" ] || { echo "quiet.sh: $R measures nothing" >&2; exit 1; }
[ $# -gt 0 ] || { echo "$QUIET"; exit; }
one=${QUIET%%,*}
echo "processors $QUIET: $(peak "$one" 1) GFLOP/s by the first, $(peak "$QUIET" 2) by both before"
taskset -c "$QUIET" "$@"
status=$?
echo "processors $QUIET: $(peak "$QUIET" 2) GFLOP/s by both after"
exit $status
