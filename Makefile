# retina.c: `make` builds ./retina, `make test` tests it, `make help` lists everything.

CC ?= gcc
BUILD ?= build
WARN := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wno-unused-parameter -Wno-missing-field-initializers
# A fused multiply-add is written where it is meant, so contraction is off; never -ffast-math.
CFLAGS ?= -O3 -g
FLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -ffp-contract=off -fno-math-errno -I. $(WARN) $(CFLAGS) $(EXTRA)
LIBS := -lm -lpthread

COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

LIBRARY := $(sort $(wildcard io/*.c model/*.c analysis/*.c train/*.c))
COMMANDS := $(sort $(wildcard run/*.c))
TESTS := $(sort $(wildcard test/test_*.c))
TEST_HELPERS := $(filter-out $(TESTS),$(sort $(wildcard test/*.c)))
object = $(patsubst %.c,$(BUILD)/%.o,$(1))
TEST_PROGRAMS := $(patsubst test/%.c,$(BUILD)/test/%,$(TESTS))

MACHINE := $(shell $(CC) -dumpmachine)
ifneq (,$(findstring x86_64,$(MACHINE)))
# One source per instruction set, chosen at run time (model/cpu.h); the rest is plain x86-64.
AVX2 := -mavx2 -mfma -mf16c
AVX512 := $(AVX2) -mavx512f -mavx512bw -mavx512vl -mavx512dq
endif

# Short lines by default; V=1 shows the commands.
Q := $(if $(V),,@)

.SECONDARY:
.PHONY: all test zoo help clean sanitize install format-check
all: retina

retina: $(BUILD)/retina
	@cp $< $@

$(BUILD)/retina: $(call object,$(COMMANDS)) $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -o $@ $^ $(LIBS)

$(BUILD)/libretina.a: $(call object,$(LIBRARY))
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/%_avx2.o: %_avx2.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(AVX2) -MMD -MP -c -o $@ $<

$(BUILD)/%_avx512.o: %_avx512.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(AVX512) -MMD -MP -c -o $@ $<

$(BUILD)/run/retina.o: FLAGS += -DRETINA_COMMIT='"$(COMMIT)"'

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libtest.a: $(call object,$(TEST_HELPERS))
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/test/test_%: $(BUILD)/test/test_%.o $(BUILD)/libtest.a $(BUILD)/libretina.a
	$(Q)$(CC) $(FLAGS) -o $@ $^ $(LIBS)

test: retina $(TEST_PROGRAMS)
	@BUILD=$(BUILD) sh test/run.sh $(TEST_PROGRAMS)

# Trains the shipped models again (hours; can be interrupted) and compares every file but the log with data/zoo.
ZOO ?= clip llava
zoo: retina
	@for m in $(ZOO); do \
	  percent=$$(sed -n "s/.*percent of the recipe's steps\": \([0-9]*\).*/\1/p" data/zoo/$$m/ZOO.json); \
	  ./retina zoo $$m --out $(BUILD)/zoo/$$m --clip data/zoo/clip --percent $${percent:-100} || exit 1; \
	  for f in data/zoo/$$m/*; do cmp $$f $(BUILD)/zoo/$$m/$${f##*/} || exit 1; done; echo "$$m: the same bytes as data/zoo/$$m"; \
	done

help:
	@echo "make                 build ./retina"
	@echo "make test            every test; ends with 'N passed, N failed'"
	@echo "make zoo             train the small models again and compare them with data/zoo, byte by byte"
	@echo "make sanitize        the tests under AddressSanitizer and UBSan"

sanitize:
	$(MAKE) BUILD=build-sanitize CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all" test

clean:
	rm -rf build build-* retina

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
