#!/usr/bin/env python3
"""Makes the damaged pictures of this folder and EXPECT: for each file its exit status and a pattern of the message.

usage: tests/corpus-image/make.py      (Python alone; only to change the corpus)

The messages behind "damaged PNG:", "damaged JPEG:" and "damaged GIF:" are those of libpng 1.6, libjpeg-turbo 2.1 and giflib 5.2.
"""
import os
import struct
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, "..", "vectors")
NONE = "neither PNG, JPEG, WebP, GIF nor BMP"
expect = []


def put(name, data, status, pattern=""):
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(data)
    expect.append(f"{name} {status} {pattern}".rstrip())


def vector(name):
    with open(os.path.join(VECTORS, name), "rb") as f:
        return f.read()


# ---- PNG ----

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data=b"", length=None, crc=None):
    if crc is None:
        crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data) if length is None else length) + kind + data + struct.pack(">I", crc)


def ihdr(width=21, height=14, depth=8, colour=2, compression=0, filtering=0, interlace=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, compression, filtering, interlace))


def rows(height=14, stride=63, first=0):
    return b"".join(bytes([first]) + bytes((7 * x + 11 * y) % 256 for x in range(stride)) for y in range(height))


def idat(data=None):
    return chunk(b"IDAT", zlib.compress(rows() if data is None else data))


IEND = chunk(b"IEND")
PALETTE = chunk(b"PLTE", bytes(range(48)))


def png(*chunks):
    return SIGNATURE + b"".join(chunks)


def bomb(n):
    return zlib.compress(bytes(n), 9)


def headers():
    bad = "damaged PNG: *"
    put("png-0-bytes", b"", 65, "empty file, expected a picture")
    put("png-7-bytes", SIGNATURE[:7], 65, NONE)
    put("png-signature-only", SIGNATURE, 65, bad + "too early")
    put("png-sent-as-text", SIGNATURE.replace(b"\r\n", b"\n") + ihdr() + idat() + IEND, 65, NONE)
    put("png-ihdr-cut", png(ihdr())[:20], 65, bad + "too early")
    put("png-ihdr-crc", png(chunk(b"IHDR", ihdr()[8:21], crc=1), idat(), IEND), 65, bad + "CRC error")
    put("png-ihdr-12-bytes", png(chunk(b"IHDR", ihdr()[8:20]), idat(), IEND), 65, bad + "Invalid IHDR length")
    put("png-ihdr-14-bytes", png(chunk(b"IHDR", ihdr()[8:21] + b"\0"), idat(), IEND), 65, bad + "Invalid IHDR length")
    put("png-ihdr-twice", png(ihdr(), ihdr(), idat(), IEND), 65, bad + "out of place")
    put("png-ihdr-missing", png(idat(), IEND), 65, bad + "Missing IHDR*")
    put("png-ihdr-late", png(PALETTE, ihdr(), idat(), IEND), 65, bad + "missing IHDR")
    for name, size in {"0-wide": (0, 14), "0-high": (21, 0), "65501-wide": (65501, 1), "65501-high": (1, 65501),
                       "2g-wide": (1 << 31, 1), "4g-square": (0xFFFFFFFF, 0xFFFFFFFF)}.items():
        put("png-" + name, png(ihdr(*size), idat(), IEND), 65, "picture of %dx%d pixels: expected sides of 1 to 65500 *" % size)
    put("png-30000-square-1-bit", png(ihdr(30000, 30000, 1, 0), idat(), IEND), 65, "picture of 30000x30000 pixels: *")
    put("png-8193x8192", png(ihdr(8193, 8192), idat(), IEND), 65, "picture of 8193x8192 pixels: expected * at most 67108864 *")
    put("png-65500-square-16-bit", png(ihdr(65500, 65500, 16, 6, interlace=1), idat(), IEND), 65, "picture of 65500x65500 *")
    for name, field in {"depth-0": dict(depth=0), "depth-3": dict(depth=3), "depth-32": dict(depth=32), "rgb-4-bit": dict(depth=4),
                        "palette-16-bit": dict(depth=16, colour=3), "colour-1": dict(colour=1), "colour-5": dict(colour=5),
                        "colour-8": dict(colour=8), "compression-1": dict(compression=1), "filter-method-1": dict(filtering=1),
                        "interlace-2": dict(interlace=2)}.items():
        put("png-" + name, png(ihdr(**field), idat(), IEND), 65, bad + "Invalid IHDR data")


