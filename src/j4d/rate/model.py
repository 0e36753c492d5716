"""From estimated bits to those of whole files: a few numbers fitted to real files.

`RateModel` states the size of files as

    bits = ac x (bits of AC indices) + dc x (bits of DC differences) + header + block x (blocks) + file x (files)

and is fitted to files written with the very parameters of a ladder, on learning images; elsewhere it predicts. Bits are
estimated in one of two ways. From symbols (`j4d.rate.activity`), headers are known, and `ac` alone is fitted: indices
of blocks of one class are not quite independent, which is 2 % of their bits. From the entropies of marginals
(`j4d.simulation.entropy`) all four numbers are needed: one static ideal code per frequency is not what a JPEG file
holds, where runs of zeros and end-of-block share a code, Huffman spends whole bits, every block costs something, every
file has a header.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from j4d.jpeg.encoding import encode
from j4d.jpeg.parameters import EncodingParameters
from j4d.rate.spectrum import Spectrum
from j4d.simulation.quantizer import SHARPNESS_RANGE
from j4d.support import ranks

Rate = Literal["symbols", "marginal"]
RATES: tuple[Rate, ...] = ("symbols", "marginal")
_PRIOR = {  # of marginals: an ideal coder behind a header of 300 bytes
    "symbols": np.array([1.0, 1.0, 0.0, 0.0]),
    "marginal": np.array([1.0, 1.0, 0.0, 2400.0]),
}
_SCALE = {  # how far from it files are expected to be
    "symbols": np.array([0.03, 0.0, 0.0, 0.0]),
    "marginal": np.array([0.3, 0.3, 1.0, 800.0]),
}
_RIDGE = 1e-4  # weight of the prior against squared relative errors of the file sizes


@dataclass(frozen=True)
class RateModel:
    """Bits of files: ac and dc (bits per estimated bit), block (bits per block), file (bits per file).

    kind: what is estimated, "symbols" (`Spectrum.symbol_bits`) or "marginal" (`Spectrum.bits`).
    """

    ac: float = 1.0
    dc: float = 1.0
    block: float = 0.0
    file: float = 0.0
    kind: Rate = "marginal"  # as profiles have it that were written before there was a choice

    def whole(
        self,
        spectrum: Spectrum,
        steps: Sequence[Tensor],
        sharpness: Tensor | float,
        dead_zones: Sequence[Tensor | None] = (None, None),
    ) -> Tensor:
        """Estimated bits per pixel of the spectrum's images, headers included; a differentiable scalar.

        steps and dead_zones: (8, 8) for luma and for chroma.
        """
        ac, dc, header = _parts(spectrum, self.kind, steps, sharpness, dead_zones)
        return (self.ac * ac + self.dc * dc + header + self.fixed(spectrum)) / spectrum.pixels

    def fixed(self, spectrum: Spectrum) -> float:
        """Bits of the spectrum's images that no parameter changes."""
        return self.block * spectrum.blocks + self.file * spectrum.images

    @torch.no_grad()
    def bpp(self, spectrum: Spectrum, parameters: EncodingParameters) -> float:
        """Estimated bits per pixel of the spectrum's images under `parameters`, trellis and headers included."""
        ac, dc, header = _parts(spectrum, self.kind, *_tensors(parameters))
        ac, dc = ac * spectrum.trellis_share(parameters), dc * spectrum.dc_share(parameters)
        return float((self.ac * ac + self.dc * dc + header + self.fixed(spectrum)) / spectrum.pixels)

    @classmethod
    @torch.no_grad()
    def fit(
        cls,
        spectrum: Spectrum,
        images: Iterable[NDArray[np.uint8]],
        ladder: Sequence[EncodingParameters],
        kind: Rate = "symbols",
    ) -> RateModel:
        """Least squares of the relative error over a ladder of parameters; `spectrum` is that of `images`.

        Of files without a trellis, whatever the parameters say; what it saves the spectrum knows.
        """
        ladder = [parameters.without_trellis() for parameters in ladder]
        actual = np.zeros(len(ladder))
        for image in ranks.share(images):
            actual += [8 * len(encode(image, parameters)) for parameters in ladder]
        actual = ranks.total(torch.from_numpy(actual)).numpy()
        parts = np.array([[float(x) for x in _parts(spectrum, kind, *_tensors(p))] for p in ladder])
        fixed = np.broadcast_to((spectrum.blocks, spectrum.images), (len(ladder), 2))
        rows = np.concatenate((parts[:, :2], fixed), 1) / actual[:, None]
        prior, scale = _PRIOR[kind], _SCALE[kind]
        left = np.concatenate((rows * scale, np.sqrt(_RIDGE) * np.eye(4)))
        right = np.concatenate((1 - parts[:, 2] / actual - rows @ prior, np.zeros(4)))
        solution = np.linalg.lstsq(left, right, rcond=None)[0]
        ac, dc, block, file = (float(x) for x in prior + scale * solution)
        return cls(ac, dc, block, file, kind)


def _parts(
    spectrum: Spectrum,
    kind: Rate,
    steps: Sequence[Tensor],
    sharpness: Tensor | float,
    dead_zones: Sequence[Tensor | None],
) -> tuple[Tensor, Tensor, Tensor]:
    """Estimated bits of all images, scalars: AC, DC, headers."""
    if kind == "symbols":
        bits = spectrum.symbol_bits(steps, sharpness, dead_zones)
        return bits.ac, bits.dc, bits.header
    tables = spectrum.bits(steps, sharpness, dead_zones)
    ac, dc = (torch.stack(part).sum() for part in ([t.ac.sum() for t in tables], [t.dc for t in tables]))
    return ac, dc, torch.zeros_like(ac)


def _tensors(parameters: EncodingParameters) -> tuple[list[Tensor], float, list[Tensor | None]]:
    """Steps, sharpness and dead zones of `parameters` as a spectrum takes them."""
    steps = [torch.from_numpy(t.astype(np.float32)) for t in (parameters.luma.steps, parameters.chroma.steps)]
    zones = [
        None if z is None else torch.from_numpy(z.astype(np.float32))
        for z in (parameters.luma.dead_zone, parameters.chroma.dead_zone)
    ]
    kappa = SHARPNESS_RANGE[1] if parameters.sharpness is None else min(parameters.sharpness, SHARPNESS_RANGE[1])
    return steps, kappa, zones
