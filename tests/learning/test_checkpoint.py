"""Checkpoints: what is kept comes back, another run's is refused, and damaged files are one clear error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import random_parameters

from j4d.errors import DataError, J4DError
from j4d.learning import checkpoint
from j4d.learning.checkpoint import Checkpoint

RUN: dict[str, Any] = {"model": "toy", "seed": 3, "settings": {"steps": 5, "goals": [{"quality": 5, "bpp": 0.1 + 0.2}]}}


def content() -> dict[str, Any]:
    parameters = random_parameters(np.random.default_rng(0), "4:2:0", dead_zones=False)
    points = [{"parameters": parameters.to_json(), "lambda": 2.0}]
    return {"format": "j4d-checkpoint", "version": 1, "run": RUN, "points": points}


def test_points_come_back_as_they_were_kept(tmp_path: Path, rng: np.random.Generator) -> None:
    kept = Checkpoint.open(tmp_path / "run.json", RUN)
    assert kept.points == []
    points = [(random_parameters(rng, "4:2:2", dead_zones=bool(i % 2)), float(np.exp(rng.normal()))) for i in range(4)]
    for count, point in enumerate(points, 1):
        kept.add(*point)
        assert Checkpoint.open(tmp_path / "run.json", RUN).points == points[:count]
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"], "nothing temporary is left"


def test_a_run_is_recognised_by_value_not_by_type(tmp_path: Path, rng: np.random.Generator) -> None:
    point = (random_parameters(rng, "gray", dead_zones=True), 1.0)
    Checkpoint.open(tmp_path / "run.json", {"sizes": (1, 2), "rate": 0.1}).add(*point)
    assert Checkpoint.open(tmp_path / "run.json", {"rate": 0.1, "sizes": [1, 2]}).points == [point]


def test_without_a_path_nothing_is_written(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = Checkpoint.open(None, RUN)
    kept.add(random_parameters(rng, "4:2:0", dead_zones=False), 1.0)
    assert len(kept.points) == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 4}, "seed"),
        ({"model": "other", "seed": 4}, "model, seed"),
        ({"settings": {"steps": 6, "goals": []}}, "settings"),
        ({"new": None, "sampling": "4:4:4"}, "sampling"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused_and_left_alone(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content()))
    before = path.read_bytes()
    with pytest.raises(DataError, match=rf"run.json: belongs to another run \({named} differ\)"):
        Checkpoint.open(path, {**RUN, **change})
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        {"format": "j4d-profile"},
        {"version": 2},
        {"points": 3},
        {"points": [{}]},
        {"points": [{"parameters": None, "lambda": 1}]},
        {"run": []},
        {"run": None},
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content()))
    assert len(Checkpoint.open(path, RUN).points) == 1
    path.write_text(json.dumps({**content(), **change}))
    with pytest.raises(DataError, match=r"run\.json"):
        Checkpoint.open(path, RUN)


@pytest.mark.parametrize("lagrangian", ["NaN", "Infinity", "-1.0", "0", "true", '"2"', "null"])
def test_a_lambda_that_is_no_trade_off_is_refused(tmp_path: Path, lagrangian: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content()).replace('"lambda": 2.0', f'"lambda": {lagrangian}'))
    with pytest.raises(DataError, match=r"run\.json"):
        Checkpoint.open(path, RUN)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda x: json.dumps(x).encode()))  # fmt: skip  # noqa: E501
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(data)
    with pytest.raises(J4DError):
        Checkpoint.open(path, RUN)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("[" * 200_000)
    with pytest.raises(DataError, match=r"run\.json"):
        Checkpoint.open(path, RUN)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path, text = tmp_path / "run.json", json.dumps(content())
    for length in range(0, len(text), 7):
        path.write_text(text[:length])
        with pytest.raises(DataError, match="not a checkpoint of a learning run"):
            Checkpoint.open(path, RUN)


def test_a_newer_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**content(), "version": 2}))
    with pytest.raises(DataError, match=r"^\S+run\.json: j4d-checkpoint 2, this j4d reads j4d-checkpoint 1$"):
        Checkpoint.open(path, RUN)


def test_a_step_of_zero_in_the_file_is_named(tmp_path: Path) -> None:
    path, damaged = tmp_path / "run.json", content()
    damaged["points"][0]["parameters"]["luma"][0][0] = 0
    path.write_text(json.dumps(damaged))
    with pytest.raises(DataError, match="step 0"):
        Checkpoint.open(path, RUN)


def test_a_huge_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content()))
    monkeypatch.setattr(checkpoint, "SIZE_LIMIT", 100)
    with pytest.raises(DataError, match=r"^\S+run\.json: larger than 100 bytes"):
        Checkpoint.open(path, RUN)


def test_a_place_that_cannot_be_written_or_read_is_named(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "file").touch()
    kept = Checkpoint.open(tmp_path / "file" / "run.json", RUN)
    with pytest.raises(DataError, match=r"file.run\.json: cannot be written: Not a directory"):
        kept.add(random_parameters(rng, "4:2:0", dead_zones=False), 1.0)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        Checkpoint.open(tmp_path, RUN)
