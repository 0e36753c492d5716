"""Weights of the trellis follow what a model looks at, and trials take them where files do better with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from pictures import crops, noisy
from torch import nn
from toys import Frequencies

from j4d.errors import ParameterError
from j4d.images.image_set import ImageSet
from j4d.jpeg.coefficients import quantize
from j4d.jpeg.parameters import EncodingParameters
from j4d.learning.objective import Objective
from j4d.learning.recipe import Recipe
from j4d.learning.selection import best_trellis
from j4d.learning.validation import FileEvaluator
from j4d.learning.weighting import StepSensitivity
from j4d.rate.model import RateModel

LOW = [(row, column) for row in range(4) for column in range(4) if row + column < 4]
HIGH = [(4, 3), (3, 4), (5, 5)]
PARAMETERS = EncodingParameters.from_quality(55)


@pytest.fixture(scope="module")
def images(photographs: dict[str, np.ndarray]) -> list[np.ndarray]:
    return crops(list(photographs.values()), 128, 128, 8)


def judge(
    models: Sequence[nn.Module], images: list[np.ndarray], weights: Sequence[float] | None = None
) -> FileEvaluator:
    objective = Objective(len(models), weights)
    pictures = ImageSet.from_arrays(images)
    return FileEvaluator(models, pictures, None, RateModel(), "4:2:0", torch.device("cpu"), objective)


@pytest.fixture(scope="module")
def looks_low(images: list[np.ndarray]) -> FileEvaluator:
    return judge([Frequencies(LOW)], images)


def test_weights_are_those_of_the_frequencies_that_a_model_sees(looks_low: FileEvaluator) -> None:
    luma, chroma = StepSensitivity(looks_low, PARAMETERS).weights()
    seen = np.zeros((8, 8), bool)
    seen[tuple(zip(*LOW, strict=True))] = True
    assert luma[seen].min() > 10 * luma[~seen].max() and luma[seen].mean() > 10 * chroma.mean()


def test_a_step_of_twice_the_size_matters_four_times_as_much(looks_low: FileEvaluator) -> None:
    """At one step, where pictures are nearly the originals, and so are sensitivities."""
    steps = np.ones((8, 8), int)
    steps[0, 1] = 2
    fine, coarse = (
        StepSensitivity(looks_low, EncodingParameters(table, np.ones((8, 8), int)))
        for table in (np.ones((8, 8), int), steps)
    )
    ratio = coarse.by_step[0] / fine.by_step[0]
    assert ratio[0, 1] == pytest.approx(4, rel=0.2) and ratio[1, 0] == pytest.approx(1, rel=0.2)


def test_weights_are_1_on_average_over_the_indices_that_are_not_0(
    looks_low: FileEvaluator, images: list[np.ndarray]
) -> None:
    found = StepSensitivity(looks_low, PARAMETERS)
    for power in (0.5, 1.0):
        total, count = 0.0, 0
        for image in images:
            for component, plane in enumerate(quantize(image, PARAMETERS).planes):
                nonzero = (plane != 0).sum((0, 1))
                nonzero[0, 0] = 0
                total += (nonzero * found.weights(power)[min(component, 1)]).sum()
                count += nonzero.sum()
        assert total / count == pytest.approx(1, abs=0.002), "but for the least weight, 0.001"
    assert all((table == 1).all() for table in found.weights(0))


def test_several_models_are_weighed_as_the_objective_has_them(images: list[np.ndarray]) -> None:
    models = [Frequencies(LOW), Frequencies(HIGH)]
    low, high = (StepSensitivity(judge([model], images), PARAMETERS).by_step for model in models)
    both = StepSensitivity(judge(models, images, [3, 1]), PARAMETERS).by_step
    np.testing.assert_allclose(both, 0.75 * low + 0.25 * high)


def test_trials_take_weights_where_files_do_better_with_them(images: list[np.ndarray]) -> None:
    even, weighted = (25.0, None), (25.0, None, 1.0)
    looks_low = judge([Frequencies(LOW)], noisy(images))
    best, of_even = (best_trellis(looks_low, PARAMETERS, candidates) for candidates in ([even, weighted], [even]))
    assert best.luma_weights is not None and best.trellis == 25.0
    (loss, bpp), (before, wanted) = looks_low.means(best), looks_low.means(PARAMETERS)
    assert bpp == pytest.approx(wanted, rel=0.06), "as near as whole steps come"
    assert loss < 0.7 * min(before, looks_low.means(of_even)[0])
    assert best_trellis(looks_low, PARAMETERS, [(25.0, None, 0)]).luma_weights is None


@pytest.mark.parametrize("wrong", [(19.0, None, 1.5), (19.0, None, -0.5), (19.0, None, None), (19.0, None, 0.5, 1)])
def test_wrong_powers_are_refused(wrong: object) -> None:
    with pytest.raises(ParameterError):
        Recipe(trellises=(wrong,))  # type: ignore[arg-type]
