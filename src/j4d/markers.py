"""ICC profiles, Exif and XMP as the marker segments of a JPEG file: a code and a payload each, in file order.

The native core writes them as they are; what each format wants around its data is here.
"""

from __future__ import annotations

from j4d.errors import CodecError

APP1 = 0xE1
APP2 = 0xE2
MAX_PAYLOAD = 65533  # a segment's 16-bit length counts its own two bytes

_EXIF_HEAD = b"Exif\0\0"  # JEITA CP-3451, 4.7.2
_XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"  # ISO 16684-3, 7.5.2
_ICC_HEAD = b"ICC_PROFILE\0"  # ICC.1, annex B.4: then the chunk's number from 1 and the count of chunks


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
        found.append((APP1, _one_segment("XMP packet", _XMP_HEAD, xmp)))
    if icc is not None:
        found += [(APP2, payload) for payload in _icc_payloads(icc)]
    return found


def _one_segment(name: str, head: bytes, body: bytes) -> bytes:
    room = MAX_PAYLOAD - len(head)
    if not 1 <= len(body) <= room:
        raise CodecError(f"{name}: {len(body)} bytes, a JPEG segment holds 1..{room}; leave it out or cut it down")
    return head + body


def _icc_payloads(icc: bytes) -> list[bytes]:
    room = MAX_PAYLOAD - len(_ICC_HEAD) - 2
    chunks = [icc[start : start + room] for start in range(0, len(icc), room)]
    if not 1 <= len(chunks) <= 255:
        raise CodecError(f"ICC profile: {len(icc)} bytes, a JPEG file holds 1..{255 * room}; leave it out")
    return [_ICC_HEAD + bytes([number, len(chunks)]) + chunk for number, chunk in enumerate(chunks, start=1)]


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
