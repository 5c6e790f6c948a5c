# What the sources of hints find, beside the annotation that they never read: on COUNT questions of
# the training pictures, by the demo's base.
#
#     make -C pipelines/demo -f hints.mk hints          seed 0
#     make -C pipelines/demo -f hints.mk hints COUNT=60
#
# Rows have a question, a picture and the final answer, and where a text is read for its attention, a
# solution that is the boxed answer alone. Each source hints all questions, of eight responses each;
# table.md has a row a source (overlap.sh says of what).
include Makefile
COUNT   ?= 200
LOOK     = $(OUT)/look
STUDENT ?= 40
BOXED    = --answer-template '\boxed{ ANSWER }'
METHODS  = --methods read/add,max,subtract

# A source by name: what of ptd-hint, and which stream.
FROM_attention       = --from attention
FROM_neutral         = --from attention --neutral "describe the picture"
FROM_heads           = --from attention $(shell cat $(LOOK)/heads 2> /dev/null)
FROM_blank-answer    = --from attention --blank --weigh answer $(BOXED)
FROM_blank-right     = --from attention --blank --weigh right $(BOXED)
FROM_gradient-answer = --from attention --gradient --weigh answer $(BOXED)
FROM_gradient-right  = --from attention --gradient --weigh right $(BOXED)
FROM_siblings        = --from siblings
FROM_search          = --from search $(METHODS)
FROM_search-4        = --from search $(METHODS) --replies 4
FROM_later-reference = --from search $(METHODS)
FROM_later-student   = --from search $(METHODS) --model old
SOURCES = attention neutral heads blank-answer blank-right gradient-answer gradient-right siblings search search-4 \
          later-reference later-student

.PHONY: hints
.SECONDARY:
hints: $(LOOK)/table.md
	cat $<
$(LOOK)/table.md: $(SOURCES:%=$(LOOK)/%.row)
	{ echo '| source | hinted, % | places and method, % | places, % | overlap |'; echo '|---|---|---|---|---|'; cat $^; } > $@

# ---- rows and responses; `chosen` is what heads are chosen on ----
ANSWERS = -P 100 -G 8 -m 32
$(LOOK):
	mkdir -p $@
$(LOOK)/all.jsonl: | $(LOOK)
	ptd-data digits $@ --count $(COUNT) --seed 1005
$(LOOK)/chosen.jsonl: | $(LOOK)
	ptd-data digits $@ --count $(COUNT) --seed 1006
$(LOOK)/%.bare.jsonl: $(LOOK)/%.jsonl
	jq -c 'del(.steps, .regions, .objects, .category) | .solution = "\\boxed{ \(.answer) }"' $< > $@
$(LOOK)/look.ptd $(LOOK)/later.ptd: | $(OUT)/base.done $(LOOK)
	rm -rf $@.part && ptd-init $@.part --from-store $(OUT)/base.ptd && mv $@.part $@
$(LOOK)/%.rec: $(LOOK)/%.bare.jsonl | $(LOOK)/look.ptd
	ptd-rollout -q -s $(LOOK)/look.ptd -g 0 $(ANSWERS) $< | ptd-verify -q $(VERIFY) > $@
# A student that has learned for a while, and what it answers.
$(LOOK)/later.done: $(OUT)/train.jsonl | $(LOOK)/later.ptd
	ptd-rollout -s $(LOOK)/later.ptd -P 24 -G 8 -m 32 -n $(STUDENT) --seed $(SEED) $< | ptd-verify -q $(VERIFY) | ptd-ref -q --no-cache \
	    | ptd-update $(UPDATE) > $(LOOK)/later.metrics
	touch $@
$(LOOK)/later.rec: $(LOOK)/all.bare.jsonl $(LOOK)/later.done
	ptd-rollout -q -s $(LOOK)/later.ptd -g latest $(ANSWERS) $< | ptd-verify -q $(VERIFY) > $@

# ---- hints ----
$(LOOK)/later-%.row: $(LOOK)/later.rec
	ptd-hint -q --always $(FROM_later-$*) $< | ./overlap.sh later-$* $(LOOK)/all.jsonl > $@
$(LOOK)/%.row: $(LOOK)/all.rec
	ptd-hint -q --always $(FROM_$*) $< | ./overlap.sh $* $(LOOK)/all.jsonl > $@
$(LOOK)/heads.row: $(LOOK)/heads
# Of each head of each layer alone, the one whose hints overlap most on other questions.
$(LOOK)/heads: $(LOOK)/chosen.rec
	for l in 0 1 2 3; do for h in 0 1 2 3; do \
	    ptd-hint -q --always --from attention --layers $$l --heads $$h $< | ./overlap.sh "--layers $$l --heads $$h" $(LOOK)/chosen.jsonl; \
	done; done | sort -t '|' -k 6 -n | tail -n 1 | cut -d '|' -f 2 > $@
