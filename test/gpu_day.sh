#!/bin/sh
# Everything that wants a real GPU, in at most SECONDS, from programs that `make gpu` left in build/gpu (made here or carried here):
#     sh test/gpu_day.sh SECONDS [machine|tests|zoo|bench|sanitize|cpu|speed …]
# PYTHON names the one that has PyTorch, if it is not python3; without it the table has no such column. A whole bench becomes test/bench/GPU.md.
# RETINA_BENCH="ViT,7B": only these rows; TIMES="ViT": the kernels of these besides.
# Each section but speed, which takes what is left, has its own limit; each its own log under $OUT (build/gpu_day without it); a summary is printed last. The GPU's settings
# are left alone. Without a GPU it says so and ends with 0; with one it ends with 1 if anything failed.
cd "$(dirname "$0")/.." || exit 1
total=${1:?seconds}
shift
[ $# -gt 0 ] || set -- machine tests zoo bench sanitize cpu
OUT=${OUT:-build/gpu_day}
mkdir -p "$OUT"
work=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) # models of several GB: in memory
trap 'rm -rf "$work"' EXIT
began=$(date +%s)
summary="$OUT/summary.txt"
: >"$summary"
failures=0

left() { echo $((total - $(date +%s) + began)); }
least() { [ "$1" -lt "$2" ] && echo "$1" || echo "$2"; }
say() { echo "$*" | tee -a "$summary"; }
failed() { failures=$((failures + 1)); say "FAIL $*"; }

[ -x build/gpu/retina ] || [ ! -f build/gpu.tar.xz ] || tar -xJf build/gpu.tar.xz
[ -x build/gpu/retina ] || make -j"$(nproc)" gpu >"$OUT/build.log" 2>&1 || { tail -n 20 "$OUT/build.log"; exit 1; }
if ! nvidia-smi -L >/dev/null 2>&1; then
    echo "gpu_day: there is no GPU here; make test runs the same tests on the emulated one"
    exit 0
fi

machine() {
    { nvidia-smi; nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit,temperature.gpu --format=csv; nvcc --version; lscpu; free -g; df -h . /dev/shm; } >"$OUT/machine.txt" 2>&1
    say "machine: $(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader), $(nproc) cores, $(lscpu | sed -n 's/^Model name: *//p'), $(grep -o -w 'amx_[a-z0-9]*\|avx512_bf16\|avx512_fp16\|avx512f' /proc/cpuinfo | sort -u | tr '\n' ' ')"
}

# Each program on its own: what fails or hangs does not stop the others.
tests() {
    programs=$(find build/gpu -maxdepth 1 -name 'test_cuda_*' ! -name '*.[od]' | sort)
    # shellcheck disable=SC2086
    BUILD=$work LIMIT=$(least "${LIMIT:-60}" "$1") timeout "$1" sh test/run.sh $programs >"$OUT/tests.txt" 2>&1 || failed "tests (tests.txt)"
    cat "$work/test.log" "$work/test.log.one" >>"$OUT/tests.txt" 2>/dev/null
    sed '/^ok \|^$/d' "$OUT/tests.txt" | awk '!seen[$0]++' | cut -c1-240 | head -n 60 | tee -a "$summary"
}

# The same command on both devices: the same bytes.
both() {
    name=$1
    shift
    for device in cpu cuda; do
        begin=$(date +%s%N)
        timeout 60 build/gpu/retina "$@" --device $device >"$work/$device.out" 2>"$work/$device.err" || { failed "$name --device $device: $(tail -n 2 "$work/$device.err" | cut -c1-300)"; return; }
        eval "took_$device=$((($(date +%s%N) - begin) / 1000000))"
    done
    if cmp -s "$work/cpu.out" "$work/cuda.out"; then say "ok   $name: the same bytes (cpu $took_cpu ms, cuda $took_cuda ms)"; else
        failed "$name: other output"
        diff "$work/cpu.out" "$work/cuda.out" | cut -c1-300 | head -n 6 | tee -a "$summary"
    fi
}

