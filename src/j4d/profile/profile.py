"""What is learned and kept: `Profile`, a ladder of operating points ordered by rate, with its provenance.

Frozen, compares by value, and valid once constructed; a wrong value raises `ProfileError` at construction. How a
profile looks in a file is `j4d.profile.file`'s business.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from j4d.errors import ProfileError
from j4d.jpeg.parameters import EncodingParameters, finite_number
from j4d.jpeg.transcoding import OpenedJPEG
from j4d.profile import builtin, file
from j4d.profile.adaptation import Adaptation
from j4d.profile.candidates import candidates, cheapest
from j4d.profile.choice import Choice
from j4d.profile.judge import Judge
from j4d.profile.ladder import Ladder
from j4d.profile.provenance import Provenance
from j4d.support.files import write_atomic
from j4d.support.frozen import freeze, freeze_mapping

__all__ = ["OperatingPoint", "Profile", "Provenance"]


@dataclass(frozen=True)
class OperatingPoint:
    """Encoding parameters and what is known of them.

    estimated_bpp: bits per pixel estimated from the marginals, > 0. lagrangian: the lambda they were
    learned with, nats per bpp. measured: figures by name (actual_bpp, loss, top1, agreement, ...). Raises
    ProfileError.
    """

    parameters: EncodingParameters
    estimated_bpp: float
    lagrangian: float | None = None
    measured: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.parameters, EncodingParameters):
            raise ProfileError(f"point: {type(self.parameters).__name__} is not EncodingParameters")
        put = object.__setattr__
        put(self, "estimated_bpp", finite_number(self.estimated_bpp, "estimated_bpp", ProfileError))
        if self.lagrangian is not None:
            put(self, "lagrangian", finite_number(self.lagrangian, "lagrangian", ProfileError, zero=True))
        measured = freeze_mapping(self.measured, "measured")
        for name, value in measured.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ProfileError(f"measured {name!r}: {value!r} is not a number")
        put(self, "measured", measured)


@dataclass(frozen=True)
class Profile:
    """A ladder of operating points of one sampling and one longest side, strictly increasing in estimated rate, with
    provenance.

    Between neighbouring points everything is interpolated (see `at`). adaptation: how single pictures are moved along
    the ladder (see `adapted`), None for not at all. choices: one for each judge that may choose their places (see
    `chosen`). Raises ProfileError where there is no point, the rates do not increase, a sampling or a longest side
    differs, adaptation or a choice is for another number of points, or two choices are for one judge.
    """

    name: str
    points: tuple[OperatingPoint, ...]
    provenance: Provenance
    adaptation: Adaptation | None = None
    choices: tuple[Choice, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(freeze(self.name, "name"), str):
            raise ProfileError(f"name: {self.name!r} is not text")
        object.__setattr__(self, "points", tuple(self.points))
        if not self.points:
            raise ProfileError("points: a profile needs at least one operating point, got none")
        for i, point in enumerate(self.points):
            if point.parameters.sampling != self.provenance.sampling:
                raise ProfileError(
                    f"points[{i}]: sampling {point.parameters.sampling} differs from the profile's "
                    f"{self.provenance.sampling}; one profile has one sampling"
                )
            if point.parameters.longest_side != self.longest_side:
                raise ProfileError(
                    f"points[{i}]: longest_side {point.parameters.longest_side} differs from the first point's "
                    f"{self.longest_side}; one profile has one"
                )
            if i and point.estimated_bpp <= self.points[i - 1].estimated_bpp:
                raise ProfileError(
                    f"points[{i}]: estimated_bpp {point.estimated_bpp} is not above the previous point's "
                    f"{self.points[i - 1].estimated_bpp}; points go from small to large rate"
                )
        if self.adaptation is not None:
            if not isinstance(self.adaptation, Adaptation):
                raise ProfileError(f"adaptation: {type(self.adaptation).__name__} is no Adaptation")
            if len(self.adaptation.offsets) != len(self.points):
                raise ProfileError(
                    f"adaptation: {len(self.adaptation.offsets)} offsets for {len(self.points)} points; one for each"
                )
        object.__setattr__(self, "choices", tuple(self.choices))
        for choice in self.choices:
            if not isinstance(choice, Choice):
                raise ProfileError(f"choices: {type(choice).__name__} is no Choice")
            if len(choice.lambdas) != len(self.points):
                count = f"{len(choice.lambdas)} lambdas for {len(self.points)} points"
                raise ProfileError(f"choice of {choice.judge}: {count}; one for each")
        if len({choice.fingerprint for choice in self.choices}) < len(self.choices):
            raise ProfileError("choices: two are for the same judge")

    def at(
        self, *, index: int | None = None, bpp: float | None = None, quality: float | None = None
    ) -> EncodingParameters:
        """Encoding parameters at one place of the ladder; exactly one argument is given.

        index: the point itself, negative from the end. bpp: estimated bits per pixel, within the ladder.
        quality: 0 is the first point, 100 the last, uniform in log estimated rate between. Between two
        points steps and sharpness are linear in their logarithm, and dead zones linear, over log rate.
        Raises ProfileError.
        """
        if sum(value is not None for value in (index, bpp, quality)) != 1:
            raise ProfileError("Profile.at needs exactly one of index=, bpp=, quality=")
        if index is not None:
            count = len(self.points)
            if isinstance(index, bool) or not isinstance(index, (int, np.integer)):
                raise ProfileError(f"index {index!r} is not an integer")
            if not -count <= index < count:
                raise ProfileError(f"index {index} is outside the ladder of {count} points ({-count}..{count - 1})")
            return self.points[index].parameters
        return self.ladder.at(math.log(self._rate(bpp, quality)))

    def adapted(
        self,
        picture: npt.NDArray[np.uint8] | bytes | OpenedJPEG,
        *,
        index: int | None = None,
        bpp: float | None = None,
        quality: float | None = None,
        **reading: Any,
    ) -> EncodingParameters:
        """Encoding parameters for one picture at one place of the ladder: busy and large ones take coarser steps.

        picture: uint8 pixels (H, W, 3), or the bytes of a JPEG file that is to be transcoded, or that file opened, so
        that it is read once. The place is given as for `at`; over many pictures the rate is as without adaptation. A
        profile without adaptation gives what `at` gives. The picture is encoded once on the way, at the reference
        point. reading: sampling of `transcode`, and for bytes its tolerate_damage and max_pixels. Raises ProfileError,
        ImageError, CodecError.
        """
        if self.adaptation is None:
            return self.at(index=index, bpp=bpp, quality=quality)
        log_rate, ladder = self._log_rate(index, bpp, quality), self.ladder
        return ladder.at(
            self.adaptation.adapted_log_rate(ladder, log_rate, *self.adaptation.complexity(ladder, picture, **reading))
        )

    def chosen(
        self,
        picture: npt.NDArray[np.uint8] | bytes | OpenedJPEG,
        judge: Judge,
        *,
        index: int | None = None,
        bpp: float | None = None,
        quality: float | None = None,
        **reading: Any,
    ) -> EncodingParameters:
        """Encoding parameters for one picture, its place chosen by a model that looks at its files.

        judge: one that the profile knows. picture, place and reading as for `adapted`. Over many pictures the rate is
        as without; a single one takes what its answer needs. The picture is encoded a dozen times on the way.
        Raises ProfileError, ImageError, CodecError, ModelError.
        """
        lagrangian = self.choice_of(judge).lagrangian(self.ladder, self._log_rate(index, bpp, quality))
        return cheapest(candidates(self.ladder, picture, judge, **reading), lagrangian).parameters

    def choice_of(self, judge: Judge) -> Choice:
        """What the profile knows of this judge. Raises ProfileError where it knows nothing."""
        for choice in self.choices:
            if choice.fingerprint == judge.fingerprint:
                return choice
        known = ", ".join(choice.judge for choice in self.choices) or "none"
        raise ProfileError(
            f"profile {self.name} does not know the judge {judge.name} (known: {known}); `j4d judge` teaches it"
        )

    @property
    def longest_side(self) -> int | None:
        """Pixels that no stored picture goes beyond; None where pictures are stored as they are."""
        return self.points[0].parameters.longest_side

    def stored_at(self, longest_side: int | None) -> Profile:
        """The same profile for pictures stored at another longest side, pixels, or for None as they are.

        Tables, estimates and figures stay what they were learned as. Raises ParameterError.
        """
        points = (replace(p, parameters=replace(p.parameters, longest_side=longest_side)) for p in self.points)
        return replace(self, points=tuple(points))

    @cached_property
    def ladder(self) -> Ladder:
        """The points' parameters along their estimated rates."""
        rates = [math.log(point.estimated_bpp) for point in self.points]
        return Ladder(rates, [point.parameters for point in self.points])

    def _log_rate(self, index: int | None, bpp: float | None, quality: float | None) -> float:
        """Log of the estimated rate at the one place that is named, as `at` takes it. Raises ProfileError."""
        if index is None and (bpp is None) != (quality is None):
            return math.log(self._rate(bpp, quality))
        self.at(index=index, bpp=bpp, quality=quality)  # tells what is wrong, if anything is
        assert index is not None
        return math.log(self.points[index].estimated_bpp)

    def _rate(self, bpp: float | None, quality: float | None) -> float:
        """The estimated rate that is asked for. Raises ProfileError where the ladder does not have it."""
        rate = self.estimated_bpp_at(quality) if bpp is None else finite_number(bpp, "bpp", ProfileError)
        low, high = self.points[0].estimated_bpp, self.points[-1].estimated_bpp
        if not low <= rate <= high:
            raise ProfileError(
                f"bpp {rate:g} is outside this profile's estimated {low:g}..{high:g} bpp; "
                "choose a rate inside, or learn further points"
            )
        return rate

    def estimated_bpp_at(self, quality: float | None) -> float:
        """Estimated bits per pixel at `quality` 0..100 of the ladder, log-linear. Raises ProfileError."""
        value = finite_number(quality, "quality", ProfileError, zero=True)
        if value > 100:
            raise ProfileError(f"quality {value:g} is outside 0..100")
        low, high = self.points[0].estimated_bpp, self.points[-1].estimated_bpp
        if value in (0, 100):
            return high if value else low
        return float(np.clip(low * (high / low) ** (value / 100), low, high))

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values, from which `from_json` makes an equal profile."""
        points = [
            {
                "parameters": point.parameters.to_json(),
                "estimated_bpp": point.estimated_bpp,
                "lagrangian": point.lagrangian,
                "measured": point.measured,
            }
            for point in self.points
        ]
        body: dict[str, Any] = {"name": self.name, "points": points}
        if self.adaptation is not None:
            body["adaptation"] = self.adaptation.to_json()
        if self.choices:
            body["choices"] = [asdict(choice) for choice in self.choices]
        return {**body, "provenance": {f.name: getattr(self.provenance, f.name) for f in fields(self.provenance)}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Profile:
        """The inverse of `to_json`, of data that `j4d.profile.file.parse` validated. Raises ProfileError."""
        points = (
            OperatingPoint(**{**point, "parameters": EncodingParameters.from_json(point["parameters"])})
            for point in data["points"]
        )
        adaptation, choices = data.get("adaptation"), data.get("choices", ())
        return cls(
            data["name"],
            tuple(points),
            Provenance(**data["provenance"]),
            None if adaptation is None else Adaptation(**adaptation),
            tuple(Choice(**choice) for choice in choices),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile as JSON, whole or not at all. Raises ProfileError where that fails."""
        with file.naming(path, "write"):
            data = file.dump(self.to_json())
            if len(data) > file.SIZE_LIMIT:
                raise ProfileError(f"{len(data)} bytes, more than the limit of {file.SIZE_LIMIT}; keep fewer points")
            Profile.from_json(file.parse(data))  # what cannot be read back is not written
            write_atomic(path, data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Profile:
        """Read a profile written by `save`. Anything else in the file raises ProfileError, on one line."""
        with file.naming(path, "read"):
            return cls.from_json(file.parse(file.read(path)))

    @staticmethod
    def builtin(name: str, sampling: str | None = None) -> Profile:
        """A profile that comes with j4d, such as "universal"; `j4d.profile.builtin.names()` lists them.

        Args:
            name: Of a family or a single profile.
            sampling: Which member of a family, by default 4:2:0.

        Raises:
            ProfileError: There is no such name, or no such sampling.
            ParameterError: `sampling` is not one of the samplings.
        """
        return _builtin(builtin.member_of(name, sampling))


@cache
def _builtin(member: str) -> Profile:
    return Profile.from_json(file.parse(builtin.read(member)))
