"""The measurements of one codec, and the points of its rate-accuracy curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from j4d.codecs.protocol import Setting
from j4d.evaluation import bd
from j4d.evaluation.file import CodecModel
from j4d.evaluation.pchip import Floats


@dataclass(frozen=True, eq=False)
class CodecResult:
    """One codec's measurements: P settings on N images.

    bytes: (P, N) whole-file sizes. metrics: name to (P, N); 0 or 1 for top1, top5, agreement; nats for
    cross_entropy and kl. estimated_bpp: P figures or None. config: what `get_config` gave. header_bytes:
    (P, N), how many of the bytes are markers and segments; None where the files are not JPEG or it is not known.
    """

    name: str
    settings: tuple[Setting, ...]
    estimated_bpp: tuple[float | None, ...]
    bytes: NDArray[np.int64]
    metrics: Mapping[str, Floats]
    config: Mapping[str, Any] = field(default_factory=dict)
    header_bytes: NDArray[np.int64] | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values, from which `from_json` makes an equal result."""
        return {
            "name": self.name,
            "settings": list(self.settings),
            "estimated_bpp": list(self.estimated_bpp),
            "bytes": self.bytes.tolist(),
            "metrics": {name: numbers(values) for name, values in self.metrics.items()},
            "config": dict(self.config),
            "header_bytes": None if self.header_bytes is None else self.header_bytes.tolist(),
        }

    @classmethod
    def from_json(cls, data: CodecModel) -> CodecResult:
        """The inverse of `to_json`, validated. ValueError where rows have different lengths."""
        return cls(
            name=data.name,
            settings=tuple(data.settings),
            estimated_bpp=tuple(data.estimated_bpp),
            bytes=np.array(data.bytes, np.int64),
            metrics=arrays(data.metrics),
            config=data.config,
            header_bytes=None if data.header_bytes is None else np.array(data.header_bytes, np.int64),
        )


@dataclass(frozen=True)
class Point:
    """One setting's averages over the images, with 95 % bootstrap intervals; bpp is actual, whole file.

    bpp_without_headers: the same without the bytes of markers and segments, None where those are not known.
    """

    codec: str
    setting: Setting
    bpp: bd.Interval
    estimated_bpp: float | None
    metrics: Mapping[str, bd.Interval]
    bpp_without_headers: bd.Interval | None = None


def numbers(values: Floats) -> Any:
    """Lists of floats at six significant digits, whole ones as integers, to keep files small."""
    if values.ndim > 1:
        return [numbers(row) for row in values]
    return [int(v) if v == int(v) else float(f"{v:.6g}") for v in values.tolist()]


def arrays(data: Mapping[str, Any]) -> dict[str, Floats]:
    return {name: np.array(values, np.float64) for name, values in data.items()}
