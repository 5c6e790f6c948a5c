#!/usr/bin/env bats
# Steps whose prompts depend on verdicts: dynamic sampling, prompts asked again; killed, stalled and
# left alone. Overlong responses.
load lib
load programs

setup_file() {
    cd "$WORK" || return
    ptd-data digits -q train.jsonl -n 24 -k nbr
    ptd-init -q blank.ptd
    cp -r blank.ptd warm.ptd
    ptd-gold -q -s warm.ptd -P 8 -n 30 train.jsonl | ptd-hint -q --always --share 0.5 |
        ptd-update -q --loss sft --lr 4e-3 > warm.jsonl
    fresh whole.ptd
    filled whole.ptd 6 > whole.jsonl
}

setup() { cd "$WORK"; }

asking="-P 4 -G 4 -m 16 --refill 5 --curriculum 0.25"
judging="--keep 0.01:0.99"
filled() {
    local store=$1 steps=$2
    shift 2
    ptd-rollout -q -s "$store" $asking -n "$steps" "$@" train.jsonl | ptd-verify -q $judging | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3
}

per_step() { ptd-dump "$1" | jq -sc '[.[] | select(.kind == "group").step] | group_by(.) | map(length)'; }
asked() { ptd-dump "$1" | jq -c 'select(.kind == "state" and (.name | startswith("asked/")))'; }

@test "--keep and --refill: every step has as many groups as -P, none of them uniform, and counts tell" {
    fresh full.ptd
    ptd-rollout -s full.ptd $asking -n 6 train.jsonl 2> e0 | ptd-verify --keep 0.01:0.99 2> e1 | tee v.rec | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3 > full.jsonl
    [ "$(per_step v.rec)" = '[4,4,4,4,4,4]' ]
    [ "$(ptd-dump v.rec | jq -c 'select(.kind == "group").group_accuracy | . > 0 and . < 1' | sort -u)" = true ]
    [ "$(bits full.ptd)" = "$(bits whole.ptd)" ]
    said=$(< e0)
    [[ "$said" =~ ^"ptd-rollout: "([0-9]+)" prompts asked, "([0-9]+)" of them again; "([0-9]+)" steps refilled, 0 not full"$ ]]
    n=${BASH_REMATCH[1]}
    [ "$n" -gt 24 ]
    [ "${BASH_REMATCH[2]}" -gt 2 ]
    [ "${BASH_REMATCH[3]}" -ge 1 ]
    [[ "$(< e1)" == "ptd-verify: $n groups in, 24 out, "*" groups out of range, "*" surplus"* ]]
    [ "$(asked full.ptd | jq -s 'map(.value.rows | length) | add')" = "$n" ]
    [ "$(asked full.ptd | jq -s 'map(.value.kept) | add')" = 24 ]
    [ "$(ptd-dump full.ptd | jq 'select(.name == "run").value.settings.sampling | test("refill 5; curriculum 0.25")')" = true ]
}

@test "stopped after each step and killed anywhere, it asks the same and ends in the same bits" {
    fresh part.ptd
    for n in 1 2 3 6; do filled part.ptd $n; done > part.jsonl
    [ "$(bits part.ptd)" = "$(bits whole.ptd)" ]
    [ "$(timeless part.jsonl)" = "$(timeless whole.jsonl)" ]
    fresh torn.ptd
    : > torn.ptd.jsonl
    for victim in all 0 1 4 all 3 1 all 0; do
        [ "$(head_of torn.ptd)" -lt 6 ] || fresh torn.ptd
        launch torn.ptd 6
        sleep 0.$((RANDOM % 5))$((RANDOM % 10))
        if [ $victim = all ]; then kill -9 "${pids[@]}" 2> /dev/null || true; else kill -9 "${pids[$victim]}" 2> /dev/null || true; fi
        land
        for i in 0 1 2 3 4; do [[ "${codes[$i]}" == @(0|76|137|141) ]]; done
        run -0 ptd-dump --check torn.ptd
    done
    filled torn.ptd 6 > torn.jsonl
    [ "$(bits torn.ptd)" = "$(bits whole.ptd)" ]
    [ "$(asked torn.ptd)" = "$(asked whole.ptd)" ]
}

