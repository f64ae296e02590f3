#!/bin/sh
# `retina verbalize` as a user meets it: the original's files byte by byte (test/reference/verbalize.py wrote the golden ones with
# Python's json and csv), the same captions for any threads, batch, shard and after kill -9, archives that are damaged, and
# what it refuses.
# Seen red: a layer's state left unreplaced, a part kept that other options made.
cd "$(dirname "$0")/.." || exit 1
R=./retina G=test/golden status=0
export ASAN_OPTIONS=detect_leaks=0 # what a command keeps until its end is no leak
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
M="--model data/zoo/llava --quiet"

ok() { echo "ok   $1"; }
fail() { echo "FAIL $1"; status=1; }
says() { # NAME EXIT PART command…
    name=$1 want=$2 part=$3
    shift 3
    "$@" >"$D/stdout" 2>"$D/stderr"
    got=$?
    if [ $got -eq "$want" ] && [ "$(wc -l <"$D/stderr")" -eq 1 ] && grep -q -- "$part" "$D/stderr"; then ok "$name: $(cat "$D/stderr")"
    else fail "$name: exit $got: $(head -c 300 "$D/stderr")"; fi
}
same() { if [ -s "$2" ] && cmp -s "$2" "$3"; then ok "$1"; else fail "$1: $2 and $3 differ or are empty"; fi; } # NAME a b
holds() { if grep -qF -- "$3" "$2"; then ok "$1"; else fail "$1: $2 does not hold: $3"; fi; }                  # NAME file text

