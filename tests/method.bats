#!/usr/bin/env bats
# ptd-verify, ptd-hint, ptd-stat and ptd-plot on real streams. PTD_BIN: where the programs are.
bats_require_minimum_version 1.5.0

setup_file() {
    export PATH="${PTD_BIN:-$BATS_TEST_DIRNAME/../bin}:$PATH"
    export WORK="$BATS_FILE_TMPDIR"
    cd "$WORK"
    ptd-data digits test.jsonl --count 12 -q
    ptd-init run.ptd -q
    ptd-rollout -q -s run.ptd -g latest -P 4 -G 2 -m 6 test.jsonl > rollouts.rec
    ptd-verify -q rollouts.rec > verified.rec
    ptd-gold -q -s run.ptd -P 4 -n 3 test.jsonl > gold.rec
    printf '{"step":%d,"actor/entropy":%d,"reward/accuracy":0.5}\n' 1 3 2 2 3 1 > metrics.jsonl
}

setup() { cd "$WORK"; }

@test "ptd-verify: gold is right, has form, and advantage 0" {
    run -0 --separate-stderr bash -c 'ptd-verify gold.rec | ptd-dump | jq -s "[.[] | select(.kind == \"group\") | .rollouts[0]]"'
    [ "$(jq 'length' <<< "$output")" = 12 ]
    [ "$(jq 'all(.outcome == "right" and .accuracy == 1 and .format == 1 and .reward == 1 and .advantage == 0)' <<< "$output")" = true ]
    [[ "$stderr" == *"12 of 12 responses right"* ]]
}

@test "ptd-verify: rules and weights by option, explained on stderr" {
    run -0 --separate-stderr bash -c 'ptd-verify --format think --format-weight 0.5 -x gold.rec | ptd-dump | jq -s ".[1].rollouts[0].reward"'
    [ "$output" = 0.9 ]
    [[ "$stderr" == *"#0: right: found \""* ]]
    run -2 ptd-verify --judge sympy gold.rec
    run -2 ptd-verify --advantage ppo gold.rec
}

@test "ptd-hint: hints failed groups, leaves right ones alone" {
    run -0 --separate-stderr bash -c 'ptd-hint verified.rec | ptd-dump | jq -s "[.[] | select(.kind == \"group\" and .hint.text != null)] | length"'
    [ "$output" = 12 ]
    [[ "$stderr" == *"12 hints, 0 dropped"* ]]
    run -0 bash -c 'ptd-verify -q gold.rec | tee judged.rec | ptd-hint -q | ptd-dump | jq -s "[.[] | select(.hint.text != null)] | length"'
    [ "$output" = 0 ]
    run -65 ptd-hint rollouts.rec
    [[ "$output" == *"was not judged: expected the output of ptd-verify"* ]]
}

@test "ptd-hint: attention, shares, twice the same" {
    ptd-hint -q --from attention verified.rec > a.rec
    ptd-hint -q --from attention verified.rec > b.rec
    cmp a.rec b.rec
    [ "$(ptd-dump a.rec | jq -r 'select(.kind == "group") | .hint.source' | sort -u)" = attention ]
    run -0 ptd-hint --always --share 0 gold.rec
    [[ "$output" == *"0 hints"* ]]
    run -2 ptd-hint --from oracle verified.rec
    run -2 ptd-hint --from attention --layers 99 verified.rec
}

@test "ptd-hint: no hint holds the answer, nor a number" {
    run -0 bash -c 'ptd-hint -q --always gold.rec | ptd-dump | jq -r "select(.kind == \"group\") | .hint.text"'
    [ "${#lines[@]}" = 12 ]
    [[ ! "$output" =~ (^|[^abc])[0-9] ]]
}

