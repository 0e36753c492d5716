"""Rate-metric curves and what is read off them: BD-rate, BD-metric, the rate at a metric, intervals.

Bjontegaard deltas after G. Bjontegaard, "Calculation of average PSNR differences between RD-curves"
(VCEG-M33, 2001), with the piecewise cubic Hermite interpolation (PCHIP, Fritsch and Butland 1984) on log
rate that JCT-VC and AOM use today instead of the original cubic fit. Pure NumPy, no SciPy; the metric is
*larger is better* everywhere here, so callers negate a loss.

Noisy curves. An accuracy measured on a few hundred images is not monotone in the rate, and PCHIP through a
zigzag has no inverse. Every curve is therefore made monotone first: the points are sorted by rate and
pool-adjacent-violators (isotonic least squares) replaces each run of points whose metric does not rise by
one point, at the mean metric and the mean log rate of the run. A plateau becomes one point as well. Nothing
is extrapolated: what lies outside the measured range is NaN, never a number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def pchip_slopes(x: Floats, y: Floats) -> Floats:
    """Derivatives (n,) of the monotone piecewise cubic through (x, y), x strictly increasing, n >= 2.

    Interior: weighted harmonic mean of the neighbouring secants, zero where they disagree in sign (Fritsch
    and Butland 1984). Ends: the shape-preserving three-point formula (Moler, Numerical Computing with
    MATLAB, 3.4).
    """
    step = np.diff(x)
    secant = np.diff(y) / step
    if len(x) == 2:
        return np.array([secant[0], secant[0]])
    slopes = np.zeros(len(x))
    same = secant[:-1] * secant[1:] > 0
    left, right = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    first, second = secant[:-1][same], secant[1:][same]
    slopes[1:-1][same] = (left + right)[same] / (left[same] / first + right[same] / second)
    slopes[0] = _end_slope(step[0], step[1], secant[0], secant[1])
    slopes[-1] = _end_slope(step[-1], step[-2], secant[-1], secant[-2])
    return slopes


def _end_slope(near: float, far: float, secant: float, next_secant: float) -> float:
    slope = ((2 * near + far) * secant - near * next_secant) / (near + far)
    if slope * secant <= 0:
        return 0.0
    if secant * next_secant <= 0 and abs(slope) > 3 * abs(secant):
        return 3 * secant
    return float(slope)


@dataclass(frozen=True)
class Pchip:
    """The monotone piecewise cubic through (x, y), both (n,), x strictly increasing, n >= 2."""

    x: Floats
    y: Floats
    slopes: Floats

    @classmethod
    def through(cls, x: Floats, y: Floats) -> Pchip:
        return cls(x, y, pchip_slopes(x, y))

    def _locate(self, at: Floats) -> tuple[Floats, Floats, NDArray[np.intp]]:
        piece = np.clip(np.searchsorted(self.x, at, side="right") - 1, 0, len(self.x) - 2)
        step = self.x[piece + 1] - self.x[piece]
        return (at - self.x[piece]) / step, step, piece

    def __call__(self, at: ArrayLike) -> Floats:
        """Values at `at`; NaN outside [x[0], x[-1]]."""
        at = np.asarray(at, dtype=np.float64)
        t, step, piece = self._locate(at)
        y0, y1 = self.y[piece], self.y[piece + 1]
        d0, d1 = self.slopes[piece] * step, self.slopes[piece + 1] * step
        value = y0 + t * (d0 + t * (3 * (y1 - y0) - 2 * d0 - d1 + t * (2 * (y0 - y1) + d0 + d1)))
        return np.where((at >= self.x[0]) & (at <= self.x[-1]), value, np.nan)

    def mean(self, low: float, high: float) -> float:
        """Exact mean over [low, high], which lies inside [x[0], x[-1]]."""
        step = np.diff(self.x)
        d0, d1 = self.slopes[:-1] * step, self.slopes[1:] * step
        whole = step * ((self.y[:-1] + self.y[1:]) / 2 + (d0 - d1) / 12)
        before = np.concatenate([[0.0], np.cumsum(whole)])

        def primitive(at: float) -> float:
            t, width, piece = self._locate(np.array([at]))
            p, tt = piece[0], t[0]
            rise = self.y[p + 1] - self.y[p]
            cubic = 2 * -rise + d0[p] + d1[p]
            square = 3 * rise - 2 * d0[p] - d1[p]
            inside = tt * (self.y[p] + tt * (d0[p] / 2 + tt * (square / 3 + tt * cubic / 4)))
            return float(before[p] + width[0] * inside)

        return (primitive(high) - primitive(low)) / (high - low)


@dataclass(frozen=True)
class Curve:
    """A monotone rate-metric curve: `log_rate` (n,) and `metric` (n,), both strictly increasing."""

    log_rate: Floats
    metric: Floats

    @classmethod
    def from_points(cls, rate: ArrayLike, metric: ArrayLike) -> Curve:
        """Sort by rate and pool, as the module's docstring says. Rates in any unit, > 0; NaN points dropped.

        ValueError if the shapes differ or a rate is not positive.
        """
        rates, metrics = np.asarray(rate, dtype=np.float64), np.asarray(metric, dtype=np.float64)
        if rates.shape != metrics.shape or rates.ndim != 1:
            raise ValueError(f"rate and metric must be two equal rows, got {rates.shape} and {metrics.shape}")
        known = np.isfinite(rates) & np.isfinite(metrics)
        rates, metrics = rates[known], metrics[known]
        if np.any(rates <= 0):
            raise ValueError(f"rates must be positive, got {rates.min()}")
        order = np.lexsort((metrics, rates))
        pools: list[tuple[float, float, int]] = []  # sum of log rates, sum of metrics, points
        for log_rate, value in zip(np.log(rates[order]), metrics[order], strict=True):
            pools.append((float(log_rate), float(value), 1))
            while len(pools) > 1 and not _rises(pools[-2], pools[-1]):
                x, y, n = pools.pop()
                before_x, before_y, before_n = pools.pop()
                pools.append((before_x + x, before_y + y, before_n + n))
        return cls(np.array([x / n for x, _, n in pools]), np.array([y / n for _, y, n in pools]))

    def __len__(self) -> int:
        return len(self.log_rate)

    def metric_at(self, log_rate: ArrayLike) -> Floats:
        """Metric by PCHIP over log rate; NaN outside the measured range."""
        if len(self) < 2:
            return np.full(np.shape(log_rate), np.nan)
        return Pchip.through(self.log_rate, self.metric)(log_rate)

    def rate_at(self, metric: float) -> float:
        """Smallest rate that reaches `metric`, by PCHIP of log rate over the metric.

        Infinity where the curve never reaches it; NaN where its first point is above it already, so that the
        rate is smaller than any measured.
        """
        if len(self) == 0 or metric < self.metric[0]:
            return float("nan")
        if metric > self.metric[-1]:
            return float("inf")
        if len(self) == 1:
            return float(np.exp(self.log_rate[0]))
        return float(np.exp(Pchip.through(self.metric, self.log_rate)(metric)))


def _rises(before: tuple[float, float, int], after: tuple[float, float, int]) -> bool:
    rise = after[1] / after[2] - before[1] / before[2]
    return rise > 1e-12 and after[0] / after[2] - before[0] / before[2] > 1e-12


def bd_rate(reference: Curve, test: Curve) -> float:
    """Mean rate change of `test` against `reference` at equal metric, in percent (negative: fewer bytes).

    Mean over the metric range both curves cover of log(rate_test / rate_reference), turned back to a ratio.
    NaN if either curve has fewer than two points after pooling or the ranges do not overlap.
    """
    if len(reference) < 2 or len(test) < 2:
        return float("nan")
    low = max(reference.metric[0], test.metric[0])
    high = min(reference.metric[-1], test.metric[-1])
    if not low < high:
        return float("nan")
    mean = Pchip.through(test.metric, test.log_rate).mean(low, high)
    mean -= Pchip.through(reference.metric, reference.log_rate).mean(low, high)
    return float(100 * np.expm1(mean))


def bd_metric(reference: Curve, test: Curve) -> float:
    """Mean metric change of `test` against `reference` at equal rate, over the log-rate range both cover.

    In the metric's own unit (BD-accuracy where the metric is an accuracy). NaN as in `bd_rate`.
    """
    low, high = shared_log_rates(reference, test)
    if not low < high:
        return float("nan")
    mean = Pchip.through(test.log_rate, test.metric).mean(low, high)
    return mean - Pchip.through(reference.log_rate, reference.metric).mean(low, high)


def rate_change(reference: Curve, test: Curve, metric: float) -> float:
    """Change in percent of the rate that reaches `metric`; NaN unless both curves reach it inside their range."""
    rates = reference.rate_at(metric), test.rate_at(metric)
    return 100 * (rates[1] / rates[0] - 1) if np.isfinite(rates).all() else float("nan")


def largest_gain(reference: Curve, test: Curve, *, samples: int = 201) -> tuple[float, float]:
    """(gain, rate): the largest metric gain of `test` at equal rate and the rate where it occurs.

    Looked up on `samples` log-spaced rates of the shared range; (NaN, NaN) where there is none.
    """
    low, high = shared_log_rates(reference, test)
    if not low < high:
        return float("nan"), float("nan")
    grid = np.linspace(low, high, samples)
    gain = test.metric_at(grid) - reference.metric_at(grid)
    best = int(np.nanargmax(gain))
    return float(gain[best]), float(np.exp(grid[best]))


def shared_log_rates(reference: Curve, test: Curve) -> tuple[float, float]:
    """(low, high) of the log-rate range both curves cover; NaN where either has fewer than two points."""
    if len(reference) < 2 or len(test) < 2:
        return float("nan"), float("nan")
    low = max(reference.log_rate[0], test.log_rate[0])
    return float(low), float(min(reference.log_rate[-1], test.log_rate[-1]))


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


def bootstrap(statistic: Callable[[Floats], float], weights: Floats, *, level: float = 0.95) -> Interval:
    """Value of `statistic` on all images with its bootstrap interval.

    `statistic` maps image weights (n,), summing to 1, to a number; `weights` come from `resample_weights`.
    """
    count = weights.shape[1]
    value = statistic(np.full(count, 1 / count))
    return interval(value, [statistic(row) for row in weights], level=level)
