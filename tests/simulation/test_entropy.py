"""Rate: marginals and entropies against brute force, their gradients, and the indices that files really hold."""

from __future__ import annotations

import math

import dense
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import batch, crops

from j4d.errors import DataError
from j4d.jpeg.coefficients import forward_dct, quantize
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters
from j4d.rate.spectrum import Spectrum
from j4d.simulation.entropy import batch_bits, dc_differences, difference_bits, index_bits
from j4d.simulation.quantizer import nearest
from j4d.simulation.transform import pixels_to_coefficients, subsampling

SEEDS = st.integers(0, 2**32 - 1)


def random_case(seed: int, count: int) -> tuple[torch.Tensor, ...]:
    """Samples (count, 8, 8) within 12 steps, steps, dead zones, weights; float64."""
    rng = np.random.default_rng(seed)
    step = np.exp(rng.uniform(0, math.log(255), (8, 8)))
    samples = np.clip(rng.standard_t(2, (count, 8, 8)), -12, 12) * step
    arrays = (samples, step, rng.uniform(0, 0.5, (8, 8)), rng.uniform(0.1, 3, samples.shape))
    return tuple(torch.from_numpy(x) for x in arrays)


def coded_bits(symbols: np.ndarray) -> float:
    """Entropy of |k| over all symbols and one sign bit for each that is not zero, in bits in all."""
    return float(dense.entropy(np.bincount(np.abs(symbols))) * len(symbols) + (symbols != 0).sum())


