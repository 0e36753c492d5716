"""What an evaluation measured and what follows from it: curves with intervals, comparisons. No torch here.

The per-image figures are kept, so that every interval can be computed again; how they look in a file is
`j4d.results_file`'s business.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from j4d import bd
from j4d.codecs import Setting
from j4d.errors import DataError

Floats = NDArray[np.float64]

ACCURACY_LOSSES = (0.01, 0.001)


@dataclass(frozen=True)
class Metric:
    """How a per-image figure is called, and which way is better: sign +1 larger, -1 smaller."""

    label: str
    sign: int
    unit: str


METRICS = {
    "top1": Metric("top-1", 1, ""),
    "top5": Metric("top-5", 1, ""),
    "agreement": Metric("agreement", 1, ""),
    "cross_entropy": Metric("cross-entropy", -1, "nats"),
    "kl": Metric("KL", -1, "nats"),
}


@dataclass(frozen=True, eq=False)
class CodecResult:
    """One codec's measurements: P settings on N images.

    bytes: (P, N) whole-file sizes. metrics: name to (P, N); 0 or 1 for top1, top5, agreement; nats for
    cross_entropy and kl. estimated_bpp: P figures or None. config: what `get_config` gave.
    """

    name: str
    settings: tuple[Setting, ...]
    estimated_bpp: tuple[float | None, ...]
    bytes: NDArray[np.int64]
    metrics: Mapping[str, Floats]
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """One setting's averages over the images, with 95 % bootstrap intervals; bpp is actual, whole file."""

    codec: str
    setting: Setting
    bpp: bd.Interval
    estimated_bpp: float | None
    metrics: Mapping[str, bd.Interval]


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
    taken at that rate.
    """

    codec: str
    reference: str
    metric: str
    bd_rate: bd.Interval
    bd_metric: bd.Interval
    largest_gain: bd.Interval
    gain_bpp: float
    rate_cuts: tuple[RateCut, ...]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Measurements of several codecs with one model on N images.

    pixels: (N,) H x W of each image. uncompressed: metric name to (N,) on the images before any JPEG.
    record: what, with what and when: model, data, protocol, decoder, seed, versions, date.
    """

    pixels: NDArray[np.int64]
    uncompressed: Mapping[str, Floats]
    codecs: tuple[CodecResult, ...]
    record: Mapping[str, Any]
    resamples: int = 1000
    seed: int = 0

    @property
    def accuracy(self) -> str:
        """The accuracy metric of this evaluation: top1 with labels, else agreement."""
        return "top1" if "top1" in self.uncompressed else "agreement"

    @property
    def loss(self) -> str:
        """The loss measured: cross_entropy with labels, else kl; the tighter ruler on few images."""
        return "cross_entropy" if "cross_entropy" in self.uncompressed else "kl"

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(name for name in METRICS if name in self.uncompressed)

    @cached_property
    def _weights(self) -> Floats:
        return bd.resample_weights(len(self.pixels), self.resamples, self.seed)

    def codec(self, name: str) -> CodecResult:
        """The codec called `name`; DataError listing the names otherwise."""
        for result in self.codecs:
            if result.name == name:
                return result
        raise DataError(f"no codec {name!r} in this evaluation; there are {[c.name for c in self.codecs]}")

    def bpp(self, result: CodecResult) -> Floats:
        """(P, N) actual bits per pixel of every file."""
        return 8 * result.bytes / self.pixels

    def uncompressed_mean(self, metric: str) -> bd.Interval:
        values = self.uncompressed[metric]
        return bd.interval(float(values.mean()), self._weights @ values)

    def points(self, result: CodecResult) -> tuple[Point, ...]:
        """The codec's rate-accuracy curve, point by point, in the order of its settings."""
        bpp = self.bpp(result)
        return tuple(
            Point(
                codec=result.name,
                setting=setting,
                bpp=self._mean(bpp[i]),
                estimated_bpp=result.estimated_bpp[i],
                metrics={name: self._mean(result.metrics[name][i]) for name in self.metrics},
            )
            for i, setting in enumerate(result.settings)
        )

    def _mean(self, values: Floats) -> bd.Interval:
        return bd.interval(float(values.mean()), self._weights @ values)

    def compare(
        self, reference: str | None = None, *, metrics: tuple[str, ...] | None = None
    ) -> tuple[Comparison, ...]:
        """Every other codec against `reference` (default: the first) on `metrics` (default: all but top5)."""
        base = self.codec(reference) if reference is not None else self.codecs[0]
        chosen = metrics or tuple(name for name in self.metrics if name != "top5")
        return tuple(
            self._compare(base, result, metric) for result in self.codecs if result is not base for metric in chosen
        )

    def _compare(self, base: CodecResult, result: CodecResult, metric: str) -> Comparison:
        sign = METRICS[metric].sign
        sides = [(self.bpp(side), sign * side.metrics[metric]) for side in (base, result)]
        uncompressed = self.uncompressed[metric]
        losses = ACCURACY_LOSSES if sign > 0 else ()

        def curves(weights: Floats) -> list[bd.Curve]:
            return [bd.Curve.from_points(bpp @ weights, values @ weights) for bpp, values in sides]

        everyone = np.full(len(self.pixels), 1 / len(self.pixels))
        reference, test = curves(everyone)
        _, gain_bpp = bd.largest_gain(reference, test)

        def figures(weights: Floats) -> list[float]:
            base_curve, curve = curves(weights)
            gained = curve.metric_at(np.log(gain_bpp)) - base_curve.metric_at(np.log(gain_bpp))
            targets = [float(uncompressed @ weights) - loss for loss in losses]
            cuts = [bd.rate_change(base_curve, curve, target) for target in targets]
            return [bd.bd_rate(base_curve, curve), bd.bd_metric(base_curve, curve), float(gained), *cuts]

        values = figures(everyone)
        resampled = np.array([figures(weights) for weights in self._weights])
        spans = [bd.interval(value, column) for value, column in zip(values, resampled.T, strict=True)]
        targets = [float(uncompressed.mean()) - loss for loss in losses]
        cuts = tuple(
            RateCut(loss, target, reference.rate_at(target), test.rate_at(target), span)
            for loss, target, span in zip(losses, targets, spans[3:], strict=True)
        )
        return Comparison(result.name, base.name, metric, spans[0], spans[1], spans[2], gain_bpp, cuts)

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """`compare()` with its defaults, computed once."""
        return self.compare()

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write evaluation.json, curve.csv, curve.png and tables.png into `folder`; the paths written.

        Everything is made before the first file is written, and each file appears whole or not at all.
        """
        from j4d.report import write_report

        return write_report(self, folder)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Evaluation:
        """Read an evaluation.json; DataError where it is missing, too large or damaged."""
        from j4d.results_file import read_evaluation

        return read_evaluation(path)


def short_name(record: Mapping[str, Any]) -> str:
    """The model's name for a title: without the folders where its file lies."""
    return str(record.get("model", "model")).rsplit("/", 1)[-1]
