#!/usr/bin/env bats
# Options as files: what --options reads, what --print-config and --describe say; commands by their
# short names.
load lib.bash

setup() { cd "$WORK" || return; }

@test "a file of options does what the command line does, which wins" {
    ptd-init -q a.ptd
    ptd-data digits -q train.jsonl -n 8
    echo '{"ptd-rollout": {"prompts": 4, "group-size": 2, "max-tokens": 4, "steps": 1, "seed": 7}, "ptd-update": {"lr": 1e-3}}' > all.json
    ptd-rollout -q -s a.ptd -P 4 -G 2 -m 4 -n 1 --seed 7 train.jsonl > said.rec
    ptd-rollout -q -s a.ptd --options all.json train.jsonl > read.rec
    cmp <(ptd-dump said.rec | jq 'del(.stages, .byte, .digest)') <(ptd-dump read.rec | jq 'del(.stages, .byte, .digest)')
    # what decides is in the head, whoever said it
    ptd-dump read.rec | jq -se '.[0].stages[0].decided | contains("--seed 7")'
    ptd-rollout -q -s a.ptd --options all.json -G 3 train.jsonl | ptd-dump | jq -se '.[0].group_size == 3'
    ptd-rollout -q -s a.ptd -G 3 --options all.json train.jsonl | ptd-dump | jq -se '.[0].group_size == 3'
}

@test "what is printed is read back to the same" {
    for p in "$bin"/ptd-*; do
        "$p" --print-config > config.json
        "$p" --options config.json --print-config | cmp - config.json
    done
    ptd-update --lr 3e-4 --no-resume-anyway --loss sft --print-config | jq -e '.["ptd-update"] | .lr == 3e-4 and .loss == "sft" and .["resume-anyway"] == false'
    ptd-rollout --stop-text a --stop-text b --print-config > lists.json
    ptd-rollout --options lists.json --print-config | jq -e '.["ptd-rollout"]["stop-text"] == ["a", "b"]'
    ptd-rollout --options lists.json --stop-text c --print-config | jq -e '.["ptd-rollout"]["stop-text"] == ["c"]'
}

@test "a bad file is one line with its name" {
    refuses() { # STATUS PATTERN JSON
        printf '%s' "$3" > bad.json
        fails "$1" "$2" ptd-update --options bad.json
    }
    refuses 2 '*bad.json: unknown option "lrr" ("lr" is one); *' '{"lrr": 1}'
    refuses 2 '*bad.json: unknown option "zzzzzzzz"; *' '{"zzzzzzzz": 1}'
    refuses 2 '*bad.json: unknown option "s" ("store" is one); *' '{"s": "a.ptd"}'
    refuses 2 '*bad.json: unknown option "--lr" ("lr" is one); *' '{"--lr": 1}'
    refuses 2 '*bad.json: "options" is for the command line alone; *' '{"options": "b.json"}'
    refuses 2 '*bad.json: "no-resume-anyway" is for the command line alone; a file says false; *' '{"no-resume-anyway": true}'
    refuses 2 '*bad.json: option --lr: "x" is not a finite number*' '{"lr": "x"}'
    refuses 2 '*bad.json: option --updates: 0 is out of range*' '{"updates": 0}'
    refuses 2 '*bad.json: option --updates: "1.5" is not a whole number*' '{"updates": 1.5}'
    refuses 2 '*bad.json: option --lr: "..." is not a number or a text*' '{"lr": [1]}'
    refuses 2 '*bad.json: option --lr: "true" is not*' '{"lr": true}'
    refuses 2 '*bad.json: option --resume-anyway: "1" is not true or false*' '{"resume-anyway": 1}'
    refuses 2 '*bad.json: "lr": expected all options in objects by program*' '{"ptd-update": {}, "lr": 1}'
    refuses 65 '*bad.json: line 1: expected a JSON object of options*' '[1]'
    refuses 65 '*bad.json: line 1: expected a JSON object of options*' ''
    refuses 65 '*bad.json: line 1: *duplicate*' '{"lr": 1, "lr": 2}'
    fails 66 '*nowhere.json*' ptd-update --options nowhere.json
    fails 2 '*needs an argument*' ptd-update --options
}

@test "null is the default, and other programs' sections are theirs" {
    echo '{"lr": null}' > null.json
    ptd-update --options null.json --print-config | cmp - <(ptd-update --print-config)
    echo '{"ptd-ref": {"micro": 500}}' > ref.json
    ptd-update --options ref.json --print-config | cmp - <(ptd-update --print-config)
    ptd-ref --options ref.json --print-config | jq -e '.["ptd-ref"].micro == 500'
    echo '{"ptd-hint": {}, "ptd-updat": {"lr": 1}}' > near.json
    fails 2 '*near.json: "ptd-updat": expected a program*s name (ptd-update is one)*' ptd-update --options near.json --print-config
    ptd-hint --options near.json --print-config > /dev/null
}

@test "all that --help says is in --describe" {
    for p in "$bin"/ptd-*; do
        "$p" --describe > said.json
        jq -e '.version and .summary and (.statuses[0] == {code: 0, meaning: "done"})' said.json
        for o in $("$p" --help | grep -oE '^ +(-.,)? *--(\[no-\])?[a-z0-9-]+' | sed 's/.*--//; s/\[no-\]//'); do
            jq -e --arg o "$o" 'any(.options[]; .name == $o)' said.json > /dev/null
        done
    done
}

@test "ptd runs the others by their short names, and says what was meant" {
    [ "$(ptd stat --version)" = "$(ptd-stat --version)" ]
    run -0 ptd
    for p in "$bin"/ptd-*; do [[ $output == *"  ${p##*ptd-} "* ]]; done
    run -0 ptd help dump
    [ "$output" = "$(ptd-dump --help)" ]
    fails 2 '*there is no command "rolout"; did you mean "rollout"*' ptd rolout
    fails 2 '*there is no command "xyzzy"; try*' ptd xyzzy
    fails 2 '*there is no command "rol"; did you mean "rollout"*' ptd rol
    fails 2 '*there is no command "/bin/ls"; try*' ptd /bin/ls
    [ "$(ptd ptd-stat --version)" = "$(ptd-stat --version)" ]
    fails 2 '*unknown option --top_k (--top-k is one)*' ptd ref --top_k 3
    fails 66 '*ptd-stat: /nowhere*' ptd stat /nowhere
}
