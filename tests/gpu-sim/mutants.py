#!/usr/bin/env python3
"""Breaks the kernels in one place at a time and runs their tests: a barrier, fence, wait or commit gone; a < that is <=
and the reverse; a guard gone. What no test notices is a hole in the tests or in the watch, or it changes nothing: each
such place is explained in mutants.txt, and one that is not, or is explained and found after all, is a failure.

    mutants.py COMPILER OPTIONS...      GPU_LINK: what tests are linked to; GPU_MUTANTS=norm.cu: these files alone;
                                        GPU_SHARE=1/20: the first of every twenty"""
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
KERNELS = pathlib.Path("lib/compute/cuda")
BUILD = pathlib.Path("build/gpu-sim")
GONE = [r"__syncthreads\(\);", r"__syncwarp\([^;]*\);", r"copy_async_wait<\d+>\(\);", r"copy_async_commit\(\);"]
# Which tests, and which of them, look at a file; the rest of the name after the dot is a filter.
TESTS = {
    "norm.cu": ["kernels"], "map.cu": ["kernels"], "rows.cu": ["kernels"], "adamw.cu": ["kernels"], "linear.cu": ["kernels"],
    "product.cu": ["kernels"], "driver.cu": ["kernels", "driver", "share"], "sums.h": ["kernels"],
    "eight.h": ["kernels"], "random.h": ["kernels"],
}
SKIPPED = {"gpu.h", "driver.h", "ptd.h"}


def tests_of(name):
    if name in TESTS:
        return TESTS[name]
    return ["attention"] if name.startswith(("attention", "fragment")) else ["head"]


def bare(text):
    """Without comments, strings and preprocessor lines, each replaced by as many spaces."""
    blank = lambda m: re.sub(r"[^\n]", " ", m[0])
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"|^#(?:\\\n|[^\n])*", blank, text, flags=re.S | re.M)


def device_parts(text):
    for m in re.finditer(r"\b(?:__global__|GPU_INLINE|__device__)\b", text):
        brace, semicolon = text.find("{", m.end()), text.find(";", m.end())
        if brace < 0 or 0 <= semicolon < brace:
            continue
        depth, at = 1, brace + 1
        while depth and at < len(text):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        yield brace, at


def mutants(text):
    """(offset, what was done, the whole changed text)"""
    code = bare(text)
    inside = list(device_parts(code))
    here = lambda at: any(a < at < b for a, b in inside)
    for pattern in GONE:
        for m in re.finditer(pattern, code):
            if here(m.start()):
                yield m.start(), f"no {m[0]}", text[:m.start()] + ";" + text[m.end():]
    for m in re.finditer(r" (<=|>=|<|>) (?!>)", code):
        if not here(m.start()) or "template" in code[code.rfind("\n", 0, m.start()):m.start()]:
            continue
        other = m[1][0] if len(m[1]) == 2 else m[1] + "="
        yield m.start(), f"{m[1]} is {other}", text[:m.start()] + f" {other} " + text[m.end():]
    for m in re.finditer(r"\bif \((?!constexpr)", code):
        if not here(m.start()) or code[m.start():].startswith("if constexpr"):
            continue
        depth, at = 1, m.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(code[at], 0)
            at += 1
        yield m.start(), "no guard", text[:m.end()] + "1 || (" + text[m.end():at - 1] + ")" + text[at - 1:]
        if code[at:].lstrip().startswith("return"):
            yield m.start(), "no early end", text[:m.end()] + "0 && (" + text[m.end():at - 1] + ")" + text[at - 1:]


KINDS = [("no barrier between", "race"), ("in the same launch", "race between blocks"), ("on its way", "copy not waited for"),
         ("did not wait for", "copy not waited for"), ("nobody has written", "unwritten"), ("array's bounds", "out of bounds"),
         ("which has", "out of bounds"), ("no memory", "out of bounds"), ("for ever", "deadlock"), ("has left", "divergence"),
         ("others of its warp", "divergence"), ("aligned", "alignment"), ("gives other bits", "other order, other bits")]


