#!/usr/bin/env bats
# The watch over the tests themselves, tests/unseen.py: bats is the judge of what it must find.
bats_require_minimum_version 1.5.0

# Statements that all fail, in the middle of a test. Some of them bats does not see.
forms=(
    'false' 'false && true' '! true' '! true | true' '[ a = b ] && [ a = a ]' '[[ a = b ]] && [ a = a ]' '[[ a = a && a = b ]]' '((0 && 1))'
    'false || false' 'true && false || false' 'false || true && ! true' 'false || ! true' 'true && ! true || false'
    $'false &&\n true' $'false \\\n && true' $'false && # why\n\n true' $'true |\n false' $'[[ a = b &&\n a = a ]]'
    '{ false && true; }' '{ false && true; true; }' '{ false && true; } > /dev/null' '{ false && true; } || false' 'false || { false && true; }'
    '(false && true)' '(false && true; true)' '(! true)' '( (! true) )' $'(\n! true\ntrue\n)' 'true | { false && true; }' 'true | (! true)'
    'if true; then false && true; fi' 'if false; then true; else ! true; fi' 'if false; then true; elif true; then false && true; fi'
    'if true; then false; fi' 'if false && true; then true; else false; fi' 'if ! true; then true; else false; fi'
    'for i in 1 2; do [ $i = 2 ] && true; done' 'for ((i = 0; i < 2; i++)); do ! true; done' 'while ! false; do false && true; break; done'
    'until ! false; do true; done; false' 'for i in 1 2; do false; done' 'case a in a | b) false && true ;; *) true ;; esac' 'case a in (a) ! true; esac'
    'f() { false && true; }; f' 'f() { false && true; true; }; f' 'f() { ! true; }; f' 'f() (! true; true); f' 'function f { ! true; }; f'
    'f() { if true; then false && true; fi; }; f' 'f() { false && return; false; }; f' 'a=(! x); false && b=(x)' 'time ! true'
    '[ "$(true && echo a; ! true)" = b ]' 'x=$(false && true)' 'x=`false && true`' 'x=$(case a in a) false && true ;; esac)'
    '[ "a && b" = '"'! c'"' ] && true' 'run ! true; [ 1 = 2 ]' '[ ! -e / ]' '[ "${x#"a && b"}" = "$(echo ")" "(")" ]' 'test a = b # && true'
    'cat <<< "false && true"; false' $'cat << END | cat > /dev/null\nit\'s && ! (\nEND\nfalse' $'false && cat <<- "END" > /dev/null\n\t)\n\tEND'
    'cat < <(false && true) && false && true' 'echo 2>&1 &> /dev/null && false && true' 'echo $((1 && 0)) "$((1 << 2))" && ! true' 'eval "false && true"'
    '[ "${x#*(}" = "${x%%)*}" ] && true' $'x=$(cat << E && false\nit\'s ( and "\nE\n) && true' $'x="$(cat <<- \'E\'\n\t) `\n\tE\n)"; ! true'
    $'x=$(( (1 << 2) + 1 )); false && true' $'x=`cat << E\n(\nE\n`; ! true'
    $'echo \\" \\\' && ! true' $'x=$\'it\\\'s\' && ! true' 'bash -c "false && true"' '[[ "a)" =~ ^(a|b)$ ]] && true' 'load lib; ! true'
)

@test "statements whose failure bats does not see are named, and no others" {
    cd "$BATS_TEST_TMPDIR"
    printf 'sound() { false || return 1; }\n' > lib.bash
    for i in "${!forms[@]}"; do
        printf '%s "%d" {\n%s\ntrue\n}\n' @test "$i" "${forms[i]}"
    done > all.bats
    run bats --tap all.bats
    [ "${#lines[@]}" -gt "${#forms[@]}" ]
    [ "$(grep -c '^not ok' <<< "$output")" -gt 20 ]
    unseen=$(sed -n 's/^ok [0-9]* //p' <<< "$output")
    run -1 python3 "$BATS_TEST_DIRNAME/unseen.py" all.bats
    found=$(while IFS=: read -r _ line _; do head -n "$line" all.bats | sed -n 's/^@test "\(.*\)" {/\1/p' | tail -n 1; done <<< "$output")
    diff <(echo "$found") <(echo "$unseen") || { for i in $found $unseen; do echo "$i: ${forms[i]}"; done | sort | uniq -u; false; }
}

