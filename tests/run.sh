#!/bin/bash
# Runs unit tests (programs), command-line tests (*.bats) and torture (*.sh), each as given; prints
# what fails and one closing line.
# A bats file that holds statements whose failure bats would not see (unseen.py) is not run, and
# counts as failed.
# PTD_TORTURE=full: torture runs to the end instead of a small fixed share of it, and prints its
# rows for tests/LEDGER.md. Usage: PTD_BIN=bin PTD_BUILD=build/cpu tests/run.sh TEST...
set -u
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0
# Who looks for leaks must be alone with the process, without strace or a kill; and torture preloads
# libraries before a sanitizer's.
tortured=detect_leaks=0:verify_asan_link_order=0

# Rows for the ledger: what the script in $t said in $log, and the seconds it took.
ledger() {
    local here commit machine
    here=$(dirname "$0")
    commit=$(git -C "$here" describe --always --dirty=+ 2> /dev/null || echo unknown)
    machine="$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(awk '/^MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo) GiB"
    awk -v row="| $(date +%F) | $commit | $machine | $(basename "$t" .sh) | " -v seconds="$1" '/^(not )?ok / {
        result = /# SKIP/ ? "skipped" : /^ok/ ? "ok" : "failed"
        sub(/^(not )?ok [0-9]+ - /, "")
        at = index($0, ": ")
        print row (at ? substr($0, 1, at - 1) : $0) " | " (at ? substr($0, at + 2) : "") " | " seconds " | " result " |"
    }' "$log"
}

for t in "$@"; do
    started=$SECONDS
    case $t in
    *.bats) { "$(dirname "$0")/unseen.py" "$t" && bats --tap "$t"; } > "$log" 2>&1 ;;
    *.sh) PTD_TORTURE=${PTD_TORTURE:-quick} ASAN_OPTIONS=$tortured bash "$t" > "$log" 2>&1 ;;
    *) CMOCKA_MESSAGE_OUTPUT=TAP "$t" > "$log" 2>&1 ;;
    esac
    status=$?
    skip=$(grep -ci '^\(not \)\?ok .*# skip' "$log") # cmocka says "not ok" here, bats "ok"
    ok=$(grep -vi '# skip' "$log" | grep -c '^ok ')
    bad=$(grep -vi '# skip' "$log" | grep -c '^not ok ')
    [ $status = 0 ] || [ "$bad" != 0 ] || bad=1 # it crashed, leaked or never began
    [ $((ok + bad + skip)) != 0 ] || bad=1
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    printf '%-28s %4d passed%s%s, %d s\n' "$(basename "$t")" "$ok" \
        "$([ "$skip" = 0 ] || echo ", $skip skipped")" "$([ "$bad" = 0 ] || echo ", $bad FAILED (status $status)")" $((SECONDS - started))
    [ "$bad" = 0 ] && [[ ${PTD_TORTURE:-quick} = quick ]] || cat "$log"
    [[ ${PTD_TORTURE:-quick} = quick || $t != *.sh ]] || ledger $((SECONDS - started))
done

[ $skipped = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
