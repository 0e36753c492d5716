"""Whole files read and written safely: a limit on what is read, and writes that are whole or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path


def write_atomic(path: str | os.PathLike[str], data: bytes, mode: int | None = None) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part.

    The bytes go to a temporary file beside the target, which then replaces it; on any failure, Ctrl-C
    included, the temporary file is removed and the old file is untouched. Folders that are missing are made. A
    symbolic link is followed. What is no regular file, such as a device or a pipe, is written to, not replaced.

    mode: permissions of a new file, such as 0o600; by default those of any new file. A file that is there keeps its
    own. Raises OSError that names the target.
    """
    there = _status(path)
    if there is not None and stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(21, "Is a directory", os.fspath(path))
    if there is not None and not stat.S_ISREG(there.st_mode):
        _write_through(path, data)
        return
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:200]}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    if there is not None:
        mode = stat.S_IMODE(there.st_mode)
    try:
        if not target.parent.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb", opener=None if mode is None else _private) as file:
            file.write(data)
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        raise


def permissions(path: str | os.PathLike[str]) -> int | None:
    """The 9 bits of a regular file's permissions, for what is made of it; None of anything else."""
    there = _status(path)
    return stat.S_IMODE(there.st_mode) & 0o777 if there is not None and stat.S_ISREG(there.st_mode) else None


def _status(path: str | os.PathLike[str]) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)  # until it has its permissions


def _write_through(path: str | os.PathLike[str], data: bytes) -> None:
    try:
        with open(path, "wb", buffering=0) as file:
            left = memoryview(data)
            while left:
                left = left[file.write(left) or 0 :]
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def read_limited(path: str | os.PathLike[str], limit: int) -> bytes | None:
    """Return the bytes of `path`, or None where there are more than `limit`. Raises OSError."""
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    return None if len(data) > limit else data
