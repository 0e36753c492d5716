"""What is learned and kept: `EncodingParameters` (one operating point's tables and quantizer), and
`Profile`, a ladder of such points ordered by rate with its provenance.

All are frozen, compare and hash by value, hold read-only arrays in natural order, and are valid once
constructed; a wrong value raises `ParameterError` or `ProfileError` at construction. How a profile looks in
a file is `j4d.profile_file`'s business.
"""

from __future__ import annotations

import bisect
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from j4d.errors import ParameterError, ProfileError
from j4d.frozen import freeze, freeze_mapping
from j4d.provenance import Provenance
from j4d.tables import ANNEX_K_CHROMA, ANNEX_K_LUMA, check_table, scale_table

__all__ = ["SAMPLINGS", "EncodingParameters", "OperatingPoint", "Profile", "Provenance", "check_sampling"]

SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0", "gray")


def check_sampling(sampling: Any) -> str:
    """Return `sampling` if it is one of SAMPLINGS, else raise ParameterError."""
    if not isinstance(sampling, str) or sampling not in SAMPLINGS:
        raise ParameterError(f"sampling {sampling!r} is not one of {', '.join(SAMPLINGS)}")
    return sampling


def _check_dead_zone(dead_zone: Any, name: str) -> npt.NDArray[np.float64] | None:
    """Return a read-only (8, 8) float64 copy, or None for None and for all zeros (the same quantizer)."""
    if dead_zone is None:
        return None
    try:
        given = np.asarray(dead_zone)
    except ValueError:
        raise ParameterError(f"{name} dead zone: rows differ in length; expected shape (8, 8)") from None
    if given.shape != (8, 8) or given.dtype.kind not in "fiu":
        raise ParameterError(
            f"{name} dead zone: shape {given.shape} of {given.dtype}, expected (8, 8) numbers in 0..0.5"
        )
    array = given.astype(np.float64) + 0.0  # + 0.0 turns -0.0 into 0.0
    wrong = np.argwhere(~((array >= 0) & (array <= 0.5)))
    if len(wrong):
        row, column = (int(i) for i in wrong[0])
        raise ParameterError(
            f"{name} dead zone: {array[row, column]} at row {row}, column {column} is outside 0..0.5 steps"
        )
    if not array.any():
        return None
    array.setflags(write=False)
    return array


def _number(value: Any, name: str, error: type[ParameterError | ProfileError], *, zero: bool = False) -> float:
    """Return `value` as a float if it is a finite number above 0 (or 0 where `zero` allows it)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise error(f"{name} {value!r} is not a number")
    if not (value > 0 or (zero and value == 0)) or not value < math.inf:
        raise error(f"{name} {value} is not a finite number {'>=' if zero else '>'} 0")
    try:
        return float(value)
    except OverflowError:
        raise error(f"{name} is an integer too large for a float") from None


@dataclass(frozen=True, eq=False)
class EncodingParameters:
    """One operating point: tables, sharpness, dead zones and sampling.

    luma, chroma: (8, 8) int32 steps 1..255, natural order. sharpness: kappa = alpha q^2 of the
    probabilistic quantizer, scale-free, > 0; None is the deterministic limit (nearest index).
    luma_dead_zone, chroma_dead_zone: (8, 8) float64 in 0..0.5, unit steps; None means no dead zone, and all
    zeros are stored as None.

    With u = c / q the quantizer draws index k with P(k|c) proportional to exp(-kappa ((u - k)^2 + 2 d
    |k|)), d the dead zone; its limit for large kappa is k = sign(u) max(0, floor(|u| + 0.5 - d)). Raises
    ParameterError.
    """

    luma: npt.NDArray[np.int32]
    chroma: npt.NDArray[np.int32]
    sampling: str = "4:2:0"
    sharpness: float | None = None
    luma_dead_zone: npt.NDArray[np.float64] | None = None
    chroma_dead_zone: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "luma", check_table(self.luma, "luma"))
        put(self, "chroma", check_table(self.chroma, "chroma"))
        check_sampling(self.sampling)
        if self.sharpness is not None:
            put(self, "sharpness", _number(self.sharpness, "sharpness", ParameterError))
        put(self, "luma_dead_zone", _check_dead_zone(self.luma_dead_zone, "luma"))
        put(self, "chroma_dead_zone", _check_dead_zone(self.chroma_dead_zone, "chroma"))

    @classmethod
    def from_quality(cls, quality: int, sampling: str = "4:2:0") -> EncodingParameters:
        """The default JPEG point: Annex K tables scaled to IJG `quality` 1..100, deterministic quantizer."""
        luma, chroma = (scale_table(table, quality) for table in (ANNEX_K_LUMA, ANNEX_K_CHROMA))
        return cls(luma, chroma, sampling)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values that `from_json` turns back into an equal object."""
        values = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in values}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EncodingParameters:
        """The inverse of `to_json`. Unknown or missing keys and wrong values raise ParameterError."""
        names = [f.name for f in fields(cls)]
        if not isinstance(data, Mapping) or not {"luma", "chroma"} <= set(data) <= set(names):
            got = sorted(map(str, data)) if isinstance(data, Mapping) else type(data).__name__
            raise ParameterError(f"encoding parameters: got {got}, expected luma, chroma and of {names[2:]}")
        return cls(**data)

    def _key(self) -> tuple[Any, ...]:
        values = (getattr(self, f.name) for f in fields(self))
        return tuple(v.tobytes() if isinstance(v, np.ndarray) else v for v in values)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, EncodingParameters) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:  # through the constructor, so that copies are read-only too
        return type(self), tuple(getattr(self, f.name) for f in fields(self))


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
        put(self, "estimated_bpp", _number(self.estimated_bpp, "estimated_bpp", ProfileError))
        if self.lagrangian is not None:
            put(self, "lagrangian", _number(self.lagrangian, "lagrangian", ProfileError, zero=True))
        measured = freeze_mapping(self.measured, "measured")
        for name, value in measured.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ProfileError(f"measured {name!r}: {value!r} is not a number")
        put(self, "measured", measured)


