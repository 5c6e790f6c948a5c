#!/usr/bin/env bats
# ptd-hint's sources that need no annotation, those that a user brings, and the gate, on real streams.
# PTD_BIN: where the programs are.
bats_require_minimum_version 1.5.0
load lib.bash

setup_file() {
    cd "$WORK"
    ptd-data digits -q train.jsonl --count 12
    ptd-init -q blank.ptd
    cp -r blank.ptd warm.ptd
    ptd-gold -q -s warm.ptd -P 12 -n 24 train.jsonl | ptd-hint -q --always --share 0.5 | ptd-update -q --loss sft --lr 4e-3 > warm.jsonl
    fresh run.ptd
    ptd-rollout -q -s run.ptd -g latest -P 12 -G 6 -m 16 train.jsonl | ptd-verify -q > verified.rec
    jq -c 'del(.steps, .regions, .solution, .objects, .category)' train.jsonl > bare.jsonl
    ptd-rollout -q -s run.ptd -g latest -P 12 -G 6 -m 16 bare.jsonl | ptd-verify -q > bare.rec
}

setup() { cd "$WORK"; }

groups() { ptd-dump --full "$@" | jq -c 'select(.kind == "group")'; }
hints() { groups "$@" | jq -c '[.uid, .hint.text]'; }
craft() { /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" "$@"; }
METHODS='--methods read/add'

@test "search: hints from question, picture and answer alone, the same twice, and the answer in none" {
    run -0 --separate-stderr bash -c "ptd-hint --from search $METHODS bare.rec 2>&1 > /dev/null"
    [[ "$output" == *"search: "*" candidates each, "*" ms a group"* ]]
    ptd-hint -q --from search $METHODS bare.rec > s.rec
    [ "$(groups s.rec | jq -s '[.[] | select(.hint.text)] | length')" -ge 1 ]
    [ "$(groups s.rec | jq -s '[.[] | select(.hint.text) | .hint | .source == "search" and (.regions | length) > 0 and (.text | test("^(first [a-c][1-3] then )?look at( [a-c][1-3])+ then (read|add)$"))] | all')" = true ]
    ptd-dump --check s.rec > /dev/null
    [ "$(PTD_THREADS=1 ptd-hint -q --from search $METHODS bare.rec | hints)" = "$(hints s.rec)" ]
    ptd-hint -q --from search $METHODS bare.rec | cmp - s.rec
    # steps, regions and solutions decide nothing
    ptd-hint -q --from search $METHODS verified.rec > full.rec
    [ "$(hints full.rec)" = "$(hints s.rec)" ]
}

@test "search: given texts are weighed in one batch" {
    for by in answer right; do
        ptd-hint -q --from search --weigh $by --answer-template '\boxed{ ANSWER }' $METHODS bare.rec > $by.rec
        [ "$(groups $by.rec | jq -s '[.[] | select(.hint.text)] | length')" -ge 1 ]
    done
    [ "$(hints answer.rec)" != "$(hints right.rec)" ]
    run -0 --separate-stderr bash -c "ptd-hint --from search --weigh answer --candidates 5 bare.rec 2>&1 > few.rec"
    [[ "$output" == *"search: "*" groups, 5 candidates each"* ]]
    ptd-hint -q --from search --sure 1 $METHODS bare.rec > sure.rec
    ptd-hint -q --from search --sure 0 $METHODS bare.rec > any.rec
    [ "$(groups sure.rec | jq -s '[.[] | select(.hint.text)] | length')" -le "$(groups any.rec | jq -s '[.[] | select(.hint.text)] | length')" ]
}

@test "the gate: what does not help is dropped, with its gain, and counted down to the metrics" {
    jq -c 'if .id[-1:] | tonumber % 2 == 0 then .steps = ["look at a1 a2 a3 b1 b2 b3 c1 c2 c3", "read"] else . end' train.jsonl > mixed.jsonl
    ptd-rollout -q -s run.ptd -P 12 -G 6 -m 16 -n 1 mixed.jsonl | ptd-verify -q > mixed.rec
    for by in reply right answer; do
        form="--gate-source 0 "$([ $by = reply ] && echo "--gate-right 0" || echo "--answer-template '\\boxed{ ANSWER }'")
        run -0 --separate-stderr bash -c "ptd-hint --from data --gate --weigh $by $form mixed.rec > gated.rec"
        [[ "$stderr" == *"gate: "*" of "*" passed ("*" %), gain "* ]]
        groups gated.rec | jq -s -e 'map(select(.group_accuracy < 1)) | all(
            if .hint.text then .hint_gain > 0 and .hint_drop == null and .hint_refused == null
            else .hint_gain <= 0 and .hint_drop == "gate" and (.hint_refused | startswith("data: look at")) end)' > /dev/null
        [ "$by" = answer ] || [ "$(groups gated.rec | jq -s '[.[] | select(.hint_drop == "gate")] | length')" -ge 1 ]
    done
    ptd-hint -q --from data --gate mixed.rec > once.rec
    ptd-hint -q --from data --gate mixed.rec | cmp - once.rec
    ptd-ref -q --no-cache once.rec | ptd-update -q > metrics
    share=$(groups once.rec | jq -s 'map(select(.group_accuracy < 1)) | (map(select(.hint.text)) | length) / length')
    jq -e --argjson share "$share" '."ptd/hint_gate_ratio" - $share | fabs < 1e-6' metrics > /dev/null
    # of replies so many must be right; of eight all are at most what half are
    for least in 0 0.5 1; do ptd-hint -q --from data --gate --gate-source 0 --gate-right $least mixed.rec > right-$least.rec; done
    for least in 0 0.5 1; do groups right-$least.rec | jq -r 'select(.hint.text).uid' | sort > passed-$least; done
    [ -z "$(comm -13 passed-0 passed-0.5)$(comm -13 passed-0.5 passed-1)" ]
    [ "$(wc -l < passed-1)" -lt "$(wc -l < passed-0)" ]
    # eight replies, n of them right with the hint, m without: gain = log((n + 1/2) / (m + 1/2))
    gained=$(jq -nc '[range(9) as $n | range(9) as $m | select($n > $m) | {n: $n, gain: ((($n + 0.5) / ($m + 0.5)) | log)}]')
    for least in 0.5 1; do
        groups right-$least.rec | jq -s -e --argjson gained "$gained" --argjson least $least 'map(select(.hint_gain)) | all(. as $g
            | [$gained[] | select((.gain - $g.hint_gain | fabs) < 1e-6).n] as $n
            | if $g.hint.text then any($n[]; . >= 8 * $least) else $n == [] or any($n[]; . < 8 * $least) end)' > /dev/null
    done
    # a source of which too few pass is not believed at all
    few=$(groups right-0.5.rec | jq -s 'map(select(.hint.text or .hint_refused)) | (map(select(.hint.text)) | length) / length - 0.01')
    ptd-hint -q --from data --gate --gate-source "$few" mixed.rec | groups - | jq -c '[.uid, .hint, .hint_gain]' |
        cmp - <(groups right-0.5.rec | jq -c '[.uid, .hint, .hint_gain]')
    ptd-hint -q --from data --gate --gate-source 1 mixed.rec > doubted.rec
    groups doubted.rec | jq -s -e 'map(select(.hint_refused)) | all(.hint.text == null and .hint_drop == "gate" and .hint_refused) and any(.hint_gain > 0)' > /dev/null
    # without the gate nobody was asked
    ptd-hint -q --from data mixed.rec | ptd-ref -q --no-cache > free.rec
    [ "$(groups free.rec | jq -c '[.hint_gain, .hint_refused]' | sort -u)" = '[null,null]' ]
    [ "$(ptd-hint -q --from data once.rec | ptd-dump --full | jq -c 'select(.kind == "group") | [.hint_gain, .hint_refused]' | sort -u)" = '[null,null]' ]
}

