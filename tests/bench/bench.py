#!/usr/bin/python3
"""bench.py [WORD,WORD...]: one table of how long our works take beside PyTorch's and beside what the machine allows.

Each row runs its parties in turn, some rounds long, and shows the median of the rounds' ratios, never seconds. Before a
round it waits until the machine is idle, BENCH_WAIT seconds at most (20). The last column says how many cores other
processes kept busy meanwhile: from 0.2 on the figures are not to be believed, since PyTorch's threads wait by spinning and
suffer most. A row is run if its label holds one of the words (none given: all but those of real size, real.py). PyTorch runs at its best setting: the
OpenMP build of OpenBLAS and as many threads as cores. Comes with `make bench`.

With BEFORE=BUILD (the folder of another checkout's objects and benches, such as ../before/build/cpu) the table is another
one: each of our arithmetic works beside that build's, 9 rounds in turn, as the median of the rounds' ratios.
"""
import glob
import json
import os
import pathlib
import pty
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import real  # noqa: E402

HERE = pathlib.Path(__file__).parent
BUILD, BIN = pathlib.Path(os.environ["PTD_BUILD"]), os.environ["PTD_BIN"]
WORDS = [w for w in ",".join(sys.argv[1:]).split(",") if w]
SHAPES = {"tiny": (4, 128, 4, 2, 320, 640, 32, 128), "small": (4, 128, 4, 2, 352, 512, 32, 128),
          "medium": (12, 512, 8, 4, 1408, 8192, 4, 256)}
SCRATCH = tempfile.TemporaryDirectory(dir=BUILD)  # on a disk, unlike /tmp perhaps
TICKS = os.sysconf("SC_CLK_TCK")
REST = 0.06  # seconds until the threads of the last party sleep