@test "what an attempt that was refused asked is not believed" {
    fresh other.ptd
    filled other.ptd 2 > /dev/null
    fails 78 'ptd-update: *would not be exact: sampling was *curriculum 0.25*, now *curriculum 0.75*' \
        bash -c "set -o pipefail; ptd-rollout -q -s other.ptd $asking --curriculum 0.75 -n 3 train.jsonl 2> /dev/null | ptd-verify -q --keep 0.01:0.99 2> /dev/null | ptd-hint -q 2> /dev/null | ptd-ref -q 2> /dev/null | ptd-update -q --lr 1e-3"
    filled other.ptd 6 > /dev/null
    [ "$(bits other.ptd)" = "$(bits whole.ptd)" ]
    [ "$(asked other.ptd)" = "$(asked whole.ptd)" ]
}

@test "a copy of a store asks on as the store does" {
    fresh left.ptd
    filled left.ptd 3 > /dev/null
    rm -rf copy.ptd
    ptd-dump --copy copy.ptd left.ptd
    filled copy.ptd 6 > /dev/null
    [ "$(bits copy.ptd)" = "$(bits whole.ptd)" ]
}

@test "tee and pv between, a judge of several processes, --lag 1: no step hangs" {
    fresh teed.ptd
    ptd-rollout -q -s teed.ptd $asking -n 6 train.jsonl | tee r.rec | pv -q | ptd-verify -q --keep 0.01:0.99 | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3 > teed.jsonl
    [ "$(bits teed.ptd)" = "$(bits whole.ptd)" ]
    ptd-dump --check r.rec
    # the rollouts are kept again, though nobody waits for verdicts
    ptd-verify -q --keep 0.01:0.99 r.rec > v.rec
    [ "$(per_step v.rec)" = '[4,4,4,4,4,4]' ]
    # nor does another process that has the number of the one that waited
    fresh jobs.ptd
    ptd-rollout -q -s jobs.ptd $asking --lag 1 -n 6 train.jsonl |
        ptd-verify -q --keep 0.01:0.99 --exec-jobs 2 --exec "short:0=jq --unbuffered -c '{reward: (1 / (1 + .tokens))}'" | ptd-ref -q | ptd-update -q --lr 1e-3 > jobs.jsonl
    [ "$(head_of jobs.ptd)" = 6 ]
}

@test "a verdict that does not come: told aloud, and the end of ptd-verify ends the run behind a tee" {
    fresh alone.ptd
    run -69 --separate-stderr bash -c "set -o pipefail; PTD_VERDICTS=7 timeout 60 ptd-rollout -q -s alone.ptd $asking -n 2 train.jsonl | cat > /dev/null"
    [[ "${stderr_lines[0]}" == "ptd-rollout: warning: waiting for verdicts, but no ptd-verify has come for them: expected one behind this program, "* ]]
    [[ "${stderr_lines[1]}" == "ptd-rollout: no ptd-verify has come within 7 s: --refill and --curriculum need its verdicts: expected ptd-verify behind this program, "* ]]
    [ "${#stderr_lines[@]}" = 2 ]
    fails 78 'ptd-rollout: PTD_VERDICTS: found "soon", expected a number of seconds' bash -c "set -o pipefail; PTD_VERDICTS=soon timeout 60 ptd-rollout -q -s alone.ptd $asking -n 2 train.jsonl | cat > /dev/null"
    fresh stall.ptd
    : > stall.ptd.jsonl
    launch stall.ptd 1000
    for _ in $(seq 400); do [ "$(wc -l < stall.ptd.jsonl)" -lt 1 ] || break; sleep 0.02; done
    kill -STOP "${pids[1]}"
    sleep 0.5
    kill -0 "${pids[0]}"
    before=$(head_of stall.ptd)
    kill -CONT "${pids[1]}"
    for _ in $(seq 400); do [ "$(head_of stall.ptd)" -lt $((before + 2)) ] || break; sleep 0.02; done
    [ "$(head_of stall.ptd)" -ge $((before + 2)) ]
    kill -STOP "${pids[1]}"
    sleep 0.3
    kill -9 "${pids[1]}"
    land
    [[ "${codes[0]}" == @(76|141) ]]
    [[ "${codes[4]}" == @(76|141) ]]
    fresh teed.ptd
    rm -f code said
    { ptd-rollout -q -s teed.ptd $asking -n 1000 train.jsonl 2> said 3>&- || echo $? > code; } | tee all.rec 3>&- |
        (echo "$BASHPID" > pid.verify; exec ptd-verify -q --keep 0.01:0.99 2> /dev/null 3>&-) | ptd-hint -q 2> /dev/null 3>&- | ptd-ref -q 2> /dev/null 3>&- | ptd-update -q > teed.jsonl 2> /dev/null 3>&- &
    for _ in $(seq 400); do [ ! -s teed.jsonl ] || break; sleep 0.02; done
    kill -9 "$(< pid.verify)"
    for _ in $(seq 400); do [ ! -s code ] || break; sleep 0.05; done
    [[ "$(< code)" == @(76|141) ]]
}

