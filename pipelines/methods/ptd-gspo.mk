# PTD-PO on GSPO.
AXES = LAMBDA TOPK TAU DIVERGENCE SCOPE HINT HINTED
PIPE = $(ROLLOUT) | $(VERIFY) | ptd-hint -q --from $(HINT) --tau $(TAU) | $(REF) --tau $(TAU) --scope $(SCOPE) --no-reference | $(UPDATE) --method gspo $(TUTOR)
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
