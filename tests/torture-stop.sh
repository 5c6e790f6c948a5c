#!/bin/bash
# Stops runs with the signals that ask for it: SIGTERM, SIGHUP, SIGUSR1 at ptd-update finish the
# step, or drop it when the rest of the pipeline was
# stopped too, and leave with 75; SIGINT ends it, SIGUSR2 changes nothing. The store is whole,
# nothing that was told is lost, and the same command line ends in the same bits.
# shellcheck source=tests/torture-crash.bash
. "$(dirname "$0")/torture-crash.bash"
steps=6

# After a stop of a run that was at step $before: STATUS SIGNAL WHERE. Sets $at.
check_stop() {
    local status=$1 signal=$2 told
    told=$(wc -l < lines)
    at=$(step_of hit.ptd "$run") || blame "$signal $3: the store holds no whole step: $(head -n 1 said)"
    case $status in
    0) [ "$at" = $steps ] || blame "$signal $3: status 0 at step $at" ;;
    75)
        [ "$at" = $((before + told)) ] || blame "$signal $3: 75 at step $at, $told steps were told"
        [[ "$(< errors)" == "ptd-update: stopped on request "@("after step $at"*|"before it began")"; the same command line goes on" ]] || blame "$signal $3: $(cat errors)"
        ;;
    "$((128 + $(kill -l "$signal")))") # before ptd-update heeds it; SIGINT always
        [ "$signal" = INT ] || [ "$told" = 0 ] || blame "$signal $3: died of it after a step"
        [[ "$at" = @($((before + told))|$((before + told + 1))) ]] || blame "$signal $3: at step $at, $told steps were told"
        ;;
    *) blame "$signal $3: status $status: $(cat errors)" ;;
    esac
    stops[status]=$((${stops[status]:-0} + 1))
}

told_stops() {
    local status
    for status in "${!stops[@]}"; do printf '%s times %s, ' "${stops[status]}" "$status"; done
}

# ---- at every system call of ptd-update on a saved stream ----

stop_at() { # SIGNAL NAME N
    fresh hit.ptd
    { strace -f -qq -o /dev/null -e "trace=$2" -e "inject=$2:signal=$1:when=$3" "${update[@]}" -s hit.ptd "$run/0.rec" > lines; } 2> errors
    check_stop $? "$1" "at $2 $3"
    "${update[@]}" -s hit.ptd "$run/$at.rec" > /dev/null 2> said || blame "$1 at $2 $3: resuming: $(cat said)"
    contents hit.ptd | cmp -s - "$run/$steps" || blame "$1 at $2 $3: other bits"
}

stop_at_calls() { # SIGNAL
    local most name n index=0
    before=0 stops=()
    while read -r most name; do
        for ((n = 1; n <= most; n++)); do
            full || [ $((index++ % 80)) = 0 ] || continue
            stop_at "$1" "$name" $n
        done
    done < calls
    [ ${#stops[@]} != 0 ] || blame "nothing was stopped"
    report "SIG$1 at system calls of ptd-update: $(told_stops)whole, resumed to the same bits"
}

# ---- asked how far it is, at every system call of ptd-update: it answers in a line, and nothing
# else changes ----

ask_at() { # NAME N
    local status where="USR2 at $1 $2"
    fresh hit.ptd
    { strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=USR2:when=$2" "${update[@]}" -s hit.ptd "$run/0.rec" > lines; } 2> errors
    status=$?
    stops[status]=$((${stops[status]:-0} + 1))
    [ $status != 0 ] || answers=$((answers + $(wc -l < errors)))
    case $status in
    0)
        [[ "$(wc -l < lines) $(wc -l < errors)" = "$steps "[01] && "$(< errors)" = ?(ptd-update: @(starting|steps *)) ]] || blame "$where: $(cat errors)"
        contents hit.ptd | cmp -s - "$run/$steps" || blame "$where: other bits"
        ;;
    140) [[ ! -s lines && "$(step_of hit.ptd "$run")" = 0 ]] || blame "$where: died of it at work" ;; # before it heeds it
    *) blame "$where: status $status: $(cat errors)" ;;
    esac
}

