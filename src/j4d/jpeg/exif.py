"""The few values of Exif that j4d needs, read from bytes that nobody vouches for, and a small Exif block made of them.

Exif is a TIFF structure in an APP1 segment (JEITA CP-3451C, 4.5 and 4.7): a byte order, the offset of the first
directory, and in it entries of twelve bytes. Faulty values are passed over: what an entry says never decides whether a
picture can be read.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Literal

HEAD = b"Exif\0\0"
ORIENTATION, ARTIST, COPYRIGHT = 0x0112, 0x013B, 0x8298
UPRIGHT = 1
MOST_ENTRIES = 4096  # of a directory that is read

_ASCII, _SHORT, _LONG = 2, 3, 4
_SIZES = {1: 1, _ASCII: 1, _SHORT: 2, _LONG: 4, 6: 1, 7: 1, 8: 2, 9: 4}
_ENTRY = 12


def byte_order(exif: bytes) -> Literal["little", "big"] | None:
    """That of a TIFF structure (without `HEAD`), or None where it is none."""
    return {b"II*\0": "little", b"MM\0*": "big"}.get(exif[:4])  # type: ignore[return-value]


def values(exif: bytes) -> dict[int, bytes | int]:
    """Tags of the first directory that are text (bytes, as they are) or whole numbers (the first of several).

    exif: with or without `HEAD`. What is faulty or lies outside is left out; nothing is raised.
    """
    exif = exif.removeprefix(HEAD)
    order = byte_order(exif)
    if order is None:
        return {}
    start = int.from_bytes(exif[4:8], order)
    count = int.from_bytes(exif[start : start + 2], order)
    found: dict[int, bytes | int] = {}
    for at in range(start + 2, start + 2 + _ENTRY * min(count, MOST_ENTRIES), _ENTRY):
        entry = exif[at : at + _ENTRY]
        if len(entry) < _ENTRY:
            break
        tag, kind = (int.from_bytes(entry[i : i + 2], order) for i in (0, 2))
        size = _SIZES.get(kind, 0) * int.from_bytes(entry[4:8], order)
        place = int.from_bytes(entry[8:12], order)
        value = entry[8 : 8 + size] if size <= 4 else exif[place : place + size]
        if size and len(value) == size and tag not in found:
            found[tag] = value if kind == _ASCII else int.from_bytes(value[: _SIZES[kind]], order)
    return found


def orientation(exif: bytes) -> int:
    """1..8 as the tag says; 1, upright, where it is missing or says anything else."""
    found = values(exif).get(ORIENTATION)
    return found if isinstance(found, int) and 1 <= found <= 8 else UPRIGHT


def block(tags: Mapping[int, bytes | int]) -> bytes:
    """An Exif block, `HEAD` included, of these tags: a number becomes a SHORT, bytes become text."""
    data_at = 8 + 2 + _ENTRY * len(tags) + 4
    entries, data = b"", b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, int):
            entries += struct.pack("<HHIHH", tag, _SHORT, 1, value, 0)
            continue
        text = value if value.endswith(b"\0") else value + b"\0"
        entries += struct.pack("<HHI", tag, _ASCII, len(text))
        if len(text) <= 4:
            entries += text.ljust(4, b"\0")
        else:
            entries += struct.pack("<I", data_at + len(data))
            data += text + bytes(len(text) % 2)
    return HEAD + b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data
