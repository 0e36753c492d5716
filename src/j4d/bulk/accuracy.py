"""What transcoding does to a model's answers on sampled images: part of a dry run, and the only part with PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from j4d.bd import Interval, interval, resample_weights
from j4d.bulk.place import Source
from j4d.errors import ImageError
from j4d.images import LABEL_FILE_LIMIT, decode_image, label_of, label_rows

if TYPE_CHECKING:
    from j4d.models import VisionModel

LABELS = "labels.csv"  # in the source: columns file, label
RESAMPLES = 1000
_NORMAL_95 = 1.959963984540054  # the normal distribution's 97.5 % quantile


@dataclass(frozen=True)
class Accuracy:
    """How often a model is right, as shares 0..1 with 95 % intervals.

    agreement: of `images`, those whose largest logit stays that of the source. before, after: top-1 on the `labelled`
    among them, change: the paired difference; None without labels. Intervals are Wilson's, that of the change is the
    percentile bootstrap's over images; all take the images as drawn one by one.
    """

    model: str
    images: int
    agreement: Interval
    labelled: int = 0
    before: Interval | None = None
    after: Interval | None = None
    change: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; intervals are [value, low, high]."""
        return {name: _limits(value) if isinstance(value, Interval) else value for name, value in vars(self).items()}

    def __str__(self) -> str:
        text = f"{self.model}: same answer on {_percent(self.agreement)} of {self.images} images"
        if self.before is None or self.after is None or self.change is None:
            return text
        return (
            f"{text}; top-1 {_percent(self.before)} -> {_percent(self.after)}, change {_percent(self.change, '+')}, "
            f"on {self.labelled} labelled"
        )


class Witness:
    """A model that is shown images before and after, or its spec. labels: class numbers by key. Raises ModelError."""

    def __init__(self, model: str | VisionModel, labels: Mapping[str, int]) -> None:
        from j4d.models import load_model

        self._model = load_model(model) if isinstance(model, str) else model
        self._spec, self._labels = self._model.name, labels
        self._agreed: list[bool] = []
        self._right: list[tuple[float, float]] = []

    def see(self, key: str, source: bytes, output: bytes | None) -> None:
        """One image, upright, before and after. Passed over: one that is left out, or that cannot be decoded.

        Raises DataError for a label that is no class of the model, ModelError.
        """
        from j4d.evaluation.judging import evaluating, judge, log_probabilities

        if output is None:
            return
        try:
            before, after = decode_image(source, key), decode_image(output, key)
        except ImageError:
            return
        with evaluating(self._model):
            clean, answer = (log_probabilities(self._model, [pixels]) for pixels in (before, after))
        label = self._labels.get(key)
        figures = judge(answer, clean, label)
        self._agreed.append(bool(figures["agreement"][0]))
        if label is not None:
            self._right.append((judge(clean, clean, label)["top1"][0], figures["top1"][0]))

    def told(self, seed: int) -> Accuracy | None:
        """What was seen, or None where nothing was. seed: of the bootstrap."""
        if not self._agreed:
            return None
        agreement = wilson(sum(self._agreed), len(self._agreed))
        if not self._right:
            return Accuracy(self._spec, len(self._agreed), agreement)
        right = np.array(self._right)
        count, gained = len(right), right[:, 1] - right[:, 0]
        before, after = (wilson(int(each), count) for each in right.sum(0))
        change = interval(float(gained.mean()), resample_weights(count, RESAMPLES, seed) @ gained)
        return Accuracy(self._spec, len(self._agreed), agreement, count, before, after, change)


def labels_of(source: Source) -> dict[str, int]:
    """Class numbers by the files' names, from labels.csv in the source; empty where there is none. DataError."""
    try:
        with source.open(LABELS) as file:
            data = file.read(LABEL_FILE_LIMIT + 1)
    except OSError:
        return {}
    name = f"{source.root}/{LABELS}"
    return {row["file"]: label_of(name, row["file"], row["label"]) for row in label_rows(data, name)}


def wilson(count: int, total: int) -> Interval:
    """The share count / total with Wilson's score interval at 95 % (Wilson 1927), which holds near 0 and 1 too."""
    share, z2 = count / total, _NORMAL_95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _NORMAL_95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return Interval(share, max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share)))


def _limits(value: Interval) -> list[float]:
    return [round(number, 6) for number in (value.value, value.low, value.high)]


def _percent(value: Interval, sign: str = "") -> str:
    return "{:{s}.1f} % [{:{s}.1f}, {:{s}.1f}]".format(*(100 * v for v in _limits(value)), s=sign)
