#!/usr/bin/env bats
# ptd-stat: its figures against another program's, two streams side by side, calibration, forms of
# tables.
load lib

setup_file() {
    small_run
    ptd-data digits -q test.jsonl -n 40 --seed 5
    ptd-rollout -q -s warm.ptd -g latest -G 6 -P 40 -m 16 test.jsonl | ptd-verify -q > warm.rec
    ptd-rollout -q -s warm.ptd -g latest -G 6 -P 40 -m 16 -t 3 --seed 2 test.jsonl | ptd-verify -q > hot.rec
    ptd-rollout -q -s warm.ptd --greedy -P 40 -m 16 test.jsonl | ptd-verify -q > greedy.rec
}

setup() { cd "$WORK" || return; }

@test "figures and ranges are those of numpy" {
    /usr/bin/python3 -c 'import numpy' 2> /dev/null || skip "no python3-numpy"
    ptd-dump warm.rec | jq -c 'select(.kind == "group") | [.uid, .answer, [.rollouts[] | [.outcome, .extracted]]]' > groups
    ptd-stat --json -k 1,2,3,6 --seed 3 warm.rec | jq -c .total > said
    /usr/bin/python3 - << 'END'
import itertools, json
from fractions import Fraction
import numpy as np
groups, said = [json.loads(line) for line in open("groups")], json.load(open("said"))

def pass_at(n, c, k):  # as the paper prints it
    return 1.0 if n - c < k else 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))

def same(text):
    try: return Fraction(text)
    except (ValueError, TypeError, ZeroDivisionError): return text and " ".join(text.casefold().split())

def most(votes):  # share of the right one among those with most votes; "right" is the right one
    counts = {v: votes.count(v) for v in votes if v is not None}
    best = [v for v in counts if counts[v] == max(counts.values())]
    return ("right" in best) / len(best) if best else 0

table = {k: [] for k in ["pass@1", "pass@2", "pass@3", "pass@6", "maj@2", "maj@3", "maj@6"]}
for _, _, answers in groups:
    votes = ["right" if o == "right" else same(e) for o, e in answers]
    n, c = len(votes), votes.count("right")
    for name, values in table.items():
        kind, k = name.split("@")
        values.append(pass_at(n, c, int(k)) if kind == "pass" else np.mean([most(s) for s in itertools.combinations(votes, int(k))]))
rng = np.random.default_rng(0)
drawn = rng.integers(0, len(groups), (20000, len(groups)))
for name, values in table.items():
    values = np.array(values)
    assert abs(said[name] - values.mean()) < 1e-8, (name, said[name], values.mean())
    lo, hi = np.percentile(values[drawn].mean(1), [2.5, 97.5])
    got = said["intervals"][name]
    assert 0 < hi - lo and abs(got[0] - lo) < 0.05 * (hi - lo) and abs(got[1] - hi) < 0.05 * (hi - lo), (name, got, lo, hi)
assert said["mean@6"] == said["pass@1"] and said["intervals"]["mean@6"] == said["intervals"]["pass@1"] == said["interval"]
END
}

@test "the same seed gives the same ranges, another one others" {
    ranges() { ptd-stat --json --resamples 100 "$@" warm.rec | jq -c .total.intervals; }
    [ "$(ranges --seed 1)" = "$(ranges --seed 1)" ]
    [ "$(ranges --seed 1)" != "$(ranges --seed 2)" ]
    [ "$(ptd-stat --json warm.rec | jq .total.intervals)" != "$(ranges)" ]
}

@test "the table: figures with their ranges, then the form of the answers, then the answers" {
    run -0 ptd-stat warm.rec
    [[ "${lines[0]}" == category*prompts*responses*"mean@6"*"95 % range"*"pass@6"*"95 % range"*"maj@6"*"95 % range" ]]
    [[ "$output" == *"category"*"format"*"no answer"*"distinct"*"length"*"all-fail"*"all-pass"* ]]
    [[ "$output" == *"frequent answers"*"given"*"of them right"*"expected"* ]]
    [[ "${lines[-1]}" == *" different answers given, "*" expected; \""*"\" to everything would be "*"% right" ]]
    run -0 ptd-stat greedy.rec
    [[ "${lines[0]}" == category*"pass@1"*"95 % range"*format*distinct*all-pass && "${lines[0]}" != *mean* ]]
    run -0 ptd-stat --answers 0 -k 1,3 warm.rec
    [[ "${lines[0]}" == *"mean@6"*"pass@1"*"pass@3"*"maj@3"* && "$output" != *"frequent answers"* ]]
    for k in 0 -1 x 1,,2 2, 1,2x +3 "$(seq -s, 20)"; do
        run -2 ptd-stat -k "$k" warm.rec
    done
}

