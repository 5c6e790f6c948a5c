#!/usr/bin/env bats
# Several ranks: the step of one rank in shares, the same result, the same bits each time; refused,
# killed, stopped, starved, and what then happens.
load lib

here() { command -v mpirun > /dev/null && [ -e "$bin/libptd-mpi.so" ]; }

setup_file() {
    here || return 0
    export PTD_THREADS=1 # as ranks have
    small_run
    fresh one.ptd
    ptd-rollout -q -s one.ptd -P 4 -G 4 -m 16 -n 5 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | tee scored.rec |
        ptd-update -q --lr 1e-3 > one.jsonl
    ptd-export -q warm.ptd start
    ptd-export -q one.ptd one
    # more questions, and a store that answers some of them, for steps that are refilled
    ptd-data digits -q wide.jsonl -n 24 -k nbr
    cp -r blank.ptd wide.ptd
    ptd-gold -q -s wide.ptd -P 8 -n 30 wide.jsonl | ptd-hint -q --always --share 0.5 | ptd-update -q --loss sft --lr 4e-3 > wide.lines
}

setup() {
    here || skip "no Open MPI"
    cd "$WORK"
    export PTD_THREADS=1
}

# The pipe of a run: STEPS [OPTIONS OF UPDATE...].
pipe_of() {
    local steps=$1
    shift
    echo "ptd-rollout -q -P 4 -G 4 -m 16 -n $steps train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3 $*"
}

# New stores for N ranks.
stores() {
    rm -rf "$1" "$1".[0-9]
    fresh "$1"
}

# STORE RANKS STEPS [OPTIONS OF UPDATE...]
run_ranks() {
    local store=$1 n=$2
    shift 2
    ptd-run -q -n "$n" -s "$store" -- "$(pipe_of "$@")"
}

# The pipe of a run whose steps are refilled: STEPS [OPTIONS OF UPDATE...].
filling="-P 5 -G 4 -m 16 --refill 5 --curriculum 0.25"
filled_pipe() {
    local steps=$1
    shift
    echo "ptd-rollout -q $filling -n $steps wide.jsonl | ptd-verify -q --keep 0.01:0.99 | ptd-hint -q | ptd-ref -q | tee \$PTD_STORE.rec | ptd-update -q --lr 1e-3 $*"
}
wide_stores() { rm -rf "$1" "$1".[0-9] && ptd-init -q "$1" --from-store wide.ptd; }
asked() { ptd-dump "$1" | jq -c 'select(.kind == "state" and (.name | startswith("asked/")))'; }

groups() { ptd-dump "$1" | jq -c 'select(.kind == "group") | [.step, .place, .uid, [.rollouts[].text]]'; }

@test "shares of a step are the step: the same prompts, the same answers" {
    ptd-rollout -q -s one.ptd --generation 0 -P 4 -G 2 -m 8 train.jsonl > all.rec
    for r in 0 1 2; do ptd-rollout -q -s one.ptd --generation 0 -P 4 -G 2 -m 8 --shard $r/3 train.jsonl > $r.rec; done
    groups all.rec | jq -c 'del(.[1])' | sort > all
    for r in 0 1 2; do groups $r.rec; done | jq -c 'del(.[1])' | sort > shares
    [ "$(wc -l < all)" = 8 ]
    cmp all shares
    [ "$(groups 1.rec | jq -c '.[0:2]' | tr '\n' ' ')" = "[1,2] [2,2] " ]
    [ "$(ptd-dump 1.rec | jq -c 'select(.kind == "head") | [.share, .shares]')" = "[1,3]" ]
    run -0 ptd-dump --check 1.rec
}

@test "--shard: what a launcher says, and what nobody could" {
    for launcher in "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=3" "PMI_RANK=1 PMI_SIZE=3" "SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=3"; do
        env $launcher ptd-rollout -q -s one.ptd --greedy -P 4 -m 4 train.jsonl > r.rec
        [ "$(ptd-dump r.rec | jq -c 'select(.kind == "head") | [.share, .shares]')" = "[1,3]" ]
    done
    # the shell of sbatch is no task
    SLURM_PROCID=0 SLURM_NTASKS=3 ptd-rollout -q -s one.ptd --greedy -P 4 -m 4 train.jsonl > r.rec
    [ "$(ptd-dump r.rec | jq -c 'select(.kind == "head") | .shares')" = null ]
    PMI_RANK=1 PMI_SIZE=3 ptd-rollout -q -s one.ptd --greedy --shard one -P 4 -m 4 train.jsonl > r.rec
    [ "$(ptd-dump r.rec | jq -c 'select(.kind == "head") | .shares')" = null ]
    fails 2 '*--shard "3/3": expected auto, one, or R/N*' ptd-rollout -s one.ptd --shard 3/3 train.jsonl
    fails 78 '*PMI_RANK="x" in the environment: expected a number*' env PMI_RANK=x PMI_SIZE=2 ptd-rollout -s one.ptd train.jsonl
    fails 78 '*PMI_RANK=2 and PMI_SIZE=2*' env PMI_RANK=2 PMI_SIZE=2 ptd-rollout -s one.ptd train.jsonl
    # a share whose trainer is alone
    fails 78 'ptd-update: *has share 0 of 2 of each step, expected that of rank 0 of 1' bash -c \
        "set -o pipefail; ptd-rollout -q -s one.ptd --shard 0/2 --refill 2 -P 4 -G 2 -m 4 train.jsonl 2> /dev/null | ptd-verify -q 2> /dev/null | ptd-update -q"
}

@test "advantages that compare a step are refused where they cannot be made anew" {
    for pipe in "ptd-rollout -q -P 4 -G 4 -m 16 -n 1 train.jsonl | ptd-verify -q -a batch --overlong-filter" \
        "ptd-rollout -q -P 4 -G 4 -m 16 -n 1 train.jsonl | ptd-verify -q -a batch | ptd-hint -q --tau 0.001 | ptd-rollout -q --privileged | ptd-verify -q -a batch"; do
        stores p.ptd
        run -78 ptd-run -q -n 2 -s p.ptd -- "$pipe | ptd-ref -q --scope right | ptd-update -q"
        [[ "$output" == *"--advantage batch compares all responses of a step, and rank "[01]" of 2 cannot: "* ]]
    done
}

