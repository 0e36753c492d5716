"""Freed memory is kept: page faults are counted in a fresh process, as the setting is the whole process's."""

import os
import platform
import subprocess
import sys
import types

import numpy as np
import pytest

from j4d.evaluation.measuring import Work
from j4d.images.image_set import ImageSet
from j4d.support import allocator

pytest.importorskip("resource")

COUNT = """
import ctypes, resource, sys
from j4d.support.allocator import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else False
libc, size = ctypes.CDLL(None), 40 << 20
libc.malloc.restype = ctypes.c_void_p
for turn in range(12):
    if turn == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(size)))
    ctypes.memset(block, 1, size)
    libc.free(block)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word: str, **environment: str) -> tuple[bool, int]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", COUNT, word]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**plain, **environment})
    kept, count = done.stdout.split()
    return kept == "True", int(count)


def test_large_blocks_that_were_freed_cost_no_page_faults_again() -> None:
    kept, count = faults("keep")
    if not kept:
        pytest.skip("not glibc")
    assert faults("leave")[1] > 1000
    assert count < 100


def test_what_the_user_has_set_stays() -> None:
    assert faults("keep", MALLOC_MMAP_MAX_="65536")[0] is False


PILES = """
import ctypes
from j4d.support import allocator
assert allocator.keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p

def grown(size):  # MiB more than at the start, once a block of `size` MiB was used and freed
    block = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(size << 20)))
    ctypes.memset(block, 1, size << 20)
    libc.free(block)
    allocator.settle()
    return allocator.resident_memory() - start >> 20

start = allocator.resident_memory()
print(grown(40), grown(90), grown(150), grown(500), grown(60))
"""


def test_freed_memory_that_piles_up_is_handed_back() -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("not glibc")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-c", PILES], capture_output=True, text=True, check=True, env=plain)
    *kept, above, after = map(int, done.stdout.split())
    assert kept == pytest.approx([40, 90, 150], abs=10), "below the limit nothing is handed back"
    assert above < 10 and after < 80


def test_a_process_may_hold_what_a_picture_took_and_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []
    held = iter(mib << 20 for mib in (100, 900, 1000, 1029, 300, 500, 600, 629, 290))
    monkeypatch.setattr(allocator, "resident_memory", lambda: next(held))
    kept = allocator._Kept(types.SimpleNamespace(malloc_trim=trimmed.append))  # type: ignore[arg-type]
    for expected in (0, 0, 1, 0, 0, 1):  # above 900 + 128, and, handed back, above 500 + 128
        before = len(trimmed)
        kept.settle()
        assert len(trimmed) - before == expected


def test_memory_is_handed_back_now_and_then_if_there_is_any(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []
    for held, expected in ((900, 3), (150, 0)):
        monkeypatch.setattr(allocator, "resident_memory", lambda: 100 << 20)
        kept = allocator._Kept(types.SimpleNamespace(malloc_trim=trimmed.append))  # type: ignore[arg-type]
        monkeypatch.setattr(allocator, "resident_memory", lambda held=held: held << 20)
        trimmed.clear()
        for _ in range(3 * allocator.PICTURES):
            kept.settle()
            kept.floor = 100 << 20
        assert len(trimmed) == expected


def test_settling_is_nothing_where_memory_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_kept", None)
    monkeypatch.setattr(allocator, "resident_memory", lambda: pytest.fail("it was asked"))
    allocator.settle()


def test_pictures_are_measured_largest_first() -> None:
    shapes = [(8, 16), (16, 8), (24, 24), (8, 16), (9, 9), (16, 8)]
    images = ImageSet.from_arrays([np.zeros((*shape, 3), np.uint8) for shape in shapes])
    work = Work((), (images, images.subset([2, 4])), ())
    assert work.tasks == [(0, 2), (1, 0), (0, 0), (0, 3), (0, 1), (0, 5), (0, 4), (1, 1)]
    assert sorted(work.tasks) == [(0, i) for i in range(6)] + [(1, i) for i in range(2)]
