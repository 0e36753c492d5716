"""Encoding parameters anywhere along a ladder: between its points by interpolation, beyond its ends by scaling."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from j4d.jpeg.parameters import LEAST_TRELLIS, LEAST_WEIGHT, MOST_TRELLIS, MOST_WEIGHT, EncodingParameters
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
        first, last = (np.log([p.luma, p.chroma]).mean() for p in (self.parameters[0], self.parameters[-1]))
        return float(last - first) / (self.log_rates[-1] - self.log_rates[0])


def with_scaled_steps(parameters: EncodingParameters, factor: float) -> EncodingParameters:
    """The same with all steps times `factor`, rounded, within 1..255."""

    def steps(table: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        scaled: npt.NDArray[np.int32] = np.rint(table * factor).clip(1, MAX_STEP).astype(np.int32)
        return scaled

    return replace(parameters, luma=steps(parameters.luma), chroma=steps(parameters.chroma))


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
    return EncodingParameters(
        steps(low.luma, high.luma),
        steps(low.chroma, high.chroma),
        low.sampling,
        sharpness,
        dead_zone(low.luma_dead_zone, high.luma_dead_zone),
        dead_zone(low.chroma_dead_zone, high.chroma_dead_zone),
        **_trellis_between(low, high, t),
        longest_side=low.longest_side,
    )


def _trellis_between(low: EncodingParameters, high: EncodingParameters, t: float) -> dict[str, Any]:
    """The trellis a share `t` of the way. What a bit is worth in squared steps, 1 / mu, is linear, and so is 1 / a^2;
    all are 0 where there is none. Weights are linear in their logarithm, as steps are, of whose squares they have a
    factor. Masking and weights are those of the point that has a trellis, where one has."""

    def mean(low_mu: float | None, high_mu: float | None) -> float | None:
        worth = sum(part / mu for part, mu in ((1 - t, low_mu), (t, high_mu)) if mu is not None)
        return None if worth * MOST_TRELLIS < 1 else max(1 / worth, LEAST_TRELLIS)

    def hidden(parameters: EncodingParameters) -> float:
        return 0.0 if parameters.masking is None else parameters.masking**-2

    trellis = mean(low.trellis, high.trellis)
    if trellis is None:
        return {}
    share = 0.0 if high.trellis is None else 1.0 if low.trellis is None else t
    masking = (1 - share) * hidden(low) + share * hidden(high)

    def weights(a: npt.NDArray[np.float64] | None, b: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
        logs = (np.zeros((8, 8)) if w is None else np.log(w) for w in (a, b))
        found: npt.NDArray[np.float64] = np.exp(
            sum(part * log for part, log in zip((1 - share, share), logs, strict=True))
        )
        return found.clip(LEAST_WEIGHT, MOST_WEIGHT)

    return {
        "trellis": trellis,
        "masking": masking**-0.5 if masking else None,
        "dc_trellis": mean(low.dc_trellis, high.dc_trellis),
        "luma_weights": weights(low.luma_weights, high.luma_weights),
        "chroma_weights": weights(low.chroma_weights, high.chroma_weights),
    }
