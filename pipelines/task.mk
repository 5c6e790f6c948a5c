# What a task is made of, in $(PLACE): train-SEED.jsonl, test.jsonl, base-SEED.ptd, which has learned
# to see, to follow hints and the form of an answer, and teacher-SEED.ptd, the same base after many
# plain solutions (GKD, OPD). sweep.mk includes it; all of it is made by one thread, so that -j
# changes nothing.
SFT = --loss sft --lr 3e-3 --warmup 40 --schedule cosine --beta2 0.98 --weight-decay 0.05
TEACH_STEPS ?= 300

# Hints in other forms, of any data set of the two tasks: places alone, the method alone, other places,
# the same words in alphabetical order.
CELL    := [abc][123]
spatial := .steps = ["look at " + (.regions | map(.label) | join(" "))]
method  := .regions = [] | .steps |= (map(gsub("first( $(CELL))+|look at( $(CELL))+( then )?"; "")) | map(select(. != "")))
random  := (.id | explode | add) as $$n | def cell: ("abc"[. % 3:][:1]) + ("123"[(. / 3 | floor) % 3:][:1]); \
	.regions |= (to_entries | map(.value + {label: (($$n * 7 + .key * 5) % 9 | cell)})) | .steps |= (to_entries | map(.key as $$k \
	| .value | [scan("$(CELL)|[^abc]+|.")] | to_entries | map(if .value | test("^$(CELL)$$") then (($$n * 7 + .key * 5 + $$k) % 9 | cell) else .value end) | join("")))
loose   := .steps |= [map(split(" ")[]) | sort | join(" ")]
HINT_FORMS := spatial method random loose
reform   = jq -c '$($1)' $< > $@.part && mv $@.part $@
define in_form
$(PLACE)/train-%-$1.jsonl: $(PLACE)/train-%.jsonl
	$$(call reform,$1)
$(if $(DATA),$(DATA:.jsonl=-$1.jsonl): $(DATA)
	$$(call reform,$1))
.PRECIOUS: $(PLACE)/train-%-$1.jsonl
endef
$(foreach f,$(HINT_FORMS),$(eval $(call in_form,$f)))

$(PLACE):
	mkdir -p $@
$(PLACE)/warm-%.jsonl: | $(PLACE)
	ptd-data $(MAKER) -q $@ --objects --kinds $(KINDS) --seed $$((3 * $* + 1))
$(PLACE)/train-%.jsonl: | $(PLACE)
	ptd-data $(MAKER) -q $@ --count $(ROWS) --seed $$((3 * $* + 2))
$(PLACE)/plain-%.jsonl: | $(PLACE)
	ptd-data $(MAKER) -q $@ --kinds $(TEACH) --seed $$((3 * $* + 50))
# Of training's handwriting or birds, for choices: not of the test's.
$(PLACE)/valid.jsonl: | $(PLACE)
	ptd-data $(MAKER) -q $@ --count $(TEST_ROWS) --seed 4
$(PLACE)/test.jsonl: | $(PLACE)
	ptd-data $(MAKER) -q $@ --split test --count $(TEST_ROWS) --seed 3
$(PLACE)/base-%.ptd: $(PLACE)/warm-%.jsonl
	[ -e $@.part/data.mdb ] || ptd-init -q $@.part --config tiny --seed $*
	ptd-gold -q -s $@.part -P 64 -n $(WARM) --seed $* $< | ptd-hint -q --always --from data \
	    | ptd-update -q $(SFT) --picture-words 1 > $@.metrics
	mv $@.part $@
$(PLACE)/teacher-%.ptd: $(PLACE)/plain-%.jsonl $(PLACE)/base-%.ptd
	[ -e $@.part/data.mdb ] || ptd-init -q $@.part --from-store $(PLACE)/base-$*.ptd
	ptd-gold -q -s $@.part -P 64 -n $(TEACH_STEPS) --seed $* $< | ptd-update -q $(SFT) --lr 1e-3 > $@.metrics
	mv $@.part $@
.PRECIOUS: $(PLACE)/warm-%.jsonl $(PLACE)/train-%.jsonl $(PLACE)/plain-%.jsonl $(PLACE)/base-%.ptd $(PLACE)/teacher-%.ptd
