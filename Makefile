# retina.c: `make` builds ./retina, `make test` tests it, `make help` lists everything.

CC ?= gcc
BUILD ?= build
ifeq (,$(filter clean,$(MAKECMDGOALS)))
MAKEFLAGS += -j$(shell echo $$(($$(nproc 2>/dev/null || echo 1) + 1))) # one more than cores, for one waits for files; a -j of the command line wins
endif
WARN := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wno-unused-parameter -Wno-missing-field-initializers -Wno-psabi
# A fused multiply-add is written where it is meant, so contraction is off; never -ffast-math.
CFLAGS ?= -O3 -fno-asynchronous-unwind-tables
FLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -ffp-contract=off -fno-math-errno -I. $(WARN) $(CFLAGS) $(EXTRA)
LIBS := -lm -lpthread
comma := ,

COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

LIBRARY := $(sort $(wildcard io/*.c model/*.c analysis/*.c train/*.c))
COMMANDS := $(sort $(wildcard run/*.c))
TILED := bf16 kernels generate packed # tests that run once more, over tiles in software: test_tiles_X is test_X
DOTTED := bf16 packed # likewise, over dot products
TESTS := $(sort $(wildcard test/test_*.c) $(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),$(TILED:%=test/test_tiles_%.c) $(DOTTED:%=test/test_dots_%.c)))
TEST_HELPERS := $(filter-out test/test_%.c test/tiles_forced.c test/large.c,$(sort $(wildcard test/*.c)))
object = $(patsubst %.c,$(BUILD)/%.o,$(1))
ifeq (,$(filter clean,$(MAKECMDGOALS)))
$(shell mkdir -p $(patsubst %,$(BUILD)/%,$(sort $(dir $(wildcard */*.c test/*/*.c)))) $(BUILD)/test/tiles) # once, not for every object
endif
TEST_PROGRAMS := $(patsubst test/%.c,$(BUILD)/test/%,$(TESTS))

COMPILER := $(shell $(CC) --version | head -n 1)
MACHINE := $(shell $(CC) -dumpmachine)
ifneq (,$(findstring x86_64,$(MACHINE)))
# One source per instruction set, chosen at run time (model/cpu.h); the rest is plain x86-64.
AVX2 := -mavx2 -mfma -mf16c
AVX512 := $(AVX2) -mavx512f -mavx512bw -mavx512vl -mavx512dq
AVX512BF16 := $(AVX512) -mavx512bf16
AMX := $(AVX512BF16) -mamx-tile -mamx-bf16
endif

# With nvcc the kernels of cuda/ are compiled, GPU or not, and linked with the static runtime: the program starts without a driver.
# Not when the compiler makes programs for another machine: nvcc would make them for this one.
NVCC := $(if $(findstring $(shell uname -m),$(MACHINE)),$(shell command -v nvcc 2>/dev/null))
ifneq (,$(NVCC))
# Machine code for the GPUs of this machine, and the PTX of sm_80, which every other GPU from there on translates when it first meets it.
# No GPU here: PTX alone, Hopper's beside it; but `make gpu` packs Hopper's machine code. CUDA_ARCHS="80 90a 100" compiles for these.
ifeq (undefined,$(origin CUDA_ARCHS))
CUDA_ARCHS := $(or $(shell nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sed -n 's/^\([0-9]*\)\.\([0-9]\)$$/\1\2/p' | awk '$$1 >= 80 {print $$1 == 90 ? "90a" : $$1}' | sort -u),$(if $(filter gpu test_cuda bench_cuda,$(MAKECMDGOALS)),90a))
endif
CUDA_LIB := $(firstword $(wildcard $(patsubst %/bin/nvcc,%/lib64,$(realpath $(NVCC))) $(patsubst %/bin/nvcc,%/targets/x86_64-linux/lib,$(realpath $(NVCC)))))
CUDA_INCLUDE := $(firstword $(wildcard $(patsubst %/bin/nvcc,%/include,$(realpath $(NVCC))) $(patsubst %/bin/nvcc,%/targets/x86_64-linux/include,$(realpath $(NVCC)))))
# The guards of headers that nobody here wants are set: they are a third of what is read, several times a file.
CUDA_UNREAD := _GLIBCXX_BITS_SPECFUN_H $(foreach h,SM_32_INTRINSICS SM_32_ATOMIC_FUNCTIONS SM_60_ATOMIC_FUNCTIONS TEXTURE_INDIRECT_FUNCTIONS SURFACE_INDIRECT_FUNCTIONS,__$(h)_H__)
CUDA_CODE := -std=c++11 $(CUDA_UNREAD:%=-D%) -fmad=false -I. -Icuda
CUDA_FLAGS := $(CUDA_CODE) -Werror all-warnings -Xcompiler -fno-exceptions,-fno-threadsafe-statics,-Wall,-Wextra,-Werror,-Wno-unused-parameter,-Wno-missing-field-initializers,-Wno-unused-function
# Kernels are read once, in the form of sm_80, from which every generation's machine code is the same as from its own form; those with
# Hopper's instructions a second time for sm_90a, which other GPUs cannot run.
cuda_form = -gencode 'arch=compute_$(1),code=[$(subst $() ,$(comma),$(strip $(2)))]'
CUDA_ONE_FORM := $(call cuda_form,80,compute_80 $(CUDA_ARCHS:%=sm_%))
CUDA_TWO_FORMS := $(call cuda_form,80,compute_80 $(patsubst %,sm_%,$(filter-out 90a,$(CUDA_ARCHS)))) \
                  $(if $(CUDA_ARCHS),$(if $(filter 90a,$(CUDA_ARCHS)),$(call cuda_form,90a,sm_90a)),$(call cuda_form,90a,compute_90a))
CUDA_HOPPER := $(shell grep -l '"device_hopper.h"' cuda/*.cu)
cuda_forms = $(if $(filter $(CUDA_HOPPER),$(1)),$(CUDA_TWO_FORMS),$(CUDA_ONE_FORM))
CUDA_FOR := $(or $(subst $() ,-,$(strip $(CUDA_ARCHS))),ptx)
CUDA_BUILD := build/nvcc/$(CUDA_FOR)
CUDA_HOST := $(shell grep -L '__global__\|\.inc"' cuda/*.cu) # no kernel in them: C for the host's compiler
# nvcc takes half a second a file for CUDA's headers alone, so kernels are compiled in units of several files, each as long as the others, the
# longest first; those with Hopper's instructions apart. A file in none is compiled alone. Within one a static name stands once.
CUDA_UNITS := hopper attention products few others
CUDA_UNIT_hopper := gemm_hopper attention_hopper
CUDA_UNIT_attention := attention_bf16 attention_f32 attention_few attention_apart norms elementwise rotary rounded losses choose
CUDA_UNIT_products := gemm_f32 gemm_bf16 gather_norm gradients_each resize rows
CUDA_UNIT_few := gemm_bf16_thin attention_step
CUDA_UNIT_others := gradients_rows knn_product knn bidiagonal jacobi
CUDA_LADDER := cuda/gemm_hopper_ladder # steps not in use, for tests and benchmarks
CUDA_OBJECTS := $(patsubst %,$(CUDA_BUILD)/%.o,$(CUDA_UNITS) $(filter-out $(CUDA_LADDER) $(foreach u,$(CUDA_UNITS),$(CUDA_UNIT_$(u):%=cuda/%)),$(patsubst %.cu,%,$(sort $(wildcard cuda/*.cu)))))
CUDA_LIBS := -L$(CUDA_LIB) -lcudart_static -ldl -lrt
CUDA_FOUND := nvcc $(shell $(NVCC) --version | sed -n 's/.*release \([0-9.]*\).*/\1/p'), $(if $(CUDA_ARCHS),$(foreach a,$(CUDA_ARCHS),sm_$(a)$(comma)) PTX,PTX of sm_80 and sm_90a (no GPU here))
else
CUDA_FOUND := none
endif
FOUND := cpu: $(MACHINE), $(COMPILER); cuda: $(CUDA_FOUND)

# Short lines by default; V=1 shows the commands.
Q := $(if $(V),,@)

.PRECIOUS: $(BUILD)/%.o $(BUILD)/test/tiles/%.o build/gpu/%.o
.PHONY: all always retina test test_cuda zoo help clean sanitize fuzz install format-check bench run_connectors run_verbalize
all: retina
	@echo "$(FOUND)"

retina: $(BUILD)/retina # every set of flags has its own folder; ./retina is the one that was built last
	@cmp -s $< $@ || cp $< $@

$(BUILD)/retina: $(CUDA_OBJECTS) $(call object,$(COMMANDS)) $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -o $@ $^ $(CUDA_LIBS) $(LIBS)

$(CUDA_BUILD)/%.o: %.cu
	@mkdir -p $(@D)
	$(Q)$(NVCC) $(CUDA_FLAGS) $(call cuda_forms,$<) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

ifneq (,$(NVCC))
# A unit includes its files one after the other; what one defines the next does not see.
unit_files = $(CUDA_UNIT_$(basename $(@F)):%=cuda/%.cu)
$(CUDA_UNITS:%=$(CUDA_BUILD)/%.cu): always # written when it is another one
	@mkdir -p $(@D)
	@for f in $(unit_files); do echo "#include \"$$f\"" && sed -n 's/^#define \([A-Za-z0-9_]*\).*/#undef \1/p' $$f cuda/*.inc; done >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(CUDA_UNITS:%=$(CUDA_BUILD)/%.o): $(CUDA_BUILD)/%.o: $(CUDA_BUILD)/%.cu
	$(Q)$(NVCC) $(CUDA_FLAGS) $(call cuda_forms,$(unit_files)) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

CUDA_HOST_OBJECTS := $(patsubst %.cu,$(CUDA_BUILD)/%.o,$(CUDA_HOST))
$(CUDA_HOST_OBJECTS): $(CUDA_BUILD)/%.o: %.cu
	@mkdir -p $(@D)
	$(Q)$(CC) -x c $(FLAGS) -Icuda -isystem $(CUDA_INCLUDE) -Wno-unused-function -MMD -MP -c -o $@ $<
endif

# Programs with other kernels, or none, are linked anew: the file that says which were last must be this one.
CUDA_LAST := $(BUILD)/cuda-$(if $(NVCC),$(CUDA_FOR),no)
$(BUILD)/run/device.o: FLAGS += $(if $(NVCC),-DRETINA_CUDA)
$(BUILD)/run/device.o: $(CUDA_LAST)
$(BUILD)/cuda-%:
	@mkdir -p $(@D) && rm -f $(BUILD)/cuda-* && touch $@

$(BUILD)/libretina.a: $(call object,$(LIBRARY))
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/%_avx2.o: %_avx2.c
	$(Q)$(CC) $(FLAGS) $(AVX2) -MMD -MP -c -o $@ $<

$(BUILD)/%_avx512.o: %_avx512.c
	$(Q)$(CC) $(FLAGS) $(AVX512) -MMD -MP -c -o $@ $<

$(BUILD)/%_avx512bf16.o: %_avx512bf16.c
	$(Q)$(CC) $(FLAGS) $(AVX512BF16) -MMD -MP -c -o $@ $<

$(BUILD)/%_amx.o: %_amx.c
	$(Q)$(CC) $(FLAGS) $(AMX) -MMD -MP -c -o $@ $<

# Their vectors are written out. What the compiler would make of the loops behind them, of less than a vector, is slower and takes half the time;
# copies of the edges for each number of rows, likewise.
$(BUILD)/model/kernels_%.o: FLAGS += $(if $(findstring clang,$(COMPILER)),-fno-vectorize,-fno-tree-loop-vectorize -fno-ipa-cp-clone)

# -O3 is for loops over numbers, pixels, bytes and letters. What opens, names, lays out and reports takes -Og: a third
# of the compiler's time; there gcc guesses what is uninitialised, and errs (make sanitize, at -O1, still asks).
LOOPS := $(foreach f,checksum inflate deflate json jpeg jpeg_% png png_write random thread blake2b,io/$(f).c) \
         $(foreach f,attention attention_% choose_cpu gemm gemm_% gradients_% kernels kernels_% ops_cpu preprocess preprocess_crops regex_class regex_match \
                     resize resize_% rope tokenizer_added tokenizer_bpe tokenizer_merge tokenizer_normal tokenizer_pieces tokenizer_scan tokenizer_split tokenizer_words unicode,model/$(f).c) \
         $(foreach f,dense dense_% divide duplicates eigen fit jacobi knn knn_% overlap permute points pool resample spectrum statistics svd,analysis/$(f).c) \
         $(foreach f,init losses real recon recon_net world_draw,train/$(f).c) run/verbalize_measure.c run/bench_passes.c run/bench_registers.c
$(call object,$(filter-out $(LOOPS),$(LIBRARY) $(COMMANDS))) $(CUDA_HOST_OBJECTS): FLAGS += $(if $(filter -O3,$(CFLAGS)),$(if $(findstring clang,$(COMPILER)),-O1,-Og -Wno-maybe-uninitialized))
# What else -O3 does for loops makes none of these faster, and takes an eighth of their time; kernels say for themselves, above.
$(filter-out $(BUILD)/model/kernels_%.o,$(call object,$(filter $(LOOPS),$(LIBRARY) $(COMMANDS)))): FLAGS += $(if $(filter -O3,$(CFLAGS)),$(if $(findstring clang,$(COMPILER)),,-fno-tree-slp-vectorize -fno-unswitch-loops -fno-split-loops -fno-ipa-cp-clone))
$(call object,io/inflate.c io/png.c): FLAGS += $(if $(filter -O3,$(CFLAGS)),-O2) # faster there than -O3
$(BUILD)/run/retina.o: FLAGS += -DRETINA_COMMIT='"$(COMMIT)"'
$(BUILD)/run/retina.o: $(BUILD)/commit
$(BUILD)/commit: always # written when it is another one: --version says what was built
	@mkdir -p $(@D)
	@echo $(COMMIT) | cmp -s - $@ || echo $(COMMIT) >$@
always:

$(BUILD)/%.o: %.c
	$(Q)$(CC) $(FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libtest.a: $(call object,$(TEST_HELPERS))
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/test/test_%: $(BUILD)/test/test_%.o $(BUILD)/libtest.a $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -o $@ $^ $(LIBS)

# The sources that use AMX's tiles, or dot products, compiled over programs for the instructions (test/amx_model.h, test/bf16_model.h), take the
# place of the library's, and all products and attention of bf16 go their way (test/tiles_forced.c), on any machine with AVX-512.
TILES := $(patsubst %,$(BUILD)/test/tiles/%.o,gemm_amx attention_amx forced)
DOTS := $(patsubst %,$(BUILD)/test/tiles/%.o,kernels_avx512bf16 attention_avx512bf16 forced_dots)
$(BUILD)/test/tiles/forced.o $(BUILD)/test/tiles/forced_dots.o: test/tiles_forced.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) -DFORCED=$(if $(findstring dots,$@),BF16_DOT,BF16_AMX) -MMD -MP -c -o $@ $<
$(BUILD)/test/tiles/%.o: model/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(AVX512) -include test/bf16_model.h -DAMX_MODEL='"test/amx_model.h"' -MMD -MP -c -o $@ $<

$(BUILD)/test/test_tiles_%: $(BUILD)/test/test_%.o $(TILES) $(BUILD)/libtest.a $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -Wl,--wrap=cpu_bf16,--wrap=cpu_forced -o $@ $^ $(LIBS)
$(BUILD)/test/test_dots_%: $(BUILD)/test/test_%.o $(DOTS) $(BUILD)/libtest.a $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -Wl,--wrap=cpu_bf16,--wrap=cpu_forced -o $@ $^ $(LIBS)

$(BUILD)/test/test_connectors $(BUILD)/test/test_extract: | $(BUILD)/retina # run it
# What a bench concludes from its times is no part of the library.
$(BUILD)/test/test_bench: $(BUILD)/test/test_bench.o $(patsubst %,$(BUILD)/run/bench_%.o,rounds gates peer) $(BUILD)/libtest.a $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -o $@ $^ $(LIBS)

# ---- CUDA kernels without a GPU: the same .cu files as C, every access to memory checked (test/cuda_emu/emulate.h)
KERNELS := $(sort $(wildcard cuda/*.cu))
EMU_CC := $(if $(findstring clang,$(CC)),gcc,$(CC)) # a launch is a function inside a function, which only gcc has
EMU_FLAGS := -std=gnu11 -O1 -g -ffp-contract=off -fno-math-errno -I. -Itest -Itest/cuda_emu -DRETINA_EMULATE -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE \
             -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers -Wno-unused-function -Wno-unused-value -Wno-psabi
EMU_CHECKED := -fsanitize=thread,bounds --param tsan-instrument-func-entry-exit=0
EMU_OBJECTS := $(patsubst %,$(BUILD)/emu/%.o,$(KERNELS) $(sort $(wildcard test/cuda_emu/*.c test/cuda_emu/*.cu)))
$(BUILD)/emu/%.cu.o: %.cu
	@mkdir -p $(@D)
	$(Q)$(EMU_CC) -x c $(EMU_FLAGS) $(EMU_CHECKED) -MMD -MP -c -o $@ $<

$(BUILD)/emu/%.c.o: %.c
	@mkdir -p $(@D)
	$(Q)$(EMU_CC) $(EMU_FLAGS) -O2 -MMD -MP -c -o $@ $<

$(BUILD)/test/test_cuda_%.o: FLAGS += -std=gnu11 -Itest -Itest/cuda_emu -DRETINA_EMULATE -Wno-unused-function
$(filter $(BUILD)/test/test_cuda_%,$(TEST_PROGRAMS)): $(BUILD)/test/%: $(BUILD)/test/%.o $(EMU_OBJECTS) $(BUILD)/libtest.a $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -o $@ $^ $(LIBS)

$(BUILD)/test/large: $(BUILD)/test/large.o $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -o $@ $^ $(LIBS)

# The program, with a fork at each place where the system may say no (test/fail/every.sh)
$(BUILD)/test/fail/retina: $(call object,$(COMMANDS)) $(BUILD)/test/fail/every.o $(CUDA_OBJECTS) $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -Wl,--wrap=fail_counts,--wrap=pthread_create -o $@ $^ $(CUDA_LIBS) $(LIBS)
$(BUILD)/test/fail/readers: $(BUILD)/test/fail/readers.o $(BUILD)/test/fail/every.o $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -Wl,--wrap=fail_counts,--wrap=pthread_create -o $@ $^ $(LIBS)
.PHONY: fail
fail: $(BUILD)/test/fail/retina $(BUILD)/test/fail/readers
	FAIL_RETINA=$(CURDIR)/$< FAIL_READERS=$(CURDIR)/$(word 2,$^) sh test/fail/every.sh

# Counts of bytes and flops per kernel, by the emulator
$(BUILD)/test/bench/emu: test/bench/emu.c $(EMU_OBJECTS) $(BUILD)/libretina.a
	@mkdir -p $(@D)
	$(Q)$(EMU_CC) $(EMU_FLAGS) -O2 -o $@ $^ $(LIBS)
.PHONY: bench_emu
bench_emu: $(BUILD)/test/bench/emu
	@$<

# Registers, spills and warps of every kernel, for each generation of GPU; fails where a register spills. Needs nvcc only.
PTXAS_ARCHITECTURES := 80 90a 100
$(BUILD)/ptxas/%.log: %.cu $(wildcard cuda/*.h cuda/*.inc model/formulas.h)
	@mkdir -p $(@D)
	$(Q)$(NVCC) $(CUDA_CODE) -Xptxas -v $(foreach a,$(PTXAS_ARCHITECTURES),-gencode arch=compute_$(a),code=sm_$(a)) \
	  -c -o $(@:.log=.o) $< 2> $@ || { cat $@; rm -f $@; exit 1; }
.PHONY: ptxas
ptxas: $(if $(NVCC),$(patsubst %.cu,$(BUILD)/ptxas/%.log,$(KERNELS)))
	@$(if $(NVCC),sh test/ptxas.sh $^,echo "ptxas: no nvcc here")

# Programs, then scripts: each prints lines of ok and FAIL.
test: retina $(TEST_PROGRAMS)
	@BUILD=$(BUILD) sh test/run.sh $(TEST_PROGRAMS) $(if $(ONLY),,test/kernels.sh test/levels.sh test/commands.sh test/bench_page.sh test/fail.sh test/includes.sh test/verbalize.sh)

# ---- on a real GPU: everything that runs there is built into build/gpu, with or without a GPU here, and test/gpu_day.sh runs it
GPU_FLAGS = -std=gnu11 -Itest -isystem $(CUDA_INCLUDE)
GPU_TESTS := $(patsubst test/%.c,build/gpu/%,$(filter-out test/test_cuda_mistakes.c,$(wildcard test/test_cuda_*.c)))
CPU_TESTS := test_bf16 test_kernels test_packed test_generate # of a GPU machine's own processors
GPU_PROGRAMS := $(GPU_TESTS) $(patsubst %,build/gpu/%,bench_cuda retina $(CPU_TESTS)) # stripped, and packed in build/gpu.tar.xz, to be carried
GPU_BENCH := $(patsubst test/%.c,build/gpu/%.o,$(wildcard test/bench/cuda*.c))
build/gpu/%.o: test/%.c $(CUDA_LAST)
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(GPU_FLAGS) -MMD -MP -c -o $@ $<
build/gpu/test_cuda_%: build/gpu/test_cuda_%.o build/gpu/cuda_emu/check.o $(CUDA_LADDER:%=$(CUDA_BUILD)/%.o) $(CUDA_OBJECTS) $(BUILD)/libtest.a $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -o $@ $^ $(CUDA_LIBS) $(LIBS)
build/gpu/bench_cuda: $(GPU_BENCH) $(BUILD)/run/bench_peer.o $(BUILD)/run/bench_photograph.o $(CUDA_LADDER:%=$(CUDA_BUILD)/%.o) $(CUDA_OBJECTS) $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -o $@ $^ $(CUDA_LIBS) $(LIBS)
.PHONY: gpu bench_cuda
gpu: $(if $(NVCC),$(GPU_TESTS) build/gpu/bench_cuda retina $(CPU_TESTS:%=$(BUILD)/test/%))
	@$(if $(NVCC),cp retina $(CPU_TESTS:%=$(BUILD)/test/%) build/gpu/ && strip $(GPU_PROGRAMS) && { ! command -v xz >/dev/null || tar -cf - $(GPU_PROGRAMS) | xz --lzma2=preset=2$(comma)dict=192MiB > build/gpu.tar.xz; },echo "gpu: there is no nvcc here")
# Its tests against the CPU, models of data/zoo, the small shapes under compute-sanitizer
test_cuda bench_cuda: gpu
	@$(if $(NVCC),sh test/gpu_day.sh $(or $(SECONDS_ALL),600) $(if $(filter test_cuda,$@),tests zoo sanitize,bench),echo "$@: there is no nvcc here")

# Trains the shipped models again (hours; can be interrupted) and compares every file but the log with data/zoo.
ZOO ?= clip llava coca
zoo: retina
	@for m in $(ZOO); do \
	  percent=$$(sed -n "s/.*percent of the recipe's steps\": \([0-9]*\).*/\1/p" data/zoo/$$m/ZOO.json); \
	  ./retina zoo $$m --out $(BUILD)/zoo/$$m --clip data/zoo/clip --percent $${percent:-100} || exit 1; \
	  for f in data/zoo/$$m/*; do cmp $$f $(BUILD)/zoo/$$m/$${f##*/} || exit 1; done; echo "$$m: the same bytes as data/zoo/$$m"; \
	done

# ---- studies: `make run_X`, or with MODEL=… IMAGES=… OUT=… and anything else in ARGS="--count 1000 …"
# One word for the shell, whatever is in it; ARGS are words.
quoted = '$(subst ','\'',$(value $(1)))'
STUDY_OPTIONS = $(if $(MODEL),--model $(call quoted,MODEL)) $(if $(IMAGES),--images $(call quoted,IMAGES)) $(if $(OUT),--out $(call quoted,OUT)) $(ARGS)
run_connectors: retina
	./retina connectors $(STUDY_OPTIONS)
run_verbalize: retina
	./retina verbalize $(STUDY_OPTIONS)

# Ratios against peers in one run, every kind, each a section of test/bench/MACHINE.md: make bench PEERS=DIR_OF_A_PYTHON_ENVIRONMENT [PIECES="speed jpeg" ROUNDS=5];
# kinds that are only printed: make bench ARGS="speed jpeg"
bench: retina
	$(if $(ARGS),./retina bench $(ARGS) $(if $(PEERS),--peers $(PEERS)),PEERS="$(PEERS)" ROUNDS="$(ROUNDS)" sh test/bench/all.sh $(PIECES))

# The connectors study from pictures to numbers against the original's procedure
.PHONY: bench_connectors
bench_connectors: retina
	$(if $(PEERS),$(PEERS)/bin/)python test/bench/connectors.py $(ARGS)

# ---- checks that are not tests
# Every test under AddressSanitizer and UndefinedBehaviorSanitizer, then 200,000 damaged inputs through every parser; or
# the named tests alone: make sanitize ONLY="io jpeg"
SANITIZE := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
sanitize:
	$(MAKE) BUILD=build-sanitize CFLAGS="$(SANITIZE)" $(if $(ONLY),TESTS="$(patsubst %,test/test_%.c,$(ONLY))") test
	$(if $(ONLY),,$(MAKE) fuzz)

# Damaged files through the parsers (test/fuzz/fuzz.h): make fuzz TARGET=csv RUNS=1000000; without TARGET, all of them.
FUZZERS := $(patsubst test/fuzz/fuzz_%.c,%,$(sort $(wildcard test/fuzz/fuzz_*.c)))
SECONDS ?= 0
RUNS ?= $(if $(filter 0,$(SECONDS)),200000,1000000000)
FIRST ?= 0
SEED ?= 1
FUZZ_WRAP := $(patsubst %,-Wl$(comma)--wrap=%,arena_new arena_free file_map file_unmap file_read file_exists folder_exists folder_list reader_open reader_path reader_peek reader_pass reader_read reader_skip reader_go reader_offset reader_size reader_close)
$(BUILD)/test/fuzz/fuzz_%: $(BUILD)/test/fuzz/fuzz_%.o $(BUILD)/test/fuzz/fuzz.o $(BUILD)/test/fuzz/files.o $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) $(FUZZ_WRAP) -o $@ $^ $(LIBS)

