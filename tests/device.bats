#!/usr/bin/env bats
# Where programs compute: --device and PTD_DEVICE; the same bits on the strict device, other ones
# and a known gap where it rounds to bfloat16.
load lib

setup_file() {
    unset PTD_DEVICE
    small_run
    fresh run.ptd
    pipeline run.ptd 2 > run.jsonl
    fresh read.ptd
    ptd-rollout -q -s read.ptd -P 8 -G 4 -m 16 -n 1 train.jsonl | ptd-verify -q | ptd-hint -q > hinted.rec
}

setup() {
    cd "$WORK"
    unset PTD_DEVICE
}

# The reference's log-probs of all responses, one a line: OPTIONS OF ptd-ref...
ref_logp() {
    ptd-ref -q --no-cache --scope all --store read.ptd "$@" < hinted.rec |
        ptd-dump - | jq -r 'select(.kind == "group").rollouts[].ref_logp[]'
}

@test "a device that is none is misuse, in one line that names those there are" {
    local names='*device "gpu": expected one of cpu, *'
    fails 2 "$names" ptd-rollout --device gpu -s read.ptd train.jsonl
    for program in ptd-hint ptd-ref "ptd-update -s read.ptd"; do
        fails 2 "$names" bash -c "$program --device gpu < hinted.rec"
        fails 2 "$names" bash -c "PTD_DEVICE=gpu $program < hinted.rec"
    done
}

@test "--help names the option, and --device goes before PTD_DEVICE" {
    local names
    names=$(ptd-hint --device gpu < hinted.rec 2>&1 | sed 's/.*expected one of //; s/;.*//; s/,//g')
    [ "$(wc -w <<< "$names")" -ge 3 ]
    for program in ptd-rollout ptd-hint ptd-ref ptd-update; do
        run -0 "$program" --help
        [[ "$output" == *"--device NAME"*"PTD_DEVICE"* ]]
        for name in $names; do [[ "$output" =~ [\ ]"$name"[,\ ] ]]; done
    done
    PTD_DEVICE=gpu ptd-hint -q --device cpu < hinted.rec > again.rec
    run -0 ptd-dump --check again.rec
}

@test "strict: not one bit of a run differs" {
    fresh strict.ptd
    PTD_DEVICE=strict pipeline strict.ptd 2 > strict.jsonl
    [ "$(bits run.ptd)" = "$(bits strict.ptd)" ]
    [ "$(timeless run.jsonl)" = "$(timeless strict.jsonl)" ]
}

@test "a run goes on on the strict device, and not on one with other bits" {
    rm -rf on.ptd
    cp -r run.ptd on.ptd
    PTD_DEVICE=strict pipeline on.ptd 3 > on.jsonl
    pipeline run.ptd 3 > whole.jsonl
    [ "$(bits run.ptd)" = "$(bits on.ptd)" ]
    ptd-rollout -q -s on.ptd -P 4 -G 4 -m 16 -n 4 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q > next.rec
    fails 78 '*would not be exact: ptd-update: device was nothing, now "strict:bf16"*' \
        bash -c 'ptd-update -q --lr 1e-3 --device strict:bf16 < next.rec'
}

@test "strict:bf16: log-probs are off by what eight bits cost, and not by more" {
    ref_logp > cpu.txt
    ref_logp --device strict > strict.txt
    ref_logp --device strict:bf16 > bf16.txt
    [ "$(wc -l < cpu.txt)" -gt 100 ]
    cmp cpu.txt strict.txt
    run -0 bash -c "paste cpu.txt bf16.txt | awk '{ d = \$1 - \$2; s += d * d; n++ } END { print sqrt(s / n) }'"
    echo "root of the mean square: $output"
    [ "$(jq -n "$output > 1e-3")" = true ]
    [ "$(jq -n "$output < 0.02")" = true ]
}

# Products by pairs, where the processor has them.
pairs_or_skip() {
    run ptd-hint -q --device cpu:bf16 < hinted.rec
    if [ "$status" = 69 ]; then
        [[ "$output" == "ptd-hint: device cpu:bf16: expected "*AVX512_BF16* ]]
        skip "$output"
    fi
    [ "$status" = 0 ]
    rm -rf half.ptd
    ptd-init -q half.ptd --from-store warm.ptd --dtype bf16
}

@test "cpu:bf16: log-probs of sampling are those of reading, to the bit, and off by eight bits of cpu's" {
    pairs_or_skip
    for device in cpu cpu:bf16; do
        ptd-rollout -q --device $device -s half.ptd -P 6 -m 20 --greedy train.jsonl | ptd-verify -q | ptd-hint -q --device $device > read.rec
        ptd-ref -q --device $device --store half.ptd < read.rec > $device.rec
        ptd-dump -f $device.rec | jq -e -s 'map(select(.kind == "group").rollouts[]) | length > 5 and all([.logp, .ref_logp] | transpose | all(.[0] == .[1]))'
        ptd-ref -q --no-cache --scope all --store half.ptd --device $device < hinted.rec | ptd-dump - | jq -r 'select(.kind == "group").rollouts[].ref_logp[]' > $device.txt
    done
    run -0 bash -c "paste cpu.txt cpu:bf16.txt | awk '{ d = \$1 - \$2; s += d * d; n++ } END { print sqrt(s / n) }'"
    echo "root of the mean square: $output"
    [ "$(jq -n "$output > 1e-4 and $output < 0.02")" = true ]
}

@test "cpu:bf16: what is sampled beside it changes no bit, and a run goes on under it alone" {
    pairs_or_skip
    export PTD_DEVICE=cpu:bf16
    for how in "-P 8" "-P 1" "-P 8 --batch 5" "-P 3 --part 1"; do
        ptd-rollout -q -s half.ptd -g latest -G 4 -m 24 -k 3 --no-eos $how train.jsonl | ptd-dump -f - | jq -c 'select(.kind == "group") | del(.step, .record, .byte)' > some
        [ -e all ] || cp some all
        cmp all some
    done
    rm -rf whole.ptd parts.ptd
    cp -r half.ptd whole.ptd
    cp -r half.ptd parts.ptd
    pipeline whole.ptd 3 > whole.jsonl
    pipeline parts.ptd 1 > parts.jsonl
    pipeline parts.ptd 3 >> parts.jsonl
    [ "$(bits whole.ptd)" = "$(bits parts.ptd)" ]
    [ "$(timeless whole.jsonl)" = "$(timeless parts.jsonl)" ]
    unset PTD_DEVICE
    fails 78 '*would not be exact: ptd-rollout: device was "cpu:bf16", now nothing*' \
        bash -c 'ptd-rollout -q -s parts.ptd -P 4 -G 4 -m 16 -n 4 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3'
}
