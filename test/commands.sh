#!/bin/sh
# The command line as a user meets it: exit statuses, one-line messages, the same bytes for any threads, instruction set,
# batch and order, and for a run that was killed.
export ASAN_OPTIONS=detect_leaks=0 # what a command keeps until its end is no leak
cd "$(dirname "$0")/.." || exit 1
R=./retina G=test/golden status=0
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT

ok() { echo "ok   $1"; }
fail() { echo "FAIL $1"; status=1; }
# says NAME EXIT PART command…: exit status, exactly one line on stderr, and the part in it
says() {
    name=$1 want=$2 part=$3
    shift 3
    "$@" >"$D/out" 2>"$D/err"
    got=$?
    lines=$(wc -l <"$D/err")
    if [ $got -eq "$want" ] && [ "$lines" -eq 1 ] && grep -q -- "$part" "$D/err"; then ok "$name: $(cat "$D/err")"
    else fail "$name: exit $got, $lines lines: $(head -c 300 "$D/err")"; fi
}
same() { # NAME a b
    if [ -s "$2" ] && cmp -s "$2" "$3"; then ok "$1"; else fail "$1: $2 and $3 differ or are empty"; fi
}

# ---- wrong use: exit 2, with the nearest right name
says "unknown command" 2 "did you mean extract" $R extrac
says "unknown option" 2 "did you mean --model" $R extract --modle x
says "unknown tap" 2 "did you mean text_projection" $R extract --model $G/clip-openai --ids 1,2,98 --taps text_projectio --out "$D/x.safetensors"
says "a tap of the other tower" 2 "reached with these inputs" $R extract --model $G/clip-openai --ids 1,2,98 --taps 'vision_model*' --out "$D/x.safetensors"
says "no value" 2 "wants a value" $R generate --model
says "bad number" 2 "whole number" $R generate --model $G/llama-2 --ids 1 --max-new-tokens many
says "bad choice" 2 "one of" $R extract --pool sum
says "a count too small" 2 "--epochs 0: 1 or more" $R connectors --epochs 0 --out "$D/none"
says "a count too large" 2 "--epochs 65536: 65535 at most" $R connectors --epochs 65536 --out "$D/none"
says "too many threads" 2 "--threads 5000: between 1 and 4096" $R generate --model $G/llama-2 --ids 1 --threads 5000
says "a hexadecimal number" 2 "--top-p 0x1: a number is wanted" $R generate --model $G/llama-2 --ids 1 --top-p 0x1
says "more tokens than can be counted" 1 "2147483647 new tokens after a prompt of 1" $R generate --model $G/llama-2 --ids 1 --max-new-tokens 2147483647 --json
says "more beams than can be counted" 1 "2147483647 beams" $R generate --model $G/llama-2 --ids 1 --beams 2147483647 --json
for size in 64x64x 99999999999x64 64; do says "bad size $size" 2 "HEIGHTxWIDTH is wanted" $R info data/zoo/clip --taps --image-size $size; done
says "a size that the model does not take" 2 "this clip takes pictures of 64x64" $R info data/zoo/clip --taps --image-size 64x48
says "no folder named: not the one we stand in" 2 "--out DIR is missing" $R world --count 1 --out ""
says "unknown bench" 2 "did you mean products" $R bench produts
says "an option of another bench" 2 "bench speed: --model means nothing to it, but to bench forward" $R bench speed --model $G/llama-2
says "an option of no bench asked for" 2 "bench products: --images means nothing to it, but to bench jpeg" $R bench products resize --images=x.jpg
says "more rounds than a bench makes" 2 "--rounds 100: 99 at most" $R bench products --rounds 100
says "rows that no bench has" 2 "bench products: --rows nothing: no row has that in its name" $R bench products --rows nothing --out "$D/none"
says "a bench of a model that is not there" 1 "no $D/none/config.json; --clip DIR" $R bench training --clip "$D/none"
says "peers from another folder" 1 "no test/bench/peer_speed.py here" env -C / "$PWD/retina" bench products --peers "$D"
$R bench ceilings resize --rows "335 x 224, bicubic|no such row" --rounds 1 >"$D/out" 2>&1
[ "$(grep -c '^###\|^Ceilings' "$D/out")" -eq 4 ] && [ "$(grep -c '| bicubic |' "$D/out")" -eq 1 ] && [ "$(grep -c '| bilinear |' "$D/out")" -eq 0 ] && ok "two benches, one row" || fail "two benches, one row: $(cat "$D/out")"
says "unknown step" 2 "did you mean recon" $R connectors recn --out "$D/none"
says "two values of one option: the last, and not in silence" 0 "--ids is given more than once; the last holds" $R generate --model $G/llama-2 --ids 9 --ids=1,2 --max-new-tokens 2 --json
says "a model of another kind, before a picture is drawn" 1 "reads LLaVA-type models" $R connectors --model data/zoo/clip --out "$D/none"
[ -e "$D/none" ] && fail "wrong use leaves a folder" || ok "wrong use leaves no folder"
for shard in 2/2 -1/2 0/4294967297 0/2x 0 /2 0/ "0/ 2"; do
    says "bad shard $shard" 2 "0 <= i < n is wanted" $R extract --model $G/clip-openai --ids 1,2 --taps '*' --out "$D/x.safetensors" --shard "$shard"
    says "bad shard $shard of verbalize" 2 "0 <= i < n is wanted" $R verbalize caption --out "$D/v" --shard "$shard"
