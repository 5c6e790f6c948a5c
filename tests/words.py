#!/usr/bin/env python3
"""The pages point at what is there: words.py ROOT looks at every *.md of the repository and names,
one line each, a relative link, a heading that a link names, or a path in backquotes that does not
exist.

A path is taken for one of the repository's if its first part is a folder of it, if it begins with
`./` or `../`, or if it ends as sources and pages do. It counts from the page's folder or from ROOT,
and may hold `*`. Blocks of code (indented by four, or fenced) are left alone."""
import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^()\s]+)\)")
QUOTED = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w.*/+-]+/?")
SOURCE = re.compile(r"[\w.*/+-]+\.(c|h|S|sh|py|bats|bash|md)")
MADE = {"bin", "build", "run"}  # by make, so they may be missing


def tracked(root):
    """The repository's files, or all that are there where nobody can tell."""
    git = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, text=True)
    if git.returncode == 0 and git.stdout:
        return [root / name for name in git.stdout.split("\0") if name]
    found = (p for p in root.rglob("*") if p.is_file())
    return [p for p in found if p.relative_to(root).parts[0] not in MADE]


def prose(text):
    """(line number, line) of all that is not code."""
    fenced, blank, code = False, True, False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        code = line.startswith("    ") and (blank or code)
        blank = not line.strip()
        if not fenced and not code:
            yield number, line


def anchors(page):
    """What links to headings of a page may say behind #."""
    heads = (line for _, line in prose(page.read_text()) if line.startswith("#"))
    return {re.sub(r"[^\w -]", "", h.lstrip("#").strip().lower()).replace(" ", "-") for h in heads}


def link_fault(page, target):
    path, _, anchor = target.partition("#")
    if re.match(r"[a-z]+:", target):
        return None
    there = page.parent / path if path else page
    if not there.exists():
        return f"links to {target}, which is not there"
    if anchor and there.suffix == ".md" and anchor not in anchors(there):
        return f"links to {target}, and no heading is called so"
    return None


def path_fault(page, word, root, folders):
    first = word.split("/")[0]
    ours = "/" in word and first in folders | {".", ".."} or SOURCE.fullmatch(word)
    if not ours or not PATH.fullmatch(word):
        return None
    if any(True for place in (page.parent, root) for _ in found(place, word)):
        return None
    return f"names {word}, which is not there"


def found(place, word):
    """Pathlib's glob goes nowhere from a pattern that begins with `..`."""
    while word.startswith("../") or word.startswith("./"):
        place, word = (place.parent if word.startswith("..") else place), word.partition("/")[2]
    return place.glob(word) if word else [place]


def faults(page, root, folders):
    for number, line in prose(page.read_text()):
        told = [link_fault(page, target) for target in LINK.findall(line)]
        told += [path_fault(page, word, root, folders) for word in QUOTED.findall(line)]
        yield from (f"{page.relative_to(root)}:{number}: {fault}" for fault in told if fault)


root = pathlib.Path(sys.argv[1]).resolve()
files = tracked(root)
pages = sorted(p for p in files if p.suffix == ".md" and p.is_file())
folders = {p.relative_to(root).parts[0] for p in files if len(p.relative_to(root).parts) > 1}
lines = [line for page in pages for line in faults(page, root, folders)]
lines += [] if pages else [f"{root}: expected pages, *.md"]
print("".join(f"{line}\n" for line in lines), end="")
sys.exit(1 if lines else 0)
