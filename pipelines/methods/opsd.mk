# OPSD (arXiv 2601.18734): the frozen base that reads the answer teaches every answer of the student; no
# reward, no KL.
AXES = LAMBDA TOPK
PIPE = $(ROLLOUT) | $(VERIFY) --advantage none | ptd-hint -q --always --from answer --tell-the-answer \
	| $(REF) --scope all --truncated --tau 2 --no-reference | $(UPDATE) --beta 0 --lambda $(LAMBDA) --tau 2 --divergence gjsd
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
