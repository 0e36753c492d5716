"""Several models in one objective: their weights, the worst of them, their memory; and bfloat16."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pictures import crops
from torch import Tensor, nn
from toys import Frequencies, Toy

from j4d import SimulatedJPEG, learn
from j4d.errors import ParameterError
from j4d.images.image_set import ImageSet
from j4d.jpeg.parameters import EncodingParameters
from j4d.learning.backward import batch_backward
from j4d.learning.objective import POWER, Objective, Running
from j4d.learning.recipe import Recipe
from j4d.learning.task import Classification

RISES = arrays(float, (5, 3), elements=st.floats(1e-5, 10))
WEIGHTS = st.lists(st.floats(0.1, 10), min_size=3, max_size=3)


@pytest.fixture(scope="module")
def images(photographs: dict[str, np.ndarray]) -> list[np.ndarray]:
    return crops(list(photographs.values()), 96, 96, 12)


# The number


@given(RISES, WEIGHTS)
def test_the_worst_is_the_power_mean_of_what_models_lose(rises: np.ndarray, weights: list[float]) -> None:
    objective = Objective(3, weights, "worst")
    means, shares = rises.mean(0), np.array(weights) / sum(weights)
    wanted = (shares * means**POWER).sum() ** (1 / POWER)
    assert objective.of_pictures(rises + 7, rises).mean() == pytest.approx(wanted, rel=1e-9)
    nudged = [means + 1e-4 * means[i] * np.eye(3)[i] for i in range(3)]
    differences = [
        ((shares * n**POWER).sum() ** (1 / POWER) - wanted) / (1e-4 * means[i]) for i, n in enumerate(nudged)
    ]
    assert objective.slopes(means) == pytest.approx(differences, rel=1e-2, abs=1e-6)


@given(RISES, WEIGHTS)
def test_the_mean_is_the_weighted_mean_of_the_losses(losses: np.ndarray, weights: list[float]) -> None:
    found = Objective(3, weights).of_pictures(losses, np.zeros_like(losses))
    assert found == pytest.approx(np.average(losses, axis=1, weights=weights))


def test_models_that_lose_nothing_have_slopes_all_the_same() -> None:
    assert Objective(2, None, "worst").slopes([-0.1, 0.0]) == pytest.approx([0.5, 0.5])


def test_a_running_mean_is_that_of_the_last_ten_or_so() -> None:
    running = Running()
    assert running.mean is None
    for value in (3.0, 3.0):
        running.add(value)
        assert running.mean == pytest.approx(3.0), "from the first on"
    for value in [1.0] * 44:
        running.add(value)
    assert running.mean == pytest.approx(1.0, abs=0.05)


# What is learned


class Louder(nn.Module):
    """The same model with logits so much larger: compression changes its answers more."""

    def __init__(self, model: nn.Module, factor: float) -> None:
        super().__init__()
        self.model, self.factor = model, factor

    def forward(self, pixels: Tensor) -> Tensor:
        return self.factor * self.model(pixels)


def test_weights_and_the_worst_move_bits_to_the_model_meant(images: list[np.ndarray]) -> None:
    """Two models that look at different frequencies, one of which loses four times as much for the same errors."""
    models = [Frequencies([(0, 1), (0, 2), (0, 3)]), Louder(Frequencies([(1, 0), (2, 0), (3, 0)]), 2.0)]
    quick: dict[str, Any] = {"steps": 24, "batch_size": 8, "smoothness": 0.0, "start": "annex-k", "dead_zones": (0.0,)}
    options: dict[str, Any] = {**quick, "rates": [0.8], "holdout": 0.0, "adapt": False, "progress": False}
    options["trellises"] = ()
    coarser = {}  # how many times the steps of what the first looks at are those of what the second looks at
    for name, change in {"mean": {}, "first": {"weights": [9, 1]}, "worst": {"combine": "worst"}}.items():
        steps = np.log(learn(models, images, **options, **change).points[0].parameters.luma.steps)
        coarser[name] = np.exp((steps[0, 1:4] - steps[1:4, 0]).mean())
    assert coarser["first"] < 0.85 * coarser["mean"] and coarser["worst"] > 1.25 * coarser["mean"]


def test_a_model_that_is_often_wrong_is_not_the_worst_for_that(images: list[np.ndarray]) -> None:
    """What counts is what compression adds to the loss of labels, not that loss."""
    task = Classification(Toy().eval(), [5] * len(images), answers=0.25)
    logits, answer = torch.randn(2, 4, 6).log_softmax(2)
    losses = task.loss(logits, answer, [0, 1, 2, 3])
    divergence = (answer.exp() * (answer - logits)).sum(1)
    assert torch.allclose(task.rises(losses, answer, [0, 1, 2, 3]), 0.25 * divergence + 0.75 * (answer - logits)[:, 5])


@pytest.mark.parametrize("weights", [[1], [1, 2, 3], [1, 0], [1, -1], [1, float("nan")], [float("inf"), 1]])
def test_weights_that_make_no_mean_are_refused(weights: list[float], images: list[np.ndarray]) -> None:
    with pytest.raises(ParameterError, match="expected 2 positive numbers"):
        learn([Toy(), Toy(1)], images, weights=weights, progress=False)


# Memory


class Wide(nn.Module):
    """Much to remember for the backward pass; `width` says how much."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 3), nn.Tanh(), nn.Conv2d(width, width, 3), nn.Tanh())

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels / 255).mean((2, 3))


