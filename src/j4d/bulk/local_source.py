"""A local folder, or some files below one, to be read. No link is followed out of it."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from j4d.bulk.names import UnreadableError, is_private
from j4d.bulk.results import Entry
from j4d.bulk.where import LOCAL, Where

_FLAGS = ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY", "O_NONBLOCK")


class LocalSource:
    """A folder, or some files below one."""

    def __init__(self, root: str | os.PathLike[str], names: tuple[str, ...] | None = None) -> None:
        self._root = Path(root).resolve()
        self._inside = os.path.join(self._root, "")
        self._names = names
        status = self._root.stat()
        self._device = (status.st_dev, status.st_ino)

    @property
    def root(self) -> str:
        return os.fspath(self._root)

    @property
    def names(self) -> tuple[str, ...] | None:
        return self._names

    @property
    def where(self) -> Where:
        return Where(LOCAL, self.root)

    def entries(self) -> Iterator[Entry]:
        if self.names is None:
            yield from self._walk()
            return
        for name in self.names:
            yield self._entry(name, os.lstat(self._inside + name))

    def _walk(self) -> Iterator[Entry]:
        """Everything below, without recursion: folders may be deeper than Python's stack."""
        found = [_Child("", is_folder=True)]
        while found:
            child = found.pop()
            if child.is_folder:
                try:
                    found += reversed(self._listed(child.name))
                except OSError as error:
                    if not child.name or self.vanished():
                        raise
                    yield Entry(child.name, 0, "", f"the folder cannot be listed: {error.strerror or error}")
            else:
                yield self._looked_at(child)

    def _listed(self, folder: str) -> list[_Child]:
        prefix = f"{folder}/" if folder else ""
        with os.scandir(self._inside + folder) as scanned:
            children = [_Child(prefix + child.name, child) for child in scanned]
        return sorted(children, key=lambda child: child.name)

    def _looked_at(self, child: _Child) -> Entry:
        if is_private(child.name):
            return Entry(child.name, 0, "", "private")
        try:
            assert child.entry is not None
            return self._entry(child.name, child.entry.stat(follow_symlinks=False))
        except OSError as error:
            return Entry(child.name, 0, "", f"cannot be looked at: {error.strerror or error}")

    def _entry(self, name: str, status: os.stat_result) -> Entry:
        refused = ""
        if stat.S_ISLNK(status.st_mode):
            real = os.path.realpath(self._inside + name)
            if not self._holds(real):
                refused = "a link that leads out of the source"
            elif not os.path.isfile(real):
                refused = "a link to a folder" if os.path.isdir(real) else "a link that leads nowhere"
            else:
                status = os.stat(real)
        elif not stat.S_ISREG(status.st_mode):
            refused = "no regular file (a device, a pipe or a socket)"
        return Entry(name, status.st_size, str(status.st_mtime_ns), refused)

    def open(self, name: str) -> BinaryIO:
        real = os.path.realpath(self._inside + name)
        if not self._holds(real):
            raise OSError(errno.ELOOP, "a link that leads out of the source", self._inside + name)
        handle = os.open(real, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in _FLAGS))
        file = io.BufferedReader(_Raw(handle))
        if not stat.S_ISREG(os.fstat(handle).st_mode):  # it was one when it was listed
            file.close()
            raise OSError(errno.EINVAL, "no regular file", self._inside + name)
        return file

    def vanished(self) -> bool:
        try:
            status = self._root.stat()
        except OSError:
            return True
        return (status.st_dev, status.st_ino) != self._device

    def _holds(self, real: str) -> bool:
        return real.startswith(self._inside)


class _Raw(io.FileIO):
    """A file of the source, whose errors are told from those of the target."""

    def readinto(self, buffer: Any) -> int:
        try:
            return super().readinto(buffer) or 0
        except OSError as error:
            raise UnreadableError(error.errno, error.strerror) from None

    def readall(self) -> bytes:
        try:
            return super().readall() or b""
        except OSError as error:
            raise UnreadableError(error.errno, error.strerror) from None


class _Child:
    """What a folder holds. name: below the root."""

    def __init__(self, name: str, entry: os.DirEntry[str] | None = None, *, is_folder: bool = False) -> None:
        self.name, self.entry = name, entry
        self.is_folder = is_folder or (entry is not None and self._is_folder(entry))

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir(follow_symlinks=False) and not is_private(self.name)
        except OSError:
            return False
