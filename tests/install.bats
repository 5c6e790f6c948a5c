#!/usr/bin/env bats
# What make install puts on a machine: programs, manual, completion, a library to build against; and
# that uninstall leaves nothing.
load lib.bash

setup_file() { build install PREFIX="$WORK/usr"; }
build() { make --no-print-directory -C "$BATS_TEST_DIRNAME/.." BIN="$bin" BUILD="${PTD_BUILD:-build/cpu}" "$@" > "$WORK/build.log" 2>&1 || { local status=$?; cat "$WORK/build.log"; return $status; }; }
setup() { cd "$WORK" || return; }

@test "a page for each program, for streams and stores, without a fault" {
    cmp usr/share/ptd/ptd.py "$BATS_TEST_DIRNAME/../lib/python/ptd.py"
    for p in "$bin"/ptd "$bin"/ptd-*; do [ -s "usr/share/man/man1/${p##*/}.1" ] || { echo "$p"; return 1; }; done
    for page in usr/share/man/man?/*; do
        run mandoc -Tlint -Wstyle "$page"
        printf '%s\n' "${lines[@]}" | { ! grep -v 'referenced manual not found'; }
    done
    mandoc -Tutf8 usr/share/man/man1/ptd-update.1 | col -b > update.txt
    grep -q -- '--lambda X' update.txt
    mandoc -Tutf8 usr/share/man/man5/ptd-stream.5 | col -b | grep -q 'group_accuracy'
    mandoc -Tutf8 usr/share/man/man7/ptd.7 | col -b | grep -q 'training diverged'
    # every variable that programs ask for is on that of all
    for v in $(grep -rhoE 'getenv\("PTD_[A-Z_]+' "$BATS_TEST_DIRNAME"/../lib "$BATS_TEST_DIRNAME"/../stages | cut -d'"' -f2 | sort -u); do
        grep -qx ".It Ev $v" usr/share/man/man7/ptd.7 || { echo "$v"; return 1; }
    done
    # every option of --help is on the page
    for o in $(ptd-update --help | grep -oE '^ +(-.,)? *--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+'); do grep -q -- "$o" update.txt; done
}

@test "bash completes commands, options and names" {
    source usr/share/bash-completion/completions/ptd
    COMP_WORDS=(ptd ro) COMP_CWORD=1 COMPREPLY=()
    _ptd ptd ro ptd
    [ "${COMPREPLY[*]}" = rollout ]
    COMP_WORDS=(ptd-update --public) COMP_CWORD=1 COMPREPLY=()
    _ptd_update ptd-update --publi ptd-update
    [ "${COMPREPLY[*]}" = --publish-every ]
    COMP_WORDS=(ptd-update --schedule co) COMP_CWORD=2 COMPREPLY=()
    _ptd_update ptd-update co --schedule
    [ "${COMPREPLY[*]}" = "constant cosine" ]
    COMP_WORDS=(ptd-data digits --see) COMP_CWORD=2 COMPREPLY=()
    _ptd_data ptd-data --see digits
    [ "${COMPREPLY[*]}" = --seed ]
    COMP_WORDS=(ptd-update --schedule = co) COMP_CWORD=3 COMPREPLY=()
    _ptd_update ptd-update co =
    [ "${COMPREPLY[*]}" = "constant cosine" ]
    COMP_WORDS=(ptd-hint --from a) COMP_CWORD=2 COMPREPLY=()
    _ptd_hint ptd-hint a --from
    [ "${COMPREPLY[*]}" = "attention answer" ]
    COMP_WORDS=(ptd-update --lr 1) COMP_CWORD=2 COMPREPLY=()
    _ptd_update ptd-update "" --lr
    [ "${#COMPREPLY[@]}" = 0 ]
    COMP_WORDS=(ptd help ro) COMP_CWORD=2 COMPREPLY=()
    _ptd ptd ro help
    [ "${COMPREPLY[*]}" = rollout ]
}

@test "zsh has every option of every program" {
    completion=usr/share/zsh/vendor-completions/_ptd
    for p in "$bin"/ptd-*; do
        sed -n "/^    ${p##*/})/,/^    ;;/p" $completion > words
        for o in $("$p" --describe | jq -r '.options[] | .name + if .arg then "=" else "" end'); do grep -qF -- "'--${o}[" words || grep -qF -- "'*--${o}[" words || { echo "${p##*/} --$o"; return 1; }; done
    done
    command -v zsh > /dev/null || skip "no zsh"
    zsh -n $completion
}

@test "a filter of one's own is built against what was installed, and works in a pipe" {
    cp -r "$BATS_TEST_DIRNAME/../pipelines/examples/filter" own
    PKG_CONFIG_PATH=$PWD/usr/lib/pkgconfig make -s -C own
    ptd-init -q run.ptd
    ptd-data digits -q test.jsonl -n 12
    ptd-rollout -q -s run.ptd -g latest --greedy -P 4 -m 4 test.jsonl | ptd-verify -q > judged.rec
    category=$(ptd-dump judged.rec | jq -r 'select(.category).category' | head -n 1)
    n=$(ptd-dump judged.rec | jq -c "select(.category == \"$category\")" | wc -l)
    own/ptd-only --category "$category" < judged.rec 2> said > only.rec
    grep -q "kept $n of 12" said
    ptd-dump --check only.rec
    [ "$(ptd-dump only.rec | jq -c 'select(.category)' | wc -l)" = "$n" ]
    fails 2 'ptd-only: expected --category*' own/ptd-only only.rec
}

@test "an installed program runs from its place" {
    (PATH=$PWD/usr/bin:/usr/bin:/bin && ptd data digits -q other.jsonl -n 2 && ptd init -q other.ptd)
    [ "$(wc -l < other.jsonl)" = 2 ]
}

@test "uninstall leaves nothing" {
    cp -r usr away
    touch away/bin/mine away/share/ptd/mine
    build uninstall PREFIX="$WORK/away"
    [ "$(find away -type f -o -type l | sort | tr '\n' ' ')" = "away/bin/mine away/share/ptd/mine " ]
    [ ! -e away/include/ptd ]
}

@test "places with odd names, and one that is found from nowhere else" {
    mkdir -p odd "odd/it's"
    touch odd/kept
    build install PREFIX="/a b" DESTDIR="$WORK/odd/it's; here"
    [ "$(find odd -mindepth 1 -maxdepth 1 | wc -l)" = 3 ]
    at="odd/it's; here/a b"
    [ "$("$at/bin/ptd" stat --version)" = "$(ptd-stat --version)" ]
    [ "$(PKG_CONFIG_PATH="$at/lib/pkgconfig" pkg-config --cflags ptd)" = '-I/a\ b/include/ptd -D_GNU_SOURCE ' ]
    build uninstall PREFIX="/a b" DESTDIR="$WORK/odd/it's; here"
    [ -z "$(find "$at" -type f -o -type l)" ]
    [ -e odd/kept ]
    run -2 build install PREFIX=here
    [[ "$output" == *"PREFIX=here: expected a path from the root"* ]]
    [ ! -e "$BATS_TEST_DIRNAME/../here" ]
}