files() { # the same file made on both; run.txt and the page name the device
    name=$1 file=$2
    shift 2
    for device in cpu cuda; do
        rm -rf "$work/made$file" "${work:?}/$device$file" # one path: results name it
        timeout 100 build/gpu/retina "$@" --out "$work/made$file" --device $device --quiet >/dev/null 2>"$work/$device.err" || { failed "$name --device $device: $(tail -n 2 "$work/$device.err" | cut -c1-300)"; return; }
        mv "$work/made$file" "$work/$device$file"
    done
    if diff -rq -x run.txt -x report.html "$work/cpu$file" "$work/cuda$file" >"$work/diff"; then say "ok   $name: the same bytes"; else failed "$name: $(head -n 3 "$work/diff" | tr '\n' ' ' | cut -c1-300)"; fi
}

zoo() {
    build/gpu/retina world --out "$work/world" --count 8 --format png --quiet >/dev/null 2>&1
    pictures=$(find "$work/world" -name '*.png' | sort | head -n 8)
    [ -n "$pictures" ] || pictures=$(find test/golden/pictures -name '*.png' -o -name '*.jpg' | sort | head -n 4)
    first=$(echo "$pictures" | head -n 1)
    both "generate llava greedy" generate --model data/zoo/llava --image "$first" --prompt "What is in the picture?" --json --quiet
    both "generate llava drawn" generate --model data/zoo/llava --image "$first" --prompt "What is in the picture?" --sample --top-k 20 --top-p 0.9 --seed 5 --json --quiet
    both "generate llava beams" generate --model data/zoo/llava --image "$first" --prompt "What is in the picture?" --beams 4 --json --quiet
    both "generate coca" generate --model data/zoo/coca --image "$first" --json --quiet
    both "generate llama bf16" generate --model test/golden/llama-3 --ids 1,2,3 --max-new-tokens 20 --json --quiet
    for m in clip llava coca; do
        images=""
        for p in $pictures; do images="$images --image $p"; done
        # shellcheck disable=SC2086
        if [ $m = llava ]; then files "extract $m" .safetensors extract --model data/zoo/$m $images --prompt "What is this?" --taps '*' --batch 3
        elif [ $m = coca ]; then files "extract $m" .safetensors extract --model data/zoo/$m $images --taps 'visual*' --batch 3
        else files "extract $m" .safetensors extract --model data/zoo/$m $images --taps '*' --batch 3; fi
        rm -f "$work"/*.safetensors
        both "train $m, 3 updates" zoo $m --clip data/zoo/clip --out "$work/train" --stop-after 3 --fresh --quiet
        rm -rf "$work/train"
    done
    files "connectors" .study connectors --count 30 --part-size 16 --captions 4 --max-new-tokens 8 --epochs 1
}

# One program under one tool; its line and its log lie in $work. What a call of the runtime returns the program looks at itself.
sanitize_one() {
    tool=$1 t=$2 log=$work/$1.$(echo "$2" | tr / .)
    rest=$((ends - $(date +%s)))
    [ "$rest" -gt 5 ] || { echo "sanitize: no time for $tool $t" >"$log.line"; return; }
    [ "${t#*/}" != "$t" ] && export TRAIN_PART="${t#*/}" || unset TRAIN_PART
    SMALL_SHAPES=1 timeout "$(least 90 $rest)" compute-sanitizer --tool "$tool" --report-api-errors no --error-exitcode 9 --print-limit 20 "build/gpu/test_cuda_${t%/*}" >"$log" 2>&1
    status=$?
    case $status in 0) echo "ok   $tool $t: $(tail -n 3 "$log" | grep -o '^[0-9]* passed.*')" ;; 124) echo "sanitize: $tool $t: out of time" ;; *) echo "FAIL $tool $t: $(grep -m 3 '=========.*\(Error\|Invalid\|race\|Race\|hazard\)\|^FAIL' "$log" | tr '\n' ' ' | cut -c1-300)" ;; esac >"$log.line"
}

