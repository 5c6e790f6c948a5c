#!/usr/bin/env bats
# Ways to be tutored, as pipes: who teaches, what is compared, what a token counts, running means,
# masked pictures; what is missing in a stream is told. The mathematics is in test-tutoring,
# test-rows and test-refer.
load lib

setup_file() {
    small_run
    fresh run.ptd
    ptd-rollout -q -s run.ptd -P 4 -G 4 -m 16 -n 1 train.jsonl | ptd-verify -q > verified.rec
    ptd-hint -q < verified.rec > hinted.rec
    ptd-ref -q --no-cache < hinted.rec > scored.rec
}

setup() { cd "$WORK"; }

# Metrics of one step from the stream of setup_file: OPTIONS OF ptd-ref -- OPTIONS OF ptd-update
step() {
    local ref=()
    while [ "$1" != -- ]; do ref+=("$1"); shift; done
    shift
    fresh step.ptd
    ptd-ref -q -s step.ptd --no-cache "${ref[@]}" < hinted.rec | ptd-update -q -s step.ptd --lr 1e-3 "$@"
}
value() { jq ".\"$1\"" <<< "$2"; }

# Three steps: STORE OPTIONS OF ptd-ref -- OPTIONS OF ptd-update; STEPS: another number
steps() {
    local store=$1 ref=()
    shift
    while [ "$1" != -- ]; do ref+=("$1"); shift; done
    shift
    ptd-rollout -q -s "$store" -P 4 -G 4 -m 16 -n "${STEPS:-3}" train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q "${ref[@]}" | ptd-update -q --lr 1e-3 "$@"
}

@test "all words: hidden rows give what many words come near to, and JSD by another name the same" {
    local k16 k256 full gjsd
    k16=$(step -- | jq '."actor/ptd_kl"')
    k256=$(step -k 256 -- | jq '."actor/ptd_kl"')
    full=$(step -k full -- | jq '."actor/ptd_kl"')
    gjsd=$(step -k full -- --divergence gjsd=0.5 | jq '."actor/ptd_kl"')
    jq -en "($full > 0.01) and ($full - $k256 | fabs < 1e-4) and ($full - $k256 | fabs) < ($full - $k16 | fabs) and ($full - $gjsd | fabs < 1e-7)"
    [ "$(step -k full -- --divergence gjsd --gjsd 0.2 | jq '."actor/ptd_kl"')" = "$(step -k full -- --divergence gjsd=0.2 | jq '."actor/ptd_kl"')" ]
    [ "$(ptd-ref -q --no-cache -k full hinted.rec | ptd-dump | jq -s '[.[].rollouts[]? | select(.teacher_key) | .teacher_width] | unique == [64] or length > 0')" = true ]
}

@test "equal prompts and weights teach nothing" {
    local metrics
    metrics=$(step -k full --reads question --scope all --tau 2 --truncated -- --tau 2 --beta 0)
    [ "$(value ptd/ptd_trajectories "$metrics")" = 16 ]
    jq -e '."actor/ptd_kl" < 1e-12' <<< "$metrics"
    metrics=$(step -k 0 --reads question --scope all --tau 2 --truncated -- --tau 2 --beta 0 --divergence sampled)
    jq -e '."actor/ptd_kl" | fabs < 1e-6' <<< "$metrics"
}

@test "each way trains a step, and says so" {
    local base metrics
    base=$(step --)
    for update in "--divergence forward" "--divergence jsd-detached" "--support student" "--support teacher --no-tail" \
        "--tutor-weight entropy" "--tutor-weight confidence" "--divergence sampled" "--tutor-as advantage"; do
        # shellcheck disable=SC2086
        metrics=$(step -- $update)
        jq -e '."ptd/ptd_trajectories" > 0 and ."actor/grad_norm" > 0 and ."actor/refused_updates" == 0' <<< "$metrics"
        [ "$(jq -c '[."actor/ptd_kl", ."actor/ptd_loss", ."actor/grad_norm"]' <<< "$metrics")" != "$(jq -c '[."actor/ptd_kl", ."actor/ptd_loss", ."actor/grad_norm"]' <<< "$base")" ]
    done
    [ "$(value actor/ptd_loss "$metrics")" = 0 ] # the tutor is in the advantages
    metrics=$(step -- --tutor-weight ratio) # of 1 before the first update
    jq -en "($(value actor/ptd_loss "$metrics") - $(value actor/ptd_loss "$base") | fabs) < 1e-5"
}

