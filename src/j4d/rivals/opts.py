"""OptS (Zheng, Salamah, Chen, Yang; ICIP 2023, JSAIT 2024): tables that give every frequency the same weighted error.

The error of a frequency counts with its sensitivity s, the mean of (dL/dc)^2. Reverse water-filling over a Laplacian
model of the AC coefficients (OptD: Yang, Sun, Meng 2014) gives each the largest step whose error D(q) is at most d / s,
and DC, taken as spread evenly, the step sqrt(12 d / s). The level d is what trades rate for error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from j4d.rivals import Request
from j4d.rivals.fitted import FittedJPEG
from j4d.rivals.gradients import Frequencies, frequencies
from j4d.rivals.rates import Ladder, Tables
from j4d.tables import MAX_STEP

LEVELS = (1e-18, 1e6)  # of d, in nats
_STEPS = np.arange(1, MAX_STEP + 1, dtype=np.float64)

Table = NDArray[np.float64]


def laplacian_error(step: ArrayLike, scale: ArrayLike, zero: ArrayLike | None = None) -> Table:
    """Mean squared error of a Laplacian of mean magnitude `scale` quantized with `step`, indices reconstructed at k q.

    zero: half the width of the interval that becomes 0, by default q / 2, that of rounding; the further ones are q
    wide. The arrays are broadcast. 2 scale^2, the variance, is what a great step tends to, q^2 / 12 what a small one
    does.
    """
    q, mean = np.asarray(step, np.float64), np.asarray(scale, np.float64)
    half = q / 2 if zero is None else np.asarray(zero, np.float64)
    kept = np.exp(-half / mean) / -np.expm1(-q / mean)
    return np.asarray(2 * mean**2 - 2 * q * (mean + half - q / 2) * kept, np.float64)


def matched_zero(step: ArrayLike, scale: ArrayLike) -> Table:
    """The `zero` with which k q are the centroids of their intervals: what soft decisions come to (OptD)."""
    q, mean = np.asarray(step, np.float64), np.asarray(scale, np.float64)
    ratio = np.minimum(q / mean, 500.0)
    return np.asarray(q - mean + q / np.expm1(ratio), np.float64)


def optimal_tables(found: Frequencies, level: float, *, soft: bool = False) -> Table:
    """Steps (2, 8, 8), whole numbers 1..255, at the level d. soft: for soft decisions instead of rounding."""
    allowed = level / np.maximum(found.sensitivity, 1e-30)
    scale = np.maximum(found.magnitude, 1e-3)
    q = _STEPS[:, None, None, None]
    errors = laplacian_error(q, scale, matched_zero(q, scale) if soft else None)
    tables: Table = np.maximum((errors <= allowed).sum(0), 1).astype(np.float64)
    tables[:, 0, 0] = np.floor(np.sqrt(12 * allowed[:, 0, 0])).clip(1, MAX_STEP)
    return tables


def tables_of(found: Frequencies, *, soft: bool = False) -> Tables:
    """`optimal_tables` with the level as the knob."""

    def tables(level: float) -> tuple[Table, Table]:
        luma, chroma = optimal_tables(found, level, soft=soft)
        return luma, chroma

    return tables


def make(request: Request) -> FittedJPEG:
    found = frequencies(request.learned_from, request.sampling)
    rungs = Ladder.of(request).climb(tables_of(found), *LEVELS)
    return FittedJPEG(
        request.name,
        [rung.parameters for rung in rungs],
        [rung.bpp for rung in rungs],
        {
            "sensitivity": found.sensitivity.tolist(),
            "magnitude": found.magnitude.tolist(),
            "level": [rung.knob for rung in rungs],
        },
        name="OptS",
    )


from_config = FittedJPEG.from_config