done
$R --help >"$D/out" && [ -s "$D/out" ] && ok "help" || fail "help"
for c in info extract generate tokenize chat preprocess decode world random connectors verbalize zoo; do
    if $R $c --help >"$D/out" 2>&1 && grep -q usage "$D/out"; then ok "$c --help"; else fail "$c --help"; fi
done
[ "$(RETINA_ISA=scalar $R --version | grep -c scalar)" = 1 ] && ok "version names the instruction set" || fail "version"
says "unknown instruction set" 1 "scalar, avx2, avx512" env RETINA_ISA=mmx $R generate --model $G/llama-2 --ids 1 --json

# ---- bench: a peer that answers something else on the same numbers is not timed
mkdir -p "$D/peer/bin"
cat >"$D/peer/bin/python" <<'END'
#!/bin/sh
while read -r word line; do
    case $word in
    who) echo "${WHO:-a peer}" ;;
    check)
        if [ "$SLOW" ]; then echo $$ >"$SLOW" && exec sleep 60; fi
        [ -z "$ANSWER" ] || { printf "$FIRST"; head -c "$ANSWER" /dev/zero | tr '\0' "$BYTE"; } >"$2/answer"; echo 0 ;;
    *) echo 1 ;;
    esac
done
END
chmod +x "$D/peer/bin/python"
B="$R bench products --rows 8192 --rounds 1 --peers $D/peer"
mkdir -p "$D/tmp"
says "a peer whose answer is wrong" 1 "8192 x 384 x 96: on the same inputs the peer is wrong by 1.0e+00; nothing is timed" env RETINA_BENCH_SEED=7 TMPDIR="$D/tmp" ANSWER=12582912 BYTE='\0' $B
says "a peer whose answer is NaN" 1 "8192 x 384 x 96: of the peer's 3145728 numbers 3145728 are not finite, the first one number 0; nothing is timed" env TMPDIR="$D/tmp" ANSWER=12582912 BYTE='\377' $B
says "a peer whose first value is NaN" 1 "singular values, 64 x 4096: of the peer's 64 numbers 1 are not finite, the first one number 0; nothing is timed" env TMPDIR="$D/tmp" FIRST='\377\377\377\377' ANSWER=252 BYTE='\0' \
    $R bench speed --rows "singular values, 64" --rounds 1 --peers "$D/peer"
says "a peer with half an answer" 1 "the peer answered 3 numbers where 3145728 are right" env TMPDIR="$D/tmp" ANSWER=12 BYTE='\0' $B
says "a peer without an answer" 1 "the peer wrote no answer" env TMPDIR="$D/tmp" ANSWER= $B
WHO="PyTorch 1; without transformers" $R bench training --rows zoo --rounds 1 --peers "$D/peer" >"$D/out" 2>&1
grep -q " Peers: PyTorch 1; without transformers\.$" "$D/out" && grep -q "^| a training step over PyTorch's: zoo.* not asked: without transformers |$" "$D/out" && ok "a peer's missing library" || fail "a peer's missing library: $(cat "$D/out")"
rmdir "$D/tmp" && ok "a bench leaves no files" || fail "a bench leaves files"
gone() { # COMMAND…: whether it succeeds within 5 seconds
    for i in 1 2 3 4 5 6 7 8 9 10; do "$@" 2>/dev/null && return 0 || sleep 0.5; done
    return 1
}
for signal in TERM:143 KILL:137; do # INT is ignored by what a script runs beside itself, HUP under nohup
    mkdir "$D/tmp" && rm -f "$D/slow"
    env TMPDIR="$D/tmp" SLOW="$D/slow" ANSWER= $B >"$D/out" 2>&1 &
    bench=$!
    gone [ -s "$D/slow" ]
    kill -"${signal%:*}" $bench
    wait $bench 2>/dev/null
    got=$?
    [ $got = "${signal#*:}" ] && ok "bench and ${signal%:*}: the exit status" || fail "bench and ${signal%:*}: exit $got, ${signal#*:} wanted"
    gone rmdir "$D/tmp" && ok "bench and ${signal%:*}: its folder goes" || { fail "bench and ${signal%:*}: leaves $(find "$D/tmp")"; rm -rf "$D/tmp"; }
    if [ "$(uname)" = Linux ]; then gone sh -c "! kill -0 $(cat "$D/slow")" && ok "bench and ${signal%:*}: its peer goes" || fail "bench and ${signal%:*}: its peer stays"; fi
