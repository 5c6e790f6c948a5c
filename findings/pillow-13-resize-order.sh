#!/bin/bash
# Pillow 13.0 resizes other bytes than Pillow 12 where the height shrinks by over twice as many pixels
# as the width: it does the vertical pass first there, and between the two passes are bytes, rounded
# and clamped.
#
# A good guess: the bytes of Image.resize with a given filter stay what they were, as they did from
# Pillow 4.3 to 12.3 (horizontal pass first, always). Seen: 13.0.0 and 12.3.0 agree on wide pictures,
# and differ on tall ones; what 13.0.0 gives there is what 12.3.0 gives if the height is resized
# first and the width after it. Who wants the bytes of a model's own preparation must know which
# Pillow it had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > resize.py << 'P'
import random
import sys

from PIL import Image

random.seed(1)
BICUBIC = Image.Resampling.BICUBIC


def noise(width, height):
    return Image.frombytes("RGB", (width, height), random.randbytes(3 * width * height))


def twice(image, first, then):
    return image.resize(first, BICUBIC).resize(then, BICUBIC)


for width, height, w, h in (300, 100, 120, 90), (100, 300, 90, 120), (100, 100, 50, 50), (200, 300, 150, 201), (200, 300, 150, 199):
    image = noise(width, height)
    once = image.resize((w, h), BICUBIC).tobytes()
    across, down = (twice(image, first, (w, h)).tobytes() for first in ((w, height), (width, h)))
    print(f"{width}x{height} to {w}x{h}:", "horizontal first" if once == across else "vertical first" if once == down else "neither")
P
python3 -m venv before && before/bin/pip install -q --disable-pip-version-check pillow==12.3.0
python3 -m venv after && after/bin/pip install -q --disable-pip-version-check pillow==13.0.0
before/bin/python resize.py > 12.3.0
after/bin/python resize.py > 13.0.0
head -n 100 12.3.0 13.0.0
[ "$(grep -c 'horizontal first' 12.3.0)" = 5 ] || { echo "changed: Pillow 12.3.0 is not horizontal first"; exit 1; }
printf '%s\n' horizontal vertical horizontal horizontal vertical > order
cut -d: -f2 13.0.0 | awk '{print $1}' | cmp -s order - || { echo "changed: Pillow 13.0.0 has another order"; exit 1; }
echo "as found: Pillow 13.0.0 resizes tall pictures vertically first"
