"""The members of a tar archive, read in one pass from bytes that nobody vouches for.

Python's tarfile is made for friendly archives: it follows a chain of extended headers by calling itself, takes a pax
record's word for a size, and raises whatever a wrong number leads to. This reader goes block by block, forward only, so
that archives behind a decompressor are read as well; it keeps every header as the bytes it is, and refuses what two
readers would understand in different ways. Names come out as tarfile gives them.

The format: POSIX.1-2017, pax, "ustar interchange format" and "pax Header Block"; GNU tar's manual, "Basic Tar Format".
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from j4d.bulk.faulty import DamagedError, RefusedError

BLOCK_SIZE = 512
RECORD_SIZE = 20 * BLOCK_SIZE
LARGEST_HEADER = 1 << 20  # bytes of a long name or of pax records, which are taken into memory
LARGEST_MEMBER = 1 << 40  # bytes; copied piece by piece, never in memory
MOST_HEADERS = 8  # extended ones before a member

_PAX, _GLOBAL, _LONG_NAME, _LONG_LINK = (b"x", b"X"), b"g", b"L", b"K"
_REGULAR, _FOLDER, _LINKS, _SPARSE = (b"0", b"\0", b"7"), b"5", (b"1", b"2"), b"S"
_FOR_ALL = ("path", "linkpath", "size")  # that a global header must not say of every member
_NUMBERS = ((100, 108), (108, 116), (116, 124), (136, 148), (329, 337), (337, 345))  # mode to device
_NUMBER = re.compile(rb"[\x80\xff]|[ \t\n\r\x0b\x0c]*[0-7]*[ \t\n\r\x0b\x0c]*(\0|\Z)", re.DOTALL)
_RECORD = re.compile(rb"(\d{1,20}) ")


@dataclass(frozen=True)
class Member:
    """A member: its name, how many bytes of data it has, whether it is a folder, and its headers' bytes.

    extended: headers before its own, with the name or records that belong to it. own: its own block. sized: whether a
    pax record states its size.
    """

    name: str
    size: int
    folder: bool
    extended: tuple[bytes, ...]
    own: bytes
    sized: bool = False

    def header(self, size: int) -> bytes:
        """The headers for data of `size` bytes: as they are but for size and checksum."""
        if size == self.size:
            return b"".join((*self.extended, self.own))
        extended = tuple(_without_size(block) for block in self.extended) if self.sized else self.extended
        return b"".join((*extended, _with_number(self.own, size)))

    def unsized(self) -> bytes:
        """The headers with nothing that the data's size decides, to compare two members."""
        return replace(self, size=-1).header(0)


def members(file: BinaryIO) -> Iterator[tuple[Member, Data]]:
    """Each member with its data, to be read before the next one is asked for; all of the archive is read to its end.

    file: read forward only. Raises RefusedError, DamagedError, and what reading raises.
    """
    chain: list[bytes] = []
    while True:
        block = file.read(BLOCK_SIZE)
        if len(block) < BLOCK_SIZE:
            raise DamagedError("no whole tar archive: it does not end as archives do, so something may be missing")
        if block.count(0) == BLOCK_SIZE:
            if chain:
                raise DamagedError("no whole tar archive: it ends behind an extended header")
            _must_end(file)
            return
        _check_sum(block)
        if not all(_NUMBER.match(block, start, end) for start, end in _NUMBERS):
            raise DamagedError("no whole tar archive: a mode, owner or time that is no number")
        kind, size = block[156:157], _number(block[124:136])
        if kind in (*_PAX, _GLOBAL, _LONG_NAME, _LONG_LINK):
            if len(chain) == MOST_HEADERS:
                raise RefusedError(f"more than {MOST_HEADERS} extended headers before a member")
            if size > LARGEST_HEADER:
                raise RefusedError(f"an extended header of {size} bytes, more than {LARGEST_HEADER}")
            chain.append(block + _exactly(file, size + -size % BLOCK_SIZE, "an extended header"))
            continue
        member = _member(block, size, chain)
        chain = []
        data = Data(file, member.size)
        yield member, data
        data.finish()


class Data(io.RawIOBase):
    """The next `size` bytes of a file, and then the padding to whole blocks. Not more is ever read."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__()
        self._file, self._left, self._padding = file, size, -size % BLOCK_SIZE
        self._again = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Raises DamagedError where the archive ends before the data do."""
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        if self._again:
            data, self._again = self._again, b""
            return data
        data = self._file.read(wanted) if wanted else b""
        if len(data) < wanted:
            raise DamagedError("the archive ends in the middle of a member")
        self._left -= len(data)
        return data

    def give_back(self, head: bytes) -> None:
        """What the next `read` returns, whatever size it asks for."""
        self._again = head

    def finish(self) -> None:
        """Leave the file behind the padding."""
        while self._left:
            self.read(1 << 20)
        _exactly(self._file, self._padding, "a member")
        self._padding = 0


