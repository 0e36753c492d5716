"""Several processes that learn together, as `torchrun` starts them: which one this is, and what they tell each other.

The rest of j4d is written for a process that does its share: `share` says which items are its own, `gathered` and
`total` put the parts together again, `agreed` takes rank 0's word. Outside `joined`, and for a process on its own, all
of them return at once what they were given, and nothing is imported. Little is exchanged, some hundred numbers a step,
so gloo carries it over TCP, for models on GPUs too. Sums are taken in the order of the ranks, and are the same bits on
all of them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from j4d.errors import J4DError, ParameterError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


class EndedError(J4DError):
    """Another rank has ended the run, and has said why."""


class LostError(J4DError):
    """The other ranks are gone."""


@dataclass(frozen=True)
class _Group:
    rank: int
    size: int


_ALONE = _Group(0, 1)
_ENDED = "j4d/ended"  # how many ranks have ended by an exception, in the store that rank 0 holds
_PATIENCE = 10.0  # seconds
_group: ContextVar[_Group] = ContextVar("ranks", default=_ALONE)


def rank() -> int:
    """Number of this process, from 0."""
    return _group.get().rank


def size() -> int:
    """How many processes learn together."""
    return _group.get().size


def started_as() -> tuple[int, int]:
    """(rank, size) that whoever started this process has given it, joined or not. Raises ParameterError."""
    values = [os.environ.get(name, default) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"))]
    try:
        number, count = (int(value) for value in values)
    except ValueError:
        number, count = -1, 0
    if not 0 <= number < count:
        raise ParameterError(f"RANK={values[0]} of WORLD_SIZE={values[1]} in the environment is no rank; unset both")
    return number, count


def device() -> str:
    """The GPU of this process on its machine, by LOCAL_RANK, as "cuda:0"; "cpu" where there is none."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % count}" if count else "cpu"


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Join the other processes that `torchrun` started, if it did, for this block, whose end all reach together.

    An exception in one ends all: there it goes on, the others raise EndedError. From then on interrupts and requests to
    terminate are ignored, since the process is about to exit and has its one line to say; rank 0, by which the others
    know who was first, waits for them, 10 seconds at most. Raises ParameterError where the processes cannot find each
    other.
    """
    number, count = started_as()
    if count == 1:
        yield
        return
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    if not dist.is_available() or dist.is_initialized():
        raise ParameterError(
            "this process has no torch.distributed to join with, or has it in use; start j4d by itself"
        )
    try:
        store, _, _ = next(rendezvous("env://"))
        dist.init_process_group("gloo", store=store, rank=number, world_size=count)
    except (ValueError, RuntimeError) as error:
        raise ParameterError(f"rank {number} of {count} cannot join the others: {_line(error)}; use torchrun") from None
    token = _group.set(_Group(number, count))
    done = False
    try:
        yield
        _exchanged(dist.barrier)
        done = True
    except BaseException as error:
        _uninterrupted()
        try:
            first = store.add(_ENDED, 1) == 1
        except RuntimeError:  # the store has gone with its process
            first = not isinstance(error, LostError)
        if not first:
            raise EndedError("another rank has ended the run") from error
        raise
    finally:
        _group.reset(token)
        dist.destroy_process_group()
        if not done and number == 0:
            _await_all(store, count)


def mine(count: int) -> range:
    """Which of `count` items are this rank's; neighbours, as many as the other ranks have or one more or fewer."""
    group = _group.get()
    return range(group.rank * count // group.size, (group.rank + 1) * count // group.size)


def share(items: Iterable[T]) -> Iterable[T]:
    """This rank's items, in order; where `items` has a length and is indexed, only those are read."""
    if size() == 1:
        return items
    indexed: Any = items if hasattr(items, "__getitem__") and hasattr(items, "__len__") else list(items)
    return (indexed[i] for i in mine(len(indexed)))


def gathered(items: Sequence[T]) -> list[T]:
    """The items of all ranks, in the order of the ranks."""
    if size() == 1:
        return list(items)
    import torch.distributed as dist

    found: list[Any] = [None] * size()
    _exchanged(lambda: dist.all_gather_object(found, list(items)))
    return list(chain.from_iterable(found))


def total(values: Tensor) -> Tensor:
    """Sum over the ranks of a tensor that has the same shape on all."""
    if size() == 1:
        return values
    import torch
    import torch.distributed as dist

    own = values.detach().cpu().contiguous()
    parts = [torch.empty_like(own) for _ in range(size())]
    _exchanged(lambda: dist.all_gather(parts, own))
    return torch.stack(parts).sum(0).to(values.device)


def agreed(value: T) -> T:
    """Rank 0's `value`. Where machines differ, so do last digits, and with them what is decided by comparing."""
    if size() == 1:
        return value
    import torch.distributed as dist

    box: list[Any] = [value]
    _exchanged(lambda: dist.broadcast_object_list(box, src=0))
    found: T = box[0]
    return found


def _exchanged(exchange: Callable[[], Any]) -> None:
    try:
        exchange()
    except RuntimeError as error:
        raise LostError(
            f"rank {rank()} has lost the others ({_line(error)}); see what they said, and start again"
        ) from None


def _await_all(store: Any, count: int) -> None:
    """Keep the store until all ranks have learned from it whether they were the first to end, or patience ends."""
    deadline = time.monotonic() + _PATIENCE
    with contextlib.suppress(RuntimeError):  # the store is another process's, which has gone
        while store.add(_ENDED, 0) < count and time.monotonic() < deadline:
            time.sleep(0.02)


def _uninterrupted() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(number, signal.SIG_IGN)


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