@test "a hint that the gate refuses makes room for the next source's" {
    jq -c '.steps = ["look at a1 a2 a3 b1 b2 b3 c1 c2 c3"]' train.jsonl > all.jsonl
    ptd-rollout -q -s run.ptd -g latest -P 12 -G 6 -m 16 all.jsonl | ptd-verify -q > all.rec
    ptd-hint -q --from data,search --gate --weigh answer --answer-template '\boxed{ ANSWER }' all.rec > next.rec
    [ "$(groups next.rec | jq -r 'select(.hint.text) | .hint.source' | sort -u)" != data ]
}

@test "siblings: what right answers read, where some are right and some wrong" {
    craft verified.rec '
for g in groups:
    for i, y in enumerate(g["rollouts"]):
        y["outcome"], y["accuracy"] = ("right", 1.0) if i < 3 else ("wrong", 0.0)
        y["text"] = ["red a1: b1 5. 5", "red a1: b1 5. 5", "red a1: b2 5. 5"][i % 3] if i < 3 else "red a1: a2 7"
    g["group_accuracy"] = 0.5
for y in groups[1]["rollouts"]: y["outcome"], y["accuracy"] = "wrong", 0.0' > mixed-siblings.rec
    ptd-hint -q --from siblings mixed-siblings.rec > siblings.rec
    [ "$(groups siblings.rec | jq -s -c '[.[] | .hint.text] | [.[0], .[1]]')" = '["first a1 then look at b1",null]' ]
    [ "$(groups siblings.rec | jq -s -c '.[0].hint | [.source, [.regions[][0]]]')" = '["siblings",["a1","b1"]]' ]
    # what was done with what they read, and no number of it
    craft mixed-siblings.rec 'for g in groups: g["answer"] = "5"' > fives.rec
    [ "$(ptd-hint -q --from siblings fives.rec | groups | jq -s -c '.[0].hint.text')" = '"first a1 then look at b1 then read"' ]
    ptd-hint -q --audit -n 12 -G 2 -m 16 --from siblings fives.rec > audited.json
    jq -e '.sources[0] | .source == "siblings" and .hints > 0 and .kept == .hints' audited.json > /dev/null
    # an answer that is written where places are read is no hint
    craft mixed-siblings.rec 'for g in groups: g["answer"] = "b1"' | ptd-hint -q --from siblings > told.rec
    [ "$(groups told.rec | jq -s -c '.[0] | [.hint.text, .hint_drop]')" = '[null,"answer-text"]' ]
}

