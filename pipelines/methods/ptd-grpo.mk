# PTD-PO on GRPO (arXiv 2606.07000): failed answers are pulled towards the frozen base that reads a
# hint; KL where nothing is tutored.
AXES = BETA LAMBDA TOPK TAU DIVERGENCE SCOPE HINT HINTED
PIPE = $(ROLLOUT) | $(VERIFY) | ptd-hint -q --from $(HINT) --tau $(TAU) | $(REF) --tau $(TAU) --scope $(SCOPE) | $(UPDATE) --beta $(BETA) $(TUTOR)
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
