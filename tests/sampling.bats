#!/usr/bin/env bats
# What ptd-rollout samples at once: room for keys and values, places for responses, and that neither
# decides more of what is answered than last bits. PTD_BIN: where the programs are.
bats_require_minimum_version 1.5.0
load lib.bash

setup_file() { small_run; }

setup() { cd "$WORK"; }

sampled() { ptd-rollout -q -s warm.ptd -g latest -G 4 -m 40 --no-eos "$@"; }
groups() { ptd-dump -f "$1" | jq -c 'select(.kind == "group") | .uid, .rollouts[].ids'; }
# Bytes of a block of 32 tokens of the tiny model.
block=$((2 * 4 * 32 * 64 * 4))

@test "--kv-max, --batch and -P decide no word" {
    sampled -P 8 train.jsonl > all.rec
    groups all.rec > all
    [ "$(grep -c nbr all)" = 8 ]
    for how in "-P 1" "-P 3" "-P 8 --batch 1" "-P 8 --batch 5" "-P 8 --kv-max $((5 * block))" "-P 8 --kv-max 3Mi --batch 7" "-P 3 --part 1"; do
        # shellcheck disable=SC2086
        sampled $how train.jsonl > some.rec
        groups some.rec > some
        cmp all some
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

@test "a run under another --kv-max or --batch has other last bits: it is resumed only if asked" {
    train() { ptd-rollout -q -s room.ptd -P 4 -G 4 -m 16 "${@:2}" train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3 $1 > metrics; }
    usual='ptd-update: room.ptd: resuming at step 1 would not be exact: sampling was "*; lag 0", now'
    fresh room.ptd
    train '' -n 1
    fails 78 "$usual \"*; lag 0; keys and values of 2097152\" (--resume-anyway goes on)" train '' -n 2 --kv-max 2Mi
    fails 78 "$usual \"*; lag 0; batches of 3\" (--resume-anyway goes on)" train '' -n 2 --batch 3
    fails 78 "$usual \"*; lag 0; keys and values of 2097152; batches of 3\" (--resume-anyway goes on)" train '' -n 2 --kv-max 2Mi --batch 3
    train --resume-anyway -n 2 --kv-max 2Mi
    train '' -n 3 --kv-max 2048Ki
    [ "$(head_of room.ptd)" = 3 ]
}
