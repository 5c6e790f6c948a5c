"""Streams and stores of PTD in numpy, for notebooks. One file: copy it beside the notebook, or put its folder on PYTHONPATH.

    import ptd
    for g in ptd.groups("hinted.rec"):                 # each group as a dict, arrays in numpy
        print(g["uid"], [y["reward"] for y in g["rollouts"]], g["pictures"][0]["pixels"].shape)
    ptd.Stream("hinted.rec").head["store"]

    with ptd.Store("run.ptd") as s:                    # also while it is trained
        s.head, s.generations, s.run                   # newest generation, those that are kept, the run's state
        s.tensors()["model.language_model.norm.weight"]
        s.tensor("model.language_model.norm.weight", generation=0)

    ptd.metrics("metrics.jsonl")["actor/entropy"]      # an array by step; NaN where a line has none

Needs numpy and msgpack, and lmdb for stores (Debian: python3-numpy python3-msgpack python3-lmdb). With xxhash
(python3-xxhash) every digest is checked, and what is damaged raises Damaged; without, lengths and order are. A stream
that was cut raises Damaged when its end is missed. What the fields are: ptd-stream(5), ptd-store(5).
"""
import json
import os
import struct

import msgpack
import numpy

try:
    import xxhash
except ImportError:
    xxhash = None

__all__ = ["Damaged", "Stream", "groups", "Store", "metrics"]


class Damaged(ValueError):
    """What was read is not what was written."""


# ---- streams ----

EXT = {1: "<i4", 2: "<f4", 3: "<f2"}
WIDE = {"top_ids": "top_k", "teacher_ids": "teacher_k", "teacher_logp": "teacher_k", "teacher_on_top": "top_k", "teacher_rows": "teacher_width"}
HEAD, GROUP, STEP, END = 1, 2, 3, 4
LIMIT = 1 << 30


def _array(code, data):
    if code not in EXT or len(data) % numpy.dtype(EXT[code]).itemsize:
        raise Damaged(f"an array of kind {code} with {len(data)} bytes")
    return numpy.frombuffer(data, EXT[code])


def _unpack(body):
    return msgpack.unpackb(body, ext_hook=_array, raw=False, unicode_errors="surrogateescape", strict_map_key=False,
                           max_str_len=LIMIT, max_bin_len=LIMIT, max_ext_len=LIMIT)


def _shape(group):
    """Flat arrays in the form that the record says: [n][top_k], [height][width][3]."""
    for y in group.get("rollouts", []):
        for name, width in WIDE.items():
            if name in y and y.get(width):
                y[name] = y[name].reshape(-1, y[width])
    for p in group.get("pictures", []):
        if "pixels" in p:
            p["pixels"] = numpy.frombuffer(p["pixels"], "u1").reshape(p["height"], p["width"], 3)
    return group


class Stream:
    """A stream: `head`, a dict; iterating gives ("group", dict) and ("step", number), and checks that the end is there."""

    def __init__(self, path):
        self.name = str(path)
        self._file = path if hasattr(path, "read") else open(path, "rb")
        self._seq, self._digest = 0, xxhash.xxh3_64() if xxhash else None
        kind, self.head = self._frame()
        if kind != HEAD:
            raise Damaged(f"{self.name}: begins without a head")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._file.close()

    def _read(self, n):
        data = self._file.read(n)
        if len(data) < n:
            raise Damaged(f"{self.name}: cut before its end, at frame {self._seq}")
        return data

    def _frame(self):
        prefix = self._read(25)
        mark, kind, a, seq, b, digest, c, n = struct.unpack(">BBBQBQBI", prefix)
        if (mark, a, b, c) != (0x94, 0xCF, 0xCF, 0xC6) or not HEAD <= kind <= END or seq != self._seq or n > LIMIT:
            raise Damaged(f"{self.name}: expected frame {self._seq}" if self._seq else f"{self.name}: not a ptd stream")
        body = self._read(n)
        if xxhash and xxhash.xxh3_64_intdigest(struct.pack("<QQ", kind, seq) + body) != digest:
            raise Damaged(f"{self.name}: frame {seq} is damaged")
        said = _unpack(body)
        if kind in (STEP, END) and self._digest and said["digest"] != self._digest.intdigest():
            raise Damaged(f"{self.name}: frames before {seq} are not those that were written")
        if self._digest:
            self._digest.update(struct.pack("<Q", digest))
        self._seq += 1
        return kind, said

    def __iter__(self):
        since = total = steps = 0
        while True:
            kind, said = self._frame()
            if kind == GROUP:
                since, total = since + 1, total + 1
                yield "group", _shape(said)
            elif kind == STEP and said["count"] == since:
                since, steps = 0, steps + 1
                yield "step", said["step"]
            elif kind == END and (said["count"], said["steps"]) == (total, steps) and not self._file.read(1):
                return
            else:
                raise Damaged(f"{self.name}: frame {self._seq - 1} counts otherwise")