done
seed() { RETINA_BENCH_SEED=$1 $R bench products --rows 8192 --rounds 1 | awk -F'|' '/RETINA_BENCH_SEED/ {print} / 8192 / {print $6}'; }
seed 7 >"$D/seed7" && seed 7 | cmp -s - "$D/seed7" && grep -q RETINA_BENCH_SEED=7 "$D/seed7" && ok "a bench's seed can be given again" || fail "a bench's seed given again: $(cat "$D/seed7")"
first=$(seed "" | head -n 1) second=$(seed "" | head -n 1)
[ "$first" ] && [ "$first" != "$second" ] && ok "a bench draws others every time" || fail "a bench draws the same again: $first"
says "a bench's seed that is none" 1 "RETINA_BENCH_SEED=x: a number is wanted" env RETINA_BENCH_SEED=x $B

# ---- bench forward: pictures with texts
forward() { # MODEL TOKENS ROWS: that those rows come, as often as said
    RETINA_BENCH_SEED=7 $R bench forward --model "$1" --tokens "$2" --rounds 1 --peers "$D/peer" >"$D/out" 2>"$D/err"
    [ $? = 0 ] && grep -q "^No peer for $(basename "$1"), which takes a picture and a text: ours alone" "$D/out" && [ "$(grep -c '^| picture and prompt\|^| next id of' "$D/out")" = "$3" ] && ok "bench forward: $1" ||
        fail "bench forward: $1: $(cat "$D/err" "$D/out")"
}
forward data/zoo/llava 66 5
forward data/zoo/coca 16 5
forward data/zoo/clip 16 2
says "bench forward: a text beyond what a model holds" 1 "bench forward: --tokens 600: data/zoo/clip holds 77; --tokens 77 is the most" $R bench forward --model data/zoo/clip --rounds 1
says "bench forward: a text without room for a picture" 1 "bench forward: --tokens 16: a picture takes 64 of them, and more are wanted" $R bench forward --model data/zoo/llava --tokens 16 --rounds 1

# ---- --device cuda where there is no GPU: one sentence, exit 1, nothing is written; auto computes on the CPU
$R extract --model $G/clip-openai --ids 1,2,98 --taps text_projection --out "$D/here.safetensors" --device auto --quiet 2>"$D/err" && [ -s "$D/here.safetensors" ] && ok "--device auto" || fail "--device auto: $(cat "$D/err")"
if ! nvidia-smi -L >/dev/null 2>&1; then
    mkdir "$D/device"
    cuda() { says "--device cuda without a GPU: $1 $2" 1 "^retina: --device cuda: .*; use --device cpu$" $R "$@" --device cuda; }
    cuda extract --model $G/clip-openai --ids 1,2,98 --taps '*' --out "$D/device/x.safetensors"
    cuda generate --model $G/llama-2 --ids 1,2
    cuda generate --model data/zoo/coca --image $G/preprocess/square.png
    for s in extract geometry recon captions export report; do cuda connectors $s --out "$D/device/c"; done
    for s in all caption likelihood score tabulate; do cuda verbalize $s --out "$D/device/v"; done
    cuda zoo clip --out "$D/device/z"
    [ -z "$(ls "$D/device")" ] && ok "--device cuda without a GPU writes nothing" || fail "--device cuda without a GPU writes $(ls "$D/device")"
fi

# ---- a hint is a command that works: a picture inside an archive is taken out by it
mkdir -p "$D/ar/it's in" && printf 'GIF89a' >"$D/ar/it's in/b.c.jpg" && tar -C "$D/ar" -cf "$D/ar/it's.tar" "it's in"
says "a picture of another kind in an archive" 1 "it's.tar: it's in/b.c.jpg: a GIF file" $R preprocess data/zoo/clip "$D/ar/it's.tar" --out "$D/x.safetensors"
hint=$(sed 's/.*convert it: //; s/ && .*//' "$D/err")
(cd "$D/ar" && sh -c "$hint")
same "what its hint takes out" "$D/ar/it's in/b.c.jpg" "$D/ar/picture"

