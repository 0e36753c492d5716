"""Sources that are single files: a JPEG image, which is recoded, or anything else, which is copied."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from j4d.bulk.content import IN_MEMORY, copy_blocks, is_image
from j4d.bulk.pipeline import Lane, Part
from j4d.bulk.place import QUARANTINE, Source, Target
from j4d.bulk.results import Done, Entry


def convert(entries: Iterable[Entry], source: Source, target: Target, lane: Lane) -> list[Done]:
    """Write each file's image or copy. Raises OSError for the target, and what reading may raise for the source."""
    found: list[Done] = []
    problems: list[Done] = []
    with target.together() as create:
        for part, recoded in lane.in_order(_parts(entries, source, problems)):
            entry = part.tag
            if recoded is None:
                with create(entry.name) as out:
                    size = _write(part.data, out)
                if not isinstance(part.data, bytes):
                    part.data.close()
                found.append(Done(entry, size, others=1, other_bytes=size))
                continue
            with create(entry.name if recoded.data is not None else f"{QUARANTINE}/{entry.name}") as out:
                out.write(part.data if recoded.data is None else recoded.data)  # type: ignore[arg-type]
            written = None if recoded.data is None else len(recoded.data)
            found.append(Done(entry, written, (recoded.image,)))
    return found + problems


def _parts(entries: Iterable[Entry], source: Source, problems: list[Done]) -> Iterator[Part[Entry]]:
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
        yield part


def _part(entry: Entry, file: BinaryIO) -> Part[Entry]:
    head = file.read(3)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size != entry.size:  # it grew or shrank since it was listed
        entry = dataclasses.replace(entry, size=size)
    if is_image(entry.name, head, size):
        with file:
            return Part(entry, entry.name, file.read(), image=True)
    if size <= IN_MEMORY:
        with file:
            return Part(entry, entry.name, file.read(), image=False)
    return Part(entry, entry.name, file, image=False)


def _write(data: bytes | BinaryIO, out: BinaryIO) -> int:
    return out.write(data) if isinstance(data, bytes) else copy_blocks(data, out)


def unreadable(entry: Entry, error: OSError) -> Done:
    """What is told of a source that could not be read; a rerun tries again."""
    return Done(entry, None, problem=f"cannot be read: {error.strerror or error}", finished=False)