@test "ptd-hint: what a row's hint tells is dropped by its rule, honest ones are kept" {
    cat > rows.jsonl <<'END'
{"id": "a", "prompt": "Which is longer, 20 or 35?", "answer": "35", "steps": ["take 35"], "want": "answer-number"}
{"id": "b", "prompt": "Which is longer, 20 or 35?", "answer": "35", "steps": ["compare 20 and 35"], "want": null}
{"id": "c", "prompt": "What is the total?", "answer": "36", "steps": ["3 dozen"], "want": "answer-number"}
{"id": "d", "prompt": "What is the total?", "answer": "36", "steps": ["add 6 \\times 6"], "want": "answer-judged"}
{"id": "e", "prompt": "多大？\nA：20° B：35°", "answer": "B", "steps": ["先求出三十五度"], "want": "option-text"}
{"id": "f", "prompt": "多大？\nA：20° B：35°", "answer": "B", "steps": ["应选B"], "want": "option-letter"}
{"id": "g", "prompt": "多大？\nA：20° B：35°", "answer": "B", "steps": ["先看角的两边"], "want": null}
{"id": "h", "prompt": "How many dots?", "answer": "2", "steps": ["count"], "regions": [{"label": "top dot", "box": [0, 0, 1, 0.5]}, {"label": "low dot", "box": [0, 0.5, 1, 1]}], "want": "place-count"}
{"id": "i", "prompt": "How many dots?", "answer": "3", "steps": ["look at top and low, then count"], "want": null}
END
    jq -c '.solution = "by the picture"' rows.jsonl > said.jsonl
    ptd-gold -q -s run.ptd -P 9 -n 1 said.jsonl | ptd-hint -q --always --from data | ptd-dump |
        jq -r 'select(.kind == "group") | "\(.uid) \(.hint_drop)"' | sort > got
    jq -r '"\(.id) \(.want)"' rows.jsonl > want
    diff want got
}

@test "ptd-stat: table and JSON agree" {
    run -0 ptd-stat --answers 0 verified.rec
    [[ "${lines[0]}" == category*prompts*responses*"mean@2"*"pass@2"* ]]
    grep -qE '^total +12 +24 ' <<< "$output"
    run -0 bash -c 'ptd-verify -q gold.rec | ptd-stat --json'
    [ "$(jq -c '.total | [.prompts, ."pass@1", .all_pass, .unparsable]' <<< "$output")" = '[12,1,1,0]' ]
    [ "$(jq '.total.interval[0] > 0.75 and .total.interval[1] == 1' <<< "$output")" = true ]
    run -65 ptd-stat rollouts.rec
    run -76 bash -c 'head -c -1 verified.rec | ptd-stat'
    run -74 bash -c 'ptd-stat verified.rec > /dev/full'
}

@test "ptd-plot: curves as SVG, PNG and script" {
    run -0 ptd-plot metrics.jsonl -f actor/entropy,reward/accuracy -o curves.svg
    grep -q '<svg' curves.svg
    run -0 ptd-plot metrics.jsonl metrics.jsonl --titles "it's,\`b\`" -f actor/entropy -o curves.png
    [ "$(head -c 4 curves.png | tail -c 3)" = PNG ]
    run -0 ptd-plot metrics.jsonl --titles "it's" -f actor/entropy -o curves.gp
    grep -qF '"it\047s"' curves.gp
    [ -z "$(ls | grep tmp)" ]
}

@test "ptd-plot: what is wrong is named" {
    run -65 ptd-plot metrics.jsonl -f nothing
    [[ "$output" == *'field "nothing": expected it in at least one of the files (--list shows what they have)' ]]
    run -65 bash -c "printf '{\"step\":1}\n[]\n' | ptd-plot - -f a"
    [[ "$output" == *"standard input:2: expected metrics, one JSON object"* ]]
    run -66 ptd-plot missing.jsonl
    run -2 ptd-plot metrics.jsonl -f actor/entropy -o curves.bmp
    run -73 ptd-plot metrics.jsonl -f actor/entropy -o no/such/folder/curves.png
    mkdir -p fake
    printf '#!/bin/sh\nexit 3\n' > fake/gnuplot
    chmod +x fake/gnuplot
    PATH="$PWD/fake:$PATH" run -74 ptd-plot metrics.jsonl -f actor/entropy -o broken.svg
    [ ! -e broken.svg ]
}

@test "ptd-plot: a hint over its picture" {
    ptd-hint -q verified.rec > hinted.rec
    run -0 ptd-plot --hint hinted.rec -o hint.png
    [ "$(head -c 4 hint.png | tail -c 3)" = PNG ]
    run -65 ptd-plot --hint verified.rec -o none.png
    [ ! -e none.png ]
}