@test "five steps of a saved stream on 1, 2 and 3 ranks: within 1e-4 of what one rank learns, the same bits each time" {
    for n in 1 2 3; do
        stores a.ptd
        ptd-run -q -n $n -s a.ptd -- "ptd-update -q --lr 1e-3 scored.rec" > a.jsonl
        [ "$(wc -l < a.jsonl)" = 5 ]
        ptd-export -q a.ptd a$n
        off=$(tests/apart.py start one a$n 2> /dev/null || "$BATS_TEST_DIRNAME/apart.py" start one a$n)
        echo "$n ranks: $off"
        [ "$(jq -n "$off <= 1e-4")" = true ]
        for r in $(seq 1 $((n - 1))); do [ "$(bits a.ptd.$r)" = "$(bits a.ptd)" ]; done
        first=$(bits a.ptd)
        stores a.ptd
        ptd-run -q -n $n -s a.ptd -- "ptd-update -q --lr 1e-3 scored.rec" > b.jsonl
        [ "$(bits a.ptd)" = "$first" ]
        [ "$(timeless a.jsonl)" = "$(timeless b.jsonl)" ]
        # counts are of the whole step
        keys='[.step, ."answer/distinct_ratio", ."answer/top_ratio", ."actor/tokens", ."ptd/total_groups", ."ptd/ptd_tokens", ."response_length/max"]'
        [ "$(jq -c "$keys" a.jsonl)" = "$(jq -c "$keys" one.jsonl)" ]
        rm -rf a$n
    done
}

@test "a whole pipe on two ranks: every step has the prompts of one rank's, and both stores the same bits" {
    for once in 1 2; do
        stores b.ptd
        ptd-run -q -n 2 -s b.ptd -- "$(pipe_of 3 | sed 's/ | ptd-update/ | tee $PTD_STORE.rec | ptd-update/')" > b$once.jsonl
        [ "$(bits b.ptd)" = "$(bits b.ptd.1)" ]
        bits b.ptd > b$once
    done
    cmp b1 b2
    [ "$(timeless b1.jsonl)" = "$(timeless b2.jsonl)" ]
    { groups b.ptd.rec; groups b.ptd.1.rec; } | jq -c '[.[0], .[2]]' | sort > shares
    groups scored.rec | jq -c 'select(.[0] <= 3) | [.[0], .[2]]' | sort > all
    cmp all shares
    [ "$(jq .step b1.jsonl | tr '\n' ' ')" = "1 2 3 " ]
    [ "$(jq -s 'map(."ptd/total_groups") | unique | .[]' b1.jsonl)" = 4 ]
}

@test "--refill and --curriculum: ranks ask, refill and keep what one rank does, and learn what it learns" {
    wide_stores u.ptd
    ptd-run -q -s u.ptd -- "$(filled_pipe 5)" > u.jsonl
    rm -rf wide.out u.out
    ptd-export -q wide.ptd wide.out
    ptd-export -q u.ptd u.out
    [ "$(asked u.ptd | jq -s 'map(.value.rows | length) | add > 25')" = true ] # refilled
    groups u.ptd.rec | jq -c 'del(.[1])' | sort > all
    [ "$(wc -l < all)" = 25 ]
    surplus=0
    for n in 2 3; do
        wide_stores v.ptd
        ptd-run -q -n $n -s v.ptd -- "$(filled_pipe 5)" > v.jsonl
        for s in v.ptd $(seq -f v.ptd.%g 1 $((n - 1))); do
            [ "$(asked $s)" = "$(asked u.ptd)" ]
            [ "$(bits $s)" = "$(bits v.ptd)" ]
        done
        # of what all ranks kept the first of each step, and the same as one rank's
        for s in v.ptd $(seq -f v.ptd.%g 1 $((n - 1))); do groups $s.rec; done | jq -sc 'group_by(.[0])[] | sort_by(.[1])[]' > kept
        jq -sc 'group_by(.[0])[] | .[:5][] | del(.[1])' kept | sort | cmp all -
        surplus=$((surplus + $(wc -l < kept) - 25))
        [ "$(jq -c '[.step, ."ptd/total_groups"]' v.jsonl | tr -d '\n')" = "[1,5][2,5][3,5][4,5][5,5]" ]
        rm -rf v.out
        ptd-export -q v.ptd v.out
        off=$("$BATS_TEST_DIRNAME/apart.py" wide.out u.out v.out)
        echo "$n ranks: $off"
        [ "$(jq -n "$off <= 1e-4")" = true ]
        # replayed, nobody waits, and the same are surplus
        first=$(bits v.ptd)
        wide_stores w.ptd
        ptd-run -q -n $n -s w.ptd -- 'ptd-update -q --lr 1e-3 v.ptd${PTD_STORE#w.ptd}.rec' > w.jsonl
        [ "$(bits w.ptd)" = "$first" ]
        [ "$(timeless w.jsonl)" = "$(timeless v.jsonl)" ]
    done
    [ "$surplus" -gt 0 ]
}

@test "rounds of ranks: --lag 1, several processes of a judge, advantages of a step; a rank that judges nothing is missed" {
    wide_stores l.ptd
    ptd-run -q -n 3 -s l.ptd -- "ptd-rollout -q $filling --lag 1 -n 3 wide.jsonl | ptd-verify -q --advantage batch --keep 0.01:0.99 --exec-jobs 2 --exec \"short:0=jq --unbuffered -c '{reward: (1 / (1 + .tokens))}'\" | ptd-ref -q | ptd-update -q --lr 1e-3" > l.jsonl
    [ "$(jq -c '[.step, ."ptd/total_groups"]' l.jsonl | tr -d '\n')" = "[1,5][2,5][3,5]" ]
    [ "$(bits l.ptd.2)" = "$(bits l.ptd)" ]
    [ "$(asked l.ptd.2)" = "$(asked l.ptd)" ]
    wide_stores l.ptd
    : > l.ptd.jsonl
    launch l.ptd "$(filled_pipe 100 --comm-timeout 2)"
    until_line l.ptd.jsonl 1
    kill -STOP "$(program_of l.ptd.1 ptd-verify)"
    ends l.ptd 12
    cat l.ptd.err
    [ "$(< l.ptd.status)" = 69 ]
    [ "$(< l.ptd.err)" = "ptd-update (rank 0 on $(hostname)): rank 1 on $(hostname) did not come within 2 s (--comm-timeout)" ]
    nobody_left l.ptd
    # as many a step as one rank has prompts, and rounds in which some have none
    wide_stores l.ptd
    ptd-run -q -n 3 -s l.ptd -- "ptd-rollout -q -P 1 -G 4 -m 8 --refill 3 -n 3 wide.jsonl | ptd-verify -q --keep 0.01:0.99 | ptd-ref -q | ptd-update -q --lr 1e-3" > l.jsonl 2> l.err
    [ "$(head_of l.ptd.2)" = 3 ]
    wide_stores u.ptd
    ptd-run -q -s u.ptd -- "ptd-rollout -q -P 1 -G 4 -m 8 --refill 3 -n 3 wide.jsonl | ptd-verify -q --keep 0.01:0.99 | ptd-ref -q | ptd-update -q --lr 1e-3" > u.jsonl 2> u.err
    [ "$(asked l.ptd.1)" = "$(asked u.ptd)" ]
    sed 's/ (rank 0 on [^)]*)//' l.err | cmp - u.err # said by rank 0 alone
}

