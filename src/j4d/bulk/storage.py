"""Places that a data set is read from and written to, and the one that is a local folder to be written.

A source is only ever read. A target's files appear under their names whole or not at all: they are written under
temporary names in `.j4d/tmp` of the target, flushed to the disk and renamed. Small files are flushed many at a time: a
disk takes about as long for one as for all of them.
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

from j4d.bulk.names import PRIVATE, NotWrittenError, UnreadableError, checked, is_private
from j4d.bulk.results import Entry
from j4d.bulk.where import LOCAL, Where

TEMPORARY = f"{PRIVATE}/tmp"
QUARANTINE = f"{PRIVATE}/quarantine"
MOST_FOLDERS = 100_000  # remembered
_SYNCFS_TELLS = (5, 8)  # Linux's version from which on `syncfs` raises what writing back has met
NO_SUCH_NAME = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG)
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


class Source(Protocol):
    """Files below a root, to be read: all of them, or those of these names."""

    @property
    def root(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...] | None: ...

    @property
    def where(self) -> Where: ...

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

    @property
    def where(self) -> Where: ...

    def holds_files(self) -> bool:
        """Whether anything is there but what is ours in it."""
        ...

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
                    if error.errno not in NO_SUCH_NAME:
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
            with file:
                yield file
                if mode is not None and hasattr(os, "fchmod") and mode != stat.S_IMODE(os.fstat(file.fileno()).st_mode):
                    os.fchmod(file.fileno(), mode)
            written[temporary] = name
        except BaseException as error:
            with suppress(OSError):
                os.unlink(temporary)
            if isinstance(error, OSError) and not isinstance(error, UnreadableError):
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
        if len(self._inside) == MOST_FOLDERS:
            self._inside.clear()
        self._inside.add(folder)

    @property
    def where(self) -> Where:
        return Where(LOCAL, self.root)

    def holds_files(self) -> bool:
        return self._root.is_dir() and any(not is_private(name) for name in os.listdir(self._root))

    def open(self, name: str) -> BinaryIO:
        return open(self._root / name, "rb")

    def size(self, name: str) -> int | None:
        try:
            status = os.stat(os.path.join(self.root, name))
        except OSError as error:
            if error.errno in (errno.ENOENT, *NO_SUCH_NAME):
                return None
            raise
        return status.st_size if stat.S_ISREG(status.st_mode) else None

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
        folder = self._root / TEMPORARY
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
        else:  # what no run of ours makes: a pipe, say, which nobody should wait for
            with suppress(OSError):
                folder.unlink(missing_ok=True)


def _flush(paths: Iterable[str], root: str) -> None:
    """Bring the bytes of these files to the disk, of several by one flush of the file system if it tells of errors.

    root: the folder that they are in, for what an error says.
    """
    several = list(paths)
    syncfs = _syncfs() if len(several) > 1 else None
    try:
        for path in several[:1] if syncfs else several:
            handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)  # it may be read-only
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
            make_folders(os.path.dirname(path))
            os.replace(temporary, path)
    except OSError as error:
        _tell_where(error, path)
        raise


def make_folders(path: str) -> None:
    """Make this folder and those above it that are missing, however deep. Raises OSError."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        with suppress(FileExistsError):  # another thread has made it, or a file is there and the next step tells
            os.mkdir(folder)


def _make_private(folder: str) -> None:
    """A folder that nobody else may look into."""
    make_folders(os.path.dirname(folder))
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)


def _in_the_way(error: OSError) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return "the name is too long for the target"
    return "a file or folder of the target is in the way, perhaps of an earlier run; remove it"


def mode_of(file: BinaryIO) -> int | None:
    """The permissions that what is made of an open local file has: its own 9 bits, and to be read by its owner.

    None where there are none, as of what is read through a URL.
    """
    try:
        return stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o777 | stat.S_IRUSR
    except (OSError, AttributeError):  # io.UnsupportedOperation is an OSError
        return None


def _tell_where(error: OSError, path: str) -> None:
    """Name the path in an error of a full disk: a write and a flush do not."""
    if error.errno in _NO_ROOM and error.filename is None:
        error.filename = path