def groups(path):
    """The groups of a stream, as dicts."""
    with Stream(path) as stream:
        for kind, said in stream:
            if kind == "group":
                yield said


# ---- stores ----

FORMATS = {1: "<f4", 2: "<u2", 3: "<f2", 4: "u1", 5: "<i2"}
BF16 = 2


def _floats(data, dtype):
    x = numpy.frombuffer(data, FORMATS[dtype])
    if dtype == BF16:
        return (x.astype("<u4") << 16).view("<f4")
    return x.astype("f4") if dtype == 3 else x.copy()


def _plain(key, value):
    """The bytes of a value of meta and state."""
    if value is None:
        return None
    mark, zero, n, digest = struct.unpack_from("<4sIQQ", value)
    data = value[24:]
    if mark != b"PTDB" or zero or len(data) != n or xxhash and xxhash.xxh3_64_intdigest(data, xxhash.xxh3_64_intdigest(key)) != digest:
        raise Damaged(f"value {key!r} is damaged")
    return bytes(data)


def _piece(key, value):
    """One piece of a tensor: shape, number, format, bytes."""
    mark = bytes(value[:4])
    size = {b"PTDT": 64, b"PTDR": 112}.get(mark)
    if not size or len(value) < size:
        raise Damaged(f"tensor {key!r} is damaged")
    dtype, axes, number = struct.unpack_from("<III", value, 4)
    shape = struct.unpack_from("<5q", value, 16)[:axes]
    (digest,) = struct.unpack_from("<Q", value, size - 8)
    if xxhash and xxhash.xxh3_64_intdigest(value[size:], xxhash.xxh3_64_intdigest(value[:size - 8])) != digest:
        raise Damaged(f"tensor {key!r} is damaged")
    return shape, number, dtype, value[size:]


