#!/bin/bash
# Kills and damages what stands beside a run. ptd-metrics, ptd-eval and ptd-doctor are killed at
# their system calls: what they wrote is whole, and when they are run again each step is there once,
# pins and figures are those of one that nobody killed, and nothing lies about. Metrics and event files that are cut short or have a
# bit flipped are read, or refused in one line with 65.
# shellcheck source=tests/torture-crash.bash
. "$(dirname "$0")/torture-crash.bash"
export PTD_THREADS=1
killed() { { strace -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" "${@:3}"; } 2> said; }

# "COUNT NAME" for each system call of COMMAND itself, without those of programs that it runs.
own_calls_of() {
    strace -qq -o trace "$@" > lines 2> said
    awk '{ sub(/\(.*/, ""); n[$1]++ } END { for (name in n) if (name ~ /^[a-z0-9_]+$/ && name !~ /^exit/) print n[name], name }' trace | sort -k 2
}

# DO NAME N ... at each system call of COMMAND (the file calls), or at a few of them: the moments
# are counted.
at_calls() { # MOST DO...
    local most name n index=0 all every
    all=$(awk '{ all += $1 } END { print all }' calls)
    every=$((all > $1 ? all / $1 : 1))
    shift
    moments=0
    while read -r most name; do
        for ((n = 1; n <= most; n++)); do
            [ $((index++ % every)) = 0 ] || continue
            moments=$((moments + 1))
            "$@" "$name" $n
        done
    done < calls
}

# ---- ptd-metrics ----

# All that event files say, but when.
told() { "$sources/tests/event-file.py" "$1" | jq -c 'del(.wall)'; }

kill_events() { # NAME N
    rm -rf tb
    [ $((moments % 2)) = 0 ] || ptd-metrics -q --tensorboard tb half.jsonl
    killed "$1" "$2" ptd-metrics -q --tensorboard tb metrics.jsonl
    ptd-metrics -q --tensorboard tb metrics.jsonl 2> said || blame "killed at $1 $2: $(cat said)"
    told tb | cmp -s - events || blame "killed at $1 $2, other events"
    [ "$(ls tb | wc -l)" = 1 ] || blame "killed at $1 $2: $(ls tb | tr '\n' ' ')"
}

kill_gauges() { # NAME N
    rm -f new.prom*
    [ $((moments % 2)) = 0 ] || cp old.prom new.prom
    killed "$1" "$2" ptd-metrics -q --prometheus new.prom --run x metrics.jsonl
    [ ! -e new.prom ] || cmp -s new.prom gauges || cmp -s new.prom old.prom || blame "killed at $1 $2: half a file of gauges"
    ptd-metrics -q --prometheus new.prom --run x metrics.jsonl && cmp -s new.prom gauges || blame "killed at $1 $2: other gauges"
    [ "$(echo new.prom*)" = new.prom ] || blame "killed at $1 $2: $(echo new.prom*)"
}

# ---- ptd-eval ----

examine=(ptd-eval -q --once -m 4 hit.ptd five.jsonl)
state_of() { ptd-dump "$1" | jq -c 'select(.kind == "state" and (.name == "pinned" or .name == "evaluated")).value | if type == "object" then del(.metrics."val/seconds") else . end'; }

kill_eval() { # NAME N
    rm -rf hit.ptd
    cp -r trained.ptd hit.ptd
    killed "$1" "$2" "${examine[@]}" > lines
    ptd-dump --check hit.ptd > checked || blame "killed at $1 $2: $(cat checked)"
    "${examine[@]}" >> lines 2> said || blame "killed at $1 $2, run again: $(cat said)"
    state_of hit.ptd | cmp -s - state || blame "killed at $1 $2: $(state_of hit.ptd | tr '\n' ' ')"
    [ "$(wc -l < lines)" -le 1 ] && jq -e '.step == 3' lines > checked || [ ! -s lines ] || blame "killed at $1 $2: $(cat lines)"
    contents hit.ptd | grep -v '"name":"\(pinned\|evaluated\)"' | cmp -s - others || blame "killed at $1 $2: something else has changed"
}

# ---- ptd-doctor ----

doctor=(ptd-doctor --json -P 2 -G 2 -m 4 trained.ptd train.jsonl)
at_work() { # programs of ours that are left
    local p
    for p in /proc/[0-9]*; do
        [ "$(readlink "$p/cwd")" != "$work" ] || grep -hs '^ptd-' "$p/comm"
    done
}

kill_doctor() { # NAME N
    local i
    killed "$1" "$2" "${doctor[@]}" > lines
    for ((i = 0; i < 100; i++)); do
        [ -n "$(at_work)" ] || break
        sleep 0.05
    done
    [ -z "$(at_work)" ] || blame "killed at $1 $2: $(at_work | tr '\n' ' ')live on"
    "${doctor[@]}" > lines 2> said || blame "killed at $1 $2, run again: $(cat said lines)"
    jq -e '.findings | any(.about == "time" and .step_seconds > 0)' lines > checked || blame "killed at $1 $2, run again: no time measured"
    [ "$(echo trained.ptd*)" = trained.ptd ] || blame "killed at $1 $2, run again: $(echo trained.ptd*)"
    contents trained.ptd | grep -v '"name":"\(pinned\|evaluated\)"' | cmp -s - others || blame "killed at $1 $2: the store has changed"
}

# ---- damage ----

# COMMAND reads what is damaged, or refuses it in one line.
reads() { # WHAT COMMAND...
    local what=$1
    shift
    "$@" > out 2> said < /dev/null
    status=$?
    outcome[status]=$((${outcome[status]:-0} + 1))
    case $status in
    0) [ ! -s said ] || blame "$what, $*: $(cat said)" ;;
    65) [[ "$(< said)" == "${1}: "* ]] && [ "$(wc -l < said)" = 1 ] || blame "$what, $*: $(cat said)" ;;
    *) blame "$what, $*: status $status: $(cat said)" ;;
    esac
}
told_outcomes() { echo "${outcome[0]:-0} times read, ${outcome[65]:-0} times refused"; }
below() { echo $(((RANDOM * 32768 + RANDOM) % $1)); }

