"""Rate: from the marginals of the indices to bits, in closed form and differentiable.

The marginal of a frequency is the mean of P(k | c) over all blocks; its entropy is the bits an ideal coder with one
static code per frequency spends. Two facts of JPEG are built in. The sign costs one bit, so the entropy is of |k|.
DC is coded as differences between neighbours in scan order: with c_1 - c_0 = u q and the phase of the quantizer's grid
uniform, the difference of the indices is floor(u) or floor(u) + 1 with mean u, a triangular pmf.

What one static code per frequency does not know (zero runs, end of block, Huffman's whole bits, headers) is the
business of `calibration.py`, which turns these bits into whole-file bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from j4d.codec import forward_dct
from j4d.errors import DataError
from j4d.quantizer import Window, chunks
from j4d.transform import subsampling

_LEVELS = 1028  # |k| to 1024 and the window's reach above; a fixed number asks the accelerator nothing


def _code(histogram: Tensor) -> tuple[Tensor, Tensor]:
    """Bits (F,) and ideal code lengths (F, levels) for a histogram of |k|, one sign bit for every |k| > 0 included."""
    total = histogram.sum(1, keepdim=True).clamp_min(1e-30)
    lengths = -torch.log2((histogram / total).clamp_min(1e-9))
    lengths[:, 1:] += 1
    return (histogram * lengths).sum(1), lengths


class _IndexBits(torch.autograd.Function):
    """Bits of each frequency under its own marginal.

    dH/du = sum_k l(k) dP(k)/du with code lengths l = -log2 P, since the lengths' own change cancels, and
    dP(k)/du = 2 kappa P(k) (k - E[k]).
    """

    @staticmethod
    def forward(
        ctx: Any, samples: Tensor, step: Tensor, sharpness: Tensor, dead_zone: Tensor | None, weights: Tensor | None
    ) -> Tensor:
        offsets = torch.arange(64, device=samples.device).view(8, 8) * _LEVELS
        histogram = samples.new_zeros(64 * _LEVELS)
        for c, *weight in chunks(samples, *(() if weights is None else (weights,))):
            window = Window(c, step, sharpness, dead_zone)
            for k, p in zip(window.indices(), window.weights, strict=True):
                mass = p * weight[0] if weight else p
                histogram.index_add_(0, (k.abs().long() + offsets).reshape(-1), mass.reshape(-1))
        bits, lengths = _code(histogram.view(64, _LEVELS))
        ctx.save_for_backward(samples, step, sharpness, dead_zone, weights, lengths)
        return bits.view(8, 8)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        samples, step, sharpness, dead_zone, weights, lengths = ctx.saved_tensors
        flat_lengths = lengths.reshape(-1)
        offsets = torch.arange(64, device=samples.device).view(8, 8) * _LEVELS
        d_samples = torch.empty_like(samples) if ctx.needs_input_grad[0] else None
        d_step, d_sharpness, d_dead_zone = (torch.zeros_like(step) for _ in range(3))
        start = 0
        for c, *weight in chunks(samples, *(() if weights is None else (weights,))):
            window = Window(c, step, sharpness, dead_zone)
            absolute = [k.abs() for k in window.indices()]
            bits = [flat_lengths[(k.long() + offsets)] for k in absolute]
            if weight:
                bits = [b * weight[0] for b in bits]
            slope = 2 * sharpness * window.covariance(bits)
            d_step -= (slope * window.magnitude).sum(0)
            if d_samples is not None:
                torch.mul(slope * torch.where(c < 0, -1.0, 1.0), gradient / step, out=d_samples[start : start + len(c)])
            start += len(c)
            if ctx.needs_input_grad[2]:
                d_sharpness -= window.covariance(bits, window.energies(dead_zone)).sum(0)
            if ctx.needs_input_grad[3]:
                d_dead_zone -= (2 * sharpness * window.covariance(bits, absolute)).sum(0)
        d_step, d_sharpness, d_dead_zone = d_step / step * gradient, d_sharpness * gradient, d_dead_zone * gradient
        return (
            d_samples,
            d_step,
            d_sharpness.sum_to_size(sharpness.shape) if ctx.needs_input_grad[2] else None,
            d_dead_zone if ctx.needs_input_grad[3] else None,
            None,
        )


def index_bits(
    samples: Tensor,
    step: Tensor,
    sharpness: Tensor | float,
    dead_zone: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Bits that the indices of each frequency take under their own marginal, (8, 8), in all, not per sample.

    samples (N, 8, 8): coefficients, each counted `weights` (N, 8, 8) times. step, dead_zone (8, 8); sharpness kappa.
    """
    kappa = torch.as_tensor(sharpness, dtype=samples.dtype, device=samples.device)
    return _IndexBits.apply(samples, step, kappa, dead_zone, weights)  # type: ignore[no-any-return,no-untyped-call]


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


