"""What `--strip` takes out of a JPEG file, in words, and what may survive it: the orientation and the copyright.

Both are written anew, in segments that hold nothing else: a small Exif block with the orientation, the artist and the
copyright; of IPTC the datasets that name who made the picture and who owns it; of XMP the rights and the creator.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from typing import Literal, get_args
from xml.etree import ElementTree

from j4d.errors import ParameterError
from j4d.jpeg import exif
from j4d.jpeg.markers import (
    APP1,
    APP13,
    APP14,
    COM,
    ICC_HEAD,
    MAX_PAYLOAD,
    XMP_HEAD,
    header_segments,
    is_kept,
    without_metadata,
)

Keep = Literal["orientation", "copyright"]

_PHOTOSHOP = b"Photoshop 3.0\0"
_IPTC, _COPYRIGHT_FLAG, _COPYRIGHT_URL = 0x0404, 0x040A, 0x040B  # Photoshop's image resources
_RIGHTS = {(1, 90), (2, 80), (2, 85), (2, 110), (2, 115), (2, 116)}  # IIM: character set, by-line, credit, notice
_NAMES = (
    (b"Exif\0", "Exif"),
    (XMP_HEAD, "XMP"),
    (b"http://ns.adobe.com/xmp/extension/\0", "XMP"),
    (ICC_HEAD, "ICC profile"),
    (b"MPF\0", "index of pictures"),
    (_PHOTOSHOP, "IPTC"),
    (b"JFIF\0", "JFIF header"),
    (b"JFXX\0", "JFIF thumbnail"),
)
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_RIGHTS_IN_XMP = (
    "{http://purl.org/dc/elements/1.1/}rights",
    "{http://purl.org/dc/elements/1.1/}creator",
    "{http://ns.adobe.com/xap/1.0/rights/}",  # all of them
    "{http://ns.adobe.com/photoshop/1.0/}Credit",
)


def check_keep(keep: Iterable[str], strip: bool) -> tuple[Keep, ...]:
    """`keep` in order, each once. Raises ParameterError for an unknown one, or where nothing is stripped."""
    found = tuple(name for name in get_args(Keep) if name in set(keep))
    if unknown := sorted(set(keep) - set(found)):
        raise ParameterError(f"keep {unknown[0]!r} is not one of {', '.join(get_args(Keep))}")
    if found and not strip:
        raise ParameterError(f"keep {found[0]!r} goes with strip: without it everything is kept")
    return found


def surviving(data: bytes, keep: Iterable[Keep]) -> bytes:
    """Segments, ready to stand behind the start of a file, with what of `data`, a JPEG file, `keep` names."""
    names = set(keep)
    if not names:
        return b""
    tags: dict[int, bytes | int] = {}
    found: list[tuple[int, bytes]] = []
    for segment in header_segments(data):
        payload = segment.payload(data)
        if segment.code == APP1 and payload.startswith(exif.HEAD) and not tags:
            tags = _tags(payload, names)
        elif "copyright" in names and segment.code == APP13 and payload.startswith(_PHOTOSHOP):
            found += [(APP13, kept) for kept in [_resources(payload)] if kept]
        elif "copyright" in names and segment.code == APP1 and payload.startswith(XMP_HEAD):
            found += [(APP1, kept) for kept in [_rights(payload[len(XMP_HEAD) :])] if kept]
    if tags:
        found.insert(0, (APP1, exif.block(tags)))
    return b"".join(
        bytes([0xFF, code]) + struct.pack(">H", len(payload) + 2) + payload
        for code, payload in found
        if len(payload) <= MAX_PAYLOAD
    )


def with_surviving(file: bytes, source: bytes, keep: Iterable[Keep]) -> bytes:
    """`file` with what of `source` survives, behind the start of the image."""
    segments = surviving(source, keep)
    return file[:2] + segments + file[2:] if segments else file


def stripped(source: bytes, keep: Iterable[Keep]) -> bytes | None:
    """A JPEG file without what stands beside its picture, but what `keep` names; the picture is not touched.

    None where its segments cannot be told apart.
    """
    bare = without_metadata(source)
    return None if bare is None else with_surviving(bare, source, keep)


def dropped(data: bytes, end: int) -> str:
    """What stands beside the picture in a JPEG file, which ends at byte `end`, in words with sizes; maybe nothing."""
    sizes: dict[str, int] = {}
    for segment in header_segments(data):
        if is_kept(segment.code) and segment.code != APP14:
            payload = segment.payload(data)
            name = "comment" if segment.code == COM else f"APP{segment.code - 0xE0}"
            name = next((word for head, word in _NAMES if payload.startswith(head)), name)
            sizes[name] = sizes.get(name, 0) + segment.size + 4
    if end < len(data):
        sizes["data after the picture"] = len(data) - end
    return ", ".join(f"{name} {size} bytes" for name, size in sizes.items())


def _tags(payload: bytes, names: set[Keep]) -> dict[int, bytes | int]:
    """Of an Exif block what `names` asks for, but for an upright orientation and empty text."""
    tags: dict[int, bytes | int] = {}
    values = exif.values(payload)
    if "orientation" in names and exif.orientation(payload) != exif.UPRIGHT:
        tags[exif.ORIENTATION] = exif.orientation(payload)
    if "copyright" in names:
        for tag in (exif.ARTIST, exif.COPYRIGHT):
            value = values.get(tag)
            if isinstance(value, bytes) and value.strip(b"\0 "):
                tags[tag] = value
    return tags


def _resources(payload: bytes) -> bytes:
    """Photoshop's image resources with nothing but rights; empty where there are none."""
    kept = b""
    at = len(_PHOTOSHOP)
    while payload[at : at + 4] == b"8BIM":
        number = int.from_bytes(payload[at + 4 : at + 6], "big")
        start = at + 6 + (payload[at + 6 : at + 7] or b"\0")[0] + 1
        start += (start - at) % 2  # the name and the data are padded to an even length
        size = int.from_bytes(payload[start : start + 4], "big")
        body = payload[start + 4 : start + 4 + size]
        if len(body) != size:
            break
        if number == _IPTC:
            body = _datasets(body)
        if body and number in (_IPTC, _COPYRIGHT_FLAG, _COPYRIGHT_URL):
            kept += b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + bytes(len(body) % 2)
        at = start + 4 + size + size % 2
    return _PHOTOSHOP + kept if kept else b""


