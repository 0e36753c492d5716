"""Places that a data set is read from and written to: a local folder.

A source is only ever read, and no link is followed out of it. A target's files appear under their names whole or not
at all: they are written under temporary names in `.j4d/tmp` of the target, flushed to the disk and renamed. Small files
are flushed many at a time: a disk takes about as long for one as for all of them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO, Protocol

from j4d.bulk.names import PRIVATE, NotWrittenError, checked, is_private
from j4d.bulk.results import Entry
from j4d.errors import DataError

TEMPORARY = f"{PRIVATE}/tmp"
QUARANTINE = f"{PRIVATE}/quarantine"
_SYNCFS_TELLS = (5, 8)  # Linux's version from which on `syncfs` raises what writing back has met
_NO_SUCH_NAME = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG)
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


class Source(Protocol):
    """Files below a root, to be read."""

    @property
    def root(self) -> str: ...

    def entries(self) -> Iterator[Entry]:
        """All of them, in order of their names. Raises DataError, OSError."""
        ...

    def open(self, name: str) -> BinaryIO:
        """One of them, from its first byte; seekable. Raises OSError."""
        ...

    def vanished(self) -> bool:
        """Whether the whole place is gone: a mount that was lost, a folder that was removed."""
        ...


class Create(Protocol):
    def __call__(self, name: str, mode: int | None = None) -> AbstractContextManager[BinaryIO]: ...


class Target(Protocol):
    """Files below a root, to be written."""

    @property
    def root(self) -> str: ...

    def create(self, name: str, mode: int | None = None) -> AbstractContextManager[BinaryIO]:
        """A file that appears under its name when the block ends well, and not at all when it raises.

        mode: its permissions where the target has any, such as 0o600; by default those of any new file. Raises
        NotWrittenError for a name that would leave the root, or that a folder has, OSError.
        """
        ...

    def together(self) -> AbstractContextManager[Create]:
        """A `create` for many small files, which appear when the block ends well, and maybe not when it raises.

        The block ends with NotWrittenError where some of them cannot have their names; all the others have.
        """
        ...

    def open(self, name: str) -> BinaryIO: ...

    def size(self, name: str) -> int | None:
        """Bytes, or None where there is no such file."""
        ...

    def settle(self, names: list[str]) -> None:
        """Make the names of these files as durable as their bytes."""
        ...

    def clean(self) -> None:
        """Remove what killed runs have left under temporary names."""
        ...


class LocalSource:
    """A folder, or some files below one."""

    def __init__(self, root: str | os.PathLike[str], names: tuple[str, ...] | None = None) -> None:
        self._root = Path(root).resolve()
        self._inside = os.path.join(self._root, "")
        self.names = names
        status = self._root.stat()
        self._device = (status.st_dev, status.st_ino)

    @property
    def root(self) -> str:
        return os.fspath(self._root)

    def entries(self) -> Iterator[Entry]:
        if self.names is None:
            yield from self._walk("")
            return
        for name in self.names:
            yield self._entry(name, (self._root / name).lstat())

    def _walk(self, folder: str) -> Iterator[Entry]:
        with os.scandir(self._root / folder) as found:
            children = sorted(found, key=lambda child: child.name)
        for child in children:
            name = f"{folder}{child.name}"
            if name == PRIVATE:
                continue
            if child.is_dir(follow_symlinks=False):
                yield from self._walk(f"{name}/")
            else:
                yield self._entry(name, child.stat(follow_symlinks=False))

    def _entry(self, name: str, status: os.stat_result) -> Entry:
        refused = ""
        if stat.S_ISLNK(status.st_mode):
            real = os.path.realpath(self._root / name)
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
            raise OSError(errno.ELOOP, "a link that leads out of the source", os.fspath(self._root / name))
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(real, flags), "rb")

    def vanished(self) -> bool:
        try:
            status = self._root.stat()
        except OSError:
            return True
        return (status.st_dev, status.st_ino) != self._device

    def _holds(self, real: str) -> bool:
        return real.startswith(self._inside)


class LocalTarget:
    """A folder that need not exist yet."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root).resolve()
        self._inside: set[str] = set()  # folders below the root that are known to be in it

    @property
    def root(self) -> str:
        return os.fspath(self._root)

    @contextmanager
    def create(self, name: str, mode: int | None = None) -> Iterator[BinaryIO]:
        with self.together() as create, create(name, mode) as file:
            yield file

    @contextmanager
    def together(self) -> Iterator[Create]:
        written: dict[str, str] = {}  # temporary path, name
        failed: dict[str, str] = {}
        try:
            yield partial(self._create, written)
            _flush(written, self.root)
            for temporary, name in written.items():
                try:
                    _replace(temporary, os.path.join(self.root, name))
                except OSError as error:
                    if error.errno not in _NO_SUCH_NAME:
                        raise
                    failed[name] = _in_the_way(error)
            if failed:
                raise NotWrittenError(failed)
        except BaseException:
            for temporary in written:
                with suppress(OSError):
                    os.unlink(temporary)
            raise

    @contextmanager
    def _create(self, written: dict[str, str], name: str, mode: int | None = None) -> Iterator[BinaryIO]:
        """A file under a temporary name, which goes into `written` with its final one."""
        self._must_hold(name)
        folder = os.path.join(self.root, TEMPORARY)
        temporary = os.path.join(folder, f"{os.getpid()}-{os.urandom(8).hex()}")
        try:
            try:
                file = open(temporary, "xb")  # noqa: SIM115
            except FileNotFoundError:
                _make_private(folder)
                file = open(temporary, "xb")  # noqa: SIM115
            written[temporary] = name
            with file:
                yield file
                if mode is not None and hasattr(os, "fchmod") and mode != stat.S_IMODE(os.fstat(file.fileno()).st_mode):
                    os.fchmod(file.fileno(), mode)
        except OSError as error:
            _tell_where(error, os.path.join(self.root, name))
            raise

    def _must_hold(self, name: str) -> None:
        """NotWrittenError where a file of this name would not lie below the root, links in the target followed."""
        checked(name)
        folder = name.rpartition("/")[0]
        if folder in self._inside:
            return
        within = os.path.relpath(os.path.realpath(os.path.join(self.root, folder)), self.root)
        if within.split(os.sep)[0] == os.pardir or is_private(within) != is_private(name):
            raise NotWrittenError({name: f"a link in the target leads out of it, {os.path.join(self.root, folder)}"})
        if folder == QUARANTINE:
            _make_private(os.path.join(self.root, folder))
        self._inside.add(folder)

    def open(self, name: str) -> BinaryIO:
        return open(self._root / name, "rb")

    def size(self, name: str) -> int | None:
        try:
            return (self._root / name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def settle(self, names: list[str]) -> None:
        if not hasattr(os, "O_DIRECTORY"):
            return
        for folder in {self._root / Path(name).parent for name in names}:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            except OSError as error:
                _tell_where(error, os.fspath(folder))
                raise
            finally:
                os.close(handle)

    def clean(self) -> None:
        shutil.rmtree(self._root / TEMPORARY, ignore_errors=True)


def _flush(paths: Iterable[str], root: str) -> None:
    """Bring the bytes of these files to the disk, of several by one flush of the file system if it tells of errors.

    root: the folder that they are in, for what an error says.
    """
    several = list(paths)
    syncfs = _syncfs() if len(several) > 1 else None
    try:
        for path in several[:1] if syncfs else several:
            handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            try:
                (syncfs or os.fsync)(handle)
            finally:
                os.close(handle)
    except OSError as error:
        _tell_where(error, root)
        raise


@cache
def _syncfs() -> Callable[[int], None] | None:
    """Linux's `syncfs`, raising OSError; None where there is none that can be relied on."""
    version = re.match(r"(\d+)\.(\d+)", platform.release())
    if platform.system() != "Linux" or not version or tuple(map(int, version.groups())) < _SYNCFS_TELLS:
        return None
    found = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if found is None:
        return None

    def syncfs(handle: int) -> None:
        if found(handle):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    return syncfs


def _replace(temporary: str, path: str) -> None:
    try:
        try:
            os.replace(temporary, path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.replace(temporary, path)
    except OSError as error:
        _tell_where(error, path)
        raise


def _make_private(folder: str) -> None:
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)


def _in_the_way(error: OSError) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return "the name is too long for the target"
    return "a file or folder of the target is in the way, perhaps of an earlier run; remove it"


def mode_of(file: BinaryIO) -> int | None:
    """The permissions of an open local file, 9 bits; None where there are none, as of what is read through a URL."""
    try:
        return stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o777
    except (OSError, AttributeError):  # io.UnsupportedOperation is an OSError
        return None


def _tell_where(error: OSError, path: str) -> None:
    """Name the path in an error of a full disk: a write and a flush do not."""
    if error.errno in _NO_ROOM and error.filename is None:
        error.filename = path


def must_be_apart(source: LocalSource, target: LocalTarget) -> None:
    """DataError where the target is the source's folder or holds any of it, or lies in a folder that is read whole."""
    inside, outside = Path(target.root), Path(source.root)
    if inside == outside:
        raise DataError(f"{inside} is the source itself, which is never written to; name another folder")
    if source.names is None and inside.is_relative_to(outside):
        raise DataError(f"{inside} lies inside the source {outside}, which is never written to; name another folder")
    read = [outside] if source.names is None else [outside / name for name in source.names]
    for path in read:
        if path.is_relative_to(inside):
            raise DataError(f"the source {path} lies inside {inside}, and could be written over; name another folder")
