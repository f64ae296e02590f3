#!/bin/sh
# Breaks the code on purpose, one way at a time (test/mutations.txt), and demands that a test turns red.
# usage: test/mutate.sh [COUNT]     all, or COUNT of them, spread by the day of the year
cd "$(dirname "$0")/.." || exit 1
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
git ls-files | tar cf - -T - | tar xf - -C "$D" || exit 1
[ -d build ] && cp -r build "$D/" # object files are newer than the sources: only what is touched is built again
find "$D/build" -type f -exec touch {} + 2>/dev/null
grep -v '^#' test/mutations.txt | grep . >"$D/list"
total=$(wc -l <"$D/list") count=${1:-$total} caught=0 missed=0 n=0
# a sed expression may hold '|' twice (a C "or"), so the fields are cut at " | "; the last one is 0
field() { echo "$1" | awk -F ' [|] ' -v k="$2" '{print k ? $k : $NF}'; }
while IFS= read -r line; do # all of them, whichever are tried below
    file=$D/$(field "$line" 2)
    sed "$(field "$line" 3)" "$file" | cmp -s - "$file" || continue
    echo "FAIL mutation '$(field "$line" 1)' changes nothing in $(field "$line" 2): mend test/mutations.txt"
    missed=$((missed + 1))
done <"$D/list"
while [ $n -lt "$count" ]; do
    line=$(sed -n "$(((n * total / count + $(date +%j | sed 's/^0*//') ) % total + 1))p" "$D/list")
    n=$((n + 1))
    name=$(field "$line" 1) file=$(field "$line" 2) change=$(field "$line" 3) tests=$(field "$line" 0)
    cp "$D/$file" "$D/kept"
    sed -i "$change" "$D/$file"
    cmp -s "$D/$file" "$D/kept" && continue # told above
    red=no
    for t in $tests; do
        case $t in
        levels.sh) goal="retina build/test/test_kernels build/test/test_packed build/test/test_bf16" run="sh test/$t" ;;
        *.sh) goal=retina run="sh test/$t" ;; # what a command does
        *) goal=build/test/test_$t run=build/test/test_$t ;;
        esac
        if ! (cd "$D" && make -s -j2 WARN= $goal) >"$D/log" 2>&1; then red="yes (it does not even build)"; break; fi
        if ! (cd "$D" && timeout 300 $run) >"$D/log" 2>&1; then red="yes, $t"; break; fi
    done
    if [ "$red" = no ]; then echo "FAIL '$name' in $file: no test turned red"; missed=$((missed + 1)); else echo "ok   '$name': $red"; caught=$((caught + 1)); fi
    cp "$D/kept" "$D/$file"
done
echo "$caught breakages caught, $missed not"
[ $missed -eq 0 ]
