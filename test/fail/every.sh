#!/bin/sh
# Every place where the system may say no, of every command of test/fail/commands.sh: one run for each of malloc, read, write,
# rename and fsync, which forks at each place (every.c). What a second run makes of what is left is asked once
# for every different state that was left.
#     make fail
#     ONLY='extract zoo' …      commands whose name begins so; EXACT='zoo llava': that one
#     CHILDREN=16 …             as many processes at a time (2); TMPDIR=/dev/shm … is faster than a disk
# FAIL_RETINA=PROGRAM, FAIL_READERS=PROGRAM: others than those of build/test/fail, as build-sanitize's (make fail BUILD=build-sanitize CFLAGS=…).
export ASAN_OPTIONS=detect_leaks=0
cd "$(dirname "$0")/../.." || exit 1
R=${FAIL_RETINA:-$PWD/build/test/fail/retina} T=${FAIL_READERS:-$PWD/build/test/fail/readers} G=$PWD/test/golden Z=$PWD/data/zoo status=0
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
export FAIL_BOX="$D/box" FAIL_CHILDREN=${CHILDREN:-2}

fresh() { rm -rf "$D/work" && mkdir "$D/work"; }
in_work() { (cd "$D/work" && "$@"); }

# Files that are not those of the good run, and those that are not there.
differing() {
    (cd "$1" && find . -type f | sort) | while read -r f; do
        echo "${f##*/}" | grep -qxE "$FAIL_UNLIKE" || cmp -s "$1/$f" "$FAIL_BOX/good/$f" || echo "$f"
    done
    (cd "$FAIL_BOX/good" && find . -type f) | while read -r f; do [ -e "$1/$f" ] || echo "no $f"; done
}

# See test/fail/commands.sh.
tries() {
    again=0
    [ "$1" = -again ] && again=1 && shift
    name=$1
    shift
    [ -z "$EXACT" ] || [ "$name" = "$EXACT" ] || return
    if [ -n "$ONLY" ]; then
        wanted=0
        for o in $ONLY; do case $name in "$o"*) wanted=1 ;; esac; done
        [ $wanted -eq 1 ] || return
    fi
    unset FAIL_STUDY FAIL_PART
    [ $few -ne 1 ] || export FAIL_STUDY=1
    [ "$1" != sh ] || export FAIL_PART=1
    export FAIL_UNLIKE="$UNLIKE"
    rm -rf "$FAIL_BOX" && mkdir -p "$FAIL_BOX/states" && : >"$FAIL_BOX/report" && : >"$FAIL_BOX/tried"
    fresh && in_work "$@" >/dev/null 2>"$D/stderr" && mv "$D/work" "$FAIL_BOX/good" || { echo "FAIL $name: $(cat "$D/stderr")"; status=1; return; }
    for kind in malloc read write rename fsync; do
        fresh
        RETINA_FAIL=$kind:2000000000 in_work "$@" >/dev/null 2>"$D/stderr" || echo "$kind: the run that forks: $(head -c 300 "$D/stderr")" >>"$FAIL_BOX/report"
        [ -z "$(differing "$D/work")" ] || echo "$kind: the run that forks: $(differing "$D/work" | head -n 3 | tr '\n' ' ')" >>"$FAIL_BOX/report"
    done
    states=$(ls "$FAIL_BOX/states")
    [ $again -eq 0 ] || for s in $states; do
        (cd "$FAIL_BOX/states/$s" && "$@" >/dev/null 2>"$D/stderr") && [ -z "$(differing "$FAIL_BOX/states/$s")" ] ||
            echo "again, from $s: $(head -c 300 "$D/stderr") $(differing "$FAIL_BOX/states/$s" | head -n 3 | tr '\n' ' ')" >>"$FAIL_BOX/report"
    done
    [ -z "$KEEP" ] || { rm -rf "$KEEP" && cp -r "$FAIL_BOX" "$KEEP"; }
    if [ -s "$FAIL_BOX/report" ]; then
        echo "FAIL $name: $(wc -l <"$FAIL_BOX/report") places"
        head -n 20 "$FAIL_BOX/report" | sed 's/^/     /'
        status=1
    else
        echo "ok   $name: every place of$(cat "$FAIL_BOX/tried"); $(echo "$states" | grep -c .) states left$([ $again -eq 0 ] || echo ", gone on from")"
    fi
}

ALL=1
. test/fail/commands.sh
exit $status
