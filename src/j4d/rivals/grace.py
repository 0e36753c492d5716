"""GRACE (Xie and Kim, MobiCom 2019): steps that bound the rise of the loss, most of the bound where it buys most rate.

A coefficient moves by at most q / 2, so the loss of a picture rises by at most sum_f d_f, d_f = g_f q_f / 2 with g_f
the mean |dL/dc| of a frequency. The best steps within a budget B of loss share it evenly, except that no frequency can
lose more than by being dropped, d_f <= g_f |c_f|: d = min(g |c|, level), sum d = B, and q = 2 d / g. As bounds are of
the worst case, |c| is the greatest of the learning pictures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from j4d.rivals.fitted import FittedJPEG
from j4d.rivals.gradients import frequencies
from j4d.rivals.rates import RateLadder
from j4d.rivals.registry import Request

Table = NDArray[np.float64]


def water_filled(most: Table, budget: float) -> Table:
    """min(most, level) with the level at which its sum is `budget`, a number up to the sum of `most`; any shape."""
    ordered = np.sort(most, axis=None)
    below = np.concatenate(([0.0], np.cumsum(ordered)[:-1]))
    levels = (budget - below) / np.arange(ordered.size, 0, -1)  # if all before are at their most
    reached = np.flatnonzero(levels <= ordered)
    level = levels[reached[0]] if len(reached) else ordered[-1]
    filled: Table = np.minimum(most, level)
    return filled


def steps(gradient: Table, peak: Table, budget: float) -> Table:
    """q = 2 d / g for every frequency, real-valued; gradient and peak of any one shape, budget in nats."""
    q: Table = 2 * water_filled(gradient * peak, budget) / gradient
    return q


def make(request: Request) -> FittedJPEG:
    found = frequencies(request.learned_from, request.sampling)
    gradient = np.maximum(found.gradient, 1e-30)

    def tables(budget: float) -> tuple[Table, Table]:
        luma, chroma = steps(gradient, found.peak, budget)
        return luma, chroma

    most = float((gradient * found.peak).sum())
    rungs = RateLadder.of(request).climb(tables, most * 1e-9, most)
    return FittedJPEG(
        request.name,
        [rung.parameters for rung in rungs],
        [rung.bpp for rung in rungs],
        {"gradient": found.gradient.tolist(), "peak": found.peak.tolist(), "budget": [rung.knob for rung in rungs]},
        name="GRACE",
    )


from_config = FittedJPEG.from_config
