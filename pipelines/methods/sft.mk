# SFT: cross-entropy of the data set's own solutions, one to each prompt of a step.
PIPE = ptd-gold -q -s $(STORE) -n $(STEPS) -P $(PROMPTS) --seed $(SEED) $(DATA) | ptd-update -q --loss sft $(OPTIM)
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
