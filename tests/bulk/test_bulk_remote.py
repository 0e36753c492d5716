"""Claims about targets behind URLs: whole or absent after a kill, cleaned up by the next run, not trusted."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import data_sets
import pytest

from j4d.bulk import Settings, source_of, state, target_of, transcode_data_set
from j4d.bulk.run import Summary
from j4d.bulk.storage import LocalTarget
from j4d.errors import DataError
from j4d.jpeg.parameters import EncodingParameters

fsspec = pytest.importorskip("fsspec")

QUALITY_30 = EncodingParameters.from_quality(30)


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """fsspec's file system in memory, empty before and after, with the state of runs in the test's folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = fsspec.filesystem("memory")
    yield found
    found.store.clear()


def go(source: Path | str, target: Path | str, **options: object) -> Summary:
    made = Settings(parameters=QUALITY_30)
    return transcode_data_set(source_of([str(source)]), target_of(str(target)), made, **options)  # type: ignore[arg-type]


def test_a_file_url_is_a_local_folder(tmp_path: Path) -> None:
    source = data_sets.mixed(tmp_path / "in")
    (source / "train/0/0.jpeg").chmod(0o600)
    for target in (f"file://{tmp_path}/one", f"local://{tmp_path}/two"):
        assert isinstance(target_of(target), LocalTarget)
        go(f"file://{source}", target)
    go(source, tmp_path / "three")
    trees = [data_sets.tree(tmp_path / name) for name in ("one", "two", "three")]
    assert trees[0] == trees[1] == trees[2]
    assert (tmp_path / "one/train/0/0.jpeg").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "state").exists()
    go(f"file://{source}/shards/00{{0..1}}.tar", tmp_path / "four")
    assert list(data_sets.tree(tmp_path / "four")) == ["000.tar", "001.tar"]


