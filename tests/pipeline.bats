#!/usr/bin/env bats
# The pipeline end to end: as typed, cut open anywhere, replayed; what the first step must show;
# other methods.
load lib

setup_file() {
    small_run
    # What the other tests compare with: three steps in one pipe, and the same in a pipe cut open by
    # tee.
    fresh run.ptd
    pipeline run.ptd 3 > run.jsonl
}

setup() { cd "$WORK"; }

@test "the bare line, as typed" {
    fresh bare.ptd
    run -0 --separate-stderr bash -c 'set -o pipefail; ptd-rollout -s bare.ptd -P 4 -G 4 -m 16 -n 2 train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update'
    [ "${#lines[@]}" = 2 ]
    [ "$(jq -s 'map(.step) == [1, 2]' <<< "$output")" = true ]
    [[ "$stderr" == *"ptd-verify: 8 groups in, 8 out"*"ptd-update: 2 steps, now generation 2"* && "${#stderr_lines[@]}" = 4 ]]
    [ "$(head_of bare.ptd)" = 2 ]
    # The steps asked for are done: the same line does nothing more.
    run -0 --separate-stderr bash -c 'set -o pipefail; ptd-rollout -s bare.ptd -P 4 -G 4 -m 16 -n 2 train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update'
    [ -z "$output" ] && [ "$(head_of bare.ptd)" = 2 ]
}

@test "twice the same bits, and the metrics say what happened" {
    fresh again.ptd
    pipeline again.ptd 3 > again.jsonl
    [ "$(bits run.ptd)" = "$(bits again.ptd)" ]
    [ "$(timeless run.jsonl)" = "$(timeless again.jsonl)" ]
    [ "$(jq -s 'map(.step) == [1, 2, 3] and all(."actor/entropy" > 0 and ."actor/grad_norm" > 0 and ."response_length/mean" > 1)' run.jsonl)" = true ]
    [ "$(jq -s 'all(."reward/overall" - 0.9 * ."reward/accuracy" - 0.1 * ."reward/format" | fabs < 1e-6)' run.jsonl)" = true ]
    # The warm store answers some questions, not all: so there is something to learn, by both terms
    # of the loss.
    [ "$(jq -s '(map(."reward/accuracy") | add / length | . > 0 and . < 1) and (map(."ptd/ptd_trajectories"? // ."ptd/total_trajectories") | add > 0)' run.jsonl)" = true ]
    [ "$(bits run.ptd)" != "$(bits warm.ptd)" ]
}

@test "before the first update: ratio 1, no KL, rollout log-probs are the trainer's" {
    [ "$(jq -s '.[0]."actor/max_ratio_error" < 1e-5' run.jsonl)" = true ]
    [ "$(jq -s '.[0]."actor/ppo_kl" | fabs < 1e-6' run.jsonl)" = true ]
    [ "$(jq -s '.[0]."actor/kl_loss" | fabs < 1e-9' run.jsonl)" = true ]
    [ "$(jq -s '.[0] | ."actor/pg_clipfrac_higher" == 0 and ."actor/pg_clipfrac_lower" == 0' run.jsonl)" = true ]
    # Later the reference has been left behind, sampling has not; here no group loses its KL.
    fresh kept.ptd
    pipeline kept.ptd 3 --kl-lift none > kept.jsonl
    [ "$(jq -s '.[2]."actor/kl_loss" > 1e-6 and all(."actor/max_ratio_error" < 1e-5)' kept.jsonl)" = true ]
}

@test "tee and pv between any two, and replay of what they saved" {
    fresh piped.ptd
    ptd-rollout -q -s piped.ptd -P 4 -G 4 -m 16 -n 3 train.jsonl | pv -q | tee r.rec | ptd-verify -q | tee v.rec | pv -q | ptd-hint -q | tee h.rec |
        ptd-ref -q | pv -q | tee s.rec | ptd-update -q --lr 1e-3 > piped.jsonl
    [ "$(bits run.ptd)" = "$(bits piped.ptd)" ]
    for f in r v h s; do run -0 ptd-dump --check $f.rec; done
    [ "$(ptd-dump s.rec | jq -r 'select(.kind == "head").stages[].name' | tr '\n' ' ')" = "ptd-rollout ptd-verify ptd-hint ptd-ref " ]

    # Each stage alone gives the same bytes again.
    ptd-verify -q < r.rec | cmp - v.rec
    cat v.rec | ptd-hint -q | cmp - h.rec
    ptd-ref -q < h.rec | cmp - s.rec

    # The saved stream trains another store to the same bits.
    fresh replayed.ptd
    ptd-update -q --lr 1e-3 -s replayed.ptd s.rec > replayed.jsonl
    [ "$(bits run.ptd)" = "$(bits replayed.ptd)" ]
    [ "$(timeless run.jsonl)" = "$(timeless replayed.jsonl)" ]
}

