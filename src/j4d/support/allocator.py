"""Keep freed memory in the process so that the next forward pass can reuse it, and hand it back before it piles up.

glibc asks the system for every large block anew and hands it back when it is freed. A convolutional network allocates
its activations, tens of megabytes each, with every layer, and the kernel clears each page of them when it is first
touched: 18 to 37 % of the time of a small network's forward pass of 12 pictures (bench/allocator.py). So programs of
ours have glibc keep what is freed. Where activations differ in size from picture to picture, kept blocks do not fit the
next ones and the heap grows without end. `settle`, called between pictures, then returns the free pages to the system.
Evaluation also runs pictures in order of size, so that this is seldom needed.
"""

from __future__ import annotations

import ctypes
import os
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's mallopt
_NEVER = 2**31 - 1
_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
SLACK = 128 << 20  # bytes that may pile up beside what a picture takes
PICTURES = 16  # after so many what is kept is handed back anyhow: those to come may need less

_kept: _Kept | None = None  # of this process


def keep_freed_memory() -> bool:
    """From now on this process keeps what it frees, within the limits of `settle`; whether it does.

    For programs that are ours, not for libraries to call: malloc belongs to the whole process. Does nothing where the
    C library is not glibc, or where the user has set its malloc up by environment variables.
    """
    global _kept
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in _BY_USER):
        return False
    libc = ctypes.CDLL(None)
    if not (libc.mallopt(_MMAP_MAX, 0) and libc.mallopt(_TRIM_THRESHOLD, _NEVER)):
        return False
    _kept = _kept or _Kept(libc)
    return True


def settle() -> None:
    """Hand freed memory back if more of it has piled up than one picture needs; to be called between pictures.

    Does nothing where `keep_freed_memory` did nothing.
    """
    if _kept is not None:
        _kept.settle()


def resident_memory() -> int:
    """Bytes of this process that are in memory now (Linux)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class _Kept:
    """How much a process has kept, by what it held when memory was last handed back."""

    def __init__(self, libc: ctypes.CDLL) -> None:
        self.libc = libc
        self.floor = resident_memory()
        self.limit = 0  # set after the first picture since memory was handed back
        self.pictures = 0  # since then

    def settle(self) -> None:
        now = resident_memory()
        self.pictures += 1
        if self.pictures == 1:
            self.limit = now + SLACK
        elif now > self.limit or (self.pictures >= PICTURES and now > self.floor + SLACK):
            self.libc.malloc_trim(0)
            self.floor, self.pictures = resident_memory(), 0
