#!/bin/bash
# Outputs that fail: full devices, closed descriptors, readers that leave, and by strace an error at
# each write of every program and output option. A failure is one line and 74, a reader that left is
# no message and SIGPIPE's end, what is interrupted or short goes on to equal bytes, and nothing
# half is published. PTD_BIN, PTD_BUILD: the programs and the tools; PTD_TORTURE: quick or full.
# Command lines are split on purpose, and functions are called by name:
# shellcheck disable=SC2015,SC2086,SC2094,SC2317
set -u
bin=$(cd "$PTD_BIN" && pwd) shim=$(cd "$PTD_BUILD" && pwd)/shim-short.so
export PATH="$bin:$PATH" SOURCE_DATE_EPOCH=0
unset PTD_THREADS PTD_STORE_MAX
work=$(mktemp -d /tmp/ptd-torture-XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
full=$([ "${PTD_TORTURE:-quick}" = full ] && echo yes)
number=0 failed=0 tried=0 wrong=0

report() {
    number=$((number + 1))
    echo "$([ $wrong = 0 ] && [ $tried != 0 ] || echo 'not ')ok $number - $1: $tried tried"
    [ $wrong = 0 ] && [ $tried != 0 ] || failed=1
    tried=0 wrong=0
}
complain() {
    wrong=$((wrong + 1))
    echo "# $1: status $status; stderr: $(head -c 200 err | tr '\n' '|')"
}

prepare() {
    ptd-data digits -q train.jsonl -n 4 -k csum:2,nbr:2 && ptd-init -q start.ptd && cp -r start.ptd run.ptd && cp -r start.ptd bare.ptd &&
        ptd-rollout -q -s start.ptd -P 2 -G 2 -m 8 -n 1 train.jsonl > 0.rec && ptd-verify -q 0.rec > 1.rec && ptd-hint -q 1.rec > 2.rec &&
        ptd-ref -q 2.rec > 3.rec && ptd-update -q -s run.ptd 3.rec > metrics.jsonl && cp -r start.ptd update.ptd
}

# Every program that prints, in every form, and every option that names an output: what it is
# called, and its line.
prints() {
    sed 's/^ *//' <<- 'END'
        rollout: ptd-rollout -q -s start.ptd -g latest -P 2 -G 2 -m 8 train.jsonl
        gold: ptd-gold -q -s start.ptd -P 2 -n 1 train.jsonl
        verify: ptd-verify -q 0.rec
        hint: ptd-hint -q 1.rec
        ref: ptd-ref -q 2.rec
        update: ptd-update -q -s update.ptd 3.rec
        stat: ptd-stat -q 1.rec
        stat-json: ptd-stat -q --json 1.rec
        stat-csv: ptd-stat -q --csv 1.rec --against 1.rec
        stat-latex: ptd-stat -q --latex --calibration votes 1.rec
        plot-list: ptd-plot --list metrics.jsonl
        metrics-csv: ptd-metrics -q --csv metrics.jsonl
        metrics-wandb: ptd-metrics -q --wandb metrics.jsonl
        watch: ptd-watch -q --once run.ptd metrics.jsonl
        update-config: ptd-update --print-config -s run.ptd
        dump: ptd-dump 3.rec
        dump-full: ptd-dump --full --pretty 3.rec
        dump-text: ptd-dump --text 3.rec
        dump-html: ptd-dump --html 3.rec run.ptd
        dump-check: ptd-dump --check 3.rec
        dump-count: ptd-dump --count 3.rec
        dump-store: ptd-dump run.ptd
        dump-tensor: ptd-dump --full run.ptd model.language_model.norm.weight
        data-check: ptd-data check -q train.jsonl
        data-help: ptd-data --help
        plot-help: ptd-plot --help
        init-version: ptd-init --version
        export-version: ptd-export --version
	END
}
writes() {
    sed 's/^ *//' <<- 'END'
        metrics-gauges: ptd-metrics -q --prometheus new.prom --run x metrics.jsonl
        plot-hint: ptd-plot -q --hint 2.rec -o new.svg
        plot-svg: ptd-plot -q metrics.jsonl --fields actor/entropy -o new.svg
        plot-png: ptd-plot -q metrics.jsonl --fields actor/entropy -o new.png
        plot-script: ptd-plot -q metrics.jsonl --fields actor/entropy -o new.gp
        data-fix: ptd-data check -q train.jsonl --fix new.jsonl
        data-digits: ptd-data digits -q new.jsonl -n 2 -k nbr
        export: ptd-export -q run.ptd new.hf
	END
}

# $line with its output in OUT and what it says in err; a trainer starts from the same store each
# time.
run() {
    [ "${line#ptd-update}" = "$line" ] || { rm -rf update.ptd && cp -r start.ptd update.ptd; }
    : > "$1"
    "${@:2}" $line > "$1" 2> err
    status=$?
}
# What a file says besides the clock, and how much memory is left.
timeless() {
    case $name in
    update) jq -c 'with_entries(select(.key | test("^timing_s|^perf/") | not))' "$1" ;;
    watch) sed 's/memory left .*//' "$1" ;;
    *) cat "$1" ;;
    esac
}
same() { cmp -s <(timeless "$1") <(timeless "$2"); }
one_line() { [ "$(wc -l < err)" = 1 ] && grep -q "^ptd-.*$1" err; }

