# The paper's table, in small: every method on the same bases, questions, steps and answers a step,
# with three seeds, on two tasks; ablations of PTD-PO on the first.
#
#     make -f pipelines/paper.mk -j2             the whole
#     make -f pipelines/paper.mk QUICK=1 -j2     a small one of everything, to see it end
#
# For each task: learning rates are chosen for each method by the same small number of steps, from
# LRS, by sampled answers to questions of training's own handwriting or birds (choice/); then the
# cells (sweep.mk); then paper.md, with intervals of the differences to GRPO over the same questions.
# It goes on where it was stopped, cell by cell.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
HERE        := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
QUICK       ?=
OUT         ?= run/paper$(if $(QUICK),-quick)
TASKS       ?= digits charts
METHODS     ?= $(filter-out base,$(basename $(notdir $(wildcard $(HERE)/methods/*.mk))))
SEEDS       ?= $(if $(QUICK),0 1,0 1 2)
STEPS       ?= $(if $(QUICK),10,150)
LRS         ?= $(if $(QUICK),1e-4 4e-4,1e-4 2e-4 4e-4)
TRIAL_STEPS ?= $(if $(QUICK),3,40)
# Answers about charts are three times as long, so there are fewer: a run of the whole table takes as
# long there as on digits.
STEPS_charts       ?= $(if $(QUICK),6,50)
TRIAL_STEPS_charts ?= $(if $(QUICK),3,12)
PROMPTS_charts     ?= $(if $(QUICK),6,16)
# $(call sized,SETTING,TASK)
sized   = $(or $($1_$2),$($1))
prompts = $(addprefix PROMPTS=,$(call sized,PROMPTS,$1))
# Its own seed: no run of the table begins where a choice began.
TRIAL_SEED  ?= 9
SHOWN       ?= grpo dapo gkd opsd ptd-grpo ptd-dapo
READ        := $(wildcard $(addprefix $(HERE)/,sweep.mk method.mk task.mk tasks/*.mk))
ALSO        := $(foreach t,$(TASKS),STEPS_$t TRIAL_STEPS_$t PROMPTS_$t)
include $(HERE)/settings.mk
SMALL       := $(if $(QUICK),WARM=60 ROWS=512 TEST_ROWS=60 TEACH_STEPS=20 TEACH=all-plain:512 PROMPTS=6 SAMPLES=4 SMOOTH=3)
export SMOOTH = $(if $(QUICK),3,20)
# Each by itself, against PTD-GRPO as it is.
ABLATED     := TAU SCOPE TOPK LAMBDA DIVERGENCE HINTED
TAU_VALUES        := 0.2 0.5
SCOPE_VALUES      := all
TOPK_VALUES       := 4 64 full
LAMBDA_VALUES     := 0.5 1 6
DIVERGENCE_VALUES := forward reverse jsd-detached
HINTED_VALUES     := spatial method random loose
SWEEP = $(MAKE) --no-print-directory -f $(HERE)/sweep.mk $(SMALL) $(if $(BIN),BIN=$(BIN))

.PHONY: paper
.DELETE_ON_ERROR:
.SECONDARY:
paper: $(OUT)/paper.md
	@cat $<

$(OUT)/%/choice/table.csv:
	@echo "== $*: learning rates"
	+$(SWEEP) TASK=$* OUT=$(OUT)/$*/choice PLACE=$(OUT)/$*/task TEST=$(OUT)/$*/task/valid.jsonl METHODS="$(METHODS)" LR="$(LRS)" SEEDS=$(TRIAL_SEED) STEPS=$(call sized,TRIAL_STEPS,$*) $(call prompts,$*)
# The best of each method by the mean of sampled answers; of equal ones the smallest rate.
$(OUT)/%/rates.mk: $(OUT)/%/choice/table.csv
	$(HERE)/sweep/rates.sh $(OUT)/$*/choice $(METHODS) > $@
$(OUT)/%/table.md: $(OUT)/%/rates.mk
	@echo "== $*: all methods"
	+$(SWEEP) TASK=$* OUT=$(OUT)/$* METHODS="base $(METHODS)" SEEDS="$(SEEDS)" STEPS=$(call sized,STEPS,$*) $(call prompts,$*) SHOWN="$(SHOWN)" $$(cat $<)
$(OUT)/ablations/%/table.md: $(OUT)/$(firstword $(TASKS))/table.md
	@echo "== ablations: $*"
	+$(SWEEP) TASK=$(firstword $(TASKS)) OUT=$(OUT)/ablations/$* PLACE=$(OUT)/$(firstword $(TASKS))/task METHODS=ptd-grpo $*="$($*_VALUES)" \
	    SEEDS="$(SEEDS)" STEPS=$(STEPS) LR=$$(sed -n 's/^LR_ptd-grpo=//p' $(OUT)/$(firstword $(TASKS))/rates.mk)
$(OUT)/paper.md: $(TASKS:%=$(OUT)/%/table.md) $(ABLATED:%=$(OUT)/ablations/%/table.md)
	OUT=$(OUT) $(HERE)/sweep/paper.sh $(TASKS) -- $(ABLATED) > $@
