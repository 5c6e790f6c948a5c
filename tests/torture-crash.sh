#!/bin/bash
# Kills programs at every system call they make (strace). Whatever the call: the store opens without
# repair, holds exactly what the uninterrupted run held after some step, lost at most the step in
# flight, and the resumed run ends in the same bits. Random moments of the whole pipeline are left
# to torture-kill.sh.
# shellcheck source=tests/torture-crash.bash
. "$(dirname "$0")/torture-crash.bash"
writes='ftruncate|pwrite64|pwritev|writev|write|fdatasync|fsync|rename|unlink'

# Runs COMMAND and kills it as it enters call NAME for the Nth time: 137 if it came that far.
killed_at() {
    local name=$1 n=$2
    shift 2
    { strace -f -qq -o /dev/null -e "trace=$name" -e "inject=$name:signal=KILL:when=$n" "$@"; } 2> said
}

# Calls TRIAL NAME N for each call in the list on standard input. Full: each N until it kills no
# more; quick: all calls whose names match ALWAYS, every 40th of the others. The trial leaves its
# program's status in $status. Kills are counted in $kills.
sweep() { # TRIAL [ALWAYS]
    local trial=$1 always=${2:-} most name n index=0
    kills=0
    while read -r most name; do
        for ((n = 1; ; n++)); do
            if ! full; then
                [ $n -le "$most" ] || break
                [[ $name = @($always) ]] || [ $((index++ % 40)) = 0 ] || continue
            fi
            $trial "$name" $n
            [ "$status" = 137 ] || break
            kills=$((kills + 1))
        done
    done
    [ $kills != 0 ] || blame "nothing was killed"
}

# ---- ptd-update: from store $from, which is at step $start, on the stream that goes on from there
# ----

command=()   # what is killed
look=step_of # how its store is looked at
train_from() { # STORE STEP
    from=$1 start=$2 command=("${update[@]}" -s hit.ptd "$run/$2.rec")
    again
}
again() { rm -rf hit.ptd && cp -r "$from" hit.ptd; }

# One store for each step and each kind of call that writes is kept as the kill left it, for kills
# of the resumed run.
keep_state() { # STEP CALL
    [ -d states ] && [[ $2 = @($writes) ]] || return
    [ -e "states/$1.$2" ] || cp -r hit.ptd "states/$1.$2"
}

# The step that readers see: head, counters, and weights up to it. A killed publication may leave
# pieces that the next one removes.
published() { jq -c -s '(.[] | select(.name == "head").value) as $head | .[] | select(.kind != "optim" and (.generation // 0) <= $head)'; }
published_step_of() { contents "$1" 2> said | published | which_of "$2" .published; }

check_trained() { # WHEN
    local at told
    told=$(wc -l < lines)
    at=$($look hit.ptd "$run") || blame "$1: the store holds no whole step: $(head -n 1 said)"
    [[ "$at" = @($((start + told))|$((start + told + 1))) ]] || blame "$1: at step $at, $told steps were told"
    [[ "$status.$at" = @(137.*|0.3) ]] || blame "$1: status $status at step $at"
    keep_state "$at" "${1%% *}"
    "${update[@]}" -s hit.ptd "$run/$at.rec" > /dev/null 2> said || blame "$1: resuming: $(head -n 1 said)"
    contents hit.ptd | cmp -s - "$run/3" || blame "$1: resumed at step $at: other bits"
}

try_update() {
    again
    killed_at "$1" "$2" "${command[@]}" > lines
    status=$?
    check_trained "$1 $2, from step $start"
}

# The same while ptd-ref has the store open and waits for the rest of a step, which it then scores
# and keeps.
try_beside() {
    again
    rm -f beside.rec
    ptd-ref -q -s hit.ptd < rest > beside.rec 2> beside &
    exec 9> rest
    head -c 20000 "$run/0.rec" >&9
    until [ -s beside.rec ]; do sleep 0.002; done
    killed_at "$1" "$2" "${command[@]}" > lines
    status=$?
    tail -c +20001 "$run/0.rec" >&9
    exec 9>&-
    wait $! || blame "$1 $2: ptd-ref beside it: $(cat beside)"
    cmp -s beside.rec beside.whole || blame "$1 $2: ptd-ref beside it wrote something else"
    cached hit.ptd | cmp -s - "$run/3.cached" || blame "$1 $2: ptd-ref beside it left another cache"
    check_trained "$1 $2"
}

# ---- ptd-ref: scores the scored stream once more ----

