#!/usr/bin/env python3
"""Makes the damaged streams of this folder and EXPECT: for each file its exit status and a pattern of the message behind the file's name.

usage: tests/corpus-stream/make.py      (Debian: python3-msgpack python3-xxhash; only to change the corpus)

Frames are whole and their digests right unless a name says otherwise, so that what is refused is what the name says.
"""
import os
import struct

import msgpack
import xxhash

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD, GROUP, STEP, END = 1, 2, 3, 4
expect = []


def put(name, data, status, pattern=""):
    with open(os.path.join(HERE, name + ".rec"), "wb") as f:
        f.write(data)
    expect.append(f"{name}.rec {status} {pattern}".rstrip())


# ---- frames ----


def digest(kind, seq, body):
    return xxhash.xxh3_64_intdigest(struct.pack("<QQ", kind, seq) + body)


def frame(kind, seq, body, length=None, wrong=0):
    length = len(body) if length is None else length
    return struct.pack(">BBBQBQBI", 0x94, kind, 0xCF, seq, 0xCF, digest(kind, seq, body) ^ wrong, 0xC6, length) + body


def marks(names, values):
    return b"\x83" + b"".join(bytes([0xA0 + len(n)]) + n.encode() + struct.pack(">BQ", 0xCF, v) for n, v in zip(names, values))


class Stream:
    """Frames in order; what steps and ends count and digest is kept as a writer keeps it."""

    def __init__(self):
        self.data, self.seq, self.groups, self.in_step, self.steps, self.digests = b"", 0, 0, 0, 0, b""

    def put(self, kind, body, seq=None, tail=b""):
        seq = self.seq if seq is None else seq
        self.data += frame(kind, seq, body) + tail
        self.digests += struct.pack("<Q", digest(kind, seq, body))
        self.seq += 1
        self.groups, self.in_step = self.groups + (kind == GROUP), self.in_step + (kind == GROUP)
        return self

    def run(self):
        return xxhash.xxh3_64_intdigest(self.digests)

    def step(self, number=1, count=0, wrong=0):
        self.put(STEP, marks(("step", "count", "digest"), (number, self.in_step + count, self.run() ^ wrong)))
        self.steps, self.in_step = self.steps + 1, 0
        return self

    def end(self, count=0, steps=0, wrong=0):
        return self.put(END, marks(("count", "steps", "digest"), (self.groups + count, self.steps + steps, self.run() ^ wrong)))


def pack(x):
    return msgpack.packb(x, unicode_errors="surrogateescape")


ROLLOUTS = [{"ids": msgpack.ExtType(1, b"\7\0\0\0")}]
HEAD_BODY = {"version": 1, "store": "run.ptd", "mode": "train"}


def started(head=None):
    return Stream().put(HEAD, pack(HEAD_BODY) if head is None else head)


def with_head(body):
    """A whole stream whose head has this body."""
    return started(body if isinstance(body, bytes) else pack(body)).step().end().data


def with_group(body):
    return started().put(GROUP, body if isinstance(body, bytes) else pack(body)).step().end().data


u, v, w = (pack({"uid": uid, "rollouts": ROLLOUTS}) for uid in "uvw")
whole = started().put(GROUP, u).put(GROUP, v).step().put(GROUP, w).step(2).end().data
at = [0]  # where frames begin
while at[-1] < len(whole):
    at.append(at[-1] + 25 + struct.unpack(">I", whole[at[-1] + 21 : at[-1] + 25])[0])


def frames(*order):
    return b"".join(whole[at[i] : at[i + 1]] for i in order)


def altered(where, byte):
    return whole[:where] + bytes([byte]) + whole[where + 1 :]


put("whole", whole, 0)
put("nothing", b"", 76, "record 0, byte 0: stream is empty, expected a head frame")
put("one-byte", whole[:1], 76, "record 0, byte 1: stream is cut in the middle of a frame")
put("prefix-cut", whole[:24], 76, "record 0, byte 24: stream is cut in the middle of a frame")
put("prefix-only", whole[:25], 76, "record 0, byte 25: stream is cut in the middle of a frame")
for i, what in enumerate(("head", "group", "group-2", "step", "group-3", "step-2")):
    put("cut-behind-" + what, whole[: at[i + 1]], 76, f"record {i + 1}, byte {at[i + 1]}: stream ended without its end frame")
    put("cut-in-" + what, whole[: at[i + 1] - 1], 76, f"record {i}, byte {at[i + 1] - 1}: stream is cut in the middle of a frame")
