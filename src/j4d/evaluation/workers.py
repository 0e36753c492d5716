"""Work on many pictures, shared between processes; the figures are the same however many there are.

Workers are spawned, not forked (PyTorch's threads do not survive a fork), look things up in the cache and write to it
themselves, and leave Ctrl-C to the process that started them: it lets each finish its picture.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from j4d.codecs.cache import EncodeCache
from j4d.errors import DataError
from j4d.evaluation.measuring import ImageFigures, Measurer, Work
from j4d.readers.answers import torch_threads
from j4d.support.allocator import keep_freed_memory, settle
from j4d.support.quiet import silence_pillow

Task = tuple[int, int]


def measure_all(
    work: Work,
    *,
    jobs: int,
    threads: int | None,
    advance: Callable[[int], None],
    encoded: EncodeCache | None = None,
) -> dict[Task, ImageFigures]:
    """Every picture of `work`, in this process (jobs 1) or several. threads: of PyTorch in each; None: as it is.

    advance: called with the number of pictures just done. Raises J4DError.
    """
    found: dict[Task, ImageFigures] = {}
    with Measurer(work, encoded) as measurer:
        for task in work.tasks:  # what an earlier run left, up to the first gap, needs no workers
            recalled = measurer.recall(*task)
            if recalled is None:
                break
            found[task] = recalled
            advance(1)
        rest = work.tasks[len(found) :]
        if min(jobs, len(rest)) <= 1:
            for task in rest:
                found[task] = _with_threads(measurer, task, threads)
                advance(1)
            return found
    found.update(_in_processes(work, rest, jobs, threads, advance))
    return found


def _with_threads(measurer: Measurer, task: Task, threads: int | None) -> ImageFigures:
    with torch_threads(threads):
        found = measurer.measure(*task)
    settle()
    return found


def _in_processes(
    work: Work, tasks: list[Task], jobs: int, threads: int | None, advance: Callable[[int], None]
) -> dict[Task, ImageFigures]:
    context = get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), context, initializer=_begin, initargs=(work, threads))
    try:
        futures = {pool.submit(_measure, task): task for task in tasks}
        found = {}
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            advance(1)
        return found
    except BrokenProcessPool:
        raise DataError(
            f"one of {jobs} worker processes died, perhaps for want of memory: try fewer --jobs; what was measured "
            "is in the cache"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_measurer: Measurer | None = None  # of this worker process
_threads: int | None = None


def _begin(work: Work, threads: int | None) -> None:
    global _measurer, _threads
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    silence_pillow()
    _measurer, _threads = Measurer(work), threads


def _measure(task: Task) -> ImageFigures:
    assert _measurer is not None  # the initializer ran
    return _with_threads(_measurer, task, _threads)
