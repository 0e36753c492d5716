"""Claims about quarantine: names inside data never become paths, nothing in it is lost, and it never ends a run."""

from __future__ import annotations

import json
import pickle
import re
import sqlite3
from pathlib import Path

import data_sets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tars import tar

from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.bulk.manifest import Manifest
from j4d.bulk.names import NotWrittenError, UnreadableError
from j4d.bulk.quarantine import aside_name, safe_rest
from j4d.bulk.remote import RemoteTarget
from j4d.bulk.run import Summary
from j4d.bulk.storage import LocalTarget
from j4d.cli import run
from j4d.jpeg.parameters import EncodingParameters

HALF, OTHER_HALF = data_sets.jpeg(3)[:500], data_sets.jpeg(4)[:500]
SAFE = re.compile(r"[0-9a-f]{32}-[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
SETTINGS = Settings(parameters=EncodingParameters.from_quality(30), on_error="quarantine")


def go(source: Path, target: Path, **options: object) -> Summary:
    return transcode_data_set(source_of([str(source)]), target_of(str(target)), SETTINGS, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([("n" * 300 + ".jpg", HALF)], id="a long name"),
        pytest.param([("d/" * 600 + "a.jpg", HALF)], id="a deep name"),
        pytest.param([("a.jpg", HALF), ("a.jpg/b.jpg", OTHER_HALF)], id="a name that is a folder elsewhere"),
        pytest.param([("a/b.jpg", HALF), ("a.jpg/", b""), ("a.jpg", OTHER_HALF)], id="a folder, then a file"),
        pytest.param([("a.jpg", HALF), ("a.jpg", OTHER_HALF), ("a.jpg", HALF)], id="equal names"),
        pytest.param([("./.jpg", HALF), ("...jpg", OTHER_HALF), (" .jpg", HALF)], id="hardly a name"),
        pytest.param([("\u202e\x1b]0;x\x07.jpg", HALF), ("caf\udce9.jpg", OTHER_HALF)], id="no text"),
    ],
)
def test_every_damaged_member_of_a_shard_is_put_aside_whatever_its_name(
    tmp_path: Path, members: list[tuple[str, bytes]]
) -> None:
    whole = [("whole.jpg", data_sets.jpeg(1)), ("z.txt", b"text")]
    data_sets.write(tmp_path / "in", {"s.tar": tar([*members, *whole])})
    outside = data_sets.everything(tmp_path / "in")
    for _ in range(2):
        summary = go(tmp_path / "in", tmp_path / "out", verify=True, overwrite=True)
        assert summary.totals["quarantined"] == len([name for name, data in members if data])
        files = sorted((tmp_path / "out/.j4d/quarantine").iterdir())
        assert sorted(file.read_bytes() for file in files) == sorted(data for _, data in members if data)
        assert all(SAFE.fullmatch(file.name) for file in files)
    assert data_sets.everything(tmp_path / "in") == outside
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}
    assert [name for name, _ in written_members(tmp_path / "out/s.tar") if name in dict(whole)] == [
        "whole.jpg",
        "z.txt",
    ]


def written_members(path: Path) -> list[tuple[str, bytes]]:
    return [(member.name, data) for member, data in data_sets.members(path)]


def test_a_shard_that_is_cut_behind_a_damaged_member_is_put_aside_and_the_run_goes_on(tmp_path: Path) -> None:
    cut = tar([("a.jpg", HALF), *[(f"{i}.jpg", data_sets.jpeg(i)) for i in range(90)]])[:-70000]
    source = data_sets.write(tmp_path / "in", {"x.tar": cut, "y.jpg": data_sets.jpeg(0)})
    for _ in range(2):
        summary = go(source, tmp_path / "out", threads=1, overwrite=True)
        assert [name for name, reason in summary.failures if reason.startswith("damaged")] == ["x.tar"]
        assert list(data_sets.tree(tmp_path / "out"))[-1] == "y.jpg"
        ((aside,),) = rows(tmp_path / "out", "SELECT aside FROM sources WHERE name = 'x.tar'")
        assert SAFE.fullmatch(aside) and (tmp_path / "out/.j4d/quarantine" / aside).read_bytes() == cut


def rows(target: Path, query: str) -> list[tuple[str, ...]]:
    with sqlite3.connect(target / ".j4d/manifest.sqlite") as db:
        return db.execute(query).fetchall()


@pytest.mark.parametrize("column", ["../../../escaped", "/tmp/escaped", "c" * 5000, "a/../../../b", "", "\\..\\.."])
def test_a_column_of_a_table_is_no_path(tmp_path: Path, column: str) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (tmp_path / "in").mkdir()
    inside = pa.array([{column: HALF}, {column: OTHER_HALF}])
    pq.write_table(pa.table({column: [HALF, data_sets.jpeg(1)], "struct": inside}), tmp_path / "in/x.parquet")
    outside = data_sets.everything(tmp_path / "in")
    go(tmp_path / "in", tmp_path / "deep/er/out")
    assert data_sets.everything(tmp_path / "in") == outside
    assert {path.name for path in tmp_path.iterdir()} == {"in", "deep"}
    assert (
        [path.name for path in (tmp_path / "deep/er").iterdir()]
        == ["out"]
        == [path.name for path in (tmp_path / "deep/er").rglob("out")]
    )
    aside = data_sets.quarantine(tmp_path / "deep/er/out")
    assert sorted(aside.values()) == sorted([HALF, HALF, OTHER_HALF])


