#!/usr/bin/env bats
# What each program says about itself, and how it refuses: one line, the right status, nothing half
# done.
load lib

setup_file() {
    small_run
    ptd-rollout -q -s warm.ptd -g latest -P 4 -G 2 -m 16 train.jsonl > rollouts.rec
    ptd-verify -q rollouts.rec > verified.rec
    ptd-hint -q verified.rec > hinted.rec
    ptd-ref -q hinted.rec > scored.rec
    ptd-gold -q -s warm.ptd -P 4 -n 1 train.jsonl > gold.rec
    head -c 30000 scored.rec > cut.rec
    head -c -1 scored.rec > short.rec
    cp scored.rec flipped.rec
    printf 'X' | dd of=flipped.rec bs=1 seek=20000 conv=notrunc status=none
}

setup() { cd "$WORK"; }
programs="rollout verify hint ref update gold init export data stat dump plot eval watch metrics doctor run"
filters="verify hint ref stat"

# What the source's option tables hold: "long letter" of each program.
options_of() { grep -o '^ *{"[a-z0-9-]*", [^,]*, PTD_OPT_[A-Z]*' "$BATS_TEST_DIRNAME/../stages/ptd-$1.c" | sed 's/^ *{"\([^"]*\)".*PTD_OPT_\(.*\)/\1 \2/'; }

@test "--help: every option of the table, with a default where there is one" {
    for p in $programs; do
        run -0 --separate-stderr "ptd-$p" --help
        [ -z "$stderr" ]
        [[ "${lines[0]}" == "usage: ptd-$p"* ]]
        [[ "$output" == *"-h, --help"*"-V, --version"*"status: 0 "*", 2 misuse"* ]]
        [ "$p" != data ] || output+=$(ptd-data digits --help; ptd-data check --help)
        while read -r name kind; do
            line=$(grep -e "--\(\[no-\]\)\?$name\( \|$\)" <<< "$output") || { echo "ptd-$p: no --$name"; false; }
            case $kind in INT | LONG | DOUBLE) [[ "$line" == *"default"[\ :]* ]] || { echo "$line"; false; } ;; esac
        done < <(options_of "$p")
    done
    [[ "$(ptd-update --help)" == *"status: "*" 75 "*" 77 "*" 79 "* ]]
    [[ "$(ptd-dump --help)" == *"status: "*" 1 "* && "$(ptd-plot --help)" == *"status: "*" 69 "* ]]
    [[ "$(ptd-data digits --help)" == *"status: "*" 73 "* && "$(ptd-stat --help)" != *" 73 "* ]]
    [ "$(options_of update | wc -l)" -gt 20 ]
    [ "$(tr ' ' '\n' <<< "$programs" | sort)" = "$(cd "$bin" && ls -d ptd-* | sed s/ptd-// | sort)" ]
}

@test "--version" {
    for p in $programs; do
        run -0 --separate-stderr "ptd-$p" --version
        [[ "${lines[0]}" =~ ^"ptd-$p (ptd) "[0-9]+\.[0-9]+\.[0-9]+$ && -z "$stderr" ]]
    done
}