@settings(max_examples=30)
@given(SEEDS, st.floats(2.5, 80), st.booleans(), st.booleans())
def test_index_bits_are_the_dense_entropy(seed: int, kappa: float, with_zone: bool, weighted: bool) -> None:
    samples, step, zone, weights = random_case(seed, 40)
    ours = index_bits(samples, step, kappa, zone if with_zone else None, weights if weighted else None)
    expected = dense.index_bits(
        samples.numpy(), step.numpy(), kappa, zone.numpy() if with_zone else 0.0, weights.numpy() if weighted else None
    )
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kappa", [1.5, 6.0, 20.0])
@pytest.mark.parametrize("with_zone", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradcheck_of_index_bits(kappa: float, with_zone: bool, weighted: bool) -> None:
    samples, step, zone, weights = random_case(3, 5)
    inputs = [samples, step, torch.tensor(kappa).double(), *([zone] if with_zone else [])]

    def bits(samples: torch.Tensor, step: torch.Tensor, kappa: torch.Tensor, *zone: torch.Tensor) -> torch.Tensor:
        return index_bits(samples, step, kappa, *(zone or (None,)), weights if weighted else None)

    assert torch.autograd.gradcheck(bits, [x.requires_grad_() for x in inputs], eps=1e-6, atol=1e-5, rtol=1e-4)


def test_gradcheck_of_difference_bits() -> None:
    rng = np.random.default_rng(4)
    differences, weights = (torch.from_numpy(x) for x in (rng.laplace(0, 40, 60), rng.uniform(0.1, 3, 60)))
    step = torch.tensor(7.3, dtype=torch.float64)
    for weight in (None, weights):
        inputs = [x.requires_grad_() for x in (differences, step)]
        assert torch.autograd.gradcheck(lambda d, s, w=weight: difference_bits(d, s, w), inputs, atol=1e-5)


@settings(max_examples=30)
@given(SEEDS, st.floats(0.5, 60))
def test_difference_bits_average_over_the_phase_of_the_grid(seed: int, step: float) -> None:
    """Between two coefficients u steps apart, the indices differ by |u| on average over where the grid lies."""
    differences = np.random.default_rng(seed).laplace(0, 50, 20)
    phases = (np.arange(4000) + 0.5) / 4000
    u = differences[:, None] / step
    levels = np.abs(np.floor(phases + u) - np.floor(phases)).astype(int)
    expected = dense.entropy(np.bincount(levels.ravel())) * len(differences) + (levels > 0).mean(1).sum()
    ours = difference_bits(torch.from_numpy(differences), torch.tensor(step, dtype=torch.float64))
    assert float(ours) == pytest.approx(expected, rel=2e-2, abs=0.1)


def test_weights_count_samples() -> None:
    samples, step, zone, _ = random_case(5, 30)
    twice = index_bits(torch.cat((samples, samples[:10])), step, 5.0, zone)
    weights = torch.ones_like(samples)
    weights[:10] = 2
    torch.testing.assert_close(index_bits(samples, step, 5.0, zone, weights), twice)
    d, s = samples[:, 0, 0], step[0, 0]
    torch.testing.assert_close(difference_bits(d, s, weights[:, 0, 0]), difference_bits(torch.cat((d, d[:10])), s))


def scan_order_differences(dc: np.ndarray, sampling: str, component: int) -> list[float]:
    """What an interleaved scan codes, block by block, for one component's DC (By, Bx), as libjpeg fills its MCUs:
    a block outside the picture repeats the DC of the block coded before it."""
    v, h = subsampling(sampling) if component == 0 else (1, 1)
    rows, columns = dc.shape
    coded = [0.0]
    for top in range(0, rows, v):
        for left in range(0, columns, h):
            for row in range(top, top + v):
                for column in range(left, left + h):
                    coded.append(float(dc[row, column]) if row < rows and column < columns else coded[-1])
    return list(np.diff(coded))


@given(st.sampled_from(SAMPLINGS), st.integers(1, 7), st.integers(1, 7), st.integers(0, 2), SEEDS)
def test_dc_differences_are_those_of_the_scan(
    sampling: str, rows: int, columns: int, component: int, seed: int
) -> None:
    plane = torch.from_numpy(np.random.default_rng(seed).integers(-1024, 1017, (2, rows, columns, 8, 8))).double()
    expected = [scan_order_differences(image[..., 0, 0].numpy(), sampling, component) for image in plane]
    assert dc_differences(plane, sampling, component).tolist() == [d for image in expected for d in image]


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("quality", [15, 50, 85])
def test_at_great_sharpness_the_estimate_is_the_entropy_of_the_indices_in_the_file(
    sampling: str, quality: int, photographs: dict[str, np.ndarray]
) -> None:
    image, parameters = photographs["coffee"], EncodingParameters.from_quality(quality, sampling)
    written = quantize(image, parameters, deterministic=True)
    steps = [torch.tensor(t).float() for t in (parameters.luma.steps, parameters.chroma.steps)]
    estimates = batch_bits(pixels_to_coefficients(batch(image), sampling), sampling, steps, 80.0)
    for table, members in enumerate((written.planes[:1], written.planes[1:])):
        if not members:
            continue
        blocks = np.concatenate([plane.reshape(-1, 64) for plane in members])
        ac = sum(coded_bits(blocks[:, frequency]) for frequency in range(1, 64))
        dc = coded_bits(
            np.concatenate([scan_order_differences(p[..., 0, 0], sampling, table) for p in members]).astype(int)
        )
        assert float(estimates[table].ac.sum()) == pytest.approx(ac, rel=0.01)
        assert float(estimates[table].dc) == pytest.approx(dc, rel=0.02)
        assert estimates[table].ac[0, 0] == 0


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_dead_zone_lowers_the_rate_as_it_does_in_files(sampling: str, photographs: dict[str, np.ndarray]) -> None:
    planes = pixels_to_coefficients(batch(photographs["coffee"]), sampling)
    step, zone = torch.full((8, 8), 20.0), torch.full((8, 8), 0.2)
    plain, zoned = (batch_bits(planes, sampling, [step, step], 80.0, [d, d]) for d in (None, zone))
    for table, (a, b) in enumerate(zip(plain, zoned, strict=True)):
        flat = torch.cat([p.reshape(-1, 8, 8) for p in (planes[:1], planes[1:])[table]])
        indices = nearest(flat, step, zone).long().reshape(-1, 64).numpy()
        expected = sum(coded_bits(indices[:, frequency]) for frequency in range(1, 64))
        assert float(b.ac.sum()) == pytest.approx(expected, rel=0.02)
        assert b.ac.sum() < 0.9 * a.ac.sum() and b.dc == a.dc


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("kappa", [5.0, 20.0])
def test_a_spectrum_has_the_bits_and_gradients_of_the_images_it_was_made_of(
    sampling: str, kappa: float, photographs: dict[str, np.ndarray]
) -> None:
    images = crops(list(photographs.values()), 93, 110, 8)
    spectrum = Spectrum.of(images, sampling)
    assert (spectrum.images, spectrum.pixels) == (8, 8 * 93 * 110)
    assert spectrum.blocks == 8 * sum(plane[..., 0, 0].size for plane in forward_dct(images[0], sampling))
    parameters = EncodingParameters.from_quality(75, sampling)  # fine steps ask most of the bins
    planes = pixels_to_coefficients(batch(*images), sampling)
    results = []
    for bits_of in (spectrum.bits, lambda *args: batch_bits(planes, sampling, *args)):
        steps = [torch.tensor(t).float().requires_grad_() for t in (parameters.luma.steps, parameters.chroma.steps)]
        zones = [torch.full((8, 8), 0.1, requires_grad=True) for _ in range(2)]
        tables = bits_of(steps, kappa, zones)
        sum(t.total for t in tables).backward()
        results.append((tables, [x.grad for x in (*steps, *zones)]))
    (ours, gradients), (theirs, expected) = results
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.ac, b.ac, rtol=1e-4, atol=0.1)
        torch.testing.assert_close(a.dc, b.dc, rtol=1e-4, atol=0.1)
    for a, b in zip(gradients, expected, strict=True):
        if b is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=3e-2 * float(b.abs().max()))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_counting_each_magnitude_once_changes_nothing(sampling: str, photographs: dict[str, np.ndarray]) -> None:
    planes = pixels_to_coefficients(batch(*crops(list(photographs.values()), 45, 61, 3)), sampling)
    results = []
    for on_grid in (False, True):
        parameters = [torch.full((8, 8), x, requires_grad=True) for x in (7.0, 12.0, 0.1, 0.2)]
        kappa = torch.tensor(6.0, requires_grad=True)
        tables = batch_bits(planes, sampling, parameters[:2], kappa, parameters[2:], on_grid=on_grid)
        sum(t.total for t in tables).backward()
        results.append([*(t.ac for t in tables), *(t.dc for t in tables), kappa.grad, *(p.grad for p in parameters)])
    for a, b in zip(*results, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4 * float(b.detach().abs().max()))


