"""What the page shows of one evaluation, as plain JSON values: curves, comparisons, tables, rates, provenance.

The template prints some of it and the page's script draws the rest; both read the same dictionary. Floats are cut to
six significant digits and what is not finite becomes None, so that the bytes of a page depend on its input alone.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.evaluation import bd
from j4d.evaluation.comparison import Comparison
from j4d.evaluation.curve import CodecResult
from j4d.evaluation.metrics import METRICS
from j4d.evaluation.results import Evaluation
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.presets import nearest_quality
from j4d.profile.profile import Profile
from j4d.report import page_text as text

MOST_CURVES = 8  # drawn at first; as many as there are colours


def plain(value: float | None) -> float | None:
    """Six significant digits; None for what is not finite."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def spread(interval: bd.Interval) -> list[float | None]:
    """[value, low, high]."""
    return [plain(interval.value), plain(interval.low), plain(interval.high)]


def is_learned(codec: CodecResult) -> bool:
    return codec.config.get("id") == LearnedJPEG.id


def view(evaluation: Evaluation, profiles: Mapping[str, Profile]) -> dict[str, Any]:
    """Everything the page says of `evaluation`, except photographs. profiles: by the path the user gave."""
    metrics = [name for name in evaluation.metrics if name != "top5"]
    compared = evaluation.comparisons
    record = evaluation.record
    styles = _styles(evaluation.codecs)
    shown = _shown(evaluation, compared)
    learned = [codec for codec in evaluation.codecs if is_learned(codec)]
    return {
        "title": text.title(evaluation),
        "model": text.model_label(record),
        "protocol": str(record.get("protocol", "?")),
        "protocol_text": text.protocol_text(str(record.get("protocol", ""))),
        "data": str(record.get("data", "?")),
        "images": len(evaluation.pixels),
        "metrics": [
            {
                "id": name,
                "label": METRICS[name].label,
                "long": text.LONG[name],
                "share": name in text.SHARE,
                "higher": METRICS[name].sign > 0,
            }
            for name in metrics
        ],
        "first": evaluation.accuracy,
        "uncompressed": {name: spread(evaluation.uncompressed_mean(name)) for name in metrics},
        "codecs": [
            {**_codec(evaluation, codec, style, metrics), "shown": codec.name in shown}
            for codec, style in zip(evaluation.codecs, styles, strict=True)
        ],
        "headline": _headline(evaluation, compared),
        "comparisons": {name: _comparisons(evaluation, compared, name, styles) for name in metrics},
        "tables": [_tables(evaluation, codec) for codec in learned],
        "provenance": _provenance(evaluation),
        "learning": [_learning(*item) for item in profiles.items() if any(_measures(c, item[1]) for c in learned)],
        "command": evaluate_command(evaluation, profiles),
    }


def _styles(codecs: Sequence[CodecResult]) -> list[int]:
    """A number for colour, marker and dash: 0 for the reference, then the learned codecs, then the others."""
    order = sorted(range(len(codecs)), key=lambda i: (i > 0, not is_learned(codecs[i]), i))
    return [order.index(i) for i in range(len(codecs))]


def _shown(evaluation: Evaluation, compared: Sequence[Comparison]) -> set[str]:
    """The curves drawn at first: all, or the reference, the headline's and the rivals that save most at equal loss."""
    names = [codec.name for codec in evaluation.codecs]
    if len(names) <= MOST_CURVES:
        return set(names)
    rates = {c.codec: c.bd_rate.value for c in compared if c.metric == evaluation.loss}
    learned = [codec.name for codec in evaluation.codecs[1:] if is_learned(codec)]
    first = learned[0] if learned else names[1]
    best = sorted(names[1:], key=lambda name: (name in learned, math.isnan(rates[name]), rates[name]))
    return set(list(dict.fromkeys([names[0], first, *best]))[:MOST_CURVES])


