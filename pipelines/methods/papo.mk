# PAPO (arXiv 2507.06448): GRPO, and answers shall become less probable where most of the picture is black.
AXES = BETA
PIPE = $(ROLLOUT) | $(VERIFY) | $(REF) --mask-picture 0.6 | $(UPDATE) --beta $(BETA) --masked-kl 0.01
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