put("cut-in-end", whole[:-1], 76, f"record 6, byte {len(whole) - 1}: stream is cut in the middle of a frame")
put("byte-after-end", whole + b"\n", 65, f"record 7, byte {len(whole)}: bytes after the end frame")
put("two-streams", whole + whole, 65, f"record 7, byte {len(whole)}: bytes after the end frame")
put("json", b'{"prompt": "p", "answer": "1", "images": []}\n', 65, "record 0, byte 0: not a ptd stream")
put("text", b"a text of more than twenty-five bytes\n", 65, "record 0, byte 0: not a ptd stream")
put("gzip", b"\x1f\x8b\x08" + bytes(40), 65, "record 0, byte 0: not a ptd stream")
put("zeros", bytes(64), 65, "record 0, byte 0: not a ptd stream")
put("other-msgpack", pack([1, 2, b"x" * 40, 4]), 65, "record 0, byte *: not a ptd stream")
for where, what in ((0, "array"), (2, "number"), (11, "digest"), (20, "bin")):
    put("prefix-" + what, altered(at[1] + where, 0x90), 65, f"record 1, byte {at[1] + where}: damaged frame prefix")
put("kind-0", altered(at[1] + 1, 0), 65, f"record 1, byte {at[1] + 1}: unknown kind of frame, expected 1 to 4")
put("kind-5", altered(at[1] + 1, 5), 65, f"record 1, byte {at[1] + 1}: unknown kind of frame, expected 1 to 4")
put("kind-255", altered(at[1] + 1, 255), 65, f"record 1, byte {at[1] + 1}: unknown kind of frame, expected 1 to 4")
put("kind-changed", altered(at[1] + 1, STEP), 65, f"record 1, byte {at[1]}: damaged frame: its digest does not fit")
put("number-changed", altered(at[1] + 10, 2), 65, f"record 1, byte {at[1]}: damaged frame: its digest does not fit")
put("digest-changed", altered(at[1] + 19, whole[at[1] + 19] ^ 1), 65, f"record 1, byte {at[1]}: damaged frame: its digest does not fit")
put("body-changed", altered(at[1] + 27, 0), 65, f"record 1, byte {at[1]}: damaged frame: its digest does not fit")
put("length-less", altered(at[1] + 24, 3), 65, f"record 1, byte {at[1]}: damaged frame: its digest does not fit")
put("length-more", altered(at[1] + 24, 12), 65, f"record 1, byte {at[1]}: damaged frame: its digest does not fit")
put("length-past-end", altered(at[1] + 23, 255), 76, f"record 1, byte {len(whole)}: stream is cut in the middle of a frame")
put("length-1-gib", frames(0) + frame(GROUP, 1, b"", length=1 << 30), 76, "record 1, byte *: stream is cut in the middle of a frame")
put("length-over-1-gib", frames(0) + frame(GROUP, 1, b"", length=(1 << 30) + 1), 65, "record 1, byte *: frame body over the limit of 1 GiB")
put("length-4-gib", frames(0) + frame(GROUP, 1, b"", length=(1 << 32) - 1), 65, "record 1, byte *: frame body over the limit of 1 GiB")
ORDER = "frames out of order: one is missing, doubled or moved"
put("head-missing", frames(1, 2, 3, 4, 5, 6), 76, "record 0, byte 3: " + ORDER)
put("head-doubled", frames(0, 0, 1, 2, 3, 4, 5, 6), 76, f"record 1, byte {at[1] + 3}: " + ORDER)
put("group-missing", frames(0, 2, 3, 4, 5, 6), 76, f"record 1, byte {at[1] + 3}: " + ORDER)
put("group-doubled", frames(0, 1, 1, 2, 3, 4, 5, 6), 76, f"record 2, byte {at[2] + 3}: " + ORDER)
put("groups-swapped", frames(0, 2, 1, 3, 4, 5, 6), 76, f"record 1, byte {at[1] + 3}: " + ORDER)
put("step-missing", frames(0, 1, 2, 4, 5, 6), 76, f"record 3, byte {at[3] + 3}: " + ORDER)
put("end-first", frames(6), 76, "record 0, byte 3: " + ORDER)
put("group-first", Stream().put(GROUP, pack({"uid": "u"})).end().data, 76, "record 0, byte 1: expected a head frame first")
put("end-only", Stream().end().data, 76, "record 0, byte 1: expected a head frame first")
put("second-head", started().put(HEAD, pack(HEAD_BODY)).end().data, 76, f"record 1, byte {at[1] + 1}: a second head frame")
put("number-from-1", frame(HEAD, 1, pack(HEAD_BODY)), 76, "record 0, byte 3: " + ORDER)
put("number-huge", started().put(GROUP, pack({"uid": "u"}), seq=(1 << 64) - 1).data, 76, f"record 1, byte {at[1] + 3}: " + ORDER)
STEP_LIES, END_LIES = "step frame disagrees with the frames before it", "end frame disagrees with the frames before it"
put("step-count-more", started().step(count=1).end().data, 76, f"record 1, byte {at[1]}: " + STEP_LIES)
put("step-count-huge", started().step(count=(1 << 64) - 1).end().data, 76, f"record 1, byte {at[1]}: " + STEP_LIES)
put("step-digest", started().step(wrong=1).end().data, 76, f"record 1, byte {at[1]}: " + STEP_LIES)
put("end-count-more", started().end(count=1).data, 76, f"record 1, byte {at[1]}: " + END_LIES)
put("end-steps-more", started().end(steps=1).data, 76, f"record 1, byte {at[1]}: " + END_LIES)
put("end-digest", started().end(wrong=1 << 63).data, 76, f"record 1, byte {at[1]}: " + END_LIES)
for name, body in (
    ("negative", marks(("step", "count", "digest"), ((1 << 64) - 1, 0, 0))),
    ("empty", b""),
    ("map-empty", b"\x80"),
    ("name-twice", marks(("step", "step", "digest"), (1, 1, 0))),
    ("real", pack({"step": 1.0, "count": 0.0, "digest": 0.0})),
    ("text", pack({"step": "1", "count": "0", "digest": "0"})),
    ("one-more", pack({"step": 1, "count": 0, "digest": 0, "steps": 0})),
    ("byte-more", marks(("step", "count", "digest"), (1, 0, 0)) + b"\0"),
    ("of-an-end", marks(("count", "steps", "digest"), (0, 0, 0))),
):
    put("step-" + name, started().put(STEP, body).data, 65, f"record 1, byte {at[1] + 25}: malformed step frame")
    if name != "negative":
        body = marks(("step", "count", "digest"), (0, 0, 0)) if name == "of-an-end" else body
        put("end-" + name, started().put(END, body).data, 65, f"record 1, byte {at[1] + 25}: malformed end frame")

