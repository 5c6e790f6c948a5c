#!/usr/bin/python3
"""A stream with something changed, whole and with right digests: what another program in the pipe might write.

usage: tests/craft.py IN.rec 'PYTHON' > OUT.rec     (Debian: python3-msgpack)

PYTHON sees `head` (a map), `groups` (maps, in their order) and `g` (the first of them); i32, f32 and f16 make typed arrays.
"""
import ctypes
import struct
import sys

import msgpack

HEAD, GROUP, STEP, END = 1, 2, 3, 4
xxhash = ctypes.CDLL("libxxhash.so.0")
xxhash.XXH3_64bits.restype = ctypes.c_uint64
xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def xxh3(data):
    return xxhash.XXH3_64bits(data, len(data))


def array(kind, form):
    return lambda *values: msgpack.ExtType(kind, struct.pack(f"<{len(values)}{form}", *values))


i32, f32, f16 = array(1, "i"), array(2, "f"), array(3, "e")


def read(path):
    with open(path, "rb") as f:
        return [(kind, msgpack.unpackb(body)) for kind, _, _, body in msgpack.Unpacker(f, max_buffer_size=1 << 30)]


def frame(kind, number, digest, body):
    return b"\x94" + struct.pack(">BBQBQBI", kind, 0xCF, number, 0xCF, digest, 0xC6, len(body)) + body


def marks(**numbers):
    return bytes([0x80 | len(numbers)]) + b"".join(msgpack.packb(k) + b"\xcf" + struct.pack(">Q", v) for k, v in numbers.items())


def write(frames, out):
    digests, counted, all_groups, steps = b"", 0, 0, 0
    for number, (kind, what) in enumerate(frames):
        if kind == STEP:
            body, counted, steps = marks(step=what["step"], count=counted, digest=xxh3(digests)), 0, steps + 1
        elif kind == END:
            body = marks(count=all_groups, steps=steps, digest=xxh3(digests))
        else:
            body = msgpack.packb(what)
            counted, all_groups = counted + (kind == GROUP), all_groups + (kind == GROUP)
        digest = xxh3(struct.pack("<QQ", kind, number) + body)
        digests += struct.pack("<Q", digest)
        out.write(frame(kind, number, digest, body))


frames = read(sys.argv[1])
head = frames[0][1]
groups = [body for kind, body in frames if kind == GROUP]
g = groups[0]
exec(sys.argv[2])
write(frames, sys.stdout.buffer)
