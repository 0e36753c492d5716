"""What one worker does: a unit of sources to their outputs, and what became of each.

A pure function of the unit and the job but for the files it writes, so that any engine may run it anywhere, and run it
again when a worker has died.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from threading import Event

from j4d.bulk import files, shards, tables
from j4d.bulk.content import copy_blocks
from j4d.bulk.faulty import DamagedError, RefusedError, UnchangedError
from j4d.bulk.job import Job, kind_of
from j4d.bulk.names import NotWrittenError, UnreadableError
from j4d.bulk.pipeline import ImagePool
from j4d.bulk.quarantine import put_source
from j4d.bulk.results import Done, Entry, Unit
from j4d.bulk.storage import QUARANTINE, mode_of
from j4d.bulk.verify import verify_earlier, verify_output
from j4d.errors import DataError

FILES_PER_UNIT = 256
BYTES_PER_UNIT = 64 << 20


def process(unit: Unit, job: Job, pool: Executor, threads: int, stop: Event) -> list[Done]:
    """Write the unit's outputs, its images recoded on `threads` threads of `pool`. Raises DataError, OSError."""
    recoding = ImagePool(job.settings.recoder(), pool, threads, stop)
    if unit.check:
        return [verify_earlier(entry, job, recoding) for entry in unit.entries]
    found: list[Done] = []
    plain = []
    for entry in unit.entries:
        if entry.refused:
            found.append(Done(entry, None, problem=f"refused: {entry.refused}"))
        elif kind_of(entry.name) == "file":
            plain.append(entry)
        else:
            try:
                found.append(_whole(entry, job, recoding))
            except NotWrittenError as error:
                found.append(files.not_written(entry, error))
            except UnreadableError as error:
                if job.source.vanished():
                    raise
                found.append(files.unreadable(entry, error))
    found += files.convert(plain, job.source, job.target, recoding)
    job.target.settle([name for done in found for name in _names(done)])
    if job.verify:
        found = [verify_output(done, job, recoding) for done in found]
    return found


def _names(done: Done) -> Iterator[str]:
    """The files in the target that this source has led to."""
    if done.written is not None:
        yield done.entry.name
    for aside in filter(None, (done.aside, *(image.aside for image in done.images))):
        yield f"{QUARANTINE}/{aside}"


def _whole(entry: Entry, job: Job, recoding: ImagePool) -> Done:
    """A shard or a table. One that is not what its name says is treated as `on_error` asks."""
    convert = shards.convert if kind_of(entry.name) == "shard" else tables.convert
    try:
        job.source.open(entry.name).close()
    except OSError as error:
        if job.source.vanished():
            raise
        return files.unreadable(entry, error)
    try:
        return convert(entry, job.source, job.target, recoding)
    except RefusedError as error:
        return Done(entry, None, problem=f"refused: {error}")
    except UnchangedError as error:
        if job.settings.on_error == "fail":
            raise DataError(f"{entry.name}: {error}") from None
        return _copied(entry, job, f"left as it is: {error}")
    except DamagedError as error:
        if job.settings.on_error == "fail":
            raise DataError(f"{entry.name}: {error}") from None
        problem = f"damaged: {error}"
        if job.settings.on_error == "quarantine":
            return put_source(entry, job.source, job.target, problem)
        return _copied(entry, job, problem)


def _copied(entry: Entry, job: Job, problem: str) -> Done:
    with job.source.open(entry.name) as file, job.target.create(entry.name, mode_of(file)) as out:
        return Done(entry, copy_blocks(file, out), problem=problem)
