#!/usr/bin/env python3
"""bench-token.py BENCH_TOKEN TOKENIZER_JSON_GZ: our tokenizer beside the `tokenizers` library, one thread each, in turn.

Seconds of processor time for 1 MiB of each text, median of five rounds: as one text, and line by line (the library's
faster call each time). Texts: the licences and the modules of this machine, and what make-token-vectors.py draws.
"""
import gzip
import importlib.util
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")
from tokenizers import Tokenizer

ROUNDS, SIZE = 5, 1 << 20


def files(paths):
    return "".join(p.read_text(errors="replace") for p in paths)


def drawn(kind, v):
    r, out, size = random.Random(kind.__name__), [], 0
    while size < SIZE:
        out.append(kind(r, v) + "\n")
        size += len(out[-1].encode())
    return "".join(out)


def texts(root):
    spec = importlib.util.spec_from_file_location("vectors", pathlib.Path(__file__).parent / "vectors/make-token-vectors.py")
    m = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(m)
    v = m.material(root)
    yield "prose", files(sorted(pathlib.Path("/usr/share/common-licenses").iterdir())) * 4
    yield "code", files(sorted(pathlib.Path(os.__file__).parent.glob("*.py")))
    for kind in (m.sentence, m.latex, m.emoji, m.decomposed, m.white, m.glued_letters, m.runs, m.mixed):
        yield kind.__name__, drawn(kind, v)
    yield "digits", "".join(random.Random(1).choices("0123456789", k=SIZE))
    yield "letters", "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=SIZE))


def cut(text):
    return text.encode()[:SIZE].decode(errors="ignore")


def timed(call, *args, **kw):
    start = time.process_time()
    call(*args, **kw)
    return time.process_time() - start


def theirs(tokenizer, text, by_line):
    if not by_line:
        return timed(tokenizer.encode_batch_fast, [text], add_special_tokens=False)
    return timed(tokenizer.encode_batch_fast, text.splitlines(keepends=True), add_special_tokens=False)


def ours(program, file, path, by_line):
    out = subprocess.run([program, "lines" if by_line else "encode", file, path, "3"], check=True, capture_output=True)
    return float(out.stdout.split()[0])


def main():
    program, file = sys.argv[1:]
    data = gzip.open(file).read()
    tokenizer = Tokenizer.from_buffer(data)
    print("%-14s %10s %10s %6s   by line %10s %10s %6s" % ("1 MiB of", "library", "ours", "ratio", "library", "ours", "ratio"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "text")
        for name, text in texts(json.loads(data)):
            text = cut(text)
            pathlib.Path(path).write_bytes(text.encode())
            row = []
            for by_line in (False, True):
                rounds = [(theirs(tokenizer, text, by_line), ours(program, file, path, by_line)) for _ in range(ROUNDS)]
                a, b = (statistics.median(x) for x in zip(*rounds))
                row += [a, b, a / b]
            print("%-14s %8.3f s %8.3f s %6.1f           %8.3f s %8.3f s %6.1f" % (name, *row), flush=True)


if __name__ == "__main__":
    main()