@test "a pipe without ptd-verify ends as soon as its trainer has come; a ptd-verify that is late is waited for" {
    fresh none.ptd
    run -76 --separate-stderr bash -c "set -o pipefail; { timeout 60 ptd-rollout -q -s none.ptd $asking -n 2 train.jsonl; echo \$? > none.code; } | ptd-ref -q 2> /dev/null | ptd-update -q 2> /dev/null"
    [ "$(< none.code)" = 69 ]
    [[ "$stderr" == "ptd-rollout: ptd-update has come, and no ptd-verify: --refill and --curriculum need its verdicts: expected ptd-verify behind this program, "* ]]
    fresh late.ptd
    ptd-rollout -q -s late.ptd $asking -n 2 train.jsonl 2> said | (sleep 7; exec ptd-verify -q --keep 0.01:0.99) | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3 > late.jsonl
    [[ "$(< said)" == "ptd-rollout: warning: waiting for verdicts, "* ]]
    [ "$(timeless late.jsonl)" = "$(timeless <(head -n 2 whole.jsonl))" ]
}

@test "the bound: a step that cannot be filled goes on with what it has" {
    fresh bound.ptd
    ptd-rollout -q -s bound.ptd -P 4 -G 4 -m 16 -n 2 --refill 1 train.jsonl 2> e0 | ptd-verify -q --keep 1:1 | tee v.rec | ptd-ref -q | ptd-update -q --lr 1e-3 > bound.jsonl
    [[ "$(head -n 1 e0)" == "ptd-rollout: warning: step 1: "*" of 4 groups kept after 8 prompts, as many rounds as --refill 1 allows; it goes on with them" ]]
    [ "$(head_of bound.ptd)" = 2 ]
    [ "$(asked bound.ptd | jq -s 'map(.value.rows | length) | unique == [8]')" = true ]
    fresh bound.ptd
    ptd-rollout -q -s bound.ptd -P 4 -G 4 -m 16 -n 1 --refill 1 train.jsonl 2> e0 | ptd-verify -q | ptd-ref -q | ptd-update -q > bound.jsonl
    [ "$(< e0)" = "ptd-rollout: warning: --refill: ptd-verify keeps all groups, expected its --keep LOW:HIGH; nothing is refilled" ]
}

