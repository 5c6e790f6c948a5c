#!/bin/bash
# Runs unit tests (programs), command-line tests (*.bats) and torture (*.sh), each as given; prints what fails and one closing line.
# PTD_TORTURE=full: torture runs to the end instead of a small fixed share of it. Usage: PTD_BIN=bin PTD_BUILD=build/cpu tests/run.sh TEST...
set -u
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0

for t in "$@"; do
    started=$SECONDS
    case $t in
    *.bats) bats --tap "$t" > "$log" 2>&1 ;;
    *.sh) PTD_TORTURE=${PTD_TORTURE:-quick} bash "$t" > "$log" 2>&1 ;;
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
done

[ $skipped = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
