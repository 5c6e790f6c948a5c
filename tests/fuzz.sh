#!/bin/bash
# Runs fuzzing entries for some seconds each, from their corpus and the damaged files of the tests;
# one line per entry, status 1 if one found something. Entries were built for libFuzzer (in
# build/fuzz/) or for AFL++ (in build/afl/); what they find lies in found/ beside them.
# Usage: tests/fuzz.sh SECONDS ENTRY...
set -u
seconds=$1 failed=0
shift
cd "$(dirname "$0")/.." || exit

seeds() {
    echo tests/corpus-fuzz/"$1"/*
    case $1 in
    config) echo tests/corpus-checkpoint/config-*.json lib/builtin/*/*config.json ;;
    template) echo tests/vectors/*.jinja ;;
    safetensors) echo tests/corpus-checkpoint/file-* ;;
    index) echo tests/corpus-checkpoint/index-*/*.json ;;
    png | jpeg | webp | gif | bmp) echo tests/corpus-image/"$1"-* tests/vectors/format-*."$1" ;;
    token) echo lib/builtin/tiny/tokenizer.json ;;
    token-text | answer | extract) echo README.md ;;
    page) echo tests/corpus-fuzz/record/* ;;
    frame) echo tests/corpus-stream/*.rec ;;
    jsonl | check) echo tests/corpus-data/*.jsonl ;;
    esac
}

# Each sets $runs, $kept and $found (how many inputs do harm): ENTRY, with the corpus in $corpus.
with_libfuzzer() {
    "$1" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$at/found/$name-" "$corpus" > "$at/$name.log" 2>&1
    found=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$at/$name.log") kept=$(find "$corpus" -type f | wc -l)
}
with_afl() {
    local out="$at/out-$name" input
    rm -rf "$out"
    AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 \
        afl-fuzz -V "$seconds" -t 10000+ -m none -G 65536 -i "$corpus" -o "$out" -- "$1" > "$at/$name.log" 2>&1
    found=$?
    field() { sed -n "s/^$1 *: *//p" "$out/default/fuzzer_stats"; }
    runs=$(field execs_done) kept=$(field corpus_count)
    for input in "$out"/default/crashes/id* "$out"/default/hangs/id*; do # what took long may only have waited for the machine: it is tried again
        [ -e "$input" ] && ! timeout 10 "$1" "$input" > /dev/null 2>&1 || continue
        cp "$input" "$at/found/$name-$(basename "$input")"
        found=$((found + 1))
    done
}

for entry in "$@"; do
    name=$(basename "$entry") && name=${name#fuzz-} at=$(dirname "$entry")
    corpus=$at/corpus-$name
    mkdir -p "$corpus" "$at/found"
    for seed in $(seeds "$name"); do
        [ ! -s "$seed" ] || [ ! -f "$seed" ] || cp "$seed" "$corpus/$(tr / - <<< "$seed")"
    done
    if [ "$(basename "$at")" = afl ]; then with_afl "$entry"; else with_libfuzzer "$entry"; fi
    [ "$found" = 0 ] || failed=1
    printf '%-14s %s runs in %d s, %s inputs kept, %s\n' "$name" "$runs" "$seconds" "$kept" \
        "$([ "$found" = 0 ] && echo nothing found || echo "FOUND something: $at/$name.log")"
done
exit $failed
