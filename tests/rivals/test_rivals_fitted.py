"""Rivals that learn, each held to its paper: worked examples, limits, and what its formula promises."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pictures import crops
from torch import Tensor, nn
from toys import Frequencies as SomeFrequencies

from j4d import _core, evaluate
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.protocol import Codec
from j4d.images.image_set import ImageSet
from j4d.jpeg import encoding
from j4d.jpeg.coefficients import Coefficients, forward_dct, quantize, write_coefficients
from j4d.jpeg.parameters import EncodingParameters, Trellis
from j4d.jpeg.tables import ZIGZAG
from j4d.rivals import deepn_jpeg, registry
from j4d.rivals.deepn_jpeg import Mapping, deviations
from j4d.rivals.grace import steps, water_filled
from j4d.rivals.gradients import Frequencies, frequencies
from j4d.rivals.opts import laplacian_error, optimal_tables
from j4d.rivals.random_search import sorted_table
from j4d.rivals.registry import Learning
from j4d.rivals.soft_decision import with_soft_decisions
from j4d.rivals.swe import lagrangian_of
from j4d.simulation.transform import pixels_to_coefficients

SEEN = [(0, 0), (0, 1), (2, 1)]


@pytest.fixture(scope="module")
def images(photographs: dict[str, np.ndarray]) -> ImageSet:
    return ImageSet.from_arrays(crops(list(photographs.values()), 64, 64, 16))


@pytest.fixture(scope="module")
def learning(images: ImageSet) -> Learning:
    return Learning(SomeFrequencies(SEEN, classes=8).eval(), images)


# Gradients


class OneFrequency(nn.Module):
    """Two logits, 0 and weight x the sum of one luma frequency over the blocks: every gradient is known."""

    def __init__(self, weight: float, frequency: tuple[int, int]) -> None:
        super().__init__()
        self.weight, self.frequency = weight, frequency

    def forward(self, pixels: Tensor) -> Tensor:
        (luma,) = pixels_to_coefficients(pixels, "gray", exact=False)
        total = self.weight * luma[..., self.frequency[0], self.frequency[1]].sum((1, 2))
        return torch.stack([torch.zeros_like(total), total], 1)


def test_gradients_are_those_of_the_cross_entropy_at_the_originals(images: ImageSet) -> None:
    model = OneFrequency(0.003, (1, 2)).train()
    few = [image // 2 + 64 for image in images.subset(range(5))]  # nothing is clipped
    labels = np.array([0, 1, 1, 0, 1])
    c = np.stack([forward_dct(image, "gray")[0] for image in few]) / 8
    p = 1 / (1 + np.exp(-0.003 * c[..., 1, 2].sum((1, 2))))
    for given_labels in (labels, None):
        wanted = labels if given_labels is not None else (p > 0.5)
        slope = 0.003 * np.abs(p - wanted)
        found = frequencies(Learning(model, ImageSet.from_arrays(few, given_labels)), "gray")
        assert found.gradient[0, 1, 2] == pytest.approx(slope.mean(), rel=0.02)
        assert found.sensitivity[0, 1, 2] == pytest.approx((slope**2).mean(), rel=0.02)
        assert np.delete(found.gradient[0].ravel(), 10).max() < 0.02 * slope.mean()
        np.testing.assert_allclose(found.magnitude[0], np.abs(c).mean((0, 1, 2)), rtol=1e-5)
        np.testing.assert_allclose(found.peak[0], np.abs(c).max((0, 1, 2)), rtol=1e-5)
    assert model.training, "the model is as it was"


# DeepN-JPEG


def test_deepn_jpegs_published_mapping() -> None:
    """Liu et al. 2018: a, b, c = 255, 80, 240; k = 9.75, 1, 3; T = 20, 60; at least 5."""
    deviation = [0, 10, 20, 20.5, 40, 60, 70, 78, 500]
    np.testing.assert_allclose(Mapping().steps(deviation), [255, 157.5, 60, 59.5, 40, 20, 30, 6, 5])


def test_breakpoints_fitted_to_imagenets_ends_of_the_groups_give_the_published_mapping() -> None:
    """With the 6th and 7th deviation around 60 and the 28th and 29th around 20, all is the paper's but c."""
    ordered = np.concatenate((np.linspace(200, 61, 6), np.linspace(59, 21, 22), np.linspace(19, 1, 36)))
    fitted, published = Mapping.fitted(np.random.default_rng(0).permutation(ordered)), Mapping()
    for name in ("a", "b", "t1", "t2", "k1", "k2", "k3", "least"):
        assert getattr(fitted, name) == pytest.approx(getattr(published, name)), name
    assert fitted.c == pytest.approx(200)
    line = fitted.steps(np.linspace(0, 300, 3001))
    assert (np.diff(line) <= 0).all() and np.abs(np.diff(line)).max() < 1, "continuous, no step grows with deviation"


