# pipelines/examples: each draws its data, warms up and trains two steps, as its Makefile says; an
# example is at most 40 lines. (filter/ is install.bats's.)
load lib

setup() { cd "$BATS_TEST_TMPDIR" || return; }

# example NAME: two steps, then what was trained of it
example() {
    make -s -C "$BATS_TEST_DIRNAME/../pipelines/examples/$1" test PLACE="$PWD" ROWS=32 WARM=2 STEPS=2 > table
    [ "$(jq -s -c 'map(.step)' metrics.jsonl)" = "[1,2]" ]
    [ "$(ptd-dump run.ptd | jq 'select(.kind == "state" and .name == "head").value')" = 2 ]
    grep -q '^total  *32  *32 ' table
}

@test "geometry: mathematics, pictures in the rows" { example geometry; }
@test "charts: right within five percent" {
    example charts
    ptd-gold -q -s run.ptd -P 32 -n 3 test.jsonl | ptd-verify -q --judge number --tolerance chart | ptd-stat --json | jq -e '.total["pass@1"] == 1' > /dev/null
}
@test "grounding: the share that boxes have in common" {
    example grounding
    ptd-gold -q -s run.ptd -P 32 -n 3 test.jsonl | ptd-verify -q --iou 0 | ptd-stat --json | jq -e '.total["pass@1"] == 1' > /dev/null
}
@test "counting: a judge of one's own says what is nearly right" {
    example counting
    jq -s -e 'all(.["reward/near"] != null)' metrics.jsonl > /dev/null
    printf '%s\n' '{"extracted":"4","answer":"5"}' '{"extracted":"5","answer":"5"}' '{"answer":"5"}' |
        python3 "$BATS_TEST_DIRNAME/../pipelines/examples/counting/near.py" | jq -s -e 'map(.reward) == [0.5, 1, 0]' > /dev/null
}
@test "pictures: two in a question" {
    example pictures
    [ "$(ptd-gold -q -s run.ptd -P 32 -n 3 test.jsonl | ptd-dump - | jq -s '[.[] | select(.kind == "group").pictures | length] | unique | .[]')" = 2 ]
}

@test "none is longer than 40 lines" {
    for f in "$BATS_TEST_DIRNAME"/../pipelines/examples/*/Makefile; do [ "$(wc -l < "$f")" -le 40 ]; done
}
