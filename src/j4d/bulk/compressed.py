"""Archives behind a compressor: gzip and Zstandard, read forward and written with bytes that depend on nothing else."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from j4d.bulk.faulty import DamagedError
from j4d.errors import DataError

GZIP, ZSTANDARD = (".tar.gz", ".tgz"), (".tar.zst", ".tzst")
SUFFIXES = (*GZIP, *ZSTANDARD)
_GZIP_LEVEL, _ZSTANDARD_LEVEL = 6, 3  # the programs' own defaults


@contextmanager
def reading(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """The file itself, or what is inside of it by its name. Reading raises DamagedError, OSError."""
    lower = name.lower()
    if lower.endswith(GZIP):
        with gzip.GzipFile(fileobj=file, mode="rb") as inside:
            yield cast(BinaryIO, _Guarded(inside.read, (gzip.BadGzipFile, EOFError, zlib.error)))
    elif lower.endswith(ZSTANDARD):
        zstandard = _zstandard(name)
        with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False) as inside:
            yield cast(BinaryIO, _Guarded(inside.read, (zstandard.ZstdError,)))
    else:
        yield file


@contextmanager
def writing(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """The file itself, or one that compresses into it. `tell` counts what is inside."""
    lower = name.lower()
    if lower.endswith(GZIP):
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as inside:
            yield cast(BinaryIO, inside)
    elif lower.endswith(ZSTANDARD):
        compressor = _zstandard(name).ZstdCompressor(level=_ZSTANDARD_LEVEL, write_checksum=True)
        with compressor.stream_writer(file, closefd=False) as inside:
            yield inside
    else:
        yield file


class _Guarded:
    """Reads whole pieces, and tells damage as ours."""

    def __init__(self, read: Callable[[int], bytes], errors: tuple[type[Exception], ...]) -> None:
        self._read, self._errors = read, errors

    def read(self, size: int) -> bytes:
        pieces: list[bytes] = []
        try:
            while size and (piece := self._read(size)):
                pieces.append(piece)
                size -= len(piece)
        except self._errors as error:
            raise DamagedError(f"no whole compressed archive: {error}") from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _zstandard(name: str) -> Any:
    try:
        import zstandard
    except ImportError:
        raise DataError(f"{name}: Zstandard archives need its package: pip install 'j4d[bulk]'") from None
    return zstandard
