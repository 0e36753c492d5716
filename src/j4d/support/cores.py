"""How many threads and processes to use."""

from __future__ import annotations

import os
from operator import index
from typing import Any

from j4d.errors import ParameterError

MAX_THREADS = 1024


def thread_count(threads: Any) -> int:
    """Threads to use: `threads` checked, or for None one per processor that this process may use."""
    if threads is None:
        return available_cores()
    whole = hasattr(threads, "__index__") and not isinstance(threads, bool)
    if not whole or not 1 <= index(threads) <= MAX_THREADS:
        raise ParameterError(f"threads {threads!r} is not an integer 1..{MAX_THREADS}")
    return index(threads)


def available_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
