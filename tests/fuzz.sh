#!/bin/bash
# Runs fuzzing entries for some seconds each, from their corpus and the damaged files of the tests; one line per entry, status 1 if one found something.
# What was found lies in build/fuzz/found/. Usage: tests/fuzz.sh SECONDS ENTRY...
set -u
seconds=$1 failed=0
shift
cd "$(dirname "$0")/.." || exit

seeds() {
    echo tests/corpus-fuzz/"$1"/*
    case $1 in
    config) echo tests/corpus-checkpoint/config-*.json lib/builtin/*/*config.json ;;
    safetensors) echo tests/corpus-checkpoint/file-* ;;
    index) echo tests/corpus-checkpoint/index-*/*.json ;;
    png | jpeg) echo tests/corpus-image/"$1"-* ;;
    token) echo lib/builtin/tiny/tokenizer.json ;;
    token-text | answer) echo README.md ;;
    frame) echo tests/corpus-stream/*.rec ;;
    jsonl) echo tests/corpus-data/*.jsonl ;;
    esac
}

mkdir -p build/fuzz/found
for entry in "$@"; do
    name=$(basename "$entry") && name=${name#fuzz-}
    corpus=build/fuzz/corpus-$name
    mkdir -p "$corpus"
    for seed in $(seeds "$name"); do
        [ ! -f "$seed" ] || cp "$seed" "$corpus/$(tr / - <<< "$seed")"
    done
    "$entry" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix=build/fuzz/found/"$name"- "$corpus" > build/fuzz/"$name".log 2>&1
    status=$?
    [ $status = 0 ] || failed=1
    printf '%-14s %s runs in %d s, %s inputs kept, %s\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' build/fuzz/"$name".log)" \
        "$seconds" "$(find "$corpus" -type f | wc -l)" "$([ $status = 0 ] && echo nothing found || echo "FOUND something: build/fuzz/$name.log")"
done
exit $failed
