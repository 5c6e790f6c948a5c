# HDPO (arXiv 2603.23871): prompts that the student failed as a whole are answered by it anew, told the
# answer; what comes out right is taught back without it, by the weights that wrote it. GRPO for the rest.
AXES = BETA LAMBDA TOPK
PIPE = $(ROLLOUT) | $(VERIFY) | ptd-hint -q --from answer --tell-the-answer --tau 0.001 | ptd-rollout -q --privileged | $(VERIFY) \
	| $(REF) --teacher old --scope right | $(UPDATE) --beta $(BETA) --lambda $(LAMBDA)
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
