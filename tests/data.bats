#!/usr/bin/env bats
# Data sets on disk: replaced whole or not at all, and nothing that is not ours is touched.
load lib

setup_file() {
    cd "$WORK" || return
    mkdir old new
    ptd-data digits -q old/x.jsonl -n 3
    ptd-data digits -q new/x.jsonl -n 4 --seed 9
}

setup() { cd "$WORK" && rm -rf x && mkdir x; }

# Is what is in x, as whoever goes by its names sees it, the data set in $1? What a killed run has left in the folder beside pictures does not count.
holds() { cmp -s x/x.jsonl "$1/x.jsonl" && diff -rq -x 'rows.*' x/x.img "$1/x.img" > /dev/null; }

# digits INJECTION: makes the new data set in x under strace.
digits() { strace -f -o /dev/null -e "trace=${1%%:*}" -e "inject=$1" ptd-data digits -q x/x.jsonl -n 4 --seed 9; }

# Makes the new over the old with a fault at each use of a system call.
each_use() {
    local call=$1 fault=$2 when=0
    while [ $((++when)) -le 40 ]; do
        cp -r old/. x/
        status=0
        digits "$call:$fault:when=$when" > out 2>&1 || status=$?
        [ "$status" != 0 ] || break
        holds old || holds new || { echo "$call number $when, $fault: $(ls -d x/*)"; return 1; }
        ptd-data check -q x/x.jsonl > /dev/null || return 1
        ptd-data digits -q x/x.jsonl -n 4 --seed 9 || return 1
        [ "$(cd x && echo * x.img/*)" = "$(cd new && echo * x.img/*)" ] || { echo "left by $call number $when: $(ls x x/*)"; return 1; }
        [ ! -L x/x.jsonl ] || return 1
        holds new || return 1
        rm -rf x && mkdir x
    done
    rm -rf x && mkdir x
    uses=$((when - 1))
}

@test "killed at any call that changes names, a data set is the old one or the new one" {
    command -v strace > /dev/null || skip "no strace"
    for call in renameat2 renameat linkat symlinkat unlinkat rmdir mkdir fsync syncfs flock; do
        each_use $call signal=KILL
        [ "$uses" -ge 1 ]
    done
}

@test "a call that fails leaves the old data set or the new one, and says so" {
    command -v strace > /dev/null || skip "no strace"
    for call in renameat2 renameat linkat symlinkat rmdir fsync syncfs; do
        each_use $call error=EIO
        [ "$uses" -ge 1 ]
    done
    cp -r old/. x/
    run -73 digits renameat2:error=EINVAL
    [[ "$output" == *"cannot exchange two folders at once"* ]]
    holds old
    [ "$(ls x)" = "$(ls old)" ]
}

@test "what is in a data set's place and not ours is left alone" {
    mkdir x/photos
    echo mine | tee x/photos/000001.png > x/precious
    for name in x.img x.img.part; do
        ln -s photos x/$name
        fails 73 "ptd-data digits: x/$name: is a symbolic link*" ptd-data digits -q x/x.jsonl -n 2
        rm x/$name
        mkdir x/$name
        for foreign in 20240101.png 0000001.png 000000.png 000001.png.orig 10000001.png 00001.png a.png rows.link; do
            touch x/$name/$foreign
            fails 73 "ptd-data digits: x/$name/$foreign: in the way*" ptd-data digits -q x/x.jsonl -n 2
            rm x/$name/$foreign
        done
        ln -s ../precious x/$name/000001.png
        fails 73 "ptd-data digits: x/$name/000001.png: in the way*" ptd-data digits -q x/x.jsonl -n 2
        rm -r x/$name
        echo mine > x/$name
        fails 73 "ptd-data digits: x/$name: expected a folder or nothing: Not a directory" ptd-data digits -q x/x.jsonl -n 2
        rm x/$name
    done
    ln -s precious x/x.jsonl.part
    ln -s precious x/x.jsonl
    fails 73 "ptd-data digits: x/x.jsonl: is a symbolic link*" ptd-data digits -q x/x.jsonl -n 2
    rm x/x.jsonl
    ptd-data digits -q x/x.jsonl -n 2
    [ "$(cat x/precious x/photos/000001.png)" = "mine
mine" ]
    [ "$(ls x)" = "photos
precious
x.img
x.jsonl
x.jsonl.part" ]
}
