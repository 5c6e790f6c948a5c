#!/usr/bin/env python3
"""Makes lib/builtin/digits/*.gz from the four MNIST idx files:  make-mnist-subset.py MNIST-DIR OUT-DIR

Of each digit the same number of pictures, taken at even distances over MNIST's own train and test split; 16 grey
levels, two rows in one byte (the upper row in the high half), idx format, gzip without time or name. Python 3 alone."""
import gzip
import sys
import zlib

PER_DIGIT = {"train": 1450, "t10k": 200}
NAMES = {"train": "train", "t10k": "test"}


def read_idx(path):
    data = gzip.open(path).read()
    dims = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(data[3])]
    return dims, data[4 + 4 * len(dims):]


def choose(labels, per_digit):
    chosen = []
    for digit in range(10):
        where = [i for i, y in enumerate(labels) if y == digit]
        chosen += [where[k * len(where) // per_digit] for k in range(per_digit)]
    return sorted(chosen)


def pack(picture):
    level = [(v + 8) // 17 for v in picture]
    return bytes(level[r * 28 + c] << 4 | level[(r + 1) * 28 + c] for r in range(0, 28, 2) for c in range(28))


def write_idx(path, dims, data):
    head = bytes([0, 0, 8, len(dims)]) + b"".join(d.to_bytes(4, "big") for d in dims)
    best = b""
    for memory in (8, 9):
        z = zlib.compressobj(9, zlib.DEFLATED, 31, memory)
        packed = z.compress(head + data) + z.flush()
        if not best or len(packed) < len(best):
            best = packed
    with open(path, "wb") as f:
        f.write(best)
    return len(best)


def main(source, target):
    total = 0
    for split, per_digit in PER_DIGIT.items():
        dims, pixels = read_idx(f"{source}/{split}-images-idx3-ubyte.gz")
        assert dims[1:] == [28, 28]
        labels = read_idx(f"{source}/{split}-labels-idx1-ubyte.gz")[1]
        chosen = choose(labels, per_digit)
        packed = b"".join(pack(pixels[784 * i:784 * i + 784]) for i in chosen)
        name = f"{target}/{NAMES[split]}"
        total += write_idx(name + "-images.gz", [len(chosen), 14, 28], packed)
        total += write_idx(name + "-labels.gz", [len(chosen)], bytes(labels[i] for i in chosen))
        print(f"{NAMES[split]}: {len(chosen)} digits")
    print(f"{total} bytes")
    assert total <= 1500000


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
