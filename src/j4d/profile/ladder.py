"""Encoding parameters anywhere along a ladder: between its points by interpolation, beyond its ends by scaling."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from j4d.jpeg.parameters import (
    LEAST_TRELLIS,
    LEAST_WEIGHT,
    MOST_TRELLIS,
    MOST_WEIGHT,
    EncodingParameters,
    Quantization,
    Trellis,
)
from j4d.jpeg.tables import MAX_STEP

REACH = 0.7  # in log rate, how far beyond either end of a ladder a picture may go
_SLOPE = -1.4  # d log(step) / d log(rate), where a ladder of one point cannot tell


class Ladder:
    """Encoding parameters, one or more, by the logarithm of their estimated bits per pixel, strictly increasing."""

    def __init__(self, log_rates: Sequence[float], parameters: Sequence[EncodingParameters]) -> None:
        self.log_rates, self.parameters = list(log_rates), tuple(parameters)

    def at(self, log_rate: float) -> EncodingParameters:
        """The parameters at this logarithm of the estimated rate.

        Between two points steps, sharpness and weights are linear in their logarithm, and dead zones linear, as is what
        a trellis takes a bit to be worth, nothing where there is none. Beyond the ends all steps of the last point grow
        or shrink by one factor, as much as the steps of the whole ladder do on average.
        """
        high = bisect.bisect_left(self.log_rates, log_rate)
        if high < len(self.log_rates) and self.log_rates[high] == log_rate:
            return self.parameters[high]
        if 0 < high < len(self.log_rates):
            low_rate, high_rate = self.log_rates[high - 1 : high + 1]
            share = (log_rate - low_rate) / (high_rate - low_rate)
            return _between(self.parameters[high - 1], self.parameters[high], share)
        end = min(high, len(self.log_rates) - 1)
        return with_scaled_steps(self.parameters[end], math.exp(self._slope() * (log_rate - self.log_rates[end])))

    @property
    def longest_side(self) -> int | None:
        """Pixels at which pictures are stored, the same all along the ladder; None for any size."""
        return self.parameters[0].longest_side

    def _slope(self) -> float:
        """Mean d log(step) / d log(rate) from the first point to the last."""
        if len(self.log_rates) == 1:
            return _SLOPE
        first, last = (np.log([p.luma.steps, p.chroma.steps]).mean() for p in (self.parameters[0], self.parameters[-1]))
        return float(last - first) / (self.log_rates[-1] - self.log_rates[0])


def with_scaled_steps(parameters: EncodingParameters, factor: float) -> EncodingParameters:
    """The same with all steps times `factor`, rounded, within 1..255."""

    def steps(table: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        scaled: npt.NDArray[np.int32] = np.rint(table * factor).clip(1, MAX_STEP).astype(np.int32)
        return scaled

    return parameters.quantized_by(*(replace(each, steps=steps(each.steps)) for each in parameters.quantizations))


def _between(low: EncodingParameters, high: EncodingParameters, t: float) -> EncodingParameters:
    """The point a share `t` of the way; see `Ladder.at`."""
    if low == high:
        return low

    def steps(a: npt.NDArray[np.int32], b: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        return np.rint(np.exp((1 - t) * np.log(a) + t * np.log(b))).astype(np.int32)

    def dead_zone(a: npt.NDArray[np.float64] | None, b: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
        return (1 - t) * (np.zeros((8, 8)) if a is None else a) + t * (np.zeros((8, 8)) if b is None else b)

    sharpness = None  # None is infinite sharpness: anything between it and a finite one is infinite too
    if low.sharpness is not None and high.sharpness is not None:
        sharpness = low.sharpness ** (1 - t) * high.sharpness**t
    trellis, weights = _trellis_between(low, high, t)
    luma, chroma = (
        Quantization(steps(a.steps, b.steps), dead_zone(a.dead_zone, b.dead_zone), weights(a, b))
        for a, b in zip(low.quantizations, high.quantizations, strict=True)
    )
    return EncodingParameters(luma, chroma, low.sampling, sharpness, trellis, low.longest_side)


Weights = Callable[[Quantization, Quantization], npt.NDArray[np.float64] | None]


def _trellis_between(low: EncodingParameters, high: EncodingParameters, t: float) -> tuple[Trellis | None, Weights]:
    """The trellis a share `t` of the way, and the weights from those of its neighbours.

    What a bit is worth in squared steps, 1 / mu, is linear, and so is 1 / a^2; all are 0 where there is none. Weights
    are linear in their logarithm, as steps are, of whose squares they have a factor. Masking and weights are those of
    the point that has a trellis, where one has.
    """

    def mean(name: str) -> float | None:
        found = ((part, getattr(p.trellis, name, None)) for part, p in ((1 - t, low), (t, high)))
        worth: float = sum(part / mu for part, mu in found if mu is not None)
        return None if worth * MOST_TRELLIS < 1 else max(1 / worth, LEAST_TRELLIS)

    def hidden(trellis: Trellis | None) -> float:
        return 0.0 if trellis is None or trellis.masking is None else trellis.masking**-2

    below, above = low.trellis, high.trellis
    mu = mean("mu")
    if mu is None:
        return None, lambda a, b: None
    share = 0.0 if above is None else 1.0 if below is None else t
    masking = (1 - share) * hidden(below) + share * hidden(above)

    def weights(a: Quantization, b: Quantization) -> npt.NDArray[np.float64]:
        logs = (np.zeros((8, 8)) if each.weights is None else np.log(each.weights) for each in (a, b))
        found: npt.NDArray[np.float64] = np.exp(
            sum(part * log for part, log in zip((1 - share, share), logs, strict=True))
        )
        return found.clip(LEAST_WEIGHT, MOST_WEIGHT)

    return Trellis(mu, masking**-0.5 if masking else None, mean("dc")), weights
