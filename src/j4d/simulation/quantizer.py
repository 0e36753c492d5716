"""The probabilistic quantizer: pmf over indices, soft value with a closed-form gradient, hard limit, samples.

With u = c/q the pmf over indices k is

    P(k | c)  proportional to  exp(-kappa ((u - k)^2 + 2 d |k|)),      kappa = alpha q^2,

the J4D quantizer (arXiv 2606.16185) for d = 0. The dead zone d, in steps, is the weighting by marginal^tau of a
rate-distortion-optimal test channel when the marginal is Laplacian; in the hard limit it moves every threshold away
from zero by d. Beyond the five indices nearest the mode the mass is below exp(-6 kappa) and is left out.

The gradient with respect to a step q comes in two forms. "exact" is the derivative of the soft value, q E[k]. It holds
a term that grows with |u|: all thresholds and values of a coefficient move together when its step does. For k != 0 the
phase of u in its bin is close to uniform, the term averages out, and what remains of it is noise, so much that over a
hundred photographs even the sign of the DC step's gradient is lost (docs/recipe.md). "phase" leaves it out: where
k != 0, the error of a coefficient scales with its step, d(value)/dq = (value - c)/q.

Everything here is a function of a handful of exponentials per coefficient. Nothing of window size is kept for the
backward pass: it recomputes the moments, a cache-sized chunk at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor

from j4d.errors import ParameterError
from j4d.simulation import kernels

Forward = Literal["soft", "hard", "sampled"]
Gradient = Literal["exact", "phase"]
FORWARDS: tuple[Forward, ...] = ("soft", "hard", "sampled")
GRADIENTS: tuple[Gradient, ...] = ("exact", "phase")
SHARPNESS_RANGE = (1.0, 80.0)  # below, five indices are too few; above, float32 cannot hold exp(-kappa)
_OFFSETS = (-2, -1, 0, 1, 2)
_CHUNK = 1 << 16  # coefficients a chunk: the dozen temporaries of one stay in a core's L2 cache


def index_limit(like: Tensor) -> Tensor:
    """Largest |index| that baseline JPEG can carry, (8, 8): 1024 for DC (only -1024 occurs), 1023 for AC."""
    limit = torch.full((8, 8), 1023.0, dtype=like.dtype, device=like.device)
    limit[0, 0] = 1024.0
    return limit


def nearest(coefficients: Tensor, step: Tensor, dead_zone: Tensor | None = None) -> Tensor:
    """The hard limit: sign(c) max(0, floor(|c|/q + 1/2 - d)), ties away from zero as libjpeg has them.

    coefficients (..., 8, 8); step and dead_zone (8, 8). Returns float indices, clamped to the legal range.
    """
    magnitude = coefficients.abs().div_(step).add_(0.5)
    if dead_zone is not None:
        magnitude = magnitude.sub_(dead_zone).clamp_(min=0)
    magnitude = torch.minimum(magnitude.floor_(), index_limit(step))
    return magnitude.copysign_(coefficients)


class Window:
    """The five indices nearest to the mode of each coefficient's pmf and their probabilities.

    Works on magnitudes; the caller restores the sign. base (N, 8, 8) is the non-negative index nearest to |u| - d,
    weights are five tensors (N, 8, 8) for base - 2 .. base + 2 that sum to one; those below zero lie across zero.
    """

    def __init__(
        self,
        coefficients: Tensor,
        step: Tensor,
        sharpness: Tensor,
        dead_zone: Tensor | None,
        limit: Tensor | None = None,
    ) -> None:
        """limit: largest index, where coefficients do not end in (8, 8)."""
        self.magnitude = torch.minimum(coefficients.abs() / step, index_limit(step) if limit is None else limit)
        shifted = self.magnitude if dead_zone is None else self.magnitude - dead_zone
        self.base = shifted.round().clamp_(min=0)
        # weight of offset j relative to offset 0: exp(kappa (2 f j - j^2)), f the fraction in -1/2..1/2
        ratio = (shifted - self.base).mul_(2 * sharpness).exp_()
        down = torch.exp(-sharpness) / ratio
        up = ratio.mul_(torch.exp(-sharpness))
        tail = torch.exp(-2 * sharpness)
        w = [(down * down).mul_(tail), down, (up * up).mul_(tail), up]
        if dead_zone is not None:  # across zero |k| grows again: 4 kappa d for each index below zero
            below = torch.exp(-4 * sharpness * dead_zone)
            w[1] = torch.where(self.base < 1, w[1] * below, w[1])
            w[0] = torch.where(self.base < 1, w[0] * below * below, torch.where(self.base < 2, w[0] * below, w[0]))
        middle = (w[0] + w[1]).add_(w[2]).add_(w[3]).add_(1).reciprocal_()
        self.weights = [w[0].mul_(middle), w[1].mul_(middle), middle, w[3].mul_(middle), w[2].mul_(middle)]

    def mean(self, values: list[Tensor] | None = None) -> Tensor:
        """Mean of the offset j, or of `values` given for each of the five."""
        w = self.weights
        if values is None:
            return (w[3] - w[1]).add_(w[4], alpha=2).sub_(w[0], alpha=2)
        total = w[0] * values[0]
        for weight, value in zip(w[1:], values[1:], strict=True):
            total.addcmul_(weight, value)
        return total

    def variance(self, mean: Tensor) -> Tensor:
        """Variance of the index; mean: of the offset."""
        w = self.weights
        return (w[3] + w[1]).add_(w[4], alpha=4).add_(w[0], alpha=4).addcmul_(mean, mean, value=-1)

    def covariance(self, a: list[Tensor], b: list[Tensor] | None = None) -> Tensor:
        """Covariance of two quantities given for each of the five indices; b defaults to the index itself."""
        if b is None:
            products = [x * j for x, j in zip(a, _OFFSETS, strict=True)]
        else:
            products = [x * y for x, y in zip(a, b, strict=True)]
        return self.mean(products) - self.mean(a) * self.mean(b)

    def indices(self) -> list[Tensor]:
        """The five indices, on the side of zero where the coefficient is positive."""
        return [self.base + j for j in _OFFSETS]

    def energies(self, dead_zone: Tensor | None) -> list[Tensor]:
        """(u - k)^2 + 2 d |k| for each of the five indices: what sharpness multiplies."""
        energies = [(self.magnitude - k) ** 2 for k in self.indices()]
        if dead_zone is None:
            return energies
        return [e + 2 * dead_zone * k.abs() for e, k in zip(energies, self.indices(), strict=True)]


def chunks(*tensors: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Slices of tensors of one shape that fit in cache; whole tensors on an accelerator or under the compiler."""
    first = tensors[0]
    assert first is not None
    n = len(first)
    size = n if first.is_cuda or torch.compiler.is_compiling() else _CHUNK // first[:1].numel() if n else 0
    for start in range(0, n, max(size, 1)):
        yield tuple(t if t is None else t[start : start + size] for t in tensors)


