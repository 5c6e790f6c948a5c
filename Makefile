# PTD: `make demo` trains on the embedded default, `make test` checks everything, `make help` lists
# the rest. demo, quick and test install what is missing, then build; all the others take the
# machine as it is.
SHELL   := /bin/bash
ARCH    ?= native
BUILD   ?= build/cpu
BIN     ?= bin
CFLAGS  ?= -O3 -g -march=$(ARCH)
# Tables may leave optional last fields out, and their functions what they do not need.
WARN    := -Wall -Wextra -Wno-psabi -Wno-missing-field-initializers -Wno-unused-parameter \
           -Werror=incompatible-pointer-types -Werror=implicit-function-declaration

# Libraries that pkg-config knows, and the Debian packages that bring them and the tools. pkg-config
# is asked once,
# when the first file is compiled, so that `make deps` works before it is there.
# OpenBLAS is not linked but loaded when the first product is wanted (lib/compute/cpu/blas.h says
# why that, and why this build of it).
PKGS    := msgpack ncursesw libmicrohttpd lmdb jansson libpng libwebp libwebpdemux libpcre2-8 libutf8proc libxxhash zlib
DEBS    := build-essential pkgconf libopenblas-pthread-dev libmsgpack-dev liblmdb-dev libjansson-dev libpng-dev \
           libjpeg62-turbo-dev libwebp-dev libgif-dev libpcre2-dev libutf8proc-dev libflint-dev libflint-arb-dev \
           libcalcium-dev librandom123-dev libxxhash-dev zlib1g-dev \
           libncurses-dev libmicrohttpd-dev tmux python3-numpy python3-lmdb python3-xxhash \
           libcmocka-dev bats gnuplot-nox jq pv mandoc python3-msgpack strace
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(filter-out ncursesw libmicrohttpd,$(PKGS)) openblas))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)
ALL_CFLAGS = -std=gnu11 $(WARN) -D_GNU_SOURCE -Ilib -MMD -MP -fno-math-errno -fno-trapping-math -ffp-contract=fast \
             $(CFLAGS) $(PKG_CFLAGS)
LIBS       = -Wl,--as-needed $(PKG_LIBS) -lcalcium -lflint-arb -lflint -lgmp -ljpeg -lgif -lpthread -lm -ldl
OPENBLAS  := $(firstword $(wildcard /usr/lib/$(shell $(CC) -print-multiarch 2> /dev/null)/openblas-pthread/libopenblas.so.0) libopenblas.so.0)

# The rooms of the library, from the ground up: each may include itself and those before it (make
# layers).
ROOMS   := base judge compute compute/cpu compute/cuda compute/mpi flow store data net checkpoint \
           method/advantage method/divergence method/kl method/loss method method/hint view
