#!/usr/bin/env python3
"""Makes pictures-processed.h: what the image processors of transformers make of pictures, with Qwen3-VL's settings, and how torchvision
resizes noise; and the pictures turned.jpg, turned.png, deep.png, deep-grey.png.

usage: tests/vectors/make-pictures-processed.py      (only to change the vectors; run make-pictures.py first)
Made with transformers 5.23.0, torchvision 0.29.2, torch 2.15.0 (CPU), Pillow 13.0.0, numpy 2.4.6.

Pictures with alpha go over white before the processors see them, and of 16-bit grey the high byte; that is this project's decision, where the
loader of transformers drops alpha and saturates. All others are opened by transformers' own load_image.
"""
import os
import random
import struct
import zlib

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F
from transformers import Qwen2VLImageProcessor, Qwen2VLImageProcessorPil
from transformers.image_utils import load_image

HERE = os.path.dirname(os.path.abspath(__file__))
SETTINGS = dict(patch_size=16, merge_size=2, temporal_patch_size=2, size=dict(shortest_edge=65536, longest_edge=16777216),
                image_mean=[0.5] * 3, image_std=[0.5] * 3)
FAST, SLOW = Qwen2VLImageProcessor(**SETTINGS), Qwen2VLImageProcessorPil(**SETTINGS)


def noise(name, n):
    """Bytes from a hash: the same in the C test and in make-pictures.py."""
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = ((h ^ b) * 0x100000001B3) & ((1 << 64) - 1)
    with np.errstate(over="ignore"):
        z = np.arange(n, dtype=np.uint64) + np.uint64((h + 0x9E3779B97F4A7C15) & ((1 << 64) - 1))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (z ^ (z >> np.uint64(31))).astype(np.uint8)


def noise_picture(h, w):
    return Image.fromarray(noise("processed", h * w * 3).reshape(h, w, 3))


def path(name):
    return os.path.join(HERE, name)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_deep(name, colour, channels):
    """16 bits a channel; Pillow cannot write them."""
    raw = noise(name, 14 * 21 * channels * 2).reshape(14, -1)
    rows = b"".join(b"\0" + r.tobytes() for r in raw)
    with open(path(name), "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 21, 14, 16, colour, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    with open(path("baseline.jpg"), "rb") as f:
        data = f.read()
    block = exif.tobytes()
    block = block if block.startswith(b"Exif\0\0") else b"Exif\0\0" + block
    with open(path("turned.jpg"), "wb") as f:
        f.write(data[:2] + b"\xFF\xE1" + struct.pack(">H", len(block) + 2) + block + data[2:])
    exif[0x0112] = 8
    Image.open(path("rgb.png")).save(path("turned.png"), exif=exif)


def opened(name):
    if name == "deep-grey.png":
        high = np.asarray(Image.open(path(name))).astype(np.uint16) >> 8
        return Image.fromarray(high.astype(np.uint8)).convert("RGB")
    im = Image.open(path(name))
    if im.mode in ("RGBA", "LA") or "transparency" in im.info:
        white = Image.new("RGB", im.size, (255, 255, 255))
        rgba = im.convert("RGBA")
        white.paste(rgba, mask=rgba.split()[3])
        return white
    return load_image(path(name))


def processed(images):
    """Both processors' rows; they agree on the grid."""
    fast, slow = FAST(images=images, return_tensors="pt"), SLOW(images=images, return_tensors="pt")
    assert (np.asarray(fast["image_grid_thw"]) == np.asarray(slow["image_grid_thw"])).all()
    return np.asarray(fast["image_grid_thw"]).tolist(), np.asarray(fast["pixel_values"]), np.asarray(slow["pixel_values"])


def line(name, h, w, images):
    grid, fast, slow = processed(images)
    fast, slow = np.ascontiguousarray(fast, dtype="<f4"), np.ascontiguousarray(slow, dtype="<f4")
    levels = np.rint(slow.astype(np.float64) * 127.5 + 127.5).astype(np.uint8)
    picks = [(7919 * k * k + 31 * k) % slow.size for k in range(1, 9)]
    values = ", ".join(f"{slow.ravel()[i]:.9g}" for i in picks)
    rows = sum(g[1] * g[2] for g in grid)
    assert fast.shape == slow.shape == (rows, 1536)
    return (f'    {{"{name}", {h}, {w}, {grid[0][1]}, {grid[0][2]}, {rows}, 0x{zlib.crc32(fast.tobytes()):08x}, '
            f'0x{zlib.crc32(levels.tobytes()):08x}, {fast.sum(dtype=np.float64):.12g}, {slow.sum(dtype=np.float64):.12g}, {{{values}}}}},')


SIZES = [(480, 640), (333, 500), (80, 80), (112, 336), (48, 700), (10, 1500), (2000, 10), (1080, 1920), (100, 75), (257, 255), (1, 150),
         (31, 1000), (720, 405)]
FILES = ("rgb.png rgba.png grey-alpha.png grey.png bits.png palette.png baseline.jpg full.jpg progressive.jpg grey.jpg turned.jpg turned.png "
         "deep.png deep-grey.png").split()
SEVERAL = [(100, 75), (333, 500), (48, 700), (80, 80)]


def resizes():
    r = random.Random(5)
    pairs = [(28, 28, 96, 96), (84, 84, 96, 96), (333, 500, 320, 512), (48, 700, 96, 992), (1, 100, 32, 32), (97, 89, 89, 97)]
    while len(pairs) < 60:
        pairs.append(tuple(r.randint(1, 300) for _ in range(2)) + tuple(32 * r.randint(1, 12) for _ in range(2)))
    for h, w, th, tw in pairs:
        t = torch.from_numpy(noise("resize", h * w * 3).reshape(h, w, 3)).permute(2, 0, 1).contiguous()
        out = F.resize(t, [th, tw], interpolation=F.InterpolationMode.BICUBIC, antialias=True)
        yield h, w, th, tw, zlib.crc32(out.permute(1, 2, 0).contiguous().numpy().tobytes())


write_turned()
write_deep("deep.png", 2, 3)
write_deep("deep-grey.png", 0, 1)
with open(path("pictures-processed.h"), "w") as out:
    print("/* Made by make-pictures-processed.py; do not edit. `fast`: CRC-32 of the float32 rows of the processor that resizes by\n"
          " * torchvision; `slow`: of the rows as bytes of the one that resizes by Pillow, whose float values at (7919 k^2 + 31 k) mod all\n"
          " * follow. */\n"
          "static const struct processed { const char *file; int height, width, grid_h, grid_w, rows; uint32_t fast, slow;\n"
          "    double fast_sum, slow_sum; float picks[8]; } processed[] = {", file=out)
    for h, w in SIZES:
        print(line("", h, w, [noise_picture(h, w)]), file=out)
    for name in FILES:
        im = opened(name)
        print(line(name, im.height, im.width, [im]), file=out)
    print("};\n/* several pictures, of these sizes, in this order */\nstatic const int several[][2] = {", end="", file=out)
    print(", ".join(f"{{{h}, {w}}}" for h, w in SEVERAL) + "};", file=out)
    print("static const struct processed together =\n" + line("", 0, 0, [noise_picture(h, w) for h, w in SEVERAL]).rstrip(",") + ";", file=out)
    print("/* noise resized by torchvision: h, w, to h, to w, CRC-32 of the bytes */\nstatic const struct { int h, w, to_h, to_w; uint32_t crc; } "
          "resized_by_torchvision[] = {", file=out)
    for r in resizes():
        print("    {%d, %d, %d, %d, 0x%08x}," % r, file=out)
    print("};", file=out)
