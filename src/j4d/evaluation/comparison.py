"""One codec against another on the same images: BD-rate, BD-metric, rate cuts, the largest gain, each with an interval.

Every figure is computed on all images and on every bootstrap resample of them, the same resamples for both codecs, so
that what both have in common (hard images) cancels out: a paired bootstrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from j4d.evaluation import bd
from j4d.evaluation.pchip import Floats

ACCURACY_LOSSES = (0.001, 0.005, 0.01, 0.02)
FEWEST_POINTS = 10  # of a curve, before its BD-rate is taken at its word


@dataclass(frozen=True)
class RateCut:
    """Bytes saved at a given accuracy: the rates where both curves come within `loss` of uncompressed.

    Rates in bpp, infinity where a curve never reaches it, NaN where its first point is above it already; change in
    percent (negative: fewer bytes), NaN unless both rates are finite.
    """

    loss: float
    target: float
    reference_bpp: float
    bpp: float
    change: bd.Interval


@dataclass(frozen=True)
class Comparison:
    """One codec against the reference on one metric, paired bootstrap over images.

    bd_rate in percent, negative is fewer bytes. bd_metric in the metric's unit, positive is better, for
    losses too. largest_gain: the same at the one rate `gain_bpp` where it is largest; its interval is
    taken at that rate. headers: whether rates count whole files, or only what is not markers and segments.
    """

    codec: str
    reference: str
    metric: str
    bd_rate: bd.Interval
    bd_metric: bd.Interval
    largest_gain: bd.Interval
    gain_bpp: float
    rate_cuts: tuple[RateCut, ...]
    headers: bool = True


@dataclass(frozen=True)
class Side:
    """A codec's curves on one metric, larger being better: row 0 over all images, the rest over resamples of them."""

    codec: str
    curves: bd.Curves


def compare_sides(
    reference: Side, test: Side, metric: str, clean: Floats, losses: Sequence[float], headers: bool
) -> Comparison:
    """`test` against `reference`. clean: the uncompressed mean of the metric in every row; losses: of the rate cuts."""
    base, curves = reference.curves, test.curves

    def span(values: Floats) -> bd.Interval:
        return bd.interval(float(values[0]), values[1:])

    _, gain_bpp = bd.largest_gain(base, curves)
    where = np.log([gain_bpp])
    gained = (curves.metric_at(where) - base.metric_at(where))[:, 0]
    cuts = tuple(
        RateCut(
            loss=loss,
            target=float(clean[0] - loss),
            reference_bpp=float(base.rate_at(clean - loss)[0]),
            bpp=float(curves.rate_at(clean - loss)[0]),
            change=span(bd.rate_change(base, curves, clean - loss)),
        )
        for loss in losses
    )
    return Comparison(
        codec=test.codec,
        reference=reference.codec,
        metric=metric,
        bd_rate=span(bd.bd_rate(base, curves)),
        bd_metric=span(bd.bd_metric(base, curves)),
        largest_gain=span(gained),
        gain_bpp=gain_bpp,
        rate_cuts=cuts,
        headers=headers,
    )
