"""A claim about hostile data sets: whatever their names are, nothing outside the target is touched and the run ends."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import data_sets
import pytest
from small_tars import tar

from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.jpeg.parameters import EncodingParameters

STEPS = [
    "..",
    ".",
    "",
    "a",
    "a.jpg",
    ".j4d",
    "quarantine",
    "manifest.sqlite",
    "tmp",
    "lock",
    "C:",
    "..\\",
    "\\",
    "x" * 300,
]
STEPS += [
    "\u202e",
    "\x1b]0;x\x07",
    " ",
    "-rf",
    "con",
    "a\nb",
    "\udce9",
    "é" * 130,
    "~",
    "$HOME",
    "%2e%2e",
    "...",
    ".jpg",
]
PICTURES = [data_sets.jpeg(1), data_sets.jpeg(2)[:400], b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(40)]


def name_of(rng: random.Random) -> str:
    found = "/".join(rng.choice(STEPS) for _ in range(rng.randint(1, 4))) + rng.choice(["", ".jpg", ".txt"])
    return rng.choice(["", "", "/"]) + found


def hostile(folder: Path, rng: random.Random) -> list[str]:
    """Sources of several kinds with such names."""

    def chosen() -> list[tuple[str, bytes]]:
        return [(name_of(rng), rng.choice(PICTURES)) for _ in range(rng.randint(1, 6))]

    shards = {f"{i}.tar": tar(chosen()) for i in range(3)}
    data_sets.write(folder / "shards", {**shards, "cut.tar": shards["0.tar"][: rng.randint(1, 3000)]})
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        for name, data in {**dict(chosen()), "sure.jpg": PICTURES[0]}.items():
            archive.writestr(name.encode("utf-8", "replace").decode() or "x", data)
    return [str(folder / "shards"), f"zip://::{folder}/x.zip"]


def table(folder: Path, rng: random.Random) -> str:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    names = {name_of(rng).encode("utf-8", "replace").decode(): None for _ in range(4)}
    cells = [rng.choice(PICTURES) for _ in range(3)]
    columns = {name: rng.choice([cells, [{name: cell, "path": name} for cell in cells]]) for name in names}
    (folder / "tables").mkdir()
    pq.write_table(pa.table(columns), folder / "tables/x.parquet")
    return str(folder / "tables")


@pytest.mark.parametrize("seed", range(40))
def test_nothing_outside_the_target_is_touched_whatever_is_in_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    pytest.importorskip("fsspec")
    rng = random.Random(seed)
    (tmp_path / "home").mkdir()
    (tmp_path / "work/deep/er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "sources").mkdir()
    sources = hostile(tmp_path / "sources", rng)
    if seed % 4 == 0:
        sources.append(table(tmp_path / "sources", rng))
    on_error = rng.choice(["copy", "quarantine"])
    settings = Settings(parameters=EncodingParameters.from_quality(30), on_error=on_error)  # type: ignore[arg-type]
    for i, source in enumerate(sources):
        target = tmp_path / f"work/deep/er/out{i}"
        target.mkdir()
        before = outside(tmp_path, target)
        for _ in range(2):
            summary = transcode_data_set(source_of([source]), target_of(str(target)), settings, threads=1)
        assert outside(tmp_path, target) == before
        assert summary.totals["sources_done"] + len(summary.failures) >= summary.totals["sources"]
        assert {p.name for p in (target / ".j4d").iterdir()} <= {"lock", "manifest.sqlite", "quarantine"}
        assert not [p for p in target.rglob("*") if p.is_symlink()]


def outside(folder: Path, target: Path) -> dict[str, tuple[object, ...]]:
    inside = str(target.relative_to(folder))
    found = data_sets.everything(folder)
    return {name: state for name, state in found.items() if name != inside and not name.startswith(f"{inside}/")}
