#!/bin/bash
# Readers of a store that are killed or stopped in the middle of a transaction, many readers beside
# a trainer, and trainers that start together. A dead reader costs no room; one that stands still
# costs room until it goes on or dies, and is named when the map is full; nobody reads what no
# generation holds; of two trainers exactly one trains. What kills do to the trainer itself is
# torture-crash.sh's.
# shellcheck source=tests/torture-crash.bash
. "$(dirname "$0")/torture-crash.bash"
steps=$(pick 30 300)

size_of() { stat -c %s "$1/data.mdb"; }
lines_of() { wc -l < "$1" 2> /dev/null || echo 0; }
until_lines() { while [ "$(lines_of "$1")" -lt "$2" ] && kill -0 "$3" 2> /dev/null; do sleep 0.002; done; } # FILE COUNT PID
gone() { kill -9 "$@" 2> /dev/null; wait "$@" 2> /dev/null; }

# What a cache holds depends on what was scored together, and here runs are replayed.
scored() { ptd-rollout -q -s "$1" -P 3 -G 4 -m 12 -n "$2" train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q --no-cache; }
# A stream of which the end is held back until the file `go` is there: FILE BYTES
held_back() { head -c "-$2" "$1"; until [ -e go ]; do sleep 0.002; done; tail -c "$2" "$1"; }
hold() { # starts $reader, which keeps a snapshot of hit.ptd
    : > held
    torture-reader hit.ptd hold > held & reader=$!
    until_lines held 1 $reader
}

small_model 5
fresh whole.ptd
scored whole.ptd "$steps" | tee stream.rec | "${update[@]}" > whole.jsonl
contents whole.ptd > expected
room=$(size_of whole.ptd)
same() { contents hit.ptd | cmp -s - expected || blame "$1: other bits"; }

# Readers killed while they hold a snapshot, after the trainer has opened the store and before it
# trains.
rm -f go
fresh hit.ptd
rm -f hit.ptd/lock
held_back stream.rec $(($(stat -c %s stream.rec) - 9000)) | "${update[@]}" -s hit.ptd > lines 2> said & trainer=$!
until [ -s hit.ptd/lock ]; do sleep 0.002; done
sleep 0.2 # it opens the store after it has the lock
for _ in {1..20}; do
    hold
    gone $reader
done
touch go
wait $trainer || blame "readers killed: $(cat said)"
same "readers killed"
[ "$(size_of hit.ptd)" -le $((room * 105 / 100)) ] || blame "readers killed: $(size_of hit.ptd) bytes, without readers $room"
report "20 readers killed within a transaction: after $steps steps $(($(size_of hit.ptd) / 1024)) KiB, without readers $((room / 1024)) KiB"

# One reader stopped all the time: room is taken, and given back to use when it dies.
fresh hit.ptd
hold
kill -STOP $reader
"${update[@]}" -s hit.ptd stream.rec > lines 2> said || blame "a reader stopped: $(cat said)"
same "a reader stopped"
grown=$(size_of hit.ptd)
[ "$grown" -gt $((room * 3 / 2)) ] || blame "a stopped reader held no pages: this tests nothing"
gone $reader
scored hit.ptd $((2 * steps)) | "${update[@]}" > lines 2> said || blame "the reader has gone: $(cat said)"
[ "$(size_of hit.ptd)" -le $((grown * 105 / 100)) ] || blame "the reader has gone, still growing: $grown, then $(size_of hit.ptd) bytes"
report "a reader stopped within a transaction: $((grown / 1024)) KiB after $steps steps; when it is gone, $steps more take no more room"

# A small map, and a reader that stands in the way: named, then out of the way.
fresh hit.ptd
hold
kill -STOP $reader
PTD_STORE_MAX=$((room * 2)) "${update[@]}" -s hit.ptd stream.rec > lines 2> said
status=$?
[[ $status = 74 && "$(< said)" == *": map full ("*"); oldest reader is pid $reader; "* ]] || blame "map full: status $status, $(cat said)"
at=$(head -n 1 <(ptd-dump hit.ptd | jq 'select(.kind == "state" and .name == "head").value'))
[ "$at" = "$(lines_of lines)" ] || blame "map full: at step $at, $(lines_of lines) steps were told"
gone $reader
scored hit.ptd "$steps" | PTD_STORE_MAX=$((room * 2)) "${update[@]}" > lines 2> said || blame "map no longer full: $(cat said)"
same "map full, then not"
report "map full because a reader stands still: 74 at step $at names it; when it is gone, on to the same bits"

