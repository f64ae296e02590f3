# commands.sh: what test/fail.sh and test/fail/every.sh try, read by both. Each calls tries [-again] NAME command… for what writes,
# if anything, into the present folder; -again: a second run goes on where the first died. R is the program, G, Z, D are
# whole paths: test/golden, data/zoo, a folder for inputs. UNLIKE: names of files that differ from run to run. few=1: a study.
# ALL and ONLY are those of test/fail.sh. T: test/fail/readers.c, where it is built.
P=$G/preprocess/square.png
UNLIKE=- few=3
tries info $R info $G/clip-openai
tries "info --json" $R info $G/llava-default --taps --json
tries taps $R info $G/llava-default --taps
tries chat $R chat $G/chat/llava --user "What is this?" --images 1
tries tokenize $R tokenize $G/clip-openai "a photo of a cat"
tries "tokenize rebuilt" $R tokenize $G/tokenizers/llama2_rebuilt "a photo" --tokenizer-rebuild --quiet
tries "tokenize by an expression" $R tokenize $G/tokenizers/bloom "a photo of 12 cats"
tries "tokenize vocab.json" $R tokenize $G/tokenizers/clip_files "a photo"
printf '"a photo"\n"of it"\n' >"$D/lines" && printf '[1,2,3]\n[4]\n' >"$D/ids"
tries "tokenize lines" $R tokenize $G/tokenizers/bert --file "$D/lines" --json-lines
tries "tokenize decode" $R tokenize $G/tokenizers/siglip --file "$D/ids" --decode
tries decode $R decode $P --out x.ppm
tries "decode to npy" $R decode $P --out x.npy
tries "decode to png" $R decode $P --out x.png
tries preprocess $R preprocess $G/clip-openai $P --out x.safetensors
tries "preprocess two" $R preprocess $G/clip-openai $P $P --square --out x.safetensors
tries -again "extract ids" $R extract --model $G/llama-2 --ids 5,6,7 --taps lm_head --out x.safetensors --quiet
mkdir "$D/in" && cp $P "$D/in/a.png" && cp $P "$D/in/b.png" && (cd "$D/in" && tar cf ../in.tar a.png b.png && ls "$D"/in/*.png >../in.txt)
C="--model $G/clip-openai --taps visual_projection --out x.safetensors --quiet"
for i in in in.tar in.txt; do tries -again "extract pictures of $i" $R extract $C --image "$D/$i" --batch 1 --shard-size 1; done
$R preprocess $G/clip-openai $P --out "$D/pixels.safetensors"
tries "extract pixels" $R extract $C --pixels "$D/pixels.safetensors"
$R extract --model $G/llama-2 --ids 5,6,7 --taps model.layers.0 --out "$D/tap.safetensors" --quiet
tries "extract with a tap replaced" $R extract --model $G/llama-2 --ids 5,6,7 --taps lm_head --replace "model.layers.0=$D/tap.safetensors" --out x.safetensors --quiet
printf 'a cat\na cat and a dog\n' >"$D/texts"
merge="--model $G/llama-2 --prompts $D/texts --raw --taps model.layers.0 --out x.safetensors --quiet"
tries -again "extract merge" sh -c "$R extract --shard 0/2 $merge && $R extract --shard 1/2 $merge && $R extract merge $merge"
tries generate $R generate --model $G/llama-2 --ids 1,2,3 --json --max-new-tokens 2
tries "generate from a picture" $R generate --model $Z/llava --image $P --prompt "describe the picture." --max-new-tokens 2 --json
tries "generate with a tap replaced" $R generate --model $G/llama-2 --ids 5,6,7 --replace "model.layers.0=$D/tap.safetensors" --json --max-new-tokens 1 --beams 2
tries random $R random m --config $G/llama-2/config.json --quiet
for f in jpeg png ppm; do tries "world $f" $R world --out w --count 2 --format $f --quiet; done

# Readers that no command calls, or not for all that they can.
if [ -n "$T" ]; then
    S=$D/spair/ImageAnnotation/dog P2=$D/spair/PairAnnotation/test/1-a-b:dog.json
    mkdir -p "$S" "${P2%/*}" && printf '{"image_width": 5, "image_height": 5, "azimuth_id": 1, "bndbox": [1, 2, 3, 4], "kps": {"0": [1, 2]}}' >"$S/a.json"
    printf '{"category": "dog", "src_imname": "a.jpg", "trg_imname": "a.jpg", "src_imsize": [5, 5], "trg_imsize": [5, 5], "src_bndbox": [1, 2, 3, 4], "trg_bndbox": [1, 2, 3, 4]}' >"$P2"
    printf '<annotation><object><name>dog</name></object></annotation>' >"$D/dog.xml"
    printf 'cat\ndog\n' >"$D/classes.txt" && printf '1\ta.jpg\n0\tb.jpg\n' >"$D/pictures.tsv"
    printf '{"a": 1}\n{"a": [2, "three"]}\n' >"$D/records.jsonl"
    K=$G/containers && (cd "$D" && $R world --out w --count 2 --format jpeg --quiet >/dev/null)
    for t in "array $K/big.npy" "arrays $K/packed.npz" "checkpoint $K/deflated.pt" "checkpoint $K/views.pt" "tensors $K/checkpoint.pt" "tensors $G/llama-3" \
        "samples $K/pax.tar" "samples $K/gnu.tar" "table $K/pandas.csv" "table $K/pandas.tsv" "lines $D/records.jsonl" "records $D/records.jsonl" \
        "document $D/dog.xml" "set $K/labelled/stanford_cars" "set $K/labelled/stanford_dogs" "set $K/labelled/flowers" "list $D/pictures.tsv" "pairs $D/spair" \
        "picture $D/in/a.png" "picture $D/w/images/000000.jpg" "template $G/chat/qwen3" "processor $G/preprocess/qwen2-vl"; do
        tries "read ${t%% *} ${t##*/}" $T ${t%% *} "${t#* }"
    done
    for t in $(ls $G/tokenizers | grep -v json); do tries "read tokenizer $t" $T tokenizer $G/tokenizers/$t; done
fi

# Studies: run.txt and reports hold seconds; parts of an interrupted run are gone on with.
UNLIKE='run.txt|report.html' few=1
S="--model $Z/llava --count 24 --captions 1 --epochs 1 --part-size 8 --hidden-size 16 --quiet"
tries -again connectors $R connectors --out s $S
if [ -n "$ALL$ONLY" ]; then
    mkdir -p "$D/study" && (cd "$D/study" && $R connectors --out s $S >/dev/null 2>&1) # vectors know the folder they were made for
    for s in extract geometry recon captions export report; do
        tries -again "connectors $s" sh -c "[ -d s ] || cp -r $D/study/s .; $R connectors $s --out s $S --fresh"
done
fi
S="--model $Z/llava --limit 2 --choices 1 --part-size 1 --layers 5 --max-new-tokens 2 --quiet"
tries -again verbalize $R verbalize --out v $S
[ -n "$ALL$ONLY" ] && tries -again "verbalize of CoCa" $R verbalize --model $Z/coca --out v --limit 2 --choices 1 --part-size 1 --layers 2 --seq-len 7 --quiet
tries -again "verbalize merge" sh -c "$R verbalize caption --shard 0/2 --out v $S && $R verbalize caption --shard 1/2 --out v $S && $R verbalize merge --out v $S"
V=$G/verbalize
if [ -n "$ALL$ONLY" ]; then
    C="--model $Z/coca --limit 3 --part-size 2 --layers 2,8 --seq-len 8 --quiet"
    tries -again "verbalize features" sh -c "$R verbalize caption --out v $C --save-features && $R verbalize caption --out w $C --features v/features"
    tries -again "verbalize tune" $R verbalize tune --out u $C --tune-steps 2
    tries -again "verbalize score" sh -c "$R verbalize caption --out v $C && $R verbalize score --out v $C --judge $Z/clip"
    tries "verbalize question" $R verbalize question --llm $G/chat/llama31 "a red disc"
fi
tries -again "verbalize tabulate" $R verbalize tabulate --captions $V/caps_batch0.json --labels $V/labels --out t --quiet
tries "verbalize lexicon" $R verbalize lexicon --labels $V/labels --out l --quiet
UNLIKE='run.txt|.*checkpoint.*|log.*'
tries -again "zoo" $R zoo clip --out z --stop-after 1 --quiet
[ -n "$ALL$ONLY" ] && for m in llava coca; do tries -again "zoo $m" $R zoo $m --clip $Z/clip --out z --stop-after 1 --quiet; done
