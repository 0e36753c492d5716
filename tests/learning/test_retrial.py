"""Trellises tried on learned points: at the same rate, only where files do better, and with an estimate that holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from changes import changed
from pictures import crops, noisy
from profiles import default_profile
from toys import Frequencies, Toy

from j4d import learn
from j4d.errors import ParameterError
from j4d.images.image_set import ImageSet
from j4d.jpeg import encoding
from j4d.jpeg.parameters import EncodingParameters, Trellis
from j4d.learning.recipe import Recipe
from j4d.learning.selection import at_rate, best_trellis, with_trellis
from j4d.learning.trellises import choose_trellises
from j4d.learning.validation import FileEvaluator
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum

LOW = [(row, column) for row in range(4) for column in range(4) if row + column < 4]
ZONES = np.full((8, 8), 0.01)
# One that is far better than none where noise has most of the bits, 15 to 35 % of the loss at equal rate, so that no
# processor's rounding decides. And a price that leaves hardly any index.
SPARING, RUINOUS = Trellis(15.0), Trellis(0.01)


@pytest.fixture(scope="module")
def images(photographs: dict[str, np.ndarray]) -> list[np.ndarray]:
    return noisy(crops(list(photographs.values()), 128, 128, 12))


def judge(model: torch.nn.Module, images: list[np.ndarray]) -> FileEvaluator:
    return FileEvaluator([model], ImageSet.from_arrays(images), None, RateModel(), "4:2:0", torch.device("cpu"))


def rate(images: list[np.ndarray], parameters: EncodingParameters) -> float:
    return float(np.mean([8 * len(encoding.encode(i, parameters)) / (i.shape[0] * i.shape[1]) for i in images]))


@pytest.mark.parametrize("trellis", [Trellis(30.0), Trellis(12.0, 302.0)])
def test_a_trellis_is_compared_at_the_same_actual_rate(trellis: Trellis, images: list[np.ndarray]) -> None:
    base = changed(EncodingParameters.from_quality(55), luma_dead_zone=ZONES, chroma_dead_zone=ZONES)
    bpp = rate(images, base)
    found = at_rate(judge(Toy(), images), with_trellis(base, trellis), bpp)
    assert (found.trellis, found.luma.dead_zone) == (trellis, None)
    assert rate(images, found) == pytest.approx(bpp, rel=0.01)
    assert found.luma.steps.sum() < base.luma.steps.sum(), "what it saves goes into smaller steps"


def test_the_trellis_of_least_loss_is_taken_and_none_where_it_does_not_help(images: list[np.ndarray]) -> None:
    base = EncodingParameters.from_quality(30)
    looks_low = judge(Frequencies(LOW), images)
    assert best_trellis(looks_low, base, [RUINOUS]) == base
    assert best_trellis(looks_low, base, []) == base
    helped = best_trellis(looks_low, base, [RUINOUS, SPARING])
    losses = [looks_low.means(p)[0] for p in (base, helped)]
    assert helped.trellis == SPARING and losses[1] < losses[0]


@pytest.mark.parametrize("trellis", [Trellis(30.0), Trellis(15.0, 302.0)])
def test_the_estimate_knows_what_a_trellis_saves(trellis: Trellis, photographs: dict[str, np.ndarray]) -> None:
    fitted, others = (crops(list(photographs.values()), 192, 192, 16, seed=seed) for seed in (1, 2))
    ladder = [with_trellis(EncodingParameters.from_quality(q), trellis) for q in (10, 20, 35, 50, 65, 80, 90)]
    spectrum = Spectrum.of(fitted, "4:2:0")
    model = RateModel.fit(spectrum, fitted, ladder)
    assert model == RateModel.fit(spectrum, fitted, [p.without_trellis() for p in ladder])
    for images in (fitted, others):
        spectrum = Spectrum.of(images, "4:2:0")
        for parameters in ladder:
            assert model.bpp(spectrum, parameters) < 0.97 * model.bpp(spectrum, parameters.without_trellis())
            assert model.bpp(spectrum, parameters) == pytest.approx(rate(images, parameters), rel=0.02)


def test_learning_chooses_a_trellis_and_its_estimate_holds(images: list[np.ndarray]) -> None:
    model = Frequencies(LOW)
    options = {"rates": (0.6, 1.2), "steps": 2, "batch_size": 4, "holdout": 0.0, "adapt": False, "progress": False}
    recipe = {"start": "annex-k", "dead_zones": (0.0,)}
    plain = learn(model, images, **options, **recipe, trellises=())
    profile = learn(model, images, **options, **recipe, trellises=(SPARING, RUINOUS))
    assert profile.provenance.settings["trellises"] == ((15.0, None), (0.01, None))
    looks_low = judge(model, images)
    for point, without in zip(profile.points, plain.points, strict=True):
        assert point.parameters.trellis == Trellis(15.0, dc=8.0)
        loss, actual = looks_low.means(point.parameters)
        assert loss < 0.95 * looks_low.means(at_rate(looks_low, without.parameters, actual))[0]
        assert point.estimated_bpp == pytest.approx(actual, rel=0.03)


def test_a_profile_that_is_there_is_retried(images: list[np.ndarray]) -> None:
    before = default_profile((30, 60))
    drawn = replace(before.points[1], parameters=replace(before.points[1].parameters, sharpness=9.0))
    before = replace(before, points=(replace(before.points[0], measured={"loss": 1.0}), drawn))
    after = choose_trellises(before, Frequencies(LOW), images, trellises=(SPARING,))
    low, high = after.points
    assert low.parameters.trellis == Trellis(15.0, dc=8.0) and low.measured == {} and high == drawn
    change = rate(images, low.parameters) / rate(images, before.points[0].parameters)
    assert low.estimated_bpp == pytest.approx(before.points[0].estimated_bpp * change) and abs(change - 1) < 0.05
    assert after.provenance.settings["retried"] == ((15.0, None),)
    left = choose_trellises(before, Frequencies(LOW), images, trellises=(SPARING,), dc_trellis=None)
    assert left.points[0].parameters.trellis == SPARING
    assert choose_trellises(before, Frequencies(LOW), images, trellises=(RUINOUS,)).points == before.points


@pytest.mark.parametrize("wrong", [(19.0,), ((None, 3.0),), ((2000.0, None),), ((19.0, 0.1),)])
def test_wrong_trellises_are_refused(wrong: object) -> None:
    with pytest.raises(ParameterError):
        Recipe(trellises=wrong)  # type: ignore[arg-type]


def test_a_wrong_dc_trellis_is_refused(images: list[np.ndarray]) -> None:
    with pytest.raises(ParameterError, match="DC trellis 2000 is outside"):
        Recipe(dc_trellis=2000)
    with pytest.raises(ParameterError, match="DC trellis 0 is not a finite number > 0"):
        choose_trellises(default_profile((30, 60)), Toy(), images, dc_trellis=0)
