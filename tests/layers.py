#!/usr/bin/env python3
"""The house stands on its rooms: layers.py ROOM... (from the ground up) looks at every file under lib/ and refuses, one
line each, an include that goes upwards, an include without its room, a file in none of the rooms, and a circle."""
import pathlib
import re
import sys

ROOMS = sys.argv[1:]
HERE = pathlib.Path("lib")
INCLUDE = re.compile(r'^\s*(?:#|%:)\s*include\b\s*(.*?)\s*$')


def room_of(path):
    return str(path.parent)


def bare(text):
    """Without comments and continued lines; every line keeps its number."""
    text = re.sub(r"\\\n(.*)", r"\1\n", text)
    keep_lines = lambda m: "\n" * m[0].count("\n") or " "
    return re.sub(r"/\*.*?\*/|//[^\n]*", keep_lines, text, flags=re.S)


def includes(path):
    """(line number, included path) of each include but those of the system; None: of nobody knows what."""
    for number, line in enumerate(bare((HERE / path).read_text()).splitlines(), 1):
        found = INCLUDE.match(line)
        named = found and re.fullmatch(r'(["<])(.*)[">]', found[1])
        if found and not named:
            yield number, None
        elif named and (named[1] == '"' or named[2].split("/")[0] in {r.split("/")[0] for r in ROOMS}):
            yield number, pathlib.PurePath(named[2])


def faults_of(path):
    if room_of(path) not in ROOMS:
        return [f"lib/{path}: lies in no room, expected one of {' '.join(ROOMS)}"]
    faults = []
    for number, other in includes(path):
        at = f"lib/{path}:{number}: includes {other}"
        if other is None or other.suffix != ".h":
            faults.append(f"lib/{path}:{number}: includes {other or 'a macro'}, expected a header by its name")
        elif room_of(other) not in ROOMS:
            faults.append(f"{at}, expected a file of a room")
        elif ROOMS.index(room_of(other)) > ROOMS.index(room_of(path)):
            faults.append(f"{at}: {room_of(other)} is above {room_of(path)}")
    return faults


def circle(graph, start):
    """A way through the headers from start back to it, or None."""
    ways = [[start]]
    seen = set()
    while ways:
        way = ways.pop()
        for other in graph.get(way[-1], ()):
            if other == start:
                return way + [start]
            if other not in seen:
                seen.add(other)
                ways.append(way + [other])
    return None


files = sorted(p.relative_to(HERE) for p in HERE.rglob("*.[ch]"))
headers = {p: [o for _, o in includes(p) if o] for p in files if p.suffix == ".h"}
faults = [f for p in files for f in faults_of(p)]
faults = faults or [f"lib/{p}: includes itself by way of {' '.join(map(str, w[1:-1])) or 'itself'}"
           for p in headers for w in [circle(headers, p)] if w]
print("\n".join(faults), end="\n" if faults else "")
sys.exit(1 if faults or not files else 0)
