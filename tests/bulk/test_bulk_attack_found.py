"""What attacks on data sets have found: each claim with the smallest input for it, or with its seed."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import data_sets
import pytest
from bulk_claims import PARAMETERS, attacked

from j4d.bulk import Settings, Summary, source_of, target_of, transcode_data_set
from j4d.errors import J4DError

GROWTH = 2 << 30  # bytes of memory: a result of 1 GiB, and what it is made of
linux = pytest.mark.skipif("sys.platform != 'linux'", reason="memory is bounded and read as Linux does it")
FOUND = [
    ("jpegs", 7038, "422290.jpg", "fractional sampling, which no decoder reads: never verified, done again for ever"),
    ("tars", 7002, "161065.tar", "the same in an archive: its other failures are not listed"),
    ("tars", 7000, "161002.tar", "an owner that is no number: no reader takes the archive, and it is called sound"),
    ("tars", 7018, "161416.tar", "the same behind sound members, where tarfile stops without a word"),
    ("tables", 7035, "140703.parquet", "a row group of null structs whose field must not be null: internal error"),
    ("tables", 7024, "140493.parquet", "a footer with another number of rows than its row groups have"),
    ("manifests", 7187, "", "a manifest with a false version: --overwrite does not mend it"),
]


@linux
@pytest.mark.parametrize(("kind", "batch", "name", "what"), [pytest.param(*f, id=f"{f[0]}-{f[1]}") for f in FOUND])
def test_found_by_seed(kind: str, batch: int, name: str, what: str) -> None:
    if kind == "tables":
        pytest.importorskip("pyarrow")
    found = [finding for _, some in attacked(kind, [batch], only=name) for finding in some]
    assert not found, what


@linux
@pytest.mark.parametrize(
    "name",
    [
        "of_bytes",
        "in_a_list",
        "of_fixed_size",
        "of_text",
        "in_a_map",
        "of_a_map_keys",
        "of_nulls_in_a_row",
        "of_columns",
        "of_one_value",
    ],
)
def test_a_table_of_a_few_bytes_does_not_take_gigabytes(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    from bombs import BOMBS

    data = BOMBS[name](5 << 28)
    assert len(data) < 200_000
    data_sets.write(tmp_path / "in", {"x.parquet": data})
    program = Path(__file__).parents[1] / "bombs.py"
    told = subprocess.run([sys.executable, program, tmp_path], capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr[-500:]
    assert int(told.stdout) < GROWTH


@pytest.mark.parametrize("kind", ["binary_view", "string_view", "list_view"])
def test_a_sound_table_with_views_is_recoded_however_large_its_row_groups_are(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    from j4d.bulk import table_rows

    monkeypatch.setattr(table_rows, "AT_ONCE", 30_000)  # bytes: rows are taken one by one where they are large
    rng = random.Random(1)
    pictures = [data_sets.jpeg(1) + rng.randbytes(9000 if i < 6 else 10) for i in range(12)]
    columns: dict[str, Any] = {"image": pa.array(pictures), "word": pa.array(["a word"] * 12, pa.string_view())}
    if kind == "binary_view":
        columns = {"image": pa.array(pictures, pa.binary_view())}
    elif kind == "list_view":
        columns = {"image": pa.array([[picture] for picture in pictures], pa.list_view(pa.binary()))}
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table(columns), tmp_path / "in/x.parquet")
    summary = go(str(tmp_path / "in"), str(tmp_path / "out"))
    assert summary.clean and summary.totals["transcoded"] == 12


def go(source: str, target: str, **options: Any) -> Summary:
    return transcode_data_set(source_of([source]), target_of(target), Settings(parameters=PARAMETERS), **options)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytearray:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return bytearray(file.getvalue())


def wrong_sum(picture: bytes, shard: bytes) -> bytes:
    data = zipped({"a.jpg": picture, "b.jpg": data_sets.jpeg(2)})
    data[data.index(picture) + 200] ^= 255
    return bytes(data)


def wrong_sum_of_a_shard(picture: bytes, shard: bytes) -> bytes:
    data = zipped({"x.tar": shard, "b.jpg": picture})
    data[data.index(shard) + 700] ^= 255
    return bytes(data)


def damaged_stream(picture: bytes, shard: bytes) -> bytes:
    data = zipped({"a.jpg": picture, "b.jpg": data_sets.jpeg(2)}, zipfile.ZIP_DEFLATED)
    data[100:140] = bytes(40)
    return bytes(data)


def damaged_header(picture: bytes, shard: bytes) -> bytes:
    data = zipped({"a.jpg": picture, "b.jpg": data_sets.jpeg(2)})
    data[2] ^= 255
    return bytes(data)


@pytest.mark.parametrize("damage", [wrong_sum, wrong_sum_of_a_shard, damaged_stream, damaged_header])
def test_what_a_driver_cannot_read_is_listed_and_the_rest_is_done(
    tmp_path: Path, damage: Callable[[bytes, bytes], bytes]
) -> None:
    pytest.importorskip("fsspec")
    (tmp_path / "x.zip").write_bytes(damage(data_sets.jpeg(1), data_sets.shard(data_sets.samples(2))))
    summary = go(f"zip://::{tmp_path}/x.zip", str(tmp_path / "out"))
    assert len(summary.failures) == 1 and summary.totals["transcoded"] == 1


@pytest.mark.parametrize(
    "data",
    [b"no archive", bytes(zipped({"a.jpg": b"x"})[:-9]), bytes(zipped({"d/" * 3000 + "a.jpg": b"x"}))],
    ids=["no archive", "cut", "deep"],
)
def test_a_source_that_its_driver_cannot_open_is_told_in_one_line(tmp_path: Path, data: bytes) -> None:
    pytest.importorskip("fsspec")
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises((J4DError, OSError)) as told:
        go(f"zip://::{tmp_path}/x.zip", str(tmp_path / "out"))
    assert "x.zip" in str(told.value) and "\n" not in str(told.value)


def test_a_file_that_was_a_folder_does_not_vanish_in_it_on_a_remote_target(tmp_path: Path, state: None) -> None:
    store = remote(tmp_path)
    data_sets.write(tmp_path / "in", {"a.jpg/b.jpg": data_sets.jpeg(1)})
    go(str(tmp_path / "in"), store)
    (tmp_path / "in/a.jpg/b.jpg").unlink()
    (tmp_path / "in/a.jpg").rmdir()
    data_sets.write(tmp_path / "in", {"a.jpg": data_sets.jpeg(2), "c.jpg": data_sets.jpeg(3)})
    summary = go(str(tmp_path / "in"), store)
    assert [name for name, _ in summary.failures] == ["a.jpg"]
    there = data_sets.tree(tmp_path / "out")
    assert sorted(name for name in there if not name.startswith(".j4d")) == ["a.jpg/b.jpg", "c.jpg"]


def test_a_folder_that_was_a_file_and_long_names_are_listed_on_a_remote_target(tmp_path: Path, state: None) -> None:
    files = {"a.jpg": data_sets.jpeg(1), "a.jpg/b.jpg": data_sets.jpeg(2), "x" * 300 + ".jpg": data_sets.jpeg(3)}
    (tmp_path / "x.zip").write_bytes(zipped({**files, "z.jpg": data_sets.jpeg(4)}))
    summary = go(f"zip://::{tmp_path}/x.zip", remote(tmp_path))
    assert len(summary.failures) == 2 and summary.totals["transcoded"] == 2


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def remote(folder: Path) -> str:
    pytest.importorskip("fsspec")
    import stored

    assert stored.Store.protocol == "store"
    return f"store://{folder}/out"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_process_that_was_forked_during_a_run_does_not_hold_the_target(tmp_path: Path) -> None:
    data_sets.mixed(tmp_path / "in", 4)
    children: list[int] = []

    def watch(totals: dict[str, int], results: list[Any]) -> None:
        if not children:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)

    try:
        go(str(tmp_path / "in"), str(tmp_path / "out"), watch=watch)
        assert go(str(tmp_path / "in"), str(tmp_path / "out")).units == 0
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