# Numbers as other writers encode them: unsigned and signed, as short as they go or wider; names with a longer header; any order.
ENCODINGS = {
    "fixint": (0x7F, lambda v: bytes([v])),
    "uint8": (0xFF, lambda v: struct.pack(">BB", 0xCC, v)),
    "uint16": (0xFFFF, lambda v: struct.pack(">BH", 0xCD, v)),
    "uint32": (0xFFFFFFFF, lambda v: struct.pack(">BI", 0xCE, v)),
    "int8": (0x7F, lambda v: struct.pack(">Bb", 0xD0, v)),
    "int16": (0x7FFF, lambda v: struct.pack(">Bh", 0xD1, v)),
    "int32": (0x7FFFFFFF, lambda v: struct.pack(">Bi", 0xD2, v)),
    "int64": (0x7FFFFFFFFFFFFFFF, lambda v: struct.pack(">Bq", 0xD3, v)),
}


def other_marks(encoding, pairs):
    most, number = ENCODINGS[encoding]
    return b"\xde\0\3" + b"".join(
        b"\xd9" + bytes([len(n)]) + n.encode() + (number(v) if v <= most else struct.pack(">BQ", 0xCF, v)) for n, v in pairs
    )


for name in ENCODINGS:
    s = started().put(GROUP, u)
    s.put(STEP, other_marks(name, (("digest", s.run()), ("count", 1), ("step", 1))))
    s.put(END, other_marks(name, (("steps", 1), ("digest", s.run()), ("count", 1))))
    put("marks-" + name, s.data, 0)
    s = started().put(GROUP, u)
    s.put(STEP, other_marks(name, (("digest", s.run()), ("count", 2), ("step", 1))))
    put("marks-wrong-" + name, s.data, 76, f"record 2, byte {len(started().put(GROUP, u).data)}: " + STEP_LIES)

# ---- bodies ----

LIMITS = "record %d, byte *: body is not one msgpack object within the limits (depth 8, 65536 items)"
bodies = {
    "empty": b"",
    "reserved-byte": b"\xc1",
    "two-objects": b"\x80\x80",
    "byte-more": b"\x80\x00",
    "map-cut": b"\x82\xa1a",
    "map-of-4g": b"\xdf\xff\xff\xff\xff",
    "array-of-4g": b"\x81\xa1a\xdd\xff\xff\xff\xff",
    "array-of-65535-missing": b"\x81\xa1a\xdc\xff\xff",
    "string-of-4g": b"\x81\xa1a\xdb\xff\xff\xff\xff",
    "bin-of-4g": b"\x81\xa1a\xc6\xff\xff\xff\xff",
    "ext-of-4g": b"\x81\xa1a\xc9\xff\xff\xff\xff\x01",
    "string-cut": b"\x81\xa1a\xa5abc",
    "float-cut": b"\x81\xa1a\xcb\x00",
    "arrays-9-deep": b"\x81\xa1a" + b"\x91" * 9 + b"\xc0",
    "maps-9-deep": b"\x81\xa1a" * 9 + b"\xc0",
    "arrays-5000-deep": b"\x81\xa1a" + b"\x91" * 5000 + b"\xc0",
}
for name, body in bodies.items():
    put("head-" + name, with_head(body), 65, LIMITS % 0)
    put("group-" + name, with_group(body), 65, LIMITS % 1)
