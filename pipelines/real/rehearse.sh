#!/bin/bash
# rehearse.sh DIR SIZE TOKENIZER ROWS LORA ROLLOUT UPDATE: makes a store of the SIZE shape (2b, 4b, 8b; tiny, to see in a minute
# how it goes) with random weights in DIR, and trains its adapter for two steps on ROWS; in the middle of the second all programs are killed, and the same line is
# run again. Each of the three runs is measured (measure.sh). What is left is DIR/table.txt and the samples; the store goes.
set -eu -o pipefail
dir=$1 size=$2 tokenizer=$3 rows=$4 lora=$5 rollout=$6 update=$7
rm -rf "$dir"
mkdir -p "$dir"
case $size in
tiny) made=(--config tiny) ;;
*) made=(--config "qwen3-vl-$size" --tokenizer "$tokenizer" --template instruct) ;;
esac

# shellcheck disable=SC2016
line='ptd-rollout -s "$1/run.ptd" -n "$2" $4 "$3" | ptd-verify -q | ptd-hint -q | ptd-ref -q --truncated | ptd-update -q $5 >> "$1/metrics.jsonl"'
pipe() { # STEPS: the five programs, until so many steps are done
    ./measure.sh "$dir/samples-$1$2.txt" bash -c "set -o pipefail; $line" pipe "$dir" "$1" "$rows" "$rollout" "$update"
}
bytes() { stat -c '%n %b' "$dir"/run.ptd/* | awk '{ sum += $2 * 512 } END { printf "%.2f GB\n", sum / 1e9 }'; }

{
    echo "Rehearsal of the $size shape: LoRA $lora, $rollout, $update"
    start=$SECONDS
    ptd-init -q "$dir/run.ptd" "${made[@]}" --dtype bf16 --random 0 --lora "$lora"
    echo "store made in $((SECONDS - start)) s, $(bytes)"
    start=$SECONDS
    pipe 1 ""
    took=$((SECONDS - start))
    echo "step 1 took $took s"
    pipe 2 -killed > /dev/null 2>&1 &
    sleep $((took / 2 + 1))
    pkill -9 -s "$(< "$dir/samples-2-killed.txt.session")" || true
    wait $! || true
    echo "killed all in the middle of step 2; the run has published:"
    ptd-dump -q "$dir/run.ptd" | jq -c 'select(.kind == "weights") | {generation, tensors: .entries, bytes}'
    start=$SECONDS
    pipe 2 ""
    echo "step 2, again, took $((SECONDS - start)) s; store $(bytes)"
    jq -c '{step, "reward/accuracy", "actor/entropy", "actor/grad_norm", "ptd/ptd_trajectories", "timing_s/step"}' "$dir/metrics.jsonl"
} 2>&1 | tee "$dir/table.txt"
rm -rf "$dir/run.ptd"
