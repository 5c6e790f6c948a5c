#!/usr/bin/env bats
# Grids of runs: which cells there are, the same bytes whatever runs at once, restarts, failures that
# are listed, tables and figures.
load lib

setup_file() {
    cd "$WORK" || return
    ptd-data digits -q train.jsonl -n 24 -k hinted
    ptd-data digits -q test.jsonl --split test -n 20 --seed 3
    ptd-init -q blank.ptd
    cp -r blank.ptd warm.ptd
    ptd-gold -q -s warm.ptd -P 8 -n 40 train.jsonl | ptd-hint -q --always --share 0.5 |
        ptd-update -q --loss sft --lr 4e-3 > warm.jsonl
    grid OUT=one METHODS='grpo ptd-grpo' LAMBDA='0.5 3' -j1 > one.md
}

setup() { cd "$WORK"; }

pipelines=$BATS_TEST_DIRNAME/../pipelines
grid() {
    make -s --no-print-directory -f "$pipelines/sweep.mk" BIN="$bin" BASE=warm.ptd DATA=train.jsonl TEST=test.jsonl SEEDS='1 2' \
        STEPS=3 PROMPTS=3 ANSWERS=4 SAMPLES=2 SMOOTH=1 "$@" 3>&-
}

# All of a sweep's bytes but the clock's.
sum() { (cd "$1" && find . -type f ! -name seconds.json ! -name 'curves.*' | sort | xargs sha256sum); }

@test "a method has a cell for what it reads, and for each seed; tables and figures tell of all" {
    [ "$(ls one/cells | paste -sd ' ')" = "grpo_SEED-1 grpo_SEED-2 ptd-grpo_LAMBDA-0.5_SEED-1 ptd-grpo_LAMBDA-0.5_SEED-2 ptd-grpo_LAMBDA-3_SEED-1 ptd-grpo_LAMBDA-3_SEED-2" ]
    [ "$(grid OUT=list METHODS='base grpo ptd-grpo' LAMBDA='0.5 3' TOPK='16 100' LR='1e-3 2e-3' cells | wc -l)" = 24 ]
    cmp one.md one/table.md
    [ "$(grep -c '^| grpo | 2 |\|^| ptd-grpo, lambda' one/table.md)" = 3 ]
    [ "$(wc -l < one/cells.csv)" = 7 ]
    cell=one/cells/ptd-grpo_LAMBDA-3_SEED-2
    [ "$(jq -c '[.method, .steps, .settings.LAMBDA, .settings.SEED, .settings.PROMPTS]' $cell/cell.json)" = '["ptd-grpo",3,"3","2","3"]' ]
    [ "$(jq -sc 'map(.step)' $cell/metrics.jsonl)" = '[1,2,3]' ]
    [ "$(wc -l < $cell/greedy.tsv)" = 20 ]
    [ ! -e $cell/run.ptd ]
    [[ "$(head -c 5 one/curves.svg)" = '<?xml' ]]
    [ "$(head -c 4 one/curves.png | tail -c 3)" = PNG ]
    for words in 'accuracy of sampled' 'all-fail' 'entropy per token' 'response length' 'divergence'; do grep -q "$words" one/curves.svg; done
}

@test "means and intervals over seeds are those of the cells" {
    # Student's t at 97.5 % of one degree of freedom, for two seeds
    for set in grpo ptd-grpo_LAMBDA-3; do
        want=$(jq -s 'map(.total."pass@2") | [add / 2, (.[0] - .[1] | fabs) / 2 * 12.706] | map(. * 1e6 | round)' -c one/cells/${set}_SEED-*/sampled.json)
        got=$(awk -F, -v s="\"$set\"" '$1 == s { printf "[%.0f,%.0f]", $6 * 1e6, $7 * 1e6 }' one/table.csv)
        [ "$got" = "$want" ]
    done
    jq -L "$pipelines/sweep" -ne 'include "table"; ([1, 2, 3, 4] | mean) == 2.5 and (([1, 2, 3, 4] | half) - 2.05406 | fabs) < 1e-4
        and ([1] | half) == null and ([] | mean) == null and (0.0449 | digits(3)) == "0.045" and (-1.96 | digits(1)) == "-2.0" and (12 | digits(0)) == "12"'
}

