"""Where on a profile each picture goes: at one place, or at one drawn anew for every picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from j4d.errors import ParameterError
from j4d.profile.profile import Profile

Values = float | tuple[float, float] | Sequence[float]


class PointSampler:
    """One of `index`, `bpp` and `quality`, as `Profile.at` takes them.

    A number is that place for all. A tuple (low, high) is a range, drawn from evenly: in quality and index, whose ends
    belong to it, and in the logarithm of bpp. A list, or any other sequence, is a choice of places, each as likely.
    Raises ParameterError, ProfileError.
    """

    def __init__(self, profile: Profile, **given: Values | None) -> None:
        named = {name: value for name, value in given.items() if value is not None}
        if len(named) != 1:
            found = " and ".join(named) or "none"
            raise ParameterError(f"say where on the profile {profile.name} with one of {', '.join(given)}; got {found}")
        ((self.name, value),) = named.items()
        self.range = isinstance(value, tuple)
        many = isinstance(value, (tuple, list, range, np.ndarray))
        self.values: list[Any] = list(value) if many else [value]  # type: ignore[arg-type]
        if not self.values or (self.range and len(self.values) != 2):
            raise ParameterError(f"{self.name} {value!r}: a range has two ends (low, high), a choice one place or more")
        for one in self.values:
            profile.at(**{self.name: one})
        if self.name == "index":
            self.values = [int(one) % len(profile.points) for one in self.values]
        if self.range and self.values[0] > self.values[1]:
            raise ParameterError(f"{self.name} {value!r}: a range goes from low to high")

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to draw."""
        return len(self.values) == 1

    def draw(self, random: np.random.Generator) -> dict[str, Any]:
        """A place, as keyword arguments of `Profile.at`."""
        if not self.range:
            return {self.name: self.values[int(random.integers(len(self.values)))]}
        low, high = self.values
        if self.name == "index":
            return {self.name: int(random.integers(low, high + 1))}
        if self.name == "bpp":
            return {self.name: min(max(math.exp(random.uniform(math.log(low), math.log(high))), low), high)}
        return {self.name: float(random.uniform(low, high))}

    @property
    def only(self) -> dict[str, Any]:
        """The one place where it is fixed."""
        return {self.name: self.values[0]}
