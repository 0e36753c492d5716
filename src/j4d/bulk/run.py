"""A whole run: plan, resume, hand units to an engine, and keep the manifest.

    >>> summary = transcode_data_set(source_of(["photos"]), target_of("small"), Settings(profile, {"quality": 40}))
    >>> summary.totals["transcoded"], summary.failures

Only this, the driver, writes the manifest. A run that is killed at any moment is resumed by running it again.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from j4d.batch import thread_count
from j4d.bulk import threads as on_threads
from j4d.bulk.lock import locked
from j4d.bulk.manifest import Manifest
from j4d.bulk.names import PRIVATE
from j4d.bulk.place import LocalSource, LocalTarget, Source, Target, must_be_apart
from j4d.bulk.results import Done, Entry, Unit
from j4d.bulk.settings import Settings
from j4d.bulk.work import BYTES_PER_UNIT, FILES_PER_UNIT, Job, kind_of
from j4d.errors import DataError

MANIFEST = f"{PRIVATE}/manifest.sqlite"
MOST_FAILURES = 1000  # in a summary; the manifest has all

Engine = Literal["threads", "ray"]


@dataclass(frozen=True)
class Summary:
    """What the target holds after a run. totals: counts and bytes by name. failures: (source or image, reason).
    notes: the same of what is as asked for, but should be known, such as an image that was left as it was.

    units: done by this run, the rest having been done before.
    """

    totals: dict[str, int]
    failures: list[tuple[str, str]]
    units: int
    manifest: str
    notes: list[tuple[str, str]] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether every image is what was asked for."""
        return not self.failures


def transcode_data_set(
    source: Source,
    target: Target,
    settings: Settings,
    *,
    threads: int | None = None,
    engine: Engine = "threads",
    verify: bool = False,
    overwrite: bool = False,
    watch: Callable[[dict[str, int], list[Done]], None] | None = None,
) -> Summary:
    """Write the whole of `source` to `target` with its JPEG images transcoded; what is done already stays.

    engine: threads of this process, or tasks on Ray. verify: read every output back. overwrite: do all of it again
    where the target was made with other settings, or holds other files. watch: called with the totals at the start and
    nothing, then with what each unit gave. Raises DataError, OSError; whatever is raised, running again goes on.
    """
    count = thread_count(threads)
    if isinstance(source, LocalSource) and isinstance(target, LocalTarget):
        must_be_apart(source, target)
    first = next(source.entries(), None)
    if first is None:
        raise DataError(f"{source.root}: nothing in it")
    with _state(target, overwrite) as folder, locked(folder / "lock", target.root):
        target.clean()
        try:
            manifest = Manifest(folder / "manifest.sqlite")
            try:
                return _run(source, target, settings, count, engine, verify, overwrite, watch, manifest)
            finally:
                target.clean()
                manifest.close()
        except sqlite3.Error as error:
            raise DataError(f"{folder / 'manifest.sqlite'}: {error}; run again when that is mended") from None


def _run(
    source: Source,
    target: Target,
    settings: Settings,
    threads: int,
    engine: Engine,
    verify: bool,
    overwrite: bool,
    watch: Callable[[dict[str, int], list[Done]], None] | None,
    manifest: Manifest,
) -> Summary:
    manifest.begin(source.root, settings.to_json(), overwrite)
    manifest.plan(source.entries(), lambda name, size: target.size(name) != size)
    job = Job(source, target, settings, verify)
    if watch:
        watch(manifest.totals(), [])
    units = 0
    for unit, results in _start(engine, _units(manifest, verify), job, threads):
        if unit.check:
            manifest.record_checks(results)
        else:
            manifest.record(results)
        units += 1
        if watch:
            watch({}, results)
    found = manifest.failures(MOST_FAILURES), units, str(manifest.path), manifest.notes(MOST_FAILURES)
    return Summary(manifest.totals(), *found)


def _start(engine: Engine, units: Iterator[Unit], job: Job, threads: int) -> Iterator[tuple[Unit, list[Done]]]:
    if engine == "ray":
        from j4d.bulk import on_ray

        return on_ray.run(units, job)
    return on_threads.run(units, job, threads)


def _units(manifest: Manifest, verify: bool) -> Iterator[Unit]:
    """What is left to do: each shard and table alone, other files by the dozen."""
    if verify:
        yield from batches(manifest.entries("unverified"), check=True)
    yield from batches(manifest.entries("open"), check=False)


def batches(entries: Iterator[Entry], check: bool) -> Iterator[Unit]:
    """Units of these sources, in order."""
    some: list[Entry] = []
    size = 0
    for entry in entries:
        if kind_of(entry.name) != "file":
            yield Unit((entry,), check)
            continue
        if some and (len(some) == FILES_PER_UNIT or size + entry.size > BYTES_PER_UNIT):
            yield Unit(tuple(some), check)
            some, size = [], 0
        some.append(entry)
        size += entry.size
    if some:
        yield Unit(tuple(some), check)


@contextmanager
def _state(target: Target, overwrite: bool) -> Iterator[Path]:
    """The folder of the manifest and the lock: in a local target; of a remote one here, with a copy there."""
    if isinstance(target, LocalTarget):
        root = Path(target.root)
        folder = root / PRIVATE
        known = (folder / "manifest.sqlite").exists()
        if not known and not overwrite and root.is_dir() and any(p.name != PRIVATE for p in root.iterdir()):
            raise DataError(
                f"{root} holds files that no run of j4d wrote; name an empty or new folder, or --overwrite them"
            )
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    import platformdirs

    name = hashlib.sha256(target.root.encode()).hexdigest()[:32]
    folder = Path(platformdirs.user_state_dir("j4d")) / "bulk" / name
    folder.mkdir(parents=True, exist_ok=True)
    local = folder / "manifest.sqlite"
    if not local.exists() and target.size(MANIFEST) is not None:
        with target.open(MANIFEST) as there, tempfile.NamedTemporaryFile(dir=folder, delete=False) as copy:
            shutil.copyfileobj(there, copy)
        Path(copy.name).replace(local)
    try:
        yield folder
    finally:
        with suppress(OSError), target.create(MANIFEST) as there, open(local, "rb") as here:
            shutil.copyfileobj(here, there)
