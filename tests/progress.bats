# Progress: programs that share a terminal keep one block of lines, and leave it clean; a log has
# whole lines only.
load lib

setup_file() {
    load lib
    small_run
}
setup() {
    cd "$WORK" || return
    mkdir -p "$BATS_TEST_TMPDIR/shm"
    export PTD_SHM="$BATS_TEST_TMPDIR/shm"
    screen="tmux -L ptd-progress-$$-$BATS_TEST_NUMBER"
}
teardown() { $screen kill-server 2> /dev/null || true; }

LOUD='ptd-rollout -s RUN -P PROMPTS -G 12 -m 24 -n STEPS train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update --lr 1e-3'
loud() { # STORE STEPS [PROMPTS]
    local line=${LOUD/RUN/$1}
    line=${line/PROMPTS/${3:-8}}
    echo "${line/STEPS/$2}"
}

# in_terminal COLUMNS COMMAND: runs it in a terminal of 30 lines, and a word to `ended` behind it
in_terminal() {
    rm -f ended
    $screen -f /dev/null new-session -d -x "$1" -y 30 "trap : INT; export PTD_SHM='$PTD_SHM' PATH='$PATH'; $2; echo > ended; sleep 60"
}
pane() { $screen capture-pane -p > pane; }
ended() { for ((i = 0; i < 3000; i++)); do [ -e ended ] && return; sleep 0.1; done; return 1; }

@test "five programs are one block, in the order of the pipe, and leave their closing lines" {
    command -v tmux > /dev/null || skip "no tmux"
    fresh five.ptd
    # steps so large that on a quick machine, too, somebody waits for the third of a second that it is said from
    in_terminal 160 "$(loud five.ptd 20 64) > m.jsonl"
    found=
    for ((i = 0; i < 600; i++)); do
        pane
        if [ "$(grep -o '^ptd-[a-z]*:' pane | tr '\n' ' ')" = "ptd-rollout: ptd-verify: ptd-hint: ptd-ref: ptd-update: " ] && grep -q '^ptd-rollout: steps [0-9]*/20, .*tokens/s' pane && grep -q 'waits for ptd-' pane && grep -q '^ptd-update: steps .*ETA' pane; then found=1; break; fi
        [ -e ended ] && break
        sleep 0.05
    done
    cat pane
    [ "$found" = 1 ]
    ended
    sleep 0.3
    pane
    [ "$(grep -c . pane)" = 4 ] # closing lines, which ptd-rollout has none of
    [ "$(grep -cE '^ptd-(rollout|verify|hint|ref|update): .*[0-9] s' pane)" = 4 ]
    run grep -c 'waits for\|ETA' pane
    [ "$output" = 0 ]
}

@test "what others write meanwhile stands above the block, whole" {
    command -v tmux > /dev/null || skip "no tmux"
    fresh mixed.ptd
    in_terminal 90 "$(loud mixed.ptd 25) | jq --unbuffered -c '{step, a: .\"reward/accuracy\"}'"
    ended
    sleep 0.3
    pane
    cat pane
    [ "$(grep -cE '^\{"step":[0-9]+,"a":[0-9.]+\}$' pane)" -ge 20 ]
    run grep -c 'waits for\|ETA' pane
    [ "$output" = 0 ]
}

@test "interrupted, nothing of the block is left" {
    command -v tmux > /dev/null || skip "no tmux"
    in_terminal 100 "ptd-rollout -s warm.ptd -g latest -P 1 -G 64 -m 64 --no-eos train.jsonl | ptd-verify | ptd-stat"
    for ((i = 0; i < 100; i++)); do
        pane
        grep -q '^ptd-rollout: ' pane && break
        sleep 0.05
    done
    grep -q '^ptd-rollout: ' pane
    $screen send-keys C-c
    sleep 1
    pane
    cat pane
    run grep -c '^ptd-rollout: prompts\|waits for' pane
    [ "$output" = 0 ]
}

@test "a log has closing lines, and nothing else" {
    fresh log.ptd
    bash -c "$(loud log.ptd 3)" > m.jsonl 2> log
    [ "$(wc -l < log)" = 4 ]
    [ "$(grep -c '^ptd-[a-z]*: ' log)" = 4 ]
    run grep -c $'[\r\033]' log
    [ "$output" = 0 ]
}

@test "a terminal that is dumb, and -q, get no block" {
    fresh dumb.ptd
    TERM=dumb script -qec "$(loud dumb.ptd 2) > m.jsonl" typescript > /dev/null
    run grep -c $'\033' typescript
    [ "$output" = 0 ]
    script -qec "ptd-rollout -q -s warm.ptd --greedy train.jsonl > r.rec" typescript > /dev/null
    run grep -c 'ptd-rollout: ' typescript
    [ "$output" = 0 ]
}

@test "where there is no board, each program shows itself" {
    fresh none.ptd
    PTD_SHM=/nonexistent script -qec "stty cols 100; ptd-rollout -s warm.ptd -g 0 -G 48 -m 200 --no-eos -P 1 train.jsonl > r.rec" typescript > /dev/null
    grep -q 'ptd-rollout: prompts [0-9]/8' typescript
    [ ! -e /nonexistent ]
}
