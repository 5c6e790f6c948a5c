#!/usr/bin/env bats
# ptd-verify --exec: what the user's own judges answer counts, in order, whatever they do; what is no
# answer is told by record and command; nothing of them is left. PTD_BIN: where the programs are.
bats_require_minimum_version 1.5.0
load lib.bash

setup_file() {
    cd "$WORK"
    small_run
    fresh run.ptd
    ptd-rollout -q -s run.ptd -P 4 -G 6 -m 12 -n 1 train.jsonl > rollouts.rec
    cat > length.py << 'END'
import json, sys, time
for line in sys.stdin:
    q = json.loads(line)
    time.sleep(0.004 * (q["rollout"] % 3))
    print(json.dumps({"reward": q["tokens"], "parts": {"last": q["rollout"], "half": 0.5}}), flush=True)
END
}

setup() { cd "$WORK"; }

rollouts() { ptd-dump --full "$@" | jq -c 'select(.kind == "group").rollouts[]'; }
craft() { /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" rollouts.rec "$1"; }
judged() { ptd-verify "$@" > v.rec; }
SAYS='jq --unbuffered -c' # a judge in a word

@test "a reward counts with its weight, and is reported apart" {
    ptd-verify -q rollouts.rec > plain.rec
    ptd-verify -q --exec 'length:0.5=python3 length.py' rollouts.rec > verified.rec
    [ "$(rollouts verified.rec | jq -s 'length')" = 24 ]
    rollouts verified.rec | jq -s -e --slurpfile plain <(rollouts plain.rec) '[., $plain] | transpose | all(
        (.[0].ids | length) as $n | .[0].parts == [{name: "length", value: $n}, {name: "length/last", value: .[0].parts[1].value}, {name: "length/half", value: 0.5}]
        and ((.[0].reward - .[1].reward - 0.5 * $n) | fabs < 1e-9) and .[0].outcome == .[1].outcome)' > /dev/null
    [ "$(rollouts verified.rec | jq -s -c 'map(.parts[1].value)')" = "$(jq -n -c '[range(4) | range(6)]')" ]
    ptd-dump --check verified.rec > /dev/null
    [[ "$(ptd-dump --text verified.rec)" == *"length/half 0.5"* ]]
}

@test "however many processes answer, all is the same" {
    for jobs in 1 3 16; do
        ptd-verify -q --exec-jobs $jobs --exec 'length=python3 length.py' --exec "odd=$SAYS '{reward: (.rollout % 2)}'" rollouts.rec | ptd-dump --full |
            jq -c 'select(.kind == "group") | del(.byte)' > jobs-$jobs
    done
    cmp jobs-1 jobs-3
    cmp jobs-1 jobs-16
}

@test "ptd-update's metrics have a column for each part" {
    ptd-verify -q --exec 'length:0.01=python3 length.py' rollouts.rec | ptd-hint -q | ptd-ref -q | ptd-update -q > metrics
    [ "$(jq -c '[."reward/length/half", ."reward/length/last"]' metrics)" = '[0.5,2.5]' ]
    jq -e --argjson mean "$(rollouts rollouts.rec | jq -s 'map(.ids | length) | add / length')" '."reward/length" - $mean | fabs < 1e-6' metrics > /dev/null
    craft 'groups[0]["rollouts"][0]["parts"] = [{"name": "overall", "value": 99}, {"name": "x" * 500, "value": 1}]' | ptd-verify -q | ptd-hint -q |
        ptd-ref -q --no-cache > scored.rec # ptd-verify clears what it did not give
    [ "$(ptd-dump scored.rec | jq -c 'select(.kind == "group").rollouts[].parts' | sort -u)" = null ]
}

@test "an accuracy takes the place of the rule's" {
    ptd-verify -q --exec "$SAYS '{accuracy: (if .rollout == 0 then true elif .rollout == 1 then 0.5 elif .rollout == 2 then 0.4 else 0 end)}'" rollouts.rec > v.rec
    [ "$(rollouts v.rec | jq -s -c '[.[:6][] | [.outcome, .accuracy]]')" = \
        '[["right",1],["right",0.5],["wrong",0.4],["wrong",0],["wrong",0],["wrong",0]]' ]
    [ "$(ptd-dump v.rec | jq -c 'select(.kind == "group").group_accuracy' | sort -u)" = 0.3166666667 ]
    [ "$(rollouts v.rec | jq -c '.parts' | head -n 2 | tr '\n' ' ')" = '[{"name":"exec","value":1}] [{"name":"exec","value":0.5}] ' ]
    ptd-verify -q --right-from 1 --exec "$SAYS '{accuracy: 0.9}'" rollouts.rec > v.rec
    [ "$(rollouts v.rec | jq -r .outcome | sort -u)" = wrong ]
    fails 65 '*: rollouts.rec: record 1, byte *: group "*" #0: --exec b: "accuracy" in its answer, expected that of --exec a alone' \
        judged -q --exec "a=$SAYS '{accuracy: 1}'" --exec "b=$SAYS '{accuracy: 1}'" rollouts.rec
}

