#!/usr/bin/env bats
# Killed anywhere, the store stays whole and the same command line ends in the same bits; a pipeline
# that loses a program ends as a whole.
load lib
load programs

setup_file() {
    small_run
    fresh whole.ptd
    pipeline whole.ptd 6 > whole.jsonl
}

setup() { cd "$WORK"; }

asking="-P 4 -G 4 -m 16"
judging=

# Until the metrics of STORE have at least LINES lines.
reached() {
    for _ in $(seq 1500); do
        [ "$(wc -l < "$1.jsonl")" -lt "$2" ] || return 0
        sleep 0.02
    done
    return 1
}

@test "one program is killed: the others end by themselves, the store is whole" {
    for victim in 0 1 2 3 4; do
        fresh hit.ptd
        : > hit.ptd.jsonl
        launch hit.ptd 1000
        reached hit.ptd 2
        kill -9 "${pids[$victim]}"
        land
        echo "killed $victim: ${codes[*]}"
        for i in 0 1 2 3 4; do
            if [ $i = $victim ]; then [ "${codes[$i]}" = 137 ]; else [[ "${codes[$i]}" == @(76|141) ]]; fi
            [ "$(wc -l < e$i)" -le 1 ]
        done
        run -0 ptd-dump --check hit.ptd
        [ "$(head_of hit.ptd)" -ge 2 ]
    done
}

@test "a trainer that never comes is missed aloud" {
    fresh alone.ptd
    run -124 --separate-stderr bash -c 'set -o pipefail; timeout 8 ptd-rollout -q -s alone.ptd -P 4 -G 2 -m 4 -n 2 train.jsonl | cat > /dev/null'
    [ "$stderr" = "ptd-rollout: warning: waiting for generation 1, but no ptd-update has alone.ptd open for training" ]
}

@test "tee does not hide that the trainer has gone" {
    fresh teed.ptd
    rm -f code
    : > teed.ptd.jsonl
    { ptd-rollout -q -s teed.ptd -P 4 -G 4 -m 16 -n 1000 train.jsonl 2> e0 || echo $? > code; } 3>&- | tee all.rec 3>&- | ptd-verify -q 2> e1 3>&- | pv -q 3>&- |
        ptd-hint -q 2> e2 3>&- | ptd-ref -q 2> e3 3>&- | tee scored.rec 3>&- | ptd-update -q --lr 1e-3 > teed.ptd.jsonl 2> e4 3>&- &
    reached teed.ptd 2
    kill -9 "$(cut -d' ' -f2 teed.ptd/lock)"
    for _ in $(seq 200); do [ ! -s code ] || break; sleep 0.05; done
    [ "$(< code)" = 76 ]
    [[ "$(< e0)" == "ptd-rollout: the trainer has gone while generation "* ]]
}

@test "killed at any moment, resumed to the same bits" {
    fresh torn.ptd
    : > torn.ptd.jsonl
    for moment in 0.05 0.13 0.21 0.3 0.37; do
        [ "$(head_of torn.ptd)" -lt 6 ] || break
        launch torn.ptd 6
        sleep $moment
        kill -9 "${pids[@]}" 2> /dev/null || true
        land
        run -0 ptd-dump --check torn.ptd
    done
    pipeline torn.ptd 6 >> torn.ptd.jsonl
    [ "$(head_of torn.ptd)" = 6 ]
    [ "$(bits torn.ptd)" = "$(bits whole.ptd)" ]
}

@test "killed between two steps, at an epoch's end: the same bits, the same metrics" {
    for stop in 1 2 5; do
        fresh part.ptd
        pipeline part.ptd $stop > part.jsonl
        pipeline part.ptd 6 >> part.jsonl
        [ "$(bits part.ptd)" = "$(bits whole.ptd)" ]
        [ "$(timeless part.jsonl)" = "$(timeless whole.jsonl)" ]
    done
}

@test "SIGTERM at ptd-update: the step is finished, 75, and the run goes on" {
    fresh term.ptd
    : > term.ptd.jsonl
    launch term.ptd 6
    reached term.ptd 1
    kill -TERM "${pids[4]}"
    land
    [ "${codes[4]}" = 75 ]
    [[ "$(< e4)" == "ptd-update: stopped on request after step "*"; the same command line goes on" ]]
    done=$(head_of term.ptd)
    [ "$done" -lt 6 ]
    [ "$done" = "$(wc -l < term.ptd.jsonl)" ]
    pipeline term.ptd 6 >> term.ptd.jsonl
    [ "$(bits term.ptd)" = "$(bits whole.ptd)" ]
    [ "$(timeless term.ptd.jsonl)" = "$(timeless whole.jsonl)" ]
}