@test "at the end of a test, of setup or of a function the status is seen" {
    cd "$BATS_TEST_TMPDIR"
    for last in 'false && true' '! true' 'if true; then ! true; fi' '{ false && true; }' 'case a in a) ! true ;; esac'; do
        printf 'setup() {\n%s\n}\n%s "x" {\ntrue\n}\n' "$last" @test > setup.bats
        printf '%s "x" {\n%s\n}\n' @test "$last" > end.bats
        run -1 bats --tap setup.bats
        run -1 bats --tap end.bats
        run -0 python3 "$BATS_TEST_DIRNAME/unseen.py" setup.bats end.bats
    done
}

@test "a choice is no check" {
    cd "$BATS_TEST_TMPDIR"
    printf 'f() {\nfor i in 1 2; do\n[ $i = 1 ] && %s\ndone\ntrue && return\ntrue\n}\n' break continue exit 'skip why' > choice.bats
    run -0 python3 "$BATS_TEST_DIRNAME/unseen.py" choice.bats
}

@test "file and line are named, in loaded files too; what cannot be read is no silence" {
    cd "$BATS_TEST_TMPDIR"
    printf 'load more\n%s "x" {\n    true\n    false &&\n        true\n    true\n}\n' @test > some.bats
    printf '#\nf() {\n! true\ntrue\n}\n' > more.bash
    run -1 python3 "$BATS_TEST_DIRNAME/unseen.py" some.bats
    [ "${lines[0]}" = "some.bats:4: nobody sees this fail: false &&" ]
    [ "${lines[1]}" = "more.bash:3: nobody sees this fail: ! true" ]
    printf 'f() {\ntrue )\n}\n' > odd.bats
    run -1 python3 "$BATS_TEST_DIRNAME/unseen.py" odd.bats
    [ "$output" = "odd.bats:2: cannot make out this command" ]
    for odd in 'x=$(true' '[[ a' 'cat <<' 'f() {' 'echo "a' 'x=${y'; do
        printf 'true\n%s' "$odd" > odd.bats
        run -1 python3 "$BATS_TEST_DIRNAME/unseen.py" odd.bats
        [[ "$output" == odd.bats:[0-9]": cannot make out this command" ]]
    done
    run -1 python3 "$BATS_TEST_DIRNAME/unseen.py" none.bats
    [ "$output" = "none.bats: No such file or directory" ]
}

@test "what a file loads is found beside it, however that is said" {
    cd "$BATS_TEST_TMPDIR"
    mkdir t
    printf '! true\ntrue\n' | tee t/a.bash t/b.bash > t/c.bash
    printf '%s\n' 'load "$BATS_TEST_DIRNAME/a"' '. "${BATS_TEST_DIRNAME}/b.bash"' 'source "$BATS_TEST_DIRNAME"/c.bash' > t/all.bats
    run -1 python3 "$BATS_TEST_DIRNAME/unseen.py" t/all.bats
    [ "${#lines[@]}" = 3 ]
    [ "${lines[2]}" = "t/c.bash:1: nobody sees this fail: ! true" ]
}

@test "run.sh refuses such a file" {
    cd "$BATS_TEST_TMPDIR"
    printf '%s "x" {\n! true\ntrue\n}\n' @test > bad.bats
    run -1 "$BATS_TEST_DIRNAME/run.sh" bad.bats
    [[ "$output" == "bad.bats "*"1 FAILED (status 1)"*"bad.bats:2: nobody sees this fail: ! true"*"1 failed" ]]
}
