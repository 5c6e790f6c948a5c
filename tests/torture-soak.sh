#!/bin/bash
# A long run of a very small model through the whole pipeline, with and without the cache of ptd-ref
# (which is soon full): memory, descriptors and threads of the five programs, and the size of the
# store, stay what they were after warm-up.
# shellcheck source=tests/torture-crash.bash
. "$(dirname "$0")/torture-crash.bash"
export ASAN_OPTIONS=quarantine_size_mb=1:thread_local_quarantine_size_kb=64 # what is freed is not to look as if it were held
steps=$(pick 200 5000) samples=$(pick 40 200)
most=$(pick 16 1) # KiB a step that memory may grow: a short run cannot tell the heap's last growth from a leak
programs=(ptd-rollout ptd-verify ptd-hint ptd-ref ptd-update)

# The five programs, joined by named pipes: STORE OPTIONS-OF-REF... Their process ids are in pids.
launch() {
    rm -f p1 p2 p3 p4
    mkfifo p1 p2 p3 p4
    ptd-rollout -q -s "$1" -P 3 -G 4 -m 12 -n "$steps" train.jsonl > p1 & pids=($!)
    ptd-verify -q < p1 > p2 & pids+=($!)
    ptd-hint -q < p2 > p3 & pids+=($!)
    ptd-ref -q "${@:2}" < p3 > p4 & pids+=($!)
    "${update[@]}" < p4 > lines & pids+=($!)
}

# A line "STEP KIB DESCRIPTORS THREADS" for each program into its file, and "STEP BYTES" of the
# store. Memory is what is the program's own: mapped pages of the store are the system's, which
# takes them back.
sample() { # STORE
    local i step descriptors
    step=$(wc -l < lines)
    for i in {0..4}; do
        descriptors=("/proc/${pids[i]}/fd/"*)
        awk -v s="$step" -v d=${#descriptors[@]} '$1 == "RssAnon:" { kib = $2 } $1 == "Threads:" && kib { print s, kib, d, $2 }' "/proc/${pids[i]}/status" >> "sample.${programs[i]}"
    done 2> /dev/null
    echo "$step $(stat -c %s "$1/data.mdb")" >> sample.store
}

soak() { # STORE OPTIONS-OF-REF...
    local at
    rm -f sample.*
    : > lines
    launch "$@"
    for ((at = steps / samples; at < steps; at += steps / samples)); do
        while [ "$(wc -l < lines)" -lt $at ] && kill -0 "${pids[4]}" 2> /dev/null; do sleep 0.01; done
        sample "$1"
    done
    for at in {0..4}; do wait "${pids[at]}" || blame "${programs[at]} left with $?"; done
    [ "$(wc -l < lines)" = "$steps" ] || blame "$(wc -l < lines) steps, expected $steps"
}

# The slope of the second column over the first, by least squares, from a quarter of the run on.
slope() {
    awk -v from=$((steps / 4)) '$1 >= from { n++; x += $1; y += $2; xx += $1 * $1; xy += $1 * $2 }
        END { d = n * xx - x * x; if (n < 3 || d <= 0) exit 1; printf "%.3f", (n * xy - x * y) / d }' "$1"
}
# "DESCRIPTORS THREADS" in the first and in the second half of what follows warm-up, the least seen:
# some are open for a moment.
settled() {
    awk -v from=$((steps / 4)) -v half=$((steps * 5 / 8)) '$1 >= from { h = $1 >= half; if (!n[h]++ || $3 < d[h]) d[h] = $3; if ($4 > t[h]) t[h] = $4 }
        END { print d[0], t[0]; print d[1], t[1] }' "$1" | uniq
}

check_programs() {
    local p found words=()
    for p in "${programs[@]}"; do
        found=$(slope "sample.$p") || blame "$p: too few samples"
        words+=("$p $(tail -n 1 "sample.$p" | cut -d ' ' -f 2) KiB, $found")
        awk -v found="$found" -v most="$most" 'BEGIN { exit !(found < most) }' || blame "$p: grows by $found KiB a step"
        [ "$(settled "sample.$p" | wc -l)" = 1 ] || blame "$p: descriptors and threads: $(settled "sample.$p" | tr '\n' ';')"
    done
    report "$steps steps, $1: memory at the end and its growth in KiB a step: $(printf '%s; ' "${words[@]}")descriptors and threads constant"
}

check_store() {
    local grown
    grown=$(awk -v from=$((steps / 4)) '$1 >= from && !least { least = $2 } { last = $2 } END { printf "%.3f", last / least }' sample.store)
    awk -v grown="$grown" 'BEGIN { exit !(grown <= 1.05) }' || blame "the store grew"
    report "$steps steps, $1: the store's size at the end is $grown times what it was after a quarter"
}

small_model 5
fresh lean.ptd
soak lean.ptd --no-cache
check_programs "no cache"
check_store "no cache"
fresh full.ptd
soak full.ptd --cache-max 128Ki
check_programs "with the cache"
check_store "with the cache"
first=$(ptd-dump full.ptd | jq 'select(.kind == "dist").bytes')
# What is bounded are LMDB's pages: the values of short responses share them with keys, headers and
# their order, and they end up half full.
[ "$first" -le $((128 * 1024)) ] && [ "$first" -ge $((8 * 1024)) ] || blame "the cache holds $first bytes"
report "$steps steps: the cache, of 128 KiB at most, holds $first bytes"
echo "1..$reported"
