"""Images through a function on other threads, results in the order of the images, never many in memory.

Whoever reads a source hands its parts one by one; the native core, which holds no lock of Python's, recodes several of
them at the same time; and whoever writes gets the results in order. What is under way is bounded in number and bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from threading import Event
from typing import BinaryIO, Generic, TypeVar

from j4d.bulk.settings import Recoded
from j4d.errors import J4DError

BYTES_UNDER_WAY = 32 << 20  # per unit, and one part more
TASKS_PER_THREAD = 4
BYTES_PER_TASK, PARTS_PER_TASK = 1 << 20, 16  # of images that go to another thread and back together

Tag = TypeVar("Tag")


class StoppedError(J4DError):
    """This unit was given up because the run ends early; it is no error of its own."""


@dataclass(frozen=True)
class Part(Generic[Tag]):
    """A piece of a source. tag: the reader's own, handed on to the writer. data: its bytes, or an open file with more
    than should be in memory, to be read before the next part is asked for. image: whether `data` is recoded."""

    tag: Tag
    key: str
    data: bytes | BinaryIO
    image: bool


@dataclass(frozen=True)
class ImagePool:
    """Where a unit's images are recoded: `recode` on `pool`, `threads` of them, until `stop` is set."""

    recode: Callable[[str, bytes], Recoded]
    pool: Executor
    threads: int
    stop: Event

    def in_order(self, parts: Iterable[Part[Tag]]) -> Iterator[tuple[Part[Tag], Recoded | None]]:
        """Each part with what it was recoded to, or None where it is no image. Raises StoppedError."""
        waiting: deque[_Task[Tag]] = deque()
        held = 0
        for part in parts:
            if self.stop.is_set():
                raise StoppedError("given up")
            if not isinstance(part.data, bytes):
                while waiting:
                    yield from self._ended(waiting.popleft())
                held = 0
                yield part, None
                continue
            if not waiting or waiting[-1].started or len(waiting[-1].parts) == PARTS_PER_TASK:
                waiting.append(_Task())
            waiting[-1].parts.append(part)
            waiting[-1].bytes += len(part.data)
            held += len(part.data)
            if waiting[-1].bytes >= BYTES_PER_TASK or len(waiting[-1].parts) == PARTS_PER_TASK:
                self._start(waiting[-1])
            while len(waiting) > TASKS_PER_THREAD * self.threads or held > BYTES_UNDER_WAY:
                held -= waiting[0].bytes
                yield from self._ended(waiting.popleft())
        while waiting:
            yield from self._ended(waiting.popleft())

    def _start(self, task: _Task[Tag]) -> None:
        images = [(part.key, part.data) for part in task.parts if part.image and isinstance(part.data, bytes)]
        task.started = True
        if images:
            task.future = self.pool.submit(self._recoded, images)

    def _recoded(self, images: list[tuple[str, bytes]]) -> list[Recoded]:
        return [self.recode(key, data) for key, data in images]

    def _ended(self, task: _Task[Tag]) -> Iterator[tuple[Part[Tag], Recoded | None]]:
        if not task.started:
            self._start(task)
        recoded = iter(task.future.result() if task.future else ())
        for part in task.parts:
            yield part, next(recoded) if part.image else None


@dataclass
class _Task(Generic[Tag]):
    """Parts that follow each other, whose images are recoded on one thread."""

    parts: list[Part[Tag]] = field(default_factory=list)
    bytes: int = 0
    started: bool = False
    future: Future[list[Recoded]] | None = None
