"""Memory that a model's step frees, kept for the next one.

glibc asks the system for every large block anew and hands it back when it is freed. A convolutional network allocates
its activations, tens of megabytes each, with every layer, and each page of them is cleared by the kernel when it is
first touched: 18 to 37 % of the time of a small network's forward pass of 12 pictures (bench/allocator.py).
"""

from __future__ import annotations

import ctypes
import os
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's mallopt
_NEVER = 2**31 - 1
_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """From now on this process keeps what it frees; whether it does.

    For programs that are ours, not for libraries to call: memory once taken stays taken until the process ends. Does
    nothing where the C library is not glibc, or where the user has set its malloc up by environment variables.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in _BY_USER):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _NEVER))
