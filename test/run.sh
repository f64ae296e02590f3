#!/bin/sh
# Runs every test program given and closes with "N passed, N failed". A program that ends by a signal,
# or with a failing status and no FAIL line, counts as one failure. Lines of "ok" are kept in the log.
passed=0 failed=0 skipped=0
limit=${LIMIT:+timeout -k 5 $LIMIT stdbuf -oL} # seconds for each program
log=${BUILD:-build}/test.log
export EMU_KERNELS="${EMU_KERNELS:-$PWD/${BUILD:-build}/emulated}" # for test/kernels.sh
rm -f "$EMU_KERNELS"
: > "$log"
for program in "$@"; do
    name=${program##*/}
    started=$(date +%s)
    case $program in *.sh) sh "$program" > "$log.one" 2>&1 ;; *) $limit "$program" > "$log.one" 2>&1 ;; esac
    status=$?
    cat "$log.one" >> "$log"
    p=$(grep -ac '^ok ' "$log.one")
    f=$(grep -ac '^FAIL ' "$log.one")
    s=$(grep -ac '^SKIP ' "$log.one")
    if [ $status -ne 0 ] && [ "$f" -eq 0 ]; then
        f=1
        echo "FAIL $name: ended with status $status"
        tail -n 5 "$log.one"
    fi
    grep -a '^FAIL \|^SKIP ' "$log.one"
    printf '%-28s %5d passed, %d failed  (%d s)\n' "$name" "$p" "$f" $(($(date +%s) - started))
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
rm -f "$log.one"
[ $skipped -eq 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
