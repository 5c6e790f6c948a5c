#!/usr/bin/env bats
# What ptd-rollout samples at once: room for keys and values, places for responses, and that neither
# decides a bit of what is answered. PTD_BIN: where the programs are.
bats_require_minimum_version 1.5.0
load lib.bash

setup_file() { small_run; }

setup() { cd "$WORK"; }

sampled() { ptd-rollout -q -s warm.ptd -g latest -G 4 -m 40 --no-eos "$@"; }
# Whole records, log-probs to the last digit; how they lie in the stream is left out.
groups() { ptd-dump -f "$1" | jq -c 'select(.kind == "group") | del(.step, .record, .byte)'; }
# Bytes of a block of 32 tokens of the tiny model.
block=$((2 * 4 * 32 * 64 * 4))

# All that STORE answers is the same record for record, sampled in any of these WAYS.
same_in_any_company() {
    local store=$1 how
    for how in "${@:2}"; do
        # shellcheck disable=SC2086
        ptd-rollout -q -s "$store" -g latest -G 4 -m 40 -k 3 --no-eos $how train.jsonl > some.rec
        groups some.rec > some
        [ -e "$store.all" ] || cp some "$store.all"
        cmp "$store.all" some || return
    done
    [ "$(grep -c nbr "$store.all")" = 8 ]
}
few=("-P 8" "-P 1" "-P 8 --batch 5 --device strict" "-P 8 --kv-max $((5 * block))")

@test "--kv-max, --batch and -P decide no bit" {
    same_in_any_company warm.ptd "${few[@]}" "-P 3" "-P 8 --batch 1" "-P 8 --kv-max 3Mi --batch 7 --device strict" "-P 3 --part 1"
}

@test "nor with bfloat16, nor with an adapter" {
    ptd-init -q half.ptd --from-store warm.ptd --dtype bf16
    same_in_any_company half.ptd "${few[@]}"
    for store in warm half; do
        ptd-init -q $store-lora.ptd --from-store $store.ptd --lora rank=4,alpha=8 --seed 3
        ptd-rollout -q -s $store-lora.ptd -P 8 -G 4 -m 16 -n 1 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-2 > metrics
        [ "$(head_of $store-lora.ptd)" = 1 ]
        same_in_any_company $store-lora.ptd "${few[@]}"
    done
}

@test "log-probs of sampling are those of reading, to the bit, in float32 and in bfloat16" {
    for dtype in f32 bf16; do
        ptd-init -q $dtype.ptd --from-store warm.ptd --dtype $dtype
        ptd-rollout -q -s $dtype.ptd -P 6 -G 5 -m 20 -n 1 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q > read.rec
        ptd-dump -f read.rec | jq -e -s 'map(select(.kind == "group").rollouts[]) | length == 30 and all([.logp, .ref_logp] | transpose | all(.[0] == .[1]))'
    done
}

@test "--kv-max that holds no prompt and one response is refused, naming what would do" {
    fails 78 "ptd-rollout: a prompt of 1 token and a response of up to 40 take $((3 * block)) bytes *--kv-max: expected at least $((3 * block)), or a smaller -m" \
        sampled --kv-max $((3 * block - 1)) train.jsonl
    jq -c 'if .id == "nbr-000004" then .prompt += ([range(60)] | map(" word") | add) else . end' train.jsonl > long.jsonl
    ptd-rollout -q -s warm.ptd -g latest -G 1 -m 1 long.jsonl > long.rec
    n=$(ptd-dump -f long.rec | jq -s 'map(select(.kind == "group").prompt_ids | length) | max')
    need=$((((n + 31) / 32 + 2) * block))
    fails 78 "ptd-rollout: long.jsonl:4: a prompt of $n tokens and a response of up to 40 take $need bytes *--kv-max: expected at least $need, or a smaller -m" \
        sampled --kv-max $((need - 1)) long.jsonl
    sampled --kv-max "$need" long.jsonl > fits.rec
    fails 2 'ptd-rollout: *--kv-max*' sampled --kv-max -1 train.jsonl
}

@test "memory follows --kv-max" {
    taken() { /usr/bin/python3 -c 'import resource, subprocess, sys
assert subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL) == 0
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' ptd-rollout -q -s warm.ptd -g latest -P 8 -G 64 -m 100 --no-eos "$@" train.jsonl; }
    whole=$(taken)
    some=$(taken --kv-max 4Mi)
    # 512 responses of 100 tokens, 2 KiB each
    [ $((whole - some)) -gt $((60 * 1024)) ]
}

@test "a run goes on under another --kv-max, --batch and --part to the same bits" {
    train() { ptd-rollout -q -s "$1" -P 4 -G 4 -m 16 "${@:2}" train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3 >> "$1.metrics"; }
    fresh room.ptd
    fresh usual.ptd
    train usual.ptd -n 3
    train room.ptd -n 1
    train room.ptd -n 2 --kv-max 2Mi
    train room.ptd -n 3 --batch 3 --part 1
    [ "$(head_of room.ptd)" = 3 ]
    [ "$(bits room.ptd)" = "$(bits usual.ptd)" ]
    cmp <(timeless room.ptd.metrics) <(timeless usual.ptd.metrics)
}
