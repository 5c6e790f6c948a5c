# ptd-doctor: a line for each thing, numbers in --json, and what to change where it does not fit.
load lib

setup_file() {
    load lib
    small_run
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

@test "what does not fit is bad, with what to change, and the status says so" {
    run ptd-doctor --json --no-probe warm.ptd -P 65536 -G 4096 -m 4000
    [ "$status" = 1 ]
    echo "$output" | jq -e '.health == "bad" and (.findings | map(select(.about == "ptd-rollout"))[0] | .health == "bad" and (.words | test("expected .*--(batch|kv-max)|more memory")))' > /dev/null
    (
        ulimit -v 400000
        run ptd-doctor
        [[ "$output" == *"note  limits       address space is"*"; ulimit -v unlimited"* ]]
    )
    echo '{"prompt":"no picture <image>","answer":"1"}' > bad.jsonl
    run ptd-doctor warm.ptd bad.jsonl --no-probe
    [ "$status" = 1 ]
    [[ "$output" == *"bad   data         bad.jsonl: 0 of 1 rows usable"*"ptd-data check names them"* ]]
    fails 66 "ptd-doctor: none.ptd: No such file or directory" ptd-doctor none.ptd
}
