"""Claims about targets: never the source by any way, nothing of others is overwritten, a damaged manifest mends."""

from __future__ import annotations

import os
import platform
import sqlite3
import stat
import subprocess
from pathlib import Path

import data_sets
import pytest

from j4d.api import transcode
from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.bulk.manifest import Manifest
from j4d.bulk.run import Summary
from j4d.cli import run
from j4d.errors import DataError
from j4d.jpeg.parameters import EncodingParameters

QUALITY_30 = EncodingParameters.from_quality(30)
posix = pytest.mark.skipif(os.name == "nt", reason="permissions and links are POSIX's")


def go(source: Path | str, target: Path | str, **options: object) -> Summary:
    made = Settings(parameters=QUALITY_30)
    return transcode_data_set(source_of([str(source)]), target_of(str(target)), made, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("file://{}/in", "file://{}/in"),
        ("{}/in", "file://{}/in"),
        ("file://{}/in", "{}/in"),
        ("file://{}/in", "local://{}/in/"),
        ("file://{}/in", "file://{}/x/../in"),
        ("file://{}/in", "file://{}/in/out"),
        ("file://{}/in/a", "file://{}/in"),
        ("file://{}/in/a/1.tar", "file://{}/in/a"),
        ("{}/in", "{}/link"),
        ("{}/in", "{}/link/below"),
        ("{}/link", "file://{}/in"),
        ("simplecache::file://{}/in", "{}/in"),
        ("dir::file://{}/in", "{}/in"),
        ("simplecache::file://{}/in", "file://{}/link"),
        ("memory://{}/in", "memory://{}/in"),
        ("memory://{}/in", "memory://{}//in/"),
        ("memory://{}/in", "memory://{}/in/out"),
        ("memory://{}/in/a", "memory://{}/in"),
        ("memory://{}/in/a/*.tar", "memory://{}/in/a"),
        ("simplecache::memory://{}/in", "memory://{}/in"),
    ],
)
def test_a_source_is_never_its_own_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, target: str, overwrite: bool
) -> None:
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    data_sets.write(tmp_path / "in", {"a/1.tar": data_sets.shard(data_sets.samples(1)), "b.jpg": data_sets.jpeg(1)})
    (tmp_path / "link").symlink_to("in")
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "in"), f"{tmp_path}/in", recursive=True)
    before, remote = data_sets.everything(tmp_path), memory.cat(memory.find(str(tmp_path)))
    with pytest.raises(DataError, match=r"source.*name another folder|fsspec"):
        go(source.format(tmp_path), target.format(tmp_path), overwrite=overwrite)
    assert data_sets.everything(tmp_path) == before, "nothing was opened for writing"
    assert memory.cat(memory.find(str(tmp_path))) == remote


def test_places_in_different_stores_are_apart_and_those_that_may_be_one_are_not() -> None:
    from j4d.bulk.where import Where

    one = Where("S3", "b/k", {"endpoint_url": "http://a"})
    assert one.same_store(Where("S3", "b/k")) and one.same_store(one)
    assert not one.same_store(Where("S3", "b/k", {"endpoint_url": "http://b"})) and not one.same_store(
        Where("GCS", "b/k")
    )


@pytest.mark.skipif(
    platform.system() != "Linux" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts need root"
)
def test_another_mount_of_the_source_is_the_source(tmp_path: Path) -> None:
    source = data_sets.write(tmp_path / "in", {"sub/a.jpg": data_sets.jpeg(1)})
    mounts = {"same": source, "sub": source / "sub"}
    for name, folder in mounts.items():
        (tmp_path / name).mkdir()
        if subprocess.run(["mount", "--bind", folder, tmp_path / name], capture_output=True).returncode:
            pytest.skip("mounting is not allowed here")
    try:
        before = data_sets.everything(source)
        for one, other in [("in", "same"), ("same", "in"), ("in", "same/out"), ("same", "in/out"), ("in/sub", "same")]:
            with pytest.raises(DataError, match=r"by another way|inside"):
                go(tmp_path / one, tmp_path / other, overwrite=True)
        assert data_sets.everything(source) == before
    finally:
        for name in mounts:
            subprocess.run(["umount", tmp_path / name], check=True)


