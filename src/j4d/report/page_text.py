"""Figures as people read them: numbers with their signs and units, and what a comparison means in plain words.

Everything here returns plain text; the template escapes it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.evaluation import bd
from j4d.evaluation.comparison import Comparison
from j4d.evaluation.metrics import short_name
from j4d.evaluation.results import Evaluation
from j4d.jpeg.parameters import Trellis
from j4d.profile.adaptation import Adaptation

MINUS, NARROW = "\u2212", "\u202f"
SHARE = ("top1", "agreement")  # metrics that are shares of images, shown in percent
LONG = {
    "top1": "top-1 accuracy",
    "agreement": "agreement with the uncompressed answer",
    "cross_entropy": "cross-entropy",
    "kl": "KL divergence",
}
SAME = {
    "top1": "the model is right equally often",
    "agreement": "the model keeps its answer on the uncompressed photograph equally often",
    "cross_entropy": "the model gives the right class the same probability (equal cross-entropy)",
    "kl": "the model's answers stay equally close to those on the uncompressed photographs (equal KL divergence)",
}


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, a true minus; zero has none."""
    text = f"{abs(value):.{digits}f}"
    return text if float(text) == 0 else f"{MINUS if value < 0 else '+'}{text}"


def percent(value: float) -> str:
    """A signed percentage, or a dash where it is not defined."""
    return f"{signed(value)}{NARROW}%" if math.isfinite(value) else "\u2013"


def span(interval: bd.Interval) -> str:
    """The interval of a percentage in brackets; empty where it is not defined."""
    return f"[{signed(interval.low)}, {signed(interval.high)}]" if math.isfinite(interval.low) else ""


def figure(metric: str, value: float) -> str:
    """One value of a metric: shares in percent, losses in nats."""
    return f"{100 * value:.1f}{NARROW}%" if metric in SHARE else f"{value:.3f}"


def figure_span(metric: str, interval: bd.Interval) -> str:
    """A value of a metric and its interval: 61.0 % [51.0, 70.0]."""
    scale, digits = (100, 1) if metric in SHARE else (1, 3)
    return f"{figure(metric, interval.value)} [{scale * interval.low:.{digits}f}, {scale * interval.high:.{digits}f}]"


def gain(metric: str, interval: bd.Interval) -> str:
    """A difference at equal rate, positive is better: +16.3 points [+8.0, +23.8]."""
    if not math.isfinite(interval.value):
        return "\u2013"
    scale, digits, unit = (100, 1, "points") if metric in SHARE else (1, 3, "nats")
    text = f"{signed(scale * interval.value, digits)} {unit}"
    if not math.isfinite(interval.low):
        return text
    return f"{text} [{signed(scale * interval.low, digits)}, {signed(scale * interval.high, digits)}]"


def rate(value: float) -> str:
    """A rate in bpp, or why there is none."""
    if math.isfinite(value):
        return f"{value:.3f}"
    return "not reached" if value > 0 else "below the rates measured"


def model_label(record: Mapping[str, Any]) -> str:
    """The model's name as short as it stays clear: of `zoo.py:load?name=resnet` the name, of `timm:x` the x."""
    name = short_name(record)
    named = re.search(r"[?&]name=([^&]+)", name)
    if named:
        return named[1]
    source, colon, rest = name.partition(":")
    return rest if colon and rest and source in ("timm", "torchvision", "hf", "demo") else name


def setting_label(config: Mapping[str, Any], setting: object) -> str:
    """What a setting of a codec is called: a quality, a point of the ladder."""
    kinds = {DefaultJPEG.id: "quality", LearnedJPEG.id: "point"}
    text = f"{setting:.4g}" if isinstance(setting, float) else str(setting)
    return f"{kinds.get(str(config.get('id')), 'setting')} {text}"


