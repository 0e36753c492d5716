"""Tables in Markdown over many results: a row a codec, a column a model, one section for each protocol.

Made from stored results alone, so that documentation is generated again from files of a few dozen kilobytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from j4d.evaluation.bd import Interval
from j4d.evaluation.comparison import ACCURACY_LOSSES, Comparison
from j4d.evaluation.metrics import METRICS, short_name
from j4d.evaluation.stored import CHOSEN, UNADAPTED, StoredCodec, StoredResult

OURS = "j4d, learned for the model"


@dataclass(frozen=True)
class Row:
    """A row of a table: the codec that stands for it in each result, None where there is none."""

    label: str
    codecs: tuple[StoredCodec | None, ...]

    @property
    def jpeg(self) -> bool:
        return any(codec is not None and codec.jpeg for codec in self.codecs)


def by_protocol(results: Iterable[StoredResult]) -> dict[str, list[StoredResult]]:
    """Results under the protocol they were measured in, stored-size first."""
    groups: dict[str, list[StoredResult]] = {}
    for result in results:
        groups.setdefault(str(result.record.get("protocol", "unknown")), []).append(result)
    return dict(sorted(groups.items(), reverse=True))


def rows_of(results: Sequence[StoredResult]) -> list[Row]:
    """Ours first, then rivals as they come, then formats that are not JPEG; neither references nor others' profiles.

    Profiles for several models are ours on all of them.
    """

    def gather(wanted: Callable[[StoredCodec], bool]) -> Iterator[Row]:
        names = dict.fromkeys(codec.name for result in results for codec in result.codecs if wanted(codec))
        for name in names:
            found = (next((c for c in result.codecs if c.name == name and wanted(c)), None) for result in results)
            yield Row(name, tuple(found))

    def mine(role: str, label: str) -> list[Row]:
        """Profiles on their own models, in one row where each has one."""
        found = [[codec for codec in result.codecs if codec.own and codec.role == role] for result in results]
        if any(found) and all(len(codecs) <= 1 for codecs in found):
            return [Row(label, tuple(codecs[0] if codecs else None for codecs in found))]
        return list(gather(lambda codec: codec.own and codec.role == role))

    ours = (
        mine("profile", OURS) + mine(UNADAPTED, f"{OURS}, not adapted") + mine(CHOSEN, f"{OURS}, chosen by the model")
    )
    ours += gather(lambda codec: not codec.own and codec.role == "profile" and " + " in codec.learned_on)
    ours += gather(lambda codec: not codec.own and codec.role == CHOSEN)
    rivals = list(gather(lambda codec: codec.role == "rival"))
    return ours + [row for row in rivals if row.jpeg] + [row for row in rivals if not row.jpeg]


def protocol_section(protocol: str, results: Sequence[StoredResult]) -> Iterator[str]:
    """Paragraphs and tables of the results of one protocol."""
    yield f"## {protocol[:1].upper()}{protocol[1:]} protocol"
    yield "\n".join(_circumstances(results))
    kinds = dict.fromkeys(kind for result in results for kind in (result.accuracy, result.loss, "kl"))
    for metric in kinds:
        yield f"BD-rate against {results[0].reference} at equal {METRICS[metric].label}, % of bytes, whole files:"
        yield bd_rate_table(results, metric)
    metric = results[0].loss
    lean = bd_rate_table(results, metric, headers=False)
    if lean:
        yield f"The same at equal {METRICS[metric].label}, without the bytes of headers:"
        yield lean
    standing = standing_table(results)
    if standing:
        yield "Ours against the best rival that writes JPEG, directly, on the same resampled images:"
        yield standing
    use = use_table(results)
    if use:
        yield f"What it means in use, against {results[0].reference}:"
        yield use
    cross = cross_table(results)
    if cross:
        yield f"Profiles on models they were not learned for, BD-rate at equal {METRICS[metric].label}, %:"
        yield cross
    warnings = dict.fromkeys(f"{column(result)}: {text}" for result in results for text in result.warnings)
    if warnings:
        yield "\n".join(f"- {text}" for text in warnings)


def column(result: StoredResult) -> str:
    """What heads a result's column."""
    return short_name(result.record)


def data_name(result: StoredResult) -> str:
    """What the image set is called."""
    return str(result.record.get("data", "unknown images"))


def bd_rate_table(results: Sequence[StoredResult], metric: str, *, headers: bool = True) -> str:
    """A row a codec, a column a model; the best of those that write JPEG in bold. Empty where there is nothing."""
    rows = rows_of(results)
    spans = [
        [_bd_rate(result, codec, metric, headers) for result, codec in zip(results, row.codecs, strict=True)]
        for row in rows
    ]
    best = []
    for position in range(len(results)):
        known = [line[position] for row, line in zip(rows, spans, strict=True) if row.jpeg]
        values = [span.value for span in known if span is not None and math.isfinite(span.value)]
        best.append(min(values) if len(values) > 1 else math.nan)  # one alone is not the best of any
    lines = [
        [
            _label(row),
            *(_cell(span, span is not None and span.value == top) for span, top in zip(line, best, strict=True)),
        ]
        for row, line in zip(rows, spans, strict=True)
        if any(line)
    ]
    return table(["codec", *map(column, results)], lines) if lines else ""


