# Dr.GRPO (arXiv 2503.20783): neither the group's deviation nor an answer's length below a fraction bar.
PIPE = $(ROLLOUT) | $(VERIFY) --method dr-grpo | $(UPDATE) --method dr-grpo
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
