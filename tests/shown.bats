#!/usr/bin/env bats
# Text from outside, whatever it holds: in tables, in JSON, on terminals and in figures.
load lib

setup_file() {
    cd "$WORK" || return
    ptd-data digits -q train.jsonl -n 20 -k nbr
    ptd-init -q blank.ptd
}

setup() { cd "$WORK"; }

# The data set with TEXTS (JSON strings) as category, id, question and solution of its rows, as
# dirty.jsonl, and the judged stream of it.
dirty() {
    jq -c --argjson texts "[$1]" '$texts[(input_line_number - 1) % ($texts | length)] as $t
        | .category = $t | .id = $t + "\(input_line_number)" | .question += $t | .solution += $t' train.jsonl > dirty.jsonl
    ptd-gold -q -s blank.ptd -P 20 -n 1 dirty.jsonl > gold.rec
    ptd-verify -q gold.rec | ptd-hint -q --always > dirty.rec
}

@test "no escape sequence reaches a terminal" {
    command -v script > /dev/null || skip "no script(1)"
    dirty '"\u001b]0;title\u0007", "\u001b[2J", "\u007f\b\r", "\u009b31m", "\u202eabc\u2066", "\u0085\u0090"'
    for c in "ptd-stat dirty.rec" "ptd-stat --json dirty.rec" "ptd-dump dirty.rec" "ptd-dump --pretty dirty.rec" "ptd-dump --text dirty.rec" \
        "ptd-data check dirty.jsonl" "ptd-verify --explain gold.rec > /dev/null" "ptd-verify -q -x gold.rec > /dev/null" $'ptd-verify \'\e[2J\u009b\'' \
        $'ptd-verify --judge \'\u202e\e]0;x\a\' gold.rec' "ptd-hint -q gold.rec > /dev/null"; do
        script -qec "$c" /dev/null < /dev/null > typed || true
        [ -s typed ]
        [[ "$(tr -d '\r\n\t' < typed)" != *[$'\x01'-$'\x1f\x7f']* ]]
        run -1 grep -qP '[\x{80}-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]' typed
    done
    script -qec "ptd-stat --json dirty.rec" /dev/null < /dev/null > typed
    [ "$(jq -S .categories typed)" = "$(ptd-stat --json dirty.rec | jq -S .categories)" ]
}

@test "nor does one reach a pipe: text is escaped, JSON says the same" {
    dirty '"\u001b[2J\u009b\u202e\u007f\u0007"'
    for form in --text --pretty --full; do
        ptd-dump $form dirty.rec > shown
        run -1 grep -qP '[\x{01}-\x{08}\x{0b}-\x{1f}\x{7f}-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]' shown
    done
    [ "$(ptd-dump --text dirty.rec | grep -cF '\x1b[2J\u009b\u202e\x7f\x07')" -gt 20 ]
    [ "$(ptd-dump dirty.rec | jq -r 'select(.kind == "group").category' | sort -u)" = $'\e[2J\u009b\u202e\x7f\a' ]
}

@test "a name imitates no line of --text, and bytes that are no UTF-8 are escaped in it" {
    dirty '"a"'
    /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" dirty.rec 'text = msgpack.packb; msgpack.packb = lambda what: text(what, unicode_errors="surrogateescape")
g.update(uid="x\nanswer: 99", category="c\udcff\nhint dropped: no", answer="1\nanswer: 99")
g["rollouts"][0]["extracted"] = "7\n  [2] right"; g["question"] = "one\ntwo"; head["data"] = "d\n  | ptd-x"' > lines.rec
    ptd-dump --text lines.rec > shown
    run -1 grep -qE '^(answer: 99|hint dropped: no|  \[2\] right|  \| ptd-x)' shown
    grep -qxF '  two' shown
    grep -qF 'answer: 1\nanswer: 99' shown
    iconv -f UTF-8 -t UTF-8 shown > /dev/null
}

@test "different names are different rows and keys" {
    dirty '"a", "b", "c", "d", "e", "f", "g"'
    /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" dirty.rec 'names = ["\udcff", "\udcfe", "\ufffd", "\\xff", "\\\\xff", "\\n", "\\\udcff"]
text = msgpack.packb; msgpack.packb = lambda what: text(what, unicode_errors="surrogateescape")
for i, g in enumerate(groups): g["category"] = names[i % 7]' > names.rec
    run -0 ptd-stat --json names.rec
    [ "$(jq -r '.categories | keys[]' <<< "$output" | sort)" = "$(printf '%s\n' '\xff' '\xfe' $'\ufffd' '\\xff' '\\\\xff' '\n' '\\\xff' | sort)" ]
    run -0 ptd-stat --answers 0 names.rec
    [ "${#lines[@]}" = 9 ]
    [ "$(printf '%s\n' "${lines[@]%% *}" | sort -u | wc -l)" = 9 ]
}