@test "steps that ranks refill: stopped after each, killed anywhere, they ask the same and end in the same bits" {
    wide_stores x.ptd
    ptd-run -q -n 2 -s x.ptd -- "$(filled_pipe 5)" > x.jsonl
    wide_stores y.ptd
    for n in 1 3 5; do ptd-run -q -n 2 -s y.ptd -- "$(filled_pipe $n)"; done > y.jsonl
    [ "$(bits y.ptd.1)" = "$(bits x.ptd)" ]
    [ "$(timeless y.jsonl)" = "$(timeless x.jsonl)" ]
    wide_stores y.ptd
    : > y.ptd.jsonl
    lines=1
    for victim in "y.ptd.1 ptd-rollout" "y.ptd ptd-update" "y.ptd.1 ptd-verify"; do
        launch y.ptd "$(filled_pipe 5)"
        until_line y.ptd.jsonl $lines
        sleep 0.$((RANDOM % 10))
        pids=$(program_of $victim)
        [ -n "$pids" ] || break # it has ended
        kill -9 $pids || break
        ends y.ptd 10
        cat y.ptd.err
        [ "$(< y.ptd.status)" = 137 ]
        [[ "$(tail -n 1 y.ptd.err)" == "ptd-run (rank "?" on $(hostname)): ${victim#* } was ended by signal 9 (Killed)" ]]
        [ "$(grep -vc "back from generation" y.ptd.err)" = 1 ]
        nobody_left y.ptd
        lines=$(($(wc -l < y.ptd.jsonl) + 1))
        [ "$lines" -le 5 ] || break
    done
    ends y.ptd 60 # where it was left alone
    ptd-run -q -n 2 -s y.ptd -- "$(filled_pipe 5)" > y.jsonl
    for s in y.ptd y.ptd.1; do
        [ "$(bits $s)" = "$(bits x.ptd)" ]
        [ "$(asked $s)" = "$(asked x.ptd)" ]
    done
}

@test "updates of a part, by layer, of a whole step's advantages, in half the bytes: one rank's within rounding" {
    ptd-rollout -q -s warm.ptd --generation 0 -P 4 -G 4 -m 16 train.jsonl > /dev/null
    while IFS='|' read -r within verify update; do
        fresh w.ptd
        ptd-rollout -q -s w.ptd -P 4 -G 4 -m 16 -n 1 train.jsonl | ptd-verify -q $verify | ptd-hint -q | ptd-ref -q > w.rec
        ptd-update -q --lr 1e-3 $update w.rec > w1.jsonl
        stores a.ptd
        ptd-run -q -n 2 -s a.ptd -- "ptd-update -q --lr 1e-3 $update w.rec" > w2.jsonl
        rm -rf w1 w2
        ptd-export -q w.ptd w1
        ptd-export -q a.ptd w2
        off=$("$BATS_TEST_DIRNAME/apart.py" start w1 w2)
        echo "verify $verify, update $update: $off"
        [ "$(jq -n "$off <= $within")" = true ]
        jq -e -s '.[0]."actor/loss" - .[1]."actor/loss" | fabs < 1e-4' w1.jsonl w2.jsonl
        [ "$(bits a.ptd)" = "$(bits a.ptd.1)" ]
    done <<'WAYS'
1e-2||--updates 3
1e-2||--apply layer
1e-2|--advantage batch|
1e-2|--advantage reinforce++|--kl-in reward
1e-2||--loss gspo --top-entropy 0.5 --tis 2 --epochs 2
2e-1||--reduce bf16
1e-2|--keep 0.1:0.9|--updates 2
WAYS
}

@test "mpirun by hand binds ranks to cores, and gives one of them stdin: neither is felt" {
    stores m.ptd
    unset PTD_THREADS
    root=
    [ "$(id -u)" != 0 ] || root=--allow-run-as-root
    echo "not for anybody" | mpirun $root --oversubscribe -n 2 ptd-run -s m.ptd -- 'cat > $PTD_STORE.in; echo $PTD_THREADS > $PTD_STORE.threads; nproc > $PTD_STORE.cores; ptd-update -q --lr 1e-3 scored.rec' > m.jsonl
    [ "$(wc -l < m.jsonl)" = 5 ]
    cores=$(nproc) share=$(($(nproc) / 2))
    [ $share -gt 0 ] || share=1
    for r in "" .1; do
        [ ! -s m.ptd$r.in ]
        [ "$(< m.ptd$r.cores)" = "$cores" ]
        [ "$(< m.ptd$r.threads)" = $share ]
    done
    [ "$(bits m.ptd)" = "$(bits m.ptd.1)" ]
}

@test "cores that Slurm bound a task to are all that it takes; a store's name may end in a slash" {
    stores m.ptd
    unset PTD_THREADS
    slurm="SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1 SLURM_LOCALID=0"
    one=$(taskset -cp $$ | sed 's/.*[:,-] *//')
    run -0 taskset -c "$one" env $slurm ptd-run -s m.ptd -- 'echo $PTD_THREADS $(nproc)'
    [ "$output" = "1 1" ]
    run -0 taskset -c "$one" env $slurm SLURM_CPUS_PER_TASK=12 ptd-run -s m.ptd -- 'echo $PTD_THREADS $(nproc)'
    [ "$output" = "1 1" ]
    run -0 env $slurm SLURM_CPUS_PER_TASK=1 ptd-run -s m.ptd -- 'echo $PTD_THREADS'
    [ "$output" = 1 ]
    export PTD_THREADS=1
    ptd-run -q -n 2 -s m.ptd// -- "ptd-update -q --shard-optimizer --lr 1e-3 scored.rec" > m.jsonl
    [ "$(find m.ptd -name '.*')" = "" ]
    [ "$(head_of m.ptd) $(head_of m.ptd.1)" = "5 5" ]
    for s in m.ptd m.ptd/ m.ptd.1/; do
        rm -rf m.out
        ptd-export -q $s m.out
        xxhsum m.out/model.safetensors 2> /dev/null || cksum m.out/model.safetensors
    done | uniq | wc -l | grep -x 1
}

