"""ICC profiles, Exif and XMP as the marker segments of a JPEG file: a code and a payload each, in file order.

The native core writes them as they are; what each format wants around its data is here, and how to find them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from j4d.errors import CodecError

APP0, APP1 = 0xE0, 0xE1
APP2 = 0xE2
APP13, APP14, APP15 = 0xED, 0xEE, 0xEF
COM = 0xFE
SOF0, RST0, SOI, EOI, SOS = 0xC0, 0xD0, 0xD8, 0xD9, 0xDA
MAX_PAYLOAD = 65533  # a segment's 16-bit length counts its own two bytes

# Entropy-coded data go on through stuffed zeros, restart markers and fill bytes.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_EXIF_HEAD = b"Exif\0\0"  # JEITA CP-3451, 4.7.2
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"  # ISO 16684-3, 7.5.2
ICC_HEAD = b"ICC_PROFILE\0"  # ICC.1, annex B.4: then the chunk's number from 1 and the count of chunks


def segments(
    *, icc: bytes | None = None, exif: bytes | None = None, xmp: bytes | None = None
) -> list[tuple[int, bytes]]:
    """Marker segments for the given metadata, Exif first as its standard asks.

    exif: a TIFF structure, with or without the leading `Exif\\0\\0`. xmp: the packet. icc: the profile, cut into
    as many segments as it needs. Raises CodecError where something is empty or too large for its format.
    """
    found = []
    if exif is not None:
        body = exif[len(_EXIF_HEAD) :] if exif.startswith(_EXIF_HEAD) else exif
        found.append((APP1, _one_segment("Exif data", _EXIF_HEAD, body)))
    if xmp is not None:
        found.append((APP1, _one_segment("XMP packet", XMP_HEAD, xmp)))
    if icc is not None:
        found += [(APP2, payload) for payload in _icc_payloads(icc)]
    return found


def _one_segment(name: str, head: bytes, body: bytes) -> bytes:
    room = MAX_PAYLOAD - len(head)
    if not 1 <= len(body) <= room:
        raise CodecError(f"{name}: {len(body)} bytes, a JPEG segment holds 1..{room}; leave it out or cut it down")
    return head + body


def _icc_payloads(icc: bytes) -> list[bytes]:
    room = MAX_PAYLOAD - len(ICC_HEAD) - 2
    chunks = [icc[start : start + room] for start in range(0, len(icc), room)]
    if not 1 <= len(chunks) <= 255:
        raise CodecError(f"ICC profile: {len(icc)} bytes, a JPEG file holds 1..{255 * room}; leave it out")
    return [ICC_HEAD + bytes([number, len(chunks)]) + chunk for number, chunk in enumerate(chunks, start=1)]


class Segment(NamedTuple):
    """A segment in a file: its marker's code, and where its payload starts and how long it is, in bytes."""

    code: int
    start: int
    size: int

    def payload(self, data: bytes) -> bytes:
        return data[self.start : self.start + self.size]


def is_kept(code: int) -> bool:
    """Whether segments of this code are no part of the picture: APPn and comments."""
    return APP0 <= code <= APP15 or code == COM


def header_segments(data: bytes) -> Iterator[Segment]:
    """The segments before the first scan, in order. Bytes between them are passed over, as decoders do.

    Ends where the file does, or at the first scan; nothing is raised.
    """
    at = 2
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            return
        while data[at + 1 : at + 2] == b"\xff":  # fill bytes
            at += 1
        code = data[at + 1] if at + 1 < len(data) else EOI
        if code in (SOS, EOI):
            return
        if code < SOF0 or RST0 <= code <= SOI:  # stands alone, or is none
            at += 2
            continue
        size = int.from_bytes(data[at + 2 : at + 4], "big") - 2
        if at + 4 + size > len(data):
            return
        if size < 0:  # a length that does not even count itself: decoders pass on
            at += 4
            continue
        yield Segment(code, at + 4, size)
        at += 4 + size


def without_colour_profile(data: bytes) -> bytes | None:
    """A JPEG file without its ICC profile, where that is one of RGB; None where there is none such."""
    chunks = [s for s in header_segments(data) if s.code == APP2 and s.payload(data).startswith(ICC_HEAD)]
    room = len(ICC_HEAD) + 2
    if not any(chunk.payload(data)[room + 16 : room + 20] == b"RGB " for chunk in chunks):  # ICC.1, 7.2.6
        return None
    for chunk in reversed(chunks):
        data = data[: chunk.start - 4] + data[chunk.start + chunk.size :]
    return data


def header_bytes(data: bytes) -> int:
    """How many bytes of a JPEG file are markers and segments; stuffing and restarts count with what is entropy-coded.

    data: a file that `encode` or another encoder wrote; nothing is checked. Works on progressive files too.
    """
    count = at = 2  # the start of the image
    while data[at + 1] != 0xD9:
        length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        scan = data[at + 1] == 0xDA
        at += length
        count += length
        while scan and not (data[at] == 0xFF and data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7):
            at = data.index(b"\xff", at + 1)
    return count + 2


def without_metadata(data: bytes) -> bytes | None:
    """A JPEG file without its comments and application segments, or None where its segments cannot be told apart.

    The JFIF header and the Adobe segment stay, since they say what the colours mean; what follows the end of the
    picture goes. Segments between scans count as well.
    """
    kept = bytearray(data[:2])
    at = 2
    while data[at : at + 1] == b"\xff":
        code = data[at + 1] if at + 1 < len(data) else 0
        if code == 0xFF:  # a fill byte
            at += 1
            continue
        if code == EOI:
            return bytes(kept + data[at : at + 2])
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if code < SOF0 or end < at + 4 or end > len(data):
            return None
        if not is_kept(code) or code in (APP0, APP14):
            kept += data[at:end]
        at = end
        if code == SOS:
            scan = _SCAN_END.search(data, at)
            if scan is None:
                return None
            kept += data[at : scan.start()]
            at = scan.start()
    return None
