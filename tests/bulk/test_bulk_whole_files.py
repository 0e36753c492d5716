"""Claims about what a data set's images keep beside their pictures, and what is told of those that cannot."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import data_sets
import pytest
from whole_files import FILM, several_pictures

from j4d import _core
from j4d.api import transcode
from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.bulk.run import Summary
from j4d.jpeg.parameters import EncodingParameters
from j4d.profile.profile import Profile

QUALITY_30 = EncodingParameters.from_quality(30)


def go(source: Path, target: Path, **options: object) -> Summary:
    made = Settings(parameters=QUALITY_30, **options)  # type: ignore[arg-type]
    return transcode_data_set(source_of([str(source)]), target_of(str(target)), made, verify=True)


def rows(target: Path) -> dict[str, tuple[str, str, str]]:
    """Status, error and note by key, as the manifest has them."""
    with sqlite3.connect(target / ".j4d/manifest.sqlite") as db:
        return {key: tuple(row) for key, *row in db.execute("SELECT key, status, error, note FROM images")}


def test_what_is_left_tolerated_or_odd_is_told_apart_and_nothing_is_lost(tmp_path: Path) -> None:
    whole = data_sets.jpeg(1)
    files = {
        "afcp.jpg": whole + b"AXS!" + bytes(8),
        "cut.jpg": whole[:-40],
        "film.jpg": whole + FILM,
        "odd.jpg": whole[:-2],
        "two.jpg": several_pictures(whole, [data_sets.jpeg(2)]),
    }
    source = data_sets.write(tmp_path / "in", {**files, "s.tar": data_sets.shard(list(files.items()))})
    summary = go(source, tmp_path / "out", tolerate_damage=True)
    assert summary.clean, summary.failures
    counts = {name: summary.totals[name] for name in ("transcoded", "left", "tolerated", "kept", "damaged")}
    assert counts == {"transcoded": 6, "left": 2, "tolerated": 2, "kept": 0, "damaged": 0}
    told = rows(tmp_path / "out")
    for folder in ("", "s.tar/"):
        assert told[folder + "afcp.jpg"][::2] == ("left", told["afcp.jpg"][2]) and "AFCP" in told["afcp.jpg"][2]
        assert told[folder + "cut.jpg"][0] == "tolerated" and told[folder + "cut.jpg"][2]
        assert told[folder + "odd.jpg"] == ("transcoded", "", "no marker at the end of the picture")
        assert told[folder + "two.jpg"] == told[folder + "film.jpg"] == ("transcoded", "", "")
    after = data_sets.tree(tmp_path / "out")
    assert after["afcp.jpg"] == files["afcp.jpg"] and after["film.jpg"].endswith(FILM)
    for name in ("film.jpg", "two.jpg", "odd.jpg"):
        assert after[name] == transcode(files[name], QUALITY_30) and len(after[name]) < len(files[name])


def test_a_picture_that_takes_more_memory_than_there_may_be_is_listed(tmp_path: Path) -> None:
    files = {f"{i}.jpg": data_sets.jpeg(i) for i in range(8)}
    needed = {name: _core.memory_needed(data) for name, data in files.items()}
    limit = sorted(needed.values())[4]
    source = data_sets.write(tmp_path / "in", files)
    settings = Settings(Profile.builtin("universal"), {"quality": 40}, max_memory=limit)
    summary = transcode_data_set(source_of([str(source)]), target_of(str(tmp_path / "out")), settings, threads=4)
    assert {name for name, _ in summary.failures} == {name for name in files if needed[name] > limit}
    assert all(f"more than the limit of {limit}" in reason for _, reason in summary.failures)
    assert set(data_sets.tree(tmp_path / "out")) == set(files)


@pytest.mark.parametrize("keep", [(), ("orientation",)])
def test_stripped_images_are_verified_too(tmp_path: Path, keep: tuple[str, ...]) -> None:
    source = data_sets.write(tmp_path / "in", {"a.jpg": data_sets.jpeg(1) + FILM, "b.jpg": data_sets.jpeg(2)})
    assert go(source, tmp_path / "out", strip=True, keep=keep).clean
    for data in data_sets.tree(tmp_path / "out").values():
        assert FILM not in data and b"JFIF" not in data