@test "misuse is status 2 and one line that points to --help" {
    for p in $programs; do
        fails 2 "ptd-$p: *; try ptd-$p --help" "ptd-$p" --no-such-option
        [[ $p = plot || $p = watch ]] || fails 2 "ptd-$p: *" "ptd-$p" a b c d
    done
    for p in rollout gold init data; do fails 2 "ptd-$p: *expected*" "ptd-$p"; done
    fails 2 'ptd-rollout: *--group-size*0*' ptd-rollout -G 0 train.jsonl
    fails 2 'ptd-rollout: *--temperature*' ptd-rollout -t hot train.jsonl
    fails 2 'ptd-rollout: *--lag*' ptd-rollout --lag 2 train.jsonl
    fails 2 'ptd-rollout: *--steps*' ptd-rollout -n 9e99 train.jsonl
    fails 2 'ptd-rollout: *--seed*argument*' ptd-rollout --seed
    for g in first '' -1 ' 0' 1e3 99999999999999999999; do
        fails 2 "ptd-rollout: --generation \"$g\": expected a number or 'latest';*" ptd-rollout -s warm.ptd -g "$g" train.jsonl
        [ -z "$output" ]
    done
    for p in rollout gold; do fails 2 "ptd-$p: option --system: byte 1 is no UTF-8" ptd-$p -s warm.ptd --system $'a\xff' train.jsonl; done
    fails 2 'ptd-verify: *--judge*' ptd-verify --judge sympy rollouts.rec
    fails 2 'ptd-hint: *--from*' ptd-hint --from oracle verified.rec
    fails 2 'ptd-hint: --from "oracle": *' ptd-hint --from oracle /dev/null
    fails 2 'ptd-ref: *--scope*' ptd-ref --scope some hinted.rec
    fails 2 'ptd-update: *--loss "dpo": expected one of ppo, *' ptd-update --loss dpo scored.rec
    fails 2 'ptd-update: *--schedule*' ptd-update --schedule step scored.rec
    fails 2 'ptd-update: *--lr*' ptd-update --lr -1 scored.rec
    fails 2 'ptd-data digits: *--kinds*' ptd-data digits x.jsonl --kinds maze
    fails 2 'ptd-data digits: *--split*' ptd-data digits x.jsonl --split all
    fails 2 'ptd-init: *--generation*' ptd-init new.ptd -g 3
    fails 2 'ptd-dump: --check is for all of a store, *' ptd-dump --check warm.ptd some.weight
    fails 2 'ptd-dump: --generation goes with *' ptd-dump -g 99 warm.ptd
    [ ! -e new.ptd ] && [ ! -e x.jsonl ]
}

@test "what is missing is status 66" {
    for p in verify hint ref update stat dump; do fails 66 "ptd-$p: missing.rec: No such file or directory" "ptd-$p" missing.rec; done
    fails 66 'ptd-rollout: *missing.jsonl*' ptd-rollout -s warm.ptd missing.jsonl
    fails 66 'ptd-gold: *missing.jsonl*' ptd-gold -s warm.ptd missing.jsonl
    fails 66 'ptd-rollout: store missing.ptd: No such file*' ptd-rollout -s missing.ptd train.jsonl
    fails 66 'ptd-gold: store missing.ptd: *' ptd-gold -s missing.ptd train.jsonl
    fails 66 'ptd-ref: store missing.ptd: *' ptd-ref -s missing.ptd hinted.rec
    fails 66 'ptd-update: store missing.ptd: *' ptd-update --loss sft -s missing.ptd gold.rec
    fails 66 'ptd-init: store missing.ptd: *' ptd-init new.ptd --from-store missing.ptd
    fails 66 'ptd-init: *config.json*' ptd-init new.ptd --config no-such-model
    fails 66 'ptd-rollout: *generation 7*' ptd-rollout -s warm.ptd -g 7 train.jsonl
    fails 66 'ptd-data check: *missing.jsonl*' ptd-data check missing.jsonl
    fails 66 'ptd-plot: *missing.jsonl*' ptd-plot missing.jsonl
    [ ! -e new.ptd ]
}

@test "what is no store, or a damaged one, is refused" {
    mkdir -p empty.ptd foreign.ptd
    head -c 100000 /dev/zero > foreign.ptd/data.mdb
    fails 66 'ptd-rollout: store train.jsonl: not a directory' ptd-rollout -s train.jsonl train.jsonl
    fails 66 'ptd-rollout: store empty.ptd: data.mdb*' ptd-rollout -s empty.ptd train.jsonl
    fails 65 'ptd-rollout: store foreign.ptd: *' ptd-rollout -s foreign.ptd train.jsonl
    cp -r blank.ptd half.ptd
    truncate -s 1M half.ptd/base.mdb
    fails 65 'ptd-rollout: store half.ptd: base.mdb has 1048576 bytes, expected at least *' ptd-rollout -s half.ptd train.jsonl
    truncate -s 16K half.ptd/data.mdb
    fails 65 'ptd-rollout: store half.ptd: data.mdb has 16384 bytes, expected at least *' ptd-rollout -s half.ptd train.jsonl
    cp -r blank.ptd bit.ptd
    printf 'X' | dd of=bit.ptd/base.mdb bs=1 seek=3000000 conv=notrunc status=none
    fails 65 'ptd-rollout: *bit.ptd*' ptd-rollout -s bit.ptd -g 0 train.jsonl
    run -1 ptd-dump --check bit.ptd
    cp -r blank.ptd other.ptd
    for at in $(LC_ALL=C grep -abo 'format2' other.ptd/data.mdb | cut -d: -f1); do
        printf '9' | dd of=other.ptd/data.mdb bs=1 seek=$((at + 6)) conv=notrunc status=none
    done
    fails 65 'ptd-rollout: store other.ptd: format 9, expected 1 or 2' ptd-rollout -s other.ptd train.jsonl
    fails 73 'ptd-init: store blank.ptd: is there already*' ptd-init blank.ptd
    # A store from elsewhere cannot have a file written that is none of its own, nor a reader wait.
    cp -r blank.ptd sly.ptd
    echo precious > precious
    ln -sf ../precious sly.ptd/lock
    ptd-gold -q -s blank.ptd -P 8 -n 1 train.jsonl > sly.rec
    fails 77 'ptd-update: store sly.ptd: its lock is a symbolic link, expected a file' ptd-update --loss sft -s sly.ptd sly.rec
    [ "$(cat precious)" = precious ]
    rm sly.ptd/lock
    mkfifo sly.ptd/lock
    run -0 timeout 10 bash -c 'ptd-rollout -q -s sly.ptd -P 1 -G 1 -m 2 -n 1 train.jsonl > sly.rec'
}

