#!/bin/sh
# Every call to the system that may say no, made to say no, one after the other (io/fail.h): the N-th malloc, read, write,
# rename and fsync of a command fails. Each time: exit 1, one line on stderr, no temporary file, no output but files that
# are whole; and what can go on afterwards does, to the same files in the end. Or all is well: a part of an earlier run that
# cannot be read is made again, and without a thread the others do its work. A picture that cannot be read is listed.
#     sh test/fail.sh            SAMPLE places of each kind, spread evenly from the first to the last (default 3; of studies 1)
#     ALL=1 sh test/fail.sh      every place of every step: hours (`make fail`, which forks instead: minutes)
#     ALL=1 SAMPLE=20 sh …       twenty places of each kind of every step
#     ONLY='extract zoo' sh …    commands whose name begins so
# BUILD=build-sanitize runs the same under the sanitizers; what a command keeps until its end is no leak (what a parser
# leaves behind in a trap is one: the fuzzers look for that).
export ASAN_OPTIONS=detect_leaks=0
cd "$(dirname "$0")/.." || exit 1
R=$PWD/${BUILD:-build}/retina G=$PWD/test/golden Z=$PWD/data/zoo status=0
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
O=$D/out

report() { # kind n text
    bad=$((bad + 1)) status=1
    [ $bad -le 3 ] && echo "FAIL $name, $1 $2: $3"
}

# Files of $O that are not those of the good run; $UNLIKE are names that differ from run to run: seconds, options, what is gone on with.
differing() {
    for f in $(cd "$O" && find . -type f | sort); do
        case "${f##*/}" in *.tmp.*) echo "$f" && continue ;; esac
        echo "${f##*/}" | grep -qxE "$UNLIKE" || cmp -s "$O/$f" "$D/good/$f" || echo "$f"
    done
}
missing() { for f in $(cd "$D/good" && find . -type f); do [ -e "$O/$f" ] || echo "$f"; done; }

# A picture: in failed.csv, in a part that is not joined yet, or among those that a calibration lacks until the next run.
listed() { find "$O" \( -name '*failed.csv' -o -path '*captions/part-*.json' \) -exec cat {} + 2>/dev/null | grep -q 'Input/output error' || find "$O" -name calibration.safetensors -exec head -c 4096 {} + 2>/dev/null | grep -aq '"missing":"\[[0-9]'; }

one() { # kind n command…: that call fails
    kind=$1 n=$2
    shift 2
    rm -rf "$O" && mkdir "$O"
    RETINA_FAIL=$kind:$n in_out "$@" >"$D/stdout" 2>"$D/stderr"
    got=$? lines=$(wc -l <"$D/stderr")
    if [ "$kind" = read ] && [ $got -le 1 ] && [ "$lines" -le 1 ] && listed; then
        [ $few -eq 1 ] && return # a study goes on with the pictures that it has
    elif [ $got -eq 0 ] || [ "$kind" = thread ]; then
        [ $got -eq 0 ] && [ -z "$(differing)$(missing)" ] || report "$kind" "$n" "exit $got: $(head -c 300 "$D/stderr") differs: $(differing | head -n 3) missing: $(missing | head -n 3)"
        return
    else
        [ $got -eq 1 ] && [ "$lines" -eq 1 ] && grep -q '^retina: ' "$D/stderr" || report "$kind" "$n" "exit $got, $lines lines: $(head -c 300 "$D/stderr" | tr '\n' '|')"
        left=$(differing)
        [ -z "$left" ] || listed || report "$kind" "$n" "left: $left"
    fi
    [ $again -eq 0 ] && return
    in_out "$@" >"$D/stdout" 2>"$D/stderr" && [ -z "$(differing)$(missing)" ] || report "$kind" "$n" "again: differs: $(differing | head -n 3) missing: $(missing | head -n 3) $(head -c 300 "$D/stderr")"
}

in_out() { (cd "$O" && "$@"); }

# See test/fail/commands.sh.
tries() {
    again=0
    [ "$1" = -again ] && again=1 && shift
    name=$1
    shift
    if [ -n "$ONLY" ]; then
        wanted=0
        for o in $ONLY; do case $name in "$o"*) wanted=1 ;; esac; done
        [ $wanted -eq 1 ] || return
    fi
    rm -rf "$O" "$D/good"
    mkdir "$O"
    in_out "$@" >"$D/stdout" 2>"$D/stderr" || { echo "FAIL $name: $(cat "$D/stderr")"; status=1; return; }
    if [ -s "$D/stdout" ]; then # a full disk behind stdout is no reason to be silent
        in_out "$@" >/dev/full 2>"$D/stderr"
        [ $? -eq 1 ] && [ "$(wc -l <"$D/stderr")" -eq 1 ] || { echo "FAIL $name: stdout cannot be written: $(head -c 300 "$D/stderr")"; status=1; }
        rm -rf "$O" && mkdir "$O" && in_out "$@" >"$D/stdout" 2>"$D/stderr"
    fi
    mv "$O" "$D/good"
    places=
    for kind in malloc read write rename fsync thread; do
        rm -rf "$O" && mkdir "$O"
        total=$(RETINA_FAIL=$kind:0 in_out "$@" 2>&1 >/dev/null | sed -n 's/^retina: RETINA_FAIL: \([0-9]*\) of .*/\1/p' | sort -n | tail -n 1)
        total=${total:-0} bad=0 tried=0 n=1
        most=${SAMPLE:-$few}
        [ -n "$ALL" ] && most=${SAMPLE:-$total}
        [ "$most" -gt "$total" ] && most=$total
        while [ $tried -lt "$most" ]; do
            n=$(((total + 1) / 2))
            [ "$most" -gt 1 ] && n=$((1 + tried * (total - 1) / (most - 1)))
            one $kind $n "$@"
            tried=$((tried + 1))
        done
        [ $bad -eq 0 ] || echo "FAIL $name: $kind: $bad of $tried places"
        places="$places $kind $tried/$total"
    done
    echo "ok   $name: tried$places"
}

. test/fail/commands.sh
exit $status
