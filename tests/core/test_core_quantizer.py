"""The native quantizer: its law, its limit, its random numbers, and that nothing but the seed moves them."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from j4d import _core
from j4d.jpeg import encoding
from j4d.jpeg.coefficients import forward_dct, quantize
from j4d.jpeg.parameters import EncodingParameters, Quantization

NO_DEAD_ZONE = np.zeros((8, 8))


def pmf(u: float, sharpness: float, dead_zone: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Indices and their probabilities by the formula, over far more indices than matter."""
    k = np.arange(math.floor(u) - 30, math.ceil(u) + 31)
    energy = (u - k) ** 2 + 2 * dead_zone * np.abs(k)
    weight = np.exp(-sharpness * (energy - energy.min()))
    return k, weight / weight.sum()


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-7 as the paper defines it, in plain integers."""
    mask = 2**32 - 1
    for _ in range(7):
        left, right = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [
            (right >> 32) ^ counter[1] ^ key[0],
            right & mask,
            (left >> 32) ^ counter[3] ^ key[1],
            left & mask,
        ]
        key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
    return counter


def sample(u: float, step: int, sharpness: float, dead_zone: float, count: int, seed: int) -> np.ndarray:
    """`count` indices drawn for the coefficient u x step at all 64 frequencies alike; u x step x 8 is an integer."""
    plane = np.full((count // 64, 1, 8, 8), round(8 * u * step), np.int16)
    steps = np.full((8, 8), step, np.int32)
    return _core.quantize(plane, steps, np.full((8, 8), dead_zone), sharpness, seed, 0).ravel()


def test_philox_gives_its_published_answers() -> None:
    # Random123 1.14, kat_vectors, philox4x32 7.
    answers = [0x5F6FB709, 0x0D893F64, 0x4F121F81, 0x4F730A48]
    assert philox([0] * 4, [0] * 2) == answers


@given(st.integers(0, 2**64 - 1), st.integers(0, 2), st.integers(0, 2**32 - 1), st.integers(0, 63))
def test_the_random_number_is_philox_of_seed_component_block_frequency(
    seed: int, component: int, block: int, frequency: int
) -> None:
    word = 0
    for part in (0, 1):
        pair = philox([block, component, frequency // 8, part], [seed % 2**32, seed >> 32])[frequency % 8 // 2]
        word = word << 16 | (pair >> 16 if frequency % 2 else pair & 0xFFFF)
    assert _core.uniform(seed, component, block, frequency) == (word + 0.5) / 2**32


@pytest.mark.parametrize("sharpness", [2.0, 5.0, 8.0, 20.0])
@pytest.mark.parametrize("dead_zone", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("u", [0.0, 0.25, -0.5, 0.5625, -1.4375, 7.5, -100.125])
def test_sampled_indices_follow_the_pmf(u: float, sharpness: float, dead_zone: float) -> None:
    drawn = sample(u, 2, sharpness, dead_zone, 128_000, seed=1)
    k, probability = pmf(u, sharpness, dead_zone)
    expected = probability * len(drawn)
    common = expected >= 5
    observed = np.array([(drawn == index).sum() for index in k])
    rare = (observed[~common].sum(), expected[~common].sum())
    assert rare[0] <= rare[1] + 5 * math.sqrt(rare[1]) + 2
    observed, expected = observed[common], expected[common]
    if len(observed) > 1:
        assert chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-4


@pytest.mark.parametrize("dead_zone", [0.0, 0.3])
def test_the_mean_over_seeds_is_the_soft_value(dead_zone: float, rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (8, 8), dtype=np.uint8)
    steps, zones = rng.integers(20, 200, (8, 8)), np.full((8, 8), dead_zone)
    parameters = EncodingParameters(Quantization(steps, zones), Quantization(steps, zones), "gray", 5.0)
    count = 10_000
    total = sum(quantize(image, parameters, seed=seed).planes[0][0, 0].astype(int) for seed in range(count))
    coefficients = forward_dct(image, "gray")[0][0, 0] / 8
    for row, column in product(range(8), repeat=2):
        step = steps[row, column]
        k, probability = pmf(coefficients[row, column] / step, 5.0, dead_zone)
        soft = (probability * k * step).sum()
        spread = math.sqrt((probability * (k * step - soft) ** 2).sum() / count)
        assert abs(total[row, column] * step / count - soft) <= 4.5 * spread + 1e-3 * step


@given(st.floats(0.5, 50), st.floats(0, 0.5), st.integers(-8192, 8192), st.integers(1, 255), st.integers(0, 2**64 - 1))
def test_each_index_is_where_the_cumulative_pmf_passes_the_random_number(
    sharpness: float, dead_zone: float, coefficient: int, step: int, seed: int
) -> None:
    plane = np.full((1, 2, 8, 8), coefficient, np.int16)
    zones = np.full((8, 8), dead_zone)
    drawn = _core.quantize(plane, np.full((8, 8), step, np.int32), zones, sharpness, seed, 1)
    u = coefficient / (8 * step)
    likeliest = int(np.sign(u)) * max(0, math.floor(abs(u) + (0.5 - dead_zone)))
    k = np.arange(likeliest - 2, likeliest + 3)
    energy = (u - k) ** 2 + 2 * dead_zone * np.abs(k)
    for block, frequency in product(range(2), range(1, 64)):
        legal = np.abs(k) <= 1023
        if not legal[2]:
            continue  # outside what pixels can give
        weight = np.where(legal, np.exp(-sharpness * (energy - energy[legal].min())), 0)
        passed = np.cumsum(weight / weight.sum())
        uniform = _core.uniform(seed, 1, block, frequency)
        index = drawn[0, block].flat[frequency]
        if np.abs(passed - uniform).min() > 1e-12:
            assert index == k[np.searchsorted(passed, uniform)]


@given(st.floats(0, 0.5), st.integers(1, 255), st.integers(0, 1000))
def test_the_deterministic_limit_is_the_formula(dead_zone: float, step: int, seed: int) -> None:
    plane = np.random.default_rng(seed).integers(-8192, 8192, (2, 2, 8, 8)).astype(np.int16)
    steps, zones = np.full((8, 8), step, np.int32), np.full((8, 8), dead_zone)
    u = plane / (8 * step)
    expected = np.sign(u) * np.maximum(0, np.floor(np.abs(u) + (0.5 - dead_zone)))
    expected[..., 0, 0] = np.clip(expected[..., 0, 0], -1024, 1023)
    expected = np.where(np.arange(64).reshape(8, 8) > 0, np.clip(expected, -1023, 1023), expected)
    assert np.array_equal(_core.quantize(plane, steps, zones, math.inf, 0, 0), expected)


def test_great_sharpness_is_the_deterministic_limit(photographs: dict[str, np.ndarray]) -> None:
    image = photographs["chelsea"][:96, :96]
    for zones in (None, np.full((8, 8), 0.23)):
        tables = EncodingParameters.from_quality(40)
        sharp = EncodingParameters(
            Quantization(tables.luma.steps, zones), Quantization(tables.chroma.steps, zones), "4:2:0", 1e9
        )
        drawn, nearest = quantize(image, sharp, seed=3), quantize(image, sharp, deterministic=True)
        for a, b, coefficients, steps in zip(
            drawn.planes, nearest.planes, forward_dct(image, "4:2:0"), drawn.tables, strict=True
        ):
            zone = 0.0 if zones is None else 0.23
            tie = np.abs((np.abs(coefficients) / (8 * steps) - zone) % 1 - 0.5) < 1e-6
            assert np.array_equal(a[~tie], b[~tie])


def test_indices_never_leave_the_range_of_baseline_files() -> None:
    for value in (-8192, 8184, 8100, -8100):
        plane = np.full((40, 40, 8, 8), value, np.int16)
        drawn = _core.quantize(plane, np.ones((8, 8), np.int32), NO_DEAD_ZONE, 0.05, 0, 0).astype(int)
        dc, ac = drawn[:, :, 0, 0], drawn.reshape(-1, 64)[:, 1:]
        assert dc.min() >= -1024 and dc.max() <= 1023 and np.abs(ac).max() <= 1023
        assert np.sign(drawn).min() == np.sign(drawn).max() == np.sign(value)


def test_same_seed_same_bytes_and_other_seeds_other_bytes(photographs: dict[str, np.ndarray]) -> None:
    image = photographs["rocket"]
    tables = EncodingParameters.from_quality(30)
    parameters = EncodingParameters(tables.luma.steps, tables.chroma.steps, "4:2:0", 8.0)
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda seed: encoding.encode(image, parameters, seed=seed), [5, 6, 5, 2**32 + 5]))
    assert files[0] == files[2] == encoding.encode(image, parameters, seed=5)
    assert len(set(files)) == 3
    certain = [encoding.encode(image, parameters, seed=seed, deterministic=True) for seed in (5, 6)]
    assert certain[0] == certain[1] == encoding.encode(image, tables)


def test_a_blocks_indices_depend_on_its_number_alone(rng: np.random.Generator) -> None:
    plane = rng.integers(-800, 800, (6, 5, 8, 8)).astype(np.int16)
    steps = np.full((8, 8), 20, np.int32)
    whole = _core.quantize(plane, steps, NO_DEAD_ZONE, 3.0, 9, 2)
    assert np.array_equal(_core.quantize(plane[:2], steps, NO_DEAD_ZONE, 3.0, 9, 2), whole[:2])
    as_row = _core.quantize(plane.reshape(1, 30, 8, 8), steps, NO_DEAD_ZONE, 3.0, 9, 2)
    assert np.array_equal(as_row.reshape(plane.shape), whole)
    assert not np.array_equal(_core.quantize(plane, steps, NO_DEAD_ZONE, 3.0, 9, 1), whole)