def chunks():
    bad = "damaged PNG: *"
    put("png-idat-missing", png(ihdr(), IEND), 65, bad)
    put("png-idat-empty", png(ihdr(), chunk(b"IDAT"), IEND), 65, bad)
    put("png-idat-cut", png(ihdr(), idat())[:-30], 65, bad + "too early")
    put("png-idat-crc", png(ihdr(), chunk(b"IDAT", zlib.compress(rows()), crc=1), IEND), 65, bad)
    put("png-idat-short", png(ihdr(), idat(rows(13)), IEND), 65, bad + "Not enough image data")
    put("png-idat-long", png(ihdr(), idat(rows(15)), IEND), 0)
    put("png-idat-no-zlib", png(ihdr(), chunk(b"IDAT", rows()), IEND), 65, bad)
    put("png-idat-window", png(ihdr(), chunk(b"IDAT", b"\x88" + zlib.compress(rows())[1:]), IEND), 65, bad)
    put("png-idat-adler", png(ihdr(), chunk(b"IDAT", zlib.compress(rows())[:-4] + b"abcd"), IEND), 65, bad)
    put("png-idat-stopped", png(ihdr(), chunk(b"IDAT", zlib.compress(rows())[:-40]), IEND), 65, bad)
    half = zlib.compress(rows())
    put("png-idat-interrupted", png(ihdr(), chunk(b"IDAT", half[:50]), chunk(b"tEXt", b"a\0b"), chunk(b"IDAT", half[50:]), IEND),
        65, bad)
    put("png-row-filter-9", png(ihdr(), idat(rows(first=9)), IEND), 65, bad + "bad adaptive filter value")
    put("png-interlaced-short", png(ihdr(interlace=1), idat(rows(5)), IEND), 65, bad)
    put("png-16-bit-short", png(ihdr(depth=16), idat(rows(7, 126)), IEND), 65, bad + "Not enough image data")
    put("png-iend-missing", png(ihdr(), idat()), 65, bad + "too early")
    put("png-iend-crc", png(ihdr(), idat(), chunk(b"IEND", crc=1)), 65, bad)
    put("png-bytes-after-iend", png(ihdr(), idat(), IEND) + b"trailing", 0)
    put("png-plte-missing", png(ihdr(colour=3), idat(), IEND), 65, bad + "Missing PLTE before IDAT")
    put("png-plte-47-bytes", png(ihdr(colour=3), chunk(b"PLTE", bytes(47)), idat(), IEND), 65, bad)
    put("png-plte-crc", png(ihdr(colour=3), chunk(b"PLTE", bytes(48), crc=1), idat(), IEND), 65, bad + "CRC error")
    put("png-plte-twice", png(ihdr(colour=3), PALETTE, PALETTE, idat(rows(stride=21)), IEND), 65, bad)
    put("png-plte-late", png(ihdr(colour=3), idat(rows(stride=21)), PALETTE, IEND), 65, bad + "Missing PLTE before IDAT")
    put("png-plte-index-past-end", png(ihdr(colour=3), PALETTE, idat(rows(stride=21)), IEND), 0)
    put("png-length-past-end", png(ihdr(), chunk(b"tEXt", b"abc", length=1 << 20)), 65, bad + "too early")
    put("png-length-negative", png(ihdr(), chunk(b"tEXt", b"abc", length=0xFFFFFFFF), idat(), IEND), 65, bad)
    put("png-type-not-letters", png(ihdr(), chunk(b"t\x00\xFFt", b"abc"), idat(), IEND), 65, bad)
    put("png-unknown-critical", png(ihdr(), chunk(b"ABCD", b"abc"), idat(), IEND), 65, bad)
    put("png-unknown-ancillary", png(ihdr(), chunk(b"abCd", b"abc"), idat(), IEND), 0)
    put("png-trns-long", png(ihdr(colour=3), PALETTE, chunk(b"tRNS", bytes(200)), idat(rows(stride=21)), IEND), 0)
    put("png-exif-garbage", png(ihdr(), chunk(b"eXIf", b"\xFF" * 40), idat(), IEND), 0)
    put("png-exif-loops", png(ihdr(), chunk(b"eXIf", b"II*\0\x08\0\0\0" + b"\xFF\xFF" + bytes(24)), idat(), IEND), 0)
    put("png-ztxt-bomb", png(ihdr(), chunk(b"zTXt", b"a\0\0" + bomb(64 << 20)), idat(), IEND), 0)
    put("png-iccp-bomb", png(ihdr(), chunk(b"iCCP", b"a\0\0" + bomb(64 << 20)), idat(), IEND), 0)
    put("png-5000-texts", png(ihdr(), *[chunk(b"tEXt", b"a\0")] * 5000, idat(), IEND), 0)
    put("png-5000-unknown", png(ihdr(), *[chunk(b"abCd")] * 5000, idat(), IEND), 0)