def most_saved(models: list[nn.Module], images: list[np.ndarray]) -> int:
    """Bytes that autograd keeps for backward passes at once, at most, during one step."""
    tasks = [Classification(model.eval().requires_grad_(False)) for model in models]
    jpeg, now, most = SimulatedJPEG(EncodingParameters.from_quality(30), forward="soft"), 0, 0

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal now, most
            self.tensor, size = tensor, tensor.numel() * tensor.element_size()
            now += size
            most = max(most, now)
            weakref.finalize(self, self.released, size)

        @staticmethod
        def released(size: int) -> None:
            nonlocal now
            now -= size

    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        batch = [(i, False) for i in range(4)]
        batch_backward(jpeg, ImageSet.from_arrays(images), batch, tasks, [1.0] * len(models))
    assert now == 0
    return most


def test_several_models_take_the_memory_of_the_largest(images: list[np.ndarray]) -> None:
    small, large = most_saved([Wide(8)], images), most_saved([Wide(24)], images)
    assert small < 0.6 * large, "it is the models that take the memory here"
    for widths in ((8, 24), (24, 8), (24, 24, 8)):
        assert most_saved([Wide(width) for width in widths], images) == large


def test_one_simulated_jpeg_serves_all_models(images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    decoded = SimulatedJPEG.decoded
    monkeypatch.setattr(SimulatedJPEG, "decoded", lambda self, *given: runs.append(1) or decoded(self, *given))
    gradients = []
    for seeds in ((0,), (1,), (0, 1)):
        tasks = [Classification(Toy(seed).eval().requires_grad_(False)) for seed in seeds]
        jpeg = SimulatedJPEG(EncodingParameters.from_quality(30), forward="soft")
        batch_backward(jpeg, ImageSet.from_arrays(images), [(0, False), (3, True)], tasks, [1.0] * len(seeds))
        gradients.append(jpeg.log_steps.grad)
    assert len(runs) == 3
    torch.testing.assert_close(gradients[2], gradients[0] + gradients[1])


# bfloat16


def test_bfloat16_runs_the_models_and_not_the_jpeg(images: list[np.ndarray]) -> None:
    model, seen = Toy(), []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    model.layers[0].register_forward_hook(lambda _, inputs, output: seen.append(output.dtype))
    tasks = [Classification(model.eval().requires_grad_(False), precision="bfloat16")]
    jpeg = SimulatedJPEG(EncodingParameters.from_quality(30), forward="soft")
    batch_backward(jpeg, ImageSet.from_arrays(images), [(0, False)], tasks, [1.0])
    assert set(seen[::2]) == {torch.float32} and set(seen[1::2]) == {torch.bfloat16}
    assert jpeg.log_steps.grad.dtype == torch.float32


def test_tables_learned_in_bfloat16_are_those_of_float32_within_what_a_seed_changes(images: list[np.ndarray]) -> None:
    """0.044 rms of the log steps was seen, at most; two seeds differ by 0.1 to 0.2 (docs/learning.md)."""
    options: dict[str, Any] = {"rates": [0.6, 1.2], "steps": 16, "batch_size": 8, "holdout": 0.0, "adapt": False}
    options = {**options, "start": "annex-k", "dead_zones": (0.0,), "progress": False}
    model = Frequencies([(row, column) for row in range(5) for column in range(5)])
    profiles = [learn(model, images, **options, precision=p) for p in ("float32", "bfloat16")]
    for one, other in zip(*(profile.points for profile in profiles), strict=True):
        first, second = (np.log([p.parameters.luma.steps, p.parameters.chroma.steps]) for p in (one, other))
        assert 0 < np.sqrt(np.square(first - second).mean()) < 0.1
        assert other.estimated_bpp == pytest.approx(one.estimated_bpp, rel=0.04)  # steps are whole: there are gaps


def test_files_are_judged_in_float32(images: list[np.ndarray]) -> None:
    model, precise = Toy(), []
    model.layers[0].register_forward_hook(lambda _, inputs, output: precise.append(output.dtype == torch.float32))
    options: dict[str, Any] = {"lambdas": [1.0], "steps": 1, "batch_size": 2, "adapt": False, "progress": False}
    learn(model, images, **options, start="annex-k", dead_zones=(0.0,), holdout=0.25, precision="bfloat16")
    assert not precise[0] and all(precise[-3:]), "learning first, measuring held-out pictures last"


@pytest.mark.parametrize("change", [{"precision": "float16"}, {"combine": "median"}])
def test_what_is_not_known_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(ParameterError, match="is not one of"):
        Recipe(**change)
