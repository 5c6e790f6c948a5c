# PAPO (arXiv 2507.06448): GRPO, and answers shall become less probable where most of the picture is black,
# as the weights that gave them see it; what keeps that in bounds is a bonus on less entropy.
AXES = BETA
PIPE = $(ROLLOUT) | $(VERIFY) | $(REF) --teacher old --mask-picture 0.6 | $(UPDATE) --beta $(BETA) --masked-kl 0.01 --entropy-bonus -0.03
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
