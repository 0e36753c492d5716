"""The place of each picture on the ladder, chosen by a model that is asked about its files: `Choice`.

What compression does to a model's answer differs from picture to picture far more than anything that can be told
without the model. A judge (`j4d.readers.encoder_judge`) is shown the picture's file at places all along the ladder, and
the place with the least KL + lambda * bits per pixel is taken, KL being that of the judge's answer against the one on
the picture itself. One lambda for all pictures makes the most of the bytes of all of them together. The lambda for each
point of a ladder, at which learning pictures have together the rate that the ladder would give them, is learned
(`j4d.learning.adaptation`) and kept in the profile, since a picture on its own cannot tell it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from j4d.errors import ProfileError
from j4d.jpeg.parameters import finite_number
from j4d.profile.ladder import Ladder

if TYPE_CHECKING:
    pass


Array = NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """What a judge needs to choose along one ladder.

    judge: what the judge was called. fingerprint: of its weights. lambdas: what a bit per pixel is worth at each point
    of the ladder, nats per bpp. Raises ProfileError.
    """

    judge: str
    fingerprint: str
    lambdas: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("judge", "fingerprint"):
            if not isinstance(getattr(self, name), str):
                raise ProfileError(f"choice {name}: {getattr(self, name)!r} is not text")
        values = tuple(finite_number(value, "choice lambda", ProfileError) for value in self.lambdas)
        object.__setattr__(self, "lambdas", values)

    def lagrangian(self, ladder: Ladder, log_rate: float) -> float:
        """Nats per bpp where the ladder is asked for `log_rate`; log-linear between points."""
        return math.exp(float(np.interp(log_rate, ladder.log_rates, np.log(self.lambdas))))