@test "metrics that nobody takes: 74, or the end that a reader who left gives, and the ranks end with it" {
    stores m.ptd
    fails 74 'ptd-run: standard output: No space left on device' bash -c 'ptd-run -q -n 2 -s m.ptd -- "$0" > /dev/full' "$(pipe_of 50)"
    nobody_left m.ptd
    [ "$(head_of m.ptd)" -lt 50 ]
    run --separate-stderr bash -c 'ptd-run -q -n 2 -s m.ptd -- "$0" | head -n 1 > m.head; exit ${PIPESTATUS[0]}' "$(pipe_of 60)"
    [ "$status $stderr" = "141 " ]
    [ "$(wc -l < m.head)" = 1 ]
    nobody_left m.ptd
    # on from there, to the same bits
    at=$(head_of m.ptd)
    ptd-run -q -n 2 -s m.ptd -- "$(pipe_of $((at + 1)))" > m.jsonl
    stores l.ptd
    ptd-run -q -n 2 -s l.ptd -- "$(pipe_of $((at + 1)))" > l.jsonl
    [ "$(bits m.ptd)" = "$(bits l.ptd)" ]
}

# ---- refused before the first step ----

# STATUS PATTERN COMMAND...: one line on stderr, whichever rank it is of.
refused() { fails "$@"; }

@test "ranks that are not the same are refused before the first step, and the difference named" {
    stores c.ptd
    host=$(hostname)
    # options
    refused 78 "ptd-update (rank 1 on $host): adamw is *0.002*and *0.001* on rank 0: all ranks must be the same" \
        ptd-run -n 2 -s c.ptd -- "ptd-update -q --lr \$([ \$OMPI_COMM_WORLD_RANK = 0 ] && echo 1e-3 || echo 2e-3) scored.rec"
    # and those that decide no number, but which steps there are and which are kept
    refused 78 "ptd-update (rank 1 on $host): publish_every is 3, and 1 on rank 0: all ranks must be the same" \
        ptd-run -n 2 -s c.ptd -- "ptd-update -q --publish-every \$((2 * OMPI_COMM_WORLD_RANK + 1)) scored.rec"
    refused 78 "ptd-update (rank 1 on $host): steps is 2, and 1 on rank 0: all ranks must be the same" \
        ptd-run -n 2 -s c.ptd -- "ptd-rollout -q -P 4 -G 2 -m 4 -n \$((OMPI_COMM_WORLD_RANK + 1)) train.jsonl | ptd-verify -q | ptd-ref -q | ptd-update -q"
    # data sets
    head -n 7 train.jsonl > short.jsonl
    refused 78 "ptd-update (rank 1 on $host): data is *on rank 0: all ranks must be the same" \
        ptd-run -n 2 -s c.ptd -- "ptd-rollout -q -P 4 -G 2 -m 4 -n 1 \$([ \$OMPI_COMM_WORLD_RANK = 0 ] && echo train || echo short).jsonl | ptd-verify -q | ptd-ref -q | ptd-update -q"
    # programs before it
    refused 78 "ptd-update (rank 1 on $host): ptd-verify: options is *on rank 0: all ranks must be the same" \
        ptd-run -n 2 -s c.ptd -- "ptd-rollout -q -P 4 -G 2 -m 4 -n 1 train.jsonl | ptd-verify -q --format-weight 0.\$((OMPI_COMM_WORLD_RANK + 1)) | ptd-ref -q | ptd-update -q"
    # stores
    rm -rf c.ptd.1
    ptd-init -q c.ptd.1
    refused 78 "ptd-update (rank 1 on $host): its store started from other weights (*) than that of rank 0 (*): all ranks must be the same" \
        ptd-run -n 2 -s c.ptd -- "ptd-update -q scored.rec"
    # generations too far apart
    rm -rf c.ptd.1
    fresh c.ptd.1
    fresh c.ptd
    ptd-update -q --lr 1e-3 -s c.ptd scored.rec > /dev/null
    refused 78 "ptd-update (rank 0 on $host): c.ptd: has generation 5 and cannot go back to 0, the newest of another rank: expected stores of one run*" \
        ptd-run -n 2 -s c.ptd -- "$(pipe_of 6)"
    # programs of another version
    stores c.ptd
    mkdir -p other
    cp "$bin"/ptd-update "$bin"/libptd-mpi.so other/
    version=$(ptd-update --version | head -n 1 | sed 's/.* //')
    LC_ALL=C sed -i 's/%s, arithmetic %d/9.9 arithmetic %d/' other/ptd-update # as long as it was
    refused 78 "ptd-update (rank 1 on $host): is version 9.9 *, and rank 0 version $version, arithmetic *: all ranks must be the same" \
        ptd-run -n 2 -s c.ptd -- "\$([ \$OMPI_COMM_WORLD_RANK = 0 ] && echo ptd-update || echo other/ptd-update) -q scored.rec"
    [ "$(head_of c.ptd)" = 0 ]
}

@test "what is wrong on one rank, or on all, is one line and the right status" {
    stores d.ptd
    host=$(hostname)
    fails 2 "ptd-update (rank ? on $host): option --lr*" ptd-run -n 2 -s d.ptd -- "ptd-update --lr x scored.rec"
    fails 66 "ptd-update (rank ? on $host): *none.rec*" ptd-run -n 2 -s d.ptd -- "ptd-update none.rec"
    fails 66 "ptd-run (rank ? on $host): none.ptd*is not there*" ptd-run -n 2 -s none.ptd -- "ptd-update scored.rec"
    head -c 20000 scored.rec > cut.rec
    fails 76 "ptd-update (rank 1 on $host): *" ptd-run -n 2 -s d.ptd -- "ptd-update -q \$([ \$OMPI_COMM_WORLD_RANK = 0 ] && echo scored || echo cut).rec"
    fails 2 "ptd-run: expected one pipe*" ptd-run -n 2
    fails 69 "ptd-run: nompi*" ptd-run --mpirun nompi -n 2 -s d.ptd -- "ptd-update scored.rec"
    # what is no program of ours, and what mpirun cannot do
    fails 3 "ptd-run (rank ? on $host): exit ended with status 3" ptd-run -n 2 -s d.ptd -- "sleep 1; exit 3"
    fails 69 "ptd-run: mpirun: ssh: *" env OMPI_MCA_plm_rsh_agent=ssh ptd-run -n 2 -H nowhere.invalid -s d.ptd -- true
    # a rank that does not begin
    fails 69 "ptd-update (rank 0 on $host): rank 0 of 2: not all others began within 2 s (--comm-timeout)" \
        ptd-run -n 2 -s d.ptd -- '[ $OMPI_COMM_WORLD_RANK = 0 ] || sleep 60; ptd-update -q --comm-timeout 2 scored.rec'
    # one rank alone needs no MPI, and a launcher's ranks can be left alone
    fresh d.ptd
    ptd-run -q -s d.ptd -- "ptd-update -q --lr 1e-3 scored.rec" > d.jsonl
    [ "$(bits d.ptd)" = "$(bits one.ptd)" ]
    fresh d.ptd
    OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2 ptd-update -q -s d.ptd --ranks one --lr 1e-3 scored.rec > d.jsonl
    [ "$(bits d.ptd)" = "$(bits one.ptd)" ]
}

