"""How often a model is right on sampled images before and after transcoding: part of a dry run. No PyTorch here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from j4d.evaluation.bd import Interval

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
