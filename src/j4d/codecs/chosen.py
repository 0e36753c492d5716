"""A learned profile whose operating point is chosen for each picture by a judge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from typing import Any

from j4d.codecs.cache import _pixels
from j4d.codecs.learned import _between
from j4d.codecs.protocol import Image, Setting
from j4d.errors import ParameterError
from j4d.jpeg import decoding
from j4d.profile.candidates import Candidate, candidates, cheapest
from j4d.profile.judge import Judge
from j4d.profile.profile import Profile


class ChosenJPEG:
    """A profile whose pictures are placed by a judge, as `Profile.chosen` does; settings are positions on its ladder.

    judge: one that the profile knows. The rest as for `LearnedJPEG`. A configuration holds no model, so no codec can
    be made from it. Raises ProfileError.
    """

    id = "chosen-jpeg"

    def __init__(self, profile: Profile, judge: Judge, *, name: str | None = None, at_least: int = 0) -> None:
        self._ladder, self._judge = profile.ladder, judge
        self._choice, self.longest_side = profile.choice_of(judge), profile.longest_side
        self._rates = _between([point.estimated_bpp for point in profile.points], at_least)
        self.name = name or f"{profile.name}, chosen by {judge.name}"
        self._seen: tuple[bytes, list[Candidate]] = (b"", [])  # a picture, and its files

    @property
    def settings(self) -> tuple[Setting, ...]:
        return tuple(range(len(self._rates)))

    def encode(self, image: Image, setting: Setting) -> bytes:
        identity = _pixels(image)
        if self._seen[0] != identity:
            seen = [replace(look, loss=cache(look.loss)) for look in candidates(self._ladder, image, self._judge)]
            self._seen = identity, seen
        lagrangian = self._choice.lagrangian(self._ladder, math.log(self._rates[int(setting)]))
        return cheapest(self._seen[1], lagrangian).data

    def decode(self, data: bytes) -> Image:
        return decoding.decode(data)

    def estimated_bpp(self, setting: Setting) -> float | None:
        return self._rates[int(setting)]

    def get_config(self) -> dict[str, Any]:
        points = [parameters.to_json() for parameters in self._ladder.parameters]
        return {
            "id": self.id,
            "name": self.name,
            "ladder": {"log_rates": self._ladder.log_rates, "parameters": points},
            "choice": asdict(self._choice),
            "estimated_bpp": list(self._rates),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ChosenJPEG:
        raise ParameterError(f"codec {config['name']} asks a model; make it from its profile and the model")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_seen": (b"", [])}