@test "files of other people in a store's folder: neither written nor removed, whatever a program wants with the store" {
    local file c
    ptd-gold -q -s blank.ptd -P 8 -n 1 train.jsonl > sly.rec
    for file in lock.mdb data.mdb base.mdb lock; do
        rm -rf sly.ptd made.ptd
        cp -r blank.ptd sly.ptd
        echo precious > precious
        ln -sf ../precious sly.ptd/$file
        for c in "ptd-dump sly.ptd" "ptd-rollout -s sly.ptd --greedy -m 2 train.jsonl" "ptd-export sly.ptd sly.hf" "ptd-init made.ptd --from-store sly.ptd" \
            "ptd-ref -s sly.ptd hinted.rec" "ptd-update --loss sft -s sly.ptd sly.rec"; do
            [[ $file != lock || "$c" = ptd-update* ]] || continue
            fails 77 "${c%% *}: store sly.ptd: its $file is a symbolic link, expected a file" $c
            [ "$(cat precious)" = precious ]
        done
        [ ! -e made.ptd ]
        [ ! -e sly.hf ]
        mkdir made.ptd
        ln precious made.ptd/$file
        for max in 64Gi 1Mi; do fails 73 'ptd-init: store made.ptd: *' env PTD_STORE_MAX=$max ptd-init made.ptd; done
        [ "$(ls made.ptd)" = "$file" ]
        [ "$(cat precious)" = precious ]
    done
    rm -rf made.ptd
    mkdir made.ptd
    echo precious > made.ptd/notes
    fails 74 'ptd-init: store made.ptd: *map full*' env PTD_STORE_MAX=1Mi ptd-init made.ptd
    [ "$(ls made.ptd)" = notes ]
    fails 78 'ptd-init: PTD_STORE_MAX: *' env PTD_STORE_MAX=1M ptd-init new.ptd
    [ ! -e new.ptd ]
}

