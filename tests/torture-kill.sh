#!/bin/bash
# Kills at random moments in the whole pipeline of five programs: one of them or all, again and
# again, until the run has come to its end. After each kill every program ends by itself, the store
# opens without repair, holds exactly what the uninterrupted run held after some step, and lost at
# most one; the chain ends in the same bits. Kills at each system call are torture-crash.sh's.
# shellcheck source=tests/torture-crash.bash
. "$(dirname "$0")/torture-crash.bash"
steps=6
every=1 # of --publish-every: then only the newest generation is compared, with that of a run that published each

contents() {
    ptd-dump --check "$1" > /dev/null || return
    ptd-dump "$1" | if [ $every = 1 ]; then grep -v '"kind":"dist"'; else
        jq -c 'select(.kind != "dist" and (.kind != "weights" or .head or .generation == 0))'
    fi
}

# One of five: notes its process id.
stage() {
    echo $BASHPID > "pid.$1"
    shift
    exec "$@"
}

# The pipeline, in the background; their statuses go to the file ended.
launch() {
    rm -f pid.? ended
    {
        stage 0 ptd-rollout -q -s hit.ptd -P 3 -G 4 -m 12 -n $steps train.jsonl 2> e0 | stage 1 ptd-verify -q 2> e1 |
            stage 2 ptd-hint -q 2> e2 | stage 3 ptd-ref -q 2> e3 | stage 4 "${update[@]}" > lines 2> e4
        echo "${PIPESTATUS[@]}" > ended
    } &
}

# Kills program number I, which may still be on its way.
slay() {
    until [ -s "pid.$1" ]; do :; done
    kill -9 "$(< "pid.$1")"
}

# Waits for all five, ten seconds at most; their statuses are in codes[0..4].
land() {
    local patience=5000
    until [ -s ended ] || ! ((patience--)); do sleep 0.002; done
    if ! [ -s ended ]; then
        blame "still there after ten seconds: $(ps -o args= -p "$(cat pid.? | paste -sd ,)")"
        for i in 0 1 2 3 4; do slay $i; done
    fi
    wait
    read -ra codes < ended
}

# What a program may leave with when VICTIM (a number, or "all") was killed: 0 it had ended before,
# 76 the stream was cut, 141 its reader left.
check_codes() {
    local i
    for i in 0 1 2 3 4; do
        [[ "$1" = @(all|"$i") && "${codes[i]}" = @(0|137) || "${codes[i]}" = @(0|76|141) ]] || blame "$1 was killed: ${codes[*]}: $(cat "e$i")"
        [ "$(wc -l < "e$i")" -le 1 ] || blame "program $i said $(cat "e$i")"
    done
}

# One kill at a random moment of a run that takes $pace milliseconds.
strike() {
    local victim=$((RANDOM % 6)) before=$at told
    launch
    sleep "$(printf '0.%03d' $((RANDOM % pace)))"
    if [ $victim = 5 ]; then
        victim=all
        for i in 0 1 2 3 4; do slay $i; done
    else
        slay $victim
    fi
    land
    check_codes $victim
    told=$(wc -l < lines)
    at=$(step_of hit.ptd "$run") || blame "kill $kills of $victim: the store holds no whole step: $(head -n 1 said)"
    [ "$at" -ge $((before + told)) ] && [ "$at" -le $((before + told + every)) ] || blame "kill $kills of $victim: at step $at, was at $before, $told steps were told"
}

# Chains of kills on new stores, KILLS in all.
chains() {
    local most=$1
    kills=0 ends=0
    while [ $kills -lt "$most" ]; do
        fresh hit.ptd
        at=0
        while [ "${at:-$steps}" != $steps ] && [ $kills -lt "$most" ]; do
            kills=$((kills + 1))
            strike 2> /dev/null # where the shell tells of each kill
        done
        scored hit.ptd $steps | "${update[@]}" > /dev/null 2> said || blame "the last resume: $(cat said)"
        contents hit.ptd | cmp -s - "$run/$steps" || blame "a chain of kills ended in other bits"
        cached hit.ptd | cmp -s - "$run/$steps.cached" || blame "a chain of kills ended with another cache"
        ends=$((ends + 1))
    done
}

# A restored number that is off by one bit must not go unseen: EDIT... of a store after three steps.
canary() {
    fresh hit.ptd
    scored hit.ptd 3 | "${update[@]}" > /dev/null
    torture-crash-store hit.ptd "$@"
    scored hit.ptd $steps | "${update[@]}" > /dev/null
    contents hit.ptd | cmp -s - "$run/$steps" && blame "$*: not seen"
}

seed=$(pick 1 "${PTD_SEED:-$RANDOM}")
RANDOM=$seed
for setting in $(pick '5.1 6.2' '5.1 5.2 6.1 6.2'); do # epochs end within a step of three prompts, or with one
    export PTD_THREADS=${setting#*.}
    run=$setting what="${setting%.*} questions, $PTD_THREADS threads"
    rm -rf warm.ptd base.ptd train.* small
    small_model "${setting%.*}"
    uninterrupted "$run" $steps
    report "$what: stopped after each of $steps steps, at the end of epochs and within, and resumed: the same bits"
    measure
    chains "$(pick 10 500)"
    report "$what: $kills random kills (seed $seed, within $pace ms) in $ends chains: whole each time, at most one step lost, the same bits at the end"
done
every=4
for setting in $(pick 5.2 '5.1 5.2'); do
    export PTD_THREADS=${setting#*.}
    run=$setting.every what="${setting%.*} questions, $PTD_THREADS threads"
    update=(ptd-update -q --lr 1e-3)
    uninterrupted "$run" $steps
    update+=(--publish-every $every)
    chains "$(pick 8 300)"
    report "$what, each fourth step published: $kills random kills in $ends chains: whole each time, the same bits at the end"
done
every=1 update=(ptd-update -q --lr 1e-3)
norm=model.language_model.norm.weight
canary updates ^0
for kind in m v weights; do canary $kind $norm 0 ^10; done
report "a bit flipped in a restored counter, moment or weight is seen: 4 of 4"
