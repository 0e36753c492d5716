"""Sources that are single files: a JPEG image, which is recoded, or anything else, which is copied."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from j4d.bulk.content import HEAD, IN_MEMORY, copy_blocks, is_called_jpeg, is_image
from j4d.bulk.names import NotWrittenError, UnreadableError
from j4d.bulk.pipeline import ImagePool, Part
from j4d.bulk.quarantine import put_image
from j4d.bulk.results import Done, Entry
from j4d.bulk.settings import Recoded
from j4d.bulk.storage import Create, Source, Target, mode_of
from j4d.images.kinds import kind_of_bytes


class _Read(NamedTuple):
    """A file as it was read. mode: its permissions, where it has any. note: what to know of it."""

    entry: Entry
    mode: int | None
    note: str


def convert(entries: Iterable[Entry], source: Source, target: Target, recoding: ImagePool) -> list[Done]:
    """Write each file's image or copy. Raises OSError for the target, and what reading may raise for the source."""
    found: list[Done] = []
    problems: list[Done] = []
    try:
        with target.together() as create:
            for part, recoded in recoding.in_order(_parts(entries, source, problems)):
                try:
                    found.append(_converted(part, recoded, create))
                except NotWrittenError as error:
                    problems.append(not_written(part.tag.entry, error))
                except UnreadableError as error:
                    if source.vanished():
                        raise
                    problems.append(unreadable(part.tag.entry, error))
    except NotWrittenError as error:
        failed = {done.entry.name: done for done in found if done.entry.name in error.reasons}
        if len(failed) < len(error.reasons):
            raise  # something in quarantine, which must not get lost
        problems += [not_written(done.entry, error) for done in failed.values()]
        found = [done for done in found if done.entry.name not in failed]
    return found + problems


def _converted(part: Part[_Read], recoded: Recoded | None, create: Create) -> Done:
    entry, mode, note = part.tag
    if recoded is None:
        with create(entry.name, mode) as out:
            size = _write(part.data, out)
        return Done(entry, size, others=1, other_bytes=size, note=note)
    if recoded.data is None:
        assert isinstance(part.data, bytes)
        return Done(entry, None, (put_image(create, entry.name, 0, recoded.image, part.data),))
    with create(entry.name, mode) as out:
        out.write(recoded.data)
    return Done(entry, len(recoded.data), (recoded.image,))


def _parts(entries: Iterable[Entry], source: Source, problems: list[Done]) -> Iterator[Part[_Read]]:
    """The files as parts; those that cannot be read become `problems`."""
    for entry in entries:
        try:
            file = source.open(entry.name)
            try:
                part = _part(entry, file)
            except BaseException:
                file.close()
                raise
        except OSError as error:
            if source.vanished():
                raise
            problems.append(unreadable(entry, error))
            continue
        except MemoryError:
            problems.append(Done(entry, None, problem="cannot be read: out of memory", finished=False))
            continue
        yield part
        if not isinstance(part.data, bytes):
            part.data.close()


def _part(entry: Entry, file: BinaryIO) -> Part[_Read]:
    head = file.read(HEAD)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size != entry.size:  # it grew or shrank since it was listed
        entry = dataclasses.replace(entry, size=size)
    mode = mode_of(file)
    if is_image(entry.name, head, size):
        with file:
            return Part(_Read(entry, mode, ""), entry.name, file.read(), image=True)
    kind = kind_of_bytes(head) if is_called_jpeg(entry.name) else None
    tag = _Read(entry, mode, f"a {kind} file, copied" if kind not in (None, "JPEG") else "")
    if size <= IN_MEMORY:
        with file:
            return Part(tag, entry.name, file.read(), image=False)
    return Part(tag, entry.name, file, image=False)


def _write(data: bytes | BinaryIO, out: BinaryIO) -> int:
    return out.write(data) if isinstance(data, bytes) else copy_blocks(data, out)


def unreadable(entry: Entry, error: OSError) -> Done:
    """What is told of a source that could not be read; a rerun tries again."""
    return Done(entry, None, problem=f"cannot be read: {error.strerror or error}", finished=False)


def not_written(entry: Entry, error: NotWrittenError) -> Done:
    """What is told of a source whose output could not have its name; a rerun tries again."""
    reason = error.reasons.get(entry.name) or str(error)
    return Done(entry, None, problem=f"cannot be written: {reason}", finished=False)
