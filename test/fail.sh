#!/bin/sh
# Every call to the system that may say no, made to say no, one after the other (io/fail.h): the N-th malloc, read, write,
# rename and fsync of a command fails, for N = 1, 2, … until the command goes well. Each time: exit 1, one line on stderr,
# no temporary file, and no output but files that are whole. BUILD=build-sanitize runs the same under the sanitizers; what a
# command keeps until its end is no leak (what a parser leaves behind in a trap is one: the fuzzers look for that).
export ASAN_OPTIONS=detect_leaks=0
cd "$(dirname "$0")/.." || exit 1
R=${BUILD:-build}/retina G=test/golden status=0
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
O=$D/out

# tries NAME command…: writes, if anything, below $O
tries() {
    name=$1
    shift
    rm -rf "$O" "$D/good"
    mkdir "$O"
    "$@" >"$D/stdout" 2>"$D/stderr" || { echo "FAIL $name: $(cat "$D/stderr")"; status=1; return; }
    mv "$O" "$D/good"
    for kind in malloc read write rename fsync; do
        n=1 bad=0
        while :; do
            rm -rf "$O"
            mkdir "$O"
            RETINA_FAIL=$kind:$n "$@" >"$D/stdout" 2>"$D/stderr"
            got=$?
            [ $got -eq 0 ] && break
            lines=$(wc -l <"$D/stderr")
            left=
            for f in $(cd "$O" && find . -type f); do cmp -s "$O/$f" "$D/good/$f" || left="$left $f"; done
            if [ $got -ne 1 ] || [ "$lines" -ne 1 ] || ! grep -q '^retina: ' "$D/stderr" || [ -n "$left" ]; then
                bad=$((bad + 1))
                [ $bad -le 3 ] && echo "FAIL $name, $kind $n: exit $got, $lines lines, left: $left: $(head -c 300 "$D/stderr" | tr '\n' '|')"
                status=1
            fi
            n=$((n + 1))
            if [ $n -gt 1000 ]; then
                echo "FAIL $name, $kind: still failing at $n"
                status=1
                break
            fi
        done
        [ $bad -eq 0 ] && echo "ok   $name: $kind failed at $((n - 1)) places"
    done
}

P=$G/preprocess/square.png
tries info $R info $G/clip-openai
tries taps $R info $G/llava-default --taps
tries tokenize $R tokenize $G/clip-openai "a photo of a cat"
tries decode $R decode $P --out "$O/x.ppm"
tries "decode to npy" $R decode $P --out "$O/x.npy"
tries preprocess $R preprocess $G/clip-openai $P --out "$O/x.safetensors"
tries "extract ids" $R extract --model $G/llama-2 --ids 5,6,7 --taps lm_head --out "$O/x.safetensors" --quiet
printf 'a cat\na cat and a dog\n' >"$D/texts"
merge="--model $G/llama-2 --prompts $D/texts --raw --taps model.layers.0 --out $O/x.safetensors --quiet"
tries "extract merge" sh -c "$R extract --shard 0/2 $merge && $R extract --shard 1/2 $merge && $R extract merge $merge"
tries generate $R generate --model $G/llama-2 --ids 1,2,3 --json --max-new-tokens 2
tries random $R random "$O/m" --config $G/llama-2/config.json --quiet
tries world $R world --out "$O/w" --count 2 --quiet
exit $status