class Party:
    """A program that does works on request; started when first asked."""
    started = []

    def __init__(self, command, env=None):
        self.command, self.env, self.process = command, env, None

    def ask(self, work, argument):
        if not self.process:
            self.process = subprocess.Popen(self.command, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.started.append(self)
        time.sleep(REST)
        self.process.stdin.write(f"{work} {argument}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def busy(self):
        """Seconds of processor time so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def end(self):
        if self.process:
            self.process.communicate()
            self.process = None
            self.started.remove(self)


def torch_party():
    libraries = glob.glob("/usr/lib/*/openblas-openmp")
    env = dict(os.environ, LD_LIBRARY_PATH=libraries[0]) if libraries else None
    return Party(["/usr/bin/python3", HERE / "torch_peer.py", SCRATCH.name], env)


ours, parts, sgemm = (Party([BUILD / f"bench-{n}"]) for n in ("engine", "parts", "sgemm"))
BEFORE = os.environ.get("BEFORE")
ours_before, parts_before = (Party([pathlib.Path(BEFORE or BUILD) / f"bench-{n}"]) for n in ("engine", "parts"))
torch = torch_party()
judge = Party([BUILD / "bench-judge"])
PEERS = os.environ.get("PTD_PEERS")  # the Python of an environment with math-verify; none: ours alone
math_verify = Party([PEERS, HERE / "judge_peer.py"])
CORES = len(os.sched_getaffinity(0))


class Load:
    """What other processes take while we measure."""
    elsewhere = wall = 0.0

    @staticmethod
    def machine():
        fields = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
        return (sum(fields) - fields[3] - fields[4]) / TICKS

    @classmethod
    def wait(cls):
        until = time.perf_counter() + float(os.environ.get("BENCH_WAIT", 20))
        while time.perf_counter() < until:
            before = cls.machine()
            time.sleep(0.4)
            if cls.machine() - before < 0.04:
                return

    @classmethod
    def watch(cls, work):
        own = lambda: sum(p.busy() for p in Party.started) + sum(os.times()[:4])
        started = list(Party.started)
        start, machine, mine = time.perf_counter(), cls.machine(), own()
        answers = work()
        if started == Party.started:
            cls.elsewhere += max(0, cls.machine() - machine - own() + mine)
            cls.wall += time.perf_counter() - start
        return answers

    @classmethod
    def taken(cls):
        cores, cls.elsewhere, cls.wall = cls.elsewhere / max(cls.wall, 1e-9), 0.0, 0.0
        return cores


def rounds(n, *asks, before=1):
    """n rounds of all asks in turn, after some that do not count: [ [answer of each ask] of each round ]"""
    answers = []
    for _ in range(before + n):
        Load.wait()
        answers.append(Load.watch(lambda: [party.ask(*what) for party, *what in asks]))
    return answers[before:]


def middle(values):
    return statistics.median(values)


def weights(shape):
    path = f"{SCRATCH.name}/{shape}.weights"
    if not os.path.exists(path):
        ours.ask("weights", f"{shape}:{path}")


def flops(shape):
    """6 a weight and token, and causal attention."""
    layers, d, heads, kv, ffn, vocab, b, t = SHAPES[shape]
    n = layers * (2 * d * d + 2 * d * (d // heads) * kv + 3 * d * ffn) + vocab * d
    return 6 * (n + layers * d * t) * b * t


def step(shape, n):
    weights(shape)
    rate, mine, again, peers = zip(*rounds(n, (sgemm, "product", CORES), (ours, "step", shape), (sgemm, "product", CORES), (torch, "step", shape)))
    losses = [p.ask("loss", shape) for p in (ours, torch)]
    assert abs(losses[0] - losses[1]) < 2e-4, f"the peers do not compute the same: losses {losses}"
    return (middle(flops(shape) / t / (a + b) * 2 for t, a, b in zip(mine, rate, again)),
            middle(p / t for p, t in zip(peers, mine)))


def faster(work, shape, n):
    weights(shape)
    return (middle(p / t for t, p in rounds(n, (ours, work, shape), (torch, work, shape))),)


def refilling(shape, n):
    return (middle(w / r for r, w in rounds(n, (ours, "refilled", shape), (ours, "waves", shape))),)


def tutoring(shape, n):
    return (middle(p / g for g, p in rounds(n, (ours, "grpo", shape), (ours, "ptd", shape))),)


def heads(size, n):
    mine, over, peers = zip(*rounds(n, (parts, "jsd", size), (parts, "over", size), (torch, "jsd", size)))
    return middle(p / t for p, t in zip(peers, mine)), middle(over)


def codec(n):
    pack, copy, unpack, check, frames, raw = zip(*rounds(n, *((parts, w, "-") for w in ("pack", "copy", "unpack", "check", "frames", "raw"))))
    return (middle(p / c for p, c in zip(pack, copy)), middle(unpack) * 1e6, middle(check) * 1e6, middle(r / f for r, f in zip(raw, frames)))


def commit(mib, n):
    """Both write into a file that has reached its size: the plain one after a round, a store after those that make room for four generations."""
    where = f"{mib}:{SCRATCH.name}"
    return (middle(c / f for c, f in rounds(n, (parts, "commit", where), (parts, "file", where), before=5)),)


def memory(shape):
    weights(shape)
    answers = []
    for fresh in Party(ours.command), torch_party():
        answers.append(fresh.ask("memory", shape))
        fresh.end()
    return (answers[0] / answers[1], *answers)


def empty(n):
    """Milliseconds of the five programs when there is nothing to do: a run at its last step."""
    store, data = f"{SCRATCH.name}/done.ptd", f"{SCRATCH.name}/done.jsonl"
    line = (f"set -o pipefail; cd {BIN}; ./ptd-rollout -q -s {store} -P 1 -G 2 -m 4 -n 1 {data} | ./ptd-verify -q | ./ptd-hint -q"
            " | ./ptd-ref -q | ./ptd-update -q > /dev/null")
    subprocess.run([f"{BIN}/ptd-init", "-q", store, "--config", "tiny"], check=True)
    subprocess.run([f"{BIN}/ptd-data", "digits", "-q", data, "--count", "4"], check=True)
    times = []
    for _ in range(n + 1):
        Load.wait()
        start = time.perf_counter()
        Load.watch(lambda: subprocess.run(["bash", "-c", line], check=True))
        times.append(time.perf_counter() - start)
    return (middle(times[1:]) * 1e3,)


def drain(terminal):
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:  # nobody has the other end any more
        os.close(terminal)


def processor_time(line, env):
    """Seconds that the programs of a pipe spend, whoever else is at work; their messages go to a terminal."""
    ours, theirs = pty.openpty()
    reader = threading.Thread(target=drain, args=(ours,))
    reader.start()
    child = subprocess.Popen(["bash", "-c", f"set -o pipefail; {line}"], stderr=theirs, env=env)
    os.close(theirs)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    reader.join()
    assert status == 0, f"{line}: status {status}"
    return usage.ru_utime + usage.ru_stime


def seen(n):
    """What it costs a run of the tiny model that it is seen, in processor time of its five programs: with its block on a terminal, its
    posts on the board, ptd-watch and ptd-metrics beside it, over one of which nobody sees anything; and that over one with --record and --trace."""
    base, data, shm = (f"{SCRATCH.name}/seen.{x}" for x in ("ptd", "jsonl", "shm"))
    env = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", PTD_THREADS="1")
    hidden, shown = dict(env, PTD_SHM=shm), dict(env, PTD_SHM=f"{shm}.seen")  # in the first a folder has the board's name: there is none
    shell = lambda command: subprocess.run(["bash", "-ec", command], check=True, env=env)
    shell(f"ptd-init -q {base} --config tiny; ptd-data digits -q {data} --count 64; mkdir -p {shm}/ptd-board-$UID {shm}.seen")

    def run(env, quiet="-q", record="", trace=""):
        shell(f"rm -rf {base}.run; ptd-init -q {base}.run --from-store {base}; : > {base}.metrics")
        beside = [["ptd-metrics", "-q", "--follow", "--tensorboard", f"{base}.tb", f"{base}.metrics"],
                  ["ptd-watch", "-q", "--serve", "127.0.0.1:0", f"{base}.run", f"{base}.metrics"]] if env is shown else []
        beside = [subprocess.Popen(x, executable=f"{BIN}/{x[0]}", env=env, stderr=subprocess.DEVNULL) for x in beside]
        seconds = processor_time(f"ptd-rollout {quiet} -s {base}.run -P 16 -G 8 -m 32 -n 8 {record} {data} | ptd-verify {quiet} | ptd-hint {quiet}"
                                 f" | ptd-ref {quiet} | ptd-update {quiet} {trace} >> {base}.metrics", env)
        for p in beside:
            p.terminate()
            p.wait()
        return seconds

    turns = [(run(hidden), run(shown, ""), run(hidden, record="--record", trace=f"--trace {base}.trace")) for _ in range(n + 1)][1:]
    return middle(s / a for a, s, _ in turns), middle(r / a for a, _, r in turns)


MEDIUM = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 12, "num_attention_heads": 8, "num_key_value_heads": 4,
          "head_dim": 64, "vocab_size": 8192,
          "rope_scaling": {"mrope_interleaved": True, "mrope_section": [12, 10, 10], "rope_type": "default"}}


def ranks(n):
    """Steps a second of 2 ranks with a thread each over those of one rank with two, and bytes sent over those of a gradient."""
    base, data, stream = (f"{SCRATCH.name}/ranks.{x}" for x in ("ptd", "jsonl", "rec"))
    folder = pathlib.Path(f"{SCRATCH.name}/medium")
    shutil.copytree(HERE.parent.parent / "lib/builtin/tiny", folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"].update(MEDIUM)
    config["vision_config"]["out_hidden_size"] = MEDIUM["hidden_size"]
    (folder / "config.json").write_text(json.dumps(config))
    run = lambda command, **env: subprocess.run(["bash", "-ec", command], check=True, capture_output=True, text=True, env=dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", **env)).stdout
    run(f"ptd-init -q {base} --config {folder}; ptd-data digits -q {data} --count 64; ptd-gold -q -s {base} -P 16 -n 3 {data} > {stream}")
    seconds = lambda lines: middle([json.loads(x)["timing_s/update_actor"] for x in lines.splitlines()[1:]])
    ratios, sent = [], 0
    for _ in range(n):
        run(f"rm -rf {base}.*; cp -r {base} {base}.one; cp -r {base} {base}.two; cp -r {base} {base}.two.1")
        Load.wait()
        one = run(f"ptd-update -q --loss sft -s {base}.one {stream}", PTD_THREADS="2")
        two = run(f"ptd-run -q -n 2 -s {base}.two -- 'ptd-update -q --loss sft {stream}'", PTD_THREADS="1")
        ratios.append(seconds(one) / seconds(two))
        sent = json.loads(two.splitlines()[-1])["perf/bytes_sent"]
    numbers = int(run(f"ptd-dump {base} | jq 'select(.kind == \"weights\").numbers'"))
    return middle(ratios), sent / (4 * numbers)


def judging(work, n):
    """Millions of answers a minute on one core, and how many times math-verify's."""
    path = HERE.parent / "vectors/judge.tsv"
    seconds = rounds(n, (judge, work, path), *([(math_verify, work, path)] if PEERS else []))
    rate = middle(6e-5 / s[0] for s in seconds)
    return (rate, middle(s[1] / s[0] for s in seconds)) if PEERS else (rate,)


# label, what to do, and per answer: format, goal ("" for none), whether it is met
AT_LEAST, AT_MOST = (lambda x, y: x >= y), (lambda x, y: x <= y)


def over(goal, text="{:.2f}x PyTorch"):
    return text, goal, AT_LEAST


def under(goal, text):
    return text, goal, AT_MOST


OF_SGEMM = "{:.2f} of sgemm"
ROWS = [
    ("gradient step, tiny", lambda: step("tiny", 7), over(None, OF_SGEMM), over(None)),
    ("gradient step, small", lambda: step("small", 9), over(0.68, OF_SGEMM), over(1.5)),
    ("gradient step, medium", lambda: step("medium", 5), over(0.80, OF_SGEMM), over(1.3)),
    ("sampling 64 of 8 prompts, 64+64, tiny", lambda: faster("sample", "tiny", 7), over(None)),
    ("sampling 64 of 8 prompts, 64+64, small", lambda: faster("sample", "small", 7), over(5)),
    ("sampling 64 of 8 prompts, 64+64, medium", lambda: faster("sample", "medium", 3), over(3)),
    ("64 ragged answers, 8 at once, refilled, small", lambda: refilling("small", 9), over(1.05, "{:.2f}x in waves")),
    ("scoring 64 x 128 with top-100, tiny", lambda: faster("score", "tiny", 7), over(None)),
    ("scoring 64 x 128 with top-100, small", lambda: faster("score", "small", 7), over(3)),
    ("scoring 64 x 128 with top-100, medium", lambda: faster("score", "medium", 3), over(1.4)),
    ("Top-100 JSD with gradient, 8192 x 512", lambda: heads("8192x512", 7), over(6), under(None, "{:.2f} of the plain head")),
    ("Top-100 JSD with gradient, 2048 x 8192", lambda: heads("2048x8192", 7), over(12), under(1.2, "{:.2f} of the plain head")),
    ("whole PTD-PO step, tiny", lambda: faster("ptd", "tiny", 5), over(None)),
    ("whole PTD-PO step, small", lambda: faster("ptd", "small", 5), over(3.5)),
    ("whole PTD-PO step, medium", lambda: faster("ptd", "medium", 2), over(2.3)),
    ("gradient, prompt shared or not, small", lambda: (ours.ask("sharing", "small"),), under(1e-5, "{:.1e} apart")),
    ("gradient, prompt shared or not, medium", lambda: (ours.ask("sharing", "medium"),), under(1e-5, "{:.1e} apart")),
    ("PTD-PO over GRPO, half failed, small", lambda: tutoring("small", 11), under(1.14, "{:.3f}x")),
    ("PTD-PO over GRPO, half failed, medium", lambda: tutoring("medium", 3), under(1.14, "{:.3f}x")),
    ("record of 6.5 MB", lambda: codec(31), under(2, "pack {:.2f}x memcpy"), under(50, "unpack {:.0f} us"), under(None, "check {:.0f} us"), over(0.8, "pipe {:.2f} of raw")),
    ("commit 16 MiB, durable", lambda: commit(16, 15), under(1.5, "{:.2f}x a plain file")),
    ("commit 256 MiB, durable", lambda: commit(256, 7), under(1.15, "{:.2f}x a plain file")),
    ("memory of a step, small", lambda: memory("small"), under(0.25, "{:.2f} of PyTorch's"), under(None, "{:.0f} MiB"), under(None, "{:.0f} MiB")),
    ("memory of a step, medium", lambda: memory("medium"), under(0.25, "{:.2f} of PyTorch's"), under(None, "{:.0f} MiB"), under(None, "{:.0f} MiB")),
    ("judging answers without algebra", lambda: judging("plain", 5), over(1, "{:.1f} million a minute"), over(200, "{:.0f}x math-verify")),
    ("judging answers with algebra", lambda: judging("algebra", 5), over(None, "{:.1f} million a minute"), over(None, "{:.0f}x math-verify")),
    ("2 ranks x 1 thread beside 1 x 2, medium (ranks)", lambda: ranks(3), over(0.9, "{:.2f} of its steps/s"), under(1.001, "{:.3f} gradients sent")),
    ("a tiny run that is seen, over one alone", lambda: seen(15), under(1.01, "{:.3f}x the processor"), under(None, "{:.3f}x with --record, --trace")),
    ("five programs, empty input", lambda: empty(9), under(50, "{:.0f} ms")),
]


REAL = real.Real(sys.modules[__name__], SCRATCH.name, BUILD, BIN, PEERS)
if PEERS:
    ROWS += REAL.rows(over, under)


def beside_before(work, argument, now=ours, then=ours_before):
    if now is ours:
        weights(argument)
    return (middle(b / n for n, b in rounds(9, (now, work, argument), (then, work, argument))),)


def works_beside_before():
    """Rows as above: the works of arithmetic, each beside the other build's."""
    text = over(0.97, "{:.2f}x before")
    for shape in "tiny", "small", "medium":
        for work, name in (("step", "gradient step"), ("sample", "sampling 64 of 8 prompts, 64+64"),
                           ("score", "scoring 64 x 128 with top-100"), ("grpo", "whole GRPO step"), ("ptd", "whole PTD-PO step")):
            yield f"{name}, {shape}", lambda work=work, shape=shape: beside_before(work, shape), text
    for size in "8192x512", "2048x8192":
        yield (f"Top-100 JSD with gradient, {size.replace('x', ' x ')}",
               lambda size=size: beside_before("jsd", size, parts, parts_before), text)
    for work in "pack", "unpack", "check":
        yield f"record of 6.5 MB, {work}", lambda work=work: beside_before(work, "-", parts, parts_before), text


def main():
    print(f"{'work':<50} {'measured':<28} {'goal':<14} {'met':<4} others", flush=True)
    for label, work, *columns in works_beside_before() if BEFORE else ROWS:
        if not any(w in label for w in WORDS) if WORDS else label.startswith("real"):
            continue
        values = work()
        others = f"{Load.taken():.2f}"
        for value, (text, goal, met) in zip(values, columns):
            sign = "at least" if met is AT_LEAST else "at most"
            verdict = ("-", "-") if goal is None else (f"{sign} {goal}", "yes" if met(value, goal) else "NO")
            print(f"{label:<50} {text.format(value):<28} {verdict[0]:<14} {verdict[1]:<4} {others}", flush=True)
            label = others = ""
    for p in list(Party.started):
        p.end()


if __name__ == "__main__":
    main()