@test "--curriculum alone asks what was hard again; who never failed is not asked again" {
    fresh hard.ptd
    ptd-rollout -q -s hard.ptd -P 8 -G 4 -m 16 -n 6 --curriculum 0.5 train.jsonl | ptd-verify -q | ptd-ref -q | ptd-update -q --lr 1e-3 > hard.jsonl
    [ "$(asked hard.ptd | jq -s 'map(.value.rows | length) | unique == [8]')" = true ]
    [ "$(asked hard.ptd | jq -s '[.[].value.position] == [8, 12, 16, 20, 24, 28]')" = true ]
    # the last four of each step were asked before, and had failed
    asked hard.ptd | jq -se '
        reduce .[] as $s ({past: {}, good: true};
            . as $was | .good = ($was.good and ($s.name == "asked/00000001" or ($s.value.rows[4:] | map($was.past[tostring]) | all(. != null and . < 1))))
            | reduce range($s.value.rows | length) as $i (.; ($s.value.rows[$i] | tostring) as $row
                | .past[$row] = (if .past[$row] == null then $s.value.accuracy[$i] else (.past[$row] + $s.value.accuracy[$i]) / 2 end))) | .good'
}

@test "--overlong: the reward falls over the last tokens; --overlong-filter: what was cut leaves" {
    fresh long.ptd
    ptd-rollout -q -s long.ptd -g 0 -G 8 -m 9 -P 8 --no-eos train.jsonl > r.rec
    ptd-verify -q r.rec | ptd-dump | jq -c 'select(.kind == "group").rollouts[] | [.n // (.ids | length), .reward, .stop]' > plain
    ptd-verify -q --overlong 4 --overlong-limit 10 --overlong-penalty 2 r.rec | ptd-dump > long.json
    jq -c 'select(.kind == "group").rollouts[] | [.reward + 2 * .parts[0].value | . * 1e9 | round]' long.json > back
    jq -c '[.[1] * 1e9 | round]' plain | cmp - back
    [ "$(jq -c 'select(.kind == "group").rollouts[].parts' long.json | sort -u)" = '[{"name":"overlong","value":0.75}]' ]
    fails 78 'ptd-verify: --overlong 10: expected at most the limit, 9 tokens' ptd-verify -q --overlong 10 r.rec
    ptd-verify --overlong-filter r.rec 2> said > v.rec || true
    [[ "$(< said)" == "ptd-verify: 24 groups in, 0 out, "*", 192 cut responses left out"* ]]
    fresh long.ptd
    ptd-rollout -q -s long.ptd -g 0 -G 8 -m 13 -P 8 train.jsonl > r.rec
    ptd-verify -q r.rec | ptd-dump | jq -c 'select(.kind == "group").rollouts[] | select(.stop != "length") | [.advantage, .ids]' > all
    ptd-verify -q --overlong-filter r.rec | ptd-dump | jq -c 'select(.kind == "group").rollouts[] | [.advantage, .ids]' | cmp - all
    [ "$(ptd-dump r.rec | jq -c 'select(.kind == "group").rollouts[].stop' | grep -c length)" -gt 0 ]
}

@test "what is no range, and what is not for evaluation" {
    for range in 1 0.5: :1 0.9:0.1 -1:1 0:2 0:1x nan:1; do
        fails 2 'ptd-verify: --keep "'"$range"'": expected LOW:HIGH, *' bash -c "ptd-verify '--keep=$range' < /dev/null 2>&1 >/dev/null | head -n 1 >&2; exit 2"
    done
    fresh eval.ptd
    fails 2 'ptd-rollout: --refill and --curriculum are for training, *' bash -c 'ptd-rollout -s eval.ptd --greedy --refill 1 train.jsonl 2>&1 > /dev/null | head -n 1 >&2; exit 2'
    fails 2 'ptd-rollout: --steps: --greedy and --generation ask each prompt of the data set once; *' ptd-rollout -s eval.ptd --greedy -n 2 train.jsonl
    fails 2 'ptd-rollout: --steps: *' ptd-rollout -s eval.ptd -g latest -n 0 train.jsonl
    fails 2 'ptd-rollout: --lag: without effect, expected neither --greedy nor --generation beside it; *' ptd-rollout -s eval.ptd --greedy --lag 1 train.jsonl
    fails 2 'ptd-verify: --exec "overlong=cat": reward/overlong is the program*' bash -c 'ptd-verify --exec "overlong=cat" < /dev/null 2>&1 >/dev/null | head -n 1 >&2; exit 2'
}