@test "it is asked with all that is known" {
    craft 'g.update(answers=["\xff", "b"], judge="exact", system="Be\nbrief."); g["rollouts"][0]["text"] = "\\boxed{b}\n\udcff"' > asked.rec 2> /dev/null ||
        craft 'g.update(answers=["a", "b"], judge="exact", system="Be\nbrief."); g["rollouts"][0]["text"] = "\\boxed{b}\n"' > asked.rec
    ptd-verify -q --exec "tee -a asked | $SAYS '{reward: 0}'" asked.rec > v.rec
    [ "$(wc -l < asked)" = 24 ]
    head -n 1 asked | jq -e '.rollout == 0 and .judge == "exact" and .system == "Be\nbrief." and .extracted == "b" and .outcome == "right" and .accuracy == 1
        and (.response | startswith("\\boxed{b}\n")) and (.answers | length == 2) and .step == 1 and has("uid") and has("question") and has("answer") and has("stop")' > /dev/null
}

@test "what is no answer is told in one line, by record and command" {
    refused() { # WORDS ANSWER
        printf '%s\n' "$2" > answer
        fails 65 "ptd-verify: rollouts.rec: record 1, byte *: group \"*\" #[0-5]: --exec own: $1" \
            judged -q --exec 'own=while read -r line; do cat answer; done' rollouts.rec
    }
    refused 'it answered "yes": *, expected an object of JSON' yes
    refused 'it answered "{"reward": NaN}": *, expected an object of JSON' '{"reward": NaN}'
    refused 'it answered *real number overflow*' '{"reward": 1e999}'
    refused 'it answered "": an empty line, expected an object of JSON' ''
    refused 'it answered *' '{"reward": 1'
    refused 'it answered *duplicate*' '{"reward": 1, "reward": 2}'
    refused 'it answered an array, expected an object of JSON' '[1]'
    refused 'its answer lacks "reward" and "accuracy", expected one of them' '{"score": 1}'
    refused "its answer's \"reward\": expected a number within +-1e+06" '{"reward": "1"}'
    refused "its answer's \"reward\": expected a number within +-1e+06" '{"reward": null}'
    refused "its answer's \"reward\": expected a number within +-1e+06" '{"reward": -1e300}'
    refused "its answer's \"accuracy\": expected a number from 0 to 1" '{"reward": 1, "accuracy": 1.5}'
    refused "its answer's \"accuracy\": expected a number from 0 to 1" '{"accuracy": -0.1}'
    refused "its answer's \"parts\": expected an object" '{"reward": 1, "parts": [1]}'
    refused "its answer's \"parts\", \"style\": expected a number within +-1e+06" '{"reward": 1, "parts": {"style": "good"}}'
    refused "its answer's \"parts\", \"x*x\": expected a name of 1 to 64 bytes" "{\"reward\": 1, \"parts\": {\"$(printf 'x%.0s' {1..65})\": 1}}"
    refused "its answer has 100 parts, expected at most 63" "{\"reward\": 1, \"parts\": $(jq -n -c '[range(100) | {key: "p\(.)", value: 1}] | from_entries')}"
    refused 'more lines than one for each response, expected one' "$(printf '{"reward": 1}\n{"reward": 2}')"
    refused "its answer has \"response\": the question again, whose \"accuracy\" is the rule's; expected its own alone" '{"response": "", "accuracy": 1}'
    refused 'over 65536 bytes without an end of line, expected a line of JSON' "$(head -c 70000 /dev/zero | tr '\0' x)"
    refused 'it answered "*": *' "$(head -c 50000 /dev/zero | tr '\0' '[')"
    refused 'it answered "?x1b?2J"*' $'\e[2J'
}

@test "a question sent back is no answer, one with a reward is" {
    fails 65 'ptd-verify: rollouts.rec: record 1, byte *: group "*" #0: --exec same: its answer has "response": the question again*' judged -q --exec same=cat rollouts.rec
    ptd-verify -q --exec "more=$SAYS '. + {reward: .rollout}'" rollouts.rec > v.rec
    [ "$(rollouts v.rec | jq -s -c 'map(.parts[0].value)')" = "$(jq -n -c '[range(4) | range(6)]')" ]
}