# Four at a time: most of each is the tool's work on the host.
sanitize() {
    command -v compute-sanitizer >/dev/null || { say "sanitize: compute-sanitizer is not installed: not run"; return; }
    ends=$(($(date +%s) + $1))
    for tool in memcheck racecheck; do # train in parts: each has its own time
        for t in hopper attention train/models train/operations train/recon train/ways choose light gemm knn neighbours jacobi resize models; do echo "$tool $t"; done
    done >"$work/checks"
    for lane in 0 1 2 3; do
        awk -v lane=$lane 'NR % 4 == lane' "$work/checks" | while read -r tool t; do sanitize_one "$tool" "$t"; done &
    done
    wait
    : >"$OUT/sanitize.txt"
    while read -r tool t; do
        log=$work/$tool.$(echo "$t" | tr / .)
        { echo "== $tool $t" && grep -v '^ok ' "$log" | head -n 80; } >>"$OUT/sanitize.txt"
        say "$(cat "$log.line")"
        grep -q '^FAIL' "$log.line" && failures=$((failures + 1))
    done <"$work/checks"
}

# $work as an environment of Python for --peers
peers() {
    mkdir -p "$work/bin" "$work/models"
    python=${PYTHON:-$(command -v python3 || command -v python)}
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$python" >"$work/bin/python"
    chmod +x "$work/bin/python"
}

models() { # of random weights, for bench and speed
    for m in vit:vit_l_336 llama:llama_7b_8_layers; do
        of=$work/models/${m%%:*}
        [ ! -d "$of" ] || continue
        mkdir -p "$of.config" && cp "test/bench/${m#*:}.json" "$of.config/config.json"
        timeout 60 build/gpu/retina random "$of" --config "$of.config/config.json" --dtype bf16 --quiet >/dev/null 2>>"$work/bench.err" || say "no model $of"
    done
}

bench() {
    peers
    peer=
    "${python:-false}" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null && peer=$work || say "bench: no PyTorch with CUDA here (PYTHON=/path/to/python names another): its column stays empty"
    RETINA_CUBLAS=${RETINA_CUBLAS:-$("${python:-false}" -c 'import glob, os, nvidia; print(next(f for p in nvidia.__path__ for f in sorted(glob.glob(os.path.join(p, "**", "libcublas.so.*"), recursive=True))))' 2>/dev/null)}
    export RETINA_CUBLAS
    models
    timeout -k 5 "$(least "$1" "$(left)")" stdbuf -oL build/gpu/bench_cuda "$(least $(($1 - 30)) $(($(left) - 15)))" "$OUT/bench.md" "${peer:--}" "$work/models" >"$OUT/bench.txt" 2>"$work/bench.err" || failed "bench: $(tail -n 3 "$work/bench.err" | cut -c1-400)"
    cat "$work/bench.err" >>"$OUT/bench.txt"
    if [ -n "${TIMES:-}" ] && [ "$(left)" -gt 10 ]; then # words as in RETINA_BENCH: where the time of these rows goes, kernel by kernel
        RETINA_CUDA_TIMES=1 RETINA_BENCH=$TIMES timeout "$(least 40 "$(left)")" build/gpu/bench_cuda 30 "$work/times.md" - "$work/models" >/dev/null 2>"$OUT/times.txt"
        head -n 40 "$OUT/times.txt" | tee -a "$summary"
    fi
    page=test/bench/$(sed -n '1s/^# *//p' "$OUT/bench.md" | tr 'A-Z ' 'a-z-').md
    [ -n "$RETINA_BENCH" ] || ! grep -q 'rows,.* wrong' "$OUT/bench.md" || {
        { cat "$OUT/bench.md" && { [ ! -f "$page" ] || { echo && sed -n '/^## /,$p' "$page"; }; }; } >"$work/page" && cp "$work/page" "$page" && say "bench: written to $page" # remarks stay
    }
    grep '^bench_cuda\|^copy\|^| \|rows,' "$OUT/bench.txt" | sed 's/ | /|/g; s/^| //; s/ |$//' | cut -c1-150 | tee -a "$summary"
}