def test_deviations_are_those_of_all_blocks(images: ImageSet) -> None:
    few = images.subset(range(3))
    planes = [forward_dct(image, "4:2:0") for image in few]
    for table, members in enumerate(([0], [1, 2])):
        blocks = np.concatenate([p[m].reshape(-1, 64) for p in planes for m in members]) / 8
        np.testing.assert_allclose(deviations(few, "4:2:0")[table].ravel(), blocks.std(0), rtol=1e-6)


def test_deepn_jpeg_scales_its_mapping_to_other_rates(learning: Learning) -> None:
    made = registry.make("deepn-jpeg", sampling="4:4:4", learning=learning, rates=[1.2])
    base = Mapping(**made.constants["mapping"]).steps(deepn_jpeg.deviations(learning.images, "4:4:4"))
    for setting, factor in zip(made.settings, made.constants["factor"], strict=True):
        point = made.parameters(setting)
        np.testing.assert_array_equal(
            np.stack([point.luma.steps, point.chroma.steps]), np.rint((base * factor).clip(1, 255))
        )


# GRACE


def test_graces_budget_is_shared_evenly_but_for_frequencies_that_cannot_take_their_share() -> None:
    most = np.array([10.0, 1.0, 2.0, 5.0])
    for budget, filled in [(4, [1, 1, 1, 1]), (9, [3, 1, 2, 3]), (13, [5, 1, 2, 5]), (15, [7, 1, 2, 5])]:
        np.testing.assert_allclose(water_filled(most, budget), filled)
    np.testing.assert_allclose(water_filled(most, 18), most)


@given(hnp.arrays(np.float64, 12, elements=st.floats(1e-3, 1e3)), st.floats(0.01, 1))
@settings(max_examples=40)
def test_graces_steps_spend_the_budget_and_no_other_steps_within_it_are_coarser(
    gradient: np.ndarray, share: float
) -> None:
    """The rate falls by log q for each frequency, so the product of the steps is what a budget should buy."""
    peak = np.random.default_rng(1).uniform(1, 900, 12)
    budget = share * float((gradient * peak).sum())
    q = steps(gradient, peak, budget)
    assert (gradient * q / 2).sum() == pytest.approx(budget) and (q <= 2 * peak * (1 + 1e-9)).all()
    rng = np.random.default_rng(2)
    for _ in range(20):
        other = np.minimum(q * np.exp(rng.normal(0, 0.3, 12)), 2 * peak)
        other *= min(1.0, budget / float((gradient * other / 2).sum()))
        assert np.log(other).sum() <= np.log(q).sum() + 1e-9


# OptS


@pytest.mark.parametrize(("q", "mean"), [(1, 20), (16, 10), (16, 3), (200, 30)])
def test_optss_error_is_that_of_a_rounded_laplacian(q: float, mean: float) -> None:
    width = mean / 2000
    x = np.arange(width / 2, 40 * mean, width)
    density = np.exp(-x / mean) / mean * width
    assert laplacian_error(q, mean) == pytest.approx(((x - np.floor(x / q + 0.5) * q) ** 2 * density).sum(), rel=1e-3)


def test_optss_error_has_the_limits_of_fine_and_coarse_steps() -> None:
    assert laplacian_error(0.1, 50) == pytest.approx(0.01 / 12, rel=1e-3)
    assert laplacian_error(255, 2) == pytest.approx(8, rel=1e-6)