@test "column: a column of the data set; one that is none is told" {
    jq -c '.clue = (if .id[-1:] == "1" then null elif .id[-1:] == "2" then ["look left", "read"] else "look at it" end)' train.jsonl > clues.jsonl
    ptd-rollout -q -s run.ptd -g latest -P 12 -G 2 -m 16 clues.jsonl | ptd-verify -q > clues.rec
    ptd-hint -q --always --from column:clue clues.rec > column.rec
    [ "$(groups column.rec | jq -c '[.hint.source, .hint.text]' | sort -u | tr '\n' ' ')" = '["column","look at it"] ["column","look left then read"] [null,null] ' ]
    run -0 --separate-stderr bash -c 'ptd-hint -q --always --from column:clu clues.rec > none.rec'
    [[ "$stderr" == *"--from column:clu: none of 12 rows has this column"* ]]
    jq -c '.clue = 3' train.jsonl > number.jsonl
    ptd-rollout -q -s run.ptd -g latest -P 12 -G 2 -m 16 number.jsonl | ptd-verify -q > number.rec
    fails 65 'ptd-hint: *column "clue" of group "*": no text, expected text or a list of texts' ptd-hint -q --always --from column:clue number.rec
    echo >> number.jsonl
    fails 65 'ptd-hint: *number.jsonl: digest *, expected *' ptd-hint -q --always --from column:clue number.rec
    rm number.jsonl
    fails 66 'ptd-hint: *number.jsonl*' ptd-hint -q --always --from column:clue number.rec
    for from in column column: data:x attention:1; do fails 2 "ptd-hint: --from \"$from\": expected a list of *" ptd-hint --from $from verified.rec; done
}