@test "a model that answers the same to everything is seen to" {
    jq -c '.answer = (if input_line_number % 3 == 0 then "0" else "\(input_line_number)" end) | .solution = "\\boxed{0}"' test.jsonl > zeros.jsonl
    ptd-gold -q -s blank.ptd -P 40 -n 1 zeros.jsonl | ptd-verify -q > zeros.judged
    run -0 ptd-stat zeros.judged
    [[ "$output" == *'1 different answer given, 28 expected; "0" to everything would be 32.5% right'* ]]
    run -0 ptd-stat --json zeros.judged
    [ "$(jq -c '.total."pass@1", .total.distinct, .answers.baseline, .answers.frequent[0]' <<< "$output" | tr '\n' ' ')" = \
        '0.325 0.025 {"answer":"0","accuracy":0.325} {"answer":"0","given":1,"right":0.325,"expected":0.325} ' ]
}

@test "two runs: differences by prompt, McNemar, what only one of them has" {
    run -0 ptd-stat warm.rec --against hot.rec
    [[ "$output" == *"paired"*"prompts"*"here"*"there"*"difference"*"95 % range"* ]]
    [[ "$output" == *"against hot.rec, by most votes: "*" right in both, "*"McNemar p = "* ]]
    ptd-stat --json warm.rec --against hot.rec | jq .against > there
    ptd-stat --json hot.rec --against warm.rec | jq .against > back
    [ "$(jq '.prompts' there)" = 40 ]
    [ "$(jq -c '.figures."mean@6" | [.difference * -1, .interval[1] * -1, .interval[0] * -1]' there)" = "$(jq -c '.figures."mean@6" | [.difference, .interval[0], .interval[1]]' back)" ]
    [ "$(jq -c '.mcnemar | [.both, .here, .there, .none, .p]' there)" = "$(jq -c '.mcnemar | [.both, .there, .here, .none, .p]' back)" ]
    jq -e '.figures."mean@6" | (.here - .there - .difference | fabs) < 1e-8 and .interval[0] <= .difference and .difference <= .interval[1]' there
    run -0 ptd-stat --json warm.rec --against warm.rec
    [ "$(jq -c '.against | [.figures."pass@6".difference, .mcnemar.here, .mcnemar.there, .mcnemar.p]' <<< "$output")" = '[0,0,0,1]' ]
    # one answer each: Newcombe's range, McNemar of the answers themselves
    head -n 30 test.jsonl > fewer.jsonl
    ptd-rollout -q -s blank.ptd --greedy -P 40 -m 16 fewer.jsonl | ptd-verify -q > blank.rec
    run -0 ptd-stat greedy.rec --against blank.rec
    [[ "$output" == *"against blank.rec: "* && "$output" == *"left out: 10 prompts that are only here, 0 only there"* ]]
    run -0 ptd-stat --csv greedy.rec --against blank.rec
    [ "${lines[0]}" = "paired,prompts,here,there,difference,difference low,difference high" ]
    [ "${#lines[@]}" = 2 ]
}

@test "what cannot be compared is named" {
    fails 66 'ptd-stat: *none.rec*' ptd-stat warm.rec --against none.rec
    fails 76 'ptd-stat: *cut.rec*' bash -c 'head -c -1 hot.rec > cut.rec; ptd-stat warm.rec --against cut.rec'
    ptd-data digits -q else.jsonl -n 4 --seed 9 -k cmax
    ptd-rollout -q -s blank.ptd --greedy -m 4 else.jsonl | ptd-verify -q > else.rec
    fails 65 'ptd-stat: else.rec: no prompt is in both streams*' ptd-stat warm.rec --against else.rec
    /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" hot.rec 'g["answer"] = "other"' > other.rec
    fails 65 'ptd-stat: other.rec: prompt "*" expects another answer in the other stream*' ptd-stat warm.rec --against other.rec
    fails 2 '*--calibration "sure": expected one of tokens, response, votes*' ptd-stat --calibration sure warm.rec
    fails 2 '*expected one of --json, --markdown, --csv, --latex*' ptd-stat --csv --latex warm.rec
    ptd-gold -q -s blank.ptd -P 40 -n 1 test.jsonl | ptd-verify -q > gold.rec
    fails 65 'ptd-stat: gold.rec: record 1, *has no log-probs of when it was sampled*' ptd-stat --calibration tokens gold.rec
}

