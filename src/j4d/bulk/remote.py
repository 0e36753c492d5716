"""Places behind a URL, through fsspec: s3, gs, hf, http, memory and whatever else it has a driver for.

An output is written to a local temporary file and goes to its name when it is complete. Object stores show an object
only when all of it has arrived; on other file systems it is uploaded under a temporary name and moved. What a killed
run has left under temporary names, here and there, is removed by the next run on the same target.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from j4d.bulk.names import NotWrittenError, UnreadableError, checked, is_private, why_refused
from j4d.bulk.results import Entry
from j4d.bulk.storage import NO_SUCH_NAME, TEMPORARY, Create
from j4d.bulk.where import Where, where_on
from j4d.errors import DataError

_STAMPS = ("ETag", "etag", "md5Hash", "md5", "crc32c", "sha256", "blob_id", "mtime", "last_modified", "LastModified")
_DATES = ("updated", "modified", "created")
_PUT_WHOLE = {
    "s3",
    "s3a",
    "gs",
    "gcs",
    "abfs",
    "abfss",
    "az",
    "oss",
    "oci",
    "tos",
    "hf",
}  # an object appears when whole


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path on it. DataError where fsspec or its driver is missing."""
    try:
        import fsspec
    except ImportError:
        raise DataError(f"{url}: URLs need fsspec: pip install 'j4d[bulk]'") from None
    try:
        found, path = fsspec.core.url_to_fs(url)
    except OSError:
        raise
    except Exception as error:  # a driver raises what its library does
        raise DataError(f"{url}: {_line(error)}") from None
    return found, str(path).rstrip("/")


def state_folder(root: str) -> Path:
    """The folder of this user that belongs to a remote target: manifest, lock, temporary files."""
    import platformdirs

    return Path(platformdirs.user_state_dir("j4d")) / "bulk" / hashlib.sha256(root.encode()).hexdigest()[:32]


@contextmanager
def _as_unreadable() -> Iterator[None]:
    """Whatever a driver raises, which its library may have made, as UnreadableError."""
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:
        raise UnreadableError(errno.EIO, _line(error)) from None


def _line(error: Exception) -> str:
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return f"{type(error).__name__}: {text:.300}"


class _Raw(io.RawIOBase):
    """A driver's file, whose errors are those of the source."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _as_unreadable():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        with _as_unreadable():
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Remote:
    """A URL, which can be pickled."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._connect()

    def _connect(self) -> None:
        self._fs, self._path = file_system(self._url)

    @property
    def root(self) -> str:
        return self._url

    @property
    def where(self) -> Where:
        return where_on(self._fs, self._path)

    def open(self, name: str) -> BinaryIO:
        """One file, to be read. Raises OSError, and so does reading, whatever the driver raises."""
        with _as_unreadable():
            return cast(BinaryIO, io.BufferedReader(_Raw(self._fs.open(f"{self._path}/{name}", "rb"))))

    def _name(self, path: str) -> str:
        return path[len(self._path) :].removeprefix("/")


