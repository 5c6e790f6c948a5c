# ptd-metrics: event files, tables and lines for dashboards of others, whole, live and once each.
load lib

setup_file() {
    load lib
    small_run
    ptd-data digits -q hinted.jsonl -n 8
    ptd-rollout -q -s warm.ptd -g latest -P 4 -G 4 -m 16 hinted.jsonl | ptd-verify -q | ptd-hint -q --from data > hinted.rec
}

setup() { cd "$BATS_TEST_TMPDIR" || return; }

# lines FROM TO [VALUE]: metrics of these steps
lines() { for ((i = $1; i <= $2; i++)); do echo "{\"step\":$i,\"reward/accuracy\":${3:-0.$i},\"actor/loss\":null,\"n\":$i}"; done; }
events() { "$BATS_TEST_DIRNAME/event-file.py" "$1"; }
steps() { events "$1" | jq -r 'select(.tag == "n").step' | tr '\n' ' '; }

@test "tensorboard: each number of each line, once, and a null as NaN" {
    lines 1 3 > m.jsonl
    ptd-metrics -q --tensorboard tb m.jsonl
    [ "$(events tb | wc -l)" = 9 ]
    [ "$(events tb | jq -c 'select(.step == 2) | [.tag, .scalar]' | tr '\n' ' ')" = '["reward/accuracy",0.20000000298023224] ["actor/loss","NaN"] ["n",2] ' ]
    # folders that are not there are made, as TensorBoard's own writer does
    ptd-metrics -q --tensorboard runs/today/a/ m.jsonl
    [ "$(steps runs/today/a)" = "1 2 3 " ]
    fails 73 'ptd-metrics: m.jsonl/a: Not a directory' ptd-metrics -q --tensorboard m.jsonl/a m.jsonl
}

