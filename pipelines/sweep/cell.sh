#!/bin/bash
# cell.sh CELL [SETTING=VALUE...]: trains and examines one cell of a sweep, METHOD_SETTING-VALUE_..._SEED-N,
# in $OUT/CELL.part, which becomes $OUT/CELL when it is whole. What fails is said in $OUT/CELL.status,
# and is no failure of this script: the other cells go on (3: refused; 130: stopped, and so are they).
# Reads BASE DATA TEST KEEP SAMPLES.
# Nothing in the folder depends on the clock but seconds.json.
set -euo pipefail
cell=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
part=$OUT/$cell.part

method=${cell%%_*}
settings=("$@")
rest=${cell#"$method"}
while [ -n "$rest" ]; do
    one=${rest#_}
    one=${one%%_[A-Z]*}
    rest=${rest#_"$one"}
    settings+=("${one%%-*}=${one#*-}")
done
setting() { printf '%s\n' "${settings[@]}" | sed -n "s/^$1=//p" | tail -n 1; }
tokens=$(setting MAX_TOKENS) extract=$(setting EXTRACT)
as_json() { printf '%s\n' "${settings[@]}" | jq -R 'index("=") as $i | {(.[:$i]): .[$i + 1:]}' | jq -s 'add | del(.TEACHER)'; }

# What is whole stays, if it is what is asked for.
if [ -d "$OUT/$cell" ]; then
    others=$(as_json | jq -r --slurpfile made "$OUT/$cell/cell.json" '
        . as $now | $made[0].settings as $was | [$now + $was | keys[] | select($now[.] != $was[.])
            | "\(.) \($was[.] // "not given")"] | join(", ")')
    [ -n "$others" ] || exit 0
    echo "$OUT/$cell: made with $others: expected the settings of now; give another OUT, or remove that folder" >&2
    exit 3
fi
mkdir -p "$part"
exec 9> "$part/lock"
flock -n 9 || { echo "$cell: another process is at it" >&2; exit 3; }
rm -f "$OUT/$cell.status"

# Whatever ends this script early: the program's status and its line.
why=
fail() {
    local status=$1 words
    trap - EXIT
    words=$(grep -h "^${why:-.}" "$part/log" | grep -v ' warning: ' | tail -n 1) || words="no word"
    jq -n --arg cell "$cell" --argjson status "$status" --arg words "$words" \
        '{cell: $cell, status: $status, words: $words}' > "$OUT/$cell.status.part"
    mv "$OUT/$cell.status.part" "$OUT/$cell.status"
    echo "$cell: status $status: $words" >&8
    exit 0
}
exec 8>&2 2> "$part/log"
trap 'status=$?; [ $status = 0 ] || fail $status' EXIT
trap 'trap - EXIT; exit 130' INT TERM HUP

begin() {
    [ -e "$part/run.ptd" ] && return
    rm -rf "$part/new.ptd" "$part/metrics"
    ptd-init -q "$part/new.ptd" --from-store "$BASE"
    mv "$part/new.ptd" "$part/run.ptd"
}

# COMMAND without the sweep's settings, which are lists.
only() {
    local names
    names=$(sed -n 's/^\([A-Z_]*\) *?=.*/-u \1/p' "$here/../method.mk")
    # shellcheck disable=SC2086
    env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES $names "$@"
}

head_of() { ptd-dump "$part/run.ptd" | jq 'select(.kind == "state" and .name == "head").value'; }

# A kill between publishing and telling loses a line of metrics; then the cell is begun anew.
told() {
    local n
    n=$(head_of)
    [ "$(jq -sc 'map(.step)' "$part/metrics")" = "$(jq -nc --argjson n "$n" '[range(1; $n + 1)]')" ]
}

# The pipe's statuses are read one by one: who failed for itself, not since its neighbour did.
train() {
    local pipe from=$SECONDS i stages codes
    begin
    touch "$part/metrics"
    pipe=$(only make -s -f "$here/../methods/$method.mk" show STORE="$part/run.ptd" DATA="$DATA" "${settings[@]}")
    bash -c "$pipe"' >> "$1"; echo "${PIPESTATUS[@]}" > "$2"' - "$part/metrics" "$part/codes" 9>&-
    echo $((SECONDS - from + $(cat "$part/spent" 2> /dev/null || echo 0))) > "$part/spent"
    read -ra codes < "$part/codes"
    IFS='|' read -ra stages <<< "$pipe"
    for i in "${!codes[@]}"; do
        read -r why _ <<< "${stages[$i]}"
        [[ ${codes[$i]} = @(0|76|141) ]] || return "${codes[$i]}"
    done
    for i in "${codes[@]}"; do [ "$i" = 0 ] || return "$i"; done
    why=
}

examine() {
    ptd-rollout -q -s "$part/run.ptd" -P 100 -m "${tokens:-32}" "$@" "$TEST" | ptd-verify -q --extract "${extract:-boxed}"
}

train
if ! told; then
    rm -rf "$part/run.ptd"
    train
    told
fi
examine --greedy > "$part/greedy.rec"
judged() { ptd-stat -q --json "$@" | jq -c 'del(.store, .data)'; }
judged "$part/greedy.rec" > "$part/greedy.json"
ptd-dump "$part/greedy.rec" | jq -r 'select(.kind == "group") | [.uid, .rollouts[0].accuracy] | @tsv' > "$part/greedy.tsv"
examine -g latest -G "$SAMPLES" | judged > "$part/sampled.json"
jq -c 'with_entries(select(.key | test("^timing_s|^perf/(time|throughput)") | not))' "$part/metrics" > "$part/metrics.jsonl"
weights=$(ptd-dump "$part/run.ptd" | jq -r 'select(.kind == "weights" and .head).xxh3')
as_json | jq --arg cell "$cell" --arg method "$method" --arg weights "$weights" --argjson steps "$(head_of)" \
    '{cell: $cell, method: $method, steps: $steps, weights: $weights, settings: .}' > "$part/cell.json"
jq -n --argjson s "$(< "$part/spent")" '{train: $s}' > "$part/seconds.json"
[ "$KEEP" = 1 ] || rm -rf "$part/run.ptd"
rm -f "$part/lock" "$part/log" "$part/spent" "$part/codes" "$part/metrics" "$part/greedy.rec"
mv "$part" "$OUT/$cell"
