# PTD-PO on DAPO: groups that failed as a whole stay, since a tutor teaches them.
AXES = LAMBDA TOPK TAU DIVERGENCE SCOPE HINT HINTED
PIPE = $(ROLLOUT) --refill $(REFILL) | $(VERIFY) --keep 0:0.99 --overlong $(OVERLONG) | ptd-hint -q --from $(HINT) --tau $(TAU) \
	| $(REF) --tau $(TAU) --scope $(SCOPE) --no-reference | $(UPDATE) --method dapo $(TUTOR)
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
