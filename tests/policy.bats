#!/usr/bin/env bats
# The policy gradient family on the tiny model: presets, advantages of a step, losses, the KL, what
# its metrics say. PTD_BIN: where the programs are.
bats_require_minimum_version 1.5.0

setup_file() {
    export PATH="${PTD_BIN:-$BATS_TEST_DIRNAME/../bin}:$PATH"
    export WORK="$BATS_FILE_TMPDIR"
    cd "$WORK"
    ptd-data digits train.jsonl --count 24 -q
    ptd-init base.ptd --seed 4 -q
    ptd-init run.ptd --from-store base.ptd -q
    # a judge that pays for words, since a model that was never trained is never right
    cat > pay.py << 'END'
import json, sys
for line in sys.stdin:
    n = len(json.loads(line)["response"])
    print(json.dumps({"reward": (n * 7 % 11) / 10}), flush=True)
END
    ptd-rollout -q -s run.ptd -P 4 -G 4 -m 8 -n 1 --stop a,e,1,2 --greedy-baseline train.jsonl > r.rec
    verify > v.rec
    ptd-hint -q --share 0.5 v.rec | ptd-ref -q --truncated > s.rec
}

setup() { cd "$WORK"; }

verify() { ptd-verify -q --exec 'pay=python3 pay.py' "$@" r.rec; }
fresh() { rm -rf t.ptd; ptd-init t.ptd --from-store base.ptd -q; }
# One step on a new store: metrics on stdout.
update() { fresh; ptd-update -q -s t.ptd --lr 1e-3 "$@" s.rec; }
# Advantages of a verified stream, a group a line.
advantages() { ptd-dump -f "$@" | jq -c 'select(.kind == "group") | [.rollouts[].advantage]'; }
rewards() { ptd-dump -f "$@" | jq -c 'select(.kind == "group") | [.rollouts[].reward]'; }

# L from the other numbers of its line, as lib/method/README.md says.
rebuilt='def near(a; b): ((a - b) | fabs) <= 1e-6 * ((a | fabs) + 1e-3);
    near(."actor/loss"; ."actor/pg_loss" + ."actor/kl_coef" * ."actor/kl_loss" + ."actor/ptd_loss" - ."actor/entropy_bonus")'

@test "each method trains a step, says what it set, and its loss is the sum of its parts" {
    local names
    names=$(ptd-update --help | sed -n 's/.*options of their own win: //p' | tr -d ,)
    [ "$(wc -w <<< "$names")" -ge 14 ]
    for name in $names; do
        verify --method "$name" 2> /dev/null | ptd-hint -q | ptd-ref -q > m.rec
        fresh
        run -0 --separate-stderr ptd-update -s t.ptd --lr 1e-3 --method "$name" m.rec
        [[ "$stderr" == *"ptd-update: --method $name: --loss "* && "$stderr" != *"goes with"* ]]
        [ "$(jq "$rebuilt" <<< "$output")" = true ]
        [ "$(jq '."actor/grad_norm" > 1e-6 and ."actor/refused_updates" == 0' <<< "$output")" = true ]
    done
}

@test "a method's advantage is ptd-verify's, and what is given itself wins wherever it stands" {
    verify --method dr-grpo > a.rec
    verify -a dr-grpo > b.rec
    cmp <(advantages a.rec) <(advantages b.rec)
    verify -a rloo --method dr-grpo > a.rec
    verify --method=dr-grpo --advantage rloo > b.rec
    cmp <(advantages a.rec) <(advantages b.rec)
    run ! cmp <(advantages a.rec) <(verify -a dr-grpo | advantages)
    fresh
    run -0 --separate-stderr ptd-update -s t.ptd --clip-high 0.5 --method dapo --beta 0.2 s.rec
    [[ "$stderr" == *"--method dapo: --loss ppo --clip-low 0.2 --clip-dual 0 --aggregate token; as given: --clip-high --beta"* ]]
    [ "$(jq '."actor/kl_coef"' <<< "$output")" = 0.2 ]
    fresh
    run -0 --separate-stderr ptd-update -q -s t.ptd --method dr-grpo s.rec
    [[ "$stderr" == *"warning: --method dr-grpo goes with ptd-verify --method dr-grpo, whose --advantage is dr-grpo; the stream's is grpo"* ]]
    run -2 ptd-update --method GRPO s.rec
    [[ "$output" == *'--method "GRPO": expected one of grpo, dapo, '* ]]
    run -2 ptd-verify --method ppo r.rec
}

