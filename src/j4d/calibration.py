"""From marginal entropies to whole-file bits: four numbers fitted to real files.

One static ideal code per frequency is not what a JPEG file holds: runs of zeros and end-of-block share a code, Huffman
spends whole bits, every block costs something, every file has a header. `RateModel` states the file size as

    bits = ac x (entropy of AC indices) + dc x (entropy of DC differences) + block x (blocks) + file x (files)

and is fitted to files written with the very parameters of a ladder, on learning images; elsewhere it predicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from j4d import ranks
from j4d.codec import encode
from j4d.parameters import EncodingParameters
from j4d.quantizer import SHARPNESS_RANGE
from j4d.rate import TableBits
from j4d.spectrum import Spectrum

_PRIOR = np.array([1.0, 1.0, 0.0, 2400.0])  # an ideal coder behind a header of 300 bytes
_SCALE = np.array([0.3, 0.3, 1.0, 800.0])  # how far from it files are expected to be
_RIDGE = 1e-4  # weight of the prior against squared relative errors of the file sizes


@dataclass(frozen=True)
class RateModel:
    """Bits of files: ac and dc (bits per bit of entropy), block (bits per block), file (bits per file)."""

    ac: float = 1.0
    dc: float = 1.0
    block: float = 0.0
    file: float = 0.0

    def whole(self, spectrum: Spectrum, tables: Sequence[TableBits]) -> Tensor:
        """Estimated bits per pixel, headers included, from `spectrum.bits(...)`; a differentiable scalar."""
        ac, dc = (torch.stack(part).sum() for part in ([t.ac.sum() for t in tables], [t.dc for t in tables]))
        fixed = self.block * spectrum.blocks + self.file * spectrum.images
        return (self.ac * ac + self.dc * dc + fixed) / spectrum.pixels

    def bpp(self, spectrum: Spectrum, parameters: EncodingParameters) -> float:
        """Estimated bits per pixel of the spectrum's images under `parameters` without a trellis, headers included."""
        return float(self.whole(spectrum, _table_bits(spectrum, parameters)))

    @classmethod
    def fit(
        cls,
        spectrum: Spectrum,
        images: Iterable[NDArray[np.uint8]],
        ladder: Sequence[EncodingParameters],
    ) -> RateModel:
        """Least squares of the relative error over a ladder of parameters; `spectrum` is that of `images`.

        Of files without a trellis, whatever the parameters say; `trellis_factor` has what it saves.
        """
        ladder = [parameters.without_trellis() for parameters in ladder]
        actual = np.zeros(len(ladder))
        for image in ranks.share(images):
            actual += [8 * len(encode(image, parameters)) for parameters in ladder]
        actual = ranks.total(torch.from_numpy(actual)).numpy()
        units = [cls(1, 0, 0, 0), cls(0, 1, 0, 0), cls(0, 0, 1, 0), cls(0, 0, 0, 1)]
        tables = [_table_bits(spectrum, parameters) for parameters in ladder]
        bits = np.array([[float(unit.whole(spectrum, t)) for unit in units] for t in tables]) * spectrum.pixels
        rows = bits / actual[:, None]
        left = np.concatenate((rows * _SCALE, np.sqrt(_RIDGE) * np.eye(4)))
        right = np.concatenate((1 - rows @ _PRIOR, np.zeros(4)))
        solution = np.linalg.lstsq(left, right, rcond=None)[0]
        return cls(*(float(x) for x in _PRIOR + _SCALE * solution))


def trellis_factor(images: Iterable[NDArray[np.uint8]], parameters: EncodingParameters) -> float:
    """Bytes of the images' files over those without a trellis; 1 where the parameters have none.

    No entropy of single frequencies tells that: a trellis acts on runs and code lengths.
    """
    if parameters.trellis is None:
        return 1.0
    plain = parameters.without_trellis()
    sizes = np.array([[len(encode(image, p)) for p in (parameters, plain)] for image in images]).sum(0)
    return float(sizes[0] / sizes[1])


def _table_bits(spectrum: Spectrum, parameters: EncodingParameters) -> list[TableBits]:
    """Entropies of the indices that `parameters` give."""
    steps = [torch.from_numpy(t.astype(np.float32)) for t in (parameters.luma, parameters.chroma)]
    zones = [
        None if z is None else torch.from_numpy(z.astype(np.float32))
        for z in (parameters.luma_dead_zone, parameters.chroma_dead_zone)
    ]
    kappa = SHARPNESS_RANGE[1] if parameters.sharpness is None else min(parameters.sharpness, SHARPNESS_RANGE[1])
    return spectrum.bits(steps, kappa, zones)