@test "a store is read by who may not write it, and not while somebody trains it" {
    [ "$(id -u)" = 0 ] || skip "not root"
    local other=(setpriv --reuid 65534 --regid 65534 --clear-groups) theirs c
    theirs=$(mktemp -d "$BATS_RUN_TMPDIR/theirs.XXXXXX")
    "${other[@]}" test -x "$bin/ptd-dump" || skip "nobody else may run $bin"
    fresh "$theirs/run.ptd"
    cp hinted.rec train.jsonl "$theirs"
    cp -r train.img "$theirs"
    ptd-gold -q -s "$theirs/run.ptd" -P 8 -n 1 train.jsonl > "$theirs/sft.rec"
    chmod -R a+rX "$theirs" "$BATS_RUN_TMPDIR"
    mkdir -m 777 "$theirs/out"
    cd "$theirs"
    for c in "ptd-dump --check run.ptd" "ptd-rollout -q -s run.ptd --greedy -m 2 train.jsonl" "ptd-export -q run.ptd out/hf" "ptd-init -q out/new.ptd --from-store run.ptd"; do
        rm -rf out/*
        run -0 --separate-stderr "${other[@]}" $c
        [ -z "$stderr" ]
    done
    run -0 --separate-stderr bash -c "${other[*]} ptd-ref -q -s run.ptd hinted.rec > out/scored.rec"
    [ "$stderr" = "ptd-ref: warning: store run.ptd: nothing will be added to its cache: data.mdb: Permission denied" ]
    fails 77 'ptd-update: store run.ptd: data.mdb: Permission denied' "${other[@]}" ptd-update --loss sft -s run.ptd sft.rec
    mkfifo slow
    ptd-update -q --loss sft -s run.ptd slow > /dev/null 3>&- &
    { cat sft.rec; until [ -e refused ]; do sleep 0.05; done; } > slow 3>&- &
    for _ in $(seq 600); do [ "$(cut -d ' ' -f 2 run.ptd/lock)" != $! ] || break; sleep 0.05; done
    for _ in $(seq 600); do [ "$(head_of run.ptd)" != 1 ] || break; sleep 0.05; done
    fails 77 'ptd-export: store run.ptd: is being trained; *: Permission denied' "${other[@]}" ptd-export run.ptd out/hf2
    touch refused
    wait
    chmod 600 run.ptd/data.mdb
    fails 77 'ptd-rollout: store run.ptd: data.mdb: Permission denied' "${other[@]}" ptd-rollout -s run.ptd train.jsonl
}

@test "a damaged data set: line and field are named" {
    sed '3s/"answer":"[^"]*"/"answer":true/' train.jsonl > bad.jsonl
    fails 65 'ptd-rollout: bad.jsonl:3: field "answer"*' ptd-rollout -s warm.ptd bad.jsonl
    fails 65 'ptd-gold: bad.jsonl:3: field "answer"*' ptd-gold -s warm.ptd bad.jsonl
    fails 65 'ptd-data check: bad.jsonl:3: field "answer"*' ptd-data check -q bad.jsonl
    sed '5s/}$/,}/' train.jsonl > bad.jsonl
    fails 65 'ptd-rollout: bad.jsonl:5: *' ptd-rollout -s warm.ptd bad.jsonl
    sed '2s/[0-9]*\.png/gone.png/' train.jsonl > bad.jsonl
    fails 66 'ptd-data check: *bad.jsonl:2: *gone.png*' ptd-data check -q bad.jsonl
    sed '1s/<image>/<image><|image_pad|>/' train.jsonl > bad.jsonl
    fails 65 'ptd-rollout: bad.jsonl:1: field "question": spells the picture token*' ptd-rollout -s warm.ptd --greedy bad.jsonl
    { head -n 1 train.jsonl; sed -n "2s/<image>/<image>$(printf 'word %.0s' {1..5000})/p" train.jsonl; } > bad.jsonl
    fails 65 'ptd-rollout: bad.jsonl:2: a prompt of *tokens, expected at most 4096*' timeout 10 ptd-rollout -s warm.ptd --greedy bad.jsonl
    sed '1s/,"solution".*/}/' train.jsonl | head -n 1 > bad.jsonl
    fails 65 'ptd-gold: bad.jsonl:1: field "solution": missing*' ptd-gold -s blank.ptd -n 1 bad.jsonl
    : > bad.jsonl
    fails 65 'ptd-rollout: bad.jsonl: *' ptd-rollout -s warm.ptd bad.jsonl
    run -0 ptd-data check train.jsonl
    [[ "$output" == "train.jsonl: 8 rows"* ]]
}

@test "a cut stream is 76, a damaged one 65, named by record and byte" {
    for p in $filters; do
        fails 76 "ptd-$p: cut.rec: record *, byte *" "ptd-$p" -q cut.rec
        fails 76 "ptd-$p: standard input: record *" bash -c "ptd-$p -q < short.rec > out.rec"
        fails 65 "ptd-$p: flipped.rec: record *, byte *" "ptd-$p" -q flipped.rec
        fails 76 "ptd-$p: standard input: record 0, byte 0: stream is empty*" bash -c "ptd-$p -q < /dev/null"
        fails 65 "ptd-$p: train.jsonl: record 0, byte 0: not a ptd stream" "ptd-$p" -q train.jsonl
    done
    # Damage is not laundered: what a filter wrote before it failed has no end frame.
    ptd-verify -q short.rec > out.rec || true
    run -1 ptd-dump --check out.rec
    [[ "$output" == "bad: out.rec: "*"without its end frame" ]]
    # The last program of a pipe tells, even without pipefail.
    fails 76 '*ptd-stat: standard input: *' bash -c 'ptd-verify -q short.rec 2> /dev/null | ptd-stat'
}

