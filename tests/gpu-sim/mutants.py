#!/usr/bin/env python3
"""Breaks the kernels in one place at a time and runs their tests: a barrier, fence, wait or commit gone; a < that is <=
and the reverse; a guard gone. What no test notices is a hole in the tests or in the watch, or it changes nothing: each
such place is explained in mutants.txt, and one that is not, or is explained and found after all, is a failure.

All places of all files are compiled once, each behind a question which one it is this run (mutant.h). Every test runs
once as it is, which says what it reaches and how long it takes; a mutant then meets the tests that reach it, the
shortest first, until one fails. What is not C++ in that form is compiled alone. What was seen is kept in
build/gpu-sim/mutants/seen, and is not tried again as long as kernels, emulator and tests are the same.

    mutants.py COMPILER OPTIONS...      GPU_LINK: what tests are linked to; GPU_MUTANTS=norm.cu: these files alone;
                                        GPU_SHARE=1/20: the first of every twenty; GPU_JOBS=2: so many at a time"""
import bisect
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).parent
KERNELS = pathlib.Path("lib/compute/cuda")
BUILD = pathlib.Path("build/gpu-sim")
FOLDER = BUILD / "mutants"
GONE = [r"__syncthreads\(\);", r"__syncwarp\([^;]*\);", r"copy_async_wait<\d+>\(\);", r"copy_async_commit\(\);"]
PROGRAMS = ["kernels", "head", "attention", "driver"]
SKIPPED = {"gpu.h", "driver.h", "ptd.h"}
KIND = {"<": "l", "<=": "L", ">": "g", ">=": "G"}

# number; file; offset in it; what was done; (from, to, text) of the edits that ask for it, and that do it alone
Mutant = collections.namedtuple("Mutant", "number name at what asks alone")


def bare(text):
    """Without comments, strings and preprocessor lines, each replaced by as many spaces."""
    blank = lambda m: re.sub(r"[^\n]", " ", m[0])
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"|^#(?:\\\n|[^\n])*", blank, text, flags=re.S | re.M)


def end_of(code, at, opens, closes):
    """Behind what closes the bracket before `at`."""
    depth = 1
    while depth and at < len(code):
        depth += {opens: 1, closes: -1}.get(code[at], 0)
        at += 1
    return at


def device_parts(code):
    for m in re.finditer(r"\b(?:__global__|GPU_INLINE|__device__)\b", code):
        brace, semicolon = code.find("{", m.end()), code.find(";", m.end())
        if brace >= 0 and not 0 <= semicolon < brace:
            yield brace, end_of(code, brace + 1, "{", "}")


def places(text):
    """(offset, what is done, edits that do it, edits that ask for number {0})"""
    code = bare(text)
    inside = list(device_parts(code))
    here = lambda at: any(a < at < b for a, b in inside)
    for pattern in GONE:
        for m in filter(lambda m: here(m.start()), re.finditer(pattern, code)):
            yield m.start(), f"no {m[0]}", [(*m.span(), ";")], [(*m.span(), f"(void)(sim_is({{0}}) || ({m[0][:-1]}, 0));")]
    for m in re.finditer(r" (<=|>=|<|>) (?!>)", code):
        if not here(m.start()) or "template" in code[code.rfind("\n", 0, m.start()):m.start()]:
            continue
        other = m[1][0] if len(m[1]) == 2 else m[1] + "="
        yield m.start(), f"{m[1]} is {other}", [(*m.span(), f" {other} ")], [(*m.span(), f" < sim_other({{0}}, '{KIND[m[1]]}') > ")]
    for m in re.finditer(r"\bif \((?!constexpr)", code):
        if not here(m.start()):
            continue
        start, end = m.end(), end_of(code, m.end(), "(", ")") - 1
        edits = lambda words: [(start, start, words + " ("), (end, end, ")")]
        yield m.start(), "no guard", edits("1 ||"), edits("sim_is({0}) ||")
        if code[end + 1:].lstrip().startswith("return"):
            yield m.start(), "no early end", edits("0 &&"), edits("!sim_is({0}) &&")


