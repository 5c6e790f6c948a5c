#!/usr/bin/env bats
# ptd-dump and the manners that all programs share, on a real stream and store. PTD_BIN: where the
# programs are.
bats_require_minimum_version 1.5.0

setup_file() {
    export PATH="${PTD_BIN:-$BATS_TEST_DIRNAME/../bin}:$PATH"
    export WORK="$BATS_FILE_TMPDIR"
    cd "$WORK"
    ptd-data digits test.jsonl --count 12 -q
    ptd-init run.ptd -q
    ptd-rollout -q -s run.ptd -g latest -P 4 -G 2 -m 6 test.jsonl | ptd-verify -q > good.rec
    head -c -1 good.rec > cut.rec
    cp good.rec flipped.rec
    printf 'X' | dd of=flipped.rec bs=1 seek=40000 conv=notrunc status=none
}

setup() { cd "$WORK"; }

@test "one JSON line per frame, in order" {
    run -0 ptd-dump good.rec
    [ "$(echo "$output" | jq -r .kind | tr '\n' ' ')" = \
      "head group group group group step group group group group step group group group group step end " ]
    [ "$(echo "$output" | jq -s 'map(.record) == [range(17)]')" = true ]
    [ "$(echo "$output" | jq -s '.[0].stages | map(.name) | join(" ")')" = '"ptd-rollout ptd-verify"' ]
    [ "$(echo "$output" | jq -s 'map(select(.kind == "group").rollouts[] | select(.reward != null)) | length')" = 24 ]
}

@test "long arrays are summed up, --full shows them" {
    run -0 bash -c 'ptd-dump good.rec | jq -s ".[1].prompt_ids.int32"'
    n=$output
    [ "$n" -gt 16 ]
    run -0 bash -c 'ptd-dump --full good.rec | jq -s ".[1].prompt_ids | length"'
    [ "$output" = "$n" ]
}

@test "--pretty is the same JSON" {
    [ "$(ptd-dump good.rec | jq -c .)" = "$(ptd-dump -p good.rec | jq -c .)" ]
}

@test "--text, --head and --count" {
    run -0 ptd-dump --text --head 1 good.rec
    [[ "$output" == *"| ptd-verify"* && "$output" == *"question:"* && "$output" == *"[0] "*"[1] "* && "$output" != *"[2] "* ]]
    [ "$(ptd-dump --text good.rec | grep -c '^answer: ')" = 12 ]
    run -0 ptd-dump --count good.rec
    [ "$output" = "{\"frames\":17,\"groups\":12,\"rollouts\":24,\"steps\":3,\"bytes\":$(stat -c %s good.rec),\"complete\":true}" ]
}

@test "damaged streams: as far as they go, then where and why" {
    run -76 --separate-stderr ptd-dump cut.rec
    [ "${#lines[@]}" = 16 ]
    [[ "$stderr" == "ptd-dump: cut.rec: record 16, byte "*": stream is cut in the middle of a frame" ]]
    run -65 --separate-stderr ptd-dump flipped.rec
    [[ "$stderr" == "ptd-dump: flipped.rec: record "*": damaged frame: its digest does not fit" ]]
    run -65 --separate-stderr bash -c 'cat good.rec good.rec | ptd-dump'
    [ "${#lines[@]}" = 17 ]
    [[ "$stderr" == *"record 17, byte "*": bytes after the end frame" ]]
    run -65 ptd-dump test.jsonl
    [ "$output" = "ptd-dump: test.jsonl: record 0, byte 0: not a ptd stream" ]
}

@test "--check gives a verdict and status 1" {
    run -0 ptd-dump --check good.rec
    [ "$output" = "ok: good.rec: 12 groups, 24 rollouts, 3 steps, $(stat -c %s good.rec) bytes" ]
    run -1 ptd-dump --check cut.rec
    [[ "$output" == "bad: cut.rec: record 16, "* ]]
    run -0 ptd-dump --check run.ptd
    [[ "$output" =~ ^"ok: run.ptd: "[0-9]+" tensors"$ ]]
}