MAP = 'record %d, byte *: expected a map'
put("group-nil", with_group(b"\xc0"), 65, MAP % 1)
put("group-array", with_group(b"\x90"), 65, MAP % 1)
put("group-number", with_group(b"\x07"), 65, MAP % 1)
put("head-array", with_head(b"\x90"), 65, 'record 0, byte *: field "version": missing')
put("group-key-twice", with_group(b"\x82\xa3uid\xa1u\xa3uid\xa1v"), 65, 'record 1, byte *: field "uid": comes twice')
put("group-empty-key-twice", with_group(b"\x83\xa3uid\xa1u\xa0\x01\xa0\x02"), 65, 'record 1, byte *: field "": comes twice')
put("group-unknown-key-twice", with_group(b"\x83\xa3uid\xa1u\xa1x\x01\xa1x\x02"), 65, 'record 1, byte *: field "x": comes twice')
put("group-key-number", with_group({"uid": "u", 7: 1}), 65, 'record 1, byte *: a key that is no string')
put("group-key-nil", with_group({"uid": "u", None: 1}), 65, 'record 1, byte *: a key that is no string')
put("group-257-keys", with_group({str(i): i for i in range(257)}), 65, 'record 1, byte *: 257 fields, at most 256 are allowed')
put("head-key-twice", with_head(b"\x82\xa7version\x01\xa7version\x01"), 65, 'record 0, byte *: field "version": comes twice')


def head(name, status, pattern, **changes):
    put("head-" + name, with_head({**HEAD_BODY, **changes}), status, f"record 0, byte *: field {pattern}")


def whole_number(name):
    return f'"{name}": expected a whole number from *'


put("head-version-missing", with_head({"store": "run.ptd"}), 65, 'record 0, byte *: field "version": missing')
head("version-2", 76, '"version": stream of another version, expected 1', version=2)
head("teacher-generation-negative", 65, '"teacher_generation": expected at least 0', teacher="t.ptd", teacher_generation=-1)
head("version-0", 76, '"version": stream of another version, expected 1', version=0)
head("version-text", 76, '"version": stream of another version, expected 1', version="1")
head("version-negative", 76, '"version": stream of another version, expected 1', version=-1)
head("store-number", 65, '"store": expected a string', store=7)
head("store-nul", 65, '"store": a string with a NUL byte', store="a\0b")
head("store-nil", 65, '"store": expected a string', store=None)
head("seed-text", 65, whole_number("seed"), seed="x")
head("seed-real", 65, whole_number("seed"), seed=1.5)
head("seed-2-to-64", 65, whole_number("seed"), seed=(1 << 64) - 1)
head("group-size-negative", 65, whole_number("group_size"), group_size=-1)
head("group-size-2-to-31", 65, whole_number("group_size"), group_size=1 << 31)
head("steps-negative", 65, '"steps": expected at least 0', steps=-1)
head("first-step-negative", 65, '"first_step": expected at least 0', first_step=-(1 << 63))
head("temperature-text", 65, '"temperature": expected a number', temperature="hot")
head("stages-map", 65, '"stages": expected an array', stages={"name": "x"})
head("stage-number", 65, '"stages[[]0]": expected a map', stages=[1])
head("stage-name-number", 65, '"stages[[]0].name": expected a string', stages=[{"name": 1}])


def ext(kind, form, *values):
    return msgpack.ExtType(kind, struct.pack(f"<{len(values)}{form}", *values))


def i32(*v):
    return ext(1, "i", *v)


def f32(*v):
    return ext(2, "f", *v)


def f16(*v):
    return ext(3, "e", *v)


def group(name, status, pattern, **fields):
    put("group-" + name, with_group({"uid": "u", "rollouts": ROLLOUTS, **fields}), status, f"record 1, byte *: field {pattern}" if status else "")


def rollout(name, status, pattern, **fields):
    group(name, status, pattern.replace("@", "rollouts[[]1]."), rollouts=[{"ids": i32(1)}, {"ids": i32(5, 6), **fields}])


