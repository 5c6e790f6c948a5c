# The demo with hints that nobody annotated: from question, picture and final answer alone.
#
#     make -C pipelines/demo -f search.mk search          seed 0, beside the demo's own runs
#     make -C pipelines/demo -f search.mk search SEED=1
#     make -C pipelines/demo -f search.mk student         searched with the student as it learns
#     make -C pipelines/demo -f search.mk harm            hints that mislead, behind the gate, beside GRPO
#
# What ptd-hint reads has no steps, no regions and no solution. Each hint is the candidate that the
# frozen model answers rightly and finds likeliest, and is used if the right answer gains by it.
include Makefile
METHODS = read/add,max,subtract
BARE    = $(OUT)/bare.jsonl
GATE    = --gate --samples 4

# A run by name: what it reads, and where its hints come from.
DATA_search  = $(BARE)
HINT_search  = --from search --methods $(METHODS) $(GATE)
DATA_student = $(BARE)
HINT_student = $(HINT_search) --model old
# Places at random; and attention while nothing but the boxed answer is read, which looks anywhere.
DATA_random  = $(BARE)
HINT_random  = --from 'exec:jq --unbuffered -c -f random.jq' $(GATE)
DATA_boxed   = $(OUT)/boxed.jsonl
HINT_boxed   = --from attention $(GATE)
RUNS         = search student random boxed

.PHONY: search student harm
search student: %: $(OUT)/%.greedy.json $(OUT)/%.sampled.json
# No source may take a run below GRPO by more than noise: what does not help is not used.
harm: $(foreach r,grpo random boxed,$(OUT)/$r.greedy.json)
	./harm.sh $(OUT) grpo random boxed

$(BARE): $(OUT)/train.jsonl
	jq -c 'del(.steps, .regions, .solution, .objects, .category)' $< > $@
$(OUT)/boxed.jsonl: $(BARE)
	jq -c '.solution = "\\boxed{ \(.answer) }"' $< > $@
$(RUNS:%=$(OUT)/%.ptd): | $(OUT)/base.done
	rm -rf $@.part && ptd-init $@.part --from-store $(OUT)/base.ptd $(INIT) && mv $@.part $@
.SECONDEXPANSION:
$(RUNS:%=$(OUT)/%.done): $(OUT)/%.done: $(OUT)/base.done $$(DATA_$$*) | $(OUT)/%.ptd
	@echo "== PTD-PO with hints by $(HINT_$*) ($(STEPS) steps)"
	ptd-rollout -s $(OUT)/$*.ptd $(ROLLOUT) $(DATA_$*) | ptd-verify -q $(VERIFY) \
	    | ptd-hint $(HINT_$*) 2>> $(OUT)/$*.log \
	    | ptd-ref -q --no-cache | ptd-update $(UPDATE) >> $(OUT)/$*.metrics
	touch $@
