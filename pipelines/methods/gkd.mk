# GKD (arXiv 2306.13649), on-policy: every answer is pulled towards another, stronger model that reads
# what the student reads; no reward.
AXES = LAMBDA TOPK
PIPE = $(ROLLOUT) | $(VERIFY) --advantage none | $(REF) --teacher $(TEACHER) --reads question --scope all --truncated --tau 2 --no-reference \
	| $(UPDATE) --beta 0 --lambda $(LAMBDA) --tau 2 --divergence gjsd
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
