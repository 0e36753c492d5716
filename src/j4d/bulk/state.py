"""What a target keeps of its runs: the folder of the manifest and the lock, and the manifest itself, opened.

A local target keeps them in its own `.j4d`; those of a remote one are in the user's state folder, with a copy of the
manifest there. A manifest that comes from elsewhere is hostile until it has been looked through.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from j4d.bulk.content import BLOCK
from j4d.bulk.lock import locked
from j4d.bulk.manifest import Manifest
from j4d.bulk.names import PRIVATE
from j4d.bulk.remote import state_folder
from j4d.bulk.schema import VERSION, is_damage, oddity
from j4d.bulk.storage import LocalTarget, Target, make_folders
from j4d.errors import DataError

MANIFEST = f"{PRIVATE}/manifest.sqlite"
LARGEST_COPY = 16 << 30  # bytes of a manifest that is fetched from a target, some 10^8 images
_FILES = ("manifest.sqlite", "manifest.sqlite-wal", "manifest.sqlite-shm")


@contextmanager
def opened(target: Target, overwrite: bool) -> Iterator[Manifest]:
    """The target's manifest, while no other run has it. Raises DataError, OSError.

    DataError too where the target holds files but no manifest of ours, unless `overwrite`; nothing is written then.
    """
    local = isinstance(target, LocalTarget)
    folder = Path(target.root) / PRIVATE if local else state_folder(target.root)
    path = folder / "manifest.sqlite"
    if not overwrite and not path.exists() and (local or target.size(MANIFEST) is None) and target.holds_files():
        raise DataError(
            f"{target.root} holds files that no run of j4d wrote; name an empty or new folder, or --overwrite them"
        )
    for ours in (folder, *(folder / name for name in ("lock", "tmp", "quarantine", *_FILES))):
        if ours.is_symlink():
            raise DataError(f"{ours} is a link, which no run of j4d made; remove it")
    make_folders(os.fspath(folder))
    with locked(folder / "lock", target.root):
        target.clean()
        if not local and not path.exists() and target.size(MANIFEST) is not None:
            _fetch(target, path, overwrite)
        try:
            manifest = _manifest(path, overwrite)
            try:
                yield manifest
            except sqlite3.Error:
                local = True  # what is there is better than a copy of this
                raise
            finally:
                manifest.close()
                if not local:
                    _upload(path, target)
        except sqlite3.Error as error:
            if is_damage(error):
                raise DataError(_damaged(path, error)) from None
            raise DataError(f"{path}: {error}; run again when that is mended") from None
        finally:
            target.clean()


def _upload(path: Path, target: Target) -> None:
    with suppress(OSError), open(path, "rb") as here, target.create(MANIFEST) as there:
        shutil.copyfileobj(here, there)


def _manifest(path: Path, overwrite: bool) -> Manifest:
    """The manifest of this path; one that is damaged is moved aside where everything is done again anyway."""
    if overwrite and path.exists() and _whats_wrong(path):
        _move_aside(path)
    try:
        return Manifest(path)
    except sqlite3.Error as error:
        if not overwrite or not is_damage(error):
            raise
        _move_aside(path)
        return Manifest(path)


def _damaged(path: object, error: object) -> str:
    return f"{path} is damaged ({error}); --overwrite makes it anew, and does everything again"


def _move_aside(path: Path) -> None:
    """To `manifest.sqlite.damaged`, with what belongs to it; further ones get numbers."""
    number = 0
    while (aside := path.with_name(f"{path.name}.damaged{number or ''}")).exists():
        number += 1
    for name in _FILES:
        with suppress(FileNotFoundError):
            path.with_name(name).replace(path.with_name(name.replace(path.name, aside.name)))


def _fetch(target: Target, path: Path, overwrite: bool) -> None:
    """Copy a remote target's manifest here, if it can be one. Raises DataError, OSError."""
    size = target.size(MANIFEST) or 0
    there = f"{target.root}/{MANIFEST}"
    if size > LARGEST_COPY:
        raise DataError(f"{there}: {size} bytes, more than {LARGEST_COPY}; copy it to {path} yourself if it is yours")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix="fetched-")
    copy = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, target.open(MANIFEST) as source:
            while size > 0 and (block := source.read(min(BLOCK, size))):
                file.write(block)
                size -= len(block)
        wrong = _whats_wrong(copy) or _odd_rows(copy)
        if not wrong:
            copy.replace(path)
        elif not overwrite:
            raise DataError(_damaged(there, wrong))
    finally:
        for name in ("", "-wal", "-shm", "-journal"):
            copy.with_name(copy.name + name).unlink(missing_ok=True)


def _whats_wrong(path: Path) -> str:
    """Why this file is no manifest that can be used; empty where it may be. Runs nothing that the file defines."""
    try:
        db = sqlite3.connect(path)
        try:
            for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
                db.execute(f"PRAGMA {pragma}")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, 1, VERSION):
                return f"version {version}"
            if version and (odd := oddity(db)):
                return odd
            told = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
            return "" if told == "ok" else told
        finally:
            db.close()
    except (sqlite3.Error, TypeError, AttributeError) as error:
        return str(error)


def _odd_rows(path: Path) -> str:
    """What no manifest of ours would say, of one that comes from elsewhere; empty where there is nothing."""
    try:
        db = sqlite3.connect(path)
        try:
            db.execute("PRAGMA trusted_schema = OFF")
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                return "it is empty"
            plan = db.execute("SELECT CAST(value AS INTEGER) FROM run WHERE name = 'plan'").fetchone()
            odd = db.execute(
                "SELECT count(*) FROM sources WHERE typeof(name) <> 'text' OR typeof(size) <> 'integer' OR "
                "typeof(stamp) <> 'text' OR typeof(refused) <> 'text' OR typeof(plan) <> 'integer' OR plan > ?",
                (plan[0] if plan else 0,),
            ).fetchone()[0]
            return f"{odd} odd rows" if odd else ""
        finally:
            db.close()
    except (sqlite3.Error, ValueError) as error:
        return str(error)
