"""One run at a time on one target: a lock that the operating system drops with the process, however that ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from j4d.errors import DataError


@contextmanager
def locked(path: Path, target: str) -> Iterator[None]:
    """Hold the lock file at `path`. DataError with the holder where another process has it, or for a pipe; OSError."""
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is no file, which no run of j4d made; remove it")
    with open(path, "a+", encoding="utf-8", errors="replace") as file:
        if not _taken(file.fileno()):
            file.seek(0)
            holder = " ".join(file.read(200).split()) or "another process"
            raise DataError(f"{target}: {holder} is writing there now; wait until it ends, or name another folder")
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        try:
            yield
        finally:
            _release(file.fileno())  # also where a forked process has the file open


def _release(handle: int) -> None:
    if os.name != "nt":
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_UN)


def _taken(handle: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(handle, 1 << 30, os.SEEK_SET)  # beyond the text, which stays readable
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
