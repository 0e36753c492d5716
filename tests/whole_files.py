"""JPEG files with all that may stand beside a picture."""

from __future__ import annotations

import struct

import numpy as np
import tiny_jpeg

from j4d.jpeg import encoding
from j4d.jpeg.markers import APP2
from j4d.jpeg.parameters import EncodingParameters

QUALITY_40 = EncodingParameters.from_quality(40)


XMP = b"http://ns.adobe.com/xap/1.0/\0"


JFIF_300_DPI = (0xE0, b"JFIF\0\1\1\1\1\x2c\1\x2c\0\0")


FILM = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(range(256))


def photograph(seed: int = 0, height: int = 72, width: int = 96, quality: int = 95) -> bytes:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    return encoding.encode(pixels, EncodingParameters.from_quality(quality))


def decorated(data: bytes, markers: list[tuple[int, bytes]]) -> bytes:
    return data[:2] + b"".join(tiny_jpeg.segment(*marker) for marker in markers) + data[2:]


def mpf(order: str, entries: list[tuple[int, int]], before: bytes = b"") -> tuple[int, bytes]:
    """An index of pictures: (size, offset) each, offsets from its TIFF structure. before: what stands before it."""
    mark = "<" if order == "little" else ">"
    head = (b"II*\0" if order == "little" else b"MM\0*") + struct.pack(mark + "I", 8 + len(before)) + before
    at = len(head) + 2 + 3 * 12 + 4
    tags = struct.pack(mark + "HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(mark + "HHII", 0xB001, 4, 1, len(entries))
    tags += struct.pack(mark + "HHII", 0xB002, 7, 16 * len(entries), at)
    body = b"".join(struct.pack(mark + "IIIHH", 0x20002, size, offset, 0, 0) for size, offset in entries)
    return APP2, b"MPF\0" + head + struct.pack(mark + "H", 3) + tags + bytes(4) + body


def several_pictures(
    first: bytes, others: list[bytes], order: str = "little", markers: tuple[tuple[int, bytes], ...] = ()
) -> bytes:
    """A file of several pictures, as cameras write them, with a true index."""

    def with_index(entries: list[tuple[int, int]]) -> bytes:
        return decorated(first, [JFIF_300_DPI, *markers, mpf(order, entries)])

    size = len(with_index([(0, 0)] * (1 + len(others))))
    base = decorated(first, [JFIF_300_DPI, *markers, mpf(order, [(0, 0)])]).index(b"MPF\0") + 4
    entries, at = [(size, 0)], size
    for other in others:
        entries.append((len(other), at - base))
        at += len(other)
    return with_index(entries) + b"".join(others)
