# GSPO (arXiv 2507.18071): one importance ratio for a whole answer, clipped closely; no KL.
PIPE = $(ROLLOUT) | $(VERIFY) | $(UPDATE) --method gspo
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
