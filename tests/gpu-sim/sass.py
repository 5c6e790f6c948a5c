#!/usr/bin/env python3
"""What the assembler made of the kernels: sass.py build/cuda. Registers, spills and stack of each from its log
(*.o.log), beside registers.txt, which --write makes anew; with cuobjdump on the path or in python's nvidia packages
(PyPI: nvidia-cuda-cuobjdump, nvidia-cuda-nvdisasm) also whether the instructions that were meant are there. A spill, a
stack, more registers than the table has or a missing instruction is a failure."""
import pathlib
import re
import shutil
import subprocess
import sys

TABLE = pathlib.Path(__file__).parent / "registers.txt"
# Of a file's kernels: tensor cores, matrices from shared memory, copies without waiting; 16 bytes at a time.
MEANT = {"attention": ["HMMA", "LDSM", "LDGSTS"], "attention_backward": ["HMMA", "LDSM", "LDGSTS"],
         "norm": ["LDG.E.128", "STG.E.128"], "map": ["LDG.E.128", "STG.E.128"], "rows": ["LDG.E.128", "STG.E.128"]}
ENTRY = re.compile(r"Compiling entry function '(\S+)' for '(\S+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, "
                   r"(\d+) bytes spill loads.*?Used (\d+) registers", re.S)


def names(symbols):
    plain = subprocess.run(["c++filt", "-p"], input="\n".join(symbols), capture_output=True, text=True).stdout.splitlines()
    return dict(zip(symbols, (re.sub(r"^void ", "", p) for p in plain)))


def kernels(folder):
    """{(file, kernel, architecture): (registers, spilled and stacked bytes)}"""
    found = {}
    for log in sorted(folder.glob("*.o.log")):
        entries = ENTRY.findall(log.read_text())
        plain = names([e[0] for e in entries])
        for symbol, arch, stack, stores, loads, registers in entries:
            found[log.name[:-6], plain[symbol], arch] = (int(registers), int(stack) + int(stores) + int(loads))
    return found


def tool():
    paths = [shutil.which("cuobjdump")] + [str(p) for s in sys.path for p in pathlib.Path(s).glob("nvidia/*/bin/cuobjdump")]
    return next((p for p in paths if p), None)


def missing(folder):
    """Lines about instructions that were meant and are not there."""
    dump, faults = tool(), []
    if not dump:
        print("SKIP the instructions: no cuobjdump here (PyPI: nvidia-cuda-cuobjdump)")
        return []
    for name, meant in MEANT.items():
        for arch in ("sm_80", "sm_90a"):
            text = subprocess.run([dump, "-sass", "-arch", arch, folder / f"{name}.o"], capture_output=True, text=True).stdout
            faults += [f"{name}.cu, {arch}: no {i}" for i in meant if not re.search(rf"\s{re.escape(i)}", text)]
    return faults


def main():
    folder = pathlib.Path(next((a for a in sys.argv[1:] if not a.startswith("-")), "build/cuda"))
    found = kernels(folder)
    if not found:
        print("SKIP: nothing was compiled for the chip (nvcc is not here, or CUDA=0)")
        return 0
    lines = {f"{f} | {k} | {a}": r for (f, k, a), (r, _) in sorted(found.items())}
    if "--write" in sys.argv:
        TABLE.write_text("# file | kernel | architecture | registers; sass.py --write\n" + "".join(f"{k} | {r}\n" for k, r in lines.items()))
    kept = dict(line.rsplit(" | ", 1) for line in TABLE.read_text().splitlines() if line and line[0] != "#")
    faults = [f"{f}: {k}, {a}: {b} bytes of spills and stack" for (f, k, a), (_, b) in sorted(found.items()) if b]
    faults += [f"{k}: {r} registers, {kept.get(k, 'none')} in the table" for k, r in lines.items() if r > int(kept.get(k, 0))]
    faults += missing(folder)
    print(f"{len(found)} kernels, at most {max(lines.values())} registers")
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


sys.exit(main())
