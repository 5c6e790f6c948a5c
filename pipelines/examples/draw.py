#!/usr/bin/env python3
"""Draws the small data sets of the examples: pictures of 84 x 84 as PNG, questions as JSON lines.

usage: draw.py geometry|charts|grounding|counting|pictures OUT.jsonl [ROWS]
"""
import base64
import json
import os
import random
import struct
import sys
import zlib

SIDE = 84
COLOURS = {"red": (220, 50, 40), "green": (40, 160, 70), "blue": (50, 90, 220), "yellow": (235, 195, 40)}
INK = (20, 20, 20)


class Picture:
    def __init__(self):
        self.rows = [[(255, 255, 255)] * SIDE for _ in range(SIDE)]

    def dot(self, x, y, colour):
        if 0 <= x < SIDE and 0 <= y < SIDE:
            self.rows[y][x] = colour

    def box(self, x0, y0, x1, y1, colour):
        for y in range(y0, y1):
            for x in range(x0, x1):
                self.dot(x, y, colour)

    def disc(self, x, y, r, colour):
        for dy in range(-r, r + 1):
            for dx in range(-r, r + 1):
                if dx * dx + dy * dy <= r * r:
                    self.dot(x + dx, y + dy, colour)

    def line(self, x0, y0, x1, y1):
        n = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(n + 1):
            self.box(*[round(a + (b - a) * i / n) + k for k in (0, 2) for a, b in ((x0, x1), (y0, y1))], INK)

    def png(self):
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        raw = b"".join(b"\0" + bytes(v for pixel in row for v in pixel) for row in self.rows)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def places(rng, n):
    """Corners of n cells of 21 x 21 that do not overlap."""
    return [(21 * (c % 4), 21 * (c // 4)) for c in rng.sample(range(16), n)]


def geometry(rng, name):
    """A right triangle; its picture as bytes in the row, as data sets have it that were Parquet."""
    a, b = rng.randint(2, 6), rng.randint(2, 6)
    p, x, y = Picture(), 10, 74
    for line in ((x, y, x + 10 * a, y), (x, y, x, y - 10 * b), (x + 10 * a, y, x, y - 10 * b)):
        p.line(*line)
    c = a * a + b * b
    answer = str(round(c ** 0.5)) if round(c ** 0.5) ** 2 == c else f"\\sqrt{{{c}}}"
    return {"problem": "<image>The squares of the grid are 10 pixels wide. How long is the longest side?", "answer": answer,
            "images": [{"bytes": base64.b64encode(p.png()).decode()}], "data_source": "right-triangle",
            "solution": f"{a}^2 + {b}^2 = {c}. \\boxed{{{answer}}}", "steps": ["count the two sides at the right angle", "square, add, take the root"]}


def charts(rng, name):
    values = [rng.randint(5, 40) for _ in COLOURS]
    p = Picture()
    p.line(8, 4, 8, 80), p.line(8, 80, 80, 80)
    for i, (colour, v) in enumerate(zip(COLOURS, values)):
        p.box(12 + 17 * i, 79 - round(1.8 * v), 24 + 17 * i, 80, COLOURS[colour])
    i = rng.randrange(4)
    colour = list(COLOURS)[i]
    return {"question": f"<image>What is the value of the {colour} bar, if the axis ends at 42?", "answer": values[i], "image": picture(p, name),
            "category": colour, "solution": f"{colour} {values[i]}. \\boxed{{{values[i]}}}", "steps": [f"look at the {colour} bar", "compare its height with the axis"]}


def grounding(rng, name):
    p, at = Picture(), places(rng, 4)
    boxes = {}
    for (x, y), (colour, value) in zip(at, COLOURS.items()):
        w, h = rng.randint(9, 19), rng.randint(9, 19)
        boxes[colour] = [x + 1, y + 1, x + 1 + w, y + 1 + h]
        p.box(*boxes[colour], value)
    colour = rng.choice(list(COLOURS))
    return {"question": f"<image>Where is the {colour} box? [left, top, right, bottom] in pixels of {SIDE}.", "answer": boxes[colour], "judge": "iou",
            "images": [picture(p, name)], "category": colour, "solution": f"\\boxed{{{boxes[colour]}}}", "steps": [f"find what is {colour}", "read its four edges"]}


def counting(rng, name):
    p, n = Picture(), rng.randint(1, 9)
    at = places(rng, 12)
    for i, (x, y) in enumerate(at):
        p.disc(x + 10, y + 10, rng.randint(5, 9), COLOURS["red"] if i < n else COLOURS[rng.choice(["green", "blue", "yellow"])])
    return {"question": "<image>How many red discs are there?", "answer": n, "images": [picture(p, name)], "category": "red",
            "solution": f"red {n}. \\boxed{{{n}}}", "steps": ["look at the red discs", "count them row by row"]}


def pictures(rng, name):
    counts = rng.sample(range(1, 9), 2)
    files = []
    for k, n in enumerate(counts):
        p = Picture()
        for x, y in places(rng, n):
            p.box(x + 4, y + 4, x + 17, y + 17, COLOURS["blue"])
        files.append(picture(p, f"{name}-{k}"))
    return {"question": "Which has more boxes, <image 1> or <image 2>?", "images": files, "options": ["the first", "the second"],
            "answer": int(counts[1] > counts[0]), "judge": "choice", "category": "more",
            "solution": f"{counts[0]} and {counts[1]}. \\boxed{{{'AB'[counts[1] > counts[0]]}}}", "steps": ["count the boxes of each picture", "compare"]}


def picture(p, name):
    """Its path, beside the data set."""
    with open(os.path.join(folder, name + ".png"), "wb") as f:
        f.write(p.png())
    return os.path.join(os.path.basename(folder), name + ".png")


kind, out, rows = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 256
folder = os.path.splitext(out)[0] + ".img"
os.makedirs(folder, exist_ok=True)
rng = random.Random(f"{kind} {os.path.basename(out)}")  # train.jsonl, test.jsonl: others
draw = {f.__name__: f for f in (geometry, charts, grounding, counting, pictures)}[kind]
with open(out + ".part", "w") as f:
    for i in range(rows):
        f.write(json.dumps({"id": f"{kind}-{i:04d}", **draw(rng, f"{i:04d}")}) + "\n")
os.rename(out + ".part", out)
