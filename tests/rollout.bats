#!/usr/bin/env bats
# What ends a response, which prompts are refused or left out, and how large pictures are: options
# of ptd-rollout, and of ptd-gold where they concern prompts. PTD_BIN: where the programs are.
bats_require_minimum_version 1.5.0
load lib.bash

setup_file() {
    small_run
    jq -c 'if .id == "nbr-000003" or .id == "nbr-000006" then .prompt += " <|image_pad|>" else . end' train.jsonl > bad.jsonl
}

setup() { cd "$WORK"; }

sampled() { ptd-rollout -q -s warm.ptd -g latest -G 4 -m 24 -P 8 "$@"; }
replies() { ptd-dump -f "$1" | jq -c 'select(.kind == "group") | .uid as $u | .rollouts | to_entries[] | {u: $u, i: .key} + (.value | {ids, logp, text, stop})' ; }

@test "a stop text ends a response and its text; ids and log-probs are what was sampled" {
    sampled train.jsonl > free.rec
    sampled --stop-text "}" --stop-text " = " train.jsonl > cut.rec
    replies free.rec > free
    replies cut.rec > cut
    [ "$(wc -l < cut)" = 32 ]
    [ "$(jq -r .stop cut | sort -u | tr '\n' ' ')" != "eos " ]
    paste -d '\n' free cut | jq -s -e '[_nwise(2)] | all(.[0] as $a | .[1] as $b | ($a.ids[:$b.ids | length] == $b.ids) and ($b.logp | length) == ($b.ids | length) and
        (if $b.stop == "text" then ($b.text | test("^[^}=]*( = |})$")) and ($a.text | startswith($b.text))
         else $a == $b and ($b.text | test("}| = ") | not) end))' > /dev/null
}

@test "--stop lists stop texts and control tokens; the end of a turn ends a response unless told" {
    sampled --stop-text "}" train.jsonl > a.rec
    sampled --stop "}" train.jsonl > b.rec
    sampled --stop "<|im_end|>,}" train.jsonl > c.rec
    [ "$(replies a.rec)" = "$(replies b.rec)" ]
    [ "$(replies a.rec)" = "$(replies c.rec)" ]
    sampled --no-eos train.jsonl > on.rec
    [ "$(replies on.rec | jq -r .stop | sort -u)" = length ]
    [ "$(replies on.rec | jq '.ids | length' | sort -u)" = 24 ]
    [ "$(replies on.rec | jq 'select(.ids[:-1] | index(626)) | 1' | wc -l)" -gt 0 ]
    sampled --no-eos --stop "<|im_end|>" train.jsonl > d.rec
    sampled train.jsonl > e.rec
    [ "$(replies d.rec)" = "$(replies e.rec)" ]
    fails 2 'ptd-rollout: a stop text is empty*' sampled --stop-text "" train.jsonl
    fails 2 'ptd-rollout: a stop text: *UTF-8*' sampled --stop-text $'\xff' train.jsonl
}

@test "stop texts are found whatever is sampled at once, and a run does not go on under others" {
    sampled --stop-text "}" train.jsonl > whole.rec
    sampled --stop-text "}" --part 1 train.jsonl > parts.rec
    [ "$(replies whole.rec | jq -c '[.ids, .text, .stop]')" = "$(replies parts.rec | jq -c '[.ids, .text, .stop]')" ]
    [[ "$(ptd-dump whole.rec | jq -r 'select(.kind == "head").sampling')" == *'; stop model, "}"; '* ]]
    fresh stop.ptd
    train() { ptd-rollout -q -s stop.ptd -P 2 -G 2 -m 8 "$@" train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q > metrics; }
    train -n 1 --stop-text "}"
    run train -n 2 --stop-text "="
    [[ "$output" == *stop* ]]
    [ "$(head_of stop.ptd)" = 1 ]
    train -n 2 --stop-text "}"
    [ "$(head_of stop.ptd)" = 2 ]
}