@test "advantages of a step are of the step whatever the order of its groups" {
    for a in batch reinforce++ reinforce++-baseline gdpo; do
        verify -a $a > a.rec
        /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" r.rec 'frames[1:5] = frames[4:0:-1]' > back.rec
        ptd-verify -q --exec 'pay=python3 pay.py' -a $a back.rec > b.rec
        cmp <(advantages a.rec | sort) <(advantages b.rec | sort)
        cmp <(advantages a.rec) <(advantages b.rec | tac)
    done
    # the deviation is the step's: over all its responses, of rewards less their group's mean
    verify -a batch > a.rec
    rewards a.rec | python3 -c '
import json, statistics, sys
groups = [json.loads(line) for line in sys.stdin]
s = statistics.stdev([r for g in groups for r in g]) + 1e-6
for g in groups: print(json.dumps([(r - statistics.mean(g)) / s for r in g]))' > want
    paste -d ' ' want <(advantages a.rec) | python3 -c '
import json, sys
for line in sys.stdin:
    a, b = map(json.loads, line.replace("] [", "]\n[").splitlines())
    assert all(abs(x - y) < 1e-9 for x, y in zip(a, b)), line'
}

@test "what a judge pays counts by itself under gdpo" {
    verify -a gdpo --accuracy-weight 0 --format-weight 0 > a.rec
    verify -a grpo --accuracy-weight 0 --format-weight 0 > b.rec
    # one part alone: that of grpo, over its deviation in the step
    paste -d ' ' <(advantages a.rec) <(advantages b.rec) | python3 -c '
import json, sys
ratios = []
for line in sys.stdin:
    a, b = map(json.loads, line.replace("] [", "]\n[").splitlines())
    ratios += [x / y for x, y in zip(a, b) if y]
assert len(ratios) > 8 and max(ratios) - min(ratios) < 1e-6 * max(ratios), ratios'
}

