#!/usr/bin/env bats
# ptd-verify's rules and settings: whose rule judges, accepted answers, tolerances, boxes, from when
# on a response is right, form without anything right, what is said of what; limits. Leaves single
# answers to test-judge.c, --exec to exec.bats. PTD_BIN: where the programs are.
bats_require_minimum_version 1.5.0
load lib.bash

setup_file() {
    cd "$WORK"
    small_run
    ptd-gold -q -s blank.ptd -P 2 -n 1 train.jsonl > gold.rec
}

setup() { cd "$WORK"; }

# A stream of one group: ANSWER PYTHON RESPONSE...
group() {
    local answer=$1 change=$2
    shift 2
    /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" gold.rec "
import json
texts = json.loads(r'''$(jq -n -c '$ARGS.positional' --args -- "$@")''')
g['answer'], first = json.loads(r'''$(jq -n --arg a "$answer" '$a')'''), g['rollouts'][0]
g['rollouts'] = [dict(first, text=t) for t in texts]
g['uid'] = 'one'
del groups[1:]
frames[:] = [f for f in frames if f[0] != 2 or f[1] is g]
$change" > one.rec
}

judged() { ptd-verify "$@" > v.rec; }
# Of each response: FIELD...
of() { ptd-dump --full v.rec | jq -c "select(.kind == \"group\") | [.rollouts[] | $1]"; }

@test "the row's rule judges under auto, that of the command line otherwise" {
    group '[0,0,10,10]' "g['judge'] = 'iou'" '\boxed{[0,0,10,9]}' '\boxed{[0,0,10,4]}' '\boxed{[0,0,10,10]}'
    judged -q one.rec
    [ "$(of .outcome)" = '["right","wrong","right"]' ]
    judged -q --judge exact one.rec
    [ "$(of .outcome)" = '["wrong","wrong","right"]' ]
    group 'a, b, c' "" '\boxed{c, a, b}'
    judged -q --judge f1 one.rec
    [ "$(of .outcome)" = '["right"]' ]
    group 'a' "g['judge'] = 'sympy'" '\boxed{a}'
    fails 65 'ptd-verify: one.rec: record 1, byte *: group "one": field "judge": "sympy", expected one of auto, *' judged one.rec
    group 'the cat' "g['judge'] = 'point'" '\boxed{(1,1)}'
    fails 65 'ptd-verify: one.rec: record 1, byte *: group "one": field "answer": "the cat": no bounding box, expected boxes as *' judged one.rec
}

@test "what is accepted besides the answer is right" {
    group 12 "g['answers'] = ['twelve', 'a dozen']" '\boxed{12}' '\boxed{Twelve}' '\boxed{a dozen}' '\boxed{13}'
    run -0 --separate-stderr judged -x one.rec
    [ "$(of .outcome)" = '["right","right","right","wrong"]' ]
    [[ "${stderr_lines[3]}" == 'ptd-verify: one #3: wrong: found "13", expected "12" or "twelve" or "a dozen", form good' ]]
}

@test "boxes: right from an iou on, or as much as they cover" {
    group '[0,0,10,10]' "g['judge'] = 'iou'" '\boxed{[0,0,10,9]}' '\boxed{[0,0,10,4]}' '\boxed{here}'
    judged -q --iou 0.95 one.rec
    [ "$(of .accuracy)" = '[0,0,0]' ]
    judged -q --iou 0.4 one.rec
    [ "$(of .accuracy)" = '[1,1,0]' ]
    run -0 --separate-stderr judged -x --iou 0 one.rec
    [ "$(of '[.outcome, .accuracy, .reason]')" = '[["right",0.9,null],["wrong",0.4,null],["unparsable",0,"no bounding box"]]' ]
    jq -e '(.[0] - 0.91 | fabs < 1e-9) and (.[1] - 0.46 | fabs < 1e-9)' <<< "$(of .reward)" > /dev/null
    [[ "${stderr_lines[0]}" == 'ptd-verify: one #0: right, accuracy 0.9: found "[0,0,10,9]", expected "[0,0,10,10]", form good' ]]
    [[ "${stderr_lines[2]}" == 'ptd-verify: one #2: unparsable: found "here" (no bounding box), expected '* ]]
    jq -e '. - 1.3 / 3 | fabs < 1e-9' <<< "$(ptd-dump v.rec | jq 'select(.kind == "group").group_accuracy')" > /dev/null
    judged -q --iou 0 --right-from 0.95 one.rec
    [ "$(of .outcome)" = '["wrong","wrong","unparsable"]' ]
    judged -q --iou 0 --right-from 0.3 one.rec
    [ "$(of .outcome)" = '["right","right","unparsable"]' ]
}