# Sixteen readers that are stopped, let go on and killed at random beside a whole pipeline.
moments=$(pick 40 4000) torn=0
fresh hit.ptd
: > reads
RANDOM=1
readers=()
for ((i = 0; i < 16; i++)); do torture-reader hit.ptd read >> reads 2>> complaints & readers[i]=$!; done
scored hit.ptd 1000000 2> /dev/null | "${update[@]}" > lines 2> said & pipeline=$!
until_lines lines 1 $pipeline
for ((moment = 0; moment < moments; moment++)); do
    i=$((RANDOM % 16))
    case $((RANDOM % 4)) in
    0) gone "${readers[i]}" ; torture-reader hit.ptd read >> reads 2>> complaints & readers[i]=$! ;;
    1) kill -STOP "${readers[i]}" ;;
    *) kill -CONT "${readers[i]}" ;;
    esac
    sleep 0.02
done
told=$(lines_of lines)
kill -TERM "$(cut -d ' ' -f 2 hit.ptd/lock)"
wait $pipeline
kill -CONT "${readers[@]}"
gone "${readers[@]}"
[ "$told" != 0 ] || blame "no step beside readers: $(cat said)"
[ -s reads ] || blame "nothing was read"
torn=$(sort -u reads | cut -d ' ' -f 1 | uniq -d | wc -l)
[ "$torn" = 0 ] || blame "$torn generations were read with different contents"
grep -qvE '^[0-9]+ [0-9a-f]{16}$' reads && blame "not a read: $(grep -vE '^[0-9]+ [0-9a-f]{16}$' reads | head -n 1)"
[ ! -s complaints ] || blame "$(sort complaints | uniq -c | head -n 3)"
ptd-dump --check hit.ptd > /dev/null || blame "the store is not whole"
report "16 readers beside $told steps of a pipeline, $moments times one of them stopped, continued or killed: $(lines_of reads) generations read, $torn torn"

# Two trainers at once: both have all groups of the step and wait for its end.
together=$(pick 15 1000)
scored base.ptd 1 > one.rec
fresh once.ptd
"${update[@]}" -s once.ptd one.rec > lines
contents once.ptd > expected
start_waiting() { held_back one.rec 100 2> /dev/null | "${update[@]}" -s hit.ptd > "lines.$1" 2> "said.$1"; }
for ((i = 0; i < together; i++)); do
    fresh hit.ptd
    rm -f go
    start_waiting a & a=$!
    start_waiting b & b=$!
    until grep -qs . said.a said.b; do sleep 0.002; done
    touch go
    wait $a && a=0 || a=$?
    wait $b && b=0 || b=$?
    [[ "$a $b" = @(0 77|77 0) ]] || blame "two trainers: $a and $b, $(cat said.a said.b)"
    [[ "$(cat said.a said.b)" == "ptd-update: store hit.ptd is being trained by "@("pid "*|"another process") ]] || blame "two trainers: $(cat said.a said.b)"
    same "two trainers"
    rm -f said.a said.b
done
report "two trainers started together, $together times: one trained, the other left with 77"

# Two that create the same store.
for ((i = 0; i < together; i++)); do
    rm -rf hit.ptd
    ptd-init -q hit.ptd --from-store base.ptd 2> said.a & a=$!
    ptd-init -q hit.ptd --from-store base.ptd 2> said.b
    b=$?
    wait $a && a=0 || a=$?
    [[ "$a $b" = @(0 73|0 77|73 0|77 0) ]] || blame "two creators: $a and $b, $(cat said.a said.b)"
    contents hit.ptd | cmp -s - <(contents base.ptd) || blame "two creators: other bits"
done
report "two that create the same store, $together times: one did, the other left with 73 or 77"
echo "1..$reported"