@test "the KL lift is a switch of its own" {
    [ "$(value actor/kl_tokens "$(step -- --kl-lift none)")" -gt "$(value actor/kl_tokens "$(step --)")" ]
    # Without hints nothing is tutored, and groups with failures lose it all the same.
    fresh step.ptd
    kept=$(ptd-ref -q -s step.ptd --no-cache < verified.rec | ptd-update -q -s step.ptd --lr 1e-3 | jq '."actor/kl_tokens"')
    fresh step.ptd
    lifted=$(ptd-ref -q -s step.ptd --no-cache < verified.rec | ptd-update -q -s step.ptd --lr 1e-3 --kl-lift active | jq '."actor/kl_tokens"')
    [ "$lifted" -lt "$kept" ]
}

@test "groups that are tutored count by the trainer's tau, as their responses do" {
    for tau in 1 0.5 0.1 0; do
        fresh step.ptd
        want=$(ptd-dump scored.rec | jq -sc "[.[] | select(.kind == \"group\" and .group_accuracy < $tau) | [.rollouts[] | select(.teacher_key)] | length | select(. > 0)] | [length, add // 0]")
        [ "$(ptd-update -q -s step.ptd --tau $tau scored.rec | jq -c '[."ptd/ptd_groups", ."ptd/ptd_trajectories"]')" = "$want" ]
    done
}

@test "lambda goes to its end over the run" {
    fresh lambda.ptd
    steps lambda.ptd -- --lambda 2 --lambda-schedule linear --lambda-end 0.5 > lambda.jsonl
    [ "$(jq -s 'map(."actor/ptd_coef") == [2, 1.5, 1]' lambda.jsonl)" = true ]
    fails 78 'ptd-update: *would not be exact: *--lambda-end was *' bash -c "ptd-rollout -q -s lambda.ptd -P 4 -G 4 -m 16 -n 4 train.jsonl 2> /dev/null | ptd-verify -q 2> /dev/null | ptd-hint -q 2> /dev/null | ptd-ref -q 2> /dev/null | ptd-update -q --lr 1e-3 --lambda 2"
}