SAYS='jq --unbuffered -c'
@test "exec: a command is asked for each group, and its hint is checked like any other" {
    ptd-hint -q --from "exec:tee asked | $SAYS '{steps: [\"look at \\(.regions[0][0])\", \"go on, now\"], regions: [[\"x\", 0, 0, 0.5, 1]]}'" verified.rec > exec.rec
    [ "$(jq -s 'map(select(.question and .answer and .solution and (.responses | length == 6) and .steps)) | length' asked)" = "$(groups exec.rec | jq -s '[.[] | select(.hint.text)] | length')" ]
    [ "$(groups exec.rec | jq -s '[.[] | select(.hint.text) | .hint | .source == "exec" and .regions == [["x",0,0,0.5,1]] and (.text | endswith(" then go on, now"))] | all')" = true ]
    ptd-hint -q --from "exec:$SAYS '{hint: .answer}'" verified.rec > told.rec
    [ "$(groups told.rec | jq -c 'select(.group_accuracy < 1) | [.hint.text, .hint_drop]' | sort -u)" = '[null,"answer-number"]' ]
    ptd-hint -q --from "exec:$SAYS '{}'" verified.rec > none.rec
    [ "$(groups none.rec | jq -c '[.hint.text, .hint_drop]' | sort -u)" = '[null,null]' ]
    ptd-hint -q --from "siblings,exec:$SAYS '{hint: \"look left, then right\"}'" verified.rec > second.rec
    [ "$(groups second.rec | jq -r 'select(.hint.text) | .hint.source' | sort -u | tr '\n' ' ')" = "exec siblings " ]
}

@test "exec: what is no answer has its status and one line" {
    fails 65 'ptd-hint: *--from exec: it answered "no": *, expected an object of JSON' ptd-hint -q --from "exec:$SAYS '\"no\"' -r" verified.rec
    fails 65 'ptd-hint: *--from exec: its answer*"hint": expected text' ptd-hint -q --from "exec:$SAYS '{hint: 3}'" verified.rec
    for o in "--from data --mass 2" "--from data --no-first" "--candidates 9" "--exec-timeout 2" "--samples 2" "--weigh right" "--judge exact"; do
        fails 2 'ptd-hint: --*: without effect, expected --* beside it; *' ptd-hint -q $o verified.rec
    done
    fails 65 'ptd-hint: *--from exec: its answer lacks "hint" and "steps", expected one of them, or {} for no hint' \
        ptd-hint -q --from "exec:$SAYS '{text: \"look left\"}'" verified.rec
    fails 65 'ptd-hint: *--from exec: its answer has "responses": the question again*' ptd-hint -q --from exec:cat verified.rec
    fails 69 'ptd-hint: *--from exec: ended with status 3 instead of answering; it never answered' ptd-hint -q --from 'exec:exit 3' verified.rec
    fails 69 'ptd-hint: *--from exec: has read nothing within 0.2 s of its start*' ptd-hint -q --exec-start 0.2 --from 'exec:sleep 9' verified.rec
    fails 2 'ptd-hint: --from "exec:": *' ptd-hint --from exec: verified.rec
    fails 2 'ptd-hint: --from exec: expected a command*' ptd-hint --from 'exec: ' verified.rec
    # late once in a while: that group has no hint, and a warning says so
    run -0 --separate-stderr bash -c "ptd-hint -q --exec-timeout 0.5 --from 'exec:n=0; while read -r l; do n=\$((n + 1)); [ \$n = 2 ] && sleep 3; echo {}; done' verified.rec > late.rec"
    [[ "$stderr" == *'--from exec: no answer within 0.5 s, no hint'* ]]
    fails 65 'ptd-hint: *--from exec: *line*, expected one*' ptd-hint -q --from 'exec:while read -r l; do echo "{}"; echo "{}"; sleep 0.1; done' verified.rec
}

@test "answer: only where the command line says so; the record says that no rule looked" {
    fails 2 'ptd-hint: --from answer shows the answer*expected --tell-the-answer with it*' ptd-hint --from answer verified.rec
    fails 2 'ptd-hint: --tell-the-answer goes only with --from answer or response*' ptd-hint --tell-the-answer verified.rec
    ptd-hint -q --from answer --tell-the-answer verified.rec > told.rec
    groups told.rec | jq -s -e 'map(select(.hint.text)) | length >= 3 and all(.hint.text == "the answer is \(.answer)" and .hint.unchecked == 1 and .hint.source == "answer")' > /dev/null
    [[ "$(ptd-dump --text told.rec)" == *"hint (answer, unchecked):"* ]]
    fails 2 'ptd-hint: --from response shows the answer*expected --tell-the-answer with it*' ptd-hint --from response verified.rec
    ptd-hint -q --from response --tell-the-answer verified.rec > shown.rec
    groups shown.rec | jq -s -e 'map(select(.hint.text)) | length >= 1 and all(.hint.unchecked == 1 and .hint.text == first(.rollouts[] | select(.outcome == "right")).text)' > /dev/null
    groups shown.rec | jq -s -e 'map(select(.hint.text | not) | select(.rollouts | any(.outcome == "right") and any(.outcome != "right"))) == []' > /dev/null
    [ "$(ptd-hint -q verified.rec | ptd-dump --full | jq 'select(.kind == "group").hint.unchecked' | sort -u)" = null ]
}

