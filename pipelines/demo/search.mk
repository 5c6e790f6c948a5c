# The demo with hints that nobody annotated: from question, picture and final answer alone.
#
#     make -C pipelines/demo -f search.mk search          seed 0, beside the demo's own runs
#     make -C pipelines/demo -f search.mk search SEED=1
#
# What ptd-hint reads has no steps, no regions and no solution. Each hint is the candidate that the
# frozen model answers rightly and finds likeliest, and is used if the right answer gains by it.
include Makefile
METHODS = read/add,max,subtract
BARE    = $(OUT)/bare.jsonl

.PHONY: search
search: $(OUT)/search.greedy.json $(OUT)/search.sampled.json

$(BARE): $(OUT)/train.jsonl
	jq -c 'del(.steps, .regions, .solution, .objects, .category)' $< > $@
$(OUT)/search.ptd: | $(OUT)/base.done
	rm -rf $@.part && ptd-init $@.part --from-store $(OUT)/base.ptd $(INIT) && mv $@.part $@
$(OUT)/search.done: $(OUT)/base.done $(BARE) | $(OUT)/search.ptd
	@echo "== PTD-PO with searched hints ($(STEPS) steps)"
	ptd-rollout -s $(OUT)/search.ptd $(ROLLOUT) $(BARE) | ptd-verify -q $(VERIFY) \
	    | ptd-hint --from search --methods $(METHODS) --gate --samples 4 2>> $(OUT)/search.log \
	    | ptd-ref -q --no-cache | ptd-update $(UPDATE) >> $(OUT)/search.metrics
	touch $@