@test "running means: kept with each generation, read by ptd-ref, the same after a stop" {
    fresh mean.ptd
    steps mean.ptd --teacher ema -- --ema 0.9 > mean.jsonl
    fresh again.ptd
    STEPS=2 steps again.ptd --teacher ema -- --ema 0.9 > again.jsonl
    steps again.ptd --teacher ema -- --ema 0.9 >> again.jsonl
    [ "$(bits mean.ptd)" = "$(bits again.ptd)" ]
    [ "$(timeless mean.jsonl)" = "$(timeless again.jsonl)" ]
    ptd-dump --check mean.ptd
    # They move more slowly than the weights, and are theirs where these have not moved.
    name=$(ptd-dump mean.ptd | jq -r 'select(.kind == "tensor").name' | grep '^ema\.' | head -n 1)
    [ "$(ptd-dump mean.ptd "$name" | jq .xxh3)" != "$(ptd-dump mean.ptd "${name#ema.}" | jq .xxh3)" ]
    fresh frozen.ptd
    steps frozen.ptd -- > frozen.jsonl
    [ "$(jq '."actor/ptd_kl"' mean.jsonl | head -n 1)" = "$(jq '."actor/ptd_kl"' frozen.jsonl | head -n 1)" ]
    [ "$(jq '."actor/ptd_kl"' mean.jsonl | sed -n 3p)" != "$(jq '."actor/ptd_kl"' frozen.jsonl | sed -n 3p)" ]
    # Neither a new store nor an export has them.
    ptd-init -q copied.ptd --from-store mean.ptd
    ptd-export -q mean.ptd out
    [ -z "$(ptd-dump copied.ptd | jq -r 'select(.kind == "tensor").name' | grep '^ema\.')" ]
    run -1 grep -q 'ema\.' out/model.safetensors
    fails 2 'ptd-update: --ema 0.9 with --publish-every 2: expected 1*' ptd-update -q -s copied.ptd --ema 0.9 --publish-every 2 scored.rec
}

@test "the old policy teaches, under the hint, with words and with rows" {
    for k in 16 full; do
        fresh old.ptd
        steps old.ptd --teacher old -k "$k" -- > old.jsonl
        [ "$(jq -s 'length == 3 and all(."actor/refused_updates" == 0)' old.jsonl)" = true ]
        ptd-dump --check old.ptd
    done
    "$BATS_TEST_DIRNAME/craft.py" hinted.rec 'g["generation"] = 77' > later.rec
    fails 66 'ptd-ref: store old.ptd: generation 77 is not kept: the newest is *: --teacher old reads it from the store*' ptd-ref -q -s old.ptd --teacher old later.rec
}

@test "the weights that sampled say what they sampled, from bfloat16 to float32 too, whose words lie elsewhere" {
    rm -rf half.ptd
    ptd-init -q half.ptd --from-store warm.ptd --dtype bf16
    ptd-rollout -q -s half.ptd -P 4 -G 2 -m 12 -n 3 train.jsonl | ptd-verify -q | tee moves.rec | ptd-ref -q --no-cache | ptd-update -q --lr 1e-3 > half.jsonl
    ptd-ref -q --no-cache --teacher old --reads question --scope all --tau 2 --truncated moves.rec | ptd-dump --full |
        jq -se 'map(select(.kind == "group").rollouts[]) | length == 24 and all(.teacher_on_ids == .logp)'
}

@test "another store teaches all answers with its head" {
    fresh other.ptd
    metrics=$(step --teacher blank.ptd -k full --reads question --scope all --tau 2 --truncated -- --tau 2 --divergence gjsd)
    [ "$(value ptd/ptd_trajectories "$metrics")" = 16 ]
    jq -e '."actor/ptd_kl" > 0.1' <<< "$metrics"
    rm -rf gone.ptd
    cp -r blank.ptd gone.ptd
    ptd-ref -q --no-cache --teacher gone.ptd -k full < hinted.rec > rows.rec
    rm -r gone.ptd
    fresh other.ptd
    fails 66 'ptd-update: *gone.ptd*' ptd-update -q -s other.ptd rows.rec
}

@test "masked pictures: read by the teacher's model, pulled away from" {
    fresh masked.ptd
    ptd-ref -q -s masked.ptd --mask-picture 0.6 --teacher old < verified.rec > masked.rec
    ptd-ref -q -s masked.ptd --mask-picture 0.6 --teacher old --no-cache < verified.rec > again.rec
    [ "$(ptd-dump --full masked.rec | jq -c '.rollouts[]?.masked_logp')" = "$(ptd-dump --full again.rec | jq -c '.rollouts[]?.masked_logp')" ]
    [ "$(ptd-dump masked.rec | jq -s '[.[].rollouts[]? | has("masked_logp")] | all')" = true ]
    [ "$(ptd-dump masked.rec | jq -c 'select(.kind == "group").pictures[].hash')" = "$(ptd-dump verified.rec | jq -c 'select(.kind == "group").pictures[].hash')" ]
    metrics=$(ptd-update -q -s masked.ptd --lr 1e-3 --masked-kl 0.5 masked.rec)
    jq -e '."actor/kl_prcp_loss" > 0 and ."actor/kl_prcp_coef" == 0.5' <<< "$metrics"
    fresh masked.ptd
    fails 65 'ptd-update: scored.rec: record 1, *no log-probs with masked pictures: expected the output of ptd-ref --mask-picture*' ptd-update -q -s masked.ptd --masked-kl 0.5 scored.rec
}

@test "what is no way, or is missing in a stream, is told in one line" {
    fails 2 'ptd-ref: *--top-k "300": expected 0 to 256, or full*' ptd-ref -k 300 hinted.rec
    fails 2 'ptd-ref: *--top-k "all"*' ptd-ref -k all hinted.rec
    fails 2 'ptd-ref: *--reads "both": expected hint or question*' ptd-ref --reads both hinted.rec
    fails 2 'ptd-ref: *--scope "none": expected failed, right or all*' ptd-ref --scope none hinted.rec
    fails 2 'ptd-ref: *--mask-picture*' ptd-ref --mask-picture 1.5 hinted.rec
    fails 66 'ptd-ref: *nobody.ptd*' ptd-ref --teacher nobody.ptd hinted.rec
    fails 2 'ptd-update: --divergence "gjsd=2": expected gjsd=B, from 0 to 1*' ptd-update --divergence gjsd=2 scored.rec
    fails 2 'ptd-update: --divergence "tv"*gjsd*' ptd-update --divergence tv scored.rec
    fails 2 'ptd-update: --support "both"*union, student, teacher*' ptd-update --support both scored.rec
    fails 2 'ptd-update: --kl-lift "all"*tutored, active, none*' ptd-update --kl-lift all scored.rec
    fails 2 'ptd-update: --tutor-weight entropy: *' ptd-update --tutor-weight entropy --tutor-as advantage scored.rec
    fresh said.ptd
    ptd-ref -q -s said.ptd --no-cache -k 0 < hinted.rec > sampled.rec
    fails 65 'ptd-update: sampled.rec: record *no distribution of the teacher: expected ptd-ref -k K or -k full*' ptd-update -q -s said.ptd sampled.rec
    ptd-ref -q -s said.ptd --no-cache -k full < hinted.rec > rows.rec
    fails 65 'ptd-update: rows.rec: record *no words of the teacher (--tutor-weight confidence)*' ptd-update -q -s said.ptd --tutor-weight confidence rows.rec
    "$BATS_TEST_DIRNAME/craft.py" scored.rec '[y.pop("teacher_on_ids", 0) for group in groups for y in group["rollouts"]]' > early.rec
    fails 65 'ptd-update: early.rec: record *no log-probs of the teacher for what was sampled*' ptd-update -q -s said.ptd --divergence sampled early.rec
    ptd-update -q -s said.ptd --lr 1e-3 early.rec > metrics # a stream of earlier programs
    [ "$(jq '."ptd/ptd_trajectories" > 0' metrics)" = true ]
}

@test "--memory counts the teacher's head" {
    fresh tight.ptd
    ptd-ref -q -s tight.ptd --no-cache -k full < hinted.rec > rows.rec
    run --separate-stderr ptd-update -q -s tight.ptd --memory 8M rows.rec
    [ "$status" = 71 ]
    [[ "$stderr" =~ takes\ ([0-9.]+)\ MB ]]
    enough=$(jq -n "(${BASH_REMATCH[1]} + 0.5) * 1000000 | floor")
    fails 71 "ptd-update: rows.rec: *the teacher's head takes 1.3? MB, and --memory leaves * KB: *" ptd-update -q -s tight.ptd --memory "$enough" rows.rec
    fails 71 'ptd-update: a micro-batch: *' ptd-update -q -s tight.ptd --memory "$enough" scored.rec
}

@test "adapters: all words, running means, and gradients by layer" {
    rm -rf lora.ptd
    ptd-init -q lora.ptd --from-store warm.ptd --lora rank=4
    steps lora.ptd --teacher ema -k full -- --ema 0.5 > lora.jsonl
    [ "$(jq -s 'length == 3 and all(."actor/refused_updates" == 0)' lora.jsonl)" = true ]
    ptd-dump --check lora.ptd
    ptd-export -q lora.ptd adapter
    run -1 grep -q 'ema\.' adapter/adapter_model.safetensors
    whole=$(step -k full -- --micro 4096)
    layer=$(step -k full -- --micro 4096 --apply layer)
    [ "$(value actor/ptd_kl "$whole")" = "$(value actor/ptd_kl "$layer")" ]
    jq -en "($(value actor/grad_norm "$whole") - $(value actor/grad_norm "$layer") | fabs) < 1e-5"
}
