"""The spectrum of a set of images: the whole set's rate, without noise and without the images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from j4d.errors import DataError
from j4d.jpeg.coefficients import forward_dct
from j4d.jpeg.parameters import EncodingParameters
from j4d.rate.activity import FileBits, SymbolCounter, SymbolSpectrum, bins_on_grid
from j4d.rate.block_sample import BlockSample, BlockSampler
from j4d.rate.dc_sample import DCSample, DCSampler
from j4d.simulation.entropy import TableBits, dc_differences, table_bits
from j4d.simulation.quantizer import nearest
from j4d.support import ranks

_MAGNITUDES = (  # (bin width, up to this magnitude): islow's own grid of 1/8 first, coarser for the few large ones
    (0.125, 64.0),
    (0.25, 256.0),
    (0.5, 2080.0),
)


class _Histogram:
    """Counts of magnitudes in the bins of _MAGNITUDES, and their sums, for each of `frequencies` columns."""

    def __init__(self, frequencies: int) -> None:
        lower = torch.cat([torch.arange(*ends, width) for width, ends in _bin_ranges()])
        self.places = bins_on_grid(lower[1:])
        self.counts, self.sums = torch.zeros(2, len(lower) * frequencies, dtype=torch.float64)
        self.frequencies = frequencies

    def add(self, values: Tensor) -> None:
        """values (N, frequencies), multiples of 1/8."""
        magnitudes = values.abs()
        place = self.places[(magnitudes * 8).long()] * self.frequencies + torch.arange(self.frequencies)
        self.counts += torch.bincount(place.view(-1), minlength=len(self.counts))
        self.sums += torch.bincount(place.view(-1), magnitudes.double().view(-1), len(self.sums))

    def pool(self) -> None:
        """Add those of the other ranks. Multiples of 1/8, all of them: the sums are exact in whatever order."""
        self.counts, self.sums = ranks.total(torch.stack((self.counts, self.sums)))

    def samples(self) -> tuple[Tensor, Tensor]:
        """(magnitudes, counts), both (bins, frequencies) float32: bins by their mean, without those nowhere used."""
        counts, sums = (x.view(-1, self.frequencies) for x in (self.counts, self.sums))
        used = counts.sum(1) > 0
        return (sums / counts.clamp_min(1))[used].float(), counts[used].float()


def _bin_ranges() -> list[tuple[float, tuple[float, float]]]:
    starts = (0.0, *(stop for _, stop in _MAGNITUDES))
    return [(width, (start, stop)) for start, (width, stop) in zip(starts, _MAGNITUDES, strict=False)]


class Spectrum:
    """How often each coefficient magnitude occurs in a set of images: all that the rate needs of them.

    The marginals over the *whole* set, and their gradient with respect to the encoding parameters, follow from it
    without noise, for the price of a few hundred thousand weighted samples however many images there are. Magnitudes
    up to 64 are kept as they are (islow's output lies on a grid of 1/8), larger ones to 1/4 or 1/2, as their mean. Some
    blocks are kept as they are beside it: what a trellis takes follows from no marginal.
    """

    def __init__(
        self,
        sampling: str,
        images: int,
        pixels: int,
        blocks: int,
        ac: Sequence[_Histogram],
        dc: Sequence[_Histogram],
        symbols: SymbolSpectrum,
        sample: BlockSample,
        dc_sample: DCSample,
    ) -> None:
        """ac: per table the 63 AC frequencies; dc: per table the differences. See `Spectrum.of`."""
        self.sampling, self.images, self.pixels, self.blocks = sampling, images, pixels, blocks
        self._ac = [[F.pad(x, (1, 0)).view(-1, 8, 8) for x in histogram.samples()] for histogram in ac]
        self._dc = [histogram.samples() for histogram in dc]
        self._symbols, self._sample, self._dc_sample = symbols, sample, dc_sample

    @property
    def tables(self) -> int:
        """Quantization tables: 1 for gray, else 2."""
        return len(self._ac)

    @classmethod
    def of(cls, images: Iterable[NDArray[np.uint8]], sampling: str) -> Spectrum:
        """From uint8 images (H, W, 3) of any sizes; each rank reads its share. Raises DataError where there is none."""
        tables = 1 if sampling == "gray" else 2
        ac, dc = ([_Histogram(frequencies) for _ in range(tables)] for frequencies in (63, 1))
        symbols, sampler, dc_sampler = SymbolCounter(sampling), BlockSampler(), DCSampler()
        seen = pixels = blocks = 0
        for image in ranks.share(images):
            seen, pixels = seen + 1, pixels + image.shape[0] * image.shape[1]
            stored = forward_dct(image, sampling)
            sampler.add(stored)
            dc_sampler.add(stored)
            planes = [torch.from_numpy(plane).float() / 8 for plane in stored]
            symbols.add(planes)
            for component, plane in enumerate(planes):
                table, coefficients = min(component, 1), plane[None]
                blocks += plane.shape[0] * plane.shape[1]
                ac[table].add(coefficients.reshape(-1, 64)[:, 1:])
                dc[table].add(dc_differences(coefficients, sampling, component)[:, None])
        seen, pixels, blocks = ranks.total(torch.tensor((seen, pixels, blocks))).tolist()
        if not seen:
            raise DataError("a spectrum needs at least one image; got none")
        for histogram in (*ac, *dc):
            histogram.pool()
        counted = symbols.spectrum()
        samples = sampler.sample(counted.groups), dc_sampler.sample()
        return cls(sampling, seen, pixels, blocks, ac, dc, counted, *samples)

    def bits(
        self,
        steps: Sequence[Tensor],
        sharpness: Tensor | float,
        dead_zones: Sequence[Tensor | None] = (None, None),
    ) -> list[TableBits]:
        """Entropies of the marginals of the whole set, one entry per table, differentiable as in `batch_bits`."""
        result = []
        for table, ((samples, weights), (dc, dc_weights)) in enumerate(zip(self._ac, self._dc, strict=True)):
            like = steps[table]
            samples, weights, dc, dc_weights = (x.to(like) for x in (samples, weights, dc, dc_weights))
            result.append(table_bits(samples, weights, dc[:, 0], dc_weights[:, 0], like, sharpness, dead_zones[table]))
        return result

    def symbol_bits(
        self,
        steps: Sequence[Tensor],
        sharpness: Tensor | float,
        dead_zones: Sequence[Tensor | None] = (None, None),
    ) -> FileBits:
        """Estimated bits of the whole set's files, symbol by symbol, differentiable in the encoding parameters."""
        return self._symbols.bits(steps, sharpness, dead_zones)

    def trellis_share(self, parameters: EncodingParameters) -> float:
        """What the parameters' trellis leaves of the bits of the files' AC symbols, about; 1 where they have none."""
        return self._sample.trellis_share(replace(parameters, sampling=self.sampling))

    def dc_share(self, parameters: EncodingParameters) -> float:
        """What the choice of DC indices leaves of the bits of the files' DC symbols, about; 1 where there is none."""
        return self._dc_sample.share(replace(parameters, sampling=self.sampling))

    def squared_error(self, steps: Sequence[Tensor]) -> list[Tensor]:
        """Sum over the whole set of (coefficient - k q)^2 for the nearest index k: (8, 8) per table.

        DC, of which the spectrum holds differences alone, is taken as spread evenly over its steps: q^2 / 12 each.
        """
        result = []
        for (samples, weights), step in zip(self._ac, steps, strict=True):
            error = ((samples - nearest(samples, step) * step).square_() * weights).sum(0)
            error[0, 0] = weights[:, 0, 1].sum() * step[0, 0].square() / 12
            result.append(error)
        return result
