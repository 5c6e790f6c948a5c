#!/usr/bin/python3
"""What event files say, read without a library: a JSON line for each value, as TensorBoard would keep it.

usage: tests/event-file.py [--checks] DIR

Every record's two checks are looked at. A session_log START forgets the steps from its own on, as TensorBoard does.
"""
import json
import pathlib
import struct
import sys

TABLE = []
for i in range(256):
    for _ in range(8):
        i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
    TABLE.append(i)


def masked(data):
    c = 0xFFFFFFFF
    for byte in data:
        c = c >> 8 ^ TABLE[(c ^ byte) & 255]
    c ^= 0xFFFFFFFF
    return ((c >> 15 | c << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(path):
    data = path.read_bytes()
    at = 0
    while at < len(data):
        (n,) = struct.unpack_from("<Q", data, at)
        (head,) = struct.unpack_from("<I", data, at + 8)
        body = data[at + 12:at + 12 + n]
        (tail,) = struct.unpack_from("<I", data, at + 12 + n)
        assert head == masked(data[at:at + 8]) and tail == masked(body), f"{path}: record at {at}"
        yield body
        at += 16 + n


def varint(data, at):
    x = shift = 0
    while True:
        byte = data[at]
        at += 1
        x |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return x, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if wire == 0:
            x, at = varint(data, at)
        elif wire == 1:
            (x,) = struct.unpack_from("<d", data, at)
            at += 8
        elif wire == 5:
            (x,) = struct.unpack_from("<f", data, at)
            at += 4
        else:
            assert wire == 2, wire
            n, at = varint(data, at)
            x = data[at:at + n]
            at += n
        yield key >> 3, x


def value(data):
    out = {}
    for field, x in fields(data):
        if field == 1:
            out["tag"] = x.decode()
        elif field == 2:
            out["scalar"] = x if x == x else "NaN"
        elif field == 4:
            image = dict(fields(x))
            out["image"] = {"height": image[1], "width": image[2], "png": image[4][:8].hex(), "ihdr": list(struct.unpack(">II", image[4][16:24]))}
        elif field == 5:
            h = dict(fields(x))
            doubles = lambda b: list(struct.unpack(f"<{len(b) // 8}d", b))
            out["histogram"] = {"min": h[1], "max": h[2], "num": h[3], "sum": h[4], "limits": doubles(h[6]), "counts": doubles(h[7])}
        elif field == 8:
            out["text"] = dict(fields(x))[8].decode()
    return out


kept = []
for path in sorted(pathlib.Path(sys.argv[-1]).glob("*tfevents*")):
    for i, body in enumerate(records(path)):
        event = {"wall": 0, "step": 0}
        values, start = [], False
        for field, x in fields(body):
            if field == 1:
                event["wall"] = x
            elif field == 2:
                event["step"] = x if x < 2**63 else x - 2**64
            elif field == 3:
                assert i == 0 and x == b"brain.Event:2"
            elif field == 5:
                values += [value(v) for f, v in fields(x)]
            elif field == 7:
                start = dict(fields(x)) == {1: 1}
        if start:
            kept = [k for k in kept if k["step"] < event["step"]]
        kept += [{**event, **v} for v in values]
for k in kept:
    print(json.dumps(k))
