# A grid of runs, one folder a cell, and what came of it:
#
#     make -f pipelines/sweep.mk METHODS="grpo ptd-grpo" LAMBDA="0.5 3" TOPK="16 100" SEEDS="1 2 3" -j2
#
# METHODS are names of methods/NAME.mk; every setting of method.mk may be a list. A method has a cell
# for each combination of those that it reads (its AXES, and LR), and for each seed; LR_grpo=1e-4 is
# grpo's LR alone. Stop it at any time; the same command goes on where it stopped. A cell lies in
# $(OUT)/cells/NAME.part until it is whole; one that was made with other settings is refused; one that
# failed leaves NAME.status, is in the table with it, and is tried again by the next call. All of a
# cell is computed by THREADS threads, so -j changes no byte of it.
#
#     table.csv table.md   a row for each setting: means over seeds with 95 % intervals (Student's t)
#     cells.csv            a row for each cell
#     curves.svg .png      accuracy, all-fail share, entropy, length, divergence, bands over seeds
#
# The task is TASK=digits or charts, with a base and training questions for each seed; or your own:
# BASE=base.ptd DATA=train.jsonl TEST=test.jsonl, the same for all seeds.
#
# A cluster: LAUNCH="srun -n1 -c1" goes before the command of each cell, with -j as many at a time. Or
# as a Slurm array: `make -sf pipelines/sweep.mk cells ...` lists the cells by number, and
#     sbatch --array=1-24 --wrap 'make -f pipelines/sweep.mk cell N=$$SLURM_ARRAY_TASK_ID ...'
# makes them; the first call without `cell` then writes the tables.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
HERE        := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
BIN         ?= $(HERE)/../bin
export PATH := $(abspath $(BIN)):$(PATH)
METHODS     ?= base grpo ptd-grpo
SEEDS       ?= 0 1 2
TASK        ?= digits
OUT         ?= run/sweep-$(TASK)
THREADS     ?= 1
LAUNCH      ?=
# What a figure shows: METHODS, or fewer, where those are too many for the eye.
SHOWN       ?= $(METHODS)
# 1: the store of a cell stays in its folder.
KEEP        ?= 0
SAMPLES     ?= 8
export PTD_THREADS := $(THREADS)

.DEFAULT_GOAL := sweep
PLACE := $(OUT)/task
-include $(HERE)/tasks/$(TASK).mk
include $(HERE)/task.mk
LISTED   := LR UPDATES BETA LAMBDA TOPK TAU DIVERGENCE SCOPE HINT HINTED
SETTINGS := STEPS PROMPTS ANSWERS MAX_TOKENS EXTRACT REFILL OVERLONG TEACHER
ALSO     := BASE DATA TEST PLACE BIN N SMOOTH $(LISTED) $(LISTED:%=%_%) $(SETTINGS)
include $(HERE)/settings.mk
# What was not given is method.mk's.
$(foreach v,$(LISTED),$(if $(filter-out undefined default,$(origin $v)),$(eval given_$v := $($v))))
settings := $(foreach v,$(SETTINGS),$(if $(filter-out undefined default,$(origin $v)),$v="$($v)"))