@test "a response that reaches the context's end is cut there; a prompt that fills it is refused" {
    n=$(ptd-dump -f <(sampled -m 1 train.jsonl) | jq -s 'map(select(.kind == "group").prompt_ids | length) | max')
    cp -r "$BATS_TEST_DIRNAME/../lib/builtin/tiny" small
    jq --argjson n $((n + 3)) '.text_config.max_position_embeddings = $n' "$BATS_TEST_DIRNAME/../lib/builtin/tiny/config.json" > small/config.json
    ptd-init -q small.ptd --config small
    ptd-rollout -q -s small.ptd -g latest -G 2 -m 24 --no-eos train.jsonl > small.rec
    ptd-dump -f small.rec | jq -s -e --argjson n $((n + 3)) 'map(select(.kind == "group") | (.prompt_ids | length) as $p | .rollouts[] | (.ids | length) + $p == $n and .stop == "length") |
        length == 16 and all' > /dev/null
    jq --argjson n "$n" '.text_config.max_position_embeddings = $n' "$BATS_TEST_DIRNAME/../lib/builtin/tiny/config.json" > small/config.json
    ptd-init -q full.ptd --config small
    fails 65 "ptd-rollout: train.jsonl:*: a prompt of $n tokens, expected fewer: *" ptd-rollout -q -s full.ptd -g latest -m 1 train.jsonl
    fails 65 "ptd-gold: train.jsonl:*: *max_position_embeddings*" ptd-gold -q -s full.ptd -P 8 -n 1 train.jsonl
}

@test "--max-prompt refuses a longer prompt with its line, and cuts none" {
    jq -c 'if .id == "nbr-000004" then .prompt += ([range(60)] | map(" word") | add) else . end' train.jsonl > long.jsonl
    fails 65 'ptd-rollout: long.jsonl:4: a prompt of * tokens, expected at most 80 (--max-prompt)' sampled --max-prompt 80 long.jsonl
    fails 65 'ptd-gold: long.jsonl:4: a prompt of * tokens, expected at most 80 (--max-prompt)' ptd-gold -q -s blank.ptd -P 8 -n 1 --max-prompt 80 long.jsonl
    sampled -m 1 --max-prompt 300 long.jsonl > long.rec
    [ "$(ptd-dump -f long.rec | jq 'select(.kind == "group" and .uid == "nbr-000004").prompt_ids | length')" -gt 80 ]
}

@test "bad rows are left out, named and counted, up to --skip-bad" {
    fails 65 'ptd-rollout: bad.jsonl:3: *<|image_pad|>*' sampled bad.jsonl
    run --separate-stderr ptd-rollout -s warm.ptd -g latest -G 1 -m 1 -P 2 --skip-bad 2 bad.jsonl
    [ "$status" = 0 ]
    [ "$(grep -c 'warning: bad.jsonl:[36]: .*; left out' <<< "$stderr")" = 2 ]
    [[ "$stderr" == *"2 bad rows left out"* ]]
    sampled -m 1 -P 1 --skip-bad 2 bad.jsonl > left.rec 2> err
    [ "$(ptd-dump left.rec | jq -r 'select(.kind == "group").uid' | tr '\n' ' ')" = "nbr-000001 nbr-000002 nbr-000004 nbr-000005 nbr-000007 nbr-000008 " ]
    ptd-verify -q left.rec | ptd-stat > table
    [ "$(grep -c '^total *6 ' table)" = 1 ]
    # so is an answer that the judge which the row names cannot read, but only where rows may be
    jq -c 'if .id == "nbr-000002" then .judge = "number" | .answer = "red" else . end' train.jsonl | head -n 4 > red.jsonl
    sampled -m 1 -P 1 --skip-bad 1 red.jsonl 2> err | ptd-verify -q > left.rec
    grep -q 'warning: red.jsonl:2: field "answer": .*expected a number.*; left out' err
    [ "$(ptd-dump left.rec | jq -r 'select(.kind == "group").uid' | wc -l)" = 3 ]
    sampled -m 1 -P 1 red.jsonl > /dev/null
    run --separate-stderr sampled -m 1 --skip-bad 1 bad.jsonl
    [ "$status" = 65 ]
    [[ "$stderr" == *"bad.jsonl:6: "*"; 1 bad row was left out before, as many as --skip-bad" ]]
    head -n 1 train.jsonl | jq -c '.prompt = "<|image_pad|>"' > all.jsonl
    fails 65 'ptd-rollout: all.jsonl:1: *; all 1 rows are bad' sampled -m 1 --skip-bad 9 all.jsonl
    fails 65 'ptd-gold: all.jsonl:1: *; all 1 rows are bad' ptd-gold -q -s blank.ptd -P 1 -n 1 --skip-bad 9 all.jsonl
}

