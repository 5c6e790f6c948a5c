# ptd-doctor: a line for each thing, numbers in --json, and what to change where it does not fit.
load lib

setup_file() {
    load lib
    small_run
    echo '{"prompt":"no picture <image>","answer":"1"}' > bad.jsonl
}
setup() { cd "$WORK" || return; }

@test "the machine: a line for each thing, and the same as JSON" {
    ptd-doctor > text
    for about in machine cores memory instructions products gpu limits shared disk; do grep -qE "^(good|note|bad ) +$about " text; done
    ptd-doctor --json > doctor.json
    jq -e --argjson n "$(nproc)" '.findings | map(select(.about == "cores"))[0].usable == $n' doctor.json > /dev/null
    jq -e '.findings | map(select(.about == "memory"))[0] | .memory > .left and .left > 0' doctor.json > /dev/null
    jq -e '.findings | map(select(.about == "disk"))[0] | .left > 0 and .writes > 0 and .folder == "."' doctor.json > /dev/null
    jq -e '.findings | map(select(.about == "products"))[0] | .gflops_core > 0.1 and (.blas | test("OpenBLAS"))' doctor.json > /dev/null
    jq -e '.health as $h | [.findings[].health] | index($h) != null' doctor.json > /dev/null
}

@test "a store and a data set: what each program takes, and how long a step is; nothing is left" {
    before=$(ptd-dump warm.ptd | jq -c 'select(.name == "head")'; ls | grep -v '^doctor.json$')
    ptd-doctor --json warm.ptd train.jsonl -P 4 -G 4 -m 16 > doctor.json
    [ "$(ptd-dump warm.ptd | jq -c 'select(.name == "head")'; ls | grep -v '^doctor.json$')" = "$before" ]
    for program in rollout ref update; do
        sum=$(jq ".findings[] | select(.about == \"ptd-$program\").sum" doctor.json)
        expect=prompts=4,answers=4x16,prompt=$(jq '.findings[] | select(.about == "data").prompt' doctor.json)
        case $program in rollout) own="-P 4 -G 4 -m 16" ;; *) own= ;; esac
        # shellcheck disable=SC2086
        [ "$sum" = "$(ptd-$program -q --plan --json -s warm.ptd $own --expect "$expect" | jq .sum)" ]
    done
    jq -e '.findings | map(select(.about == "data"))[0] | .rows == 8 and .usable == 8 and .pictures == 8' doctor.json > /dev/null
    jq -e '.findings | map(select(.about == "time"))[0] | .step_seconds > 0 and .step_seconds < 60 and .update_seconds < .step_seconds' doctor.json > /dev/null
    jq -e '[.findings[] | select(.about == "together" or .about == "store").health] == ["good", "good"]' doctor.json > /dev/null
}

@test "a data set alone; interrupted, it leaves nothing and says nothing" {
    ptd-doctor --json train.jsonl > doctor.json
    jq -e '.findings | map(select(.about == "data"))[0] | .rows == 8 and .usable == 8 and .words == "train.jsonl: 8 of 8 rows usable, 8 pictures"' doctor.json > /dev/null
    run -1 ptd-doctor bad.jsonl
    [[ "$output" == *"bad   data         bad.jsonl: 0 of 1 rows usable"* ]]
    # at the data set, a plan, the probe: ended as the signal ends any program
    for called in data rollout verify; do
        mkdir -p slow
        for p in "$bin"/ptd-*; do ln -sf "$p" slow; done
        cp --remove-destination "$bin/ptd-doctor" slow/ptd-doctor
        rm slow/ptd-$called
        printf '#!/bin/sh\ntouch called\nexec sleep 60\n' > slow/ptd-$called
        chmod +x slow/ptd-$called
        rm -f called
        slow/ptd-doctor warm.ptd train.jsonl -P 2 -G 2 -m 4 > said 2>&1 &
        doctor=$!
        for ((i = 0; i < 300; i++)); do [ ! -e called ] || break; sleep 0.1; done
        kill $doctor
        status=0
        wait $doctor || status=$?
        [ "$status" = 143 ]
        [ ! -s said ]
    done
    [ "$(echo warm.ptd*)" = warm.ptd ]
    fails 74 'ptd-doctor: standard output: No space left on device' bash -c 'ptd-doctor > /dev/full'
    fails 74 'ptd-doctor: standard output: Bad file descriptor' bash -c 'ptd-doctor >&-'
}

@test "what does not fit is bad, with what to change, and the status says so" {
    run ptd-doctor --json --no-probe warm.ptd -P 65536 -G 4096 -m 4000
    [ "$status" = 1 ]
    echo "$output" | jq -e '.health == "bad" and (.findings | map(select(.about == "ptd-rollout"))[0] | .health == "bad" and (.words | test("expected .*--(batch|kv-max)|more memory")))' > /dev/null
    (
        ulimit -v 400000
        run ptd-doctor
        [[ "$output" == *"note  limits       address space is"*"; ulimit -v unlimited"* ]]
    )
    run ptd-doctor warm.ptd bad.jsonl --no-probe
    [ "$status" = 1 ]
    [[ "$output" == *"bad   data         bad.jsonl: 0 of 1 rows usable"*"ptd-data check names them"* ]]
    fails 66 "ptd-doctor: none.ptd: No such file or directory" ptd-doctor none.ptd
    fails 2 "ptd-doctor: train.jsonl is a file: expected a store, then data; *" ptd-doctor train.jsonl warm.ptd
}
