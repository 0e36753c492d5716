"""What a run over models and image sets leaves beside its evaluations: summary.json, summary.csv, summary.md."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from j4d.evaluation.bd import Interval
from j4d.evaluation.comparison import ACCURACY_LOSSES
from j4d.evaluation.metrics import short_name
from j4d.evaluation.results import Evaluation
from j4d.evaluation.stored import StoredResult
from j4d.report.markdown import by_protocol, column, data_name, protocol_section
from j4d.support.files import write_atomic


def save_all(
    evaluations: Sequence[Evaluation], folder: str | os.PathLike[str]
) -> tuple[list[Path], list[StoredResult]]:
    """Write every evaluation, in a folder of its own where there are several, and the summary; paths and results."""
    target, results = Path(folder), [StoredResult.of(evaluation) for evaluation in evaluations]
    names = folder_names(results) if len(results) > 1 else ["."]
    written = [path for name, e in zip(names, evaluations, strict=True) for path in e.save(target / name)]
    files = {
        "summary.json": summary_json(results).encode(),
        "summary.csv": summary_csv(results).encode(),
        "summary.md": (summary_markdown(results) + "\n").encode(),
    }
    for name, data in files.items():
        write_atomic(target / name, data)
    return [*written, *(target / name for name in files)], results


def folder_names(results: Iterable[StoredResult]) -> list[str]:
    """A name for each result that serves as a folder or file, all different: model, images, protocol."""
    names: list[str] = []
    for result in results:
        parts = (short_name(result.record), data_name(result), str(result.record.get("protocol", "")))
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(parts)).strip("._") or "result"
        same = sum(1 for other in names if other == name or other.startswith(f"{name}~"))
        names.append(f"{name}~{same + 1}" if same else name)
    return names


def summary_json(results: Iterable[StoredResult]) -> str:
    """All results in one document."""
    document = {"format": "j4d-summary", "version": 1, "results": [result.to_json() for result in results]}
    return json.dumps(document, allow_nan=False)


def summary_markdown(results: Iterable[StoredResult]) -> str:
    """A section for each protocol."""
    groups = by_protocol(results).items()
    return "\n\n".join(text for protocol, group in groups for text in protocol_section(protocol, group))


_PLACE = ["model", "images", "protocol", "codec", "reference", "metric", "headers"]
_SPANS = ["bd_rate", "bd_metric", "largest_gain", *(f"change_at_{100 * loss:g}%_loss" for loss in ACCURACY_LOSSES)]


def summary_csv(results: Iterable[StoredResult]) -> str:
    """A row for each comparison: against the reference with headers and without, and ours against rivals."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_PLACE, *(f"{name}{end}" for name in _SPANS for end in ("", "_low", "_high")), "gain_bpp"])
    for result in results:
        for found in (*result.comparisons, *result.duels):
            place: list[Any] = [column(result), data_name(result), result.record.get("protocol", "")]
            place += [found.codec, found.reference, found.metric, "counted" if found.headers else "left out"]
            cuts = {cut.loss: cut.change for cut in found.rate_cuts}
            spans = [found.bd_rate, found.bd_metric, found.largest_gain, *(cuts.get(loss) for loss in ACCURACY_LOSSES)]
            writer.writerow([*place, *(text for span in spans for text in _texts(span)), _text(found.gain_bpp)])
    return out.getvalue()


def _texts(span: Interval | None) -> Iterator[str]:
    for value in (math.nan,) * 3 if span is None else (span.value, span.low, span.high):
        yield _text(value)


def _text(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
