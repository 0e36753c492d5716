"""A whole run: plan, resume, hand units to an engine, and keep the manifest.

    >>> summary = transcode_data_set(source_of(["photos"]), target_of("small"), Settings(profile, {"quality": 40}))
    >>> summary.totals["transcoded"], summary.failures

Only this, the driver, writes the manifest. A run that is killed at any moment is resumed by running it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from j4d.bulk import on_ray, stale
from j4d.bulk import threads as on_threads
from j4d.bulk.apart import must_be_apart
from j4d.bulk.job import Job, kind_of
from j4d.bulk.manifest import Manifest
from j4d.bulk.names import PRIVATE, is_private, why_refused
from j4d.bulk.results import Done, Entry, Unit
from j4d.bulk.settings import Settings
from j4d.bulk.state import opened
from j4d.bulk.storage import Source, Target
from j4d.bulk.work import BYTES_PER_UNIT, FILES_PER_UNIT
from j4d.errors import DataError
from j4d.support.cores import thread_count

MOST_FAILURES = 1000  # in a summary; the manifest has all

Engine = Literal["threads", "ray"]
Verify = Literal["all"] | bool


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
    verify: Verify = False,
    overwrite: bool = False,
    watch: Callable[[dict[str, int], list[Done]], None] | None = None,
) -> Summary:
    """Write the whole of `source` to `target` with its JPEG images transcoded; what is done already stays.

    engine: threads of this process, or tasks on Ray. verify: read every output back that is new or was never verified,
    or "all" of them. overwrite: do all of it again where the target was made with other settings, holds other files or
    has a damaged manifest. watch: called with the totals at the start and nothing, then with what each unit gave.
    Raises DataError, OSError; whatever is raised, running again goes on.
    """
    count = thread_count(threads)
    must_be_apart(source, target)
    if next(Listing(source).entries(), None) is None:
        raise DataError(f"{source.root}: nothing in it")
    with opened(target, overwrite) as manifest:
        return _run(source, target, settings, count, engine, verify, overwrite, watch, manifest)


def _run(
    source: Source,
    target: Target,
    settings: Settings,
    threads: int,
    engine: Engine,
    verify: Verify,
    overwrite: bool,
    watch: Callable[[dict[str, int], list[Done]], None] | None,
    manifest: Manifest,
) -> Summary:
    empty = manifest.plan_number == 0 and not target.holds_files()
    manifest.begin(source.root, settings.to_json(), overwrite)
    listing = Listing(source)
    manifest.plan(listing.entries(), target.size, None if empty or overwrite else partial(_foreign, target))
    if verify == "all":
        manifest.verify_all()
    job = Job(source, target, settings, bool(verify))
    if watch:
        watch(manifest.totals(), [])
    units = 0
    for unit, results in _start(engine, _units(manifest, bool(verify)), job, threads):
        if unit.check:
            manifest.record_checks(results)
        else:
            manifest.record(results)
        units += 1
        if watch:
            watch({}, results)
    manifest.note_stale(stale.found(listing.describing, source, manifest))
    notes = listing.notes() + manifest.notes(MOST_FAILURES)
    return Summary(manifest.totals(), manifest.failures(MOST_FAILURES), units, str(manifest.path), notes)


class Listing:
    """The entries of a source as they are planned. describing: those that may describe other files' bytes."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._private = False
        self.describing: list[Entry] = []

    def entries(self) -> Iterator[Entry]:
        """All but those in a `.j4d`, which never reach the target's own; those without a possible name are refused."""
        for entry in self._source.entries():
            if is_private(entry.name):
                self._private = True
                continue
            if not entry.refused and (reason := why_refused(entry.name)):
                entry = replace(entry, refused=reason)
            if not entry.refused and stale.describes(entry.name):
                self.describing.append(entry)
            yield entry

    def notes(self) -> list[tuple[str, str]]:
        return [(PRIVATE, "left out: the folder that a run of j4d keeps for itself")] if self._private else []


def _foreign(target: Target, name: str) -> str:
    return f"{target.root}/{name} is a file that no run of j4d wrote; move it away, or --overwrite it"


def _start(engine: Engine, units: Iterator[Unit], job: Job, threads: int) -> Iterator[tuple[Unit, list[Done]]]:
    if engine == "ray":
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
