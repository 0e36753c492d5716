"""Pictures of an evaluation: rate-accuracy curves with their intervals, quantization tables as heat maps.

Figures are drawn on matplotlib's Agg canvas without pyplot: no window, no global state, the same PNG
bytes for the same figures.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from j4d.evaluation.curve import Point
from j4d.evaluation.metrics import METRICS, short_name
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.presets import nearest_quality
from j4d.support.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with any colour vision; the reference is black.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP*"
LINES = ("-", "--", "-.", ":")  # the next one when the colours are used up


def curves_title(record: Mapping[str, Any], images: int) -> str:
    """What was measured, in one line."""
    return f"{short_name(record)}, {images} images, {record.get('protocol', '')} protocol"


def curves_figure(curves: Mapping[str, Sequence[Point]], clean: Mapping[str, float], title: str) -> Figure:
    """Each metric of `clean`, the uncompressed means, over actual rate: a line per codec, 95 % bootstrap bands."""
    figure = _figure(11, 4.6)
    axes = figure.subplots(1, len(clean), squeeze=False)[0]
    for axis, metric in zip(axes, clean, strict=True):
        _curves(axis, curves, metric, clean[metric])
    if len(curves) <= len(COLOURS):
        axes[0].legend(loc="lower right", frameon=False)
    else:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    figure.suptitle(_shown(title), fontsize=11)
    return figure


def _figure(width: float, height: float) -> Figure:
    """An empty figure, inches, that needs no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _curves(axis: Axes, curves: Mapping[str, Sequence[Point]], metric: str, clean: float) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    for i, (name, measured) in enumerate(curves.items()):
        points = sorted(measured, key=lambda point: point.bpp.value)
        rates = [point.bpp.value for point in points]
        spans = [point.metrics[metric] for point in points]
        style: dict[str, Any] = {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[i % len(MARKERS)],
            "linestyle": LINES[i // len(COLOURS) % len(LINES)],
        }
        axis.plot(rates, [span.value for span in spans], markersize=4, label=_shown(name), **style)
        axis.fill_between(
            rates,
            [span.low for span in spans],
            [span.high for span in spans],
            color=style["color"],
            alpha=0.13 if len(curves) <= len(COLOURS) else 0.04,
            linewidth=0,
        )
    axis.axhline(clean, color="grey", linestyle=":", linewidth=1)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    low, high = axis.get_xlim()
    axis.set_xticks([t for t in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 8) if low <= t <= high])
    what = METRICS[metric]
    axis.set_ylabel(f"{what.label}{f' ({what.unit})' if what.unit else ''}")
    axis.set_xlabel("actual rate, whole files (bits per pixel)")
    axis.set_title("dotted: uncompressed", loc="left", fontsize=8, color="grey")
    axis.grid(alpha=0.25)


def _shown(name: str) -> str:
    """A name as text, of which matplotlib would take what stands between dollar signs for a formula."""
    return printable(name).replace("$", r"\$")


def tables_figure(points: Sequence[tuple[str, EncodingParameters]]) -> Figure:
    """A row per (title, parameters): learned luma and chroma steps beside Annex K's at the nearest quality.

    Colours are log steps on one scale, 1 to 255; row 0, column 0 of each table is DC.
    """
    figure = _figure(13, 3.5 * len(points) + 0.3)
    axes = figure.subplots(len(points), 4, squeeze=False)
    for row, (title, parameters) in zip(axes, points, strict=True):
        quality = nearest_quality(parameters)
        default = EncodingParameters.from_quality(quality)
        _table(row[0], parameters.luma.steps, f"{title}: luma")
        _table(row[1], parameters.chroma.steps, "chroma")
        _table(row[2], default.luma.steps, f"Annex K at quality {quality}: luma")
        _table(row[3], default.chroma.steps, "chroma")
    return figure


def _table(axis: Axes, table: np.ndarray[Any, Any], title: str) -> None:
    from matplotlib.colors import LogNorm

    axis.imshow(table, norm=LogNorm(1, 255), cmap="viridis")
    for (y, x), step in np.ndenumerate(table):
        colour = "white" if step < 40 else "black"
        axis.text(x, y, str(step), ha="center", va="center", fontsize=7, color=colour)
    axis.set_title(_shown(title), fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])


def pick(count: int, most: int = 4) -> list[int]:
    """At most `most` positions of 0..count-1, evenly spread, ends included."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})


def png(figure: Figure) -> bytes:
    """The figure as PNG bytes, without date or version, at 130 dots per inch."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=130, metadata={"Software": None})
    return out.getvalue()