LIB     := $(foreach r,$(filter-out compute/mpi,$(ROOMS)),$(sort $(wildcard lib/$r/*.c)))
LIB_OBJ := $(LIB:lib/%.c=$(BUILD)/%.o) $(BUILD)/builtin.o
STAGES  := $(patsubst stages/%.c,$(BIN)/%,$(sort $(wildcard stages/*.c)))
# A program is stages/ptd-X.c; what would make that long lies in stages/X/.
PARTS   := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard stages/*/*.c)))
UNIT    := $(patsubst tests/test-%.c,$(BUILD)/test-%,$(sort $(wildcard tests/test-*.c)))
REPLAY  := $(patsubst tests/%.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz-*.c)))
BATS    := $(sort $(wildcard tests/*.bats))
TORTURE := $(sort $(wildcard tests/torture-*.sh))
TOOLS   := $(patsubst tests/%.c,$(BUILD)/%,$(sort $(wildcard tests/torture-*.c))) \
           $(patsubst tests/%.c,$(BUILD)/%.so,$(sort $(wildcard tests/shim-*.c)))
# DEVICE=strict: tests compute there (lib/compute/device.h).
RUN      = $(if $(DEVICE),PTD_DEVICE=$(DEVICE)) PTD_BIN=$(abspath $(BIN)) PTD_BUILD=$(abspath $(BUILD)) tests/run.sh

# How the targets that install first call make again: on all cores, unless told otherwise.
AGAIN    = +$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all

.PHONY: FORCE all units plugin demo quick test unit torture bench benches debug fuzz fuzzers deps browser layers format formatted clean help
.DELETE_ON_ERROR:

all: $(STAGES) plugin mpi
units: $(UNIT) $(REPLAY) $(TOOLS) $(BUILD)/libptd-sim.so gpu-tests

# The main jobs.
demo quick: deps
	$(AGAIN) all
	+$(MAKE) --no-print-directory -C pipelines/demo $@ BIN=$(abspath $(BIN))

# Of the GPU's kernels three orders of threads each; make gpu-sim walks all five.
test: deps
	$(AGAIN) all units
	@GPU_SIM_QUICK=1 $(RUN) $(UNIT) $(GPU_TEST) $(REPLAY) $(BATS) $(TORTURE)

unit: units
	@$(RUN) $(UNIT)

# All that tests/torture-*.sh can do to the programs; make test runs a small fixed share of it.
torture: deps
	$(AGAIN) all units
	@PTD_TORTURE=full $(RUN) $(TORTURE)

# The same tests on the same sources with sanitizers, in folders of their own.
debug:
	+$(MAKE) --no-print-directory test BUILD=build/debug BIN=bin/debug CFLAGS="$(SANITIZE)"

# One table: ours beside PyTorch, matrix products, memcpy and plain files, each in turn.
# BENCH=small,commit: only rows with these words.
BENCH   ?=
BENCHES := $(patsubst tests/bench/%.c,$(BUILD)/bench-%,$(sort $(wildcard tests/bench/*.c)))

bench:
	+$(MAKE) --no-print-directory deps DEBS="$(DEBS) python3-torch libopenblas0-openmp"
	$(AGAIN) all benches
	@PTD_BIN=$(abspath $(BIN)) PTD_BUILD=$(abspath $(BUILD)) tests/bench/bench.py $(BENCH)
benches: $(BENCHES)

# Fuzzing entries, tests/fuzz-*.c, by clang for libFuzzer or, with FUZZ_CC=afl-clang-fast, for
# AFL++; FUZZ=60 runs each for 60 seconds. make test replays their corpus, tests/corpus-fuzz,
# without clang. clang does not know the vectors of vec.h, so arithmetic is compiled as always, and
# not watched.
FUZZ_CC ?= clang-14
AFL      = $(findstring afl,$(FUZZ_CC))
FUZZ_DIR = build/$(or $(AFL),fuzz)
FUZZERS := $(patsubst tests/%.c,$(FUZZ_DIR)/%,$(sort $(wildcard tests/fuzz-*.c)))
WATCHED  = $(if $(shell grep -l '/vec.h"' $<),$(CC) $(ALL_CFLAGS),$(FUZZ_CC) $(ALL_CFLAGS) -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link$(comma)$(WATCH))
WATCH   := address,undefined -fno-sanitize-recover=undefined
comma   := ,

fuzz:
	+$(MAKE) --no-print-directory deps DEBS="$(DEBS) clang-14 libclang-rt-14-dev $(AFL:afl=afl++)"
	$(AGAIN) fuzzers
	$(if $(FUZZ),tests/fuzz.sh $(FUZZ) $(FUZZERS))
fuzzers: $(FUZZERS)
$(FUZZ_DIR)/%.o: lib/%.c $(FUZZ_DIR)/flags
	@mkdir -p $(@D)
	$(WATCHED) -c -o $@ $<
$(FUZZ_DIR)/libptd.a: $(LIB:lib/%.c=$(FUZZ_DIR)/%.o) $(BUILD)/builtin.o
	@rm -f $@
	$(AR) rcs $@ $^
$(FUZZ_DIR)/fuzz-%: tests/fuzz-%.c $(FUZZ_DIR)/libptd.a
	$(FUZZ_CC) $(ALL_CFLAGS) -MF $@.d -Itests -O1 -fsanitize=fuzzer,$(WATCH) -o $@ $< $(FUZZ_DIR)/libptd.a $(LIBS)
$(FUZZ_DIR):
	mkdir -p $@

# Installs what is missing; says nothing if nothing is.
deps:
	@command -v dpkg-query > /dev/null || { echo "not a Debian: expecting the like of $(DEBS)"; exit 0; }; \
	have=$$(dpkg-query -W -f '$${db:Status-Status} $${Package}\n' $(DEBS) 2> /dev/null | sed -n 's/^installed //p'); \
	missing=$$(printf '%s\n' $(DEBS) | grep -vxF -e "$$have"); \
	[ -n "$$missing" ] || exit 0; \
	echo installing $$missing; \
	root=; [ $$(id -u) = 0 ] || root=sudo; \
	$$root apt-get update -q && \
	$$root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing

# A browser and what drives it, for tests/page.bats, which skips what needs one without.
browser:
	+$(MAKE) --no-print-directory deps DEBS="chromium python3-venv"
	[ -x build/browser/bin/playwright ] || { python3 -m venv build/browser && timeout 300 build/browser/bin/pip install -q playwright axe-playwright-python; }

# Refuses an include that goes upwards, or one that does not name its room.
layers:
	@tests/layers.py $(ROOMS)

# How things are built. Everything is built anew when the compiler or its flags are others, and
# programs when another folder of objects had its programs in BIN meanwhile.
FLAGS    = $(CC) $(shell $(CC) -dumpfullversion) $(ALL_CFLAGS) $(OPENBLAS)
KEEP     = @echo '$(subst ','\'',$(1))' | cmp -s - $@ || echo '$(subst ','\'',$(1))' > $@
$(BUILD)/flags: FORCE | $(BUILD)
	$(call KEEP,$(FLAGS))
$(FUZZ_DIR)/flags: FORCE | $(FUZZ_DIR)
	$(call KEEP,$(FUZZ_CC) $(FLAGS))
$(BIN)/.built: FORCE | $(BIN)
	$(call KEEP,$(abspath $(BUILD)) $(FLAGS))
FORCE:
$(BUILD)/compute/fingerprint.o: private ALL_CFLAGS += -DPTD_FLAGS='"$(subst ",\",$(CFLAGS))"'
$(BUILD)/compute/cpu/blas.o $(FUZZ_DIR)/compute/cpu/blas.o: private ALL_CFLAGS += -DPTD_OPENBLAS='"$(OPENBLAS)"'
$(BUILD)/%.o: lib/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
$(BUILD)/page.html: lib/view/page.sh lib/view/page.html lib/view/page.css lib/view/page.js | $(BUILD)
	lib/view/page.sh > $@
$(BUILD)/builtin.o: lib/builtin/builtin.S $(BUILD)/page.html $(wildcard lib/builtin/*/*) | $(BUILD)
	$(CC) -Ilib -I$(BUILD) -c -o $@ $<
$(BUILD)/libptd.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^
$(BUILD)/stages/%.o: stages/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Istages -c -o $@ $<
$(foreach s,$(STAGES:$(BIN)/ptd-%=%),$(eval $(BIN)/ptd-$s: $(filter $(BUILD)/stages/$s/%,$(PARTS))))
$(BIN)/%: stages/%.c $(BUILD)/libptd.a $(BIN)/.built | $(BUILD)
	$(CC) $(ALL_CFLAGS) -Istages -MF $(BUILD)/$*.d -o $@ $< $(filter %.o,$^) $(BUILD)/libptd.a $(LIBS)
$(BUILD)/test-%: tests/test-%.c $(BUILD)/libptd.a | $(BUILD)
	$(CC) $(ALL_CFLAGS) -MF $@.d -Itests -o $@ $< $(BUILD)/libptd.a -lcmocka $(LIBS)
$(BUILD)/fuzz-%: tests/fuzz-%.c tests/replay.c $(BUILD)/libptd.a | $(BUILD)
	$(CC) $(ALL_CFLAGS) -MF $@.d -Itests -o $@ $< tests/replay.c $(BUILD)/libptd.a $(LIBS)
$(BUILD)/torture-crash-update: $(filter $(BUILD)/stages/update/%,$(PARTS))
$(BUILD)/torture-%: tests/torture-%.c $(BUILD)/libptd.a | $(BUILD)
	$(CC) $(ALL_CFLAGS) -MF $@.d -Itests -Istages -o $@ $< $(filter %.o,$^) $(BUILD)/libptd.a $(LIBS)
$(BUILD)/bench-%: tests/bench/%.c $(BUILD)/libptd.a | $(BUILD)
	$(CC) $(ALL_CFLAGS) -MF $@.d -Itests/bench -o $@ $< $(BUILD)/libptd.a $(LIBS) $(if $(filter sgemm,$*),$(shell pkg-config --libs openblas))
$(BUILD)/shim-%.so: tests/shim-%.c | $(BUILD)
	$(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE -O2 -g -fPIC -shared -o $@ $< -ldl
$(BUILD) $(BIN):
	mkdir -p $@

# Sources as clang-format 14 lays them out: another version does it otherwise.
CLANG_FORMAT = $(or $(shell command -v clang-format-14),clang-format)
SOURCES     := $(foreach r,$(ROOMS),$(wildcard lib/$r/*.[ch])) $(wildcard stages/*.c stages/*/*.[ch] tests/*.[ch] tests/bench/*.[ch] lib/compute/cuda/*.cu tests/gpu-sim/*.cu tests/gpu-sim/*.cc tests/gpu-sim/*.h* tests/gpu/*.c*)
format:
	@$(CLANG_FORMAT) -i $(SOURCES)
formatted:
	+$(MAKE) --no-print-directory deps DEBS=clang-format-14
	@$(CLANG_FORMAT) --dry-run --Werror $(SOURCES)

include lib/compute/mpi/mpi.mk
include lib/manual/install.mk

clean:
	rm -rf build bin

help:
	@echo 'make            build the programs into bin/'
	@echo 'make demo       install what is missing, then train and compare on the embedded default (3 minutes on two fast cores)'
	@echo 'make quick      the same pipeline for a handful of steps (1 minute)'
	@echo 'make test       install what is missing, then run all tests; make unit: those of the library only;'
	@echo '                DEVICE=strict: on a CPU whose device memory the programs cannot touch'
	@echo 'make torture    kill, cut, starve and fill the disk under the programs at every point, for a long while'
	@echo 'make bench      speed and memory beside PyTorch and the limits of the machine, one table; BENCH=small: rows with that word'
	@echo 'make debug      the same tests with address and undefined-behaviour sanitizers'
	@echo 'make MPI=1      several machines: ptd-run and ptd-update talk by Open MPI; found by itself where mpicc is, MPI=0: not'
	@echo 'make gpu-sim    the kernels of the GPU on an emulator, thread by thread; CUDA=0: no plugin for cards, even where nvcc is'
	@echo 'make gpu-mutants   break the kernels in one place at a time: what finds it   make gpu-sass   registers, spills, instructions'
	@echo 'make gpu-check  on a card, whether all of it is right; make gpu-bench: how fast; SKIP without one; make gpu-pack: both, built'
	@echo 'make fuzz       build the fuzzing entries (clang) into build/fuzz/; FUZZ=60 runs each for 60 seconds'
	@echo 'make install    programs, manual, completion, library and headers under PREFIX (/usr/local), behind DESTDIR; make uninstall'
	@echo 'make deb        a Debian package in build/; make dist: the sources as an archive; make manual: the pages alone'
	@echo 'make browser    a browser for those tests that look at the page of ptd-dump --html'
	@echo 'make deps       only install what is missing     make format     lay out the sources'
	@echo 'make formatted  refuse sources that make format would change'
	@echo 'make layers     refuse an include that goes against the order of the rooms'
	@echo 'make clean      remove what was built            ARCH=x86-64-v3  build for other machines than this one'

include tests/gpu-sim/gpu.mk
-include $(wildcard $(foreach d,$(BUILD) $(FUZZ_DIR),$d/*.d $(ROOMS:%=$d/%/*.d) $d/stages/*/*.d))
