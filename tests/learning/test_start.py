"""Where learning starts: sensitivities predict what errors cost, and the tables that follow are the best for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pictures import crops
from torch import Tensor, nn
from toys import Frequencies

from j4d.errors import ModelError
from j4d.images.image_set import ImageSet
from j4d.jpeg import decoding, encoding
from j4d.jpeg.coefficients import forward_dct, quantize
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters, Quantization
from j4d.learning.allocation import Allocation
from j4d.learning.optimizer import Optimizer
from j4d.learning.recipe import Recipe
from j4d.learning.selection import best_of, with_dead_zone
from j4d.learning.start import first_parameters, ready_made, sensitivity
from j4d.learning.task import Classification
from j4d.profile import lookup
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.simulation.transform import coefficients_to_pixels, pixels_to_coefficients

SEEN = [(0, 0), (0, 1), (2, 1)]


@pytest.fixture(scope="module")
def images(photographs: dict[str, np.ndarray]) -> ImageSet:
    return ImageSet.from_arrays(crops(list(photographs.values()), 64, 64, 24))


@pytest.fixture(scope="module")
def spectrum(images: ImageSet) -> Spectrum:
    return Spectrum.of(images, "4:4:4")


def test_squared_errors_are_those_of_encoded_pictures(images: ImageSet, spectrum: Spectrum) -> None:
    parameters = EncodingParameters.from_quality(40, "4:4:4")
    steps = [torch.from_numpy(t.astype(np.float32)) for t in (parameters.luma.steps, parameters.chroma.steps)]
    truth, blocks = np.zeros((2, 8, 8)), np.zeros(2)
    for image in images:
        exact, indices = forward_dct(image, "4:4:4"), quantize(image, parameters).planes
        for component, (c, k) in enumerate(zip(exact, indices, strict=True)):
            table = min(component, 1)
            step = parameters.chroma.steps if table else parameters.luma.steps
            truth[table] += ((c / 8 - k * step.astype(float)) ** 2).sum((0, 1))
            blocks[table] += k.shape[0] * k.shape[1]
    for table, error in enumerate(spectrum.squared_error(steps)):
        found = error.double().numpy()
        assert found[0, 0] == pytest.approx(blocks[table] * float(steps[table][0, 0]) ** 2 / 12)
        assert found[0, 0] == pytest.approx(truth[table][0, 0], rel=0.35), "DC phases are spread about evenly"
        np.testing.assert_allclose(found.ravel()[1:], truth[table].ravel()[1:], rtol=1e-3)


def test_a_sensitivity_predicts_the_divergence_that_small_errors_cause(images: ImageSet) -> None:
    model = Frequencies(SEEN, classes=8)
    lossless = EncodingParameters(np.ones((8, 8), np.int32), np.ones((8, 8), np.int32), "4:4:4")
    task = Classification(model)
    found = np.mean([sensitivity(images, task, lossless, seed=s).numpy() for s in range(4)], axis=0)
    unseen = np.ones((8, 8), bool)
    for frequency in SEEN:
        unseen[frequency] = False
    assert (found[0][unseen] < 1e-2 * found[0].max()).all() and (found[1] < 1e-2 * found[0].max()).all()
    generator, size = torch.Generator().manual_seed(0), 4.0
    for frequency in SEEN:
        total = 0.0
        for image in images:
            pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
            planes = pixels_to_coefficients(pixels, "4:4:4")
            planes[0][..., frequency[0], frequency[1]] += size * (
                2 * torch.randint(0, 2, planes[0].shape[:3], generator=generator) - 1
            )
            moved = coefficients_to_pixels(planes, "4:4:4", 64, 64, exact=False)
            p, q = (model(x).log_softmax(1) for x in (pixels, moved))
            total += float((p.exp() * (p - q)).sum()) / len(images)
        blocks = 64
        assert found[0][frequency] * size**2 * blocks == pytest.approx(total, rel=0.4)


def test_a_sensitivity_is_that_of_the_pictures_as_they_are_encoded(images: ImageSet) -> None:
    task = Classification(Frequencies([(0, 0), (5, 5)]))
    fine, coarse = (EncodingParameters.from_quality(q, "4:4:4") for q in (95, 3))
    assert not torch.allclose(sensitivity(images, task, fine)[0], sensitivity(images, task, coarse)[0], rtol=1e-3)


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0", "gray"])
def test_dead_zones_are_in_the_pictures_that_a_sensitivity_is_of(images: ImageSet, sampling: str) -> None:
    inner, seen = Frequencies([(0, 1)]), []

    def model(pixels: Tensor) -> Tensor:
        seen.append(pixels.detach())
        return inner(pixels)

    luma, chroma = np.full((8, 8), 0.4), np.full((8, 8), 0.1)
    default = EncodingParameters.from_quality(30, sampling)
    parameters = EncodingParameters(
        Quantization(default.luma.steps, luma), Quantization(default.chroma.steps, chroma), sampling, None
    )
    sensitivity(images, Classification(model), parameters)
    assert len(seen) == len(images)
    for image, pixels in zip(images, seen, strict=True):
        encoded, without = (
            decoding.decode(encoding.encode(image, p)).astype(np.float32) for p in (parameters, default)
        )
        decoders_rounding = np.abs(pixels[0].permute(1, 2, 0).numpy() - encoded).mean()
        assert decoders_rounding < 1 < np.abs(without - encoded).mean()


def test_a_sensitivity_is_computed_where_the_optimizer_is_told_to(images: ImageSet, spectrum: Spectrum) -> None:
    def model(pixels: Tensor) -> Tensor:
        raise RuntimeError(f"looked on {pixels.device.type}")

    default = EncodingParameters.from_quality(30, "4:4:4")
    for device in ("meta", "cpu"):
        optimizer = Optimizer(images, [Classification(model)], spectrum, RateModel(), Recipe(), device=device)
        with pytest.raises(ModelError, match=f"looked on {device}"):
            optimizer.start(default, 1.0, 0)


@pytest.mark.parametrize("rate_model", [RateModel(1.0, 0.5, 1.2, 800), RateModel(kind="symbols")])
def test_an_allocation_meets_its_rate_and_no_change_of_two_steps_is_better(
    rate_model: RateModel, spectrum: Spectrum
) -> None:
    weights = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(2)) + 0.01
    allocation = Allocation(spectrum, rate_model)

    def judged(luma: np.ndarray, chroma: np.ndarray) -> tuple[float, float]:
        steps = [torch.from_numpy(t.astype(np.float32)) for t in (luma, chroma)]
        errors = torch.stack(spectrum.squared_error(steps))
        parameters = EncodingParameters(luma, chroma, "4:4:4")
        return float((errors * weights).sum()), allocation.rate_model.bpp(spectrum, parameters)

    luma, chroma = allocation.steps(weights, 1.5)
    cost, bpp = judged(luma, chroma)
    assert bpp == pytest.approx(1.5, rel=0.02)
    ladder = [EncodingParameters.from_quality(quality, "4:4:4") for quality in range(40, 91, 2)]
    costs = [judged(p.luma.steps, p.chroma.steps)[0] for p in ladder if judged(p.luma.steps, p.chroma.steps)[1] > bpp]
    assert costs[0] > 1.05 * cost, "default JPEG at no lower rate costs more"
    rng = np.random.default_rng(0)
    better = 0
    for _ in range(60):
        finer, coarser = rng.integers(0, 8, 2), rng.integers(0, 8, 2)
        changed = luma.copy()
        changed[tuple(finer)] = max(1, round(luma[tuple(finer)] * 0.8))
        changed[tuple(coarser)] = min(255, round(luma[tuple(coarser)] * 1.25))
        new_cost, new_bpp = judged(changed, chroma)
        better += new_cost < cost * (1 - 1e-6) and new_bpp < bpp * (1 - 1e-6)
    # symbols' bits are not a sum over frequencies, and steps are found by their slopes: nearly none is better
    assert better <= (3 if rate_model.kind == "symbols" else 0)


@pytest.mark.parametrize("rate_model", [RateModel(), RateModel(kind="symbols")])
def test_gray_pictures_have_one_table(rate_model: RateModel, images: ImageSet) -> None:
    spectrum = Spectrum.of(images, "gray")
    luma, chroma = Allocation(spectrum, rate_model).steps(torch.ones(2, 8, 8), 1.0)
    np.testing.assert_array_equal(luma, chroma)
    assert rate_model.bpp(spectrum, EncodingParameters(luma, chroma, "gray")) == pytest.approx(1.0, rel=0.03)


def test_each_start_is_what_it_says(images: ImageSet, spectrum: Spectrum) -> None:
    model = Frequencies([(0, 1)])
    given: Any = (images, [Classification(model)], Allocation(spectrum, RateModel()))
    default = EncodingParameters.from_quality(30, "4:4:4")
    assert first_parameters(*given, "annex-k", default, 1.0) is default
    flat = first_parameters(*given, "flat", default, 1.0)
    assert (
        len(np.unique(flat.luma.steps)) == 1
        and default.luma.steps.min() < flat.luma.steps[0, 0] < default.luma.steps.max()
    )
    seen = first_parameters(*given, "sensitivity", default, 0.5)
    assert (np.delete(seen.luma.steps, 1) >= 15 * seen.luma.steps[0, 1]).all() and (
        seen.chroma.steps >= 15 * seen.luma.steps[0, 1]
    ).all()
    assert first_parameters(*given, "sensitivity", default, 0.5) == seen


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_ready_made_tables_have_the_rate_and_the_built_in_ones_come_with_best_alone(
    images: ImageSet, sampling: str
) -> None:
    allocation = Allocation(Spectrum.of(images, sampling), RateModel())
    default = EncodingParameters.from_quality(30, sampling)
    bpp = allocation.rate_model.bpp(allocation.spectrum, default)
    without = ready_made(allocation, "sensitivity", default, 30, bpp)
    *others, built_in = ready_made(allocation, "best", default, 30, bpp)
    assert others == without and without[0] == default
    assert all(p.sampling == sampling and p.trellis is None for p in (*others, built_in))
    assert allocation.rate_model.bpp(allocation.spectrum, built_in) == pytest.approx(bpp, rel=0.03)
    ladder = lookup.nearest_to(sampling).ladder
    steps = [np.log(p.luma.steps) for p in ladder.parameters]
    near = min(np.abs(np.log(built_in.luma.steps) - table).mean() for table in steps)
    assert near < min(np.abs(np.log(built_in.luma.steps) - np.log(p.luma.steps)).mean() for p in others), (
        "of the ladder's own shape"
    )


# The dead zone


class Stub:
    """Judges by a formula of (dead zone, mean luma step) in place of files."""

    def __init__(self, formula: Any) -> None:
        self.formula = formula

    def means(self, parameters: EncodingParameters) -> tuple[float, float]:
        zone = 0.0 if parameters.luma.dead_zone is None else float(parameters.luma.dead_zone[0, 1])
        return self.formula(zone, float(parameters.luma.steps.mean()))  # type: ignore[no-any-return]


def _optimizer(images: ImageSet, spectrum: Spectrum) -> Optimizer:
    model = nn.Identity()
    return Optimizer(images, [Classification(model)], spectrum, RateModel(), Recipe())


@pytest.mark.parametrize(
    ("formula", "best"),
    [
        (lambda zone, step: (0.01 * step + abs(zone - 0.08), 1.0), 0.08),
        (lambda zone, step: (0.001 * step + zone, 1.0), 0.0),
        # a little loss for a lot of rate: a bit is worth what scaling the steps shows, 0.01 nats for each 1 / step
        (lambda zone, step: (0.01 * step + 0.1 * zone, 1.0 - 2 * zone - 0.05 * step), 0.12),
        (lambda zone, step: (0.01 * step + 100 * zone, 1.0 - 2 * zone - 0.05 * step), 0.0),
    ],
)
def test_the_candidate_that_does_best_at_equal_rate_is_taken(
    formula: Any, best: float, images: ImageSet, spectrum: Spectrum
) -> None:
    parameters = EncodingParameters.from_quality(30, "4:4:4")
    judge: Any = Stub(formula)
    candidates = [with_dead_zone(parameters, zone) for zone in (0.0, 0.04, 0.08, 0.12)]
    assert best_of(_optimizer(images, spectrum), judge, candidates, 0.8) is candidates[round(best / 0.04)]


def test_a_single_candidate_is_taken_without_looking(images: ImageSet, spectrum: Spectrum) -> None:
    judge: Any = SimpleNamespace()
    parameters = EncodingParameters.from_quality(30, "4:4:4")
    assert best_of(_optimizer(images, spectrum), judge, [parameters], 0.8) is parameters


def test_a_dead_zone_leaves_dc_alone_and_zero_is_none() -> None:
    parameters = EncodingParameters.from_quality(30)
    zone = with_dead_zone(parameters, 0.1).chroma.dead_zone
    assert zone is not None and zone[0, 0] == 0 and (zone.ravel()[1:] == 0.1).all()
    assert with_dead_zone(with_dead_zone(parameters, 0.1), 0.0) == parameters


def test_a_drawn_loss_is_of_the_models_own_answer() -> None:
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1]])).repeat(4000, 1)
    loss: Tensor = Classification(nn.Identity()).drawn(logits, torch.Generator().manual_seed(0))
    shares = [(loss - value).abs().lt(1e-4).double().mean() for value in -torch.log(torch.tensor([0.7, 0.2, 0.1]))]
    assert torch.stack(shares).tolist() == pytest.approx([0.7, 0.2, 0.1], abs=0.03)
