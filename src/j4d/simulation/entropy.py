"""Rate: from the marginals of the indices to bits, in closed form and differentiable.

The marginal of a frequency is the mean of P(k | c) over all blocks; its entropy is the bits an ideal coder with one
static code per frequency spends. Two facts of JPEG are built in. The sign costs one bit, so the entropy is of |k|.
DC is coded as differences between neighbours in scan order: with c_1 - c_0 = u q and the phase of the quantizer's grid
uniform, the difference of the indices is floor(u) or floor(u) + 1 with mean u, a triangular pmf.

What one static code per frequency does not know (zero runs, end of block, Huffman's whole bits, headers) is the
business of `activity.py`, which knows it, and of `calibration.py`, which turns bits of either kind into whole files'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from j4d.simulation import kernels
from j4d.simulation.quantizer import Window, chunks, index_limit
from j4d.simulation.transform import subsampling

_LEVELS = kernels.LEVELS  # |k| to 1024 and the window's reach above; a fixed number asks the accelerator nothing


def _code(histogram: Tensor) -> tuple[Tensor, Tensor]:
    """Bits (F,) and ideal code lengths (F, levels) for a histogram of |k|, one sign bit for every |k| > 0 included."""
    total = histogram.sum(1, keepdim=True).clamp_min(1e-30)
    lengths = -torch.log2((histogram / total).clamp_min(1e-9))
    lengths[:, 1:] += 1
    return (histogram * lengths).sum(1), lengths


def _each(table: Any, frequency: Tensor | None) -> Any:
    """An (8, 8) table as it is, for samples (N, 8, 8), or its entry for each sample of a list with frequencies (n,)."""
    return table if frequency is None or table is None or table.dim() == 0 else table.reshape(64)[frequency]


def _sums(values: Tensor, frequency: Tensor | None) -> Tensor:
    """Sum over the samples of each frequency, (8, 8)."""
    if frequency is None:
        return values.sum(0)
    return values.new_zeros(64).index_add_(0, frequency, values).view(8, 8)


class _IndexBits(torch.autograd.Function):
    """Bits of each frequency under its own marginal.

    dH/du = sum_k l(k) dP(k)/du with code lengths l = -log2 P, since the lengths' own change cancels, and
    dP(k)/du = 2 kappa P(k) (k - E[k]).
    """

    @staticmethod
    def forward(
        ctx: Any,
        samples: Tensor,
        step: Tensor,
        sharpness: Tensor,
        dead_zone: Tensor | None,
        weights: Tensor | None,
        frequency: Tensor | None,
    ) -> Tensor:
        if frequency is None and kernels.serves(samples, step, sharpness, dead_zone, weights):
            masses = kernels.Table(step, sharpness, dead_zone).index_masses(samples, weights)
            bits, lengths = _code(masses)
            bits, lengths = bits.float(), lengths.float()
            ctx.save_for_backward(samples, step, sharpness, dead_zone, weights, frequency, lengths)
            return bits.view(8, 8)
        rows = torch.arange(64, device=samples.device).view(8, 8) * _LEVELS
        histogram = samples.new_zeros(64 * _LEVELS)
        for c, weight, f in chunks(samples, weights, frequency):
            window = Window(c, *(_each(table, f) for table in (step, sharpness, dead_zone, index_limit(step))))
            for k, p in zip(window.indices(), window.weights, strict=True):
                mass = p if weight is None else p * weight
                histogram.index_add_(0, (k.abs().long() + _each(rows, f)).reshape(-1), mass.reshape(-1))
        bits, lengths = _code(histogram.view(64, _LEVELS))
        ctx.save_for_backward(samples, step, sharpness, dead_zone, weights, frequency, lengths)
        return bits.view(8, 8)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        samples, step, sharpness, dead_zone, weights, frequency, lengths = ctx.saved_tensors
        need_samples, _, need_sharpness, need_dead_zone = ctx.needs_input_grad[:4]
        if frequency is None and kernels.serves(samples, step, sharpness, dead_zone, weights):
            wanted = {"planes": need_samples, "more": need_sharpness or need_dead_zone}
            table = kernels.Table(step, sharpness, dead_zone)
            planes, of_step, of_sharpness, of_zone = table.backward_bits(samples, weights, lengths, **wanted)
            return (
                None if planes is None else planes * gradient,
                of_step * gradient,
                (of_sharpness * gradient).sum_to_size(sharpness.shape) if need_sharpness else None,
                of_zone * gradient if need_dead_zone else None,
                None,
                None,
            )
        rows = torch.arange(64, device=samples.device).view(8, 8) * _LEVELS
        d_samples = torch.empty_like(samples) if need_samples else None
        d_step, d_sharpness, d_dead_zone = (torch.zeros_like(step) for _ in range(3))
        start = 0
        for c, weight, f in chunks(samples, weights, frequency):
            q, kappa, zone, limit = (_each(table, f) for table in (step, sharpness, dead_zone, index_limit(step)))
            window = Window(c, q, kappa, zone, limit)
            absolute = [k.abs() for k in window.indices()]
            bits = [lengths.view(-1)[k.long() + _each(rows, f)] for k in absolute]
            if weight is not None:
                bits = [b * weight for b in bits]
            slope = window.covariance(bits).mul_(2 * kappa)  # of the bits with respect to u
            d_step -= _sums(slope * window.magnitude, f)
            if d_samples is not None:
                d_samples[start : start + len(c)] = slope * c.sgn() * _each(gradient / step, f)
            start += len(c)
            if need_sharpness:
                d_sharpness -= _sums(window.covariance(bits, window.energies(zone)), f)
            if need_dead_zone:
                d_dead_zone -= _sums(2 * kappa * window.covariance(bits, absolute), f)
        return (
            d_samples,
            d_step / step * gradient,
            (d_sharpness * gradient).sum_to_size(sharpness.shape) if need_sharpness else None,
            d_dead_zone * gradient if need_dead_zone else None,
            None,
            None,
        )


def index_bits(
    samples: Tensor,
    step: Tensor,
    sharpness: Tensor | float,
    dead_zone: Tensor | None = None,
    weights: Tensor | None = None,
    frequency: Tensor | None = None,
) -> Tensor:
    """Bits that the indices of each frequency take under their own marginal, (8, 8), in all, not per sample.

    samples: coefficients (N, 8, 8), or a list (n,) of them with the frequency, 0..63 in natural order, of each; counted
    `weights` times, of the same shape. step, dead_zone (8, 8); sharpness kappa, a scalar or (8, 8).
    """
    kappa = torch.as_tensor(sharpness, dtype=samples.dtype, device=samples.device)
    return _IndexBits.apply(samples, step, kappa, dead_zone, weights, frequency)  # type: ignore[no-any-return,no-untyped-call]


def difference_bits(differences: Tensor, dc_step: Tensor, weights: Tensor | None = None) -> Tensor:
    """Bits that DC differences (N,), given before quantization, take with the DC step `dc_step`, a scalar tensor."""
    u = (differences.abs() / dc_step).clamp(max=2047)
    lower = u.detach().floor()
    high = u - lower
    low = 1 - high
    if weights is not None:
        high, low = high * weights, low * weights
    level = lower.long()
    histogram = u.new_zeros(2 * _LEVELS).index_add(0, level, low).index_add(0, level + 1, high)
    return _code(histogram[None])[0][0]


def scan_order(values: Tensor, sampling: str, component: int) -> Tensor:
    """A number for each block (B, By, Bx) in the order in which a scan codes the blocks, (B, n).

    Luma blocks of a subsampled picture are visited MCU by MCU; a block that only fills up the last MCU repeats the
    block coded before it, as libjpeg has it.
    """
    v, h = subsampling(sampling) if component == 0 else (1, 1)
    if (v, h) != (1, 1):
        rows, columns = values.shape[1:]
        at = [
            torch.arange(-(-n // m) * m, device=values.device).clamp_(max=n - 1) for n, m in ((rows, v), (columns, h))
        ]
        values = values[:, at[0]][:, :, at[1]]
        values = values.view(len(values), len(at[0]) // v, v, len(at[1]) // h, h).transpose(2, 3)
        if rows % v:  # the lower half of the last MCUs repeats the last block of the upper half
            values = torch.cat((values[:, :-1], values[:, -1:, :, :1, :].expand(-1, -1, -1, v, -1).clone()), 1)
            values[:, -1, :, 1:] = values[:, -1, :, :1, -1:]
    return values.reshape(len(values), -1)


def dc_differences(plane: Tensor, sampling: str, component: int) -> Tensor:
    """Differences of neighbouring DC coefficients in scan order, (N,); plane (B, By, Bx, 8, 8), each image from zero.

    Blocks that fill up the last MCUs count, with a difference of zero.
    """
    dc = scan_order(plane[..., 0, 0], sampling, component)
    return dc.diff(dim=1, prepend=dc.new_zeros(len(dc), 1)).reshape(-1)


@dataclass(frozen=True)
class TableBits:
    """Bits that one quantization table's components take: ac (8, 8) per frequency with 0 at DC, dc a scalar tensor."""

    ac: Tensor
    dc: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum, a scalar tensor."""
        return self.ac.sum() + self.dc


def table_bits(
    samples: Tensor,
    weights: Tensor | None,
    differences: Tensor,
    difference_weights: Tensor | None,
    step: Tensor,
    sharpness: Tensor | float,
    dead_zone: Tensor | None,
    frequency: Tensor | None = None,
) -> TableBits:
    mask = torch.ones_like(step)
    mask[0, 0] = 0
    ac = index_bits(samples, step, sharpness, dead_zone, weights, frequency) * mask
    return TableBits(ac, difference_bits(differences, step[0, 0], difference_weights))


def _count(samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(magnitudes, counts, frequencies), each (n,): the distinct AC magnitudes in samples (N, 8, 8) on islow's grid."""
    places = samples.abs().mul_(8).round_().long().mul_(64).view(-1, 64).add_(torch.arange(64, device=samples.device))
    counts = torch.bincount(places[:, 1:].reshape(-1))
    used = counts.nonzero()[:, 0]
    return (used // 64).to(samples.dtype) / 8, counts[used].to(samples.dtype), used % 64


def batch_bits(
    planes: Sequence[Tensor],
    sampling: str,
    steps: Sequence[Tensor],
    sharpness: Tensor | float,
    dead_zones: Sequence[Tensor | None] = (None, None),
    *,
    on_grid: bool = False,
) -> list[TableBits]:
    """Estimated bits of a batch, one entry per table (luma; chroma, its two components pooled).

    planes: one (B, By, Bx, 8, 8) per component; steps and dead_zones: (8, 8) for luma and for chroma. The marginals are
    those of the batch. on_grid: take coefficients as the multiples of 1/8 that the exact transform gives, and each
    magnitude once for all its occurrences: a tenth of the work and less, but no gradient to the planes' AC.
    """
    result = []
    for table, members in enumerate((planes[:1], planes[1:])):
        if members:
            samples = torch.cat([p.reshape(-1, 8, 8) for p in members]) if table else members[0].reshape(-1, 8, 8)
            differences = torch.cat([dc_differences(p, sampling, table) for p in members])
            magnitudes, counts, frequency = _count(samples) if on_grid else (samples, None, None)
            parameters = (steps[table], sharpness, dead_zones[table])
            result.append(table_bits(magnitudes, counts, differences, None, *parameters, frequency))
    return result
