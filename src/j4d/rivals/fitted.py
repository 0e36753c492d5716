"""What a table method ends as: the operating points it found, and the constants that it found them with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from j4d.codecs.learned import LearnedJPEG
from j4d.jpeg.parameters import EncodingParameters


class FittedJPEG(LearnedJPEG):
    """A rival's tables; settings are positions, from small to large rate. The index is the nearest, or where a point
    has a trellis what that makes of it.

    rival: its name in `j4d.rivals`. constants: JSON, whatever the method fitted on the way. estimates: bits per pixel.
    """

    def __init__(
        self,
        rival: str,
        points: Sequence[EncodingParameters],
        estimates: Sequence[float],
        constants: Mapping[str, Any],
        *,
        name: str,
    ) -> None:
        super().__init__(points, name=name, deterministic=True)
        self.rival, self.constants = rival, dict(constants)
        self._estimates = tuple(estimates)

    def get_config(self) -> dict[str, Any]:
        return {
            "id": self.rival,
            "name": self.name,
            "parameters": [point.to_json() for point in self._parameters],
            "estimated_bpp": list(self._estimates),
            "constants": self.constants,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> FittedJPEG:
        points = [EncodingParameters.from_json(point) for point in config["parameters"]]
        return cls(config["id"], points, config["estimated_bpp"], config["constants"], name=config["name"])
