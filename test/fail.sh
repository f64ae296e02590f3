#!/bin/sh
# Every call to the system that may say no, made to say no, one after the other (io/fail.h): the N-th malloc, read, write,
# rename and fsync of a command fails. Each time: exit 1, one line on stderr, no temporary file, no output but files that
# are whole; and what can go on afterwards does, to the same files in the end. Or all is well: a part of an earlier run that
# cannot be read is made again, and without a thread the others do its work. A picture that cannot be read is listed.
#     sh test/fail.sh            SAMPLE places of each kind, spread evenly from the first to the last (default 3; of studies 1)
#     ALL=1 sh test/fail.sh      every place of every step: hours
#     ALL=1 SAMPLE=20 sh …       twenty places of each kind of every step: what is sensible for the studies
#     ONLY='extract zoo' sh …    commands whose name begins so
# BUILD=build-sanitize runs the same under the sanitizers; what a command keeps until its end is no leak (what a parser
# leaves behind in a trap is one: the fuzzers look for that).
export ASAN_OPTIONS=detect_leaks=0
cd "$(dirname "$0")/.." || exit 1
R=${BUILD:-build}/retina G=test/golden Z=data/zoo status=0
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
    RETINA_FAIL=$kind:$n "$@" >"$D/stdout" 2>"$D/stderr"
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
    "$@" >"$D/stdout" 2>"$D/stderr" && [ -z "$(differing)$(missing)" ] || report "$kind" "$n" "again: differs: $(differing | head -n 3) missing: $(missing | head -n 3) $(head -c 300 "$D/stderr")"
}

# tries [-again] NAME command…: writes, if anything, below $O. -again: a second run goes on where the first died.
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
    "$@" >"$D/stdout" 2>"$D/stderr" || { echo "FAIL $name: $(cat "$D/stderr")"; status=1; return; }
    if [ -s "$D/stdout" ]; then # a full disk behind stdout is no reason to be silent
        "$@" >/dev/full 2>"$D/stderr"
        [ $? -eq 1 ] && [ "$(wc -l <"$D/stderr")" -eq 1 ] || { echo "FAIL $name: stdout cannot be written: $(head -c 300 "$D/stderr")"; status=1; }
        rm -rf "$O" && mkdir "$O" && "$@" >"$D/stdout" 2>"$D/stderr"
    fi
    mv "$O" "$D/good"
    places=
    for kind in malloc read write rename fsync thread; do
        rm -rf "$O" && mkdir "$O"
        total=$(RETINA_FAIL=$kind:0 "$@" 2>&1 >/dev/null | sed -n 's/^retina: RETINA_FAIL: \([0-9]*\) of .*/\1/p' | sort -n | tail -n 1)
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