@test "ptd-ref: --cache-max bounds the cache, and a map without room for it ends no run" {
    fresh bounded.ptd
    ptd-rollout -q -s bounded.ptd -g latest -P 8 -G 4 -m 16 train.jsonl | ptd-verify -q | ptd-hint -q > b.rec
    in_cache() { ptd-dump bounded.ptd | jq -s 'map(select(.kind == "dist").bytes) | add // 0'; }
    ptd-ref -q -k 64 b.rec > whole.rec
    all=$(in_cache)
    [ "$all" -gt 40000 ]
    run -0 ptd-ref -q -k 64 --cache-max 32Ki b.rec
    [ "$(in_cache)" -gt 0 ]
    [ "$(in_cache)" -le 32768 ]
    run -0 ptd-ref -q --cache-max 0 b.rec
    [ "$(in_cache)" = 0 ]
    run -0 --separate-stderr env PTD_STORE_MAX=8Mi ptd-ref -k 64 b.rec
    [ "${#stderr_lines[@]}" = 2 ]
    [[ "${stderr_lines[0]}" == "ptd-ref: warning: store bounded.ptd: caching values: "*"; going on without" ]]
    [ "$(in_cache)" = 0 ]
    run -2 ptd-ref --cache-max -2 b.rec
    run -0 ptd-dump --check bounded.ptd
    PTD_STORE_MAX=52Mi pipeline bounded.ptd 8 > lines
    [ "$(wc -l < lines)" = 8 ]
}

@test "ptd-ref: the second pass comes from the cache, bit for bit" {
    fresh cache.ptd
    ptd-rollout -q -s cache.ptd -g latest -P 8 -G 4 -m 16 train.jsonl | ptd-verify -q | ptd-hint -q > c.rec
    ptd-ref c.rec > first.rec 2> first.log
    ptd-ref c.rec > second.rec 2> second.log
    cmp first.rec second.rec
    tutored=$(ptd-dump first.rec | jq -s '[.[] | select(.kind == "group").rollouts[] | select(.teacher_ids)] | length')
    [ "$tutored" -gt 0 ]
    [[ "$(< first.log)" == *", $tutored responses tutored, 0 from the cache, "[1-9]*" scored" ]]
    [[ "$(< second.log)" == *", $tutored responses tutored, "[1-9]*" from the cache, 0 scored" ]]
    ptd-ref -q --no-cache c.rec > third.rec
    [ "$(ptd-dump --full third.rec | jq -c '.rollouts')" = "$(ptd-dump --full first.rec | jq -c '.rollouts')" ]
}

# The mean distance of one matrix of the weights in two stores.
distance() {
    local name=model.language_model.layers.1.mlp.down_proj.weight
    jq -n --slurpfile a <(ptd-dump --full "$1" $name) --slurpfile b <(ptd-dump --full "$2" $name) \
        '[$a[0].values, $b[0].values] | transpose | map(.[0] - .[1] | fabs) | add / length'
}

