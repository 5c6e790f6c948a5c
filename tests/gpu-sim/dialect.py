#!/usr/bin/env python3
"""What kernels must not do, because the emulator could not see it go wrong or the chip would not do it the same way each
time: dialect.py FILE.cu... prints one line for each and exits with 1. gpu.h says what to do instead."""
import re
import sys

FORBIDDEN = [
    (r"\((?:const\s+)?(?:struct\s+)?\w+\s*\*+\s*\)\s*&", "the address of a variable as another pointer: its end is not watched"),
    (r"\basm\b", "assembly: an instruction has a wrapper in gpu.h"),
    (r"\batomic\w+\s*\(\s*&?\s*\w*(?:float|double)", "an atomic on floats: its sum depends on the order"),
    (r"\bvolatile\b", "volatile: threads meet at barriers"),
    (r"\b__threadfence\b", "a fence between blocks: blocks meet at the end of a launch"),
    (r"<<<", "a launch that is not GPU_LAUNCH"),
    (r"\b__shared__\b", "shared memory that is not GPU_SHARED"),
    (r"\b(?:cudaDeviceSynchronize|cudaMemcpy|cudaMemset)\s*\(", "a call that is not of the device's stream"),
]
# In a kernel, and not on the host's side of a file.
IN_KERNELS = [
    (r"\((?:const\s+)?(?:struct\s+)?\w+\s*\*+\s*\)\s*[\w(]", "a cast to another pointer: its end is not watched"),
    (r"\breinterpret_cast\b|\bas<", "a cast to another pointer: numbers come by load_nums, go by store_nums"),
    (r"\bstatic\b", "a static variable: all threads would have one"),
]


def bare(text):
    """Without comments and strings; every line keeps its number."""
    keep = lambda m: "\n" * m[0].count("\n") or " "
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"", keep, text, flags=re.S)


def kernels(text):
    """(start, end) of each function that runs on the device, its body's braces included."""
    for m in re.finditer(r"\b(?:__global__|GPU_INLINE|__device__)\b", text):
        brace, semicolon = text.find("{", m.end()), text.find(";", m.end())
        if brace < 0 or 0 <= semicolon < brace:
            continue
        depth, at = 1, brace + 1
        while depth and at < len(text):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        yield brace, at


def faults(path):
    text = bare(open(path).read())
    inside = list(kernels(text))
    found = set()
    for pattern, why in FORBIDDEN:
        found |= {(m.start(), why) for m in re.finditer(pattern, text)}
    for pattern, why in IN_KERNELS:
        found |= {(m.start(), why) for m in re.finditer(pattern, text) if any(a < m.start() < b for a, b in inside)}
    return [f"{path}:{text.count(chr(10), 0, at) + 1}: {why}" for at, why in sorted(found)]


all_faults = [f for path in sys.argv[1:] for f in faults(path)]
print("\n".join(all_faults), end="\n" if all_faults else "")
sys.exit(1 if all_faults or len(sys.argv) < 2 else 0)
