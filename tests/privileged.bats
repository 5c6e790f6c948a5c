#!/usr/bin/env bats
# Responses given with the hint to what the student failed as a whole (ptd-rollout --privileged), and
# how the second ptd-verify takes them.
load lib

setup_file() {
    cd "$WORK" || return
    ptd-data digits -q train.jsonl -n 24 -k hinted
    ptd-init -q blank.ptd
    cp -r blank.ptd warm.ptd
    ptd-gold -q -s warm.ptd -P 8 -n 40 train.jsonl | ptd-hint -q --always --share 0.5 |
        ptd-update -q --loss sft --lr 4e-3 > warm.jsonl
}

setup() { cd "$WORK"; }

given() {
    local store=$1 steps=$2
    shift 2
    ptd-rollout -q -s "$store" -P 6 -G 4 -m 20 -n "$steps" "$@" train.jsonl | ptd-verify -q | ptd-hint -q --tau 0.001 | tee before.rec |
        ptd-rollout -q --privileged | tee given.rec | ptd-verify -q | tee after.rec | ptd-ref -q --teacher old --scope right | ptd-update -q --lr 1e-3
}

groups() { ptd-dump "$1" | jq -c "select(.kind == \"group\") | del(.byte, .record)$2"; }

@test "who failed as a whole is answered anew, with the hint; the others pass as they are" {
    fresh a.ptd
    given a.ptd 3 > a.jsonl
    failed=$(groups before.rec ' | select(.hint)' | wc -l)
    [ "$failed" -gt 2 ]
    [ "$(groups before.rec '' | wc -l)" = 18 ]
    cmp <(groups before.rec ' | select(.hint | not)') <(groups given.rec ' | select(.hint | not)')
    cmp <(groups before.rec ' | select(.hint) | del(.rollouts)') <(groups given.rec ' | select(.hint) | del(.rollouts)')
    [ "$(groups given.rec ' | select(.hint).rollouts | map(.outcome // "unjudged") | unique' | sort -u)" = '["unjudged"]' ]
    [ "$(groups given.rec ' | select(.hint).rollouts | length' | sort -u)" = 4 ]
    # the right ones stay, have no advantage, and the group's accuracy is still the student's
    [ "$(groups after.rec ' | select(.hint) | .group_accuracy, (.rollouts[] | .outcome, .advantage)' | sort -u | paste -sd ' ')" = '"right" 0' ]
    cmp <(groups after.rec ' | select(.hint | not)') <(groups before.rec ' | select(.hint | not)')
    n=$(groups after.rec ' | select(.hint)' | wc -l)
    [ "$n" -gt 0 ]
    fails 2 'ptd-update: --kl-in reward: --advantage grpo cannot be worked out anew: responses of ptd-rollout --privileged have none: expected another, or --kl-in loss*' ptd-update -q --kl-in reward after.rec
    [ "$(groups after.rec ' | select(.hint).rollouts[] | select(.stop != "length")' | wc -l)" = "$(jq -s 'map(."ptd/ptd_trajectories") | add' a.jsonl)" ]
}

@test "metrics of rewards are of the student's own responses; whose prompts were answered anew had failed as a whole" {
    fresh m.ptd
    given m.ptd 3 > m.jsonl
    own=$(groups after.rec '' | jq -sc 'group_by(.step) | map([([.[] | select(.hint | not).rollouts[]] | if . == [] then 0 else map(.accuracy) | add / length end),
        (map(select(.hint)) | length) / length, ([.[].rollouts[]] | length)] | map(. * 1e6 | round))')
    [ "$(jq -sc 'map([."reward/accuracy", ."group_reward/all_fail_ratio", ."ptd/total_trajectories"] | map(. * 1e6 | round))' m.jsonl)" = "$own" ]
    [ "$(jq -s 'map(."group_reward/all_fail_ratio") | max > 0' m.jsonl)" = true ]
}

@test "the same seed gives the same responses, another seed others" {
    fresh b.ptd
    given b.ptd 3 > b.jsonl
    cp given.rec b.rec
    fresh c.ptd
    given c.ptd 3 > c.jsonl
    cmp <(groups b.rec .rollouts) <(groups given.rec .rollouts)
    [ "$(timeless b.jsonl)" = "$(timeless c.jsonl)" ]
    fresh d.ptd
    given d.ptd 1 --seed 3 > d.jsonl
    run -1 cmp -s <(groups b.rec .rollouts) <(groups given.rec .rollouts)
}

@test "stopped and resumed to the same bits" {
    fresh whole.ptd
    given whole.ptd 3 > whole.jsonl
    fresh part.ptd
    given part.ptd 1 > part.jsonl
    given part.ptd 3 >> part.jsonl
    [ "$(bits part.ptd)" = "$(bits whole.ptd)" ]
    [ "$(timeless part.jsonl)" = "$(timeless whole.jsonl)" ]
}

@test "weights that are not published are those that answer, too" {
    for every in 1 3; do
        fresh every.ptd
        ptd-rollout -q -s every.ptd -P 6 -G 4 -m 20 -n 3 train.jsonl | ptd-verify -q | ptd-hint -q --tau 0.001 | ptd-rollout -q --privileged |
            tee every$every.rec | ptd-verify -q | ptd-ref -q --scope right | ptd-update -q --lr 1e-3 --publish-every $every > every.jsonl
        bits every.ptd > every$every.bits
        [ "$(groups every$every.rec .generation | sort -u | paste -sd ' ')" = '0 1 2' ]
    done
    cmp every1.bits every3.bits
}

@test "beside --refill the first ptd-verify tells, and the second keeps quiet" {
    fresh fill.ptd
    ptd-rollout -q -s fill.ptd -P 4 -G 4 -m 20 -n 2 --refill 5 train.jsonl | ptd-verify -q --keep 0:0.99 | ptd-hint -q --tau 0.001 | ptd-rollout -q --privileged |
        ptd-verify -q --exec-jobs 2 --exec "short:0=jq --unbuffered -c '{reward: 1}'" | ptd-ref -q --teacher old --scope right | ptd-update -q --lr 1e-3 > fill.jsonl
    [ "$(head_of fill.ptd)" = 2 ]
}

@test "what it does not go with" {
    for more in '--greedy' '-g 0' '--refill 2' '--curriculum 0.5'; do
        # shellcheck disable=SC2086
        run -2 --separate-stderr ptd-rollout --privileged $more before.rec
        [[ "$stderr" == 'ptd-rollout: --privileged goes with neither '* ]]
    done
    fresh old.ptd
    given old.ptd 1 > old.jsonl
    rm -rf old.ptd
    fails 66 'ptd-rollout: store old.ptd: No such file or directory' ptd-rollout -q --privileged before.rec
}