def kind_of(words):
    return next((kind for part, kind in KINDS if part in words), "wrong numbers")


def compiled(command, name, text, folder):
    """The changed file's objects: its own, or those of all that include it; None if it does not compile."""
    objects = {}
    for source in sorted(KERNELS.glob("*.cu")):
        if source.name != name and f'"compute/cuda/{name}"' not in source.read_text():
            continue
        target = folder / f"{source.name}.o"
        mutant = folder / "compute/cuda" / name
        mutant.parent.mkdir(parents=True, exist_ok=True)
        mutant.write_text(text)
        what = mutant if source.name == name else source
        if subprocess.run([command[0], f"-I{folder}", *command[1:], "-x", "c++", "-c", "-o", target, what], capture_output=True).returncode:
            return None
        objects[f"{source.name}.o"] = target
    return objects


def run(test, objects, folder):
    """"" if the test passes, else what it said."""
    program = folder / f"test-{test}"
    parts = [objects.get(o.name, o) for o in sorted(BUILD.glob("*.cu.o")) if o.name != "faults.cu.o"]
    parts += [o for o in sorted(BUILD.glob("*.o")) if not o.name.endswith(".cu.o") and not o.name.startswith("test-")]
    subprocess.run(["g++", "-o", program, BUILD / f"test-{test}.o", *parts, *os.environ["GPU_LINK"].split()], check=True)
    try:
        r = subprocess.run([program], capture_output=True, text=True, timeout=120, env={**os.environ, "GPU_SIM_QUICK": "1"})
    except subprocess.TimeoutExpired:
        return "never ends"
    said = [line for line in (r.stdout + r.stderr).splitlines() if "ERROR:" in line or "order" in line]
    return "" if r.returncode == 0 else (said[0] if said else f"status {r.returncode}")


def explained():
    lines = [line for line in (HERE / "mutants.txt").read_text().splitlines() if line and not line.startswith("#")]
    return {tuple(part.strip() for part in line.split(" | ")[:3]): line for line in lines}


def main():
    command = sys.argv[1:]
    only = os.environ.get("GPU_MUTANTS", "").split()
    part, of = map(int, os.environ.get("GPU_SHARE", "1/1").split("/"))
    known, found, alive, start, number = explained(), collections.Counter(), [], time.time(), 0
    seen = set()
    files = [p for p in sorted(KERNELS.glob("*")) if p.suffix in (".cu", ".h") and p.name not in SKIPPED and (not only or p.name in only)]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for path in files:
            text = path.read_text()
            for at, what, changed in mutants(text):
                number += 1
                if number % of != part % of:
                    continue
                line = text[text.rfind("\n", 0, at) + 1:text.find("\n", at)].strip()
                objects = compiled(command, path.name, changed, folder)
                if objects is None or not objects:
                    continue
                said = next((s for s in (run(t, objects, folder) for t in tests_of(path.name)) if s), "")
                where = f"{path.name}:{text.count(chr(10), 0, at) + 1}"
                (folder / "compute/cuda" / path.name).unlink()
                if said:
                    found[kind_of(said)] += 1
                    print(f"{kind_of(said):22s} {where}: {what}   {said[:140]}", flush=True)
                    continue
                key = (path.name, line, what)
                seen.add(key)
                alive.append(f"{where}: {what}   {line}" + ("" if key in known else "   NOT EXPLAINED"))
                print(f"{'ALIVE':22s} {alive[-1]}", flush=True)
    total = sum(found.values()) + len(alive)
    print(f"\n{sum(found.values())} of {total} found, {time.time() - start:.0f} s; " + ", ".join(f"{n} {k}" for k, n in found.most_common()))
    unexplained = [line for line in alive if line.endswith("NOT EXPLAINED")]
    for line in unexplained:
        print(line)
    sys.exit(1 if unexplained or not total else 0)


main()
