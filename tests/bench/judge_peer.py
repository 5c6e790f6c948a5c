#!/usr/bin/env python3
"""judge_peer.py: math-verify on the pairs of judge.c, by the same requests: "plain FILE" takes every 20th pair that needs no
algebra, "algebra FILE" every 20th that does; seconds each. Run by the Python that PTD_PEERS names."""
import sys
import time

from math_verify import parse, verify

ALGEBRA = "roots", "pi", "expressions", "equations", "logs", "nested", "polynomials", "vectors", "complex", "powers"


def pairs(path, algebra):
    wanted = False
    for line in open(path, encoding="utf-8"):
        if line.startswith("#"):
            wanted = any(k in line for k in ALGEBRA) == algebra
        elif wanted and line.count("\t") == 2:
            yield line.rstrip("\n").split("\t")[1:]


def each(path, algebra):
    chosen = [(parse(f"\\boxed{{{g}}}"), a) for g, a in list(pairs(path, algebra))[::20]]
    start = time.perf_counter()
    for gold, answer in chosen:
        try:
            verify(gold, parse(f"\\boxed{{{answer}}}"))
        except Exception:
            pass
    return (time.perf_counter() - start) / len(chosen)


for request in sys.stdin:
    work, path = request.split()
    print(each(path, work == "algebra"), flush=True)
