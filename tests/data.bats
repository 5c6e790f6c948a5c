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

# Is what is in x, as whoever goes by its names sees it, the data set in $1? What a killed run has
# left in the folder beside pictures does not count.
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
        rm -rf x
        mkdir x
    done
    rm -rf x
    mkdir x
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
    for name in x.img x.img.ptd-part; do
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

@test "rows and pictures that an earlier run cannot have made are left alone" {
    ptd-data digits -q x/x.jsonl -n 3
    same() { diff -r x before; }
    refused() {
        rm -rf before
        cp -r x before
        fails 73 "ptd-data digits: x/$1: in the way, *" ptd-data digits -q x/x.jsonl -n 2
        same
        rm -r x
        cp -r whole x
    }
    cp -r x whole
    echo mine > x/x.jsonl
    refused x.jsonl:1
    echo '{"id":"a","prompt":"q","answer":"7"}' >> x/x.jsonl
    refused x.jsonl:4
    echo '{"prompt":"q","images":["x.img/000001.png"],"answer":"7"}' >> x/x.jsonl
    refused x.jsonl:4
    cp x/x.img/000001.png x/x.img/000004.png # no row names it
    refused x.img/000004.png
    echo mine > x/x.img/000002.png
    refused x.img/000002.png
    : > x/x.img/000002.png
    refused x.img/000002.png
    rm x/x.jsonl
    refused 'x.img/00000?.png'
    mkdir x/x.img.part
    echo mine > x/x.img.part/000001.png
    ptd-data digits -q x/x.jsonl -n 2
    [ "$(cat x/x.img.part/000001.png)" = mine ]
    rm -rf whole before
    : > x/empty.jsonl # nothing is lost
    ptd-data digits -q x/empty.jsonl -n 2
    name='x/a "b" \é'
    ptd-data digits -q "$name.jsonl" -n 2
    ptd-data digits -q "$name.jsonl" -n 3 --seed 2
    ptd-data check -q "$name.jsonl"
}

# While ptd-gold reads x/x.jsonl, after its first groups, runs COMMAND in x; then it must fail with
# STATUS and one line that fits PATTERN.
changed_meanwhile() {
    local expected=$1 pattern=$2
    shift 2
    rm -rf x
    cp -r old x
    [ -e base.ptd ] || ptd-init -q base.ptd
    rm -f base.ptd/pictures-*
    { status=0; ptd-gold -q -s base.ptd -P 3 -n 1000 ${skip:+--skip-bad "$skip"} x/x.jsonl 2> err || status=$?; echo "$status" > rc; } |
        { head -c 1000 > /dev/null; cd x; "$@"; cat > /dev/null; }
    # shellcheck disable=SC2053
    [[ "$(cat rc)" == $expected ]] && [ "$(wc -l < err)" = 1 ] && [[ "$(cat err)" == $pattern ]] && return
    printf '%s\nstatus %s, expected %s\nstderr: %s\n' "$*" "$(cat rc)" "$expected" "$(cat err)"
    return 1
}

# Other bytes of the same size in place, and the time of the last write put back.
flip() {
    touch -r "$1" time
    printf 'X' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
    touch -r time "$1"
}
swap_picture() { cp ../new/x.img/000002.png other && mv other x.img/000002.png; }
link_picture() { cp x.img/000002.png two.png && ln -s ../two.png link && mv -T link x.img/000002.png; }
swap_folder() { cp -r ../new/x.img other && mv x.img gone && mv other x.img; }
swap_rows() { cp -p x.jsonl other && mv other x.jsonl; }

@test "what changes in a data set while it is read is noticed" {
    changed_meanwhile 65 'ptd-gold: x/x.jsonl:2: field "images": x.img/000002.png: was changed while *' flip x.img/000002.png 200
    changed_meanwhile 65 'ptd-gold: x/x.jsonl:2: field "images": x.img/000002.png: was changed while *' swap_picture
    changed_meanwhile 65 'ptd-gold: x/x.jsonl:2: field "images": x.img/000002.png: is a symbolic link*' link_picture
    changed_meanwhile 66 'ptd-gold: x/x.jsonl:2: field "images": x.img/000002.png: No such file*' rm x.img/000002.png
    changed_meanwhile '6[56]' 'ptd-gold: x/x.jsonl:[123]: field "images": x.img/*' swap_folder # 66: between its two renames
    changed_meanwhile 65 'ptd-gold: x/x.jsonl:[123]: the * was changed while *' flip x.jsonl 30
    changed_meanwhile 65 'ptd-gold: x/x.jsonl:[123]: the file was changed while *' swap_rows
    changed_meanwhile 66 'ptd-gold: x/x.jsonl:[123]: the file went while *' rm x.jsonl
    changed_meanwhile 65 'ptd-gold: x/x.jsonl:[123]: *was changed while *' ptd-data digits -q x.jsonl -n 3 --seed 9
}

