#!/usr/bin/env bats
# Data sets of others through the programs: what a row says is what is asked and judged.
# PTD_BIN: where the programs are.
bats_require_minimum_version 1.5.0
load lib.bash

setup_file() {
    cd "$WORK"
    ptd-init -q run.ptd
    mkdir -p pictures
    ptd-data digits -q d.jsonl -n 2 -k nbr
    cp d.img/000001.png pictures/one.png
    cp d.img/000002.png pictures/two.png
    base64 -w0 pictures/one.png > one.b64
}

setup() { cd "$WORK"; }

# The groups of a file through the programs.
judged() { ptd-gold -q -s run.ptd -P "$(grep -c . "$1")" -n 1 "$@" | ptd-verify -q | ptd-dump | jq -c 'select(.kind == "group") | del(.byte)'; }

@test "rows of EasyR1, verl and TRL are asked and judged as they are" {
    cat > t.jsonl <<END
{"id":"a","problem":"<image>how many?","answer":"5","images":[{"bytes":"$(cat one.b64)","path":"x.png"}],"solution":"\\\\boxed{5}"}
{"id":"b","data_source":"s","prompt":[{"role":"user","content":"<image>how many?"}],"images":[{"image":"data:image/png;base64,$(cat one.b64)"}],"reward_model":{"style":"rule","ground_truth":"5"},"solution":"\\\\boxed{5}"}
{"id":"c","prompt":[{"role":"user","content":[{"type":"image"},{"type":"text","text":"how many?"}]}],"image":"pictures/one.png","solution":"<think>x</think> <answer>5</answer>"}
{"id":"d","messages":[{"role":"user","content":"<image>how many?"},{"role":"assistant","content":"\\\\boxed{5}"}],"images":["pictures/one.png"]}
{"id":"e","question":"<image 1>how many?","options":["four","five"],"answer":1,"image_path":"pictures/one.png","solution":"\\\\boxed{B}"}
{"id":"f","question":"<image>how many?","answer":["cinq","5"],"image":"$(cat one.b64)","solution":"\\\\boxed{5}"}
END
    judged t.jsonl > out
    [ "$(jq -s 'length' out)" = 6 ]
    [ "$(jq -r '.rollouts[0].outcome' out | sort -u)" = right ]
    [ "$(jq -r '.pictures[0].hash' out | sort -u | wc -l)" = 1 ]
    [ "$(jq -c '.prompt_ids' out | sort -u | wc -l)" = 2 ] # that with options is longer
}

@test "one list is what lines are, and its rows are named by their number" {
    jq -s . t.jsonl > t.json
    judged t.jsonl | sort > lines
    ptd-gold -q -s run.ptd -P 6 -n 1 t.json | ptd-verify -q | ptd-dump | jq -c 'select(.kind == "group") | del(.byte)' | sort > list
    cmp lines list
    jq '.[3].messages = []' t.json > bad.json
    fails 65 'ptd-gold: bad.json:4: field "messages": 0 turns, expected 1 to 64' ptd-gold -q -s run.ptd -P 6 -n 1 bad.json
    head -c 4000 t.json > bad.json
    fails 65 'ptd-gold: bad.json:*: the file ends within the list of rows*' ptd-gold -q -s run.ptd -P 6 -n 1 bad.json
}

@test "pictures come from --image-dir, and from anywhere with --allow-outside" {
    mkdir -p rows
    echo '{"prompt":"<image>p","answer":"1","image":"one.png","solution":"1"}' > rows/t.jsonl
    fails 66 'ptd-gold: rows/t.jsonl:1: field "image": one.png: No such file or directory' ptd-gold -q -s run.ptd -P 1 -n 1 rows/t.jsonl
    fails 66 'ptd-gold: nowhere: cannot open folder of pictures: No such*' ptd-gold -q -s run.ptd -P 1 -n 1 --image-dir nowhere rows/t.jsonl
    for start in "ptd-gold -n 1" "ptd-rollout -g 0 -m 1"; do
        $start -q -s run.ptd -P 1 --image-dir pictures rows/t.jsonl | ptd-dump -q > inside
        echo "{\"prompt\":\"<image>p\",\"answer\":\"1\",\"image\":\"$PWD/pictures/one.png\",\"solution\":\"1\"}" > rows/out.jsonl
        run -65 $start -q -s run.ptd -P 1 rows/out.jsonl
        [[ "$output" == *"one.png: expected a path inside the data set's folder (or --image-dir, --allow-outside)" ]]
        $start -q -s run.ptd -P 1 --allow-outside rows/out.jsonl | ptd-dump -q > outside
        hash() { jq -r 'select(.kind == "group").pictures[0].hash' "$1"; }
        [ "$(hash inside)" = "$(hash outside)" ]
    done
}

@test "a run goes on with the same pictures, wherever they are, and with no others" {
    cp -r pictures moved
    step() { ptd-gold -q -s "$1" -P 1 -n "$2" "${@:3}" | ptd-update -q --loss sft 2>&1 > /dev/null; }
    ptd-init -q a.ptd
    step a.ptd 1 --image-dir pictures rows/t.jsonl
    run -0 step a.ptd 2 --image-dir moved rows/t.jsonl
    cp pictures/two.png moved/one.png
    run -78 step a.ptd 3 --image-dir moved rows/t.jsonl
    [[ "$output" == *": pictures was "* ]]
    head -n 2 t.jsonl > inline.jsonl
    step a.ptd 3 inline.jsonl || true
    ptd-init -q b.ptd
    step b.ptd 1 inline.jsonl
    run -0 step b.ptd 2 inline.jsonl
    sed -i "s|$(cat one.b64)|$(base64 -w0 pictures/two.png)|" inline.jsonl
    run -78 step b.ptd 3 inline.jsonl
    [[ "$output" == *": data was "* ]]
}

@test "what a program says of a bad picture holds nothing of its bytes" {
    for bad in "data:image/png;base64,$(head -c 100 one.b64)" "$(head -c 90 one.b64)!" "$(tr A-M N-Z < one.b64)" "/9j/$(cat one.b64)"; do
        echo "{\"prompt\":\"p\",\"answer\":\"1\",\"image\":\"$bad\",\"solution\":\"1\"}" > bad.jsonl
        fails 65 'ptd-gold: bad.jsonl:1: field "image": *' ptd-gold -q -s run.ptd -P 1 -n 1 bad.jsonl
        [ "${#stderr}" -lt 200 ]
        [[ "$stderr" != *"$(head -c 60 one.b64 | tail -c 12)"* ]]
    done
}

@test "a conversation is told to the model, and shown" {
    echo '{"id":"x","messages":[{"role":"system","content":"look"},{"role":"user","content":"<image>a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"5"}],"images":["pictures/one.png"]}' > turns.jsonl
    ptd-gold -q -s run.ptd -P 1 -n 1 turns.jsonl > turns.rec
    ptd-dump --text turns.rec > out
    [ "$(sed -n '/^system:/,/^answer/p' out | tr '\n' ' ')" = "system:   look user:   <image>a assistant:   b question:   c answer: 5 " ]
    jq -c '.messages |= [.[1], .[4]]' turns.jsonl > shorter.jsonl
    length() { ptd-gold -q -s run.ptd -P 1 -n 1 "$1" | ptd-dump | jq 'select(.kind == "group").prompt_ids.int32'; }
    [ "$(length turns.jsonl)" -gt "$(length shorter.jsonl)" ]
}
