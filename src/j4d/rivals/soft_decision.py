"""Soft-decision quantization: for each block the indices with the least weighted error + lambda x bits.

Yang and Wang (2009) choose run lengths, indices and Huffman codes together; here as there the best path through a
block's 63 AC positions is found exactly for given code lengths. The native trellis does it, whose objective is the same
when bits are the unit: with u = c / q,

    weight (c - k q)^2 + lambda bits  =  lambda (weight q^2 / lambda (u - k)^2 + bits).

The lengths are those of the codes that nearest indices would be written with; candidates are the nearest index, the
one below, and 0. DC keeps its nearest index.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from j4d.jpeg.parameters import LEAST_WEIGHT, MOST_WEIGHT, EncodingParameters, Trellis


def with_soft_decisions(
    parameters: EncodingParameters, weights: NDArray[np.float64], lagrangian: float
) -> EncodingParameters:
    """The same tables with soft decisions. weights: (2, 8, 8), the price of a squared error of a coefficient;
    lagrangian: of a bit.

    What a squared step is worth is kept within 0.001..1000 bits, where it matters no more.
    """
    steps = np.stack([each.steps for each in parameters.quantizations]).astype(np.float64)
    worth = (weights * steps**2 / lagrangian).clip(LEAST_WEIGHT, MOST_WEIGHT)
    luma, chroma = (replace(each, weights=w) for each, w in zip(parameters.quantizations, worth, strict=True))
    return replace(parameters, luma=luma, chroma=chroma, trellis=Trellis(1.0))