@test "what changes is not left out as a bad row is" {
    skip=9
    changed_meanwhile 65 'ptd-gold: x/x.jsonl:2: field "images": x.img/000002.png: was changed while *' swap_picture
    changed_meanwhile 66 'ptd-gold: x/x.jsonl:2: field "images": x.img/000002.png: No such file*' rm x.img/000002.png
    changed_meanwhile 65 'ptd-gold: x/x.jsonl:[123]: the * was changed while *' flip x.jsonl 30
    changed_meanwhile 65 'ptd-gold: x/x.jsonl:[123]: the file was changed while *' swap_rows
    changed_meanwhile 66 'ptd-gold: x/x.jsonl:[123]: the file went while *' rm x.jsonl
}

# Two steps on x/x.jsonl, COMMAND in x, two more; the status of that.
resumed_after() {
    rm -rf x run.ptd
    cp -r old x
    ptd-init -q run.ptd
    ptd-gold -q -s run.ptd -P 1 -n 2 x/x.jsonl | ptd-update -q --loss sft > /dev/null
    (cd x && "$@")
    ptd-gold -q -s run.ptd -P 1 -n 4 x/x.jsonl 2> gold.err | ptd-update -q --loss sft 2>&1 > /dev/null
}

@test "a run is not resumed with other pictures, even one that no step has used" {
    local pattern='ptd-update: run.ptd: resuming at step 2 would not be exact: pictures was *, now *'
    for i in 1 2 3; do
        run -78 resumed_after flip x.img/00000$i.png 200
        # shellcheck disable=SC2053
        [[ "$output" == $pattern ]]
    done
    run -78 resumed_after swap_folder
    [[ "$output" == *": pictures was "* ]]
    [ -e run.ptd/pictures-* ]
    same_bytes() { cp -r x.img other && rm -r x.img && mv other x.img && touch x.img/* && chmod 640 x.jsonl; }
    run -0 resumed_after same_bytes
    run -0 resumed_after ptd-data digits -q x.jsonl -n 3
}

@test "a picture that is missing is told before anything is trained, and repaired, the run goes on" {
    cp -r old/. x/
    rm -rf run.ptd
    ptd-init -q run.ptd
    gold() { ptd-gold -q -s run.ptd -P 1 -n "$1" x/x.jsonl | ptd-update -q --loss sft > /dev/null; }
    gold 1
    mv x/x.img/000003.png kept
    for _ in 1 2; do # the second start goes by what the first one noted
        run ! ptd-gold -q -s run.ptd -P 1 -n 2 x/x.jsonl
        [[ "$output" == *'ptd-gold: x/x.jsonl:3: field "images": x.img/000003.png: No such file or directory' ]]
    done
    mv kept x/x.img/000003.png
    gold 2
    rm -rf run.ptd
}

@test "an unreadable picture: the status says why" {
    cp -r old/. x/
    ptd-init -q base.ptd 2> /dev/null || true
    rm x/x.img/000002.png
    fails 66 'ptd-gold: x/x.jsonl:2: field "images": x.img/000002.png: No such file*' ptd-gold -s base.ptd -P 3 -n 1 x/x.jsonl
    fails 66 'ptd-data check: x/x.jsonl:2: *x.img/000002.png: No such file*' ptd-data check -q x/x.jsonl
    cp old/x.img/* x/x.img/
    command -v strace > /dev/null || skip "no strace"
    at() { strace -f -o /dev/null -P "$PWD/x/x.img/000002.png" -P 000002.png -e trace=openat,read,fstat -e inject="$1" "${@:2}"; }
    for call in 'openat:error=EACCES 77' 'openat:error=EMFILE 71' 'openat:error=ENFILE 71' 'openat:error=ENOMEM 71' 'openat:error=EIO 66' 'openat:error=ESTALE 66'; do
        fails "${call#* }" "ptd-gold: x/x.jsonl*: *x.img/000002.png: *" at "${call% *}" ptd-gold -q -s base.ptd -P 3 -n 1 x/x.jsonl
        [ "${call#* }" = 66 ] || fails "${call#* }" "ptd-data check: x/x.jsonl:2: *x.img/000002.png: *" at "${call% *}" ptd-data check -q x/x.jsonl
    done
}