# Each expectation counts one trial: what was done, then what must have come of it.
expect_error() {
    tried=$((tried + 1))
    if [ $status != 74 ] || ! one_line "$2"; then complain "$name, $1"; fi
}
expect_pipe() {
    tried=$((tried + 1))
    if [ $status != 141 ] || [ -s err ]; then complain "$name, $1"; fi
}
expect_whole() {
    tried=$((tried + 1))
    if [ $status != 0 ] || [ -s err ] || ! same "$2" "$3"; then complain "$name, $1"; fi
}

# A descriptor whose reader has gone.
mkfifo pipe
exec 8<> pipe 9> pipe 8<&-
without_reader() { "$@" >&9; }
without_sigpipe() { (trap '' PIPE && exec "$@" >&9); }
closed() { "$@" >&-; }
on_full() { "$@" > /dev/full; }

# strace with an error at calls of the syscalls that reach file OUT.
inject() { strace -qq -o trace -P "$work/out" -e trace=write,close -e inject="$1" "${@:2}"; }

to_standard_output() {
    while IFS=': ' read -r name line <&3; do
        run whole env && [ $status = 0 ] && [ -s whole ] || complain "$name, untouched"
        run out on_full && expect_error 'full device' 'No space left on device$'
        run out closed && expect_error 'closed' 'Bad file descriptor$'
    done 3< <(prints)
    report 'standard output full, standard output closed (status 74, one line), every printing program'
    while IFS=': ' read -r name line <&3; do
        run out without_reader && expect_pipe 'reader gone'
        run out without_sigpipe && expect_pipe 'reader gone, SIGPIPE ignored'
        $line 2> err | head -c 1 > /dev/null
        status=${PIPESTATUS[0]}
        [ "$status" != 0 ] || status=141 # all of it fitted into the pipe
        [ "${line#ptd-update}" != "$line" ] || expect_pipe 'head -c 1'
    done 3< <(prints)
    report 'reader gone, with SIGPIPE and with SIGPIPE ignored, and after one byte (dies of SIGPIPE without a word)'
}

# Numbers of the writes to try: all, or the first and the last.
indices() { if [ "$full" ]; then seq "$1"; else printf '%s\n' 1 "$1" | sort -un; fi; }

failing_writes() {
    local calls i error sticky
    while IFS=': ' read -r name line <&3; do
        run whole strace -qq -o trace -P "$work/whole" -e trace=write
        calls=$(wc -l < trace)
        for i in $(indices "$calls"); do
            for error in EIO:Input.output ENOSPC:No.space EDQUOT:quota; do
                [ "$full" ] || [ $error != EDQUOT:quota ] || continue
                for sticky in '' +; do
                    [ "$full" ] || [ $error$sticky = EIO:Input.output ] || [ $error$sticky = ENOSPC:No.space+ ] || continue
                    run out inject "write:error=${error%:*}:when=$i$sticky" && expect_error "write $i$sticky fails: $error" "${error#*:}.*"
                    cmp -s -n "$(stat -c %s out)" out whole || [ "$name" = update ] || [ "$name" = watch ] || complain "$name: write $i: not a beginning of the whole"
                done
            done
            run out inject "write:error=EPIPE:when=$i" && expect_pipe "write $i: EPIPE"
        done
        run out inject close:error=EIO && expect_error 'close fails' 'Input/output error$'
    done 3< <(prints)
    report 'an error (EIO, ENOSPC, EDQUOT, EPIPE) at each write to standard output, once and from then on, and at its close'
}

