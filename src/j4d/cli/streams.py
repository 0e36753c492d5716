"""Standard input and output in the place of files: one picture through a shell pipe, never to a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j4d.cli.targets import must_not_clash
from j4d.errors import DataError
from j4d.support.files import permissions, read_limited, write_atomic

if TYPE_CHECKING:
    from j4d.images.reading import Picture

STANDARD_STREAM = Path("-")
LARGEST_FILE = 1 << 30  # bytes; no picture within the limits is larger


def name_of(source: Path) -> str:
    """What messages call a source."""
    return "standard input" if source == STANDARD_STREAM else str(source)


def plan_of_streams(sources: list[Path], out: Path | None, suffixes: tuple[str, ...]) -> list[tuple[Path, Path]]:
    """The (source, target) pair where one is a stream, or none where neither is; output follows input by default.

    DataError where a stream is one of several sources, is asked to hold a folder, or a target's name is missing.
    """
    if STANDARD_STREAM not in (*sources, out):
        return []
    if len(sources) > 1 or sources[0].is_dir():
        stream = "standard input" if STANDARD_STREAM in sources else "standard output"
        raise DataError(f"{stream} is one picture; give it alone, others in a run of their own")
    source, target = sources[0], STANDARD_STREAM if out is None else out
    if source != STANDARD_STREAM and not source.is_file():
        raise DataError(f"{source}: no such file")
    if target == STANDARD_STREAM:
        must_not_be_a_terminal()
    elif target.is_dir() or target.suffix.lower() not in suffixes:
        raise DataError(
            f"standard input has no name, so {target} is no place for it; name a {suffixes[0]} file with -o"
        )
    else:
        must_not_clash([(source, target)])
    return [(source, target)]


def must_not_be_a_terminal() -> None:
    """DataError where standard output is one, or is closed."""
    if sys.stdout is None or sys.stdout.isatty():
        raise DataError(
            "a JPEG file is not written to a terminal; send standard output to a file or a program, or use -o"
        )


def read_source(source: Path) -> bytes:
    """All bytes of a file or of standard input. Raises OSError, DataError where that is closed, empty or too large."""
    if source != STANDARD_STREAM:
        data = read_limited(source, LARGEST_FILE)
    else:
        if sys.stdin is None:
            raise DataError("closed, nothing can be read")
        read = sys.stdin.buffer.read(LARGEST_FILE + 1)
        if not read:
            raise DataError("empty")
        data = None if len(read) > LARGEST_FILE else read
    if data is None:
        raise DataError(f"larger than {LARGEST_FILE} bytes, which no picture within the limits is")
    return data


def read_picture(source: Path, **reading: Any) -> Picture:
    """The picture in an image file or in standard input. reading: of `decode_picture`. Raises ImageError, DataError."""
    from j4d.images.reading import decode_picture
    from j4d.images.reading import read_picture as read_file

    if source != STANDARD_STREAM:
        return read_file(source, **reading)
    try:
        data = read_source(source)
    except (OSError, DataError) as error:
        raise DataError(f"{name_of(source)}: {getattr(error, 'strerror', None) or error}") from None
    return decode_picture(data, name_of(source), **reading)


def write_result(target: Path, data: bytes, source: Path) -> None:
    """Write a file, whole or not at all, with the permissions of its source, or to standard output. Raises OSError."""
    if target != STANDARD_STREAM:
        write_atomic(target, data, permissions(source) if source != STANDARD_STREAM else None)
        return
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
