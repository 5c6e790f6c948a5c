#!/usr/bin/env bats
# ptd-eval: validation beside a run: what is examined, what is pinned, how a run without gain ends.
load lib

setup_file() {
    small_run
    ptd-data digits -q test.jsonl -n 6 --seed 5 -k nbr
}

setup() { cd "$WORK" || return; }

pins() { ptd-dump "$1" | jq -c 'select(.kind == "state" and .name == "pinned").value'; }
evaluated() { ptd-dump "$1" | jq -c 'select(.kind == "state" and .name == "evaluated").value'; }
kept() { ptd-dump "$1" | jq -c 'select(.kind == "weights").generation' | tr '\n' ' '; }

@test "--once: the newest generation, as the pipe would say, and it is pinned" {
    fresh once.ptd
    pipeline once.ptd 3 > /dev/null
    run -0 --separate-stderr ptd-eval once.ptd test.jsonl --once -G 4 -m 16 --by val/mean@4
    line=$output
    [[ "$stderr" == *"generation 3: val/mean@4 "*", the best so far, pinned"* ]]
    [ "$(pins once.ptd)" = '[0,3]' ]
    ptd-rollout -q -s once.ptd -g 3 --greedy -P 100 -m 16 test.jsonl | ptd-verify -q | ptd-stat --json > greedy.json
    ptd-rollout -q -s once.ptd -g 3 -G 4 -P 100 -m 16 test.jsonl | ptd-verify -q | ptd-stat --json > samples.json
    jq -e --slurpfile g greedy.json --slurpfile s samples.json '.step == 3 and ."val/accuracy_reward" == $g[0].total."mean@1"
        and ."val/accuracy_reward/high" == $g[0].total.interval[1] and ."val/response_length" == $g[0].total.length
        and ."val/pass@4" == $s[0].total."pass@4" and ."val/maj@4/low" == $s[0].total.intervals."maj@4"[0] and ."val/best_step" == 3' <<< "$line"
    # options of the programs
    run -0 ptd-eval -q once.ptd test.jsonl --once -m 16 --verify '--extract boxed --format-weight 0' --rollout '--max-prompt 4000'
    jq -e 'has("val/pass@4") | not' <<< "$output"
}

@test "it follows a run beside it, changes no bit of it, and keeps the best" {
    fresh alone.ptd
    pipeline alone.ptd 8 --keep 2 > /dev/null
    fresh beside.ptd
    ptd-eval beside.ptd test.jsonl --every 2 -m 16 --wait 60 > val.jsonl 2> val.err &
    follower=$!
    pipeline beside.ptd 8 --keep 2 > beside.jsonl
    wait $follower
    [ "$(bits beside.ptd)" = "$(bits alone.ptd)" ]
    # steps rise, each is due, and the last generation is among them
    jq -se 'map(.step) as $s | ($s | sort | unique) == $s and ($s[1:] | all(. % 2 == 0)) and $s[-1] == 8 and all(.[]; has("val/accuracy_reward"))' val.jsonl
    best=$(jq -s 'max_by(."val/accuracy_reward") as $m | map(select(."val/accuracy_reward" == $m."val/accuracy_reward"))[0].step' val.jsonl)
    [ "$(jq -s '.[-1]."val/best_step"' val.jsonl)" = "$best" ]
    [ "$(pins beside.ptd)" = "$([ "$best" = 0 ] && echo '[0]' || echo "[0,$best]")" ]
    [[ " $(kept beside.ptd)" == *" $best "* ]]
    grep -qE 'ptd-eval: [0-9]+ generations? examined; the best is '"$best"', val/accuracy_reward .*, pinned' val.err
    # what is plotted of it beside the run's own
    cat beside.jsonl val.jsonl | ptd-plot -q - -o both.gp
    grep -q 'set title "validation: accuracy of greedy answers"' both.gp
    # done: nothing is examined again, and a longer run goes on from there
    run -0 --separate-stderr ptd-eval beside.ptd test.jsonl --every 2 -m 16 --wait 0
    [ -z "$output" ]
    pipeline beside.ptd 10 --keep 2 > /dev/null
    run -0 --separate-stderr ptd-eval beside.ptd test.jsonl --every 2 -m 16 --wait 0
    [ "$(jq .step <<< "$output")" = 10 ]
}

@test "without gain the run ends in order" {
    fresh flat.ptd
    ptd-eval flat.ptd test.jsonl --every 1 -m 16 --stop-after 1 --wait 60 > flat.jsonl 2> flat.err &
    follower=$!
    run -75 --separate-stderr bash -c "set -o pipefail; $(declare -f pipeline); pipeline flat.ptd 5000 --lr 0 --keep 2 > flat.metrics"
    status=0
    wait $follower || status=$?
    [ $status = 75 ]
    [[ "$stderr" == *"ptd-update: stopped on request after step "* ]]
    grep -q 'ptd-eval: no gain in 1 examination: the run is ended; the best is generation ' flat.err
    done=$(head_of flat.ptd)
    [ "$done" -gt 0 ]
    [ "$done" -lt 5000 ]
    [ "$(tail -n 1 flat.metrics | jq .step)" = "$done" ]
    ptd-dump --check flat.ptd
    # the same line goes on
    pipeline flat.ptd $((done + 1)) --lr 0 --keep 2 > /dev/null
    [ "$(head_of flat.ptd)" = $((done + 1)) ]
}

