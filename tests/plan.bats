# Memory: what --plan says is what a run takes; what cannot fit is refused before it is taken.
# Recomputation changes no bit.
load lib

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    ptd-data digits train.jsonl --count 64 -q
    ptd-init -q base.ptd --config tiny
    ptd-init -q lora.ptd --from-store base.ptd --lora rank=4
    ptd-init -q half.ptd --config tiny --dtype bf16
    ptd-init -q halflora.ptd --from-store half.ptd --lora rank=4
    ptd-rollout -q -s base.ptd -P 16 -G 8 -n 1 -m 32 train.jsonl | ptd-verify -q | ptd-hint -q --from data | ptd-ref -q > scored.rec
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return 1
    expect=prompts=16,prompt=27,answers=8x32,picture=84x84
    rm -rf run.ptd
    cp -r base.ptd run.ptd
}

# predicted OPTIONS...: bytes
predicted() { ptd-update --plan --json -j 1 -s run.ptd --expect $expect "$@" | jq .sum; }

measured() { "$BATS_TEST_DIRNAME/peak.py" peak "$@"; }
# near NAME PLAN: within 10 percent of what ./peak says, or 2 MiB, which is what an allocator keeps
near() {
    taken=$(cat peak)
    slack=$((taken / 10 > 2097152 ? taken / 10 : 2097152))
    apart=$(($2 > taken ? $2 - taken : taken - $2))
    echo "$1: $2 planned, $taken taken"
    [ $apart -le $slack ]
}

@test "the plan is within 10 percent of the peak, kept and recomputed" {
    if [ -e "$PTD_BIN/../../build/debug" ] && [[ $PTD_BIN == *debug* ]]; then skip "sanitizers take their own"; fi
    [ "${PTD_DEVICE:-cpu}" = cpu ] || skip "of the CPU"
    for how in "none --micro 512" "layer --micro 512" "none --micro 4096" "layer --micro 4096" "2 --micro 4096"; do
        rm -rf run.ptd
        cp -r base.ptd run.ptd
        plan=$(predicted --recompute $how)
        measured ptd-update -q -j 1 -s run.ptd --recompute $how scored.rec > /dev/null
        peak=$(cat peak)
        echo "$how: $plan planned, $peak taken"
        [ $((plan * 100)) -ge $((peak * 90)) ]
        [ $((plan * 100)) -le $((peak * 110)) ]
    done
}

@test "the plans of those that read are near their peaks, with and without adapter, f32 and bf16" {
    if [[ $PTD_BIN == *debug* ]]; then skip "sanitizers take their own"; fi
    [ "${PTD_DEVICE:-cpu}" = cpu ] || skip "of the CPU"
    for s in base lora half halflora; do
        plan="--plan --json -s $s.ptd --expect $expect"
        measured ptd-rollout -q -j 1 -s $s.ptd -P 16 -G 8 -n 1 -m 32 --no-eos train.jsonl > sampled.rec
        near "rollout of $s" "$(ptd-rollout $plan -j 1 -P 16 -G 8 -m 32 | jq .sum)"
        ptd-verify -q < sampled.rec > verified.rec
        measured ptd-hint -q --from data < verified.rec > hinted.rec
        near "hints of $s" "$(ptd-hint $plan --from data | jq .sum)"
        measured ptd-ref -q -j 1 --no-cache --micro 8192 hinted.rec > /dev/null
        near "ref of $s" "$(ptd-ref $plan -j 1 --micro 8192 | jq .sum)"
        [[ $s != *lora ]] || continue
        measured ptd-hint -q --from attention < verified.rec > /dev/null
        near "attention of $s" "$(ptd-hint $plan --from attention | jq .sum)"
    done
}

@test "the plan of a trained adapter is near its peak" {
    if [[ $PTD_BIN == *debug* ]]; then skip "sanitizers take their own"; fi
    [ "${PTD_DEVICE:-cpu}" = cpu ] || skip "of the CPU"
    for s in lora halflora; do
        cp -r $s.ptd trained.ptd
        ptd-rollout -q -s $s.ptd -P 16 -G 8 -n 1 -m 32 train.jsonl | ptd-verify -q | ptd-hint -q --from data | ptd-ref -q --no-cache > adapter.rec
        plan=$(ptd-update --plan --json -j 1 -s $s.ptd --micro 4096 --expect $expect | jq .sum)
        measured ptd-update -q -j 1 -s trained.ptd --micro 4096 adapter.rec > /dev/null
        rm -rf trained.ptd
        near "update of $s" "$plan"
    done
}

