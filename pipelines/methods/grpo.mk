# GRPO (arXiv 2402.03300): advantages within the group, KL to the frozen base.
AXES = BETA
PIPE = $(ROLLOUT) | $(VERIFY) | $(REF) | $(UPDATE) --beta $(BETA)
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
