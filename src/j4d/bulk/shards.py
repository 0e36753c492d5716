"""Sources that are tar archives, WebDataset shards among them: images recoded, members, order and headers kept.

An archive is read and written as a stream, so its size does not matter. Nothing is ever unpacked to a file; a member
that could harm whoever unpacks it (an absolute path, `..`, a link, a device) makes the whole archive refused.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from j4d.bulk.content import HEAD, IN_MEMORY, copy_blocks, is_image
from j4d.bulk.pipeline import Lane, Part
from j4d.bulk.place import Source, Target, mode_of
from j4d.bulk.quarantine import put_image
from j4d.bulk.results import Done, Entry, Image
from j4d.errors import DataError

SUFFIXES = (".tar",)
LARGEST_HEADER = 1 << 20  # bytes of a member's long name or pax records, which tarfile takes into memory
LARGEST_MEMBER = 1 << 40  # bytes; copied piece by piece, never in memory
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MISPLACED = {"path", "linkpath", "size"}  # pax records that are written from the member's own fields


class RefusedError(DataError):
    """A source that is written nowhere because it could harm whoever takes it."""


class DamagedError(DataError):
    """A source that is not what its name says."""


class _Member(tarfile.TarInfo):
    """A member whose extended headers have a limit.

    header: its bytes in the archive, extended headers included; empty where more than they tell of it.
    """

    header = b""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENDED and self.size > LARGEST_HEADER:
            raise RefusedError(f"an extended header of {self.size} bytes, more than {LARGEST_HEADER}")
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return]


def convert(entry: Entry, source: Source, target: Target, lane: Lane) -> Done:
    """Write the archive with its images recoded. Raises RefusedError, DamagedError, OSError."""
    images: list[Image] = []
    others = other_bytes = 0
    with source.open(entry.name) as file, target.create(entry.name, mode_of(file)) as out:
        out.write(_global_header(file))
        for part, recoded in lane.in_order(parts(file, entry.name)):
            member = part.tag
            if recoded is not None:
                if recoded.data is None:
                    assert isinstance(part.data, bytes)
                    images.append(put_image(target.create, entry.name, len(images), recoded.image, part.data))
                    continue
                images.append(recoded.image)
                _write(out, member, recoded.data)
                continue
            written = _write(out, member, part.data)
            if member.isreg():
                others, other_bytes = others + 1, other_bytes + written
        out.write(bytes(2 * tarfile.BLOCKSIZE))
        out.write(bytes(-out.tell() % tarfile.RECORDSIZE))
        size = out.tell()
    return Done(entry, size, tuple(images), others, other_bytes)


def parts(file: BinaryIO, name: str) -> Iterator[Part[tarfile.TarInfo]]:
    """The members of an open archive in order. Raises RefusedError, DamagedError, OSError."""
    try:
        with tarfile.open(fileobj=file, mode="r:", tarinfo=_Member) as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # else tarfile remembers all of them
                _check(member, name)
                yield _part(archive, member, name)
            end = archive.offset
        _must_be_zeros(file, end, name)
    except tarfile.TarError as error:
        raise DamagedError(f"no whole tar archive: {error}") from None


def _part(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Part[tarfile.TarInfo]:
    key = f"{name}/{member.name}"
    file = archive.fileobj
    assert file is not None and isinstance(member, _Member)
    if not archive.pax_headers:  # which would hold for all members behind them
        file.seek(member.offset)
        member.header = file.read(member.offset_data - member.offset)
    if not member.isreg():
        return Part(member, key, b"", image=False)
    file.seek(member.offset_data)
    head = file.read(min(HEAD, member.size))
    image = is_image(member.name, head, member.size)
    if not image and member.size > IN_MEMORY:
        return Part(member, key, archive.extractfile(member), image=False)  # type: ignore[arg-type]
    data = head + file.read(member.size - len(head))
    if len(data) != member.size:
        raise DamagedError(f"{member.name}: the archive ends in the middle of it")
    return Part(member, key, data, image)


def _check(member: tarfile.TarInfo, name: str) -> None:
    reason = None
    steps = re.split(r"[/\\]", member.name)
    if member.name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", member.name):
        reason = "an absolute path"
    elif ".." in steps:
        reason = "a path with .. in it"
    elif "\0" in member.name or not member.name:
        reason = "no possible name"
    elif member.issym() or member.islnk():
        reason = "a link"
    elif member.issparse():
        reason = "a sparse file"
    elif not (member.isreg() or member.isdir()):
        reason = "a device, a pipe or an unknown kind of member"
    elif member.size > LARGEST_MEMBER:
        reason = f"{member.size} bytes, more than {LARGEST_MEMBER}"
    if reason:
        raise RefusedError(f"member {member.name!r}: {reason}; archives with such members are not taken")


def _write(out: BinaryIO, member: tarfile.TarInfo, data: bytes | BinaryIO) -> int:
    """A member's header and data; how many bytes of data."""
    size = len(data) if isinstance(data, bytes) else member.size
    out.write(_header(member, size))
    written = out.write(data) if isinstance(data, bytes) else copy_blocks(data, out)
    if written != size:
        raise DamagedError(f"{member.name}: the archive ends in the middle of it")
    out.write(bytes(-written % tarfile.BLOCKSIZE))
    return written


def _header(member: tarfile.TarInfo, size: int) -> bytes:
    """The member's header for data of this size: its own with another size and checksum, where that is all there is to
    change, else one in the PAX format with all that is known of it.
    """
    own = getattr(member, "header", b"")
    if own and size < 8**11 and "size" not in member.pax_headers:
        block = own[-tarfile.BLOCKSIZE :]
        start, checksum, end = block[:124] + b"%011o\0" % size + block[136:148], b" " * 8, block[156:]
        checksum = b"%06o\0 " % sum(start + checksum + end)
        return own[: -tarfile.BLOCKSIZE] + start + checksum + end
    header = member.replace(deep=False)  # what is changed is put in its place below, never changed where it is
    header.pax_headers = {key: value for key, value in member.pax_headers.items() if key not in _MISPLACED}
    header.size = size
    return header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _global_header(file: BinaryIO) -> bytes:
    """The archive's global pax header, which stands before its first member, to be written again; maybe none."""
    try:
        with tarfile.open(fileobj=file, mode="r:", tarinfo=_Member) as archive:
            headers = dict(archive.pax_headers)
    except tarfile.TarError:
        headers = {}  # the members are read next, and tell what is wrong
    file.seek(0)
    return tarfile.TarInfo.create_pax_global_header(headers) if headers else b""


def _must_be_zeros(file: BinaryIO, start: int, name: str) -> None:
    """DamagedError where anything follows the archive's end: a second archive, which would be lost."""
    file.seek(0, os.SEEK_END)
    end = file.tell()
    if end == start or end < start + tarfile.BLOCKSIZE:
        raise DamagedError("no whole tar archive: it does not end as archives do, so something may be missing")
    file.seek(start)
    while block := file.read(1 << 20):
        if block.count(0) != len(block):
            raise DamagedError("something follows the end of the archive, perhaps a second archive")