# ---- killed, stopped ----

# The process of a rank's program: STORE of the rank, NAME.
program_of() {
    for p in $(pgrep -x "$2"); do
        [ "$(tr '\0' '\n' < "/proc/$p/environ" 2> /dev/null | sed -n 's/^PTD_STORE=//p')" != "$1" ] || echo "$p"
    done
}

until_line() { # FILE LINES
    for _ in $(seq 1500); do
        [ "$(wc -l < "$1" 2> /dev/null || echo 0)" -lt "$2" ] || return 0
        sleep 0.02
    done
    return 1
}

nobody_left() {
    for _ in $(seq 100); do
        [ -n "$(program_of "$1" ptd-update)$(program_of "$1" ptd-rollout)$(program_of "$1.1" ptd-update)$(program_of "$1.1" ptd-rollout)" ] || return 0
        sleep 0.1
    done
    return 1
}

# In the background, with what it says in STORE.err and its status in STORE.status.
launch() { # STORE PIPE
    local store=$1
    rm -f "$store.status"
    : >> "$store.jsonl"
    {
        code=0
        ptd-run -n 2 -s "$store" -- "$2" >> "$store.jsonl" 2> "$store.err" || code=$?
        echo $code > "$store.status"
    } 3>&- &
    runner=$!
}

start() { # STORE STEPS [OPTIONS OF UPDATE...]
    local store=$1
    shift
    launch "$store" "$(pipe_of "$@")"
}

ends() { # STORE SECONDS
    for _ in $(seq $(($2 * 20))); do [ ! -s "$1.status" ] || return 0; sleep 0.05; done
    cat "$1.err"
    return 1
}

@test "a rank killed at any moment ends the job with one line, and the next start ends in the bits of an uninterrupted run" {
    stores whole.ptd
    run_ranks whole.ptd 2 6 > whole.jsonl
    stores e.ptd
    : > e.ptd.jsonl
    host=$(hostname) lines=1
    for victim in "e.ptd.1 ptd-update" "e.ptd ptd-update" "e.ptd.1 ptd-verify" "e.ptd.1 ptd-rollout"; do
        start e.ptd 6
        until_line e.ptd.jsonl $lines
        pids=$(program_of $victim)
        [ -n "$pids" ] || break # it has ended
        kill -9 $pids
        ends e.ptd 10
        cat e.ptd.err
        rank=0
        [[ "$victim" != e.ptd.1* ]] || rank=1
        [ "$(< e.ptd.status)" = 137 ]
        [ "$(grep -vc "back from generation" e.ptd.err)" = 1 ]
        [ "$(tail -n 1 e.ptd.err)" = "ptd-run (rank $rank on $host): ${victim#* } was ended by signal 9 (Killed)" ]
        nobody_left e.ptd
        lines=$(($(wc -l < e.ptd.jsonl) + 1))
    done
    run_ranks e.ptd 2 6 >> e.ptd.jsonl
    [ "$(bits e.ptd)" = "$(bits whole.ptd)" ]
    [ "$(bits e.ptd.1)" = "$(bits whole.ptd)" ]
}

# STATUS PATTERN PIPE: within seconds, and the last line says why.
fails_at() {
    local code=0
    timeout 20 ptd-run -q -s left.ptd -- "$3" 2> left.err || code=$?
    cat left.err
    [ "$code" = "$1" ]
    # shellcheck disable=SC2053
    [[ "$(tail -n 1 left.err)" == $2 ]]
}

@test "one rank: no store is told; what the trainer leaves behind is ended, and is not the cause" {
    fails 66 'ptd-run: none.ptd: is not there: expected a store that ptd-init has made' ptd-run -s none.ptd -- true
    fresh left.ptd
    fails_at 65 'ptd-update: *head frame' 'sleep 60 | sh -c "sleep 1 && exit 65" | ptd-update -q'
    fails_at 137 'ptd-run: sh was ended by signal 9 (Killed)' 'sleep 60 | sh -c "sleep 1 && kill -9 \$\$" | ptd-update -q'
    fails_at 76 'ptd-update: *head frame' 'sleep 60 | sh -c "sleep 1" | ptd-update -q'
    # what is left of its pipe, that is, and no other command
    ptd-run -q -s left.ptd -- 'sleep 60 | ptd-update -q --lr 1e-3 scored.rec; sleep 5; echo late' > left.jsonl
    [ "$(wc -l < left.jsonl) $(tail -n 1 left.jsonl)" = "6 late" ]
    # a trainer that has a process group of its own
    fresh left.ptd
    timeout 30 ptd-run -q -s left.ptd -- '{ sleep 4; cat scored.rec; } | timeout 100 ptd-update -q --lr 1e-3' > left.jsonl
    [ "$(wc -l < left.jsonl)" = 5 ]
    # a trainer that is gone before anyone could look
    fails_at 2 'ptd-update: option --lr: *' 'sleep 60 | ptd-update --lr x'
    fails_at 66 'ptd-update: none.rec: *' 'sleep 60 | { exec ptd-update none.rec; }'
    fails_at 127 '*nowhere/ptd-update: No such file or directory' 'sleep 60 | nowhere/ptd-update'
}

@test "one rank a generation ahead goes back, to the same bits" {
    stores f.ptd
    run_ranks f.ptd 2 2 > f.jsonl
    cp -r f.ptd.1 kept.ptd
    ptd-run -q -n 2 -s f.ptd -- "$(pipe_of 3)" > f.jsonl
    rm -rf f.ptd.1
    mv kept.ptd f.ptd.1 # as if it had been killed before it published step 3
    [ "$(head_of f.ptd) $(head_of f.ptd.1)" = "3 2" ]
    run --separate-stderr ptd-run -n 2 -s f.ptd -- "$(pipe_of 6)"
    [ "$status" = 0 ]
    [[ "$stderr" == *"back from generation 3 to 2, the newest that all ranks have"* ]]
    [ "$(bits f.ptd)" = "$(bits whole.ptd)" ]
    [ "$(bits f.ptd.1)" = "$(bits whole.ptd)" ]
    run -0 ptd-dump --check f.ptd
}

