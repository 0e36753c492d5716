"""A source is never written to: source and target are compared before anything is opened for writing.

Places in one store are compared by their normalised paths; local folders, however they are reached, also by device and
inode, so that another mount or a link does not hide that two of them are one.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import PurePosixPath

from j4d.bulk.storage import Source, Target
from j4d.bulk.where import LOCAL
from j4d.errors import DataError


def must_be_apart(source: Source, target: Target) -> None:
    """DataError where the target is the source's folder or holds any of it, or lies in a folder that is read whole."""
    ours, theirs = source.where, target.where
    if not ours.same_store(theirs):
        return
    outside, inside = _normal(ours.path), _normal(theirs.path)
    names = source.names
    if inside == outside:
        raise DataError(f"{target.root} is the source itself, which is never written to; name another folder")
    if names is None and inside.is_relative_to(outside):
        raise DataError(
            f"{target.root} lies inside the source {source.root}, which is never written to; name another folder"
        )
    for path in [outside] if names is None else (outside / name for name in names):
        if path.is_relative_to(inside):
            raise DataError(
                f"the source {path} lies inside {target.root}, and could be written over; name another folder"
            )
    if ours.store == LOCAL:
        _folders_apart(ours.path, names, theirs.path, target.root)


def _normal(path: str) -> PurePosixPath:
    return PurePosixPath(posixpath.normpath("/" + path.replace(os.sep, "/").lstrip("/")))


def _folders_apart(root: str, names: tuple[str, ...] | None, inside: str, told: str) -> None:
    """The same of local folders by what they are, not by what they are called."""
    folders = {root} if names is None else {os.path.dirname(os.path.join(root, name)) for name in names}
    target = _identity(inside)
    own = _identity(root)
    if names is None and own is not None and own in _identities(inside):
        raise DataError(f"{told} is the source {root} or lies inside it, by another way; name another folder")
    for folder in folders:
        if target is not None and target in _identities(folder):
            raise DataError(f"the source {folder} is {told} or lies inside it, by another way; name another folder")


def _identities(path: str) -> Iterator[tuple[int, int]]:
    """Of a folder and of all above it, as far as they exist."""
    path = os.path.realpath(path)
    while True:
        found = _identity(path)
        if found is not None:
            yield found
        above = os.path.dirname(path)
        if above == path:
            return
        path = above


def _identity(path: str) -> tuple[int, int] | None:
    """Device and inode; None where there is nothing."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