put("group-uid-missing", with_group({"index": 1}), 65, 'record 1, byte *: field "uid": missing')
group("uid-number", 65, '"uid": expected a string', uid=7)
group("uid-bin", 65, '"uid": expected a string', uid=b"u")
group("uid-nul", 65, '"uid": a string with a NUL byte', uid="a\0")
group("text-not-utf8", 0, "", question="\udcff\udcc0")
group("index-text", 65, whole_number("index"), index="1")
group("index-2-to-63", 65, whole_number("index"), index=1 << 63)
group("step-real", 65, whole_number("step"), step=1.0)
group("accuracy-text", 65, '"group_accuracy": expected a number', group_accuracy="1")
group("prompt-ids-array", 65, '"prompt_ids": expected an ext of type 1', prompt_ids=[1, 2])
group("prompt-ids-floats", 65, '"prompt_ids": expected an ext of type 1', prompt_ids=f32(1))
group("prompt-ids-5-bytes", 65, '"prompt_ids": 5 bytes are no whole entries', prompt_ids=msgpack.ExtType(1, b"12345"))
group("regions-map", 65, '"regions": expected an array', regions={})
group("region-of-4", 65, '"regions": expected [[]label, x0, y0, x1, y1]', regions=[["a", 0, 0, 1]])
group("region-label-number", 65, '"regions": expected a string', regions=[[1, 0, 0, 1, 1]])
group("region-box-text", 65, '"regions": expected a number', regions=[["a", 0, 0, 1, "1"]])
BOX = '"regions": expected 0 <= x0 <= x1 <= 1 and the same for y'
for name, box in (
    ("below", (-0.1, 0, 1, 1)),
    ("above", (0, 0, 1, 1.1)),
    ("turned", (1, 0, 0, 1)),
    ("upside-down", (0, 1, 1, 0)),
    ("nan", (0, float("nan"), 1, 1)),
    ("nan-last", (0, 0, 1, float("nan"))),
    ("inf", (0, 0, float("inf"), 1)),
):
    group("region-" + name, 65, BOX, regions=[["a", *box]])
    group("object-" + name, 65, BOX.replace("regions", "objects"), objects=[["a", *box]])
    group("hint-region-" + name, 65, BOX.replace("regions", "hint.regions"), hint={"text": "look", "regions": [["a", *box]]})
group("map-alone", 65, '"map.picture": 0, but there are 0 pictures', map={"score": f16(0, 1), "rows": 1, "columns": 2, "picture": 0}, pictures=[])
group("map-without-score", 65, '"map.score": missing', map={"rows": 1, "columns": 2})
group("map-few", 65, '"map.score": 1 entries, expected 2', map={"score": f16(1), "rows": 1, "columns": 2})
group("map-of-no-size", 65, '"map.rows": 0, expected at least 1', map={"score": f16()})
group("region-of-no-size", 0, "", regions=[["a", 1, 1, 1, 1]])
for name, entry in (("regions", ["a", 0, 0, 1, 1]), ("objects", ["a", 0, 0, 1, 1]), ("steps", "first")):
    group(name + "-64", 0, "", **{name: [entry] * 64})
    group(name + "-65", 65, f'"{name}": 65 entries, expected at most 64', **{name: [entry] * 65})
group("prompt-ids-negative", 65, '"prompt_ids": an id below 0', prompt_ids=i32(3, -1, 3))
group("hint-prompt-ids-negative", 65, '"hint.prompt_ids": an id below 0', hint={"text": "look", "prompt_ids": i32(-1)})
for name, value in (("2", 2), ("negative", -0.5), ("nan", float("nan")), ("inf", float("inf"))):
    group("accuracy-" + name, 65, '"group_accuracy": *, expected 0 to 1', group_accuracy=value)
    rollout("accuracy-of-" + name, 65, '"@accuracy": *, expected 0 to 1', accuracy=value)
    rollout("format-of-" + name, 65, '"@format": *, expected 0 to 1', format=value)
group("steps-text", 65, '"steps": expected an array', steps="first")
group("steps-number", 65, '"steps": expected a string', steps=["first", 2])
group("hint-text", 65, '"hint": expected a map', hint="look")
group("hint-empty", 65, '"hint.text": missing', hint={})
group("hint-text-number", 65, '"hint.text": expected a string', hint={"text": 1})
group("pictures-map", 65, '"pictures": expected an array', pictures={})



def picture_hash(height, width, pixels):
    return f"{xxhash.xxh3_64_intdigest(struct.pack('<II', height, width) + pixels):016x}"


