"""Images through a function on other threads, results in the order of the images, never many in memory.

Whoever reads a source hands its parts one by one; the native core, which holds no lock of Python's, recodes several of
them at the same time; and whoever writes gets the results in order. What is under way is bounded in number and bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from threading import Event
from typing import BinaryIO, Generic, TypeVar

from j4d.bulk.settings import Recoded
from j4d.errors import J4DError

BYTES_UNDER_WAY = 32 << 20  # per unit, and one part more
PARTS_PER_THREAD = 4

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
class Lane:
    """Where a unit's images are recoded: `recode` on `pool`, `threads` of them, until `stop` is set."""

    recode: Callable[[str, bytes], Recoded]
    pool: Executor
    threads: int
    stop: Event

    def in_order(self, parts: Iterable[Part[Tag]]) -> Iterator[tuple[Part[Tag], Recoded | None]]:
        """Each part with what it was recoded to, or None where it is no image. Raises StoppedError."""
        waiting: deque[tuple[Part[Tag], Future[Recoded] | None]] = deque()
        held = 0
        for part in parts:
            if self.stop.is_set():
                raise StoppedError("given up")
            if isinstance(part.data, bytes):
                waiting.append((part, self.pool.submit(self.recode, part.key, part.data) if part.image else None))
                held += len(part.data)
            while waiting and (
                len(waiting) > PARTS_PER_THREAD * self.threads
                or held > BYTES_UNDER_WAY
                or not isinstance(part.data, bytes)
            ):
                first, future = waiting.popleft()
                held -= len(first.data) if isinstance(first.data, bytes) else 0
                yield first, future.result() if future else None
            if not isinstance(part.data, bytes):
                yield part, None
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result() if future else None