def test_optss_steps_are_the_largest_that_keep_within_the_level() -> None:
    rng = np.random.default_rng(0)
    found = Frequencies(*(np.exp(rng.normal(0, 2, (2, 8, 8))) * scale for scale in (1e-4, 1e-8, 10, 100)))
    level = 3e-7
    tables, allowed = np.stack(optimal_tables(found, level)), level / found.sensitivity
    errors, more = (laplacian_error(tables + extra, found.magnitude) for extra in (0, 1))
    ac = np.ones((2, 8, 8), bool)
    ac[:, 0, 0] = False
    assert (errors <= allowed)[ac & (tables > 1)].all() and (more > allowed)[ac & (tables < 255)].all()
    assert {1, 255} < set(tables[ac]), "some at either end"
    np.testing.assert_array_equal(tables[:, 0, 0], np.floor(np.sqrt(12 * allowed[:, 0, 0])).clip(1, 255))


def test_where_steps_are_small_optss_are_the_inverse_of_the_root_of_the_sensitivity() -> None:
    sensitivity = np.exp(np.random.default_rng(0).uniform(-7, -3, (2, 8, 8)))
    found = Frequencies(sensitivity, sensitivity, np.full((2, 8, 8), 1e4), np.full((2, 8, 8), 1e5))
    np.testing.assert_allclose(optimal_tables(found, 1.0), np.sqrt(12 / sensitivity), atol=1)


# Soft decisions


