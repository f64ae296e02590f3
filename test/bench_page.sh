#!/bin/sh
# The pages of `make bench` (test/bench/all.sh, page.sh), with a program that prints at once what a bench would print after minutes: a piece replaces
# its own section and nothing else, says when and of which code it is, and what failed or lacks its peers replaces nothing.
cd "$(dirname "$0")/.." || exit 1
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
status=0
ok() { echo "ok   $1"; }
fail() { echo "FAIL $1"; status=1; }
check() { # NAME command…
    name=$1
    shift
    if "$@" >"$D/said" 2>&1; then ok "$name"; else fail "$name: $(head -c 300 "$D/said")"; fi
}
holds() { grep -qF -- "$1" "$page"; }
counted() { [ "$(grep -cF -- "$2" "$page")" -eq "$1" ]; }

# ---- a bench: FAILS is a kind that fails, SAYS what the others say
cat >"$D/retina" <<'END'
#!/bin/sh
case "$1 $2" in
--version*) echo "retina 0.1, commit 123456789abc, compiler 1"; exit ;;
"bench machine") echo pretended; exit ;;
esac
kind=$2
while [ $# -gt 0 ]; do case $1 in --out) out=$2 ;; --peers) peers=$2 ;; esac; shift; done
[ "$kind" != "$FAILS" ] || exit 1
printf '%s\n' "$kind${peers:+ --peers VENV}: $SAYS" "" \
    "4 gates asked: 3 held, 1 missed; 1 goals short; 1 not asked." "" "Missed: $kind is slow." "" "Short of their goals: $kind is not fast." "" "Not asked: $kind of tiles (no tiles)." >"$out"
END
chmod +x "$D/retina"
mkdir "$D/pages"
page=$D/pages/pretended.md
all() { RETINA=$D/retina PAGES=$D/pages WORK=$D/work SAYS=$1 FAILS=$2 PEERS=$3 sh test/bench/all.sh $4 >"$D/out" 2>"$D/err"; }

all first none venv "speed training"; check "a new page" test $? -eq 0
check "a section says when and of which code it is" grep -q "^### speed ($(date +%F), 123456789abc" "$page"
check "and with peers" grep -q '^Measured by `make bench`: .*, with peers\.$' "$page"
check "gates of all pieces" holds "8 gates asked: 6 held, 2 missed; 2 goals short; 2 not asked."
for line in "- speed: speed is slow" "- training: training is slow" "- speed: speed is not fast" "- training: training of tiles (no tiles)"; do check "listed with its piece: $line" holds "$line"; done

# ---- by hand: a word before the sections, a section of another name, remarks
awk '/^## Gates/ {print "By hand, before.\n"} {print} END {print "### speed, in parts (2026-01-01)\n\n5 gates, 5 held; missed: none\n\n## Remarks\n\nBy hand, behind."}' "$page" >"$D/x" && mv "$D/x" "$page"
sed -n '/^### training/,/^### speed,/p' "$page" >"$D/training"
all second none venv speed; check "a piece again" test $? -eq 0
check "is replaced" holds "speed --peers VENV: second"
check "wholly" counted 0 "speed --peers VENV: first"
check "once" counted 1 "### speed ("
sed -n '/^### training/,/^### speed,/p' "$page" >"$D/x"; check "the others stay" cmp "$D/training" "$D/x"
for line in "By hand, before." "### speed, in parts (2026-01-01)" "## Remarks" "By hand, behind."; do check "stays: $line" counted 1 "$line"; done
check "sections stay in their order" test "$(grep -c . "$page")" -gt 0 -a "$(grep '^##' "$page" | tr '\n' ' ' | sed 's/ ([^)]*)//g')" = "## Gates of these pieces ### speed ### training ### speed, in parts ## Remarks "
check "gates are counted anew, not twice" holds "8 gates asked: 6 held, 2 missed"
check "those of an older form are named" holds "Not counted, for they judge no goals yet: speed, in parts."

# ---- what replaces nothing
cp "$page" "$D/before"
all third training venv training; check "a piece that fails: status 1" test $? -eq 1
check "and a word" grep -q "training failed; its section" "$D/err"
check "the page stays" cmp "$D/before" "$page"
all third training venv "training speed"; check "a piece that fails before another: status 1" test $? -eq 1
check "the other one is written" holds "speed --peers VENV: third"
check "the failed one stays" holds "training --peers VENV: first"
cp "$page" "$D/before"
all fourth none "" speed; check "a piece without peers: status 1" test $? -eq 1
check "and why" grep -q "speed stays as it was in .*: measured with peers there, and without them now" "$D/err"
check "the page stays with peers" cmp "$D/before" "$page"
all fourth none "" jpeg; check "a new piece without peers" test $? -eq 0
check "says so" grep -q '^Measured by `make bench`: .*, without peers\.$' "$page"
all fifth none venv jpeg; check "peers replace none" holds "jpeg --peers VENV: fifth"
printf '# pretended\n\n### speed\n\n| x | ours, ms | peer, ms | ratio |\n\n## Remarks\n\nBehind.\n' >"$page"
all sixth none "" speed; check "an older section with a peer's column: status 1" test $? -eq 1
all sixth none venv speed; check "the last section, replaced" holds "speed --peers VENV: sixth"
check "what is behind it stays" holds "Behind."
cp "$page" "$D/before"
all seventh none venv "speed sped"; check "an unknown piece: status 2" test $? -eq 2
check "nothing was measured" cmp "$D/before" "$page"
check "no file is left beside the page" test "$(ls "$D/pages")" = pretended.md
exit $status
