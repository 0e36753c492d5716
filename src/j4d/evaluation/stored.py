"""What is kept of an evaluation for ever: curves and comparisons with their intervals, without the per-image figures.

An evaluation of fifteen codecs takes many megabytes; its tables and plots need a few dozen kilobytes, small enough to
lie beside the documentation that is made from them. Intervals are [value, low, high], null where not defined, "not
reached" for an infinite rate; a fourth number is the share of resamples that gave a value, where it is not 1.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from j4d.codecs.chosen import ChosenJPEG
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.errors import DataError
from j4d.evaluation.bd import Interval
from j4d.evaluation.comparison import Comparison, RateCut
from j4d.evaluation.curve import Point
from j4d.evaluation.file import FORMAT as EVALUATION
from j4d.evaluation.file import naming, read_json
from j4d.evaluation.results import Evaluation

UNADAPTED = "unadapted"  # the role of a profile that does not move pictures, beside itself
CHOSEN = "chosen"  # that of one whose pictures are placed by a judge
FORMAT, VERSION = "j4d-result", 1
_DATA = (Point, Comparison, RateCut)
_LAST = 1e-3
_FOOTING = ("model_fingerprint", "data_fingerprint", "image_count", "protocol", "sampling", "decoder", "seed")


@dataclass(frozen=True)
class StoredCodec:
    """A codec's curve. role: "reference", "profile", "unadapted" (a profile with the
    same parameters for all pictures, beside itself), "chosen" (with places chosen by a judge) or "rival"; own: whether
    learned for the model it is measured on.

    Where an evaluation does not say for which model a profile was learned, it is taken to be its own. learned_on: the
    model of a profile, "" for others or where it is not known. jpeg: whether its files are JPEG.
    """

    name: str
    role: str
    own: bool
    learned_on: str
    jpeg: bool
    points: tuple[Point, ...]


@dataclass(frozen=True)
class StoredResult:
    """One model on one image set. comparisons: all codecs against the reference, on whole files and without headers.

    duels: profiles learned for this model against each rival that writes JPEG.
    """

    record: Mapping[str, Any]
    images: int
    accuracy: str
    loss: str
    uncompressed: Mapping[str, Interval]
    codecs: tuple[StoredCodec, ...]
    comparisons: tuple[Comparison, ...]
    duels: tuple[Comparison, ...]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, evaluation: Evaluation) -> StoredResult:
        codecs = tuple(_codec(evaluation, position) for position in range(len(evaluation.codecs)))
        lean = evaluation.compare(headers=False) if evaluation.codecs[0].header_bytes is not None else ()
        ours = [codec.name for codec in codecs if codec.own and codec.role == "profile"]
        rivals = [codec.name for codec in codecs if codec.role == "rival" and codec.jpeg]
        spec = without_folder(str(evaluation.record.get("model", "model")))
        sampling = evaluation.codecs[0].config.get("sampling", "")
        duels = [duel for rival in rivals for duel in (evaluation.compare(rival, codecs=tuple(ours)) if ours else ())]
        return cls(
            record={"sampling": sampling, **evaluation.record, "model": spec},
            images=len(evaluation.pixels),
            accuracy=evaluation.accuracy,
            loss=evaluation.loss,
            uncompressed={name: evaluation.uncompressed_mean(name) for name in evaluation.metrics},
            codecs=codecs,
            comparisons=(*evaluation.comparisons, *lean),
            duels=tuple(duels),
            warnings=evaluation.warnings,
        )

    @property
    def reference(self) -> str:
        return self.codecs[0].name

    def against_reference(self, codec: str, metric: str, *, headers: bool = True) -> Comparison | None:
        """The comparison of `codec` with the reference, None where there is none."""
        return _find(self.comparisons, codec, self.reference, metric, headers)

    def rival_comparison(self, ours: str, rival: str, metric: str) -> Comparison | None:
        """The direct comparison of `ours` with `rival`, None where there is none."""
        return _find(self.duels, ours, rival, metric, True)

    def with_codecs_of(self, other: StoredResult) -> StoredResult:
        """This result and, behind it, the codecs that only `other` has, measured later on the same footing.

        Duels with them are known only where `other` has the profiles too. DataError where model, images, protocol
        or decoder differ, or the reference's curve, since comparisons would then not be with the same thing.
        """
        for name in _FOOTING:
            if self.record.get(name) != other.record.get(name):
                raise DataError(f"{name} {other.record.get(name)!r} is not {self.record.get(name)!r}; measure it anew")
        if not _same_curve(self.codecs[0], other.codecs[0]):
            raise DataError(f"{self.reference} has another curve there; measure it anew")
        known = {codec.name for codec in self.codecs}
        return replace(
            self,
            codecs=self.codecs + tuple(codec for codec in other.codecs if codec.name not in known),
            comparisons=self.comparisons + tuple(c for c in other.comparisons if c.codec not in known),
            duels=self.duels + tuple(c for c in other.duels if c.reference not in known),
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values with five significant digits."""
        values = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return {"format": FORMAT, "version": VERSION, **values}

    @classmethod
    def from_json(cls, data: Any) -> StoredResult:
        """The inverse of `to_json`. DataError where the format, version or a part is wrong."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise DataError(f"not a stored result: the format is not {FORMAT!r}")
        if data.get("version") != VERSION:
            raise DataError(f"made by another j4d: result version {data.get('version')!r}, this one reads {VERSION}")
        try:
            return cls(
                record=dict(data["record"]),
                images=int(data["images"]),
                accuracy=str(data["accuracy"]),
                loss=str(data["loss"]),
                uncompressed={str(name): _interval(value) for name, value in data["uncompressed"].items()},
                codecs=tuple(
                    StoredCodec(
                        name=str(codec["name"]),
                        role=str(codec["role"]),
                        own=bool(codec["own"]),
                        learned_on=str(codec["learned_on"]),
                        jpeg=bool(codec["jpeg"]),
                        points=tuple(_point(point) for point in codec["points"]),
                    )
                    for codec in data["codecs"]
                ),
                comparisons=tuple(_comparison(item) for item in data["comparisons"]),
                duels=tuple(_comparison(item) for item in data["duels"]),
                warnings=tuple(str(text) for text in data["warnings"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise DataError(f"damaged result: {type(error).__name__}: {error}") from None

    def dumps(self) -> bytes:
        """A JSON file of it: a line for each codec and comparison, so that a change shows in a diff."""
        parts = []
        for name, value in self.to_json().items():
            if isinstance(value, list):
                rows = ",\n  ".join(json.dumps(row, allow_nan=False) for row in value)
                parts.append(f"{json.dumps(name)}: [\n  {rows}\n ]" if rows else f"{json.dumps(name)}: []")
            else:
                parts.append(f"{json.dumps(name)}: {json.dumps(value, allow_nan=False)}")
        return ("{\n " + ",\n ".join(parts) + "\n}\n").encode()


def read_result(path: str | os.PathLike[str]) -> StoredResult:
    """Read a stored result, or an evaluation.json and make one of it; DataError where it is neither."""
    with naming(path):
        data = read_json(path, "a result")
        if isinstance(data, dict) and data.get("format") == EVALUATION:
            return StoredResult.of(Evaluation.from_json(data))
        return StoredResult.from_json(data)


def _codec(evaluation: Evaluation, position: int) -> StoredCodec:
    result = evaluation.codecs[position]
    noted = (evaluation.record.get("roles") or {}).get(result.name, {})
    learned = "profile" if result.config.get("id") == LearnedJPEG.id else "rival"
    role = "reference" if position == 0 else str(noted.get("role", learned))
    weights = noted.get("model_fingerprint")
    return StoredCodec(
        name=result.name,
        role=role,
        own=role in ("profile", UNADAPTED, CHOSEN) and weights in (None, evaluation.record.get("model_fingerprint")),
        learned_on=str(noted.get("learned_on", "")),
        jpeg=result.header_bytes is not None
        or result.config.get("id") in (DefaultJPEG.id, LearnedJPEG.id, ChosenJPEG.id),
        points=evaluation.points(result),
    )


def without_folder(spec: str) -> str:
    """A model's spec without the place of its file, which is nobody else's business."""
    target, mark, query = spec.partition("?")
    return (target.replace("\\", "/").rpartition("/")[2] if Path(target).is_absolute() else target) + mark + query


def _same_curve(one: StoredCodec, other: StoredCodec) -> bool:
    """Whether two measurements of a codec agree but for the last digits, which other processors may change."""
    if [point.setting for point in one.points] != [point.setting for point in other.points]:
        return False
    values = [[(point.bpp, *point.metrics.values()) for point in codec.points] for codec in (one, other)]
    first, second = ([interval.value for row in rows for interval in row] for rows in values)
    return len(first) == len(second) and all(map(partial(math.isclose, rel_tol=_LAST, abs_tol=_LAST), first, second))


def _find(among: tuple[Comparison, ...], codec: str, reference: str, metric: str, headers: bool) -> Comparison | None:
    for item in among:
        if (item.codec, item.reference, item.metric, item.headers) == (codec, reference, metric, headers):
            return item
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else ("not reached" if value > 0 else None)
    if isinstance(value, Interval):
        parts = [value.value, value.low, value.high, *([] if value.defined == 1 else [value.defined])]
        return [_plain(part) for part in parts]
    if isinstance(value, (StoredCodec, *_DATA)):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _number(value: Any) -> float:
    return math.nan if value is None else math.inf if value == "not reached" else float(value)


def _interval(value: Any) -> Interval:
    return Interval(*(_number(part) for part in value))


def _point(data: Mapping[str, Any]) -> Point:
    estimate, lean = data["estimated_bpp"], data["bpp_without_headers"]
    return Point(
        codec=str(data["codec"]),
        setting=data["setting"],
        bpp=_interval(data["bpp"]),
        estimated_bpp=None if estimate is None else float(estimate),
        metrics={str(name): _interval(value) for name, value in data["metrics"].items()},
        bpp_without_headers=None if lean is None else _interval(lean),
    )


def _comparison(data: Mapping[str, Any]) -> Comparison:
    return Comparison(
        codec=str(data["codec"]),
        reference=str(data["reference"]),
        metric=str(data["metric"]),
        bd_rate=_interval(data["bd_rate"]),
        bd_metric=_interval(data["bd_metric"]),
        largest_gain=_interval(data["largest_gain"]),
        gain_bpp=_number(data["gain_bpp"]),
        rate_cuts=tuple(
            RateCut(
                loss=_number(cut["loss"]),
                target=_number(cut["target"]),
                reference_bpp=_number(cut["reference_bpp"]),
                bpp=_number(cut["bpp"]),
                change=_interval(cut["change"]),
            )
            for cut in data["rate_cuts"]
        ),
        headers=bool(data["headers"]),
    )