# ---- stdout and stderr closed: told, and no file in their place holds what is printed
$R tokenize $G/clip-openai a >&- 2>"$D/err"
[ $? -eq 1 ] && grep -q 'stdout: cannot be written' "$D/err" && ok "stdout closed" || fail "stdout closed: $(cat "$D/err")"
$R info --help >&- 2>"$D/err"
[ $? -eq 1 ] && grep -q 'stdout: cannot be written' "$D/err" && ok "stdout closed for help" || fail "stdout closed for help: $(cat "$D/err")"
$R world --out "$D/closed" --count 12 2>&- >/dev/null && ! grep -aq 'draw ' "$D/closed/scenes.jsonl" && [ "$(wc -l <"$D/closed/scenes.jsonl")" -eq 12 ] && ok "stderr closed" || fail "stderr closed"
(program=$PWD/retina && cd "$D" && "$program" verbalize caption --limit 1 --layers 8 --seq-len 6 --out elsewhere --quiet && [ -s elsewhere/captions.csv ]) && ok "what is shipped is found from another folder" || fail "what is shipped is found from another folder"
make -s -o retina install PREFIX="$D/usr" >"$D/out" 2>&1 && (cd "$D" && ./usr/bin/retina verbalize caption --limit 1 --layers 8 --seq-len 6 --out installed --quiet && [ -s installed/captions.csv ]) && ok "installed, it finds its small models" || fail "installed, it finds its small models: $(tail -n 3 "$D/out")"

# ---- lines of a file: without a byte order mark, named by their numbers
printf '\357\273\277a\r\nb' >"$D/lines" && $R tokenize $G/clip-openai --file "$D/lines" >"$D/a" && $R tokenize $G/clip-openai a b >"$D/b"
same "a byte order mark and CRLF are no text" "$D/a" "$D/b"
printf '[1]\n{\n' >"$D/lines"
says "a line that is not JSON" 1 "lines:2: not JSON at byte 1" $R tokenize $G/clip-openai --file "$D/lines" --decode

# ---- broken input: exit 1 and one sentence
says "no directory" 1 "no such model directory" $R info "$D/none"
mkdir "$D/empty"
says "no config" 1 "config.json" $R info "$D/empty"
for wrong in '"llama","hidden_size":-4' '"llama","hidden_size":65,"num_attention_heads":7' '"llama","hidden_act":"swoosh"' '"clip_vision_model","num_attention_heads":7' '"bert","is_decoder":true' '"dinov2","patch_size":0' '"llava","vision_config":{"hidden_act":"swoosh"}' '"siglip","vision_config":{"patch_size":999}' '"llava","text_config":{"model_type":"gpt9"}'; do
    mkdir -p "$D/wrong" && echo "{\"model_type\":$wrong}" >"$D/wrong/config.json"
    says "a configuration of no model, with its folder: $wrong" 1 "^retina: $D/wrong/config.json: " $R info "$D/wrong" --taps
done
cp -r $G/llama-2 "$D/cut"
head -c 2000 $G/llama-2/model.safetensors >"$D/cut/model.safetensors"
says "weights cut off" 1 "cut off" $R generate --model "$D/cut" --ids 1,2 --json
cp -r $G/llama-2 "$D/shape"
sed 's/"intermediate_size": *[0-9]*/"intermediate_size": 7/' $G/llama-2/config.json >"$D/shape/config.json"
says "weights of another shape" 1 "the configuration wants" $R generate --model "$D/shape" --ids 1,2 --json
says "a prompt without its picture" 1 "0 images, and 1 are given; one <image> is wanted" $R generate --model data/zoo/llava --image $G/preprocess/square.png --raw --prompt hi
says "id outside the vocabulary" 1 "outside the vocabulary" $R generate --model $G/llama-2 --ids 99999 --json
says "a replacement of no file" 2 "NAME=FILE" $R generate --model $G/llama-2 --ids 1,2 --replace lm_head=
says "two replacements of one tap" 2 "lm_head: is given twice" $R generate --model $G/llama-2 --ids 1,2 --replace "lm_head=$G/llama-2/golden.safetensors" --replace lm_head=x.safetensors
says "a replacement of no tap" 2 "NAME=FILE" $R generate --model $G/llama-2 --ids 1,2 --replace =x.safetensors
printf 'not a picture' >"$D/bad.jpg"
says "no picture" 1 "bad.jpg" $R decode "$D/bad.jpg" --out "$D/x.ppm"
says "no file to write" 1 "is a folder" $R extract --model $G/clip-openai --image $G/preprocess --taps visual_projection --out "$D" --quiet
mkfifo "$D/pipe.ppm"
says "a pipe where a file is to be read" 1 "not a regular file" timeout 10 $R decode "$D/pipe.ppm" --out "$D/x.ppm"
says "a pipe to write" 1 "no regular file" $R decode $G/preprocess/square.png --out "$D/pipe.ppm"
# interrupted: by the signal, and nothing half-written stays
$R world --out "$D/interrupted" --count 100000 --quiet >/dev/null 2>&1 &
n=0
while [ ! -e "$D/interrupted/images/000000.jpg" ] && [ $n -lt 200 ]; do n=$((n + 1)); sleep 0.02; done
kill -TERM $!
wait $! 2>/dev/null
[ $? -eq 143 ] && [ -z "$(find "$D/interrupted" -name '*.tmp.*')" ] && ok "interrupted: no temporary file is left" || fail "interrupted: $(find "$D/interrupted" -name '*.tmp.*')"
[ -z "$(ls "$D" | grep tmp)" ] && ok "no temporary file is left" || fail "temporary files are left: $(ls "$D")"