@test "attention: relative to a neutral question, and by what is lost without a cell" {
    ptd-hint -q --from attention verified.rec > plain.rec
    ptd-hint -q --from attention --neutral "describe the picture" verified.rec > neutral.rec
    ptd-hint -q --from attention --blank --weigh answer --answer-template '\boxed{ ANSWER }' bare.rec > blank.rec
    [ "$(hints plain.rec)" != "$(hints neutral.rec)" ]
    [ "$(groups neutral.rec | jq -s '[.[] | select(.hint.text)] | length')" -ge 3 ]
    [ "$(groups blank.rec | jq -s '[.[] | select(.hint.text)] | length')" -ge 3 ]
    ptd-hint -q --from attention --blank --weigh answer --answer-template '\boxed{ ANSWER }' bare.rec | cmp - blank.rec
    [ "$(ptd-hint -q --from attention bare.rec | hints | jq -c .[1] | sort -u)" = null ] # no solution to read
}

@test "attention times the gradient of the right answer's log-prob: of the answer, of right responses" {
    for by in answer right; do
        ptd-hint -q --from attention --gradient --weigh $by --answer-template '\boxed{ ANSWER }' bare.rec > gradient.rec
        [ "$(groups gradient.rec | jq -s '[.[] | select(.hint.text)] | length')" -ge 3 ]
        ptd-hint -q --from attention --gradient --weigh $by --answer-template '\boxed{ ANSWER }' bare.rec | cmp - gradient.rec
        hints gradient.rec > $by.said
    done
    [ "$(< answer.said)" != "$(< right.said)" ]
    ptd-hint -q --from attention --gradient --layers 3 --weigh right bare.rec > last.rec
    [ "$(hints last.rec)" != "$(< right.said)" ]
    [ "$(PTD_THREADS=1 ptd-hint -q --from attention --gradient --layers 3 --weigh right bare.rec | hints)" = "$(hints last.rec)" ]
    rm -rf lora.ptd
    ptd-init -q lora.ptd --from-store warm.ptd --lora rank=4
    [ "$(ptd-hint -q -s lora.ptd --from attention --gradient bare.rec | hints)" = "$(ptd-hint -q --from attention --gradient bare.rec | hints)" ]
    expect=prompts=12,prompt=40,answers=6x16,picture=84x84
    sum() { ptd-hint --plan --json -s run.ptd --expect $expect --from attention "$@" | jq .sum; }
    [ "$(sum --gradient)" -gt "$(sum)" ]
}

@test "--model old: the weights that sampled look and weigh, while they learn, as a store would that begins there" {
    rm -rf old.ptd next.ptd few.ptd
    ptd-init -q old.ptd --from-store warm.ptd
    ptd-rollout -q -s old.ptd -P 6 -G 4 -m 16 -n 3 bare.jsonl | ptd-verify -q | ptd-hint -q --from search $METHODS --gate --samples 2 --model old | tee first.rec |
        ptd-ref -q --no-cache | ptd-update -q --lr 2e-3 > old.metrics
    ptd-init -q next.ptd --from-store old.ptd
    ptd-rollout -q -s old.ptd -g 3 -P 12 -G 6 -m 16 train.jsonl | ptd-verify -q > third.rec
    for from in "search $METHODS" attention "attention --gradient" "attention --blank --weigh right" "data --gate"; do
        # shellcheck disable=SC2086
        ptd-hint -q --from $from --model old third.rec | hints > moved
        # shellcheck disable=SC2086
        ptd-hint -q --from $from -s next.ptd third.rec | hints | cmp - moved
        # shellcheck disable=SC2086
        ptd-hint -q --from $from third.rec | hints > frozen
        [ "$from" = "data --gate" ] || [ "$(< frozen)" != "$(< moved)" ]
    done
    # a stream of several generations: each group by its own
    ptd-hint -q --from search $METHODS --gate --samples 2 --model old first.rec | hints | cmp - <(hints first.rec)
    [[ "$(ptd-dump first.rec | jq -r 'select(.kind == "head").stages[-1].decided')" == *"; reference "*"; model old" ]]
    ptd-init -q few.ptd --from-store warm.ptd
    ptd-gold -q -s few.ptd -P 4 -n 1 train.jsonl > gold.rec
    fails 65 'ptd-hint: *field "generation": no weights sampled it*' ptd-hint -q --always --from attention --model old gold.rec
    fails 66 'ptd-hint: *--model old reads it from the store: expected ptd-update with a larger --keep*' ptd-hint -q -s few.ptd --from attention --model old third.rec
    fails 2 'ptd-hint: --model old: --audit asks the reference*' ptd-hint -q --audit --from attention --model old third.rec
}