# ---- JPEG ----

def segments(data):
    """(marker, body) up to the scan, then the scan's data as (None, bytes)."""
    out, at = [], 2
    while True:
        marker, n = data[at + 1], struct.unpack(">H", data[at + 2:at + 4])[0]
        out.append((marker, data[at + 4:at + 2 + n]))
        at += 2 + n
        if marker == 0xDA:
            return out + [(None, data[at:])]


def jpeg(parts):
    out = b"\xFF\xD8"
    for marker, body in parts:
        out += body if marker is None else b"\xFF" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body
    return out


BASE = segments(vector("baseline.jpg"))
SOF, DHT, DQT, SOS = 0xC0, 0xC4, 0xDB, 0xDA


def without(marker):
    return jpeg([p for p in BASE if p[0] != marker])


def changed(marker, at, value, k=0):
    """The k-th segment of this kind with a byte changed."""
    out = []
    for m, body in BASE:
        if m == marker:
            if k == 0:
                body = body[:at] + bytes([value]) + body[at + 1:]
            k -= 1
        out.append((m, body))
    return jpeg(out)


def sized(height, width, base=None):
    return jpeg([(m, b[:1] + struct.pack(">HH", height, width) + b[5:] if m in (0xC0, 0xC2) else b) for m, b in base or BASE])


def frame(marker):
    return jpeg([(marker if m == SOF else m, b) for m, b in BASE])


def inserted(before, *extra):
    at = [m for m, _ in BASE].index(before)
    return jpeg(BASE[:at] + list(extra) + BASE[at:])


