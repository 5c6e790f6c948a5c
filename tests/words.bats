#!/usr/bin/env bats
# The pages of the repository: what they point at is there (tests/words.py), and README knows the
# rooms of the library. PTD_BIN is not looked at.
bats_require_minimum_version 1.5.0

words() { python3 "$BATS_TEST_DIRNAME/words.py" "$@"; }

@test "every link, heading and path that a page names is there" {
    run -0 words "$BATS_TEST_DIRNAME/.."
    [ -z "$output" ]
}

@test "what is not there is named with page and line" {
    cd "$BATS_TEST_TMPDIR"
    mkdir -p lib/base docs
    touch lib/base/err.h lib/base/err.c
    printf '%s\n' '# One thing, or two' '' '[a](docs/b.md#the-rest) [b](#one-thing-or-two)' \
        '`lib/base/err.[ch]`' \
        '`lib/base/*.c` `base/none.x` `train.jsonl` `make x.c` [far](https://example.org/none.md)' \
        '' '    `lib/none.c` in code' '' '```' '[code](none.md)' '```' > a.md
    printf '%s\n' '## The rest' '[up](../a.md) `../lib/base/` `lib/base/err.h`' '`a.md` `b.md`' \
        > docs/b.md
    run -0 words .
    [ -z "$output" ]
    printf '%s\n' '`lib/none.c`' '[a](docs/c.md)' '`none.h` and `a.md`' '[b](docs/b.md#rest)' \
        '[c](#here)' '`../a.md`' '`lib/base/*.py`' '`base/err.h`' > bad.md
    run -1 words .
    [ "${#lines[@]}" = 8 ]
    [ "${lines[0]}" = "bad.md:1: names lib/none.c, which is not there" ]
    [ "${lines[1]}" = "bad.md:2: links to docs/c.md, which is not there" ]
    [ "${lines[2]}" = "bad.md:3: names none.h, which is not there" ]
    [ "${lines[3]}" = "bad.md:4: links to docs/b.md#rest, and no heading is called so" ]
    [ "${lines[4]}" = "bad.md:5: links to #here, and no heading is called so" ]
    [ "${lines[5]}" = "bad.md:6: names ../a.md, which is not there" ]
    [ "${lines[6]}" = "bad.md:7: names lib/base/*.py, which is not there" ]
    [ "${lines[7]}" = "bad.md:8: names base/err.h, which is not there" ]
}

@test "README has a row for each room, in the order of the Makefile" {
    cd "$BATS_TEST_DIRNAME/.."
    rooms=$(sed -e ':a' -e '/\\$/N; s/\\\n *//; ta' Makefile | sed -n 's/^ROOMS *:= *//p')
    [ -n "$rooms" ]
    named=$(sed '1,/^| room |/d; /^$/,$d' README.md | sed -n 's|^. `lib/\([^`]*\)/`.*|\1|p')
    diff <(tr ' ' '\n' <<< "$rooms") <(echo "$named")
}

@test "no pages are a fault, too" {
    mkdir "$BATS_TEST_TMPDIR/none"
    run -1 words "$BATS_TEST_TMPDIR/none"
}