# ---- a text of what is no number is none, and it is said where it began
mkdir "$D/nan" && cp $G/llama-2/* "$D/nan" && sed 's/"rms_norm_eps": [^,]*/"rms_norm_eps": -1/' $G/llama-2/config.json >"$D/nan/config.json"
for beams in 1 3; do says "NaN, --beams $beams" 1 "first tap with such a value is model.layers.0.input_layernorm:" $R generate --model "$D/nan" --ids 5,6,7 --json --beams $beams; done

# ---- info needs config.json only
mkdir "$D/config" && cp $G/llava-default/config.json "$D/config/"
$R info "$D/config" --taps >"$D/taps" && [ "$(wc -l <"$D/taps")" -gt 50 ] && ok "taps from config.json alone" || fail "taps from config.json alone"

# ---- the same bytes
P=$G/preprocess
run() { out=$1; shift; "$@" --model $G/clip-openai --image $P --taps 'visual_projection,vision_model.encoder.layers.*' --out "$out" --quiet; }
run "$D/a.safetensors" $R extract
run "$D/b.safetensors" $R extract --threads 1
run "$D/c.safetensors" env RETINA_ISA=scalar $R extract
body() { tail -c +"$(($(od -An -t u8 -N 8 "$1" | tr -d ' ') + 9))" "$1" >"$2"; } # without the header, which names the options
for f in a b c; do body "$D/$f.safetensors" "$D/$f.body"; done
same "one thread and many" "$D/a.body" "$D/b.body"
same "scalar and the best instructions" "$D/a.body" "$D/c.body"
run "$D/d.safetensors" $R extract --batch 1
body "$D/d.safetensors" "$D/d.body"
same "batches of one and of eight" "$D/a.body" "$D/d.body"
run "$D/e.safetensors" $R extract --packed
body "$D/e.safetensors" "$D/e.body"
same "weights packed for each product and once" "$D/a.body" "$D/e.body"
$R generate --model $G/llama-2 --ids 5,6,7 --json >"$D/g1" && RETINA_ISA=scalar $R generate --threads 1 --model $G/llama-2 --ids 5,6,7 --json >"$D/g2"
same "generated text" "$D/g1" "$D/g2"
$R generate --model $G/coca-small --image $P/square.png --image $P/tall.png --max-new-tokens 9 --json >"$D/g1" 2>/dev/null && RETINA_ISA=scalar $R generate --threads 1 --model $G/coca-small --image $P/square.png --image $P/tall.png --max-new-tokens 9 --json >"$D/g2" 2>/dev/null
same "captions of two pictures" "$D/g1" "$D/g2"
$R extract --model $G/coca-small --image $P/square.png --taps 'visual#tokens' --out "$D/seen.safetensors" --quiet
$R generate --model $G/coca-small --image $P/tall.png --replace "visual#tokens=$D/seen.safetensors" --max-new-tokens 9 --json 2>/dev/null | sed 's/.*"text"//' >"$D/g3"
head -1 "$D/g1" | sed 's/.*"text"//' >"$D/g4"
same "a caption of what the decoder is made to see" "$D/g3" "$D/g4"
cp -r $G/llama-2 "$D/cold" && chmod -R u+w "$D/cold" && printf '{"temperature": 0.0, "top_p": 0}' >"$D/cold/generation_config.json" # of who draws nothing
$R generate --model "$D/cold" --ids 5,6,7 --json >"$D/g1" && $R generate --model $G/llama-2 --ids 5,6,7 --json >"$D/g2"
same "a temperature of 0 is of no matter to greedy text" "$D/g1" "$D/g2"
says "and cannot be drawn with" 1 "temperature 0, top_p 0" $R generate --model "$D/cold" --ids 5,6,7 --json --sample
$R generate --model "$D/cold" --ids 5,6,7 --json --sample --temperature 0.7 --top-p 0.9 >"$D/g1" && ok "but with one that is given" || fail "but with one that is given"
says "a caption of nothing" 1 "captions pictures" $R generate --model $G/coca-small --json
says "more words than the decoder holds" 1 "holds 12" $R generate --model $G/coca-small --image $P/square.png --max-new-tokens 40 --json
# a tap read and put back in its own place changes nothing; another one does
$R extract --model $G/llama-2 --ids 5,6,7 --taps model.layers.0,lm_head --out "$D/t.safetensors" --quiet
$R extract --model $G/llama-2 --ids 5,6,7 --taps lm_head --replace "model.layers.0=$D/t.safetensors" --out "$D/u.safetensors" --quiet
$R extract --model $G/llama-2 --ids 5,6,7 --taps lm_head --out "$D/v.safetensors" --quiet
$R extract --model $G/llama-2 --ids 9,6,7 --taps lm_head --out "$D/w.safetensors" --quiet
for f in u v w; do body "$D/$f.safetensors" "$D/$f.body"; done
same "a tap put back in its place" "$D/u.body" "$D/v.body"
cmp -s "$D/v.body" "$D/w.body" && fail "other ids give other logits" || ok "other ids give other logits"

