#!/usr/bin/env python3
"""Makes format-* in this folder and picture-formats.h: what Pillow decodes from them.

usage: tests/vectors/make-picture-formats.py      (needs Pillow; made with 13.0; only to change the vectors)

Where a format says which pixels are clear, they are laid over white. What Pillow cannot write is made from what it can.
"""
import glob
import io
import os
import struct
import PIL
from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, HEIGHT = 23, 13
MASK = (1 << 64) - 1
files = []


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & MASK
    return h


def picture(mode, shift=0):
    """Slopes with grain, the same for every Pillow."""
    bands = len(mode)
    data = bytes((9 * (i // bands % WIDTH) + 13 * (i // bands // WIDTH) * (i % bands + 1) + 41 * (i % bands) + i * i % 7 + shift) % 256
                 for i in range(WIDTH * HEIGHT * bands))
    return Image.frombytes(mode, (WIDTH, HEIGHT), data)


def saved(im, kind, **options):
    out = io.BytesIO()
    im.save(out, kind, **options)
    return out.getvalue()


def put(name, data):
    with open(os.path.join(HERE, "format-" + name), "wb") as f:
        f.write(data)
    files.append("format-" + name)


# ---- JPEG ----

def jpegs():
    """Pillow writes inks with Adobe's marker and transform 0; with 2 the same numbers are luma, chroma and black."""
    inks = saved(picture("CMYK"), "JPEG", quality=90)
    at = inks.index(b"Adobe")
    put("cmyk.jpg", inks)
    put("ycck.jpg", inks[:at + 11] + b"\2" + inks[at + 12:])
    put("cmyk-no-marker.jpg", inks[:at - 4] + inks[at + 12:])
    put("cmyk-progressive.jpg", saved(picture("CMYK"), "JPEG", quality=70, progressive=True))


# ---- WebP ----

def orientation(kind, order):
    """An EXIF block that says 6, as a SHORT (3) or a LONG (4)."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *((6, 0) if kind == 3 else (6,)))
    return mark + struct.pack(order + "IHHHI", 8, 1, 0x0112, kind, 1) + value + bytes(4)


def moved(data, x, y):
    """The first frame of an animated WebP moved on a canvas that is larger by as much and one more."""
    at, size = data.index(b"ANMF") + 8, lambda n: n.to_bytes(3, "little")
    return data[:24] + size(WIDTH + x) + size(HEIGHT + y) + data[30:at] + size(x // 2) + size(y // 2) + data[at + 6:]


def webps():
    rgb, rgba = picture("RGB"), picture("RGBA")
    put("lossy.webp", saved(rgb, "WEBP", quality=80))
    put("lossless.webp", saved(rgb, "WEBP", lossless=True))
    put("lossy-alpha.webp", saved(rgba, "WEBP", quality=80))
    put("lossless-alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True))
    put("animated.webp", saved(rgb, "WEBP", lossless=True, save_all=True, append_images=[picture("RGB", 99), picture("RGB", 3)]))
    put("animated-alpha.webp", saved(rgba, "WEBP", lossless=True, save_all=True, append_images=[picture("RGBA", 99)]))
    put("moved.webp", moved(saved(rgba, "WEBP", lossless=True, save_all=True, append_images=[picture("RGBA", 99)]), 6, 4))
    put("turned.webp", saved(rgb, "WEBP", lossless=True, exif=orientation(3, "<")))
    put("turned-long.webp", saved(rgb, "WEBP", lossless=True, exif=b"Exif\0\0" + orientation(4, ">")))


# ---- GIF ----

def frame_at(data, x, y):
    """The first frame of a GIF moved on its canvas."""
    at = data.index(b",")
    return data[:at + 1] + struct.pack("<HH", x, y) + data[at + 5:]


def without_palette(data):
    size = 3 << (data[10] & 7) + 1
    return data[:10] + bytes([data[10] & 0x7F]) + data[11:13] + data[13 + size:]


def gifs():
    few = picture("RGB").quantize(16)
    plain = saved(few, "GIF", interlace=0)
    put("plain.gif", plain)
    put("interlaced.gif", saved(few.resize((WIDTH, 29)), "GIF", interlace=1))  # lower ones Pillow does not interlace
    put("clear.gif", saved(few, "GIF", transparency=3))
    put("animated.gif", saved(few, "GIF", save_all=True, append_images=[picture("RGB", 99).quantize(8)]))
    put("moved.gif", frame_at(plain, 5, 2))
    put("moved-clear.gif", frame_at(saved(few, "GIF", transparency=3), 5, 2))
    put("no-palette.gif", without_palette(saved(picture("L"), "GIF", interlace=0)))
    put("old.gif", b"GIF87a" + plain[6:])


# ---- BMP ----

def bmp(bits, rows, packing=0, palette=b"", masks=b"", height=HEIGHT, header=40, colours=0):
    """A file of these rows, the lowest first."""
    body = b"".join(r + bytes(-len(r) % 4) for r in rows)
    if header == 12:
        info = struct.pack("<IHHHH", 12, WIDTH, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, WIDTH, height, 1, bits, packing, len(body), 0, 0, colours, 0) + masks
        info += bytes(max(header - len(info), 0))
    at = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(body), 0, 0, at) + info + palette + body


def words(f, size):
    return [b"".join(f(x, y).to_bytes(size, "little") for x in range(WIDTH)) for y in range(HEIGHT)]


def runs(bits):
    """Rows as runs and as pixels one by one, with a step and a row that ends early."""
    value = lambda x, y: (x // 4 * 5 + y * 3) % (1 << bits)
    one_by_one = lambda v: bytes(v) if bits == 8 else bytes(a << 4 | b for a, b in zip(v[::2], (v + [0])[1::2]))
    out = b""
    for y in range(HEIGHT):
        if y == 6:
            continue  # the step led into it
        if y % 3 == 0:
            out += b"".join(bytes([min(4, WIDTH - x), value(x, y) * (1 if bits == 8 else 17)]) for x in range(0, WIDTH, 4))
        elif y % 3 == 1:
            body = one_by_one([value(x, y) for x in range(WIDTH - 6)])
            out += bytes([0, WIDTH - 6]) + body + bytes(len(body) % 2)
        else:
            out += bytes([5, 0x35 % (1 << bits) if bits == 8 else 0x35])
        out += (b"\0\2\3\1" + b"\2\1" if y == 5 else b"") + b"\0\0"
    return [out + b"\0\1"]


def bmps():
    colours = bytes((i * 53 + k * 91) % 256 if k < 3 else 0 for i in range(16) for k in range(4))
    nibbles = [bytes((x * 3 + y) % 16 << 4 | (x * 5 + y + 1) % 16 for x in range((WIDTH + 1) // 2)) for y in range(HEIGHT)]
    deep = words(lambda x, y: (x * 2851 + y * 947) % 65536, 2)
    wide = words(lambda x, y: (x * 0x01030507 + y * 0x0B0D1113) & 0xFFFFFFFF, 4)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        im = {"1": picture("L").convert("1"), "P": picture("RGB").quantize(16)}.get(mode) or picture(mode)
        put(f"{mode.lower()}.bmp", saved(im, "BMP"))
    put("4-bit.bmp", bmp(4, nibbles, palette=colours))
    put("4-bit-few.bmp", bmp(4, nibbles, palette=colours[:40], colours=10))
    put("16-bit.bmp", bmp(16, deep))
    put("565.bmp", bmp(16, deep, 3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F)))
    put("32-bit.bmp", bmp(32, wide))
    put("32-bit-masks.bmp", bmp(32, wide, 3, masks=struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000), header=108))
    many = b"".join(colours[4 * (i % 16):4 * (i % 16) + 3] + bytes([0]) for i in range(256))
    put("rle8.bmp", bmp(8, runs(8), 1, palette=many))
    put("rle4.bmp", bmp(4, runs(4), 2, palette=colours))
    put("from-top.bmp", bmp(24, [bytes((x * 7 + y * 3) % 256 for x in range(3 * WIDTH)) for y in range(HEIGHT)], height=-HEIGHT))
    os2 = b"".join(colours[4 * i:4 * i + 3] for i in range(16))
    put("os2.bmp", bmp(4, nibbles, palette=os2, header=12))


def decoded(name):
    im = Image.open(os.path.join(HERE, name))
    im = ImageOps.exif_transpose(im)
    if im.mode in ("RGBA", "LA") or "transparency" in im.info:
        rgba = im.convert("RGBA")
        im = Image.new("RGB", im.size, (255, 255, 255))
        im.paste(rgba, mask=rgba.split()[3])
    return im.size, fnv(im.convert("RGB").tobytes())


for old in glob.glob(os.path.join(HERE, "format-*")):
    os.remove(old)
jpegs()
webps()
gifs()
bmps()
with open(os.path.join(HERE, "picture-formats.h"), "w") as f:
    print(f"/* Made by make-picture-formats.py with Pillow {PIL.__version__}; do not edit. Digests are FNV-1a, 64 bits, of the RGB bytes. */", file=f)
    print("static const struct { const char *file; int height, width; uint64_t digest; } formats[] = {", file=f)
    for name in files:
        (w, h), d = decoded(name)
        print(f'    {{"{name}", {h}, {w}, 0x{d:016x}}},', file=f)
    print("};", file=f)