@test "--replies: others are drawn beside the greedy one" {
    ptd-hint -q --from search $METHODS bare.rec > one.rec
    ptd-hint -q --from search $METHODS --replies 1 bare.rec | hints | cmp - <(hints one.rec)
    ptd-hint -q --from search $METHODS --replies 5 bare.rec > five.rec
    ptd-hint -q --from search $METHODS --replies 5 bare.rec | cmp - five.rec
    [ "$(hints five.rec)" != "$(hints one.rec)" ]
    # what no greedy reply found, one of five may
    found() { ptd-hint -q --sure 0 --from search $METHODS "$@" bare.rec | groups | jq -s '[.[] | select(.hint.text)] | length'; }
    [ "$(found --replies 5)" -ge "$(found)" ]
}

@test "what cannot have an effect is refused" {
    while read -r options; do
        # shellcheck disable=SC2086
        fails 2 'ptd-hint: --*: without effect, expected * beside it; *' ptd-hint -q $options verified.rec
    done << 'END'
--from search --mass 2
--from search --blank
--from search --neutral x
--from data --gradient
--from data --grid 3x3
--from data --model run.ptd
--from attention --blank --gradient
--from attention --blank --neutral x
--from attention --gradient --neutral x
--from attention --gradient --heads 1
--from attention --gradient --sink 3
--from attention --blank --layers 1
--from search --weigh answer --sure 0.4
--from search --weigh right --replies 3
--from data --gate --weigh answer --samples 3
--from data --gate --weigh answer --gate-right 0.3
--from data --gate-right 0.3
--from data --gate-source 0.3
--from data --gate --answer-template ANSWER
--from search --weigh right --judge exact
--from data --replies 2
--always --tau 0.5
--max-tokens 0
--seed 0
--temperature 0
--audit --tau 0.5
--audit --always
--audit --record
END
    # a command that has the word in it is no source
    fails 2 'ptd-hint: --methods: without effect, *' ptd-hint -q --methods add --from 'exec:research' verified.rec
}

@test "--model: another store looks and weighs; the head says which; the run's own is refused" {
    rm -rf strong.ptd
    ptd-init -q strong.ptd --from-store blank.ptd
    ptd-gold -q -s strong.ptd -P 12 -n 12 train.jsonl | ptd-hint -q --always --share 0.5 | ptd-update -q --loss sft --lr 4e-3 > /dev/null
    ptd-hint -q --from attention verified.rec > own.rec
    ptd-hint -q --from attention --model strong.ptd verified.rec > other.rec
    [ "$(hints own.rec)" != "$(hints other.rec)" ]
    [ "$(groups own.rec | jq -c '.hint.prompt_ids | length' | head -n 1)" -gt 5 ]
    [[ "$(ptd-dump other.rec | jq -r 'select(.kind == "head").stages[-1].decided')" == *"; model generation 12 "* ]]
    # which it is counts, not where it lies
    cp -r strong.ptd elsewhere.ptd
    ptd-hint -q --from attention --model elsewhere.ptd verified.rec > moved.rec
    decided() { ptd-dump "$1" | jq -r 'select(.kind == "head").stages[-1].decided'; }
    [ "$(decided moved.rec)" = "$(decided other.rec)" ]
    ptd-hint -q --from search --model strong.ptd $METHODS --gate bare.rec > searched.rec
    ptd-hint -q --from search --model strong.ptd --weigh right $METHODS --gate bare.rec > given.rec
    fails 78 "ptd-hint: *--model run.ptd is the run's own store*" ptd-hint -q --from attention --model run.ptd verified.rec
    fails 66 'ptd-hint: *none.ptd*' ptd-hint -q --from attention --model none.ptd verified.rec
}

