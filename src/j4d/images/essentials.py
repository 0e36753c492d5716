"""Image files without the metadata that say nothing of their pixels, in which Pillow would look for faults.

Exif, XMP and IPTC come from anywhere, and what is wrong in them must not decide whether a picture can be read. Where
Pillow parses them on its way to the pixels (JPEG, TIFF), it is handed the file without them.
"""

from __future__ import annotations

from j4d.jpeg.exif import byte_order
from j4d.jpeg.markers import APP0, APP14, ICC_HEAD, header_segments, is_kept

# XMP, IPTC, Photoshop, and the directories of Exif, GPS and interoperability (TIFF tags).
_TIFF_METADATA = (0x02BC, 0x83BB, 0x8649, 0x8769, 0x8825, 0xA005)
_ENTRY = 12  # bytes of an entry in a directory of TIFF
_MOST_ENTRIES = 4096


def of_jpeg(data: bytes) -> bytes:
    """A JPEG file with the JFIF header, the Adobe segment and the ICC profile as its only APPn segments."""
    kept, at = [], 0
    for segment in header_segments(data):
        telling = segment.code in (APP0, APP14) or segment.payload(data).startswith(ICC_HEAD)
        if is_kept(segment.code) and not telling:
            kept.append(data[at : segment.start - 4])
            at = segment.start + segment.size
    return b"".join((*kept, data[at:])) if kept else data


def of_tiff(data: bytes) -> bytes:
    """A TIFF file with the entries of metadata in its first directory made an unknown byte; BigTIFF as it is."""
    order = byte_order(data)
    if order is None:
        return data
    start = int.from_bytes(data[4:8], order)
    count = min(int.from_bytes(data[start : start + 2], order), _MOST_ENTRIES)
    unknown = b"\xff\xff" + (1).to_bytes(2, order) + (1).to_bytes(4, order) + bytes(4)
    changed = None
    for at in range(start + 2, min(start + 2 + _ENTRY * count, len(data) - _ENTRY + 1), _ENTRY):
        if int.from_bytes(data[at : at + 2], order) in _TIFF_METADATA:
            changed = changed or bytearray(data)
            changed[at : at + _ENTRY] = unknown
    return data if changed is None else bytes(changed)