picture = {"hash": picture_hash(1, 2, b"abcdef"), "height": 1, "width": 2, "pixels": b"abcdef"}
OTHER_HASH = '"pictures[[]0].hash": *, but that of size and pixels is '
for name, pattern, change in (
    ("picture-number", '"pictures[[]0]": expected a map', 1),
    ("picture-empty", '"pictures[[]0].pixels": pixels or hash are missing', {k: 0 for k in picture}),
    ("picture-hash-short", '"pictures[[]0].hash": expected 16 hex digits', {"hash": "0123456789abcde"}),
    ("picture-hash-capitals", '"pictures[[]0].hash": expected 16 hex digits', {"hash": "0123456789ABCDEF"}),
    ("picture-pixels-text", '"pictures[[]0].pixels": expected RGB bytes as bin', {"pixels": "abcdef"}),
    ("picture-pixels-7", '"pictures[[]0].pixels": expected RGB bytes as bin', {"pixels": b"abcdefg"}),
    ("picture-pixels-other", OTHER_HASH + picture_hash(1, 2, b"abcdeg"), {"pixels": b"abcdeg"}),
    ("picture-turned", OTHER_HASH + picture_hash(2, 1, b"abcdef"), {"height": 2, "width": 1}),
    ("picture-no-height", '"pictures[[]0].height": 0, expected at least 1', {"height": "0", "pixels": b""}),
    ("picture-no-width", '"pictures[[]0].width": 0, expected at least 1', {"width": "0", "height": (1 << 31) - 1, "pixels": b""}),
    ("picture-pixels-few", '"pictures[[]0].pixels": 1 entries, expected 2', {"pixels": b"abc"}),
    ("picture-height-negative", whole_number("pictures[[]0].height"), {"height": -1}),
    ("picture-height-huge", '"pictures[[]0].pixels": 2 entries, expected 4294967294', {"height": (1 << 31) - 1}),
    ("picture-square-huge", '"pictures[[]0].pixels": 2 entries, expected 4611686014132420609', {"height": (1 << 31) - 1, "width": (1 << 31) - 1}),
):
    one = change if isinstance(change, int) else {} if 0 in change.values() else {**picture, **change}
    one = {k: 0 if v == "0" else v for k, v in one.items()} if isinstance(one, dict) else one
    group(name, 65, pattern, pictures=[one])
group("picture", 0, "", pictures=[picture])
group("pictures-65", 65, '"pictures": 65 entries, expected at most 64', pictures=[picture] * 65)
group("rollouts-none", 65, '"rollouts": empty, expected at least one', rollouts=[])
put("group-rollouts-missing", with_group({"uid": "u"}), 65, 'record 1, byte *: field "rollouts": empty, expected at least one')
group("rollouts-map", 65, '"rollouts": expected an array', rollouts={})
group("rollouts-number", 65, '"rollouts[[]0]": expected a map', rollouts=[1])
group("ids-missing", 65, '"rollouts[[]0].ids": missing', rollouts=[{"text": "t"}])
put("group-rollout-key-twice", with_group(b"\x82\xa3uid\xa1u\xa8rollouts\x91\x82" + b"\xa3ids\xc7\x00\x01" * 2), 65,
    'record 1, byte *: field "rollouts[[]0].ids": comes twice')