@test "bad words are refused before anything is read" {
    fails 2 'ptd-hint: --weigh "luck": expected one of reply, right, answer*' ptd-hint --gate --weigh luck verified.rec
    fails 2 'ptd-hint: --answer-template "x": expected a text with ANSWER in it*' ptd-hint -q --gate --weigh answer --answer-template x verified.rec
    fails 2 'ptd-hint: --methods "a,,b": *' ptd-hint -q --from search --methods a,,b verified.rec
    fails 2 'ptd-hint: --grid "3": *' ptd-hint -q --from search --grid 3 verified.rec
    fails 2 'ptd-hint: --grid "3": *' ptd-hint -q --from siblings --grid 3 verified.rec
    fails 2 'ptd-hint: *--judge*' ptd-hint -q --gate --judge oracle verified.rec
    fails 2 'ptd-hint: option --candidates: 0 is out of range*' ptd-hint -q --from search --candidates 0 verified.rec
    fails 2 'ptd-hint: --from names search twice*' ptd-hint -q --from search,search verified.rec
}

@test "the plan counts what search and gate take" {
    expect=prompts=12,prompt=40,answers=6x16,picture=84x84
    sum() { ptd-hint --plan --json -s run.ptd --expect $expect "$@" | jq .sum; }
    [ "$(sum --from data)" -lt "$(sum --from data --gate)" ]
    [ "$(sum --from data --gate)" -lt "$(sum --from search)" ]
    [ "$(sum --from search --weigh answer)" -gt "$(sum --from attention)" ]
}

@test "the audit takes the new sources, too" {
    ptd-hint -q --audit -n 12 -G 2 -m 16 --from siblings,search $METHODS verified.rec > audit.json
    [ "$(jq -c '[.sources[].source]' audit.json)" = '["siblings","search"]' ]
    jq -e '.sources | all(.hints > 0)' audit.json > /dev/null
    ptd-hint -q --audit -n 12 -G 2 -m 16 --from "column:answer" -s run.ptd train.jsonl > column.json || true
    [ "$(jq -c '.sources[0] | [.source, .hints, .kept]' column.json)" = '["column",12,0]' ]
    fails 2 'ptd-hint: --gate: --audit measures*' ptd-hint --audit --gate verified.rec
}

@test "a run with searched and gated hints, stopped between steps, ends in the same bits" {
    searched() { ptd-rollout -q -s "$1" -P 3 -G 4 -m 12 -n "$2" bare.jsonl | ptd-verify -q | ptd-hint -q --from search,siblings $METHODS --gate | ptd-ref -q | ptd-update -q --lr 1e-3; }
    fresh whole.ptd
    searched whole.ptd 4 > whole.metrics
    fresh parts.ptd
    searched parts.ptd 2 > parts.metrics
    searched parts.ptd 4 >> parts.metrics
    [ "$(bits whole.ptd)" = "$(bits parts.ptd)" ]
    cmp <(timeless whole.metrics) <(timeless parts.metrics)
    # other weighing is another run
    run -78 bash -c "set -o pipefail; ptd-rollout -q -s parts.ptd -P 3 -G 4 -m 12 -n 5 bare.jsonl | ptd-verify -q | ptd-hint -q --from search,siblings $METHODS | ptd-ref -q | ptd-update -q --lr 1e-3"
}

@test "the demo's searched hints see no label of the test set" {
    cd "$BATS_TEST_DIRNAME/../pipelines/demo"
    run -0 make -n -f search.mk OUT="$WORK/none" "$WORK/none/search.done"
    [[ "$output" != *test.jsonl* ]]
    [[ "$output" == *"ptd-hint --from search"* ]]
    [[ "$output" == *"del(.steps, .regions, .solution, .objects, .category)"* ]]
}