cpu() {
    : >"$OUT/cpu.txt"
    for t in $(find build/gpu -maxdepth 1 -name 'test_*' ! -name 'test_cuda_*' ! -name '*.[od]' -printf '%f\n' | sort); do # AMX's products where the machine has it
        timeout "$1" "build/gpu/$t" >"$work/$t" 2>&1 || failed "$t on this CPU"
        say "cpu: $t: $(grep -c '^ok ' "$work/$t") ok, $(grep -c '^FAIL' "$work/$t") failed; $(build/gpu/retina --version 2>/dev/null | head -n 1)"
        grep '^FAIL' "$work/$t" | head -n 5 | tee -a "$summary"
        cat "$work/$t" >>"$OUT/cpu.txt"
    done
}

# Beside PyTorch, as `make bench` on a machine of two cores, each piece on the two processors that are the quietest just then: where the processor has AMX
# products in split bf16, then bf16's, unpacked and packed, few rows, a batch of SVDs, a forward; then the same by one thread. RETINA_SPEED: only rows of
# the kernels that hold this.
speed() {
    peers
    models
    ends=$(($(date +%s) + $1))
    : >"$OUT/speed.md"
    quiet() { # KIND…
        rest=$((ends - $(date +%s)))
        [ "$rest" -gt 10 ] || return
        TMPDIR=$work RETINA=build/gpu/retina timeout "$rest" sh test/bench/quiet.sh build/gpu/retina bench "$@" --peers "$work" >>"$OUT/speed.md" 2>>"$OUT/speed.err" || say "speed: $*: $(tail -n 2 "$OUT/speed.err" | cut -c1-300)"
    }
    if [ -n "$RETINA_SPEED" ]; then
        quiet speed --threads 2 --rows "$RETINA_SPEED"
    else
        quiet products --threads 2 --rounds 5 --rows split
        quiet speed --threads 2 --rounds 7 --rows "577 x |2308 x |weight from memory"
        quiet speed --threads 2 --rounds 7 --packed --rows "577 x |2308 x |weight from memory"
        quiet speed --threads 2 --rows "rows of a weight|singular values of a batch"
        quiet forward --model "$work/models/vit" --rows bf16 --rounds 3 --threads 2
        quiet products --threads 1 --rounds 5 --rows split
        quiet speed --threads 1 --rounds 7 --rows "577 x |2308 x "
        quiet forward --model "$work/models/llama" --rows "100 before, bf16" --tokens 100 --rounds 3 --threads 2
        quiet speed --threads 2 --rows "attention|norm|AdamW|SVD|nearest"
    fi
    grep '^|\|^processors' "$OUT/speed.md" | sed 's/ | /|/g; s/^| //; s/ |$//' | cut -c1-150 | tee -a "$summary"
}

for section in "$@"; do
    rest=$(left)
    [ "$rest" -gt 5 ] || { say "no time for $section"; continue; }
    start=$(date +%s)
    case $section in
    machine) machine ;;
    tests) tests "$(least 150 "$rest")" ;;
    zoo) zoo ;;
    bench) bench "$(case "$*" in *sanitize*) least $((rest - 130)) 400 ;; *) echo "$rest" ;; esac)" ;;
    sanitize) sanitize "$(least 200 "$rest")" ;;
    cpu) cpu "$(least 40 "$rest")" ;;
    speed) speed "$rest" ;;
    *) say "gpu_day: there is no section $section" ;;
    esac
    say "-- $section: $(($(date +%s) - start)) s"
done
say "gpu_day: $failures failures, $(($(date +%s) - began)) s"
[ $failures -eq 0 ]
