"""What an evaluation measured and what follows from it: curves with intervals, comparisons. No torch here.

The per-image figures are kept, so that every interval can be computed again; how they look in a file is
`j4d.evaluation.file`'s business.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from j4d.codecs.learned import LearnedJPEG
from j4d.errors import DataError
from j4d.evaluation import bd, file, plots
from j4d.evaluation.comparison import ACCURACY_LOSSES, FEWEST_POINTS, Comparison, Side, compare_sides
from j4d.evaluation.curve import CodecResult, Point, arrays, numbers
from j4d.evaluation.folder import curve_csv, plain, write_folder
from j4d.evaluation.metrics import METRICS
from j4d.evaluation.pchip import Floats


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

    def to_json(self) -> dict[str, Any]:
        """JSON values: everything measured. NaN cannot occur in it; `from_json` is the inverse."""
        return {
            "format": file.FORMAT,
            "version": file.VERSION,
            "record": dict(self.record),
            "resamples": self.resamples,
            "seed": self.seed,
            "pixels": self.pixels.tolist(),
            "uncompressed": {name: numbers(values) for name, values in self.uncompressed.items()},
            "codecs": [result.to_json() for result in self.codecs],
        }

    @classmethod
    def from_json(cls, data: Any) -> Evaluation:
        """The inverse of `to_json`. DataError where the format, version or a shape is wrong."""
        values = file.validated(data)
        try:
            made = cls(
                pixels=np.array(values.pixels, np.int64),
                uncompressed=arrays(values.uncompressed),
                codecs=tuple(map(CodecResult.from_json, values.codecs)),
                record=values.record,
                resamples=values.resamples,
                seed=values.seed,
            )
        except ValueError as error:  # rows of different lengths
            raise DataError(f"damaged evaluation: {error}") from None
        _check(made)
        return made

    def summary(self) -> dict[str, Any]:
        """The derived figures as JSON values for readers without this library; see `j4d.evaluation.folder.plain`."""
        return {
            "uncompressed": {name: plain(self.uncompressed_mean(name)) for name in self.metrics},
            "points": [plain(point) for codec in self.codecs for point in self.points(codec)],
            "comparisons": [plain(comparison) for comparison in self.comparisons],
            "warnings": list(self.warnings),
        }

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write evaluation.json, curve.csv, curve.png and, with a learned codec, tables.png; the paths written.

        Everything is made before the first file is written, and each file appears whole or not at all.
        """
        curves = {codec.name: self.points(codec) for codec in self.codecs}
        clean = {metric: float(self.uncompressed[metric].mean()) for metric in (self.accuracy, self.loss)}
        title = plots.curves_title(self.record, len(self.pixels))
        files = {
            "evaluation.json": json.dumps({**self.to_json(), "summary": self.summary()}, allow_nan=False).encode(),
            "curve.csv": curve_csv(chain(*curves.values()), self.metrics, len(self.pixels)).encode(),
            "curve.png": plots.png(plots.curves_figure(curves, clean, title)),
        }
        learned = [codec for codec in self.codecs if codec.config.get("id") == LearnedJPEG.id]
        if learned:
            codec = LearnedJPEG.from_config(learned[0].config)
            rates = self.bpp(learned[0]).mean(axis=1)
            some = plots.pick(len(codec.settings))
            tables = [(f"{codec.name}, {rates[i]:.3g} bpp", codec.parameters(i)) for i in some]
            files["tables.png"] = plots.png(plots.tables_figure(tables))
        return write_folder(folder, files)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Evaluation:
        """Read an evaluation.json; DataError where it is missing, too large or damaged."""
        with file.naming(path):
            return cls.from_json(file.read_json(path, "an evaluation"))


def _check(evaluation: Evaluation) -> None:
    """Raise DataError where shapes or metrics do not fit each other."""
    images, names = len(evaluation.pixels), set(evaluation.uncompressed)
    if not ({"top1", "agreement"} & names and {"cross_entropy", "kl"} & names):
        raise DataError(f"damaged evaluation: uncompressed has no accuracy, or no loss, only {sorted(names)}")
    for name, values in evaluation.uncompressed.items():
        if name not in METRICS or values.shape != (images,):
            raise DataError(f"damaged evaluation: uncompressed {name!r} has shape {values.shape}")
    for result in evaluation.codecs:
        if set(result.metrics) != names:
            raise DataError(f"damaged evaluation: {result.name!r} has {sorted(result.metrics)}, not {sorted(names)}")
        if len(result.estimated_bpp) != len(result.settings):
            raise DataError(f"damaged evaluation: {result.name!r} has not one estimated_bpp for each setting")
        shapes = {"bytes": result.bytes.shape, **{name: values.shape for name, values in result.metrics.items()}}
        if result.header_bytes is not None:
            shapes["header_bytes"] = result.header_bytes.shape
        for name, shape in shapes.items():
            if shape != (len(result.settings), images):
                raise DataError(f"damaged evaluation: {name!r} of {result.name!r} has shape {shape}")