@test "calibration: bins, ECE, Brier and AUROC are those of Python" {
    for by in tokens response votes; do
        ptd-dump --full warm.rec | jq -c 'select(.kind == "group").rollouts | map([.outcome, .extracted, .logp])' > answers
        ptd-stat --json --calibration $by warm.rec | jq -c .calibration > said
        /usr/bin/python3 - $by << 'END'
import json, math, sys
from fractions import Fraction
by, said, points = sys.argv[1], json.load(open("said")), []

def same(text):
    try: return Fraction(text)
    except (ValueError, TypeError, ZeroDivisionError): return text and " ".join(text.casefold().split())

for line in open("answers"):
    group = json.loads(line)
    votes = ["right" if o == "right" else same(e) for o, e, _ in group]
    for (outcome, _, logp), vote in zip(group, votes):
        sure = {"tokens": math.exp(sum(logp) / len(logp)), "response": math.exp(sum(logp)),
                "votes": 0 if vote is None else votes.count(vote) / len(votes)}[by]
        points.append((sure, outcome == "right"))
bins = [[p for p in points if min(9, int(p[0] * 10)) == b] for b in range(10)]
ece = sum(abs(sum(p[0] for p in b) - sum(p[1] for p in b)) for b in bins) / len(points)
brier = sum((p - r) ** 2 for p, r in points) / len(points)
right, wrong = [p for p, r in points if r], [p for p, r in points if not r]
auroc = sum((a > b) + (a == b) / 2 for a in right for b in wrong) / len(right) / len(wrong)
assert said["responses"] == len(points) and [b["responses"] for b in said["bins"]] == [len(b) for b in bins], said
for name, want in [("ece", ece), ("brier", brier), ("auroc", auroc)]:
    assert abs(said[name] - want) < 1e-7, (name, said[name], want)
END
    done
    run -0 ptd-stat --calibration tokens greedy.rec
    [[ "$output" == *"confidence"*"responses"*"mean"*"right"*"95 % range"*"0.9-1.0"*"confidence by tokens: mean "*"ECE "*"AUROC "* ]]
}

@test "Markdown, CSV and LaTeX hold the same rows, whatever names hold" {
    /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" warm.rec 'for i, x in enumerate(groups): x["category"] = ["a|b_c", "50 % & \"more\", $x$", "plain"][i % 3]' > named.rec
    ptd-stat --csv named.rec > table.csv
    /usr/bin/python3 - << 'END'
import csv, json, subprocess
rows = list(csv.DictReader(open("table.csv")))
said = json.loads(subprocess.run(["ptd-stat", "--json", "named.rec"], capture_output=True, check=True).stdout)
assert [r["category"] for r in rows] == sorted(said["categories"]) + ["total"]
for r in rows:
    want = said["categories"].get(r["category"], said["total"])
    assert abs(float(r["mean@6"]) - want["mean@6"]) < 1e-8 and abs(float(r["maj@6 high"]) - want["intervals"]["maj@6"][1]) < 1e-8
    assert int(r["responses"]) == want["responses"] and abs(float(r["distinct"]) - want["distinct"]) < 1e-8
END
    run -0 ptd-stat --markdown named.rec
    [[ "${lines[0]}" == "| category | prompts | responses | mean@6 | 95 % range |"* ]]
    [[ "${lines[1]}" == "|---|---:|---:|"* ]]
    [[ "$output" == *'| a\|b\_c | '* ]]
    run -0 ptd-stat --latex named.rec
    [[ "${lines[0]}" == '\begin{tabular}{lrr'* && "$output" == *'50 \% \& "more", \$x\$ & '* && "$output" == *'a\textbar{}b\_c & '* ]]
    [ "$(grep -c 'end{tabular}' <<< "$output")" = 3 ]
    run -74 bash -c 'ptd-stat --csv warm.rec > /dev/full'
}
