"""Freed memory is kept: page faults are counted in a fresh process, as the setting is the whole process's."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("resource")

COUNT = """
import ctypes, resource, sys
from j4d.allocator import keep_freed_memory
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