@test "nothing is published from a damaged step" {
    ptd-gold -q -s blank.ptd -P 8 -n 2 train.jsonl > sft.rec
    for keep in 3000 20000 $(($(stat -c %s sft.rec) / 2 - 10)); do
        cp -r blank.ptd victim.ptd
        head -c "$keep" sft.rec > part.rec
        fails 76 'ptd-update: part.rec: *' ptd-update -q --loss sft -s victim.ptd part.rec
        [ "$(head_of victim.ptd)" = 0 ]
        rm -r victim.ptd
    done
}

@test "streams that do not fit: stages missing, evaluation, steps out of order" {
    fails 65 'ptd-hint: *was not judged*' ptd-hint -q rollouts.rec
    fails 65 'ptd-stat: *' ptd-stat -q rollouts.rec
    fails 78 'ptd-update: scored.rec: *evaluation*' ptd-update -q scored.rec
    fresh a.ptd
    ptd-rollout -q -s a.ptd -P 2 -G 2 -m 4 -n 1 train.jsonl > r.rec
    fails 65 'ptd-update: r.rec: record 1, *was not judged: expected the output of ptd-verify*' ptd-update -q r.rec
    ptd-verify -q r.rec > v.rec
    fails 65 'ptd-update: v.rec: record 1, *no reference log-probs: expected the output of ptd-ref*' ptd-update -q v.rec
    [ "$(head_of a.ptd)" = 0 ]
    ptd-gold -q -s a.ptd -P 8 -n 1 train.jsonl > step1.rec
    ptd-update -q --loss sft step1.rec > /dev/null
    fails 78 'ptd-update: step1.rec: stream starts at step 1, expected 2, the next of a.ptd' ptd-update -q --loss sft step1.rec
    [ "$(head_of a.ptd)" = 1 ]
}

@test "metrics that never end a line, or a folder in their place" {
    fails 65 'ptd-plot: /dev/zero:1: expected metrics, one JSON object of at most 1 MiB a line' timeout 10 ptd-plot /dev/zero
    fails 66 'ptd-plot: .: Is a directory' ptd-plot .
}

@test "a terminal in the place of a stream is status 2 and one line" {
    command -v script > /dev/null || skip "no script(1)"
    for c in "ptd-verify rollouts.rec" "ptd-rollout -s warm.ptd train.jsonl" ptd-update ptd-dump ptd-stat; do
        run -2 script -qec "$c" /dev/null < /dev/null
        [ "${#lines[@]}" = 1 ]
        [[ "$output" == *" is a terminal"*"; try ${c%% *} --help"* ]]
    done
}

# Starts COMMAND on the first half of FILE, asks it with SIGUSR2 until it has answered once, and
# gives it the rest; its output is in asked.out.
asked() {
    local file=$1 half pid
    shift
    half=$(($(stat -c %s "$file") / 2))
    rm -f half asked.*
    mkfifo half
    "$@" < half > asked.out 2> asked.err 3>&- &
    pid=$!
    exec 4> half
    head -c "$half" "$file" >&4
    sleep 0.2
    for _ in $(seq 100); do
        kill -USR2 $pid
        sleep 0.05
        [ ! -s asked.err ] || break
    done
    tail -c +$((half + 1)) "$file" >&4
    exec 4>&-
    wait $pid
}