# ---- the published files' form
P="--captions $G/verbalize/caps_batch0.json --labels $G/verbalize/labels --quiet"
$R verbalize tabulate $P --out "$D/strict" --compat && same "shares as the original computes them" "$D/strict/classification_data.csv" $G/verbalize/classification_strict.csv
$R verbalize tabulate $P --out "$D/tolerant" && cut -d, -f2- "$D/tolerant/classification_data.csv" >"$D/t.csv"
same "shares of the tolerant reader" "$D/t.csv" $G/verbalize/classification_tolerant.csv
cut -d, -f1,7,10,11 "$D/tolerant/diversity.csv" >"$D/d1.csv"
cut -d, -f1,7,10,11 $G/verbalize/diversity.csv >"$D/d2.csv"
same "distinct captions, vocabulary, same as next" "$D/d1.csv" "$D/d2.csv"
cut -d, -f2-6,8,9,12 "$D/tolerant/diversity.csv" | tr , '\n' >"$D/d1.csv"
cut -d, -f2-6,8,9,12 $G/verbalize/diversity.csv | tr , '\n' >"$D/d2.csv"
if paste "$D/d1.csv" "$D/d2.csv" | awk 'NR > 8 && ($1 - $2 > 1e-12 || $2 - $1 > 1e-12) {bad = 1} END {exit bad || NR < 50}'; then ok "entropies and words, 1e-12"; else fail "entropies and words"; fi
$R verbalize report $P --out "$D/tolerant" && holds "a report without pictures" "$D/tolerant/report.html" "captions read from"
awk -F'\t' '$1 == "share color layer 1" {print $2}' "$D/tolerant/table.tsv" >"$D/s1"
awk -F, 'NR == 1 {while ($++k != "color"); } NR == 2 {print $k}' "$D/tolerant/classification_data.csv" >"$D/s2" && same "the report's shares are the table's" "$D/s1" "$D/s2"
says "entropies are no captions" 1 "is no text" $R verbalize tabulate --captions $G/verbalize/caps_batch0.json --captions $G/verbalize/entropy_batch0.json --labels $G/verbalize/labels --out "$D/x"
mkdir "$D/few" && cp $G/verbalize/labels/*layer_[0-4]* "$D/few/"
says "a layer without answers" 1 "_layer_5_caps_batch0.json" $R verbalize tabulate --captions $G/verbalize/caps_batch0.json --labels "$D/few" --out "$D/x"
printf '{"layer_0": ["a", "b"], "layer_1": ["a"]}' >"$D/caps_bad.json"
says "layers of unequal length" 1 "layer_1 has 1 entries" $R verbalize tabulate --captions "$D/caps_bad.json" --categories none --out "$D/x"
mkdir "$D/other" && cp $G/verbalize/caps_batch0.json "$D/other/"
says "two files of captions of one name" 1 "share a name" $R verbalize label --captions $G/verbalize/caps_batch0.json --captions "$D/other/caps_batch0.json" --out "$D/x" --quiet
printf '{"layer_x": ["a"]}' >"$D/caps_bad.json"
says "a key that is no layer" 1 "layer_x" $R verbalize tabulate --captions "$D/caps_bad.json" --categories none --out "$D/x"

# ---- a lexicon from answers, and answers from a lexicon
$R verbalize lexicon --labels $G/verbalize/labels --out "$D/lex" --quiet >"$D/stdout" && holds "a lexicon" "$D/lex/lexicon.tsv" "phrase	class	count	of"
printf '{"layer_0": ["caf\\u00e9 red \\u3059\\u3057 - \\"q\\"", "the man"]}' >"$D/caps_batch0.json"
printf 'phrase\tclass\nred\tcolor\nman\tperson\ncafé\tlocation\n' >"$D/small.tsv"
$R verbalize label --captions "$D/caps_batch0.json" --lexicon "$D/small.tsv" --out "$D/lex" --quiet
printf '%s' '["{\"caf\u00e9\": [\"location\",\"\",\"\"],\"red\": [\"color\",\"\",\"\"],\"\u3059\u3057\": [\"UNKNOWN\",\"\",\"\"],\"\\\"q\\\"\": [\"UNKNOWN\",\"\",\"\"]}", "{\"man\": [\"person\",\"\",\"\"]}"]' >"$D/want.json"
same "answers in Python's own JSON" "$D/lex/label_top3_lexicon/classification_lexicon_top3_labels_layer_0_caps_batch0.json" "$D/want.json"

printf '{"layer_0": ["the man", "red"]}' >"$D/caps_batch0.json"
says "answers of other captions" 1 "answers of other captions" $R verbalize tabulate --captions "$D/caps_batch0.json" --out "$D/lex" --quiet

# ---- what a labelling model is asked
for k in original fixed; do
    $R verbalize question --llm $G/chat/llama31 --prompt $k "a red disc on the café 's table" >"$D/q"
    same "the prompt, $k, as transformers renders it" "$D/q" $G/verbalize/question_$k.txt
done
mkdir "$D/llm" && cp $G/llama-3/* $G/chat/llama31/chat_template.json $G/chat/llama31/tokenizer_config.json "$D/llm/"
sed 's/"max_position_embeddings": 128/"max_position_embeddings": 8192/' $G/llama-3/config.json >"$D/llm/config.json"
printf '{"layer_0": ["red", "gold", "red"]}' >"$D/caps_batch1.json"
L="--captions $D/caps_batch1.json --llm $D/llm --categories llm --label-tokens 4 --quiet"
$R verbalize label $L --out "$D/ask" && [ "$(grep -c . "$D/ask/label_top3_llm/stopped.csv")" = 3 ] && ok "each distinct caption is asked once" || fail "each distinct caption is asked once"
cp "$D/ask/label_top3_llm/answers-00000.json" "$D/answers" && rm "$D/ask/label_top3_llm/"class* && $R verbalize label $L --out "$D/ask" && same "answers are kept" "$D/ask/label_top3_llm/answers-00000.json" "$D/answers"
sed 's/"rms_norm_eps": [^,}]*/"rms_norm_eps": 0.5/' "$D/llm/config.json" >"$D/config.json" && mv "$D/config.json" "$D/llm/"
$R verbalize label $L --out "$D/ask" && cmp -s "$D/ask/label_top3_llm/answers-00000.json" "$D/answers" && fail "another model in the same folder is asked again" || ok "another model in the same folder is asked again"
says "a question that does not fit" 1 "do not fit" $R verbalize label $L --label-tokens 8000 --out "$D/ask2"
says "a labeller without a template" 1 "no chat template" $R verbalize label --captions "$D/caps_batch1.json" --llm $G/llama-2 --categories llm --out "$D/ask2"