@test "naming several places where one is asked earns nothing" {
    group '[10,20,30,40]' "" '\boxed{[10,20,30,40],[100,100,200,200]}' '\boxed{[10,20,30,40],[10,20,30,40]}'
    for iou in 0.5 0; do
        judged -q --judge iou --iou $iou one.rec
        [ "$(of '[.outcome, .accuracy]')" = '[["wrong",0],["wrong",0]]' ]
    done
    group '[10,20,30,40]' "" '\boxed{(15,25),(100,100)}' '\boxed{(15,25),(16,26)}' '\boxed{(15,25),(100,100),(15,26)}' '\boxed{(15,25)}'
    judged -q --judge point one.rec
    [ "$(of '[.outcome, .accuracy]')" = '[["wrong",0],["wrong",0],["wrong",0],["right",1]]' ]
    group '[10,20,30,40],[50,20,60,40]' "" '\boxed{(15,25)}' '\boxed{(15,25),(16,26)}' '\boxed{(55,25),(16,26)}'
    judged -q --judge point one.rec
    [ "$(of '[.outcome, .accuracy]')" = '[["wrong",0.5],["wrong",0.5],["right",1]]' ]
    judged -q --judge point --right-from 0.5 one.rec
    [ "$(of .outcome)" = '["right","right","right"]' ]
}

@test "a point's tag answers without a box, with all that is named beside it" {
    group '[10,20,30,40]' "g['judge'] = 'point'" '<point x="15" y="25">x</point>' 'The nose: <points x1="15" y1="25" alt="2nd">it</points>.' '<point>(15,25)</point>' \
        '<point x="15" y="25">x</point><point x="99" y="99">x</point>' '(99,99) or <point x="15" y="25">x</point>' '\boxed{(99,99)} <point x="15" y="25">x</point>'
    judged -q one.rec
    [ "$(of .outcome)" = '["right","right","right","wrong","wrong","wrong"]' ]
}

@test "a list answers without a box, a solution's steps do not" {
    list=$'cat\n2. dog\n3. bird'
    group 'cat, dog, bird' "g['judge'] = 'f1'" "1. $list" $'- cat\n- dog\n- bird' $'I see three:\n\n* **Bird**\n* the dog\n* A cat.\n' "\\boxed{fish}"$'\n'"1. $list" \
        $'1. Here is a bird and a cat.\n2. So the animals are a cat and a dog and more.' "<think>1. $list" "<think>x</think>1. $list"
    judged -q one.rec
    [ "$(of .accuracy | jq -c 'map(. == 1)')" = '[true,true,true,false,false,false,true]' ]
    judged -q --extract boxed one.rec
    [ "$(of .accuracy | jq -c 'unique')" = '[0]' ]
}

@test "an answer in which the judge finds nothing is bad form" {
    group 12 "" '\boxed{?}' '\boxed{-}' '\boxed{ ?? }' '\boxed{13}' '\boxed{x}'
    judged -q one.rec
    [ "$(of '[.reason, .format]' | jq -c '.[:3]')" = '[["empty",0],["empty",0],["empty",0]]' ]
    [ "$(of .format | jq -c '.[3:]')" = '[1,1]' ]
    group '?' "" '\boxed{?}'
    judged -q one.rec
    [ "$(of '[.outcome, .format]')" = '[["right",1]]' ]
}

@test "boxes answer wherever they stand, when nothing is marked as the answer" {
    group '[10,20,30,40]' "g['judge'] = 'iou'" $'```json\n[\n\t{"bbox_2d": [10, 20, 30, 40], "label": "cat"}\n]\n```' 'The cat (2 years) is at [10, 20, 30, 40].' \
        '<think>[10,20,30,40]</think> there' '<think>[10,20,30,40]' '[10,20,30,40] or [1,2,3,4]' '\boxed{} [10,20,30,40]' ''
    judged -q one.rec
    [ "$(of .outcome)" = '["right","right","unparsable","unparsable","wrong","unparsable","unparsable"]' ]
    judged -q --extract boxed one.rec
    [ "$(of .outcome | jq -r '.[]' | sort -u)" = unparsable ]
    group '[10,20,30,40]' "" 'The cat (2 years) is at [10, 20, 30, 40].'
    judged -q --judge point one.rec
    [ "$(of .reason)" = '["no point"]' ]
}

@test "partly right: what counts as right is the same for hints, tutors and metrics" {
    group 'a, b, c' "g['judge'] = 'f1'" '\boxed{a, b}' '\boxed{a, b, c}'
    judged -q one.rec
    [ "$(of .outcome)" = '["right","right"]' ]
    [[ "$(ptd-hint -q --from data v.rec | ptd-dump | jq -c 'select(.kind == "group").hint')" == null ]]
    [[ "$(ptd-stat --json v.rec | jq -c '.total."pass@1"')" == 1 ]]
}