def jpeg_headers():
    bad = "damaged JPEG: "
    whole = vector("baseline.jpg")
    put("jpeg-2-bytes", whole[:2], 65, NONE)
    put("jpeg-3-bytes", whole[:3], 65, bad + "*")
    put("jpeg-soi-eoi", b"\xFF\xD8\xFF\xD9", 65, bad + "*")
    put("jpeg-text", b"\xFF\xD8\xFFhello, this is no picture\n", 65, bad + "*")
    put("jpeg-only-fill", b"\xFF\xD8" + b"\xFF" * 4000, 65, bad + "*")
    put("jpeg-cut-in-tables", whole[:100], 65, bad + "*")
    put("jpeg-cut-in-frame", whole[:whole.index(b"\xFF\xC0") + 8], 65, bad + "*")
    put("jpeg-cut-in-scan", whole[:-60], 65, bad + "Premature end of JPEG file")
    put("jpeg-eoi-missing", whole[:-2], 65, bad + "Premature end of JPEG file")
    put("jpeg-no-frame", without(SOF), 65, bad + "*SOS before SOF")
    put("jpeg-no-quantizers", without(DQT), 65, bad + "Quantization table 0x00 was not defined")
    put("jpeg-no-codes", without(DHT), 0)  # the standard's own, as in motion JPEG
    put("jpeg-no-scan", jpeg([p for p in BASE if p[0] not in (SOS, None)]) + b"\xFF\xD9", 65, bad + "*")
    put("jpeg-two-frames", inserted(SOS, BASE[[m for m, _ in BASE].index(SOF)]), 65, bad + "*two SOF markers")
    put("jpeg-0-high", sized(0, 21), 65, bad + "*")
    put("jpeg-0-wide", sized(14, 0), 65, bad + "*")
    put("jpeg-65500-square", sized(65500, 65500), 65, "picture of 65500x65500 pixels: *")
    put("jpeg-65535-square", sized(65535, 65535), 65, "*")
    put("jpeg-8193x8192", sized(8192, 8193), 65, "picture of 8193x8192 pixels: *")
    put("jpeg-claims-8000x8000", sized(8000, 8000), 65, bad + "*")
    put("jpeg-progressive-claims-8000x8000", sized(8000, 8000, segments(vector("progressive.jpg"))), 65, bad + "*")
    put("jpeg-12-bit", changed(SOF, 0, 12), 65, bad + "Unsupported JPEG data precision 12")
    for marker in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD):
        put(f"jpeg-process-{marker:x}", frame(marker), 65, bad + f"Unsupported JPEG process: SOF type 0x{marker:x}")
    put("jpeg-arithmetic", frame(0xC9), 0)  # any bytes are a picture
    put("jpeg-0-components", changed(SOF, 5, 0), 65, bad + "*")
    put("jpeg-5-components", changed(SOF, 5, 5), 65, bad + "*")
    put("jpeg-frame-of-5-bytes", jpeg([(m, b[:5] if m == SOF else b) for m, b in BASE]), 65, bad + "*")
    put("jpeg-sampling-0", changed(SOF, 7, 0), 65, bad + "Bogus sampling factors")
    put("jpeg-sampling-5", changed(SOF, 7, 0x51), 65, bad + "Bogus sampling factors")
    put("jpeg-quantizer-9", changed(SOF, 8, 9), 65, bad + "*")
    put("jpeg-cmyk", vector("cmyk.jpg"), 0)
    inks = vector("format-ycck.jpg")
    at = inks.index(b"\xFF\xC0")
    put("jpeg-ycck-cut", inks[:-60], 65, bad + "Premature end of JPEG file")
    put("jpeg-ycck-claims-8000x8000", inks[:at + 5] + struct.pack(">HH", 8000, 8000) + inks[at + 9:], 65, bad + "*")
    put("jpeg-ycck-65500-square", inks[:at + 5] + struct.pack(">HH", 65500, 65500) + inks[at + 9:], 65, "picture of 65500x65500 pixels: *")


def last_scan_twice():
    data = vector("progressive.jpg")
    last = data.rindex(b"\xFF\xDA")
    return data[:-2] + data[last:]


