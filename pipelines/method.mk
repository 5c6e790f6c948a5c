# What the pipes in methods/ share. Each is a run of its own:
#
#     make -f pipelines/methods/ptd-grpo.mk STORE=run.ptd DATA=train.jsonl LAMBDA=3 METRICS=run.metrics
#
# The store remembers how far it is: the same line goes on after a stop. A method says in AXES which
# of the settings below it reads beside those that all of them do (sweep.mk makes no two cells that
# differ in nothing).
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export PATH := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))../bin):$(PATH)

STORE      ?= run.ptd
DATA       ?= train.jsonl
METRICS    ?= $(STORE:.ptd=).metrics
SEED       ?= 0
STEPS      ?= 200
PROMPTS    ?= 24
ANSWERS    ?= 8
MAX_TOKENS ?= 32
EXTRACT    ?= boxed
LR         ?= 2e-4
UPDATES    ?= 2
BETA       ?= 0.01
TOPK       ?= 16
LAMBDA     ?= 3
TAU        ?= 1
DIVERGENCE ?= jsd
SCOPE      ?= failed
HINT       ?= data
# Hints of the data set as they are, or in another form (task.mk): spatial, method, random, loose.
HINTED     ?=
TEACHER    ?= teacher.ptd
# Rounds that dynamic sampling may add, and the last tokens before the limit that are punished.
REFILL     ?= 10
OVERLONG   ?= 8
include $(dir $(lastword $(MAKEFILE_LIST)))settings.mk

ROLLOUT = ptd-rollout -q -s $(STORE) -n $(STEPS) -P $(PROMPTS) -G $(ANSWERS) -m $(MAX_TOKENS) --seed $(SEED) \
	-k $(if $(filter full,$(TOPK)),0,$(TOPK)) $(DATA:.jsonl=$(if $(HINTED),-$(HINTED)).jsonl)
VERIFY  = ptd-verify -q --extract $(EXTRACT)
REF     = ptd-ref -q --no-cache -k $(TOPK)
OPTIM   = --lr $(LR) --warmup 20 --weight-decay 0
UPDATE  = ptd-update -q $(OPTIM) --updates $(UPDATES)
TUTOR   = --lambda $(LAMBDA) --tau $(TAU) --divergence $(DIVERGENCE)

.PHONY: train show
train:
	$(PIPE) >> $(METRICS)
show:
	@: $(info $(PIPE))
