#!/usr/bin/env bats
# Where a stream comes from and goes to: sockets, the terminals of ranks under mpirun, small stacks.
load lib

setup_file() {
    small_run
    fresh run.ptd
    ptd-rollout -q -s run.ptd -P 3 -G 3 -m 10 -n 1 train.jsonl > rollouts.rec
    ptd-verify -q rollouts.rec > verified.rec
    ptd-hint -q verified.rec > hinted.rec
    ptd-ref -q --no-cache hinted.rec > scored.rec
    ptd-verify -q < rollouts.rec > piped.rec
}

setup() {
    cd "$WORK"
    unset OMPI_COMM_WORLD_RANK PMI_RANK MV2_COMM_WORLD_RANK PMIX_RANK PALS_RANKID SLURM_PROCID
}

terminal() { timeout 60 /usr/bin/python3 "$BATS_TEST_DIRNAME/on-terminal.py" "$@"; }

@test "a terminal is refused, but for that of a rank, which bytes pass unchanged" {
    run -2 terminal out ptd-verify -q rollouts.rec
    [[ "$output" == "ptd-verify: standard output is a terminal, "* ]]
    run -2 terminal in ptd-verify -q < rollouts.rec
    [[ "$output" == "ptd-verify: standard input is a terminal, "* ]]
    for name in OMPI_COMM_WORLD_RANK PMI_RANK PMIX_RANK SLURM_PROCID; do
        export "$name=0"
        terminal out ptd-verify -q rollouts.rec > out.rec
        cmp out.rec verified.rec
        terminal out ptd-rollout -q -s run.ptd -P 3 -G 3 -m 10 -n 1 train.jsonl > out.rec
        cmp out.rec rollouts.rec
        terminal in ptd-verify -q < rollouts.rec > out.rec
        cmp out.rec piped.rec
        [ "$(terminal in ptd-dump --count < rollouts.rec)" = "$(ptd-dump --count rollouts.rec)" ]
        unset "$name"
    done
}

@test "mpirun: the same bytes" {
    command -v mpirun > /dev/null || skip "no mpirun"
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    mpirun -n 1 ptd-verify -q rollouts.rec > out.rec
    cmp out.rec verified.rec
    mpirun -n 1 ptd-verify -q < rollouts.rec > out.rec
    cmp out.rec piped.rec
}

# PROGRAM's output is a socket whose reader leaves while PROGRAM waits for input (idle) or reads it
# (busy).
reader_leaves() { # idle|busy PROGRAM...
    timeout 60 /usr/bin/python3 -c '
import socket, subprocess, sys, time
ours, theirs = socket.socketpair()
p = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=theirs)
theirs.close()
stream = open("scored.rec", "rb").read()
p.stdin.write(stream[:30000])
p.stdin.flush()
time.sleep(0.3)
ours.close()
if sys.argv[1] == "busy":
    try:
        p.stdin.write(stream[30000:])
        p.stdin.close()
    except BrokenPipeError: # it noticed before
        pass
rc = p.wait(30)
sys.exit(128 - rc if rc < 0 else rc)' "$@"
}

@test "a socket whose reader has left ends as a pipe does" {
    for program in ptd-verify 'ptd-hint --from data' 'ptd-ref --no-cache'; do
        # shellcheck disable=SC2086
        run -141 reader_leaves idle $program
        # shellcheck disable=SC2086
        run -141 reader_leaves busy $program
    done
}

@test "a stack of 64 KiB is enough, on any number of threads" {
    if ldd "$bin/ptd-verify" | grep -q asan; then skip "sanitizers need more"; fi
    # shellcheck disable=SC2016
    small() { run -0 --separate-stderr bash -c 'ulimit -s 64; exec "$@"' small "$@"; }
    small ptd-data digits -q few.jsonl -n 4
    small ptd-data check few.jsonl
    small ptd-init -q small.ptd
    small ptd-gold -q -s run.ptd -P 3 -n 1 train.jsonl
    for threads in 1 3; do
        small ptd-rollout -q -s run.ptd -P 3 -G 3 -m 10 -n 1 -k 256 --top-p 0.9 -j $threads train.jsonl
        small ptd-ref -q --no-cache -k 256 -j $threads hinted.rec
        rm -rf update.ptd
        cp -r run.ptd update.ptd
        small ptd-update -q -s update.ptd -j $threads scored.rec
    done
    small ptd-verify -q rollouts.rec
    small ptd-hint -q --always --from data verified.rec
    small ptd-hint -q --always --from attention verified.rec
    small ptd-stat verified.rec
    small ptd-dump scored.rec
    small ptd-dump --check run.ptd
    small ptd-export -q run.ptd exported
    small ptd-init -q imported.ptd --from exported
    small ptd-plot -q --hint hinted.rec -o hint.gp
    # shellcheck disable=SC2016
    run --separate-stderr bash -c 'ulimit -s 64; exec ptd-plot -q --hint hinted.rec -o hint.png' # gnuplot itself needs more
    [[ "$status$stderr" = 0 || "$status$stderr" = "74ptd-plot: hint.png: gnuplot failed (signal 11), "* ]]
}
