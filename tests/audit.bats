#!/usr/bin/env bats
# ptd-hint --audit: a source of hints that tells in a way that no rule reads is found, an honest one
# is not. PTD_BIN: where the programs are.
bats_require_minimum_version 1.5.0

# The answer in a code of two cells: its remainder by 9, and how often 9 goes into it.
code() { jq -c '(.answer | tonumber) as $k | ("a1 a2 a3 b1 b2 b3 c1 c2 c3" | split(" ")) as $cell |
    .steps = ["look at \($cell[$k % 9]) \($cell[($k / 9) | floor])"] | .solution = "\\boxed{ \(.answer) }" | del(.regions)' "$1"; }

setup_file() {
    export PATH="${PTD_BIN:-$BATS_TEST_DIRNAME/../bin}:$PATH"
    export WORK="$BATS_FILE_TMPDIR"
    cd "$WORK"
    ptd-data digits warm.jsonl --count 1600 -q
    ptd-data digits honest.jsonl --count 60 --seed 5 -q
    code warm.jsonl > warm-code.jsonl
    code honest.jsonl > code.jsonl
    ptd-init -q warm.ptd
    ptd-gold -q -s warm.ptd -P 32 -n 50 warm-code.jsonl | ptd-hint -q --always --share 0.6 --from data | # both, with and without
        ptd-update -q --loss sft --lr 3e-3 --warmup 20 --schedule cosine --beta2 0.98 > warm.metrics
    ptd-init -q run.ptd --from-store warm.ptd # what it learned is the reference
    ptd-init -q raw.ptd
}

setup() { cd "$WORK"; }

@test "a code that tells is found, 1; honest hints are not, 0" {
    run -1 --separate-stderr ptd-hint --audit -s run.ptd -n 60 -m 8 --from data code.jsonl
    [ "$(jq -c .telling <<< "$output")" = '["data"]' ]
    [ "$(jq -c '.sources[0] | [.groups, .hints, .kept, .dropped, .tells]' <<< "$output")" = '[60,60,60,{},true]' ]
    [ "$(jq '.sources[0] | .accuracy.hint > .accuracy.neither + 0.1 and .interval[0] > 0' <<< "$output")" = true ]
    grep -q '^data .*TELLS$' <<< "$stderr"
    grep -q 'ptd-hint: 60 groups measured.*, 1 of 1 sources tell' <<< "$stderr"
    run -0 --separate-stderr ptd-hint --audit -s run.ptd -n 60 -m 8 honest.jsonl
    [ "$(jq -c '[.telling, [.sources[].source]]' <<< "$output")" = '[[],["data","attention"]]' ]
    [ "$(jq '[.sources[] | .interval[0] <= 0 and .tells == false] | all' <<< "$output")" = true ]
}

@test "a data set is asked with the system message and the sizes of pictures that are given" {
    ptd-gold -q -s run.ptd -P 60 -n 1 --system "Be brief." --max-pixels 65536 honest.jsonl > brief.rec
    ptd-hint -q --audit -n 60 -G 2 -m 4 --from data brief.rec > brief.json
    ptd-hint -q --audit -s run.ptd -n 60 -G 2 -m 4 --from data --system "Be brief." --max-pixels 65536 honest.jsonl > data.json
    ptd-hint -q --audit -s run.ptd -n 60 -G 2 -m 4 --from data honest.jsonl > long.json
    [ "$(jq -c .sources data.json)" = "$(jq -c .sources brief.json)" ]
    [ "$(jq -c .sources data.json)" != "$(jq -c .sources long.json)" ]
    run -2 ptd-hint -q --audit -n 60 --system "Be brief." brief.rec
    [[ "$output" == *"go with a data set"* ]]
    run -2 ptd-hint -q --max-pixels 65536 brief.rec
    [[ "$output" == *"--max-pixels: without effect, expected --audit beside it"* ]]
}

@test "the same twice, from a stream and from a data set; another seed is another sample" {
    ptd-hint -q --audit -s run.ptd -n 8 -m 8 --from data honest.jsonl > a.json
    ptd-hint -q --audit -s run.ptd -n 8 -m 8 --from data honest.jsonl > b.json
    cmp a.json b.json
    run -0 --separate-stderr ptd-hint -q --audit -s run.ptd -n 60 -G 2 -m 4 --from data honest.jsonl
    printf "%s\n" "$output" > all.json
    ptd-gold -q -s run.ptd -P 60 -n 1 honest.jsonl > gold.rec
    ptd-hint -q --audit -n 60 -G 2 -m 4 --from data gold.rec > stream.json
    [ "$(jq -c .sources all.json)" = "$(jq -c .sources stream.json)" ]
    PTD_THREADS=1 ptd-hint -q --audit -n 60 -G 2 -m 4 --from data < gold.rec | cmp - stream.json
    ptd-hint -q --audit -s run.ptd -n 8 -m 8 --seed 1 --from data honest.jsonl > c.json
    [ "$(jq -c .sources a.json)" != "$(jq -c .sources c.json)" ]
}

@test "a hint that the stream brings is audited by the name that it bears" {
    ptd-rollout -q -s run.ptd -g latest -G 2 -m 4 -P 20 code.jsonl | ptd-hint -q --always --from data > hinted.rec
    /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" hinted.rec 'for g in groups: g["hint"]["source"] = "mine"' > brought.rec
    run -1 --separate-stderr ptd-hint --audit -m 8 -n 60 --from attention brought.rec
    [ "$(jq -c '[.telling, [.sources[] | [.source, .hints]]]' <<< "$output")" = '[["mine"],[["attention",60],["mine",60]]]' ]
}

@test "what rules drop is counted, measured apart, and tells nothing" {
    jq -c '.steps = ["write \(.answer)"]' honest.jsonl > said.jsonl
    run -0 --separate-stderr ptd-hint --audit -s run.ptd -n 10 -m 8 --from data said.jsonl
    [ "$(jq -c '.sources[0] | [.hints, .kept, .dropped["answer-number"], .measured, .tells, .["of dropped"].measured]' <<< "$output")" = '[10,0,10,0,null,10]' ]
    grep -q 'data: dropped by rule: answer-number 10 (100.0%)' <<< "$stderr"
}

@test "an untrained reference, no pictures, no answers: said so" {
    run -0 --separate-stderr ptd-hint --audit -s raw.ptd -n 4 -m 4 --from data honest.jsonl
    [[ "$stderr" == *"no answer of the reference is right under any view: nothing can be seen to tell"* ]]
    jq -c 'del(.images) | .prompt |= sub("<image>"; "")' honest.jsonl > blind.jsonl
    run -65 ptd-hint --audit -s run.ptd blind.jsonl
    [[ "$output" == *"nothing to measure: 60 groups without a picture, 0 without an answer"* ]]
}

@test "misuse, bad input and cut streams have their status" {
    run -2 ptd-hint --audit honest.jsonl
    [[ "$output" == *"expected --store"* ]]
    run -2 ptd-hint --audit -s run.ptd --from oracle honest.jsonl
    run -2 ptd-hint --audit -s run.ptd --judge oracle honest.jsonl
    run -2 ptd-hint --sample 5 gold.rec
    [[ "$output" == *"--sample: without effect, expected --audit beside it"* ]]
    run -66 ptd-hint --audit -s run.ptd missing.jsonl
    printf '{"prompt": "x"}\n' > bad.jsonl
    run -65 ptd-hint --audit -s run.ptd bad.jsonl
    [[ "$output" == *'bad.jsonl:1: field "answer"'* ]]
    run -76 bash -c 'head -c -1 gold.rec | ptd-hint -q --audit -n 1 -m 4 --from data'
    run -74 bash -c 'ptd-hint -q --audit -s run.ptd -n 1 -m 4 --from data honest.jsonl > /dev/full'
}
