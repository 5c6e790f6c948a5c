# PTD: `make demo` trains on the embedded default, `make test` checks everything, `make help` lists the rest.
SHELL   := /bin/bash
CC      ?= gcc
ARCH    ?= native
PKGS    := msgpack openblas lmdb jansson libpng libpcre2-8 libutf8proc libxxhash zlib
CFLAGS  ?= -O3 -g -march=$(ARCH)
WARN    := -Wall -Wextra
ALL_CFLAGS = -std=gnu11 $(WARN) -D_GNU_SOURCE -Ilib -MMD -MP -fno-math-errno -fno-trapping-math -ffp-contract=fast \
             $(CFLAGS) $(shell pkg-config --cflags $(PKGS))
LIBS     = $(shell pkg-config --libs $(PKGS)) -ljpeg -lpthread -lm

# `make debug` builds the same sources with sanitizers into its own folders.
BUILD   ?= build/cpu
BIN     ?= bin

LIB_OBJ  := $(patsubst lib/%.c,$(BUILD)/%.o,$(wildcard lib/*.c)) $(BUILD)/builtin.o
STAGES   := $(patsubst stages/%.c,$(BIN)/%,$(wildcard stages/*.c))
UNIT     := $(patsubst tests/test-%.c,$(BUILD)/test-%,$(wildcard tests/test-*.c))

.PHONY: all test unit debug clean
.DELETE_ON_ERROR:
.SECONDARY:
all: $(STAGES)

$(BUILD)/%.o: lib/%.c | $(BUILD)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
$(BUILD)/builtin.o: lib/builtin.S $(wildcard lib/builtin/*/*) | $(BUILD)
	$(CC) -Ilib -c -o $@ $<
$(BUILD)/libptd.a: $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^
$(BIN)/%: stages/%.c $(BUILD)/libptd.a | $(BIN) $(BUILD)
	$(CC) $(ALL_CFLAGS) -MF $(BUILD)/$*.d -o $@ $< $(BUILD)/libptd.a $(LIBS)
$(BUILD)/test-%: tests/test-%.c $(BUILD)/libptd.a | $(BUILD)
	$(CC) $(ALL_CFLAGS) -Itests -o $@ $< $(BUILD)/libptd.a -lcmocka $(LIBS)
$(BUILD) $(BIN):
	mkdir -p $@

unit: $(UNIT)
	@set -e; for t in $(UNIT); do echo "$$t"; $$t; done

clean:
	rm -rf build bin/*

-include $(wildcard $(BUILD)/*.d)
