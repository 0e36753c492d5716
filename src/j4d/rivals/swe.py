"""Soft decisions weighted by a model's sensitivity (SWE; Salamah, Zheng, Ye, Yang, JSAIT 2024): "swe" and "opts-sdq".

"swe" takes default JPEG's tables, "opts-sdq" those of OptS. The indices then minimise sum s (c - k q)^2 + lambda bits
in every block, s the sensitivity of the frequency. lambda follows from the tables: at a weighted error of d for every
coded frequency theory has a bit worth 2 ln 2 d nats; FACTOR times that does better on files.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from j4d.jpeg.encoding import encode
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.tables import ANNEX_K_CHROMA, ANNEX_K_LUMA
from j4d.rivals.fitted import FittedJPEG
from j4d.rivals.gradients import frequencies
from j4d.rivals.opts import LEVELS, Table, optimal_tables
from j4d.rivals.rates import RateLadder
from j4d.rivals.registry import Request
from j4d.rivals.soft_decision import with_soft_decisions

# The best of 0.1, 0.2, 0.4, 1 and 2 by KL on 50 validation photographs (docs/rivals.md). Soft decisions err towards 0,
# and such errors add up in a model more than their squares say.
FACTOR = 0.2


def lagrangian_of(parameters: EncodingParameters, sensitivity: Table, magnitude: Table, factor: float) -> float:
    """factor x 2 ln 2 x mean s q^2 / 12 over the AC indices that are not 0, as Laplacians of `magnitude` have them."""
    steps = np.stack([parameters.luma.steps, parameters.chroma.steps]).astype(np.float64)
    coded = np.exp(-steps / (2 * np.maximum(magnitude, 1e-3)))
    coded[:, 0, 0] = 0
    error = (coded * sensitivity * steps**2 / 12).sum() / max(float(coded.sum()), 1e-30)
    return float(factor * 2 * math.log(2) * error)


def make(request: Request, factor: float = FACTOR) -> FittedJPEG:
    found = frequencies(request.learned_from, request.sampling)
    annex_k = request.name == "swe"

    def tables(knob: float) -> tuple[ArrayLike, ArrayLike]:
        return (ANNEX_K_LUMA * knob, ANNEX_K_CHROMA * knob) if annex_k else optimal_tables(found, knob)

    def lagrangian(parameters: EncodingParameters) -> float:
        return lagrangian_of(parameters, found.sensitivity, found.magnitude, factor)

    def soft(parameters: EncodingParameters) -> EncodingParameters:
        return with_soft_decisions(parameters, found.sensitivity, lagrangian(parameters))

    def written(image: NDArray[np.uint8], parameters: EncodingParameters, knob: float) -> bytes:
        return encode(image, soft(parameters))

    rungs = RateLadder.of(request).climb(tables, *((1e-3, 1e3) if annex_k else LEVELS), written)
    return FittedJPEG(
        request.name,
        [soft(rung.parameters) for rung in rungs],
        [rung.bpp for rung in rungs],
        {
            "sensitivity": found.sensitivity.tolist(),
            "lagrangian": [lagrangian(rung.parameters) for rung in rungs],
            "knob": [rung.knob for rung in rungs],
        },
        name="SWE" if annex_k else "OptS + SDQ",
    )


from_config = FittedJPEG.from_config
