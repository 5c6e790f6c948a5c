#!/usr/bin/env bats
# What a newcomer trips over: names that are not there, hints without material, metrics without
# words, figures of short runs.
load lib

setup_file() {
    small_run
    fresh run.ptd
    pipeline run.ptd 4 --keep 2 > metrics.jsonl
}

setup() { cd "$WORK" || return; }

@test "a generation that is gone is told with --keep" {
    fails 66 '*generation 1 is not kept any more, the newest is 4: ptd-update --keep N keeps the newest N' ptd-rollout -q -s run.ptd -g 1 train.jsonl
    fails 66 '*generation 9 is not kept: the newest is 4' ptd-export -q run.ptd out -g 9
}

@test "no hint has material: one line in the first step, with the count" {
    jq -c 'del(.steps, .regions, .solution)' train.jsonl > bare.jsonl
    ptd-init -q bare.ptd --from-store blank.ptd
    for n in 1 2; do
        run -0 --separate-stderr bash -c "ptd-rollout -q -s blank.ptd -g latest -P 4 -G 2 -m 4 bare.jsonl | ptd-verify -q | ptd-hint -q | ptd-dump --count"
        [ "${#stderr_lines[@]}" = 1 ]
        [[ "$stderr" == "ptd-hint: warning: step 1: "[34]" prompts need a hint, and none brings what one is made of (steps, regions or a solution, or --from another source): responses are not tutored, as in plain GRPO" ]]
    done
    run -0 --separate-stderr bash -c "ptd-rollout -q -s blank.ptd -g latest -P 4 -G 2 -m 4 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-dump --count"
    [ -z "$stderr" ]
}

@test "nothing for pictures to name: one line in the first step" {
    jq -c 'del(.objects)' train.jsonl > nameless.jsonl
    rm -rf named.ptd
    ptd-init -q named.ptd --from-store blank.ptd
    fails 0 'ptd-update: warning: --picture-words: no group of step 1 has objects, *' \
        bash -c 'set -o pipefail; ptd-gold -q -s named.ptd -P 4 -n 2 nameless.jsonl | ptd-update -q --loss sft --picture-words 1'
    ptd-data digits -q objects.jsonl -n 8 -k nbr --objects
    rm -rf named.ptd
    ptd-init -q named.ptd --from-store blank.ptd
    ptd-gold -q -s named.ptd -P 4 -n 1 objects.jsonl | ptd-update -q --loss sft --picture-words 1 2> said > /dev/null
    [ ! -s said ]
}

@test "one fault is one fault" {
    { cat train.jsonl; echo '{"prompt": "x"}'; } > faulty.jsonl
    run -65 --separate-stderr ptd-data check faulty.jsonl
    [[ "$stderr" == *" 8 of 9 rows usable, 1 fault, "* ]]
}

@test "every metric is in the glossary, with a unit and a meaning, and every one of the glossary is printed" {
    ptd-plot --list | awk -F '  +' 'NR > 1 { print $1 }' > known
    pipeline_with() { # OPTIONS OF UPDATE...
        fresh all.ptd
        ptd-rollout -q -s all.ptd -P 4 -G 4 -m 16 -n 1 train.jsonl | ptd-verify -q --exec "own:0.1=jq --unbuffered -c '{reward: 0.5}'" | ptd-hint -q --gate |
            ptd-ref -q --teacher old --mask-picture 0.5 | ptd-update -q "$@"
    }
    {
        cat metrics.jsonl warm.jsonl
        pipeline_with --tis 2 --masked-kl 0.01
        fresh reward.ptd
        pipeline reward.ptd 1 --kl-in reward
        rm -rf words.ptd
        cp -r blank.ptd words.ptd
        ptd-data digits -q objects.jsonl -n 8 -k nbr --objects
        ptd-gold -q -s words.ptd -P 8 -n 1 objects.jsonl | ptd-update -q --loss sft --picture-words 1
        ptd-eval -q run.ptd train.jsonl --once -G 2 -m 16
    } > all.jsonl
    jq -r 'keys_unsorted[]' all.jsonl | sort -u > printed
    # what is printed is known: by its name, or as reward/NAME, val/mean@K
    sed -E 's|^reward/own(/.*)?$|reward/NAME|; s|^(val/[a-z]+)@2|\1@K|' printed | sort -u > named
    comm -23 named <(sort known) > unknown
    [ ! -s unknown ] || { cat unknown; false; }
    comm -13 named <(sort known) > never
    [ ! -s never ] || { cat never; false; }
    # README's table of the method has each of ptd-update's
    while read -r name; do
        grep -qF "\`${name/reward\/NAME/reward/NAME}\`" "$BATS_TEST_DIRNAME/../lib/method/README.md" || { echo "README lacks $name"; false; }
    done < <(grep -v '^val/' known)
    ptd-plot --list metrics.jsonl > list
    grep -qE '^actor/entropy +4 .*nats +mean entropy' list
    run -1 grep -E '^[^ ]+ +4 .* $' list
}

@test "figures: what is there, named; marks for short runs; the mean is labelled" {
    # supervised metrics have no reward: panels for what there is
    run -0 ptd-plot warm.jsonl -o warm.gp
    grep -q 'set title "loss"' warm.gp
    grep -q 'set title "learning rate"' warm.gp
    run -1 grep -q 'accuracy' warm.gp
    grep -q 'linespoints' warm.gp
    run -1 grep -q 'running means' warm.gp
    run -0 ptd-plot metrics.jsonl -o short.gp
    grep -q 'accuracy of sampled responses' short.gp
    grep -q 'set xtics 1$' short.gp
    jq -nc 'range(1; 101) | {step: ., "reward/accuracy": (. / 100), mine: .}' > long.jsonl
    run -0 ptd-plot long.jsonl -o long.gp
    grep -q 'lines: running means over 10 points; faint: each point' long.gp
    run -1 grep -q 'linespoints' long.gp
    run -0 ptd-plot long.jsonl --smooth 1 -o long.gp
    run -1 grep -q 'running means' long.gp
    # lines of one's own, and a pipe
    run -0 bash -c "jq -c '{step, mine}' long.jsonl | ptd-plot - -o mine.gp"
    grep -q 'set title "mine"' mine.gp
    fails 65 '*no numbers by step*' bash -c "echo '{\"step\": 1}' | ptd-plot - -o none.gp"
    [ ! -e none.gp ]
    # a picture is seen where it ends, however white it is
    ptd-rollout -q -s blank.ptd -g 0 -P 8 -G 2 -m 4 train.jsonl | ptd-verify -q | ptd-hint -q --always > hinted.rec
    run -0 ptd-plot --hint hinted.rec -o hint.gp
    grep -q 'set border 15 ' hint.gp
    grep -q 'plot .*rgbimage' hint.gp
}

@test "a metric tells when all answers are one" {
    jq -c '.solution = "\\boxed{7}"' train.jsonl > sevens.jsonl
    rm -rf same.ptd
    cp -r blank.ptd same.ptd
    ptd-gold -q -s same.ptd -P 8 -n 40 sevens.jsonl | ptd-update -q --loss sft --lr 4e-3 > /dev/null
    ptd-init -q sevens.ptd --from-store same.ptd
    pipeline sevens.ptd 1 > sevens.metrics
    jq -e '."answer/top_ratio" > 0.9 and ."answer/distinct_ratio" < 0.2' sevens.metrics
    jq -e '."answer/distinct_ratio" > 0 and ."answer/distinct_ratio" <= 1 and ."answer/top_ratio" <= 1' metrics.jsonl
}
