"""Rate-metric curves and what is read off them: BD-rate, BD-metric, the rate at a metric, intervals.

Bjontegaard deltas after G. Bjontegaard, "Calculation of average PSNR differences between RD-curves"
(VCEG-M33, 2001), with the piecewise cubic Hermite interpolation (PCHIP, Fritsch and Butland 1984) on log
rate that JCT-VC and AOM use today instead of the original cubic fit. The metric is *larger is better*
everywhere here, so callers negate a loss. Curves come in rows, one for each bootstrap resample, and every
function answers for all rows at once.

Noisy curves. An accuracy measured on a few hundred images is not monotone in the rate, and PCHIP through a
zigzag has no inverse. Every curve is therefore made monotone first: the points are sorted by rate and
pool-adjacent-violators (isotonic least squares) replaces each run of points whose metric does not rise by
one point, at the mean metric and the mean log rate of the run. A plateau becomes one point as well. Nothing
is extrapolated: what lies outside the measured range is NaN, never a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from j4d.evaluation.pchip import Counts, Floats, Pchips

ROUNDING = 1e-12  # differences up to this are rounding of the means, which changes with the machine's BLAS


@dataclass(frozen=True)
class Curves:
    """R monotone rate-metric curves: `log_rate` and `metric` (R, P), the first `count` (R,) of each row rise strictly.

    What stands right of a row's last point is padding.
    """

    log_rate: Floats
    metric: Floats
    count: Counts

    @classmethod
    def from_points(cls, rate: ArrayLike, metric: ArrayLike) -> Curves:
        """Sort by rate and pool, as the module's docstring says. (R, P), or (P,) for one curve; rates in any unit, > 0.

        Points with a NaN are dropped. ValueError if the shapes differ or a rate is not positive.
        """
        rates, metrics = (np.asarray(values, dtype=np.float64) for values in (rate, metric))
        if rates.shape != metrics.shape or rates.ndim not in (1, 2):
            raise ValueError(
                f"rate and metric must be of one shape, (P,) or (R, P), got {rates.shape}, {metrics.shape}"
            )
        rates, metrics = np.atleast_2d(rates), np.atleast_2d(metrics)
        if np.any(rates <= 0):
            raise ValueError(f"rates must be positive, got {np.nanmin(rates)}")
        order = np.lexsort((metrics, rates), axis=1)
        logs = np.take_along_axis(np.log(rates), order, 1).tolist()
        values = np.take_along_axis(metrics, order, 1).tolist()
        pooled = [_pooled(row, value) for row, value in zip(logs, values, strict=True)]
        count = np.array([len(row) for row in pooled], dtype=np.intp)
        points = np.full((len(pooled), max(count.max(initial=0), 1), 2), np.nan)
        for row, found in zip(points, pooled, strict=True):
            row[: len(found)] = found or row[:0]
        return cls(points[..., 0], points[..., 1], count)

    @property
    def first(self) -> tuple[Floats, Floats]:
        """(log rate, metric) of each row's first point; NaN where there is none."""
        return self.log_rate[:, 0], self.metric[:, 0]

    @property
    def last(self) -> tuple[Floats, Floats]:
        """(log rate, metric) of each row's last point; NaN where there is none."""
        place = np.arange(len(self.count)), np.maximum(self.count - 1, 0)
        return self.log_rate[place], self.metric[place]

    def metric_at(self, log_rate: ArrayLike) -> Floats:
        """Metrics (R, M) by PCHIP at log rates (M,) or (R, M); NaN outside the measured range."""
        at = np.asarray(log_rate, dtype=np.float64)
        return self._over_rate(np.broadcast_to(at, (len(self.count), at.shape[-1])))

    def rate_at(self, metric: ArrayLike) -> Floats:
        """Smallest rates (R,) that reach `metric`, a number or (R,), by PCHIP of log rate over the metric.

        Infinity where the curve never reaches it; NaN where its first point is above it already, so that the
        rate is smaller than any measured. A target within ROUNDING of an end of the curve is that end.
        """
        targets = np.broadcast_to(np.asarray(metric, dtype=np.float64), self.count.shape)
        for end in (self.first[1], self.last[1]):
            targets = np.where(np.abs(targets - end) <= ROUNDING, end, targets)
        rates = np.exp(self._over_metric(targets[:, None])[:, 0])
        single = (self.count == 1) & (targets == self.first[1])
        rates = np.where(single, np.exp(self.first[0]), rates)
        return np.where(targets > self.last[1], np.inf, rates)

    @cached_property
    def _over_rate(self) -> Pchips:
        return Pchips.through(self.log_rate, self.metric, self.count)

    @cached_property
    def _over_metric(self) -> Pchips:
        return Pchips.through(self.metric, self.log_rate, self.count)


