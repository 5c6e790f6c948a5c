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

# The five programs on the emulator, each with its own memory; weights between two publications come
# through the host's: STORE STEPS
emulated() {
    local -x PTD_DEVICE=sim
    ptd-rollout -q -s "$1" -P 2 -G 4 -m 8 -n "$2" train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q |
        ptd-update -q --lr 1e-3 --publish-every 2
}

@test "three steps on the emulator; killed before the last, it goes on to the same bits" {
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
    emulated hit.ptd 3 > hit.jsonl
    [ "$(bits hit.ptd)" = "$(bits whole.ptd)" ]
}

@test "a run of the emulator's does not go on elsewhere" {
    fresh on.ptd
    emulated on.ptd 1 > on.jsonl 2> on.err
    grep -q "small steps are lost: expected --master split" on.err
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

# A stream whose end comes when somebody writes to the fifo GO: FILE GO
held() { head -c -64 "$1"; read -r < "$2"; tail -c 64 "$1"; }

# The memory of the card that PID has in common with others: its file's number, once it is there.
common_of() {
    local f
    for _ in $(seq 300); do
        f=$(find "/proc/$1/fd" -lname '*memfd:sim-card*' -print -quit 2> /dev/null)
        [ -z "$f" ] || { stat -L -c %i "$f" && return; }
        sleep 0.1
    done
    return 1
}

@test "frozen weights are on a card once for two programs; who made them may be killed" {
    local first second go
    local -x PTD_DEVICE=sim
    fresh read.ptd
    PTD_DEVICE=cpu ptd-rollout -q -s read.ptd -P 2 -G 2 -m 8 -n 1 train.jsonl | ptd-verify -q | ptd-hint -q > hinted.rec
    PTD_SHARE=0 ptd-ref -q --no-cache < hinted.rec > alone.rec
    mkfifo go
    exec {go}<> go
    ptd-ref -q --no-cache < <(held hinted.rec go) > first.rec 3>&- {go}>&- &
    first=$!
    common_of "$first" > first.card
    ptd-ref -q --no-cache < <(held hinted.rec go) > second.rec 3>&- {go}>&- &
    second=$!
    common_of "$second" > second.card
    cmp first.card second.card
    kill -9 "$first"
    wait "$first" || true
    printf '\n\n' >&"$go"
    wait "$second"
    exec {go}>&-
    [ "$(ptd-dump second.rec | tail -n +2)" = "$(ptd-dump alone.rec | tail -n +2)" ]
}

@test "without a card make gpu-check and gpu-bench skip; what is not the emulator's bits is told" {
    ! nvidia-smi > /dev/null 2>&1 || skip "there is a card"
    for what in check bench; do
        run python3 "$BATS_TEST_DIRNAME/gpu/gpu.py" "$what"
        [ "$status" = 0 ]
        [[ "$output" == "SKIP make gpu-$what: no NVIDIA card"* ]]
    done
    run python3 -B - "$BATS_TEST_DIRNAME/gpu" << 'PY'
import copy, sys
sys.path.insert(0, sys.argv[1])
import gpu
sim = {"a": ("0", [1, 2]), "b": ("u4", [0x3F800000, 0x80000001]), "c": ("a1e-5", [0x3F800000])}
def told(name, i, word):
    chip = copy.deepcopy(sim)
    chip[name][1][i] = word
    try:
        return gpu.compare_instructions(chip, sim)
    except gpu.Failed as e:
        return str(e)
assert told("a", 0, 1) == told("b", 1, 3) == told("b", 0, 0x3F7FFFFD) == told("c", 0, 0x3F800010) == "3 instructions, 5 words"
assert told("b", 1, 6).startswith("b: 1 of 2 words") and told("a", 1, 3).startswith("a: 1 of 2") and told("c", 0, 0x3F801000).startswith("c: 1 of 1")
assert told("c", 0, 0x7FC00000).startswith("c: 1")
page = sys.argv[1] + "/RESULTS.md"
gpu.write_section(page, "page.md", "check", "seen\n")
gpu.write_section(page, "page.md", "bench", "fast\n")
was, now = open(page).read(), open("page.md").read()
assert "<!-- check -->\nseen\n<!-- end of check -->" in now and "<!-- bench -->\nfast\n<!-- end of bench -->" in now
assert now.split("## Check")[0] == was.split("## Check")[0]
PY
    [ "$status" = 0 ] || { echo "$output"; false; }
}

# The most that was taken of the emulated card whose file is CARD, in bytes; what opening a device takes of it.
peak_of() { od -An -t u8 -N 8 "$1" | tr -d ' '; }
opening=$((32 << 20))

# What a program's plan says of the card: PART [COMMAND...]
card_plan() { "${@:2}" --plan --json | jq ".card.\"$1\" // 0"; }

# card.peak is within 10 percent of PLAN, or 2 MiB: NAME PLAN
near_peak() {
    local taken=$(($(peak_of card.file) - opening)) slack apart
    slack=$((taken / 10 > 2097152 ? taken / 10 : 2097152))
    apart=$(($2 > taken ? $2 - taken : taken - $2))
    echo "$1: $2 planned, $taken taken"
    [ $apart -le $slack ]
}

@test "the plan of a card is near its peak, and what does not fit is refused before it is taken" {
    local expect plan
    local -x PTD_DEVICE=sim PTD_SHARE=0
    fresh read.ptd
    expect="-s read.ptd --expect prompts=2,prompt=27,answers=4x8,picture=84x84"
    export PTD_SIM_CARD=card.file
    rm -f card.file
    ptd-rollout -q -s read.ptd -P 2 -G 4 -m 8 -n 1 train.jsonl > sampled.rec
    near_peak rollout "$(card_plan sum ptd-rollout $expect -P 2 -G 4 -m 8)"
    ptd-verify -q < sampled.rec | ptd-hint -q > hinted.rec
    rm card.file
    ptd-ref -q --no-cache < hinted.rec > scored.rec
    near_peak ref "$(card_plan sum ptd-ref $expect)"
    rm card.file
    ptd-update -q --lr 1e-3 < scored.rec > metrics.jsonl
    plan=$(card_plan sum ptd-update $expect)
    near_peak update "$plan"
    for part in "weights that move" gradients moments activations head operations; do
        [ "$(card_plan "$part" ptd-update $expect)" -gt 0 ]
    done
    [ "$(card_plan "keys and values" ptd-rollout $expect -P 2 -G 4 -m 8)" -gt 0 ]
    rm card.file
    export PTD_SIM_MEMORY=$((opening + plan / 2))
    fails 71 '*of memory of device sim:f32, most of it *: expected *' ptd-update -q --device sim:f32 -s read.ptd scored.rec
    [ "$(peak_of card.file)" = "$opening" ]
    run --separate-stderr ptd-update --plan $expect --micro 4096
    [ "$status" = 71 ]
    [[ $output == *"of device sim:"*"moments"*"there is"* ]]
    PTD_SIM_MEMORY=$((opening + plan * 12 / 10)) ptd-update --plan $expect > told.txt
}

# The pipe of `emulated` on one card of MEMORY bytes: STORE STEPS MEMORY
crowded() { PTD_SIM_CARD=$PWD/card.file PTD_SIM_MEMORY=$3 PTD_SHM=$PWD emulated "$1" "$2"; }

@test "by turns the programs of a pipe have a card on which they do not fit at once; killed, it goes on" {
    local all pid
    fresh whole.ptd
    rm -f card.file
    crowded whole.ptd 3 $((1 << 34)) > whole.jsonl
    all=$(peak_of card.file)
    export PTD_TURNS=1
    fresh turns.ptd
    rm card.file
    crowded turns.ptd 3 $((1 << 34)) > turns.jsonl
    [ "$(bits turns.ptd)" = "$(bits whole.ptd)" ]
    echo "$all at once, $(peak_of card.file) by turns"
    [ "$(peak_of card.file)" -lt "$all" ]
    all=$(($(peak_of card.file) * 11 / 10))
    fresh hit.ptd
    (crowded hit.ptd 3 "$all" > hit.jsonl 2> hit.err) 3>&- &
    pid=$!
    for _ in $(seq 3000); do [ ! -s hit.jsonl ] || break; sleep 0.1; done
    pkill -9 -P "$pid" ptd-update
    wait "$pid" || true
    crowded hit.ptd 3 "$all" > hit.jsonl
    [ "$(bits hit.ptd)" = "$(bits whole.ptd)" ]
}