def _between(low: EncodingParameters, high: EncodingParameters, t: float) -> EncodingParameters:
    """The point a share `t` of the way: steps and sharpness linear in their logarithm, dead zones linear."""
    if t <= 0 or low == high:
        return low
    if t >= 1:
        return high

    def steps(a: npt.NDArray[np.int32], b: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        return np.rint(np.exp((1 - t) * np.log(a) + t * np.log(b))).astype(np.int32)

    def dead_zone(a: npt.NDArray[np.float64] | None, b: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
        return (1 - t) * (np.zeros((8, 8)) if a is None else a) + t * (np.zeros((8, 8)) if b is None else b)

    sharpness = None  # None is infinite sharpness: anything between it and a finite one is infinite too
    if low.sharpness is not None and high.sharpness is not None:
        sharpness = low.sharpness ** (1 - t) * high.sharpness**t
    return EncodingParameters(
        steps(low.luma, high.luma),
        steps(low.chroma, high.chroma),
        low.sampling,
        sharpness,
        dead_zone(low.luma_dead_zone, high.luma_dead_zone),
        dead_zone(low.chroma_dead_zone, high.chroma_dead_zone),
    )


@dataclass(frozen=True)
class Profile:
    """A ladder of operating points of one sampling, strictly increasing in estimated rate, with provenance.

    Between neighbouring points everything is interpolated (see `at`). Raises ProfileError where there is no
    point, the rates do not increase, or a sampling differs.
    """

    name: str
    points: tuple[OperatingPoint, ...]
    provenance: Provenance

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
            if i and point.estimated_bpp <= self.points[i - 1].estimated_bpp:
                raise ProfileError(
                    f"points[{i}]: estimated_bpp {point.estimated_bpp} is not above the previous point's "
                    f"{self.points[i - 1].estimated_bpp}; points go from small to large rate"
                )

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
        if bpp is None:
            bpp = self.estimated_bpp_at(quality)
        bpp = _number(bpp, "bpp", ProfileError)
        rates = [point.estimated_bpp for point in self.points]
        if not rates[0] <= bpp <= rates[-1]:
            raise ProfileError(
                f"bpp {bpp:g} is outside this profile's estimated {rates[0]:g}..{rates[-1]:g} bpp; "
                "choose a rate inside, or learn further points"
            )
        high = bisect.bisect_left(rates, bpp)
        if rates[high] == bpp:
            return self.points[high].parameters
        t = math.log(bpp / rates[high - 1]) / math.log(rates[high] / rates[high - 1])
        return _between(self.points[high - 1].parameters, self.points[high].parameters, t)

    def estimated_bpp_at(self, quality: float | None) -> float:
        """Estimated bits per pixel at `quality` 0..100 of the ladder, log-linear. Raises ProfileError."""
        value = _number(quality, "quality", ProfileError, zero=True)
        if value > 100:
            raise ProfileError(f"quality {value:g} is outside 0..100")
        low, high = self.points[0].estimated_bpp, self.points[-1].estimated_bpp
        if value in (0, 100):
            return high if value else low
        return float(np.clip(low * (high / low) ** (value / 100), low, high))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile as JSON, whole or not at all. Raises ProfileError where that fails."""
        from j4d.profile_file import save  # pydantic is loaded only where a profile file is touched

        save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Profile:
        """Read a profile written by `save`. Anything else in the file raises ProfileError, on one line."""
        from j4d.profile_file import load

        return load(path)

    @staticmethod
    def builtin(name: str) -> Profile:
        """A profile that comes with j4d, by name. Raises ProfileError: this version has none."""
        raise ProfileError(f"profile {name!r}: no built-in profiles in this version; learn one with `j4d learn`")
