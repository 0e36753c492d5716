"""Strange JPEG files, made from a seed: damaged, false, of rare kinds, larger than they are, or no JPEG at all.

`strange(seed)` gives a label and the bytes, a few hundred or thousand of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

import data_sets
import numpy as np
import tiny_jpeg

Kind = Callable[[random.Random], bytes]
OTHERS = [
    b"\x89PNG\r\n\x1a\n" + bytes(60),
    b"RIFF\x20\0\0\0WEBP" + bytes(40),
    b"GIF89a" + bytes(40),
    b"II*\0" + bytes(40),
]
OTHERS += [b"BM" + bytes(60), b"\0\0\0\x18ftypheic" + bytes(40), b"\xff\x0a" + bytes(40), b"%PDF-1.4\n", b"<svg/>"]


@cache
def _sound(seed: int) -> bytes:
    modes = ("RGB", "L", "RGB", "RGB")
    options = [{}, {}, {"progressive": True}, {"subsampling": 0, "optimize": True}]
    return data_sets.jpeg(seed, modes[seed % 4], **options[seed % 4])


def sound(rng: random.Random) -> bytes:
    return _sound(rng.randrange(8))


def cut(rng: random.Random) -> bytes:
    data = sound(rng)
    return data[: rng.randrange(len(data))]


def cut_head(rng: random.Random) -> bytes:
    data = sound(rng)
    return data[: rng.randrange(24)]


def flipped(rng: random.Random) -> bytes:
    data = bytearray(sound(rng))
    for _ in range(rng.choice([1, 1, 2, 10])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def flipped_head(rng: random.Random) -> bytes:
    data = bytearray(sound(rng))
    for _ in range(rng.choice([1, 2])):
        data[rng.randrange(2, 400)] = rng.randrange(256)
    return bytes(data)


def zeroed(rng: random.Random) -> bytes:
    """A hole of zeros, as a file system leaves after a crash."""
    data = bytearray(sound(rng))
    at = rng.randrange(2, len(data))
    size = min(rng.choice([16, 512]), len(data) - at)
    data[at : at + size] = bytes(size)
    return bytes(data)


def noise(rng: random.Random) -> bytes:
    return b"\xff\xd8\xff" + rng.randbytes(rng.choice([0, 1, 30, 700]))


def nothing(rng: random.Random) -> bytes:
    return rng.choice([b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xd9", bytes(100), b"text\n"])


def another_kind(rng: random.Random) -> bytes:
    return rng.choice(OTHERS)


def four_components(rng: random.Random) -> bytes:
    return data_sets.jpeg(rng.randrange(4), "CMYK")


def rare(rng: random.Random) -> bytes:
    """Sampling factors, names, steps and frame kinds that common encoders do not write."""
    numbers = np.random.default_rng(rng.randrange(1 << 30))
    factors = rng.choice(
        [((1, 2), (1, 1), (1, 1)), ((4, 1), (1, 1), (1, 1)), ((3, 2), (1, 1), (2, 1)), ((2, 2),), ((1, 1), (1, 1))]
    )
    names = rng.choice([b"\1\2\3", b"RGB", b"\0\1\2", b"\1\1\1", b"\xff\xfe\xfd"])
    picture = tiny_jpeg.random_picture(numbers, rng.randint(1, 40), rng.randint(1, 40), factors, names=names, most=40)
    sof = rng.choice([0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC9, 0xCF])
    return tiny_jpeg.write(picture, interleaved=rng.random() < 0.7, sof=sof, precision=rng.choice([8, 8, 12, 7]))


def larger_than_it_is(rng: random.Random) -> bytes:
    """A header that claims more picture than there is."""
    numbers = np.random.default_rng(rng.randrange(1 << 30))
    picture = tiny_jpeg.random_picture(numbers, 16, 16, ((1, 1),), most=4)
    size = rng.choice([(0, 16), (16, 0), (0, 0), (4000, 4000), (65500, 65500), (65535, 65535), (16, 65535)])
    return tiny_jpeg.write(picture, header_size=size, sof=rng.choice([0xC0, 0xC2]))


def odd_segments(rng: random.Random) -> bytes:
    """Segments with false lengths, empty ones, unknown ones, fill bytes, and many of them."""
    data = sound(rng)
    odd = rng.choice(
        [
            b"\xff\xe1\0\0",
            b"\xff\xe1\0\1",
            b"\xff\xe1\xff\xff",
            b"\xff\xfe\0\2",
            b"\xff" * 50 + b"\xfe\0\2",
            b"\xff\xe2\0\x10ICC_PROFILE\0\0\0",
            b"\xff\xe2\0\x0eMPF\0II*\0\xff\xff\xff\xff",
            b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x63",
            b"\xff\xe1\0\x10Exif\0\0II*\0\xff\xff\0\0",
            b"\xff\xfe\0\x04ok" * 500,
            b"\xff\xd8",
            b"\xff\xd9",
            b"\xff\xd0",
            b"\xff\x01",
            b"\xff\xdd\0\4\0\1",
            b"\xff\xc4\0\2",
            b"\xff\xdb\0\2",
            b"junk",
        ]
    )
    return data[:2] + odd + data[2:]


def behind(rng: random.Random) -> bytes:
    """Something behind the end of the picture."""
    tail = rng.choice(
        [b"\0" * 100, b"trailer", sound(rng), sound(rng)[:50], b"\xff\xd9", b"\xff" * 30, OTHERS[0], b"PK\3\4"]
    )
    return sound(rng) + tail


def many_scans(rng: random.Random) -> bytes:
    """The scans of a progressive picture, again and again."""
    data = _sound(2)
    first, last = data.index(b"\xff\xda"), data.rindex(b"\xff\xda")
    return data[:last] + data[first:last] * rng.choice([1, 20, 300]) + data[last:]


KINDS: tuple[Kind, ...] = (
    sound,
    cut,
    cut_head,
    flipped,
    flipped_head,
    zeroed,
    noise,
    nothing,
    another_kind,
    four_components,
    rare,
    larger_than_it_is,
    odd_segments,
    behind,
    many_scans,
)


def strange(seed: int) -> tuple[str, bytes]:
    """The kind's name and the file of this seed."""
    kind = KINDS[seed % len(KINDS)]
    return kind.__name__, kind(random.Random(seed))