# ---- one bad picture among good ones: counted, listed, exit 1 unless --keep-going
mkdir "$D/pictures" && cp $P/square.png $P/tall.png "$D/pictures/" && cp "$D/bad.jpg" "$D/pictures/"
$R extract --model $G/clip-openai --image "$D/pictures" --taps visual_projection --out "$D/e.safetensors" --quiet 2>"$D/err"
[ $? -eq 1 ] && grep -q "1 of 3" "$D/err" && grep -q bad.jpg "$D/e.failed.csv" && ok "a bad picture is listed" || fail "a bad picture is listed: $(cat "$D/err")"
$R extract --model $G/clip-openai --image "$D/pictures" --taps visual_projection --out "$D/e.safetensors" --quiet --keep-going 2>/dev/null && ok "--keep-going" || fail "--keep-going"
mkdir "$D/links" && ln -s gone "$D/links/gone.png" && mkfifo "$D/links/pipe.jpg" && cp $P/square.png "$D/links/"
says "a link to nothing and a pipe among the pictures are counted" 1 "2 of 3" timeout 20 $R extract --model $G/clip-openai --image "$D/links" --taps visual_projection --out "$D/k.safetensors" --quiet
mv "$D/pictures/bad.jpg" "$D/pictures/$(printf 'bad\377.jpg')"
run_bad() { $R extract --model $G/clip-openai --image "$D/pictures" --taps visual_projection --out "$D/e.safetensors" --keep-going 2>&1 | grep -c '/s  '; }
run_bad >/dev/null
[ "$(run_bad)" = 0 ] && ok "a picture that still fails, whatever its name: the file is kept" || fail "a picture that still fails, whatever its name: the file is kept"

# ---- make: folders with spaces and quotes are one word
make -n run_verbalize MODEL="/m o/it's" IMAGES='/p/{0..3}.tar' ARGS="--limit 3" 2>/dev/null | grep -qF "./retina verbalize --model '/m o/it'\\''s' --images '/p/{0..3}.tar'  --limit 3" && ok "make passes paths whole" || fail "make passes paths whole: $(make -n run_verbalize MODEL="/m o/it's" IMAGES='/p/{0..3}.tar' ARGS="--limit 3" 2>&1 | tail -n 1)"

# ---- a kept file belongs to what its inputs held: another picture under the same name is read anew
cp $P/square.png "$D/turn.png"
run_turn() { $R extract --model $G/clip-openai --image "$D/turn.png" --taps visual_projection --out "$D/turn.safetensors" --quiet && body "$D/turn.safetensors" "$1"; }
run_turn "$D/turn1" && cp $P/tall.png "$D/turn.png" && run_turn "$D/turn2"
cmp -s "$D/turn1" "$D/turn2" && fail "a picture that changed is read anew" || ok "a picture that changed is read anew"
cp -r $G/clip-vision "$D/kept" && chmod -R u+w "$D/kept" && cp $G/clip-vision/config.json "$D/kept/"
run_kept() { $R extract --model "$D/kept" --image $P/square.png --taps 'encoder.layers.0' --out "$D/kept.safetensors" --quiet && body "$D/kept.safetensors" "$1"; }
run_kept "$D/kept1" && sed -i 's/"layer_norm_eps": [^,]*/"layer_norm_eps": 0.5/' "$D/kept/config.json" && run_kept "$D/kept2"
cmp -s "$D/kept1" "$D/kept2" && fail "a model that changed runs anew" || ok "a model that changed runs anew"

