#!/usr/bin/env bats
# The GPU's code in the programs: on the emulator of the chip (--device sim) a pipeline trains, is
# killed and goes on to the same bits; without a card --device cuda is one line and 69.
load lib

setup_file() {
    unset PTD_DEVICE
    small_run
}

setup() {
    cd "$WORK"
    [ -e "$bin/libptd-sim.so" ] || skip "no libptd-sim.so beside the programs (make units)"
}

# The five programs on the emulator: STORE STEPS
emulated() {
    local -x PTD_DEVICE=sim
    ptd-rollout -q -s "$1" -P 2 -G 4 -m 8 -n "$2" train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q |
        ptd-update -q --lr 1e-3
}

@test "three steps on the emulator; killed after the first, it goes on to the same bits" {
    local pid
    fresh whole.ptd
    emulated whole.ptd 3 > whole.jsonl
    [ "$(wc -l < whole.jsonl)" = 3 ]
    [ "$(head_of whole.ptd)" -gt 0 ]
    [ "$(jq -s 'map(.["actor/grad_norm"] | . > 0 and . < 1e6) | all' whole.jsonl)" = true ]
    fresh hit.ptd
    (emulated hit.ptd 3 > hit.jsonl 2> hit.err) 3>&- &
    pid=$!
    for _ in $(seq 3000); do [ ! -s hit.jsonl ] || break; sleep 0.1; done
    pkill -9 -P "$pid" ptd-update
    wait "$pid" || true
    emulated hit.ptd 3 >> hit.jsonl
    [ "$(bits hit.ptd)" = "$(bits whole.ptd)" ]
}

@test "a run of the emulator's does not go on elsewhere" {
    fresh on.ptd
    emulated on.ptd 1 > on.jsonl
    ptd-rollout -q -s on.ptd -P 2 -G 4 -m 8 -n 2 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q > next.rec
    fails 78 '*would not be exact: ptd-*' bash -c 'ptd-update -q --lr 1e-3 < next.rec'
}

@test "without a card: one line and 69, in every program that computes" {
    ! nvidia-smi > /dev/null 2>&1 || skip "there is a card"
    fresh read.ptd
    ptd-rollout -q -s read.ptd -P 2 -G 2 -m 8 -n 1 train.jsonl | ptd-verify -q | ptd-hint -q > hinted.rec
    fails 69 'ptd-rollout: device cuda: *' ptd-rollout -q --device cuda -s read.ptd train.jsonl
    fails 69 'ptd-rollout: device cuda:1:f32: *' ptd-rollout -q --device cuda:1:f32 -s read.ptd train.jsonl
    fails 69 'ptd-ref: device cuda: *' bash -c 'ptd-ref -q --device cuda < hinted.rec'
    ptd-ref -q < hinted.rec > scored.rec
    fails 69 'ptd-update: device cuda: *' bash -c 'ptd-update -q --device cuda < scored.rec'
    fails 2 '*device "cuda:": expected one of *' ptd-rollout --device cuda: -s read.ptd train.jsonl
    fails 2 '*device "sim:1": expected one of *' ptd-rollout --device sim:1 -s read.ptd train.jsonl
}