unknown  := $(strip $(foreach m,$(METHODS),$(if $(wildcard $(HERE)/methods/$m.mk),,$m)))
$(if $(or $(wildcard $(HERE)/tasks/$(TASK).mk),$(and $(BASE),$(DATA),$(TEST))),,$(error no task $(TASK): expected one of $(basename $(notdir $(wildcard $(HERE)/tasks/*.mk))), or BASE, DATA and TEST))
$(if $(unknown),$(error no method $(unknown): expected some of $(basename $(notdir $(wildcard $(HERE)/methods/*.mk)))))

# grpo_LR-2e-4_SEED-0: a method's settings that are lists or given, and the seed.
axes_of   = $(filter $(LISTED),LR UPDATES $(shell sed -n 's/^AXES *= *//p' $(HERE)/methods/$1.mk))
across    = $(foreach c,$1,$(or $(foreach v,$(or $($2_$(firstword $(subst _, ,$c))),$(given_$2)),$c_$2-$v),$c))
along     = $(if $2,$(call along,$(call across,$1,$(firstword $2)),$(wordlist 2,99,$2)),$1)
once      = $(if $1,$(firstword $1) $(call once,$(filter-out $(firstword $1),$1)))
SETS     := $(call once,$(foreach m,$(METHODS),$(call along,$m,$(call axes_of,$m))))
CELLS    := $(call once,$(foreach s,$(SETS),$(foreach k,$(SEEDS),$s_SEED-$k)))

# As make reads names where targets stand: a value may hold = and :, as gjsd=0.5 and column:NAME do.
equals   := =
TARGETS  := $(subst :,\:,$(CELLS))
as_target = $(subst =,$$(equals),$(subst :,\:,$1))
numbered := $(filter cell,$(MAKECMDGOALS))
$(if $(numbered),$(if $(filter $(N),$(shell seq $(words $(CELLS)))),,$(error N=$(N): expected 1 to $(words $(CELLS)), the number of a cell)))

.PHONY: sweep cells cell table $(TARGETS)
.DELETE_ON_ERROR:
sweep: $(TARGETS)
	@$(MAKE) --no-print-directory -f $(HERE)/sweep.mk table
	@for c in $(CELLS); do [ ! -e "$(OUT)/cells/$$c.status" ] || { echo "some cells failed: see $(OUT)/table.md" >&2; exit 1; }; done
cells:
	@printf '%s\n' $(CELLS) | nl -ba
cell: $(if $(numbered),$(word $(N),$(TARGETS)))

# ---- a cell ----
seed_of = $(lastword $(subst _SEED-, ,$1))
base_of = $(or $(BASE),$(PLACE)/base-$1.ptd)
data_of = $(or $(DATA),$(PLACE)/train-$1.jsonl)
form_of = $(foreach f,$(patsubst HINTED-%,%,$(filter HINTED-%,$(subst _, ,$1))),$(patsubst %.jsonl,%-$f.jsonl,$(call data_of,$(call seed_of,$1))))
test_of = $(or $(TEST),$(PLACE)/test.jsonl)
# Of teachers only what a method asks for is made.
teacher_of = $(if $(findstring TEACHER,$(shell cat $(HERE)/methods/$(firstword $(subst _, ,$1)).mk)),$(or $(TEACHER),$(PLACE)/teacher-$(call seed_of,$1).ptd))
define rule
$(call as_target,$1): | $(call base_of,$(call seed_of,$1)) $(call data_of,$(call seed_of,$1)) $(call form_of,$1) $(call test_of) $(call teacher_of,$1)
	@launch='$(LAUNCH)'; [ ! -d $(OUT)/cells/$1 ] || launch=; $$$$launch env OUT=$(OUT)/cells BASE=$(call base_of,$(call seed_of,$1)) DATA=$(call data_of,$(call seed_of,$1)) \
	    TEST=$(call test_of) KEEP=$(KEEP) SAMPLES=$(SAMPLES) $(HERE)/sweep/cell.sh $1 $(settings) $(addprefix TEACHER=,$(call teacher_of,$1)) \
	    || $(HERE)/sweep/lost.sh $(OUT)/cells/$1 $$$$?
endef
$(foreach c,$(CELLS),$(eval $(call rule,$c)))

# ---- what came of it ----
table:
	@OUT=$(OUT) $(HERE)/sweep/table.sh $(CELLS)
	@OUT=$(OUT) $(HERE)/sweep/figures.sh $(foreach s,$(SETS),$(if $(filter $(SHOWN),$(firstword $(subst _, ,$s))),$s)) -- $(call once,$(SEEDS))
	@cat $(OUT)/table.md