flip() { # FILE
    local at byte
    at=$(below "$(stat -c %s "$1")")
    byte=$(od -An -tu1 -j "$at" -N 1 "$1")
    # shellcheck disable=SC2059
    printf "\\x$(printf %x $((byte ^ 1 << RANDOM % 8)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
    echo "bit flipped in byte $at"
}
shorten() { # FILE
    local n
    n=$(below "$(stat -c %s "$1")")
    truncate -s "$n" "$1"
    echo "cut to $n bytes"
}

damage_metrics() { # flip|shorten
    local what
    cp metrics.jsonl bad.jsonl
    what=$("$1" bad.jsonl)
    reads "$what" ptd-metrics -q --csv bad.jsonl
    reads "$what" ptd-metrics -q --wandb bad.jsonl
    reads "$what" ptd-plot -q bad.jsonl --fields actor/entropy -o new.gp
    reads "$what" ptd-watch -q --once trained.ptd bad.jsonl
    rm -rf tb
    reads "$what" ptd-metrics -q --tensorboard tb bad.jsonl
}

damage_events() { # flip|shorten
    local what
    rm -rf tb
    cp -r whole.tb tb
    what=$("$1" tb/*)
    reads "events: $what" ptd-metrics -q --tensorboard tb metrics.jsonl
    [ $status != 0 ] || told tb | cmp -s - events || blame "events: $what: not each step once"
}

seed=$(pick 1 "${PTD_SEED:-$RANDOM}")
RANDOM=$seed
small_model 5
head -n 4 train.jsonl > five.jsonl
fresh trained.ptd
scored trained.ptd 3 | "${update[@]}" > metrics.jsonl
head -n 2 metrics.jsonl > half.jsonl
must [ "$(wc -l < metrics.jsonl)" = 3 ]
contents trained.ptd | grep -v '"name":"\(pinned\|evaluated\)"' > others

must ptd-metrics -q --tensorboard whole.tb metrics.jsonl
told whole.tb > events
must [ "$(jq -s 'map(.step) | unique | length' events)" = 3 ]
calls_of ptd-metrics -q --tensorboard tb metrics.jsonl > calls
at_calls "$(pick 24 1000000)" kill_events
report "ptd-metrics --tensorboard killed at $moments system calls, of a new folder and of one with a part: run again, each step once, in one file"
must ptd-metrics -q --prometheus old.prom --run x half.jsonl
must ptd-metrics -q --prometheus gauges --run x metrics.jsonl
calls_of ptd-metrics -q --prometheus new.prom --run x metrics.jsonl > calls
at_calls "$(pick 12 1000000)" kill_gauges
report "ptd-metrics --prometheus killed at $moments system calls: the old file or the new one"

rm -rf hit.ptd && cp -r trained.ptd hit.ptd
must "${examine[@]}" > lines
state_of hit.ptd > state
must [ "$(wc -l < state)" = 2 ]
rm -rf hit.ptd && cp -r trained.ptd hit.ptd
own_calls_of "${examine[@]}" > calls
full || { grep -E ' (write|fdatasync|wait4)$' calls > few && mv few calls; } # around what it keeps and says
at_calls "$(pick 14 1000000)" kill_eval
report "ptd-eval killed at $moments system calls: the store is whole, run again it says the generation once at most, pins and figures are those of one that nobody killed"

must "${doctor[@]}" > lines
own_calls_of "${doctor[@]}" > calls
full || { grep -E ' (mkdir|wait4|unlinkat)$' calls > few && mv few calls; } # around the copy of the store
at_calls "$(pick 3 100)" kill_doctor
report "ptd-doctor killed at $moments system calls: nobody goes on measuring, run again nothing lies about, the store is as it was"

outcome=()
for ((i = 0; i < $(pick 8 400); i++)); do damage_metrics flip; damage_metrics shorten; done
report "metrics cut short and with a bit flipped, through ptd-metrics, ptd-plot and ptd-watch (seed $seed): $(told_outcomes)"
outcome=()
for ((i = 0; i < $(pick 8 400); i++)); do damage_events flip; damage_events shorten; done
report "event files cut short and with a bit flipped (seed $seed): $(told_outcomes), each step once"
echo "1..$reported"
