"""From what the user wrote (folders, files, `*` and `{000..123}` patterns, URLs) to a source."""

from __future__ import annotations

import glob
import itertools
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from j4d.bulk.job import kind_of
from j4d.bulk.local_source import LocalSource
from j4d.bulk.remote import RemoteSource, RemoteTarget, file_system
from j4d.bulk.storage import LocalTarget, Source, Target
from j4d.errors import DataError

MOST_NAMES = 10_000_000  # that one pattern may stand for
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


_LOCAL = re.compile(r"(file|local)://")


def is_url(text: str) -> bool:
    """Whether this is a URL of a place elsewhere: a protocol and ://, which file:// and local:// are not."""
    return not _LOCAL.match(text) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+(::[A-Za-z0-9+.-]+)*://", text) is not None


def local_path(text: str) -> str:
    """The local path that a file:// or local:// URL stands for, as fsspec takes it; anything else as it is."""
    found = _LOCAL.match(text)
    return os.path.expanduser(text[found.end() :]) or os.curdir if found else text


def is_data_set(text: str) -> bool:
    """Whether this names a data set rather than single JPEG files: a folder, a URL, shards, tables or a pattern."""
    text = local_path(text)
    if is_url(text) or os.path.isdir(text):
        return True
    if os.path.exists(text) and kind_of(text) == "file":
        return False
    return kind_of(text) != "file"


def source_of(places: Sequence[str]) -> Source:
    """The source that these name together. DataError where there is nothing; OSError."""
    places = [local_path(place) for place in places]
    remote = {is_url(place) for place in places}
    if remote == {True, False}:
        raise DataError("local files and URLs are not taken in one run; give one kind at a time")
    if len(places) == 1 and not _pattern(places[0]):
        place = places[0]
        if is_url(place):
            found, path = file_system(place)
            if not found.isfile(path):
                return RemoteSource(place)
        elif os.path.isdir(place):
            return LocalSource(place)
    expanded = [name for place in places for name in (_remote(place) if is_url(place) else _local(place))]
    if len(expanded) != len(set(expanded)):
        raise DataError("a file is named twice; name each once")
    if True in remote:
        protocol = expanded[0].partition("://")[0] + "://"
        paths = [name.partition("://")[2] for name in expanded]
        root = posixpath.commonpath([posixpath.dirname(path) for path in paths])
        return RemoteSource(protocol + root, tuple(sorted(posixpath.relpath(path, root) for path in paths)))
    files = [Path(os.path.abspath(name)) for name in expanded]
    folder = Path(os.path.commonpath([file.parent for file in files]))
    return LocalSource(folder, tuple(sorted(file.relative_to(folder).as_posix() for file in files)))


def target_of(place: str) -> Target:
    """Where to write. DataError for a file."""
    place = local_path(place)
    if is_url(place):
        system, path = file_system(place)
        if system.isfile(path):
            raise DataError(f"{place} is a file; name a folder for the data set")
        return RemoteTarget(place)
    if kind_of(place) != "file" and not os.path.isdir(place):
        raise DataError(f"{place}: the target of a data set is a folder, which keeps the names of the source's files")
    if os.path.exists(place) and not os.path.isdir(place):
        raise DataError(f"{place} is a file; name a folder for the data set")
    return LocalTarget(place)


def expand(pattern: str) -> Iterator[str]:
    """`x-{000..123}.tar` and `{a,b}/x` as WebDataset writes them: every name that the braces stand for, in order."""
    found = _BRACES.search(pattern)
    if found is None:
        yield pattern
        return
    span = _RANGE.fullmatch(found[1])
    if span:
        low, high, width = int(span[1]), int(span[2]), len(span[1])
        if not 0 <= high - low < MOST_NAMES:
            raise DataError(f"{pattern}: {found[0]} is no range of at most {MOST_NAMES} numbers upwards")
        choices: Iterator[str] = (f"{number:0{width}d}" for number in range(low, high + 1))
    else:
        choices = iter(found[1].split(","))
    for choice in choices:
        yield from expand(pattern[: found.start()] + choice + pattern[found.end() :])


def _pattern(place: str) -> bool:
    return bool(_BRACES.search(place)) or (glob.has_magic(place) and not os.path.exists(place))


def _local(place: str) -> list[str]:
    found: list[str] = []
    for name in itertools.islice(expand(place), MOST_NAMES) if not os.path.exists(place) else [place]:
        matches = sorted(glob.glob(name, recursive=True)) if not os.path.exists(name) else [name]
        if not matches:
            raise DataError(f"{name}: no such file" + (" matches" if glob.has_magic(name) else ""))
        for match in matches:
            if os.path.isdir(match):
                raise DataError(f"{match} is a folder; give a folder alone, or only files")
        found += matches
    return found


def _remote(place: str) -> list[str]:
    found: list[str] = []
    for name in expand(place):
        system, path = file_system(name)
        if not glob.has_magic(path):
            found.append(name)
            continue
        matches = sorted(system.glob(path))
        if not matches:
            raise DataError(f"{name}: nothing matches")
        found += [system.unstrip_protocol(match) for match in matches]
    return found