@test "columns of a table stay aligned" {
    dirty "\"plain\", \"漢字の問題\", \"e\\u0301\\u0323te\\u0301\", \"two\\nlines\\t\", \"\\u001b[31m\", \"$(printf 'long%.0s' {1..500})\""
    run -0 ptd-stat --answers 0 dirty.rec
    [ "${#lines[@]}" = 8 ]
    for line in "${lines[@]}"; do
        [ "$(LC_ALL=C.UTF-8 wc -L <<< "$line")" = "${#lines[0]}" ]
    done
    [ "${#lines[0]}" -lt 180 ]
    [[ "$output" == *'two\nlines\t '* && "$output" == *'\x1b[31m '* && "$output" == *'longlon...nglong'* ]]
}

@test "--json is JSON, whatever the names hold" {
    dirty '"\"quoted\"", "back\\slash\n", "\u0001\u001f", "\ud83d\ude00", "total", " "'
    run -0 ptd-stat --json dirty.rec
    [ "$(jq -c '.categories | keys' <<< "$output")" = "$(jq -c -s 'map(.category) | unique' dirty.jsonl)" ]
    cp dirty.jsonl $'caf\xe9.jsonl'
    cp -r train.img $'caf\xe9.img'
    ptd-gold -q -s blank.ptd -P 20 -n 1 $'caf\xe9.jsonl' | ptd-verify -q > name.rec
    [ "$(ptd-stat --json name.rec | jq -r .data)" = $'caf\ufffd.jsonl' ]
}

@test "--quiet does not silence --explain" {
    dirty '"a"'
    run -0 --separate-stderr bash -c 'ptd-verify --quiet --explain gold.rec > /dev/null'
    [ "${#stderr_lines[@]}" = 20 ]
    [[ "$stderr" == "ptd-verify: a"*" #0: "*": found "* ]]
    run -0 bash -c 'ptd-verify --quiet gold.rec > /dev/null'
    [ -z "$output" ]
}

# What gnuplot may see something in.
texts=("f''(x) = 'quoted'" "''" "'" '"' '\' 'back\slash \n \101' '`touch ran`' '"`touch ran`"' "'; system('touch ran'); print '" '"; system("touch ran") #'
    '@x $(touch ran) %s %d' 'x_1^2 ~a{b} {/Symbol a} &{c}' '<b>&amp;</b>' 'EOD' '漢字 é' ' $picture << ')

@test "no text is read by gnuplot: curves" {
    printf '{"step": %d, "a": 1, "b\\"`'"'"'": 2}\n' 1 2 > "it's.jsonl"
    for t in "${texts[@]}"; do
        ptd-plot -q "it's.jsonl" -f 'a,b"`'"'" --title "$t" -t "${t//,/;}" -o "it's.svg"
        [ ! -e ran ]
        title=$(sed -n 's/.*<text>\(.*\)<\/text>.*/\1/p; s/.*<tspan[^>]*>\(.*\)<\/tspan>.*/\1/p' "it's.svg" | sed 's/&lt;/</g; s/&gt;/>/g; s/&quot;/"/g; s/&amp;/\&/g')
        grep -qxF -- "$t" <<< "$title" || grep -qF -- "$(xargs -0 <<< "$t")" <<< "$title" || { echo "$t: found $title"; false; }
    done
}

@test "no text is read by gnuplot: hints" {
    texts+=($'two\nlines' $'\e[31m\a\u009b' "$(printf 'long%.0s' {1..1000})")
    dirty "$(jq -cn '$ARGS.positional[]' --args "${texts[@]}" | paste -sd ,)"
    for i in "${!texts[@]}"; do
        uid=${texts[i]}$((i + 1))
        ptd-plot -q --hint dirty.rec --uid "$uid" -o "it's.$i.svg"
        ptd-plot -q --hint dirty.rec --uid "$uid" -o "it's.gp"
        gnuplot -e "set terminal svg; set output 'again.$i.svg'" "it's.gp"
        [ ! -e ran ]
    done
    ptd-plot -q --hint dirty.rec -o "it's.png"
    /usr/bin/python3 -c 'import sys, xml.dom.minidom as x; [x.parse(f) for f in sys.argv[1:]]' it*.svg again.*.svg
}