rollout("ids-bin", 65, '"@ids": expected an ext of type 1', ids=b"12345678")
rollout("ids-7-bytes", 65, '"@ids": 7 bytes are no whole entries', ids=msgpack.ExtType(1, b"1234567"))
rollout("logp-few", 65, '"@logp": 1 entries, expected 2', logp=f32(-1))
rollout("logp-many", 65, '"@logp": 3 entries, expected 2', logp=f32(-1, -1, -1))
rollout("logp-half", 65, '"@logp": expected an ext of type 2', logp=f16(-1, -1))
rollout("ref-logp-none", 65, '"@ref_logp": 0 entries, expected 2', ref_logp=f32())
rollout("top-ids-without-k", 65, '"@top_ids": 4 entries, expected 0', top_ids=i32(1, 2, 3, 4))
rollout("top-ids-few", 65, '"@top_ids": 3 entries, expected 4', top_ids=i32(1, 2, 3), top_k=2)
rollout("top-k-huge", 65, '"@top_ids": 4 entries, expected 4294967294', top_ids=i32(1, 2, 3, 4), top_k=(1 << 31) - 1)
rollout("top-k-negative", 65, whole_number("@top_k"), top_ids=i32(1, 2), top_k=-1)
rollout("teacher-ids-alone", 65, '"@teacher_logp": expected together with teacher_ids', teacher_ids=i32(1, 2), teacher_k=1)
rollout("teacher-logp-alone", 65, '"@teacher_logp": expected together with teacher_ids', teacher_logp=f16(1, 2), teacher_k=1)
rollout("teacher-on-top-alone", 65, '"@teacher_on_top": without top_ids', teacher_on_top=f16(1, 2), top_k=1)
rollout("teacher-on-top-without-ids", 65, '"@teacher_on_top": expected together with teacher_ids', top_ids=i32(1, 2), top_k=1, teacher_on_top=f16(1, 2))
rollout("teacher-without-on-top", 65, '"@teacher_on_top": expected together with teacher_ids', top_ids=i32(1, 2), top_k=1, teacher_ids=i32(1, 2), teacher_logp=f16(-1, -1), teacher_k=1)
rollout("teacher-without-top-ids", 0, "", teacher_ids=i32(1, 2), teacher_logp=f16(-1, -1), teacher_k=1)
rollout("teacher-key-alone", 65, '"@teacher_key": without teacher_ids', teacher_key="ab12")
rollout("teacher-few", 65, '"@teacher_logp": 1 entries, expected 2', teacher_ids=i32(1, 2), teacher_logp=f16(1), teacher_k=1)
rollout("top-k-alone", 65, '"@top_k": 7 without top_ids', top_k=7)
rollout("top-k-alone-huge", 65, '"@top_k": 2147483647 without top_ids', top_k=(1 << 31) - 1)
rollout("top-ids-of-k-0", 65, '"@top_k": 0, but there are top_ids', ids=i32(), top_ids=i32(), top_k=0)
rollout("teacher-k-alone", 65, '"@teacher_k": 7 without teacher_ids', teacher_k=7)
rollout("teacher-ids-of-k-0", 65, '"@teacher_k": 0, but there are teacher_ids', ids=i32(), teacher_ids=i32(), teacher_logp=f16())
rollout("teacher-rows", 0, "", teacher_on_ids=f32(-1, -2), teacher_rows=f32(1, 2, 3, 4, 5, 6), teacher_width=3)
rollout("teacher-rows-without-width", 65, '"@teacher_rows": 6 entries, expected 0', teacher_rows=f32(1, 2, 3, 4, 5, 6))
rollout("teacher-rows-few", 65, '"@teacher_rows": 5 entries, expected 6', teacher_rows=f32(1, 2, 3, 4, 5), teacher_width=3)
rollout("teacher-rows-beside-ids", 65, '"@teacher_rows": beside teacher_ids*', teacher_rows=f32(1, 2), teacher_width=1, teacher_ids=i32(1, 2), teacher_logp=f16(-1, -1), teacher_k=1)
rollout("teacher-width-alone", 65, '"@teacher_width": 7 without teacher_rows', teacher_width=7)
rollout("teacher-width-huge", 65, '"@teacher_width": 2147483647, expected at most 1048576', ids=i32(), teacher_rows=f32(), teacher_width=(1 << 31) - 1)
rollout("teacher-on-ids-many", 65, '"@teacher_on_ids": 3 entries, expected 2', teacher_on_ids=f32(-1, -1, -1))
rollout("teacher-on-ids-half", 65, '"@teacher_on_ids": expected an ext of type 2', teacher_on_ids=f16(-1, -1))
rollout("masked-logp-few", 65, '"@masked_logp": 1 entries, expected 2', masked_logp=f32(-1))
rollout("ids-negative", 65, '"@ids": an id below 0', ids=i32(5, -1))
TOP = {"top_ids": i32(1, 2), "top_k": 1}
TEACHER = {"teacher_ids": i32(1, -1), "teacher_logp": f16(0, -float("inf")), "teacher_k": 1}
rollout("top-ids-negative", 65, '"@top_ids": an id below -1', top_ids=i32(1, -2), top_k=1)
rollout("teacher-ids-negative", 65, '"@teacher_ids": an id below -1', **{**TEACHER, "teacher_ids": i32(-2, 1)})
ABOVE = "a log-probability above 0"
for name, value in (("a-little", 0.01), ("1", 1), ("inf", float("inf"))):
    rollout("logp-above-" + name, 65, f'"@logp": {ABOVE}', logp=f32(-1, value))
    rollout("teacher-on-ids-above-" + name, 65, f'"@teacher_on_ids": {ABOVE}', teacher_on_ids=f32(-1, value))
    rollout("masked-logp-above-" + name, 65, f'"@masked_logp": {ABOVE}', masked_logp=f32(-1, value))
    rollout("ref-logp-above-" + name, 65, f'"@ref_logp": {ABOVE}', ref_logp=f32(value, -1))
    rollout("teacher-logp-above-" + name, 65, f'"@teacher_logp": {ABOVE}', **{**TEACHER, "teacher_logp": f16(-1, value)})
    rollout("teacher-on-top-above-" + name, 65, f'"@teacher_on_top": {ABOVE}', **TOP, **TEACHER, teacher_on_top=f16(value, -1))
