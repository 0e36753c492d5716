"""Which scale of a method's tables gives which rate: bisection on the learning pictures' spectrum, then on files."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from j4d.images.image_set import ImageSet
from j4d.jpeg import encoding
from j4d.jpeg.parameters import EncodingParameters, Quantization
from j4d.jpeg.tables import MAX_STEP
from j4d.rate.goals import ladder_goals
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.rivals.registry import Request

SPECTRUM_IMAGES = 256  # pictures behind the spectrum
FILE_IMAGES = 24  # pictures encoded to fit the rate model
CHECK_IMAGES = 8  # pictures encoded at each point, to correct its rate
FIT_QUALITIES = (5, 10, 20, 40, 65, 90)
_PRECISION = 0.005  # of a knob, relative
_CLOSE = 0.015  # to the target rate, relative
_ROUNDS = 3  # of correcting the estimate by files
_REACH = 4.0  # how far a further search for a knob may go from the one before, as a factor

Encode = Callable[[NDArray[np.uint8], EncodingParameters, float], bytes]
Tables = Callable[[float], tuple[ArrayLike, ArrayLike]]


@dataclass(frozen=True, eq=False)
class Rung:
    """One operating point: its parameters, the rate expected of them in bits per pixel, and the method's own knob."""

    parameters: EncodingParameters
    bpp: float
    knob: float


def spread(images: ImageSet, count: int) -> ImageSet:
    """About `count` of the images, evenly spread, at most all."""
    return images.subset(range(0, len(images), max(1, len(images) // count)))


def whole_steps(tables: tuple[ArrayLike, ArrayLike], sampling: str) -> EncodingParameters:
    """Parameters from real-valued tables, rounded and clipped to 1..255."""
    luma, chroma = (np.rint(np.clip(np.asarray(t, np.float64), 1, MAX_STEP)).astype(np.int32) for t in tables)
    return EncodingParameters(Quantization(luma), Quantization(chroma), sampling)


def plain(image: NDArray[np.uint8], parameters: EncodingParameters, knob: float) -> bytes:
    """What a table method writes: nearest indices."""
    return encoding.encode(image, parameters, deterministic=True)


class RateLadder:
    """Target rates for one set of learning pictures, and the way from a method's knob to them."""

    @classmethod
    def of(cls, request: Request) -> RateLadder:
        """The ladder of the request's pictures, sampling and rates."""
        rates = None if request.rates is None else tuple(request.rates)
        return request.learned_from.once(("ladder", request.sampling, rates, request.points), lambda: cls(request))

    def __init__(self, request: Request) -> None:
        self.sampling, images = request.sampling, request.learned_from.images
        some = spread(images, SPECTRUM_IMAGES)
        self.spectrum = Spectrum.of(some, self.sampling)
        few = spread(some, FILE_IMAGES)
        default = [EncodingParameters.from_quality(q, self.sampling) for q in FIT_QUALITIES]
        self.rate_model = RateModel.fit(Spectrum.of(few, self.sampling), few, default, "marginal")
        goals = ladder_goals(self.spectrum, self.rate_model, request.points, request.rates, None)
        self.rates = [goal["bpp"] for goal in goals]
        check = spread(some, CHECK_IMAGES)
        self._check, self._check_spectrum = list(check), Spectrum.of(check, self.sampling)

    def estimate(self, parameters: EncodingParameters) -> float:
        """Bits per pixel of the learning pictures' files, by the rate model fitted to default JPEG."""
        return self.rate_model.bpp(self.spectrum, parameters)

    def ratio(self, parameters: EncodingParameters, knob: float, encode: Encode = plain) -> float:
        """Actual over estimated rate on a few pictures."""
        bits = sum(8 * len(encode(image, parameters, knob)) for image in self._check)
        pixels = sum(image.shape[0] * image.shape[1] for image in self._check)
        return float(bits / pixels) / self.rate_model.bpp(self._check_spectrum, parameters)

    def solve(self, tables: Tables, bpp: float, low: float, high: float) -> tuple[float, EncodingParameters]:
        """The knob between low and high, where rates fall as it grows, whose tables have the estimated rate `bpp`."""
        bottom, top = math.log(low), math.log(high)
        while top - bottom > _PRECISION:
            middle = (bottom + top) / 2
            if self.estimate(whole_steps(tables(math.exp(middle)), self.sampling)) > bpp:
                bottom = middle
            else:
                top = middle
        knob = math.exp((bottom + top) / 2)
        return knob, whole_steps(tables(knob), self.sampling)

    def climb(self, tables: Tables, low: float, high: float, encode: Encode = plain) -> list[Rung]:
        """One rung for each rate, those that the method cannot reach left out: small to large rate, no tables twice.

        tables: the method's real-valued tables for its knob. Each rate is solved for by the estimate, then
        with the estimate corrected by files that `encode` writes, until those have the rate.
        """
        rungs: list[Rung] = []
        for bpp in self.rates:
            knob, parameters = self.solve(tables, bpp, low, high)
            ratio = self.ratio(parameters, knob, encode)
            for _ in range(_ROUNDS):
                if abs(self.estimate(parameters) * ratio / bpp - 1) < _CLOSE:
                    break
                near = max(low, knob / _REACH), min(high, knob * _REACH)
                knob, parameters = self.solve(tables, bpp / ratio, *near)
                ratio = self.ratio(parameters, knob, encode)
            high = min(high, knob * 1.1)  # the next rate is higher
            expected = self.estimate(parameters) * ratio
            if not rungs or (parameters != rungs[-1].parameters and expected > rungs[-1].bpp):
                rungs.append(Rung(parameters, expected, knob))
        return rungs


def scaled_tables(luma: ArrayLike, chroma: ArrayLike) -> Tables:
    """The knob of methods that have none of their own: all steps times one factor."""
    tables: Sequence[NDArray[np.float64]] = [np.asarray(t, np.float64) for t in (luma, chroma)]
    return lambda factor: (tables[0] * factor, tables[1] * factor)
