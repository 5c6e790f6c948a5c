# What the command-line tests share: where the programs are, a small run's files, and how to compare
# them. PTD_BIN: the programs under test. Nothing here reads the terminal or the user's environment.
bats_require_minimum_version 1.5.0
bin=$(cd "${PTD_BIN:-$BATS_TEST_DIRNAME/../bin}" && pwd)
export PATH="$bin:$PATH" WORK="$BATS_FILE_TMPDIR"
unset PTD_THREADS PTD_STORE_MAX PTD_VERDICTS

# Eight questions, and a store that learned them by heart for a moment: it answers some of them
# right, some wrong.
small_run() {
    cd "$WORK" || return
    ptd-data digits -q train.jsonl -n 8 -k nbr
    ptd-init -q blank.ptd
    cp -r blank.ptd warm.ptd
    ptd-gold -q -s warm.ptd -P 8 -n 24 train.jsonl | ptd-hint -q --always --share 0.5 |
        ptd-update -q --loss sft --lr 4e-3 > warm.jsonl
}

# A new store that starts from the warm weights.
fresh() { rm -rf "$1" && ptd-init -q "$1" --from-store warm.ptd; }

# The five programs in one pipe, quietly: STORE STEPS [OPTIONS OF UPDATE...]. Metrics go to stdout.
pipeline() {
    local store=$1 steps=$2
    shift 2
    ptd-rollout -q -s "$store" -P 4 -G 4 -m 16 -n "$steps" train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3 "$@"
}

# The newest weights and the moments of a store, in one word; equal for equal bits.
bits() { ptd-dump "$1" | jq -r 'select((.kind == "weights" and .head) or .kind == "optim").xxh3' | tr '\n' ' '; }
head_of() { ptd-dump "$1" | jq 'select(.kind == "state" and .name == "head").value'; }

# Metrics without what the clock says.
timeless() { jq -c 'with_entries(select(.key | test("^timing_s|^perf/(time|throughput)") | not))' "$@"; }

# Runs COMMAND, which must leave with STATUS and say why in one line that fits PATTERN.
fails() {
    local expected=$1 pattern=$2
    shift 2
    run --separate-stderr "$@"
    # shellcheck disable=SC2053,SC2154
    [ "$status" = "$expected" ] && [ "${#stderr_lines[@]}" = 1 ] && [[ "$stderr" == $pattern ]] && return
    printf '%s\nstatus %s, expected %s\nstderr:   %s\nexpected: %s\n' "$*" "$status" "$expected" "$stderr" "$pattern"
    return 1
}