try_ref() {
    again
    killed_at "$1" "$2" "${command[@]}" > part.rec
    status=$?
    contents hit.ptd 2> said | cmp -s - "$run/0" || blame "$1 $2: the store holds something else: $(head -n 1 said)"
    cached hit.ptd | which_of "$run" .cached > /dev/null || blame "$1 $2: the cache holds a part of a step"
    ptd-dump --check part.rec > /dev/null 2>&1 && ! cmp -s part.rec whole.rec && blame "$1 $2: a part of the output passes for whole"
    "${command[@]}" 2> said | cmp -s - whole.rec || blame "$1 $2: the second run writes something else: $(head -n 1 said)"
    cached hit.ptd | cmp -s - "$run/3.cached" || blame "$1 $2: the second run leaves another cache"
}

# ---- ptd-init ----

try_init() {
    rm -rf hit.ptd
    killed_at "$1" "$2" "${command[@]}"
    status=$?
    ptd-dump hit.ptd > /dev/null 2> said
    case $?.$(wc -l < said) in
    0.0) contents hit.ptd | cmp -s - "$run/0" || blame "$1 $2: a store with other contents" ;;
    65.1 | 66.1) ;;
    *) blame "$1 $2: $(cat said)" ;;
    esac
}

# ---- ptd-export ----

try_export() {
    rm -rf out out.ptd-part
    killed_at "$1" "$2" "${command[@]}"
    status=$?
    [ -e out ] || "${command[@]}" 2> said || blame "$1 $2: the second run: $(cat said)"
    diff -r out exported > said || blame "$1 $2: another folder: $(head -n 1 said)"
    [ -e out.ptd-part ] && [ $status != 137 ] && blame "$1 $2: out.ptd-part was left"
}

# ---- all of it ----

sweep_resumed() {
    local all=0 n=0
    for state in left/*; do
        n=$((n + 1))
        train_from "$state" "$(basename "${state%.*}")"
        sweep try_update < <(calls_of "${command[@]}")
        all=$((all + kills))
    done
    report "ptd-update resumed from the $n states that kills had left, and killed again at $all system calls: whole, the same bits"
}

sweep_pieces() {
    local k
    for k in 0 1 2 3; do published < "$run/$k" > "$run/$k.published"; done
    look=published_step_of
    train_from base.ptd 0
    command[0]=torture-crash-update
    sweep try_update < <(calls_of "${command[@]}")
    look=step_of
    report "ptd-update that publishes in many transactions: killed at $kills system calls: readers see a whole step, resumed to the same bits"
}

small_model 5
mkfifo rest
for threads in 1 2; do
    export PTD_THREADS=$threads
    run=$threads
    uninterrupted "$run" 3
    report "$threads threads: three steps, stopped after 0, 1, 2, 3 of them and resumed: the same bits"
    mkdir states
    train_from base.ptd 0
    always=$writes
    [ $threads = 1 ] || always=pwrite64
    sweep try_update "$always" < <(calls_of "${command[@]}")
    report "ptd-update, $threads threads: killed at $kills system calls of three steps: whole, at most one step lost, resumed to the same bits"
    mv states left
    full && [ $threads = 1 ] && sweep_resumed
    rm -r left
    [ $threads = 1 ] && sweep_pieces
    full || [ $threads = 1 ] || continue
    train_from base.ptd 0
    ptd-ref -q -s hit.ptd < "$run/0.rec" > beside.whole
    sweep try_beside pwrite64 < <(calls_of "${command[@]}" | grep -wE "$writes")
    report "ptd-update, $threads threads: killed at $kills system calls that write, while ptd-ref has the store open: ptd-ref goes on, both end in the same bits"
    command=(ptd-ref -q -s hit.ptd "$run/0.rec")
    again
    "${command[@]}" > whole.rec
    again
    sweep try_ref "pwrite64|fdatasync" < <(calls_of "${command[@]}")
    report "ptd-ref, $threads threads: killed at $kills system calls: store and cache whole, no part passes for whole, then the same bytes"
done
command=(ptd-init -q hit.ptd --from-store warm.ptd)
rm -rf hit.ptd
sweep try_init < <(calls_of "${command[@]}")
report "ptd-init: killed at $kills system calls: the store is refused in one line, or whole"
command=(ptd-export -q base.ptd out --shard-size 65536)
"${command[@]}"
mv out exported
sweep try_export < <(calls_of "${command[@]}")
report "ptd-export: killed at $kills system calls: the folder is not there or whole, and whole after the second run"