def symbols(block: np.ndarray) -> Iterator[int]:
    """AC symbols, run and size, of one block (64,) in zigzag order."""
    run = 0
    for k in np.abs(block[1:]).tolist():
        if not k:
            run += 1
            continue
        yield from [0xF0] * (run // 16)
        yield run % 16 * 16 + k.bit_length()
        run = 0
    if run:
        yield 0


def bits_of(block: np.ndarray, lengths: np.ndarray) -> float:
    """AC bits of one block: codes, and as many bits as the size says."""
    return sum(float(lengths[symbol]) + symbol % 16 for symbol in symbols(block))


@given(st.integers(0, 2**32), st.floats(1e-3, 30))
@settings(max_examples=60)
def test_no_other_indices_of_a_block_cost_less_than_soft_decisions(seed: int, lagrangian: float) -> None:
    """In the paper's own unit, weighted error of coefficients + lambda bits, for given code lengths."""
    rng = np.random.default_rng(seed)
    steps, weights = rng.integers(1, 60, (2, 8, 8)), rng.uniform(0.1, 2, (2, 8, 8)) / 100
    c = rng.uniform(-0.49, 0.49, 64) * (step := steps[0].ravel()[ZIGZAG].astype(float))
    places = np.append(rng.choice(np.arange(1, 63), 4, replace=False), 63)
    c[places] = rng.uniform(-3, 3, 5) * step[places]
    nearest = (np.sign(c) * np.floor(np.abs(c) / step + 0.5)).astype(int)
    lengths = rng.integers(1, 17, 256)

    def cost(block: np.ndarray) -> float:
        error = weights[0].ravel()[ZIGZAG] * (c - block * step) ** 2
        return float(error[1:].sum()) + lagrangian * bits_of(block, lengths)

    soft = with_soft_decisions(EncodingParameters(*steps), weights, lagrangian)
    assert soft.trellis == Trellis(1.0) and soft.luma.weights is not None
    in_bits = (soft.luma.weights.ravel()[ZIGZAG] * 65536).astype(int).tolist()
    magnitudes = np.rint(1024 * np.abs(c) / step).astype(int).tolist()
    found = np.array(_core.choose_indices(nearest.tolist(), magnitudes, in_bits, bytes(lengths.tolist())))
    assert found[0] == nearest[0]
    nonzero = np.flatnonzero(nearest[1:]) + 1
    sign, most = np.sign(nearest[nonzero]), np.abs(nearest[nonzero])
    least = math.inf
    for choice in itertools.product(*({0, int(k) - 1, int(k)} for k in most)):
        block = nearest.copy()
        block[nonzero] = sign * np.array(choice, int)
        least = min(least, cost(block))
    assert cost(found) == pytest.approx(least, rel=1e-3, abs=0.01 * lagrangian)


def test_soft_decisions_cost_less_than_rounding_and_a_free_bit_changes_nothing(images: ImageSet) -> None:
    image, parameters = images[0], EncodingParameters.from_quality(60)
    weights = np.random.default_rng(0).uniform(0.5, 2, (2, 8, 8))
    exact, hard = forward_dct(image, "4:2:0"), quantize(image, parameters)

    def chosen(lagrangian: float) -> Coefficients:
        return quantize(image, with_soft_decisions(parameters, weights, lagrangian))

    def cost(coefficients: Coefficients, lagrangian: float) -> float:
        error = sum(
            float((weights[min(i, 1)] * (c / 8 - k * np.array(q)) ** 2).sum())
            for i, (c, k, q) in enumerate(zip(exact, coefficients.planes, coefficients.tables, strict=True))
        )
        return error + lagrangian * 8 * len(write_coefficients(coefficients))

    assert cost(chosen(1e-9), 0) == pytest.approx(cost(hard, 0), rel=1e-3), "but for what is next to a tie"
    for lagrangian in (10.0, 30.0, 100.0):
        soft = chosen(lagrangian)
        assert cost(soft, lagrangian) < 0.995 * cost(hard, lagrangian)
        assert all((np.abs(a) <= np.abs(b)).all() for a, b in zip(soft.planes, hard.planes, strict=True))
    for k, nearest in zip(chosen(1e9).planes, hard.planes, strict=True):
        np.testing.assert_array_equal(k[..., 0, 0], nearest[..., 0, 0])
        assert not k.reshape(-1, 64)[:, 1:].any()


def test_the_files_of_soft_decisions_are_those_of_their_configuration(learning: Learning) -> None:
    made = registry.make("opts-sdq", sampling="4:2:0", learning=learning, rates=[0.8])
    again, image = registry.from_config(json.loads(json.dumps(made.get_config()))), learning.images[0]
    (setting,) = made.settings
    assert again.encode(image, setting) == made.encode(image, setting)
    assert made.encode(image, setting) != encoding.encode(image, made.parameters(setting), effort=0)


def test_a_bit_is_worth_what_the_high_rate_theory_says() -> None:
    """With one weighted error s q^2 / 12 for all, dD/dR = -2 ln 2 D."""
    sensitivity = np.full((2, 8, 8), 4e-6)
    flat = np.full((8, 8), 12, np.int32)
    found = lagrangian_of(EncodingParameters(flat, flat), sensitivity, np.full((2, 8, 8), 50.0), 1.0)
    assert found == pytest.approx(2 * math.log(2) * 4e-6 * 12)


# Random search


def test_sorted_tables_grow_along_the_zigzag_between_any_two_ends() -> None:
    tables = [sorted_table(np.random.default_rng(seed)).ravel()[ZIGZAG] for seed in range(300)]
    assert all((np.diff(table) >= 0).all() for table in tables)
    assert min(t[0] for t in tables) < 10 and max(t[0] for t in tables) > 150
    assert min(t[-1] for t in tables) < 60 and max(t[-1] for t in tables) > 250


def test_a_longer_search_never_ends_worse_and_the_seed_decides(learning: Learning) -> None:
    def searched(evaluations: int) -> Codec:
        return registry.make("random-search", sampling="4:4:4", learning=learning, rates=[1.2], evaluations=evaluations)

    short, long = searched(1), searched(6)
    assert long.constants["loss"] < short.constants["loss"]
    assert searched(1).get_config() == short.get_config()


# What all that look at the model promise


@pytest.mark.parametrize("name", ["inverse-sensitivity", "grace", "opts", "swe", "opts-sdq"])
def test_a_rival_meets_its_rates_and_keeps_a_models_answers_better_than_default_jpeg(
    name: str, learning: Learning
) -> None:
    made = registry.make(name, sampling="4:4:4", learning=learning, rates=[1.2])
    result = evaluate(
        learning.model, learning.images, codecs=[DefaultJPEG([10, 30, 60, 85], sampling="4:4:4"), made], bootstrap=1
    )
    default, rival = ((result.bpp(c).mean(1), c.metrics["kl"].mean(1)) for c in result.codecs)
    close = 0.12 if name == "swe" else 0.05
    np.testing.assert_allclose(rival[0], 1.2, rtol=close)
    np.testing.assert_allclose([made.estimated_bpp(s) for s in made.settings], rival[0], rtol=close)
    at_equal_rate = np.exp(np.interp(np.log(rival[0]), np.log(default[0]), np.log(default[1])))
    assert (rival[1] < (0.9 if name == "swe" else 0.5) * at_equal_rate).all()
