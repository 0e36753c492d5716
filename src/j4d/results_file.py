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
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from j4d import bd
from j4d.errors import DataError
from j4d.evaluation.pchip import Floats
from j4d.faults import first_fault
from j4d.files import read_limited
from j4d.results import METRICS, CodecResult, Comparison, Evaluation, Point, RateCut

FORMAT, VERSION = "j4d-evaluation", 1
MAX_FILE_BYTES = 1 << 28

_Count = Annotated[int, Field(ge=1, lt=1 << 53)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class _Codec(_Part):
    name: str
    settings: Annotated[list[int | float | str], Field(min_length=1)]
    estimated_bpp: list[Annotated[float, Field(gt=0)] | None]
    bytes: list[list[_Count]]
    metrics: dict[str, list[list[float]]]
    config: dict[str, JsonValue]
    header_bytes: list[list[_Count]] | None = None


class _File(_Part):
    """What is read of evaluation.json; other keys are passed over."""

    pixels: Annotated[list[_Count], Field(min_length=1)]
    uncompressed: dict[str, list[float]]
    codecs: list[_Codec]
    record: dict[str, JsonValue]
    resamples: Annotated[int, Field(ge=1, le=10**6)]
    seed: Annotated[int, Field(ge=0)]


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
        file = _File.model_validate(data)
    except ValidationError as error:
        raise DataError(f"damaged evaluation: {first_fault(error, 'an evaluation')}") from None
    try:
        made = Evaluation(
            pixels=np.array(file.pixels, np.int64),
            uncompressed=_arrays(file.uncompressed),
            codecs=tuple(
                CodecResult(
                    name=codec.name,
                    settings=tuple(codec.settings),
                    estimated_bpp=tuple(codec.estimated_bpp),
                    bytes=np.array(codec.bytes, np.int64),
                    metrics=_arrays(codec.metrics),
                    config=codec.config,
                    header_bytes=None if codec.header_bytes is None else np.array(codec.header_bytes, np.int64),
                )
                for codec in file.codecs
            ),
            record=file.record,
            resamples=file.resamples,
            seed=file.seed,
        )
    except ValueError as error:  # rows of different lengths
        raise DataError(f"damaged evaluation: {error}") from None
    _check(made)
    return made


def _check(evaluation: Evaluation) -> None:
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
    return {name: np.array(values, np.float64) for name, values in data.items()}


def _span(span: bd.Interval) -> list[str]:
    return [f"{v:.6g}" if math.isfinite(v) else "" for v in (span.value, span.low, span.high)]