def test_a_source_that_changes_leaves_what_was_put_aside_before(tmp_path: Path) -> None:
    source = data_sets.write(tmp_path / "in", {"a.jpg": HALF, "b.jpg": data_sets.jpeg(1)})
    go(source, tmp_path / "out")
    (source / "a.jpg").write_bytes(OTHER_HALF)
    go(source, tmp_path / "out")
    assert sorted(p.read_bytes() for p in (tmp_path / "out/.j4d/quarantine").iterdir()) == sorted([HALF, OTHER_HALF])


def test_what_is_in_quarantine_saves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = data_sets.jpeg(1)
    data_sets.write(tmp_path / "in", {"a.jpg": whole, "b.jpg": data_sets.jpeg(2)[:-200] * 9, "c.jpg": b"none"})
    common = ["--jpeg-quality", "30", "--on-error", "quarantine", "--json"]
    assert run(["transcode", str(tmp_path / "in"), str(tmp_path / "out"), *common]) == 3
    totals = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert totals["quarantined"] == 2 and totals["image_bytes_in"] == len(whole) > totals["image_bytes_out"] > 0
    assert run(["transcode", str(tmp_path / "in"), str(tmp_path / "out"), *common, "--dry-run"]) == 0
    saved = 1 - totals["image_bytes_out"] / totals["image_bytes_in"]
    assert json.loads(capsys.readouterr().out)["saved"] == pytest.approx(saved)


@pytest.mark.parametrize("on_error", ["copy", "quarantine"])
def test_a_dry_run_on_nothing_but_broken_files_forecasts_that_nothing_is_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], on_error: str
) -> None:
    data_sets.write(tmp_path / "in", {"a.jpg": b"", "b/c.jpg": b""})
    common = ["--jpeg-quality", "30", "--dry-run", "--on-error", on_error]
    assert run(["transcode", str(tmp_path / "in"), str(tmp_path / "out"), *common]) == 0
    assert "0.0 +- 0.0 % saved  2 not transcoded" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_a_manifest_of_version_1_goes_on(tmp_path: Path) -> None:
    source = data_sets.mixed(tmp_path / "in")
    go(source, tmp_path / "out")
    with sqlite3.connect(tmp_path / "out/.j4d/manifest.sqlite") as db:
        db.execute("DROP INDEX images_noted")
        for table in ("sources", "images"):
            for column in ("aside", "note"):
                db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 1")
    assert go(source, tmp_path / "out").units == 0
    assert rows(tmp_path / "out", "PRAGMA user_version") == [(2,)]
    (source / "new.jpg").write_bytes(HALF)
    go(source, tmp_path / "out")
    assert rows(tmp_path / "out", "SELECT aside <> '' FROM images WHERE key = 'new.jpg'") == [(1,)]
    Manifest(tmp_path / "out/.j4d/manifest.sqlite").close()


@given(st.text(max_size=300), st.integers(0, 1 << 40), st.binary(max_size=9))
def test_every_name_becomes_a_safe_one(key: str, position: int, content: bytes) -> None:
    name = aside_name(key, position, key, content)
    assert SAFE.fullmatch(name) and name == aside_name(key, position, key, content)
    others = [(key + "x", position, key), (key, position + 1, key), (key, position, key + "x")]
    assert name[:32] not in {aside_name(*other, content)[:32] for other in others}
    assert name != aside_name(key, position, key, content + b"x")


def test_a_safe_name_keeps_what_people_know_it_by() -> None:
    assert safe_rest("a/b/photo 1.JPG") == "photo_1.JPG"
    assert safe_rest("x" * 90 + ".tar.gz") == "x" * 33 + ".tar.gz"
    assert safe_rest("a/..") == safe_rest("") == safe_rest("\u4e2d") == "file"


ESCAPES = ["../x", "a/../../x", "/x", "\\x", "C:/x", "c:\\x", "..", "a/..", "a\0b", "", "a//b", "./a", "..\\x"]


@pytest.mark.parametrize("name", ESCAPES)
def test_no_target_writes_outside_its_root(tmp_path: Path, name: str) -> None:
    pytest.importorskip("fsspec")
    (tmp_path / "in").mkdir()
    for target in (LocalTarget(tmp_path / "in/out"), RemoteTarget("memory://in/out")):
        with pytest.raises(NotWrittenError), target.create(name) as out:
            out.write(b"x")
        with pytest.raises(NotWrittenError), target.together() as create, create(name) as out:
            out.write(b"x")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_errors_of_names_go_through_a_pickle_as_between_nodes() -> None:
    error = pickle.loads(pickle.dumps(NotWrittenError({"../x": "a path with .. in it"})))
    assert str(error) == "'../x': a path with .. in it" and error.reasons == {"../x": "a path with .. in it"}
    assert str(pickle.loads(pickle.dumps(UnreadableError(5, "Input/output error")))) == "[Errno 5] Input/output error"


def test_a_link_in_the_target_does_not_lead_out_of_it(tmp_path: Path) -> None:
    source = data_sets.write(
        tmp_path / "in", {name: data_sets.jpeg(1) for name in ("a/1.jpg", "b/2.jpg", "c/d/3.jpg", "own/m.jpg", "4.jpg")}
    )
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/b").mkdir(parents=True)
    (tmp_path / "out/.j4d").mkdir()
    (tmp_path / "out/a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "out/c").symlink_to("../elsewhere")
    (tmp_path / "out/own").symlink_to(".j4d")
    before = data_sets.everything(tmp_path / "elsewhere")
    summary = go(source, tmp_path / "out", overwrite=True)
    assert {name for name, _ in summary.failures} == {"a/1.jpg", "c/d/3.jpg", "own/m.jpg"}
    assert all("leads out" in reason for _, reason in summary.failures)
    assert data_sets.everything(tmp_path / "elsewhere") == before
    assert (tmp_path / "out/4.jpg").exists() and (tmp_path / "out/b/2.jpg").exists()
