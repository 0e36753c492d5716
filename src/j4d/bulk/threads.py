"""The engine by default: units and their images on threads of this process.

The native core recodes without holding Python's lock, so threads are enough and nothing is copied between processes.
A few more units than threads are under way, so that reading and flushing to the disk overlap with the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event

from j4d.bulk.job import Job
from j4d.bulk.pipeline import StoppedError
from j4d.bulk.results import Done, Unit
from j4d.bulk.work import process

EXTRA_UNITS = 3


def run(units: Iterable[Unit], job: Job, threads: int) -> Iterator[tuple[Unit, list[Done]]]:
    """Each unit with its results, as they end. What one unit raises ends the others, and is raised at last."""
    stop = Event()
    runners = threads + EXTRA_UNITS
    active: dict[Future[list[Done]], Unit] = {}
    errors: list[BaseException] = []

    def ended() -> Iterator[tuple[Unit, list[Done]]]:
        for future in wait(active, return_when=FIRST_COMPLETED).done:
            unit = active.pop(future)
            error = future.exception()
            if error is None:
                yield unit, future.result()
            else:
                stop.set()
                errors.append(error)

    with ThreadPoolExecutor(threads, "j4d-image") as pool, ThreadPoolExecutor(runners, "j4d-unit") as units_pool:
        try:
            for unit in units:
                active[units_pool.submit(process, unit, job, pool, threads, stop)] = unit
                if len(active) >= runners:
                    yield from ended()
                if errors:
                    break
            while active:
                yield from ended()
        finally:
            stop.set()
    for error in sorted(errors, key=lambda error: isinstance(error, StoppedError)):
        raise error
