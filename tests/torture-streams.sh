#!/bin/bash
# Damaged streams: a stream of 64 KiB that holds every kind of frame, damaged in every way in
# process; a share of that through the trainer; pipelines of all five programs cut at random bytes.
# Nothing damaged passes for whole, and what is published is whole steps to the bit.
# PTD_BIN, PTD_BUILD: the programs and the tools; PTD_TORTURE: quick or full.
set -u
bin=$(cd "$PTD_BIN" && pwd) tool=$(cd "$PTD_BUILD" && pwd)/torture-streams
export PATH="$bin:$PATH"
unset PTD_THREADS PTD_STORE_MAX
work=$(mktemp -d /tmp/ptd-torture-XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
stride=7 damages=9 cuts=20
[ "${PTD_TORTURE:-quick}" = quick ] || stride=1 damages=300 cuts=1000
RANDOM=7
number=4 failed=0

ok() {
    number=$((number + 1))
    [ "$1" = 0 ] && echo "ok $number - $2" && return
    echo "not ok $number - $2"
    failed=1
}
# A number below $1, which may be large.
below() { echo $(((RANDOM * 32768 + RANDOM) % $1)); }

# What stands between program $1 and the next besides the pipe: while $at is "keep" a tee, else
# after program $at a cut at byte $n. The cut may hold no byte back, since the first program waits
# for what the last one makes of them.
between() {
    if [ "$at" = keep ]; then echo "| tee $1.rec"; elif [ "$at" = "$1" ]; then echo "| stdbuf -o0 head -c $n"; fi
}
# The whole pipeline on a new run.ptd, with SEED.
pipeline() {
    rm -rf run.ptd
    cp -r start.ptd run.ptd
    eval "ptd-rollout -q -s run.ptd -P 1 -G 4 -m 16 -k 16 -n 2 --seed $1 --system Briefly. train.jsonl 2> 0.err $(between 0) |
        ptd-verify -q 2> 1.err $(between 1) | ptd-hint -q 2> 2.err $(between 2) | ptd-ref -q --truncated 2> 3.err $(between 3) |
        timeout 60 ptd-update -q > metrics 2> 4.err"
}
# Generation and digest of all weights that a store holds.
weights() { ptd-dump "$1" | jq -r 'select(.kind == "weights") | "\(.generation) \(.xxh3)"'; }
# The store is whole and holds exactly the first $1 steps of the reference run.
holds() { ptd-dump --check run.ptd > /dev/null && [ "$(weights run.ptd)" = "$(head -n $(($1 + 1)) published)" ]; }
# Steps that end within the first $2 bytes of stream $1.
steps_within() { "$tool" --frames "$1" | awk -v n="$2" '$1 == 3 && $3 <= n' | wc -l; }

prepare() {
    ptd-data digits -q train.jsonl -n 4 -k csum:2,nbr:2 --objects &&
        ptd-init -q start.ptd && ptd-gold -q -s start.ptd -P 4 -n 16 train.jsonl | ptd-update -q --loss sft --lr 4e-3 > /dev/null &&
        ptd-init -q warm.ptd --from-store start.ptd && rm -rf start.ptd && mv warm.ptd start.ptd &&
        at=keep && pipeline 11 && mv 3.rec other.rec && pipeline 6 && weights run.ptd > published && mkdir whole && mv [0-3].rec whole
}

# Stream damaged.rec into the trainer: it must leave with status $1, say so in one line and have
# published $2 steps.
trains() {
    rm -rf run.ptd
    cp -r start.ptd run.ptd
    ptd-update -q -s run.ptd damaged.rec > /dev/null 2> err
    local status=$?
    [ $status = "$1" ] && [ "$(wc -l < err)" = 1 ] && holds "$2" && return
    echo "# status $status, expected $1 and $2 steps: $(head -c 200 err)"
    return 1
}

frame() { tail -c +$(($2 + 1)) "$1" | head -c $(($3 - $2)); }

through_the_trainer() {
    local wrong=0 size at from to
    size=$(stat -c %s whole/3.rec)
    "$tool" --frames whole/3.rec > frames
    for _ in $(seq "$damages"); do
        at=$(below "$size")
        head -c "$at" whole/3.rec > damaged.rec
        trains 76 "$(steps_within whole/3.rec "$at")" || wrong=1
        read -r _ from to < <(shuf -n 1 --random-source=<(yes "$at") frames)
        { head -c "$from" whole/3.rec; tail -c +$((to + 1)) whole/3.rec; } > damaged.rec
        trains 76 "$(steps_within whole/3.rec "$from")" || wrong=1
        at=$((from + 25 + $(below $((to - from - 25)))))
        { head -c "$at" whole/3.rec; frame whole/3.rec "$at" $((at + 1)) | tr '\0-\377' '\1-\377\0'; tail -c +$((at + 2)) whole/3.rec; } > damaged.rec
        trains 65 "$(steps_within whole/3.rec "$from")" || wrong=1
    done
    ok $wrong "streams cut, without a frame, with a wrong byte through ptd-update: $((3 * damages)) tried, all refused, whole steps published to the bit, store verified"
}

through_the_pipeline() {
    local wrong=0 size status steps
    for _ in $(seq "$cuts"); do
        at=$((RANDOM % 4))
        size=$(stat -c %s whole/$at.rec)
        n=$(below "$size")
        steps=$(steps_within "whole/$at.rec" "$n")
        pipeline 6
        status=$?
        [ $status = 76 ] && [ "$(wc -l < 4.err)" = 1 ] && holds "$steps" && continue
        echo "# cut after program $at at byte $n: status $status, expected 76 and $steps steps: $(head -c 200 4.err)"
        wrong=1
    done
    ok $wrong "pipelines of five programs cut at a random byte: $cuts tried, the last program left with 76 without pipefail, whole steps published to the bit, store verified"
}

prepare || { echo "not ok 1 - the reference run"; exit 1; }
echo "# the stream: $(stat -c %s whole/3.rec) bytes, $(ptd-dump whole/3.rec | jq -r '.kind, (select(.rollouts) | keys[], (.rollouts[], .hint // {} | keys[]))' | sort -u | wc -l) kinds of frames and fields"
"$tool" "$stride" whole/3.rec other.rec || failed=1
through_the_trainer
through_the_pipeline
echo "1..$number"
exit $failed
