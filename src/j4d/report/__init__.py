"""What people see of a result: pictures, terminal tables, the folder of files an evaluation leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path

from j4d.codecs import LearnedJPEG
from j4d.files import write_atomic
from j4d.results import Evaluation
from j4d.results_file import evaluation_to_csv, evaluation_to_json, summary


def write_report(evaluation: Evaluation, folder: str | os.PathLike[str]) -> list[Path]:
    """Write evaluation.json, curve.csv, curve.png and, with a learned codec, tables.png; the paths written.

    Everything is made before the first file is written, and each file appears whole or not at all.
    """
    from j4d.report.plots import curve_figure, pick, png, tables_figure

    document = {**evaluation_to_json(evaluation), "summary": summary(evaluation)}
    files = {
        "evaluation.json": json.dumps(document, allow_nan=False).encode(),
        "curve.csv": evaluation_to_csv(evaluation).encode(),
        "curve.png": png(curve_figure(evaluation)),
    }
    learned = [c for c in evaluation.codecs if c.config.get("id") == LearnedJPEG.id]
    if learned:
        codec = LearnedJPEG.from_config(learned[0].config)
        rates = evaluation.bpp(learned[0]).mean(axis=1)
        points = [(f"{codec.name}, {rates[i]:.3g} bpp", codec.parameters(i)) for i in pick(len(codec.settings))]
        files["tables.png"] = png(tables_figure(points))
    target = Path(folder)
    for name, data in files.items():
        write_atomic(target / name, data)
    return [target / name for name in files]