class RemoteSource(_Remote):
    """Files below a URL: all of them, or those that are named."""

    def __init__(self, url: str, names: tuple[str, ...] | None = None) -> None:
        super().__init__(url)
        self._names = names

    def __getstate__(self) -> dict[str, Any]:
        return {"_url": self._url, "_names": self._names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._connect()

    @property
    def names(self) -> tuple[str, ...] | None:
        return self._names

    def entries(self) -> Iterator[Entry]:
        failed: dict[str, str] = {}
        if self._names is not None:
            found = {name: self._fs.info(f"{self._path}/{name}") for name in self._names}
        else:
            try:
                found = {self._name(path): info for path, info in self._listed(failed).items()}
            except RecursionError:
                raise DataError(f"{self.root}: cannot be listed: its folders are too deep for its driver") from None
        for name in sorted({*found, *failed}):
            info = found.get(name, {})
            refused = "private" if is_private(name) else failed.get(name) or why_refused(name)
            if name:
                yield Entry(name, int(info.get("size") or 0), stamp_of(info), refused)

    def _listed(self, failed: dict[str, str]) -> dict[str, Any]:
        """All files below, by path. Folders that cannot be listed go into `failed`, where the driver tells of them."""
        from fsspec.spec import AbstractFileSystem

        if type(self._fs).find is not AbstractFileSystem.find:
            return cast(dict[str, Any], self._fs.find(self._path, detail=True))
        found: dict[str, Any] = {}
        folders = [self._path]
        while folders:
            folder = folders.pop()
            try:
                listed = self._fs.ls(folder, detail=True)
            except OSError as error:
                if folder == self._path:
                    raise
                failed[self._name(folder)] = f"the folder cannot be listed: {error.strerror or error}"
                continue
            for info in listed:
                path = str(info["name"]).rstrip("/")
                if info.get("type") != "directory":
                    found[path] = info
                elif len(path) > len(folder):
                    folders.append(path)
        return found

    def vanished(self) -> bool:
        return self._names is None and not self._fs.exists(self._path)


class RemoteTarget(_Remote):
    """A place to upload to."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._sizes: dict[str, int] | None = None

    def _connect(self) -> None:
        super()._connect()
        protocol = self._fs.protocol
        self._put_whole = bool(_PUT_WHOLE & {protocol, *(protocol if isinstance(protocol, tuple) else ())})

    def __getstate__(self) -> dict[str, Any]:
        return {"_url": self._url, "_sizes": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._connect()

    @contextmanager
    def create(self, name: str, mode: int | None = None) -> Iterator[BinaryIO]:
        checked(name)
        folder = self._temporary()
        folder.mkdir(parents=True, exist_ok=True)
        handle, local = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(handle, "w+b") as file:
                yield cast(BinaryIO, file)
            try:
                self._put(local, f"{self._path}/{name}")
            except OSError as error:
                if isinstance(error, NotWrittenError) or error.errno not in NO_SUCH_NAME:
                    raise
                raise NotWrittenError({name: error.strerror or str(error)}) from None
        finally:
            os.unlink(local)

    def _put(self, local: str, path: str) -> None:
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        if self._put_whole:
            self._fs.put_file(local, path)
            return
        folder = f"{self._path}/{TEMPORARY}"
        if self._fs.isdir(path):  # a move would lead into it
            name = path[len(self._path) :].lstrip("/")
            raise NotWrittenError({name: "a folder has its name"})
        temporary = f"{folder}/{os.getpid()}-{os.urandom(8).hex()}"
        self._fs.makedirs(folder, exist_ok=True)
        self._fs.put_file(local, temporary)
        try:
            self._fs.mv(temporary, path)
        except OSError:  # some do not replace
            if not self._fs.exists(path) or not self._fs.exists(temporary):
                raise
            self._fs.rm_file(path)
            self._fs.mv(temporary, path)

    @contextmanager
    def together(self) -> Iterator[Create]:
        yield self.create

    def _listed(self) -> dict[str, int]:
        if self._sizes is None:  # one listing, not one question per file
            self._fs.invalidate_cache()
            listed = self._fs.find(self._path, detail=True) if self._fs.exists(self._path) else {}
            self._sizes = {self._name(path): int(info.get("size") or 0) for path, info in listed.items()}
        return self._sizes

    def holds_files(self) -> bool:
        return any(not is_private(name) for name in self._listed())

    def size(self, name: str) -> int | None:
        return self._listed().get(name)

    def settle(self, names: list[str]) -> None:
        self._fs.invalidate_cache()

    def clean(self) -> None:
        shutil.rmtree(self._temporary(), ignore_errors=True)
        if not self._put_whole and self._fs.exists(f"{self._path}/{TEMPORARY}"):
            self._fs.rm(f"{self._path}/{TEMPORARY}", recursive=True)

    def _temporary(self) -> Path:
        return state_folder(self.root) / "tmp"


def stamp_of(info: dict[str, Any]) -> str:
    """What fsspec tells of a file that changes with it: an entity tag or checksum, else a date."""
    for names in (_STAMPS, _DATES):
        told = [str(info[name]) for name in names if info.get(name)]
        if told:
            return " ".join(told)
    return ""
