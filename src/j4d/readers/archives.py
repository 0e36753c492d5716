"""Read a model file's archive strictly, before PyTorch sees it.

TorchScript files and torch.export programs are ZIP archives. `members` reads one with limits on everything that is
taken from the file, and `packed` writes what was read as a new archive. PyTorch gets that one, so two ZIP readers
cannot see different members in one file.
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from j4d.errors import ModelError

FILE_LIMIT = 8 << 30  # bytes of a file, and of its members together
MEMBER_LIMIT = 100_000  # members
DEFLATED_LIMIT = 256 << 20  # bytes of all compressed members together, once they are read


def members(path: Path) -> dict[str, bytes]:
    """Every member of a model file by its name without the archive's own folder.

    Raises ModelError for a file over the limits, names that leave the archive or come twice, and what is no whole ZIP
    archive.
    """
    try:
        size = os.path.getsize(path)
        if size > FILE_LIMIT:
            raise ModelError(f"{path}: {size} bytes, the limit of a model file is {FILE_LIMIT}")
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check(path, entries, size)
            return {_inner(path, entry.filename): archive.read(entry) for entry in entries}
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        raise ModelError(f"{path}: a damaged archive ({error}); copy or save the model again") from None


def _check(path: Path, entries: list[zipfile.ZipInfo], size: int) -> None:
    if len(entries) > MEMBER_LIMIT:
        raise ModelError(f"{path}: {len(entries)} members, the limit of a model file is {MEMBER_LIMIT}")
    deflated = sum(entry.file_size for entry in entries if entry.compress_type != zipfile.ZIP_STORED)
    if deflated > DEFLATED_LIMIT:
        raise ModelError(f"{path}: compressed members of {deflated} bytes once read, the limit is {DEFLATED_LIMIT}")
    stored = sum(entry.compress_size for entry in entries)
    if stored > size:
        raise ModelError(f"{path}: members of {stored} bytes in a file of {size}; they overlap")
    for entry in entries:
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ModelError(f"{path}: member {entry.filename!r} is compressed in a way that no model file is")
        if entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size:
            raise ModelError(f"{path}: member {entry.filename!r} has two sizes; copy or save the model again")
    names = [_inner(path, entry.filename) for entry in entries]
    if len(set(names)) < len(names):
        raise ModelError(f"{path}: member {max(names, key=names.count)!r} is there twice")


def _inner(path: Path, name: str) -> str:
    """A member's name without the first folder, which is the archive's own and the same for all."""
    folder, slash, inner = name.partition("/")
    if not slash or not folder or "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise ModelError(f"{path}: member {name!r} lies outside the archive's folder; no model file has that")
    return inner


def packed(found: Mapping[str, bytes]) -> io.BytesIO:
    """An archive of these members, uncompressed, in the form that PyTorch reads."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in found.items():
            archive.writestr(f"model/{name}", data)
    file.seek(0)
    return file