@test "a killed launcher's agent is named, too, and nothing of it stays" {
    stores g.ptd
    : > g.ptd.jsonl
    start g.ptd 100
    until_line g.ptd.jsonl 1
    parent() { awk '{ print $4 }' "/proc/$1/stat"; }
    agent=$(parent "$(parent "$(program_of g.ptd.1 ptd-update | head -n 1)")")
    kill -9 "$agent"
    ends g.ptd 10
    cat g.ptd.err
    [ "$(< g.ptd.status)" = 137 ]
    [ "$(< g.ptd.err)" = "ptd-run: rank 1 on $(hostname) was ended by signal 9 (Killed)" ]
    nobody_left g.ptd
}

# All processes below PID that know the rank that they are of.
ranks_below() {
    local p
    for p in $(pgrep -P "$1"); do
        ! grep -zq '^OMPI_COMM_WORLD_RANK=' "/proc/$p/environ" 2> /dev/null || echo "$p"
        ranks_below "$p"
    done
}

@test "SIGUSR1 to each process of all ranks, as some launchers send it: 75, and on to the same bits" {
    stores h.ptd
    : > h.ptd.jsonl
    start h.ptd 12
    until_line h.ptd.jsonl 1
    kill -USR1 $(ranks_below "$(pgrep -P "$runner" -x ptd-run)") 2> /dev/null || true # some end while they are listed
    ends h.ptd 20
    cat h.ptd.err
    [ "$(< h.ptd.status)" = 75 ]
    [[ "$(< h.ptd.err)" == "ptd-update (rank "?" on $(hostname)): stopped on request after step "*"; the same command line goes on" ]]
    at=$(head_of h.ptd)
    [ "$at" -lt 12 ]
    run_ranks h.ptd 2 $((at + 1)) >> h.ptd.jsonl
    stores i.ptd
    run_ranks i.ptd 2 $((at + 1)) > i.ptd.jsonl
    [ "$(bits h.ptd)" = "$(bits i.ptd)" ]
    # before there is a stream, and while a store is copied
    stores h.ptd
    launch h.ptd "sleep 60 | ptd-update"
    for _ in $(seq 100); do [ -z "$(program_of h.ptd ptd-update)" ] || [ -z "$(program_of h.ptd.1 ptd-update)" ] || break; sleep 0.1; done
    sleep 1
    kill -USR1 "$(pgrep -P "$runner" -x ptd-run)"
    ends h.ptd 10
    [ "$(< h.ptd.status)" = 75 ]
    [[ "$(< h.ptd.err)" == "ptd-update (rank "?" on $(hostname)): stopped on request before it began; the same command line goes on" ]]
    command -v strace > /dev/null || skip "no strace"
    rm -rf q.ptd
    strace -f -o /dev/null -e trace=fsync,fdatasync,msync -e inject=fsync,fdatasync,msync:delay_enter=2000000 ptd-run -s q.ptd --from warm.ptd -- true 2> q.err &
    sleep 1
    kill -USR1 "$(pgrep -P $! -x ptd-run)"
    code=0
    wait $! || code=$?
    cat q.err
    [ "$code" = 75 ]
    [ "$(< q.err)" = "ptd-run: stopped on request before it began; the same command line goes on" ]
    [ ! -e q.ptd ]
    [ ! -e q.ptd.ptd-part ]
}

@test "mpirun killed: one line, and nobody is left" {
    stores g.ptd
    : > g.ptd.jsonl
    start g.ptd 100
    until_line g.ptd.jsonl 1
    kill -9 "$(pgrep -P "$(pgrep -P "$runner" -x ptd-run)" -x mpirun)"
    ends g.ptd 10
    [ "$(< g.ptd.status)" = 137 ]
    [ "$(< g.ptd.err)" = "ptd-run: mpirun was ended by signal 9 (Killed)" ]
    nobody_left g.ptd
}

@test "SIGTERM and SIGUSR1, at the launcher or at one rank: all stop after the same step, 75, and go on" {
    stores h.ptd
    : > h.ptd.jsonl
    lines=1
    for how in "USR1 rank" "TERM launcher" "TERM rank" "USR1 launcher"; do
        start h.ptd 12
        until_line h.ptd.jsonl $lines
        pid=$(pgrep -P "$runner" -x ptd-run) || break
        [[ "$how" != *rank ]] || pid=$(program_of h.ptd.1 ptd-update)
        [ -n "$pid" ] || break
        kill -"${how% *}" $pid
        ends h.ptd 20
        cat h.ptd.err
        [ "$(< h.ptd.status)" != 0 ] || break
        [ "$(< h.ptd.status)" = 75 ]
        [[ "$(< h.ptd.err)" == "ptd-update (rank 0 on $(hostname)): stopped on request after step "*"; the same command line goes on" ]]
        [ "$(head_of h.ptd)" = "$(head_of h.ptd.1)" ]
        lines=$(($(wc -l < h.ptd.jsonl) + 1))
    done
    run_ranks h.ptd 2 12 >> h.ptd.jsonl
    stores i.ptd
    run_ranks i.ptd 2 12 > i.ptd.jsonl
    [ "$(bits h.ptd)" = "$(bits i.ptd)" ]
    [ "$(timeless h.ptd.jsonl)" = "$(timeless i.ptd.jsonl)" ]
}

@test "a stopped rank is missed, a slow one is waited for" {
    stores i.ptd
    : > i.ptd.jsonl
    start i.ptd 100 --comm-timeout 2
    until_line i.ptd.jsonl 1
    pid=$(program_of i.ptd.1 ptd-update)
    kill -STOP $pid
    ends i.ptd 12
    cat i.ptd.err
    [ "$(< i.ptd.status)" = 69 ]
    [ "$(< i.ptd.err)" = "ptd-update (rank 0 on $(hostname)): rank 1 on $(hostname) did not come within 2 s (--comm-timeout)" ]
    nobody_left i.ptd
    # 0.2 s of every 0.25 it does not run
    stores i.ptd
    : > i.ptd.jsonl
    start i.ptd 6 --comm-timeout 20
    until_line i.ptd.jsonl 1
    pid=$(program_of i.ptd.1 ptd-update)
    while kill -STOP $pid 2> /dev/null; do sleep 0.2; kill -CONT $pid 2> /dev/null || true; sleep 0.05; done
    ends i.ptd 60
    [ "$(< i.ptd.status)" = 0 ]
    [ "$(bits i.ptd)" = "$(bits whole.ptd)" ]
}