def _member(block: bytes, size: int, chain: list[bytes]) -> Member:
    """The member with this header block and those extended headers before it. Raises RefusedError, DamagedError."""
    kind = block[156:157]
    name = _text(block[:100])
    prefix = _text(block[345:500])
    if prefix and kind != _SPARSE:
        name = f"{prefix}/{name}"
    names: list[str] = []
    seen: set[bytes] = set()
    sized = False
    for header in chain:
        which, payload = header[156:157], header[BLOCK_SIZE : BLOCK_SIZE + _number(header[124:136])]
        which = b"x" if which in _PAX else which
        if which in seen and which != _GLOBAL:
            raise RefusedError("two extended headers of a kind before one member, which readers take differently")
        seen.add(which)
        if which == _LONG_NAME:
            names.append(_text(payload))
        elif which in (b"x", _GLOBAL):
            records = _records(payload)
            if any(key.startswith("GNU.sparse.") for key in records):
                raise RefusedError(f"member {name!r}: a sparse file; archives with such members are not taken")
            if which == _GLOBAL:
                if told := [key for key in _FOR_ALL if key in records]:
                    raise RefusedError(f"a global header that states the {told[0]} of every member")
                continue
            if "path" in records:
                names.append(records["path"].decode("utf-8", "surrogateescape").rstrip("/"))
            if "size" in records:
                size, sized = _whole_number(records["size"]), True
    if len(names) > 1:
        raise RefusedError(f"member {names[0]!r}: two names, of which readers take one or the other")
    name = names[0] if names else name
    folder = kind == _FOLDER or (kind == b"\0" and name.endswith("/"))
    _check(name, kind, size, folder)
    return Member(name.rstrip("/") if folder else name, size, folder, tuple(chain), block, sized)


def _check(name: str, kind: bytes, size: int, folder: bool) -> None:
    reason = None
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        reason = "an absolute path"
    elif ".." in re.split(r"[/\\]", name):
        reason = "a path with .. in it"
    elif "\0" in name or not name.strip("/"):
        reason = "no possible name"
    elif kind in _LINKS:
        reason = "a link"
    elif kind == _SPARSE:
        reason = "a sparse file"
    elif kind not in _REGULAR and not folder:
        reason = "a device, a pipe or an unknown kind of member"
    elif folder and size:
        reason = f"a folder of {size} bytes"
    elif size > LARGEST_MEMBER:
        reason = f"{size} bytes, more than {LARGEST_MEMBER}"
    if reason:
        raise RefusedError(f"member {name!r:.300}: {reason}; archives with such members are not taken")


def _records(payload: bytes) -> dict[str, bytes]:
    """Pax records, `length key=value\\n` each. Raises DamagedError, RefusedError where one is there twice."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(payload) and payload[at] != 0:
        match = _RECORD.match(payload, at)
        end = at + int(match[1]) if match else 0
        key, equals, value = payload[match.end() if match else at : max(end - 1, at)].partition(b"=")
        if not match or end > len(payload) or payload[end - 1 : end] != b"\n" or not key or not equals:
            raise DamagedError("no whole tar archive: a damaged pax header")
        name = key.decode("utf-8", "surrogateescape")
        if name in found and name in _FOR_ALL:
            raise RefusedError(f"a pax header that states the {name} twice, which readers take differently")
        found[name] = value
        at = end
    return found


def _without_size(header: bytes) -> bytes:
    """A pax header without its record of the size; nothing where no record is left."""
    if header[156:157] not in _PAX:
        return header
    payload = header[BLOCK_SIZE : BLOCK_SIZE + _number(header[124:136])]
    kept, at = b"", 0
    while at < len(payload) and payload[at] != 0:
        match = _RECORD.match(payload, at)
        assert match is not None  # it was read before
        end = at + int(match[1])
        if not payload.startswith(b"size=", match.end()):
            kept += payload[at:end]
        at = end
    if not kept:
        return b""
    return _with_number(header[:BLOCK_SIZE], len(kept)) + kept + bytes(-len(kept) % BLOCK_SIZE)


def _with_number(block: bytes, size: int) -> bytes:
    """A header block with another size, and the checksum that goes with it."""
    field = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")  # GNU's base 256
    start, end = block[:124] + field + block[136:148], block[156:]
    checksum = b"%06o\0 " % sum(start + b" " * 8 + end)
    return start + checksum + end


def _check_sum(block: bytes) -> None:
    stated = _number(block[148:156])
    rest = block[:148] + block[156:]
    found = sum(rest) + 8 * ord(" ")
    if stated != found and stated != found - 256 * sum(byte > 127 for byte in rest):  # some sum signed bytes
        raise DamagedError("no whole tar archive: a header with a wrong checksum")


def _number(field: bytes) -> int:
    """An octal number, or one in GNU's base 256. Raises DamagedError, RefusedError below zero."""
    if field[0] in (0x80, 0xFF):
        value = int.from_bytes(field[1:], "big")
        if field[0] == 0xFF and value:
            raise RefusedError(f"a size of {value - 256 ** (len(field) - 1)} bytes")
        return value
    text = field.partition(b"\0")[0].strip()
    if not re.fullmatch(rb"[0-7]*", text):
        raise DamagedError(f"no whole tar archive: {text.decode('latin-1')!r} is no octal number")
    return int(text or b"0", 8)


def _whole_number(value: bytes) -> int:
    if not re.fullmatch(rb"\d{1,20}", value):
        raise RefusedError(f"a pax header with a size of {value[:40].decode('latin-1')!r}")
    return int(value)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _exactly(file: BinaryIO, size: int, what: str) -> bytes:
    data = file.read(size) if size else b""
    if len(data) < size:
        raise DamagedError(f"no whole tar archive: it ends in the middle of {what}")
    return data


def _must_end(file: BinaryIO) -> None:
    """DamagedError where anything but zeros follows the archive's end: a second archive, which would be lost."""
    while block := file.read(1 << 20):
        if block.count(0) != len(block):
            raise DamagedError("something follows the end of the archive, perhaps a second archive")