def _codec(evaluation: Evaluation, codec: CodecResult, style: int, metrics: Sequence[str]) -> dict[str, Any]:
    points = sorted(evaluation.points(codec), key=lambda point: point.bpp.value)
    return {
        "name": codec.name,
        "style": style,
        "learned": is_learned(codec),
        "points": [
            {
                "setting": text.setting_label(codec.config, point.setting),
                "bpp": spread(point.bpp),
                "estimated": plain(point.estimated_bpp),
                "metrics": {name: spread(point.metrics[name]) for name in metrics},
                "row": [text.figure_span(name, point.metrics[name]) for name in metrics],
            }
            for point in points
        ],
    }


def _headline(evaluation: Evaluation, compared: Sequence[Comparison]) -> dict[str, Any] | None:
    """The first learned codec, or the first that is not the reference, by accuracy; other metrics beside it.

    Accuracy comes first because it is what a user asks for, even where a loss would show the larger gain.
    """
    candidates = [codec for codec in evaluation.codecs[1:] if is_learned(codec)] or list(evaluation.codecs[1:])
    if not candidates:
        return None
    mine = {c.metric: c for c in compared if c.codec == candidates[0].name}
    main = mine[evaluation.accuracy]
    shown = [name for name in (evaluation.accuracy, evaluation.loss, "kl") if name in mine]
    shown = list(dict.fromkeys(shown))
    scale = whisker_scale([mine[name].bd_rate for name in shown])
    return {
        "codec": main.codec,
        "reference": main.reference,
        "title": text.headline(main),
        "metric": text.LONG[main.metric],
        "meaning": text.meaning(main, len(evaluation.pixels)),
        "figures": [
            {
                "label": f"at equal {text.LONG[name]}",
                "value": text.percent(mine[name].bd_rate.value),
                "span": text.span(mine[name].bd_rate),
                "whisker": whisker(mine[name].bd_rate, scale),
            }
            for name in shown
        ],
    }


def _comparisons(
    evaluation: Evaluation, compared: Sequence[Comparison], metric: str, styles: Sequence[int]
) -> list[dict[str, Any]]:
    rows = [comparison for comparison in compared if comparison.metric == metric]
    scale = whisker_scale([row.bd_rate for row in rows])
    style = {codec.name: styles[i] for i, codec in enumerate(evaluation.codecs)}
    return [
        {
            "codec": row.codec,
            "style": style[row.codec],
            "rate": text.percent(row.bd_rate.value),
            "span": text.span(row.bd_rate),
            "whisker": whisker(row.bd_rate, scale),
            "defined": "" if row.bd_rate.defined >= 0.95 else f"defined in {row.bd_rate.defined:.0%} of resamples",
            "mean_gain": text.gain(metric, row.bd_metric),
            "largest_gain": text.gain(metric, row.largest_gain),
            "gain_bpp": text.rate(row.gain_bpp) if math.isfinite(row.gain_bpp) else "",
            "cuts": [
                {
                    "loss": f"{100 * cut.loss:g}{text.NARROW}%",
                    "reference": text.rate(cut.reference_bpp),
                    "rate": text.rate(cut.bpp),
                    "change": f"{text.percent(cut.change.value)} {text.span(cut.change)}".strip(),
                }
                for cut in row.rate_cuts
            ],
        }
        for row in rows
    ]


def whisker_scale(intervals: Sequence[bd.Interval]) -> tuple[float, float]:
    """(low, high) in percent that holds every interval and zero, with a margin."""
    ends = [end for i in intervals for end in (i.value, i.low, i.high) if math.isfinite(end)] + [0.0]
    low, high = max(min(ends), -100.0), min(max(ends), 200.0)
    margin = 0.06 * max(high - low, 1.0)
    return low - margin, high + margin


def whisker(interval: bd.Interval, scale: tuple[float, float]) -> dict[str, float] | None:
    """Positions 0..100 of zero, value, low and high on `scale`, for a small drawing; None where undefined."""
    if not math.isfinite(interval.value):
        return None

    def place(value: float) -> float:
        share = (value - scale[0]) / (scale[1] - scale[0])
        return round(100 * min(max(share, 0.0), 1.0), 1)

    known = math.isfinite(interval.low)
    low, high = (interval.low, interval.high) if known else (interval.value, interval.value)
    return {"zero": place(0), "value": place(interval.value), "low": place(low), "high": place(high)}


