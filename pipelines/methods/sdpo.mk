# SDPO (arXiv 2601.20802): where a sibling is right, the running mean of the weights reads it beside the
# question and teaches the wrong ones, on the student's words, each token weighed by its ratio; no KL.
AXES = LAMBDA TOPK
PIPE = $(ROLLOUT) | $(VERIFY) | ptd-hint -q --from response --tell-the-answer | $(REF) --teacher ema --no-reference \
	| $(UPDATE) --beta 0 --ema 0.95 --lambda $(LAMBDA) --divergence gjsd --support student --tutor-weight ratio
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
