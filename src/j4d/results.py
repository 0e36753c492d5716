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
from j4d.evaluation.comparison import ACCURACY_LOSSES, FEWEST_POINTS, Comparison, RateCut, Side, compare_sides
from j4d.evaluation.pchip import Floats

__all__ = ["METRICS", "CodecResult", "Comparison", "Evaluation", "Metric", "Point", "RateCut", "short_name"]


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
    cross_entropy and kl. estimated_bpp: P figures or None. config: what `get_config` gave. header_bytes:
    (P, N), how many of the bytes are markers and segments; None where the files are not JPEG or it is not known.
    """

    name: str
    settings: tuple[Setting, ...]
    estimated_bpp: tuple[float | None, ...]
    bytes: NDArray[np.int64]
    metrics: Mapping[str, Floats]
    config: Mapping[str, Any] = field(default_factory=dict)
    header_bytes: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Point:
    """One setting's averages over the images, with 95 % bootstrap intervals; bpp is actual, whole file.

    bpp_without_headers: the same without the bytes of markers and segments, None where those are not known.
    """

    codec: str
    setting: Setting
    bpp: bd.Interval
    estimated_bpp: float | None
    metrics: Mapping[str, bd.Interval]
    bpp_without_headers: bd.Interval | None = None


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
        """(1 + resamples, N): all images alike, then the bootstrap's weights."""
        count = len(self.pixels)
        return np.vstack([np.full(count, 1 / count), bd.resample_weights(count, self.resamples, self.seed)])

    @cached_property
    def _sides(self) -> dict[tuple[str, str, bool], Side]:
        return {}

    def codec(self, name: str) -> CodecResult:
        """The codec called `name`; DataError listing the names otherwise."""
        for result in self.codecs:
            if result.name == name:
                return result
        raise DataError(f"no codec {name!r} in this evaluation; there are {[c.name for c in self.codecs]}")

    def bpp(self, result: CodecResult, *, headers: bool = True) -> Floats:
        """(P, N) actual bits per pixel of every file, whole or without the bytes of markers and segments.

        DataError without headers where their sizes are not known.
        """
        if headers:
            return 8 * result.bytes / self.pixels
        if result.header_bytes is None:
            raise DataError(f"the header bytes of {result.name!r} are not known: not JPEG files, or an old evaluation")
        return 8 * (result.bytes - result.header_bytes) / self.pixels

    def uncompressed_mean(self, metric: str) -> bd.Interval:
        """Mean of the metric over the images before any compression."""
        return self._mean(self.uncompressed[metric])

    def points(self, result: CodecResult) -> tuple[Point, ...]:
        """The codec's rate-accuracy curve, point by point, in the order of its settings."""
        bpp = self.bpp(result)
        lean = None if result.header_bytes is None else self.bpp(result, headers=False)
        return tuple(
            Point(
                codec=result.name,
                setting=setting,
                bpp=self._mean(bpp[i]),
                estimated_bpp=result.estimated_bpp[i],
                metrics={name: self._mean(result.metrics[name][i]) for name in self.metrics},
                bpp_without_headers=None if lean is None else self._mean(lean[i]),
            )
            for i, setting in enumerate(result.settings)
        )

    def _mean(self, values: Floats) -> bd.Interval:
        return bd.interval(float(values.mean()), self._weights[1:] @ values)

    def compare(
        self,
        reference: str | None = None,
        *,
        metrics: tuple[str, ...] | None = None,
        codecs: tuple[str, ...] | None = None,
        headers: bool = True,
    ) -> tuple[Comparison, ...]:
        """Other codecs (default: all) against `reference` (default: the first) on `metrics` (default: all but top5).

        headers: compare whole files. Without, bytes of markers and segments are left out, and so are codecs whose
        files are not JPEG. DataError for a name that is not there.
        """
        base = self.codec(reference) if reference is not None else self.codecs[0]
        others = [self.codec(name) for name in codecs] if codecs is not None else list(self.codecs)
        others = [other for other in others if other is not base and (headers or other.header_bytes is not None)]
        chosen = metrics or tuple(name for name in self.metrics if name != "top5")
        return tuple(self._compare(base, other, metric, headers) for other in others for metric in chosen)

    def _compare(self, base: CodecResult, result: CodecResult, metric: str, headers: bool) -> Comparison:
        sign = METRICS[metric].sign
        clean = sign * (self._weights @ self.uncompressed[metric])
        losses = ACCURACY_LOSSES if sign > 0 else ()
        reference, test = (self._side(side, metric, headers) for side in (base, result))
        return compare_sides(reference, test, metric, clean, losses, headers)

    def _side(self, result: CodecResult, metric: str, headers: bool) -> Side:
        key = (result.name, metric, headers)
        if key not in self._sides:
            bpp, values = self.bpp(result, headers=headers), METRICS[metric].sign * result.metrics[metric]
            curves = bd.Curves.from_points(self._weights @ bpp.T, self._weights @ values.T)
            self._sides[key] = Side(result.name, curves)
        return self._sides[key]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before trusting the figures, a sentence each."""
        few = [f"{c.name} {len(c.settings)}" for c in self.codecs if len(c.settings) < FEWEST_POINTS]
        said = f"curves with fewer than {FEWEST_POINTS} points, so that a BD-rate leans on few settings: "
        return (said + ", ".join(few),) if few else ()

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
    """The model's name for a title: the one it was given, or its spec without folders and callable.

    Of a profile learned for several models all of them, with plus signs between.
    """
    if record.get("model_name"):
        return str(record["model_name"])
    return " + ".join(map(_short_spec, str(record.get("model", "model")).split(" + ")))


def _short_spec(spec: str) -> str:
    target, _, query = spec.partition("?")
    named = [value for key, _, value in (pair.partition("=") for pair in query.split("&")) if key == "name"]
    return named[0] if named else target.rsplit("/", 1)[-1]
