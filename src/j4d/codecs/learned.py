"""Codecs as `evaluate` sees them: a ladder of settings, and four verbs as in numcodecs.

A codec is one small object with `encode`, `decode`, `get_config` and `from_config`; its configuration
is JSON, so that every measured file can be made again. Here: default JPEG (Annex K tables) and learned
profiles. A rival is one more class of this shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from j4d.codecs.protocol import Image, Setting
from j4d.errors import ParameterError
from j4d.jpeg import decoding, encoding
from j4d.jpeg.parameters import EncodingParameters
from j4d.profile.adaptation import Adaptation
from j4d.profile.ladder import Ladder
from j4d.profile.profile import Profile

if TYPE_CHECKING:
    pass


class LearnedJPEG:
    """The operating points of a profile, or of any list of encoding parameters; settings are their positions.

    `seed` draws the indices where the points have a sharpness; `deterministic` takes the nearest index instead.
    `at_least`: a profile with fewer points has others between them, as `Profile.at` interpolates, the same number
    between any two neighbours, until there are so many. `adapt`: a profile's pictures are moved along its ladder, as
    `Profile.adapted` does, if it has learned to. Raises ParameterError where there is no point, or where points have
    several longest sides.
    """

    id = "learned-jpeg"

    def __init__(
        self,
        source: Profile | Sequence[EncodingParameters],
        *,
        name: str | None = None,
        seed: int = 0,
        deterministic: bool = False,
        at_least: int = 0,
        adapt: bool = True,
    ) -> None:
        self._ladder: Ladder | None = None
        self._adaptation: Adaptation | None = None
        if isinstance(source, Profile):
            rates = _between([point.estimated_bpp for point in source.points], at_least)
            self._parameters = tuple(source.at(bpp=rate) for rate in rates)
            self._estimates: tuple[float | None, ...] = tuple(rates)
            if adapt and source.adaptation is not None:
                self._ladder, self._adaptation = source.ladder, source.adaptation
            name = name or source.name
        else:
            self._parameters = tuple(source)
            self._estimates = (None,) * len(self._parameters)
        if not self._parameters:
            raise ParameterError("a learned codec needs at least one operating point, got none")
        if len({parameters.longest_side for parameters in self._parameters}) > 1:
            raise ParameterError(
                "a learned codec stores pictures at one longest side, its operating points have several"
            )
        self.longest_side = self._parameters[0].longest_side  # pixels, of what is stored; None for any
        self.name = name or "learned"
        self.seed = seed
        self.deterministic = deterministic

    @property
    def settings(self) -> tuple[Setting, ...]:
        return tuple(range(len(self._parameters)))

    def encode(self, image: Image, setting: Setting) -> bytes:
        parameters = self._for_image(image, int(setting))
        return encoding.encode(image, parameters, seed=self.seed, deterministic=self.deterministic)

    def _for_image(self, image: Image, setting: int) -> EncodingParameters:
        rate = self._estimates[setting]
        if self._adaptation is None or self._ladder is None or rate is None:
            return self._parameters[setting]
        complexity = self._adaptation.complexity(self._ladder, image)
        return self._ladder.at(self._adaptation.adapted_log_rate(self._ladder, math.log(rate), *complexity))

    def decode(self, data: bytes) -> Image:
        return decoding.decode(data)

    def estimated_bpp(self, setting: Setting) -> float | None:
        return self._estimates[int(setting)]

    def parameters(self, setting: Setting) -> EncodingParameters:
        """Those of the setting itself, of the average picture where pictures are moved."""
        return self._parameters[int(setting)]

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "seed": self.seed,
            "deterministic": self.deterministic,
            "parameters": [parameters.to_json() for parameters in self._parameters],
            "estimated_bpp": list(self._estimates),
        }
        if self._adaptation is not None and self._ladder is not None:
            points = [parameters.to_json() for parameters in self._ladder.parameters]
            ladder = {"log_rates": self._ladder.log_rates, "parameters": points}
            config |= {"adaptation": self._adaptation.to_json(), "ladder": ladder}
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LearnedJPEG:
        points = [EncodingParameters.from_json(point) for point in config["parameters"]]
        made = cls(points, name=config["name"], seed=config["seed"], deterministic=config["deterministic"])
        made._estimates = tuple(config["estimated_bpp"])
        if "adaptation" in config:
            ladder = config["ladder"]
            rungs = [EncodingParameters.from_json(point) for point in ladder["parameters"]]
            made._ladder = Ladder(ladder["log_rates"], rungs)
            made._adaptation = Adaptation(**config["adaptation"])
        return made


def _between(rates: list[float], at_least: int) -> list[float]:
    """The rates with others log-linear between neighbours, as few between any two as make `at_least` of them."""
    gaps = len(rates) - 1
    parts = math.ceil((at_least - 1) / gaps) if gaps and at_least > len(rates) else 1
    inner = [low * (high / low) ** (i / parts) for low, high in pairwise(rates) for i in range(parts)]
    return [*inner, rates[-1]]