@test "micro-batches and threads change nothing beyond rounding" {
    fresh one.ptd
    pipeline one.ptd 1 > /dev/null
    fresh start.ptd
    moved=$(distance one.ptd start.ptd)
    for o in '--micro 1' '--micro 100000' '-j 1' '-j 3'; do
        fresh part.ptd
        pipeline part.ptd 1 $o > part.jsonl
        for key in actor/grad_norm actor/loss actor/entropy actor/ptd_kl; do
            jq -e -n --slurpfile a part.jsonl --slurpfile b run.jsonl --arg k $key \
                '($a[0][$k] - $b[0][$k] | fabs) <= 1e-4 * ($b[0][$k] | fabs) + 1e-7' > /dev/null || { echo "$o: $key"; false; }
        done
        apart=$(distance one.ptd part.ptd)
        jq -e -n "$moved > 1e-4 and $apart < 1e-3 * $moved" > /dev/null || { echo "$o: $apart of $moved"; false; }
    done
    # Sampling with other threads: the same tokens, log-probs to 1e-5.
    for j in 1 2 3; do ptd-rollout -q -s warm.ptd -g latest -P 8 -G 4 -m 16 -j $j train.jsonl | ptd-dump --full > threads$j.json; done
    for j in 2 3; do
        jq -e -n --slurpfile a threads1.json --slurpfile b threads$j.json '[$a, $b | [.[] | .rollouts[]?.ids]] | .[0] == .[1]' > /dev/null
        jq -e -n --slurpfile a threads1.json --slurpfile b threads$j.json \
            '[[$a, $b | [.[] | .rollouts[]?.logp[]?]] | transpose[] | (.[0] - .[1]) | fabs] | length > 100 and max < 1e-5' > /dev/null
    done
}

@test "order and sampling follow the seed, each epoch takes every row once" {
    for n in 1 1b 2; do ptd-rollout -q -s blank.ptd -P 4 -G 2 -m 4 -n 1 --seed ${n%b} train.jsonl | ptd-dump --full > seed$n.json; done
    [ "$(jq -c '.rollouts' seed1.json)" = "$(jq -c '.rollouts' seed1b.json)" ]
    [ "$(jq -c '.rollouts' seed1.json)" != "$(jq -c '.rollouts' seed2.json)" ]
    ptd-gold -q -s blank.ptd -P 4 -n 4 train.jsonl | ptd-dump | jq -r 'select(.kind == "group").uid' > order
    [ "$(wc -l < order)" = 16 ]
    [ "$(head -n 8 order | sort | uniq | wc -l)" = 8 ]
    [ "$(tail -n 8 order | sort | uniq | wc -l)" = 8 ]
    [ "$(head -n 8 order)" != "$(tail -n 8 order)" ]
    [ "$(ptd-gold -q -s blank.ptd -P 4 -n 2 --seed 5 train.jsonl | ptd-dump | jq -r 'select(.kind == "group").uid')" != "$(head -n 8 order)" ]
}

@test "evaluation: greedy, one response each, no trace in the store" {
    before=$(md5sum < warm.ptd/data.mdb)
    run -0 bash -c 'set -o pipefail; ptd-rollout -q -s warm.ptd --greedy train.jsonl | tee g.rec | ptd-verify -q | ptd-stat --json'
    [ "$(jq '.total.prompts' <<< "$output")" = 8 ]
    [ "$(ptd-dump g.rec | jq -s 'map(select(.kind == "group").rollouts | length) == [range(8) | 1]')" = true ]
    [ "$(ptd-dump g.rec | jq -r 'select(.kind == "group").uid' | tr '\n' ' ')" = "$(jq -r '.uid // .id' train.jsonl | tr '\n' ' ')" ]
    ptd-rollout -q -s warm.ptd --greedy train.jsonl | cmp - g.rec
    [ "$before" = "$(md5sum < warm.ptd/data.mdb)" ]
    # Learning by heart helped: the blank store knows nothing.
    warm=$(ptd-rollout -q -s warm.ptd -G 8 -g latest train.jsonl | ptd-verify -q | ptd-stat --json | jq '.total."pass@1"')
    blank=$(ptd-rollout -q -s blank.ptd -G 8 -g latest train.jsonl | ptd-verify -q | ptd-stat --json | jq '.total."pass@1"')
    jq -e -n "$warm > $blank and $blank < 0.2" > /dev/null
}

@test "warm start under hints lowers the loss" {
    [ "$(jq -s 'length == 24 and .[23]."actor/loss" < 0.2 * .[0]."actor/loss"' warm.jsonl)" = true ]
}