class Store:
    """A run's folder, read only. Each method looks at one moment of it; nothing is held between calls."""

    def __init__(self, path):
        import lmdb
        self.path = str(path)
        self._data = lmdb.open(self.path, readonly=True, create=False, max_dbs=16, max_readers=126)
        base = os.path.join(self.path, "base.mdb")
        self._base = lmdb.open(base, subdir=False, readonly=True, create=False, max_dbs=16, lock=False) if os.path.exists(base) else None
        self._db = {name: self._open(self._data, name) for name in (b"meta", b"weights", b"optim", b"state")}
        self._base_weights = self._open(self._base, b"weights") if self._base else None

    @staticmethod
    def _open(env, name):
        return env.open_db(name, create=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._data.close()
        if self._base:
            self._base.close()

    def _state(self, key):
        with self._data.begin(buffers=True) as txn:
            value = txn.get(key, db=self._db[b"state"])
            return _plain(key, bytes(value) if value is not None else None)

    @property
    def head(self):
        """Number of the newest generation."""
        return int(self._state(b"head"))

    @property
    def run(self):
        """What the run keeps for an exact resume, a dict; None before the first step."""
        text = self._state(b"run")
        return json.loads(text) if text else None

    def meta(self, name):
        """A file that the model came with, "config.json" say, as bytes; None if it is not there."""
        with self._data.begin() as txn:
            return _plain(name.encode(), txn.get(name.encode(), db=self._db[b"meta"]))

    @property
    def generations(self):
        """Numbers of those whose weights are kept."""
        found = {0} if self._base else set()
        with self._data.begin() as txn:
            cursor = txn.cursor(self._db[b"weights"])
            there = cursor.first()
            while there:
                prefix = cursor.key()[:8]
                found.add(int(prefix, 16))
                there = cursor.set_range(prefix + b"0")  # behind all that begins with prefix and a slash
        return sorted(found)

    @staticmethod
    def _tensors(env, db, prefix, one=False):
        """By what follows the prefix; one: the tensor of that very name alone, as ""."""
        parts = {}
        with env.begin(buffers=True) as txn:
            cursor = txn.cursor(db)
            there = cursor.set_range(prefix)
            while there and bytes(cursor.key()).startswith(prefix):
                name = bytes(cursor.key())[len(prefix):].decode().split("#")[0]
                if one and name:
                    break
                shape, number, dtype, data = _piece(bytes(cursor.key()), cursor.value())
                parts.setdefault(name, []).append((number, shape, dtype, _floats(data, dtype)))
                there = cursor.next()
        out = {}
        for name, pieces in parts.items():
            pieces.sort(key=lambda p: p[0])
            shape, n = pieces[0][1], int(numpy.prod(pieces[0][1], dtype=numpy.int64))
            x = numpy.concatenate([p[3] for p in pieces])
            if [p[0] for p in pieces] != list(range(len(pieces))) or len(x) < n:
                raise Damaged(f"tensor {name}: a piece is missing")
            out[name] = x[:n].reshape(shape)
        return out

    def _own(self, generation, name=""):
        prefix = b"%08x/" % generation + name.encode()
        if generation == 0 and self._base:
            return self._tensors(self._base, self._base_weights, prefix, bool(name))
        return self._tensors(self._data, self._db[b"weights"], prefix, bool(name))

    def tensors(self, generation=None):
        """All weights of a generation (None: the newest) by name, in float32."""
        generation = self.head if generation is None else generation
        own = self._own(generation)
        if not own:
            raise KeyError(f"generation {generation} is not kept, there are {self.generations}")
        if self._state(b"partial/%08x" % generation) is not None:
            own = {**self._own(0), **own}
        return own

    def tensor(self, name, generation=None):
        """One of them; of a generation that holds a part only, what did not move is generation 0's."""
        generation = self.head if generation is None else generation
        whole = self._state(b"partial/%08x" % generation) is None
        for g in (generation,) if whole else (generation, 0):
            found = self._own(g, name).get("")
            if found is not None:
                return found
        if generation not in self.generations:
            raise KeyError(f"generation {generation} is not kept, there are {self.generations}")
        raise KeyError(f"no tensor {name} in generation {generation}")

    def moments(self, which):
        """Adam's "m" or "v" of the newest generation by name; whole numbers and their scales ("NAME.scale") as they are kept."""
        found = self._tensors(self._data, self._db[b"optim"], b"%s/%08x/" % (which.encode(), self.head))
        return found or self._tensors(self._data, self._db[b"optim"], b"%s/" % which.encode())


# ---- metrics ----

def metrics(path):
    """JSON lines as arrays by name, "step" among them. Where a run began anew in the file, its later lines count."""
    rows = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                said = json.loads(line)
            except ValueError:
                if not line.endswith("\n"):
                    continue  # still being written
                said = None
            if not isinstance(said, dict) or not isinstance(said.get("step"), int):
                raise Damaged(f"{path}:{number}: expected a JSON object with a step")
            if not all(k == "step" or k.startswith("val/") for k in said):
                for later in [s for s in rows if s >= said["step"]]:
                    del rows[later]
            rows.setdefault(said["step"], {}).update(said)
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    steps = sorted(rows)
    value = lambda x: x if isinstance(x, (int, float)) else numpy.nan
    return {name: numpy.array([value(rows[s].get(name)) for s in steps]) for name in names}
