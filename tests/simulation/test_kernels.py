"""The native kernels compute what the tensor operations compute, in double precision as a ruler."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from j4d.simulation import kernels
from j4d.simulation.entropy import index_bits
from j4d.simulation.quantizer import quantize

COEFFICIENTS = 3 * kernels.LEVELS  # blocks: enough for several parts


def _blocks(seed: int = 0) -> Tensor:
    """Laplacian coefficients of every size, with zeros, ties and values beyond the legal range among them."""
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(COEFFICIENTS, 8, 8, generator=generator).clamp_min(1e-6)
    sign = torch.where(torch.rand(COEFFICIENTS, 8, 8, generator=generator) < 0.5, -1.0, 1.0)
    blocks = -uniform.log() * sign * 30
    blocks[0], blocks[1], blocks[2], blocks[3] = 0.0, 5e4, -5e4, 0.5
    return blocks


def _table(low: float, high: float, seed: int) -> Tensor:
    return low + (high - low) * torch.rand(8, 8, generator=torch.Generator().manual_seed(seed))


def _close(native: Tensor, ruler: Tensor, tolerance: float) -> None:
    scale = ruler.abs().mean()
    assert ((native.double() - ruler).abs() <= tolerance * (ruler.abs() + scale)).all()


@pytest.mark.parametrize("zone", [False, True])
@pytest.mark.parametrize("kappa", [1.0, 8.0, 80.0])
@pytest.mark.parametrize("gradient", ["exact", "phase"])
@pytest.mark.parametrize("forward", ["soft", "hard"])
def test_values_and_gradients_are_those_of_the_tensor_operations(
    forward: str, gradient: str, kappa: float, zone: bool
) -> None:
    blocks, direction = _blocks(), torch.randn(COEFFICIENTS, 8, 8, generator=torch.Generator().manual_seed(9))
    # off the ties of a sharp quantizer, where single precision decides one way and double the other
    blocks = blocks + 0.01 * torch.rand(blocks.shape, generator=torch.Generator().manual_seed(3))
    results = []
    for dtype in (torch.float32, torch.float64):
        # the same single-precision numbers in both
        tensors = [blocks, _table(1, 40, 1), torch.tensor(kappa), _table(0, 0.4, 2) if zone else None]
        given = [None if t is None else t.detach().to(dtype, copy=True).requires_grad_() for t in tensors]
        values = quantize(*given, forward=forward, gradient=gradient)
        (values * direction.to(dtype)).sum().backward()
        results.append([values.detach(), *(t.grad for t in given if t is not None)])
    assert kernels.serves(blocks)
    (values, *gradients), (true_values, *true_gradients) = results
    apart = ((values.double() - true_values).abs() > 1e-3 * (1 + true_values.abs())).double().mean()
    assert apart < 2e-5  # a tie falls one way in single precision, the other in double
    for native, true in zip(gradients[1:], true_gradients[1:], strict=True):
        _close(native, true, 1e-3 * max(kappa, 2))
    wrong = (gradients[0].double() - true_gradients[0]).abs() > 1e-4 * kappa * (1 + true_gradients[0].abs())
    assert wrong.double().mean() < 2e-5


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("zone", [False, True])
@pytest.mark.parametrize("kappa", [1.0, 8.0, 80.0])
def test_bits_and_their_gradients_are_those_of_the_tensor_operations(kappa: float, zone: bool, weighted: bool) -> None:
    blocks = _blocks(1) + 0.01 * torch.rand(COEFFICIENTS, 8, 8, generator=torch.Generator().manual_seed(3))
    weights = torch.randint(0, 5, blocks.shape, generator=torch.Generator().manual_seed(4)) if weighted else None
    direction = _table(-1, 1, 5)
    results = []
    for dtype in (torch.float32, torch.float64):
        tensors = [blocks, _table(1, 40, 1), torch.tensor(kappa), _table(0, 0.4, 2) if zone else None]
        given = [None if t is None else t.detach().to(dtype, copy=True).requires_grad_() for t in tensors]
        bits = index_bits(*given, None if weights is None else weights.to(dtype))
        (bits * direction.to(dtype)).sum().backward()
        results.append([bits.detach(), *(t.grad for t in given if t is not None)])
    (bits, *gradients), (true_bits, *true_gradients) = results
    _close(bits, true_bits, 1e-5)
    for native, true in zip(gradients[1:], true_gradients[1:], strict=True):
        _close(native, true, 1e-3 * kappa)
    wrong = (gradients[0].double() - true_gradients[0]).abs() > 1e-3 * kappa * (1 + true_gradients[0].abs())
    assert wrong.double().mean() < 2e-4


def test_the_kernels_are_what_float32_on_a_cpu_runs_through(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks, step = _blocks(), _table(1, 40, 1)
    native = quantize(blocks, step, 8.0), index_bits(blocks, step, 8.0)
    monkeypatch.setattr(kernels, "serves", lambda *_: False)
    tensors = quantize(blocks, step, 8.0), index_bits(blocks, step, 8.0)
    for a, b in zip(native, tensors, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-5, atol=2e-4)
        assert not torch.equal(a, b)  # last bits differ: two computations were compared, not one with itself


def test_the_number_of_threads_changes_no_bit() -> None:
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            blocks, step = _blocks().requires_grad_(), _table(1, 40, 1).requires_grad_()
            zone = _table(0, 0.4, 2).requires_grad_()
            values, bits = quantize(blocks, step, 8.0, zone), index_bits(blocks, step, 8.0, zone)
            (values.square().sum() + bits.sum()).backward()
            found.append([values.detach(), bits.detach(), blocks.grad, step.grad, zone.grad])
    finally:
        torch.set_num_threads(before)
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)


def test_what_is_not_a_number_stays_so_and_harms_nothing() -> None:
    blocks = _blocks()
    blocks[5, 2, 3], blocks[6, 0, 0] = float("nan"), float("inf")
    values = quantize(blocks, _table(1, 40, 1), 8.0)
    assert values[5, 2, 3].isnan() and values[6, 0, 0] == 1024 * _table(1, 40, 1)[0, 0]
    assert values.isnan().sum() == 1
    assert not quantize(blocks[:1] * 0, _table(1, 40, 1), 8.0).any()
    index_bits(blocks, _table(1, 40, 1), 8.0)


def test_the_kernels_refuse_what_they_cannot_take() -> None:
    blocks, step = torch.zeros(4, 8, 8), torch.ones(8, 8)
    assert kernels.serves(blocks, step, None)
    assert not kernels.serves(blocks.double(), step)
    assert not kernels.serves(blocks, step.double())
    assert not kernels.serves(torch.zeros(4, 64), step)
    assert not kernels.serves(torch.zeros(0, 8, 8), step)
    with pytest.raises(ValueError, match="lengths"):
        kernels.Table(step, torch.tensor(8.0), None).backward_values(
            blocks, blocks[:2], hard=False, phase=False, planes=True, more=False
        )
