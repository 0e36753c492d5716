"""Several models, one number to minimise: the weighted mean of their losses, or a smooth maximum of what they lose.

"worst" is the power mean M = (sum_m w_m E_m^8)^(1/8) of the models' rises E_m, a rise being the mean loss less the mean
loss on uncompressed pictures (for the KL of a model's own answers that is the loss itself; a model that is often wrong
has a large cross-entropy anyway, and would otherwise always be the worst). A plain maximum follows one model at a time
and jumps to another from step to step; the power mean goes over smoothly, knows no unit, and is the mean where all
models lose the same. Its slope dM/dE_m = w_m (E_m / M)^7 is the weight of a model's gradient, so that models can take
turns at the pixels here, too; and sum_m slope_m E_m = M.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from j4d.errors import ParameterError

Combine = Literal["mean", "worst"]
COMBINES: tuple[Combine, ...] = ("mean", "worst")
POWER = 8
LEAST_RISE = 1e-6  # nats; less is noise

Array = NDArray[np.float64]


class Objective:
    """How the losses of `count` models become one. weights: of the models, any positive numbers; by default all alike.

    Raises ParameterError.
    """

    def __init__(self, count: int, weights: Sequence[float] | None = None, combine: Combine = "mean") -> None:
        given = np.ones(count) if weights is None else np.asarray(weights, np.float64)
        if given.shape != (count,) or not (np.isfinite(given).all() and (given > 0).all()):
            raise ParameterError(f"weights {weights}: expected {count} positive numbers, one for each model")
        if combine not in COMBINES:
            raise ParameterError(f"combine {combine!r} is not one of {', '.join(COMBINES)}")
        self.weights: Array = given / given.sum()
        self.combine = combine

    @property
    def of_rises(self) -> bool:
        """Whether rises count, not losses."""
        return self.combine == "worst"

    def slopes(self, rises: Any) -> Array:
        """What a unit of each model's loss is worth, (models,), at these mean rises (models,), nats."""
        if not self.of_rises:
            return self.weights
        scaled = np.maximum(rises, LEAST_RISE)
        scaled = scaled / scaled.max()
        power_mean = (self.weights * scaled**POWER).sum() ** (1 / POWER)
        slopes: Array = self.weights * (scaled / power_mean) ** (POWER - 1)
        return slopes

    def of_pictures(self, losses: Array, rises: Array) -> Array:
        """One number a picture (N,), nats, from (N, models) each; their mean is the objective."""
        return (rises if self.of_rises else losses) @ self.slopes(rises.mean(0))


class Running:
    """Mean of the last ten values or so; None before the first."""

    def __init__(self) -> None:
        self.sum: Any = 0.0
        self.count = 0.0

    def add(self, value: Any) -> None:
        self.sum, self.count = 0.9 * self.sum + 0.1 * value, 0.9 * self.count + 0.1

    @property
    def mean(self) -> Any:
        return self.sum / self.count if self.count else None
