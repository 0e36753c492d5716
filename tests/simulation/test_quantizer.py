"""The torch quantizer: its pmf, soft values and draws against the dense formula, its gradients against differences."""

from __future__ import annotations

import math
from typing import Any

import dense
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from j4d import _core
from j4d.errors import ParameterError
from j4d.simulation.quantizer import SHARPNESS_RANGE, Window, nearest, quantize

SHARPNESS = st.floats(*SHARPNESS_RANGE)
SEEDS = st.integers(0, 2**32 - 1)
Case = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def random_case(seed: int, blocks: int, dtype: torch.dtype = torch.float64, reach: float = 12.0) -> Case:
    """Coefficients (blocks, 8, 8) within `reach` steps of zero, most of them near it; steps; dead zones."""
    rng = np.random.default_rng(seed)
    step = np.exp(rng.uniform(0, math.log(255), (8, 8)))
    u = np.clip(rng.standard_t(2, (blocks, 8, 8)), -reach, reach)
    return tuple(torch.from_numpy(x).to(dtype) for x in (u * step, step, rng.uniform(0, 0.5, (8, 8))))  # type: ignore[return-value]


def soft(c: torch.Tensor, step: torch.Tensor, kappa: Any, zone: torch.Tensor | None = None, **options: Any) -> Any:
    return quantize(c, step, kappa, zone, **options)


@settings(max_examples=50)
@given(SEEDS, SHARPNESS, st.booleans())
def test_the_window_holds_all_but_exp_minus_six_kappa_of_the_pmf(seed: int, kappa: float, with_zone: bool) -> None:
    c, step, zone = random_case(seed, 20)
    window = Window(c, step, torch.tensor(kappa, dtype=torch.float64), zone if with_zone else None)
    expected = dense.pmf((c.abs() / step).numpy(), kappa, zone.numpy() if with_zone else 0.0)
    held = np.zeros_like(c.numpy())
    for k, weight in zip(window.indices(), window.weights, strict=True):
        at_k = np.take_along_axis(expected, (k.long().numpy() + dense.REACH)[..., None], -1)[..., 0]
        held += at_k
        assert np.abs(weight.numpy() - at_k).max() <= math.exp(-6 * kappa) + 1e-12
    assert (1 - held).max() <= math.exp(-6 * kappa) + 1e-12


@settings(max_examples=50)
@given(SEEDS, SHARPNESS, st.booleans())
def test_the_soft_value_and_its_slope_are_those_of_the_expected_value(seed: int, kappa: float, with_zone: bool) -> None:
    c, step, zone = random_case(seed, 20)
    d = zone.numpy() if with_zone else 0.0
    value = soft(c.requires_grad_(), step, kappa, zone if with_zone else None)
    value.sum().backward()
    u, s, left_out = c.detach().numpy() / step.numpy(), step.numpy(), math.exp(-6 * kappa)
    assert (np.abs(value.detach().numpy() - s * dense.mean_index(u, kappa, d)) / s).max() <= 4 * left_out + 1e-9
    slope = (dense.mean_index(u + 1e-6, kappa, d) - dense.mean_index(u - 1e-6, kappa, d)) / 2e-6
    assert np.abs(c.grad.numpy() - slope).max() <= 40 * kappa * left_out + 1e-5 * kappa**2