def edited(text, edits):
    """Those that begin at one place open in their order and close in the other."""
    order = {id(e): i for i, e in enumerate(edits)}
    closing = lambda e: e[2] == ")"
    for e in sorted(edits, key=lambda e: (-e[0], -e[1], order[id(e)] if closing(e) else -order[id(e)])):
        text = text[:e[0]] + e[2] + text[e[1]:]
    return text


def all_mutants():
    found = []
    for path in sorted(KERNELS.glob("*")):
        if path.suffix in (".cu", ".h") and path.name not in SKIPPED:
            for at, what, alone, asks in places(path.read_text()):
                n = len(found)
                found.append(Mutant(n, path.name, at, what, [(a, b, words.format(n)) for a, b, words in asks], alone))
    return found


class Source:
    """A file as it stands, and what a mutant is called."""

    def __init__(self, name):
        self.name, self.text = name, (KERNELS / name).read_text()
        self.starts = [m.end() for m in re.finditer("^", self.text, re.M)]

    def line(self, at):
        return bisect.bisect_right(self.starts, at)

    def words(self, at):
        """The line; a barrier that stands alone with those before and behind it."""
        lines, n = self.text.split("\n"), self.line(at) - 1
        alone = any(re.fullmatch(p, lines[n].strip()) for p in GONE)
        return " ".join(line.strip() for line in (lines[n - 1:n + 2] if alone else lines[n:n + 1]))


# ---- compiling

def write(folder, name, text):
    path = folder / "compute/cuda" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def compile_one(command, folder, source, target):
    asks = ["-include", HERE / "mutant.h"]
    words = [command[0], f"-I{folder}", *command[1:], *asks, "-x", "c++", "-c", "-o", target, source]
    return subprocess.run(words, capture_output=True, text=True)


def link(program, test, objects):
    """Our objects of kernels in the place of those that were built."""
    parts = [objects.get(o.name, o) for o in sorted(BUILD.glob("*.cu.o")) if o.name != "faults.cu.o"]
    parts += [o for o in sorted(BUILD.glob("*.o")) if not o.name.endswith(".cu.o") and not o.name.startswith("test-")]
    subprocess.run(["g++", "-o", program, BUILD / f"test-{test}.o", *parts, *os.environ["GPU_LINK"].split()], check=True)


def compile_all(command, mutants, sources):
    """{object: path} of all files with all their questions; mutants that are no C++ so are returned, too."""
    folder, out, objects = FOLDER / "all", set(), {}
    todo = sorted(p.name for p in KERNELS.glob("*.cu"))
    while todo:
        for name, source in sources.items():
            write(folder, name, edited(source.text, [e for m in mutants if m.name == name and m.number not in out for e in m.asks]))
        again, wrong = [], set()
        for name in todo:
            target = folder / f"{name}.o"
            said = compile_one(command, folder, (folder if name in sources else pathlib.Path("lib")) / "compute/cuda" / name, target)
            objects[target.name] = target
            if said.returncode:
                again.append(name)
                wrong |= {(m[1], int(m[2])) for m in re.finditer(r"([\w.]+):(\d+):\d+: error", said.stderr)}
        more = {m.number for m in mutants if any((m.name, n) in wrong for n in lines_of(sources[m.name], m))} - out
        if again and not more:
            sys.exit(f"{again}: no mutant of ours is there: {said.stderr}")
        out |= more
        todo = again
    return objects, out


def lines_of(source, m):
    return range(source.line(m.asks[0][0]), source.line(m.asks[-1][1]) + 1)


def compile_alone(command, m, text):
    """The changed file's objects: its own, or those of all that include it; None: it is no C++."""
    folder, objects = FOLDER / "alone", {}
    path = write(folder, m.name, edited(text, m.alone))
    for source in sorted(KERNELS.glob("*.cu")):
        if source.name == m.name or f'"compute/cuda/{m.name}"' in source.read_text():
            target = folder / f"{source.name}.o"
            if compile_one(command, folder, path if source.name == m.name else source, target).returncode:
                objects = None
                break
            objects[target.name] = target
    path.unlink()
    return objects


