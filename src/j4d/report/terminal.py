"""Tables for a terminal: an evaluation, its comparisons, a profile. Made with rich."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from j4d.evaluation import bd
from j4d.evaluation.comparison import Comparison
from j4d.evaluation.metrics import METRICS, short_name
from j4d.evaluation.results import Evaluation
from j4d.jpeg.parameters import EncodingParameters
from j4d.profile.profile import Profile
from j4d.profile.provenance import Provenance
from j4d.report.page_text import adaptation_text, text_of


def points_table(evaluation: Evaluation) -> Table:
    """A row per codec and setting, in their order; accuracy and loss with half the width of their intervals."""
    names = (evaluation.accuracy, evaluation.loss)
    labels = [METRICS[name].label for name in names]
    table = Table(title=_title(evaluation), title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("codec and setting", no_wrap=True)
    for column in ("actual\nbpp", "estimated\nbpp", *labels):
        table.add_column(column, justify="right", no_wrap=True)
    clean = [_with_half_width(evaluation.uncompressed_mean(name)) for name in names]
    table.add_row("uncompressed", "", "", *clean, style="dim")
    for codec in evaluation.codecs:
        table.add_section()
        for point in evaluation.points(codec):
            estimate = "" if point.estimated_bpp is None else f"{point.estimated_bpp:.3f}"
            figures = [_with_half_width(point.metrics[name]) for name in names]
            table.add_row(escape(f"{codec.name} {point.setting}"), f"{point.bpp.value:.3f}", estimate, *figures)
    return table


def _title(evaluation: Evaluation) -> str:
    record = evaluation.record
    what = f"{short_name(record)} on {len(evaluation.pixels)} images"
    return escape(f"{what}, {record.get('protocol', '?')}, whole-file rates, 95 % intervals")


def _with_half_width(span: bd.Interval) -> str:
    return f"{span.value:.3f} ±{(span.high - span.low) / 2:.3f}"


def comparison_lines(evaluation: Evaluation) -> Iterator[str]:
    """Plain sentences, rich markup: BD-rate on accuracy and loss, rate cuts, the largest gain."""
    for comparison in evaluation.comparisons:
        metric = METRICS[comparison.metric]
        if comparison.metric not in (evaluation.accuracy, evaluation.loss):
            continue
        yield (
            f"[bold]{escape(comparison.codec)}[/bold] against {escape(comparison.reference)}, equal {metric.label}: "
            f"BD-rate {_percent(comparison.bd_rate)}"
        )
        if comparison.rate_cuts:
            yield from _accuracy_lines(comparison, metric.label)


def _accuracy_lines(comparison: Comparison, label: str) -> Iterator[str]:
    gain = comparison.largest_gain
    if math.isfinite(gain.value):
        points = bd.Interval(100 * gain.value, 100 * gain.low, 100 * gain.high)
        where = f"at {comparison.gain_bpp:.3g} bpp"
        span = f"{points.value:+.1f} \\[{points.low:+.1f}, {points.high:+.1f}]"
        yield f"  largest {label} gain at equal rate: {span} points {where}"
    for cut in comparison.rate_cuts:
        rates = f"{_rate(cut.reference_bpp)} -> {_rate(cut.bpp)}"
        change = f", {_percent(cut.change)}" if math.isfinite(cut.change.value) else ""
        yield f"  rate at {100 * cut.loss:g} % {label} loss: {rates}{change}"


def _rate(value: float) -> str:
    if math.isfinite(value):
        return f"{value:.3f} bpp"
    return "not reached" if value > 0 else "below the rates measured"


def _percent(span: bd.Interval) -> str:
    if not math.isfinite(span.value):
        return "not defined (the curves share no range)"
    interval = f" \\[{span.low:+.1f}, {span.high:+.1f}]" if math.isfinite(span.low) else ""
    partial = f", defined in {span.defined:.0%} of resamples" if span.defined < 0.95 else ""
    return f"{span.value:+.1f} %{interval}{partial}"


MEASURED = {"actual_bpp": "actual\nbpp", "top1": "top-1", "agreement": "agreement", "cross_entropy": "CE", "kl": "KL"}


def profile_table(profile: Profile) -> Table:
    """A row per operating point: place on the ladder, rates, lambda, and what was measured while learning."""
    shown = [name for name in MEASURED if any(name in point.measured for point in profile.points)]
    quantizers = sorted({quantizer_text(point.parameters) for point in profile.points})
    title = f"{escape(profile.name)}: {len(profile.points)} operating points, {' or '.join(quantizers)}"
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0), caption_justify="left")
    side = profile.longest_side
    notes = [] if side is None else [f"Larger pictures are stored at {side} pixels; rates are per pixel as given."]
    notes += [] if profile.adaptation is None else [adaptation_text(profile.adaptation)]
    notes += [f"Knows the judge {escape(choice.judge)}." for choice in profile.choices]
    table.caption = "\n".join(notes) or None
    for column in ("index", "quality", "estimated\nbpp", "lambda", *(MEASURED[name] for name in shown)):
        table.add_column(column, justify="right", no_wrap=True)
    low, high = (math.log(profile.points[i].estimated_bpp) for i in (0, -1))
    for index, point in enumerate(profile.points):
        where = (math.log(point.estimated_bpp) - low) / (high - low) if high > low else 0.0
        table.add_row(
            str(index),
            f"{100 * where:.0f}",
            f"{point.estimated_bpp:.3f}",
            "" if point.lagrangian is None else f"{point.lagrangian:.3g}",
            *(f"{point.measured[name]:.3f}" if name in point.measured else "" for name in shown),
        )
    return table


def quantizer_text(parameters: EncodingParameters) -> str:
    """How indices are chosen, in words."""
    sharpness = parameters.sharpness
    how = "nearest index" if sharpness is None else f"random index of sharpness {sharpness:.3g}"
    zones = [each.dead_zone for each in parameters.quantizations]
    how = how if all(zone is None for zone in zones) else f"{how} with dead zones"
    trellis = parameters.trellis
    if trellis is None:
        return how
    masking = "" if trellis.masking is None else f", masking {trellis.masking:.3g}"
    dc = "" if trellis.dc is None else f", of DC {trellis.dc:.3g}"
    even = all(each.weights is None for each in parameters.quantizations)
    weights = "" if even else ", weighted by frequency"
    return f"{how}, then a trellis of {trellis.mu:.3g} bits per squared step{masking}{dc}{weights}"


def steps_table(title: str, steps: NDArray[np.int32]) -> Table:
    """An (8, 8) table of steps as a grid, DC top left."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 0, 0, 1))
    for _ in range(8):
        table.add_column(justify="right", min_width=3)
    for row in steps:
        table.add_row(*(str(step) for step in row))
    return table


def parameters_tables(parameters: EncodingParameters) -> Table:
    """Luma and chroma steps side by side."""
    grid = Table.grid(padding=(0, 4))
    grid.add_row(steps_table("luma steps", parameters.luma.steps), steps_table("chroma steps", parameters.chroma.steps))
    return grid


def provenance_table(provenance: Provenance) -> Table:
    """Two columns: what, and its value."""
    table = Table(show_header=False, box=None, title="provenance", title_justify="left")
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name in provenance.__dataclass_fields__:
        table.add_row(name.replace("_", " "), Text(text_of(getattr(provenance, name))))
    return table


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """The curve and the sentences that compare the codecs."""
    console.print(points_table(evaluation))
    for line in comparison_lines(evaluation):
        console.print(line)
