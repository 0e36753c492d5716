"""What follows the picture in a JPEG file, put behind the transcoded one, with everything that points there put right.

Cameras and phones write more than a picture: a second view, a preview, the gain map of an HDR photograph, a film. It
stands behind the picture's end and is found in one of four ways:

- by an index in the header (CIPA DC-007, the "MPF" segment): sizes and offsets of all pictures, made anew here;
- by XMP that gives sizes (Google's container, ISO 21496-1) or distances from the file's end, which stay true; only a
  size that XMP gives the first picture itself is made anew;
- by an offset in Exif, to where the trailer or a picture in it begins, as previews of some makers: it is moved where it
  is found once and cannot be anything else;
- from the file's end: nothing changes.

What cannot be put right is a reason to leave the file as it is: `LeftError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from j4d.errors import CodecError
from j4d.jpeg import exif
from j4d.jpeg.markers import APP1, APP2, MAX_PAYLOAD, XMP_HEAD, Segment, header_segments

_MPF_HEAD = b"MPF\0"
_MP_ENTRIES = 0xB002  # CIPA DC-007, 5.2.3.3: 16 bytes for each picture
_MP_ENTRY = 16
_PICTURE = b"\xff\xd8\xff"
_MOST_POINTERS = 64  # pictures in a trailer that Exif is searched for
_XMP_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_AFCP = (b"AXS!", b"AXS*")  # its directory counts from the file's start


class LeftError(CodecError):
    """A file that is left as it is, since what stands beside its picture could not be kept true."""


def with_trailer(file: bytes, source: bytes, end: int) -> bytes:
    """`file`, the transcoded picture of `source`, with all that follows the picture there, from byte `end` on.

    The segments of both headers that may point there are the same. Raises LeftError.
    """
    trailer = source[end:]
    if trailer[-12:-8] in _AFCP:
        raise LeftError("an AFCP trailer, whose offsets count from the start of the file")
    file = _xmp_resized(file, end)
    moved = _Moved(source, end, file)
    result = bytearray(file)
    olds, news = _pointing(source), _pointing(file)
    if [segment.payload(source) for segment in olds] != [segment.payload(file) for segment in news]:
        raise LeftError("segments that do not stand as they did")
    for old, new in zip(olds, news, strict=True):
        head = old.payload(source)
        if old.code == APP2:
            _index_moved(result, moved, old.start + len(_MPF_HEAD), new.start + len(_MPF_HEAD), old.size)
        else:
            _pointers_moved(result, moved, head, old.start + len(exif.HEAD), new.start + len(exif.HEAD))
    return bytes(result) + trailer


def _pointing(data: bytes) -> list[Segment]:
    """The segments that may hold offsets: indices of pictures and Exif."""
    heads = {APP1: exif.HEAD, APP2: _MPF_HEAD}
    return [s for s in header_segments(data) if s.code in heads and s.payload(data).startswith(heads[s.code])]


@dataclass(frozen=True)
class _Moved:
    """Where things are in the source and in the new file."""

    source: bytes
    end: int
    file: bytes

    @property
    def shift(self) -> int:
        """Bytes that everything behind the picture moves by."""
        return len(self.file) - self.end


def _index_moved(result: bytearray, moved: _Moved, old: int, new: int, size: int) -> None:
    """Put right the index of pictures. old, new: where its TIFF structure starts, in the source and in the result."""
    index = moved.source[old : old + size - len(_MPF_HEAD)]
    order = exif.byte_order(index)
    if order is None:
        raise LeftError("an index of pictures (MPF) that cannot be read")
    start = int.from_bytes(index[4:8], order)
    entries = None
    for i in range(min(int.from_bytes(index[start : start + 2], order), exif.MOST_ENTRIES)):
        entry = index[start + 2 + 12 * i : start + 14 + 12 * i]
        if int.from_bytes(entry[:2], order) == _MP_ENTRIES and len(entry) == 12:
            entries = int.from_bytes(entry[8:], order), int.from_bytes(entry[4:8], order)
    if entries is None or entries[1] % _MP_ENTRY or entries[0] + entries[1] > len(index):
        raise LeftError("an index of pictures (MPF) that cannot be read")
    for place in range(entries[0], sum(entries), _MP_ENTRY):
        length = int.from_bytes(index[place + 4 : place + 8], order)
        offset = int.from_bytes(index[place + 8 : place + 12], order)
        target = old + offset
        picture = moved.source.startswith(_PICTURE, target)
        if offset == 0 and place == entries[0]:  # the picture itself
            if length < moved.end:
                raise LeftError("an index of pictures (MPF) that does not fit the file")
            length += moved.shift
        elif not (offset or length) or (target + length > len(moved.source) and not picture):
            continue  # of a picture that is no longer there
        elif target < moved.end or not picture:
            raise LeftError("an index of pictures (MPF) that does not fit the file")
        else:
            offset = target + moved.shift - new
        if not 0 <= offset < 1 << 32 or length >= 1 << 32:
            raise LeftError("an index of pictures (MPF) whose offsets would not fit")
        result[new + place + 4 : new + place + 12] = length.to_bytes(4, order) + offset.to_bytes(4, order)


def _pointers_moved(result: bytearray, moved: _Moved, payload: bytes, old: int, new: int) -> None:
    """Put right offsets in Exif that lead behind the picture. old, new: where the TIFF structure starts."""
    structure = payload[len(exif.HEAD) :]
    order = exif.byte_order(structure)
    if order is None:
        return
    for target in (moved.end, *_pictures(moved.source, moved.end + 1)):
        for base, new_base in ((old, new), (0, 0)):  # counted from the structure, or from the file
            found = list(_places(structure, (target - base).to_bytes(4, order)))
            if len(found) > 1:
                raise LeftError("Exif that may point behind the picture, in more than one place")
            for place in found:
                value = target + moved.shift - new_base
                result[new + place : new + place + 4] = value.to_bytes(4, order)


def _pictures(source: bytes, end: int) -> Iterator[int]:
    """Where pictures start from byte `end` on, the first few."""
    at = end
    for _ in range(_MOST_POINTERS):
        at = source.find(_PICTURE, at)
        if at < 0:
            return
        yield at
        at += 1


def _places(structure: bytes, number: bytes) -> Iterator[int]:
    """Even offsets at which these four bytes stand: values in TIFF begin on words."""
    at = structure.find(number)
    while at >= 0:
        if at % 2 == 0:
            yield at
        at = structure.find(number, at + 1)


def _xmp_resized(file: bytes, end: int) -> bytes:
    """The file with the picture's own length in XMP, where it is stated as `end`, made that of the file."""
    own = re.compile(rb"(:Length\s*(?:=\s*[\"']|>)\s*)%d(?=\s*[\"'<])" % end)
    stating = [s for s in header_segments(file) if s.code == APP1 and own.search(s.payload(file))]
    if any(segment.payload(file).startswith(_XMP_EXTENSION) for segment in stating):
        raise LeftError("the picture's length in extended XMP, which is bound to its checksum")
    for segment in stating:
        payload = segment.payload(file)
        if not payload.startswith(XMP_HEAD):
            continue
        count = len(own.findall(payload))
        for digits in range(1, 11):  # the length counts its own digits
            length = len(file) + count * (digits - len(str(end)))
            if len(str(length)) == digits:
                return _with_payload(file, segment, own.sub(rb"\g<1>%d" % length, payload))
    return file


def _with_payload(file: bytes, segment: Segment, payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD:
        raise LeftError("XMP that would outgrow its segment")
    length = (len(payload) + 2).to_bytes(2, "big")
    return file[: segment.start - 2] + length + payload + file[segment.start + segment.size :]
