#!/usr/bin/env python3
"""Makes the damaged pictures of this folder and EXPECT: for each file its exit status and a pattern of the message.

usage: tests/corpus-image/make.py      (Python alone; only to change the corpus)

The messages in quotes behind "damaged PNG:" and "damaged JPEG:" are those of libpng 1.6 and libjpeg-turbo 2.1.
"""
import os
import struct
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, "..", "vectors")
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
    put("png-0-bytes", b"", 65, "empty file, expected a PNG or JPEG picture")
    put("png-7-bytes", SIGNATURE[:7], 65, "neither PNG nor JPEG")
    put("png-signature-only", SIGNATURE, 65, bad + "too early")
    put("png-sent-as-text", SIGNATURE.replace(b"\r\n", b"\n") + ihdr() + idat() + IEND, 65, "neither PNG nor JPEG")
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
    put("jpeg-2-bytes", whole[:2], 65, "neither PNG nor JPEG")
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
    put("jpeg-cmyk", vector("cmyk.jpg"), 65, "JPEG that is neither grey, YCbCr nor RGB (CMYK?)")


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


def others():
    for name, data in {"gif": b"GIF89a\1\0\1\0\0\0\0;", "bmp": b"BM" + bytes(52), "tiff": b"II*\0\x08\0\0\0", "webp": b"RIFF\x1a\0\0\0WEBPVP8 ",
                       "heic": b"\0\0\0\x18ftypheic", "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>", "mng": b"\x8AMNG\r\n\x1a\n",
                       "jpeg-2000": b"\0\0\0\x0cjP  \r\n\x87\n", "text": b"What is in the picture?\n", "zeros": bytes(64)}.items():
        put("other-" + name, data, 65, "neither PNG nor JPEG")


headers()
chunks()
jpeg_headers()
jpeg_scans()
others()
with open(os.path.join(HERE, "EXPECT"), "w") as f:
    f.write("# Made by make.py. File, exit status (0: accepted), pattern of the message after the file's name.\n")
    f.write("\n".join(expect) + "\n")
print(len(expect), "files")
