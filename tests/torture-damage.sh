#!/bin/bash
# Damaged stores and misused options, through the programs: a store cut short at many sizes, with
# bits of its pages flipped, or something else in its place, and each option of each program with a
# value that it cannot take. What is bad leaves in one line with the right status; nobody is killed.
# PTD_BIN: the programs; PTD_TORTURE: quick or full. Options are read from the sources, ../stages.
set -u
bin=$(cd "$PTD_BIN" && pwd) stages=$(cd "$(dirname "$0")/../stages" && pwd)
export PATH="$bin:$PATH"
unset PTD_THREADS PTD_STORE_MAX
work=$(mktemp -d /tmp/ptd-torture-XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
cuts=1 flips=8
[ "${PTD_TORTURE:-quick}" = quick ] || cuts=100 flips=400
RANDOM=11
number=0 failed=0 tried=0 wrong=0

report() {
    number=$((number + 1))
    echo "$([ $wrong = 0 ] && [ $tried != 0 ] || echo 'not ')ok $number - $1: $tried tried"
    [ $wrong = 0 ] && [ $tried != 0 ] || failed=1
    tried=0 wrong=0
}
below() { echo $(((RANDOM * 32768 + RANDOM) % $1)); }

# COMMAND must leave with one of STATUSES ("65 66") and in one line that fits PATTERN; 0 stands for
# silence, 1 for a verdict.
leaves() {
    local statuses=$1 pattern=$2 said
    shift 2
    "$@" > out 2> err < /dev/null
    status=$?
    said=$(cat err)
    tried=$((tried + 1))
    # shellcheck disable=SC2053
    if [[ " $statuses " = *" $status "* ]]; then
        [ $status != 0 ] || [ -n "$said" ] || return 0
        [ "$(wc -l < err)" = 1 ] && [[ $said == $pattern ]] && return 0
        [ $status = 1 ] && [ -z "$said" ] && [[ $(cat out) == "bad: "* ]] && return 0
    fi
    wrong=$((wrong + 1))
    echo "# $*: status $status, expected $statuses; stderr: $(head -c 300 err | tr '\n' '|')"
}

# ---- stores ----

# Everybody who opens stores, on bad.ptd.
open_bad() {
    leaves "$1" "ptd-rollout: $2" ptd-rollout -q -s bad.ptd -g latest -P 1 -G 1 -m 2 train.jsonl
    leaves "$1" "ptd-update: $2" ptd-update -q -s bad.ptd scored.rec
    leaves "$1" "ptd-ref: $2" ptd-ref -q -s bad.ptd hinted.rec
    leaves "$1" "ptd-dump: $2" ptd-dump bad.ptd
    rm -rf new.ptd new.hf
    leaves "$1" "ptd-dump: $2" ptd-dump -q --copy new.ptd bad.ptd
    [ "$status" = 0 ] || [ -z "$(ls -d new.ptd* 2> /dev/null)" ] || wrong=$((wrong + 1))
    rm -rf new.ptd
    leaves "$1" "ptd-init: $2" ptd-init -q new.ptd --from-store bad.ptd
    leaves "$1" "ptd-export: $2" ptd-export -q bad.ptd new.hf
}
# A bad.ptd whose data.mdb (or FILE) is standard input.
bad() { rm -rf bad.ptd && mkdir bad.ptd && cp good.ptd/*.mdb bad.ptd && cat > "bad.ptd/${1:-data.mdb}"; }
# The same without the file, to put something in its place.
without() { rm -rf bad.ptd && mkdir bad.ptd && cp good.ptd/*.mdb bad.ptd && rm "bad.ptd/$1"; }
is_damaged() { [[ $(ptd-dump --check bad.ptd 2> err) == "bad: "* ]] && [ ! -s err ]; }

prepare() {
    ptd-data digits -q train.jsonl -n 2 -k nbr && ptd-init -q good.ptd && rm good.ptd/lock* &&
        ptd-rollout -q -s good.ptd -P 1 -G 2 -m 4 -n 1 train.jsonl | ptd-verify -q | ptd-hint -q > hinted.rec &&
        ptd-ref -q --no-cache hinted.rec > scored.rec && ptd-dump good.ptd > good.json && ptd-init -q other.ptd --seed 9
}

other_files() {
    local least file
    for file in data.mdb base.mdb; do
        : | bad $file && open_bad 65 "*bad.ptd*: $file is empty"
        head -c 100000 /dev/zero | bad $file && open_bad 65 '*bad.ptd*'
        head -c 100000 train.jsonl | bad $file && open_bad 65 '*bad.ptd*'
        head -c 100000 < <(yes) | bad $file && open_bad 65 '*bad.ptd*'
        without $file && mkdir bad.ptd/$file && open_bad 65 "*bad.ptd: its $file is a folder, expected a file"
        without $file && mkfifo bad.ptd/$file && open_bad 65 "*bad.ptd: its $file is a pipe or a device, expected a file"
        without $file && ln -s nowhere bad.ptd/$file && open_bad 77 "*bad.ptd: its $file is a symbolic link, expected a file*"
        without $file && open_bad 66 "*bad.ptd*: $file, which *hold*: No such file*"
    done
    bad base.mdb < other.ptd/base.mdb && open_bad 65 '*bad.ptd: its base.mdb is not the one that its data.mdb was made with'
    bad base.mdb < good.ptd/data.mdb && open_bad 65 '*bad.ptd*'
    bad < good.ptd/base.mdb && open_bad 65 '*bad.ptd*'
    cat train.img/*.png | bad && open_bad 65 '*bad.ptd*'
    rm -rf bad.ptd && : > bad.ptd && leaves 66 'ptd-rollout: store bad.ptd: not a directory' ptd-rollout -q -s bad.ptd train.jsonl
    sed 's/format2/format3/' good.ptd/data.mdb | bad && open_bad 65 '*bad.ptd*: format 3, expected 1 or 2'
    sed 's/state/stale/g' good.ptd/data.mdb | bad && open_bad 65 '*bad.ptd*'
    sed 's/generation_config.json/generation_confic.json/' good.ptd/data.mdb | bad && open_bad 65 '*bad.ptd: meta "generation_confic.json": damaged*'
    sed 's/00000000\/model.language_model.norm/00000000\/model.language_model.morn/' good.ptd/base.mdb | bad base.mdb
    is_damaged || wrong=1
    open_bad '0 65' '*bad.ptd*model.language_model.norm.weight*'
    sed 's/bos_token_id/bos_token_iD/' good.ptd/data.mdb | bad && open_bad 65 '*bad.ptd: meta "*config.json": damaged*'
    report 'something else in the place of a store, another format, missing tables (65, 66 or 77, one line)'
    for file in data.mdb base.mdb; do
        head -c 16384 good.ptd/$file | bad $file && ptd-dump bad.ptd > out 2> err
        least=$(sed 's/.*expected at least \([0-9]*\):.*/\1/' err)
        for n in 1 4095 4096 8191 8192 12288 $((least - 1)) $(for _ in $(seq "$cuts"); do below "$least"; done); do
            head -c "$n" good.ptd/$file | bad $file
            is_damaged || { wrong=$((wrong + 1)) && echo "# $file cut to $n bytes: not seen by --check: $(head -c 100 err)"; }
            open_bad 65 '*bad.ptd*'
        done
        head -c "$least" good.ptd/$file | bad $file && leaves 0 '' ptd-dump bad.ptd
        cmp -s out good.json || wrong=1
    done
    report "both files of a store cut short at $((cuts + 7)) sizes, one byte among them (65, one line), and at their last page (whole)"
}

# A bit at byte $1: refused, or not of those that anybody reads.
flip() {
    local byte
    byte=$(od -An -tu1 -j "$1" -N 1 "good.ptd/$file")
    rm -rf bad.ptd && cp -r good.ptd bad.ptd
    # shellcheck disable=SC2059
    printf "\\x$(printf %x $((byte ^ 1 << RANDOM % 8)))" | dd of="bad.ptd/$file" bs=1 seek="$1" conv=notrunc status=none
}

flipped_bits() {
    local at page size seen=0 file=$1
    size=$(stat -c %s "good.ptd/$file")
    # Pages of the trees and of free lists begin with their own number, flags in byte 10 say which
    # they are.
    mapfile -t pages < <(od -An -v -tu8 -w4096 -N "$size" "good.ptd/$file" | awk '{ kind = int($2 / 65536) % 65536; if ($1 == NR - 1 && (kind == 1 || kind == 2 || kind == 8)) print $1 }')
    for _ in $(seq "$flips"); do
        page=${pages[$((RANDOM % ${#pages[@]}))]}
        at=$((page * 4096 + ($(below 2) ? $(below 64) : $(below 4096))))
        flip "$at"
        leaves '0 1 71' '*bad.ptd*' ptd-dump --check bad.ptd
        [ $status = 0 ] || seen=$((seen + 1))
        flip "$at"
        open_bad '0 65 66 71' '*bad.ptd*'
        at=$(below "$size")
        flip "$at"
        leaves '0 1 71' '*bad.ptd*' ptd-dump --check bad.ptd
        if [ $status = 0 ] && ! cmp -s good.json <(ptd-dump bad.ptd | sed s/bad.ptd/good.ptd/); then
            wrong=$((wrong + 1)) && echo "# byte $at: taken for whole"
        fi
    done
    report "$file: a bit flipped in pages of trees and anywhere, $seen of $flips of the former seen by --check, the others in unused bytes (nobody is killed; 65 or 66, or 71 for a map larger than memory; one line)"
}

# ---- options ----

# "long letter kind lo hi" of each option in a program's tables.
options_of() { tr '\n' ' ' < "$stages/$1.c" | grep -o '{"[a-z0-9-]*", [^,]*, PTD_OPT_[A-Z]*, &' | sed 's/{"\([^"]*\)".*PTD_OPT_\([A-Z]*\).*/\1 \2/'; }

misuse() {
    local program name kind part
    for program in "$stages"/*.c; do
        program=$(basename "$program" .c)
        while read -r name kind; do
            part=$program
            if [ "$program" = ptd-data ]; then part="ptd-data $(grep -q -e "--$name" <(ptd-data digits --help) && echo digits || echo check)"; fi
            # shellcheck disable=SC2086
            case $kind in
            FLAG) leaves 2 "$part: option --$name=x takes no argument; try *" $part --$name=x ;;
            STR | LIST | PRESET) leaves 2 "$part: option --$name needs an argument; try *" $part --$name ;;
            *)
                leaves 2 "$part: option --$name needs an argument; try *" $part --$name
                leaves 2 "$part: option --$name: \"x\" is not *; try *" $part --$name x
                leaves 2 "$part: option --$name: \"\" is not *; try *" $part --$name ''
                leaves 2 "$part: option --$name: \"1 2\" is not *; try *" $part --$name '1 2'
                leaves 2 "$part: option --$name: \"1kk\" is not *; try *" $part --$name=1kk
                leaves 2 "$part: option --$name: *; try *" $part --$name=nan
                leaves 2 "$part: option --$name: *; try *" $part --$name=1e999
                leaves 2 "$part: option --$name: *; try *" $part --$name=-99999999999999999999
                leaves 2 "$part: option --$name: *; try *" $part --$name=99999999999999999999999G
                ;;
            esac
        done < <(options_of "$program")
        leaves 2 "$program*: unknown option --no-such; try *" "$program" --no-such
        leaves 2 "$program*: unknown option -Z; try *" "$program" -Z
        leaves 2 "$program*: unknown option *; try *" "$program" $'--new\nline'
        leaves 2 "$program*: unknown option *; try *" "$program" "--$(printf 'x%.0s' $(seq 4000))"
    done
    report 'each option of each program without its argument, with one that it does not take, with words and numbers that it cannot be (2, one line)'
}

prepare || { echo 'not ok 1 - the store to work with'; exit 1; }
other_files
flipped_bits data.mdb
flipped_bits base.mdb
misuse
echo "1..$number"
exit $failed