def _datasets(iptc: bytes) -> bytes:
    """Of an IPTC record (IIM 4.2, 1.5) the datasets that tell of rights; empty where there are none but a character
    set."""
    kept, any_rights = b"", False
    for key, whole in _each_dataset(iptc):
        if key in _RIGHTS:
            kept += whole
            any_rights |= key[0] == 2
    return kept if any_rights else b""


def _each_dataset(iptc: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    at = 0
    while len(iptc) >= at + 5 and iptc[at] == 0x1C:
        size = int.from_bytes(iptc[at + 3 : at + 5], "big")
        if size & 0x8000 or at + 5 + size > len(iptc):  # an extended length, of more than a segment, or a cut one
            return
        yield (iptc[at + 1], iptc[at + 2]), iptc[at : at + 5 + size]
        at += 5 + size


def _rights(packet: bytes) -> bytes:
    """An XMP segment's payload with nothing but rights; empty where there are none, or it cannot be read."""
    if re.search(rb"<!(DOCTYPE|ENTITY)", packet, re.IGNORECASE):
        return b""
    try:
        root = ElementTree.fromstring(packet.strip(b"\0 \r\n\t"))
    except (ElementTree.ParseError, ValueError, LookupError):
        return b""
    rdf = ElementTree.Element(f"{{{_RDF}}}RDF")
    description = ElementTree.SubElement(rdf, f"{{{_RDF}}}Description", {f"{{{_RDF}}}about": ""})
    for each in root.iter(f"{{{_RDF}}}Description"):
        for name, value in each.attrib.items():
            if name.startswith(_RIGHTS_IN_XMP):
                description.set(name, value)
        for child in each:
            if child.tag.startswith(_RIGHTS_IN_XMP):
                description.append(child)
    if len(description) == 0 and len(description.attrib) == 1:
        return b""
    wrapper = ElementTree.Element("{adobe:ns:meta/}xmpmeta")
    wrapper.append(rdf)
    return XMP_HEAD + bytes(ElementTree.tostring(wrapper, encoding="utf-8"))
