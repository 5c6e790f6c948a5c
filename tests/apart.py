#!/usr/bin/env python3
"""apart.py START A B: how far the weights of two exported folders are apart, over how far those of A have moved from START,
as norms."""
import array
import json
import math
import pathlib
import sys


def tensors(folder):
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        raw = path.read_bytes()
        n = int.from_bytes(raw[:8], "little")
        for name, about in json.loads(raw[8:8 + n]).items():
            if name == "__metadata__":
                continue
            assert about["dtype"] == "F32", (name, about["dtype"])
            first, end = about["data_offsets"]
            yield name, array.array("f", raw[8 + n + first:8 + n + end])


def squares(a, b):
    other = dict(tensors(b))
    return sum((x - y) ** 2 for name, values in tensors(a) for x, y in zip(values, other[name]))


start, one, two = sys.argv[1:]
print("%.3g" % math.sqrt(squares(one, two) / squares(one, start)))
