"""The rungs of a ladder: which rates, or which lambdas, and how one point is carried to the next."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from j4d.errors import ParameterError
from j4d.jpeg.parameters import EncodingParameters
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum

LADDER_QUALITIES = (5, 92)  # the default ladder spans the rates of default JPEG between these qualities


def ladder_goals(
    spectrum: Spectrum,
    rate_model: RateModel,
    points: int,
    rates: Sequence[float] | None,
    lambdas: Sequence[float] | None,
) -> list[dict[str, float]]:
    """One entry per point, small to large rate: quality (default JPEG's there), and either bpp or lambda."""
    if rates is not None and lambdas is not None:
        raise ParameterError("give rates or lambdas, not both")
    for kind, values in (("rate", rates), ("lambda", lambdas)):
        wrong = [v for v in values or () if not 0 < v < math.inf]
        if wrong or (values is not None and not len(values)):
            raise ParameterError(f"{kind} {wrong[0] if wrong else 'list'} must be positive and finite, and not empty")
    if points < 1:
        raise ParameterError(f"points {points} is below 1")
    qualities = np.arange(2, 99)
    default = [EncodingParameters.from_quality(int(q), spectrum.sampling) for q in qualities]
    curve = np.maximum.accumulate([rate_model.bpp(spectrum, parameters) for parameters in default])
    low, high = (float(np.interp(q, qualities, curve)) for q in LADDER_QUALITIES)
    if lambdas is not None:
        spread = np.geomspace(low, high, len(lambdas))
        ordered = sorted((float(v) for v in lambdas), reverse=True)
        return [{"quality": _nearest(qualities, curve, r), "lambda": v} for r, v in zip(spread, ordered, strict=True)]
    targets = np.geomspace(low, high, points) if rates is None else sorted(float(r) for r in rates)
    return [{"quality": _nearest(qualities, curve, r), "bpp": float(r)} for r in targets]


def per_stored_pixel(
    share: float, rates: Sequence[float] | None, lambdas: Sequence[float] | None
) -> tuple[list[float] | None, list[float] | None]:
    """Rates and lambdas per pixel of the pictures as given, turned into those per pixel of what is stored of them.

    share: stored pixels over given ones. The bits are the same: R / share bits per stored pixel, lambda x share nats
    for each.
    """
    return (
        None if rates is None else [rate / share for rate in rates],
        None if lambdas is None else [value * share for value in lambdas],
    )


def per_given_pixel(share: float, goals: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Goals per pixel of what is stored, turned back into those per pixel of the pictures as given."""
    factors = {"quality": 1.0, "bpp": share, "lambda": 1 / share}
    return [{name: value * factors[name] for name, value in goal.items()} for goal in goals]


def _nearest(qualities: NDArray[np.int64], curve: NDArray[np.float64], bpp: float) -> int:
    return int(qualities[np.abs(np.log(curve) - math.log(bpp)).argmin()])
