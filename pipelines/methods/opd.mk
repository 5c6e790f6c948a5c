# OPD as advantage (on-policy distillation, as slime, ms-swift and verl have it): LAMBDA (here about 1) times
# the log-ratio of another model and the student at each token it sampled joins the token's advantage.
AXES = LAMBDA
PIPE = $(ROLLOUT) | $(VERIFY) | $(REF) --teacher $(TEACHER) --reads question --scope all --truncated --tau 2 --no-reference \
	| $(UPDATE) --beta 0 --lambda $(LAMBDA) --tau 2 --tutor-as advantage
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