# Whose lines do not match the questions gives rewards to the wrong responses.
@test "a line too early, or left at the end, ends the run" {
    first='record 1, byte *: group "*" #0: --exec own: a line before it has read the response, expected one after it'
    count='n=0; while read -r l; do n=$((n+1)); echo "{\"reward\": $n}"; sleep 0.02; done'
    for jobs in 1 2; do
        fails 65 "ptd-verify: rollouts.rec: ${first/'#0'/'#[01]'}" judged -q --exec-jobs $jobs --exec "own=echo '{\"reward\": 7}'; sleep 0.1; $count" rollouts.rec
    done
    fails 65 'ptd-verify: --exec own: a line more than there are responses, expected one for each: answers may have gone to the wrong ones' \
        judged -q --exec "own=$count; echo '{\"reward\": 0}'" rollouts.rec
    run -1 ptd-dump --check v.rec
    [[ "$output" == *"end"* ]]
    fails 65 '*: --exec own: *line*' judged -q --exec "own=read -r l; echo '{\"reward\": 7}'; sleep 0.02; echo '{\"reward\": 7}'; $count" rollouts.rec
}

@test "processes have work in all groups of a step" {
    craft '[each.update(rollouts=each["rollouts"][:1]) for each in groups]' > one.rec
    began=$(date +%s%N)
    slow='while read -r l; do sleep 0.5; echo "{\"reward\": 1}"; done'
    ptd-verify -q --exec-jobs 4 --exec "slow=$slow" one.rec > v.rec
    [ $((($(date +%s%N) - began) / 1000000)) -lt 1600 ] # 4 groups, 2 s one after the other
    [ "$(rollouts v.rec | jq -c '.parts[0].value' | tr '\n' ' ')" = '1 1 1 1 ' ]
    ends_in_last='while read -r l; do case $l in *\"uid\":\"'$(ptd-dump one.rec | jq -r 'select(.kind == "group").uid' | sed -n 3p)'\"*) echo no;; *) echo "{\"reward\": 1}";; esac; done'
    fails 65 'ptd-verify: one.rec: record 3, byte *: group "*" #0: --exec own: it answered "no"*' judged -q --exec-jobs 4 --exec "own=$ends_in_last" one.rec
}

@test "loading takes none of the time for an answer" {
    slow='sleep 0.6; while read -r l; do echo "{\"reward\": 1}"; done'
    ptd-verify -q --exec-timeout 0.3 --exec "own=$slow" rollouts.rec > v.rec
    [ "$(rollouts v.rec | jq -c '.parts[0].value' | sort | uniq -c | tr -s ' ')" = " 24 1" ]
    fails 69 'ptd-verify: group "*" #0: --exec own: has read nothing within 0.2 s of its start; it never answered' judged -q --exec-start 0.2 --exec "own=$slow" rollouts.rec
}

@test "one that ends is started again; one that never answered is given up" {
    ptd-verify -q --exec 'once=read -r line; echo "{\"reward\": 1}"' rollouts.rec > v.rec
    [ "$(rollouts v.rec | jq -c '.parts[0].value' | sort | uniq -c | tr -s ' ')" = " 24 1" ]
    fails 69 'ptd-verify: group "*" #0: --exec none: ended with status 127 instead of answering; it never answered' \
        judged -q --exec 'none=/nowhere/at/all 2> /dev/null' rollouts.rec
    fails 69 'ptd-verify: group "*" #0: --exec gone: ended with status 0 instead of answering; it never answered' judged -q --exec 'gone=true' rollouts.rec
}

@test "a response that ends its judge counts as 0, and is named" {
    ends_at_3() { # ANSWER
        printf '%s\n' "$1" > answer
        run -0 --separate-stderr judged --exec 'own=while read -r line; do case $line in *\"rollout\":3,*) exit 7;; esac; cat answer; done' rollouts.rec
        [ "${#stderr_lines[@]}" = 5 ]
        [[ "${stderr_lines[0]}" == 'ptd-verify: warning: group "'*'" #3: --exec own: ended with status 7 instead of answering, counts as 0' ]]
    }
    ends_at_3 '{"reward": 2}'
    [[ "${stderr_lines[4]}" == *", own: 4 without an answer" ]]
    [ "$(rollouts v.rec | jq -s -c 'map(.parts[0].value)')" = "$(jq -n -c '[range(4) | 2, 2, 2, 0, 2, 2]')" ]
    ends_at_3 '{"accuracy": 1}'
    [ "$(rollouts v.rec | jq -s -c '.[3] | [.outcome, .accuracy, .reason]')" = '["unparsable",0,"judge ended"]' ]
    [[ "${stderr_lines[4]}" == *"20 of 24 responses right, unparsable: judge ended 4, own: 4 without an answer" ]]
}

