#!/usr/bin/env bats
# Every method of the field as a pipe: each pipe of pipelines/methods trains two steps on the tiny
# model, changes the weights, and goes on where it was stopped to the same bits.
load lib

setup_file() {
    cd "$WORK" || return
    ptd-data digits -q train.jsonl -n 24 -k hinted
    ptd-init -q blank.ptd
    cp -r blank.ptd warm.ptd
    ptd-gold -q -s warm.ptd -P 8 -n 40 train.jsonl | ptd-hint -q --always --share 0.5 |
        ptd-update -q --loss sft --lr 4e-3 > warm.jsonl
    cp -r warm.ptd teacher.ptd
}

setup() { cd "$WORK"; }

pipelines=$BATS_TEST_DIRNAME/../pipelines
method() {
    local m=$1
    shift
    make -s --no-print-directory -f "$pipelines/methods/$m.mk" DATA=train.jsonl TEACHER=teacher.ptd PROMPTS=4 ANSWERS=4 MAX_TOKENS=20 \
        STEPS=2 LR=1e-3 "$@" 3>&-
}

# METHOD [SETTING=VALUE...]: two steps, at once and one by one; its metrics are in METHOD.jsonl.
trains() {
    local m=$1 first
    shift
    rm -f "$m.jsonl" "$m-2.jsonl"
    fresh "$m.ptd"
    first=$(ptd-dump "$m.ptd" | jq -r 'select(.kind == "weights").xxh3')
    method "$m" STORE="$m.ptd" METRICS="$m.jsonl" "$@"
    [ "$(head_of "$m.ptd")" = 2 ]
    [ "$(jq -sc 'map(.step)' "$m.jsonl")" = '[1,2]' ]
    [[ "$(bits "$m.ptd")" != "$first"* ]]
    fresh "$m-2.ptd"
    method "$m" STORE="$m-2.ptd" METRICS="$m-2.jsonl" STEPS=1 "$@"
    method "$m" STORE="$m-2.ptd" METRICS="$m-2.jsonl" "$@"
    [ "$(bits "$m.ptd")" = "$(bits "$m-2.ptd")" ]
    [ "$(timeless "$m.jsonl")" = "$(timeless "$m-2.jsonl")" ]
}

of() { jq -s "map(.\"$2\") | add" "$1.jsonl"; }