def standing_table(results: Sequence[StoredResult]) -> str:
    """Is ours first, and the interval clear of the second? A row a model and metric. Empty without rivals."""
    lines = []
    for result in results:
        for metric in dict.fromkeys((result.accuracy, result.loss, "kl")):
            found = best_rival_comparison(result, metric)
            if found is not None:
                first = found.bd_rate.value < 0
                clear = found.bd_rate.high < 0 or found.bd_rate.low > 0
                verdict = ("first" if first else "not first") + (", clear" if clear else ", within the noise")
                lines.append(
                    [column(result), METRICS[metric].label, found.codec, found.reference, _cell(found.bd_rate), verdict]
                )
    return table(["model", "equal", "ours", "best rival", "ours against it, %", ""], lines) if lines else ""


def best_rival_comparison(result: StoredResult, metric: str) -> Comparison | None:
    """The better of our codecs against the best rival that writes JPEG, by BD-rate against the reference."""

    def best(names: Iterable[str]) -> str | None:
        found = {name: result.against_reference(name, metric) for name in names}
        known = {n: c.bd_rate.value for n, c in found.items() if c is not None and math.isfinite(c.bd_rate.value)}
        return min(known, key=lambda name: known[name]) if known else None

    ours = best(dict.fromkeys(duel.codec for duel in result.duels))
    rival = best(codec.name for codec in result.codecs if codec.role == "rival" and codec.jpeg)
    return result.rival_comparison(ours, rival, metric) if ours is not None and rival is not None else None


def use_table(results: Sequence[StoredResult]) -> str:
    """Bytes saved at given losses of accuracy, BD-accuracy and the largest gain: a row for each of ours and model.

    Empty where no profile was learned for one of the models.
    """
    lines = []
    for position, result in enumerate(results):
        ours = [row.codecs[position] for row in rows_of(results)]
        for codec in ours:
            found = codec and result.against_reference(codec.name, result.accuracy)
            if not codec or not found or not codec.own:
                continue
            gain = f"{_points(found.largest_gain)} at {found.gain_bpp:.2f} bpp"
            cuts = [_cut(cut.reference_bpp, cut.bpp, cut.change) for cut in found.rate_cuts]
            lines.append([f"{column(result)}: {codec.name}", *cuts, _points(found.bd_metric), gain])
    heads = [f"rate at {100 * loss:g} % loss, %" for loss in ACCURACY_LOSSES]
    accuracy = METRICS[results[0].accuracy].label
    ends = [f"BD-{accuracy}, points", f"largest {accuracy} gain, points"]
    return table(["model and profile", *heads, *ends], lines) if lines else ""


def cross_table(results: Sequence[StoredResult]) -> str:
    """Every profile on every model, in bold where it was learned for it; empty where none was measured on another."""
    names = dict.fromkeys(codec.name for result in results for codec in result.codecs if codec.role == "profile")
    lines, foreign = [], False
    for name in names:
        found = [next((codec for codec in result.codecs if codec.name == name), None) for result in results]
        foreign |= any(codec is not None and not codec.own for codec in found)
        origin = next((codec.learned_on for codec in found if codec is not None), "")
        spans = [
            _cell(_bd_rate(result, codec, result.loss, True), codec is not None and codec.own)
            for result, codec in zip(results, found, strict=True)
        ]
        lines.append([name, origin, *spans])
    if not foreign:
        return ""
    return table(["profile", "learned on", *map(column, results)], lines)


def table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are taken as they are but for the bar."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def _circumstances(results: Sequence[StoredResult]) -> Iterator[str]:
    def each(what: Callable[[StoredResult], object]) -> str:
        return "; ".join(dict.fromkeys(str(what(result)) for result in results))

    yield f"- images: {each(lambda r: f'{r.images} of {data_name(r)}')}; the intervals are 95 %, by paired"
    yield "  bootstrap over them"
    yield f"- chroma sampling of {results[0].reference}: {each(lambda r: r.record.get('sampling') or 'not recorded')}"
    yield f"- decoder: {each(lambda r: r.record.get('decoder', '?'))}; rates are those of whole files, headers counted,"
    yield "  unless a table says otherwise"
    clean = each(lambda r: f"{column(r)} {METRICS[r.accuracy].label} {r.uncompressed[r.accuracy].value:.3f}")
    yield f"- uncompressed: {clean}"


def _label(row: Row) -> str:
    return row.label if row.jpeg or row.label.startswith(OURS) else f"{row.label} (not JPEG)"


def _bd_rate(result: StoredResult, codec: StoredCodec | None, metric: str, headers: bool) -> Interval | None:
    found = codec and result.against_reference(codec.name, metric, headers=headers)
    return found.bd_rate if found else None


def _cell(span: Interval | None, strong: bool = False) -> str:
    if span is None:
        return ""
    if not math.isfinite(span.value):
        return "no shared range"
    text = f"{span.value:+.1f}"
    if math.isfinite(span.low):
        text += f" [{span.low:+.1f}, {span.high:+.1f}]"
    if span.defined < 0.95:
        text += f" (in {span.defined:.0%} of resamples)"
    return f"**{text}**" if strong else text


def _points(span: Interval) -> str:
    return _cell(Interval(100 * span.value, 100 * span.low, 100 * span.high, span.defined))


def _cut(before: float, after: float, change: Interval) -> str:
    if not math.isfinite(change.value):
        reached = [math.isfinite(rate) for rate in (before, after)]
        words = {(False, True): "only ours", (True, False): "only the reference"}
        return f"{words.get((reached[0], reached[1]), 'neither')} in range"
    return f"{_cell(change)}; {before:.2f} to {after:.2f} bpp"
