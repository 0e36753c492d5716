"""A property of data sets: whatever is in the source, a run touches nothing outside its target, ends, loses nothing,
and says what it did. Hundreds of hostile archives, tables and pictures from seeds; `bench/attack.py` makes more.

What has to hold of each is in `bulk_claims.py`. Every file is in a run with others, and where something is found, what
it says names the file and its seed: `hostile_tars.tar_of(seed)` makes it again.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from bulk_claims import Finding, attacked


def told(found: Iterable[tuple[int, list[Finding]]]) -> list[str]:
    return [f"{finding.rank}: {finding.what}: {finding.detail}" for _, some in found for finding in some]


@pytest.mark.skipif("sys.platform != 'linux'", reason="address space is bounded and memory is read as Linux does it")
def test_207_hostile_archives() -> None:
    assert not (found := told(attacked("tars", range(9)))), "\n".join(found)


@pytest.mark.skipif("sys.platform != 'linux'", reason="address space is bounded and memory is read as Linux does it")
def test_208_hostile_compressed_archives() -> None:
    pytest.importorskip("zstandard")
    assert not (found := told(attacked("compressed", range(8)))), "\n".join(found)


@pytest.mark.skipif("sys.platform != 'linux'", reason="address space is bounded and memory is read as Linux does it")
def test_200_hostile_tables() -> None:
    pytest.importorskip("pyarrow")
    assert not (found := told(attacked("tables", range(10)))), "\n".join(found)


@pytest.mark.skipif("sys.platform != 'linux'", reason="address space is bounded and memory is read as Linux does it")
def test_480_strange_pictures() -> None:
    assert not (found := told(attacked("jpegs", range(8)))), "\n".join(found)


@pytest.mark.skipif("sys.platform != 'linux'", reason="address space is bounded and memory is read as Linux does it")
def test_60_hostile_manifests() -> None:
    assert not (found := told(attacked("manifests", range(60), seconds=60))), "\n".join(found)