def dc_differences(plane: Tensor, sampling: str, component: int) -> Tensor:
    """Differences of neighbouring DC coefficients in scan order, (N,); plane (B, By, Bx, 8, 8), each image from zero.

    Luma blocks of a subsampled picture are visited MCU by MCU; the blocks that fill up the last MCU repeat their
    neighbour, as encoders fill them.
    """
    dc = plane[..., 0, 0]
    v, h = subsampling(sampling) if component == 0 else (1, 1)
    if (v, h) != (1, 1):
        rows, columns = dc.shape[1:]
        at = [torch.arange(-(-n // m) * m, device=dc.device).clamp_(max=n - 1) for n, m in ((rows, v), (columns, h))]
        dc = dc[:, at[0]][:, :, at[1]]
        dc = dc.view(len(dc), len(at[0]) // v, v, len(at[1]) // h, h).transpose(2, 3)
    return dc.reshape(len(dc), -1).diff(dim=1, prepend=dc.new_zeros(len(dc), 1)).reshape(-1)


@dataclass(frozen=True)
class TableBits:
    """Bits that one quantization table's components take: ac (8, 8) per frequency with 0 at DC, dc a scalar tensor."""

    ac: Tensor
    dc: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum, a scalar tensor."""
        return self.ac.sum() + self.dc


def _table_bits(
    samples: Tensor,
    weights: Tensor | None,
    differences: Tensor,
    difference_weights: Tensor | None,
    step: Tensor,
    sharpness: Tensor | float,
    dead_zone: Tensor | None,
) -> TableBits:
    mask = torch.ones_like(step)
    mask[0, 0] = 0
    ac = index_bits(samples, step, sharpness, dead_zone, weights) * mask
    return TableBits(ac, difference_bits(differences, step[0, 0], difference_weights))


def batch_bits(
    planes: Sequence[Tensor],
    sampling: str,
    steps: Sequence[Tensor],
    sharpness: Tensor | float,
    dead_zones: Sequence[Tensor | None] = (None, None),
) -> list[TableBits]:
    """Estimated bits of a batch, one entry per table (luma; chroma, its two components pooled).

    planes: one (B, By, Bx, 8, 8) per component; steps and dead_zones: (8, 8) for luma and for chroma. The marginals are
    those of the batch.
    """
    result = []
    for table, members in enumerate((planes[:1], planes[1:])):
        if members:
            samples = torch.cat([p.reshape(-1, 8, 8) for p in members])
            differences = torch.cat([dc_differences(p, sampling, table) for p in members])
            result.append(_table_bits(samples, None, differences, None, steps[table], sharpness, dead_zones[table]))
    return result


_MAGNITUDES = (  # (bin width, up to this magnitude): islow's own grid of 1/8 first, coarser for the few large ones
    (0.125, 64.0),
    (0.5, 256.0),
    (2.0, 2080.0),
)


class Spectrum:
    """How often each coefficient magnitude occurs in a set of images: all that the rate needs of them.

    The marginals over the *whole* set, and their gradient with respect to the encoding parameters, follow from it
    exactly and without noise, for the price of a few hundred thousand weighted samples however many images there are.
    Magnitudes up to 64 are kept as they are (islow's output lies on a grid of 1/8), larger ones to 1/2 or 2.
    """

    def __init__(
        self, sampling: str, images: int, pixels: int, counts: Sequence[Tensor], differences: Sequence[Tensor]
    ) -> None:
        """counts: per table (bins, 8, 8) float; differences: per table (bins,) float. See `Spectrum.of`."""
        self.sampling, self.images, self.pixels = sampling, images, pixels
        self.blocks = int(sum(c[:, 0, 0].sum().item() for c in counts))
        self._ac = [_compact(c) for c in counts]
        self._dc = [_compact(d[:, None]) for d in differences]

    @classmethod
    def of(cls, images: Iterable[NDArray[np.uint8]], sampling: str) -> Spectrum:
        """From uint8 images (H, W, 3) of any sizes. Raises DataError where there is none."""
        edges = _bin_edges()
        bins = len(edges) + 1
        counts: list[Tensor] = []
        differences: list[Tensor] = []
        seen = pixels = 0
        for image in images:
            seen, pixels = seen + 1, pixels + image.shape[0] * image.shape[1]
            planes = [torch.from_numpy(plane).float()[None] / 8 for plane in forward_dct(image, sampling)]
            while len(counts) < min(len(planes), 2):
                counts.append(torch.zeros(bins * 64, dtype=torch.float64))
                differences.append(torch.zeros(bins, dtype=torch.float64))
            for component, plane in enumerate(planes):
                table = min(component, 1)
                place = torch.bucketize(plane.reshape(-1, 64).abs(), edges, right=True)
                place = place * 64 + torch.arange(64)
                counts[table] += torch.bincount(place.view(-1), minlength=bins * 64)
                place = torch.bucketize(
                    dc_differences(plane.detach().cpu(), sampling, component).abs(), edges, right=True
                )
                differences[table] += torch.bincount(place, minlength=bins)
        if not counts:
            raise DataError("a spectrum needs at least one image; got none")
        return cls(sampling, seen, pixels, [c.view(bins, 8, 8) for c in counts], differences)

    def bits(
        self,
        steps: Sequence[Tensor],
        sharpness: Tensor | float,
        dead_zones: Sequence[Tensor | None] = (None, None),
    ) -> list[TableBits]:
        """Estimated bits of the whole set, one entry per table, differentiable as in `batch_bits`."""
        result = []
        for table, ((samples, weights), (dc, dc_weights)) in enumerate(zip(self._ac, self._dc, strict=True)):
            like = steps[table]
            samples, weights, dc, dc_weights = (x.to(like) for x in (samples, weights, dc, dc_weights))
            result.append(_table_bits(samples, weights, dc[:, 0], dc_weights[:, 0], like, sharpness, dead_zones[table]))
        return result


def _bin_edges() -> Tensor:
    """Upper edges of the magnitude bins; values on islow's grid of 1/8 fall clear of them."""
    parts, start = [], 0.0
    for width, stop in _MAGNITUDES:
        parts.append(torch.arange(start, stop, width))
        start = stop
    lower = torch.cat(parts)
    return lower[1:] - 0.0625


def _compact(counts: Tensor) -> tuple[Tensor, Tensor]:
    """(samples, weights), both (bins, ...) float32, without the bins that no frequency uses."""
    edges = _bin_edges()
    lower = torch.cat((edges.new_zeros(1), edges + 0.0625))
    upper = torch.cat((lower[1:], lower[-1:] + 2))
    middle = torch.where(upper - lower > 0.125, (lower + upper) / 2 - 0.0625, lower)
    used = counts.flatten(1).sum(1) > 0
    shape = (-1,) + (1,) * (counts.dim() - 1)
    return middle[used].view(shape).expand_as(counts[used]).contiguous(), counts[used].float()