def jpeg_scans():
    bad = "damaged JPEG: "
    body, scan = BASE[:-1], BASE[-1][1]
    put("jpeg-codes-counts", changed(DHT, 1, 255), 65, bad + "Bogus Huffman table definition")
    put("jpeg-codes-class", changed(DHT, 0, 0x25), 65, bad + "*")
    put("jpeg-codes-short", jpeg([(m, b[:10] if m == DHT else b) for m, b in BASE]), 65, bad + "*")
    put("jpeg-quantizer-index", changed(DQT, 0, 7), 65, bad + "*")
    put("jpeg-quantizer-short", jpeg([(m, b[:30] if m == DQT else b) for m, b in BASE]), 65, bad + "*")
    put("jpeg-scan-0-components", changed(SOS, 0, 0), 65, bad + "*")
    put("jpeg-scan-of-stranger", changed(SOS, 1, 77), 65, bad + "*")
    put("jpeg-scan-codes-3", changed(SOS, 2, 0x33), 65, bad + "*")
    put("jpeg-scan-empty", jpeg(body) + b"\xFF\xD9", 65, bad + "*")
    put("jpeg-scan-noise", jpeg(body) + b"\xFF\0" * 200 + b"\xFF\xD9", 65, bad + "*")
    put("jpeg-scan-marker-inside", jpeg(body) + scan[:40] + b"\xFF\xD3" + scan[40:], 65, bad + "*")
    put("jpeg-restarts-missing", inserted(SOS, (0xDD, b"\0\1")), 65, bad + "*")
    put("jpeg-length-0", b"\xFF\xD8\xFF\xE1\0\0" + vector("baseline.jpg")[2:], 65, bad + "*")
    put("jpeg-length-1", b"\xFF\xD8\xFF\xE1\0\1" + vector("baseline.jpg")[2:], 65, bad + "*")
    put("jpeg-length-past-end", b"\xFF\xD8\xFF\xE1\xFF\xFF" + vector("baseline.jpg")[2:], 65, bad + "*")
    put("jpeg-progressive-scan-twice", last_scan_twice(), 65, bad + "Inconsistent progression sequence *")
    progressive = segments(vector("progressive.jpg"))
    at = [m for m, _ in progressive].index(SOS)
    for name, tail in {"spectrum": b"\x05\x02\0", "bits": b"\0\0\x0E"}.items():
        script = [(m, b[:-3] + tail if i == at else b) for i, (m, b) in enumerate(progressive)]
        put("jpeg-progressive-" + name, jpeg(script), 65, bad + "*")
    exif = b"Exif\0\0II*\0\x08\0\0\0"
    put("jpeg-exif-orientation-9", inserted(SOF, (0xE1, exif + b"\1\0\x12\1\3\0\1\0\0\0\x09\0\0\0\0\0\0\0")), 0)
    put("jpeg-exif-past-end", inserted(SOF, (0xE1, b"Exif\0\0II*\0\xFF\xFF\xFF\xFF")), 0)
    put("jpeg-exif-loops", inserted(SOF, (0xE1, exif + b"\xFF\xFF" + bytes(30))), 0)
    put("jpeg-bytes-after-eoi", vector("baseline.jpg") + b"trailing", 0)


# ---- WebP ----

def riff(*parts):
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(data)) + data + bytes(len(data) & 1) for kind, data in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def chunks_of(data):
    """(name, body) of each chunk of a WebP file."""
    out, at = [], 12
    while at < len(data):
        n = struct.unpack("<I", data[at + 4:at + 8])[0]
        out.append((data[at:at + 4], data[at + 8:at + 8 + n]))
        at += 8 + n + (n & 1)
    return out


