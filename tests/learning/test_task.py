"""Tasks: what each loss is, what is asked of the model and how often, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from j4d.errors import DataError, ModelError, ParameterError
from j4d.learning.task import Classification
from j4d.readers.answers import logits_of

CLASSES = 7


class Counting:
    """A model of pixel means that counts the pictures it is asked about."""

    def __init__(self) -> None:
        self.pictures = 0
        self.weights = torch.linspace(-1, 1, 3 * CLASSES).view(3, CLASSES)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        self.pictures += len(pixels)
        return pixels.mean((2, 3)) @ self.weights / 20


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((count, 3, 8, 8), generator=torch.Generator().manual_seed(seed)) * 255


def losses(labels: list[int] | None, answers: float | None, numbers: list[int]) -> tuple[torch.Tensor, ...]:
    """(loss of each picture, cross-entropy, KL divergence), the last two from torch's own functions."""
    model = Counting()
    task = Classification(model, labels, answers)
    clean, compressed = model(pictures(len(numbers))), model(pictures(len(numbers), seed=1))
    answer = task.answer(pictures(len(numbers)), [(n, False) for n in numbers])
    log_p = compressed.log_softmax(1)
    kl = F.kl_div(log_p, clean.log_softmax(1), log_target=True, reduction="none").sum(1)
    target = torch.tensor([0 if labels is None else labels[n] for n in numbers])
    return task.loss(compressed, answer, numbers), F.cross_entropy(compressed, target, reduction="none"), kl


def test_without_labels_the_loss_is_the_divergence_from_the_uncompressed_answer() -> None:
    loss, _, kl = losses(None, None, [0, 1, 2])
    assert kl.min() > 1e-6
    torch.testing.assert_close(loss, kl)


@pytest.mark.parametrize(("answers", "share"), [(None, 0.5), (0.0, 0.0), (0.3, 0.3), (1.0, 1.0)])
def test_with_labels_it_is_a_mix_of_cross_entropy_and_divergence(answers: float | None, share: float) -> None:
    loss, cross_entropy, kl = losses([6, 0, 3, 5], answers, [3, 1, 2])
    torch.testing.assert_close(loss, (1 - share) * cross_entropy + share * kl)


def test_an_unchanged_answer_costs_nothing_and_has_no_gradient() -> None:
    task = Classification(Counting())
    answer = task.answer(pictures(4), [(n, False) for n in range(4)])
    logits = (answer + 3.0).requires_grad_()
    loss = task.loss(logits, answer, range(4))
    loss.sum().backward()
    assert loss.abs().max() < 1e-6 and logits.grad.abs().max() < 1e-6


def test_each_picture_is_asked_about_once_and_a_mirrored_one_apart() -> None:
    model = Counting()
    task = Classification(model)
    first = task.answer(pictures(3), [(0, False), (1, False), (0, True)])
    assert model.pictures == 3
    again = task.answer(pictures(3, seed=5), [(0, True), (0, False), (2, False)])
    assert model.pictures == 4, "only picture 2 is new"
    assert torch.equal(again[0], first[2]) and torch.equal(again[1], first[0]) and not torch.equal(again[0], again[1])
    torch.testing.assert_close(first.exp().sum(1), torch.ones(3))


def test_answers_carry_no_gradient() -> None:
    weights = torch.ones(3, CLASSES, requires_grad=True)
    task = Classification(lambda pixels: pixels.mean((2, 3)) @ weights)
    assert not task.answer(pictures(2), [(0, False), (1, False)]).requires_grad


def test_an_answer_does_not_depend_on_the_pictures_beside_it() -> None:
    """Else a run that goes on from a checkpoint would differ from one that was never stopped."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 24, 5, 2), torch.nn.ReLU(), torch.nn.Conv2d(24, 16, 3))
    head = torch.nn.Linear(16, 50)

    def model(pixels: torch.Tensor) -> torch.Tensor:
        return head(layers(pixels / 255).mean((2, 3)))

    batch = torch.rand((8, 3, 40, 40)) * 255
    keys = [(n, False) for n in range(8)]
    together = Classification(model).answer(batch, keys)
    task = Classification(model)
    task.answer(batch[2:5], keys[2:5])
    assert torch.equal(task.answer(batch, keys), together)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"logits": torch.zeros(2, 5)}, "dict"),
        ((torch.zeros(2, 5),), "tuple"),
        (torch.zeros(2, 5, 1, 1), r"\(2, 5, 1, 1\)"),
        (torch.zeros(3, 5), r"\(3, 5\)"),
        (np.zeros((2, 5)), "ndarray"),
        (None, "NoneType"),
    ],
)
def test_a_model_that_does_not_give_logits_is_refused(output: Any, message: str) -> None:
    with pytest.raises(ModelError, match=rf"returned .*{message}.*expected logits of shape \(2, classes\)"):
        logits_of(lambda pixels: output, pictures(2))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_answers_that_are_not_numbers_are_refused(value: float) -> None:
    with pytest.raises(ModelError, match="NaN or infinite"):
        Classification(lambda pixels: torch.full((len(pixels), 5), value)).answer(pictures(1), [(0, False)])


@pytest.mark.parametrize(
    ("labels", "answers"), [([0], -0.1), ([0], 1.5), ([0], float("nan")), (None, 0.5), (None, 0.0)]
)
def test_a_weight_that_makes_no_sense_is_refused(labels: list[int] | None, answers: float) -> None:
    with pytest.raises(ParameterError, match=f"answers {answers}"):
        Classification(Counting(), labels, answers)


@pytest.mark.parametrize(("labels", "named"), [([0, 7], 7), ([-1, 3], -1), ([-2, 100], -2)])
def test_a_label_outside_the_models_classes_is_named(labels: list[int], named: int) -> None:
    task = Classification(Counting(), labels)
    answer = task.answer(pictures(2), [(0, False), (1, False)])
    with pytest.raises(DataError, match=f"label {named} is outside the model's {CLASSES} classes"):
        task.loss(answer, answer, [0, 1])