# ---- captions: the native layer is the model's own; batches, threads, shards, kill -9
$R verbalize caption $M --limit 5 --out "$D/a" --part-size 2
i=0
while [ $i -lt 5 ]; do
    $R generate --model data/zoo/llava --image "$D/a/images-0/0000$i.jpg" --prompt "describe the picture." --max-new-tokens 32 --quiet
    i=$((i + 1))
done >"$D/own.txt"
grep '^[0-9]*,5,' "$D/a/captions.csv" | cut -d, -f7- | tr -d '"' >"$D/native.txt"
same "the native layer says what the model says" "$D/native.txt" "$D/own.txt"
grep '^[0-9]*,1,' "$D/a/captions.csv" | cut -d, -f7- | tr -d '"' >"$D/early.txt" # the last block follows too closely to differ in five captions
[ ! -s "$D/early.txt" ] || cmp -s "$D/early.txt" "$D/own.txt" && fail "another layer says the same" || ok "another layer says something else"
$R verbalize caption $M --limit 5 --out "$D/b" --part-size 2 --threads 1 --batch 1
$R verbalize tabulate $M --limit 5 --categories none --out "$D/a" --part-size 2; $R verbalize tabulate $M --limit 5 --categories none --out "$D/b" --part-size 2
for f in caps_batch0.json entropy_batch0.json captions.csv controls.csv all_captions_layers_joined.csv; do same "one thread, one row: $f" "$D/a/$f" "$D/b/$f"; done
for i in 0 1; do $R verbalize caption $M --limit 5 --out "$D/c" --part-size 2 --shard $i/2; done
$R verbalize merge $M --limit 5 --out "$D/c" --part-size 2
for f in caps_batch0.json entropy_batch0.json captions.csv calibration.safetensors captions/part-00001.json; do same "two shards: $f" "$D/a/$f" "$D/c/$f"; done # parts too: scenes are known by content
says "a shard is missing" 1 "are missing" $R verbalize tabulate $M --limit 6 --out "$D/c" --part-size 2
$R verbalize caption $M --limit 3 --choices 1 --out "$D/e" --part-size 1 >/dev/null 2>&1 &
pid=$!
n=0
while [ ! -e "$D/e/captions/part-00001.json" ] && [ $n -lt 200 ]; do n=$((n + 1)); sleep 0.02; done
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
$R verbalize $M --limit 3 --choices 1 --out "$D/e" --part-size 1 >/dev/null
$R verbalize $M --limit 3 --choices 1 --out "$D/f" --part-size 1 >/dev/null
for f in caps_batch0.json entropy_batch0.json classification_data.csv truth.csv table.tsv scores.csv; do same "killed and continued: $f" "$D/e/$f" "$D/f/$f"; done
sed 's/[^ ]*out [^ ]*//' "$D/e/report.html" | grep -v '<dd>retina' >"$D/e.html"
sed 's/[^ ]*out [^ ]*//' "$D/f/report.html" | grep -v '<dd>retina' >"$D/f.html"
same "killed and continued: report.html" "$D/e.html" "$D/f.html"
machine=2166136261 # io/temporary.c: FNV-1a of its name
for c in $(printf %s "$(uname -n)" | od -An -v -tu1); do machine=$(((machine ^ c) * 16777619 & 0xffffffff)); done
machine=$(printf %08x $machine)
for p in 99999999 $$; do echo half >"$D/f/captions/part-00002.json.tmp.$machine.$p"; done # of a process that is no more, of a living one
printf '{' >"$D/f/captions/part-00001.json"
$R verbalize caption $M --limit 3 --choices 1 --out "$D/f" --part-size 1 && same "a damaged part is made again" "$D/e/caps_batch0.json" "$D/f/caps_batch0.json"
[ "$(cd "$D/f/captions" && echo ./*.tmp.*)" = "./part-00002.json.tmp.$machine.$$" ] && ok "what a killed run left half written is gone" || fail "what a killed run left half written: $(echo "$D"/f/captions/*.tmp.*)"
$R verbalize caption $M --limit 3 --choices 1 --out "$D/f" --part-size 1 --rescale moments && cmp -s "$D/e/caps_batch0.json" "$D/f/caps_batch0.json" && fail "--rescale changes nothing" || ok "--rescale makes the parts again"
cmp -s "$D/e/captions.csv" "$D/f/captions.csv"
for h in norm moments; do # golden: test/reference/verbalize_rescale.py
    $R verbalize caption $M --limit 3 --layers 1,3,5 --max-new-tokens 16 --rescale $h --out "$D/r$h" && $R verbalize tabulate $M --limit 3 --layers 1,3,5 --max-new-tokens 16 --rescale $h --categories none --out "$D/r$h"
    same "--rescale $h, as transformers says it" "$D/r$h/caps_batch0.json" $G/verbalize/rescale_${h}_caps.json
    for f in "$D/r$h/entropy_batch0.json" $G/verbalize/rescale_${h}_entropy.json; do tr -c '0-9.\n' '\n' <"$f" | grep '[.]' >"$D/bits-$(basename "$(dirname "$f")")"; done
    paste "$D/bits-r$h" "$D/bits-verbalize" | awk '{d = $1 - $2; if (d > 1e-5 || d < -1e-5 || NF != 2) bad = 1} END {exit bad || NR != 9}' && ok "--rescale $h: entropies, 1e-5" || fail "--rescale $h: entropies"
    $R verbalize report $M --limit 3 --layers 1,3,5 --max-new-tokens 16 --rescale $h --categories none --likelihood off --out "$D/r$h" && holds "--rescale $h, told on the page" "$D/r$h/report.html" "of the model&#39;s own layer, takes the place of the one that the model itself uses, behind block 5"
    grep ^mean "$D/r$h/controls.csv" | cut -d, -f4- | tr -d '"' >"$D/mean.txt" && same "--rescale $h, of the mean state" "$D/mean.txt" $G/verbalize/rescale_${h}_mean.txt
