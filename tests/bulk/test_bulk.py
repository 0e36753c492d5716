"""Claims about whole data sets: what is written, what stays, and that nothing depends on how it was run."""

from __future__ import annotations

import errno
import io
import json
import os
import platform
import re
import shutil
import sqlite3
import stat
import tarfile
import tempfile
from pathlib import Path

import data_sets
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from j4d.api import transcode
from j4d.bulk import Settings, source_of, storage, target_of, transcode_data_set
from j4d.bulk.locate import expand
from j4d.bulk.run import Summary
from j4d.bulk.settings import image_seed
from j4d.cli import run
from j4d.errors import DataError, J4DError
from j4d.jpeg.parameters import EncodingParameters

QUALITY_30 = EncodingParameters.from_quality(30)
DRAWN = EncodingParameters(QUALITY_30.luma.steps, QUALITY_30.chroma.steps, "4:2:0", 2.0)


def go(
    source: Path | str, target: Path | str, parameters: EncodingParameters = QUALITY_30, **options: object
) -> Summary:
    asked = {name: options.pop(name) for name in ("on_error", "seed", "strip") if name in options}
    made = Settings(parameters=parameters, **asked)  # type: ignore[arg-type]
    return transcode_data_set(source_of([str(source)]), target_of(str(target)), made, **options)  # type: ignore[arg-type]


def table_of(target: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(target / ".j4d/manifest.sqlite") as db:
        return db.execute(query).fetchall()


def test_a_folder_keeps_its_names_and_everything_that_is_no_image(tmp_path: Path) -> None:
    source = data_sets.mixed(tmp_path / "in")
    before = data_sets.tree(source)
    summary = go(source, tmp_path / "out")
    after = data_sets.tree(tmp_path / "out")
    assert list(after) == list(before) == list(data_sets.tree(source))
    assert data_sets.tree(source) == before, "the source is only read"
    for name, data in before.items():
        if name.startswith("train") and name.endswith("jpeg"):
            assert after[name] == transcode(data, QUALITY_30, seed=image_seed(0, name)) and after[name] != data
        elif not name.endswith(".tar"):
            assert after[name] == data
    assert summary.totals["transcoded"] == 24 and summary.totals["images"] == 27
    assert {name for name, _ in summary.failures} == {"bad/half.jpg", "bad/cmyk.jpg", "bad/none.jpg"}
    statuses = dict(table_of(tmp_path / "out", "SELECT key, status FROM images WHERE error <> ''"))
    assert statuses == {"bad/half.jpg": "damaged", "bad/cmyk.jpg": "unsupported", "bad/none.jpg": "damaged"}


def test_a_shard_keeps_its_members_their_order_and_headers(tmp_path: Path) -> None:
    long = "é" * 90 + "/" + "n" * 120 + ".txt"
    given = [*data_sets.samples(40), (long, b"text"), ("big.bin", os.urandom(5 << 20)), ("last.jpg", data_sets.jpeg(1))]
    source = data_sets.write(tmp_path / "in", {"a-000.tar": data_sets.shard(given, uname="me", mtime=1.5)})
    go(source / "a-{000..000}.tar", tmp_path / "out", threads=3)
    before, after = (data_sets.members(folder / "a-000.tar") for folder in (source, tmp_path / "out"))
    assert len(after) == len(given)
    for (old, data), (new, written) in zip(before, after, strict=True):
        assert [getattr(old, n) for n in ("name", "mode", "uname", "mtime", "uid", "type")] == [
            getattr(new, n) for n in ("name", "mode", "uname", "mtime", "uid", "type")
        ]
        image = old.name.endswith(".jpg")
        assert written == (transcode(data, QUALITY_30) if image else data)
    assert (tmp_path / "out/a-000.tar").stat().st_size % tarfile.RECORDSIZE == 0


def test_the_bytes_do_not_depend_on_threads_or_order_but_on_seed_and_key(tmp_path: Path) -> None:
    source = data_sets.mixed(tmp_path / "in")
    (source / "train/twin.jpeg").write_bytes((source / "train/0/0.jpeg").read_bytes())
    found = {}
    for name, options in {"1": {"threads": 1}, "4": {"threads": 4}, "seed": {"seed": 1}}.items():
        go(source, tmp_path / name, DRAWN, **options)
        found[name] = data_sets.tree(tmp_path / name)
        rows = table_of(tmp_path / name, "SELECT key, hex(digest), bytes_in, bytes_out, status FROM images ORDER BY 1")
        found[name + " rows"] = rows  # type: ignore[assignment]
    assert found["1"] == found["4"] != found["seed"]
    assert found["1 rows"] == found["4 rows"]
    assert found["1"]["train/twin.jpeg"] != found["1"]["train/0/0.jpeg"], "equal images, other keys, other draws"


def test_a_rerun_does_only_what_is_new_changed_or_missing(tmp_path: Path) -> None:
    source, target = data_sets.mixed(tmp_path / "in"), tmp_path / "out"
    go(source, target)
    first = data_sets.tree(target)
    stamps = {p: p.stat().st_ino for p in target.rglob("*") if p.is_file() and ".j4d" not in p.parts}
    assert go(source, target).units == 0
    (source / "train/0/0.jpeg").write_bytes(data_sets.jpeg(77))
    (source / "train/new.jpg").write_bytes(data_sets.jpeg(78))
    (target / "labels.csv").unlink()
    assert go(source, target).units == 1
    again = data_sets.tree(target)
    changed = {name for name in again if again[name] != first.get(name)}
    assert changed == {"train/0/0.jpeg", "train/new.jpg"} and "labels.csv" in again
    moved = {p.name for p, number in stamps.items() if p.stat().st_ino != number}
    assert moved <= {"0.jpeg", "labels.csv"}, "nothing else was written again"


def test_other_settings_on_the_same_target_are_an_error_unless_overwritten(tmp_path: Path) -> None:
    source, target = data_sets.mixed(tmp_path / "in"), tmp_path / "out"
    go(source, target)
    before = data_sets.tree(target)
    other = EncodingParameters.from_quality(60)
    with pytest.raises(DataError, match=r"other settings.*--overwrite"):
        go(source, target, other)
    assert data_sets.tree(target) == before
    go(source, target, other, overwrite=True)
    assert data_sets.tree(target)["train/0/0.jpeg"] == transcode((source / "train/0/0.jpeg").read_bytes(), other)


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("/etc/x.jpg", tarfile.REGTYPE, "absolute"),
        ("a/../../x.jpg", tarfile.REGTYPE, r"\.\."),
        ("C:\\x.jpg", tarfile.REGTYPE, "absolute"),
        ("x.jpg", tarfile.SYMTYPE, "a link"),
        ("x.jpg", tarfile.LNKTYPE, "a link"),
        ("x", tarfile.CHRTYPE, "a device"),
        ("x", tarfile.FIFOTYPE, "a device"),
    ],
)
def test_hostile_shards_are_refused_and_the_others_done(tmp_path: Path, name: str, kind: bytes, reason: str) -> None:
    good = data_sets.samples(2)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for n, data in good:
            info = tarfile.TarInfo(n)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        bad = tarfile.TarInfo(name)
        bad.type, bad.linkname = kind, "/etc/passwd"
        archive.addfile(bad)
    source = data_sets.write(tmp_path / "in", {"a.tar": file.getvalue(), "b.tar": data_sets.shard(good)})
    summary = go(source, tmp_path / "out")
    assert list(data_sets.tree(tmp_path / "out")) == ["b.tar"]
    ((failed, why),) = summary.failures
    assert failed == "a.tar" and re.search(reason, why)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 20480))
