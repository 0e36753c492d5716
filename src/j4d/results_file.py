"""How an evaluation looks in a file: JSON with every per-image figure, and CSV with the averages.

The JSON also carries a `summary` for readers without this library; it is derived and ignored when read
back.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from j4d import bd
from j4d.errors import DataError
from j4d.evaluation.pchip import Floats
from j4d.files import read_limited
from j4d.results import METRICS, CodecResult, Comparison, Evaluation, Point, RateCut

FORMAT, VERSION = "j4d-evaluation", 1
MAX_FILE_BYTES = 1 << 28


def evaluation_to_json(evaluation: Evaluation) -> dict[str, Any]:
    """JSON values: everything measured. NaN cannot occur in it; `evaluation_from_json` is the inverse."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "record": dict(evaluation.record),
        "resamples": evaluation.resamples,
        "seed": evaluation.seed,
        "pixels": evaluation.pixels.tolist(),
        "uncompressed": {name: _numbers(values) for name, values in evaluation.uncompressed.items()},
        "codecs": [
            {
                "name": result.name,
                "settings": list(result.settings),
                "estimated_bpp": list(result.estimated_bpp),
                "bytes": result.bytes.tolist(),
                "metrics": {name: _numbers(values) for name, values in result.metrics.items()},
                "config": dict(result.config),
                "header_bytes": None if result.header_bytes is None else result.header_bytes.tolist(),
            }
            for result in evaluation.codecs
        ],
    }


def evaluation_from_json(data: Any) -> Evaluation:
    """The inverse of `evaluation_to_json`. DataError where the format, version or a shape is wrong."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DataError(f"not an evaluation: the format is not {FORMAT!r}")
    if data.get("version") != VERSION:
        version = data.get("version")
        raise DataError(f"made by another j4d: evaluation version {version!r}, this one reads {VERSION}")
    try:
        made = Evaluation(
            pixels=np.array(data["pixels"], dtype=np.int64),
            uncompressed=_arrays(data["uncompressed"]),
            codecs=tuple(
                CodecResult(
                    name=str(codec["name"]),
                    settings=tuple(codec["settings"]),
                    estimated_bpp=tuple(codec["estimated_bpp"]),
                    bytes=np.array(codec["bytes"], dtype=np.int64),
                    metrics=_arrays(codec["metrics"]),
                    config=dict(codec["config"]),
                    header_bytes=_whole(codec.get("header_bytes")),
                )
                for codec in data["codecs"]
            ),
            record=dict(data["record"]),
            resamples=int(data["resamples"]),
            seed=int(data["seed"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"damaged evaluation: {type(error).__name__}: {error}") from None
    _check(made)
    return made


def _check(evaluation: Evaluation) -> None:
    images = len(evaluation.pixels)
    for name, values in evaluation.uncompressed.items():
        if name not in METRICS or values.shape != (images,):
            raise DataError(f"damaged evaluation: uncompressed {name!r} has shape {values.shape}")
    for result in evaluation.codecs:
        shapes = {"bytes": result.bytes.shape}
        if result.header_bytes is not None:
            shapes["header_bytes"] = result.header_bytes.shape
        shapes |= {name: v.shape for name, v in result.metrics.items()}
        for name, shape in shapes.items():
            if shape != (len(result.settings), images):
                raise DataError(f"damaged evaluation: {name!r} of {result.name!r} has shape {shape}")


def read_evaluation(path: str | os.PathLike[str]) -> Evaluation:
    """Read `evaluation.json`; DataError where it is missing, too large or damaged."""
    try:
        text = read_limited(path, MAX_FILE_BYTES)
        if text is None:
            raise DataError(f"larger than {MAX_FILE_BYTES} bytes, not an evaluation of this version")
        return evaluation_from_json(json.loads(text))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from None


def evaluation_to_csv(evaluation: Evaluation) -> str:
    """One row per codec and setting: rates and metrics with their intervals."""
    columns = ["codec", "setting", "images", "actual_bpp", "actual_bpp_low", "actual_bpp_high"]
    columns += ["bpp_without_headers", "estimated_bpp"]
    for name in evaluation.metrics:
        columns += [name, f"{name}_low", f"{name}_high"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for result in evaluation.codecs:
        for point in evaluation.points(result):
            row: list[Any] = [point.codec, point.setting, len(evaluation.pixels), *_span(point.bpp)]
            row.append("" if point.bpp_without_headers is None else f"{point.bpp_without_headers.value:.6g}")
            row.append("" if point.estimated_bpp is None else f"{point.estimated_bpp:.6g}")
            for name in evaluation.metrics:
                row += _span(point.metrics[name])
            writer.writerow(row)
    return out.getvalue()


def summary(evaluation: Evaluation) -> dict[str, Any]:
    """The derived figures as JSON values for readers without this library; NaN is null, infinity "not reached"."""

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return value if math.isfinite(value) else ("not reached" if value > 0 else None)
        if isinstance(value, (bd.Interval, RateCut, Comparison, Point)):
            return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
        if isinstance(value, Mapping):
            return {name: plain(item) for name, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, tuple) else value

    return {
        "uncompressed": {name: plain(evaluation.uncompressed_mean(name)) for name in evaluation.metrics},
        "points": [plain(point) for codec in evaluation.codecs for point in evaluation.points(codec)],
        "comparisons": [plain(comparison) for comparison in evaluation.comparisons],
        "warnings": list(evaluation.warnings),
    }


def _numbers(values: Floats) -> Any:
    """Lists of floats at six significant digits, whole ones as integers, to keep files small."""
    if values.ndim > 1:
        return [_numbers(row) for row in values]
    return [int(v) if v == int(v) else float(f"{v:.6g}") for v in values.tolist()]


def _arrays(data: Mapping[str, Any]) -> dict[str, Floats]:
    return {name: np.array(values, dtype=np.float64) for name, values in data.items()}


def _whole(values: Any) -> NDArray[np.int64] | None:
    return None if values is None else np.array(values, dtype=np.int64)


def _span(span: bd.Interval) -> list[str]:
    return [f"{v:.6g}" if math.isfinite(v) else "" for v in (span.value, span.low, span.high)]
