#!/bin/bash
# table.sh DIR SEED: what the runs in DIR came to, as one table (also in DIR/table.txt).
set -euo pipefail
dir=$1 seed=$2
line='%-14s %9s %14s %8s %8s %9s %7s %8s\n'
rounding='def pc: . * 1000 | round / 10 | tostring; def range: map(pc) | join("-");'

row() { # NAME RUN: greedy accuracy with its interval, then what eight samples a question say, then the training's seconds
    local g s
    mapfile -t g < <(jq -r "$rounding"'.total | (."pass@1" | pc), (.interval | range)' "$dir/$2.greedy.json")
    mapfile -t s < <(jq -r "$rounding"'.total | (."pass@8" | pc), (.entropy * 1000 | round / 1000), (.all_fail | pc),
        (.length * 10 | round / 10)' "$dir/$2.sampled.json")
    # shellcheck disable=SC2059
    printf "$line" "$1" "${g[@]}" "${s[@]}" "$(jq -s 'map(."timing_s/step") | add | round' "$dir/$2.metrics")"
}

hinted() {
    local g
    mapfile -t g < <(jq -r "$rounding"'.total | (."pass@1" | pc), (.interval | range)' "$dir/base.hinted.json")
    # shellcheck disable=SC2059
    printf "$line" "base, hinted" "${g[@]}" - - - - -
}

{
    # shellcheck disable=SC2059
    printf "$line" "seed $seed" "accuracy" "95 % interval" "pass@8" "entropy" "all-fail" "length" "seconds"
    row base base
    hinted
    row GRPO grpo
    row PTD-PO ptd
} | tee "$dir/table.txt"
echo "accuracy: greedy, %, held-out questions about held-out digits; the rest: eight samples a question. Curves: $dir/curves.svg"
