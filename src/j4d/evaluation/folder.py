"""The files that an evaluation leaves in a folder besides its JSON: CSV, and the summary for readers without j4d."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from j4d.evaluation import bd
from j4d.evaluation.curve import Point
from j4d.support.files import write_atomic


def write_folder(folder: str | os.PathLike[str], files: Mapping[str, bytes]) -> list[Path]:
    """Write files by their names into `folder`, each whole or not at all; returns their paths."""
    target = Path(folder)
    for name, data in files.items():
        write_atomic(target / name, data)
    return [target / name for name in files]


def curve_csv(points: Iterable[Point], metrics: Sequence[str], images: int) -> str:
    """One row per codec and setting: rates and metrics with their intervals."""
    columns = ["codec", "setting", "images", "actual_bpp", "actual_bpp_low", "actual_bpp_high"]
    columns += ["bpp_without_headers", "estimated_bpp"]
    for name in metrics:
        columns += [name, f"{name}_low", f"{name}_high"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for point in points:
        row: list[Any] = [point.codec, point.setting, images, *_span(point.bpp)]
        row.append("" if point.bpp_without_headers is None else f"{point.bpp_without_headers.value:.6g}")
        row.append("" if point.estimated_bpp is None else f"{point.estimated_bpp:.6g}")
        for name in metrics:
            row += _span(point.metrics[name])
        writer.writerow(row)
    return out.getvalue()


def plain(value: Any) -> Any:
    """A derived figure as JSON values: NaN is null, infinity "not reached"."""
    if isinstance(value, float):
        return value if math.isfinite(value) else ("not reached" if value > 0 else None)
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _span(span: bd.Interval) -> list[str]:
    return [f"{v:.6g}" if math.isfinite(v) else "" for v in (span.value, span.low, span.high)]
