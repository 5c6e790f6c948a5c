#!/bin/bash
# harm.sh DIR RUN...: greedy accuracy of runs in DIR, the difference from the first, and the share of
# hints that the gate let pass, as Markdown. The range is that of two shares of as many questions.
set -euo pipefail
dir=$1 first=$2
shift
echo '| run | accuracy, % | 95 % | beside '"$first"' | 95 % | hints that passed, % |'
echo '|---|---|---|---|---|---|'
for run; do
    passed=$(jq -s 'map(."ptd/hint_gate_ratio" // empty) | if length > 0 then (1000 * add / length | round / 10) else "" end' "$dir/$run.metrics")
    jq -r --arg run "$run" --arg first "$first" --arg passed "${passed//\"/}" --slurpfile base "$dir/$first.greedy.json" '
        def pc: . * 1000 | round / 10;
        def spread: .total | ."pass@1" as $p | $p * (1 - $p) / .prompts;
        $base[0] as $b | (.total."pass@1" - $b.total."pass@1") as $d | (1.96 * ((spread + ($b | spread)) | sqrt)) as $r
        | (if $run == $first then " | " else "\($d | pc) | \($d - $r | pc) to \($d + $r | pc)" end) as $beside
        | "| \($run) | \(.total."pass@1" | pc) | \(.total.interval | map(pc) | join("-")) | \($beside) | \($passed) |"' \
        "$dir/$run.greedy.json"
done