@test "form earns nothing where nothing is right, if so asked" {
    group 7 "" '\boxed{8}' 'none' 'nothing'
    judged -q one.rec
    jq -e '.[0] > 1 and .[1] < 0' <<< "$(of .advantage)" > /dev/null
    judged -q --form-only-if-some-right one.rec
    [ "$(of '[.advantage, .format, .reward]')" = '[[0,1,0],[0,0,0],[0,0,0]]' ]
    group 7 "" '\boxed{8}' '\boxed{7}' 'nothing'
    judged -q --form-only-if-some-right one.rec
    [ "$(of .reward)" = '[0.1,1,0]' ]
}

@test "tolerances and units are words, and nothing too large is one" {
    group 100 "" '\boxed{104}' '\boxed{100.01}' '\boxed{106}'
    for tolerance in -1 nan inf 51% 1e300 1e7 1%% 5%,5% 0.1,5% chart,1 '5 %' '' x; do
        fails 2 'ptd-verify: --tolerance "*": expected a share of the gold up to 50%, a number up to 1e6, both as 1%,0.01, or chart; try ptd-verify --help' \
            judged --tolerance "$tolerance" one.rec
    done
    near() { # TOLERANCE OUTCOMES
        judged -q --tolerance "$1" one.rec
        [ "$(of '.outcome[:1]' | jq -r 'add')" = "$2" ]
    }
    near 0 www
    near 5% rrw
    near 0.02 wrw
    near 1%,4 rrw
    near 4%,0.02 rrw
    near chart rrw
    near 50% rrr
    near 1e6 rrr
    group '1.2 m' "" '\boxed{120 cm}' '\boxed{1.2}' '\boxed{1.2 cm}'
    means() { # UNITS OUTCOMES
        judged -q --units "$1" one.rec
        [ "$(of '.outcome[:1]' | jq -r 'add')" = "$2" ]
    }
    means auto rrw
    means drop wrr
    means keep www
    means convert rrw
    fails 2 'ptd-verify: --units "feet": expected one of auto, drop, keep, convert; *' judged --units feet one.rec
    fails 2 '*option --iou: 1.5 is out of range, expected 0 to 1*' judged --iou 1.5 one.rec
    fails 2 '*option --right-from: 2 is out of range*' judged --right-from 2 one.rec
}

@test "wrong options are told before the stream has come" {
    wrong() {
        run -2 --separate-stderr bash -c 'timeout 5 "$@" < <(sleep 6)' - "$@"
        [ "${#stderr_lines[@]}" = 1 ]
        [[ "$stderr" == "$1: "*"; try $1 --help" ]]
    }
    for option in advantage judge extract format units tolerance exec=overall; do wrong ptd-verify "--$option=foo"; done
    wrong ptd-ref --scope foo
    wrong ptd-ref --device foo
    wrong ptd-hint --device foo
}

@test "-q leaves what -x says, and nothing else" {
    run -0 --separate-stderr judged -q -x gold.rec
    [ "${#stderr_lines[@]}" = 2 ]
    [[ "${stderr_lines[0]}" == *' #0: right: found "'* ]]
}

@test "the closing line counts why responses are unparsable" {
    group 7 "g['judge'] = 'iou'; g['answer'] = '[1,2,3,4]'" '\boxed{8}' '\boxed{9}' "\boxed{$(printf '[1,2,3,4]%.0s' {1..65})}" '\boxed{[1,2,3,4]}'
    run -0 --separate-stderr judged one.rec
    [[ "$stderr" == *" s, 1 of 4 responses right, unparsable: no bounding box 2, too many places 1" ]]
    [ "$(of .reason)" = '["no bounding box","no bounding box","too many places",null]' ]
    ptd-verify -q --judge exact v.rec > again.rec # what was said before is gone
    [ "$(ptd-dump again.rec | jq -c 'select(.kind == "group") | [.rollouts[].reason]')" = '[null,null,null,null]' ]
}

@test "responses and answers over their limit are refused before they are read" {
    group 7 "g['rollouts'][1]['text'] = 'x' * (1 << 24) + 'x'" '\boxed{8}' ''
    fails 65 'ptd-verify: one.rec: record 1, byte *: group "one": field "rollouts?1?.text": over 16 MiB, the most a response may take' judged one.rec
    group 7 "g['answers'] = ['x' * (1 << 20) + 'x']" '\boxed{8}'
    fails 65 'ptd-verify: one.rec: record 1, byte *: group "one": field "answer": over 1 MiB, the most an answer may take' judged one.rec
    group 7 "g['rollouts'][0]['text'] = '\\\\boxed{' + 'x' * ((1 << 24) - 8) + '}'" '\boxed{8}'
    timeout 60 ptd-verify -q one.rec > v.rec
    [ "$(of .outcome)" != '["right"]' ]
}
