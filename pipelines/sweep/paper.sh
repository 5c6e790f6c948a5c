#!/bin/bash
# paper.sh TASK... -- AXIS...: the tables of paper.mk's runs in $OUT, as Markdown.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tasks=()
while [ "$1" != -- ]; do tasks+=("$1"); shift; done
shift

# One line for each cell of a sweep: DIR [true].
cells() {
    local c
    for c in "$1"/cells/*_SEED-*/; do
        [ -e "$c/cell.json" ] || continue
        jq -Rn --slurpfile c "$c/cell.json" --argjson ablation "${2:-false}" '[inputs | split("\t") | {(.[0]): (.[1] | tonumber)}] | add
            | {set: ($c[0].cell | sub("_SEED-[^_]*$"; "")), method: $c[0].method, seed: $c[0].settings.SEED, ablation: $ablation, right: .}' "$c/greedy.tsv"
    done
}
paired() { jq -L "$here" -sr "include \"paper\"; paired(\"$1\")"; }

for task in "${tasks[@]}"; do
    printf '## %s\n\n' "$task"
    cat "$OUT/$task/table.md"
    printf '\nLearning rates: %s.\n\n' "$(sed 's/^LR_\(.*\)=/\1 /' "$OUT/$task/rates.mk" | paste -sd ',' | sed 's/,/, /g')"
    cells "$OUT/$task" | paired grpo
    echo
done
[ $# != 0 ] || exit 0
printf '## Ablations of PTD-GRPO, %s\n\n' "${tasks[0]}"
{
    cells "$OUT/${tasks[0]}" | jq -c 'select(.method == "ptd-grpo")'
    for axis; do cells "$OUT/ablations/$axis" true; done
} | paired ptd-grpo
