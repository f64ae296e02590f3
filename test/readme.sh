#!/bin/sh
# Runs the commands of README.md that are marked as such: the lines of code blocks that begin with "sh run".
cd "$(dirname "$0")/.." || exit 1
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
awk '/^```sh run/ {on = 1; next} /^```/ {on = 0} on' README.md >"$D/commands"
[ -s "$D/commands" ] || { echo "README.md: holds no commands to run"; exit 1; }
if sh -e "$D/commands" >"$D/out" 2>&1; then echo "README.md: $(wc -l <"$D/commands") lines run"
else echo "README.md: a command failed:"; tail -n 20 "$D/out"; exit 1; fi