def test_a_shard_that_was_cut_is_copied_as_it_is_or_was_whole(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    data = data_sets.shard(data_sets.samples(2))
    source = data_sets.write(folder / "in", {"a.tar": data[: min(cut, len(data))], "b": b""})
    summary = go(source, folder / "out", threads=1)
    if summary.failures:
        assert data_sets.tree(folder / "out") == data_sets.tree(source)
    else:
        assert len(data_sets.members(folder / "out/a.tar")) == 6


def test_a_second_archive_behind_the_first_is_not_lost(tmp_path: Path) -> None:
    one = data_sets.shard(data_sets.samples(2))
    source = data_sets.write(tmp_path / "in", {"a.tar": one + one})
    assert "damaged" in go(source, tmp_path / "out").failures[0][1]
    assert data_sets.tree(tmp_path / "out") == data_sets.tree(source)


def test_links_do_not_lead_out_of_the_source(tmp_path: Path) -> None:
    source = data_sets.write(tmp_path / "in", {"a.jpg": data_sets.jpeg(0)})
    (tmp_path / "secret.jpg").write_bytes(data_sets.jpeg(1))
    (source / "in.jpg").symlink_to("a.jpg")
    (source / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    os.mkfifo(source / "pipe")
    summary = go(source, tmp_path / "out")
    assert list(data_sets.tree(tmp_path / "out")) == ["a.jpg", "in.jpg"]
    assert {name for name, _ in summary.failures} == {"out.jpg", "pipe"}


def test_quarantine_puts_what_is_bad_aside_and_fail_ends_the_run(tmp_path: Path) -> None:
    source = data_sets.mixed(tmp_path / "in")
    half = data_sets.jpeg(3)[:500]
    (source / "c.tar").write_bytes(data_sets.shard([("1.jpg", half), ("1.cls", b"1")]))
    go(source, tmp_path / "out", on_error="quarantine", verify=True)
    after, aside = data_sets.tree(tmp_path / "out"), data_sets.quarantine(tmp_path / "out")
    assert sorted(aside) == ["bad/cmyk.jpg", "bad/half.jpg", "bad/none.jpg", "c.tar/1.jpg"]
    assert "bad/half.jpg" not in after and aside["c.tar/1.jpg"] == half
    assert [m.name for m, _ in data_sets.members(tmp_path / "out/c.tar")] == ["1.cls"]
    with pytest.raises(DataError, match=r"bad/.*cannot transcode|bad/.*not transcoded|1.jpg"):
        go(source, tmp_path / "failed", on_error="fail")
    assert not list((tmp_path / "failed").rglob(".j4d/tmp/*"))


@pytest.mark.parametrize("name", ["train/0/0.jpeg", "labels.csv", "shards/000.tar"])
def test_verify_finds_a_changed_output_and_a_rerun_mends_it(tmp_path: Path, name: str) -> None:
    source, target = data_sets.mixed(tmp_path / "in"), tmp_path / "out"
    (source / "labels.csv").write_bytes(bytes(5000))
    go(source, target)
    whole = (target / name).read_bytes()
    spoiled = bytearray(whole)
    spoiled[min(900, len(whole) - 40)] ^= 4
    (target / name).write_bytes(spoiled)
    assert name in {n for n, reason in go(source, target, verify=True).failures if "not verified" in reason}
    summary = go(source, target, verify=True)
    assert (target / name).read_bytes() == whole and len(summary.failures) == 3
    assert table_of(target, "SELECT count(*) FROM sources WHERE verified = 0 AND problem = ''")[0][0] <= 1


def test_two_runs_on_one_target_are_one_too_many(tmp_path: Path) -> None:
    from j4d.bulk.lock import locked

    source = data_sets.mixed(tmp_path / "in")
    (tmp_path / "out/.j4d").mkdir(parents=True)
    with locked(tmp_path / "out/.j4d/lock", "x"), pytest.raises(DataError, match=f"process {os.getpid()}"):
        go(source, tmp_path / "out")
    go(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("flush", "kind", "held"), [("file", stat.S_IFREG, 70), ("all", stat.S_IFREG, 2), ("file", stat.S_IFDIR, 1)]
)
def test_a_full_disk_ends_the_run_whole_and_a_rerun_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flush: str, kind: int, held: int
) -> None:
    source, target = data_sets.mixed(tmp_path / "in", 90), tmp_path / "out"
    calls = iter(range(10**6))

    def full(handle: int) -> None:
        if stat.S_IFMT(os.fstat(handle).st_mode) == kind and next(calls) >= held:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("j4d.bulk.run.FILES_PER_UNIT", 32)
    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(storage, "_syncfs", lambda: full if flush == "all" else None)
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/out"):
        go(source, target, threads=2)
    monkeypatch.undo()
    expected = tmp_path / "expected"
    go(source, expected)
    whole = data_sets.tree(expected)
    part = data_sets.tree(target)
    assert part and all(whole[name] == data for name, data in part.items())
    assert len(part) < len(whole) or kind == stat.S_IFDIR, "a folder is flushed when its files have their names"
    go(source, target)
    assert data_sets.tree(target) == whole


@pytest.mark.parametrize("several", [False, True])
def test_files_written_together_appear_after_they_are_flushed_and_not_at_all_where_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, several: bool
) -> None:
    target = storage.LocalTarget(tmp_path / "out")
    flushed: list[bytes] = []

    def flush(handle: int) -> None:
        assert not list(tmp_path.glob("out/a/*"))
        flushed.extend(path.read_bytes() for path in tmp_path.glob("out/.j4d/tmp/*"))

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(storage, "_syncfs", lambda: flush if several else None)
    files = {f"a/{i}": bytes([i]) * 1000 for i in range(3)}

    def write() -> None:
        with target.together() as create:
            for name, data in files.items():
                with create(name) as out:
                    out.write(data)

    write()
    assert data_sets.tree(tmp_path / "out") == files and sorted(set(flushed)) == list(files.values())
    shutil.rmtree(tmp_path / "out/a")

    def failing(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    monkeypatch.setattr(storage, "_syncfs", lambda: failing if several else None)
    with pytest.raises(OSError, match="Input/output"):
        write()
    assert not data_sets.tree(tmp_path / "out"), "neither names nor temporary files"


@pytest.mark.skipif(platform.system() != "Linux", reason="syncfs is Linux's")
def test_a_file_system_is_flushed_and_what_is_no_file_is_an_error() -> None:
    syncfs = storage._syncfs()
    assert syncfs is not None
    with tempfile.TemporaryFile() as file:
        syncfs(file.fileno())
    with pytest.raises(OSError, match="Bad file descriptor"):
        syncfs(-1)


@pytest.mark.parametrize("target", ["in", "in/out", "."])
def test_the_source_is_never_written_to(tmp_path: Path, target: str) -> None:
    source = data_sets.mixed(tmp_path / "in")
    before = data_sets.tree(tmp_path)
    with pytest.raises(DataError, match="source"):
        go(source, tmp_path / target)
    assert data_sets.tree(tmp_path) == before


def test_named_shards_may_go_to_a_folder_beside_them_but_not_over_themselves(tmp_path: Path) -> None:
    one = data_sets.shard(data_sets.samples(2))
    data_sets.write(tmp_path, {"a.tar": one, "out/b.tar": one})
    go(tmp_path / "a.tar", tmp_path / "small")
    assert list(data_sets.tree(tmp_path / "small")) == ["a.tar"]
    for target in (tmp_path, tmp_path / "out"):
        with pytest.raises(DataError, match="source"):
            go(tmp_path / "out/b.tar", target, overwrite=True)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "out/b.tar").read_bytes() == one