STORE = """
import itertools, os, signal, sys
import fsspec
from fsspec.implementations.local import LocalFileSystem
from j4d.cli import run

class Store(LocalFileSystem):
    protocol = "store"
    kill = int(sys.argv[1])
    numbers = itertools.count(1)  # uploads run in several threads: each draws its own number
    def put_file(self, local, path, **options):
        path = self._strip_protocol(path)
        data = open(local, "rb").read()
        number = -1 if path.endswith("manifest.sqlite") else next(Store.numbers)
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            if number == Store.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            file.write(data[len(data) // 2 :])
    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).removeprefix("store://"))

fsspec.register_implementation("store", Store)
sys.exit(run(["transcode", *sys.argv[2:], "--jpeg-quality", "30", "--threads", "1"]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal")
def test_an_upload_is_whole_or_absent_after_a_kill_and_the_next_run_cleans_up(tmp_path: Path) -> None:
    source = data_sets.mixed(tmp_path / "in", 6)
    go(source, tmp_path / "whole")
    whole = data_sets.tree(tmp_path / "whole")

    def transcode(kill: int) -> int:
        asked = [sys.executable, "-c", STORE, str(kill), str(source), f"store://{tmp_path}/out"]
        return subprocess.run(asked, capture_output=True, env=os.environ).returncode

    for kill in (1, 4, 9):
        assert transcode(kill) == -signal.SIGKILL
        part = data_sets.tree(tmp_path / "out")
        left = [name for name in part if name.startswith(".j4d/tmp/")]
        assert left and all(whole[name] == data for name, data in part.items() if name not in left)
        assert len(list((tmp_path / "state").rglob("tmp/*"))) >= 1
    assert transcode(0) == 3
    assert data_sets.tree(tmp_path / "out") == whole and not (tmp_path / "out/.j4d/tmp").exists()
    assert not list((tmp_path / "state").rglob("tmp/*"))


@pytest.mark.parametrize(
    ("protocol", "moved"), [("memory", True), ("s3", False), (("gs", "gcs"), False), ("sftp", True)]
)
def test_object_stores_are_written_to_at_once_and_others_by_a_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: Any, protocol: str, moved: bool
) -> None:
    monkeypatch.setattr(type(memory), "protocol", protocol)
    target = target_of("memory://out")
    seen = []
    put = type(memory).put_file

    def watched(self: Any, local: str, path: str, **options: Any) -> None:
        seen.append(path)
        put(self, local, path, **options)

    monkeypatch.setattr(type(memory), "put_file", watched)
    with target.create("a/b.jpg") as file:
        file.write(b"x" * 9)
    assert memory.find("/out") == ["/out/a/b.jpg"]
    assert seen[0].startswith("/out/.j4d/tmp/") if moved else seen == ["/out/a/b.jpg"]


def test_a_manifest_fetched_from_a_target_is_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: Any
) -> None:
    source = data_sets.mixed(tmp_path / "in", 6)
    go(source, "memory://out")
    own = memory.cat_file("/out/.j4d/manifest.sqlite")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    assert go(source, "memory://out").units == 0, "the copy there is taken up"
    hostile = {
        "trigger": "CREATE TRIGGER t AFTER UPDATE ON sources BEGIN DELETE FROM images; END",
        "view": "DROP TABLE images; CREATE VIEW images AS SELECT 1 AS source",
        "rows": "UPDATE sources SET name = x'00ff' WHERE id = 1",
        "sizes": "UPDATE sources SET size = 'many'",
        "plan": "UPDATE sources SET plan = 99999",
        "version": "PRAGMA user_version = 77",
        "settings": "UPDATE run SET value = '[' WHERE name = 'settings'",
    }
    contents = {"cut": own[: len(own) // 2], "no database": b"MZ" + own[2:], "empty": b""}
    for name, statement in hostile.items():
        path = tmp_path / f"{name}.sqlite"
        path.write_bytes(own)
        db = sqlite3.connect(path)
        db.executescript(statement)
        db.close()
        contents[name] = path.read_bytes()
    for name, data in contents.items():
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"state {name}"))
        memory.pipe_file("/out/.j4d/manifest.sqlite", data)
        before = memory.cat(memory.find("/out"))
        with pytest.raises(DataError, match=r"damaged.*--overwrite makes it anew"):
            go(source, "memory://out")
        assert {name: data for name, data in memory.cat(memory.find("/out")).items() if "/.j4d" not in name} == {
            name: data for name, data in before.items() if "/.j4d" not in name
        }
        if name in ("trigger", "cut"):
            assert go(source, "memory://out", overwrite=True).totals["images"] == 15
    monkeypatch.setattr(state, "LARGEST_COPY", len(own) - 1)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "small"))
    memory.pipe_file("/out/.j4d/manifest.sqlite", own)
    with pytest.raises(DataError, match=f"{len(own)} bytes, more than"):
        go(source, "memory://out")


def test_a_manifest_that_is_damaged_here_does_not_replace_the_copy_there(tmp_path: Path, memory: Any) -> None:
    source = data_sets.mixed(tmp_path / "in", 6)
    go(source, "memory://out")
    whole = memory.cat_file("/out/.j4d/manifest.sqlite")
    (path,) = (tmp_path / "state").rglob("manifest.sqlite")
    path.write_bytes(b"x" * 5000)
    with pytest.raises(DataError, match="--overwrite makes it anew"):
        go(source, "memory://out")
    assert memory.cat_file("/out/.j4d/manifest.sqlite") == whole
    path.unlink()
    assert go(source, "memory://out").units == 0


def test_a_folder_that_cannot_be_listed_is_listed_where_the_driver_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: Any
) -> None:
    memory.pipe({f"/in/{name}": data_sets.jpeg(i) for i, name in enumerate(["a.jpg", "shut/b.jpg", "z/c.jpg"])})
    listed = type(memory).ls

    def ls(self: Any, path: str, **options: Any) -> Any:
        if path.endswith("/shut"):
            raise PermissionError(13, "Permission denied", path)
        return listed(self, path, **options)

    monkeypatch.setattr(type(memory), "ls", ls)
    monkeypatch.setattr(type(memory), "find", fsspec.AbstractFileSystem.find)  # as drivers without one of their own
    summary = go("memory://in", tmp_path / "out")
    assert summary.failures == [("shut", "refused: the folder cannot be listed: Permission denied")]
    assert list(data_sets.tree(tmp_path / "out")) == ["a.jpg", "z/c.jpg"]