@test "remax compares with the greedy answer, which is trained by nobody" {
    [ "$(ptd-dump r.rec | jq -s '[.[] | select(.kind == "group") | .rollouts | (length == 5 and map(.greedy // 0) == [0,0,0,0,1])] | all')" = true ]
    verify -a remax > a.rec
    [ "$(ptd-dump a.rec | jq -s '[.[] | select(.kind == "group") | . as $g | (.rollouts | length) == 4 and .has_baseline == 1
        and all(.rollouts[]; ((.advantage - (.reward - ($g.baseline // 0))) | fabs) < 1e-12)] | all')" = true ]
    # greedy answers are those of ptd-rollout --greedy, whatever stands beside
    ptd-rollout -q -s run.ptd -P 4 -m 8 --stop a,e,1,2 --greedy train.jsonl > g.rec
    ptd-dump r.rec | jq -r 'select(.kind == "group") | "\(.uid) \(.rollouts[4].text)"' | sort > one
    ptd-dump g.rec | jq -r 'select(.kind == "group") | "\(.uid) \(.rollouts[0].text)"' | sort > all
    [ "$(comm -12 one all | wc -l)" = 4 ]
    # and the others are those of a run without one
    fresh
    ptd-rollout -q -s t.ptd -P 4 -G 4 -m 8 -n 1 -k 0 --greedy-baseline train.jsonl | ptd-dump |
        jq -c 'select(.kind == "group") | [.rollouts[:4][].text]' > with
    ptd-rollout -q -s t.ptd -P 4 -G 4 -m 8 -n 1 -k 0 train.jsonl | ptd-dump |
        jq -c 'select(.kind == "group") | [.rollouts[].text]' > without
    cmp with without
    ptd-rollout -q -s t.ptd -P 4 -G 4 -m 8 -n 1 train.jsonl > plain.rec
    run -65 ptd-verify -a remax plain.rec
    [[ "$output" == *"no greedy answer beside it"*"--greedy-baseline"* ]]
    run -2 ptd-rollout -s t.ptd --greedy --greedy-baseline train.jsonl
    # it stands in the text, and what it earned stays for as long as rewards are made alike
    [ "$(ptd-dump --text r.rec | grep -c '^  \[4\] .*, greedy$')" = 4 ]
    [ "$(ptd-dump --text a.rec | grep -c ', baseline ')" = 4 ]
    verify -a grpo | ptd-verify -q --exec 'pay=python3 pay.py' -a remax > again.rec
    cmp <(advantages a.rec) <(advantages again.rec)
    run -65 ptd-verify -q -a remax a.rec
    [[ "$output" == *"no greedy answer beside it"* ]]
    [ "$(ptd-verify -q a.rec | ptd-dump | jq -s '[.[] | select(.kind == "group") | has("baseline")] | any')" = false ]
}

@test "an option that cannot have an effect is misuse, unless a preset or a file has it" {
    local o
    for o in "--cispo-cap high" "--sapo-pos 2" "--loss cispo --sapo-neg 2" "--loss sapo --clip-low 0.1" "--loss reinforce --clip-high 0.1" \
        "--loss gmpo --clip-dual 3" "--method sapo --clip-dual 3" "--gjsd 0.3" "--divergence gjsd=0.2 --gjsd 0.3" "--length 8" \
        "--kl-horizon 40" "--lambda-end 0.5" "--picture-words 1" "--loss sft --beta 0.1" "--loss sft --no-tail" "--loss sft --lambda 1" \
        "--beta 0 --kl k2" "--method dapo --kl k2" "--beta 0 --kl-lift none" "--beta 0 --kl-in reward" "--floor 0.1" "--schedule constant --floor 0.1" \
        "--tutor-as advantage --divergence forward" "--tutor-as advantage --no-tail" "--divergence sampled --support teacher" "--divergence sampled -k 3" \
        "--lambda 0 --lambda-schedule linear" "--lambda 0 --lambda-schedule linear --lambda-end 0.5"; do
        run -2 ptd-update -q $o s.rec
        [[ "$output" == "ptd-update: --"*": "*"without effect"* && ${#lines[@]} == 1 ]]
    done
    for o in "--clip-dual 0.5" "--clip-dual 1"; do
        run -2 ptd-update $o s.rec
        [[ "$output" == "ptd-update: --clip-dual "*": expected more than 1, or 0 for none"* ]]
    done
    for o in "--advantage rloo --eps 1" "--overlong-penalty 2" "--overlong-limit 20" "--exec-jobs 2" "--exec-timeout 3" "--exec-start 3" \
        "--judge number --iou 0.3" "--judge iou --units keep" "--judge point --units keep" "--judge iou --tolerance 1%" "--format-weight 0 --form-only-if-some-right"; do
        run -2 ptd-verify $o r.rec
        [[ "$output" == "ptd-verify: --"*": "*"without effect"* && ${#lines[@]} == 1 ]]
    done
    run -2 ptd-ref --no-cache --cache-max 0 r.rec
    [[ "$output" == "ptd-ref: --cache-max: without effect, expected no --no-cache beside it; "* && ${#lines[@]} == 1 ]]
    for o in "--greedy -G 2" "--greedy --top-p 0.5" "--greedy --min-p 0.5" "--greedy --top-k 5" "-g 0 --lag 1" "--kv-max 3Mi --part 3"; do
        run -2 ptd-rollout $o train.jsonl
        [[ "$output" == "ptd-rollout: --"*": without effect, expected "* && ${#lines[@]} == 1 ]]
    done
    for o in "-m 3" "-G 3" "-t 0.5" "--seed 3" "-s t.ptd" "-P 3" "--system x"; do
        run -2 ptd-rollout --privileged $o r.rec
        [[ "$output" == "ptd-rollout: --"*": without effect, expected no --privileged beside it; "* && ${#lines[@]} == 1 ]]
    done
    echo '{"sapo-pos": 2, "length": 8}' > idle.json
    update --options idle.json > a
    update --method cispo --loss ppo > b
    update --loss gspo --clip-dual 3 > c
    update --loss cispo --cispo-cap high > d
}

@test "a loss is a mean over updates, and is rebuilt from its line" {
    for how in "--updates 1" "--updates 2" "--updates 4" "--aggregate sequence" "--aggregate constant --length 11" \
        "--epochs 2 --updates 2 --loss gspo" "--kl k1" "--kl k2 --beta 0.5" "--kl k3-unbiased --epochs 2" "--kl full --beta 0.5 --epochs 2" \
        "--entropy-bonus 0.1 --updates 3" "--top-entropy 0.4" "--tis 1.5 --epochs 2" "--loss cispo --clip-high 0.1 --epochs 2"; do
        run -0 --separate-stderr update $how
        [ "$(jq "$rebuilt" <<< "$output")" = true ]
    done
    # tokens that the KL has, and all: the mean over those that have it
    update --beta 0.5 > one
    [ "$(jq '."actor/kl_tokens" > 0 and ."actor/kl_tokens" < ."actor/tokens"' one)" = true ]
    [ "$(ptd-dump s.rec | jq -s '[.[] | select(.kind == "group") | .rollouts[].ids | length] | add')" = "$(jq '."actor/tokens"' one)" ]
    # the KL over all words needs no ptd-ref, and is 0 before anything moved
    fresh
    ptd-verify -q r.rec | ptd-update -q -s t.ptd --lr 1e-3 --kl full --beta 0.5 --epochs 3 > full
    [ "$(jq '."actor/kl_tokens" == ."actor/tokens" and ."actor/kl_loss" > 1e-5' full)" = true ]
    fresh
    [ "$(ptd-verify -q r.rec | ptd-update -q -s t.ptd --kl full --beta 0.5 | jq '."actor/kl_loss"')" = 0 ]
    # without a rate nothing moves, and any number of updates has losses of one size
    for u in 1 2 4; do
        fresh
        ptd-update -q -s t.ptd --lr 0 --updates $u --lambda 0 --beta 0 --aggregate sequence s.rec | jq '."actor/loss"'
    done > losses
    [ "$(jq -s '((.[0] - .[2]) | fabs) < 1e-6' losses)" = true ]
}

@test "epochs see the step again, by the ratio to what was sampled" {
    update --epochs 1 --beta 0 > one
    update --epochs 4 --beta 0 > four
    [ "$(jq '."actor/max_ratio_error" < 1e-4' one)" = true ]
    [ "$(jq '."actor/max_ratio_error" > 1e-3' four)" = true ]
    [ "$(jq -s '.[0]."actor/tokens" == .[1]."actor/tokens" and .[0]."perf/total_num_tokens" == .[1]."perf/total_num_tokens"
        and .[0]."ptd/ptd_trajectories" == .[1]."ptd/ptd_trajectories"' one four)" = true ]
    update --epochs 2 --lr 1e-6 > a
    update --epochs 2 --lr 1e-6 --clip-low 1e-9 --clip-high 1e-9 > b
    [ "$(jq '."actor/pg_clipfrac_higher"' a)" = 0 ]
    [ "$(jq '."actor/pg_clipfrac_higher" > 0.1' b)" = true ]
}

@test "an entropy bonus leaves more entropy, and its negative less" {
    for x in -2 0 2; do
        fresh
        ptd-update -q -s t.ptd --lr 1e-3 --lambda 0 --beta 0 --entropy-bonus $x --epochs 8 s.rec > /dev/null
        ptd-rollout -q -s t.ptd -g latest -P 4 -G 4 -m 8 train.jsonl > look.rec
        ptd-dump look.rec | jq -s '[.[] | select(.kind == "group") | .rollouts[].logp] | flatten | -(add / length)'
    done > surprise
    [ "$(jq -s '.[0] < .[1] and .[1] < .[2]' surprise)" = true ]
}

@test "a KL in the reward lowers what responses earn, token by token" {
    update --method reinforce++ --kl-in loss --beta 0 > off 2> /dev/null
    verify -a reinforce++ | ptd-hint -q --share 0 | ptd-ref -q > plain.rec
    # weights that have moved from the reference
    fresh
    ptd-rollout -q -s t.ptd -P 4 -G 4 -m 8 -n 2 train.jsonl | ptd-verify -q --exec 'pay=python3 pay.py' -a reinforce++ |
        ptd-hint -q --share 0 | ptd-ref -q | tee moved.rec |
        ptd-update -q --lr 1e-2 --kl-in reward --kl k1 --beta 0.5 > both
    [ "$(jq -s '(.[0]."critic/kl" | fabs) < 1e-5 and ((.[0]."critic/rewards/mean" - .[0]."critic/score/mean") | fabs) < 1e-4' both)" = true ]
    jq -s '.[1]' both > second
    [ "$(jq '."critic/kl" > 1e-4 and ."actor/kl_loss" == 0 and ."critic/rewards/mean" < ."critic/score/mean"' second)" = true ]
    # R less beta times all k1 of its tokens, in the mean over responses
    ptd-dump moved.rec | jq -s '[.[] | select(.kind == "group" and .step == 2) | .rollouts[] |
        .reward - 0.5 * ([.logp, .ref_logp] | transpose | map(.[0] - .[1]) | add)] | add / length' > want
    [ "$(jq -s '((.[0]."critic/rewards/mean" - .[1]) | fabs) < 1e-5' second want)" = true ]
    fresh
    run -65 ptd-update -s t.ptd --kl-in reward --beta 0.5 <(ptd-rollout -q -s t.ptd -P 4 -G 4 -m 8 -n 1 train.jsonl)
    [[ "$output" == *"expected the output of ptd-verify"* ]]
    verify -a gdpo | ptd-ref -q > parts.rec
    fresh
    run -2 ptd-update -s t.ptd --kl-in reward parts.rec
    [[ "$output" == *"--advantage gdpo cannot be worked out anew: the parts of rewards are not in the stream"* ]]
    # what the limit cut is compared, and is not there any more; with a greedy answer each is compared by itself
    verify --overlong-filter | ptd-ref -q > cut.rec
    run -2 ptd-update -s t.ptd --kl-in reward cut.rec
    [[ "$output" == *"--kl-in reward: --advantage grpo cannot be worked out anew: ptd-verify --overlong-filter has left some responses out"* && ${#lines[@]} == 1 ]]
    verify -a remax --overlong-filter | ptd-ref -q > cut.rec
    ptd-update -q -s t.ptd --kl-in reward cut.rec > cut.jsonl
    run -2 ptd-update --kl-in nowhere s.rec
    run -2 ptd-update --kl-in reward --kl full s.rec
}

@test "beta follows a target, and goes on with it after a resume" {
    go() { ptd-rollout -q -s "$1" -P 4 -G 4 -m 8 -n "$2" train.jsonl | ptd-verify -q --exec 'pay=python3 pay.py' |
        ptd-ref -q | ptd-update -q --lr 1e-2 --beta 0.1 --kl-target 1e-6 --kl-horizon 40; }
    fresh
    go t.ptd 3 > all
    [ "$(jq -s '[.[]."actor/kl_coef"] | .[0] == 0.1 and .[1] < .[0] and .[2] > .[1]' all)" = true ]
    fresh
    go t.ptd 2 > parts
    go t.ptd 3 >> parts
    cmp <(jq -c '[."actor/kl_coef", ."actor/loss"]' all) <(jq -c '[."actor/kl_coef", ."actor/loss"]' parts)
    # the first step: KL 0, a fifth less of 16 / 40
    [ "$(jq -s '((.[1]."actor/kl_coef" - 0.1 * (1 - 0.2 * 16 / 40)) | fabs) < 1e-12' all)" = true ]
    run -2 ptd-update --kl-target 0.1 --beta 0 s.rec
}

@test "importance weights: what lags behind is seen, weighed and truncated" {
    fresh
    ptd-rollout -q -s t.ptd -P 4 -G 4 -m 8 -n 4 --lag 1 train.jsonl | ptd-verify -q --exec 'pay=python3 pay.py' |
        ptd-update -q --lr 3e-3 --beta 0 --tis 1.02 > lag
    [ "$(jq -s '.[0]."actor/sampling_gap/mean" < 1e-5 and .[0]."actor/tis/truncated" == 0 and
        .[3]."actor/sampling_gap/mean" > 1e-3 and .[3]."actor/sampling_gap/max" > .[3]."actor/sampling_gap/mean" and
        .[3]."actor/tis/truncated" > 0 and .[3]."actor/tis/min" < 1 and .[3]."actor/tis/mean" < 1.02' lag)" = true ]
    # by then the ratio is that of the step's own begin: 1 in its only update
    [ "$(jq -s 'all(.[]; ."actor/max_ratio_error" < 1e-4)' lag)" = true ]
    fresh
    ptd-rollout -q -s t.ptd -P 4 -G 4 -m 8 -n 4 --lag 1 train.jsonl | ptd-verify -q --exec 'pay=python3 pay.py' |
        ptd-update -q --lr 3e-3 --beta 0 > without
    [ "$(jq -s '.[3] | has("actor/tis/mean") == false and ."actor/sampling_gap/mean" > 1e-3 and ."actor/max_ratio_error" > 1e-3' without)" = true ]
}

@test "metrics of rewards, advantages, returns, prompts and tokens are those of the stream" {
    update --epochs 2 --updates 2 > line
    ptd-dump -f s.rec | jq -s '[.[] | select(.kind == "group")] as $g | [$g[].rollouts[]] as $y |
        def mean: add / length;
        {"critic/score/mean": ([$y[].reward] | mean), "critic/score/max": ([$y[].reward] | max),
         "critic/score/min": ([$y[].reward] | min), "critic/rewards/max": ([$y[].reward] | max),
         "critic/advantages/max": ([$y[].advantage] | max), "critic/advantages/min": ([$y[].advantage] | min),
         "critic/advantages/mean": (([$y[] | .advantage * (.ids | length)] | add) / ([$y[].ids | length] | add)),
         "critic/returns/mean": (([$y[] | .reward * (.ids | length)] | add) / ([$y[].ids | length] | add)),
         "critic/returns/max": ([$y[].reward] | max), "critic/returns/min": ([$y[].reward] | min),
         "prompt_length/mean": ([$g[].prompt_ids | length] | mean), "prompt_length/max": ([$g[].prompt_ids | length] | max),
         "prompt_length/min": ([$g[].prompt_ids | length] | min), "prompt_length/clip_ratio": 0,
         "actor/tokens": ([$y[].ids | length] | add),
         "perf/total_num_tokens": ([$g[] | (.prompt_ids | length) as $p | .rollouts[] | $p + (.ids | length)] | add)}' > want
    [ "$(jq -s '.[0] as $got | .[1] | to_entries | map(select((($got[.key] - .value) | fabs) > 1e-6)) | map(.key)' line want -c | tee differ)" = "[]" ]
    [ "$(jq '."perf/computed_tokens" > 0' line)" = true ]
    # prompts at the limit that --max-prompt sets
    fresh
    long=$(jq '."prompt_length/max"' line)
    ptd-rollout -q -s t.ptd -P 24 -G 2 -m 4 -n 1 --max-prompt 26 --skip-bad 24 train.jsonl | ptd-verify -q | ptd-update -q --beta 0 > limit
    [ "$(jq '."prompt_length/max" <= 26' limit)" = true ]
    [ "$(jq '."prompt_length/clip_ratio" == 0 or ."prompt_length/max" == 26' limit)" = true ]
}

@test "what decides a run is compared at a resume, and named" {
    go() { ptd-rollout -q -s t.ptd -P 4 -G 4 -m 8 -n "$1" train.jsonl | ptd-verify -q | ptd-update -q --beta 0 "${@:2}"; }
    fresh
    go 1 --method dapo > /dev/null
    [ "$(ptd-dump t.ptd | jq -r 'select(.kind == "state" and .name == "run").value.method')" = dapo ]
    go 2 --clip-dual 0 --aggregate token > /dev/null # the same, spelled
    for other in "--clip-dual 3" "--clip-dual 0 --clip-high 0.3" "--clip-dual 0 --aggregate sequence" "--clip-dual 0 --epochs 2" \
        "--clip-dual 0 --tis 2" "--clip-dual 0 --top-entropy 0.5" "--clip-dual 0 --entropy-bonus 0.1" \
        "--loss gspo"; do
        run -78 go 3 $other
        [[ "$output" == *"resuming at step 2 would not be exact"* ]]
    done
}

@test "what is wrong is named" {
    run -2 ptd-update --aggregate tokens s.rec
    [[ "$output" == *"expected one of token, sequence, constant"* ]]
    run -2 ptd-update --kl k4 s.rec
    run -2 ptd-update --loss cispo --cispo-cap low s.rec
    [[ "$output" == *"--cispo-cap: expected 1+high or high"* ]]
    run -2 ptd-update --top-entropy 0 s.rec
    run -2 ptd-update --loss pqo s.rec
    /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" r.rec 'g["rollouts"][0]["greedy"] = 1' > two.rec
    run -65 ptd-verify two.rec
    [[ "$output" == *"greedy answers among"* ]]
}

@test "--max-bad-steps ends a run at the first bad step, or lets one pass; --beta1 is the optimizer's" {
    /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" s.rec 'for g in groups:
    for y in g["rollouts"]: y["advantage"] = float("nan")' > bad.rec
    fresh
    run -79 --separate-stderr ptd-update -q -s t.ptd --max-bad-steps 1 bad.rec
    fresh
    [ "$(ptd-update -q -s t.ptd --max-bad-steps 2 bad.rec 2> said | jq '."actor/refused_updates"')" = 1 ]
    moved() { fresh; ptd-update -q -s t.ptd --lr 1e-3 --updates 2 "$@" s.rec > /dev/null; ptd-dump t.ptd | jq -r 'select(.kind == "weights" and .head).xxh3'; }
    [ -n "$(moved)" ]
    [ "$(moved)" = "$(moved --beta1 0.9)" ]
    [ "$(moved)" != "$(moved --beta1 0.5)" ]
}