def _tables(evaluation: Evaluation, codec: CodecResult) -> dict[str, Any]:
    learned = LearnedJPEG.from_config(codec.config)
    rates = evaluation.bpp(codec).mean(axis=1)
    points = []
    for i, setting in enumerate(learned.settings):
        parameters = learned.parameters(setting)
        quality = nearest_quality(parameters)
        default = EncodingParameters.from_quality(quality)
        luma, chroma = (_zone(each.dead_zone) for each in parameters.quantizations)
        points.append(
            {
                "label": text.setting_label(codec.config, setting),
                "bpp": plain(float(rates[i])),
                "estimated": plain(learned.estimated_bpp(setting)),
                "sampling": parameters.sampling,
                "quality": quality,
                "luma": parameters.luma.steps.ravel().tolist(),
                "chroma": parameters.chroma.steps.ravel().tolist(),
                "annex_luma": default.luma.steps.ravel().tolist(),
                "annex_chroma": default.chroma.steps.ravel().tolist(),
                "luma_zone": luma,
                "chroma_zone": chroma,
                "luma_zone_text": text.indices_text(luma, parameters.trellis),
                "chroma_zone_text": text.indices_text(chroma, parameters.trellis),
                "sharpness": plain(parameters.sharpness),
            }
        )
    return {"codec": codec.name, "points": points}


def _zone(zone: Any) -> list[float] | None:
    return None if zone is None else [float(f"{v:.4g}") for v in np.asarray(zone).ravel().tolist()]


def _measures(codec: CodecResult, profile: Profile) -> bool:
    """Whether this learned codec is the profile: its ladder from end to end, with or without others between."""
    learned = LearnedJPEG.from_config(codec.config)
    measured = [learned.parameters(setting) for setting in learned.settings]
    points = [point.parameters for point in profile.points]
    return (measured[0], measured[-1]) == (points[0], points[-1]) and set(points) <= set(measured)


def _provenance(evaluation: Evaluation) -> list[list[str]]:
    rows = [[name.replace("_", " "), text.text_of(value)] for name, value in evaluation.record.items()]
    intervals = f"95 %, {evaluation.resamples} resamples of the images, paired, seed {evaluation.seed}"
    return [*rows, ["intervals", intervals]]


def _learning(path: str, profile: Profile) -> dict[str, Any]:
    made = profile.provenance
    rows = [[name.replace("_", " "), text.text_of(getattr(made, name))] for name in made.__dataclass_fields__]
    if profile.adaptation is not None:
        rows.append(["adaptation", text.adaptation_text(profile.adaptation)])
    if profile.choices:
        rows.append(["judges it knows", "; ".join(choice.judge for choice in profile.choices)])
    return {"name": profile.name, "path": path, "rows": rows}


def evaluate_command(evaluation: Evaluation, profiles: Mapping[str, Profile]) -> str:
    """The `j4d evaluate` that measures this again, as far as the record tells; PROFILE.json where no file is known."""
    record = evaluation.record
    folder, _, split = str(record.get("data", "IMAGES")).partition("/")
    words = ["j4d", "evaluate", "--model", str(record.get("model", "MODEL")), "--images", folder]
    words += ["--split", split] if split else []
    words += [] if "top1" in evaluation.uncompressed else ["--no-labels"]
    default = next((codec for codec in evaluation.codecs if codec.config.get("id") == DefaultJPEG.id), None)
    if default is not None:
        words += ["--default-jpeg", ",".join(map(str, default.settings)), "--sampling", str(default.config["sampling"])]
    learned = [codec for codec in evaluation.codecs if is_learned(codec)]
    for path, profile in profiles.items():
        measured = [codec for codec in learned if _measures(codec, profile)]
        if measured:
            words += ["--profile", path]
        adapted = {"adaptation" in codec.config for codec in measured}
        if profile.adaptation is not None and False in adapted:
            words += ["--adapt", "both" if True in adapted else "no"]
        learned = [codec for codec in learned if codec not in measured]
    words += ["--profile", "PROFILE.json"] * len(learned)
    words += ["--protocol", str(record.get("protocol", "stored-size")), "--seed", str(record.get("seed", 0))]
    return shlex.join([*words, "--bootstrap", str(evaluation.resamples), "-o", "report"])
