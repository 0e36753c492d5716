"""The metrics of an evaluation: names, units and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """How a per-image figure is called, and which way is better: sign +1 larger, -1 smaller."""

    label: str
    sign: int
    unit: str


METRICS = {
    "top1": Metric("top-1", 1, ""),
    "top5": Metric("top-5", 1, ""),
    "agreement": Metric("agreement", 1, ""),
    "cross_entropy": Metric("cross-entropy", -1, "nats"),
    "kl": Metric("KL", -1, "nats"),
}


def short_name(record: Mapping[str, Any]) -> str:
    """The model's name for a title: the one it was given, or its spec without folders and callable.

    Of a profile learned for several models all of them, with plus signs between.
    """
    if record.get("model_name"):
        return str(record["model_name"])
    return " + ".join(map(_short_spec, str(record.get("model", "model")).split(" + ")))


def _short_spec(spec: str) -> str:
    target, _, query = spec.partition("?")
    named = [value for key, _, value in (pair.partition("=") for pair in query.split("&")) if key == "name"]
    return named[0] if named else target.rsplit("/", 1)[-1]
