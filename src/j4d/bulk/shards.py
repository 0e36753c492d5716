"""Sources that are tar archives, WebDataset shards among them: images recoded, members, order and headers kept.

An archive is read and written as a stream, so its size does not matter; one that is compressed is written with the same
compression. Nothing is ever unpacked to a file; a member that could harm whoever unpacks it (an absolute path, `..`, a
link, a device) makes the whole archive refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import BinaryIO, cast

from j4d.bulk import compressed
from j4d.bulk.content import BLOCK, HEAD, IN_MEMORY, is_image
from j4d.bulk.pipeline import ImagePool, Part
from j4d.bulk.quarantine import put_image
from j4d.bulk.results import Done, Entry, Image
from j4d.bulk.storage import Source, Target, mode_of
from j4d.bulk.tar_members import BLOCK_SIZE, RECORD_SIZE, Data, Member, members

SUFFIXES = (".tar", *compressed.SUFFIXES)


def convert(entry: Entry, source: Source, target: Target, recoding: ImagePool) -> Done:
    """Write the archive with its images recoded. Raises RefusedError, DamagedError, DataError, OSError."""
    images: list[Image] = []
    others = other_bytes = 0
    with source.open(entry.name) as file, target.create(entry.name, mode_of(file)) as whole:
        with compressed.writing(whole, entry.name) as out:
            written = 0
            for part, recoded in recoding.in_order(parts(file, entry.name)):
                if recoded is not None and recoded.data is None:
                    assert isinstance(part.data, bytes)
                    images.append(put_image(target.create, entry.name, len(images), recoded.image, part.data))
                    continue
                if recoded is not None:
                    images.append(recoded.image)
                size = _write(out, part.tag, part.data if recoded is None else recoded.data or b"")
                written += size
                if recoded is None and not part.tag.folder:
                    others, other_bytes = others + 1, other_bytes + part.tag.size
            out.write(bytes(2 * BLOCK_SIZE))
            out.write(bytes(-(written + 2 * BLOCK_SIZE) % RECORD_SIZE))
        size = whole.tell()
    return Done(entry, size, tuple(images), others, other_bytes)


def parts(file: BinaryIO, name: str) -> Iterator[Part[Member]]:
    """The members of an open archive in order. Raises RefusedError, DamagedError, DataError, OSError."""
    with compressed.reading(file, name) as archive:
        for member, data in members(archive):
            yield _part(member, data, f"{name}/{member.name}")


def _part(member: Member, data: Data, key: str) -> Part[Member]:
    if member.folder:
        return Part(member, key, b"", image=False)
    head = data.read(HEAD)
    image = is_image(member.name, head, member.size)
    if not image and member.size > IN_MEMORY:
        data.give_back(head)
        return Part(member, key, cast(BinaryIO, data), image=False)
    return Part(member, key, head + data.read(), image)


def _write(out: BinaryIO, member: Member, data: bytes | BinaryIO) -> int:
    """A member's headers, data and padding; how many bytes of all."""
    size = len(data) if isinstance(data, bytes) else member.size
    header = member.header(size)
    out.write(header)
    if isinstance(data, bytes):
        out.write(data)
    else:
        shutil.copyfileobj(data, out, BLOCK)
    out.write(bytes(-size % BLOCK_SIZE))
    return len(header) + size + -size % BLOCK_SIZE