@test "in training another row takes a bad one's place, the same one again after a stop" {
    train() { ptd-rollout -q -s "$1" -P 3 -G 2 -m 8 -n "$2" --skip-bad "$3" bad.jsonl 2> err | tee "$1.rec" | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q > metrics; }
    fresh once.ptd
    train once.ptd 6 2
    fresh twice.ptd
    train twice.ptd 2 2
    train twice.ptd 4 5
    train twice.ptd 6 2
    [ "$(bits once.ptd)" = "$(bits twice.ptd)" ]
    ptd-dump once.ptd.rec | jq -s -e '[.[] | select(.kind == "group")] | length == 18 and all(.uid != "nbr-000003" and .uid != "nbr-000006")' > /dev/null
}

@test "ptd-gold leaves out rows without a solution, too" {
    jq -c 'if .id == "nbr-000002" then del(.solution) else . end' train.jsonl > bare.jsonl
    fails 65 'ptd-gold: bare.jsonl:2: field "solution": missing; *' ptd-gold -q -s blank.ptd -P 8 -n 1 bare.jsonl
    ptd-gold -q -s blank.ptd -P 8 -n 1 --skip-bad 1 bare.jsonl 2> err | ptd-dump > gold
    grep -q 'warning: bare.jsonl:2: .*; left out' err
    [ "$(jq -r 'select(.kind == "group").uid' gold | sort | uniq -c | awk '{ n += $1 } END { print NR, n }')" = "7 8" ]
}

@test "a row whose picture is missing or damaged is a bad row; a picture that comes back is another data set" {
    train() { ptd-rollout -q -s lack.ptd -P 2 -G 2 -m 4 "$@" lack/train.jsonl 2> err | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q > metrics 2> refused; }
    rm -rf lack
    mkdir lack
    cp -r train.jsonl train.img lack
    mv lack/train.img/000002.png gone.png
    head -c 200 train.img/000005.png > lack/train.img/000005.png
    fails 66 'ptd-rollout: lack/train.jsonl:2: *000002.png: No such file*' sampled -m 1 lack/train.jsonl
    sampled -m 1 --skip-bad 2 lack/train.jsonl 2> err > lack.rec
    [ "$(grep -c 'warning: lack/train.jsonl:[25]: .*; left out' err)" = 2 ]
    [ "$(ptd-dump lack.rec | grep -c '"kind":"group"')" = 6 ]
    fresh lack.ptd
    train -n 2 --skip-bad 2
    train -n 3 --skip-bad 2
    [ "$(head_of lack.ptd)" = 3 ]
    mv gone.png lack/train.img/000002.png
    run train -n 4 --skip-bad 2
    grep -q pictures refused
    [ "$(head_of lack.ptd)" = 3 ]
}

@test "pictures are as large as --max-pixels and --min-pixels let them be; it is part of what a run compares" {
    sizes() { ptd-dump | jq -c 'select(.kind == "group").pictures[] | .height * .width' | sort -u | tr '\n' ' '; }
    own=$(sampled -m 1 train.jsonl | sizes)
    most=$(sampled -m 1 --max-pixels 1000 --min-pixels 1 train.jsonl | sizes)
    least=$(sampled -m 1 --max-pixels 40000 --min-pixels 20000 train.jsonl | sizes)
    [ "${most%% *}" -le 1000 ]
    [ "${own%% *}" -gt 1000 ]
    [ "${least%% *}" -ge 20000 ]
    [ "$(ptd-gold -q -s blank.ptd -P 8 -n 1 --max-pixels 1000 --min-pixels 1 train.jsonl | sizes)" = "$most" ]
    fails 2 'ptd-rollout: pictures of at least 2000 pixels (--min-pixels) and at most 1000 (--max-pixels): *' sampled --max-pixels 1000 --min-pixels 2000 train.jsonl
    fresh pixels.ptd
    train() { ptd-rollout -q -s pixels.ptd -P 2 -G 2 -m 4 "$@" train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q > metrics; }
    train -n 1 --max-pixels 4000 --min-pixels 64
    run train -n 2
    [[ "$output" == *max-pixels* ]]
    [ "$(head_of pixels.ptd)" = 1 ]
}