@test "--check: what cannot be read is not bad" {
    mkdir empty.ptd
    for path in missing.rec missing.ptd/ empty.ptd; do
        run -66 --separate-stderr ptd-dump --check $path
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" = 1 ]
    done
    run -78 --separate-stderr env PTD_STORE_MAX=much ptd-dump --check run.ptd
    [ -z "$output" ]
    run -71 --separate-stderr bash -c 'exec 3>&-; ulimit -n 4; ptd-dump --check run.ptd'
    [ -z "$output" ]
    if [ "$(id -u)" != 0 ]; then
        install -m 000 good.rec closed.rec
        run -77 --separate-stderr ptd-dump --check closed.rec
        [ -z "$output" ]
    fi
}

# A copy of trained.ptd whose first bytes (SIZE) are from before the last steps of training.
torn() { # NAME SIZE
    mkdir -p "$1"
    cp trained.ptd/base.mdb "$1"
    { head -c "$2" before.mdb; tail -c "+$(($2 + 1))" trained.ptd/data.mdb; } > "$1/data.mdb"
}

@test "--check: a torn copy of a store is bad, and named" {
    ptd-init -q trained.ptd --from-store run.ptd
    train() { ptd-gold -q -s trained.ptd -P 4 -n "$1" test.jsonl | ptd-update -q --loss sft > /dev/null; }
    train 2
    cp trained.ptd/data.mdb before.mdb
    train 12
    for size in 8192 1000000 4000000; do
        torn torn.ptd $size
        run -1 --separate-stderr ptd-dump --check torn.ptd
        [ -z "$stderr" ]
        [ "${#lines[@]}" = 1 ]
        [[ "$output" == "bad: store torn.ptd: "*"; looks like a copy made while it was trained: ptd-dump --copy makes a sound one" ]]
        run -65 ptd-dump torn.ptd
        [[ "${lines[-1]}" == *"; looks like a copy made while it was trained: "* ]]
    done
    for size in 0 1 4096 8192 20000 base; do
        rm -rf torn.ptd
        mkdir torn.ptd
        cp run.ptd/base.mdb run.ptd/data.mdb torn.ptd
        [ $size = base ] || truncate -s $size torn.ptd/data.mdb
        [ $size != base ] || truncate -s 100000 torn.ptd/base.mdb
        run -1 --separate-stderr ptd-dump --check torn.ptd
        [ -z "$stderr" ]
        [[ "$output" == "bad: store torn.ptd: "* && "$output" != *"looks like"* ]]
    done
}

@test "--copy: a store of its own, while the other is trained" {
    ptd-init -q live.ptd --from-store run.ptd
    train() { ptd-gold -q -s "$1" -P 4 -n "$2" test.jsonl | ptd-update -q --loss sft > /dev/null; }
    numbers() { ptd-dump "$1" | jq -c 'select(.kind == "weights" or .kind == "optim")'; }
    train live.ptd 20 & trainer=$!
    for i in 1 2 3 4; do
        until [ "$(ptd-dump live.ptd | jq 'select(.name == "head").value')" -ge "$i" ]; do :; done
        ptd-dump -q --copy copy$i.ptd live.ptd
    done
    wait $trainer
    run -0 ptd-dump --copy after.ptd/ live.ptd
    [ "$output" = "ptd-dump: live.ptd: copied to after.ptd/" ]
    [ "$(ls after.ptd | paste -sd ' ')" = "base.mdb data.mdb" ]
    cmp <(ptd-dump after.ptd) <(ptd-dump live.ptd)
    for i in 1 2 3 4; do
        run -0 ptd-dump --check copy$i.ptd
        train copy$i.ptd 20
        cmp <(numbers copy$i.ptd) <(numbers live.ptd)
    done
}