def headline(comparison: Comparison) -> str:
    """The comparison as a title: 13.4 % fewer bytes."""
    value = comparison.bd_rate.value
    if not math.isfinite(value):
        return "No common range"
    if abs(value) < 0.05:
        return "As many bytes"
    return f"{abs(value):.1f}{NARROW}% {'fewer' if value < 0 else 'more'} bytes"


def meaning(comparison: Comparison, images: int) -> list[str]:
    """The comparison in sentences, with what the interval allows to say and what it does not."""
    found, reference = comparison.bd_rate, comparison.reference
    if not math.isfinite(found.value):
        return [
            f"{comparison.codec} and {reference} never give the same {LONG[comparison.metric]} in the range measured, "
            "so their bytes cannot be compared. More settings, or nearer ones, would tell."
        ]
    kept = 100 + found.value
    lines = [f"100 GB written as {reference} become {kept:.1f} GB with {comparison.codec}, and {_same(comparison)}."]
    if math.isfinite(found.low):
        sure = found.high < 0 or found.low > 0
        interval = f"With 95 % confidence it is between {100 + found.low:.1f} and {100 + found.high:.1f} GB"
        verdict = "" if sure else f": on these {images} photographs it is not certain that anything is gained or lost"
        lines.append(f"{interval}{verdict}.")
    if found.defined < 0.95:
        lines.append(f"The figure exists in {found.defined:.0%} of the resampled sets only.")
    return lines


def _same(comparison: Comparison) -> str:
    return SAME[comparison.metric]


def dead_zone_text(zones: Sequence[float] | None) -> str:
    """The 64 dead zones of a table (natural order, in steps) in one sentence."""
    if zones is None:
        return "No dead zone: every coefficient goes to its nearest index."
    low, high = min(zones[1:]), max(zones[1:])
    dc = "none on DC" if zones[0] == 0 else f"{zones[0]:.2g} on DC"
    wide = f"{low:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.2g} to {high:.2g}"
    return (
        f"Dead zone of {wide} steps on AC frequencies, {dc}: "
        f"a coefficient becomes zero below {0.5 + high:.2g} steps, not below 0.5."
    )


def indices_text(zones: Sequence[float] | None, trellis: Trellis | None) -> str:
    """How the indices of one component are chosen, in a sentence or two."""
    if trellis is None:
        return dead_zone_text(zones)
    chosen = f"A trellis chooses the indices of a block jointly; a squared step is worth {trellis.mu:.3g} bits"
    if trellis.masking is not None:
        chosen += f", half of that where the block's AC coefficients have a norm of {trellis.masking:.3g}"
    if trellis.dc is not None:
        chosen += f"; DC indices are chosen from block to block, a squared step being worth {trellis.dc:.3g} bits"
    return chosen + "." if zones is None else f"{chosen}. {dead_zone_text(zones)}"


def protocol_text(protocol: str) -> str:
    """What a protocol means, in words."""
    return {
        "stored-size": "JPEG on the photograph as kept, before the model's resize",
        "model-size": "JPEG on the model's crop, after the resize",
    }.get(protocol, "")


def title(evaluation: Evaluation) -> str:
    """One evaluation among several: model, protocol, images."""
    record = evaluation.record
    return (
        f"{model_label(record)}, {record.get('protocol', '?')}, {len(evaluation.pixels)} of {record.get('data', '?')}"
    )


def text_of(value: object) -> str:
    """A JSON value as readable text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text_of(item)}" for key, item in value.items())
    if isinstance(value, (tuple, list)):
        return "; ".join(text_of(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def adaptation_text(adaptation: Adaptation) -> str:
    """How pictures are moved along the ladder, in words."""
    kinds = {
        "twice the bits of the average one": adaptation.by_bpp,
        "twice its size": adaptation.by_side,
    }
    parts = [f"{100 * (1 - 2**-share):.0f} % of its rate for {kind}" for kind, share in kinds.items() if share]
    return "A picture gives up " + ", ".join(parts) + "."