# ---- a random model of a configuration loads and runs
$R random "$D/random" --config $G/llama-3/config.json --seed 3 --quiet && $R generate --model "$D/random" --ids 1,2,3 --json --max-new-tokens 3 >"$D/out" && grep -q '"ids"' "$D/out" && ok "random model" || fail "random model"
$R random "$D/random2" --config $G/llama-3/config.json --seed 3 --quiet --dtype bf16
same "random weights repeat" "$D/random/model.safetensors" "$D/random2/model.safetensors"

echo '{}' >"$D/random2/model.safetensors.index.json" && $R random "$D/random2" --config $G/llama-3/config.json --seed 3 --quiet && [ ! -e "$D/random2/model.safetensors.index.json" ] && ok "random weights over sharded ones: their index goes" || fail "random weights over sharded ones: their index goes"
head -c 4000 "$D/random/model.safetensors" | grep -q '"model.embed_tokens.weight"' && ! head -c 4000 "$D/random/model.safetensors" | grep -q language_model && ok "random weights bear the names under which they are published" || fail "random weights bear other names"
cp -r $G/llama-3 "$D/trained" && says "random weights over a model's own" 1 "did not write" $R random "$D/trained" --config "$D/trained/config.json" --quiet
cmp -s "$D/trained/model.safetensors" $G/llama-3/model.safetensors && ok "which stay" || fail "which stay"
$R random "$D/coca" --config data/zoo/coca/open_clip_config.json --seed 3 --quiet && $R generate --model "$D/coca" --image $P/square.png --json --max-new-tokens 5 >"$D/out" && grep -q '"ids"' "$D/out" && ok "a random CoCa" || fail "a random CoCa"
[ -s "$D/random/tokenizer.json" ] && ok "its tokenizer is copied from beside the configuration" || fail "random model: no tokenizer"

