# DAPO (arXiv 2503.14476): a wider clip above, each token one vote, no KL; uniform groups are replaced,
# answers near the limit punished, those it cut left out.
PIPE = $(ROLLOUT) --refill $(REFILL) | $(VERIFY) --keep 0.01:0.99 --overlong $(OVERLONG) --overlong-filter | $(UPDATE) --method dapo
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