ask_at_calls() {
    local most name n index=0
    stops=() answers=0
    while read -r most name; do
        for ((n = 1; n <= most; n++)); do
            full || [ $((index++ % 20)) = 0 ] || continue
            ask_at "$name" $n
        done
    done < calls
    [ $answers != 0 ] || blame 'it never answered'
    report "SIGUSR2 at system calls of ptd-update: $answers answers, $(told_stops)the same bits"
}

# ---- at random moments of the whole pipeline, which is a process group as a terminal or a
# scheduler makes one ----

strike() { # SIGNAL trainer|group
    local pid first status
    before=$at
    ptd-rollout -q -s hit.ptd -P 3 -G 4 -m 12 -n $steps train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | "${update[@]}" > lines 2> errors &
    pid=$! first=$(jobs -p %+)
    sleep "$(printf '0.%03d' $((RANDOM % pace)))"
    [ "$2" = group ] && pid=-$first
    kill -s "$1" -- "$pid"
    wait "$!"
    status=$?
    wait
    check_stop $status "$1" "at the $2"
}

chains() { # SIGNAL WHOM
    local n=0 most
    most=$(pick 3 100)
    stops=()
    set -m
    while [ $n -lt "$most" ]; do
        fresh hit.ptd
        at=0
        while [ "${at:-$steps}" != $steps ] && [ $((n++)) -lt "$most" ]; do strike "$1" "$2" 2> /dev/null; done
        scored hit.ptd $steps | "${update[@]}" > /dev/null 2> said || blame "the last resume: $(cat said)"
        contents hit.ptd | cmp -s - "$run/$steps" || blame "a chain of stops by SIG$1 at the $2 ended in other bits"
    done
    set +m
    report "SIG$1 at the $2 at random moments: $(told_stops)whole, the same bits at the end of each chain"
}

# ---- the rest of a step never comes ----

waits_for_ever() { # SIGNAL
    local started status half=$((steps / 2)) bytes
    bytes=$(torture-streams --frames "$run/0.rec" | awk -v n=$half '$1 == 3 && !--n { print $3 }')
    [ -n "$bytes" ] || { blame "SIG$1: no step $half in the stream"; return; }
    fresh hit.ptd
    "${update[@]}" --grace 1 -s hit.ptd < idle > lines 2> errors &
    exec 9> idle
    head -c $((bytes + 1000)) $run/0.rec >&9 # whole steps and the begin of the next
    until [ "$(wc -l < lines)" -ge $half ] || ! kill -0 $! 2> /dev/null; do sleep 0.01; done
    sleep 0.2 # until it has read that
    started=$EPOCHSECONDS
    kill -s "$1" $!
    wait $!
    status=$?
    exec 9>&-
    [[ $status = 75 && $((EPOCHSECONDS - started)) -le 4 ]] || blame "SIG$1: status $status after $((EPOCHSECONDS - started)) s"
    [[ "$(< errors)" = "ptd-update: stopped on request; the step in flight is dropped; "* ]] || blame "SIG$1: $(cat errors)"
    [ "$(step_of hit.ptd "$run")" = "$(wc -l < lines)" ] || blame "SIG$1: the store is not what it was after $(wc -l < lines) steps"
}

RANDOM=1 run=run
export PTD_THREADS=1
small_model 5
mkfifo idle
uninterrupted $run $steps
measure
report "a run of $steps steps, stopped after each and resumed: the same bits"
fresh hit.ptd
calls_of "${update[@]}" -s hit.ptd $run/0.rec > calls
for signal in TERM HUP USR1 INT; do stop_at_calls $signal; done
ask_at_calls
for signal in $(pick 'TERM INT' 'TERM HUP USR1 INT'); do
    for whom in trainer group; do chains "$signal" $whom; done
done
for signal in $(pick TERM 'TERM HUP USR1'); do waits_for_ever "$signal" 2> /dev/null; done
report "SIG$(pick TERM 'TERM, SIGHUP, SIGUSR1') while the rest of a step does not come: it is dropped after --grace, 75"
