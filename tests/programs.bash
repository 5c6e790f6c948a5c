# The five programs of a pipeline, each a child of this shell, so that one of them can be signalled.

# launch STORE STEPS [OPTIONS OF UPDATE...], with the words of `asking` for ptd-rollout and of `judging`
# for ptd-verify: joined by named pipes, their process ids in pids[0..4]. Descriptor 3 is bats' own:
# whoever kept it would keep bats waiting.
launch() {
    rm -f p1 p2 p3 p4
    mkfifo p1 p2 p3 p4
    ptd-rollout -q -s "$1" $asking -n "$2" train.jsonl > p1 2> e0 3>&- & pids=($!)
    ptd-verify -q $judging < p1 > p2 2> e1 3>&- & pids+=($!)
    ptd-hint -q < p2 > p3 2> e2 3>&- & pids+=($!)
    ptd-ref -q < p3 > p4 2> e3 3>&- & pids+=($!)
    ptd-update -q --lr 1e-3 "${@:3}" < p4 >> "$1.jsonl" 2> e4 3>&- & pids+=($!)
    begun
}

# Until each is the program itself: the shell before it would wait for ever to open a pipe whose other
# end was killed before it was opened.
begun() {
    local p
    for p in "${pids[@]}"; do
        while [[ "$(cat "/proc/$p/comm" 2> /dev/null || echo ptd-gone)" != ptd-* ]]; do sleep 0.002; done
    done
}

alive() { for p in "$@"; do ! kill -0 "$p" 2> /dev/null || return 0; done; return 1; }

# Waits at most twenty seconds for all five; their exit statuses are in codes[0..4].
land() {
    for _ in $(seq 400); do alive "${pids[@]}" || break; sleep 0.05; done
    codes=()
    if alive "${pids[@]}"; then
        ps -o pid,args= "${pids[@]}"
        kill -9 "${pids[@]}" 2> /dev/null
        return 1
    fi
    for p in "${pids[@]}"; do wait "$p" && codes+=(0) || codes+=($?); done
}