for name, value in (("rounded", 1e-4), ("nan", float("nan")), ("minus-inf", -float("inf")), ("minus-0", -0.0)):
    rollout("logp-" + name, 0, "", logp=f32(0, value), ref_logp=f32(value, 0), **TOP, **{**TEACHER, "teacher_logp": f16(0, value)}, teacher_on_top=f16(value, -1))
rollout("top-logp", 0, "", **TOP, top_logp=f16(-1, -2), entropy=f32(0, 1), divergence=f32(-1, 1), advantages=f32(-1, 1))
rollout("top-logp-without-ids", 65, '"@top_logp": without top_ids', top_logp=f16())
rollout("top-logp-few", 65, '"@top_logp": 1 entries, expected 2', **TOP, top_logp=f16(-1))
rollout("top-logp-above", 65, f'"@top_logp": {ABOVE}', **TOP, top_logp=f16(-1, 1))
rollout("entropy-below", 65, '"@entropy": below 0', entropy=f32(1, -1))
rollout("entropy-nan", 0, "", entropy=f32(1, float("nan")))
rollout("divergence-few", 65, '"@divergence": 1 entries, expected 2', divergence=f32(1))
rollout("advantages-half", 65, '"@advantages": expected an ext of type 2', advantages=f16(1, 1))
rollout("outcome-unknown", 65, '"@outcome": "maybe" is no outcome', outcome="maybe")
rollout("outcome-number", 65, '"@outcome": expected a string', outcome=1)
rollout("accuracy-nil", 65, '"@accuracy": expected a number', accuracy=None)
rollout("reward-nan", 65, '"@reward": nan, expected -1e+30 to 1e+30', reward=float("nan"))
rollout("reward-inf", 65, '"@reward": inf, expected -1e+30 to 1e+30', reward=float("inf"))
rollout("reward-large", 0, "", reward=-1e30)
rollout("reward-text", 65, '"@reward": expected a number', reward="1")
PART = {"name": "style", "value": 0.5}
rollout("parts", 0, "", parts=[PART, {"name": "length", "value": -1}])
rollout("parts-map", 65, '"@parts": expected an array', parts={"style": 1})
rollout("parts-number", 65, '"@parts[[]0]": expected a map', parts=[1])
rollout("parts-no-name", 65, '"@parts[[]1].name": missing', parts=[PART, {"value": 1}])
rollout("parts-name-empty", 65, '"@parts[[]0].name": missing', parts=[{"name": ""}])
rollout("parts-name-number", 65, '"@parts[[]0].name": expected a string', parts=[{"name": 1}])
rollout("parts-twice", 65, '"@parts": "style" comes twice', parts=[PART, {"name": "length", "value": -1}, PART])
rollout("parts-text", 65, '"@parts[[]0].value": expected a number', parts=[{**PART, "value": "1"}])
for name, value in (("nan", float("nan")), ("inf", float("-inf")), ("large", 2e30)):
    rollout("parts-" + name, 65, '"@parts[[]0].value": *, expected -1e+30 to 1e+30', parts=[{**PART, "value": value}])
rollout("parts-64", 0, "", parts=[{"name": str(i), "value": i} for i in range(64)])
rollout("parts-65", 65, '"@parts": 65 entries, expected at most 64', parts=[PART] * 65)
rollout("reason-number", 65, '"@reason": expected a string', reason=1)
group("answers", 0, "", answer="12", answers=["twelve", ""])
group("answers-without-answer", 65, '"answers": without answer', answers=["12"])
group("answers-text", 65, '"answers": expected an array', answer="12", answers="twelve")
group("answers-number", 65, '"answers": expected a string', answer="12", answers=["twelve", 12])
group("answers-64", 0, "", answer="12", answers=["12"] * 64)
group("answers-65", 65, '"answers": 65 entries, expected at most 64', answer="12", answers=["12"] * 65)
group("judge-number", 65, '"judge": expected a string', judge=1)
group("judge-nul", 65, '"judge": a string with a NUL byte', judge="a\0b")
head("waits-2", 0, "", waits=2)
head("waits-3", 65, '"waits": 3, expected 0 to 2', waits=3)
head("waits-negative", 65, whole_number("waits"), waits=-1)
head("thought-open-2", 65, '"thought_open": 2, expected 0 or 1', thought_open=2)
head("thought-open-negative", 65, whole_number("thought_open"), thought_open=-1)
head("thought-open-true", 65, whole_number("thought_open"), thought_open=True)
rollout("stop-number", 65, '"@stop": expected a string', stop=0)

with open(os.path.join(HERE, "EXPECT"), "w") as f:
    f.write("# Made by make.py. File, exit status (0: accepted), pattern of the message behind the file's name.\n")
    f.write("\n".join(expect) + "\n")
