#!/bin/sh
# all.sh [PIECE…]: `make bench`: every kind of `retina bench`, each a piece: a section of test/bench/MACHINE.md that says when and of which code it is.
# MACHINE is what `retina bench machine` says, so that the page of another type of machine is never touched. Pieces named here are made anew,
# without names all of them; each goes into the page when it is done, the rest of the page stays (page.sh). A piece that fails, or has no peers
# where the page's has, leaves the page's as it was, and the script ends with status 1.
#     PEERS=VENV    a Python environment with PyTorch, transformers, faiss-cpu, scipy, threadpoolctl, Pillow, open_clip
#     THREADS=2     for all pieces but those of one thread; default: every core
#     ROUNDS=5      instead of what each kind does usually
#     RUN='nice'    a command to put before each
#     RETINA=./retina PAGES=test/bench WORK=build/bench   the program, the pages' folder, a folder for what is not done yet
cd "$(dirname "$0")/../.." || exit 1
R=${RETINA:-./retina}
machine=$($R bench machine) || exit 1
work=${WORK:-build/bench}/$machine
page=${PAGES:-test/bench}/$machine.md
threads=${THREADS:-$(nproc)}
mkdir -p "$work" || exit 1

model() { # NAME CONFIG DTYPE: of random weights, made once
    [ -f "build/bench/$1/config.json" ] || $R random "build/bench/$1" --config "test/bench/$2.json" --dtype "$3" --quiet >/dev/null
}

bench() { # PIECE THREADS KIND…: behind what the piece has already
    piece=$1 t=$2
    shift 2
    $RUN $R bench "$@" --threads "$t" ${ROUNDS:+--rounds "$ROUNDS"} ${peers:+--peers "$peers"} --out "$work/part" && { [ ! -s "$work/$piece" ] || echo >>"$work/$piece"; } &&
        cat "$work/part" >>"$work/$piece"
}

one() { # all of a piece, into $work/PIECE; on another kind of machine nothing
    case $1 in
    products) bench products "$threads" products ;;
    products-one-thread) bench products-one-thread 1 products ;;
    products-avx2) case $machine in avx512*) (export RETINA_ISA=avx2 && bench products-avx2 "$threads" products) ;; esac ;;
    products-packed) bench products-packed "$threads" products --packed ;; # both sides' weights
    bf16-packed) bench bf16-packed "$threads" speed --packed --rows "577 x |2308 x |weight from memory" ;;
    speed) bench speed "$threads" speed ;;
    bf16-one-thread) bench bf16-one-thread 1 speed --rows " x 4096| x 1024" ;;
    training) bench training "$threads" training ;;
    forward-vit-f32) model vit vit_l_336 f32 && bench forward-vit-f32 "$threads" forward --model build/bench/vit --rows f32 ;;
    forward-vit-packed) model vit vit_l_336 f32 && bench forward-vit-packed "$threads" forward --packed --model build/bench/vit --rows f32 ;;
    forward-vit-bf16) model vit vit_l_336 f32 && bench forward-vit-bf16 "$threads" forward --model build/bench/vit --rows bf16 ;;
    forward-siglip) model siglip models/siglip-so400m-14-384 f32 && bench forward-siglip "$threads" forward --model build/bench/siglip ;;
    forward-7b) # both sides map the same files
        model 7b models/llama-7b bf16 && bench forward-7b "$threads" forward --model build/bench/7b --tokens 100 --rows "next id" &&
            bench forward-7b "$threads" forward --model build/bench/7b --tokens 600 --rows "prompt, bf16" ;;
    forward-llama) model llama llama_7b_8_layers bf16 && bench forward-llama "$threads" forward --model build/bench/llama --rows "next id" ;;
    forward-llama-prompt) model llama llama_7b_8_layers bf16 && bench forward-llama-prompt "$threads" forward --model build/bench/llama --rows prompt ;;
    forward-llama-100) model llama llama_7b_8_layers bf16 && bench forward-llama-100 "$threads" forward --model build/bench/llama --tokens 100 --rows "next id" ;;
    jpeg | resize) bench "$1" 1 "$1" ;;
    verbalize) bench verbalize "$threads" verbalize ;;
    tokenizer) peers= && $RUN $R bench tokenizer data/zoo/clip data/zoo/llava data/zoo/coca --out "$work/tokenizer" ;;
    esac
}

pieces="products products-packed products-one-thread products-avx2 speed bf16-packed bf16-one-thread forward-vit-f32 forward-vit-packed forward-vit-bf16 forward-siglip forward-llama forward-llama-100 forward-llama-prompt forward-7b training jpeg resize verbalize tokenizer"
for piece in "$@"; do
    case " $pieces " in *" $piece "*) ;; *) echo "all.sh: unknown piece $piece: $pieces" >&2; exit 2 ;; esac
done

processor=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
commit=$($R --version | sed -n '1s/.*commit \([^,]*\).*/\1/p')
git diff --quiet HEAD -- Makefile io model analysis train run cuda 2>/dev/null
[ $? -ne 1 ] || commit="$commit with changes"
[ -s "$page" ] || echo "# $machine" >"$page"
failed=0
for name in ${*:-$pieces}; do
    rm -f "$work/$name"
    peers=$PEERS
    if ! one "$name"; then
        echo "all.sh: $name failed; its section of $page is as it was" >&2
        failed=1
    elif [ -s "$work/$name" ]; then
        {
            echo "### $name ($(date +%F), $commit)"
            echo
            echo "Measured by \`make bench\`: $processor, $(nproc) cores, $([ -n "$peers" ] && echo with || echo without) peers${RUN:+, under \`$RUN\`}."
            echo
            cat "$work/$name"
        } | cat -s >"$work/section"
        sh test/bench/page.sh "$page" "$name" "$work/section" && echo "$name: written to $page" || failed=1
    fi
done
exit "$failed"