def sample(
    coefficients: Tensor, step: Tensor, sharpness: Tensor, dead_zone: Tensor | None, generator: torch.Generator | None
) -> Tensor:
    """One index per coefficient drawn from its pmf, float (..., 8, 8)."""
    flat = coefficients.reshape(-1, 8, 8)
    result = torch.empty_like(flat)
    uniform = torch.rand(flat.shape, generator=generator, device=flat.device, dtype=flat.dtype)
    for c, draw, out in chunks(flat, uniform, result):
        window = Window(c, step, sharpness, dead_zone)
        index = window.base - 2
        cumulative = torch.zeros_like(c)
        for weight in window.weights[:-1]:
            cumulative = cumulative + weight
            index = index + (draw >= cumulative)
        out.copy_(index.clamp(min=-1023).minimum(index_limit(c)) * torch.where(c < 0, -1.0, 1.0))
    return result.view(coefficients.shape)


class _Quantize(torch.autograd.Function):
    """Dequantized coefficients; forward soft, hard or sampled, backward always that of the soft value q E[k]."""

    @staticmethod
    def forward(
        ctx: Any,
        coefficients: Tensor,
        step: Tensor,
        sharpness: Tensor,
        dead_zone: Tensor | None,
        mode: Forward,
        gradient: Gradient,
        generator: torch.Generator | None,
    ) -> Tensor:
        ctx.forms = (mode, gradient)
        ctx.save_for_backward(coefficients, step, sharpness, dead_zone)
        if mode == "sampled":
            return sample(coefficients, step, sharpness, dead_zone, generator) * step
        if kernels.serves(coefficients, step, sharpness, dead_zone):
            return kernels.Table(step, sharpness, dead_zone).values(coefficients, hard=mode == "hard")
        flat = coefficients.reshape(-1, 8, 8)
        result = torch.empty_like(flat)
        for c, out in chunks(flat, result):
            if mode == "hard":
                torch.mul(nearest(c, step, dead_zone), step, out=out)
            else:
                window = Window(c, step, sharpness, dead_zone)
                torch.mul((window.base + window.mean()).copysign_(c), step, out=out)
        return result.view(coefficients.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        coefficients, step, sharpness, dead_zone = ctx.saved_tensors
        mode, form = ctx.forms
        need_c, need_step, need_sharpness, need_dead_zone = ctx.needs_input_grad[:4]
        if kernels.serves(coefficients, step, sharpness, dead_zone, gradient):
            forms = {"hard": mode == "hard", "phase": form == "phase"}
            wanted = {"planes": need_c, "more": need_sharpness or need_dead_zone}
            table = kernels.Table(step, sharpness, dead_zone)
            planes, of_step, of_sharpness, of_zone = table.backward_values(coefficients, gradient, **forms, **wanted)
            return (
                planes,
                of_step if need_step else None,
                of_sharpness.sum_to_size(sharpness.shape) if need_sharpness else None,
                of_zone if need_dead_zone else None,
                None,
                None,
                None,
            )
        d_c = torch.empty_like(coefficients.reshape(-1, 8, 8)) if need_c else None
        d_step = torch.zeros_like(step) if need_step else None
        d_sharpness = torch.zeros_like(step) if need_sharpness else None
        d_dead_zone = torch.zeros_like(step) if need_dead_zone else None
        start = 0
        for c, g in chunks(coefficients.reshape(-1, 8, 8), gradient.reshape(-1, 8, 8)):
            window = Window(c, step, sharpness, dead_zone)
            mean = window.mean()
            slope = 2 * sharpness * window.variance(mean)  # dE[k]/du
            if d_c is not None:
                torch.mul(g, slope, out=d_c[start : start + len(c)])
            start += len(c)
            if d_step is None and d_sharpness is None and d_dead_zone is None:
                continue
            signed = c.sgn().mul_(g)  # where c = 0 all that follows is 0, by symmetry
            if d_step is not None:
                per_step = (window.base + mean).addcmul_(window.magnitude, slope, value=-1)
                if form == "phase":
                    value = window.base if mode == "hard" else window.base + mean
                    per_step = torch.where(window.base < 1, per_step, value - window.magnitude)
                d_step += per_step.mul_(signed).sum(0)
            if d_dead_zone is not None:
                absolute = [k.abs() for k in window.indices()]
                d_dead_zone += (signed * window.covariance(absolute)).sum(0).mul(-2 * sharpness * step)
            if d_sharpness is not None:
                d_sharpness -= (signed * window.covariance(window.energies(dead_zone))).sum(0).mul(step)
        if d_sharpness is not None:
            d_sharpness = d_sharpness.sum_to_size(sharpness.shape)
        d_c = None if d_c is None else d_c.view(coefficients.shape)
        return d_c, d_step, d_sharpness, d_dead_zone, None, None, None


def quantize(
    coefficients: Tensor,
    step: Tensor,
    sharpness: Tensor | float,
    dead_zone: Tensor | None = None,
    *,
    forward: Forward = "soft",
    gradient: Gradient = "exact",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Quantize and dequantize, differentiably: (..., 8, 8) coefficients to (..., 8, 8) dequantized coefficients.

    step, dead_zone: (8, 8). sharpness: kappa, a scalar or (8, 8), in 1..80. forward picks the values: "soft" the mean
    of the pmf, "hard" the nearest index, "sampled" an index drawn with `generator`; the gradient is the soft value's,

        d(q E[k])/dq = E[k] - 2 kappa u Var[k],      dE[k]/dc = 2 kappa Var[k] / q,

    and in the same way for kappa and d; gradient="phase" takes the first for k = 0 only, see the module's text.
    Raises ParameterError for an unknown forward or gradient.
    """
    if forward not in FORWARDS:
        raise ParameterError(f"forward {forward!r} is not one of {', '.join(FORWARDS)}")
    if gradient not in GRADIENTS:
        raise ParameterError(f"gradient {gradient!r} is not one of {', '.join(GRADIENTS)}")
    kappa = torch.as_tensor(sharpness, dtype=coefficients.dtype, device=coefficients.device)
    return _Quantize.apply(coefficients, step, kappa, dead_zone, forward, gradient, generator)  # type: ignore[no-any-return,no-untyped-call]