@pytest.mark.parametrize("kappa", [1.0, 3.7, 8.0, 25.0])
@pytest.mark.parametrize("per_frequency", [False, True])
@pytest.mark.parametrize("with_zone", [False, True])
def test_gradcheck(kappa: float, per_frequency: bool, with_zone: bool) -> None:
    c, step, zone = random_case(1, 4)
    sharpness = torch.full((8, 8), kappa, dtype=torch.float64) if per_frequency else torch.tensor(kappa).double()
    inputs = [x.requires_grad_() for x in (c, step, sharpness, *([zone] if with_zone else []))]
    assert torch.autograd.gradcheck(soft, inputs, eps=1e-6, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("forward", ["hard", "sampled"])
@pytest.mark.parametrize("with_zone", [False, True])
def test_every_forward_has_the_soft_gradient(forward: Any, with_zone: bool) -> None:
    gradients = []
    for mode in (forward, "soft"):
        c, step, zone = random_case(2, 50, torch.float32)
        inputs = [x.requires_grad_() for x in (c, step, torch.tensor(4.0), *([zone] if with_zone else []))]
        (soft(*inputs, forward=mode) * c.detach().cos()).sum().backward()
        gradients.append([x.grad for x in inputs])
    assert all(torch.equal(a, b) and b.abs().max() > 0 for a, b in zip(*gradients, strict=True))


def test_the_phase_gradient_is_the_exact_one_with_less_noise() -> None:
    """Of a squared error over coefficients spread far beyond a step; at each of 64 frequencies alike."""
    c = torch.from_numpy(np.random.default_rng(11).normal(0, 25, (40_000, 8, 8)))
    results = []
    for gradient in ("exact", "phase"):
        step = torch.ones(8, 8, dtype=torch.float64).requires_grad_()
        (quantize(c, step, 20.0, gradient=gradient) - c).square().mean(0).sum().backward()
        results.append(step.grad.flatten())
    exact, phase = results
    assert phase.std() < exact.std() / 10
    assert abs(exact.mean() - phase.mean()) < 4 * exact.std() / 8
    mean_square = (quantize(c, torch.ones(8, 8).double(), 20.0) - c).square().mean()
    assert float(phase.mean()) == pytest.approx(2 * float(mean_square), rel=0.05), "error grows as the step squared"


def test_the_phase_gradient_lets_values_stay_where_their_coefficients_are() -> None:
    """However the step moves, the mean of |value| remains that of |c|: its derivative is nothing, and without noise."""
    c = torch.from_numpy(np.random.default_rng(13).normal(0, 25, (20_000, 8, 8)))
    step = torch.ones(8, 8, dtype=torch.float64).requires_grad_()
    quantize(c, step, 20.0, gradient="phase").abs().mean(0).sum().backward()
    assert step.grad.abs().max() < 0.02


def test_the_phase_gradient_is_exact_where_the_nearest_index_is_zero() -> None:
    rng = np.random.default_rng(12)
    step = torch.from_numpy(rng.uniform(5, 50, (8, 8)))
    c = torch.from_numpy(rng.uniform(-0.49, 0.49, (300, 8, 8))) * step
    results = []
    for gradient in ("exact", "phase"):
        q = step.clone().requires_grad_()
        (quantize(c, q, 5.0, gradient=gradient) * c.cos()).sum().backward()
        results.append(q.grad)
    assert torch.equal(*results)


@given(SEEDS, st.floats(0, 0.5), st.integers(1, 255))
def test_hard_is_the_native_quantizer_but_for_rounding_at_ties(seed: int, zone: float, step: int) -> None:
    plane = np.random.default_rng(seed).integers(-8192, 8192, (1, 3, 8, 8)).astype(np.int16)
    steps, zones = np.full((8, 8), step, np.int32), np.full((8, 8), zone)
    native = _core.quantize(plane, steps, zones, math.inf, 0, 0)
    for dtype, rounding in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        c, s, d = (torch.from_numpy(x).to(dtype) for x in (plane / 8, steps, zones))
        ours = nearest(c, s, d)
        u = np.abs(plane) / (8 * step)
        tie = np.abs((u - zone) % 1 - 0.5) <= rounding * (1 + u)
        assert np.array_equal(ours[~tie], native[~tie])
        assert torch.equal(quantize(c, s, 8.0, d, forward="hard"), ours * s)
    if zone == 0:
        assert np.array_equal(ours, native), "without a dead zone no tie is missed"


def test_indices_stay_within_what_a_baseline_file_holds() -> None:
    for value in (-1024.0, 1020.0, 3000.0, -3000.0):
        c, one = torch.full((200, 8, 8), value), torch.ones(8, 8)
        for forward in ("hard", "sampled"):
            k = quantize(c, one, 1.0, forward=forward, generator=torch.Generator().manual_seed(0))
            assert k.flatten(1)[:, 1:].abs().max() <= 1023 and k[:, 0, 0].min() >= -1024 and k.max() <= 1024
            assert (k * value > 0).all()


@pytest.mark.parametrize("with_zone", [False, True])
def test_soft_becomes_hard_as_sharpness_grows(with_zone: bool) -> None:
    c, step, zone = random_case(3, 200)
    d = zone if with_zone else None
    hard = quantize(c, step, 8.0, d, forward="hard")
    away = ((c.abs() / step - (zone if with_zone else 0)) % 1 - 0.5).abs() > 0.2
    errors = [float(((soft(c, step, kappa, d) - hard) / step)[away].abs().max()) for kappa in (5.0, 10.0, 20.0, 80.0)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.01 and errors[-1] < 1e-6


def test_a_dead_zone_shrinks_values_and_never_flips_them() -> None:
    c, step, zone = random_case(4, 100)
    for forward in ("soft", "hard"):
        plain, shrunk = (quantize(c, step, 6.0, d, forward=forward) for d in (None, zone))
        assert (shrunk.abs() <= plain.abs() + 1e-9).all() and (shrunk * c >= 0).all()
        assert (shrunk.abs() < plain.abs()).float().mean() > 0.1


@pytest.mark.parametrize("forward", ["soft", "hard"])
def test_the_quantizer_is_odd(forward: Any) -> None:
    c, step, zone = random_case(5, 50)
    assert torch.equal(soft(-c, step, 3.0, zone, forward=forward), -soft(c, step, 3.0, zone, forward=forward))


@pytest.mark.parametrize("kappa", [1.5, 5.0, 12.0])
@pytest.mark.parametrize("with_zone", [False, True])
def test_samples_follow_the_pmf(kappa: float, with_zone: bool) -> None:
    """Each frequency has one coefficient of its own, drawn 10^4 times; the mean of the draws is the soft value."""
    one, step, zone = random_case(6, 1, torch.float32, reach=8.0)
    d, draws = zone if with_zone else None, 10_000
    generator = torch.Generator().manual_seed(7)
    values = quantize(one.expand(draws, 8, 8), step, kappa, d, forward="sampled", generator=generator)
    indices = (values / step).round().long().numpy().reshape(draws, 64) + dense.REACH
    expected = dense.pmf((one[0] / step).numpy(), kappa, zone.numpy() if with_zone else 0.0).reshape(64, -1) * draws
    tested = 0
    for frequency in range(64):
        observed = np.bincount(indices[:, frequency], minlength=2 * dense.REACH + 1)
        common = expected[frequency] >= 5
        rare = expected[frequency][~common].sum()
        assert observed[~common].sum() <= rare + 5 * math.sqrt(rare) + 2
        if common.sum() > 1:
            tested += 1
            o, e = observed[common], expected[frequency][common]
            assert chisquare(o, e * o.sum() / e.sum()).pvalue > 1e-5
    assert tested > 25
    error = (values.double().mean(0) - soft(one, step, kappa, d)[0]).abs()
    assert (error <= 4.5 * values.double().std(0) / math.sqrt(draws) + 1e-3 * step).all()


def test_draws_depend_on_the_generator_alone() -> None:
    c, step, zone = random_case(8, 3000, torch.float32)

    def drawn(seed: int) -> torch.Tensor:
        return quantize(c, step, 2.0, zone, forward="sampled", generator=torch.Generator().manual_seed(seed))

    first, state = drawn(1), torch.random.get_rng_state()
    assert torch.equal(first, drawn(1)) and not torch.equal(first, drawn(2))
    assert torch.equal(state, torch.random.get_rng_state()), "the global generator is left alone"


@pytest.mark.parametrize("forward", ["soft", "hard"])
def test_many_blocks_are_quantized_as_few_are(forward: Any) -> None:
    """More blocks than fit one chunk, in any leading shape."""
    results = []
    for parts in (1, 7):
        c, step, zone = (x.requires_grad_() for x in random_case(9, 2500))
        values = torch.cat([soft(part, step, 5.0, zone, forward=forward) for part in c.chunk(parts)])
        (values * c.detach().sin()).sum().backward()
        results.append((values, c.grad, step.grad, zone.grad))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-9)
    c, step, zone = random_case(9, 2500)
    assert torch.equal(soft(c.view(5, 25, 20, 8, 8), step, 5.0, zone, forward=forward).view_as(c), results[0][0])


def test_nothing_of_window_size_is_kept_for_the_backward_pass() -> None:
    c, step, zone = (x.requires_grad_() for x in random_case(10, 500))
    kept: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        soft(c, step, torch.tensor(5.0).double().requires_grad_(), zone)
    assert c.numel() <= sum(kept) <= c.numel() + 3 * 64


@pytest.mark.parametrize("kappa", SHARPNESS_RANGE)
def test_single_precision_holds_at_both_ends_of_the_range_of_sharpness(kappa: float) -> None:
    u = torch.linspace(-1000, 1000, 64 * 999).view(999, 8, 8)
    step, zone = torch.full((8, 8), 1.7), torch.full((8, 8), 0.3)
    results = []
    for dtype in (torch.float32, torch.float64):
        inputs = [x.to(dtype).requires_grad_() for x in (u * 1.7, step, torch.tensor(kappa), zone)]
        values = soft(*inputs)
        values.sum().backward()
        results.append((values.detach().double(), inputs[0].grad.double()))
    (single, slope), (double, double_slope) = results
    rounding = 1000 * 2.0**-22  # of u, in steps
    near = rounding * 2 * kappa  # a mean moves at most kappa / 2 as fast as u, its slope kappa^2 / 5
    assert ((single - double).abs() <= 1.7 * near).all()
    assert ((slope - double_slope).abs() <= kappa * near + 1e-4).all()


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ParameterError, match="'round' is not one of soft, hard, sampled"):
        quantize(torch.zeros(1, 8, 8), torch.ones(8, 8), 8.0, forward="round")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="'soft' is not one of"):
        quantize(torch.zeros(1, 8, 8), torch.ones(8, 8), 8.0, gradient="soft")  # type: ignore[arg-type]
