# Memory: what --plan says is what a run takes; what cannot fit is refused before it is taken.
# Recomputation changes no bit.
load lib

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    ptd-data digits train.jsonl --count 64 -q
    ptd-init -q base.ptd --config tiny
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

@test "the plan is within 10 percent of the peak, kept and recomputed" {
    if [ -e "$PTD_BIN/../../build/debug" ] && [[ $PTD_BIN == *debug* ]]; then skip "sanitizers take their own"; fi
    [ "${PTD_DEVICE:-cpu}" = cpu ] || skip "of the CPU"
    for how in "none --micro 512" "layer --micro 512" "none --micro 4096" "layer --micro 4096"; do
        rm -rf run.ptd
        cp -r base.ptd run.ptd
        plan=$(predicted --recompute $how)
        "$BATS_TEST_DIRNAME/peak.py" peak ptd-update -q -j 1 -s run.ptd --recompute $how scored.rec > /dev/null
        peak=$(cat peak)
        echo "$how: $plan planned, $peak taken"
        [ $((plan * 100)) -ge $((peak * 90)) ]
        [ $((plan * 100)) -le $((peak * 110)) ]
    done
}

@test "recomputation changes no bit of a generation" {
    for how in none layer auto; do
        rm -rf run.ptd
        cp -r base.ptd run.ptd
        ptd-update -q -s run.ptd --recompute $how scored.rec > /dev/null
        ptd-dump -q run.ptd | grep -o '"xxh3":.*' > "digests.$how"
    done
    cmp digests.none digests.layer
    cmp digests.none digests.auto
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

@test "what cannot fit is refused before it is taken" {
    run ptd-update -q -s run.ptd --memory 20M scored.rec
    [ "$status" -eq 71 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *"MiB of memory"*"expected"* ]]
    run ptd-update -q -s run.ptd --memory 60M --micro 4096 --recompute none scored.rec
    [ "$status" -eq 71 ]
    [[ $output == *"micro-batch of "*"--recompute layer or a smaller --micro"* ]]
    ptd-dump -q --check run.ptd > /dev/null
}

@test "misread options of a plan are misuse" {
    for list in picture=84 answers=8 prompt=x lines=3 prompt= answers=0x3; do
        run ptd-update --plan -s run.ptd --expect $list
        [ "$status" -eq 2 ]
    done
    run ptd-update --plan
    [ "$status" -eq 2 ]
    run ptd-update -s run.ptd --recompute some scored.rec
    [ "$status" -eq 2 ]
}