def test_the_same_folder_by_another_mount_is_seen_by_device_and_inode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = data_sets.write(tmp_path / "in", {"a.jpg": data_sets.jpeg(1)})
    (tmp_path / "mounted").mkdir()
    real = os.stat

    def mounted(path: object, **options: object) -> os.stat_result:
        text = os.fspath(path)  # type: ignore[call-overload]
        same = text == str(tmp_path / "mounted")
        return real(source if same else path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("j4d.bulk.apart.os.stat", mounted)
    for target in ("mounted", "mounted/out"):
        with pytest.raises(DataError, match="by another way"):
            go(source, tmp_path / target, overwrite=True)
    assert not list((tmp_path / "mounted").iterdir())


@pytest.mark.parametrize("url", ["{}", "file://{}", "memory://{}"])
def test_files_that_no_run_wrote_are_not_written_over_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    system = fsspec.filesystem("memory" if "memory" in url else "file")
    where = f"{tmp_path}/out"
    target = url.format(where)
    source = data_sets.write(tmp_path / "in", {"a.jpg": data_sets.jpeg(1)})
    system.makedirs(where)
    system.pipe_file(f"{where}/thesis.txt", b"only copy")
    with pytest.raises(DataError, match="holds files that no run of j4d wrote"):
        go(source, target)
    assert [name.rpartition("/")[2] for name in system.find(where)] == ["thesis.txt"]
    go(source, target, overwrite=True)
    data_sets.write(source, {"thesis.txt": b"another", "b.jpg": data_sets.jpeg(2)})
    with pytest.raises(DataError, match=r"thesis.txt is a file that no run of j4d wrote.*--overwrite"):
        go(source, target)
    assert system.cat_file(f"{where}/thesis.txt") == b"only copy" and not system.exists(f"{where}/b.jpg")
    go(source, target, overwrite=True)
    assert system.cat_file(f"{where}/thesis.txt") == b"another" and system.exists(f"{where}/b.jpg")
    assert go(source, target).units == 0


def test_a_manifest_of_a_run_that_did_nothing_makes_no_files_ours(tmp_path: Path) -> None:
    source = data_sets.write(tmp_path / "in", {"a.jpg": data_sets.jpeg(1)})
    (tmp_path / "out/.j4d").mkdir(parents=True)
    Manifest(tmp_path / "out/.j4d/manifest.sqlite").close()
    data_sets.write(tmp_path / "out", {"a.jpg": b"only copy"})
    with pytest.raises(DataError, match="no run of j4d wrote"):
        go(source, tmp_path / "out")
    assert (tmp_path / "out/a.jpg").read_bytes() == b"only copy"


def test_the_private_folder_of_a_source_stays_there_and_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fsspec = pytest.importorskip("fsspec")
    picture = data_sets.jpeg(1)
    files = {"a.jpg": picture, ".j4d/manifest.sqlite": b"no manifest", ".j4d/lock": b"x", ".j4d/tmp/x.jpg": picture}
    files |= {".J4D/quarantine/x": b"x", "sub/.j4d/b.jpg": picture}
    data_sets.write(tmp_path / "in", files)
    fsspec.filesystem("memory").put(str(tmp_path / "in"), "/private", recursive=True)
    for i, source in enumerate([str(tmp_path / "in"), "memory://private"]):
        assert run(["transcode", source, str(tmp_path / f"out{i}"), "--jpeg-quality", "30"]) == 0
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1 and "note: .j4d: left out" in captured.err
        after = data_sets.tree(tmp_path / f"out{i}")
        assert {name for name in after if not name.startswith(".j4d/")} == {"a.jpg", "sub/.j4d/b.jpg"}
        assert go(source, tmp_path / f"out{i}", overwrite=True).totals["images"] == 2, "its manifest is its own"
    fsspec.filesystem("memory").rm("/private", recursive=True)


def test_members_of_a_zip_never_reach_the_target_s_own_folder_nor_leave_it(tmp_path: Path) -> None:
    import zipfile

    pytest.importorskip("fsspec")
    picture = data_sets.jpeg(1)
    names = ["a.jpg", "./.j4d/manifest.sqlite", ".//.j4d/lock", "./.j4d/tmp/zz", "../up.jpg", "/abs.jpg"]
    names += [
        "x/../../up2.jpg",
        ".j4d/quarantine/q.jpg",
        "./b.jpg",
        "a//c.jpg",
        "C:/d.jpg",
        "sub/.j4d/y.jpg",
        "d\\..\\..\\e",
    ]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in names:
            archive.writestr(name, picture)
    before = data_sets.everything(tmp_path)
    (tmp_path / "deep/er").mkdir(parents=True)
    summary = go(f"zip://::{tmp_path}/x.zip", tmp_path / "deep/er/out")
    after = data_sets.tree(tmp_path / "deep/er/out")
    assert after == dict.fromkeys(["a.jpg", "sub/.j4d/y.jpg"], transcode(picture, QUALITY_30))
    refused = ["../up.jpg", "./b.jpg", "C:/d.jpg", "a//c.jpg", "abs.jpg", "d\\..\\..\\e", "x/../../up2.jpg"]
    assert sorted(name for name, _ in summary.failures) == refused
    assert summary.notes[0][0] == ".j4d"
    assert (tmp_path / "deep/er/out/.j4d/manifest.sqlite").read_bytes().startswith(b"SQLite")
    now = data_sets.everything(tmp_path)
    assert {name: now[name] for name in before if name != "."} == {n: before[n] for n in before if n != "."}
    assert {name for name in now if name not in before and not name.startswith("deep/er/out")} == {"deep", "deep/er"}


@posix
def test_outputs_have_the_permissions_of_their_sources(tmp_path: Path) -> None:
    modes = {"a.jpg": 0o600, "b.txt": 0o640, "c.tar": 0o600, "d/e.jpg": 0o444, "f.bin": 0o755, "g.jpg": 0o4755}
    data_sets.write(tmp_path / "in", dict.fromkeys(modes, data_sets.jpeg(1)))
    (tmp_path / "in/c.tar").write_bytes(data_sets.shard([*data_sets.samples(1), ("half.jpg", data_sets.jpeg(3)[:400])]))
    (tmp_path / "in/cut.tar").write_bytes(b"cut")
    (tmp_path / "in/cut.tar").chmod(0o600)
    for name, mode in modes.items():
        (tmp_path / "in" / name).chmod(mode)
    before = os.umask(0o027)
    try:
        go(tmp_path / "in", tmp_path / "out")
        options = ["--jpeg-quality", "30", "--on-error", "quarantine"]
        run(["transcode", str(tmp_path / "in"), str(tmp_path / "aside"), *options])
    finally:
        os.umask(before)

    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert {name: mode(tmp_path / "out" / name) for name in modes} == {**modes, "g.jpg": 0o755}
    assert mode(tmp_path / "out/cut.tar") == 0o600 and mode(tmp_path / "out/d") == 0o750
    assert mode(tmp_path / "aside/.j4d/quarantine") == 0o700


def test_a_file_that_became_a_folder_and_the_reverse_are_listed_and_the_rest_is_done(tmp_path: Path) -> None:
    source = data_sets.write(tmp_path / "in", {"a": b"file", "b/x.jpg": data_sets.jpeg(1), "c.tar/1": b"x", "d": b"d"})
    go(source, tmp_path / "out")
    (source / "a").unlink()
    (source / "b/x.jpg").unlink()
    (source / "b").rmdir()
    (source / "c.tar/1").unlink()
    (source / "c.tar").rmdir()
    shard = data_sets.shard(data_sets.samples(1))
    data_sets.write(source, {"a/y.jpg": data_sets.jpeg(2), "b": b"file", "c.tar": shard, "z.jpg": data_sets.jpeg(3)})
    for _ in range(2):
        summary = go(source, tmp_path / "out")
        assert {name for name, _ in summary.failures} == {"a/y.jpg", "b", "c.tar"}
        assert all("in the way" in reason for _, reason in summary.failures)
        assert (tmp_path / "out/z.jpg").exists() and (tmp_path / "out/a").read_bytes() == b"file"
    for name in ("a", "b/x.jpg", "c.tar/1"):
        (tmp_path / "out" / name).unlink()
    (tmp_path / "out/b").rmdir()
    (tmp_path / "out/c.tar").rmdir()
    assert go(source, tmp_path / "out", verify=True).clean
    assert {"a/y.jpg", "b", "c.tar", "z.jpg"} <= data_sets.tree(tmp_path / "out").keys()


def spoil(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "no database":
        path.write_bytes(b"x" * 5000)
    elif how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "overwritten":
        path.write_bytes(data[:2000] + os.urandom(len(data) - 2000))
    elif how == "no tables":
        with sqlite3.connect(path) as db:
            db.execute("DROP TABLE images")
    elif how == "trigger":
        with sqlite3.connect(path) as db:
            db.execute("CREATE TRIGGER t AFTER INSERT ON sources BEGIN DELETE FROM images; END")
    elif how == "no settings":
        with sqlite3.connect(path) as db:
            db.execute("UPDATE run SET value = '{' WHERE name = 'settings'")


@pytest.mark.parametrize("how", ["no database", "cut", "overwritten", "no tables", "no settings", "trigger"])
def test_a_damaged_manifest_says_how_it_is_mended_and_overwrite_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    source, target = data_sets.mixed(tmp_path / "in", 60), tmp_path / "out"
    go(source, target)
    whole = data_sets.tree(target)
    path = target / ".j4d/manifest.sqlite"
    spoil(path, how)
    bad = path.read_bytes()
    common = ["transcode", str(source), str(target), "--jpeg-quality", "30"]
    assert run(common) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and f"{path} is damaged" in told and "--overwrite makes it anew" in told
    assert run([*common, "--overwrite"]) == 3
    assert data_sets.tree(target) == whole and path.with_name("manifest.sqlite.damaged").read_bytes()[:9] == bad[:9]
    assert go(source, target).units == 0


@posix
@pytest.mark.parametrize("name", [".j4d", ".j4d/tmp", ".j4d/quarantine", ".j4d/lock", ".j4d/manifest.sqlite"])
def test_what_is_ours_in_the_target_is_no_link(tmp_path: Path, name: str) -> None:
    source = data_sets.write(tmp_path / "in", {"a.jpg": data_sets.jpeg(1)})
    data_sets.write(tmp_path / "elsewhere", {"precious": b"precious"})
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).symlink_to(
        tmp_path / "elsewhere" / ("precious" if name.endswith(("lock", "sqlite")) else "")
    )
    before = data_sets.everything(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="is a link"):
        go(source, tmp_path / "out", overwrite=True)
    assert data_sets.everything(tmp_path / "elsewhere") == before


def test_verify_all_sees_damage_that_was_done_after_the_first_verification(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"a.jpg": data_sets.jpeg(1), "b.txt": b"text", "c.tar": data_sets.shard(data_sets.samples(1))}
    source, target = data_sets.write(tmp_path / "in", files), tmp_path / "out"
    common = ["transcode", str(source), str(target), "--jpeg-quality", "30"]
    assert run([*common, "--verify"]) == 0
    whole = data_sets.tree(target)
    for name, data in whole.items():
        middle = 700 if name == "c.tar" else len(data) // 2
        (target / name).write_bytes(data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :])
    assert run([*common, "--verify"]) == 0, "once is enough where nothing happens"
    assert run([*common, "--verify-all"]) == 3
    told = capsys.readouterr().err
    assert told.count("not verified") == 3
    assert run([*common, "--verify-all"]) == 0
    assert data_sets.tree(target) == whole


def test_a_killed_run_leaves_no_temporary_files_for_the_next(tmp_path: Path) -> None:
    source = data_sets.write(tmp_path / "in", {"a.jpg": data_sets.jpeg(1)})
    data_sets.write(tmp_path / "out", {".j4d/tmp/1234-abcd": b"half"})
    go(source, tmp_path / "out")
    assert list(data_sets.tree(tmp_path / "out")) == ["a.jpg"]