def test_a_spectrum_pools_images_of_any_sizes(photographs: dict[str, np.ndarray]) -> None:
    images = [photographs["coffee"][:1, :1], photographs["rocket"][:40, :9], photographs["chelsea"][:64, :64]]
    spectrum = Spectrum.of(iter(images), "4:2:0")
    assert (spectrum.images, spectrum.pixels, spectrum.blocks) == (3, 1 + 360 + 4096, 3 + (10 + 3 * 2) + (64 + 2 * 16))
    step = torch.full((8, 8), 10.0)
    both = spectrum.bits([step, step], 8.0)
    parts = [Spectrum.of([image], "4:2:0").bits([step, step], 8.0) for image in images]
    for table in range(2):
        assert both[table].total >= sum(p[table].total for p in parts), (
            "one code for all is no better than one for each"
        )


def test_a_spectrum_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="at least one image"):
        Spectrum.of([], "4:2:0")


@pytest.mark.parametrize("with_zone", [False, True])
def test_counting_distinct_magnitudes_changes_neither_bits_nor_gradients(
    with_zone: bool, photographs: dict[str, np.ndarray]
) -> None:
    planes = pixels_to_coefficients(batch(*crops(list(photographs.values()), 61, 85, 4)), "4:2:0")
    results = []
    for on_grid in (False, True):
        inputs = [
            torch.linspace(3, 40, 128).view(2, 8, 8),
            torch.tensor(5.0),
            torch.linspace(0.02, 0.45, 64).view(8, 8),
        ]
        steps, kappa, zone = (x.requires_grad_() for x in inputs)
        zones = (zone, zone) if with_zone else (None, None)
        tables = batch_bits(planes, "4:2:0", list(steps), kappa, zones, on_grid=on_grid)
        torch.stack([t.total for t in tables]).sum().backward()
        results.append([*(t.ac.detach() for t in tables), steps.grad, kappa.grad, *([zone.grad] if with_zone else [])])
    for dense_form, counted in zip(*results, strict=True):
        torch.testing.assert_close(counted, dense_form, rtol=1e-4, atol=1e-4 * float(dense_form.abs().max()))