# A program that has no tokenizer plans for none, whatever the vocabulary.
@test "tables are counted where they are, and as large as they are" {
    if [[ $PTD_BIN == *debug* ]]; then skip "sanitizers take their own"; fi
    [ "${PTD_DEVICE:-cpu}" = cpu ] || skip "of the CPU"
    ptd-export -q base.ptd words
    jq '.text_config.vocab_size = 60000' words/config.json > config.json
    mv config.json words/config.json
    ptd-init -q words.ptd --config words --lora rank=4
    ptd-rollout -q -j 1 -s words.ptd -P 4 -G 4 -n 1 -m 16 train.jsonl | ptd-verify -q > wordy.rec
    shape="--plan --json -s words.ptd --expect prompts=4,prompt=27,answers=4x16,picture=84x84"
    [ "$(ptd-ref $shape | jq .tables)" -lt 200000 ]
    [ "$(ptd-update $shape | jq .tables)" -lt 200000 ]
    measured ptd-ref -q -j 1 --no-cache wordy.rec > /dev/null
    near "ref" "$(ptd-ref $shape -j 1 | jq .sum)"
}

@test "--micro bounds memory, however large the groups are" {
    if [[ $PTD_BIN == *debug* ]]; then skip "sanitizers take their own"; fi
    [ "${PTD_DEVICE:-cpu}" = cpu ] || skip "of the CPU"
    for group in 8 64; do
        ptd-rollout -q -s lora.ptd -P 2 -G $group -n 1 -m 32 --no-eos train.jsonl | ptd-verify -q | ptd-ref -q --no-cache > "sized$group.rec"
        for program in "ptd-ref --no-cache" ptd-update; do
            rm -rf run.ptd
            cp -r lora.ptd run.ptd
            measured $program -q -j 1 -s run.ptd --micro 128 "sized$group.rec" > /dev/null
            plan=$(${program%% *} --plan --json -j 1 -s lora.ptd --micro 128 --expect prompts=2,prompt=27,answers=${group}x32,picture=84x84 | jq .sum)
            echo "$program, groups of $group: $plan planned, $(cat peak) taken"
            [ "$(cat peak)" -le $((plan + plan / 10 + 2097152)) ]
            [ "$plan" -le 20000000 ]
        done
    done
}

@test "each program names what would fit, and what it names does" {
    fits="--expect $expect -s base.ptd"
    run --separate-stderr ptd-rollout --plan $fits -P 16 -G 8 -m 512 --memory 40M
    [ "$status" -eq 71 ]
    [[ $stderr == *"keys and values"*"expected --kv-max "* ]]
    run ptd-rollout --plan $fits -P 16 -G 8 -m 512 --memory 40M --kv-max "${stderr##*--kv-max }"
    [ "$status" -eq 0 ]
    run --separate-stderr ptd-ref --plan $fits --micro 4096 --memory 16M
    [ "$status" -eq 71 ]
    [[ $stderr == *"expected --micro "* ]]
    run ptd-ref --plan $fits --micro "${stderr##*--micro }" --memory 16M
    [ "$status" -eq 0 ]
    run --separate-stderr ptd-hint --audit --plan $fits --group-size 64 --memory 24M
    [ "$status" -eq 71 ]
    [[ $stderr == *"expected --group-size "* ]]
    run ptd-hint --audit --plan $fits --group-size "${stderr##*--group-size }" --memory 24M
    [ "$status" -eq 0 ]
}

@test "each program refuses what cannot fit before it is taken" {
    run --separate-stderr ptd-rollout -q -s base.ptd -P 16 -G 8 -n 1 -m 32 --memory 5M train.jsonl
    [ "$status" -eq 71 ]
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    ptd-rollout -q -s base.ptd -P 4 -G 4 -n 1 -m 16 train.jsonl | ptd-verify -q > few.rec
    run ptd-hint -q --from attention --memory 1M few.rec
    [ "$status" -eq 71 ]
    ptd-hint -q --from data few.rec > hinted.rec
    run ptd-ref -q --no-cache --memory 1M hinted.rec
    [ "$status" -eq 71 ]
    for program in ptd-ref ptd-hint; do
        run $program --plan
        [ "$status" -eq 2 ]
    done
}