Pool = tuple[float, float, int]  # sum of log rates, sum of metrics, points


def _pooled(log_rates: list[float], metrics: list[float]) -> list[tuple[float, float]]:
    """Points (log rate, metric) of one row after pooling adjacent violators; those with a NaN left out."""
    pools: list[Pool] = []
    for log_rate, metric in zip(log_rates, metrics, strict=True):
        if log_rate - log_rate != 0 or metric - metric != 0:  # NaN or infinite
            continue
        x, y, n = log_rate, metric, 1
        while pools and not _rises(pools[-1], (x, y, n)):
            before_x, before_y, before_n = pools.pop()
            x, y, n = before_x + x, before_y + y, before_n + n
        pools.append((x, y, n))
    return [(x / n, y / n) for x, y, n in pools]


def _rises(before: Pool, after: Pool) -> bool:
    rise = after[1] / after[2] - before[1] / before[2]
    return rise > ROUNDING and after[0] / after[2] - before[0] / before[2] > ROUNDING


def bd_rate(reference: Curves, test: Curves) -> Floats:
    """Mean rate change (R,) of `test` against `reference` at equal metric, in percent (negative: fewer bytes).

    Mean over the metric range both curves cover of log(rate_test / rate_reference), turned back to a ratio.
    NaN if either curve has fewer than two points after pooling or the ranges do not overlap.
    """
    low, high = np.maximum(reference.first[1], test.first[1]), np.minimum(reference.last[1], test.last[1])
    change = test._over_metric.mean(low, high) - reference._over_metric.mean(low, high)
    return 100 * np.expm1(change)


def bd_metric(reference: Curves, test: Curves) -> Floats:
    """Mean metric change (R,) of `test` against `reference` at equal rate, over the log-rate range both cover.

    In the metric's own unit (BD-accuracy where the metric is an accuracy). NaN as in `bd_rate`.
    """
    low, high = shared_log_rates(reference, test)
    return test._over_rate.mean(low, high) - reference._over_rate.mean(low, high)


def rate_change(reference: Curves, test: Curves, metric: ArrayLike) -> Floats:
    """Change (R,) in percent of the rate that reaches `metric`; NaN unless both curves reach it inside their range."""
    before, after = reference.rate_at(metric), test.rate_at(metric)
    known = np.isfinite(before) & np.isfinite(after)
    return np.where(known, 100 * (np.where(known, after, 1.0) / np.where(known, before, 1.0) - 1), np.nan)


def largest_gain(reference: Curves, test: Curves, *, samples: int = 201) -> tuple[float, float]:
    """(gain, rate): the largest metric gain of `test`'s first row at equal rate and the rate where it occurs.

    Looked up on `samples` log-spaced rates of the shared range; (NaN, NaN) where there is none.
    """
    low, high = (float(end[0]) for end in shared_log_rates(reference, test))
    if not low < high:
        return float("nan"), float("nan")
    grid = np.linspace(low, high, samples)
    gain = test.metric_at(grid)[0] - reference.metric_at(grid)[0]
    best = int(np.nanargmax(gain))
    return float(gain[best]), float(np.exp(grid[best]))


def shared_log_rates(reference: Curves, test: Curves) -> tuple[Floats, Floats]:
    """(low, high), each (R,), of the log-rate range both cover; NaN where either has fewer than two points."""
    known = (reference.count >= 2) & (test.count >= 2)
    low, high = np.maximum(reference.first[0], test.first[0]), np.minimum(reference.last[0], test.last[0])
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


@dataclass(frozen=True)
class Interval:
    """A measured value with its bootstrap interval; `defined` is the share of resamples that gave a value.

    NaN means not defined (no overlap, not reached): a value of its own, never to be read as zero.
    """

    value: float
    low: float
    high: float
    defined: float = 1.0


def resample_weights(count: int, resamples: int, seed: int) -> Floats:
    """(resamples, count) weights of the nonparametric bootstrap over `count` images; each row sums to 1.

    One matrix serves all codecs and metrics, which makes every comparison a paired one.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1 / count), size=resamples) / count


def interval(value: float, resampled: ArrayLike, *, level: float = 0.95) -> Interval:
    """Percentile interval at `level` around `value` from bootstrap values; undefined (NaN) ones left out."""
    samples = np.asarray(resampled, dtype=np.float64)
    known = samples[np.isfinite(samples)]
    if known.size == 0 or not np.isfinite(value):
        return Interval(value, float("nan"), float("nan"), known.size / max(samples.size, 1))
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), known.size / samples.size)
