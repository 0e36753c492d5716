"""OptS (Zheng, Salamah, Chen, Yang; ICIP 2023, JSAIT 2024): tables that give every frequency the same weighted error.

The error of a frequency counts with its sensitivity s, the mean of (dL/dc)^2. Reverse water-filling over a Laplacian
model of the AC coefficients (OptD: Yang, Sun, Meng 2014) gives each the largest step whose error D(q) is at most d / s,
and DC, taken as spread evenly, the step sqrt(12 d / s). The level d is what trades rate for error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from j4d.jpeg.tables import MAX_STEP
from j4d.rivals.fitted import FittedJPEG
from j4d.rivals.gradients import Frequencies, frequencies
from j4d.rivals.rates import RateLadder
from j4d.rivals.registry import Request

LEVELS = (1e-18, 1e6)  # of d, in nats
_STEPS = np.arange(1, MAX_STEP + 1, dtype=np.float64)

Table = NDArray[np.float64]


def laplacian_error(step: ArrayLike, mean: ArrayLike) -> Table:
    """Mean squared error of a Laplacian of mean magnitude `mean` rounded to multiples of `step`; arrays are broadcast.

    2 mean^2 - mean q / sinh(q / 2 mean): q^2 / 12 for small steps, the variance for great ones.
    """
    q, scale = np.asarray(step, np.float64), np.asarray(mean, np.float64)
    return np.asarray(2 * scale**2 - scale * q / np.sinh(np.minimum(q / (2 * scale), 300.0)), np.float64)


def optimal_tables(found: Frequencies, level: float) -> tuple[Table, Table]:
    """Steps of luma and of chroma, (8, 8) whole numbers 1..255, at the level d."""
    allowed = level / np.maximum(found.sensitivity, 1e-30)
    errors = laplacian_error(_STEPS[:, None, None, None], np.maximum(found.magnitude, 1e-3))
    tables: Table = np.maximum((errors <= allowed).sum(0), 1).astype(np.float64)
    tables[:, 0, 0] = np.floor(np.sqrt(12 * allowed[:, 0, 0])).clip(1, MAX_STEP)
    return tables[0], tables[1]


def make(request: Request) -> FittedJPEG:
    found = frequencies(request.learned_from, request.sampling)
    rungs = RateLadder.of(request).climb(lambda level: optimal_tables(found, level), *LEVELS)
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
