"""A picture encoded by j4d and opened by Pillow, which needs no plug-in and no hook: it is an ordinary JPEG file.

python examples/with_pillow.py photo.png
"""

import io
import sys

import numpy as np
from PIL import Image

import j4d

image = Image.open(sys.argv[1]).convert("RGB")
learned = j4d.encode(np.asarray(image), quality=40)

default = io.BytesIO()
image.save(default, "JPEG", quality=75, optimize=True)

opened = Image.open(io.BytesIO(learned))
opened.load()
print(f"{opened.format} {opened.width} x {opened.height}: {len(learned)} bytes, Pillow's own {len(default.getvalue())}")