# ---- running

def run(program, test, environment, seconds):
    """What it said first of what it found, "" if it passes; processor time, of which it may take so many seconds."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    env = {**os.environ, "GPU_SIM_QUICK": "1", "GPU_SIM_ONLY": test, **environment}
    p = subprocess.Popen([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=env, preexec_fn=limit)
    said = next((line.strip() for line in p.stdout if "ERROR" in line), "")
    if said:
        os.kill(p.pid, signal.SIGKILL)  # p.kill() would reap one that has ended by itself
    p.stdout.close()
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    ended = "" if not p.returncode else "never ends" if used.ru_utime > seconds - 1 else f"status {p.returncode}"
    return re.sub(r"^(\[ *ERROR *\] --- )?(ERROR: )?", "", said) or ended, used.ru_utime + used.ru_stime


class Test:
    """A test of a program: what it reaches, and the processor time that it takes."""

    def __init__(self, program, name, time, reaches):
        self.program, self.name, self.time, self.reaches = program, name, time, set(reaches)

    @classmethod
    def tried(cls, program, name):
        reached = FOLDER / "reached"
        reached.write_text("")
        said, time = run(FOLDER / f"test-{program}", name, {"GPU_MUTANT_REACHED": str(reached)}, 3600)
        if said:
            sys.exit(f"test-{program}: {name} fails before anything is broken: {said}")
        return cls(program, name, time, [int(n) for n in reached.read_text().split()])

    def meets(self, program, number):
        return run(program, self.name, {"GPU_MUTANT": str(number)}, int(4 * self.time) + 4)[0]


def names_of(program):
    return re.findall(r"cmocka_unit_test\((\w+)\)", (HERE / f"test-{program}.cc").read_text())


KINDS = [("no barrier between", "race"), ("in the same launch", "race between blocks"), ("on its way", "copy not waited for"),
         ("did not wait for", "copy not waited for"), ("nobody has written", "unwritten"), ("array's bounds", "out of bounds"),
         ("which has", "out of bounds"), ("no memory", "out of bounds"), ("for ever", "deadlock"), ("has left", "divergence"),
         ("others of its warp", "divergence"), ("aligned", "alignment"), ("other bits", "other order, other bits"),
         ("never ends", "never ends")]


def kind_of(words):
    return next((kind for part, kind in KINDS if part in words), "wrong numbers")


class Hunt:
    def __init__(self, command, sources):
        self.command, self.sources, self.lock = command, sources, threading.Lock()
        everything = [*KERNELS.glob("*"), *HERE.glob("*.cc"), *HERE.glob("*.h*")]
        text = b"".join(p.read_bytes() for p in sorted(everything) if p.is_file())
        self.state = hashlib.sha256(text).hexdigest()[:16]
        self.log, self.tried = FOLDER / "seen", FOLDER / "tried"
        self.seen = {s["number"]: s["said"] for s in self.lines(self.log)}

    def lines(self, path):
        """What was kept for this state."""
        lines = map(json.loads, path.read_text().splitlines() if path.exists() else [])
        return [line for line in lines if line.pop("state") == self.state]

    def keep(self, path, what):
        with self.lock, open(path, "a") as f:
            f.write(json.dumps({"state": self.state, **what}) + "\n")

    def test(self, program, name, known):
        t = next((Test(**k) for k in known if (k["program"], k["name"]) == (program, name)), None)
        if not t:
            t = Test.tried(program, name)
            self.keep(self.tried, {**vars(t), "reaches": sorted(t.reaches)})
            print(f"{program}: {name}, {t.time:.1f} s, reaches {len(t.reaches)} places", flush=True)
        return t

    def compiled(self, mutants):
        """As compile_all, or what it made for the same state."""
        mark, folder = FOLDER / "all/state", FOLDER / "all"
        if mark.exists() and mark.read_text() == self.state:
            text = "".join(p.read_text() for p in folder.glob("compute/cuda/*"))
            there = set(map(int, re.findall(r"sim_(?:is|other)\((\d+)", text)))
            return {p.name: p for p in folder.glob("*.cu.o")}, {m.number for m in mutants} - there
        made = compile_all(self.command, mutants, self.sources)
        mark.write_text(self.state)
        return made

    def begin(self, mutants):
        objects, self.out = self.compiled(mutants)
        programs = [p for p in PROGRAMS if (HERE / f"test-{p}.cc").exists()]
        for p in programs:
            link(FOLDER / f"test-{p}", p, objects)
        known = self.lines(self.tried)
        self.tests = sorted((self.test(p, name, known) for p in programs for name in names_of(p)), key=lambda t: t.time)
        print(f"{len(mutants)} places, {len(self.out)} of them alone; {len(self.tests)} tests of {sum(t.time for t in self.tests):.0f} s", flush=True)

    def alone(self, m):
        """None: it is no C++."""
        with self.lock:
            objects = compile_alone(self.command, m, self.sources[m.name].text)
            near = {n.number for n in all_mutants() if n.name == m.name}
            for p in sorted({t.program for t in self.tests if t.reaches & near}) if objects else []:
                link(FOLDER / "alone" / f"test-{p}", p, objects)
                said = next((s for s in (t.meets(FOLDER / "alone" / f"test-{p}", -1) for t in self.tests if t.program == p) if s), "")
                if said:
                    return said
        return None if objects is None else ""

    def meet(self, m):
        if m.number not in self.seen:
            those = [t for t in self.tests if m.number in t.reaches]
            said = self.alone(m) if m.number in self.out else self.among(those, m) if those else "UNREACHED"
            self.keep(self.log, {"number": m.number, "said": said})
            self.seen[m.number] = said
        return m, self.seen[m.number]

    def among(self, tests, m):
        return next((s for s in (t.meets(FOLDER / f"test-{t.program}", m.number) for t in tests) if s), "")


def explained():
    lines = [line for line in (HERE / "mutants.txt").read_text().splitlines() if line and not line.startswith("#")]
    return {tuple(part.strip() for part in line.split(" | ")[:3]): line for line in lines}


def chosen(mutants):
    only = os.environ.get("GPU_MUTANTS", "").split()
    part, of = map(int, os.environ.get("GPU_SHARE", "1/1").split("/"))
    return [m for m in mutants if (not only or m.name in only) and (m.number + 1) % of == part % of]


def main():
    mutants, start = all_mutants(), time.time()
    sources = {name: Source(name) for name in {m.name for m in mutants}}
    known, found, alive, explained_found = explained(), collections.Counter(), [], {}
    FOLDER.mkdir(parents=True, exist_ok=True)
    hunt = Hunt(sys.argv[1:], sources)
    hunt.begin(mutants)
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("GPU_JOBS", "1"))) as pool:
        for m, said in pool.map(hunt.meet, chosen(mutants)):
            source = sources[m.name]
            where, key = f"{m.name}:{source.line(m.at)}", (m.name, source.words(m.at), m.what)
            if said is None:
                continue
            if said and said != "UNREACHED":
                found[kind_of(said)] += 1
                explained_found.setdefault(key, True)
                print(f"{kind_of(said):22s} {where}: {m.what}   {said[:140]}", flush=True)
                continue
            explained_found[key] = False
            alive.append(f"{where}: {m.what}   {key[1]}" + ("   no test comes here" if said else "") + ("" if key in known else "   NOT EXPLAINED"))
            print(f"{'ALIVE':22s} {alive[-1]}", flush=True)
    total = sum(found.values()) + len(alive)
    print(f"\n{sum(found.values())} of {total} found, {time.time() - start:.0f} s; " + ", ".join(f"{n} {k}" for k, n in found.most_common()))
    faults = [line for line in alive if line.endswith("NOT EXPLAINED")]
    faults += [f"{' | '.join(key)}: explained, and found" for key in known if explained_found.get(key)]
    print("\n".join(faults), end="\n" if faults else "")
    sys.exit(1 if faults or not total else 0)


main()
