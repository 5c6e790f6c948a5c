#!/usr/bin/env python3
"""gpu.py check|bench: what has to be seen on a card, and how fast it is there; in seven minutes each, with everything built before.

    gpu.py check --in bin,build/cpu,...   the instructions of the kernels' dialect on the chip beside the emulator; kernels and
                                          operations beside the CPU; whole networks; the five programs, killed and resumed
    gpu.py bench --in ...                 speed beside what the card can do and beside PyTorch and transformers

--device sim runs the same on the emulator, on small shapes: it shows that the script works, and nothing about a card. Without a
card everything is SKIP, and the status 0. --results FILE: that page's section is made anew from a run on a card, and only then."""
import argparse
import contextlib
import datetime
import json
import math
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 420  # seconds in all
SLOW = 10  # times as long on the emulator
PROGRAMS = "init data rollout verify hint ref update gold dump".split()


class Skip(Exception):
    """This cannot be done here; why."""


class Failed(Exception):
    """It was done, and is wrong; how."""


# ---- the run ----

class Run:
    def __init__(self, options):
        self.o, self.start, self.rows, self.emulated = options, time.monotonic(), [], options.device == "sim"
        self.folders = [pathlib.Path(f).resolve() for f in options.folders.split(",")]
        self.at = pathlib.Path(tempfile.mkdtemp(prefix="gpu-"))
        self.logs = pathlib.Path(options.logs).resolve()
        self.logs.mkdir(parents=True, exist_ok=True)
        self.env = {**os.environ, "PTD_DEVICE": options.device, "PATH": f"{self.at}:{os.environ['PATH']}"}
        self.card = {}

    def slowness(self):
        return SLOW if self.emulated else 1

    def left(self):
        return LIMIT * self.slowness() - (time.monotonic() - self.start)

    def found(self, name):
        """The file of that name, from the first folder that has it."""
        for f in self.folders:
            if (f / name).exists():
                return f / name
        raise Failed(f"{name} is in none of {', '.join(map(str, self.folders))}")

    def stage(self, *names):
        """Programs beside the one plugin that is meant: those that walk all devices meet no other."""
        for name in (*names, f"libptd-{self.o.device}.so"):
            if not (self.at / name).exists():
                shutil.copy2(self.found(name), self.at / name)
        return [str(self.at / n) for n in names]

    def command(self, *words, limit, log=None, env=None):
        """What it prints; Failed with its last line if it fails or takes longer."""
        limit = max(1, min(limit * self.slowness(), self.left()))
        process = subprocess.Popen([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.at,
                                   env={**self.env, **(env or {})}, start_new_session=True)
        try:
            said, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            raise Failed(f"ran past {limit:.0f} s")
        finally:
            if log:
                (self.logs / f"{log}.txt").write_text(said or "")
        if process.returncode:
            bad = [line for line in said.splitlines() if "ERROR" in line or "not ok" in line] or said.splitlines() or [""]
            raise Failed(f"status {process.returncode}: {bad[0][:160]}")
        return said

    def do(self, name, work):
        """One line of the table, whatever happens."""
        begin = time.monotonic()
        try:
            if self.left() < 2:
                raise Skip(f"the {LIMIT} seconds are over")
            result, words = "ok", work() or ""
        except Skip as e:
            result, words = "SKIP", str(e)
        except (Failed, OSError, ValueError) as e:
            result, words = "FAILED", str(e) or type(e).__name__
        row = (result, name, time.monotonic() - begin, words)
        self.rows.append(row)
        print(f"{row[0]:7s} {row[1]:28s} {row[2]:6.1f} s  {row[3]}", flush=True)
        return result == "ok"

    def end(self):
        count = lambda r: sum(row[0] == r for row in self.rows)
        words = f"{count('ok')} passed, {count('FAILED')} failed" + (f", {count('SKIP')} skipped" if count("SKIP") else "")
        shutil.rmtree(self.at, ignore_errors=True)
        print(f"{time.monotonic() - self.start:.0f} s\n{words}")
        return words, 1 if count("FAILED") else 0


# ---- the card ----

def card():
    """{"name": ..., "driver": ..., "memory": ...} of the first card; None: there is none."""
    try:
        said = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"], capture_output=True,
                              text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if said.returncode or not said.stdout.strip():
        return None
    return dict(zip(("name", "driver", "memory"), (w.strip() for w in said.stdout.splitlines()[0].split(","))))


def commit():
    packed = HERE / "COMMIT"
    if packed.exists():
        return packed.read_text().strip()
    said = subprocess.run(["git", "-C", str(HERE), "describe", "--always", "--dirty=+"], capture_output=True, text=True)
    return said.stdout.strip() or "unknown"


def used():
    """MiB of the card's memory that are taken, whoever has them."""
    try:
        said = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return math.nan
    return float(said.stdout.split()[0]) if said.returncode == 0 and said.stdout.strip() else math.nan


class Peak:
    """with Peak() as p: ...; p.gigabytes(): the most that was taken meanwhile beyond what was before, as often as it could be asked."""
    def __enter__(self):
        self.before, self.most, self.over = used(), 0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        if self.before == self.before:
            self.thread.start()
        return self

    def look(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, used() - self.before)

    def __exit__(self, *_):
        self.over.set()
        if self.before == self.before:
            self.thread.join()

    def gigabytes(self):
        return self.most * 2**20 / 1e9 if self.before == self.before else math.nan


# ---- instructions ----

def as_float(word):
    return struct.unpack("f", struct.pack("I", word))[0]


def in_order(word):
    """Neighbouring floats are neighbouring numbers."""
    return word if word < 1 << 31 else (1 << 31) - word


def is_near(a, b, within):
    if a == b or (as_float(a) != as_float(a) and as_float(b) != as_float(b)):
        return True
    if within[0] == "u":
        return abs(in_order(a) - in_order(b)) <= int(within[1:])
    return within[0] == "a" and abs(as_float(a) - as_float(b)) <= float(within[1:]) * (1 + abs(as_float(b)))


def instructions(said):
    """{name: (tolerance, [words])} of what instructions.cu prints."""
    lines = [line.split() for line in said.splitlines()]
    return {line[0]: (line[1], [int(w, 16) for w in line[2:]]) for line in lines if len(line) > 2}


def compare_instructions(chip, sim):
    if not chip or list(chip) != list(sim):
        raise Failed("other instructions than the emulator's")
    for name, (within, words) in sim.items():
        got = chip[name][1]
        far = [i for i in range(len(words)) if i >= len(got) or not is_near(got[i], words[i], within)]
        if far or len(got) != len(words):
            i = far[0] if far else len(words)
            raise Failed(f"{name}: {len(far)} of {len(words)} words, the first {got[i]:08x}, the emulator's {words[i]:08x}")
    return f"{len(sim)} instructions, {sum(len(w) for _, w in sim.values())} words"


def check_instructions(run):
    name = "instructions-sim" if run.emulated else "instructions-chip"
    chip = instructions(run.command(run.found(name), limit=30, log="instructions"))
    return compare_instructions(chip, instructions(run.command(run.found("instructions-sim"), limit=30)))


# ---- tests ----

def tests_of(said):
    return sum("[       OK ]" in line or line.startswith("ok ") for line in said.splitlines())


def check_kernels(run, name, limit):
    """tests/gpu-sim's, which compare bits of repeated runs, poisoned memory under what is written."""
    program = run.found(f"test-{name}" if run.emulated else f"chip-test-{name}")
    if not run.emulated:
        program, = run.stage(f"chip-test-{name}")
    said = run.command(program, limit=limit, log=f"kernels-{name}", env={"GPU_SIM_QUICK": "1"} if run.emulated else None)
    return f"{tests_of(said)} tests"


def check_program(run, name, limit):
    program, = run.stage(name)
    return f"{tests_of(run.command(program, limit=limit, log=name))} tests"


def check_sanitizer(run, tool):
    sanitizer = shutil.which("compute-sanitizer")
    if run.emulated or not sanitizer:
        raise Skip("no compute-sanitizer here" if not run.emulated else "not of the emulator, which watches by itself")
    program, = run.stage("chip-test-kernels")
    try:
        said = run.command(sanitizer, "--tool", tool, "--error-exitcode", "9", program, limit=60, log=f"sanitizer-{tool}", env={"GPU_SIM_QUICK": "1"})
    except Failed as e:
        text = (run.logs / f"sanitizer-{tool}.txt").read_text()
        if "not supported" in text or "ran past" in str(e):
            raise Skip("it does not know this device" if "not supported" in text else str(e))
        raise
    return next((line.strip("= ") for line in said.splitlines() if "SUMMARY" in line), "")


# ---- the five programs ----

class Pipeline:
    """As README.md has it; what the machine says is not asked for."""
    def __init__(self, run):
        self.run = run
        run.stage(*(f"ptd-{p}" for p in PROGRAMS))

    def call(self, *words, **how):
        return self.run.command(f"{self.run.at}/{words[0]}", *words[1:], limit=how.pop("limit", 60), **how)

    def prepare(self):
        on_cpu = {"PTD_DEVICE": "cpu"}
        self.call("ptd-data", "digits", "-q", "train.jsonl", "-n", "8", "-k", "nbr")
        self.call("ptd-init", "-q", "warm.ptd")
        self.chain([["ptd-gold", "-q", "-s", "warm.ptd", "-P", "8", "-n", "24", "train.jsonl"], ["ptd-hint", "-q", "--always", "--share", "0.5"],
                    ["ptd-update", "-q", "--loss", "sft", "--lr", "4e-3"]], on_cpu)

    def fresh(self, store):
        self.call("ptd-init", "-q", store, "--from-store", "warm.ptd")

    def started(self, commands, env, out):
        """Processes joined by pipes."""
        all_, last = [], None
        for i, c in enumerate(commands):
            sink = out if i == len(commands) - 1 else subprocess.PIPE
            p = subprocess.Popen([f"{self.run.at}/{c[0]}", *c[1:]], stdin=last, stdout=sink, cwd=self.run.at, env={**self.run.env, **env},
                                 stderr=open(self.run.logs / "pipeline.txt", "a"))
            if last:
                last.close()
            last = p.stdout
            all_.append(p)
        return all_

    def chain(self, commands, env, out=subprocess.DEVNULL, may_fail=False):
        all_ = self.started(commands, env, out)
        self.wait(all_)
        if not may_fail and any(p.returncode for p in all_):
            raise Failed(f"{' | '.join(c[0] for c in commands)}: {[p.returncode for p in all_]}, see pipeline.txt")

    def wait(self, all_):
        for p in all_:
            try:
                p.wait(max(1, self.run.left()))
            except subprocess.TimeoutExpired:
                for q in all_:
                    q.kill()
                raise Failed(f"{p.args[0]} does not end")

    def commands(self, store, steps, size):
        return [["ptd-rollout", "-q", "-s", store, *size, "-n", str(steps), "train.jsonl"], ["ptd-verify", "-q"], ["ptd-hint", "-q"],
                ["ptd-ref", "-q"], ["ptd-update", "-q", "--lr", "1e-3"]]

    def bits(self, store):
        rows = [json.loads(line) for line in self.call("ptd-dump", store).splitlines()]
        return [r["xxh3"] for r in rows if (r.get("kind") == "weights" and r.get("head")) or r.get("kind") == "optim"]

    def killed(self, store, steps, size):
        """The trainer dies once it has told of a step; nobody else hangs."""
        told = self.run.at / "hit.jsonl"
        with open(told, "wb") as out:
            all_ = self.started(self.commands(store, steps, size), {}, out)
            while all_[-1].poll() is None and not told.stat().st_size and self.run.left() > 1:
                time.sleep(0.05)
            all_[-1].kill()
            self.wait(all_)


def check_pipeline(run):
    size = ["-P", "2", "-G", "4", "-m", "8"] if run.emulated else ["-P", "8", "-G", "8", "-m", "16"]
    p, steps = Pipeline(run), 3
    p.prepare()
    p.fresh("whole.ptd")
    with open(run.at / "whole.jsonl", "wb") as out:
        p.chain(p.commands("whole.ptd", steps, size), {}, out)
    told = [json.loads(line) for line in (run.at / "whole.jsonl").read_text().splitlines()]
    if len(told) != steps or not all(0 < m["actor/grad_norm"] < 1e6 for m in told):
        raise Failed(f"{len(told)} steps, gradients {[m.get('actor/grad_norm') for m in told]}")
    p.fresh("hit.ptd")
    p.killed("hit.ptd", steps, size)
    p.chain(p.commands("hit.ptd", steps, size), {}, subprocess.DEVNULL)
    if not p.bits("whole.ptd") or p.bits("hit.ptd") != p.bits("whole.ptd"):
        raise Failed("killed and resumed, it ended in other bits")
    return f"{steps} steps; killed and resumed: the same bits"


def check(run):
    run.do("instructions", lambda: check_instructions(run))
    for name, limit in ("driver", 30), ("kernels", 60), ("attention", 60), ("head", 60):
        run.do(f"kernels: {name}", lambda: check_kernels(run, name, limit))
    for name in "test-ops", "test-rows", "test-device":
        run.do(f"operations: {name}", lambda: check_program(run, name, 60))
    run.do("networks", lambda: check_program(run, "test-gpu-network", 90))
    run.do("pipeline", lambda: check_pipeline(run))
    for tool in "memcheck", "racecheck":
        run.do(f"compute-sanitizer {tool}", lambda: check_sanitizer(run, tool))


# ---- speed ----

class Party:
    """speed.c or peer.py: asked for works, one at a time."""
    def __init__(self, run, words, log):
        self.log = open(run.logs / log, "w")
        self.run, self.process = run, subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                                       env=run.env, cwd=run.at)
        self.late = False

    def ask(self, work, argument, limit=60):
        """Seconds; nan: it cannot."""
        if self.process.poll() is not None:
            raise Failed(f"it has ended: {self.process.args[0]}, status {self.process.returncode}")
        stop = signal.signal(signal.SIGALRM, self.overdue)
        signal.alarm(max(1, int(min(limit * self.run.slowness(), self.run.left()))))
        try:
            self.process.stdin.write(f"{work} {argument}\n")
            self.process.stdin.flush()
            said = self.process.stdout.readline()
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, stop)
        if not said:
            raise Failed(f"{work} {argument}: {'took too long' if self.late else 'it ended'}, see {self.log.name}")
        return float(said)

    def overdue(self, *_):
        self.late = True
        self.process.kill()

    def end(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.log.close()


class Shape:
    """Sums over a built-in model's config."""
    def __init__(self, run, name):
        path = next((p for p in (HERE / f"{name}.json", HERE.parents[1] / f"lib/builtin/{name}/config.json") if p.exists()), None)
        if not path:
            raise Failed(f"no config of {name}")
        c = json.loads(path.read_text())["text_config"]
        self.hidden, self.vocabulary, self.layers, self.dim = c["hidden_size"], c["vocab_size"], c["num_hidden_layers"], c["head_dim"]
        self.q, self.kv = c["num_attention_heads"] * self.dim, c["num_key_value_heads"] * self.dim
        self.matrices = self.layers * (self.hidden * (2 * self.q + 2 * self.kv) + 3 * self.hidden * c["intermediate_size"])
        self.head = self.hidden * self.vocabulary
        self.key_bytes = 2 * 2 * self.layers * self.kv  # of a token, keys and values

    @staticmethod
    def counts(argument):
        prompts, prompt, answers, answer = map(int, argument.split(":"))
        return prompts * (prompt + answers * answer), prompts * answers * answer, prompts * answers, prompts, prompt

    def read_flops(self, argument):
        rows, targets, *_ = self.counts(argument)
        return 2 * self.matrices * rows + 2 * self.head * targets

    def step_flops(self, argument):
        rows, targets, *_ = self.counts(argument)
        return 8 * self.matrices * rows + 6 * self.head * targets

    def decode_bytes(self, argument):
        """Of one token of each answer: all weights, each prompt's keys once, each answer's own."""
        _, _, sequences, prompts, prompt = self.counts(argument)
        own = int(argument.split(":")[3]) / 2
        return 2 * (self.matrices + self.head) + self.key_bytes * (prompts * prompt + sequences * own)


def attention_flops(argument):
    prompt, answers, answer, heads, _, dim, causal = map(int, argument.split(":"))
    half = 2 if causal else 1
    return 4 * dim * heads * (prompt * prompt / half + answers * (answer * prompt + answer * answer / half))


BIG = dict(copy=1 << 31, product="8192:8192:8192", long="4096:0:0:64:32:128:1", shared="1024:8:512:16:8:128:1", picture="4096:0:0:16:16:64:0",
           head="16384:2048:151936", model="qwen3-vl-2b", words="8:256:8:224", decode=("8:1024:8:33", "32:1024:8:33"), times=7,
           fits=(("qwen3-vl-4b", "split:f32"), ("qwen3-vl-8b", "none:8bit")))
SMALL = dict(copy=1 << 14, product="32:64:48", long="70:0:0:2:1:32:1", shared="20:2:9:2:1:32:1", picture="40:0:0:2:2:64:0", head="3:32:512",
             model="tiny", words="1:12:2:4", decode=("1:9:2:3",), times=1, fits=(("tiny", "none:8bit"),))


class Bench:
    def __init__(self, run):
        self.run, self.z, self.lines = run, SMALL if run.emulated else BIG, []
        self.bandwidth = self.rate = math.nan
        self.ours, self.peer = None, None

    def open(self):
        speed, = self.run.stage("gpu-speed")
        self.ours = Party(self.run, [speed, str(self.z["times"])], "speed.txt")
        python = os.environ.get("PTD_PEERS") or shutil.which("python3")
        has = subprocess.run([python, "-c", "import torch, sys; sys.exit(not torch.cuda.is_available())"], capture_output=True).returncode == 0
        if has or os.environ.get("GPU_PEER"):  # GPU_PEER=cpu: to try this script
            self.peer = Party(self.run, [python, str(HERE / "peer.py"), os.environ.get("GPU_PEER", "cuda")], "peer.txt")

    def beside(self, work, argument, limit):
        """The peer's seconds; nan: nobody says."""
        if not self.peer:
            return math.nan
        try:
            return self.peer.ask(work, argument, limit)
        except Failed as e:
            self.peer = None
            print(f"        the peer is gone: {e}", flush=True)
            return math.nan

    def tell(self, name, value, goal=None, met=None, beside=math.nan):
        """A row of the page, and what is said of it. Nobody's goals are the emulator's."""
        goal = None if self.run.emulated or met is None else goal
        words = value + (f"   {beside:.3g}x the peer" if beside == beside else "") + (f"   goal {goal}: {'met' if met else 'NOT MET'}" if goal else "")
        self.lines.append(f"| {name} | {value} | {f'{beside:.3g}x' if beside == beside else ''} | {goal or ''} | {('yes' if met else 'NO') if goal else ''} |")
        return words

    # ---- rows ----

    def copy(self):
        n = self.z["copy"]
        t = self.ours.ask("copy", n)
        self.bandwidth = 2 * 2 * n / t
        return self.tell("copy within the card", f"{self.bandwidth / 1e12:.3g} TB/s", beside=self.beside("copy", n, 30) / t)

    def product(self):
        n, i, o = map(int, self.z["product"].split(":"))
        t = self.ours.ask("product", self.z["product"])
        self.rate = 2 * n * i * o / t
        return self.tell(f"product {self.z['product']}", f"{self.rate / 1e12:.4g} TFLOP/s", beside=self.beside("product", self.z["product"], 30) / t)

    def attention(self, name, argument, work, goal):
        t = self.ours.ask(work, argument)
        rate = attention_flops(argument) * (2.5 if work == "backward" else 1) / t / 1e12
        return self.tell(f"{name} {argument}", f"{rate:.4g} TFLOP/s", goal and f"at least {goal} TFLOP/s", goal and rate >= goal,
                         self.beside(work, argument, 30) / t)

    def head(self, name, work):
        with Peak() as mine:
            t = self.ours.ask(work, self.z["head"])
        with Peak() as theirs:
            times = self.beside(work, self.z["head"], 60) / t
        memory = f", {mine.gigabytes():.3g} GB with what is read" if mine.gigabytes() == mine.gigabytes() else ""
        if times == times and memory:
            memory += f" (the peer {theirs.gigabytes():.3g})"
        return self.tell(f"{name} {self.z['head']}", f"{t * 1e3:.4g} ms{memory}", "3x the peer", times >= 3 if times == times else None, times)

    def model(self, forms):
        argument = f"{self.z['model']}:{forms}"
        t = self.ours.ask("model", argument, 90)
        return f"{t:.1f} s to make"

    def network(self, name, work, flops, share):
        """Ours and the peer's in turn: both do not fit at once."""
        t = self.ours.ask(work, self.z["words"], 90)
        reached = flops / t / self.rate
        self.mine[work] = t
        return self.tell(name, f"{t:.4g} s, {reached:.0%} of the product's rate", f"at least {share:.0%}", reached >= share)

    def decode(self, argument):
        t = self.ours.ask("decode", argument, 60)
        s = Shape(self.run, self.z["model"])
        sequences = s.counts(argument)[2]
        reached = s.decode_bytes(argument) / t / self.bandwidth
        self.mine[argument] = t
        return self.tell(f"decode, {sequences} answers", f"{t * 1e3:.4g} ms a step, {sequences / t:.4g} tokens/s, {reached:.0%} of the bandwidth's",
                         "at least 60%", reached >= 0.6)

    def peer_model(self, forms):
        if not self.peer:
            raise Skip("no PyTorch with a card here")
        if not self.beside("model", f"{self.z['model']}:{forms}", 90) > 0:
            raise Skip("transformers does not make the model, see peer.txt")

    def beside_ours(self, name, work, argument, least):
        key = argument if work == "decode" else work
        if key not in self.mine:
            raise Skip("ours was not measured")
        times = self.beside(work, argument, 120) / self.mine[key]
        if times != times:
            raise Skip("the peer does not say, see peer.txt")
        return self.tell(f"{name} beside it", f"{times:.3g}x transformers", least and f"at least {least}x", times >= least if least else None)

    def fits(self, name, forms):
        self.ours.ask("model", f"{name}:{forms}", 120)
        self.ours.ask("step", self.z["words"], 120)
        said = self.ours.ask("memory", "-")
        taken = used()
        of_card = f", {taken * 2**20 / 1e9:.4g} GB of the card taken" if taken == taken else ""
        return self.tell(f"{name}, {forms}: a step fits", f"{said / 1e9:.4g} GB allocated{of_card}")

    def profile(self):
        """Counters of the kernels of attention, if ncu is here and may read them."""
        ncu = shutil.which("ncu")
        if self.run.emulated or not ncu:
            raise Skip("no ncu here" if not self.run.emulated else "not of the emulator")
        metrics = "gpu__time_duration.sum,sm__throughput.avg.pct_of_peak_sustained_elapsed,dram__throughput.avg.pct_of_peak_sustained_elapsed"
        asked = "\n".join(f"{w} {self.z['long']}" for w in ("attention", "backward"))
        words = f"echo '{asked}' | {ncu} --clock-control none --metrics {metrics} -k regex:attention -c 4 {self.run.at}/gpu-speed 1"
        try:
            said = self.run.command("bash", "-c", words, limit=40, log="ncu")
        except Failed as e:
            raise Skip(f"ncu: {e}")
        return f"{said.count('sm__throughput')} kernels, see ncu.txt"

    def all(self):
        z, do = self.z, self.run.do
        self.mine = {}
        do("copy", self.copy)
        do("product", self.product)
        for name, argument, goals in (("4k causal, 128", z["long"], (350, 250)), ("shared prompt", z["shared"], (None, None)),
                                      ("picture, 64", z["picture"], (None, None))):
            for work, goal in zip(("attention", "backward"), goals):
                do(f"{work}: {name}", lambda: self.attention(f"{work}: {name}", argument, work, goal))
        do("head: score, top 100", lambda: self.head("head: score, top 100", "score"))
        do("head: learn, JSD", lambda: self.head("head: learn, JSD", "learn"))
        s = Shape(self.run, z["model"])
        if do(f"{z['model']} to read", lambda: self.model("read")):
            do("scoring", lambda: self.network("scoring", "read", s.read_flops(z["words"]), 0.5))
            for argument in z["decode"]:
                do(f"decode {argument}", lambda: self.decode(argument))
        if do(f"{z['model']} to train", lambda: self.model("split:f32")):
            do("gradient step", lambda: self.network("gradient step", "step", s.step_flops(z["words"]), 0.45))
        for name, forms in z["fits"]:
            do(f"{name} {forms}", lambda: self.fits(name, forms))
        self.ours.end()
        if do("transformers", lambda: self.peer_model("read")):
            do("scoring beside it", lambda: self.beside_ours("scoring", "read", z["words"], None))
            do("decode beside it", lambda: self.beside_ours("decode", "decode", z["decode"][0], None))
        if do("transformers to train", lambda: self.peer_model("train")):
            do("gradient step beside it", lambda: self.beside_ours("gradient step", "step", z["words"], 1.5))
        if self.peer:
            self.peer.end()
        do("ncu", self.profile)


def bench(run):
    b = Bench(run)
    if run.do("programs", b.open):
        b.all()
    return b.lines


# ---- the page ----

def write_section(path, into, which, text):
    """The page with what stands between the marks of `which` made anew."""
    page = pathlib.Path(into if pathlib.Path(into).exists() else path).read_text()
    begin, end = f"<!-- {which} -->\n", f"<!-- end of {which} -->\n"
    if begin not in page or end not in page:
        raise Failed(f"{path} has no section {which}")
    head, rest = page.split(begin, 1)
    pathlib.Path(into).write_text(head + begin + text + end + rest.split(end, 1)[1])


def section(run, which, words, lines):
    told = "".join(f"| {r} | {n} | {t:.1f} | {w.replace('|', '/')} |\n" for r, n, t, w in run.rows)
    table = "| work | measured | peer | goal | met |\n|---|---|---|---|---|\n" + "\n".join(lines) + "\n\n" if lines else ""
    return (f"{run.card['name']}, {run.card['memory']}, driver {run.card['driver']}; {datetime.date.today()}; commit {commit()};\n"
            f"`{' '.join(['tests/gpu/gpu.py', *sys.argv[1:]])}`: {words}, {time.monotonic() - run.start:.0f} s.\n\n{table}"
            f"| result | step | s | |\n|---|---|---|---|\n{told}")


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("which", choices=("check", "bench"))
    p.add_argument("--in", dest="folders", default=str(HERE), help="folders with programs, tests and plugins, comma between (this one)")
    p.add_argument("--device", choices=("cuda", "sim"), default="cuda")
    p.add_argument("--logs", default="gpu-logs", help="folder for what the programs said")
    p.add_argument("--results", help="page whose section is made anew (only from a run on a card)")
    p.add_argument("--into", help="write the page here instead")
    return p.parse_args()


def main():
    o = options()
    there = card()
    if o.device == "cuda" and not there:
        print(f"SKIP make gpu-{o.which}: no NVIDIA card answers here (nvidia-smi); nothing was run on a chip")
        return 0
    run = Run(o)
    run.card = there or {}
    if o.device == "cuda":
        print(f"{there['name']}, {there['memory']}, driver {there['driver']}")
    lines = {"check": check, "bench": bench}[o.which](run)
    words, status = run.end()
    if o.results and not run.emulated:
        write_section(o.results, o.into or o.results, o.which, section(run, o.which, words, lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
