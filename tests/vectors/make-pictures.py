#!/usr/bin/env python3
"""Makes the pictures in this folder and pictures.h: what Pillow decodes from them and how it resizes noise.

usage: tests/vectors/make-pictures.py      (needs Pillow; made with 9.4; only to change the vectors)
"""
import io
import os
from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
MASK = (1 << 64) - 1


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & MASK
    return h


def noise(name, n):
    """Bytes from a hash: the same in the C test."""
    h = fnv(name.encode())
    out = bytearray()
    for i in range(n):
        z = (h + i + 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        out.append((z ^ (z >> 31)) & 255)
    return bytes(out)


def picture(mode, width, height):
    """Noise on a slope, so that JPEG has something to keep."""
    bands = len(Image.new(mode, (1, 1)).tobytes())
    data = noise("picture", width * height * bands)
    for_pixel = lambda i: (data[i] // 4 + 5 * (i // bands % width) + 3 * (i // bands // width)) % 256
    return Image.frombytes(mode, (width, height), bytes(for_pixel(i) for i in range(len(data))))


def over_white(im):
    white = Image.new("RGB", im.size, (255, 255, 255))
    rgba = im.convert("RGBA")
    white.paste(rgba, mask=rgba.split()[3])
    return white


def save(name, im, **options):
    im.save(os.path.join(HERE, name), **options)


def files():
    rgb, rgba, grey = picture("RGB", 21, 14), picture("RGBA", 21, 14), picture("L", 21, 14)
    save("rgb.png", rgb)
    save("rgba.png", rgba)
    save("grey-alpha.png", rgba.convert("LA"))
    save("grey.png", grey)
    save("bits.png", grey.convert("1"))
    save("palette.png", rgb.quantize(16), transparency=3)
    save("baseline.jpg", rgb, quality=85)
    save("full.jpg", rgb, quality=95, subsampling=0)
    save("progressive.jpg", rgb, quality=85, progressive=True)
    save("grey.jpg", grey, quality=85)
    save("cmyk.jpg", rgb.convert("CMYK"), quality=85)


def decoded(name):
    im = Image.open(os.path.join(HERE, name))
    clear = im.mode in ("RGBA", "LA") or "transparency" in im.info
    im = over_white(im) if clear else im.convert("RGB")
    return im.size, fnv(im.tobytes())


def turned(orientation):
    """baseline.jpg with an EXIF block that says `orientation`."""
    im = Image.open(os.path.join(HERE, "baseline.jpg"))
    exif = im.getexif()
    exif[0x0112] = orientation
    im = ImageOps.exif_transpose(im)
    return im.size, fnv(im.convert("RGB").tobytes())


SMALL = [(3, 5, 4, 4), (5, 4, 2, 3), (2, 2, 5, 7)]
LARGE = [(28, 28, 96, 96), (84, 84, 96, 96), (333, 500, 320, 512), (100, 75, 32, 64), (48, 700, 96, 992), (200, 64, 33, 64),
         (64, 200, 64, 31), (1, 100, 32, 32), (97, 89, 89, 97)]


def resized(h, w, th, tw):
    im = Image.frombytes("RGB", (w, h), noise("resize", h * w * 3))
    return im.resize((tw, th), Image.BICUBIC).tobytes()


def header(out):
    print("/* Made by make-pictures.py with Pillow; do not edit. Digests are FNV-1a, 64 bits, of the RGB bytes. */", file=out)
    print("static const struct { const char *file; int height, width; uint64_t digest; } decoded[] = {", file=out)
    for name in "rgb.png rgba.png grey-alpha.png grey.png bits.png palette.png baseline.jpg full.jpg progressive.jpg grey.jpg".split():
        (w, h), d = decoded(name)
        print(f'    {{"{name}", {h}, {w}, 0x{d:016x}}},', file=out)
    print("};\n/* baseline.jpg under EXIF orientation 1..8 */", file=out)
    print("static const struct { int height, width; uint64_t digest; } turned[] = {", file=out)
    for o in range(1, 9):
        (w, h), d = turned(o)
        print(f"    {{{h}, {w}, 0x{d:016x}}},", file=out)
    print("};\nstatic const struct { int h, w, to_h, to_w; uint64_t digest; } resized[] = {", file=out)
    for s in SMALL + LARGE:
        print(f"    {{{s[0]}, {s[1]}, {s[2]}, {s[3]}, 0x{fnv(resized(*s)):016x}}},", file=out)
    print("};\n/* the bytes of the first three */", file=out)
    for i, s in enumerate(SMALL):
        b = ", ".join(str(x) for x in resized(*s))
        print(f"static const uint8_t resized_{i}[] = {{{b}}};", file=out)


files()
text = io.StringIO()
header(text)
with open(os.path.join(HERE, "pictures.h"), "w") as f:
    f.write(text.getvalue())
