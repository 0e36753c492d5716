"""Steps inversely proportional to the root of the sensitivity: the simplest use of a model's gradients.

With errors q^2 / 12 the weighted error s q^2 / 12 is then the same for every frequency, which is the best for a given
rate where steps are small against the coefficients. No paper is followed; it is what OptS is without its model of the
coefficients.
"""

from __future__ import annotations

import numpy as np

from j4d.rivals.fitted import FittedJPEG
from j4d.rivals.gradients import frequencies
from j4d.rivals.rates import RateLadder, scaled_tables
from j4d.rivals.registry import Request


def make(request: Request) -> FittedJPEG:
    sensitivity = frequencies(request.learned_from, request.sampling).sensitivity
    root = np.sqrt(np.maximum(sensitivity, 1e-30))
    luma, chroma = root.max() / root
    rungs = RateLadder.of(request).climb(scaled_tables(luma, chroma), 1e-3, 1e3)
    return FittedJPEG(
        request.name,
        [rung.parameters for rung in rungs],
        [rung.bpp for rung in rungs],
        {"sensitivity": sensitivity.tolist(), "factor": [rung.knob for rung in rungs]},
        name="inverse sensitivity",
    )


from_config = FittedJPEG.from_config