hard_writes() {
    local calls i
    while IFS=': ' read -r name line <&3; do
        run whole strace -qq -o trace -P "$work/whole" -e trace=write
        calls=$(wc -l < trace)
        for i in $(indices "$calls"); do
            run out inject "write:error=EINTR:when=$i..$((i + 2))" && expect_whole "write $i interrupted three times" out whole
            run out inject "write:error=EAGAIN:when=$i" && expect_whole "write $i would block" out whole
        done
        run out env LD_PRELOAD="$shim" && expect_whole 'short and interrupted writes' out whole
    done 3< <(prints)
    report 'interrupted, blocked and short writes to standard output (the same bytes)'
}

# What an option or an operand names is there whole or not at all, and nothing is left beside it.
gather() { rm -rf "$1" && mkdir "$1" && { [ ! -e "$(echo new.* | cut -d ' ' -f 1)" ] || mv new.* "$1"; }; }
published() { diff -qr whole.made made > /dev/null; }
nothing_new() { [ -z "$(ls made)" ]; }
make() {
    "$@" $line > out 2> err
    status=$?
    tried=$((tried + 1))
    gather made
}

to_files() {
    local calls i call error sticky
    while IFS=': ' read -r name line <&3; do
        make strace -qq -o trace -e trace=write,fsync
        rm -rf whole.made && mv made whole.made && [ $status = 0 ] && [ -n "$(ls whole.made)" ] || complain "$name, untouched"
        for call in write fsync; do
            calls=$(grep -c "^$call" trace)
            for i in $([ "$calls" = 0 ] || indices "$calls"); do
                for error in EIO ENOSPC; do
                    for sticky in '' +; do
                        make strace -qq -o /dev/null -e trace=$call -e inject="$call:error=$error:when=$i$sticky"
                        [ $status = 74 ] && { [ "$sticky$call" = +write ] || one_line ''; } && { nothing_new || published; } ||
                            complain "$name, $call $i$sticky: $error"
                    done
                done
            done
        done
        make env LD_PRELOAD="$shim"
        [ $status = 0 ] && published || complain "$name, short and interrupted writes"
    done 3< <(writes)
    report 'files named by an option: an error at each write and sync (whole or nothing is left), short and interrupted writes (the same bytes)'
}

# Stores: what writes to one, and its line. new.ptd is there whole or not at all; in update.ptd
# there are the steps that were told, or one more. ptd-ref writes to its cache only, and goes on
# without.
stores() {
    sed 's/^ *//' <<- 'END'
        init: ptd-init -q new.ptd
        clone: ptd-init -q new.ptd --from-store start.ptd
        update: ptd-update -q -s update.ptd 3.rec
        ref: ptd-ref -q -s update.ptd 2.rec
	END
}
write_store() { rm -rf new.ptd update.ptd && cp -r bare.ptd update.ptd && "$@" $line > out 2> err; }
store_is_whole() {
    local told=0
    case $name in
    init | clone) [ ! -e new.ptd ] ;;
    update) told=$(wc -l < out) ;&
    *) ptd-dump --check update.ptd > checked && head=$(ptd-dump update.ptd | jq 'select(.name == "head").value') && [ $((head - told)) -ge 0 ] && [ $((head - told)) -le 1 ] ;;
    esac
}

to_stores() {
    local calls i call error sticky head expected
    while IFS=': ' read -r name line <&3; do
        for call in pwrite64 fdatasync; do
            write_store strace -f -qq -o trace -e trace=$call || complain "$name, untouched"
            calls=$(grep -c " $call(" trace)
            [ "$calls" != 0 ] || complain "$name: no $call"
            cp out untouched
            expected=$([ "$name" = ref ] && echo 0 || echo 74)
            for i in $(indices "$calls"); do
                for error in EIO ENOSPC EDQUOT; do
                    for sticky in '' +; do
                        [ "$full" ] || [ $error$sticky = EIO ] || [ $error$sticky = ENOSPC+ ] || continue
                        write_store strace -f -qq -o /dev/null -e trace=$call -e inject="$call:error=$error:when=$i$sticky"
                        status=$?
                        tried=$((tried + 1))
                        [ $status = "$expected" ] && one_line "store " && store_is_whole || complain "$name, $call $i$sticky: $error"
                        [ "$name" != ref ] || cmp -s out untouched || complain "$name, $call $i$sticky: $error: other bytes"
                    done
                done
            done
        done
    done 3< <(stores)
    report 'stores: an error (EIO, ENOSPC, EDQUOT) at each write and sync, once and from then on (status 74, one line, nothing new or whole steps; ptd-ref: one line and the same bytes)'
}

prepare || { echo 'not ok 1 - the streams and stores to work with'; exit 1; }
to_standard_output
failing_writes
hard_writes
to_files
to_stores
echo "1..$number"
exit $failed