@test "killed, it goes on; another data set, limit or judge begins anew" {
    # a judge beside the rules, of weight 0, which hangs while there is a file
    printf '%s\n' '#!/bin/sh' '[ ! -e hold ] || sleep 30' "while read -r asked; do echo '{\"reward\": 0}'; done" > judge
    chmod +x judge
    judged() { ptd-eval -q cut.ptd test.jsonl -m 16 --verify "--exec 'x:0=./judge'" "$@"; }
    fresh cut.ptd
    pipeline cut.ptd 2 > /dev/null
    judged --once > /dev/null
    pipeline cut.ptd 4 > /dev/null
    # one that hangs in an examination, and is killed there
    touch hold
    ptd-eval -q cut.ptd test.jsonl -m 16 --verify "--exec 'x:0=./judge'" --once > /dev/null 2>&1 &
    killed=$!
    until [ "$(evaluated cut.ptd | jq .trying)" = 4 ]; do sleep 0.05; done
    kill $killed
    status=0
    wait $killed || status=$?
    [ "$status" = 143 ]
    [ "$(pins cut.ptd)" = '[0,2,4]' ]
    rm hold
    judged --every 100 --wait 0 > after.jsonl
    [ "$(jq .step after.jsonl)" = 4 ]
    [ "$(evaluated cut.ptd | jq -c '[.last, .trying]')" = '[4,-1]' ]
    head -n 4 test.jsonl > four.jsonl
    run -0 ptd-eval -q cut.ptd four.jsonl --once -m 16
    [ "$(evaluated cut.ptd | jq -r .of)" = "four.jsonl by val/accuracy_reward, -m 16" ]
    figures='map_values(numbers | . * 1e6 | round)'
    [ "$(evaluated cut.ptd | jq -c ".metrics | $figures")" = "$(jq -c "$figures" <<< "$output")" ]
    [ "$(pins cut.ptd)" = '[0,4]' ]
    # the same again has nothing to do, and says so; another limit or judge is another figure
    run -0 --separate-stderr ptd-eval cut.ptd four.jsonl --once -m 16
    [ -z "$output" ]
    [[ "$stderr" == "ptd-eval: generation 4 is already examined: ptd-dump cut.ptd shows its figures as \"evaluated\"; the best is 4, val/accuracy_reward "*", pinned" ]]
    run -0 ptd-eval -q cut.ptd four.jsonl --once -m 16
    [ -z "$output" ]
    for other in '-m 15' '-m 15 --verify=--format=think' '-m 15 --rollout=--no-eos'; do
        run -0 ptd-eval -q cut.ptd four.jsonl --once $other
        [ "$(jq .step <<< "$output")" = 4 ]
    done
}

@test "where --keep dropped what was due, the newest is examined" {
    fresh late.ptd
    pipeline late.ptd 1 > /dev/null
    ptd-eval -q late.ptd test.jsonl --once -m 8 > /dev/null
    pipeline late.ptd 5 --keep 2 > /dev/null
    # somebody has the store as its trainer would, for a while
    /usr/bin/python3 -c 'import fcntl, time; f = open("late.ptd/data.mdb", "r+b"); fcntl.lockf(f, fcntl.LOCK_EX, 1, 0); print("held", flush=True); time.sleep(5)' > held &
    holder=$!
    until [ -s held ]; do sleep 0.1; done
    ptd-eval -q late.ptd test.jsonl --every 3 -m 8 --wait 60 > late.jsonl
    wait $holder
    [ "$(jq .step late.jsonl)" = 5 ]
}

@test "what is wrong is named" {
    fresh bad.ptd
    fails 2 'ptd-eval: expected a store and a data set*' ptd-eval bad.ptd
    fails 66 'ptd-eval: none.jsonl: *' ptd-eval bad.ptd none.jsonl
    fails 66 'ptd-eval: *nowhere*' ptd-eval nowhere test.jsonl
    : > empty.jsonl
    printf '\n \n' > blank.jsonl
    for data in empty.jsonl blank.jsonl; do
        fails 65 "ptd-eval: $data: no rows, expected one JSON object a line, or a list of them" ptd-eval bad.ptd $data --once
        fails 65 "ptd-rollout: $data: no rows, expected one JSON object a line, or a list of them" ptd-rollout -s bad.ptd --greedy $data
    done
    run --separate-stderr ptd-eval -q bad.ptd test.jsonl --once -m 4 --verify --no-such
    [ "$status" = 2 ]
    fails 2 'ptd-eval: --by "val/none": expected one of the metrics*' ptd-eval -q bad.ptd test.jsonl --once -m 4 --by val/none
    fails 2 'ptd-eval: --by "val/pass@4": expected one of the metrics*' ptd-eval -q bad.ptd test.jsonl --once -m 4 -G 2 --by val/pass@4
    echo '{"prompt": 1}' > broken.jsonl
    run --separate-stderr ptd-eval -q bad.ptd broken.jsonl --once -m 4
    [ "$status" = 65 ] # of the program that failed, not of those that had no stream then
    [[ "${stderr_lines[0]}" == "ptd-rollout: "* && "$stderr" == *"ptd-eval: the examination of generation 0 failed; see what its programs say above" ]]
}