@test "tensorboard: a restart goes on, a growing file is followed, what begins anew takes the place" {
    lines 1 3 > m.jsonl
    ptd-metrics -q --tensorboard tb m.jsonl
    lines 4 5 >> m.jsonl
    ptd-metrics -q --tensorboard tb m.jsonl
    [ "$(steps tb)" = "1 2 3 4 5 " ]
    ptd-metrics -q --tensorboard tb --follow --idle 2 m.jsonl &
    sleep 0.7
    lines 6 7 >> m.jsonl
    wait $!
    [ "$(steps tb)" = "1 2 3 4 5 6 7 " ]
    [ "$(ls tb | wc -l)" = 1 ]
    lines 3 4 0.9 >> m.jsonl
    ptd-metrics -q --tensorboard tb m.jsonl
    [ "$(steps tb)" = "1 2 3 4 " ]
    [ "$(events tb | jq -c 'select(.tag == "reward/accuracy" and .step == 3).scalar')" = 0.8999999761581421 ]
    size=$(stat -c %s tb/*)
    ptd-metrics -q --tensorboard tb m.jsonl
    [ "$(stat -c %s tb/*)" = "$size" ]
}

@test "tensorboard: a pipe is written as it comes, and one that goes back begins anew" {
    mkfifo p
    ptd-metrics -q --tensorboard tb < p &
    exec 7> p
    lines 1 2 >&7
    for ((i = 0; i < 50; i++)); do [ "$(steps tb 2> /dev/null)" = "1 2 " ] && break; sleep 0.1; done
    [ "$(steps tb)" = "1 2 " ]
    lines 2 3 0.5 >&7
    exec 7>&-
    wait $!
    [ "$(steps tb)" = "1 2 3 " ]
}

@test "tensorboard: killed at any moment and run again, every step is there once" {
    lines 1 400 > m.jsonl
    for ((k = 0; k < 12; k++)); do
        ptd-metrics -q --tensorboard tb m.jsonl &
        sleep "0.00$((k % 6))"
        kill -9 $! 2> /dev/null || true
        wait $! 2> /dev/null || true
    done
    ptd-metrics -q --tensorboard tb m.jsonl
    [ "$(steps tb)" = "$(seq 1 400 | tr '\n' ' ')" ]
}

@test "tensorboard: values of an examination beside the run are a run of their own" {
    lines 1 3 > m.jsonl
    echo '{"step":2,"val/accuracy":0.5}' >> m.jsonl
    lines 4 4 >> m.jsonl
    ptd-metrics -q --tensorboard tb m.jsonl
    [ "$(steps tb)" = "1 2 3 4 " ]
    [ "$(events tb/val | jq -c '[.step, .tag, .scalar]')" = '[2,"val/accuracy",0.5]' ]
}

@test "tensorboard: the hour of a step is told from the file and the seconds steps took" {
    for i in 1 2 3; do echo "{\"step\":$i,\"n\":$i,\"timing_s/step\":10}"; done > m.jsonl
    touch -d @1000000000 m.jsonl
    ptd-metrics -q --tensorboard tb m.jsonl
    [ "$(events tb | jq -r 'select(.tag == "n").wall' | tr '\n' ' ')" = "999999980 999999990 1000000000 " ]
}

@test "tensorboard: lengths and rewards of a stream as histograms, its hints as pictures with words" {
    ptd-metrics -q --tensorboard tb --groups "$BATS_FILE_TMPDIR/hinted.rec"
    ptd-metrics -q --tensorboard tb --groups - < "$BATS_FILE_TMPDIR/hinted.rec"
    want=$(ptd-dump --full "$BATS_FILE_TMPDIR/hinted.rec" | jq -s -c '[.[] | select(.kind == "group" and .step == 1).rollouts[].ids | (.int32? // .) | length] | [length, min, max, add]')
    got=$(events tb/groups | jq -c 'select(.tag == "response_length" and .step == 1).histogram | [.num, .min, .max, .sum]' | sed 's/\.0\b//g')
    [ "$got" = "$want" ]
    [ "$(events tb/groups | jq -s 'map(select(.tag == "response_length" and .step == 1)) | length')" = 1 ]
    events tb/groups | jq -e -s 'map(select(.image and .step == 1)) | .[0].image | .png == "89504e470d0a1a0a" and .ihdr == [.width, .height] and .width == 336' > /dev/null
    events tb/groups | jq -r 'select(.text and .step == 1).text' | grep -q '^    hint (data): '
}

@test "tensorboard reads them itself" {
    python=$(command -v "${PTD_TENSORBOARD_PYTHON:-python3}")
    "$python" -c 'import tensorboard' 2> /dev/null || skip "no tensorboard (pip install tensorboard; PTD_TENSORBOARD_PYTHON names another python3)"
    lines 1 5 > m.jsonl
    ptd-metrics -q --tensorboard tb m.jsonl
    lines 3 4 0.9 >> m.jsonl
    ptd-metrics -q --tensorboard tb m.jsonl
    ptd-metrics -q --tensorboard tb --groups "$BATS_FILE_TMPDIR/hinted.rec"
    "$python" "$BATS_TEST_DIRNAME/tensorboard-reads.py" tb
}

@test "csv: a header, a row a step, what is absent empty, and names that need quotes" {
    { lines 1 2; echo '{"step":2,"val/a":1}'; echo '{"step":3,"a,\"b\"":1e-3,"n":3}'; } > m.jsonl
    ptd-metrics -q --csv m.jsonl > m.csv
    [ "$(sed -n 1p m.csv)" = 'step,reward/accuracy,actor/loss,n,val/a,"a,""b"""' ]
    [ "$(sed -n 2p m.csv)" = "1,0.1,NaN,1,," ]
    [ "$(sed -n 3p m.csv)" = "2,0.2,NaN,2,1," ]
    [ "$(sed -n 4p m.csv)" = "3,,,3,,0.001" ]
    ptd-metrics -q --csv --names trl m.jsonl | head -n 1 | grep -q '^step,train/rewards/accuracy/mean,train/loss,train/n,eval/a,'
    ptd-metrics -q --csv < m.jsonl | cmp - m.csv
}

@test "prometheus: the latest of each, in a file that is always whole" {
    mkdir -p run1
    { lines 1 3; echo '{"step":4,"a/b":1,"a_b":2,"n":7}'; } > run1/m.jsonl
    ptd-metrics -q --prometheus p.prom run1/m.jsonl
    [ "$(grep -c '^# TYPE .* gauge$' p.prom)" = 6 ]
    grep -qxF 'ptd_step{run="run1"} 4' p.prom
    grep -qxF 'ptd_reward_accuracy{run="run1"} 0.3' p.prom
    grep -q '^# HELP ptd_reward_accuracy reward/accuracy: .* (share)$' p.prom
    grep -qxF 'ptd_actor_loss{run="run1"} NaN' p.prom
    grep -qxF 'ptd_a_b{run="run1"} 1' p.prom
    grep -qxF 'ptd_a_b_2{run="run1"} 2' p.prom
    ptd-metrics -q --prometheus p.prom --run 'a"b\' run1/m.jsonl
    grep -qxF 'ptd_n{run="a\"b\\"} 7' p.prom
    [ ! -e p.prom.ptd-part ]
}

@test "wandb: lines that its library takes, steps upwards, by the replay that the manual has" {
    { lines 1 5; lines 3 3 0.9; echo '{"step":2,"val/a":7}'; lines 4 4 0.9; } > m.jsonl
    mkdir fake
    cat > fake/wandb.py << 'PY'
import json
class Run:
    def log(self, values, step):
        print(json.dumps([step, values.get("reward/accuracy", [values.get("val/step"), values.get("val/a")]), values["_timestamp"] > 1e9, "_step" in values]))
def init(**about):
    return Run()
PY
    sed -n "/python3 -c '/,/'\$/p" "$BATS_TEST_DIRNAME/../stages/ptd-metrics.c" | sed "s/^ \*     //; 1d; \$s/'\$//" > replay.py
    ptd-metrics -q --wandb m.jsonl | PYTHONPATH=fake python3 replay.py > got
    [ "$(tr '\n' ' ' < got)" = '[1, 0.1, true, false] [2, 0.2, true, false] [3, 0.9, true, false] [3, [2, 7], true, false] [4, 0.9, true, false] ' ]
}

@test "stopped, it says so and goes on; what is wrong is one line" {
    lines 1 3 > m.jsonl
    ptd-metrics --tensorboard tb --follow m.jsonl 2> err &
    for ((i = 0; i < 50; i++)); do [ "$(steps tb 2> /dev/null)" = "1 2 3 " ] && break; sleep 0.1; done
    kill -TERM $!
    status=0
    wait $! || status=$?
    [ "$status" = 75 ]
    [ "$(cat err)" = "ptd-metrics: stopped on request after 3 lines; the same command goes on" ]
    fails 2 "*expected --tensorboard, --csv, --prometheus or --wandb*" ptd-metrics m.jsonl
    fails 2 "*--names*vlre*ours, trl, verl*" ptd-metrics --csv --names vlre m.jsonl
    run -2 script -qec "ptd-metrics --csv" /dev/null < /dev/null
    [[ "$output" == *"standard input is a terminal: expected a file of metrics"* ]]
    fails 66 "ptd-metrics: none.jsonl: No such file or directory" ptd-metrics --csv none.jsonl
    { lines 1 1; echo '{"step":"two"}'; } > bad.jsonl
    fails 65 'ptd-metrics: bad.jsonl:2: field "step": expected a number' ptd-metrics --csv bad.jsonl
    { lines 1 1; echo 'no JSON'; } > bad.jsonl
    fails 65 'ptd-metrics: bad.jsonl:2: expected metrics, one JSON object*' ptd-metrics --csv bad.jsonl
    # a stream, or what is nothing at all, is no metrics that are only not whole yet
    cp "$BATS_FILE_TMPDIR/hinted.rec" s.rec
    for reader in "ptd-metrics --csv" "ptd-metrics --tensorboard tb" "ptd-metrics --tensorboard tb --follow" "ptd-plot -o x.svg"; do
        # shellcheck disable=SC2086
        fails 65 "${reader%% *}: s.rec: a stream, expected metrics, one JSON object a line; streams are read by ptd-metrics --groups, *" $reader s.rec
    done
    head -c 40 s.rec > cut.rec
    printf 'step 1' > text
    for reader in "ptd-metrics --csv" ptd-plot\ -ox.svg; do
        # shellcheck disable=SC2086
        fails 65 "${reader%% *}: cut.rec: a stream, expected metrics*" $reader cut.rec
        # shellcheck disable=SC2086
        fails 65 "${reader%% *}: text:1: expected metrics, one JSON object*" $reader text
    done
    fails 74 "ptd-metrics: *" bash -c "ptd-metrics -q --csv '$PWD/m.jsonl' > /dev/full"
    printf '{"step":9,' >> m.jsonl
    [ "$(ptd-metrics -q --csv m.jsonl | wc -l)" = 4 ]
}