@test "a pipe is at most 25 lines, says what it is, and is the one that it shows" {
    for m in "$pipelines"/methods/*.mk; do
        [ "$(wc -l < "$m")" -le 25 ]
        [ "$(head -c 2 "$m")" = '# ' ]
        make -s -f "$m" show | grep -q '^ptd-\|^true$'
    done
    [[ "$(method ptd-grpo show LAMBDA=7)" == "ptd-rollout -q -s run.ptd -n 2 -P 4 -G 4 "*" | ptd-hint -q --from data --tau 1 | "*" --lambda 7 "* ]]
    # there is no pipe without a test below
    for m in "$pipelines"/methods/*.mk; do grep -q "trains $(basename "$m" .mk)\b\|base.mk" <(cat "$BATS_TEST_FILENAME"; echo "$m"); done
}

@test "base: nothing is trained" {
    fresh base.ptd
    method base STORE=base.ptd METRICS=base.jsonl
    [ "$(head_of base.ptd)" = 0 ]
}

@test "sft: solutions alone" {
    trains sft
    [ "$(jq -s 'map(has("reward/accuracy")) | any' sft.jsonl)" = false ]
}

@test "grpo: rewards and a reference, no tutor" {
    trains grpo
    [ "$(of grpo ptd/ptd_trajectories)" = 0 ]
    [ "$(of grpo actor/kl_coef)" = 0.02 ]
}

@test "ptd-grpo: failed answers are tutored" {
    trains ptd-grpo
    [ "$(of ptd-grpo ptd/ptd_trajectories)" -gt 0 ]
}

@test "ptd-grpo: its hints in other forms" {
    for form in spatial method random loose; do
        make -s --no-print-directory -f "$pipelines/sweep.mk" OUT=forms BASE=warm.ptd DATA=train.jsonl TEST=train.jsonl train-$form.jsonl
        [ "$(wc -l < train-$form.jsonl)" = 24 ]
        fresh form.ptd
        method ptd-grpo STORE=form.ptd METRICS=$form.jsonl STEPS=1 HINTED=$form
        [ "$(jq -c .steps train.jsonl)" != "$(jq -c .steps train-$form.jsonl)" ]
        [ "$(jq -c 'del(.steps, .regions)' train-$form.jsonl)" = "$(jq -c 'del(.steps, .regions)' train.jsonl)" ]
    done
    [ "$(jq -r '.steps[]' train-method.jsonl | grep -c '[abc][123]')" = 0 ]
    [ "$(jq -c '[.regions[].label] | sort' train-spatial.jsonl)" = "$(jq -c '[.steps[] | scan("[abc][123]")] | sort' train-spatial.jsonl)" ]
}

@test "gkd: another model teaches every answer, rewards count for nothing" {
    trains gkd
    [ "$(of gkd critic/advantages/max)" = 0 ]
    [ "$(jq -s 'map(."ptd/ptd_trajectories" == ."ptd/total_trajectories") | all' gkd.jsonl)" = true ]
}

@test "rloo, dr-grpo, gspo: presets, without a reference" {
    for m in rloo dr-grpo gspo; do
        trains $m
        [ "$(of $m actor/kl_coef)" = 0 ]
    done
    [ "$(ptd-dump rloo.ptd | jq -r 'select(.name == "run").value.settings.loss')" = reinforce ]
    [ "$(ptd-dump gspo.ptd | jq -r 'select(.name == "run").value.settings.loss')" = gspo ]
}

@test "dapo: no group is uniform, the step is full" {
    trains dapo
    [ "$(jq -s 'map(."group_reward/informative_ratio") | unique == [1]' dapo.jsonl)" = true ]
    [ "$(jq -s 'map(."ptd/total_groups") | unique == [4]' dapo.jsonl)" = true ]
}

@test "ptd-dapo, ptd-gspo: failed answers are tutored, whole groups of them too" {
    for m in ptd-dapo ptd-gspo; do
        trains $m
        [ "$(of $m ptd/ptd_trajectories)" -gt 0 ]
    done
    [ "$(jq -s 'map(."group_reward/all_pass_ratio") | unique == [0]' ptd-dapo.jsonl)" = true ]
}

# The newest weights of METHOD with settings that shall make a difference.
otherwise() {
    fresh other.ptd
    method "$1" STORE=other.ptd METRICS=other.jsonl "${@:2}"
    bits other.ptd
}

@test "papo: what is said with a black picture is told apart" {
    trains papo
    trains grpo
    [ "$(bits papo.ptd)" != "$(bits grpo.ptd)" ]
    jq -se 'all(."actor/kl_prcp_coef" == 0.01 and ."actor/kl_prcp_loss" > 0 and ."actor/entropy_bonus" < 0)' papo.jsonl
    [[ "$(method papo show)" == *"ptd-ref "*" --teacher old --mask-picture "* ]]
    [ "$(of papo reward/accuracy)" != 0 ]
}

@test "opd: another model is a reward at each token" {
    trains opd LAMBDA=1
    [ "$(bits opd.ptd)" != "$(otherwise opd LAMBDA=0)" ]
}

@test "opsd: a teacher that reads the answer teaches every answer, and rewards count for nothing" {
    trains opsd
    [ "$(of opsd critic/advantages/max)" = 0 ]
    [ "$(of opsd ptd/hint_ratio)" = 2 ]
    [ "$(of opsd ptd/ptd_trajectories)" -gt 20 ]
}

@test "sdpo: where a sibling is right, the others are tutored by the running mean" {
    trains sdpo
    [[ "$(method sdpo show)" == *"ptd-hint -q --from response --tell-the-answer | "* ]]
    [ "$(of sdpo ptd/ptd_trajectories)" -gt 0 ]
    [ "$(ptd-dump sdpo.ptd | grep -c '"name":"ema\.\|ema\.')" -gt 0 ]
}

@test "hdpo: what failed as a whole and comes out right with the answer is taught back" {
    trains hdpo ANSWERS=8 PROMPTS=6
    [ "$(of hdpo ptd/ptd_trajectories)" -gt 0 ]
    [ "$(bits hdpo.ptd)" != "$(otherwise hdpo ANSWERS=8 PROMPTS=6 LAMBDA=0)" ]
}