@test "SIGUSR2 is answered by one line, -q or not, and changes nothing" {
    local at=$BATS_TEST_TMPDIR
    fresh told.ptd
    ptd-rollout -q -s told.ptd -P 4 -G 2 -m 8 -n 2 train.jsonl | tee "$at/step.0" | ptd-verify -q |
        tee "$at/step.1" | ptd-hint -q | tee "$at/step.2" | ptd-ref -q |
        tee "$at/step.3" | ptd-update -q > "$at/step.4"
    for i in 0:verify 1:hint 2:ref; do
        asked "$at/step.${i%:*}" ptd-${i#*:} -q
        [[ "$(cat asked.err)" == "ptd-${i#*:}: "*" steps, "*" groups in, "*" out, "*" s" ]]
        cmp asked.out "$at/step.$((${i%:*} + 1))"
    done
    fresh told.ptd
    asked "$at/step.3" ptd-update -q
    [[ "$(cat asked.err)" == "ptd-update: steps "*"/2, "*"groups of step "*" read" ]]
    cmp <(timeless asked.out) <(timeless "$at/step.4")
    fresh told.ptd
    ptd-rollout -q -s told.ptd -P 2 -G 2 -m 4 -n 2 train.jsonl > asked.out 2> asked.err 3>&- &
    sleep 0.2
    for _ in $(seq 100); do [ ! -s asked.err ] || break; kill -USR2 $!; sleep 0.05; done
    kill $!
    [[ "$(cat asked.err)" == "ptd-rollout: steps 1/2, "*", waiting for weights" ]]
}

@test "a trainer whose metrics nobody takes is stopped after --grace, and says that the step is published" {
    fresh told.ptd
    ptd-gold -q -s told.ptd -P 8 -n 2 train.jsonl > sft.rec
    mkfifo metrics
    exec 4<> metrics
    timeout 0.3 yes > metrics || true
    ptd-update -q --loss sft --grace 1 sft.rec > metrics 2> told.err 3>&- 4>&- &
    for _ in $(seq 200); do [ "$(head_of told.ptd)" != 1 ] || break; sleep 0.05; done
    kill $!
    status=0
    wait $! || status=$?
    exec 4>&-
    [ "$status" = 75 ]
    [ "$(cat told.err)" = "ptd-update: stopped on request; the last step is published, but nobody took its metrics; the same command line goes on" ]
    [ "$(head_of told.ptd)" = 1 ]
}

@test "what makes files leaves nothing when it is stopped" {
    mkdir stopped
    for signal in TERM HUP; do
        env --default-signal=HUP ptd-data digits -q stopped/x.jsonl -n 2000000 3>&- &
        for _ in $(seq 200); do [ ! -e stopped/x.img.ptd-part/000009.png ] || break; sleep 0.02; done
        kill -$signal $!
        status=0
        wait $! || status=$?
        [ "$status" = $((128 + $(kill -l $signal))) ]
        [ -z "$(ls -A stopped)" ]
    done
    mkfifo never
    ptd-init -q stopped/x.ptd --tokenizer never 3>&- & # it waits for its input, and must be heard to
    sleep 0.2
    kill $!
    status=0
    wait $! || status=$?
    [ "$status" = 143 ]
    [ -z "$(ls -A stopped)" ]
    ptd-plot -q - -f actor/loss -o stopped/x.gp < <(cat warm.jsonl; sleep 5) 3>&- &
    sleep 0.2
    kill -9 $!
    wait $! || true
    [ -z "$(ls -A stopped)" ]
}

@test "what cannot be created is 73" {
    fails 73 'ptd-data digits: *' ptd-data digits -q /dev/full/x.jsonl
    fails 73 'ptd-init: *' ptd-init /proc/no.ptd
    fails 73 'ptd-plot: *' ptd-plot -q warm.jsonl -f actor/loss -o /proc/no.svg
    fails 73 'ptd-export: *' ptd-export -q warm.ptd /proc/no.hf
}

@test "no room in the store is 74, and nothing is lost" {
    fresh small.ptd
    ptd-gold -q -s small.ptd -P 8 -n 2 train.jsonl > sft.rec
    fails 74 'ptd-update: *small.ptd*' env PTD_STORE_MAX=12Mi ptd-update -q --loss sft sft.rec
    run -0 ptd-dump --check small.ptd
    run -0 ptd-update -q --loss sft sft.rec
    [ "$(head_of small.ptd)" = 2 ]
}

@test "the map's size: one program's is taken by the others, and a full or refused one is told with what to do" {
    for given in rollout update; do
        rm -rf small.ptd
        PTD_STORE_MAX=24Mi ptd-init -q small.ptd --from-store warm.ptd
        size() { [ "$1" = $given ] && echo PTD_STORE_MAX=1Gi || echo LC_ALL=C; }
        status=0
        env "$(size rollout)" ptd-rollout -q -s small.ptd -P 4 -G 4 -m 16 -n 4 train.jsonl 2> /dev/null | ptd-verify -q 2> /dev/null | ptd-hint -q 2> /dev/null |
            ptd-ref -q 2> /dev/null | env "$(size update)" ptd-update -q --lr 1e-3 --keep 9 > /dev/null 2> said || status=$?
        if [ $given = update ]; then
            [ "$status" = 0 ]
            [ "$(head_of small.ptd)" = 4 ]
        else
            [ "$status" = 74 ]
            [[ "$(cat said)" == *": map full (24Mi); "*": export PTD_STORE_MAX=48Mi" ]]
        fi
    done
    [ "$(stat -c %s small.ptd/data.mdb)" -gt $((24 << 20)) ]
    fails 71 'ptd-dump: store warm.ptd: *512Gi of address space: *PTD_STORE_MAX*ulimit -v' bash -c 'ulimit -v 40000000; exec ptd-dump warm.ptd'
    run -0 bash -c 'ulimit -v 40000000; PTD_STORE_MAX=1Gi exec ptd-dump warm.ptd'
}

@test "a store that is taken away while it is trained is an error of all who need it" {
    local how
    for how in "rm -r" "mv -t taken"; do
        rm -rf taken
        mkdir taken
        fresh away.ptd
        mkfifo held
        ptd-rollout -q -s away.ptd -P 4 -G 2 -m 8 -n 3 train.jsonl 2> e0 3>&- | tee first.rec | ptd-verify -q 2> /dev/null | ptd-hint -q 2> /dev/null | ptd-ref -q 2> /dev/null | tee held > /dev/null 3>&- &
        for _ in $(seq 600); do [ "$(ptd-dump first.rec 2> /dev/null | grep -c '"kind":"step"')" != 1 ] || break; sleep 0.05; done
        $how away.ptd
        status=0
        ptd-update -q < held > /dev/null 2> e4 || status=$?
        wait
        rm held
        [ "$status" = 66 ]
        [ "$(cat e0)" = "ptd-rollout: store away.ptd: data.mdb, which was there when it was opened: No such file or directory" ]
    done
    fresh away.ptd
    ptd-gold -q -s away.ptd -P 8 -n 2 train.jsonl > sft.rec
    mkfifo held
    ptd-update -q --loss sft held > lines 2> e4 3>&- &
    exec 4> held
    head -c $(($(stat -c %s sft.rec) * 3 / 4)) sft.rec >&4
    for _ in $(seq 600); do [ ! -s lines ] || break; sleep 0.05; done
    rm -r away.ptd
    tail -c +$(($(stat -c %s sft.rec) * 3 / 4 + 1)) sft.rec >&4
    exec 4>&-
    status=0
    wait $! || status=$?
    [ "$status" = 74 ]
    [ "$(wc -l < lines)" = 1 ]
    [ "$(cat e4)" = "ptd-update: store away.ptd: data.mdb, which was there when it was opened: No such file or directory" ]
}

@test "one trainer at a time: the second is 77 and says whose store it is" {
    fresh held.ptd
    ptd-gold -q -s held.ptd -P 8 -n 1 train.jsonl > sft.rec
    mkfifo slow
    ptd-update -q --loss sft slow > /dev/null 3>&- &
    pid=$!
    { cat sft.rec; until [ -e refused ]; do sleep 0.05; done; } > slow 3>&- &
    for _ in $(seq 600); do [ "$(cat held.ptd/lock)" != "$(hostname) $pid" ] || break; sleep 0.05; done
    fails 77 "ptd-update: store held.ptd is being trained by pid $pid on $(hostname)" ptd-update -q --loss sft sft.rec
    touch refused
    wait $pid
    [ "$(head_of held.ptd)" = 1 ]
}

@test "a lock.mdb that is another store's too is refused" {
    fresh lone.ptd
    fresh linked.ptd
    ln -f lone.ptd/lock.mdb linked.ptd/lock.mdb
    for store in lone linked; do
        fails 77 "ptd-dump: store $store.ptd: its lock.mdb has other names (hard links): *" ptd-dump $store.ptd
    done
    rm linked.ptd/lock.mdb
    run -0 ptd-dump --check lone.ptd
    run -0 ptd-dump --check linked.ptd
    cp -al lone.ptd twin.ptd # one store under two names
    run -0 ptd-dump --check twin.ptd
}

@test "closing lines go to stderr, -q removes them" {
    run -0 --separate-stderr bash -c 'ptd-verify rollouts.rec | ptd-hint -q | ptd-stat --json'
    [ "${#lines[@]}" = 1 ]
    [[ "$stderr" =~ ^"ptd-verify: 8 groups in, 8 out, " && "${#stderr_lines[@]}" = 1 ]]
}

@test "messages stay one line, whatever the names hold" {
    fails 66 'ptd-verify: *no*such*' ptd-verify $'no\nsuch\e[31mfile'
    [[ "$stderr" != *$'\e'* ]]
    fails 2 'ptd-verify: *' ptd-verify --judge "$(printf 'x%.0s' $(seq 3000))" rollouts.rec
    [ "${#stderr}" -le 512 ]
}