@test "one that does not answer in time is ended, and given up after five in a row" {
    judge='while read -r line; do case $line in *\"rollout\":3,*) sleep 1000;; esac; echo "{\"reward\": 1}"; done'
    run -0 --separate-stderr judged -q --exec "own=$judge" --exec-timeout 0.3 --exec-jobs 2 rollouts.rec
    [ "${#stderr_lines[@]}" = 4 ]
    [[ "${stderr_lines[3]}" == 'ptd-verify: warning: group "'*'" #3: --exec own: no answer within 0.3 s, counts as 0' ]]
    run -69 --separate-stderr judged -q --exec 'own=cat > /dev/null' --exec-timeout 0.1 rollouts.rec
    [ "${#stderr_lines[@]}" = 5 ]
    [[ "${stderr_lines[4]}" == 'ptd-verify: group "'*'" #'*': --exec own: no answer within 0.1 s, the 5th time in a row (does it write a line for each, and flush it?)' ]]
}

# The pid that a command wrote to `pid` is of nobody.
gone() {
    local i
    for i in $(seq 500); do
        grep -q '^State:.[^Z]' "/proc/$(cat pid)/status" 2> /dev/null || return 0
        sleep 0.01
    done
    return 1
}

@test "nothing of it is left: at the end, on failure, when stopped, when the reader leaves" {
    sleeps='sleep 1000 & echo $! > pid; while read -r line; do echo "{\"reward\": 1}"; done; trap "" TERM; sleep 1000'
    ptd-verify -q --exec "$sleeps" rollouts.rec > v.rec
    gone
    run -76 bash -c "head -c -1 rollouts.rec | ptd-verify -q --exec '$sleeps'"
    gone
    run -141 bash -c "ptd-verify -q --exec '$sleeps' rollouts.rec | true; exit \${PIPESTATUS[0]}"
    gone
    for signal in TERM INT HUP; do
        rm -f pid
        env --default-signal=INT,HUP ptd-verify -q --exec 'sleep 1000 & echo $! > pid; sleep 1000' --exec-timeout 100 rollouts.rec > v.rec &
        for i in $(seq 500); do
            [ ! -s pid ] || break
            sleep 0.01
        done
        kill -$signal $!
        wait $! || status=$?
        [ "$status" = $((128 + $(kill -l $signal))) ]
        gone
    done
}

@test "responses and answers of any size pass, and nobody waits for ever" {
    craft '[y.update(text="x" * (1 << 20) + "\n\"\\boxed{4}") for y in g["rollouts"]]' > large.rec
    timeout 60 ptd-verify -q --exec "$SAYS '{reward: ((.response | length) / 1024)}'" --exec "same=$SAYS '{reward: 0, note: (\"y\" * 60000)}'" --exec-jobs 3 --exec-timeout 60 large.rec > v.rec
    [ "$(rollouts v.rec | jq -s -c 'map(.parts[0].value | floor)[:6] | unique')" = '[1024]' ]
}

@test "names and weights that are none are misuse" {
    misused() { fails 2 "ptd-verify: --exec $1; try ptd-verify --help" ptd-verify "${@:2}" rollouts.rec; }
    misused '"a=cat": another one is "a", expected NAME=CMD' --exec a=true --exec a=cat
    misused '"cat": another one is "exec", expected NAME=CMD' --exec true --exec cat
    misused '"overall=cat": reward/overall is the program'"'"'s own' --exec overall=cat
    misused '"a:x=cat": expected a number within +-1e+06 as weight' --exec a:x=cat
    misused '"a:nan=cat": expected a number within +-1e+06 as weight' --exec a:nan=cat
    misused '"a:1e9=cat": expected a number within +-1e+06 as weight' --exec a:1e9=cat
    misused '"a:=cat": expected a number within +-1e+06 as weight' --exec a:=cat
    misused '"a= ": expected a command' --exec 'a= '
    misused '"": expected a command' --exec ''
    for set in 'PYTHONPATH=. python3 judge.py' 'CUDA_VISIBLE_DEVICES=0 python3 judge.py' 'n=0; while read -r l; do echo; done'; do
        misused "\"$set\": ${set%%=*} may be a variable or the judge's name, expected \"NAME=${set%%=*}=...\" or \"${set%%=*}:1=CMD\"" --exec "$set"
    done
    ptd-verify -q --exec "ANSWER:1=while read -r l; do echo '{\"reward\": 1}'; done" --exec "other=ANSWER='{\"reward\": 2}'; while read -r l; do echo \"\$ANSWER\"; done" \
        rollouts.rec > v.rec
    [ "$(rollouts v.rec | jq -c '[.parts[].value]' | sort -u)" = '[1,2]' ]
    fails 2 '*option --exec-jobs: 0 is out of range*' ptd-verify --exec cat --exec-jobs 0 rollouts.rec
    fails 2 '*option --exec-timeout: *' ptd-verify --exec cat --exec-timeout nan rollouts.rec
    run -2 ptd-verify $(printf -- '--exec n%d=cat ' $(seq 17)) rollouts.rec
    [[ "$output" == *"--exec: expected at most 16"* ]]
}