@test "a full disk on one rank: 74 and one line that names it, and with room the run goes on to the same bits" {
    stores j.ptd
    run_ranks j.ptd 2 2 > j.jsonl
    kib=$(($(du -k --apparent-size j.ptd.1/data.mdb | cut -f1) + 64))
    pipe=$(pipe_of 6)
    full="{ [ \$OMPI_COMM_WORLD_RANK = 0 ] || ulimit -f $kib; exec ptd-update"
    fails 74 "ptd-update (rank 1 on $(hostname)): *" ptd-run -n 2 -s j.ptd -- "${pipe/ptd-update/$full}; }"
    run_ranks j.ptd 2 6 > j.jsonl
    [ "$(bits j.ptd)" = "$(bits whole.ptd)" ]
    [ "$(bits j.ptd.1)" = "$(bits whole.ptd)" ]
}

# ---- shares of the optimizer ----

@test "--shard-optimizer: each rank's store holds its part, the same weights come of it, export and another number of ranks gather" {
    ptd-init -q narrow.ptd --from-store warm.ptd --dtype bf16
    for forms in "" "--master split --moments 8bit" "--master split" "--apply layer --micro 100000"; do
        rm -rf p.ptd* q.ptd* p.out q.out
        for store in p.ptd q.ptd; do
            if [ -n "$forms" ]; then cp -r narrow.ptd $store; else fresh $store; fi
        done
        cp -r p.ptd p.alone
        ptd-rollout -q -s p.alone -P 4 -G 4 -m 16 -n 3 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | tee p.rec |
            ptd-update -q --lr 1e-3 --clip-grad 0 $forms > /dev/null
        rm -rf p.alone
        ptd-run -q -n 3 -s p.ptd -- "ptd-update -q --lr 1e-3 --clip-grad 0 $forms p.rec" > p.jsonl
        ptd-run -q -n 3 -s q.ptd -- "ptd-update -q --lr 1e-3 --clip-grad 0 --shard-optimizer $forms p.rec" > q.jsonl
        # the norm, which nothing is divided by here, is summed in another order
        jq -c 'with_entries(select(.key | test("^timing_s|^perf/|grad_norm") | not))' p.jsonl > p.line
        jq -c 'with_entries(select(.key | test("^timing_s|^perf/|grad_norm") | not))' q.jsonl > q.line
        cmp p.line q.line
        weights() { ptd-dump "$1" | jq -r 'select(.kind == "weights" and .head).xxh3' | tr '\n' ' '; }
        [ "$(weights p.ptd)" = "$(weights q.ptd)" ]
        [ "$(weights q.ptd.2)" = "$(weights q.ptd)" ]
        bytes() { ptd-dump "$1" | jq -s 'map(select(.kind == "optim").bytes) | add'; }
        all=$(bytes p.ptd)
        for r in "" .1 .2; do [ "$(($(bytes q.ptd$r) * 2))" -lt "$all" ]; done
        ptd-export -q --dtype f32 p.ptd p.out
        ptd-export -q --dtype f32 q.ptd q.out
        cmp p.out/model.safetensors q.out/model.safetensors
        # on with as many, and with fewer and more: the same but for rounding
        for n in 3 1 2 4; do
            rm -rf r.ptd* r$n
            for q in q.ptd*; do cp -r "$q" "r${q#q}"; done
            share=--shard-optimizer
            [ $n != 1 ] || share=
            anyway=--resume-anyway
            [ $n != 3 ] || anyway=
            ptd-run -q -n $n -s r.ptd -- "$(pipe_of 4 --clip-grad 0 $forms $share $anyway)" > r.jsonl
            [ "$(jq .step r.jsonl)" = 4 ]
            ptd-export -q --dtype f32 r.ptd r$n
            off=$("$BATS_TEST_DIRNAME/apart.py" q.out r3 r$n)
            echo "$forms, $n ranks: $off"
            [ "$(jq -n "$off < 2e-2")" = true ]
        done
        # a share that is lost is missed
        rm -rf r.ptd*
        cp -r q.ptd r.ptd
        cp -r q.ptd.1 r.ptd.1
        fails 66 "ptd-update: store r.ptd.2: *" ptd-update -q -s r.ptd --resume-anyway --clip-grad 0 $forms --lr 1e-3 <(ptd-rollout -q -s r.ptd -P 4 -G 4 -m 16 -n 4 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q)
    done
}

@test "what is not finite on one rank is refused by all, whatever is applied how, and the step after it learned" {
    /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" scored.rec 'n = len(g["rollouts"][0]["logp"].data) // 4; g["rollouts"][0]["logp"] = f32(*[float("nan")] * n)' > nan.rec
    uid=$(ptd-dump scored.rec | jq -r 'select(.kind == "group").uid' | head -n 1)
    fresh o.ptd
    ptd-update -q --lr 1e-3 nan.rec -s o.ptd > o.jsonl 2> /dev/null
    rm -rf o.out
    ptd-export -q o.ptd o.out
    for ways in "" "--shard-optimizer" "--apply layer --micro 100000" "--shard-optimizer --apply layer --micro 100000" "--shard-optimizer --updates 2"; do
        stores n.ptd
        ptd-run -q -n 2 -s n.ptd -- "ptd-update -q --comm-timeout 20 --lr 1e-3 $ways nan.rec" > n.jsonl 2> n.err
        cat n.err
        [ "$(< n.err)" = "ptd-update (rank 0 on $(hostname)): warning: step 1: loss or gradient is not finite, first in record \"$uid\"; step refused, weights unchanged" ]
        [ "$(jq -c '[.step, ."actor/grad_norm" != null]' n.jsonl | tr -d '\n')" = "[1,false][2,true][3,true][4,true][5,true]" ]
        [ "$(ptd-dump n.ptd | jq -r 'select(.kind == "weights" and .head).xxh3')" = "$(ptd-dump n.ptd.1 | jq -r 'select(.kind == "weights" and .head).xxh3')" ]
        [[ "$ways" != *updates* ]] || continue
        rm -rf n.out
        ptd-export -q n.ptd n.out
        off=$("$BATS_TEST_DIRNAME/apart.py" start o.out n.out)
        echo "$ways: $off"
        [ "$(jq -n "$off < 1e-4")" = true ]
    done
}

# ---- cards ----

