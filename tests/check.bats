#!/usr/bin/env bats
# ptd-data check: what would end a run later is told at once, and the rows that are usable are written.
load lib

setup_file() {
    cd "$WORK" || return
    ptd-data digits -q train.jsonl -n 24 --objects
    ptd-init -q s.ptd
    mkdir img
    cp train.img/000001.png img/ok.png
    png 1 300 > img/thin.png
    png 300 1 > img/flat.png
    png 1 200 > img/edge.png
    echo no picture > img/text.png
}

setup() { cd "$WORK"; }

# A PNG of WIDTH and HEIGHT.
png() {
    python3 - "$@" <<'P'
import struct, sys, zlib
w, h = map(int, sys.argv[1:])
chunk = lambda t, d: struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d))
sys.stdout.buffer.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, 8, 2, 0, 0, 0)) +
                        chunk(b'IDAT', zlib.compress((b'\0' + b'\x55' * 3 * w) * h)) + chunk(b'IEND', b''))
P
}

# A row, that may lack nothing: its fields replaced or added by JSON.
row() { jq -cn --argjson more "$1" '{prompt: "what", answer: "1"} + $more'; }
words() { printf 'word %.0s' $(seq "$1"); }

@test "what passes is taken by ptd-rollout, and what does not is refused by it, with and without a model" {
    local rows=('{}' '{"images": ["img/ok.png"]}' '{"images": ["img/edge.png"]}' '{"images": ["img/thin.png"]}' '{"images": "img/flat.png"}'
        '{"images": ["img/text.png"]}' '{"images": ["img/none.png"]}' '{"images": ["../x.png"]}' '{"prompt": "<image><image>", "images": ["img/ok.png"]}'
        '{"prompt": "what is <|vision_start|>"}' '{"prompt": "<|vision_end|>"}' '{"prompt": "<|image_pad|>"}' '{"prompt": "<|video_pad|>"}'
        '{"prompt": "<|im_end|> and <|endoftext|>"}' '{"prompt": "<|image_pad"}' '{"solution": "a <|image_pad|> b"}' '{"steps": ["look", "at <|vision_start|>"]}'
        '{"regions": [{"label": "<|image_pad|>", "box": [0, 0, 1, 1]}]}' '{"objects": [{"label": "<|video_pad|>", "box": [0, 0, 1, 1]}]}'
        '{"answer": "<|image_pad|>"}' '{"answer": ["1", "<|image_pad|>"]}'
        '{"prompt": [{"role": "user", "content": "a <|vision_end|>"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]}'
        '{"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]}'
        '{"prompt": [{"role": "system", "content": "<|image_pad|>"}, {"role": "user", "content": "c"}]}'
        '{"category": "<|image_pad|>"}' '{"prompt": " "}' '{"answer": ""}' '{"steps": 3}' '{"steps": " "}' '{"steps": "a <|image_pad|>"}')
    local passed=0
    for r in "${rows[@]}"; do
        row "$r" > one.jsonl
        rollout=0 check=0 model=0
        ptd-rollout -q -s s.ptd --greedy -m 1 one.jsonl > /dev/null 2> rollout.err || rollout=$?
        ptd-data check -q one.jsonl > /dev/null 2> check.err || check=$?
        ptd-data check -q -s s.ptd one.jsonl > /dev/null 2> model.err || model=$?
        [ "$rollout $rollout" = "$check $model" ] || { echo "$r: $check $model, ptd-rollout: $rollout"; cat ./*.err; return 1; }
        [ "$check" = 0 ] || [ "$(wc -l < check.err)" = 1 ] || return 1
        [ "$check" = 0 ] || [[ "$(cat check.err)" == "ptd-data check: one.jsonl:1: "* ]] || return 1
        passed=$((passed + (check == 0)))
    done
    [ "$passed" = 7 ]
}

@test "prompts over the context, with pictures and hints and solutions, are told by length" {
    row "{\"prompt\": \"$(words 5000)\"}" > long.jsonl
    fails 65 'ptd-data check: long.jsonl:1: a prompt of * tokens, expected at most 4096 (max_position_embeddings)' ptd-data check -q -s s.ptd long.jsonl
    fails 65 "ptd-rollout: ${stderr#*: }" ptd-rollout -q -s s.ptd --greedy -m 1 long.jsonl
    row "{\"solution\": \"$(words 5000)\"}" > long.jsonl
    fails 65 'ptd-data check: long.jsonl:1: with its solution, a sequence of * expected at most 4096 *' ptd-data check -q -s s.ptd long.jsonl
    row "{\"steps\": [\"$(words 5000)\"]}" > long.jsonl
    fails 65 'ptd-data check: long.jsonl:1: with its hint, a prompt of * expected at most 4096 *' ptd-data check -q -s s.ptd long.jsonl
    row '{"images": ["img/ok.png"]}' > short.jsonl
    n=$(ptd-rollout -q -s s.ptd --greedy -m 1 short.jsonl | ptd-dump --full | jq 'select(.kind == "group") | .prompt_ids | length')
    run -0 ptd-data check -q -s s.ptd --max-prompt "$n" --max-tokens $((4096 - n)) short.jsonl
    fails 65 "ptd-data check: short.jsonl:1: a prompt of $n tokens, expected at most $((n - 1)) (--max-prompt)" ptd-data check -q -s s.ptd --max-prompt $((n - 1)) short.jsonl
    fails 65 "ptd-data check: short.jsonl:1: a prompt of $n tokens leaves room for $((4096 - n)) of a response, expected $((4097 - n)) (--max-tokens)" \
        ptd-data check -q -s s.ptd --max-tokens $((4097 - n)) short.jsonl
    row '{"images": ["img/ok.png"], "steps": ["look up"]}' > hinted.jsonl
    fails 65 "ptd-data check: hinted.jsonl:1: with its hint, a prompt of * tokens leaves room for * of a response, expected $((4096 - n)) (--max-tokens)" \
        ptd-data check -q -s s.ptd --max-tokens $((4096 - n)) hinted.jsonl
    run -65 ptd-data check -q -s s.ptd --max-prompt "$n" --system 'You are one who counts.' short.jsonl
}

@test "to the token: prompts for ptd-rollout, solutions for ptd-gold" {
    row '{"prompt": "how many", "images": ["img/ok.png"]}' > one.jsonl
    n=$(ptd-data check -q --json -s s.ptd one.jsonl | jq .tokens.prompt.most)
    for limit in $((n - 1)) "$n"; do
        rollout=0 check=0
        ptd-rollout -q -s s.ptd --greedy -m 1 --max-prompt "$limit" one.jsonl > /dev/null 2> rollout.err || rollout=$?
        ptd-data check -q -s s.ptd --max-prompt "$limit" one.jsonl > /dev/null 2> check.err || check=$?
        [ "$rollout" = "$check" ]
        [ "$check" = $((limit < n ? 65 : 0)) ]
        [ "$(sed s/ptd-rollout/ptd-data\ check/ rollout.err)" = "$(cat check.err)" ]
    done
    said=
    for words in $(seq 0 9); do # the context ends among them
        text=$(printf '9%.0s' $(seq $((4096 - n - 5 + words))))
        row "{\"prompt\": \"how many\", \"images\": [\"img/ok.png\"], \"solution\": \"$text\"}" > one.jsonl
        gold=0 check=0
        ptd-gold -q -s s.ptd -P 1 -n 1 one.jsonl > /dev/null 2>&1 || gold=$?
        ptd-data check -q -s s.ptd one.jsonl > /dev/null 2>&1 || check=$?
        [ "$gold" = "$check" ]
        said+=" $check"
    done
    [[ "$said" == " 0 "*" 65" ]]
}

@test "tokens in the table are those of the streams, from a store and from a folder" {
    ptd-rollout -q -s s.ptd --greedy -m 1 train.jsonl | ptd-dump --full | jq 'select(.kind == "group") | .prompt_ids | length' | sort -n > lengths
    [ "$(wc -l < lengths)" = 24 ]
    want="prompt 24 $(sed -n 12p lengths) $(sed -n 23p lengths) $(sed -n 24p lengths) of 4096"
    run -0 ptd-data check -q -s s.ptd train.jsonl
    [[ "${lines[0]}" == "train.jsonl: 24 rows, 24 pictures: "*"cmax 4"* ]]
    [ "$(grep ^prompt <<< "$output" | tr -s ' ')" = "$want" ]
    [ "$(grep 'its pictures' <<< "$output" | tr -s ' ')" = " its pictures 24 9 9 9" ]
    [[ "$output" == *"answers"*" number 24"* && "$output" == *"rows with"*"steps 24, regions 24, a solution 24, objects 24"* && "$output" == *"usable rows"*"24 of 24" ]]
    [ "$(ptd-data check -q --from tiny train.jsonl)" = "$output" ]
    ptd-export -q s.ptd folder
    [ "$(ptd-data check -q --from folder train.jsonl)" = "$output" ]
    run -0 ptd-data check -q train.jsonl
    [[ "$output" == *"tokens "*"not counted: give --store or --from"* ]]
}

@test "limits of pictures, systems and templates are those of ptd-rollout" {
    png 700 500 > img/large.png
    row '{"images": ["img/large.png", "img/ok.png"]}' > large.jsonl
    for more in '' '--max-pixels 20000' '--min-pixels 90000' '--max-pixels 50000 --min-pixels 40000'; do
        # shellcheck disable=SC2086
        n=$(ptd-rollout -q -s s.ptd --greedy -m 1 --system 'be short' $more large.jsonl | ptd-dump --full | jq 'select(.kind == "group") | .prompt_ids | length')
        # shellcheck disable=SC2086
        [ "$(ptd-data check -q -s s.ptd --system 'be short' $more large.jsonl | grep ^prompt | tr -s ' ')" = "prompt 1 $n $n $n of 4096" ]
    done
    fails 2 'ptd-data check: pictures of at least *' ptd-data check -q -s s.ptd --max-pixels 5000 --min-pixels 6000 large.jsonl
    ptd-init -q thinks.ptd --template thinking
    run -0 ptd-data check -q -s thinks.ptd large.jsonl
    [ "$(ptd-data check -q -f tiny --template thinking large.jsonl)" = "$output" ]
    [ "$(ptd-data check -q -f tiny large.jsonl)" != "$output" ]
    fails 2 'ptd-data check: --template: found "x", expected instruct or thinking*' ptd-data check -f tiny --template x large.jsonl
    fails 2 'ptd-data check: *go with --from*' ptd-data check -s s.ptd --template instruct large.jsonl
}

@test "--json says what the table says" {
    { cat train.jsonl; row '{"answer": "B", "category": "a \"b\"\u009b"}'; row '{"answer": ""}'; } > json.jsonl
    run -65 --separate-stderr ptd-data check -q -s s.ptd --json json.jsonl train.jsonl
    [ "${#lines[@]}" = 2 ]
    [ "$(jq -c '[.data, .rows, .usable, .pictures, .bare, .faults]' <<< "${lines[0]}")" = '["json.jsonl",26,25,24,1,{"field \"answer\"":{"found":1,"first_lines":[26]}}]' ]
    [ "$(jq -c '[.answers, .with, .categories.cmax, .categories["a \"b\"\u009b"]]' <<< "${lines[0]}")" = \
        '[{"number":24,"choice":1},{"steps":24,"regions":24,"solution":24,"objects":24},4,1]' ]
    [ "$(jq -r '.tokens.prompt | "prompt \(.rows) \(.median) \(.p95) \(.most) of 4096"' <<< "${lines[1]}")" = \
        "$(ptd-data check -q -s s.ptd train.jsonl | grep ^prompt | tr -s ' ')" ]
}

@test "rows without anything for hints are said to train as plain GRPO" {
    { row '{}'; row '{"steps": ["s"]}'; row '{"answer": "B"}'; row '{"answer": "a cat", "solution": "s"}'; } > bare.jsonl
    run -0 ptd-data check -q bare.jsonl
    [[ "$output" == *"bare rows "*" 2, without steps, regions or a solution: they train as plain GRPO"* ]]
    [[ "$output" == *"answers "*"number 2, choice 1, text 1"* ]]
    { for answer in 12 '3 cm' '\\frac{1}{2}' B '(C)' AC 'x^2+1' '\\{1, 2\\}' yes 'a cat'; do row "{\"answer\": \"$answer\"}"; done; } > kinds.jsonl
    run -0 ptd-data check -q kinds.jsonl
    [[ "$output" == *"answers "*"number 3, choice 3, math 2, text 2"* ]]
    run -0 ptd-data check -q train.jsonl
    [[ "$output" != *GRPO* ]]
}

@test "a solution that holds another answer than the row is told, and is no fault" {
    {
        row '{"answer": "12", "solution": "so \\boxed{12.0}"}'
        row '{"answer": "12", "solution": "so \\boxed{13}"}'
        row '{"answer": "B", "solution": "<think>13</think><answer>A</answer>"}'
        row '{"answer": "12", "solution": "so \\boxed{}"}'
        row '{"answer": "12", "solution": "it is 13, I think"}'
    } > other.jsonl
    run -0 ptd-data check -q other.jsonl
    [[ "$output" == *"other answers "*" 2, in the box or tag of the solution: lines 2, 3"* ]]
    run -0 ptd-data check -q train.jsonl
    [[ "$output" != *"other answers"* ]]
}

@test "a letter that the question's options do not reach is told, and is no fault" {
    {
        row '{"prompt": "Which?\nA. 1\nB. 2\nC. 3", "answer": "C"}'
        row '{"prompt": "Which?\nA. 1\nB. 2\nC. 3", "answer": "(D)"}'
        row '{"prompt": "Which one?", "answer": "D"}'
    } > astray.jsonl
    run -0 ptd-data check -q astray.jsonl
    [[ "$output" == *"answers astray "*" 1, letters of no option that the question lists: lines 2"* ]]
}

@test "an answer that says nothing, or that its judge cannot read" {
    for answer in '' ' ' '...' '$' '$\\text{}$' '\\boxed{}' '\u200b' '。'; do
        row "{\"answer\": \"$answer\"}" > nothing.jsonl
        fails 65 'ptd-data check: nothing.jsonl:1: field "answer": *' ptd-data check -q nothing.jsonl
    done
    for answer in 0 - '?' '∞' 'a cat' '\\pi'; do
        row "{\"answer\": \"$answer\"}" > something.jsonl
        run -0 ptd-data check -q something.jsonl
    done
    for more in 0 1; do # as long as ptd-verify takes them
        { printf '{"prompt":"q","solution":"x","answer":"'; head -c $((1048576 + more)) /dev/zero | tr '\0' x; echo '"}'; } > long.jsonl
        verify=0 check=0
        ptd-gold -q -s s.ptd -P 1 -n 1 long.jsonl | ptd-verify -q > /dev/null 2>&1 || verify=$?
        ptd-data check -q long.jsonl > /dev/null 2>&1 || check=$?
        [ "$check $more" = "$verify $((verify / 65))" ]
    done
    row '{"answer": "cat", "judge": "iou"}' > box.jsonl
    fails 65 'ptd-data check: box.jsonl:1: field "answer": "cat": *expected *' ptd-data check -q box.jsonl
    for answer in cat x 'x^2+1' yes; do
        row "{\"answer\": \"$answer\", \"judge\": \"number\"}" > box.jsonl
        fails 65 'ptd-data check: box.jsonl:1: field "answer": *' ptd-data check -q box.jsonl
    done
    for answer in 5 '12 cm' 5m '\\frac{1}{2}' '\\pi' 1,234 50%; do
        row "{\"answer\": \"$answer\", \"judge\": \"number\"}" > box.jsonl
        run -0 ptd-data check -q box.jsonl
    done
    row '{"answer": [0, 0, 5, 5], "judge": "point"}' > box.jsonl
    run -0 ptd-data check -q box.jsonl
    run -0 ptd-data check -q --judge none nothing.jsonl
}

@test "a judge that is none" {
    { row '{}'; row '{"judge": "nobody"}'; row '{"judge": "exact"}'; } > judge.jsonl
    fails 65 'ptd-data check: judge.jsonl:2: field "judge": "nobody", expected one of *exact*' ptd-data check -q judge.jsonl
    fails 2 'ptd-data check: --judge "nobody": expected one of auto, *' ptd-data check -q --judge nobody judge.jsonl
}

@test "an explicit --judge wins over the row's, as in ptd-verify" {
    { row '{"answer": "cat", "judge": "number"}'; row '{"answer": "7", "judge": "exact"}'; } > judge.jsonl
    run -65 ptd-data check -q judge.jsonl
    run -0 ptd-data check -q --json --judge exact judge.jsonl
    [ "$(jq -c '.answers' <<< "$output")" = '{"exact":2}' ]
    fails 65 'ptd-data check: judge.jsonl:1: field "answer": *"cat"*expected a number*' ptd-data check -q --judge number judge.jsonl
}

@test "--fix writes the rows that are usable, byte for byte" {
    sed '3s/"category":"[a-z]*"/"category":5/; 5s/.*/{/; 7s/<image>/<image><|image_pad|>/; 9s/$/\r/; 11s/"id":"[^"]*"/"id":"twin"/; 12s/"id":"[^"]*"/"id":"twin"/' \
        train.jsonl > bad.jsonl
    cp bad.jsonl before
    run -0 --separate-stderr ptd-data check bad.jsonl --fix good.jsonl
    [ "$(tail -n 1 <<< "$stderr" | sed 's/, [0-9.]* s$//')" = "ptd-data check: bad.jsonl: 20 of 24 rows usable, 4 faults; 20 rows in good.jsonl, 4 left out" ]
    [[ "$output" == *"usable rows "*"20 of 24"*"field \"category\" "*" 1  3"*"id twice "*" 1  12"* ]]
    cmp bad.jsonl before
    sed '3d; 5d; 7d; 12d' bad.jsonl | cmp - good.jsonl
    run -0 ptd-data check -q good.jsonl
    ptd-rollout -q -s s.ptd --greedy -m 1 good.jsonl > /dev/null
    # all of a good set, and over an older file
    run -0 ptd-data check -q train.jsonl -o good.jsonl
    cmp train.jsonl good.jsonl
    # nothing is left: the older file stays
    echo '{}' > none.jsonl
    run -65 ptd-data check none.jsonl --fix good.jsonl
    [[ "$output" == *"0 of 1 row usable, 2 faults; good.jsonl is not written"* ]]
    cmp train.jsonl good.jsonl
    [ ! -e good.jsonl.ptd-part ]
}

@test "--fix is never the data set itself, nor in another folder than its pictures" {
    rm -rf fix
    mkdir -p fix/other
    cp -r img train.img train.jsonl fix
    cp fix/train.jsonl before
    ln fix/train.jsonl fix/hard.jsonl
    ln -s train.jsonl fix/soft.jsonl
    for same in train.jsonl hard.jsonl soft.jsonl ./other/../train.jsonl; do
        fails 2 "ptd-data check: --fix fix/$same: is the data set itself*" ptd-data check -q fix/train.jsonl --fix "fix/$same"
    done
    cp fix/train.jsonl fix/x.jsonl.ptd-part
    fails 73 'ptd-data check: fix/x.jsonl.ptd-part: in the way*' ptd-data check -q fix/x.jsonl.ptd-part --fix fix/x.jsonl
    cmp fix/x.jsonl.ptd-part before
    rm fix/x.jsonl.ptd-part
    ln -s train.jsonl fix/y.jsonl.ptd-part
    fails 73 'ptd-data check: fix/y.jsonl.ptd-part: cannot create: *' ptd-data check -q fix/train.jsonl --fix fix/y.jsonl
    fails 73 'ptd-data check: fix/other: is no regular file' ptd-data check -q fix/train.jsonl --fix fix/other
    fails 73 'ptd-data check: fix/none/x.jsonl.ptd-part: cannot create: *' ptd-data check -q fix/train.jsonl --fix fix/none/x.jsonl
    fails 2 'ptd-data check: fix/train.jsonl:1: *--fix: expected a file in the data set*' ptd-data check -q fix/train.jsonl --fix fix/other/x.jsonl
    [ -z "$(ls fix/other)" ]
    run -0 ptd-data check -q fix/train.jsonl --image-dir fix --fix fix/other/x.jsonl
    cmp fix/train.jsonl fix/other/x.jsonl
    run -0 ptd-data check -q fix/other/x.jsonl --image-dir fix
    jq -c --arg at "$PWD/fix/" '.images = [$at + .images[0]]' train.jsonl > fix/outside.jsonl
    run -65 ptd-data check -q fix/outside.jsonl
    run -0 ptd-data check -q fix/outside.jsonl --allow-outside --fix fix/other/x.jsonl
    cmp fix/outside.jsonl fix/other/x.jsonl
    cmp fix/train.jsonl before
    row '{}' > fix/text.jsonl
    run -0 ptd-data check -q fix/text.jsonl --fix fix/other/x.jsonl
    cmp fix/text.jsonl fix/other/x.jsonl
    [ "$(ls fix/other)" = x.jsonl ]
}

@test "--fix of a list is lines" {
    jq -s '.[2].answer = {} | .[4] = 7' train.jsonl > list.json
    run -0 ptd-data check -q list.json --fix lines.jsonl
    [[ "$output" == *"list.json: 24 rows, 22 pictures: "*"usable rows "*"22 of 24"* ]]
    [ "$(wc -l < lines.jsonl)" = 22 ]
    sed '3d; 5d' train.jsonl | jq -cS . > want
    jq -cS . lines.jsonl | cmp - want
    run -0 ptd-data check -q -s s.ptd lines.jsonl
}

@test "--fix: killed, stopped or without room, the older file stays, and a part is taken over" {
    cp train.jsonl good.jsonl
    head -n 20 train.jsonl > less.jsonl
    touch good.jsonl.ptd-part
    run -0 ptd-data check -q less.jsonl --fix good.jsonl
    cmp less.jsonl good.jsonl
    command -v strace > /dev/null || skip "no strace"
    strange() { strace -f -o /dev/null -P "$PWD/good.jsonl.ptd-part" -P good.jsonl.ptd-part -e "trace=${1%%:*}" -e "inject=$1" ptd-data check -q train.jsonl --fix good.jsonl > /dev/null; }
    for call in write:error=ENOSPC fsync:error=EIO; do
        run -74 strange "$call"
        [ ! -e good.jsonl.ptd-part ]
        cmp less.jsonl good.jsonl
    done
    run -137 strange fsync:signal=KILL
    [ -e good.jsonl.ptd-part ]
    cmp less.jsonl good.jsonl
    run -0 ptd-data check -q train.jsonl --fix good.jsonl
    cmp train.jsonl good.jsonl
    [ ! -e good.jsonl.ptd-part ]
    run -143 bash -c 'ptd-data check -q train.jsonl --fix good.jsonl < /dev/null > /dev/null & kill -STOP $!; kill -TERM $!; kill -CONT $!; wait $!'
    [ ! -e good.jsonl.ptd-part ]
}

@test "faults are printed up to --max of a kind, and counted all" {
    { for i in $(seq 30); do row '{"answer": ""}'; done; row '{"images": ["none.png"]}'; } > many.jsonl
    run -65 --separate-stderr ptd-data check -q many.jsonl
    [ "${#stderr_lines[@]}" = 21 ]
    [[ "${stderr_lines[20]}" == *":31: "*none.png* ]]
    [[ "$output" == *"field \"answer\" "*" 30  1, 2, 3, 4, 5 ..."*"field \"images\" "*" 1  31" ]]
    run -65 --separate-stderr ptd-data check -m 2 many.jsonl
    [ "${#stderr_lines[@]}" = 4 ]
    [[ "${stderr_lines[3]}" == *"0 of 31 rows usable, 31 faults, not all printed (see --max), "*" s" ]]
    run -65 --separate-stderr ptd-data check -q --max 0 many.jsonl
    [ "${#stderr_lines[@]}" = 31 ]
}

@test "any number of threads says the same" {
    for i in $(seq 40); do sed "$((i % 24 + 1))s/\"category\":\"[a-z]*\"/\"category\":5/; s/\"id\":\"/&$i-/" train.jsonl; done > big.jsonl
    ptd-data check -q -s s.ptd -j 1 --max 0 big.jsonl > one 2>&1 || true
    grep -q '920 of 960' one
    for j in 2 3 7; do
        ptd-data check -q -s s.ptd -j $j --max 0 big.jsonl > more 2>&1 || true
        cmp one more
    done
}

@test "rows of EasyR1, verl and TRL: the same is said of them, and they are taken" {
    bytes=$(base64 -w 0 img/ok.png)
    {
        row '{"prompt": null, "problem": "<image>Find x.", "answer": "3", "images": ["img/ok.png"]}'
        row "{\"prompt\": [{\"role\": \"system\", \"content\": \"think\"}, {\"role\": \"user\", \"content\": \"<image>Find x.\"}], \"answer\": null,
            \"data_source\": \"geo\", \"images\": [{\"bytes\": \"$bytes\", \"path\": null}], \"reward_model\": {\"style\": \"rule\", \"ground_truth\": \"3\"}}"
        row '{"prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Which?\nA. left\nB. right"}]}], "answer": null,
            "image": "img/ok.png", "solution": "<think>there</think><answer>B</answer>"}'
        row '{"prompt": null, "conversations": [{"from": "human", "value": "<image>\nWho?"}, {"from": "gpt", "value": "a cat"}], "answer": null, "image": "img/ok.png"}'
    } > dialects.jsonl
    run -0 ptd-data check -q -s s.ptd dialects.jsonl
    [[ "$output" == *"4 rows, 4 pictures"*"answers "*"number 2, choice 1, text 1"*"rows with "*"a solution 2"*"bare rows "*" 2, "* ]]
    ptd-rollout -q -s s.ptd --greedy -m 1 dialects.jsonl | ptd-dump --full | jq 'select(.kind == "group") | .prompt_ids | length' | sort -n > lengths
    want="prompt 4 $(sed -n 2p lengths) $(sed -n 4p lengths) $(sed -n 4p lengths) of 4096"
    [ "$(grep ^prompt <<< "$output" | tr -s ' ')" = "$want" ]
}

@test "several files: one table each, and the worst status" {
    row '{}' > a.jsonl
    row '{"images": ["none.png"]}' > b.jsonl
    row '{"answer": ""}' > c.jsonl
    run -66 ptd-data check -q a.jsonl b.jsonl
    run -65 ptd-data check -q b.jsonl c.jsonl a.jsonl
    [ "$(grep -c 'usable rows' <<< "$output")" = 3 ]
    fails 2 'ptd-data check: --fix goes with one FILE*' ptd-data check --fix x.jsonl a.jsonl b.jsonl
    fails 2 'ptd-data check: *--store or --from*' ptd-data check --max-prompt 5 a.jsonl
    fails 2 'ptd-data check: expected one of --store and --from*' ptd-data check -s s.ptd -f tiny a.jsonl
    fails 2 'ptd-data check: qwen3-vl-2b has no tokenizer built in: give --tokenizer FILE' ptd-data check -f qwen3-vl-2b a.jsonl
    fails 66 'ptd-data check: none/config.json: no such folder*' ptd-data check -f none a.jsonl
    fails 66 'ptd-data check: *none.ptd*' ptd-data check -s none.ptd a.jsonl
}