P=$G/preprocess/square.png
UNLIKE=- few=3
tries info $R info $G/clip-openai
tries "info --json" $R info $G/llava-default --taps --json
tries taps $R info $G/llava-default --taps
tries chat $R chat $G/chat/llava --user "What is this?" --images 1
tries tokenize $R tokenize $G/clip-openai "a photo of a cat"
tries "tokenize rebuilt" $R tokenize $G/tokenizers/llama2_rebuilt "a photo" --tokenizer-rebuild --quiet
tries "tokenize vocab.json" $R tokenize $G/tokenizers/clip_files "a photo"
printf '"a photo"\n"of it"\n' >"$D/lines" && printf '[1,2,3]\n[4]\n' >"$D/ids"
tries "tokenize lines" $R tokenize $G/tokenizers/bert --file "$D/lines" --json-lines
tries "tokenize decode" $R tokenize $G/tokenizers/siglip --file "$D/ids" --decode
tries decode $R decode $P --out "$O/x.ppm"
tries "decode to npy" $R decode $P --out "$O/x.npy"
tries "decode to png" $R decode $P --out "$O/x.png"
tries preprocess $R preprocess $G/clip-openai $P --out "$O/x.safetensors"
tries "preprocess two" $R preprocess $G/clip-openai $P $P --square --out "$O/x.safetensors"
tries -again "extract ids" $R extract --model $G/llama-2 --ids 5,6,7 --taps lm_head --out "$O/x.safetensors" --quiet
mkdir "$D/in" && cp $P "$D/in/a.png" && cp $P "$D/in/b.png" && (cd "$D/in" && tar cf ../in.tar a.png b.png && ls "$D"/in/*.png >../in.txt)
C="--model $G/clip-openai --taps visual_projection --out $O/x.safetensors --quiet"
for i in in in.tar in.txt; do tries -again "extract pictures of $i" $R extract $C --image "$D/$i" --batch 1 --shard-size 1; done
$R preprocess $G/clip-openai $P --out "$D/pixels.safetensors"
tries "extract pixels" $R extract $C --pixels "$D/pixels.safetensors"
$R extract --model $G/llama-2 --ids 5,6,7 --taps model.layers.0 --out "$D/tap.safetensors" --quiet
tries "extract with a tap replaced" $R extract --model $G/llama-2 --ids 5,6,7 --taps lm_head --replace "model.layers.0=$D/tap.safetensors" --out "$O/x.safetensors" --quiet
printf 'a cat\na cat and a dog\n' >"$D/texts"
merge="--model $G/llama-2 --prompts $D/texts --raw --taps model.layers.0 --out $O/x.safetensors --quiet"
tries -again "extract merge" sh -c "$R extract --shard 0/2 $merge && $R extract --shard 1/2 $merge && $R extract merge $merge"
tries generate $R generate --model $G/llama-2 --ids 1,2,3 --json --max-new-tokens 2
tries "generate from a picture" $R generate --model $Z/llava --image $P --prompt "describe the picture." --max-new-tokens 2 --json
tries "generate with a tap replaced" $R generate --model $G/llama-2 --ids 5,6,7 --replace "model.layers.0=$D/tap.safetensors" --json --max-new-tokens 1 --beams 2
tries random $R random "$O/m" --config $G/llama-2/config.json --quiet
for f in jpeg png ppm; do tries "world $f" $R world --out "$O/w" --count 2 --format $f --quiet; done

# Studies: run.txt and reports hold seconds; parts of an interrupted run are gone on with.
UNLIKE='run.txt|report.html' few=1
S="--count 24 --captions 1 --epochs 1 --part-size 8 --hidden-size 16 --quiet"
tries -again connectors $R connectors --out "$O/s" $S
if [ -n "$ALL$ONLY" ]; then
    rm -rf "$O" "$D/study" && $R connectors --out "$O/s" $S >/dev/null 2>&1 && mv "$O" "$D/study" # vectors know the folder they were made for
    for s in extract geometry recon captions export report; do
        tries -again "connectors $s" sh -c "[ -d $O/s ] || cp -r $D/study/s $O/; $R connectors $s --out $O/s $S --fresh"
done
fi
S="--model $Z/llava --limit 2 --choices 1 --part-size 1 --layers 5 --max-new-tokens 2 --quiet"
tries -again verbalize $R verbalize --out "$O/v" $S
[ -n "$ALL$ONLY" ] && tries -again "verbalize of CoCa" $R verbalize --out "$O/v" --limit 2 --choices 1 --part-size 1 --layers 2 --seq-len 7 --quiet
tries -again "verbalize merge" sh -c "$R verbalize caption --shard 0/2 --out $O/v $S && $R verbalize caption --shard 1/2 --out $O/v $S && $R verbalize merge --out $O/v $S"
V=$G/verbalize
if [ -n "$ALL$ONLY" ]; then
    C="--limit 3 --part-size 2 --layers 2,8 --seq-len 8 --quiet"
    tries -again "verbalize features" sh -c "$R verbalize caption --out $O/v $C --save-features && $R verbalize caption --out $O/w $C --features $O/v/features"
    tries -again "verbalize tune" $R verbalize tune --out "$O/u" $C --tune-steps 2
    tries -again "verbalize score" sh -c "$R verbalize caption --out $O/v $C && $R verbalize score --out $O/v $C --judge $Z/clip"
    tries "verbalize question" $R verbalize question --llm $G/chat/llama31 "a red disc"
fi
tries -again "verbalize tabulate" $R verbalize tabulate --captions $V/caps_batch0.json --labels $V/labels --out "$O/t" --quiet
tries "verbalize lexicon" $R verbalize lexicon --labels $V/labels --out "$O/l" --quiet
UNLIKE='run.txt|.*checkpoint.*|log.*'
tries -again "zoo" $R zoo clip --out "$O/z" --stop-after 1 --quiet
[ -n "$ALL$ONLY" ] && for m in llava coca; do tries -again "zoo $m" $R zoo $m --out "$O/z" --stop-after 1 --quiet; done
exit $status
