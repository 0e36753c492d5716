"""Places behind a URL, through fsspec: s3, gs, hf, http, memory and whatever else it has a driver for.

An output is written to a local temporary file and uploaded under its name when it is complete; object stores show an
object only when all of it has arrived.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from j4d.bulk.names import PRIVATE, checked
from j4d.bulk.place import Create
from j4d.bulk.results import Entry
from j4d.errors import DataError

_STAMPS = ("ETag", "etag", "md5Hash", "md5", "crc32c", "sha256", "blob_id", "mtime", "last_modified", "LastModified")
_DATES = ("updated", "modified", "created")


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path on it. DataError where fsspec or its driver is missing."""
    try:
        import fsspec
    except ImportError:
        raise DataError(f"{url}: URLs need fsspec: pip install 'j4d[bulk]'") from None
    try:
        found, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise DataError(f"{url}: {error}") from None
    return found, str(path).rstrip("/")


class RemoteSource:
    """Files below a URL: all of them, or those that are named."""

    def __init__(self, url: str, names: tuple[str, ...] | None = None) -> None:
        self._url, self._names = url.rstrip("/"), names
        self._connect()

    def _connect(self) -> None:
        self._fs, self._path = file_system(self._url)

    def __getstate__(self) -> dict[str, Any]:
        return {"_url": self._url, "_names": self._names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._connect()

    @property
    def root(self) -> str:
        return self._url

    def entries(self) -> Iterator[Entry]:
        if self._names is not None:
            found = {name: self._fs.info(f"{self._path}/{name}") for name in self._names}
        else:
            listed = self._fs.find(self._path, detail=True)
            found = {path[len(self._path) :].lstrip("/"): info for path, info in listed.items()}
        for name, info in sorted(found.items()):
            if name and not name.startswith(f"{PRIVATE}/"):
                refused = "a path with .. in it" if ".." in name.split("/") else ""
                yield Entry(name, int(info.get("size") or 0), stamp_of(info), refused)

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self._fs.open(f"{self._path}/{name}", "rb"))

    def vanished(self) -> bool:
        return self._names is None and not self._fs.exists(self._path)


class RemoteTarget:
    """A place to upload to."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._sizes: dict[str, int] | None = None
        self._connect()

    def _connect(self) -> None:
        self._fs, self._path = file_system(self._url)

    def __getstate__(self) -> dict[str, Any]:
        return {"_url": self._url, "_sizes": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._connect()

    @property
    def root(self) -> str:
        return self._url

    @contextmanager
    def create(self, name: str, mode: int | None = None) -> Iterator[BinaryIO]:
        checked(name)
        handle, local = tempfile.mkstemp(prefix="j4d-")
        try:
            with os.fdopen(handle, "w+b") as file:
                yield cast(BinaryIO, file)
            path = f"{self._path}/{name}"
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._fs.put_file(local, path)
        finally:
            os.unlink(local)

    @contextmanager
    def together(self) -> Iterator[Create]:
        yield self.create

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self._fs.open(f"{self._path}/{name}", "rb"))

    def size(self, name: str) -> int | None:
        if self._sizes is None:  # one listing, not one question per file
            self._fs.invalidate_cache()
            listed = self._fs.find(self._path, detail=True) if self._fs.exists(self._path) else {}
            self._sizes = {path[len(self._path) :].lstrip("/"): int(info["size"]) for path, info in listed.items()}
        return self._sizes.get(name)

    def settle(self, names: list[str]) -> None:
        self._fs.invalidate_cache()

    def clean(self) -> None:
        pass


def stamp_of(info: dict[str, Any]) -> str:
    """What fsspec tells of a file that changes with it: an entity tag or checksum, else a date."""
    for names in (_STAMPS, _DATES):
        told = [str(info[name]) for name in names if info.get(name)]
        if told:
            return " ".join(told)
    return ""
