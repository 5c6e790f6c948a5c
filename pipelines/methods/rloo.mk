# RLOO (arXiv 2402.14740): REINFORCE with the mean of the other answers as baseline; no KL.
PIPE = $(ROLLOUT) | $(VERIFY) --method rloo | $(UPDATE) --method rloo
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