def test_a_folder_with_other_files_is_not_written_to(tmp_path: Path) -> None:
    source = data_sets.mixed(tmp_path / "in")
    data_sets.write(tmp_path / "out", {"thesis.txt": b"only copy"})
    with pytest.raises(DataError, match="holds files"):
        go(source, tmp_path / "out")
    assert list(data_sets.tree(tmp_path / "out")) == ["thesis.txt"]


def test_urls_give_what_local_places_give(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    source = data_sets.mixed(tmp_path / "in")
    memory = fsspec.filesystem("memory")
    memory.put(str(source), "/set", recursive=True)
    os.environ["XDG_STATE_HOME"] = str(tmp_path / "state")
    try:
        go(source, tmp_path / "out", DRAWN)
        go("memory://set", "memory://small", DRAWN, verify=True)
        assert go("memory://set", "memory://small", DRAWN).units == 0
        go("memory://set/shards/00{0..1}.tar", tmp_path / "shards", DRAWN)
    finally:
        del os.environ["XDG_STATE_HOME"]
    written = {name.removeprefix("/small/"): memory.cat_file(name) for name in memory.find("/small")}
    assert written.pop(".j4d/manifest.sqlite").startswith(b"SQLite")
    assert written == data_sets.tree(tmp_path / "out")
    assert list(data_sets.tree(tmp_path / "shards")) == ["000.tar", "001.tar"]
    memory.rm("/", recursive=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(low=st.integers(0, 120), count=st.integers(1, 30), width=st.integers(1, 5))
def test_braces_stand_for_numbers_of_one_width(low: int, count: int, width: int) -> None:
    names = list(expand(f"a/{{x,y}}-{{{low:0{width}d}..{low + count - 1:0{width}d}}}.tar"))
    assert names == [f"a/{c}-{i:0{width}d}.tar" for c in "xy" for i in range(low, low + count)]
    with pytest.raises(J4DError, match="no range"):
        list(expand("{5..3}"))


def test_the_command_tells_and_ends_as_it_should(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data_sets.mixed(tmp_path / "in")
    common = ["--jpeg-quality", "30", "--threads", "1"]
    assert run(["transcode", "in", "out", "--dry-run", "--json", *common]) == 0
    forecast = json.loads(capsys.readouterr().out)
    assert forecast["images"] == 27 and not Path("out").exists()
    assert run(["transcode", "in", "out", *common, "--json"]) == 3
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["event"] == "summary" and summary["transcoded"] == 24 and len(summary["failures"]) == 3
    exact = 1 - summary["image_bytes_out"] / summary["image_bytes_in"]
    assert forecast["saved"] == pytest.approx(exact), "all images were in the sample"
    assert run(["transcode", "in/shards/000.tar", "in/shards/001.tar", "-o", "two", *common]) == 0
    assert "24 others copied" in capsys.readouterr().out and set(data_sets.tree(Path("two"))) == {"000.tar", "001.tar"}
    mistakes = {
        ("nowhere/x-*.tar", "o"): "no such file",
        ("in/nothing.tar", "o"): "no such file",
        ("inn", "o"): "inn: no such file or folder",
        ("in/labels.csv", "o"): "say where to write with -o",
        ("in",): "say where to write",
        ("in", "in/labels.csv"): "is a file",
        ("in", "out.tar"): "is a folder",
        ("in", "memory", "--engine", "ra"): "ra",
        ("in", "out", "--seed", "4"): "seed 0, now 4",
        ("in", "/proc/out"): "/proc/out",
    }
    for arguments, message in mistakes.items():
        assert run(["transcode", *arguments, *common]) == 2
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1 and message in captured.err, (arguments, captured.err)
