# Last bits have a version (PTD_ARITHMETIC in lib/compute/fingerprint.h), since runs are resumed
# only under the one they began with. tests/vectors/bits.tsv holds what a small run gives: a digest
# of its weights, moments and what its losses were, and the machine it ran on (others are skipped).
load lib.bash

setup() { small_run; }

@test "the bits of a small run are those that the version of the arithmetic stands for" {
    export PTD_THREADS=2
    fresh bits.ptd
    ptd-rollout -q -s bits.ptd -P 4 -G 4 -m 16 -n 3 train.jsonl | ptd-verify -q | ptd-hint -q --from data,attention | ptd-ref -q | tee s.rec |
        ptd-update -q --lr 1e-3 > m.jsonl
    machine=$(ptd-dump s.rec | jq -r 'select(.kind == "head").stages[-1].machine')
    digest=$( (bits warm.ptd; bits bits.ptd; jq -c 'with_entries(select(.key | startswith("actor/")))' m.jsonl) | sha256sum | cut -c1-16)
    known=$(awk -F '\t' -v machine="$machine" '$2 == machine { print $1 }' "$BATS_TEST_DIRNAME/vectors/bits.tsv")
    [ -n "$known" ] || skip "no bits are known for $machine: add $digest to tests/vectors/bits.tsv"
    if [ "$digest" != "$known" ]; then
        echo "expected $known, found $digest: last bits have changed; raise PTD_ARITHMETIC and put the new ones into tests/vectors/bits.tsv"
        return 1
    fi
}
