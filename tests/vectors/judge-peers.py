#!/usr/bin/env python3
"""judge-peers.py FILE [-d]: how often three judges agree with people, by kind: ours, math-verify and mathruler.

FILE holds pairs: lines of JSON with kind, gold, response and human ("right" or "wrong"), or judge.tsv, whose answers are put
into boxes. Ours is the whole pipe, ptd-gold | ptd-verify of PTD_BIN (bin). By hand, with the Python of an environment that
has math-verify 0.9.0 and mathruler 0.1.0. -d names the pairs on which ours and math-verify differ."""
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from math_verify import parse, verify
from mathruler.grader import extract_boxed_content, grade_answer

BIN = pathlib.Path(os.environ.get("PTD_BIN", "bin")).resolve()


def pairs(path):
    kind = ""
    for line in open(path, encoding="utf-8"):
        if line.startswith("{"):
            yield json.loads(line)
        elif line.startswith("#"):
            kind = line[1:].strip()
        elif line.strip():
            human, gold, answer = line.rstrip("\n").split("\t")
            yield {"kind": kind, "gold": gold, "response": f"\\boxed{{{answer}}}", "human": human}


def ours(rows):
    with tempfile.TemporaryDirectory() as scratch:
        data, store = f"{scratch}/data.jsonl", f"{scratch}/store"
        with open(data, "w", encoding="utf-8") as f:
            for i, row in enumerate(rows):
                f.write(json.dumps({"id": f"{i:06}", "prompt": "What is it?", "answer": row["gold"], "solution": row["response"] or " "}) + "\n")
        line = (f"set -o pipefail; ./ptd-init -q {store} --config tiny && ./ptd-gold -q -s {store} -P {len(rows)} -n 1 {data} |"
                " ./ptd-verify -q | ./ptd-dump")
        out = subprocess.run(["bash", "-c", line], cwd=BIN, check=True, capture_output=True, text=True).stdout
    groups = (json.loads(g) for g in out.splitlines())
    right = {g["uid"]: g["rollouts"][0]["outcome"] == "right" for g in groups if g["kind"] == "group"}
    return [right[f"{i:06}"] for i in range(len(rows))]


def math_verify(row):
    try:
        return bool(verify(parse(f"\\boxed{{{row['gold']}}}"), parse(row["response"])))
    except Exception:  # a judge that stops says nothing
        return False


def mathruler(row):
    try:
        return bool(grade_answer(extract_boxed_content(row["response"]), row["gold"]))
    except Exception:
        return False


def main():
    rows = list(pairs(sys.argv[1]))
    judged = [ours(rows), [math_verify(r) for r in rows], [mathruler(r) for r in rows]]
    table = collections.OrderedDict()
    for i, row in enumerate(rows):
        for name in row["kind"], "all":
            counts = table.setdefault(name, [0] + [0] * 6)
            counts[0] += 1
            for k, verdicts in enumerate(judged):
                counts[1 + 2 * k] += verdicts[i] == (row["human"] == "right")
                counts[2 + 2 * k] += verdicts[i] and row["human"] == "wrong"
    table.move_to_end("all")
    print("| kind | pairs | ours | false rights | math-verify | false rights | mathruler | false rights |\n|---|---|---|---|---|---|---|---|")
    for name, (n, *c) in table.items():
        print(f"| {name} | {n} | " + " | ".join(f"{100 * c[k] / n:.1f} % | {c[k + 1]}" for k in (0, 2, 4)) + " |")
    if "-d" in sys.argv:
        for i, row in enumerate(rows):
            if judged[0][i] != judged[1][i]:
                print(f"{row['kind']}: ours {judged[0][i]}, math-verify {judged[1][i]}, people {row['human']}: {row['gold']!r} {row['response']!r}")


main()