ifeq ($(ENGINE),libfuzzer)
fuzz:
	$(MAKE) CC=clang BUILD=build-libfuzzer CFLAGS="-O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -DLIBFUZZER" LIBS="-fsanitize=fuzzer -lm -lpthread" build-libfuzzer/test/fuzz/fuzz_$(TARGET)
	build-libfuzzer/test/fuzz/fuzz_$(TARGET) -max_len=65536 -timeout=20 $(if $(filter-out 0,$(SECONDS)),-max_total_time=$(SECONDS)) $(ARGS)
else
fuzz:
	$(MAKE) BUILD=build-sanitize CFLAGS="$(SANITIZE)" $(patsubst %,build-sanitize/test/fuzz/fuzz_%,$(if $(TARGET),$(TARGET),$(FUZZERS)))
	@for t in $(if $(TARGET),$(TARGET),$(FUZZERS)); do build-sanitize/test/fuzz/fuzz_$$t $(RUNS) $(FIRST) $(SEED) $(SECONDS) || exit 1; done
endif

# Built once and without debug information, for machines without a compiler (test/fuzz/campaign.sh)
.PHONY: fuzz_pack
FUZZ_PACKED := $(patsubst %,build-fuzz/test/fuzz/fuzz_%,$(FUZZERS))
fuzz_pack:
	$(MAKE) BUILD=build-fuzz CFLAGS="$(SANITIZE) -O2 -g1 -static-libasan -static-libubsan" $(FUZZ_PACKED)
	@mkdir -p build/fuzz && rm -rf build/fuzz/* && mkdir -p build/fuzz/build-fuzz/test/fuzz build/fuzz/test
	@for f in $(FUZZ_PACKED); do strip -g -o build/fuzz/$$f $$f || exit 1; done
	@cp -r test/fuzz test/golden build/fuzz/test/ && tar -cf - -C build/fuzz . | xz -6 -T2 > build/fuzz.tar.xz

format-check: # reports only: tables in the code are aligned by hand
	@if command -v clang-format >/dev/null; then clang-format --dry-run $$(git ls-files '*.c' '*.h' | grep -v -e unicode_tables -e html_entities) 2>&1 | grep -c 'warning' | sed 's/$$/ places differ from .clang-format/'; \
	else echo "format-check: no clang-format here"; fi

PREFIX ?= /usr/local
install: retina
	@echo "$(FOUND)"
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 retina $(DESTDIR)$(PREFIX)/bin/retina
	for d in data/verbalize data/zoo/*; do install -d $(DESTDIR)$(PREFIX)/share/retina/$$d && install -m 644 $$d/* $(DESTDIR)$(PREFIX)/share/retina/$$d/ || exit 1; done

help:
	@echo "make                       build ./retina"
	@echo "make test                  every test; ends with 'N passed, N failed'"
	@echo "make gpu                   pack what runs on a GPU into build/gpu.tar.xz, to be carried to one (needs nvcc, no GPU)"
	@echo "make test_cuda             the GPU's tests on a real GPU, and compute-sanitizer"
	@echo "make bench_cuda            the CUDA kernels on a real GPU against cuBLAS, PyTorch and a plain copy"
	@echo "make run_connectors        what a connector does to an image: study on the shipped small model"
	@echo "make run_verbalize         a caption for every layer of a vision tower: study on the shipped small model"
	@echo "  MODEL=DIR IMAGES=PATH OUT=DIR ARGS='--count 1000'   … on a real model and real pictures"
	@echo "make zoo                   train the small models again and compare them with data/zoo, byte by byte"
	@echo "make bench [PEERS=VENV]    speed against the machine and its peers, each gate with a verdict, into test/bench/MACHINE.md; ARGS=speed: only printed"
	@echo "make bench_connectors PEERS=VENV  the connectors study end to end against the original's procedure"
	@echo "make bench_emu             bytes and flops of the CUDA kernels beside their floor, counted without a GPU"
	@echo "make ptxas                 registers and spills of the CUDA kernels (needs nvcc, no GPU)"
	@echo "make fuzz [TARGET=csv RUNS=200000 SECONDS=60]  damaged files through one parser, or all"
	@echo "make fail                  every malloc, read, write, rename and fsync of every command fails once (10 minutes)"
	@echo "make sanitize [ONLY='io jpeg']      tests under AddressSanitizer and UBSan"
	@echo "make format-check          how far the code is from .clang-format"
	@echo "make install PREFIX=/usr/local     the program, and the small models in share/retina"
	@echo "make clean"

clean:
	rm -rf build build-* retina

-include $(shell find $(BUILD) build/nvcc build/gpu -name '*.d' 2>/dev/null | sort -u)