@test "other methods are other pipes: plain GRPO, and no reference" {
    fresh grpo.ptd
    ptd-rollout -q -s grpo.ptd -P 8 -G 8 -m 16 -n 2 train.jsonl | ptd-verify -q | ptd-ref -q | ptd-update -q --lr 1e-3 > grpo.jsonl
    [ "$(jq -s 'all(."ptd/total_trajectories" == 64 and ."actor/ptd_kl" == 0)' grpo.jsonl)" = true ]
    [ "$(jq -s 'any(."actor/grad_norm" > 0)' grpo.jsonl)" = true ]
    fresh plain.ptd
    ptd-rollout -q -s plain.ptd -P 8 -G 8 -m 16 -n 2 train.jsonl | ptd-verify -q | ptd-update -q --lr 1e-3 --beta 0 > plain.jsonl
    [ "$(jq -s 'length' plain.jsonl)" = 2 ]
    # The first step's policy gradient does not depend on the reference: kl and its gradient are 0
    # there.
    jq -e -n --slurpfile a plain.jsonl --slurpfile b grpo.jsonl '($a[0]."actor/grad_norm" - $b[0]."actor/grad_norm" | fabs) < 1e-4 * $a[0]."actor/grad_norm"' > /dev/null
}

@test "lag 1: sampling overlaps the update, one generation behind" {
    fresh lag.ptd
    ptd-rollout -q -s lag.ptd --lag 1 -P 4 -G 2 -m 8 -n 3 train.jsonl | tee lag.rec | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3 > lag.jsonl
    [ "$(ptd-dump lag.rec | jq -s -c 'map(select(.kind == "group").generation)')" = '[0,0,0,0,0,0,0,0,1,1,1,1]' ]
    [ "$(head_of lag.ptd)" = 3 ]
}

@test "any msgpack reader walks a stream" {
    ptd-gold -q -s blank.ptd -P 4 -n 1 train.jsonl > walk.rec
    run -0 /usr/bin/python3 -c '
import msgpack
frames = list(msgpack.Unpacker(open("walk.rec", "rb"), max_buffer_size=1 << 30))
print([f[0] for f in frames] == [1, 2, 2, 2, 2, 3, 4], [f[1] for f in frames] == list(range(7)), all(type(msgpack.unpackb(f[3])) is dict for f in frames))'
    [ "$output" = "True True True" ]
}

@test "curves of a run, as SVG and PNG" {
    ptd-plot run.jsonl -o run.svg -f reward/accuracy,actor/entropy
    [[ "$(head -c 300 run.svg)" == *"<svg"* && "$(tail -c 20 run.svg)" == *"</svg>"* ]]
    ptd-plot run.jsonl -o run.png
    [ "$(head -c 8 run.png | od -An -tx1 | tr -d ' ')" = 89504e470d0a1a0a ]
}

@test "--part: the same answers, with room for a part; what fits no frame is told before anything is sampled" {
    part() { ptd-rollout -q -s warm.ptd -g latest -P 8 -G 4 -m 16 "$@" train.jsonl > part.rec && ptd-dump -f part.rec | jq -c 'select(.kind == "group").rollouts[].ids' | md5sum; }
    [ "$(part)" = "$(part --part 300)" ]
    [ "$(part)" = "$(part --part 1)" ]
    [ "$(ptd-dump part.rec | jq -r 'select(.kind == "head").sampling')" = "$(ptd-rollout -q -s warm.ptd -g latest train.jsonl | ptd-dump -n 1 | jq -r 'select(.kind == "head").sampling')" ]
    # Kilobytes of a step of 600 prompts.
    taken() { /usr/bin/python3 -c 'import resource, subprocess, sys
assert subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL) == 0
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' ptd-rollout -q -s long.ptd -P 600 -G 2 -m 2 --no-eos -n 1 "$@" train.jsonl; }
    cp -r blank.ptd long.ptd
    whole=$(taken)
    [ "$(taken --part 1000)" -lt $((whole * 2 / 3)) ]
    fails 78 'ptd-rollout: 512 responses (-G) of up to 40000 tokens (-m) with 16 ids each (-k) can take 1.56 GB, and a frame holds 1.07 GB: expected -m of at most 27591, or a smaller -G or -k' \
        ptd-rollout --memory 64Ti -s warm.ptd -G 512 -m 40000 train.jsonl
    fails 78 'ptd-rollout: *(-G)*(-m)*(-k)*' ptd-rollout --memory 64Ti -s warm.ptd -G 4096 -m 100000 -k 256 train.jsonl
    ptd-rollout -q -s blank.ptd -n 0 -G 64 -m 100000 train.jsonl > large.rec
    fails 78 'ptd-ref: 64 responses of up to 100000 tokens with 16 ids each, and 100 words of the teacher, can take *: expected a smaller -k*' ptd-ref -k 100 large.rec
    ptd-ref -q -k 4 large.rec > scored.rec
}