# ---- the study: killed again and again, the same bytes in the end
if [ -d data/zoo/llava ]; then
    S="--count 60 --captions 8 --epochs 3 --part-size 16 --quiet"
    $R connectors --out "$D/s1" $S >/dev/null 2>&1 || fail "connectors"
    awk 'BEGIN { RS = "class=\"caps\"" } NR > 1 { differ = /<mark>/; if (differ) marked++; if (differ && last == 2) late = 1; last = differ ? 1 : 2 } END { exit !(marked > 0 && NR > 2 && !late) }' "$D/s1/report.html" && ok "captions that differ are shown first" || fail "captions that differ are shown first"
    grep -q effective_rank "$D/s1/report.html" && fail "measures of the page in words" || ok "measures of the page in words"
    n=0
    while [ $n -lt 40 ]; do
        timeout -s KILL "0.$((n % 7 + 2))" $R connectors --out "$D/s2" $S >/dev/null 2>&1 && break
        n=$((n + 1))
    done
    $R connectors --out "$D/s2" $S >/dev/null 2>&1
    for f in table.tsv geometry.json per_image.csv recon.csv captions/chunk-00000.json; do same "killed $n times: $f" "$D/s1/$f" "$D/s2/$f"; done
    body "$D/s1/vectors/part-00001.safetensors" "$D/v1" && body "$D/s2/vectors/part-00001.safetensors" "$D/v2" # the head names the folder
    same "killed $n times: vectors" "$D/v1" "$D/v2"
    cp "$D/s1/geometry.json" "$D/geometry.json" && rm "$D/s1/geometry.json" && $R connectors knn --out "$D/s1" $S
    same "geometry under the original's name" "$D/s1/geometry.json" "$D/geometry.json"
    $R connectors export --out "$D/s1" $S >/dev/null 2>&1
    for i in 0 1; do $R connectors export --out "$D/s2" $S --shard $i/2 --threads 1 >/dev/null 2>&1; done
    for p in 0 3; do body "$D/s1/vectors_recon/part-0000$p.safetensors" "$D/v1" && body "$D/s2/vectors_recon/part-0000$p.safetensors" "$D/v2"; same "rebuilt vectors, two jobs and one: part $p" "$D/v1" "$D/v2"; done
    says "a shard of the whole" 2 "steps extract and export" $R connectors --out "$D/s2" $S --shard 0/2
    for i in geometry report; do says "$i before its vectors" 1 "part-00000.safetensors: is missing" $R connectors $i --out "$D/s0" --count 30 --quiet; done
    [ ! -e "$D/s0/images-42" ] && ok "a step before its vectors draws nothing" || fail "a step before its vectors has drawn its pictures"
    says "steps of other settings" 1 "holds vectors of other pictures" $R connectors report --out "$D/s2" --count 30 --part-size 16 --quiet
    says "pictures that enter otherwise" 1 "holds vectors of other pictures" $R connectors report --out "$D/s2" $S --grey16 saturate
    says "geometry of another point" 1 "was made from other vectors" $R connectors report --out "$D/s2" $S --pre-point normed
    $R connectors --out "$D/s3" $S --threads 1 >/dev/null 2>&1
    same "one thread: table.tsv" "$D/s1/table.tsv" "$D/s3/table.tsv"

    # ---- into an old folder after options or the model changed: what depends on them is made again, the rest is kept
    says "a step of other options" 1 "epochs 3 in it, 2 wanted" $R connectors captions --out "$D/s3" $S --epochs 2
    says "captions of other options" 1 "run .retina connectors captions" $R connectors report --out "$D/s3" $S --captions 4
    cp "$D/s3/vectors/part-00000.safetensors" "$D/v1"
    $R connectors --out "$D/s3" ${S% --quiet} --epochs 2 >/dev/null 2>"$D/err" && grep -q "epochs 3 in it, 2 wanted; it is trained again" "$D/err" && ok "other epochs: trained again, and told" || fail "other epochs: trained again: $(cat "$D/err")"
    same "other epochs: the vectors are kept" "$D/s3/vectors/part-00000.safetensors" "$D/v1"
    cp -r data/zoo/llava "$D/llava" && chmod -R u+w "$D/llava" && sed -i 's/"layer_norm_eps": [^,}]*/"layer_norm_eps": 0.1/' "$D/llava/config.json"
    $R connectors --model "$D/llava" --out "$D/s3" $S >/dev/null 2>&1 && $R connectors --model "$D/llava" --out "$D/s4" $S >/dev/null 2>&1
    for f in table.tsv recon.csv; do same "another model: $f" "$D/s4/$f" "$D/s3/$f"; done
    cmp -s "$D/s1/table.tsv" "$D/s4/table.tsv" && fail "another model gives other figures" || ok "another model gives other figures"

    # ---- a picture that could not be read is tried again by the next run
    mkdir "$D/disk" && cp "$D/s1"/images-42/000[012]?.jpg "$D/disk/"
    S="--images $D/disk --part-size 16"
    $R connectors extract --out "$D/k1" $S --quiet && cp "$D/disk/00007.jpg" "$D/good.jpg" && printf 'bad' | dd of="$D/disk/00007.jpg" conv=notrunc 2>/dev/null # where no glance falls
    $R connectors extract --out "$D/k2" $S 2>&1 | grep -q "1 of 30 pictures could not be read" && ok "a picture that fails is told" || fail "a picture that fails is told"
    cp "$D/good.jpg" "$D/disk/00007.jpg" && $R connectors extract --out "$D/k2" $S --quiet
    same "a picture that can be read again: vectors" "$D/k1/vectors/part-00000.safetensors" "$D/k2/vectors/part-00000.safetensors"
    [ ! -e "$D/k2/failed.csv" ] && ok "and it is no longer listed" || fail "and it is no longer listed"
    # ---- an archive is as good as its folder, captions included
    cp "$D/s1"/images-42/000[012]?.txt "$D/disk/" && tar -C "$D/disk" -cf "$D/disk.tar" --sort=name .
    for i in disk disk.tar; do
        $R connectors extract --out "$D/o$i" --images "$D/$i" --quiet && $R connectors captions --out "$D/o$i" --images "$D/$i" --quiet --epochs 1 --captions 3
        sed -E 's/,[^,]*,llava,[^,]*,/,/' "$D/o$i/caption_original_vs_recon.csv" >"$D/o$i.csv" # without folder and path
    done
    same "captions given in an archive" "$D/odisk.csv" "$D/odisk.tar.csv"
    for i in 0 1 2 3 4 5 6 7 8 9; do cp "$D/good.jpg" "$D/disk/same$i.jpg"; done && rm "$D"/disk/000*
    for i in 0 1 2 3 4 5 6 7 8 9; do cp "$D/good.jpg" "$D/disk/too$i.jpg"; done
    $R connectors extract --out "$D/k3" $S --quiet && says "copies only" 1 "1 distinct pictures among 20" $R connectors geometry --out "$D/k3" $S --quiet
fi
exit $status
