#!/bin/sh
# all.sh [PIECE…]: `make bench`: every kind of `retina bench`, each a piece in build/bench/MACHINE/, then one page, test/bench/MACHINE.md, of all
# pieces that are there. MACHINE is what `retina bench machine` says, so that the page of another type of machine is never touched; of the
# old page the part from "## Remarks" on stays. Pieces named here are made anew, without names all of them.
#     PEERS=VENV    a Python environment with PyTorch, transformers, faiss-cpu, scipy, threadpoolctl, Pillow, open_clip
#     THREADS=2     for all pieces but those of one thread; default: every core
#     ROUNDS=5      instead of what each kind does usually
#     RUN='nice'    a command to put before each
cd "$(dirname "$0")/../.." || exit 1
R=./retina
machine=$($R bench machine) || exit 1
work=build/bench/$machine
page=test/bench/$machine.md
threads=${THREADS:-$(nproc)}
mkdir -p "$work"

model() { # NAME CONFIG DTYPE: of random weights, made once
    [ -f "build/bench/$1/config.json" ] || $R random "build/bench/$1" --config "test/bench/$2.json" --dtype "$3" --quiet >/dev/null || exit 1
}

bench() { # PIECE THREADS KIND…
    piece=$1 t=$2
    shift 2
    $RUN $R bench "$@" --threads "$t" ${ROUNDS:+--rounds "$ROUNDS"} ${PEERS:+--peers "$PEERS"} --out "$work/$piece.md" || { echo "all.sh: $piece failed" >&2; failed=1; }
}

more() { # the same, with what the piece had behind it
    mv "$work/$1.md" "$work/x" && bench "$@" && cat "$work/x" >>"$work/$1.md" && rm "$work/x"
}

one() {
    case $1 in
    products) bench products "$threads" products ;;
    products-one-thread) bench products-one-thread 1 products ;;
    products-avx2) case $machine in avx512*) RETINA_ISA=avx2 bench products-avx2 "$threads" products ;; esac ;;
    speed) bench speed "$threads" speed ;;
    bf16-one-thread) bench bf16-one-thread 1 speed --rows " x 1024" && more bf16-one-thread 1 speed --rows " x 4096" ;;
    training) bench training "$threads" training ;;
    forward-vit-f32) model vit vit_l_336 f32 && bench forward-vit-f32 "$threads" forward --model build/bench/vit --rows f32 ;;
    forward-vit-packed) model vit vit_l_336 f32 && bench forward-vit-packed "$threads" forward --packed --model build/bench/vit --rows f32 ;;
    forward-vit-bf16) model vit vit_l_336 f32 && bench forward-vit-bf16 "$threads" forward --model build/bench/vit --rows bf16 ;;
    forward-siglip) model siglip models/siglip-so400m-14-384 f32 && bench forward-siglip "$threads" forward --model build/bench/siglip ;;
    forward-7b) model 7b models/llama-7b bf16 && PEERS= bench forward-7b "$threads" forward --model build/bench/7b --tokens 600 --rows "prompt, bf16" &&
        PEERS= more forward-7b "$threads" forward --model build/bench/7b --tokens 100 --rows "next id" ;;
    forward-llama) model llama llama_7b_8_layers bf16 && bench forward-llama "$threads" forward --model build/bench/llama --rows "next id" ;;
    forward-llama-prompt) model llama llama_7b_8_layers bf16 && bench forward-llama-prompt "$threads" forward --model build/bench/llama --rows prompt ;;
    forward-llama-100) model llama llama_7b_8_layers bf16 && bench forward-llama-100 "$threads" forward --model build/bench/llama --tokens 100 --rows "next id" ;;
    jpeg | resize) bench "$1" 1 "$1" ;;
    verbalize) bench verbalize "$threads" verbalize ;;
    tokenizer) $RUN $R bench tokenizer data/zoo/clip data/zoo/llava data/zoo/coca --out "$work/tokenizer.md" ;;
    *) echo "all.sh: unknown piece $1: $pieces" >&2; exit 2 ;;
    esac
}

pieces="products products-one-thread products-avx2 speed bf16-one-thread forward-vit-f32 forward-vit-packed forward-vit-bf16 forward-siglip forward-llama forward-llama-100 forward-llama-prompt forward-7b training jpeg resize verbalize tokenizer"
failed=0
for piece in ${*:-$pieces}; do one "$piece"; done

{
    echo "# $machine"
    echo
    echo "Written by \`make bench\`${PEERS:+ PEERS=VENV}: $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) cores, $($R --version | head -n 1). The gates are those of every table's kind; all of them:"
    echo
    cat "$work"/*.md | awk '/^[0-9]+ gates?, [0-9]+ held/ {asked += $1; held += $3; at = match($0, /missed: /); s = substr($0, at + 8); sub(/; not of this machine: .*/, "", s); if (s != "none") missed = missed (missed ? "; " : "") s}
        END {printf "%d gates, %d held; missed: %s\n", asked, held, missed ? missed : "none"}'
    for piece in $pieces; do
        [ -f "$work/$piece.md" ] && echo && echo "### $piece" && echo && cat "$work/$piece.md"
    done
    [ ! -f "$page" ] || { sed -n '/^## Remarks/,$p' "$page" | sed '1i\
'; }
} >"$work/page" && mv "$work/page" "$page" && echo "written to $page"
exit "$failed"
