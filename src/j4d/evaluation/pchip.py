"""Monotone piecewise cubics (PCHIP, Fritsch and Butland 1984) through many rows of points at once; no SciPy.

A bootstrap draws a thousand curves and asks each the same question; one at a time that takes seconds. Rows hold
different numbers of points, so every row is padded on its right and says how many of its points count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.intp]


@dataclass(frozen=True)
class Pchips:
    """R cubics: x, y, slopes (R, P), of which the first count (R,) of each row are points; x rises strictly.

    Rows with fewer than two points are NaN everywhere.
    """

    x: Floats
    y: Floats
    count: Counts
    slopes: Floats

    @classmethod
    def through(cls, x: Floats, y: Floats, count: Counts | None = None) -> Pchips:
        """x, y: (R, P); count: (R,), by default P for all. What stands right of a row's last point is ignored."""
        rows, points = x.shape
        counts = np.full(rows, points, np.intp) if count is None else count
        width = max(points, 3)
        last = np.maximum(counts - 1, 0)[:, None]
        beyond = np.arange(width)[None] - last
        place = np.minimum(np.arange(width)[None], last)
        x = np.take_along_axis(x, place, 1) + np.maximum(beyond, 0)
        y = np.take_along_axis(y, place, 1)
        return cls(x, y, counts, _slopes(x, y, counts))

    def _locate(self, at: Floats) -> tuple[Floats, Floats, Counts]:
        """For at (R, M): position 0..1 inside its piece, the piece's width, the piece."""
        piece = (self.x[:, None, :] <= at[:, :, None]).sum(2) - 1
        piece = np.clip(piece, 0, np.maximum(self.count - 2, 0)[:, None])
        start = np.take_along_axis(self.x, piece, 1)
        step = np.take_along_axis(self.x, piece + 1, 1) - start
        return (at - start) / step, step, piece

    def __call__(self, at: Floats) -> Floats:
        """Values (R, M) at at (R, M); NaN outside a row's points."""
        t, step, piece = self._locate(at)
        y0, y1 = (np.take_along_axis(self.y, piece + i, 1) for i in (0, 1))
        d0, d1 = (np.take_along_axis(self.slopes, piece + i, 1) * step for i in (0, 1))
        value = y0 + t * (d0 + t * (3 * (y1 - y0) - 2 * d0 - d1 + t * (2 * (y0 - y1) + d0 + d1)))
        end = np.take_along_axis(self.x, np.maximum(self.count - 1, 0)[:, None], 1)
        inside = (at >= self.x[:, :1]) & (at <= end) & (self.count >= 2)[:, None]
        return np.where(inside, value, np.nan)

    def mean(self, low: Floats, high: Floats) -> Floats:
        """Exact means (R,) over [low, high], both (R,), which lie inside the rows' points; NaN where low >= high."""
        step = np.diff(self.x, axis=1)
        d0, d1 = self.slopes[:, :-1] * step, self.slopes[:, 1:] * step
        whole = step * ((self.y[:, :-1] + self.y[:, 1:]) / 2 + (d0 - d1) / 12)
        before = np.concatenate([np.zeros((len(whole), 1)), np.cumsum(whole, axis=1)], axis=1)

        def primitive(at: Floats) -> Floats:
            t, width, piece = (part[:, 0] for part in self._locate(at[:, None]))
            row = np.arange(len(piece))
            start, rise = self.y[row, piece], self.y[row, piece + 1] - self.y[row, piece]
            slope0, slope1 = d0[row, piece], d1[row, piece]
            cubic = 2 * -rise + slope0 + slope1
            square = 3 * rise - 2 * slope0 - slope1
            inside = t * (start + t * (slope0 / 2 + t * (square / 3 + t * cubic / 4)))
            integral: Floats = before[row, piece] + width * inside
            return integral

        known = (low < high) & (self.count >= 2)
        safe_low, safe_high = (np.where(known, end, self.x[:, i]) for i, end in enumerate((low, high)))
        return np.where(known, (primitive(safe_high) - primitive(safe_low)) / (safe_high - safe_low), np.nan)


def _slopes(x: Floats, y: Floats, count: Counts) -> Floats:
    """Derivatives (R, P) at the points, P >= 3.

    Interior: weighted harmonic mean of the neighbouring secants, zero where they disagree in sign (Fritsch and Butland
    1984). Ends: the shape-preserving three-point formula (Moler, Numerical Computing with MATLAB, 3.4).
    """
    step = np.diff(x, axis=1)
    secant = np.diff(y, axis=1) / step
    slopes = np.zeros_like(x)
    same = secant[:, :-1] * secant[:, 1:] > 0
    left, right = 2 * step[:, 1:] + step[:, :-1], step[:, 1:] + 2 * step[:, :-1]
    first, second = (np.where(same, side, 1.0) for side in (secant[:, :-1], secant[:, 1:]))
    slopes[:, 1:-1] = np.where(same, (left + right) / (left / first + right / second), 0.0)
    row, last = np.arange(len(x)), np.maximum(count - 2, 0)  # the last piece
    inner = np.maximum(last - 1, 0)
    straight = count == 2
    begin = _end_slope(step[:, 0], step[:, 1], secant[:, 0], secant[:, 1])
    end = _end_slope(step[row, last], step[row, inner], secant[row, last], secant[row, inner])
    slopes[:, 0] = np.where(straight, secant[:, 0], begin)
    slopes[row, last + 1] = np.where(straight, secant[:, 0], end)
    return slopes


def _end_slope(near: Floats, far: Floats, secant: Floats, next_secant: Floats) -> Floats:
    slope = ((2 * near + far) * secant - near * next_secant) / (near + far)
    steep = (secant * next_secant <= 0) & (np.abs(slope) > 3 * np.abs(secant))
    return np.where(slope * secant <= 0, 0.0, np.where(steep, 3 * secant, slope))
