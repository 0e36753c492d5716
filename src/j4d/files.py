"""Whole files read and written safely: a limit on what is read, and writes that are whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part.

    The bytes go to a temporary file beside the target, which then replaces it; on any failure, Ctrl-C
    included, the temporary file is removed and the old file is untouched. Folders that are missing are made. A
    symbolic link is followed. Raises OSError that names the target.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(21, "Is a directory", os.fspath(path))
    temporary = target.with_name(f".{target.name[:200]}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        if not target.parent.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        raise


def read_limited(path: str | os.PathLike[str], limit: int) -> bytes | None:
    """Return the bytes of `path`, or None where there are more than `limit`. Raises OSError."""
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    return None if len(data) > limit else data