# Weights of generation 0 and the newest, moments, counters: what a run has come to, whatever was
# published on the way.
come_to() { ptd-dump "$1" | jq -c 'select((.kind == "weights" and (.head or .generation == 0)) or .kind == "optim" or .kind == "state")' | grep -v '"partial/'; }
generations_of() { ptd-dump "$1" | jq 'select(.kind == "weights").generation' | paste -sd ' '; }

@test "--publish-every decides no result: 1, 3 and 10 end in the same bits, and may take turns" {
    for every in 3 10; do
        fresh every.ptd
        pipeline every.ptd 6 --publish-every $every > every.jsonl
        [ "$(come_to every.ptd)" = "$(come_to whole.ptd)" ]
        [ "$(timeless every.jsonl)" = "$(timeless whole.jsonl)" ]
        [ "$(wc -w < every.ptd/lock)" = 2 ]
    done
    [ "$(generations_of every.ptd)" = "0 6" ]
    fresh every.ptd
    for turn in '2 10' '3 1' '5 3' '6 2'; do pipeline every.ptd ${turn% *} --publish-every ${turn#* } > every.jsonl; done
    [ "$(come_to every.ptd)" = "$(come_to whole.ptd)" ]
}

@test "--publish-every with --lag 1: what a resume asks for is there, the same bits" {
    behind() { ptd-rollout -q -s "$1" -P 4 -G 4 -m 16 -n "$2" --lag 1 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3 --publish-every "$3" > /dev/null; }
    fresh lag.ptd
    behind lag.ptd 6 1
    fresh every.ptd
    behind every.ptd 4 3
    [ "$(generations_of every.ptd)" = "0 2 3 4" ]
    behind every.ptd 6 3
    [ "$(come_to every.ptd)" = "$(come_to lag.ptd)" ]
}

@test "--publish-every: killed at any moment, all of it or one program, resumed to the same bits" {
    for victim in all 0 4 3 all; do
        fresh hit.ptd
        : > hit.ptd.jsonl
        launch hit.ptd 6 --publish-every 4
        sleep 0.$((RANDOM % 4 + 1))
        if [ $victim = all ]; then
            kill -9 "${pids[@]}" 2> /dev/null || true
        else
            kill -9 "${pids[$victim]}" 2> /dev/null || true
        fi
        land
        run -0 ptd-dump --check hit.ptd
        [ "$(head_of hit.ptd)" -ge "$(wc -l < hit.ptd.jsonl)" ]
        if [ $victim = all ] || [ $victim = 4 ]; then [[ "$(head_of hit.ptd)" == @(0|4|6) ]]; fi
        pipeline hit.ptd 6 --publish-every 4 > /dev/null
        [ "$(come_to hit.ptd)" = "$(come_to whole.ptd)" ]
    done
}

@test "--publish-every: SIGTERM publishes what is done, and tells what it publishes" {
    fresh term.ptd
    : > term.ptd.jsonl
    launch term.ptd 1000 --publish-every 500
    sleep 1
    kill -TERM "${pids[4]}"
    land
    [ "${codes[4]}" = 75 ]
    [[ "$(< e4)" == "ptd-update: stopped on request after step "*"; the same command line goes on" ]]
    [ "$(head_of term.ptd)" -ge 1 ]
    [ "$(head_of term.ptd)" = "$(wc -l < term.ptd.jsonl)" ]
}

@test "--publish-every: the rest of a step never comes: what is done is published after --grace" {
    fresh held.ptd
    ptd-gold -q -s held.ptd -P 8 -n 3 train.jsonl > sft.rec
    rm -f idle
    mkfifo idle
    ptd-update -q --loss sft --grace 1 --publish-every 10 idle > held.jsonl 2> e4 3>&- &
    exec 9> idle
    head -c $(($(stat -c %s sft.rec) - 100)) sft.rec >&9
    sleep 1
    kill -TERM $!
    status=0
    wait $! || status=$?
    exec 9>&-
    [ $status = 75 ]
    [[ "$(< e4)" == "ptd-update: stopped on request after step "*"; the step in flight is dropped; the same command line goes on" ]]
    [ "$(head_of held.ptd)" -ge 2 ]
    [ "$(head_of held.ptd)" = "$(wc -l < held.jsonl)" ]
}

@test "--publish-every without shared memory: a warning, every step is published, the same bits" {
    command -v strace > /dev/null || skip "no strace"
    for refused in memfd_create:error=ENOSYS fallocate:error=ENOSPC; do
        fresh every.ptd
        ptd-rollout -q -s every.ptd -P 4 -G 4 -m 16 -n 6 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q |
            strace -f -o /dev/null -e trace=memfd_create,fallocate -e inject=$refused ptd-update -q --lr 1e-3 --publish-every 10 2> said > every.jsonl
        [[ "$(< said)" == "ptd-update: warning: no shared memory of "*"; every step is published" ]]
        [ "$(wc -l < said)" = 1 ]
        [ "$(generations_of every.ptd)" = "0 4 5 6" ]
        [ "$(bits every.ptd)" = "$(bits whole.ptd)" ]
    done
}

@test "a resume that would not be exact is 78, unless asked for" {
    fresh other.ptd
    pipeline other.ptd 1 > /dev/null
    before=$(bits other.ptd)
    refused() { fails 78 "ptd-update: other.ptd: resuming at step 1 would not be exact: $1 (--change $2 goes on from here, and is recorded)" bash -c "set -o pipefail; $3"; }
    quiet='2> /dev/null'
    line="ptd-rollout -q -s other.ptd -P 4 -G 4 -m 16 -n 2"
    rest="ptd-verify -q $quiet | ptd-hint -q $quiet | ptd-ref -q $quiet | ptd-update -q --lr 1e-3"
    refused '--lr was 0.001, now 0.002' lr "$line train.jsonl $quiet | $rest --lr 2e-3"
    refused '--lambda was 0.5, now 1.0' lambda "$line train.jsonl $quiet | $rest --lambda 1"
    refused '--seed was 0, now 4' seed "$line --seed 4 train.jsonl $quiet | $rest"
    refused '--group-size was 4, now 3' group-size "$line -G 3 train.jsonl $quiet | $rest"
    refused 'sampling was "top-p 1; *, now "top-p 0.5; *' sampling "$line --top-p 0.5 train.jsonl $quiet | $rest"
    refused 'sampling was *, now "*; min-p 0.25*' sampling "$line --min-p 0.25 train.jsonl $quiet | $rest"
    refused 'ptd-update: threads was *, now "3"' ptd-update "$line train.jsonl $quiet | $rest -j 3"
    refused 'ptd-rollout: threads was *, now "3"' ptd-rollout "$line -j 3 train.jsonl $quiet | $rest"
    refused 'ptd-rollout: blas was *, now "Nehalem kernel of *' ptd-rollout "OPENBLAS_CORETYPE=Nehalem $line train.jsonl $quiet | $rest"
    refused 'ptd-ref: blas was *, now "Nehalem kernel of *' ptd-ref "$line train.jsonl $quiet | ${rest/ptd-ref/OPENBLAS_CORETYPE=Nehalem ptd-ref}"
    refused 'ptd-verify: options was "ptd-verify", now "ptd-verify --eps 1"' ptd-verify "$line train.jsonl $quiet | ${rest/ptd-verify -q/ptd-verify -q --eps 1}"
    refused 'pipe was *,"ptd-hint",*, now *' '*' "$line train.jsonl $quiet | ${rest/ptd-hint -q $quiet |/}"
    sed '1s/digit/digits/' train.jsonl > changed.jsonl
    refused 'data was *' data "$line changed.jsonl $quiet | $rest"
    [ "$(bits other.ptd)" = "$before" ]
    run -0 --separate-stderr bash -c "set -o pipefail; $line train.jsonl | ${rest//$quiet/} --lr 2e-3 --resume-anyway"
    [[ "$stderr" == "ptd-update: warning: resuming although --lr was 0.001, now 0.002"* ]]
    [ "$(head_of other.ptd)" = 2 ]
}

# One run of 4 steps under a cosine schedule, of which 2 are made: STORE STEPS [OPTIONS OF UPDATE...].
cosine() {
    local store=$1 steps=$2 prompts=${PROMPTS:-4}
    shift 2
    ptd-rollout -q -s "$store" -P "$prompts" -G 4 -m 16 -n "$steps" train.jsonl 2> /dev/null | ptd-verify -q 2> /dev/null |
        ptd-hint -q 2> /dev/null | ptd-ref -q 2> /dev/null | ptd-update -q --lr 1e-3 --schedule cosine "$@"
}
changes() { ptd-dump "$1" | jq -c 'select(.kind == "state" and .name == "run").value.changes'; }

@test "a run is prolonged by --change, which is recorded, and goes on exactly" {
    fresh long.ptd
    cosine long.ptd 2 > /dev/null
    fails 78 '*would not be exact: --steps was 2, now 4 (--change steps goes on*' cosine long.ptd 4
    cp -r long.ptd killed.ptd
    cosine long.ptd 4 --change steps > long.jsonl
    [ "$(changes long.ptd)" = '[{"at":2,"what":{"steps":[2,4]}}]' ]
    [ "$(head_of long.ptd)" = 4 ]
    jq -se '.[0]."actor/lr" > .[1]."actor/lr"' long.jsonl
    # nothing is published before the third step; stopped between, the plain line goes on
    cosine killed.ptd 4 --change steps | head -n 1 > /dev/null || true
    until [ "$(head_of killed.ptd)" = 4 ]; do cosine killed.ptd 4 --change steps > /dev/null || true; done
    [ "$(bits killed.ptd)" = "$(bits long.ptd)" ]
    [ "$(changes killed.ptd)" = '[{"at":2,"what":{"steps":[2,4]}}]' ]
    # another -P from here on, and what is not named is refused as before
    fails 78 '*--prompts was 4, now 2; --lr was 0.001, now 0.002 (--change prompts,lr goes*' env PROMPTS=2 bash -c "$(declare -f cosine); cosine long.ptd 5 --change steps --lr 2e-3"
    PROMPTS=2 cosine long.ptd 5 --change steps,prompts > /dev/null
    [ "$(changes long.ptd)" = '[{"at":2,"what":{"steps":[2,4]}},{"at":4,"what":{"prompts":[4,2],"steps":[4,5]}}]' ]
    PROMPTS=2 cosine long.ptd 6 --change steps > /dev/null
    [ "$(changes long.ptd | jq length)" = 3 ]
    fails 2 '*--change "step": no setting of this run has that name; did you mean "steps"?' cosine long.ptd 6 --change step
}

@test "a warm start's store is no store of rewards, and the refusal says what is" {
    rm -rf sft.ptd
    cp -r warm.ptd sft.ptd
    fails 78 "*sft.ptd: generation 24 was trained by --loss sft from random weights, which would be reference and tutor: expected a run of its own, by ptd-init NEW.ptd --from-store sft.ptd" \
        cosine sft.ptd 25
    fails 78 "*from random weights*" cosine sft.ptd 25 --resume-anyway
    fails 78 "*from random weights*" cosine sft.ptd 25 --change loss,lr
    # without a reference nobody reads the random weights; it is another run all the same
    bare() { ptd-rollout -q -s sft.ptd -P 4 -G 4 -m 16 -n 25 train.jsonl 2> /dev/null | ptd-verify -q 2> /dev/null | ptd-update -q --beta 0 "$@"; }
    fails 78 "*was trained by --loss sft, and rewards are learned from in a run of their own*ptd-init NEW.ptd --from-store sft.ptd" bare
    rm -rf rl.ptd
    ptd-init -q rl.ptd --from-store sft.ptd
    cosine rl.ptd 1 > /dev/null
    [ "$(head_of rl.ptd)" = 1 ]
}

@test "a run that is finished says so" {
    fresh done.ptd
    pipeline done.ptd 1 > /dev/null
    run -0 --separate-stderr bash -c 'ptd-rollout -s done.ptd -P 4 -G 4 -m 16 -n 1 train.jsonl | ptd-dump --count'
    [[ "$stderr" == *"done.ptd: step 1 is done, and -n 1 is the number of steps of the whole run: nothing to do; a larger -n goes on"* ]]
}

@test "a resume may differ in what decides no number: quiet, how an option is spelled, the cache" {
    fresh same.ptd
    line="ptd-rollout -q -s same.ptd -P 4 -G 4 -m 16"
    bash -c "set -o pipefail; $line -n 1 train.jsonl | ptd-verify -q --eps 1e-5 | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3" > /dev/null
    bash -c "set -o pipefail; $line -n 2 train.jsonl | ptd-verify --eps=0.00001 --explain - | ptd-hint --tau 1 | ptd-ref -k16 | ptd-update --lr 1e-3" > /dev/null 2> said
    [ "$(head_of same.ptd)" = 2 ]
    [[ "$(< said)" == *"ptd-ref: "* && "$(< said)" != *warning* ]]
    bash -c "set -o pipefail; $line -n 6 train.jsonl | ptd-verify -q --eps 1e-5 | ptd-hint -q | ptd-ref -q --no-cache | ptd-update -q --lr 1e-3" > /dev/null
    [ "$(head_of same.ptd)" = 6 ]
    fresh cached.ptd
    bash -c "set -o pipefail; ${line/same/cached} -n 6 train.jsonl | ptd-verify -q --eps 1e-5 | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3" > /dev/null
    [ "$(bits same.ptd)" = "$(bits cached.ptd)" ]
}

# STEPS TEACHER [OPTIONS OF PTD-REF]: taught by another store.
taught() {
    local steps=$1 teacher=$2
    shift 2
    ptd-rollout -q -s taught.ptd -P 4 -G 4 -m 16 -n "$steps" train.jsonl 2> /dev/null | ptd-verify -q 2> /dev/null |
        ptd-hint -q --always 2> /dev/null | ptd-ref -q --teacher "$teacher" "$@" | ptd-update -q
}

@test "a teacher counts by what it holds, not by its name" {
    fresh taught.ptd
    fresh teacher.ptd
    taught 1 teacher.ptd
    mv teacher.ptd renamed.ptd
    taught 2 renamed.ptd
    ptd-gold -q -s renamed.ptd -P 4 -n 1 train.jsonl | ptd-update -q --loss sft > /dev/null
    fails 78 'ptd-update: *would not be exact: ptd-ref: options was "*; teacher generation 0 *", now "*; teacher generation 1 *' taught 3 renamed.ptd
    fails 78 'ptd-ref: --teacher *taught.ptd is the run*s own store, *' bash -c "ptd-rollout -q -s taught.ptd -P 1 -G 1 -m 2 -n 3 train.jsonl 2> /dev/null | ptd-ref -q --teacher ./taught.ptd > ref.rec"
    [ ! -s ref.rec ]
}

@test "names that are no UTF-8 are settings like others" {
    fresh $'te\351.ptd'
    fresh taught.ptd
    taught 1 $'te\351.ptd' -k 16
    ptd-dump <(ptd-rollout -q -s $'te\351.ptd' -P 1 -G 1 -m 2 -n 1 train.jsonl) > dump.json || true
    [ "$(jq -r 'select(.kind == "head").stages[0].command' dump.json)" = "ptd-rollout -q -s \$'te\\351.ptd' -P 1 -G 1 -m 2 -n 1 train.jsonl" ]
    fails 78 'ptd-update: *would not be exact: ptd-ref: options was *, now *--top-k 4*' taught 2 $'te\351.ptd' -k 4
}

@test "a step that is not finite is refused with its record, and ends the run at the third" {
    fresh inf.ptd
    ptd-gold -q -s inf.ptd -P 8 -n 12 train.jsonl > sft.rec
    # Decay 10 at rate 1 multiplies the weights by -9 until float32 ends.
    run -79 --separate-stderr ptd-update -q --loss sft --lr 1 --weight-decay 10 -u 8 sft.rec
    steps=${#lines[@]}
    [ "$steps" -lt 12 ]
    [[ "${stderr_lines[0]}" == 'ptd-update: warning: step '*' not finite, first in record "nbr-00000'[1-8]'"; step refused, weights unchanged' ]]
    [[ "${stderr_lines[-1]}" == "ptd-update: 3 refused steps in a row; the last good weights are those of generation $((steps - 3))" ]]
    [ "$(jq -s 'length as $n | map(."actor/refused_updates" > 0) == [range($n) | . >= $n - 3]' <<< "$output")" = true ]
    run -0 ptd-dump --check inf.ptd
    [ "$(head_of inf.ptd)" = "$steps" ]
    for name in model.language_model.norm.weight model.language_model.embed_tokens.weight; do
        [ "$(ptd-dump inf.ptd $name | jq .non_finite)" = 0 ]
    done
}