def canvas(width, height, flags=0):
    return b"VP8X", bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def webps():
    bad = "damaged WebP: "
    lossy, lossless = vector("format-lossy.webp"), vector("format-lossless.webp")
    alpha, moving = chunks_of(vector("format-lossy-alpha.webp")), chunks_of(vector("format-animated.webp"))
    key, packed = chunks_of(lossy)[0][1], chunks_of(lossless)[0][1]
    put("webp-12-bytes", lossy[:12], 65, bad + "file ends too early")
    put("webp-cut", lossy[:-20], 65, bad + "file ends too early")
    put("webp-size-0", lossy[:4] + bytes(4) + lossy[8:], 65, bad + "file ends too early")
    put("webp-size-most", lossy[:4] + b"\xFF" * 4 + lossy[8:], 65, bad + "file ends too early")
    put("webp-bytes-behind", lossy + b"trailing", 0)
    put("webp-chunk-past-end", riff((b"VP8 ", key))[:16] + b"\xFF\xFF\0\0" + lossy[20:], 65, bad + "file ends too early")
    put("webp-no-chunks", riff() + bytes(12), 65, bad + "*")
    put("webp-no-picture", riff(canvas(23, 13)), 65, bad + "*")
    put("webp-unknown-chunks", riff(canvas(23, 13), (b"VP8 ", key), *[(b"ABCD", b"")] * 100), 0)
    put("webp-5000-chunks", riff(canvas(23, 13), (b"VP8 ", key), *[(b"ABCD", b"")] * 5000), 65, "WebP with over 4096 chunks")
    put("webp-canvas-16383-square", riff(canvas(16383, 16383), (b"VP8 ", key)), 65, "*")
    put("webp-canvas-larger", riff(canvas(40, 40), (b"VP8 ", key)), 65, bad + "*")
    put("webp-canvas-4g", riff(canvas(1 << 24, 1 << 24), (b"VP8 ", key)), 65, bad + "*")
    put("webp-key-of-9-bytes", riff((b"VP8 ", key[:9])), 65, bad + "*")
    put("webp-key-half", riff((b"VP8 ", key[:len(key) // 2])), 65, bad + "*")
    put("webp-key-noise", riff((b"VP8 ", key[:10] + bytes(i * 91 % 256 for i in range(200)))), 65, bad + "*")
    put("webp-key-claims-16383-square", riff((b"VP8 ", key[:6] + struct.pack("<HH", 16383, 16383) + key[10:])), 65,
        "picture of 16383x16383 pixels: *")
    put("webp-key-claims-8000x8000", riff((b"VP8 ", key[:6] + struct.pack("<HH", 8000, 8000) + key[10:])), 65, bad + "*")
    put("webp-no-key", riff((b"VP8 ", bytes([key[0] | 1]) + key[1:])), 65, bad + "*")
    put("webp-packed-half", riff((b"VP8L", packed[:len(packed) // 2])), 65, bad + "*")
    put("webp-packed-noise", riff((b"VP8L", packed[:5] + bytes(i * 57 % 256 for i in range(200)))), 65, bad + "*")
    put("webp-packed-claims-8000x8000", riff((b"VP8L", b"\x2F" + (7999 | 7999 << 14).to_bytes(4, "little") + packed[5:])), 65, bad + "*")
    put("webp-alpha-empty", riff(*[(k, b"" if k == b"ALPH" else d) for k, d in alpha]), 65, bad + "*")
    put("webp-alpha-half", riff(*[(k, d[:len(d) // 2] if k == b"ALPH" else d) for k, d in alpha]), 65, bad + "*")
    put("webp-frame-outside", riff(*[(k, b"\x20" + d[1:] if k == b"ANMF" else d) for k, d in moving]), 65, bad + "*")
    put("webp-frame-of-8-bytes", riff(*[(k, d[:8] if k == b"ANMF" else d) for k, d in moving]), 65, bad + "*")
    put("webp-frames-none", riff(*[p for p in moving if p[0] != b"ANMF"]), 65, bad + "*")
    put("webp-exif-loops", riff(canvas(23, 13, 8), (b"VP8 ", key), (b"EXIF", b"II*\0\x08\0\0\0" + b"\xFF\xFF" + bytes(24))), 0)
    put("webp-exif-of-6-bytes", riff(canvas(23, 13, 8), (b"VP8 ", key), (b"EXIF", b"Exif\0\0")), 0)
    put("riff-wave", b"RIFF\x24\0\0\0WAVEfmt " + bytes(24), 65, NONE)


# ---- GIF ----

def gifs():
    bad = "damaged GIF: "
    whole = vector("format-plain.gif")
    at = whole.index(b",")
    start = at + 10 + (3 << (whole[at + 9] & 7) + 1 if whole[at + 9] & 128 else 0)

    def described(x=0, y=0, width=23, height=13, screen=None):
        head = whole[:6] + struct.pack("<HH", *screen) + whole[10:at] if screen else whole[:at]
        return head + b"," + struct.pack("<HHHH", x, y, width, height) + whole[at + 9:]

    put("gif-6-bytes", whole[:6], 65, bad + "*")
    put("gif-12-bytes", whole[:12], 65, bad + "*")
    put("gif-cut-in-palette", whole[:20], 65, bad + "*")
    put("gif-no-frame", whole[:at] + b";", 65, bad + "*")
    put("gif-no-trailer", whole[:-1], 0)
    put("gif-bytes-behind", whole + b"trailing", 0)
    put("gif-cut-in-frame", whole[:start + 30], 65, bad + "*")
    put("gif-no-pixels", whole[:start + 1] + b"\0;", 65, bad + "*")
    put("gif-too-few-pixels", described(height=200), 65, bad + "*")
    put("gif-too-many-pixels", described(height=5), 0)
    put("gif-frame-0-wide", described(width=0), 65, "picture of 0x13 pixels: *")
    put("gif-frame-65535-square", described(width=65535, height=65535), 65, "picture of 65535x65535 pixels: *")
    put("gif-frame-far-out", described(x=60000, y=60000), 65, "picture of 60023x60013 pixels: *")
    put("gif-screen-65535-square", described(screen=(65535, 65535)), 65, "picture of 65535x65535 pixels: *")
    put("gif-screen-0", described(screen=(0, 0)), 0)
    put("gif-claims-8000x8000", described(width=8000, height=8000), 65, bad + "*")
    put("gif-code-size-0", whole[:start] + b"\0" + whole[start + 1:], 65, bad + "*")
    put("gif-code-size-12", whole[:start] + b"\x0C" + whole[start + 1:], 65, bad + "*")
    put("gif-noise", whole[:start + 1] + b"\xC8" + bytes(i * 91 % 256 for i in range(200)) + b"\0;", 65, bad + "*")
    put("gif-unknown-block", whole[:at] + b"?" + whole[at:], 65, bad + "*")
    put("gif-unknown-extension", whole[:at] + b"!\x77\x03abc\0" + whole[at:], 0)
    put("gif-extension-cut", whole[:at] + b"!\xFE\xFFabc", 65, bad + "*")
    put("gif-control-of-1-byte", whole[:at] + b"!\xF9\x01\x01\0" + whole[at:], 0)
    put("gif-clear-colour-255", whole[:at] + b"!\xF9\x04\x01\0\0\xFF\0" + whole[at:], 0)
    put("gif-100000-comments", whole[:at] + b"!\xFE\x01a\0" * 100000 + whole[at:], 0)
    put("gif-palette-of-2", whole[:10] + b"\x80" + whole[11:13] + whole[13:19] + whole[at:], 0)


# ---- BMP ----

def bmps():
    bad = "damaged BMP: "
    plain, colours, masks = vector("format-rgb.bmp"), vector("format-p.bmp"), vector("format-565.bmp")

    def field(at, value, size=4, base=plain):
        return base[:at] + value.to_bytes(size, "little") + base[at + size:]

    put("bmp-2-bytes", plain[:2], 65, bad + "file ends too early")
    put("bmp-25-bytes", plain[:25], 65, bad + "file ends too early")
    put("bmp-cut-in-header", plain[:40], 65, bad + "file ends too early")
    put("bmp-cut", plain[:-1], 65, bad + "file ends too early")
    put("bmp-bytes-behind", plain + b"trailing", 0)
    put("bmp-header-0", field(14, 0), 65, bad + "a header of unknown size")
    put("bmp-header-16", field(14, 16), 65, bad + "a header of unknown size")
    put("bmp-header-4g", field(14, 0xFFFFFFFF), 65, bad + "a header of unknown size")
    put("bmp-header-over-pixels", field(14, 124), 65, bad + "file ends too early")
    put("bmp-0-wide", field(18, 0), 65, "picture of 0x13 pixels: *")
    put("bmp-0-high", field(22, 0), 65, "picture of 23x0 pixels: *")
    put("bmp-negative-wide", field(18, 0xFFFFFFE9), 65, "picture of 4294967273x13 pixels: *")
    put("bmp-lowest-high", field(22, 1 << 31), 65, "picture of 23x2147483648 pixels: *")
    put("bmp-65500-square", field(22, 65500, base=field(18, 65500)), 65, "picture of 65500x65500 pixels: *")
    put("bmp-claims-8000x8000", field(22, 8000, base=field(18, 8000)), 65, bad + "file ends too early")
    put("bmp-pixels-0", field(10, 0), 65, bad + "file ends too early")
    put("bmp-pixels-in-header", field(10, 20), 65, bad + "file ends too early")
    put("bmp-pixels-past-end", field(10, 1 << 20), 65, bad + "file ends too early")
    put("bmp-pixels-4g", field(10, 0xFFFFFFFF), 65, bad + "file ends too early")
    for bits in (0, 2, 5, 64, 65535):
        put(f"bmp-{bits}-bits", field(28, bits, 2), 65, f"BMP of {bits} bits and packing 0, expected *")
    for packing, name in {4: "JPEG", 5: "PNG"}.items():
        put(f"bmp-packing-{packing}", field(30, packing), 65, f"BMP packed as {name}, expected one that is not packed")
    put("bmp-packing-1-24-bits", field(30, 1), 65, "BMP of 24 bits and packing 1, *")
    put("bmp-packing-2-8-bits", field(30, 2, base=colours), 65, "BMP of 8 bits and packing 2, *")
    runs = vector("format-rle8.bmp")
    at = struct.unpack("<I", runs[10:14])[0]
    for name, body, status in (("none", b"", 65), ("1-byte", b"\x05", 65), ("no-end", b"\x05\x01" * 100, 65), ("only-end", b"\0\1", 0),
                               ("too-long", b"\xFF\x01" * 100 + b"\0\1", 0), ("rows-too-many", b"\0\0" * 100 + b"\x05\x01\0\1", 0),
                               ("steps-out", b"\0\2\xFF\xFF" * 100 + b"\x05\x01\0\1", 0), ("step-cut", b"\0\2\1", 65),
                               ("pixels-cut", b"\0\x20" + bytes(31), 65), ("pixels-not-filled", b"\0\x03abc", 65)):
        put("bmp-runs-" + name, runs[:at] + body, status, bad + "file ends too early" if status else "")
    put("bmp-runs-from-top", runs[:22] + (-13).to_bytes(4, "little", signed=True) + runs[26:], 65, "BMP of 8 bits and packing 1, *")
    put("bmp-packing-3-24-bits", field(30, 3), 65, "BMP of 24 bits and packing 3, *")
    put("bmp-packing-99", field(30, 99), 65, "BMP of 24 bits and packing 99, *")
    put("bmp-palette-none", field(10, 54, base=colours), 65, bad + "no palette")
    put("bmp-palette-short", field(10, 62, base=colours), 0)
    put("bmp-palette-4g", field(46, 0xFFFFFFFF, base=colours), 0)
    put("bmp-mask-0", field(54, 0, base=masks), 65, bad + "a colour without a mask")
    put("bmp-mask-with-holes", field(54, 0xA801, base=masks), 0)
    put("bmp-masks-cut", masks[:60], 65, bad + "file ends too early")


def others():
    for name, data in {"tiff": b"II*\0\x08\0\0\0", "heic": b"\0\0\0\x18ftypheic", "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
                       "mng": b"\x8AMNG\r\n\x1a\n", "jpeg-2000": b"\0\0\0\x0cjP  \r\n\x87\n", "gif-88": b"GIF88a" + bytes(20),
                       "text": b"What is in the picture?\n", "zeros": bytes(64)}.items():
        put("other-" + name, data, 65, NONE)


headers()
chunks()
jpeg_headers()
jpeg_scans()
webps()
gifs()
bmps()
others()
with open(os.path.join(HERE, "EXPECT"), "w") as f:
    f.write("# Made by make.py. File, exit status (0: accepted), pattern of the message after the file's name.\n")
    f.write("\n".join(expect) + "\n")
print(len(expect), "files")
