"""Of large pictures fewer are looked at, always whole; pictures of ordinary size are looked at as before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import Toy

from j4d.learning import budget
from j4d.learning.budget import FEWEST, ORDINARY, at_once, fewer
from j4d.learning.learn import learn
from j4d.rate.activity import _edges, bins_on_grid


@given(st.integers(1, 1000), st.integers(1, 1 << 27))
def test_fewer_of_large_pictures_but_never_too_few(count: int, pixels: int) -> None:
    found = fewer(count, pixels)
    assert min(count, FEWEST) <= found <= count
    if pixels <= ORDINARY:
        assert found == count
    elif found > FEWEST:
        assert found * pixels <= count * ORDINARY + pixels, "no more pixels than of ordinary ones"


@given(st.integers(1, 64), st.integers(1, 1 << 27))
def test_pictures_that_go_through_a_model_together_are_bounded(count: int, pixels: int) -> None:
    found = at_once(count, pixels)
    assert 1 <= found <= count and (found == 1 or found * pixels <= count * ORDINARY)
    assert pixels > ORDINARY or found == count


def test_bins_are_those_of_a_search() -> None:
    edges = _edges()
    magnitudes = torch.arange(1 << 16) / 8
    expected = torch.bucketize(magnitudes, edges - 0.0625, right=True)
    assert torch.equal(bins_on_grid(edges)[(magnitudes * 8).long()], expected)
    assert expected[0] == 0 and int(expected.max()) == len(edges)


class Counts(Toy):
    """Counts the pictures that it sees with a gradient, and notes their sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if pixels.requires_grad:
            self.seen += [tuple(pixels.shape[-2:])] * len(pixels)
        return super().forward(pixels)


def steps_of(ordinary: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Counts, dict[str, object]]:
    monkeypatch.setattr(budget, "ORDINARY", ordinary)
    monkeypatch.setattr("j4d.learning.optimizer.ORDINARY", ordinary)
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (40, 56, 3), dtype=np.uint8) for _ in range(14)]
    model = Counts()
    options = {"start": "annex-k", "dead_zones": (0.0,), "trellises": (), "adapt": False, "holdout": 0.0}
    profile = learn(model, pictures, points=1, steps=1, batch_size=12, progress=False, **options)
    return model, dict(profile.provenance.settings)


def test_a_step_looks_at_fewer_large_pictures_and_at_all_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    model, settings = steps_of(40 * 56, monkeypatch)
    assert len(model.seen) == 12 and "pictures_a_step" not in settings
    model, settings = steps_of(40 * 56 // 8, monkeypatch)
    assert len(model.seen) == FEWEST == settings["pictures_a_step"] and settings["batch_size"] == 12
    assert set(model.seen) == {(40, 56)}