@test "--copy: whole or not at all" {
    run -73 ptd-dump --copy run.ptd run.ptd
    [ "$output" = "ptd-dump: run.ptd: is there already" ]
    mkdir way.ptd.ptd-part
    run -73 ptd-dump --copy way.ptd run.ptd
    [ "$output" = "ptd-dump: way.ptd.ptd-part: in the way: another copy is at work, or one that was killed left it" ]
    rmdir way.ptd.ptd-part
    run -73 ptd-dump --copy nowhere/way.ptd run.ptd
    [[ "$output" == "ptd-dump: nowhere/way.ptd.ptd-part: cannot create: No such file or directory" ]]
    run -74 bash -c 'ulimit -f 1000; ptd-dump --copy way.ptd run.ptd'
    [ "$output" = "ptd-dump: way.ptd.ptd-part/base.mdb: cannot write: File too large" ]
    cp -r run.ptd flipped.ptd
    printf 'X' | dd of=flipped.ptd/base.mdb bs=1 seek=2000000 conv=notrunc status=none
    run -65 ptd-dump --copy way.ptd flipped.ptd
    [[ "$output" == "ptd-dump: store flipped.ptd: not copied: "*"damaged"* ]]
    run -66 ptd-dump --copy way.ptd missing.ptd
    run -2 ptd-dump --copy way.ptd good.rec
    run -2 ptd-dump --copy way.ptd run.ptd tensor
    run -2 ptd-dump --copy way.ptd --check run.ptd
    for wait in 0.002 0.005 0.01 0.02 0.03; do
        run timeout --preserve-status -s TERM $wait ptd-dump -q --copy way.ptd run.ptd
        [ "$status" = 143 ] || [ "$status" = 0 ]
        [ "$status" = 143 ] || ptd-dump --check way.ptd
        [ "$status" = 0 ] || [ ! -e way.ptd ]
        rm -rf way.ptd
        [ "$(echo way*)" = 'way*' ]
    done
}

@test "a store and its tensors" {
    run -0 ptd-dump run.ptd
    [ "$(echo "$output" | jq -s 'map(select(.kind == "weights")) | length')" = 1 ]
    [ "$(echo "$output" | jq -r 'select(.kind == "config") | .vocab_size')" -gt 0 ]
    name=model.language_model.norm.weight
    run -0 ptd-dump run.ptd "$name"
    [ "$(echo "$output" | jq '[.min, .max, .std, .non_finite] == [1, 1, 0, 0]')" = true ]
    [ "$(ptd-dump --full run.ptd "$name" | jq '.values | length')" = "$(echo "$output" | jq '.shape[0]')" ]
    run -66 ptd-dump run.ptd nope
    [ "$output" = 'ptd-dump: run.ptd: no tensor "nope" in generation 0' ]
    run -66 ptd-dump -g 5 run.ptd "$name"
}

@test "misuse is status 2, a missing file 66" {
    run -2 ptd-dump --nope
    [ "$output" = "ptd-dump: unknown option --nope; try ptd-dump --help" ]
    run -2 ptd-dump good.rec tensor
    run -2 ptd-dump --text run.ptd
    run -66 ptd-dump missing.rec
    [ "$output" = "ptd-dump: missing.rec: No such file or directory" ]
}

@test "a terminal gets no control characters and no binary" {
    command -v script > /dev/null || skip "no script(1)"
    run -0 script -qec "ptd-dump --text good.rec" /dev/null
    run -1 bash -c 'tr -d "\r\n\t" <<< "$0" | LC_ALL=C grep "[[:cntrl:]]"' "$output"
    run -2 script -qec "ptd-verify good.rec" /dev/null
    [[ "$output" == *"standard output is a terminal, expected a stream"* ]]
}

@test "every program: help, version, full device, closed output, reader that leaves" {
    for p in "${PTD_BIN:-$BATS_TEST_DIRNAME/../bin}"/ptd-*; do
        name=$(basename "$p")
        run -0 "$p" --help
        [[ "${lines[0]}" == "usage: $name"* ]]
        run -0 "$p" --version
        [[ "${lines[0]}" == "$name (ptd) "* ]]
        run -74 bash -c '"$0" --help > /dev/full' "$p"
        run -74 bash -c '"$0" --help >&-' "$p"
    done
    for p in ptd-verify ptd-dump; do
        run -74 bash -c "$p -q good.rec > /dev/full"
        [ "${#lines[@]}" = 1 ]
        run -74 bash -c "$p -q good.rec >&-"
        run -141 bash -c "(sleep .2; exec $p -q good.rec) | true; exit \${PIPESTATUS[0]}"
        [ -z "$output" ]
        run -141 bash -c "trap '' PIPE; (sleep .2; exec $p -q good.rec) | true; exit \${PIPESTATUS[0]}"
        [ -z "$output" ]
    done
}
