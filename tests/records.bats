#!/usr/bin/env bats
# Records that another program changed: all programs accept the same ones, and refuse the others by
# record and field; none takes memory out of proportion.
load lib

setup_file() {
    small_run
    fresh run.ptd
    ptd-rollout -q -s run.ptd -P 3 -G 3 -m 10 -n 1 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q --no-cache > scored.rec
}

setup() { cd "$WORK"; }

craft() { /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" scored.rec "$1"; }

numbers() { ptd-dump --full "$1" | jq -c 'select(.kind == "group") | [.prompt_ids, .rollouts]'; }

# All programs refuse what PYTHON makes of the stream, and ptd-dump --check says so.
all_refuse() { # FIELD PYTHON
    local program
    craft "$2" > bad.rec
    for program in ptd-verify ptd-hint 'ptd-ref --no-cache' ptd-update ptd-stat 'ptd-dump --count' 'ptd-plot -o x.png --hint'; do
        # shellcheck disable=SC2086
        fails 65 "*: bad.rec: record 1, byte *: field \"$1\": *" $program bad.rec
    done
    run -1 ptd-dump --check bad.rec
    # shellcheck disable=SC2053
    [[ "$output" == "bad: bad.rec: record 1, byte "*": field \""$1"\": "* ]]
}

@test "the stream itself, written by another program, is what it was" {
    craft '' > same.rec
    [ "$(numbers same.rec)" = "$(numbers scored.rec)" ]
    [ "$(ptd-dump --check same.rec)" = "$(ptd-dump --check scored.rec | sed "s/scored/same/;s/[0-9]* bytes/$(stat -c %s same.rec) bytes/")" ]
}

@test "a picture is what its hash says, and has a size" {
    all_refuse 'pictures?0?.hash' 'p = g["pictures"][0]; p["pixels"] = bytes(255 - b for b in p["pixels"])'
    all_refuse 'pictures?0?.hash' 'p = g["pictures"][0]; p["hash"] = "0" * 16'
    all_refuse 'pictures?0?.hash' 'p = g["pictures"][0]; p["height"], p["width"] = p["width"] // 2, p["height"] * 2'
    all_refuse 'pictures?0?.height' 'g["pictures"][0].update(height=0, pixels=b"")'
    all_refuse 'pictures?0?.width' 'g["pictures"][0].update(width=0, pixels=b"")'
    all_refuse 'pictures?0?.pixels' 'p = g["pictures"][0]; p["pixels"] = p["pixels"][:-3]'
}

@test "counts fit arrays, log-probs and ids are such" {
    local y='y = g["rollouts"][0]; n = len(y["ids"].data) // 4; '
    local taught='y.update(teacher_k=1, teacher_ids=i32(*[1] * n), teacher_logp=f16(*[-1] * n), teacher_on_top=f16(*[-1] * n * y["top_k"]), teacher_key="ab"); '
    all_refuse 'rollouts?0?.top_k' "$y y.pop('top_ids'); y.pop('teacher_on_top', 0)"
    all_refuse 'rollouts?0?.top_k' "$y y.pop('top_ids'); y.pop('teacher_on_top', 0); y['top_k'] = 2**31 - 1"
    all_refuse 'rollouts?0?.top_ids' "$y y.pop('top_k')"
    all_refuse 'rollouts?0?.teacher_k' "$y y.update(teacher_k=3); y.pop('teacher_ids', 0); y.pop('teacher_logp', 0)"
    all_refuse 'rollouts?0?.logp' "$y y['logp'] = f32(*[0.5] * n)"
    all_refuse 'rollouts?0?.logp' "$y y['logp'] = f32(*[float('inf')] * n)"
    all_refuse 'rollouts?0?.ref_logp' "$y y['ref_logp'] = f32(*[1] * n)"
    all_refuse 'rollouts?0?.teacher_logp' "$y y.update(teacher_k=1, teacher_ids=i32(*[1] * n), teacher_logp=f16(*[1] * n), teacher_on_top=f16(*[-1] * n * y['top_k']))"
    all_refuse 'rollouts?0?.teacher_on_top' "$y $taught y['teacher_on_top'] = f16(*[1] * n * y['top_k'])"
    all_refuse 'rollouts?0?.teacher_on_top' "$y $taught y.pop('teacher_on_top')"
    all_refuse 'rollouts?0?.teacher_on_top' "$y $taught [y.pop(k) for k in ('teacher_ids', 'teacher_k', 'teacher_logp')]"
    all_refuse 'rollouts?0?.teacher_key' "$y $taught [y.pop(k) for k in ('teacher_ids', 'teacher_k', 'teacher_logp', 'teacher_on_top')]"
    all_refuse 'rollouts?0?.ids' "$y y['ids'] = i32(*[-5] * n)"
    all_refuse 'rollouts?0?.accuracy' "$y y['accuracy'] = 7"
    all_refuse 'rollouts?0?.format' "$y y['format'] = float('nan')"
    all_refuse 'rollouts?0?.reward' "$y y['reward'] = float('nan')"
    all_refuse 'rollouts?0?.reward' "$y y['reward'] = float('-inf')"
    all_refuse 'rollouts?0?.reward' "$y y['reward'] = 1e308"
    all_refuse 'rollouts?0?.parts' "$y y['parts'] = [{'name': 'style', 'value': 1}] * 2"
    all_refuse 'rollouts?0?.parts?0?.value' "$y y['parts'] = [{'name': 'style', 'value': float('nan')}]"
    all_refuse 'rollouts' 'g["rollouts"] = []'
    all_refuse 'answers' 'g.pop("answer"); g["answers"] = ["12"]'
    all_refuse 'prompt_ids' 'g["prompt_ids"] = i32(1, -1)'
    all_refuse 'group_accuracy' 'g["group_accuracy"] = float("nan")'
    all_refuse 'regions' 'g["regions"] = [["a1", 0, 0, float("nan"), 1]]'
    all_refuse 'objects' 'g["objects"] = [["a1", 0, 0, 7, 1]]'
}

@test "lists are as long as a data set's, unknown fields take a few times their bytes" {
    all_refuse 'regions' 'g["regions"] = [["a%d" % i, 0, 0, 1, 1] for i in range(65000)]'
    all_refuse 'steps' 'g["steps"] = ["look"] * 65'
    craft 'g.update({"u%d" % i: "y" * 40000 for i in range(230)})' > bad.rec
    if ! ldd "$bin/ptd-verify" | grep -q asan; then
        run -0 --separate-stderr prlimit --as=400000000 ptd-verify -q bad.rec
    fi
    craft 'g["steps"] = ["look " * 20000] * 64' > bad.rec
    ptd-hint -q --always --from data bad.rec > hinted.rec # a hint of 6 MB
    [ "$(ptd-dump hinted.rec | jq -r 'select(.kind == "group").hint_drop' | head -n 1)" = too-long ]
}

@test "ptd-update trains on a policy loss only what was sampled" {
    fresh untouched.ptd
    craft '[y.pop("logp") for y in g["rollouts"]]' > bad.rec
    fails 65 'ptd-update: bad.rec: record 1, byte *: group * has no log-probs of when it was sampled: expected responses of ptd-rollout (or --loss sft)' \
        ptd-update -q -s untouched.ptd bad.rec
    run -0 --separate-stderr ptd-update -q -s untouched.ptd --loss sft bad.rec
}

@test "a group that cannot be read is told by its record, in a whole step too" {
    fresh untouched.ptd
    craft 'groups[1]["pictures"] = []' > bad.rec
    for program in 'ptd-ref --no-cache' 'ptd-update -s untouched.ptd' 'ptd-update -u 3 -s untouched.ptd'; do
        # shellcheck disable=SC2086
        fails 65 '*: bad.rec: record 2, byte *: group "*": prompt token * picture*' $program -q bad.rec
    done
    craft 'groups[2]["pictures"] = []; del groups[2]["prompt_ids"]' > bad.rec
    fails 65 'ptd-ref: bad.rec: record 3, byte *: group "*": empty prompt' ptd-ref -q --no-cache bad.rec
    fails 65 'ptd-update: bad.rec: record 3, byte *: group "*": empty prompt' ptd-update -q -s untouched.ptd bad.rec
}

@test "ids of another tokenizer are refused by who has a vocabulary" {
    local program field y='y = g["rollouts"][0]; halves = f16(*[-1] * (len(y["top_ids"].data) // 4)); '
    y+='y.update(teacher_k=y["top_k"], teacher_ids=y["top_ids"], teacher_logp=halves, teacher_on_top=halves); '
    fresh untouched.ptd
    for program in 'ptd-ref --no-cache' 'ptd-ref --no-cache --no-reference' 'ptd-update -s untouched.ptd'; do
        for field in ids top_ids teacher_ids; do
            craft "$y y['$field'] = i32(*[640] * (len(y['$field'].data) // 4))" > bad.rec
            # shellcheck disable=SC2086
            fails 65 "*: bad.rec: record 1, byte *: field \"rollouts?0?.$field\": an id above 639, the last of the vocabulary" $program -q bad.rec
        done
        craft 'g["prompt_ids"] = i32(1, 640)' > bad.rec
        # shellcheck disable=SC2086
        fails 65 '*: bad.rec: record 1, byte *: field "prompt_ids": an id above 639, *' $program -q bad.rec
    done
    craft "$y y['top_ids'] = i32(*[-1] * (len(y['top_ids'].data) // 4))" > none.rec
    ptd-ref -q --no-cache none.rec | ptd-update -q -s untouched.ptd > metrics
}

@test "a group that is larger than the head says is refused before it is scored" {
    craft 'head["max_tokens"] = 1; y = g["rollouts"][0]; y.update(accuracy=0, outcome="wrong", stop="eos"); g["group_accuracy"] = 0
g["hint"] = g.get("hint", {"text": "look", "prompt_ids": g["prompt_ids"]})
[y.pop(k, 0) for k in ("logp", "top_ids", "top_k", "ref_logp", "teacher_ids", "teacher_k", "teacher_logp", "teacher_on_top", "teacher_key")]
y["ids"] = i32(*[1] * 700000)' > bad.rec
    fails 65 'ptd-ref: bad.rec: record 1, byte *: field "rollouts": 3 responses that take 1.?? GB with 256 words of the teacher, *' \
        timeout 10 ptd-ref -q --no-cache -k 256 bad.rec
}

@test "a head is refused by every program alike" {
    local change program status
    for change in '76 version head["version"] = 2' '65 steps head["steps"] = -1' '65 group_size head["group_size"] = -1'; do
        craft "${change#* * }" > bad.rec
        for program in ptd-verify ptd-hint 'ptd-ref --no-cache' ptd-update ptd-stat 'ptd-plot -o x.png --hint'; do
            status=${change%% *} field=${change#* }
            # shellcheck disable=SC2086
            fails "$status" "*: bad.rec: record 0, byte 0: field \"${field%% *}\": *" $program bad.rec
        done
    done
}