done
awk -F, '$2 == 5' "$D/e/captions.csv" >"$D/n1" && awk -F, '$2 == 5' "$D/f/captions.csv" >"$D/n2" && same "the native layer is not rescaled" "$D/n1" "$D/n2"

# ---- a picture that could not be read is tried again by the next run, and so is what was made without it
mkdir "$D/disk" && cp "$D/a"/images-0/0000[0-3].jpg "$D/disk/"
V="$M --images $D/disk --layers 1,5 --part-size 2 --max-new-tokens 5 --rescale norm --categories none"
$R verbalize $V --out "$D/k1" >/dev/null && cp "$D/disk/00001.jpg" "$D/good.jpg" && printf 'bad' | dd of="$D/disk/00001.jpg" conv=notrunc 2>/dev/null # where no glance falls
$R verbalize $V --out "$D/k2" >/dev/null && holds "the picture that fails" "$D/k2/failed.csv" "00001.jpg,00001,"
cp "$D/good.jpg" "$D/disk/00001.jpg" && $R verbalize $V --out "$D/k2" >/dev/null
for f in captions.csv controls.csv likelihood.csv table.tsv failed.csv; do same "a picture that can be read again: $f" "$D/k1/$f" "$D/k2/$f"; done
cp "$D/a/images-0/00003.jpg" "$D/new.jpg" && n=$(wc -c <"$D/new.jpg") m=$(wc -c <"$D/disk/00001.jpg") && if [ "$n" -gt "$m" ]; then head -c $((n - m)) /dev/zero >>"$D/disk/00001.jpg"; else head -c $((m - n)) /dev/zero >>"$D/new.jpg"; fi
$R verbalize caption --images "$D/disk" --layers 8 --quiet --out "$D/k3" && cp "$D/new.jpg" "$D/disk/00001.jpg" && $R verbalize caption --images "$D/disk" --layers 8 --quiet --out "$D/k3" && $R verbalize caption --images "$D/disk" --layers 8 --quiet --out "$D/k4"
touch "$D/disk/00000.jpg" && sum=$(ls -l --time-style=+%N "$D"/k4/captions/* | cksum) && $R verbalize caption --images "$D/disk" --layers 8 --quiet --out "$D/k4" && [ "$sum" = "$(ls -l --time-style=+%N "$D"/k4/captions/* | cksum)" ] && ok "a picture that was only touched is kept" || fail "a picture that was only touched is made again"
same "another picture of the same name and size is seen" "$D/k3/captions.csv" "$D/k4/captions.csv"

awk -F, 'NR > 1 && $2 == 5 {n++; more += $3 - $4} END {exit n != 4 || more < 4}' "$D/k1/likelihood.csv" && ok "captions are likelier under their own pictures' states than under the mean one" || fail "likelihoods: $(cut -d, -f1-4 "$D/k1/likelihood.csv")"

# ---- CoCa: states kept and read again, controls, other ways of decoding
C="--limit 5 --part-size 2 --quiet"
$R verbalize caption $C --save-features --save-steps --out "$D/sf"
$R verbalize caption --features "$D/sf/features" --layers 0,all --out "$D/ff" --quiet
for f in caps_batch0.json entropy_batch0.json captions.csv; do same "from kept states: $f" "$D/sf/$f" "$D/ff/$f"; done
holds "steps with the likeliest ids" "$D/sf/captions/part-00000.json" '"top": ['
rm "$D/sf/features/part-00001.safetensors"
$R verbalize caption $C --save-features --save-steps --out "$D/sf" && [ -s "$D/sf/features/part-00001.safetensors" ] && ok "states that are gone are made again" || fail "states that are gone are made again"
says "states of another model" 1 "another model" $R verbalize caption --features "$D/sf/features" --model data/zoo/llava --out "$D/u" --quiet
says "a layer that was not kept" 1 "choose --layers" $R verbalize caption --features "$D/sf/features" --layers 3 --tap attn --out "$D/u" --quiet
says "states and pictures" 2 "in place of" $R verbalize caption --features "$D/sf/features" --images "$D/a/images-0" --out "$D/u"
says "what holds no states" 1 "holds no features" $R verbalize caption --features data/zoo/clip/model.safetensors --out "$D/u" --quiet
$R verbalize caption --limit 1 --layers 2,8 --tap attn --out "$D/at" --quiet && $R verbalize report --limit 1 --layers 2,8 --tap attn --categories none --likelihood off --out "$D/at" --quiet && holds "another tap is told on the page" "$D/at/report.html" "<p>What each block&#39;s attention adds, unchanged"
for c in mean shuffle; do $R verbalize caption $C --save-steps --control $c --out "$D/sf" && cp "$D/sf/captions.csv" "$D/$c.csv"; done
$R verbalize tabulate $C --save-steps --categories none --out "$D/sf"
grep '^00003,8,' "$D/mean.csv" | cut -d, -f7- >"$D/c1" && grep '^mean,8,' "$D/sf/controls.csv" | cut -d, -f4- >"$D/c2" && same "control mean: every caption is the mean state's" "$D/c1" "$D/c2"
for f in "$D/ff/captions.csv" "$D/shuffle.csv"; do grep ',8,7,' "$f" | cut -d, -f2- | sort >"$f.sorted"; done
same "control shuffle: the same captions" "$D/ff/captions.csv.sorted" "$D/shuffle.csv.sorted"
for s in 0 1 2 3; do for c in none shuffle; do $R verbalize caption --limit 2 --layers 8 --seed $s --control $c --quiet --out "$D/deal" && cp "$D/deal/captions.csv" "$D/deal-$c.csv"; done; paste -d, "$D/deal-none.csv" "$D/deal-shuffle.csv" | awk -F, -v s=$s 'NR > 1 && $6 == $(NF - 1)'; done >"$D/undealt"
[ ! -s "$D/undealt" ] && ok "no caption is dealt to its own picture" || fail "captions dealt to their own pictures: $(wc -l <"$D/undealt") of 8"
says "one caption cannot be dealt" 1 "one picture" $R verbalize caption --limit 1 --layers 8 --control shuffle --quiet --out "$D/deal"
cmp -s "$D/ff/captions.csv" "$D/shuffle.csv" && fail "control shuffle: of other pictures" || ok "control shuffle: of other pictures"
$R verbalize caption --features "$D/ff/../sf/features" --layers 8 --decode beam --out "$D/beam" --quiet
$R generate --model data/zoo/coca --beams 6 --decode beam --image "$D/sf/images-0" --quiet >"$D/c1" && grep ',8,7,' "$D/beam/captions.csv" | cut -d, -f7- | tr -d '"' >"$D/c2" && same "later beams: as generate has them" "$D/c1" "$D/c2"
$R verbalize caption $C --dtype bf16 --save-features --out "$D/bf" && $R verbalize caption --features "$D/bf/features" --layers 8 --dtype bf16 --out "$D/bg" --quiet && grep -q ',8,7,' "$D/bg/captions.csv" && ok "in bf16" || fail "in bf16"

$R verbalize score $C --save-features --save-steps --out "$D/sf" && [ "$(awk -F, '$2 == 8 && $4 == 1' "$D/sf/scores.csv" | wc -l)" = 5 ] && [ "$(awk -F, '$2 == 0 && $4 == 1' "$D/sf/scores.csv" | wc -l)" -lt 5 ] && ok "captions of the last layer find their pictures" || fail "captions of the last layer find their pictures: $(grep ',8,' "$D/sf/scores.csv")"

$R verbalize caption $C --min-seq-len 9 --out "$D/sf" && says "scores of other captions" 1 "belongs to other captions" $R verbalize report $C --min-seq-len 9 --categories none --out "$D/sf"

# ---- a map for each layer
$R verbalize tune --limit 6 --layers 1,8 --tune-steps 4 --seed 9 --quiet --out "$D/tune" >/dev/null && [ "$(wc -l <"$D/tune/tuned.csv")" = 2 ] && ok "a map for every layer but the native one" || fail "a map for every layer but the native one"
$R verbalize caption --limit 3 --layers 1,8 --quiet --out "$D/tuned" && cp "$D/tuned/captions.csv" "$D/captions-first.csv"
$R verbalize caption --limit 3 --layers 1,8 --quiet --tuned "$D/tune/tuned.safetensors" --out "$D/tuned" && cp "$D/tuned/captions.csv" "$D/captions-last.csv"
for f in first last; do grep ",8,7," "$D/captions-$f.csv" >"$D/t8-$f"; done
same "the native layer is read as it is" "$D/t8-first" "$D/t8-last"
cmp -s "$D/captions-first.csv" "$D/captions-last.csv" && fail "another layer is read through its map" || ok "another layer is read through its map"
says "a layer without a map" 1 "weight.2" $R verbalize caption --limit 3 --layers 2 --tuned "$D/tune/tuned.safetensors" --quiet --out "$D/u"
says "maps and another scale" 2 "leave out --rescale" $R verbalize caption --limit 3 --tuned "$D/tune/tuned.safetensors" --rescale norm --quiet --out "$D/u"

# ---- runs side by side
$R verbalize report $M --limit 3 --choices 1 --out "$D/e" --part-size 1 --beside "$D/f" && holds "another run's emergence" "$D/e/report.html" "here and in other runs"

# ---- archives of the webdataset kind
mkdir "$D/w" "$D/w/in"
for i in 0 1 2 3; do cp "$D/a/images-0/0000$i.jpg" "$D/w/in/s$i.jpg"; echo "caption $i" >"$D/w/in/s$i.txt"; echo '{}' >"$D/w/in/s$i.json"; done
rm "$D/w/in/s1.txt"                                  # a caption is missing
printf 'no jpeg' >"$D/w/in/s2.jpg"                   # a picture is broken
printf ' caf\351' >"$D/w/in/s2.txt"                  # a caption is no UTF-8
echo alone >"$D/w/in/s9.txt"                         # a sample without a picture
(cd "$D/w/in" && tar cf ../00000.tar ./* && tar cf ../00001.tar s0.jpg s0.txt s3.jpg s3.txt)
head -c 3500 "$D/w/00001.tar" >"$D/w/00002.tar"      # cut off inside the second sample
$R verbalize caption --model data/zoo/llava --images "$D/w/{00000..00002}.tar" --layers 5 --out "$D/t" 2>"$D/stderr"
$R verbalize tabulate --model data/zoo/llava --images "$D/w/{00000..00002}.tar" --layers 5 --out "$D/t" --quiet --categories none
holds "a picture that cannot be read" "$D/t/failed.csv" "s2"
holds "it is counted" "$D/t/summary.json" '"pictures that could not be read": 1'
holds "a missing caption is counted, and one that cannot be read" "$D/t/summary.json" 'where others have one": 2'
holds "which is named" "$D/stderr" "00000.tar: ./s2 is not UTF-8"
holds "a sample without a picture is counted" "$D/t/summary.json" '"samples without a picture": 1'
holds "a damaged archive is counted" "$D/t/summary.json" '"archives damaged": 1'
holds "names travel along" "$D/t/captions.csv" "s3,5,4,"
grep '^s0,' "$D/t/captions.csv" | sort -u >"$D/s0" && [ "$(wc -l <"$D/s0")" = 1 ] && ok "a picture is the same in every archive" || fail "a picture is the same in every archive"
says "nothing readable" 1 "could be read" $R verbalize caption --model data/zoo/llava --images "$D/w/in/s2.jpg" --layers 5 --out "$D/u" --quiet
(cd "$D/w/in" && tar --format=posix --pax-option='comment:=x' -cf ../00003.tar s0.jpg) && head -c 700 "$D/w/00003.tar" >"$D/w/00004.tar"
$R verbalize caption --model data/zoo/llava --images "$D/w/00004.tar" --out "$D/u" 2>"$D/stderr"
holds "an archive cut off before its first name" "$D/stderr" "the header at byte 0: is cut off"
says "an archive that is none" 1 "no picture stands before" $R verbalize caption --model data/zoo/llava --images "$D/w/00004.tar" --out "$D/u" --quiet
mkdir "$D/w/r"
for i in 0 1 2 3; do cp "$D/a/images-0/0000$i.jpg" "$D/w/r/s$i.jpg"; done
echo '{"caption": "of a record"}' >"$D/w/r/s0.json"
echo '{"cocoid": 7, "sentences": [{"raw": " the first sentence. "}, {"raw": "no"}]}' >"$D/w/r/s1.json"
echo '{"caption": "never read"}' >"$D/w/r/s2.json" && echo 'a text goes first' >"$D/w/r/s2.txt" && echo mask >"$D/w/r/s2.png"
echo '{"caption": ' >"$D/w/r/s3.json"
(cd "$D/w/r" && tar cf ../00005.tar ./*) && $R verbalize --model data/zoo/llava --images "$D/w/00005.tar" --layers 5 --out "$D/t2" --max-new-tokens 4 >/dev/null 2>"$D/stderr"
cut -d, -f1,5 "$D/t2/likelihood.csv" | tr -d '"' | head -4 >"$D/t2.csv"
printf 'name,text\ns0,of a record\ns1,the first sentence.\ns2,a text goes first\n' >"$D/want.csv" && same "captions of records" "$D/t2.csv" "$D/want.csv"
holds "a record that is broken" "$D/stderr" "00005.tar: ./s3 is not JSON"
holds "and counts as missing" "$D/t2/summary.json" 'where others have one": 1'
$R verbalize caption --images "$D"/w/0000[01].tar --layers 8 --quiet --out "$D/t3" && $R verbalize caption --images "$D/w/{00000..00001}.tar" --layers 8 --quiet --out "$D/t4" && same "archives that the shell has listed" "$D/t3/captions.csv" "$D/t4/captions.csv"
says "two steps" 2 '"label" behind "caption"' $R verbalize caption label --out "$D/u"
says "no such archive" 1 "there is no such archive" $R verbalize caption --model data/zoo/llava --images "$D/w/{0..2}.tar" --out "$D/u"

# ---- a contrastive tower: nearest captions
$R verbalize caption --model data/zoo/clip --limit 4 --out "$D/n" --quiet && [ "$(awk -F, 'NR > 1 && $6 != ""' "$D/n/captions.csv" | wc -l)" = 0 ] && ok "retrieval has no entropy" || fail "retrieval has no entropy"
[ "$(awk -F, '$2 == 6' "$D/n/captions.csv" | cut -d, -f7- | sort -u | wc -l)" = 4 ] && [ "$(awk -F, '$2 == 0' "$D/n/captions.csv" | cut -d, -f7- | sort -u | wc -l)" -lt 3 ] && ok "the tower's last state tells four pictures apart, its first does not" || fail "retrieval: $(cut -d, -f2,7- "$D/n/captions.csv")"
printf 'a\n' >"$D/bank"
says "a bank of one" 1 "to choose from" $R verbalize caption --model data/zoo/clip --limit 4 --bank "$D/bank" --out "$D/n3" --quiet
mkdir "$D/bp" && cp "$D/a"/images-0/0000[01].jpg "$D/bp/"
for word in first second; do
    for i in 0 1; do echo "$word caption $i" >"$D/bp/0000$i.txt"; done
    $R verbalize caption --model data/zoo/clip --images "$D/bp" --layers 6 --out "$D/n4" --quiet
done
[ "$(grep -c ',second caption' "$D/n4/captions.csv")" = 2 ] && ok "another bank beside the pictures is chosen from again" || fail "another bank beside the pictures: $(cut -d, -f7 "$D/n4/captions.csv" | tr '\n' '/')"

# ---- wrong use
says "maps that are not there" 1 "no such file of maps" $R verbalize caption --limit 3 --out "$D/sf" --tuned "$D/none" --quiet
gzip -c "$D/w/00000.tar" >"$D/w/00000.tar.gz" && says "a compressed archive" 1 "gunzip" $R verbalize caption --images "$D/w/00000.tar.gz" --out "$D/u" --quiet
says "a path from an unset variable" 2 "--model: is empty" $R verbalize caption --model "" --limit 2 --out "$D/u"
says "a prompt that is no text" 2 "--prompt-text: is not UTF-8 at byte 2" $R verbalize caption --prompt-text "$(printf 'a \377')" --limit 2 --out "$D/u"
$R verbalize caption --limit 2 --layers 8 --temperature-first --decode beam --temperature 2 --out "$D/u" 2>"$D/stderr"
for o in temperature-first temperature; do holds "an option that says nothing to a search: $o" "$D/stderr" "--$o says nothing"; done
says "a share above 1" 2 "--top-p 1.5: above 0 and at most 1" $R verbalize caption --top-p 1.5 --out "$D/u"
says "a length below 2" 2 "--seq-len 1: 2 or more" $R verbalize caption --seq-len 1 --out "$D/u"
says "runs beside one that knows no truth" 1 "--beside: where families" $R verbalize report $P --beside "$D/f" --out "$D/tolerant"
$R verbalize caption --model data/zoo/llava --limit 2 --seq-len 9 --max-new-tokens 2 --out "$D/u" 2>"$D/stderr" && holds "an option of another kind of model" "$D/stderr" "--seq-len says nothing to a llava model"
says "a count too small" 2 "--limit -3: 0 or more" $R verbalize caption $M --limit -3 --out "$D/u"
says "another model's tokenizer" 1 "give its own --tokenizer" $R verbalize caption --tokenizer data/zoo/llava --limit 2 --out "$D/u" --quiet
says "no such step" 2 "did you mean caption" $R verbalize captoin
says "no such layer" 2 "from 0" $R verbalize caption $M --limit 2 --layers 7 --out "$D/u"
says "layers that end with a comma" 2 "comma" $R verbalize caption $M --limit 2 --layers 1, --out "$D/u"
says "no labelling model" 2 "--llm DIR" $R verbalize label --captions "$D/caps_batch1.json" --categories llm --out "$D/u"
says "rescale without the native layer" 1 "must be among" $R verbalize caption $M --limit 2 --layers 1 --rescale norm --out "$D/u"
says "a shard of no step" 2 "goes with the step" $R verbalize $M --limit 2 --shard 0/2 --out "$D/u"
says "a language model is no captioner" 1 "verbalize reads" $R verbalize caption --model $G/llama-2 --limit 2 --out "$D/u"
says "a module inside a block of a LLaVA" 2 "CoCa models only" $R verbalize caption $M --tap attn --limit 2 --out "$D/u"
exit $status