@test "recomputation changes no bit of a generation" {
    for how in none layer auto 0 1 9; do
        rm -rf run.ptd
        cp -r base.ptd run.ptd
        ptd-update -q -s run.ptd --recompute $how scored.rec > /dev/null
        ptd-dump -q run.ptd | grep -o '"xxh3":.*' > "digests.$how"
    done
    for how in layer auto 0 1 9; do cmp digests.none digests.$how; done
    [ -s digests.none ]
}

@test "a plan does nothing else, and says what would fit" {
    run ptd-update --plan -s run.ptd --expect $expect
    [ "$status" -eq 0 ]
    [[ $output == *"moments"*"activations"*"sum"* ]]
    run --separate-stderr ptd-update --plan -s run.ptd --micro 4096 --recompute none --expect $expect --memory 70M
    [ "$status" -eq 71 ]
    [[ $stderr == *"--recompute layer --micro "* ]]
    small=${stderr##*--micro }
    run ptd-update --plan -s run.ptd --micro "$small" --recompute layer --expect $expect --memory 70M
    [ "$status" -eq 0 ]
    run ptd-dump -q run.ptd
    [[ $output != *'"generation":1'* ]]
}

@test "the plan for a stream with hidden rows has the teacher's head and those" {
    ptd-ref -q --no-cache -k full --teacher old scored.rec > full.rec
    part() { ptd-update --plan --json -j 1 -s run.ptd --expect $expect "${@:2}" | jq ".\"$1\" // 0"; }
    [ "$(part "teacher's head" scored.rec)" = 0 ]
    [ "$(part "groups of a step" scored.rec)" = "$(part "groups of a step")" ]
    # a moving teacher's head is memory of its own: 1024 words at least of 128 numbers
    [ "$(part "teacher's head" full.rec)" -gt $((1024 * 128 * 4)) ]
    tokens=$((16 * 8 * 32))
    [ "$(part "groups of a step" full.rec)" = $(($(part "groups of a step") + tokens * (4 * 128 - 8 * 16))) ]
    run -66 ptd-update --plan -s run.ptd nowhere.rec
}

@test "what cannot fit is refused before it is taken" {
    run --separate-stderr ptd-ref --plan -s run.ptd --expect prompts=4,prompt=27,answers=4x16 --memory 1M
    [ "$status" -eq 71 ]
    [[ $stderr == *"most of it "* && $stderr != *mapped* ]]
    run ptd-update -q -s run.ptd --memory 20M scored.rec
    [ "$status" -eq 71 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *" MB of memory"*"expected"* ]]
    run ptd-update -q -s run.ptd --memory 60M --micro 4096 --recompute none scored.rec
    [ "$status" -eq 71 ]
    [[ $output == *"micro-batch: "*" rows "*"--recompute layer or a smaller --micro"* ]]
    ptd-dump -q --check run.ptd > /dev/null
}

@test "misread options of a plan are misuse" {
    for list in picture=84 answers=8 prompt=x lines=3 prompt= answers=0x3; do
        run ptd-update --plan -s run.ptd --expect $list
        [ "$status" -eq 2 ]
    done
    run ptd-update --plan
    [ "$status" -eq 2 ]
    for kind in some -1 1.5; do
        run ptd-update -s run.ptd --recompute $kind scored.rec
        [ "$status" -eq 2 ]
    done
}

@test "as few layers are recomputed as the memory asks for" {
    part() { ptd-update --plan --json -s run.ptd --micro 4096 --expect $expect "$@" | jq .activations; }
    before=$(part --recompute none)
    for n in 1 2 layer; do
        now=$(part --recompute $n)
        [ "$now" -lt "$before" ]
        before=$now
    done
    all=$(part --recompute none)
    fixed=$(($(ptd-update --plan --json -s run.ptd --micro 4096 --expect $expect | jq .sum) - all))
    # half of what is left holds the inputs and some layers
    now=$(part --memory $((fixed + 2 * (before + (all - before) / 2))))
    [ "$now" -gt "$before" ]
    [ "$now" -lt "$all" ]
}