@test "sums on cards: NCCL, or what stands in for it, is called as it wants, and gives what the host gives" {
    build=${PTD_BUILD:-$BATS_TEST_DIRNAME/../build/cpu}
    [ -e "$bin/libptd-sim.so" ] || skip "no emulator of a card: make units"
    stores s.ptd
    cp -r s.ptd t.ptd
    ptd-gold -q -s s.ptd -P 2 -n 2 train.jsonl > s.rec
    step="ptd-update -q --loss sft --lr 1e-3 --device sim:f32"
    ptd-run -q -n 2 -s t.ptd -- "$step --sum-on host s.rec" > t.jsonl
    rm -f nccl.log
    PTD_NCCL=$build/shim-nccl.so SHIM_NCCL_LOG=nccl.log ptd-run -n 2 -s s.ptd -- "$step --sum-on nccl s.rec" > s.jsonl 2> s.err
    cat s.err
    run -1 grep shim-nccl s.err
    [ "$(grep -c "init 2" nccl.log) $(grep -c destroy nccl.log)" = "2 2" ]
    [ "$(awk '/^0 sum/ { n += $3 } END { print n }' nccl.log)" = "$((2 * $(ptd-dump s.ptd | jq 'select(.kind == "weights" and .head).numbers')))" ]
    [ "$(awk '/^0 sum/ { n += $3 } END { print n }' nccl.log)" = "$(awk '/^1 sum/ { n += $3 } END { print n }' nccl.log)" ]
    rm -rf s.out t.out
    ptd-export -q s.ptd s.out
    ptd-export -q t.ptd t.out
    off=$("$BATS_TEST_DIRNAME/apart.py" start s.out t.out)
    echo "apart: $off"
    [ "$(jq -n "$off < 1e-4")" = true ]
    [ "$(bits s.ptd)" = "$(bits s.ptd.1)" ]
    # what cannot be
    host=$(hostname)
    fails 69 "ptd-update (rank ? on $host): sums on cards: nothing.so*" env PTD_NCCL=nothing.so ptd-run -n 2 -s s.ptd -- "$step --sum-on nccl s.rec"
    fails 2 "ptd-update (rank ? on $host): --sum-on nccl: expected a card*" ptd-run -n 2 -s s.ptd -- "ptd-update --loss sft --sum-on nccl s.rec"
    fails 2 "ptd-update (rank ? on $host): --sum-on nccl: without --reduce bf16*" ptd-run -n 2 -s s.ptd -- "$step --sum-on nccl --reduce bf16 s.rec"
    fails 2 "ptd-update (rank ? on $host): --sum-on \"moon\": expected auto, host or nccl*" ptd-run -n 2 -s s.ptd -- "$step --sum-on moon s.rec"
    # a build without MPI says so
    mkdir -p bare
    cp "$bin"/ptd-update bare/
    fails 69 "ptd-update (rank ? on $host): rank ? of 2: expected libptd-mpi.so beside the program or in lib*" ptd-run -n 2 -s s.ptd -- "bare/ptd-update s.rec"
}

# ---- the network ----

# Two machines, as far as networks and names go: node0 and node1, joined by a wire of their own.
two_nodes() {
    net=ptd$BASHPID
    ip netns add ${net}a 2> /dev/null || skip "no network namespaces"
    ip netns add ${net}b
    ip link add ${net:0:12}x type veth peer name ${net:0:12}y
    ip link set ${net:0:12}x netns ${net}a name wire
    ip link set ${net:0:12}y netns ${net}b name wire
    ip -n ${net}a addr add 10.77.0.1/24 dev wire
    ip -n ${net}b addr add 10.77.0.2/24 dev wire
    for n in a b; do ip -n $net$n link set lo up && ip -n $net$n link set wire up || return; done
    # mpirun's ssh: AGENT HOST COMMAND...
    printf '#!/bin/bash\nshift\nexec ip netns exec %s unshare --uts bash -c "hostname node1; $*"\n' ${net}b > agent
    chmod +x agent
    export OMPI_MCA_plm_rsh_agent=$PWD/agent OMPI_MCA_oob_tcp_if_include=wire OMPI_MCA_btl_tcp_if_include=wire OMPI_MCA_btl=self,tcp
}

teardown() {
    [ -n "${net-}" ] || return 0
    for n in a b; do
        ip netns pids $net$n 2> /dev/null | xargs -r kill -9 2> /dev/null || true
        ip netns del $net$n 2> /dev/null || true
    done
}

start_on_two_nodes() { # STORE STEPS [OPTIONS OF UPDATE...]
    local store=$1
    shift
    rm -f "$store.status"
    : >> "$store.jsonl"
    {
        code=0
        ip netns exec ${net}a unshare --uts bash -c 'hostname node0; exec ptd-run -n 2 -H 10.77.0.1,10.77.0.2 -s "$0" -- "$1"' "$store" "$(pipe_of "$@")" \
            >> "$store.jsonl" 2> "$store.err" || code=$?
        echo $code > "$store.status"
    } 3>&- &
}

@test "over a network that is slow, and then cut: one line that names the rank and its host, and on to the same bits" {
    stores k.ptd
    two_nodes
    start_on_two_nodes k.ptd 2
    ends k.ptd 60
    cat k.ptd.err
    [ "$(< k.ptd.status)" = 0 ]
    tc -n ${net}a qdisc add dev wire root netem delay 20ms 2> /dev/null || echo "no netem in this kernel: the network is not slow"
    start_on_two_nodes k.ptd 60 --comm-timeout 3
    until_line k.ptd.jsonl 4
    tc -n ${net}a qdisc del dev wire root 2> /dev/null || true
    ip -n ${net}a link set wire down
    ends k.ptd 20
    cat k.ptd.err
    [ "$(< k.ptd.status)" = 69 ]
    [[ "$(tail -n 1 k.ptd.err)" == "ptd-update (rank 0 on node0): rank 1 on node1 did not come within 3 s (--comm-timeout)" ]]
    [ "$(wc -l < k.ptd.err)" = 1 ]
    # the other side finds out by itself
    for _ in $(seq 200); do [ -n "$(program_of k.ptd.1 ptd-update)" ] || break; sleep 0.1; done
    [ -z "$(program_of k.ptd.1 ptd-update)" ]
    ip -n ${net}a link set wire up
    steps=$(wc -l < k.ptd.jsonl)
    start_on_two_nodes k.ptd $((steps + 2))
    ends k.ptd 60
    cat k.ptd.err
    [ "$(< k.ptd.status)" = 0 ]
    unset OMPI_MCA_plm_rsh_agent OMPI_MCA_oob_tcp_if_include OMPI_MCA_btl_tcp_if_include OMPI_MCA_btl
    stores l.ptd
    run_ranks l.ptd 2 "$(head_of k.ptd)" > l.jsonl
    [ "$(bits k.ptd)" = "$(bits l.ptd)" ]
    [ "$(bits k.ptd.1)" = "$(bits l.ptd)" ]
}