@test "a cell that was made with other settings is none of this grid" {
    before=$(sum one)
    run grid OUT=one METHODS=grpo STEPS=4 MAX_TOKENS=20
    [ "$status" = 2 ]
    [[ "$output" = *"one/cells/grpo_SEED-1: made with MAX_TOKENS 32, STEPS 3: expected the settings of now; give another OUT, or remove that folder"* ]]
    [ "$(sum one)" = "$before" ]
}

@test "-j changes no byte; a second call makes nothing anew" {
    grid OUT=two METHODS='grpo ptd-grpo' LAMBDA='0.5 3' -j4 > two.md
    [ "$(sum one)" = "$(sum two)" ]
    before=$(stat -c '%n %Y %i' two/cells/*)
    grid OUT=two METHODS='grpo ptd-grpo' LAMBDA='0.5 3' -j2 > two.md
    [ "$(stat -c '%n %Y %i' two/cells/*)" = "$before" ]
}

@test "killed at any moment, the same call goes on to the same bytes" {
    for wait in 0.4 0.9 1.7 2.6; do
        setsid bash -c "$(declare -f grid); pipelines='$pipelines' bin='$bin'; exec 3>&-; grid OUT=hit METHODS='grpo ptd-grpo' LAMBDA='0.5 3' -j2" > /dev/null 2>&1 &
        sleep $wait
        kill -9 -- -$! 2> /dev/null || true
        wait $! || true
    done
    sleep 0.5
    grid OUT=hit METHODS='grpo ptd-grpo' LAMBDA='0.5 3' -j2 > hit.md
    [ "$(sum one)" = "$(sum hit)" ]
}

@test "cells that fail are listed with their status, the others are made, and the call is repeated" {
    run -2 --separate-stderr grid OUT=bad METHODS='grpo ptd-grpo' LAMBDA=3 HINT='data nonsense' -j2
    [[ "$stderr" == *"ptd-grpo_LAMBDA-3_HINT-nonsense_SEED-1: status 2: ptd-hint: "* ]]
    grep -q '^| ptd-grpo_LAMBDA-3_HINT-nonsense_SEED-2 | 2 | ptd-hint: ' bad/table.md
    grep -q '^| ptd-grpo, lambda 3, hint data | 2 |' bad/table.md
    [ "$(grep -c ',2,' bad/cells.csv)" = 2 ]
    # an input that is damaged, and then is not
    head -c 3000 train.jsonl > cut.jsonl
    run -2 --separate-stderr grid OUT=cut METHODS=grpo DATA=cut.jsonl
    [[ "$stderr" == *"grpo_SEED-1: status 65: ptd-rollout: cut.jsonl:"* ]]
    grep -q '^| grpo_SEED-1 | 65 | ptd-rollout: cut.jsonl:' cut/table.md
    cp train.jsonl cut.jsonl
    rm -rf cut/cells/*.part
    grid OUT=cut METHODS=grpo DATA=cut.jsonl > cut.md
    [ "$(ls cut/cells | paste -sd ' ')" = 'grpo_SEED-1 grpo_SEED-2' ]
    # a program that says nothing
    mkdir mute
    ln -s "$bin"/* mute
    rm mute/ptd-verify
    printf '#!/bin/sh\nexit 70\n' > mute/ptd-verify
    chmod +x mute/ptd-verify
    run -2 --separate-stderr grid OUT=none METHODS=grpo SEEDS=1 BIN="$PWD/mute"
    [[ "$stderr" == *"grpo_SEED-1: status 70: no word"* ]]
    # a launcher that fails, and cells that are killed, before they can say anything
    printf '#!/bin/bash\n[[ "$*" != *SEED-1* ]] || exit 9\nexec "$@"\n' > half
    printf '#!/bin/bash\nkill -9 $$\n' > killed
    chmod +x half killed
    run -2 --separate-stderr grid OUT=lost METHODS=grpo LAUNCH=./killed
    [ "$(grep -c '^| grpo_SEED-[12] | 137 | ended from outside, or never begun |' lost/table.md)" = 2 ]
    run -2 --separate-stderr grid OUT=lost METHODS=grpo LAUNCH='./half env X=1'
    [[ "$stderr" == *"grpo_SEED-1: status 9: ended from outside, or never begun"* ]]
    grep -q '^| grpo | 1 | ' lost/table.md
    run -2 --separate-stderr grid OUT=none METHODS='grpo nonsense'
    [[ "$stderr" == *"no method nonsense: expected some of "*"ptd-grpo"* ]]
    [[ "$stderr" != *sed:* ]]
}

@test "LAUNCH stands before each cell; a cell of a list by its number" {
    cat > launch <<'S'
#!/bin/bash
echo "$$ ${*: -1}" >> launched
exec "${@:2}"
S
    chmod +x launch
    grid OUT=far METHODS='grpo ptd-grpo' LAMBDA='0.5 3' LAUNCH="./launch -n1" -j2 > far.md
    [ "$(wc -l < launched)" = 6 ]
    [ "$(sum one)" = "$(sum far)" ]
    for n in 1 2 3 4 5 6; do grid OUT=array METHODS='grpo ptd-grpo' LAMBDA='0.5 3' cell N=$n; done
    [ "$(ls array/cells)" = "$(ls one/cells)" ]
    grid OUT=array METHODS='grpo ptd-grpo' LAMBDA='0.5 3' > array.md
    [ "$(sum one)" = "$(sum array)" ]
}

@test "a value may hold what make reads otherwise, as gjsd=0.1 and column:NAME do" {
    grid OUT=signs METHODS=ptd-grpo DIVERGENCE=gjsd=0.1 HINT='data column:solution' SEEDS=1 -j2 > signs.md
    [ "$(ls signs/cells | paste -sd ' ')" = 'ptd-grpo_DIVERGENCE-gjsd=0.1_HINT-column:solution_SEED-1 ptd-grpo_DIVERGENCE-gjsd=0.1_HINT-data_SEED-1' ]
    [ "$(jq -c '[.settings.DIVERGENCE, .settings.HINT]' signs/cells/*column*/cell.json)" = '["gjsd=0.1","column:solution"]' ]
    grep -q '^| ptd-grpo, divergence gjsd=0.1, hint column:solution | 1 |' signs.md
    rm -r signs/cells/*column*
    grid OUT=signs METHODS=ptd-grpo DIVERGENCE=gjsd=0.1 HINT='data column:solution' SEEDS=1 cell N=2
    [ -d signs/cells/ptd-grpo_DIVERGENCE-gjsd=0.1_HINT-column:solution_SEED-1 ]
}

@test "what is named twice counts once; a task that there is not is told" {
    [ "$(grid OUT=list METHODS='grpo ptd-grpo grpo' LAMBDA='3 0.5 3' SEEDS='1 2 1' cells | awk '{ print $2 }' | paste -sd ' ')" = \
        'grpo_SEED-1 grpo_SEED-2 ptd-grpo_LAMBDA-3_SEED-1 ptd-grpo_LAMBDA-3_SEED-2 ptd-grpo_LAMBDA-0.5_SEED-1 ptd-grpo_LAMBDA-0.5_SEED-2' ]
    run -2 --separate-stderr make -s -f "$pipelines/sweep.mk" OUT=none TASK=nix cells
    [[ "$stderr" == *"no task nix: expected one of "*digits*", or BASE, DATA and TEST"* ]]
    grid OUT=list TASK=mine METHODS=grpo cells > /dev/null
}

@test "a setting that nobody reads is told, in each makefile that users call" {
    cd "$pipelines"
    for called in "-f sweep.mk METHODS=grpo cells" "-f paper.mk -n" "-f methods/ptd-grpo.mk show" "-C demo -n demo" "-C demo -f search.mk -n search" "-C real -n rehearse"; do
        run -2 --separate-stderr env -u MAKELEVEL -u MAKEFLAGS make -s $called LAMDA=3
        [[ "$stderr" == *"no setting LAMDA: expected some of "* ]]
    done
    for called in "-f sweep.mk METHODS=grpo cells LAMBDA=1 LR_grpo=1e-4 N=1 OUT=none" "-f paper.mk -n STEPS_charts=3 QUICK=1 LAUNCH=env OUT=none" "-f methods/ptd-grpo.mk show LAMBDA=3" "-C demo -n demo LORA=rank=8 OUT=none" "-C real -n rehearse SIZE=4b OUT=none PTD_DEVICE=cpu:bf16"; do
        run --separate-stderr env -u MAKELEVEL -u MAKEFLAGS make -s $called
        [[ "$stderr" != *"no setting"* ]]
    done
}

@test "a number of no cell is refused; cells of other grids that failed are none of this one" {
    for n in 0 7 x ''; do
        run -2 --separate-stderr grid OUT=one METHODS='grpo ptd-grpo' LAMBDA='0.5 3' cell N=$n
        [[ "$stderr" == *"N=$n: expected 1 to 6, the number of a cell"* ]]
    done
    run -2 grid OUT=one METHODS='grpo ptd-grpo' LAMBDA='0.5 3' cell
    cp -r one others
    echo '{"cell": "grpo_LR-1_SEED-1", "status": 79, "words": "no word"}' > others/cells/grpo_LR-1_SEED-1.status
    grid OUT=others METHODS='grpo ptd-grpo' LAMBDA='0.5 3' > others.md
    cmp one.md others.md
}

@test "ptd-plot --band: the mean of runs of one title, and Student's interval around it" {
    for s in 1 2 3; do for i in 1 2; do echo "{\"step\":$i,\"a\":$((s * i))}"; done > s$s.jsonl; done
    echo '{"step":3,"a":7}' >> s2.jsonl
    ptd-plot -q --band --smooth 1 --fields a --titles 'x,x,y' s1.jsonl s2.jsonl s3.jsonl -o band.gp
    grep -m1 -A2 '^\$d0_0' band.gp | awk 'NR > 1 { printf "%g %.4f %.4f %.4f\n", $1, $3, $4, $5 }' > got
    printf '%s\n' '1 1.5000 -4.8530 7.8530' '2 3.0000 -9.7060 15.7060' | cmp - got
    [ "$(grep -c '^\$d0.*EOD' band.gp)" = 2 ]
    grep -m1 -A2 '^\$d0_1' band.gp | grep -qx '2 6 6 6 6'
    # a share stays one
    for s in 1 2; do echo "{\"step\":1,\"reward/accuracy\":0.$((s * 4))}" > s$s.jsonl; done
    ptd-plot -q --band --smooth 1 --fields reward/accuracy --titles x,x s1.jsonl s2.jsonl -o band.gp
    grep -m1 -A1 '^\$d0_0' band.gp | grep -qx '1 0.6 0.6 0 1'
}

# cell DIR NAME RIGHT...: a cell whose greedy answers to q0, q1 ... are right (1) or not.
crafted() {
    local dir=$1/cells/$2 name=$2 i=0
    mkdir -p "$dir"
    shift 2
    for right; do printf 'q%d\t%d\n' $((i++)) "$right"; done > "$dir/greedy.tsv"
    jq -n --arg c "$name" '{cell: $c, method: ($c | sub("_.*"; "")), settings: {SEED: ($c | sub(".*_SEED-"; ""))}}' > "$dir/cell.json"
}

@test "paper: learning rates by the best of the choice, differences over the same questions" {
    rm -rf p
    crafted p/t grpo_LR-1_SEED-0 1 0 0 0
    crafted p/t grpo_LR-1_SEED-1 1 0 0 1
    crafted p/t ptd-grpo_SEED-0 1 1 0 1
    crafted p/t ptd-grpo_SEED-1 1 1 0 0
    crafted p/t base_SEED-0 0 0 0 0
    crafted p/ablations/TAU ptd-grpo_TAU-0.2_SEED-1 0 1 0 0
    echo tbl > p/t/table.md
    echo LR_grpo=1 > p/t/rates.mk
    OUT=p "$pipelines/sweep/paper.sh" t -- TAU > p.md
    # over the questions 0, 1, 0, 0: mean 0.25, deviation 0.5, so 1.96 * 0.5 / 2; seeds 0.5 and 0
    grep -qxF '| ptd-grpo | 62.5 | +25.0 (-24.0 to +74.0); seeds +0.0 to +50.0 |' p.md
    grep -qxF '| grpo, lr 1 | 37.5 | +0.0 (+0.0 to +0.0); seeds +0.0 to +0.0 |' p.md
    grep -q '^| base | 0.0 | -25.0 (' p.md
    grep -q '^| ptd-grpo, tau 0.2 | 25.0 | -25.0 (.*; seeds -25.0 to -25.0 |' p.md
    grep -qF 'Learning rates: grpo 1.' p.md
    for c in grpo_LR-1e-4=0.2 grpo_LR-2e-4=0.5 grpo_LR-4e-4=0.5 sft_LR-1e-3=0.1; do
        mkdir -p "p/choice/cells/${c%=*}_SEED-9"
        echo "{\"total\":{\"pass@1\":${c#*=}}}" > "p/choice/cells/${c%=*}_SEED-9/sampled.json"
    done
    [ "$("$pipelines/sweep/rates.sh" p/choice grpo sft none | paste -sd ' ')" = 'LR_grpo=2e-4 LR_sft=1e-3' ]
}
